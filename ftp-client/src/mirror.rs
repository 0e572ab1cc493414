//! Mirrors: makes one tree equal to another, one of them here and the other at the server.
//!
//! ```text
//! walk here ──► side ─┐                       ┌─► job (PUT exclusive, or SELECT): files, links, folders
//!                     ├─► pairs ─► planner ─► effects
//! LIST there ─► side ─┘     (order)  (rules)  └─► batches: metadata, links, moves, deletions
//! ```
//!
//! Both sides come in the same sorted depth-first order, so neither end ever holds a whole tree. One thread compares; the
//! job's lanes carry files meanwhile. A folder's metadata follows all that is in it, through the same job. Deletions come
//! last, are counted before the first is made, and are made only if all else went well. With deletions a tree of moderate size is
//! compared to its end before anything is done, so that what the guard refuses is refused first (see `hold_back.rs`). Where the
//! target lacks room, what is to go goes first, in a comparison of its own (see `clearing.rs`).
//!
//! The comparison runs ahead of the job (see `transfer_queue.rs`), so the reported totals are of what is sent, not of the
//! source, and are whole long before the job is; until then they are marked as "so far".
//!
//! Memory: a folder's names for each level of the walks, a few pages of the listing, at most 16,384 items under way, 24 MiB
//! of items that wait, and what is kept for later (see `deferred.rs`): some 30 bytes for a path that is to be deleted.

pub mod action;
mod carried;
mod clearing;
mod deed;
mod deferred;
mod difference;
mod dir_frame;
mod dir_stack;
mod effects;
mod executor;
mod fidelities;
pub mod filter;
mod finish;
mod folded_names;
pub mod folder_marks;
mod folding;
mod guard;
mod hold_back;
mod job;
mod keeping;
mod opening;
mod packed;
mod pairs;
pub mod plan;
mod plan_effects;
mod planner;
pub mod recipe;
mod room;
mod run;
mod selection;
mod side;
mod target;
#[cfg(test)]
mod testing;
mod transfer_queue;
mod watch;

pub use action::MirrorAction;
pub use guard::{DeleteLimit, DeleteRefusal, RefusalReason};
pub(crate) use job::SelectionJob;
pub use recipe::Recipe;
pub use target::MirrorDirection;

use crate::error::{Error, graver};
use crate::observer::{self, FileOutcome, FileReport, TransferEvent, TransferObserver};
use crate::options::TransferOptions;
use filter::{FileLimits, FileList, FilterRules};
use folder_marks::{FolderMarks, MarkedFolders};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use wire::checksum::Checksum;
use wire::message::{Details, FollowLinks, KeptVersions, Overwrite};
use wire::{Failure, RemotePath};

/// A mirror to make.
pub struct MirrorRequest {
    /// Which way.
    pub direction: MirrorDirection,
    /// The folder here.
    pub local: PathBuf,
    /// The folder at the server.
    pub remote: RemotePath,
    /// How.
    pub options: MirrorOptions,
    /// How far it goes: from telling to doing.
    pub mode: Mode,
    /// The folder below both that is compared, with all below it; the root for all.
    pub scope: RemotePath,
}

impl MirrorRequest {
    /// Makes the same request again and again, if it may be made more than once: a dry run or a plan may not.
    pub(crate) fn again(&self) -> Option<impl Fn() -> Self + use<>> {
        let Self { direction, local, remote, options, mode: Mode::Run, scope } = self else { return None };
        let (direction, local, remote, options, scope) =
            (*direction, local.clone(), remote.clone(), options.clone(), scope.clone());
        Some(move || Self {
            direction,
            local: local.clone(),
            remote: remote.clone(),
            options: options.clone(),
            mode: Mode::Run,
            scope: scope.clone(),
        })
    }
}

/// How far a mirror goes.
pub enum Mode {
    /// It is made.
    Run,
    /// It is only reported what would be done.
    DryRun,
    /// Its actions are written to a plan.
    Plan(plan::PlanWriter),
    /// The actions of a plan are done, as far as they still fit.
    Apply(plan::LoadedPlan),
}

