//! Files, links and folders below a base, placed by the job's options.

mod permissions;

use super::base::{Base, Find};
use super::{ResumeState, Sink, TreeSinkOptions};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, EntryHead};
use crate::limits::PACKED_FILE_LEN_MAX;
use crate::message::OfferedItem;
use crate::metadata::{Kind, Metadata, SourceId, Timestamp};
use crate::path::{NameRef, RemotePath};
use crate::receiver::FolderEntry;
use crate::store::admission::{AdmissionRule, Candidate, NameAdmission};
use crate::store::local::upload::{self, Placement, write_pieces, write_with_holes};
use crate::store::marks::Unproven;
use crate::store::object_placement::ObjectPlacement;
use crate::store::placing::{PendingCommit, Placed, Staged, StagedEntry, Unsynced, check_going};
use crate::store::{
    Capability, DiskFolder, Filesystems, Folder, FolderBackend, FolderCache, Identity, ObjectFolder,
    SourceFile, StagedName, TargetFile, disk_folder, set_carried, sync,
};
use crate::sync::lock;
use crate::verified::VerifiedContent;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use tokio_util::sync::CancellationToken;

/// Files, links and folders below a base.
pub struct TreeSink {
    pub(super) base: Base,
    options: TreeSinkOptions,
    /// The reason why no more items can be made durable.
    pub(super) broken: OnceLock<Failure>,
    /// Filesystems with found files that are to be made durable.
    found: Mutex<Filesystems>,
    /// Files in the tree whose content may have been lost since they were written.
    unproven: Unproven,
    /// Cancelled once no item may get its name any more.
    over: CancellationToken,
    rule: Arc<AdmissionRule>,
    /// Names of small files that were free, one after the other.
    free_names: AtomicU32,
    /// Looks up the base again.
    find: Option<Box<Find>>,
}

impl TreeSink {
    /// A sink that writes below `base`.
    #[must_use]
    pub fn new(base: Base, options: TreeSinkOptions) -> Self {
        let (broken, found, over) = (OnceLock::new(), Mutex::default(), CancellationToken::new());
        let free_names = AtomicU32::new(0);
        let base = base.making(options.modes.of_unknown_folder());
        let rule = Arc::new(AdmissionRule::new(options.overwrite, options.add_only));
        let unproven = Unproven::default();
        Self { base, options, broken, found, unproven, over, rule, free_names, find: None }
    }

    /// Checks at the end that `find` still leads to the base's folder, or to the one that holds its name.
    #[must_use]
    pub fn found_by(self, find: impl Fn() -> io::Result<Arc<dyn Folder>> + Send + Sync + 'static) -> Self {
        Self { find: Some(Box::new(find)), ..self }
    }

    /// Publishes no item once `over` is cancelled, not even one that was being written by then.
    #[must_use]
    pub fn until(self, over: CancellationToken) -> Self {
        Self { over, ..self }
    }

    /// Treats some existing files as possibly damaged: they neither count as done nor stay because they look the same.
    #[must_use]
    pub fn doubting(self, unproven: Unproven) -> Self {
        Self { unproven, ..self }
    }

    fn candidate(
        &self,
        folder: &dyn Folder,
        name: NameRef<'_>,
        size: Option<u64>,
        modified: Option<Timestamp>,
    ) -> Candidate {
        Candidate { size, modified, is_unproven: self.unproven.covers_file(folder, name) }
    }

