//! Bytes sent by the other end or typed by a person: frames, records, paths, URLs.

use ftp_client::fingerprint;
use ftp_client::remote::{Remote, TypedPath, Way, parse_address};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use wire::control::{CONTROL_HEADER_LEN, ControlHeader};
use wire::frame::{
    Announcement, BlockExtra, ENTRY_HEAD_LEN, Encoding, EntryHead, FrameHead, FrameKind, HEAD_LEN,
    content_len, decode_loss, encode_pack_extra,
};
use wire::limits::{CHUNK_LEN, CONTROL_BODY_MAX, PACK_LEN_MAX, PATH_DEPTH_MAX, PATH_LEN_MAX};
use wire::path::Name;
use wire::transport::tls_tcp::record::{
    OpenedRecord, Opener, RECORD_HEADER_LEN, RECORD_OVERHEAD, Sealer, record_len,
};
use wire::{RemotePath, frame};

/// A control frame: accepted input is written again unchanged.
pub fn control_frame(bytes: &[u8]) {
    let Some((header, rest)) = bytes.split_first_chunk::<CONTROL_HEADER_LEN>() else { return };
    let Ok(header) = ControlHeader::decode(*header, CONTROL_BODY_MAX) else { return };
    let Some(body) = rest.get(..header.body_len as usize) else { return };
    let Ok(Some(envelope)) = header.decode_body(body) else { return };
    let mut again = Vec::new();
    envelope.encode(&mut again).expect("what was read can be written");
    let same = again == bytes[..again.len()];
    // A failure's message is cut to its bound; it is the only part that may change.
    assert!(same || matches!(envelope.message, wire::message::Message::Failure(_)), "{envelope:?}");
}

/// A lane frame: its head, and the parts behind it by kind.
pub fn lane_frame(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LEN>() else { return };
    let Ok(head) = FrameHead::decode(head) else { return };
    assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
    let Some((extra, payload)) = rest.split_at_checked(usize::from(head.extra_len)) else { return };
    match head.kind {
        FrameKind::Block { .. } => block_extra(&head, extra),
        FrameKind::Hole { .. } => announcement(extra),
        FrameKind::Seal { .. } => {
            announcement(extra);
            let _ = decode_loss(payload);
        }
        FrameKind::Pack { encoding: Encoding::Recipe, .. } => unreachable!("a pack has none"),
        FrameKind::Pack { encoding: Encoding::Plain, entries } => pack(payload, entries),
        FrameKind::Pack { encoding: Encoding::Zstd, .. } => {
            if let Ok(len) = content_len(&head, extra) {
                assert!(len > head.payload_len && len as usize <= PACK_LEN_MAX);
                assert_eq!(encode_pack_extra(len), extra);
            }
        }
    }
}

fn block_extra(head: &FrameHead, bytes: &[u8]) {
    let Ok(extra) = BlockExtra::decode(head, bytes) else { return };
    match head.kind.encoding() {
        Encoding::Plain => assert_eq!(extra.content_len, head.payload_len, "nothing is encoded"),
        Encoding::Zstd | Encoding::Recipe => {
            assert!(extra.content_len > head.payload_len && extra.content_len as usize <= CHUNK_LEN)
        }
    }
    let mut again = Vec::new();
    extra.encode(&mut again);
    assert_eq!(BlockExtra::decode(head, &again).as_ref(), Ok(&extra));
}

fn announcement(bytes: &[u8]) {
    let Ok(announcement) = Announcement::decode(bytes) else { return };
    let mut again = Vec::new();
    announcement.encode(&mut again);
    assert_eq!(Announcement::decode(&again).as_ref(), Ok(&announcement));
}

