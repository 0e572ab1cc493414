//! LINK: makes a symbolic link. Where it leads is stored as given; it is followed only within the root.

use super::{done, locate};
use wire::limits::PATH_LEN_MAX;
use wire::message::{Done, Link};
use wire::store::{StagedName, Storage};
use wire::{Failure, FailureCode};

pub(super) fn run(storage: &dyn Storage, link: Link) -> Result<Done, Failure> {
    if link.target.is_empty() || link.target.len() > PATH_LEN_MAX || link.target.contains(&0) {
        return Err(Failure::new(FailureCode::InvalidPath, "a link cannot lead there"));
    }
    let (folder, name) = locate(storage, &link.path)?;
    let staged = StagedName::new();
    folder.stage_link(&staged, &link.target, None)?;
    if let Err(error) = folder.publish(&staged, (&name).into(), false) {
        let _ = folder.remove_staged(&staged); // the first error is the one to report
        return Err(error.into());
    }
    done()
}
