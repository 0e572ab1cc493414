//! Entering and leaving the folders of the walk: what becomes of one when all that is in it was seen.

use super::action::Action;
use super::difference::Difference;
use super::late::Touch;
use super::level::{Level, What};
use super::planner::Planner;
use crate::error::Error;
use std::sync::Arc;
use wire::message::Entry;
use wire::metadata::Metadata;
use wire::modes::{OWNER_ALL, OWNER_WRITES, PERMISSIONS};
use wire::{Failure, FailureCode};

impl Planner<'_> {
    pub(super) fn enter(&mut self, what: What) -> Result<(), Error> {
        self.prepare(&what)?;
        let path = match &what {
            What::Both(entry, _) | What::New(entry) => entry.path.clone(),
            What::Extra(entry) | What::Conflict(entry, _) => entry.path.clone(),
        };
        self.levels.push(Level::new(path, what));
        Ok(())
    }

    /// Tells of a folder that is read-only, or open to others than the source's, before something in it is changed.
    pub(super) fn prepare(&mut self, what: &What) -> Result<(), Error> {
        let (target, mode) = match what {
            What::Both(source, target) => {
                (target, target.metadata.mode & (source.metadata.mode | OWNER_ALL | !PERMISSIONS))
            }
            What::Extra(target) | What::Conflict(_, target) => (target, target.metadata.mode),
            What::New(_) => return Ok(()),
        };
        let narrowed = Entry { metadata: Metadata { mode, ..target.metadata }, ..target.clone() };
        if mode & OWNER_WRITES == 0 {
            self.effects.read_only(&narrowed);
        }
        if let What::Both(source, target) = what
            && mode != target.metadata.mode
            && self.difference(source, target)? != Difference::None
        {
            self.effects.narrow(&narrowed);
        }
        Ok(())
    }

    /// All that is in the folder was seen.
    pub(super) fn leave(&mut self) -> Result<(), Error> {
        let Some(Level { what, changed, retained, has_entries, deleted_from, .. }) = self.levels.pop() else {
            return Ok(());
        };
        match what {
            What::Both(source, target) => {
                let differs = self.difference(&source, &target)? != Difference::None;
                let set =
                    differs && self.effects.act(Action::Metadata { source: (*source).clone(), target })?;
                self.summary.unchanged += u64::from(!differs);
                if set || changed {
                    self.effects.leave(&source)?;
                    if self.options.transfer.modes.only_new && source.metadata.mode & OWNER_WRITES == 0 {
                        let touch = Touch::all(&source.metadata); // it was opened for the time
                        self.late.touched.insert(source.path.clone(), touch);
                    }
                }
            }
            What::New(source) if changed => self.effects.leave(&source)?,
            What::New(_) => {} // it is not to be made, nor was anything in it
            What::Extra(target) if retained => {
                self.level().retained = true;
                if deleted_from && target.metadata.mode & OWNER_WRITES == 0 {
                    let touch = Touch::mode(&target.metadata); // it was opened for the time
                    self.late.touched_by_deletions.insert(target.path, touch);
                }
            }
            What::Extra(target) => self.delete(target),
            What::Conflict(source, target) => self.leave_conflict(source, target, retained, has_entries),
        }
        Ok(())
    }

    /// A file or link is to take the place of a folder, which must be empty then.
    fn leave_conflict(&mut self, source: Entry, target: Entry, retained: bool, has_entries: bool) {
        if retained || (has_entries && !self.options.delete) {
            let failure = Failure::new(FailureCode::NotEmpty, "a folder that is not empty is in its place");
            self.effects.failed(&source.path, &failure);
            self.level().retained = true;
            return;
        }
        let parent = self.parent();
        self.late.conflicts.push((source, target, parent));
    }

    /// The mirrored folder itself: its metadata is set last of all, whatever else changes in it.
    pub(super) fn leave_root(&mut self) -> Result<(), Error> {
        let Some(Level { what, changed, .. }) = self.levels.last() else { return Ok(()) };
        let (source, target, changed) = match what {
            What::Both(source, target) => (source.clone(), Some(target.clone()), *changed),
            What::New(source) => (source.clone(), None, *changed),
            What::Extra(_) | What::Conflict(..) => return Ok(()),
        };
        let differs = match target {
            Some(target) => self.difference(&source, &target)? != Difference::None,
            None => true,
        };
        if differs {
            self.late.root = Some(source.clone());
        }
        if differs || changed {
            self.late.touched.insert(source.path.clone(), Touch::all(&source.metadata));
        }
        Ok(())
    }

    /// The source's folder that the walk is in.
    pub(super) fn parent(&self) -> Option<Arc<Entry>> {
        self.levels.iter().rev().find_map(|level| match &level.what {
            What::Both(source, _) | What::New(source) => Some(source.clone()),
            What::Extra(_) | What::Conflict(..) => None,
        })
    }

    /// The same, if what is deleted lies right in it: a folder that goes itself needs no metadata.
    pub(super) fn kept_parent(&self) -> Option<Arc<Entry>> {
        match &self.levels.last()?.what {
            What::Both(source, _) | What::New(source) => Some(source.clone()),
            What::Extra(_) | What::Conflict(..) => None,
        }
    }

    pub(super) fn level(&mut self) -> &mut Level {
        let last = self.levels.len() - 1; // the root's level is never left
        &mut self.levels[last]
    }
}