fn pack(payload: &[u8], entries: u32) {
    let mut rest = payload;
    for _ in 0..entries {
        let Some((head, behind)) = rest.split_first_chunk::<ENTRY_HEAD_LEN>() else { return };
        let Ok(head) = EntryHead::decode(head) else { return };
        assert_eq!(EntryHead::decode(&head.encode()), Ok(head));
        let Some((path, behind)) = behind.split_at_checked(usize::from(head.path_len)) else { return };
        let _ = RemotePath::from_wire(path);
        let Some((content, behind)) = behind.split_at_checked(head.payload_len as usize) else { return };
        if head.kind == frame::EntryKind::Lost {
            let _ = decode_loss(content);
        }
        rest = behind;
    }
}

/// TLS records: foreign bytes are never opened, and sealed ones only unchanged.
pub fn tls_record(bytes: &[u8]) {
    let mut stranger = bytes.to_vec();
    if let Ok(Some(len)) = record_len(bytes) {
        assert!(len >= RECORD_OVERHEAD);
    }
    assert!(Opener::new(secrets()).is_ok_and(|mut opener| opener.open(&mut stranger).is_err()), "forged");

    let Some(([how, at], content)) = bytes.split_first_chunk::<2>() else { return };
    let content = &content[..content.len().min(1000)];
    let mut record = vec![0; content.len() + RECORD_OVERHEAD];
    record[RECORD_HEADER_LEN..][..content.len()].copy_from_slice(content);
    let (Ok(mut sealer), Ok(mut opener)) = (Sealer::new(secrets()), Opener::new(secrets())) else { return };
    sealer.seal(&mut record, content.len()).expect("it has the right length");
    let at = usize::from(*at) % record.len();
    match how % 3 {
        0 => {
            assert_eq!(record_len(&record), Ok(Some(record.len())));
            assert_eq!(opener.open(&mut record), Ok(OpenedRecord::Data(content.len())));
            assert_eq!(&record[RECORD_HEADER_LEN..][..content.len()], content);
        }
        1 => {
            record[at] ^= (how | 1) & 0x7f;
            assert!(opener.open(&mut record).is_err(), "byte {at} was changed");
        }
        _ => assert!(opener.open(&mut record[..at]).is_err(), "only {at} bytes"),
    }
}

fn secrets() -> (u64, ConnectionTrafficSecrets) {
    let key = AeadKey::from([7; 32]);
    (3, ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv: Iv::from([9; 12]) })
}

/// Paths on the wire, and as people type them.
pub fn remote_path(bytes: &[u8]) {
    if let Ok(path) = RemotePath::from_wire(bytes) {
        assert_eq!(path.as_bytes(), bytes);
        check_path(&path);
    }
    if let Ok(path) = RemotePath::from_user(bytes) {
        assert_eq!(RemotePath::from_wire(path.as_bytes()).as_ref(), Ok(&path));
        check_path(&path);
    }
}

fn check_path(path: &RemotePath) {
    assert!(path.as_bytes().len() <= PATH_LEN_MAX && path.names().count() <= PATH_DEPTH_MAX);
    for name in path.names() {
        assert!(Name::new(name.as_bytes()).is_ok() && !matches!(name.as_bytes(), b"." | b".."));
    }
    if let Some((parent, name)) = path.split_last() {
        assert_eq!(parent.join(&name).as_ref(), Ok(path));
        assert_eq!(path.strip_prefix(&parent), Some(name.into()));
    }
    assert!(path.to_string().bytes().all(|byte| byte >= b' ' && byte != 0x7f), "{path} speaks to terminals");
}

/// User input in the place of a server or a path on one.
pub fn url(bytes: &[u8]) {
    let text = OsStr::from_bytes(bytes);
    if let Err(error) = TypedPath::parse(text) {
        let told = error.to_string();
        assert!(told.chars().all(|character| !character.is_control()), "{told:?} speaks to terminals");
    }
    if let Ok(remote) = Remote::parse(text) {
        check_path(&remote.path);
        let has_port = remote.port > 0 || remote.way == Way::Ssh;
        assert!(!remote.host.is_empty() && has_port, "{remote:?}");
    }
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = (fingerprint::parse(text), parse_address(text));
    }
}
