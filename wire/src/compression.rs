//! Compression of payloads with zstd: each payload by itself, as one frame whose memory is bounded by its content.
//!
//! A payload is decompressed only if its header promises exactly the announced content, and neither a window, a dictionary nor
//! a checksum: zstd then needs no memory beyond the content's. The digest of the content is checked afterwards, as of any other.
//!
//! Compressing one and decompressing one takes a processor for a moment, without waiting for anything else. So there are as many
//! encoders and decoders as processors, and threads wait for each other here. All sessions share them, and their memory is
//! bounded by that number instead of a budget: some 2 MiB each, up to 7 MiB at level 9.

use crate::frame::CompressedFault;
use crate::limits::CHUNK_LEN;
use crate::sync::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::available_parallelism;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, ResetDirective, find_frame_compressed_size};

/// Encoders and decoders that all sessions of a process share.
pub(crate) struct Codecs {
    encoders: Pool<Encoder>,
    decoders: Pool<Decoder>,
}

impl Default for Codecs {
    fn default() -> Self {
        Self { encoders: Pool::new(Encoder::new), decoders: Pool::new(Decoder::new) }
    }
}

impl Codecs {
    /// Runs `work` with an encoder.
    pub(crate) fn with_encoder<T>(&self, work: impl FnOnce(&mut Encoder) -> T) -> T {
        self.encoders.with(work)
    }

    /// True if an encoder need not be waited for.
    pub(crate) fn is_encoder_free(&self) -> bool {
        let state = lock(&self.encoders.state);
        !state.free.is_empty() || state.unmade > 0
    }

    /// Decompresses the payload of a recipe of a chunk of `content_len` bytes; the result has room for the chunk.
    ///
    /// # Errors
    /// If it is anything but one frame, of at most the chunk's length.
    pub(crate) fn decode_recipe(
        &self,
        payload: &[&[u8]],
        content_len: usize,
    ) -> Result<Vec<u8>, CompressedFault> {
        self.decoders.with(|decoder| decoder.decode_up_to(payload, content_len))
    }

    /// Decompresses a payload to `content_len` bytes.
    ///
    /// # Errors
    /// If it is anything but one frame of exactly that content.
    pub(crate) fn decode(&self, payload: &[&[u8]], content_len: usize) -> Result<Vec<u8>, CompressedFault> {
        self.decoders.with(|decoder| decoder.decode(payload, content_len))
    }
}

/// A compressor, and its input in one piece.
pub(crate) struct Encoder {
    context: CCtx<'static>,
    input: Vec<u8>,
    output: Box<[u8]>,
}

impl Encoder {
    fn new() -> Self {
        let output = vec![0; CHUNK_LEN].into();
        Self { context: CCtx::create(), input: Vec::with_capacity(CHUNK_LEN), output }
    }

    /// Compresses a content that lies in `pieces`; returns it if it is so much shorter that it pays.
    pub(crate) fn encode<'a>(&mut self, level: i32, pieces: impl Iterator<Item = &'a [u8]>) -> Option<&[u8]> {
        self.input.clear();
        pieces.for_each(|piece| self.input.extend_from_slice(piece));
        // One that does not fit saves too little.
        let len_max = self.input.len() / SHARE_MAX.1 * SHARE_MAX.0;
        self.compress(level, len_max)
    }

    /// Compresses the recipe of a chunk of `content_len` bytes, which lies in `pieces`; returns it if it is so much shorter than
    /// the chunk that it pays.
    pub(crate) fn encode_recipe<'a>(
        &mut self,
        level: i32,
        pieces: impl Iterator<Item = &'a [u8]>,
        content_len: usize,
    ) -> Option<&[u8]> {
        self.input.clear();
        pieces.for_each(|piece| self.input.extend_from_slice(piece));
        let len_max = content_len / SHARE_MAX.1 * SHARE_MAX.0;
        if self.input.len() <= content_len { self.compress(level, len_max) } else { None }
    }

    /// Compresses the input to at most `len_max` bytes.
    fn compress(&mut self, level: i32, len_max: usize) -> Option<&[u8]> {
        let room = self.output.get_mut(..len_max)?;
        self.context.set_parameter(CParameter::CompressionLevel(level)).ok()?;
        match self.context.compress2(room, &self.input) {
            Ok(len) => self.output.get(..len),
            Err(_) => {
                let _ = self.context.reset(ResetDirective::SessionOnly); // leaves the frame; cannot fail
                None
            }
        }
    }
}

/// A decompressor, and its input in one piece.
struct Decoder {
    context: DCtx<'static>,
    input: Vec<u8>,
}

