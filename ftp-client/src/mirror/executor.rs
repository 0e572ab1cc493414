//! Does what a mirror has decided: sends items through one job, and makes small changes in batches.
//!
//! The target if we die at any line: each path has its old content or its new one, since files are staged and
//! renamed; a batch's changes were made up to some point; folders may have the time at which something in them changed,
//! which the next run sets right. Nothing was deleted unless all else was done.

mod changes;
mod times_set;

use super::action::MirrorAction;
use super::carried::{detail_changes, metadata_changes, wanted_details};
use super::deed::Deed;
use super::deferred::FolderMetadata;
use super::effects::Effects;
use super::room::makes_room;
use super::target::{TargetMutator, Trees};
use super::transfer_queue::TransferQueue;
use super::{MirrorListener, MirrorOptions, MirrorSummary};
use crate::error::{Error, graver};
use crate::observer::TransferEvent;
use crate::report::Reporter;
use changes::ChangeGroup;
use std::collections::HashMap;
use std::sync::Arc;
use times_set::TimesSet;
use wire::message::{Change, Entry, EntryDetails};
use wire::metadata::Kind;
use wire::modes::{OWNER_WRITES, PERMISSIONS};
use wire::{Failure, RemotePath};

/// Does it.
pub(crate) struct MirrorExecutor<'a> {
    pub(super) trees: &'a Trees,
    pub(super) options: &'a MirrorOptions,
    /// The folder below both trees that is compared.
    scope: RemotePath,
    listener: Arc<dyn MirrorListener>,
    pub(super) reporter: Arc<Reporter>,
    mutator: Option<TargetMutator>,
    pub(super) transfer: Option<TransferQueue>,
    batch: Vec<ChangeGroup>,
    times_set: TimesSet,
    /// Deeds that are held back until all is compared; see [`hold_back`](super::hold_back).
    pub(super) held_back: Option<Vec<Deed>>,
    /// Failures for lack of room are kept.
    pub(super) waits_for_room: bool,
    /// Changes that failed for it, and are not reported.
    pub(super) short: Vec<(RemotePath, Failure)>,
    /// Owners and attributes of items that are under way.
    details: Vec<(RemotePath, EntryDetails)>,
    /// Folders of the target that not even their owner may change, and have not been opened.
    read_only: HashMap<RemotePath, u32>,
    /// Folders of the target that are open to others than the source's, as long as no entry in or below them was changed.
    wide: HashMap<RemotePath, u32>,
    /// Files of the target were compared that might have been lost.
    has_proven: bool,
    failures: u64,
    summary: MirrorSummary,
    /// Totals of the files that are sent, as far as they were compared.
    totals: wire::message::Totals,
}

impl<'a> MirrorExecutor<'a> {
    pub(crate) fn new(
        trees: &'a Trees,
        options: &'a MirrorOptions,
        scope: RemotePath,
        listener: Arc<dyn MirrorListener>,
    ) -> Self {
        let reporter = trees.reporter.clone();
        Self {
            trees,
            options,
            scope,
            listener,
            reporter,
            mutator: None,
            transfer: None,
            batch: Vec::new(),
            times_set: TimesSet::default(),
            held_back: None,
            waits_for_room: makes_room(options),
            short: Vec::new(),
            details: Vec::new(),
            read_only: HashMap::new(),
            wide: HashMap::new(),
            has_proven: false,
            failures: 0,
            summary: MirrorSummary::default(),
            totals: wire::message::Totals::default(),
        }
    }

    /// Ends the job; gives the counts of all that was done.
    pub(crate) fn close(mut self) -> Result<MirrorSummary, Error> {
        self.settle()?;
        self.tell_short_of_room();
        let has_target = self.transfer.is_some() || self.trees.has_target();
        let transfer = self.transfer.take().map(|transfer| transfer.close(self.trees)).transpose()?;
        if let Some(transfer) = transfer {
            let changes = self.summary.transfer;
            self.summary.transfer = transfer;
            self.summary.transfer.failed += changes.failed;
            self.summary.transfer.vanished += changes.vanished;
            self.summary.transfer.gravest = graver(transfer.gravest, changes.gravest);
        }
        let power = self.options.transfer.survive_power();
        if power && has_target {
            self.sync()?;
        } else if !power && self.has_proven {
            let _ = self.sync(); // without it they are compared once more after the next loss of power
        }
        Ok(self.summary)
    }

    /// Makes durable also what was found as it is to be: an earlier run may not have come to its sync.
    fn sync(&mut self) -> Result<(), Error> {
        let path = self.scope.clone();
        let change = Change::Sync { path: path.clone() };
        let mutator = self.mutator.take().map_or_else(|| self.open_mutator(), Ok)?;
        match mutator.apply(vec![change])?.into_iter().flatten().next() {
            Some(failure) => Err(self.trees.target_error(&path, failure)),
            None => Ok(()),
        }
    }

