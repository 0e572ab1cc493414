//! `cp -r`: copies folders on the server, entry by entry. A folder is made before what goes into it, which only its owner can open
//! then; its permissions and its time follow at the end.

use super::tell_copied;
use crate::cli::commands::unlisted::show_failures;
use crate::cli::commands::{About, UNDER_WAY_MAX, each, each_done};
use crate::cli::output::Output;
use ftp_client::{Error, Session};
use std::cell::{Cell, RefCell};
use wire::message::{
    Copied, CopyFile, Details, Done, Entry, FollowLinks, Link, MakeFolder, Overwrite, Remove, SetMetadata,
};
use wire::metadata::{Kind, Metadata};
use wire::modes::{OWNER_ALL, PERMISSIONS};
use wire::{Failure, FailureCode, RemotePath};

/// The copy of a tree.
pub(super) struct TreeCopy<'a> {
    session: &'a Session,
    output: &'a Output,
    follow: FollowLinks,
    overwrite: Overwrite,
    /// Folders that were made, in the order of the walk.
    made: RefCell<Vec<MadeFolder>>,
    /// Folders that could not be made. What they were to contain is left out.
    not_made: RefCell<Vec<RemotePath>>,
    is_incomplete: Cell<bool>,
}

/// A new folder, with the metadata of its source.
struct MadeFolder {
    path: RemotePath,
    metadata: Metadata,
}

/// An entry to copy.
struct CopyItem {
    from: RemotePath,
    to: RemotePath,
    entry: Entry,
}

impl About for MadeFolder {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

impl About for CopyItem {
    fn path(&self) -> &RemotePath {
        &self.to
    }

    /// A few large files keep the server's disk busy.
    fn weight(&self) -> usize {
        if self.entry.metadata.size > LARGE { UNDER_WAY_MAX / 4 } else { 1 }
    }
}

impl<'a> TreeCopy<'a> {
    pub(super) fn new(
        session: &'a Session,
        output: &'a Output,
        follow: FollowLinks,
        overwrite: Overwrite,
    ) -> Self {
        let (made, not_made) = (RefCell::default(), RefCell::default());
        Self { session, output, follow, overwrite, made, not_made, is_incomplete: Cell::new(false) }
    }

    /// Copies what is at `from`, with all that is in it, to the path `to`. True if some of it is not copied.
    ///
    /// # Errors
    /// If nothing of it can be copied, or the connection is lost.
    pub(super) async fn copy(self, from: &RemotePath, entry: Entry, to: RemotePath) -> Result<bool, Error> {
        if entry.metadata.kind != Kind::Folder {
            let item = CopyItem { from: from.clone(), to, entry };
            let copied = self.copy_item(&item).await?;
            self.tell(&item, copied);
            return Ok(self.is_incomplete.get());
        }
        let from = self.session.real_folder(from).await?;
        let to = self.target(&from, &to).await?;
        let details = Details::default();
        let mut pages = self.session.list_following(&from, true, details, self.follow).await?;
        self.make_folder(&to, &entry.metadata).await?;
        while let Some(page) = pages.next().await? {
            if show_failures(&from, &page.failures, self.output) {
                self.is_incomplete.set(true);
            }
            let item = |entry: Entry| {
                let joined = |folder: &RemotePath| {
                    folder.join_path(&entry.path).map_err(|error| Error::remote(folder, error))
                };
                Ok::<_, Error>(CopyItem { from: joined(&from)?, to: joined(&to)?, entry })
            };
            let items = page.entries.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
            let tell = |item: &CopyItem, copied: Result<Option<Copied>, Error>| {
                match copied {
                    Ok(copied) => self.tell(item, copied),
                    Err(error) => self.fail(item, &error),
                }
                Ok(())
            };
            each(items, self.output, async |item: &CopyItem| self.try_item(item).await, tell).await?;
        }
        self.finish().await
    }

    /// The place of the copy without links, which is not within the source.
    async fn target(&self, from: &RemotePath, to: &RemotePath) -> Result<RemotePath, Error> {
        let place = match self.session.real_folder(to).await {
            Err(error) if error.failure_code() == Some(FailureCode::NotFound) => match to.split_last() {
                Some((folder, name)) => {
                    let folder = self.session.real_folder(&folder).await?;
                    folder.join(&name).map_err(|error| Error::remote(to, error))?
                }
                None => return Err(error),
            },
            found => found?,
        };
        not_into_itself(from, &place).map(|()| place)
    }

    /// As [`copy_item`](Self::copy_item), for one of many.
    ///
    /// # Errors
    /// If the others fail too.
    async fn try_item(&self, item: &CopyItem) -> Result<Result<Option<Copied>, Error>, Error> {
        if self.not_made.borrow().iter().any(|folder| item.to.strip_prefix(folder).is_some()) {
            return Ok(Ok(None));
        }
        match self.copy_item(item).await {
            Err(error) if !error.concerns_one_item() => Err(error),
            copied => Ok(copied),
        }
    }

