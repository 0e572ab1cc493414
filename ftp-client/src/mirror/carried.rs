//! Metadata, owners and attributes of an entry as changes of the target. Pure.

use super::difference::same_mode;
use wire::RemotePath;
use wire::message::{Change, Entry, EntryDetails};
use wire::metadata::Kind;

/// The changes that make the target's metadata the source's.
pub(super) fn metadata_changes(source: &Entry, target: &Entry) -> Vec<Change> {
    let path = source.path.clone();
    let set_mode = (!same_mode(&source.metadata, &target.metadata)).then_some(source.metadata.mode);
    let set_time = (source.metadata.modified != target.metadata.modified).then_some(source.metadata.modified);
    let mut changes = Vec::new();
    if let Some(details) = wanted_details(source)
        && source.details != target.details
    {
        changes.extend(detail_changes(&path, &details));
    }
    if set_mode.is_some() || set_time.is_some() {
        changes.push(Change::SetMetadata { path, modified: set_time, mode: set_mode });
    }
    changes
}

/// Owner and attributes, if they are carried.
pub(super) fn wanted_details(entry: &Entry) -> Option<EntryDetails> {
    let mut details = entry.details.as_deref()?.clone();
    details.file = None;
    if entry.metadata.kind == Kind::Symlink {
        details.xattrs = None; // links have none of users
    }
    (details.owner.is_some() || details.xattrs.is_some()).then_some(details)
}

pub(super) fn detail_changes(path: &RemotePath, details: &EntryDetails) -> Vec<Change> {
    let owner = details.owner.clone().map(|owner| Change::SetOwner { path: path.clone(), owner });
    let xattrs = details.xattrs.clone().map(|xattrs| Change::SetXattrs { path: path.clone(), xattrs });
    owner.into_iter().chain(xattrs).collect()
}
