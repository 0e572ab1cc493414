//! LINK: makes a symbolic link. Where it leads is stored as given; it is followed only within the root.

use super::{done, locate};
use wire::limits::PATH_LEN_MAX;
use wire::message::{Done, Link};
use wire::store::{Capability, Storage};
use wire::{Failure, FailureCode};

pub(super) fn run(storage: &dyn Storage, link: Link) -> Result<Done, Failure> {
    if link.target.is_empty() || link.target.len() > PATH_LEN_MAX || link.target.contains(&0) {
        return Err(Failure::new(FailureCode::InvalidPath, "a link cannot lead there"));
    }
    storage.capabilities().require(Capability::Symlinks)?;
    let (folder, name) = locate(storage, &link.path)?;
    folder.make_link((&name).into(), &link.target, None, false)?;
    done()
}
