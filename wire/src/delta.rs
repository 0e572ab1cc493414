//! Deltas: what a large file has in common with the file that it replaces is not sent again.
//!
//! The unit stays the verified chunk of the new file. The receiver signs its old file: [coarse pieces](cutting) of some 32 KiB,
//! cut by their content, one window after the other as the sender asks for them. The sender cuts the new file in the same way
//! and [matches](planner) the pieces. For stretches that match nothing it asks for fine signatures of the old pieces between the
//! matching ones: of pages where a stretch was changed in place, of small pieces where something was inserted. A chunk then
//! travels as a [recipe]: copies from the old file, and literal bytes.
//!
//! Nothing here does I/O: files are read through [`FileContent`]. A wrong or outdated signature gives a chunk whose digest does
//! not match, which is sent again without a recipe.

pub mod cutting;
pub mod old_table;
mod piece_reader;
pub mod planner;
pub mod recipe;
pub mod runs;
pub mod signature;
pub mod signer;
mod stretch;

use std::io;
use std::time::Duration;

/// At a shorter round trip the network is taken to be faster than planning, where nobody asked for deltas.
pub const NEAR: Duration = Duration::from_millis(3);
/// A network of this rate, in bytes per second, is faster than planning.
pub const FAST_RATE: u64 = 150_000_000;

/// The content of a file, read at any offset.
#[allow(clippy::missing_errors_doc)] // all errors are the filesystem's
pub trait FileContent {
    /// Reads from `offset` on until `bytes` is full or the file ends; returns the number of bytes.
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Returns the offset, from `offset` on, of the next data other than zeros; `u64::MAX` if there is none. Returns `offset`
    /// where this is unknown without reading.
    fn next_data(&self, offset: u64) -> u64;
}

#[cfg(test)]
pub(crate) mod testing;