/// How a mirror is made.
#[derive(Debug, Clone)]
pub struct MirrorOptions {
    /// The rules of what is transferred. The one for files that exist is about those that differ.
    pub transfer: TransferOptions,
    /// Remove what only the target has.
    pub delete: bool,
    /// Remove also what the rules exclude.
    pub delete_excluded: bool,
    /// How many deletions are too many.
    pub delete_max: DeleteLimit,
    /// Deletions are also made if the source is empty.
    pub allow_empty_source: bool,
    /// When deletions are made.
    pub delete_when: DeleteWhen,
    /// Compare content where sizes are equal, whatever the times say.
    pub by_digest: bool,
    /// Times that differ by no more than this are equal.
    pub modify_window: Duration,
    /// Which entries take part.
    pub rules: FilterRules,
    /// Only these, if given.
    pub files: Option<FileList>,
    /// Folders of a local source that do not take part for what they are.
    pub folder_marks: FolderMarks,
    /// Symbolic links of the source are followed: the files and folders that they lead to are sent.
    pub copy_links: bool,
    /// A symbolic link of the target that leads to a folder is used as that folder, where the source has a folder.
    pub keep_dir_links: bool,
    /// Which files are sent.
    pub limits: FileLimits,
    /// Names of one file stay names of one file.
    pub hard_links: bool,
    /// Owner and group are carried.
    pub owner: bool,
    /// Extended attributes are carried.
    pub xattrs: bool,
    /// Files that vanished at one path and appeared at another are renamed.
    pub detect_moves: bool,
    /// The folder, on the target's side, that keeps what is replaced or deleted.
    pub backup: Option<PathBuf>,
    /// The versions of each file that stay there; `None` for all.
    pub versions: Option<KeptVersions>,
    /// Where that is in the target, if it is there.
    backup_below: Option<RemotePath>,
    /// [`folder_marks`](Self::folder_marks), looked for in the source.
    marked_folders: Option<MarkedFolders>,
    /// A run before has been through the guard, so the folder is the right one: what is new is sent also where deletions
    /// are refused.
    established: bool,
}

/// When deletions are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeleteWhen {
    /// Last, but first where the target has not the room for what is sent.
    #[default]
    Auto,
    /// Before anything is sent.
    Before,
    /// Last, and only if all else went well.
    After,
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self {
            transfer: TransferOptions { overwrite: Overwrite::Different, ..TransferOptions::default() },
            delete: false,
            delete_excluded: false,
            delete_max: DeleteLimit::default(),
            allow_empty_source: false,
            delete_when: DeleteWhen::Auto,
            by_digest: false,
            modify_window: Duration::ZERO,
            rules: FilterRules::default(),
            files: None,
            limits: FileLimits::default(),
            hard_links: false,
            owner: false,
            xattrs: false,
            detect_moves: false,
            backup: None,
            versions: None,
            backup_below: None,
            marked_folders: None,
            folder_marks: FolderMarks::default(),
            copy_links: false,
            keep_dir_links: false,
            established: false,
        }
    }
}

impl MirrorOptions {
    /// The checksum of a mirror's job where `agreed` was agreed upon. With holes it is SHA-256, for which zeros that are not sent
    /// need not be hashed either.
    pub(crate) fn checksum(&self, agreed: Checksum) -> Checksum {
        if self.transfer.sparse { Checksum::Sha256 } else { agreed }
    }

    /// The treatment of links in the tree here.
    pub(crate) fn follow_here(&self, direction: MirrorDirection) -> FollowLinks {
        match direction {
            MirrorDirection::Upload => self.follow_in_source(),
            MirrorDirection::Download => self.follow_in_target(),
        }
    }

    /// The treatment of links in the tree at the server.
    pub(crate) fn follow_there(&self, direction: MirrorDirection) -> FollowLinks {
        match direction {
            MirrorDirection::Upload => self.follow_in_target(),
            MirrorDirection::Download => self.follow_in_source(),
        }
    }

    fn follow_in_source(&self) -> FollowLinks {
        if self.copy_links { FollowLinks::Always } else { FollowLinks::Never }
    }