    /// Removes the versions in the backup that are not kept, when all that the run sets aside is there.
    pub(crate) fn prune(&mut self) -> Result<(), Error> {
        let has_target = self.transfer.is_some() || self.trees.has_target();
        if self.options.backup.is_none()
            || self.options.versions.is_none()
            || !self.scope.is_root()
            || !has_target
        {
            return Ok(());
        }
        self.settle()?;
        let mutator = self.mutator.take().map_or_else(|| self.open_mutator(), Ok)?;
        let path = RemotePath::root();
        let failures = mutator.apply(vec![Change::Prune { path: path.clone() }])?;
        self.mutator = Some(mutator);
        for failure in failures.into_iter().flatten() {
            let reason = format!("old versions in the backup folder are still there: {failure}");
            self.failed(&path, &Failure::new(failure.code, reason));
        }
        Ok(())
    }

    /// The error that ended the job before its time.
    fn job_over(&mut self) -> Error {
        let ended = self.transfer.take().map(|transfer| transfer.close(self.trees));
        match ended {
            Some(Err(error)) => error,
            Some(Ok(_)) | None => Error::Interrupted,
        }
    }

    fn send(&mut self, entry: &Entry) -> Result<(), Error> {
        self.open_transfer()?;
        if let Some(details) = wanted_details(entry) {
            self.details.push((entry.path.clone(), details));
        }
        let open = self.transfer.as_ref().is_some_and(|transfer| transfer.send(entry));
        if !open {
            Err(self.job_over())
        } else if self.details.len() >= DETAILS_AHEAD {
            self.settle()
        } else {
            Ok(())
        }
    }

    /// Counts what is sent when it is chosen, long before it is.
    fn count_ahead(&mut self, files: u64, bytes: u64) {
        if !self.totals.complete {
            self.totals.files += files;
            self.totals.bytes = self.totals.bytes.saturating_add(bytes); // a server may claim anything
            self.tell_totals();
        }
    }

    fn tell_totals(&self) {
        self.listener.on_event(&TransferEvent::Totals(self.totals));
    }

    /// Waits for the job's items, then gives those that arrived their owners and attributes.
    fn settle_transfer(&mut self) -> Result<(), Error> {
        let Some(transfer) = &self.transfer else { return Ok(()) };
        if !transfer.settle() {
            return Err(self.job_over());
        }
        let details = std::mem::take(&mut self.details);
        for (path, details) in details {
            let arrived = self.transfer.as_ref().is_some_and(|transfer| !transfer.has_failed(&path));
            let changes = detail_changes(&path, &details);
            if arrived && !changes.is_empty() {
                self.change(ChangeGroup { changes, path, ..ChangeGroup::default() })?;
            }
        }
        Ok(())
    }
}

