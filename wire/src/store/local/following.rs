//! Symbolic links that are followed: a view of a tree in which a link is what it leads to.
//!
//! At a server no link leads out of the root: each is resolved anew from the root's handle, by cap-std. Elsewhere the rights of the user
//! decide, as for any path that the user types. A link is resolved to a folder and a name, and these are used like all others: the last
//! name is not followed again, so an entry that takes its place meanwhile is a link that fails.
//!
//! Loops end: a folder that is met again within itself is a failure. So is a link to a folder that holds the whole tree. With
//! [`FollowLinks::Folders`], a link that was made through this view is never followed: the other end of the transfer chose where it leads.

use super::LocalFolder;
use super::stat::metadata_of;
use crate::failure::{Failure, FailureCode};
use crate::message::FollowLinks;
use crate::metadata::{Kind, Metadata};
use crate::path::{Name, NameRef};
use crate::store::{Folder, FolderLink, is_staged, reserved_name};
use crate::sync::lock;
use cap_std::fs::Dir;
use rustix::fs::{self as sys, AtFlags, Stat};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The view of one folder.
#[derive(Clone)]
pub(super) struct Following {
    tree: Arc<FollowedTree>,
    /// The folder's path below the root, if the tree has one; without links.
    path: PathBuf,
    chain: Arc<FolderChain>,
    /// The link through which the folder was reached.
    link: Option<FolderLink>,
}

/// What all folders of a view share.
struct FollowedTree {
    rule: FollowLinks,
    /// The folder that no link leads out of.
    root: Option<Dir>,
    /// The view's first folder.
    top: LocalFolder,
    made: Mutex<LinksMade>,
}

/// Device and inode.
type FileKey = (u64, u64);

/// A folder, and those that it was reached through.
struct FolderChain {
    key: FileKey,
    above: Option<Arc<FolderChain>>,
}

/// The links that were made through a view.
#[derive(Default)]
struct LinksMade {
    keys: HashSet<FileKey>,
    /// More were made than are kept: no link is followed any more.
    are_too_many: bool,
}

/// The end of a link.
pub(super) struct LinkEnd {
    folder: LocalFolder,
    /// None for the folder itself.
    name: Option<Name>,
    path: PathBuf,
    link: FolderLink,
}

impl LocalFolder {
    /// Returns the folder with a view of it and all below it by this rule. At a server `root` is the folder that no link leads out of, and
    /// `path` leads from there to this one.
    pub(super) fn following(self, rule: FollowLinks, root: Option<(Dir, &Path)>) -> io::Result<Self> {
        if rule == FollowLinks::Never {
            return Ok(self);
        }
        let key = key_of(&sys::fstat(&self.fd)?);
        let top = Self::new(self.fd.try_clone()?, self.modes);
        let (root, path) = match root {
            Some((root, path)) => {
                let path = if path == Path::new("") { path.to_owned() } else { root.canonicalize(path)? };
                (Some(root), path)
            }
            None => (None, PathBuf::new()),
        };
        let tree = Arc::new(FollowedTree { rule, root, top, made: Mutex::default() });
        let following =
            Following { tree, path, chain: Arc::new(FolderChain { key, above: None }), link: None };
        Ok(Self { following: Some(following), ..self })
    }

    /// Returns the end of the link `name`, if it is one that is followed for every purpose.
    pub(super) fn end_of_link(&self, name: NameRef<'_>) -> io::Result<Option<LinkEnd>> {
        match &self.following {
            Some(following) if following.tree.rule == FollowLinks::Always => following.end_of(self, name),
            Some(_) | None => Ok(None),
        }
    }

    /// Returns the end of the link `name`, if it is one that is followed to a folder.
    pub(super) fn folder_of_link(&self, name: NameRef<'_>) -> io::Result<Option<LinkEnd>> {
        let Some(following) = &self.following else { return Ok(None) };
        match following.end_of(self, name) {
            Err(error) if following.tree.rule == FollowLinks::Folders && leads_nowhere(&error) => Ok(None),
            Ok(Some(end)) if following.tree.rule == FollowLinks::Folders => {
                Ok(Some(end).filter(|end| end.metadata().is_ok_and(|found| found.kind == Kind::Folder)))
            }
            other => other,
        }
    }

    /// Returns a view of the folder `opened`, which has the name `name` here, or is the end of the link of that name.
    pub(super) fn view_of(&self, opened: Self, name: NameRef<'_>, end: Option<LinkEnd>) -> io::Result<Self> {
        let Some(following) = &self.following else { return Ok(opened) };
        let key = key_of(&sys::fstat(&opened.fd)?);
        if following.chain.has(key) || (end.is_some() && following.tree.top.lies_in(&opened)?) {
            return Err(Failure::new(FailureCode::OutsideRoot, LOOP).into());
        }
        let (path, link) = match end {
            Some(end) => (end.path, Some(end.link)),
            None => (following.path.join(OsStr::from_bytes(name.as_bytes())), None),
        };
        let chain = Arc::new(FolderChain { key, above: Some(following.chain.clone()) });
        let following = Following { tree: following.tree.clone(), path, chain, link };
        Ok(Self { following: Some(following), ..opened })
    }

