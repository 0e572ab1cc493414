//! The end of a mirror, when the walk is over; see the order in [`planner`](super::planner).

use super::MirrorSummary;
use super::action::MirrorAction;
use super::deferred::{Leader, Parent, file_of};
use super::difference::Difference;
use super::guard::{DeleteRefusal, RefusalReason, SourceContent};
use super::planner::Planner;
use crate::error::Error;
use std::collections::{BTreeSet, HashMap};
use wire::RemotePath;
use wire::checksum::Digest;
use wire::message::Entry;
use wire::metadata::Metadata;

/// How a comparison ended.
pub(super) struct ComparisonResult {
    pub(super) summary: MirrorSummary,
    /// Why deletions were refused, if they were.
    pub(super) refusal: Option<DeleteRefusal>,
    /// Deletions would make room for what failed for lack of it, or would fail.
    pub(super) lacks_room: bool,
}

impl Planner<'_> {
    /// Does what was kept for later.
    pub(crate) fn finish(mut self) -> Result<ComparisonResult, Error> {
        self.read_unread()?;
        if !self.deferred.news.is_empty() {
            self.effects.settle()?; // what is moved may go to new folders
        }
        let moved = self.moves()?;
        let later = self.deferred.conflicts.iter().map(|(source, ..)| source.metadata.size);
        self.effects.counted(later.len() as u64, later.fold(0, u64::saturating_add));
        self.effects.settle()?;
        self.hard_links()?;
        let refusal = self.deletions(&moved)?;
        let is_over = self.lacks_room && self.effects.abandon();
        if is_over || refusal.is_some_and(|refusal| refusal.is_first) {
            return Ok(ComparisonResult { summary: self.summary, refusal, lacks_room: self.lacks_room });
        }
        if refusal.is_none() && !self.lacks_room {
            self.conflicts()?;
        }
        self.effects.settle()?;
        if let Some(root) = self.deferred.root.take() {
            self.effects.own(&root)?;
        }
        for (path, touch) in std::mem::take(&mut self.deferred.touched) {
            self.effects.touch(path, touch)?;
        }
        self.effects.settle()?;
        Ok(ComparisonResult { summary: self.summary, refusal, lacks_room: self.lacks_room })
    }

    /// Reads files of one size, a few at a time while the walk goes on.
    pub(super) fn read_if_many(&mut self) -> Result<(), Error> {
        let sizes = self.deferred.unread.iter().map(|(source, ..)| source.metadata.size);
        let bytes = sizes.fold(0, u64::saturating_add);
        if self.deferred.unread.len() >= READ_FILES || bytes >= READ_BYTES {
            self.read_unread()
        } else {
            Ok(())
        }
    }

    fn read_unread(&mut self) -> Result<(), Error> {
        let unread = std::mem::take(&mut self.deferred.unread);
        let (sources, targets) =
            unread.iter().map(|(source, target, _)| (source.path.clone(), target.path.clone())).unzip();
        let (sources, targets) = self.digester.digests(sources, targets)?;
        for ((source, target, parent), digests) in unread.into_iter().zip(sources.into_iter().zip(targets)) {
            let difference = match digests {
                (Some(one), Some(other)) if one == other => {
                    let fidelity = self.fidelity_for(&source, &target)?;
                    let difference = self.comparison.of_equal_files(&source, &target, &fidelity);
                    self.links.untangle(self.options, difference, &source, &target)
                }
                _ => Difference::Content, // what cannot be read is found out when it is sent
            };
            if difference == Difference::Content {
                self.deferred.touch(&parent);
            } else if target.is_unproven() {
                self.effects.proven(&target)?;
            }
            self.differing(difference, source, target)?;
        }
        Ok(())
    }

    /// Sends what is new, unless the target has it under a path that goes: then it is renamed. Returns those paths.
    fn moves(&mut self) -> Result<BTreeSet<RemotePath>, Error> {
        let news = std::mem::take(&mut self.deferred.news);
        let may_move = self.options.delete && self.counts.source_failures == 0;
        let mut vanished = if may_move { self.vanished(&news)? } else { HashMap::new() };
        let sizes: BTreeSet<u64> = vanished.keys().map(|(size, _)| *size).collect();
        let candidates = news.iter().filter(|(source, _)| sizes.contains(&source.metadata.size));
        let paths: Vec<_> = candidates.map(|(source, _)| source.path.clone()).collect();
        let (digests, _) = self.digester.digests(paths.clone(), Vec::new())?;
        let digests: HashMap<_, _> = paths.into_iter().zip(digests).collect();
        let mut moved = BTreeSet::new();
        for (source, parent) in news {
            let digest = digests.get(&source.path).copied().flatten();
            let from = digest.and_then(|digest| vanished.get_mut(&(source.metadata.size, digest))?.pop());
            let path = from.as_ref().map(|from| from.path.clone());
            let action = match from {
                Some(from) if self.options.transfer.modes.only_new => {
                    let metadata = Metadata { mode: from.metadata.mode, ..source.metadata };
                    MirrorAction::Moved { source: Entry { metadata, ..source }, from }
                }
                Some(from) => MirrorAction::Moved { source, from },
                None => {
                    self.links.sent(&source);
                    MirrorAction::New { source }
                }
            };
            if self.effects.act(action)? {
                moved.extend(path);
                self.deferred.touch(&parent);
            }
        }
        Ok(moved)
    }

    /// Files that go and are as long as one that is new, by size and digest.
    fn vanished(&self, news: &[(Entry, Parent)]) -> Result<HashMap<(u64, Digest), Vec<Entry>>, Error> {
        let sizes: BTreeSet<u64> = news.iter().map(|(source, _)| source.metadata.size).collect();
        let going = self.deferred.deletions.iter().filter(|entry| sizes.contains(&entry.metadata.size));
        let going: Vec<Entry> =
            going.filter(|entry| entry.metadata.kind == wire::metadata::Kind::File).collect();
        let paths = going.iter().map(|entry| entry.path.clone()).collect();
        let (_, digests) = self.digester.digests(Vec::new(), paths)?;
        let mut found: HashMap<_, Vec<Entry>> = HashMap::new();
        for (entry, digest) in going.into_iter().zip(digests) {
            if let Some(digest) = digest {
                found.entry((entry.metadata.size, digest)).or_default().push(entry);
            }
        }
        Ok(found)
    }

    fn hard_links(&mut self) -> Result<(), Error> {
        for (source, target, parent) in std::mem::take(&mut self.deferred.links) {
            let Some(Leader { path, sent, target: leader }) = self.links.leader(&source) else { continue };
            let linked = !sent && leader.is_some() && target.as_ref().and_then(file_of) == *leader;
            if linked {
                self.summary.unchanged += 1;
                continue;
            }
            let of = path.clone();
            if self.effects.act(MirrorAction::Linked { source, of, target })? {
                self.deferred.touch(&parent);
            }
        }
        self.effects.settle()
    }

    /// Deletes what only the target has, if all else went well and it is not too much.
    fn deletions(&mut self, moved: &BTreeSet<RemotePath>) -> Result<Option<DeleteRefusal>, Error> {
        let deletions = self.deferred.deletions.len() - moved.len() as u64;
        if deletions == 0 {
            self.release()?;
            self.deferred.touched.append(&mut self.deferred.touched_by_deletions);
            return Ok(None);
        }
        let entries = self.counts.target_entries;
        let refusal = match self.options.delete_max.check(deletions, entries, self.source_content()) {
            Ok(()) => None,
            Err(reason) if self.effects.is_dry() => Some(DeleteRefusal::of_dry_run(reason)),
            Err(reason) => return self.refuse(reason).map(Some),
        };
        let is_complete = self.counts.source_failures == 0;
        if is_complete && self.effects.failures() == 0 && self.effects.lacks_room()? {
            self.lacks_room = true;
            return Ok(None);
        }
        self.release()?;
        let failures = self.effects.failures();
        if is_complete && failures > 0 && failures == self.effects.short_of_room() {
            self.lacks_room = true;
            return Ok(None);
        }
        if !is_complete || failures > 0 {
            self.effects.not_deleted(deletions);
            return Ok(refusal);
        }
        let packed = std::mem::take(&mut self.deferred.deletions);
        for target in packed.iter().filter(|target| !moved.contains(&target.path)) {
            self.effects.act(MirrorAction::Deleted { target })?;
        }
        self.deferred.touched.append(&mut self.deferred.touched_by_deletions);
        Ok(refusal)
    }

    fn source_content(&self) -> SourceContent {
        let is_whole = self.frames.first().is_some_and(|frame| frame.path.is_root());
        match (is_whole && self.counts.source_entries == 0, self.options.allow_empty_source) {
            (false, _) => SourceContent::Present,
            (true, false) => SourceContent::Empty,
            (true, true) => SourceContent::EmptyOnPurpose,
        }
    }

    fn release(&mut self) -> Result<(), Error> {
        self.effects.release()?;
        self.effects.settle()
    }

    /// Ends a run that has changed nothing yet; a run that follows another one goes on without deletions.
    fn refuse(&mut self, reason: RefusalReason) -> Result<DeleteRefusal, Error> {
        if !self.options.established && self.effects.abandon() {
            return Ok(DeleteRefusal::first(reason));
        }
        self.release()?;
        Ok(DeleteRefusal { reason, copied: self.effects.copied(), is_first: false, is_dry: false })
    }

    fn conflicts(&mut self) -> Result<(), Error> {
        self.effects.settle()?;
        let mut further_names = Vec::new();
        for (source, target, parent) in std::mem::take(&mut self.deferred.conflicts) {
            if self.links.follows(self.options, &source) {
                further_names.push((source, target, parent));
                continue;
            }
            self.links.lead(&source, None);
            self.links.sent(&source);
            if self.effects.act(MirrorAction::Changed { source, target })? {
                self.deferred.touch(&parent);
            }
        }
        self.effects.settle()?; // the first names are there
        for (source, target, parent) in further_names {
            let Some(of) = self.links.leader(&source).map(|leader| leader.path.clone()) else { continue };
            if self.effects.act(MirrorAction::Linked { source, of, target: Some(target) })? {
                self.deferred.touch(&parent);
            }
        }
        Ok(())
    }
}

/// Files and bytes of each side that are read at a time: enough to hide round trips.
const READ_FILES: usize = 512;
const READ_BYTES: u64 = 256 << 20;
