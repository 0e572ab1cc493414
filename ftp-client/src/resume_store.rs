//! Remembers interrupted transfers at this end: the key of its journals, and a record for each transfer that
//! has begun and not ended.
//!
//! A record is a file, named by what the transfer is about. It is made before the first byte moves and removed when the transfer
//! ends, however many items failed. A transfer that finds its record when it begins was interrupted in an earlier run,
//! and asks the other end what is there already. Losing a record only costs sending again.
//!
//! A record contains where things went, since that may depend on what was there: `put -r a b` makes `b`, and if it is there, `b/a`.
//! The run that goes on puts them in the same place. It also contains the time of the first attempt, by this machine's clock and by the
//! server's: absolute times and no ages, because clocks get adjusted. A target file that is older is not of this transfer, and a source that changed since must be sent again.
//! A record that does not end in a line feed was not written whole, and is ignored.
//!
//! Beside these it remembers what was written here and not synced; see [`marks`](wire::store::marks).

use crate::fingerprint::ServerKey;
use crate::private_file::unfinished;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, SystemTime};
use wire::journal::{JournalKey, origin_of};
use wire::metadata::Timestamp;
use wire::store::file_clock;
use wire::store::marks::Marks;
use wire::sync::lock;

/// The folder of marks and of the journals' key.
pub(crate) struct ResumeStore {
    /// `None` remembers no transfer beyond this run.
    folder: Option<PathBuf>,
    key: OnceLock<Option<JournalKey>>,
    /// Old marks were removed: once is enough, as each look takes time for every mark that is there.
    swept: OnceLock<()>,
    /// Marks of transfers that have ended, while there is somebody who ends them all together.
    ended: Mutex<Option<Vec<Arc<ResumeRecord>>>>,
    /// Marks of files that were written here and not synced.
    unsynced: Option<Arc<Marks>>,
}

/// A transfer that has begun.
pub(crate) struct ResumeRecord {
    path: Option<PathBuf>,
    /// When the first attempt began.
    begun: Timestamp,
    known: Mutex<FirstAttempt>,
}

/// Facts of the first attempt, as they become known.
#[derive(Clone, Default)]
struct FirstAttempt {
    placed: Option<Vec<u8>>,
    /// When the server opened it, by the server's clock.
    opened: Option<Timestamp>,
}

impl ResumeStore {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let unsynced = folder.as_ref().map(|folder| Marks::at(folder.join("marks")));
        Self { folder, key: OnceLock::new(), swept: OnceLock::new(), ended: Mutex::default(), unsynced }
    }

    /// The key under which journals of files that arrive here are tagged. `None` without randomness: then no journal can be trusted.
    pub(crate) fn key(&self) -> Option<JournalKey> {
        let made = || {
            let kept = self.folder.as_deref().and_then(|folder| key_in(folder).ok());
            // One that is not kept is good for this run: its journals say nothing to the next.
            kept.or_else(|| random().ok()).map(JournalKey::new)
        };
        self.key.get_or_init(made).clone()
    }

    /// Marks of files that were written here and not synced; `None` without a folder to keep them in.
    pub(crate) fn unsynced(&self) -> Option<&Arc<Marks>> {
        self.unsynced.as_ref()
    }

    /// From now on transfers are parts of one: if that is interrupted, the next run knows what became of each.
    pub(crate) fn begin_batch(&self) {
        *lock(&self.ended) = Some(Vec::new());
    }

    /// All of them have ended, or will not.
    pub(crate) fn finish_batch(&self, have_ended: bool) {
        let marks = lock(&self.ended).take();
        marks.into_iter().flatten().filter(|_| have_ended).for_each(|record| record.end());
    }

    /// A transfer has ended.
    pub(crate) fn end(&self, record: Arc<ResumeRecord>) {
        match &mut *lock(&self.ended) {
            Some(marks) => marks.push(record),
            None => record.end(),
        }
    }

    /// A transfer begins. `about` is what tells it from others.
    pub(crate) fn begin(&self, about: [u8; 16]) -> ResumeRecord {
        let Some(folder) = &self.folder else { return ResumeRecord::none() };
        let folder = folder.join("interrupted");
        let path = folder.join(format!("{:032x}", u128::from_be_bytes(about)));
        if make_folder(&folder).is_err() {
            return ResumeRecord::none();
        }
        self.swept.get_or_init(|| forget_old(&folder));
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MARK_LEN_MAX).read_to_end(&mut text));
        let earlier = read.ok().and_then(|_| decode(&text));
        let (begun, known) = earlier.unwrap_or_else(|| (file_clock(), FirstAttempt::default()));
        ResumeRecord { path: Some(path), begun, known: Mutex::new(known) }
    }
}

