//! The memory of interrupted transfers at this end: the key of its journals, and a mark for each transfer that
//! has begun and not ended.
//!
//! A mark is a file, named by what the transfer is about. It is made before the first byte moves and removed when the transfer
//! ends, however many items failed. Whoever finds one when a transfer begins knows that an earlier run of it was interrupted,
//! and asks the other end what is there already. Losing a mark costs sending again, and nothing worse.
//!
//! A mark holds where things went, since that may depend on what was there: `put -r a b` makes `b`, and if it is there, `b/a`.
//! The run that goes on puts them in the same place. It also holds when the transfer began, by this machine's clock and by the
//! server's, never an age: clocks are set. What got its place before that is none of it, and a source that changed since is another.
//! A mark that does not end in a line feed was not written whole, and counts for nothing.
//!
//! Beside these it remembers what was written here and not synced; see [`marks`](wire::store::marks).

use crate::fingerprint::Key;
use crate::guarded_file::unfinished;
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
pub(crate) struct Remembered {
    /// None: nothing is remembered beyond this run.
    folder: Option<PathBuf>,
    key: OnceLock<Option<JournalKey>>,
    /// Old marks were removed: once is enough, as each look takes time for every mark that is there.
    swept: OnceLock<()>,
    /// Marks of transfers that have ended, while there is somebody who ends them all together.
    ended: Mutex<Option<Vec<Arc<Mark>>>>,
    /// Marks of files that were written here and not synced.
    unsynced: Option<Arc<Marks>>,
}

/// A transfer that has begun.
pub(crate) struct Mark {
    path: Option<PathBuf>,
    /// When the first attempt began.
    begun: Timestamp,
    known: Mutex<Known>,
}

/// Facts of the first attempt, as they become known.
#[derive(Clone, Default)]
struct Known {
    placed: Option<Vec<u8>>,
    /// When the server opened it, by the server's clock.
    opened: Option<Timestamp>,
}

impl Remembered {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let unsynced = folder.as_ref().map(|folder| Marks::at(folder.join("marks")));
        Self { folder, key: OnceLock::new(), swept: OnceLock::new(), ended: Mutex::default(), unsynced }
    }

    /// The key under which journals of files that arrive here are tagged; nothing without randomness, which leaves no journal
    /// that anybody should believe.
    pub(crate) fn key(&self) -> Option<JournalKey> {
        let made = || {
            let kept = self.folder.as_deref().and_then(|folder| key_in(folder).ok());
            // One that is not kept is good for this run: its journals say nothing to the next.
            kept.or_else(|| random().ok()).map(JournalKey::new)
        };
        self.key.get_or_init(made).clone()
    }

    /// Marks of what was written here and not synced; nothing if nothing is remembered.
    pub(crate) fn unsynced(&self) -> Option<&Arc<Marks>> {
        self.unsynced.as_ref()
    }

    /// From now on transfers are parts of one: if that is interrupted, the next run knows what became of each.
    pub(crate) fn gather(&self) {
        *lock(&self.ended) = Some(Vec::new());
    }

    /// All of them have ended, or will not.
    pub(crate) fn scatter(&self, have_ended: bool) {
        let marks = lock(&self.ended).take();
        marks.into_iter().flatten().filter(|_| have_ended).for_each(|mark| mark.end());
    }

    /// A transfer has ended.
    pub(crate) fn end(&self, mark: Arc<Mark>) {
        match &mut *lock(&self.ended) {
            Some(marks) => marks.push(mark),
            None => mark.end(),
        }
    }

    /// A transfer begins. `about` is what tells it from others.
    pub(crate) fn begin(&self, about: [u8; 16]) -> Mark {
        let Some(folder) = &self.folder else { return Mark::none() };
        let folder = folder.join("interrupted");
        let path = folder.join(format!("{:032x}", u128::from_be_bytes(about)));
        if make_folder(&folder).is_err() {
            return Mark::none();
        }
        self.swept.get_or_init(|| forget_old(&folder));
        let mut text = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MARK_LEN_MAX).read_to_end(&mut text));
        let earlier = read.ok().and_then(|_| decode(&text));
        let (begun, known) = earlier.unwrap_or_else(|| (file_clock(), Known::default()));
        Mark { path: Some(path), begun, known: Mutex::new(known) }
    }
}

impl Mark {
    /// A mark that is good for this run alone.
    pub(crate) fn none() -> Self {
        Self { path: None, begun: file_clock(), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// When the first attempt began, by the clock that dates this machine's files.
    pub(crate) fn begun(&self) -> Timestamp {
        self.begun
    }

    /// When the server opened the first attempt, by its own clock; nothing if there was none, or its answer did not come.
    pub(crate) fn opened(&self) -> Option<Timestamp> {
        self.known().opened
    }

    /// Where an earlier attempt has put things; nothing if there was none.
    pub(crate) fn placed(&self) -> Option<Vec<u8>> {
        self.known().placed.clone()
    }

    /// Things go here. The first attempt's word counts.
    pub(crate) fn place(&self, place: &[u8]) {
        self.learn(|known| known.placed.is_none().then(|| known.placed = Some(place.to_vec())));
    }

    /// The server has opened the transfer at this time of its clock. The first attempt's counts.
    pub(crate) fn open(&self, at: Timestamp) {
        self.learn(|known| known.opened.is_none().then(|| known.opened = Some(at)));
    }

    fn learn(&self, change: impl FnOnce(&mut Known) -> Option<()>) {
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

/// `BEGUN OPENED PLACE`, and a line feed; nothing before there is a place. Times are seconds and nanoseconds since 1970.
fn encode(begun: Timestamp, known: &Known) -> Option<Vec<u8>> {
    let time = |time: Timestamp| format!("{}.{:09}", time.seconds, time.nanos);
    let opened = known.opened.map_or("-".to_owned(), time);
    Some([format!("{} {opened} ", time(begun)).as_bytes(), known.placed.as_ref()?, b"\n"].concat())
}

fn decode(text: &[u8]) -> Option<(Timestamp, Known)> {
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
    Some((begun, Known { placed: Some(parts.next()?.to_vec()), opened }))
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

/// Transfers that nobody went on with for so long are none any more.
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
pub(crate) fn about(command: &[u8], key: &Key, remote: &[&[u8]], local: &Path) -> [u8; 16] {
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
        let remembered = || Remembered::new(Some(folder.path().join("state")));
        let mark = remembered().begin([1; 16]);
        assert_eq!(mark.placed(), None);
        mark.place(b"here\nor there");
        mark.place(b"elsewhere");
        assert_eq!(remembered().begin([2; 16]).placed(), None);
        let mark = remembered().begin([1; 16]);
        assert_eq!((mark.placed().as_deref(), mark.opened()), (Some(&b"here\nor there"[..]), None));
        let (begun, at) = (mark.begun(), Timestamp { seconds: 5, nanos: 70 });
        mark.open(at);
        mark.open(Timestamp::default());
        let mark = remembered().begin([1; 16]);
        assert_eq!((mark.placed().as_deref(), mark.opened()), (Some(&b"here\nor there"[..]), Some(at)));
        assert_eq!(mark.begun(), begun, "each attempt knows when the first one began");
        mark.end();
        assert_eq!(remembered().begin([1; 16]).placed(), None);
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
        let remembered = Remembered::new(Some(PathBuf::from("/proc/nowhere")));
        remembered.begin([1; 16]).place(b"here");
        assert_eq!(remembered.begin([1; 16]).placed(), None);
        let _ = remembered.key();
    }
}
