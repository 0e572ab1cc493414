//! Packs: takes their entries one by one, and records which of them are settled.

use super::{ReceiveFault, ReceiveJob};
use crate::engine::commits::{CommitStep, PendingItem};
use crate::engine::cursor::Cursor;
use crate::engine::{SettledItem, lock};
use crate::failure::{Failure, FailureCode};
use crate::frame::{ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameError, decode_loss};
use crate::ids::FrameNo;
use crate::limits::PACK_ENTRIES_MAX;
use crate::path::RemotePath;
use crate::receiver::FolderEntry;
use crate::store::Placed;
use crate::verified::VerifiedContent;

impl ReceiveJob {
    pub(super) fn pack(&self, frame: FrameNo, entries: u32, payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        let mut cursor = Cursor::new(payload);
        let mut outcome = PackOutcome { before: lock(&self.partly).remove(&frame), ..PackOutcome::default() };
        let mut scratch = Vec::new();
        for entry in 0..entries {
            let mut head = [0; ENTRY_HEAD_LEN];
            cursor.read(&mut head)?;
            let head = EntryHead::decode(&head)?;
            scratch.resize(usize::from(head.path_len), 0);
            cursor.read(&mut scratch)?;
            let path = RemotePath::from_wire(&scratch).map_err(FrameError::from)?;
            let content = cursor.pieces(head.payload_len as usize)?;
            if self.failed.get().is_some() {
                return Ok(()); // no part of the job may run after its end
            }
            self.entry(PackSlot { frame, entry }, path, &head, &content, &mut outcome)?;
            if self.commits.is_full() {
                self.commit();
            }
        }
        if !cursor.is_empty() {
            return Err(FrameError::Length.into());
        }
        self.pack_done(frame, entries, outcome);
        Ok(())
    }

    fn entry(
        &self,
        slot: PackSlot,
        path: RemotePath,
        head: &EntryHead,
        content: &[&[u8]],
        outcome: &mut PackOutcome,
    ) -> Result<(), ReceiveFault> {
        let PackSlot { frame, entry } = slot;
        if outcome.before.as_ref().is_some_and(|before| before.contains(entry)) {
            return Ok(());
        }
        let (result, digest) = match head.kind {
            EntryKind::File => match VerifiedContent::verify(self.checksum, head.digest, content) {
                Ok(content) => (self.sink.file(&path, head, &content), Some(head.digest)),
                Err(_) => {
                    outcome.damaged.push((entry, path));
                    return Ok(());
                }
            },
            EntryKind::Symlink => (self.sink.link(&path, head, &content.concat()), None),
            EntryKind::Folder => {
                outcome.folders.push(FolderEntry { entry, path, modified: head.modified, mode: head.mode });
                return Ok(());
            }
            EntryKind::Lost => {
                let failure = decode_loss(&content.concat())?;
                self.report_lost(&path, &failure);
                return Ok(());
            }
        };
        let bytes = u64::from(head.content_len);
        if result.is_ok() {
            self.observer.progress(None, bytes);
        }
        match result {
            Ok(Placed::Pending(waiting)) => {
                let (folder, as_is) = (false, head.as_is);
                let item = PendingItem { frame, entry, path, folder, bytes, digest, as_is, waiting };
                self.commits.add(CommitStep::Item(item));
                outcome.waits = true;
            }
            Ok(Placed::Done) => {
                let (path, as_is) = (&path, head.as_is);
                self.observer.settled(&SettledItem {
                    path,
                    folder: false,
                    bytes,
                    digest,
                    as_is,
                    failure: None,
                    is_lost: false,
                });
            }
            Err(failure) => {
                self.report(&path, false, bytes, digest, Some(&failure));
                outcome.failures.push((entry, failure));
            }
        }
        Ok(())
    }

    fn pack_done(&self, frame: FrameNo, entries: u32, outcome: PackOutcome) {
        let PackOutcome { mut failures, folders, damaged, waits, before } = outcome;
        let mut machine = lock(&self.machine);
        if !damaged.is_empty() {
            if !machine.damaged(frame) {
                machine.entries_failed(frame, failures);
                let again = damaged.iter().map(|(entry, _)| *entry);
                let again: EntrySet = again.chain(folders.iter().map(|folder| folder.entry)).collect();
                let settled = (0..entries).filter(|entry| !again.contains(*entry)).collect();
                lock(&self.partly).insert(frame, settled);
                return;
            }
            for (entry, path) in damaged {
                let failure = Failure::from(FailureCode::Integrity);
                self.report(&path, false, 0, None, Some(&failure));
                failures.push((entry, failure));
            }
        }
        // If the pack has arrived before, some entries may still wait.
        if waits || before.is_some() {
            self.commits.add(CommitStep::Packed { frame, failures, folders });
        } else {
            machine.packed(frame, failures, folders);
        }
    }
}

/// The place of an entry: its pack's frame, and its number in the pack.
#[derive(Clone, Copy)]
struct PackSlot {
    frame: FrameNo,
    entry: u32,
}

/// The outcome of a pack's entries.
#[derive(Default)]
struct PackOutcome {
    /// Entries that an earlier arrival of the pack has settled.
    before: Option<EntrySet>,
    failures: Vec<(u32, Failure)>,
    folders: Vec<FolderEntry>,
    damaged: Vec<(u32, RemotePath)>,
    /// Some of them wait for a commit, and the pack with them.
    waits: bool,
}

/// A set of entries of one pack.
#[derive(Default)]
pub(super) struct EntrySet([u64; PACK_ENTRIES_MAX / 64]);

impl EntrySet {
    fn contains(&self, entry: u32) -> bool {
        let (word, bit) = (entry as usize / 64, entry % 64);
        self.0.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }
}

impl FromIterator<u32> for EntrySet {
    fn from_iter<I: IntoIterator<Item = u32>>(entries: I) -> Self {
        let mut set = Self::default();
        for entry in entries {
            if let Some(word) = set.0.get_mut(entry as usize / 64) {
                *word |= 1 << (entry % 64);
            }
        }
        set
    }
}
