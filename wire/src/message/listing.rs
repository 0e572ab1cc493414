//! Messages about metadata: listings of folders, and single paths.

use super::FollowLinks;
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
    /// Only what matches, at any depth, with `recursive` also all that is below it; see [`Glob`](crate::glob::Glob). An entry with
    /// exactly this path is the only match. The root: all entries.
    pub pattern: RemotePath,
    /// Include the root digest of each file.
    pub digests: Option<Checksum>,
    /// Details to add to each entry.
    pub details: Details,
    /// The treatment of symbolic links in the tree.
    pub follow: FollowLinks,
}

/// The requested details of a file, besides its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// Its owner and group.
    pub owner: bool,
    /// Its id, and its number of names.
    pub links: bool,
    /// Its extended attributes.
    pub xattrs: bool,
}

/// The requested details of a file, besides its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntryDetails {
    /// Its owner and group.
    pub owner: Option<Owner>,
    /// Its id.
    pub file: Option<FileId>,
    /// Its extended attributes, sorted by name.
    pub xattrs: Option<Vec<Xattr>>,
    /// A loss of power may have destroyed its content, regardless of its size and time. Set without a request.
    pub is_unproven: bool,
    /// The metadata of the symbolic link through which this folder was reached, with [`FollowLinks::Folders`]. Set without a
    /// request.
    pub link: Option<Metadata>,
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

/// Identifies a file: hard links of one file have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The device number.
    pub device: u64,
    /// The inode number on the device.
    pub inode: u64,
    /// Its number of names.
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
    /// Its path, below the listed folder.
    pub path: RemotePath,
    /// Its kind, size, time and permissions.
    pub metadata: Metadata,
    /// The target of a symbolic link, as stored; empty for others.
    #[serde(with = "super::byte_string")]
    pub link_target: Vec<u8>,
    /// The file's root digest, if requested.
    pub digest: Option<Digest>,
    /// The requested details.
    pub details: Option<Box<EntryDetails>>,
}

impl Entry {
    /// True for a file whose content may have been destroyed by a loss of power, regardless of its size and time.
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
    /// Its path, below the listed folder.
    pub path: RemotePath,
    /// The reason.
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

/// The client has consumed pages of a listing, so as many more may be sent ahead: at most
/// [`LISTING_PAGES_AHEAD`](crate::limits::LISTING_PAGES_AHEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continue {
    /// Number of pages.
    pub pages: u32,
}