    /// Returns the place of an old file, for a sender who may learn what it has.
    fn old_place<'a>(&'a self, path: &'a RemotePath) -> Option<(Arc<dyn Folder>, NameRef<'a>)> {
        if self.options.add_only { None } else { self.base.place_of(path, false).ok() }
    }

    fn waits(&self) -> bool {
        self.options.waits()
    }

    /// Returns the result for an item that may not take its name: a file that stays is skipped once it is durable, if that is
    /// required.
    fn refused(
        &self,
        folder: Arc<dyn DiskFolder>,
        name: NameRef<'_>,
        failure: Failure,
    ) -> Result<Placed, Failure> {
        if failure.code != FailureCode::Skipped || !self.waits() {
            return Err(failure);
        }
        let kept = StagedEntry::kept(folder, name.to_name())?;
        Ok(Placed::pending(kept))
    }

    fn staged_place(
        &self,
        folder: Arc<dyn DiskFolder>,
        name: NameRef<'_>,
        announcement: &Announcement,
    ) -> Result<Placement, Failure> {
        let candidate = self.candidate(&*folder, name, announcement.size, announcement.modified);
        let admission = self.rule.admit(&*folder, name, candidate)?;
        let mode = self.mode_of_file(&*folder, announcement.mode, admission.metadata());
        let (name, sparse, waits) = (name.to_name(), self.options.sparse, self.waits());
        let (takes_over, over) = (self.options.takes_over, self.over.clone());
        let writes_out = sparse || (self.options.writes_out() && has_content(admission.metadata()));
        Ok(Placement { folder, name, admission, mode, sparse, waits, writes_out, takes_over, over })
    }

    fn object_place(
        &self,
        folder: Arc<dyn ObjectFolder>,
        name: NameRef<'_>,
        candidate: Candidate,
        mode: u32,
    ) -> Result<ObjectPlacement, Failure> {
        let admission = self.rule.admit(&*folder, name, candidate)?;
        let mode = self.mode_of_file(&*folder, mode, admission.metadata());
        ObjectPlacement::new(folder, name.to_name(), admission, mode, self.over.clone())
    }

    /// True if an earlier attempt has put this file in its place: it belongs to this program's user, has the metadata that it
    /// would have, and got them since the first attempt began. Always false for users who may only add, who must not learn
    /// this.
    fn is_there(&self, folder: &dyn DiskFolder, name: NameRef<'_>, source: &Metadata) -> bool {
        let Some(begun) = self.options.begun.filter(|_| !self.options.add_only) else { return false };
        let same = |there: Identity| {
            let kept = there.metadata;
            (source.kind, source.size) == (Kind::File, kept.size)
                && there.changed >= begun
                && !self.unproven.covers(there.changed)
                && self.rule.is_kept(folder, source.modified, kept.modified)
                && self.has_mode(folder, source.mode, kept.mode)
        };
        folder.own_file(name).is_ok_and(|there| there.is_some_and(same))
    }

    /// Handles a file in its place: its staged data is obsolete, and it may have to be made durable.
    fn found(&self, folder: &Arc<dyn DiskFolder>, name: NameRef<'_>, is_large: bool) -> ResumeState {
        if let Some(keeping) = self.options.keeping.as_ref().filter(|_| is_large) {
            upload::forget(&**folder, name, keeping, self.options.takes_over);
        }
        let is_noted = match (self.waits(), folder.syncs_as_a_whole()) {
            (false, _) => Ok(()),
            (true, true) => lock(&self.found).add_disk(folder),
            (true, false) => folder.sync_file(name).and_then(|()| lock(&self.found).add_disk(folder)),
        };
        if is_noted.is_ok() { ResumeState::Complete } else { ResumeState::None }
    }

    /// Writes a file's content. Returns whether it has holes.
    fn write_small(&self, file: &dyn TargetFile, pieces: &[&[u8]], len: u64) -> io::Result<bool> {
        if !self.options.sparse {
            return write_pieces(file, pieces, 0).map(|()| false);
        }
        let has_holes = write_with_holes(file, pieces, 0)?;
        if has_holes {
            file.set_len(len)?; // otherwise unnecessary: ext4 would write the length to the disk before the content
        }
        Ok(has_holes)
    }
}

impl Sink for TreeSink {
    fn has_commits(&self) -> bool {
        true // a replacing item always waits, even if no other does
    }

