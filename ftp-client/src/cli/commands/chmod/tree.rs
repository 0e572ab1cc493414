//! `chmod -R`: changes a folder and everything below it. Links stay as they are.

use super::ModeChange;
use crate::cli::commands::unlisted::show_failures;
use crate::cli::commands::{About, each, each_done};
use crate::cli::output::Output;
use ftp_client::{Error, Session};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use wire::RemotePath;
use wire::message::{Entry, Listing};
use wire::metadata::{Kind, Metadata};

/// The change of a tree.
pub(super) struct TreeChange<'a> {
    session: &'a Session,
    output: &'a Output,
    change: &'a ModeChange,
    /// Folders that the server can look into since they were changed.
    opened: HashSet<RemotePath>,
    /// Folders that the server cannot look into any more once they are changed, in the order of the walk.
    closed: Vec<ChangedEntry>,
    is_incomplete: Cell<bool>,
}

/// An entry that gets new permissions.
struct ChangedEntry {
    path: RemotePath,
    mode: u32,
}

impl About for ChangedEntry {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

impl<'a> TreeChange<'a> {
    pub(super) fn new(session: &'a Session, output: &'a Output, change: &'a ModeChange) -> Self {
        let (opened, closed) = (HashSet::new(), Vec::new());
        Self { session, output, change, opened, closed, is_incomplete: Cell::new(false) }
    }

    /// Changes what is at `path`, and all that is in it. True if some of it is not changed.
    ///
    /// # Errors
    /// If `path` itself cannot be changed, or the connection is lost.
    pub(super) async fn make(mut self, path: &RemotePath) -> Result<bool, Error> {
        let metadata = self.session.stat(path, true).await?.metadata;
        if metadata.kind != Kind::Folder {
            self.change.make(self.session, path, self.change.mode(&metadata)).await?;
            return Ok(false);
        }
        if let Some(entry) = self.sorted(path.clone(), &metadata) {
            self.change.make(self.session, path, entry.mode).await?;
        }
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            let mut pages = self.session.list(&folder, true).await?;
            while let Some(page) = pages.next().await? {
                folders.extend(self.change_page(&folder, page).await?);
            }
        }
        self.close().await
    }

    /// Changes the entries of a page. Returns folders that could not be listed, and can be now.
    async fn change_page(&mut self, folder: &RemotePath, page: Listing) -> Result<Vec<RemotePath>, Error> {
        let mut entries = Vec::with_capacity(page.entries.len());
        for Entry { path, metadata, .. } in &page.entries {
            let path = folder.join_path(path).map_err(|error| Error::remote(folder, error))?;
            match metadata.kind {
                Kind::File | Kind::Folder => entries.extend(self.sorted(path, metadata)),
                Kind::Symlink | Kind::Special => {}
            }
        }
        let failed = RefCell::new(Vec::new());
        let change = async |ChangedEntry { path, mode }: &ChangedEntry| match self
            .change
            .make(self.session, path, *mode)
            .await
        {
            Err(error) if !error.concerns_one_item() => Err(error),
            made => Ok(made),
        };
        let tell = |entry: &ChangedEntry, made: Result<(), Error>| {
            if let Err(error) = made {
                self.output.complain(&error);
                self.is_incomplete.set(true);
                failed.borrow_mut().push(entry.path.clone());
            }
            Ok(())
        };
        each(entries, self.output, change, tell).await?;
        for path in failed.into_inner() {
            self.opened.remove(&path);
        }
        let mut again = Vec::new();
        let mut failures = page.failures;
        failures.retain(|failure| match folder.join_path(&failure.path) {
            Ok(path) if self.opened.remove(&path) => {
                again.push(path);
                false
            }
            Ok(_) | Err(_) => true,
        });
        if show_failures(folder, &failures, self.output) {
            self.is_incomplete.set(true);
        }
        Ok(again)
    }

    /// Returns the entry if it is to be changed now: a folder that the server cannot look into then is kept for the end.
    fn sorted(&mut self, path: RemotePath, metadata: &Metadata) -> Option<ChangedEntry> {
        let mode = self.change.mode(metadata);
        let is_open = |mode: u32| mode & LOOK == LOOK;
        let entry = ChangedEntry { path, mode };
        if metadata.kind == Kind::Folder {
            match (is_open(metadata.mode), is_open(mode)) {
                (true, false) => {
                    self.closed.push(entry);
                    return None;
                }
                (false, true) => drop(self.opened.insert(entry.path.clone())),
                (true, true) | (false, false) => {}
            }
        }
        (mode != metadata.mode).then_some(entry)
    }

    /// Changes the folders that were kept, those within others first.
    async fn close(self) -> Result<bool, Error> {
        let closed: Vec<_> = self.closed.into_iter().rev().collect();
        let close = async |ChangedEntry { path, mode }: &ChangedEntry| {
            self.change.make(self.session, path, *mode).await
        };
        Ok(each_done(closed, self.output, close).await? > 0 || self.is_incomplete.get())
    }
}

/// The owner's permissions that are needed to list a folder and to reach what is in it.
const LOOK: u32 = 0o500;
