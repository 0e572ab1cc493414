//! Messages about metadata: listings of folders, and single paths.

use crate::bounded::sequence;
use crate::checksum::{Checksum, Digest};
use crate::failure::Failure;
use crate::limits::LISTING_PAGE_ENTRIES_MAX;
use crate::metadata::Metadata;
use crate::path::RemotePath;
use serde::{Deserialize, Serialize};

/// Asks for a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The folder.
    pub path: RemotePath,
    /// The whole tree below it, depth-first, sorted; otherwise the folder alone.
    pub recursive: bool,
    /// With the root digest of each file.
    pub digests: Option<Checksum>,
    /// Details to add to each entry.
    pub details: Details,
}

/// The details of a file that are asked for, beside its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// Its owner and group.
    pub owner: bool,
    /// Which file it is, and how many names that has.
    pub links: bool,
    /// Its extended attributes.
    pub xattrs: bool,
}

/// The details of a file beside its metadata, as far as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntryDetails {
    /// Its owner and group.
    pub owner: Option<Owner>,
    /// Which file it is.
    pub file: Option<FileId>,
    /// Its extended attributes, sorted by name.
    pub xattrs: Option<Vec<Xattr>>,
    /// Its content may have been lost when the power was cut, whatever its size and time say. This is told unasked.
    pub is_unproven: bool,
}

/// A file's owner and group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// The user's name; empty if there is none.
    pub user_name: String,
    /// The group's name; empty if there is none.
    pub group_name: String,
}

/// Which file it is: names of one file have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The number of its device.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// How many names it has.
    pub names: u64,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Xattr {
    /// Its name, with the namespace: `user.comment`.
    #[serde(with = "super::byte_string")]
    pub name: Vec<u8>,
    /// Its value.
    #[serde(with = "super::byte_string")]
    pub value: Vec<u8>,
}

/// One listed file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is, below the listed folder.
    pub path: RemotePath,
    /// Its kind, size, time and permissions.
    pub metadata: Metadata,
    /// Where a symbolic link leads, as it is stored; empty for others.
    #[serde(with = "super::byte_string")]
    pub link_target: Vec<u8>,
    /// The file's root digest, where it was asked for.
    pub digest: Option<Digest>,
    /// The details that were asked for.
    pub details: Option<Box<EntryDetails>>,
}

impl Entry {
    /// True for a file whose content may have been lost when the power was cut, whatever its size and time say.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.is_unproven)
    }
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Entries in the order of the walk.
    #[serde(deserialize_with = "sequence::<LISTING_PAGE_ENTRIES_MAX, _, _>")]
    pub entries: Vec<Entry>,
    /// Folders and files that could not be listed.
    pub failures: Vec<PathFailure>,
}

/// A failure at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathFailure {
    /// Where, below the listed folder.
    pub path: RemotePath,
    /// Why.
    pub failure: Failure,
}

/// Asks for one path's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// The path.
    pub path: RemotePath,
    /// Follow a symbolic link: the metadata is that of its target.
    pub follow: bool,
    /// Details to add.
    pub details: Details,
}

/// The client has taken pages of a listing, so that as many more may be under way: at most
/// [`LISTING_PAGES_AHEAD`](crate::limits::LISTING_PAGES_AHEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continue {
    /// How many.
    pub pages: u32,
}
