//! TLS 1.3 records protected in place (RFC 8446, 5.2), for lanes: rustls does the handshake and exports the traffic secrets;
//! from then on a lane's bytes are sealed and opened in their buffer, without a copy through rustls.
//!
//! ```text
//! 23 | 3 3 | length u16, big-endian | content: up to 16,384 bytes | type | tag: 16 bytes
//! |<- header: additional data ----->| sealed: ----------------------->|
//! ```
//!
//! The nonce of record n is n, as 12 bytes big-endian, xor the static iv. Sequence numbers start at rustls's and only grow; a
//! lane is replaced after [`LANE_RECORDS_MAX`] records under one key. Incoming records must be application data or an alert;
//! any other type, KeyUpdate included, ends the lane.

use crate::limits::LANE_RECORDS_MAX;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::ConnectionTrafficSecrets;

/// Length of a record's header.
pub const RECORD_HEADER_LEN: usize = 5;
/// Longest content of a record.
pub const RECORD_CONTENT_MAX: usize = 16_384;
/// Bytes behind the content: its type, and the tag.
pub const RECORD_TRAILER_LEN: usize = 1 + TAG_LEN;
/// Bytes that a record adds to its content.
pub const RECORD_OVERHEAD: usize = RECORD_HEADER_LEN + RECORD_TRAILER_LEN;

/// Why records cannot be sealed or opened. The lane ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// rustls negotiated a cipher suite that is not offered.
    #[error("cipher suite without in-place protection")]
    CipherSuite,
    /// The tag is wrong: the record was altered, or is out of order.
    #[error("a TLS record that does not decrypt")]
    Forged,
    /// The header is impossible on a lane. As with a wrong tag, its author is unknown.
    #[error("bytes that are not a TLS record")]
    NoRecord,
    /// The record is neither application data nor an alert, or has an impossible length.
    #[error("a TLS record that is not allowed on a lane")]
    Unexpected,
    /// An alert other than close_notify.
    #[error("TLS alert {0}")]
    Alert(u8),
    /// The key has reached its limit of records.
    #[error("the lane's key is used up")]
    UsedUp,
}

/// The content of an opened record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedRecord {
    /// Content of this many bytes, right behind the header.
    Data(usize),
    /// The peer closed its direction.
    Closed,
}

/// Seals one direction's outgoing records.
pub struct Sealer(RecordKey);

/// Opens one direction's incoming records.
pub struct Opener(RecordKey);

struct RecordKey {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    records: u64,
}

impl Sealer {
    /// Takes over from rustls at its next sequence number.
    ///
    /// # Errors
    /// If the cipher suite is not one of TLS 1.3's usual three.
    pub fn new(secrets: (u64, ConnectionTrafficSecrets)) -> Result<Self, RecordError> {
        RecordKey::new(secrets).map(Self)
    }

    /// Seals a record whose content of `content_len` bytes lies behind room for the header. `record` is exactly
    /// `content_len` + [`RECORD_OVERHEAD`] bytes.
    ///
    /// # Errors
    /// If the length is impossible or the key used up.
    pub fn seal(&mut self, record: &mut [u8], content_len: usize) -> Result<(), RecordError> {
        self.seal_as(record, content_len, APPLICATION_DATA)
    }

    /// Returns the record that closes this direction.
    ///
    /// # Errors
    /// If the key is used up.
    pub fn close(&mut self) -> Result<[u8; 2 + RECORD_OVERHEAD], RecordError> {
        let mut record = [0; 2 + RECORD_OVERHEAD];
        record[RECORD_HEADER_LEN] = WARNING;
        record[RECORD_HEADER_LEN + 1] = CLOSE_NOTIFY;
        self.seal_as(&mut record, 2, ALERT)?;
        Ok(record)
    }

