//! The rules of a transfer, from the command line to the wire: the same for `get`, for `put`, and for all that a mirror transfers.

use crate::resume_store::ResumeRecord;
use crate::session::Session;
use std::sync::Arc;
use wire::delta::NEAR;
use wire::journal::origin_of;
use wire::message::{Changing, Compress, Delta, Durability, JobOptions, Overwrite, Put, Resume};
use wire::metadata::Timestamp;
use wire::modes::Modes;
use wire::store::change::Changes;
use wire::store::{Folder, Keeping, TreeSinkOptions};
use wire::{Failure, RemotePath};

/// The rules of a transfer.
#[derive(Debug, Clone)]
pub struct TransferOptions {
    /// The rule for files that exist.
    pub overwrite: Overwrite,
    /// The failure that an item must survive before it is reported as done.
    pub durability: Durability,
    /// The rule for a file that changes while it is read.
    pub changing: Changing,
    /// Go on with what an interrupted run has left, and leave what this one has if it is.
    pub resume: bool,
    /// The rules for permissions.
    pub modes: Modes,
    /// Long runs of zeros become holes.
    pub sparse: bool,
    /// The rule for compressing data on its way.
    pub compress: Compress,
    /// The rule for large files that replace others.
    pub delta: Delta,
}

/// The rules of the end that sends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SendingRules {
    /// See [`TransferOptions::changing`].
    pub(crate) changing: Changing,
    /// See [`TransferOptions::compress`].
    pub(crate) compress: Compress,
    /// See [`TransferOptions::delta`].
    pub(crate) delta: Delta,
}

impl Default for TransferOptions {
    /// Replaces files that exist, reads a file that changes again, resumes, and carries permissions.
    fn default() -> Self {
        Self {
            overwrite: Overwrite::Always,
            durability: Durability::Process,
            changing: Changing::Retry,
            resume: true,
            modes: Modes::CARRIED,
            sparse: false,
            compress: Compress::Auto,
            delta: Delta::Auto,
        }
    }
}

impl TransferOptions {
    /// The same, where items must survive a loss of power if `power`, and the end of a process in any case.
    #[must_use]
    pub fn surviving(self, power: bool) -> Self {
        Self { durability: if power { Durability::Power } else { Durability::Process }, ..self }
    }

    /// True if items must survive a loss of power before they are reported as done.
    #[must_use]
    pub fn survive_power(&self) -> bool {
        self.durability == Durability::Power
    }

    /// The same for what is received here, by people who have not asked for all permissions.
    pub(crate) fn received(&self) -> Self {
        Self { modes: self.modes.clone().received(), ..self.clone() }
    }

    /// The rules of the end that sends.
    pub(crate) fn sending(&self) -> SendingRules {
        SendingRules { changing: self.changing, compress: self.compress, delta: self.delta }
    }

    /// The request that sends to `path`.
    pub(crate) fn put(&self, path: RemotePath, job: JobOptions) -> Put {
        Put {
            path,
            into: None,
            overwrite: self.overwrite,
            exclusive: false,
            durability: self.durability,
            modes_of_new: self.modes.only_new,
            folder_mode: self.modes.of_unknown_folder(),
            options: JobOptions { sparse: self.sparse, delta: self.delta, ..job },
        }
    }

    /// The options of a sink that receives here. Files that were changed since `begun` may be what an earlier attempt has put in its place.
    pub(crate) fn sink(&self, keeping: Option<Keeping>, begun: Option<Timestamp>) -> TreeSinkOptions {
        TreeSinkOptions {
            overwrite: self.overwrite,
            add_only: false,
            takes_over: true,
            modes: self.modes.clone(),
            sparse: self.sparse,
            durability: self.durability,
            keeping,
            begun,
        }
    }

    /// Small changes of a local tree.
    ///
    /// # Errors
    /// As [`Changes::new`].
    pub(crate) fn changes(
        &self,
        tree: Arc<dyn Folder>,
        backup: Option<Arc<dyn Folder>>,
    ) -> Result<Changes, Failure> {
        Changes::new(tree, backup, self.durability)
    }
}

/// The options of a job that sends to the server or asks it to send: its checksum, and what an attempt before has left there.
pub(crate) fn job(session: &Session, resume: Resume, record: &ResumeRecord) -> JobOptions {
    let begun = record.opened_at().filter(|_| resume == Resume::Again);
    JobOptions { resume, begun, ..JobOptions::of(session.checksum()) }
}

/// The rule for large files: with a server that is near they are faster whole.
pub(crate) fn delta_here(session: &Session, wish: Delta) -> Delta {
    let round_trip = session.inner.control.exchange.round_trip();
    let is_near = !round_trip.is_zero() && round_trip < NEAR && session.inner.rate_limit == 0;
    if wish == Delta::Auto && is_near { Delta::Never } else { wish }
}

/// How what an interrupted run leaves here is kept, if it is. Only what the same server sent counts for it.
pub(crate) fn keeping(session: &Session, resume: Resume) -> Option<Keeping> {
    let key = session.journal_key().filter(|_| resume != Resume::Never)?;
    Some(Keeping { key, origin: origin_of(&[&session.inner.key]), checksum: session.checksum() })
}