    fn follow_in_target(&self) -> FollowLinks {
        if self.keep_dir_links { FollowLinks::Folders } else { FollowLinks::Never }
    }

    /// The details that listings must have beside metadata.
    fn details(&self) -> Details {
        Details { owner: self.owner, links: self.hard_links, xattrs: self.xattrs }
    }
}

/// Hears of a mirror's progress.
pub trait MirrorListener: TransferObserver {
    /// This will be done, or would be.
    ///
    /// # Errors
    /// If events can no longer be reported; the run ends.
    fn planned(&self, action: &MirrorAction) -> Result<(), Error>;
    /// This was done. Files, links and folders that were sent, and items that failed, are events of the transfer.
    fn done(&self, action: &MirrorAction);
    /// So many entries were not deleted, because something failed before.
    fn not_deleted(&self, count: u64);
    /// A watch compares a folder once more: its counts begin anew.
    fn next_round(&self) {}
    /// All is mirrored that there was; changes are waited for.
    fn waiting(&self) {}
    /// Changes in this folder cannot be heard of, and maybe in others: they are compared now and then. Told once.
    fn unwatched(&self, _path: &RemotePath, _reason: &std::io::Error) {}
    /// Failed items, or the whole run that ended with this error, are tried again after so long.
    fn retrying(&self, _error: Option<&Error>, _wait: Duration) {}
    /// Nothing is deleted.
    fn refused(&self, refusal: DeleteRefusal);
}

impl dyn MirrorListener {
    /// An item could not be looked at, carried or changed.
    fn failed(&self, path: &RemotePath, failure: &Failure) {
        self.end(path, FileOutcome::Failed(failure));
    }

    /// An item was removed before it could be looked at.
    fn vanished(&self, path: &RemotePath) {
        self.end(path, FileOutcome::Vanished);
    }

    /// A pipe, socket or device of the source is not sent. What the target has of that name stays.
    fn left_out(&self, path: &RemotePath) {
        self.end(path, FileOutcome::LeftOut);
    }

    fn end(&self, path: &RemotePath, outcome: FileOutcome<'_>) {
        self.on_event(&TransferEvent::FileFinished(FileReport::without_content(path, outcome)));
    }
}

/// How a mirror ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorOutcome {
    /// Counts of what was done, or would be.
    pub summary: MirrorSummary,
    /// Why deletions were refused, if they were.
    pub refusal: Option<DeleteRefusal>,
    /// Items of a plan that no longer fit.
    pub drifted: u64,
}

impl MirrorOutcome {
    /// True if anything of the target may be other than before.
    pub(crate) fn has_changed_something(&self) -> bool {
        MirrorSummary { unchanged: 0, ..self.summary } != MirrorSummary::default()
    }
}

/// Counts of a mirror.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorSummary {
    /// Counts of what was sent, and of all failures.
    pub transfer: observer::TransferSummary,
    /// Entries that were equal already.
    pub unchanged: u64,
    /// Entries whose metadata was set.
    pub metadata: u64,
    /// Entries that were deleted.
    pub deleted: u64,
    /// Files that were renamed instead of being sent.
    pub moved: u64,
    /// Names that were linked to files.
    pub linked: u64,
}

impl MirrorSummary {
    /// The counts of a comparison, with those of what was done.
    fn with(self, done: Self) -> Self {
        let mut transfer = done.transfer;
        transfer.skipped += self.transfer.skipped;
        Self { unchanged: self.unchanged, transfer, ..done }
    }

    /// Counts actions that are not reported as a transfer.
    fn count(&mut self, action: &MirrorAction) {
        match action {
            MirrorAction::Deleted { .. } => self.deleted += 1,
            MirrorAction::Metadata { .. } => self.metadata += 1,
            MirrorAction::Linked { .. } => self.linked += 1,
            MirrorAction::Moved { .. } => self.moved += 1,
            MirrorAction::New { .. } | MirrorAction::Changed { .. } | MirrorAction::Folder { .. } => {}
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.transfer.failed += 1;
        self.transfer.gravest = graver(self.transfer.gravest, Some(failure.code));
    }
}