    fn kept(&self) -> usize {
        match &self.base {
            Base::Folder(folders) => folders.kept_len(),
            Base::Named { inner, .. } => inner.get().map_or(0, FolderCache::kept_len),
        }
    }

    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        let (folder, name) = self.base.place(&announcement.path)?;
        let folder = match folder.backend() {
            FolderBackend::Disk(folder) => folder,
            FolderBackend::Objects(folder) => {
                let candidate = self.candidate(&*folder, name, announcement.size, announcement.modified);
                let place = self.object_place(folder, name, candidate, announcement.mode)?;
                return Ok(Box::new(place.upload()?));
            }
        };
        let place = match self.staged_place(folder.clone(), name, announcement) {
            Err(failure) if failure.code == FailureCode::Skipped => {
                self.carry_mode(&*folder, name, announcement.mode)?;
                if self.waits() {
                    sync::entry(&*folder, name)?;
                    folder.sync()?;
                }
                return Err(failure);
            }
            other => other?,
        };
        Ok(Box::new(upload::begin(place, announcement, self.options.keeping.as_ref())?))
    }

    fn look(&self, item: &OfferedItem) -> ResumeState {
        let Ok((folder, name)) = self.base.place_of(&item.path, false) else { return ResumeState::None };
        let resumes = folder.capabilities().has(Capability::Resume);
        let Some(folder) = disk_folder(&folder).filter(|_| resumes) else { return ResumeState::None };
        match (&self.options.keeping, item.source != SourceId::default()) {
            (None, _) => ResumeState::None,
            (Some(_), is_large) if !item.changed && self.is_there(&*folder, name, &item.metadata) => {
                self.found(&folder, name, is_large)
            }
            (Some(_), false) => ResumeState::None,
            (Some(keeping), true) => {
                let announcement = item.announcement();
                let place = self.staged_place(folder, name, &announcement);
                match place.ok().and_then(|place| upload::resume(place, &announcement, keeping)) {
                    Some((staged, chunks)) => ResumeState::Partial(Box::new(staged), chunks),
                    None => ResumeState::None,
                }
            }
        }
    }

    fn old_len(&self, item: &OfferedItem) -> Option<u64> {
        let (folder, name) = self.old_place(&item.path)?;
        let candidate =
            self.candidate(&*folder, name, Some(item.metadata.size), Some(item.metadata.modified));
        let old = self.rule.admit(&*folder, name, candidate).ok()?.metadata()?;
        Some(old.size).filter(|size| old.kind == Kind::File && *size > PACKED_FILE_LEN_MAX)
    }

    fn open_old(&self, path: &RemotePath) -> Option<Box<dyn SourceFile>> {
        let (folder, name) = self.old_place(path)?;
        // By what is known of the new file so far; the rule is applied again when it gets its name.
        self.rule.admit(&*folder, name, self.candidate(&*folder, name, None, None)).ok()?;
        let old = folder.open_file(name).ok()?;
        let is_large = old.identity().ok()?.metadata.size > PACKED_FILE_LEN_MAX;
        is_large.then_some(old)
    }

    fn check_place(&self) -> Result<(), Failure> {
        self.find.as_ref().map_or(Ok(()), |find| self.base.check_place(find))
    }

    fn sync_found(&self) -> Result<(), Failure> {
        let found = std::mem::take(&mut *lock(&self.found));
        found.sync().map_err(|error| self.broken.get_or_init(|| error.into()).clone())
    }

    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure> {
        let (folder, name) = self.base.place(path)?;
        let size = u64::from(head.content_len);
        let folder = match folder.backend() {
            FolderBackend::Disk(folder) => folder,
            FolderBackend::Objects(folder) => {
                let candidate = self.candidate(&*folder, name, Some(size), head.modified);
                return self.object_place(folder, name, candidate, head.mode)?.put(head, content);
            }
        };
        let fill = |file: &dyn TargetFile, mode: u32| {
            let has_holes = self.write_small(file, content.pieces(), size)?;
            file.set_metadata(head.modified, mode)?;
            file.finish(self.waits())?;
            if has_holes && !self.waits() {
                file.write_out()?; // its length may reach the disk before its content
            }
            Ok(check_going(&self.over)?)
        };
        // If the name is free, no staged file is needed.
        let create = || {
            let mode = self.mode_of_file(&*folder, head.mode, None);
            folder.create_whole(name, mode, &|file| fill(file, mode))
        };
        // In a folder that was made here the name is probably free, and after many that were: no look is needed.
        let is_new = self.base.is_in_new_folder(path);
        let is_likely_free = is_new || self.free_names.load(Relaxed) >= FREE_NAMES_MIN;
        if is_likely_free && !self.waits() {
            match create() {
                Ok(true) => return Ok(Placed::Done),
                Err(error) if is_new => return Err(error.into()),
                Ok(false) | Err(_) => self.free_names.store(0, Relaxed), // a file that stays needs no room, for instance
            }
        }
        let candidate = self.candidate(&*folder, name, Some(size), head.modified);
        let admission = match self.rule.admit(&*folder, name, candidate) {
            Ok(admission) => admission,
            Err(failure) => {
                self.free_names.store(0, Relaxed);
                if failure.code == FailureCode::Skipped {
                    self.carry_mode(&*folder, name, head.mode)?;
                }
                return self.refused(folder, name, failure);
            }
        };
        if admission.metadata().is_some() {
            self.free_names.store(0, Relaxed);
        } else if !is_new && !self.waits() && create()? {
            self.free_names.fetch_add(1, Relaxed);
            return Ok(Placed::Done);
        }
        let mode = self.mode_of_file(&*folder, head.mode, admission.metadata());
        let writes_out = self.options.writes_out() && size > 0 && has_content(admission.metadata());
        let waits = writes_out || self.waits();
        replace_small(folder, name, admission, SmallStaging { mode, waits }, fill)
    }

    fn link(&self, path: &RemotePath, head: &EntryHead, target: &[u8]) -> Result<Placed, Failure> {
        let (folder, name) = self.base.place(path)?;
        folder.capabilities().require(Capability::Symlinks)?;
        let candidate = Candidate { modified: head.modified, ..Candidate::default() };
        let folder = match folder.backend() {
            FolderBackend::Disk(folder) => folder,
            FolderBackend::Objects(folder) => {
                return self.object_place(folder, name, candidate, head.mode)?.link(head, target);
            }
        };
        let admission = match self.rule.admit(&*folder, name, candidate) {
            Ok(admission) => admission,
            Err(failure) => return self.refused(folder, name, failure),
        };
        let staged = StagedName::new();
        let staging = folder.stage_link(&staged, target, head.modified);
        let result = staging.and_then(|()| Ok(check_going(&self.over)?));
        if result.is_ok() && self.waits() {
            let (name, content) = (name.to_name(), Unsynced::Link);
            return Ok(Placed::pending(StagedEntry::new(folder, staged, name, Some(admission), content)));
        }
        let give_name = |replace| folder.publish(&staged, name, replace);
        let result =
            result.map_err(Failure::from).and_then(|()| admission.publish(&*folder, name, give_name));
        discard_if_failed(&*folder, &staged, result)
    }

    fn folder(&self, entry: &FolderEntry) -> Result<Placed, Failure> {
        check_going(&self.over)?;
        let folder = match (&self.base, entry.path.is_root()) {
            (Base::Folder(_), true) => return Ok(Placed::Done),
            _ => self.base.folders(true)?.get(entry.path.as_bytes(), true)?,
        };
        let is_new = self.base.folders(true)?.take_made(entry.path.as_bytes());
        if !is_new && self.options.add_only {
            return Ok(Placed::Done); // it existed before, so it stays unchanged
        }
        let existing = folder.own_metadata()?.mode;
        let mode = self.mode_of_folder(entry.mode, existing, is_new);
        let capabilities = folder.capabilities();
        let mode = mode.filter(|_| capabilities.has(Capability::Modes));
        let modified = entry.modified.filter(|_| capabilities.has(Capability::Times));
        set_carried(mode, |mode| folder.set_own_metadata(modified, mode))?;
        if !self.waits() {
            return Ok(Placed::Done);
        }
        self.base.folders(true)?.touch(&folder)?;
        Ok(Placed::Pending(PendingCommit::Folder))
    }

    fn commit(&self, batch: Vec<PendingCommit>, is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        if let Some(failure) = self.broken.get() {
            return batch.iter().map(|_| Err(failure.clone())).collect();
        }
        let touched = self.waits().then(|| self.base.take_touched());
        let is_over = || is_over() || self.over.is_cancelled();
        let (results, broken) = upload::commit(batch, touched, &is_over);
        if let Some(failure) = broken {
            let _ = self.broken.set(failure); // the first reason is the one to report
        }
        results
    }
}

