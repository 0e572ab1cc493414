//! Entering and leaving the folders of the walk: what becomes of one when all that is in it was seen.

use super::action::MirrorAction;
use super::deferred::FolderMetadata;
use super::difference::Difference;
use super::dir_frame::{DirFrame, Presence};
use super::planner::Planner;
use crate::error::Error;
use std::sync::Arc;
use wire::message::Entry;
use wire::metadata::Metadata;
use wire::modes::{OWNER_ALL, OWNER_WRITES, PERMISSIONS};
use wire::{Failure, FailureCode};

impl Planner<'_> {
    pub(super) fn enter(&mut self, presence: Presence) -> Result<(), Error> {
        self.prepare(&presence)?;
        let path = match &presence {
            Presence::Both(entry, _) | Presence::SourceOnly(entry) => entry.path.clone(),
            Presence::TargetOnly(entry) | Presence::Conflict(entry, _) => entry.path.clone(),
        };
        self.frames.push(DirFrame::new(path, presence));
        Ok(())
    }

    /// Tells of a folder that is read-only, or open to others than the source's, before something in it is changed.
    pub(super) fn prepare(&mut self, presence: &Presence) -> Result<(), Error> {
        let (target, mode) = match presence {
            Presence::Both(source, target) => {
                (target, target.metadata.mode & (source.metadata.mode | OWNER_ALL | !PERMISSIONS))
            }
            Presence::TargetOnly(target) | Presence::Conflict(_, target) => (target, target.metadata.mode),
            Presence::SourceOnly(_) => return Ok(()),
        };
        let narrowed = Entry { metadata: Metadata { mode, ..target.metadata }, ..target.clone() };
        if mode & OWNER_WRITES == 0 {
            self.effects.read_only(&narrowed);
        }
        if let Presence::Both(source, target) = presence
            && mode != target.metadata.mode
            && self.difference(source, target)? != Difference::None
        {
            self.effects.narrow(&narrowed);
        }
        Ok(())
    }

    /// All that is in the folder was seen.
    pub(super) fn leave(&mut self) -> Result<(), Error> {
        let Some(DirFrame { presence, changed, retained, deleted_from, .. }) = self.frames.pop() else {
            return Ok(());
        };
        match presence {
            Presence::Both(source, target) => {
                let differs = self.difference(&source, &target)? != Difference::None;
                let set = differs
                    && self.effects.act(MirrorAction::Metadata { source: (*source).clone(), target })?;
                self.summary.unchanged += u64::from(!differs);
                if set || changed {
                    self.effects.leave(&source)?;
                    if self.options.transfer.modes.only_new && source.metadata.mode & OWNER_WRITES == 0 {
                        let touch = FolderMetadata::all(&source.metadata); // it was opened for the time
                        self.deferred.touched.insert(source.path.clone(), touch);
                    }
                }
            }
            Presence::SourceOnly(source) if changed => self.effects.leave(&source)?,
            Presence::SourceOnly(_) => {} // it is not to be made, nor was anything in it
            Presence::TargetOnly(target) if retained => {
                self.frame().retained = true;
                if deleted_from && target.metadata.mode & OWNER_WRITES == 0 {
                    let touch = FolderMetadata::mode(&target.metadata); // it was opened for the time
                    self.deferred.touched_by_deletions.insert(target.path, touch);
                }
            }
            Presence::TargetOnly(target) => self.delete(target),
            Presence::Conflict(source, target) => self.leave_conflict(source, target, retained),
        }
        Ok(())
    }

    /// A file or link is to take the place of a folder, which must be empty then.
    fn leave_conflict(&mut self, source: Entry, target: Entry, retained: bool) {
        if retained {
            let failure = Failure::new(FailureCode::NotEmpty, "a folder that is not empty is in its place");
            self.effects.failed(&source.path, &failure);
            return;
        }
        let parent = self.parent();
        self.deferred.conflicts.push((source, target, parent));
    }

    /// The mirrored folder itself: its metadata is set last of all, whatever else changes in it.
    pub(super) fn leave_root(&mut self) -> Result<(), Error> {
        let Some(DirFrame { presence, changed, .. }) = self.frames.last() else { return Ok(()) };
        let (source, target, changed) = match presence {
            Presence::Both(source, target) => (source.clone(), Some(target.clone()), *changed),
            Presence::SourceOnly(source) => (source.clone(), None, *changed),
            Presence::TargetOnly(_) | Presence::Conflict(..) => return Ok(()),
        };
        let differs = match target {
            Some(target) => self.difference(&source, &target)? != Difference::None,
            None => true,
        };
        if differs {
            self.deferred.root = Some(source.clone());
        }
        if differs || changed {
            self.deferred.touched.insert(source.path.clone(), FolderMetadata::all(&source.metadata));
        }
        Ok(())
    }

    /// The source's folder that the walk is in.
    pub(super) fn parent(&self) -> Option<Arc<Entry>> {
        self.frames.iter().rev().find_map(|frame| match &frame.presence {
            Presence::Both(source, _) | Presence::SourceOnly(source) => Some(source.clone()),
            Presence::TargetOnly(_) | Presence::Conflict(..) => None,
        })
    }

    /// The same, if what is deleted lies right in it: a folder that goes itself needs no metadata.
    pub(super) fn kept_parent(&self) -> Option<Arc<Entry>> {
        match &self.frames.last()?.presence {
            Presence::Both(source, _) | Presence::SourceOnly(source) => Some(source.clone()),
            Presence::TargetOnly(_) | Presence::Conflict(..) => None,
        }
    }

    pub(super) fn frame(&mut self) -> &mut DirFrame {
        let last = self.frames.len() - 1; // the root's level is never left
        &mut self.frames[last]
    }
}
