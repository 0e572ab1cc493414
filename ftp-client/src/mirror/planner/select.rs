//! Chooses the entries of a pair that take part in a mirror, by failures, filters and shields.

use super::{Planner, is_folder, is_within};
use crate::mirror::pairs::{Pair, Pairs};
use crate::mirror::side::SideEntry;
use wire::message::{Entry, EntryDetails, PathFailure};
use wire::{Failure, FailureCode, RemotePath};

/// Neither side of a pair takes part.
struct Shielded;

impl Planner<'_> {
    /// Chooses the entries of a pair that take part: failures are reported and shield the other side, and filters have their say.
    pub(super) fn select(&mut self, pair: Pair, pairs: &mut Pairs<'_>) -> (Option<Entry>, Option<Entry>) {
        let source = pair.source.filter(|found| !is_within(found.path(), self.source_below.as_ref()));
        let target = pair.target.filter(|found| {
            let shielded = is_within(found.path(), self.target_below.as_ref());
            if shielded {
                self.frame().retained = true;
            }
            !shielded
        });
        let target = target.filter(|found| !found.has_vanished()); // somebody removes things there
        let Ok(source) = self.select_source(source, pairs) else { return (None, None) };
        let Ok(target) = self.select_target(target, source.is_some(), pairs) else { return (None, None) };
        (source, target)
    }

    /// A folder of the target that was reached through a link is used as one only where the source has a folder: otherwise the link itself
    /// is compared, replaced or deleted, and nothing of what it leads to.
    pub(super) fn through_link(
        &mut self,
        source: Option<&Entry>,
        mut target: Entry,
        pairs: &mut Pairs<'_>,
    ) -> Entry {
        let Some(link) = target.details.as_mut().and_then(|details| details.link.take()) else {
            return target;
        };
        target.details = target.details.filter(|details| **details != EntryDetails::default());
        if source.is_some_and(is_folder) {
            target.link_target.clear();
            return target;
        }
        self.target_below = Some(target.path.clone());
        pairs.skip_target();
        Entry { metadata: link, details: None, ..target }
    }

    fn select_source(
        &mut self,
        found: Option<SideEntry>,
        pairs: &mut Pairs<'_>,
    ) -> Result<Option<Entry>, Shielded> {
        Ok(match found {
            Some(found) if found.has_vanished() && !self.selection.hides(found.path(), true) => {
                self.effects.vanished(found.path());
                self.leave_alone(found.path());
                return Err(Shielded);
            }
            Some(SideEntry::Failed(failed)) if self.is_too_long(&failed) => {
                self.counts.source_failures += 1;
                self.effects.failed(&failed.path, &failed.failure);
                self.retain();
                None
            }
            Some(SideEntry::Failed(failed)) if !self.selection.hides(&failed.path, true) => {
                self.counts.source_failures += 1;
                self.shield(&failed);
                return Err(Shielded);
            }
            Some(SideEntry::Entry(entry)) => self.select_entry(entry, pairs),
            Some(SideEntry::Failed(PathFailure { path, .. }) | SideEntry::LeftOut(path)) => {
                self.source_below = Some(path);
                None
            }
            None => None,
        })
    }

    fn select_target(
        &mut self,
        found: Option<SideEntry>,
        has_source: bool,
        pairs: &mut Pairs<'_>,
    ) -> Result<Option<Entry>, Shielded> {
        Ok(match found {
            Some(SideEntry::Failed(failed)) if self.is_too_long(&failed) => {
                if self.options.delete {
                    self.effects.failed(&failed.path, &failed.failure);
                }
                self.retain();
                None
            }
            Some(SideEntry::Failed(failed)) if has_source || self.concerns(&failed.path) => {
                self.shield(&failed);
                return Err(Shielded);
            }
            Some(SideEntry::LeftOut(path)) if has_source => {
                let reason = "a folder that the rules leave out is in its place";
                self.shield(&PathFailure { path, failure: Failure::new(FailureCode::NotEmpty, reason) });
                return Err(Shielded);
            }
            Some(SideEntry::Entry(entry))
                if has_source || !self.selection.protects(&entry.path, is_folder(&entry)) =>
            {
                Some(entry)
            }
            Some(found) => {
                self.retain();
                self.target_below = Some(found.path().clone());
                pairs.skip_target();
                None
            }
            None => None,
        })
    }

    /// True if an entry of the target matters where the source has no entry: something of a folder that is compared, or
    /// something that is to go.
    fn concerns(&self, path: &RemotePath) -> bool {
        self.frames.last().is_some_and(|frame| frame.path == *path)
            || (self.options.delete && !self.selection.protects(path, true))
    }

    fn select_entry(&mut self, entry: Entry, pairs: &mut Pairs<'_>) -> Option<Entry> {
        if self.selection.hides(&entry.path, is_folder(&entry)) {
            self.source_below = Some(entry.path);
            pairs.skip_source();
            return None;
        }
        self.counts.source_entries += 1;
        Some(entry)
    }

    /// True if something in the folder that is compared has a name or path too long for a listing. All else in it is listed.
    fn is_too_long(&self, failed: &PathFailure) -> bool {
        failed.failure.code == FailureCode::InvalidPath
            && self.frames.last().is_some_and(|frame| frame.path == failed.path)
    }

    /// Something could not be looked at: whatever the other side has there stays as it is.
    fn shield(&mut self, failed: &PathFailure) {
        self.effects.failed(&failed.path, &failed.failure);
        self.leave_alone(&failed.path);
    }

    /// Neither side is looked at below `path`, and what the target has there stays in this run.
    fn leave_alone(&mut self, path: &RemotePath) {
        for below in [&mut self.source_below, &mut self.target_below] {
            if !is_within(path, below.as_ref()) {
                *below = Some(path.clone()); // else what is left out already goes further
            }
        }
        self.retain();
    }

    /// The target's folder has something that stays.
    fn retain(&mut self) {
        self.frame().retained = true;
    }

    /// The source has no entry at a path that was asked for by name. Paths that were not looked at do not count: they may exist.
    pub(super) fn missing(&mut self, path: &RemotePath) {
        if !is_within(path, self.source_below.as_ref()) {
            self.counts.source_failures += 1;
            self.effects.failed(path, &Failure::new(FailureCode::NotFound, "does not exist in the source"));
        }
    }
}
