//! The small changes of a mirror: collected, and made in batches.

use super::MirrorExecutor;
use super::times_set::expected;
use crate::error::Error;
use crate::mirror::action::MirrorAction;
use crate::mirror::effects::Effects;
use wire::message::{Change, Entry};
use wire::metadata::{Kind, Timestamp};
use wire::modes::OWNER_ALL;
use wire::{Failure, FailureCode, RemotePath};

/// Changes that belong together.
#[derive(Default)]
pub(super) struct ChangeGroup {
    pub(super) changes: Vec<Change>,
    /// Changes to make after them, if none of them failed.
    pub(super) rest: Vec<Change>,
    /// The action to tell of once they are made.
    pub(super) action: Option<MirrorAction>,
    /// The entry to send once they are made.
    pub(super) then: Option<Entry>,
    pub(super) path: RemotePath,
    /// A failure of it is not reported: it is set once more later, or only costs time.
    pub(super) is_preparation: bool,
    /// Times to expect of the entry next, where it did not have the one it was listed with.
    pub(super) other_times: Option<Vec<Timestamp>>,
}

impl MirrorExecutor<'_> {
    pub(super) fn change(&mut self, work: ChangeGroup) -> Result<(), Error> {
        self.batch.push(work);
        if self.batch.len() >= BATCH_AT_ONCE { self.make_batch() } else { Ok(()) }
    }

    /// Makes what waits to be made.
    pub(super) fn make_batch(&mut self) -> Result<(), Error> {
        while !self.batch.is_empty() {
            self.make_one_batch()?; // some of it may lead to more
        }
        Ok(())
    }

    fn make_one_batch(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        if self.mutator.is_none() {
            self.mutator = Some(self.open_mutator()?);
        }
        let Some(mutator) = &self.mutator else { return Ok(()) };
        let changes = batch.iter().flat_map(|work| work.changes.iter().cloned()).collect();
        let mut failures = mutator.apply(changes)?.into_iter();
        for work in batch {
            let of_work: Vec<Option<Failure>> = failures.by_ref().take(work.changes.len()).collect();
            let failure = of_work.into_iter().flatten().next();
            self.made(work, failure)?;
        }
        Ok(())
    }

    fn made(&mut self, mut work: ChangeGroup, failure: Option<Failure>) -> Result<(), Error> {
        if failure.as_ref().is_some_and(|failure| self.comes_again(&mut work, failure.code)) {
            self.batch.push(work);
            return Ok(());
        }
        let is_deletion = matches!(work.action, Some(MirrorAction::Deleted { .. }));
        // What somebody else has removed meanwhile is gone, as was wanted.
        let failure = failure.filter(|failure| !is_deletion || failure.code != FailureCode::NotFound);
        match (failure, work.then) {
            (Some(_), None) if work.is_preparation => Ok(()),
            (Some(failure), None) if failure.code == FailureCode::NotOwner => {
                self.reporter.not_owned(&work.path);
                Ok(())
            }
            (Some(failure), _) => {
                if !self.is_short(&work.path, &failure) {
                    self.failed(&work.path, &failure);
                }
                Ok(())
            }
            (None, Some(entry)) => self.send(&entry),
            (None, None) if !work.rest.is_empty() => {
                self.batch.push(ChangeGroup { changes: work.rest, rest: Vec::new(), then: None, ..work });
                Ok(())
            }
            (None, None) => {
                if let Some(action) = &work.action {
                    self.summary.count(action);
                    self.listener.done(action);
                }
                Ok(())
            }
        }
    }

    /// True if the change is to be tried once more: the run itself has given the file another time, by another of its names, or
    /// something in the folder to remove comes again.
    fn comes_again(&self, work: &mut ChangeGroup, code: FailureCode) -> bool {
        if code == FailureCode::NotEmpty {
            return !self.batch.is_empty();
        }
        let was = work.changes.first_mut().and_then(expected).filter(|_| code == FailureCode::Drifted);
        let Some(was) = was else { return false };
        let next = work.other_times.get_or_insert_with(|| self.times_set.since(was)).pop();
        next.inspect(|time| was.modified = *time).is_some()
    }

    /// Lets the owner change a read-only folder that `path` is in, as rsync does, and shuts those out of it and of the folders above who
    /// are to be shut out, before there is something in it that is not theirs to see. The folders' own permissions come with their metadata.
    pub(super) fn prepare_folders_of(&mut self, path: &RemotePath) -> Result<(), Error> {
        let Some(parent) = path.split_last().map(|(folder, _)| folder) else { return Ok(()) };
        let mut modes: Vec<_> =
            self.read_only.remove(&parent).map(|mode| (parent.clone(), mode)).into_iter().collect();
        let mut above = Some(parent);
        while let Some(folder) = above.filter(|_| !self.wide.is_empty()) {
            above = folder.split_last().map(|(folder, _)| folder);
            let mode = self.wide.remove(&folder);
            modes.extend(mode.map(|mode| (folder, mode)));
        }
        if modes.is_empty() {
            return Ok(());
        }
        for (path, mode) in modes {
            if self.trees.leaves_root && path.is_root() {
                continue;
            }
            let mode = Some(mode | OWNER_ALL);
            let changes = vec![Change::SetMetadata { path: path.clone(), modified: None, mode }];
            self.change(ChangeGroup { changes, path, is_preparation: true, ..ChangeGroup::default() })?;
        }
        self.make_batch()
    }

    /// Replaces a file or link; with a backup the old one is kept there first.
    pub(super) fn replace(&mut self, source: Entry, target: &Entry) -> Result<(), Error> {
        let change = match (target.metadata.kind, &self.options.backup) {
            (Kind::Folder, _) => Change::RemoveFolder { path: target.path.clone() },
            (Kind::Special, _) | (_, None) => return self.send(&source),
            (Kind::File | Kind::Symlink, Some(_)) => {
                Change::SetAside { path: target.path.clone(), was: target.metadata, keep: true }
            }
        };
        let path = source.path.clone();
        self.change(ChangeGroup { changes: vec![change], then: Some(source), path, ..ChangeGroup::default() })
    }

    /// Takes away, or to the backup, what is no folder.
    pub(super) fn removal(&self, target: &Entry) -> Change {
        let (path, was) = (target.path.clone(), target.metadata);
        match (was.kind, &self.options.backup) {
            (Kind::Folder, _) => Change::RemoveFolder { path },
            (Kind::File | Kind::Symlink, Some(_)) => Change::SetAside { path, was, keep: false },
            (Kind::File | Kind::Symlink | Kind::Special, _) => Change::RemoveFile { path, was: Some(was) },
        }
    }

    pub(super) fn linked(&mut self, action: MirrorAction) -> Result<(), Error> {
        let MirrorAction::Linked { source, of, target } = &action else { return Ok(()) };
        let path = source.path.clone();
        if self.transfer.as_ref().is_some_and(|transfer| transfer.has_vanished(of)) {
            return match target {
                None => self.send(source),
                Some(target) => self.replace(source.clone(), target), // it is the first name now
            };
        }
        if self.transfer.as_ref().is_some_and(|transfer| transfer.has_failed(of)) {
            let failure = Failure::new(FailureCode::NotFound, "the file's first name failed");
            self.failed(&path, &failure);
            return Ok(());
        }
        let first = match target.as_ref().map(|target| (target.metadata.kind, target.metadata)) {
            Some((Kind::Folder, _)) => vec![Change::RemoveFolder { path: path.clone() }],
            Some((Kind::File | Kind::Symlink, was)) if self.options.backup.is_some() => {
                vec![Change::SetAside { path: path.clone(), was, keep: true }]
            }
            Some((Kind::File | Kind::Symlink | Kind::Special, _)) | None => Vec::new(),
        };
        let link = vec![Change::HardLink { path: path.clone(), of: of.clone() }];
        let (changes, rest) = if first.is_empty() { (link, Vec::new()) } else { (first, link) };
        self.change(ChangeGroup { changes, rest, action: Some(action), path, ..ChangeGroup::default() })
    }
}

/// Works of one batch.
const BATCH_AT_ONCE: usize = 512;
