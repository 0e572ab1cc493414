//! Marks writes that may not be on the disk: after a loss of power, size and time of a file prove nothing about its content.
//!
//! Before the first name is given, an end that writes records that this filesystem is written to in this boot. In a later boot,
//! each file that was changed last between that mark and the first job of the new boot is *unproven*: it may have its size and
//! time, and zeros for content. Such a file is never skipped because of these; a mirror reads it at both ends. If it is equal,
//! its time is set once more, so it belongs to the new boot: each file becomes proven by itself, whatever happens to the
//! others.
//!
//! Data written before a sync of its filesystem is on the disk. So a sync moves the mark to the time at which it began: the
//! sync at the end of a run that must survive a loss of power, and one in the background, when a job begins and the mark is some
//! minutes old. By then the system has written out nearly everything by itself. So roughly the last job's files are read after
//! a restart, or all since the first job where one sync does not reach everything (overlayfs, targets with other filesystems
//! mounted in them).
//!
//! State of the disk if we die at any line:
//!
//! ```text
//! 1. the mark is synced, with its folder       names are as before; at worst other programs' files are read once
//! 2. names are given                           all are covered: a file is changed when it gets its name
//! 3. the filesystem is synced                  the same
//! 4. the mark moves to when 3 began            concurrent jobs stay covered: they give names later than that
//! ```
//!
//! The new file of marks is synced before it replaces the old one; the rename is not: the old file covers more. Unreadable
//! marks make every file unproven. If there is no folder for them, or it is not writable, no mark is made and no file is
//! unproven.
//!
//! There is a mark for each filesystem written to, and a time window for each earlier boot; both are bounded, by joining them
//! into ones that cover more. A job that changes none of this reads one small file.
//!
//! Known limits. Times are the filesystem's ctime: a clock that is set back over a restart, and changes of a file's ctime
//! between a loss of power and the next comparison (`chmod`, `mv`, a hard link), hide it. FAT and exFAT store no ctime. A disk
//! that is pulled out while the system runs is not noticed. Filesystems of a server or another program need no mark: there each
//! file is synced before it gets its name.

use super::boot::{boot_id, file_clock};
use super::{DiskFolder, Folder, disk_folder, walk::Walk};
use crate::message::Entry;
use crate::metadata::{Kind, Timestamp};
use crate::path::NameRef;
use rustix::fs::{self as sys, FlockOperation};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The marks of one end.
#[derive(Debug)]
pub struct Marks {
    file: PathBuf,
    /// A background sync is running.
    is_syncing: AtomicBool,
}

/// Times of last change for which a file's content may be lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unproven(Vec<Window>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    since: Timestamp,
    /// `None` before the first job of the following boot.
    until: Option<Timestamp>,
}

/// The content of the file of marks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Notes {
    /// The boot in which it was written.
    boot: [u8; 16],
    /// Filesystems written to in this boot, and the time since when they are unsynced.
    written: Vec<(u64, Timestamp)>,
    /// Unsynced times of earlier boots.
    lost: Vec<Window>,
}

impl Unproven {
    /// True if the content of a file with this time of last change is unproven.
    #[must_use]
    pub fn covers(&self, changed: Timestamp) -> bool {
        let is_in =
            |window: &Window| changed >= window.since && window.until.is_none_or(|until| changed <= until);
        self.0.iter().any(is_in)
    }

    /// The same for the file `name` of `folder`.
    #[must_use]
    pub fn covers_file(&self, folder: &dyn Folder, name: NameRef<'_>) -> bool {
        !self.0.is_empty() && folder.identity(name).is_ok_and(|found| self.covers(found.changed))
    }

    /// Sets in the entry of the last visited file whether it is unproven.
    pub fn tell(&self, walk: &Walk, entry: &mut Entry) {
        if entry.metadata.kind != Kind::File {
            return;
        }
        let place = walk.folder().zip(entry.path.parent_and_name());
        if place.is_some_and(|(folder, (_, name))| self.covers_file(&**folder, name)) {
            entry.details.get_or_insert_default().is_unproven = true;
        }
    }
}

impl Marks {
    /// Marks stored in this file, which is created with the first mark.
    #[must_use]
    pub fn at(file: PathBuf) -> Arc<Self> {
        Arc::new(Self { file, is_syncing: AtomicBool::new(false) })
    }

    /// Returns the unproven times as of now.
    #[must_use]
    pub fn unproven(&self) -> Unproven {
        Unproven(self.read().in_run(boot_id()).lost)
    }

