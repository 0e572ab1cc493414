//! Removes leftovers of interrupted transfers: staged files and their journals, except those in use.

use super::{Folder, disk_folder};
use crate::journal::{JournalHead, JournalKey};
use crate::message::Swept;
use crate::path::RemotePath;
use crate::store::walk::{Visit, Walk};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The owner of the staged files to sweep.
#[derive(Debug, Clone)]
pub enum SweepScope {
    /// All senders.
    All,
    /// One sender, as far as a journal proves it: a staged file without a journal may belong to anyone.
    Sender {
        /// The key of this end's journals.
        key: JournalKey,
        /// The sender.
        origin: [u8; 16],
    },
}

impl SweepScope {
    /// True if it includes the staged file with this journal.
    #[must_use]
    pub(super) fn includes(&self, journal: impl FnOnce() -> io::Result<Vec<u8>>) -> bool {
        match self {
            Self::All => true,
            Self::Sender { key, origin } => journal()
                .ok()
                .and_then(|bytes| JournalHead::decode(&bytes, key))
                .is_some_and(|head| head.origin == *origin),
        }
    }
}

/// Sweeps `folder` and all folders below it, until it is stopped. Removes only entries that have not changed for `idle`.
/// Unreadable folders are skipped: they cannot contain staged files, or removing those is not permitted. A storage without staged
/// files has no leftovers of this kind.
///
/// # Errors
/// If the folder itself cannot be read.
pub fn below(
    folder: Arc<dyn Folder>,
    idle: Duration,
    scope: &SweepScope,
    stop: &mut dyn FnMut() -> bool,
) -> io::Result<Swept> {
    let idle = idle.max(STAGED_AGE_MIN);
    let Some(base) = disk_folder(&folder) else { return Ok(Swept::default()) };
    let mut swept = base.sweep(idle, scope)?;
    let mut walk = Walk::new(folder, RemotePath::root())?;
    while let Some(visit) = walk.step() {
        if stop() {
            break;
        }
        if let Visit::Enter(_, _, folder) = visit
            && let Some(folder) = disk_folder(&folder)
            && let Ok(Swept { files, bytes, kept }) = folder.sweep(idle, scope)
        {
            swept.files += files;
            swept.bytes += bytes;
            swept.kept += kept;
        }
    }
    Ok(swept)
}

/// A younger staged file may be about to be locked, and a younger staged link about to get its name.
const STAGED_AGE_MIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Checksum;
    use crate::metadata::{SourceId, Timestamp};

    #[test]
    fn only_journals_of_the_sender_prove_what_is_its_own() {
        let (key, other_key) = (JournalKey::new([1; 32]), JournalKey::new([2; 32]));
        let head = |origin| JournalHead {
            checksum: Checksum::Blake3,
            size: 5,
            modified: Timestamp::default(),
            source: SourceId([3; 16]),
            origin,
            boot: [4; 16],
            mount: 0,
            inode: 0,
        };
        let scope = SweepScope::Sender { key: key.clone(), origin: [5; 16] };
        assert!(scope.includes(|| Ok(head([5; 16]).encode(&key).to_vec())));
        assert!(!scope.includes(|| Ok(head([6; 16]).encode(&key).to_vec())));
        assert!(!scope.includes(|| Ok(head([5; 16]).encode(&other_key).to_vec())));
        assert!(!scope.includes(|| Err(io::ErrorKind::NotFound.into())));
        assert!(SweepScope::All.includes(|| Err(io::ErrorKind::NotFound.into())));
    }
}
