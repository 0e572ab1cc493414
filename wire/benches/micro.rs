//! Micro-benchmarks of the work done for every chunk and every small file, to locate a regression: `cargo bench -p wire
//! --features net`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::control::Envelope;
use wire::frame::{Announcement, EntryHead, EntryKind, FrameHead, FrameKind};
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::CHUNK_LEN;
use wire::message::{Entry, Listing};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::ranges::RangeSet;
use wire::transport::BufferPool;
use wire::transport::tls_tcp::RECORD_LAYOUT;
use wire::transport::tls_tcp::record::{Opener, RECORD_CONTENT_MAX, RECORD_OVERHEAD, Sealer};
use wire::{Name, RemotePath};

fn main() {
    divan::main();
}

fn secrets() -> (u64, ConnectionTrafficSecrets) {
    let key = AeadKey::from([7; 32]);
    (0, ConnectionTrafficSecrets::Aes256Gcm { key, iv: Iv::from([9; 12]) })
}

fn path() -> RemotePath {
    RemotePath::from_user(b"doc/rust/html/std/collections/struct.HashMap.html").unwrap_or_default()
}

fn block() -> FrameHead {
    let kind = FrameKind::Block {
        file: FileNo(1),
        offset: 0,
        last: false,
        digest: Digest([3; 32]),
        encoding: Default::default(),
    };
    FrameHead { job: JobId(1), frame: FrameNo(1), extra_len: 44, payload_len: 524_288, kind }
}

#[divan::bench(args = [Checksum::Sha256, Checksum::Blake3])]
fn hash_chunk(bencher: Bencher<'_, '_>, checksum: Checksum) {
    let chunk = vec![5_u8; CHUNK_LEN];
    let place = ChunkPlace::Among { index: 3 };
    let pieces = || chunk.chunks(RECORD_CONTENT_MAX);
    bencher.counter(BytesCount::new(CHUNK_LEN)).bench(|| checksum.of_chunk(place, black_box(pieces())));
}

#[divan::bench(args = [Checksum::Sha256, Checksum::Blake3])]
fn hash_small_file(bencher: Bencher<'_, '_>, checksum: Checksum) {
    let content = vec![5_u8; 6_000];
    bencher
        .counter(BytesCount::new(content.len()))
        .bench(|| checksum.of_small_file([black_box(&content[..])]));
}

/// Like most small files in a pack: across the border of two records.
#[divan::bench(args = [Checksum::Sha256, Checksum::Blake3])]
fn hash_small_file_in_two_pieces(bencher: Bencher<'_, '_>, checksum: Checksum) {
    let content = vec![5_u8; 12_500];
    let (first, second) = content.split_at(5_000);
    bencher
        .counter(BytesCount::new(content.len()))
        .bench(|| checksum.of_small_file([black_box(first), black_box(second)]));
}

#[divan::bench]
fn root_of_a_gibibyte() -> Option<Digest> {
    let mut root = RootBuilder::new(Checksum::Blake3);
    (0..2048).for_each(|index| root.add(index, Digest([1; 32])));
    root.root(1 << 30)
}

#[divan::bench]
fn seal_chunk(bencher: Bencher<'_, '_>) {
    let mut buffer = BufferPool::default().take(RECORD_LAYOUT);
    let Ok(mut sealer) = Sealer::new(secrets()) else { return };
    bencher.counter(BytesCount::new(CHUNK_LEN)).bench_local(move || {
        if sealer.is_worn() {
            sealer = Sealer::new(secrets()).unwrap_or_else(|_| unreachable!("it worked before"));
        }
        buffer.encode(&block(), &[0; 44], |record, len| sealer.seal(record, len)).is_ok()
    });
}

#[divan::bench]
fn open_record(bencher: Bencher<'_, '_>) {
    let sealed = || {
        let mut record = vec![1; RECORD_CONTENT_MAX + RECORD_OVERHEAD];
        let sealed =
            Sealer::new(secrets()).and_then(|mut sealer| sealer.seal(&mut record, RECORD_CONTENT_MAX));
        sealed.and_then(|()| Ok((record, Opener::new(secrets())?))).ok()
    };
    bencher
        .counter(BytesCount::new(RECORD_CONTENT_MAX))
        .with_inputs(sealed)
        .bench_values(|input| input.is_some_and(|(mut record, mut opener)| opener.open(&mut record).is_ok()));
}

#[divan::bench]
fn frame_head() -> bool {
    FrameHead::decode(&black_box(block()).encode()).is_ok()
}

#[divan::bench]
fn pack_entry_head() -> bool {
    let modified = Some(Timestamp { seconds: 1, nanos: 2 });
    let digest = Digest([2; 32]);
    let head = EntryHead {
        kind: EntryKind::File,
        path_len: 40,
        payload_len: 6_000,
        content_len: 6_000,
        modified,
        mode: 0o644,
        digest,
        as_is: false,
    };
    EntryHead::decode(&black_box(head).encode()).is_ok()
}

#[divan::bench]
fn announcement(bencher: Bencher<'_, '_>) {
    let announcement = Announcement {
        path: path(),
        size: Some(1 << 30),
        modified: None,
        mode: 0o644,
        source: Default::default(),
    };
    bencher.bench(|| {
        let mut bytes = Vec::new();
        announcement.encode(&mut bytes);
        Announcement::decode(&bytes).is_ok()
    });
}

#[divan::bench]
fn path_from_wire(bencher: Bencher<'_, '_>) {
    let path = path();
    bencher.bench(|| RemotePath::from_wire(black_box(path.as_bytes())).is_ok());
}

#[divan::bench]
fn path_join(bencher: Bencher<'_, '_>) {
    let (path, name) = (path(), Name::new(b"index.html"));
    bencher.bench(|| name.as_ref().is_ok_and(|name| path.join(name).is_ok()));
}

#[divan::bench]
fn listing_page(bencher: Bencher<'_, '_>) {
    let modified = Timestamp { seconds: 1, nanos: 2 };
    let metadata = Metadata { kind: Kind::File, size: 6_000, modified, mode: 0o644 };
    let entry = Entry { path: path(), metadata, link_target: Vec::new(), digest: None, details: None };
    let listing = Listing { entries: vec![entry; 1000], failures: Vec::new() };
    let envelope = Envelope::new(1, listing);
    bencher.bench(|| {
        let mut bytes = Vec::new();
        envelope.encode(&mut bytes).is_ok()
    });
}

#[divan::bench]
fn frames_done_out_of_order() -> u64 {
    let mut done = RangeSet::default();
    (0..2048).for_each(|number: u64| {
        done.insert(number ^ 1);
    });
    done.first_missing()
}