/// True if replacing the existing entry could lose data.
fn has_content(existing: Option<Metadata>) -> bool {
    existing.is_some_and(|existing| matches!(existing.kind, Kind::File | Kind::Symlink))
}

/// Stages a small file, and gives it its name, or leaves that to the next commit if it `waits`.
fn replace_small(
    folder: Arc<dyn DiskFolder>,
    name: NameRef<'_>,
    admission: NameAdmission,
    staging: SmallStaging,
    fill: impl Fn(&dyn TargetFile, u32) -> io::Result<()>,
) -> Result<Placed, Failure> {
    let SmallStaging { mode, waits } = staging;
    let staged = StagedName::new();
    let file = folder.create_staged(&staged, mode)?;
    let result = fill(&*file, mode);
    if result.is_ok() && waits {
        file.begin_write_out();
        let content = Unsynced::File(file.into());
        return Ok(Placed::pending(StagedEntry::new(
            folder,
            staged,
            name.to_name(),
            Some(admission),
            content,
        )));
    }
    let result = result.map_err(Failure::from).and_then(|()| {
        drop(file);
        admission.publish(&*folder, name, |replace| folder.publish(&staged, name, replace))
    });
    discard_if_failed(&*folder, &staged, result)
}

/// How a small file is staged.
struct SmallStaging {
    mode: u32,
    /// It gets its name in the next commit.
    waits: bool,
}

fn discard_if_failed(
    folder: &dyn DiskFolder,
    staged: &StagedName,
    result: Result<(), Failure>,
) -> Result<Placed, Failure> {
    let Err(failure) = result else { return Ok(Placed::Done) };
    let _ = folder.remove_staged(staged); // it may not have been made; the first error is the one to report
    Err(failure)
}

/// Names that were free, after which the next one is taken for free. If it is not, its content is written twice.
const FREE_NAMES_MIN: u32 = 16;
