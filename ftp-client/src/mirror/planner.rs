//! Decides, path by path, what a mirror does. It sees pairs of entries in the order of a walk, and tells its effects what
//! to do; it touches neither tree itself, so it is tested with trees that are written down.
//!
//! All that can be done while the walk goes on is done then. The rest is kept for [`finish`](Planner::finish), in this order:
//! files that only reading tells apart, moves, hard links, deletions, files that take a folder's place, and the metadata of
//! folders in which any of these changed something.

mod select;

use super::action::MirrorAction;
use super::deed::PAIRS_MAX;
use super::deferred::{Deferred, FolderMetadata, HardLinks};
use super::difference::{Comparison, Difference};
use super::dir_frame::{DirFrame, Presence};
use super::effects::{Digester, Effects};
use super::fidelities::Fidelities;
use super::pairs::{Pair, Pairs};
use super::selection::EntrySelection;
use super::{MirrorOptions, MirrorSummary};
use crate::error::Error;
use std::iter::Peekable;
use std::sync::Arc;
use wire::message::{Entry, Overwrite};
use wire::metadata::{Kind, Metadata};
use wire::{Failure, RemotePath};

/// Decides what a mirror does.
pub(crate) struct Planner<'a> {
    pub(super) options: &'a MirrorOptions,
    pub(super) comparison: Comparison,
    pub(super) effects: &'a mut dyn Effects,
    pub(super) digester: &'a dyn Digester,
    pub(super) deferred: Deferred,
    pub(super) links: HardLinks,
    pub(super) summary: MirrorSummary,
    pub(super) counts: EntryCounts,
    pub(super) fidelities: Fidelities,
    /// Deletions are to make room, and then all is compared once more.
    pub(super) lacks_room: bool,
    pub(super) selection: EntrySelection<'a>,
    /// Paths that were asked for by name, and that the walk has not come to yet.
    expected: Peekable<Box<dyn Iterator<Item = &'a RemotePath> + 'a>>,
    pub(super) frames: Vec<DirFrame>,
    /// Entries of the source at or below this path do not count.
    source_below: Option<RemotePath>,
    /// Entries of the target at or below this path are not looked at, and stay.
    target_below: Option<RemotePath>,
}

/// Counts of the entries that were seen, for the guard of deletions.
#[derive(Debug, Default)]
pub(super) struct EntryCounts {
    pub(super) source_entries: u64,
    pub(super) target_entries: u64,
    /// The source was not read without error, so what seems to be missing may be there.
    pub(super) source_failures: u64,
}

impl<'a> Planner<'a> {
    /// A planner for the folders `source` and `target` themselves; no target if it does not exist yet.
    pub(crate) fn new(
        options: &'a MirrorOptions,
        source: Entry,
        target: Option<Entry>,
        effects: &'a mut dyn Effects,
        digester: &'a dyn Digester,
    ) -> Self {
        let source = Arc::new(wanted(options, source, target.as_ref()));
        let path = source.path.clone();
        let presence = match target {
            Some(target) => Presence::Both(source, target),
            None => Presence::SourceOnly(source),
        };
        Self {
            options,
            comparison: Comparison::new(options),
            effects,
            digester,
            deferred: Deferred::default(),
            links: HardLinks::default(),
            summary: MirrorSummary::default(),
            counts: EntryCounts::default(),
            fidelities: Fidelities::default(),
            lacks_room: false,
            selection: EntrySelection::new(options),
            expected: EntrySelection::new(options).expected(&path).peekable(),
            frames: vec![DirFrame::new(path, presence)],
            source_below: None,
            target_below: None,
        }
    }

    /// Takes all pairs.
    pub(crate) fn walk(&mut self, mut pairs: Pairs<'_>) -> Result<(), Error> {
        if let Presence::Both(source, target) = &self.frame().presence {
            let root = Presence::Both(source.clone(), target.clone());
            self.prepare(&root)?;
        }
        if let Presence::SourceOnly(source) = &self.frame().presence {
            let source = (**source).clone();
            self.act(MirrorAction::Folder { source, target: None })?;
        }
        while let Some(pair) = pairs.next()? {
            self.visit(pair, &mut pairs)?;
        }
        while let Some(expected) = self.expected.next() {
            self.missing(expected);
        }
        while self.frames.len() > 1 {
            self.leave()?;
        }
        self.leave_root()
    }