    /// Begins a job that writes below `folder`; `is_synced` if none of it counts as done without a sync. Returns the times that
    /// were unproven before. If no mark can be made, the job continues without. Only filesystems have marks.
    pub fn begin(self: &Arc<Self>, folder: &Arc<dyn Folder>, is_synced: bool) -> Unproven {
        let unproven = self.unproven();
        let Some(folder) = disk_folder(folder) else { return Unproven::default() };
        if let Err(error) = self.note(&folder, is_synced || !folder.keeps_unsynced()) {
            tracing::debug!(%error, "what is written cannot be noted");
        }
        unproven
    }

    /// Records a sync of the folder's whole filesystem that began at this time. If it cannot be recorded, files are read
    /// needlessly.
    pub fn synced(&self, folder: &dyn DiskFolder, began: Timestamp) {
        let Some(filesystem) = synced_by_one(folder) else { return };
        let notes = self.read().in_run(boot_id());
        if notes.since(filesystem).is_some_and(|since| since < began) {
            let moved = self.change(|notes| {
                let own = notes.written.iter_mut().filter(|(noted, _)| *noted == filesystem);
                own.for_each(|(_, since)| *since = began.max(*since));
            });
            if let Err(error) = moved {
                tracing::debug!(%error, "a sync cannot be noted");
            }
        }
    }

    fn note(self: &Arc<Self>, folder: &Arc<dyn DiskFolder>, is_synced: bool) -> io::Result<()> {
        let notes = self.read();
        let (boot, filesystem, now) = (boot_id(), filesystem_of(&**folder)?, file_clock());
        let since = notes.since(filesystem).filter(|_| notes.is_of(boot));
        match since {
            Some(since) if now.seconds - since.seconds > SYNC_AFTER_SECONDS => {
                self.sync_aside(folder.clone())
            }
            Some(_) => {}
            None if is_synced && (notes.is_of(boot) || notes == Notes::default()) => {}
            None => {
                self.change(|notes| {
                    if !is_synced && notes.since(filesystem).is_none() {
                        notes.written.push((filesystem, now));
                    }
                })?;
                File::open(self.file.parent().unwrap_or(&self.file))?.sync_all()?;
            }
        }
        Ok(())
    }

    /// Syncs the folder's filesystem in a thread of its own, so that a sync that never ends blocks no job.
    fn sync_aside(self: &Arc<Self>, folder: Arc<dyn DiskFolder>) {
        if synced_by_one(&*folder).is_none() || self.is_syncing.swap(true, Ordering::Relaxed) {
            return;
        }
        let marks = self.clone();
        let sync = move || {
            let began = file_clock();
            if folder.sync_filesystem().is_ok() {
                marks.synced(&*folder, began);
            }
            marks.is_syncing.store(false, Ordering::Relaxed);
        };
        let _ = std::thread::Builder::new().name("sync".to_owned()).spawn(sync); // without the sync, more files are read after a crash
    }

    fn read(&self) -> Notes {
        let mut text = String::new();
        let read = File::open(&self.file).and_then(|file| file.take(FILE_LEN_MAX).read_to_string(&mut text));
        let is_nowhere = |error: &io::Error| {
            use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
            matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
        };
        match read {
            Ok(_) => Notes::decode(&text).unwrap_or_else(Notes::of_nothing_proven),
            Err(error) if is_nowhere(&error) => Notes::default(), // then no mark can exist
            Err(_) => Notes::of_nothing_proven(),
        }
    }

    /// Changes and writes the marks. The window of an earlier boot ends here at the latest.
    fn change(&self, change: impl FnOnce(&mut Notes)) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let lock = private().create(true).truncate(false).open(self.file.with_extension("lock"))?;
        sys::flock(&lock, FlockOperation::LockExclusive)?;
        let mut notes = self.read().in_run(boot_id());
        change(&mut notes);
        notes.bound();
        let new = self.file.with_extension("new");
        let mut file = private().create(true).truncate(true).open(&new)?; // exclusive under the lock
        file.write_all(notes.encode(file_clock()).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.file)
    }
}

impl Notes {
    fn of_nothing_proven() -> Self {
        let since = Timestamp { seconds: i64::MIN, nanos: 0 };
        Self { lost: vec![Window { since, until: None }], ..Self::default() }
    }

    fn is_of(&self, boot: [u8; 16]) -> bool {
        self.boot == boot && boot != [0; 16]
    }

