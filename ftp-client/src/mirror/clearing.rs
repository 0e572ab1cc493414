//! Makes room: a comparison of which only the deletions are done. All else follows in another one.

use super::action::MirrorAction;
use super::deferred::FolderMetadata;
use super::effects::Effects;
use crate::error::Error;
use wire::message::Entry;
use wire::metadata::Kind;
use wire::{Failure, RemotePath};

/// Makes deletions only.
pub(super) struct Clearing<'a> {
    pub(super) effects: &'a mut dyn Effects,
    /// Entries that could not be looked at, which the other comparison tells of.
    pub(super) failures: u64,
    /// Some files are to be renamed, so the folders that they are in stay until then.
    pub(super) has_moves: bool,
}

impl Effects for Clearing<'_> {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        match &action {
            MirrorAction::Deleted { target } if self.has_moves && target.metadata.kind == Kind::Folder => {
                Ok(false)
            }
            MirrorAction::Deleted { .. } => self.effects.act(action),
            MirrorAction::Moved { .. } => {
                self.has_moves = true;
                Ok(true) // it is not deleted
            }
            MirrorAction::New { .. }
            | MirrorAction::Changed { .. }
            | MirrorAction::Folder { .. }
            | MirrorAction::Metadata { .. }
            | MirrorAction::Linked { .. } => Ok(false),
        }
    }

    fn leave(&mut self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error> {
        self.effects.touch(path, touch) // what was opened for the time is closed
    }

    fn own(&mut self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn read_only(&mut self, folder: &Entry) {
        self.effects.read_only(folder);
    }

    fn counted(&mut self, _: u64, _: u64) {}

    fn settle(&mut self) -> Result<(), Error> {
        self.effects.settle()
    }

    fn failed(&mut self, _: &RemotePath, _: &Failure) {
        self.failures += 1;
    }

    /// It is not there in the other comparison.
    fn vanished(&mut self, _: &RemotePath) {}

    /// The other comparison tells of it.
    fn left_out(&mut self, _: &RemotePath) {}

    fn not_deleted(&mut self, _: u64) {}

    fn failures(&self) -> u64 {
        self.failures
    }

    fn abandon(&mut self) -> bool {
        self.effects.copied() == 0
    }

    fn copied(&self) -> u64 {
        self.effects.copied()
    }
}
