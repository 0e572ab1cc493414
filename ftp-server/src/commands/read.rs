//! READ: a part of a file's content, for those who follow a file as it grows.

use super::locate;
use crate::events::Operation;
use std::io::IoSliceMut;
use wire::limits::READ_LEN_MAX;
use wire::message::{FilePart, ReadFile};
use wire::store::{Storage, read_fully};
use wire::{Failure, FailureCode};

pub(super) fn run(
    storage: &dyn Storage,
    read: &ReadFile,
    operation: &Operation,
) -> Result<FilePart, Failure> {
    if read.length > READ_LEN_MAX {
        return Err(Failure::new(FailureCode::LimitExceeded, "more bytes than one answer may have"));
    }
    if read.path.is_root() {
        return Err(FailureCode::IsAFolder.into());
    }
    locate(storage, &read.path)?; // refuses reserved names
    let file = storage.open_file(&read.path)?;
    let identity = file.identity()?;
    let mut bytes = vec![0; read.length as usize];
    // The system takes no offset that its own type of offsets cannot express. No file has content there.
    let length = if read.offset > OFFSET_MAX - u64::from(READ_LEN_MAX) {
        0
    } else {
        read_fully(&*file, &mut [IoSliceMut::new(&mut bytes)], read.offset)?
    };
    bytes.truncate(length);
    operation.count(|counts| counts.bytes += length as u64);
    Ok(FilePart { bytes, size: identity.metadata.size, file: identity.inode })
}

const OFFSET_MAX: u64 = i64::MAX as u64;
