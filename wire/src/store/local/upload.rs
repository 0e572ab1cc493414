//! Files of a filesystem while they are written: staged files with their journals, preallocation and holes, the commit that gives
//! them their names, and copies within the filesystem.

mod chunk_journal;
mod commit;
mod content;
mod file_copy;
mod preallocator;
mod staged_file;

pub(crate) use commit::{HANDLES_A_COMMIT, commit};
#[cfg(test)]
pub(in crate::store) use content::HOLE_LEN;
pub(in crate::store) use content::{write_pieces, write_with_holes};
pub use file_copy::FileCopy;
pub use staged_file::{Chunks, Keeping};
pub(in crate::store) use staged_file::{Placement, begin, forget, resume};