    fn visit(&mut self, pair: Pair, pairs: &mut Pairs<'_>) -> Result<(), Error> {
        let Some(path) = pair.source.as_ref().or(pair.target.as_ref()).map(|found| found.path().clone())
        else {
            return Ok(());
        };
        while self.frames.len() > 1 && !is_within(&path, self.frames.last().map(|frame| &frame.path)) {
            self.leave()?;
        }
        while let Some(expected) = self.expected.next_if(|expected| **expected <= path) {
            if *expected != path || pair.source.is_none() {
                self.missing(expected);
            }
        }
        if self.counts.source_entries + self.counts.target_entries > PAIRS_MAX {
            self.effects.release()?;
        }
        let (source, target) = self.select(pair, pairs);
        let target = target.map(|target| self.through_link(source.as_ref(), target, pairs));
        let source = source.map(|source| wanted(self.options, source, target.as_ref()));
        if target.is_some() {
            self.counts.target_entries += 1;
        }
        if let Some(entry) = &source
            && self.is_name_taken(entry, target.as_ref())?
        {
            self.effects.failed(&entry.path, &Failure::respelled());
            self.source_below = Some(entry.path.clone());
            if is_folder(entry) {
                pairs.skip_source();
            }
            return Ok(());
        }
        match (source, target) {
            (None, None) => Ok(()),
            (Some(source), None) => self.new_entry(source),
            (Some(source), Some(target)) if source.metadata.kind == target.metadata.kind => {
                self.both(source, target)
            }
            (Some(source), Some(target)) => self.replaced(source, target, pairs),
            (None, Some(target)) => self.extra(target, pairs),
        }
    }

    fn new_entry(&mut self, source: Entry) -> Result<(), Error> {
        match source.metadata.kind {
            Kind::Folder => {
                let made = self.act(MirrorAction::Folder { source: source.clone(), target: None })?;
                self.enter(Presence::SourceOnly(Arc::new(source)))?;
                self.frame().changed = made;
                Ok(())
            }
            Kind::Special => {
                self.special(&source);
                Ok(())
            }
            Kind::File | Kind::Symlink if !self.selection.sends(&source) => Ok(()),
            Kind::File | Kind::Symlink if self.links.follows(self.options, &source) => {
                self.follow(source, None);
                Ok(())
            }
            Kind::File if self.options.detect_moves && source.metadata.size > 0 => {
                self.links.lead(&source, None);
                let parent = self.parent();
                self.deferred.news.push((source, parent));
                Ok(())
            }
            Kind::File | Kind::Symlink => {
                self.links.lead(&source, None);
                self.links.sent(&source);
                self.act(MirrorAction::New { source }).map(drop)
            }
        }
    }

    fn both(&mut self, source: Entry, target: Entry) -> Result<(), Error> {
        match source.metadata.kind {
            Kind::Folder => self.enter(Presence::Both(Arc::new(source), target)),
            Kind::Special => {
                self.special(&source);
                Ok(())
            }
            Kind::File | Kind::Symlink if !self.selection.sends(&source) => Ok(()),
            Kind::File | Kind::Symlink if self.links.follows(self.options, &source) => {
                self.follow(source, Some(target));
                Ok(())
            }
            Kind::File | Kind::Symlink => {
                let difference = self.difference(&source, &target)?;
                let difference = self.links.untangle(self.options, difference, &source, &target);
                self.links.lead(&source, Some(&target));
                self.differing(difference, source, target)
            }
        }
    }

    pub(super) fn differing(
        &mut self,
        difference: Difference,
        source: Entry,
        target: Entry,
    ) -> Result<(), Error> {
        match difference {
            Difference::None => self.summary.unchanged += 1,
            Difference::LeftAlone => self.summary.transfer.skipped += 1,
            Difference::Unread => {
                let parent = self.parent();
                self.deferred.unread.push((source, target, parent));
                return self.read_if_many();
            }
            Difference::Metadata if self.leaves_links(&source) => self.summary.unchanged += 1,
            Difference::Metadata => return self.act_quietly(MirrorAction::Metadata { source, target }),
            Difference::Content => {
                self.links.sent(&source);
                return self.act(MirrorAction::Changed { source, target }).map(drop);
            }
        }
        Ok(())
    }

    /// Where links of the target may stand for folders, a link's own time and owner stay: to set them would change the folder.
    fn leaves_links(&self, source: &Entry) -> bool {
        self.options.keep_dir_links && source.metadata.kind == Kind::Symlink
    }