impl Effects for MirrorExecutor<'_> {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        let Some(Deed::Act(action)) = self.keep(Deed::Act(action))? else { return Ok(true) };
        self.listener.planned(&action)?;
        if let MirrorAction::New { .. } | MirrorAction::Changed { .. } = &action {
            self.count_ahead(1, action.bytes());
        }
        self.times_set.remember(&action);
        let path = action.path().clone();
        if !matches!(action, MirrorAction::Metadata { .. }) {
            self.prepare_folders_of(&path)?; // what a file is told does not change its folder
        }
        if let MirrorAction::Moved { from, .. } = &action {
            self.prepare_folders_of(&from.path)?;
        }
        match &action {
            MirrorAction::New { source } => self.send(source)?,
            MirrorAction::Changed { source, target } => self.replace(source.clone(), target)?,
            MirrorAction::Folder { target: None, .. } if path.is_root() => self.open_transfer()?,
            MirrorAction::Folder { target: None, .. } => {}
            MirrorAction::Folder { target: Some(target), .. } => {
                let changes = vec![self.removal(target)];
                self.change(ChangeGroup { changes, path, ..ChangeGroup::default() })?;
                self.make_batch()?; // what is in the folder comes next
            }
            MirrorAction::Metadata { source, .. } if source.metadata.kind == Kind::Folder => {} // when it is left
            MirrorAction::Metadata { source, target } => {
                let changes = metadata_changes(source, target);
                self.change(ChangeGroup { changes, action: Some(action), path, ..ChangeGroup::default() })?;
            }
            MirrorAction::Linked { .. } => self.linked(action)?,
            MirrorAction::Moved { source, from } => {
                let moving = Change::Move { from: from.path.clone(), to: path.clone(), was: from.metadata };
                let moved = Entry { path: path.clone(), ..from.clone() };
                let (changes, rest) = (vec![moving], metadata_changes(source, &moved));
                self.change(ChangeGroup {
                    changes,
                    rest,
                    action: Some(action),
                    path,
                    ..ChangeGroup::default()
                })?;
            }
            MirrorAction::Deleted { target } => {
                let changes = vec![self.removal(target)];
                self.change(ChangeGroup { changes, action: Some(action), path, ..ChangeGroup::default() })?;
            }
        }
        Ok(true)
    }

    /// Through the job, if there is one: then it comes after all that is in the folder.
    fn leave(&mut self, folder: &Entry) -> Result<(), Error> {
        if self.held_back.is_some() {
            return self.keep(Deed::Leave(folder.clone())).map(drop);
        }
        self.make_batch()?; // its items go before it
        if folder.metadata.mode & OWNER_WRITES == 0 {
            self.read_only(folder); // once more, for what is deleted in it later
        }
        self.send(folder)
    }

    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error> {
        let Some(Deed::Touch(path, touch)) = self.keep(Deed::Touch(path, touch))? else { return Ok(()) };
        if self.trees.leaves_root && path.is_root() {
            return Ok(());
        }
        // Where only what is new gets permissions, a folder has those it was made with, or its own if it was not opened for the time.
        let stays = self.options.transfer.modes.only_new
            && touch.mode & !PERMISSIONS == 0
            && touch.mode & OWNER_WRITES != 0;
        let (modified, mode) = (touch.modified, Some(touch.mode).filter(|_| !stays));
        let changes = vec![Change::SetMetadata { path: path.clone(), modified, mode }];
        self.change(ChangeGroup { changes, path, ..ChangeGroup::default() })
    }

    fn own(&mut self, folder: &Entry) -> Result<(), Error> {
        if self.held_back.is_some() {
            return self.keep(Deed::Own(folder.clone())).map(drop);
        }
        let details = wanted_details(folder).unwrap_or_default();
        let (path, changes) = (folder.path.clone(), detail_changes(&folder.path, &details));
        if changes.is_empty() || (self.trees.leaves_root && path.is_root()) {
            Ok(())
        } else {
            self.change(ChangeGroup { changes, path, ..ChangeGroup::default() })
        }
    }

    fn read_only(&mut self, folder: &Entry) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.push(Deed::ReadOnly(folder.clone()));
        }
        self.read_only.insert(folder.path.clone(), folder.metadata.mode);
    }

    fn narrow(&mut self, folder: &Entry) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.push(Deed::Narrow(folder.clone()));
        }
        self.wide.insert(folder.path.clone(), folder.metadata.mode);
    }

    fn counted(&mut self, files: u64, bytes: u64) {
        if let Some(held_back) = &mut self.held_back {
            return held_back.push(Deed::Counted(files, bytes));
        }
        self.count_ahead(files, bytes);
        self.totals.complete = true;
        self.tell_totals();
    }

    fn settle(&mut self) -> Result<(), Error> {
        if self.held_back.is_some() {
            return self.keep(Deed::Settle).map(drop);
        }
        self.make_batch()?;
        self.settle_transfer()?;
        self.make_batch()
    }

    fn failed(&mut self, path: &RemotePath, failure: &Failure) {
        self.failures += 1;
        self.summary.fail(failure);
        self.listener.failed(path, failure);
    }

    /// Its time is set once more, so that it was changed in this run of the system.
    fn proven(&mut self, target: &Entry) -> Result<(), Error> {
        self.has_proven = true;
        let (path, modified) = (target.path.clone(), Some(target.metadata.modified));
        let changes = vec![Change::SetMetadata { path: path.clone(), modified, mode: None }];
        self.change(ChangeGroup { changes, path, is_preparation: true, ..ChangeGroup::default() })
    }

    fn vanished(&mut self, path: &RemotePath) {
        self.summary.transfer.vanished += 1;
        self.listener.vanished(path);
    }

    fn left_out(&mut self, path: &RemotePath) {
        self.listener.left_out(path);
    }

    fn not_deleted(&mut self, count: u64) {
        self.listener.not_deleted(count);
    }

    fn failures(&self) -> u64 {
        let sent = self.transfer.as_ref().map_or(0, |transfer| transfer.failures() as u64);
        self.failures + self.short.len() as u64 + sent
    }

    fn release(&mut self) -> Result<(), Error> {
        self.release_held()
    }

    fn abandon(&mut self) -> bool {
        self.held_back.take().is_some()
    }

    fn lacks_room(&self) -> Result<bool, Error> {
        self.held_lacks_room()
    }

    fn short_of_room(&self) -> u64 {
        let sent = self.transfer.as_ref().map_or(0, |transfer| transfer.short().len());
        (self.short.len() + sent) as u64
    }

    fn try_again(&mut self) {
        self.waits_for_room = false;
        self.short.clear();
        if let Some(transfer) = &self.transfer {
            transfer.end_waiting_for_room();
        }
    }

    fn tell_short_of_room(&mut self) {
        self.waits_for_room = false;
        for (path, failure) in std::mem::take(&mut self.short) {
            self.failed(&path, &failure);
        }
        let sent = self.transfer.as_ref().map(TransferQueue::end_waiting_for_room).unwrap_or_default();
        for (path, failure) in sent {
            self.failed(&path, &failure);
        }
    }

    fn copied(&self) -> u64 {
        self.reporter.summary().files
    }
}

/// Items whose owners and attributes wait for their arrival.
const DETAILS_AHEAD: usize = 8192;
