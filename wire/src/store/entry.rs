//! Converts a walk's visits to a listing's entries. Both ends of a comparison describe their trees with this.

use super::Folder;
use super::digest::{self, StopCheck};
use super::walk::{Visit, Walk};
use crate::checksum::Checksum;
use crate::failure::Failure;
use crate::message::{Details, Entry, List, PathFailure};
use crate::metadata::{Kind, Metadata};
use crate::path::{NameRef, RemotePath};

/// Optional parts of each entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryFields {
    /// The root digest of each file.
    pub digests: Option<Checksum>,
    /// The details to include.
    pub details: Details,
}

impl From<&List> for EntryFields {
    fn from(list: &List) -> Self {
        Self { digests: list.digests, details: list.details }
    }
}

/// Describes a visit. Returns `None` for leaving a folder.
///
/// # Errors
/// If an entry could not be examined; the failure is part of the listing.
pub fn describe(
    walk: &Walk,
    visit: Visit,
    wish: EntryFields,
    stop: StopCheck<'_>,
) -> Option<Result<Entry, PathFailure>> {
    match visit {
        Visit::Enter(path, metadata, folder) => {
            let details = wish.details;
            let entry = Entry { path, metadata, link_target: Vec::new(), digest: None, details: None };
            Some(with_details(&*folder, None, details, entry).map(|entry| with_link(&*folder, entry)))
        }
        Visit::Item(path, metadata) => {
            let entry = Entry { path, metadata, link_target: Vec::new(), digest: None, details: None };
            Some(item(walk, entry, wish, stop))
        }
        Visit::Unreadable(path, failure) => Some(Err(PathFailure { path, failure })),
        Visit::Leave(..) | Visit::Excluded(_) => None,
    }
}

fn item(walk: &Walk, mut entry: Entry, wish: EntryFields, stop: StopCheck<'_>) -> Result<Entry, PathFailure> {
    let Some(folder) = walk.folder().cloned() else { return Ok(entry) };
    let path = entry.path.clone();
    let Some((_, name)) = path.parent_and_name() else { return Ok(entry) };
    match describe_item(&*folder, name, &entry.metadata, wish, stop) {
        Ok((link_target, digest)) => (entry.link_target, entry.digest) = (link_target, digest),
        Err(failure) => return Err(PathFailure { path: entry.path, failure }),
    }
    with_details(&*folder, Some(name), wish.details, entry)
}

fn describe_item(
    folder: &dyn Folder,
    name: NameRef<'_>,
    metadata: &Metadata,
    wish: EntryFields,
    stop: StopCheck<'_>,
) -> Result<(Vec<u8>, Option<crate::checksum::Digest>), Failure> {
    Ok(match (metadata.kind, wish.digests) {
        (Kind::Symlink, _) => (folder.read_link(name).map_err(of_link)?, None),
        (Kind::File, Some(checksum)) => {
            let file = folder.open_file(name).map_err(Failure::of_found)?;
            (Vec::new(), Some(digest::of_file(&*file, checksum, stop)?))
        }
        (Kind::File | Kind::Folder | Kind::Special, _) => (Vec::new(), None),
    })
}

/// The failure to read a link that a walk has found. The system reports an invalid argument if it is no longer a link.
#[must_use]
pub fn of_link(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::InvalidInput {
        crate::failure::FailureCode::Vanished.into()
    } else {
        Failure::of_found(error)
    }
}

/// Adds the link through which a folder was reached.
fn with_link(folder: &dyn Folder, mut entry: Entry) -> Entry {
    if let Some(link) = folder.link() {
        entry.link_target = link.target.clone();
        entry.details.get_or_insert_default().link = Some(link.metadata);
    }
    entry
}

fn with_details(
    folder: &dyn Folder,
    name: Option<NameRef<'_>>,
    wanted: Details,
    mut entry: Entry,
) -> Result<Entry, PathFailure> {
    if wanted == Details::default() {
        return Ok(entry);
    }
    match folder.details(name, wanted) {
        Ok(details) => {
            entry.details = Some(Box::new(details));
            Ok(entry)
        }
        Err(error) => Err(PathFailure { path: entry.path, failure: Failure::of_found(error) }),
    }
}

/// Returns the entry of a folder itself, with the path `path`.
///
/// # Errors
/// Of the filesystem.
pub fn of_folder(folder: &dyn Folder, path: RemotePath, wanted: Details) -> std::io::Result<Entry> {
    let details =
        if wanted == Details::default() { None } else { Some(Box::new(folder.details(None, wanted)?)) };
    Ok(Entry { path, metadata: folder.own_metadata()?, link_target: Vec::new(), digest: None, details })
}