    /// One of the two is a folder, or a special file, or a link, and the other is not.
    fn replaced(&mut self, source: Entry, target: Entry, pairs: &mut Pairs<'_>) -> Result<(), Error> {
        match (source.metadata.kind, target.metadata.kind) {
            (Kind::Special, _) => {
                self.special(&source);
                self.target_below = Some(source.path);
            }
            _ if self.options.transfer.overwrite == Overwrite::Never => {
                self.summary.transfer.skipped += 1;
                self.source_below = Some(source.path);
                self.target_below = Some(target.path);
                pairs.skip_source();
                pairs.skip_target();
            }
            (_, Kind::Special) => {
                self.effects.failed(&source.path, &Failure::special_in_place());
                self.source_below = Some(source.path);
                pairs.skip_source();
            }
            (Kind::Folder, _) => {
                let made = self.act(MirrorAction::Folder { source: source.clone(), target: Some(target) })?;
                self.enter(Presence::SourceOnly(Arc::new(source)))?;
                self.frame().changed = made;
            }
            (Kind::File | Kind::Symlink, Kind::Folder) if !self.selection.sends(&source) => {
                // Nothing comes in its place, so it stays.
                self.target_below = Some(target.path);
                pairs.skip_target();
            }
            (Kind::File | Kind::Symlink, Kind::Folder) => self.enter(Presence::Conflict(source, target))?,
            (Kind::File | Kind::Symlink, _) if !self.selection.sends(&source) => {}
            (Kind::File | Kind::Symlink, _) if self.links.follows(self.options, &source) => {
                self.follow(source, Some(target));
            }
            (Kind::File | Kind::Symlink, Kind::File | Kind::Symlink) => {
                self.links.lead(&source, Some(&target));
                self.links.sent(&source);
                return self.act(MirrorAction::Changed { source, target }).map(drop);
            }
        }
        Ok(())
    }

    /// Only the target has it.
    fn extra(&mut self, target: Entry, pairs: &mut Pairs<'_>) -> Result<(), Error> {
        if !self.options.delete {
            self.frame().retained = true;
            self.target_below = Some(target.path);
            pairs.skip_target();
            return Ok(());
        }
        match target.metadata.kind {
            Kind::Folder => self.enter(Presence::TargetOnly(target))?,
            Kind::File | Kind::Symlink | Kind::Special => self.delete(target),
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, target: Entry) {
        self.deferred.deletions.push(&target);
        self.frame().deleted_from = true;
        if let Some(parent) = self.kept_parent() {
            self.deferred
                .touched_by_deletions
                .insert(parent.path.clone(), FolderMetadata::all(&parent.metadata));
        }
    }

    fn follow(&mut self, source: Entry, target: Option<Entry>) {
        let parent = self.parent();
        self.deferred.links.push((source, target, parent));
    }

    fn special(&mut self, source: &Entry) {
        self.summary.transfer.skipped += 1;
        self.effects.left_out(&source.path);
    }

    /// Does what changes the time of the folder that it is in; tells whether it is done.
    pub(super) fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        let done = self.effects.act(action)?;
        self.frame().changed |= done;
        Ok(done)
    }

    fn act_quietly(&mut self, action: MirrorAction) -> Result<(), Error> {
        self.effects.act(action).map(drop)
    }
}

/// The source's entry, with the permissions and details that it is to have: where only what is new gets some, those of the target.
fn wanted(options: &MirrorOptions, source: Entry, target: Option<&Entry>) -> Entry {
    let kept = target
        .filter(|target| options.transfer.modes.only_new && target.metadata.kind == source.metadata.kind);
    let metadata = match kept {
        Some(target) => Metadata { mode: target.metadata.mode, ..source.metadata },
        None => options.transfer.modes.of_item(source.metadata),
    };
    let has_details = !options.keep_dir_links || source.metadata.kind != Kind::Symlink;
    let details = source.details.filter(|_| has_details);
    Entry { metadata, details, ..source }
}

fn is_folder(entry: &Entry) -> bool {
    entry.metadata.kind == Kind::Folder
}

/// True if `path` is `base` or below it; false without a base.
fn is_within(path: &RemotePath, base: Option<&RemotePath>) -> bool {
    let (Some(base), path) = (base.map(RemotePath::as_bytes), path.as_bytes()) else { return false };
    match path.strip_prefix(base) {
        Some([]) => true,
        Some([b'/', ..]) => true,
        Some(_) => base.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
