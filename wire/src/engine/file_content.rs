//! Files of a storage as content of deltas.

use crate::delta::FileContent;
use crate::store::{SourceFile, read_fully};
use std::io::{self, IoSliceMut};

/// An open file.
pub(super) struct OpenContent<'a>(pub(super) &'a dyn SourceFile);

impl FileContent for OpenContent<'_> {
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        read_fully(self.0, &mut [IoSliceMut::new(bytes)], offset)
    }

    fn next_data(&self, offset: u64) -> u64 {
        self.0.next_data(offset)
    }
}
