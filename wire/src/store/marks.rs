//! Marks of what was written and may not be on the disk: after a loss of power, size and time of a file prove nothing of its content.
//!
//! An end that writes notes, before the first name is given, that something is written to this filesystem in this run of the system. In
//! another run of the system, each file that was changed last between that note and the first job of the new run is *unproven*: it
//! may have its size and time, and zeros for content. Nothing takes it for the same by these; a mirror reads it at both ends. One
//! that is found equal gets its time set once more, and so belongs to the new run: each file leaves by itself, whatever became of the others.
//!
//! What was written before a sync of its filesystem is on the disk. So a sync that began at a time moves the note to that time: the one that
//! a run that must survive a loss of power ends with, and one in the background, when a job begins and the note is some minutes old. By
//! then the system has written nearly all of it by itself. So it is about the last job's files that are read after a restart; all since
//! the first job where one sync does not reach all (overlayfs, targets with other filesystems mounted in them).
//!
//! What is on the disk if we die at any line:
//!
//! ```text
//! 1. the note is synced, with its folder       names are as before; at worst other programs' files are read once
//! 2. names are given                           all of them are covered: a name's file is changed when it is given
//! 3. the filesystem is synced                  the same
//! 4. the note is moved to when 3 began         jobs that run meanwhile are covered as before: what they name is changed later
//! ```
//!
//! The new note is synced before it takes the old one's place, but for its name: the old one covers more. Notes that cannot be read
//! make everything unproven. Where there is no folder for them, or it cannot be written to, nothing is noted, and all is believed.
//!
//! There is a note for each filesystem that was written to, and there are times of runs that are over: both bounded, by joining what is too
//! much to what covers more. A job without any of this to change reads one small file.
//!
//! Known limits. Times are the filesystem's ctime: a clock that is set back over a restart, and what changes a file's ctime between
//! a loss of power and the next comparison (`chmod`, `mv`, a hard link), hide it. FAT and exFAT keep no ctime. A disk that is pulled out while
//! the system goes on is not noticed. Filesystems of a server or another program need no note: there each file is synced before it gets its name.

use super::boot::boot_id;
use super::local::file_clock;
use super::{Folder, walk::Walk};
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
    /// A sync is under way in the background.
    is_syncing: AtomicBool,
}

/// When files were changed last whose content may have been lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unproven(Vec<Window>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    since: Timestamp,
    /// None before the first job of the run that follows.
    until: Option<Timestamp>,
}

/// What the file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Notes {
    /// The run of the system in which this was written.
    boot: [u8; 16],
    /// Filesystems that were written to in it, and since when without a sync.
    written: Vec<(u64, Timestamp)>,
    /// What was not synced in earlier runs.
    lost: Vec<Window>,
}

impl Unproven {
    /// True if the content of a file that was changed last at this time is not proven.
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

    /// Tells of the file that a walk has met last whether it is proven.
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
    /// Marks in this file, which is made with the first of them.
    #[must_use]
    pub fn at(file: PathBuf) -> Arc<Self> {
        Arc::new(Self { file, is_syncing: AtomicBool::new(false) })
    }

    /// What was not proven when this was asked.
    #[must_use]
    pub fn unproven(&self) -> Unproven {
        Unproven(self.read().in_run(boot_id()).lost)
    }

    /// A job that writes below `folder` begins; `is_synced` if nothing of it counts as done without a sync. Gives what was not proven before.
    /// Where nothing can be noted, the work goes on without.
    pub fn begin(self: &Arc<Self>, folder: &Arc<dyn Folder>, is_synced: bool) -> Unproven {
        let unproven = self.unproven();
        if let Err(error) = self.note(folder, is_synced || !folder.keeps_unsynced()) {
            tracing::debug!(%error, "what is written cannot be noted");
        }
        unproven
    }

    /// All of the folder's filesystem was synced, by a sync that began at this time. Where that cannot be noted, files are read without need.
    pub fn synced(&self, folder: &dyn Folder, began: Timestamp) {
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

    fn note(self: &Arc<Self>, folder: &Arc<dyn Folder>, is_synced: bool) -> io::Result<()> {
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

    /// Syncs the folder's filesystem while others go on. One that never ends holds up nobody.
    fn sync_aside(self: &Arc<Self>, folder: Arc<dyn Folder>) {
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
        let _ = std::thread::Builder::new().name("sync".to_owned()).spawn(sync); // without it more is read one day
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
            Err(error) if is_nowhere(&error) => Notes::default(), // then none can have been noted
            Err(_) => Notes::of_nothing_proven(),
        }
    }

    /// Writes changed notes. A run of the system that is over has its end here at the latest.
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
        let mut file = private().create(true).truncate(true).open(&new)?; // under the lock nobody else does
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

    /// What they say in this run of the system.
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

    /// A line each; times are seconds and nanoseconds since 1970. The last line tells that none is missing.
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

/// The number that notes of what is written below the folder have.
fn filesystem_of(folder: &dyn Folder) -> io::Result<u64> {
    if folder.has_mounts_below() { Ok(SEVERAL) } else { folder.filesystem() }
}

/// The same where one sync reaches all of it.
fn synced_by_one(folder: &dyn Folder) -> Option<u64> {
    filesystem_of(folder).ok().filter(|filesystem| *filesystem != SEVERAL && folder.syncs_as_a_whole())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options
}

const HEAD: &str = "ftpx marks v1";
const END: &str = "end\n";
/// Where other filesystems are mounted, no sync of one is a sync of all. No device has this number.
const SEVERAL: u64 = 0;
/// The system writes out by itself what is older than 30 seconds.
const SYNC_AFTER_SECONDS: i64 = 300;
const FILESYSTEMS_MAX: usize = 64;
/// One for each run of the system that wrote something; joined, they cover what was written between them.
const WINDOWS_MAX: usize = 256;
/// More than so many lines take.
const FILE_LEN_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;
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
        /// The notes become those of an earlier run of the system.
        fn restart(&self) {
            self.change(|notes| notes.boot = [7; 16]).unwrap();
        }
    }

    #[test]
    fn what_was_written_in_an_earlier_run_is_unproven_until_the_next_one_writes() {
        let (_folder, marks, target) = world();
        assert_eq!(marks.begin(&target, false), Unproven::default());
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
        if !target.syncs_as_a_whole() {
            return eprintln!("skipped: temporary files are not on a filesystem that one sync reaches");
        }
        marks.begin(&target, false);
        let written = file_clock();
        let later = Timestamp { seconds: written.seconds + 1, ..written };
        marks.synced(&*target, time(0));
        marks.synced(&*target, later);
        marks.synced(&*target, written); // it began before the one that is noted
        marks.restart();
        assert!(!marks.unproven().covers(written) && marks.unproven().covers(later));
    }

    #[test]
    fn an_old_note_is_synced_aside_by_the_next_job() {
        let (_folder, marks, target) = world();
        if !target.syncs_as_a_whole() {
            return eprintln!("skipped: temporary files are not on a filesystem that one sync reaches");
        }
        marks.begin(&target, false);
        let old = Timestamp { seconds: file_clock().seconds - SYNC_AFTER_SECONDS - 2, nanos: 0 };
        marks.change(|notes| notes.written[0].1 = old).unwrap();
        marks.begin(&target, true);
        let begin = Instant::now();
        while marks.read().written[0].1 == old {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
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
        notes.written = (1..).zip((0..=FILESYSTEMS_MAX as i64).map(time)).collect();
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