    /// The link through which the folder was reached, where only links to folders are followed.
    pub(super) fn link_to_it(&self) -> Option<&FolderLink> {
        let following = self.following.as_ref()?;
        following.link.as_ref().filter(|_| following.tree.rule == FollowLinks::Folders)
    }

    /// Records that the link `name` was made here.
    pub(super) fn note_link(&self, name: &[u8]) -> io::Result<()> {
        let Some(following) = &self.following else { return Ok(()) };
        let key = key_of(&sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?);
        let mut made = lock(&following.tree.made);
        if made.keys.len() < LINKS_MADE_MAX {
            made.keys.insert(key);
        } else {
            made.are_too_many = true;
        }
        Ok(())
    }
}

impl Following {
    fn end_of(&self, folder: &LocalFolder, name: NameRef<'_>) -> io::Result<Option<LinkEnd>> {
        let stat = sys::statat(&folder.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
        let metadata = metadata_of(&stat);
        if metadata.kind != Kind::Symlink || self.tree.has_made(key_of(&stat)) {
            return Ok(None);
        }
        let link = FolderLink { metadata, target: folder.read_link(name)? };
        let name = Path::new(OsStr::from_bytes(name.as_bytes()));
        let path = match &self.tree.root {
            Some(root) => root.canonicalize(self.path.join(name)).map_err(super::tree::resolving),
            None => std::fs::canonicalize(format!("/proc/self/fd/{}", folder.fd.as_raw_fd()))
                .and_then(|folder| folder.join(name).canonicalize()),
        };
        let path = path.map_err(of_link)?;
        let end = path.file_name().map(|name| Name::new(name.as_bytes())).transpose();
        let end = end.map_err(|error| io::Error::from(Failure::from(error)))?;
        if end.as_ref().is_some_and(|name| is_staged(name.into())) {
            return Err(reserved_name().into());
        }
        let parent = if end.is_some() { path.parent().unwrap_or(Path::new("")) } else { &path };
        let parent = match &self.tree.root {
            Some(root) if parent == Path::new("") => root.try_clone(),
            Some(root) => root.open_dir(parent).map_err(super::tree::resolving),
            None => Dir::open_ambient_dir(parent, cap_std::ambient_authority()),
        };
        let folder = LocalFolder::of_found(parent.map_err(of_link)?.into(), folder.modes);
        Ok(Some(LinkEnd { folder, name: end, path, link }))
    }
}

impl FollowedTree {
    fn has_made(&self, link: FileKey) -> bool {
        let made = lock(&self.made);
        self.rule == FollowLinks::Folders && (made.are_too_many || made.keys.contains(&link))
    }
}

impl FolderChain {
    fn has(&self, key: FileKey) -> bool {
        let mut here = Some(self);
        while let Some(folder) = here {
            if folder.key == key {
                return true;
            }
            here = folder.above.as_deref();
        }
        false
    }
}

impl LinkEnd {
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        match &self.name {
            Some(name) => self.folder.metadata(name.into()).map_err(of_link),
            None => self.folder.own_metadata(),
        }
    }

    /// The folder that holds the end, and its name there.
    pub(super) fn place(&self) -> io::Result<(&LocalFolder, NameRef<'_>)> {
        let name = self.name.as_ref().ok_or(io::ErrorKind::IsADirectory)?;
        Ok((&self.folder, name.into()))
    }

    /// Opens the end as a folder.
    pub(super) fn open(&self) -> io::Result<LocalFolder> {
        match &self.name {
            Some(name) => self.folder.open_folder(name.into()),
            None => Ok(LocalFolder::new(self.folder.fd.try_clone()?, self.folder.modes)),
        }
    }
}

fn key_of(stat: &Stat) -> FileKey {
    (stat.st_dev, stat.st_ino)
}

/// True for the failure of a link without an end.
fn leads_nowhere(error: &io::Error) -> bool {
    [NOWHERE, CIRCLE].contains(&&*Failure::from(error).message)
}

/// The error of a link that was found: one that leads to nothing has not vanished.
fn of_link(error: io::Error) -> io::Error {
    let failure = Failure::from(&error);
    let sentence = if matches!(failure.code, FailureCode::NotFound | FailureCode::NotAFolder) {
        NOWHERE
    } else if failure.code != FailureCode::OutsideRoot {
        return error;
    } else if error.raw_os_error().is_some() {
        CIRCLE
    } else {
        OUTSIDE
    };
    Failure::new(failure.code, sentence).into()
}

const NOWHERE: &str = "is a symbolic link that leads to nothing";
const CIRCLE: &str = "is a symbolic link that leads to itself";
const OUTSIDE: &str = "is a symbolic link that leads out of the root";
const LOOP: &str = "a symbolic link leads to a folder that it is in, so this has no end";
/// Links that a view remembers to have made.
const LINKS_MADE_MAX: usize = 1 << 16;