    async fn copy_item(&self, item: &CopyItem) -> Result<Option<Copied>, Error> {
        let CopyItem { from, to, entry } = item;
        match entry.metadata.kind {
            Kind::Folder => self.make_folder(to, &entry.metadata).await.map(|()| None),
            Kind::File => {
                let overwrite = self.overwrite;
                let copy = CopyFile { from: from.clone(), to: to.clone(), into: None, overwrite };
                match self.session.call(copy).await {
                    Err(error) if error.failure_code() == Some(FailureCode::Skipped) => Ok(None),
                    Err(error) if error.failure_code() == Some(FailureCode::IsAFolder) => {
                        Err(Error::remote(to, FailureCode::IsAFolder))
                    }
                    copied => copied.map(Some),
                }
            }
            Kind::Symlink => self.copy_link(item).await,
            Kind::Special => {
                self.output.warn(&format!("{from}: {}", FailureCode::LeftOut.meaning()));
                Ok(None)
            }
        }
    }

    /// Makes a folder that only its owner can open, unless there is one.
    async fn make_folder(&self, to: &RemotePath, metadata: &Metadata) -> Result<(), Error> {
        match self.session.call(MakeFolder { path: to.clone(), parents: false }).await {
            Ok(Done) => {}
            Err(error) if error.failure_code() == Some(FailureCode::Exists) => {
                let found = self.session.stat(to, false).await?;
                let is_folder = found.metadata.kind == Kind::Folder;
                return if is_folder { Ok(()) } else { Err(Error::remote(to, FailureCode::NotAFolder)) };
            }
            Err(error) => return Err(error),
        }
        self.made.borrow_mut().push(MadeFolder { path: to.clone(), metadata: *metadata });
        let private = SetMetadata { path: to.clone(), modified: None, mode: Some(OWNER_ALL), create: false };
        self.session.call(private).await.map(|Done| ())
    }

    async fn copy_link(&self, CopyItem { to, entry, .. }: &CopyItem) -> Result<Option<Copied>, Error> {
        match self.session.stat(to, false).await {
            Ok(found) if self.is_kept(&found, entry) => return Ok(None),
            Ok(_) => drop(self.session.call(Remove { path: to.clone(), recursive: false }).await?),
            Err(error) if error.failure_code() == Some(FailureCode::NotFound) => {}
            Err(error) => return Err(error),
        }
        self.session.call(Link { path: to.clone(), target: entry.link_target.clone() }).await?;
        let modified = Some(entry.metadata.modified);
        self.session.call(SetMetadata { path: to.clone(), modified, mode: None, create: false }).await?;
        Ok(Some(Copied { path: to.clone(), bytes: 0 }))
    }

    /// True if the rule keeps what is in a link's place.
    fn is_kept(&self, found: &Entry, source: &Entry) -> bool {
        let is_same = found.metadata.kind == Kind::Symlink && found.link_target == source.link_target;
        is_same
            || match self.overwrite {
                Overwrite::Never => true,
                Overwrite::Newer => found.metadata.modified >= source.metadata.modified,
                Overwrite::Always | Overwrite::Different => false,
            }
    }

    fn tell(&self, item: &CopyItem, copied: Option<Copied>) {
        if let Some(copied) = copied {
            tell_copied(&item.from, &copied, self.output);
        }
    }

    fn fail(&self, item: &CopyItem, error: &Error) {
        self.output.complain(error);
        self.is_incomplete.set(true);
        if item.entry.metadata.kind == Kind::Folder {
            self.not_made.borrow_mut().push(item.to.clone());
        }
    }

    /// Gives the new folders their permissions and times, those within others first.
    async fn finish(self) -> Result<bool, Error> {
        let made: Vec<_> = self.made.into_inner().into_iter().rev().collect();
        let set = async |MadeFolder { path, metadata }: &MadeFolder| {
            let (modified, mode) = (Some(metadata.modified), Some(metadata.mode & PERMISSIONS));
            self.session.call(SetMetadata { path: path.clone(), modified, mode, create: false }).await
        };
        Ok(each_done(made, self.output, set).await? > 0 || self.is_incomplete.get())
    }
}

/// Refuses a target within the source.
pub(super) fn not_into_itself(from: &RemotePath, to: &RemotePath) -> Result<(), Error> {
    if to.strip_prefix(from).is_none() {
        return Ok(());
    }
    let reason = "a folder cannot be copied into itself";
    Err(Error::remote(from, Failure::new(FailureCode::InvalidPath, reason)))
}

/// Files that take longer to copy than a round trip.
const LARGE: u64 = 1 << 20;