impl Decoder {
    fn new() -> Self {
        Self { context: DCtx::create(), input: Vec::with_capacity(CHUNK_LEN) }
    }

    fn decode(&mut self, payload: &[&[u8]], content_len: usize) -> Result<Vec<u8>, CompressedFault> {
        self.take(payload);
        match header_len(&self.input)? {
            len if len == content_len as u64 => self.decompress(content_len, content_len),
            _ => Err(CompressedFault::ContentLength),
        }
    }

    fn decode_up_to(&mut self, payload: &[&[u8]], len_max: usize) -> Result<Vec<u8>, CompressedFault> {
        self.take(payload);
        match usize::try_from(header_len(&self.input)?) {
            Ok(len) if len <= len_max => self.decompress(len, len_max),
            Ok(_) | Err(_) => Err(CompressedFault::ContentLength),
        }
    }

    fn take(&mut self, payload: &[&[u8]]) {
        self.input.clear();
        payload.iter().for_each(|piece| self.input.extend_from_slice(piece));
    }

    /// Decompresses the input to `content_len` bytes, with room for `len_max`.
    fn decompress(&mut self, content_len: usize, len_max: usize) -> Result<Vec<u8>, CompressedFault> {
        if find_frame_compressed_size(&self.input) != Ok(self.input.len()) {
            return Err(CompressedFault::Length);
        }
        let mut content = Vec::with_capacity(len_max);
        match self.context.decompress(&mut content, &self.input) {
            Ok(len) if len == content_len => Ok(content),
            Ok(_) | Err(_) => Err(CompressedFault::Content),
        }
    }
}

/// Checks the header of a zstd frame (RFC 8878, 3.1.1): it has its content's length, which is returned, and so needs no window.
fn header_len(frame: &[u8]) -> Result<u64, CompressedFault> {
    let rest = frame.strip_prefix(&MAGIC).ok_or(CompressedFault::NotZstd)?;
    let (descriptor, rest) = rest.split_first().ok_or(CompressedFault::Length)?;
    if descriptor & DICTIONARY_BITS != 0 {
        return Err(CompressedFault::Dictionary);
    }
    if descriptor & !LENGTH_BITS != SINGLE_SEGMENT {
        return Err(CompressedFault::Header);
    }
    let (field_len, added) = match descriptor & LENGTH_BITS {
        0x00 => (1, 0),
        0x40 => (2, 256),
        0x80 => (4, 0),
        _ => (8, 0),
    };
    let field = rest.get(..field_len).ok_or(CompressedFault::Length)?;
    let len = field.iter().rev().fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
    len.checked_add(added).ok_or(CompressedFault::ContentLength)
}

/// Workers that are made when they are needed, and are reused; at most one for each processor, and [`WORKERS_MAX`].
struct Pool<T> {
    make: fn() -> T,
    state: Mutex<PoolState<T>>,
    returned: Condvar,
}

struct PoolState<T> {
    free: Vec<T>,
    /// How many may be made yet.
    unmade: usize,
}

impl<T> Pool<T> {
    fn new(make: fn() -> T) -> Self {
        let unmade = available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        Self { make, state: Mutex::new(PoolState { free: Vec::new(), unmade }), returned: Condvar::new() }
    }

    /// Runs `work` with a worker of its own, once there is one. After a panic in `work` another may be made in its place.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut worker = self.take();
        let mut turn = Turn { pool: self, back: None };
        let result = work(&mut worker);
        turn.back = Some(worker);
        result
    }

    fn take(&self) -> T {
        let mut state = lock(&self.state);
        loop {
            if let Some(worker) = state.free.pop() {
                return worker;
            }
            if state.unmade > 0 {
                state.unmade -= 1;
                return (self.make)();
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives a worker back, or the right to make another.
struct Turn<'a, T> {
    pool: &'a Pool<T>,
    back: Option<T>,
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        match self.back.take() {
            Some(worker) => state.free.push(worker),
            None => state.unmade += 1,
        }
        self.pool.returned.notify_one();
    }
}

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bits of a frame header's descriptor: the width of the content's length, one segment without a window, a dictionary's id.
const LENGTH_BITS: u8 = 0xc0;
const SINGLE_SEGMENT: u8 = 0x20;
const DICTIONARY_BITS: u8 = 0x03;
/// Most encoders, and most decoders.
const WORKERS_MAX: usize = 8;
/// A compressed content is sent as such if it has at most this share of its length: the other end has to decompress it.
const SHARE_MAX: (usize, usize) = (19, 20);

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