    /// True once the lane is to be replaced.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.0.records >= LANE_RECORDS_MAX
    }

    fn seal_as(
        &mut self,
        record: &mut [u8],
        content_len: usize,
        content_type: u8,
    ) -> Result<(), RecordError> {
        let sealed_len =
            u16::try_from(content_len + RECORD_TRAILER_LEN).map_err(|_| RecordError::Unexpected)?;
        if record.len() != content_len + RECORD_OVERHEAD || content_len > RECORD_CONTENT_MAX {
            return Err(RecordError::Unexpected);
        }
        let [high, low] = sealed_len.to_be_bytes();
        let header = [APPLICATION_DATA, 3, 3, high, low];
        let (nonce, key) = self.0.next()?;
        let (head, rest) = record.split_at_mut(RECORD_HEADER_LEN);
        let (inner, tag_room) = rest.split_at_mut(content_len + 1);
        head.copy_from_slice(&header);
        inner[content_len] = content_type;
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(header), inner)
            .map_err(|_| RecordError::Forged)?;
        tag_room.copy_from_slice(tag.as_ref());
        Ok(())
    }
}

impl Opener {
    /// Takes over from rustls at its next sequence number.
    ///
    /// # Errors
    /// If the cipher suite is not one of TLS 1.3's usual three.
    pub fn new(secrets: (u64, ConnectionTrafficSecrets)) -> Result<Self, RecordError> {
        RecordKey::new(secrets).map(Self)
    }

    /// Opens one whole record in place.
    ///
    /// # Errors
    /// If it does not decrypt, or is not allowed on a lane.
    pub fn open(&mut self, record: &mut [u8]) -> Result<OpenedRecord, RecordError> {
        if record.len() < RECORD_OVERHEAD {
            return Err(RecordError::Unexpected);
        }
        let (head, sealed) = record.split_at_mut(RECORD_HEADER_LEN);
        let header: [u8; RECORD_HEADER_LEN] = [head[0], head[1], head[2], head[3], head[4]];
        let (nonce, key) = self.0.next()?;
        let inner = key.open_in_place(nonce, Aad::from(header), sealed).map_err(|_| RecordError::Forged)?;
        let end = inner.iter().rposition(|byte| *byte != 0).ok_or(RecordError::Unexpected)?; // zeros are padding
        match (inner[end], &inner[..end]) {
            (APPLICATION_DATA, content) => Ok(OpenedRecord::Data(content.len())),
            (ALERT, [_, CLOSE_NOTIFY]) => Ok(OpenedRecord::Closed),
            (ALERT, [_, description]) => Err(RecordError::Alert(*description)),
            _ => Err(RecordError::Unexpected),
        }
    }
}

impl RecordKey {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Result<Self, RecordError> {
        let (algorithm, key, iv) = match &secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
            _ => return Err(RecordError::CipherSuite),
        };
        let key = UnboundKey::new(algorithm, key.as_ref()).map_err(|_| RecordError::CipherSuite)?;
        let iv = iv.as_ref().try_into().map_err(|_| RecordError::CipherSuite)?;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence, records: 0 })
    }

    /// Returns the nonce for the next record; each is used once.
    fn next(&mut self) -> Result<(Nonce, &LessSafeKey), RecordError> {
        // Somewhat beyond the point where lanes are replaced, so that frames in progress can be finished.
        if self.records >= 2 * LANE_RECORDS_MAX {
            return Err(RecordError::UsedUp);
        }
        let mut nonce = self.iv;
        for (byte, counted) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= counted;
        }
        self.sequence = self.sequence.checked_add(1).ok_or(RecordError::UsedUp)?;
        self.records += 1;
        Ok((Nonce::assume_unique_for_key(nonce), &self.key))
    }
}

/// Returns the length of the record whose header `bytes` begin with; `None` if there are too few bytes.
///
/// # Errors
/// If the header is impossible on a lane.
pub fn record_len(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    let [content_type, major, _, high, low, ..] = bytes else { return Ok(None) };
    let sealed_len = usize::from(u16::from_be_bytes([*high, *low]));
    let possible = (RECORD_TRAILER_LEN..=RECORD_CONTENT_MAX + 256).contains(&sealed_len);
    if *content_type == APPLICATION_DATA && *major == 3 && possible {
        Ok(Some(RECORD_HEADER_LEN + sealed_len))
    } else {
        Err(RecordError::NoRecord)
    }
}

const TAG_LEN: usize = 16;
const APPLICATION_DATA: u8 = 23;
const ALERT: u8 = 21;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