    fn since(&self, filesystem: u64) -> Option<Timestamp> {
        self.written.iter().find(|(noted, _)| *noted == filesystem).map(|(_, since)| *since)
    }

    /// Converts the marks to this boot.
    fn in_run(mut self, boot: [u8; 16]) -> Self {
        if !self.is_of(boot) {
            let since = self.written.drain(..).map(|(_, since)| since).min();
            self.lost.extend(since.map(|since| Window { since, until: None }));
            self.boot = boot;
        }
        self
    }

    fn bound(&mut self) {
        if self.written.len() > FILESYSTEMS_MAX {
            let since = self.written.drain(..).map(|(_, since)| since).min();
            self.written.extend(since.map(|since| (SEVERAL, since)));
        }
        while self.lost.len() > WINDOWS_MAX {
            let oldest = self.lost.remove(0);
            let next = &mut self.lost[0];
            next.since = next.since.min(oldest.since);
            next.until = next.until.zip(oldest.until).map(|(one, other)| one.max(other));
        }
    }

    /// One line each; times are seconds and nanoseconds since 1970. The last line proves that the file is complete.
    fn encode(&self, now: Timestamp) -> String {
        let time = |time: Timestamp| format!("{}.{}", time.seconds, time.nanos);
        let boot = u128::from_be_bytes(self.boot);
        let mut text = format!("{HEAD} {boot:032x}\n");
        for (filesystem, since) in &self.written {
            text += &format!("written {filesystem} {}\n", time(*since));
        }
        for Window { since, until } in &self.lost {
            text += &format!("lost {} {}\n", time(*since), time(until.unwrap_or(now)));
        }
        text + END
    }

    fn decode(text: &str) -> Option<Self> {
        let time = |text: &str| {
            let (seconds, nanos) = text.split_once('.')?;
            Some(Timestamp { seconds: seconds.parse().ok()?, nanos: nanos.parse().ok()? })
        };
        let mut lines = text.strip_suffix(END)?.lines();
        let boot = lines.next()?.strip_prefix(HEAD)?.strip_prefix(' ')?;
        let boot = u128::from_str_radix(boot, 16).ok()?.to_be_bytes();
        let mut notes = Self { boot, ..Self::default() };
        for line in lines {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["written", filesystem, since] => {
                    notes.written.push((filesystem.parse().ok()?, time(since)?));
                }
                ["lost", since, until] => {
                    notes.lost.push(Window { since: time(since)?, until: Some(time(until)?) });
                }
                _ => return None,
            }
        }
        Some(notes)
    }
}

/// Returns the number under which writes below the folder are marked.
fn filesystem_of(folder: &dyn DiskFolder) -> io::Result<u64> {
    if folder.has_mounts_below() { Ok(SEVERAL) } else { folder.filesystem() }
}