impl ResumeRecord {
    /// A mark that is good for this run alone.
    pub(crate) fn none() -> Self {
        Self { path: None, begun: file_clock(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, FirstAttempt> {
        lock(&self.known)
    }

    /// When the first attempt began, by the clock that dates this machine's files.
    pub(crate) fn first_attempt_at(&self) -> Timestamp {
        self.begun
    }

    /// When the server opened the first attempt, by its own clock; `None` if there was none, or its answer did not come.
    pub(crate) fn opened_at(&self) -> Option<Timestamp> {
        self.known().opened
    }

    /// Where an earlier attempt has put things; `None` if there was none.
    pub(crate) fn place(&self) -> Option<Vec<u8>> {
        self.known().placed.clone()
    }

    /// Things go here. The first attempt's word counts.
    pub(crate) fn set_place(&self, place: &[u8]) {
        self.learn(|known| known.placed.is_none().then(|| known.placed = Some(place.to_vec())));
    }

    /// The server has opened the transfer at this time of its clock. The first attempt's counts.
    pub(crate) fn set_opened_at(&self, at: Timestamp) {
        self.learn(|known| known.opened.is_none().then(|| known.opened = Some(at)));
    }

    fn learn(&self, change: impl FnOnce(&mut FirstAttempt) -> Option<()>) {
        let mut known = self.known();
        if change(&mut known).is_some()
            && let Some(path) = &self.path
            && let Some(text) = encode(self.begun, &known)
        {
            let _ = replace(path, &text); // without it the next run begins anew
        }
    }

    /// The transfer has ended.
    fn end(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path); // one that stays costs a question next time
        }
    }
}

/// `BEGUN OPENED PLACE`, and a line feed; `None` before there is a place. Times are seconds and nanoseconds since 1970.
fn encode(begun: Timestamp, known: &FirstAttempt) -> Option<Vec<u8>> {
    let time = |time: Timestamp| format!("{}.{:09}", time.seconds, time.nanos);
    let opened = known.opened.map_or("-".to_owned(), time);
    Some([format!("{} {opened} ", time(begun)).as_bytes(), known.placed.as_ref()?, b"\n"].concat())
}

fn decode(text: &[u8]) -> Option<(Timestamp, FirstAttempt)> {
    let time = |text: &[u8]| {
        let (seconds, nanos) = str::from_utf8(text).ok()?.split_once('.')?;
        Some(Timestamp { seconds: seconds.parse().ok()?, nanos: nanos.parse().ok()? })
    };
    let mut parts = text.strip_suffix(b"\n")?.splitn(3, |byte| *byte == b' ');
    let begun = time(parts.next()?)?;
    let opened = match parts.next()? {
        b"-" => None,
        text => Some(time(text)?),
    };
    Some((begun, FirstAttempt { placed: Some(parts.next()?.to_vec()), opened }))
}

/// The old text or the new one is there, also if this process dies meanwhile.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut staged = unfinished(path, 0o600)?;
    staged.write_all(text)?;
    staged.persist(path)?;
    Ok(())
}

/// The key that is kept, made if there is none yet. Others may neither read it nor have put it there.
fn key_in(folder: &Path) -> io::Result<[u8; 32]> {
    make_folder(folder)?;
    let path = folder.join("journal.key");
    if let Ok(key) = read_key(&path) {
        return Ok(key);
    }
    let mut staged = unfinished(&path, 0o600)?;
    staged.write_all(&random()?)?;
    staged.as_file().sync_all()?;
    // The first process makes the key; later ones read it.
    match staged.persist_noclobber(&path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        Ok(_) | Err(_) => read_key(&path),
    }
}

fn read_key(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let own = metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw();
    if !own || metadata.mode() & 0o077 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut key = [0; 32];
    file.read_exact(&mut key)?;
    Ok(key)
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes records of transfers that were not resumed for so long.
fn forget_old(folder: &Path) {
    let is_old = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified + OLD < SystemTime::now())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_old(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Identifies a transfer: its command, the server, and the paths.
pub(crate) fn about(command: &[u8], key: &ServerKey, remote: &[&[u8]], local: &Path) -> [u8; 16] {
    let local = std::path::absolute(local).unwrap_or_else(|_| local.to_owned());
    origin_of(&[&[command, key], remote, &[local.as_os_str().as_bytes()]].concat())
}

const MARK_LEN_MAX: u64 = 16 * 1024;
/// As long as a server keeps what is staged, and then some.
const OLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_until_its_transfer_ends() {
        let folder = tempfile::tempdir().unwrap();
        let store = || ResumeStore::new(Some(folder.path().join("state")));
        let record = store().begin([1; 16]);
        assert_eq!(record.place(), None);
        record.set_place(b"here\nor there");
        record.set_place(b"elsewhere");
        assert_eq!(store().begin([2; 16]).place(), None);
        let record = store().begin([1; 16]);
        assert_eq!((record.place().as_deref(), record.opened_at()), (Some(&b"here\nor there"[..]), None));
        let (begun, at) = (record.first_attempt_at(), Timestamp { seconds: 5, nanos: 70 });
        record.set_opened_at(at);
        record.set_opened_at(Timestamp::default());
        let record = store().begin([1; 16]);
        assert_eq!((record.place().as_deref(), record.opened_at()), (Some(&b"here\nor there"[..]), Some(at)));
        assert_eq!(record.first_attempt_at(), begun, "each attempt knows when the first one began");
        record.end();
        assert_eq!(store().begin([1; 16]).place(), None);
    }

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let key = key_in(folder.path()).unwrap();
        assert_eq!(key_in(folder.path()).unwrap(), key);
        let path = folder.path().join("journal.key");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(key_in(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_remembered_where_there_is_no_place() {
        let store = ResumeStore::new(Some(PathBuf::from("/proc/nowhere")));
        store.begin([1; 16]).set_place(b"here");
        assert_eq!(store.begin([1; 16]).place(), None);
        let _ = store.key();
    }
}