/// The same, if one sync reaches all of it.
fn synced_by_one(folder: &dyn DiskFolder) -> Option<u64> {
    filesystem_of(folder).ok().filter(|filesystem| *filesystem != SEVERAL && folder.syncs_as_a_whole())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

const HEAD: &str = "ftpx marks v1";
const END: &str = "end\n";
/// Number used where other filesystems are mounted and one sync does not reach all. No device has it.
const SEVERAL: u64 = 0;
/// Age of a mark from which on it is synced. The system writes out data older than 30 seconds by itself.
const SYNC_AFTER_SECONDS: i64 = 300;
const FILESYSTEMS_MAX: usize = 64;
/// Most windows: one for each boot with writes. Joined windows also cover the time between them.
const WINDOWS_MAX: usize = 256;
/// Longest file of marks; more than that many lines take.
const FILE_LEN_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    /// Marks, and a folder on a filesystem that one sync reaches.
    fn world() -> (tempfile::TempDir, Arc<Marks>, Arc<dyn Folder>) {
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::at(folder.path().join("state/marks"));
        let target = LocalFolder::open_ambient(folder.path()).unwrap();
        (folder, marks, Arc::new(target))
    }

    fn time(seconds: i64) -> Timestamp {
        Timestamp { seconds, nanos: 5 }
    }

    fn window(since: i64, until: i64) -> Window {
        Window { since: time(since), until: Some(time(until)) }
    }

    impl Marks {
        /// Makes the marks those of an earlier boot.
        fn restart(&self) {
            self.change(|notes| notes.boot = [7; 16]).unwrap();
        }
    }

    #[test]
    fn what_was_written_in_an_earlier_run_is_unproven_until_the_next_one_writes() {
        let (folder, marks, target) = world();
        assert_eq!(marks.begin(&target, false), Unproven::default());
        for (path, mode) in [("state", 0o700), ("state/marks", 0o600)] {
            let permissions = folder.path().join(path).metadata().unwrap().permissions();
            assert_eq!(permissions.mode() & 0o777, mode, "{path}");
        }
        let written = file_clock();
        assert!(!marks.unproven().covers(written), "in the same run nothing is lost");
        marks.restart();
        assert!(marks.unproven().covers(written) && marks.unproven().covers(time(i64::MAX)));
        assert!(!marks.unproven().covers(time(written.seconds - 60)));
        assert!(marks.begin(&target, true).covers(time(i64::MAX)), "what was so before it began");
        assert!(marks.unproven().covers(written) && !marks.unproven().covers(time(written.seconds + 60)));
        marks.restart();
        let again = marks.unproven();
        assert!(again.covers(written) && !again.covers(time(written.seconds + 60)), "that run wrote nothing");
    }

    #[test]
    fn a_sync_moves_the_note_to_when_it_began() {
        let (_folder, marks, target) = world();
        let disk = disk_folder(&target).unwrap();
        if !disk.syncs_as_a_whole() {
            return eprintln!("skipped: temporary files are not on a filesystem that one sync reaches");
        }
        marks.begin(&target, false);
        let written = file_clock();
        let later = Timestamp { seconds: written.seconds + 1, ..written };
        marks.synced(&*disk, time(0));
        marks.synced(&*disk, later);
        marks.synced(&*disk, written); // it began before the marked write
        marks.restart();
        assert!(!marks.unproven().covers(written) && marks.unproven().covers(later));
    }

    #[test]
    fn an_old_note_is_synced_aside_by_the_next_job() {
        let (_folder, marks, target) = world();
        let disk = disk_folder(&target).unwrap();
        if !disk.syncs_as_a_whole() {
            return eprintln!("skipped: temporary files are not on a filesystem that one sync reaches");
        }
        marks.begin(&target, false);
        for job in 0..2 {
            let old = Timestamp { seconds: file_clock().seconds - SYNC_AFTER_SECONDS - 2, nanos: 0 };
            marks.change(|notes| notes.written[0].1 = old).unwrap();
            marks.begin(&target, true);
            let begin = Instant::now();
            while marks.read().written[0].1 == old || marks.is_syncing.load(Ordering::Relaxed) {
                assert!(begin.elapsed() < Duration::from_secs(30), "job {job}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn notes_are_read_back_and_damage_proves_nothing() {
        let (folder, marks, target) = world();
        let mut notes = Notes { boot: [9; 16], written: vec![(7, time(-8))], lost: vec![window(3, 4)] };
        let text = notes.encode(time(0));
        assert_eq!(Notes::decode(&text), Some(notes.clone()));
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let cut = &text[..text.len() - END.len()];
        for damaged in ["", "\0\0", cut, &text.replace("v1", "v2"), &text.replace("lost 3", "lost x")] {
            std::fs::write(&marks.file, damaged).unwrap();
            assert!(
                marks.unproven().covers(time(i64::MIN)) && marks.unproven().covers(time(0)),
                "{damaged:?}"
            );
        }
        marks.begin(&target, true);
        assert!(marks.unproven().covers(time(0)) && !marks.unproven().covers(time(i64::MAX)));
        notes.written = (1..).zip((1..=FILESYSTEMS_MAX as i64).map(time)).collect();
        notes.bound();
        assert_eq!(notes.written.len(), FILESYSTEMS_MAX);
        notes.written.push((0, time(0)));
        notes.lost = (0..=WINDOWS_MAX as i64).map(|start| window(start, start)).collect();
        notes.bound();
        assert_eq!((&notes.written[..], notes.lost[0]), (&[(SEVERAL, time(0))][..], window(0, 1)));
        assert_eq!(notes.lost.len(), WINDOWS_MAX);
        assert!((notes.encode(time(0)).len() as u64) < FILE_LEN_MAX);
    }

    #[test]
    fn nothing_is_noted_where_there_is_no_place() {
        let (_folder, _, target) = world();
        for place in ["/proc/nowhere/marks", "/dev/null/marks"] {
            let marks = Marks::at(place.into());
            assert_eq!(marks.begin(&target, false), Unproven::default());
        }
    }
}
