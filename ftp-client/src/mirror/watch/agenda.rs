//! The folders that a watch compares next, and when. Pure: it takes events and the time, and returns what is due.
//!
//! Four things make a folder due: something changed in it and has come to rest; something in it failed, and its time to be
//! tried again has come; it cannot be watched, so it is looked at now and then; and all of the tree every so often, as a
//! safety net. After a run that failed as a whole, no folder is due for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use wire::RemotePath;

/// The folders to compare, and when.
#[derive(Debug)]
pub(super) struct Agenda {
    changed: FolderSet,
    /// When the first and the latest of the changes came.
    changed_between: Option<(Instant, Instant)>,
    retries: BTreeMap<RemotePath, RetryTime>,
    /// Folders in which no entry was deleted, because something failed.
    held_back: FolderSet,
    /// The last run failed as a whole.
    pause: Option<RetryTime>,
    unwatched: FolderSet,
    look_at: Instant,
    rescan: Duration,
    rescan_at: Instant,
    /// The connection was lost while no folder was due.
    offline: bool,
}

/// A time to try again.
#[derive(Debug, Clone, Copy)]
struct RetryTime {
    tries: u32,
    at: Instant,
}

/// The work that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// Folders to compare, none of them in another.
    pub(super) folders: Vec<RemotePath>,
    /// Only because they are not watched.
    pub(super) looks: bool,
}

/// The outcome of a comparison.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Folders in which something failed.
    pub(super) failed: FolderSet,
    /// Something was not deleted for that.
    pub(super) held_back: bool,
    /// How long it took.
    pub(super) took: Duration,
}

/// A few folders; the root stands for too many.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct FolderSet(BTreeSet<RemotePath>);

impl Agenda {
    /// All of the tree is due at once.
    pub(super) fn new(rescan: Duration, now: Instant) -> Self {
        Self {
            changed: FolderSet::default(),
            changed_between: None,
            retries: BTreeMap::new(),
            held_back: FolderSet::default(),
            pause: None,
            unwatched: FolderSet::default(),
            look_at: now,
            rescan: rescan.max(RESCAN_MIN),
            rescan_at: now,
            offline: false,
        }
    }

    /// Something changed in a folder.
    pub(super) fn change(&mut self, folder: RemotePath, now: Instant) {
        self.changed.add(folder);
        let (first, _) = self.changed_between.unwrap_or((now, now));
        self.changed_between = Some((first, now));
    }

    /// Another tree is in the place of the old one: failures of the old one no longer matter.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.pause = None;
        self.change(RemotePath::root(), now);
    }

    /// The connection is lost, and is to be made anew although no folder changed.
    pub(super) fn lose_connection(&mut self) {
        self.offline = true;
    }

    /// These folders cannot be watched, and only these.
    pub(super) fn set_unwatched(&mut self, unwatched: FolderSet, now: Instant) {
        if self.unwatched.is_empty() && !unwatched.is_empty() {
            self.look_at = now + LOOK_MIN;
        }
        self.unwatched = unwatched;
    }

    /// Returns the work that is due now, or when to ask again.
    pub(super) fn next(&mut self, now: Instant) -> Result<Due, Instant> {
        if let Some(pause) = self.pause.filter(|pause| pause.at > now) {
            return Err(pause.at);
        }
        let settled_at = self.changed_between.map(|(first, latest)| (latest + QUIET).min(first + PATIENCE));
        let retry_at = self.retries.values().map(|retry| retry.at).min();
        let look_at = (!self.unwatched.is_empty()).then_some(self.look_at);
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let rescans = self.rescan_at <= now;
        if !(rescans || self.offline || [settled_at, retry_at, look_at].into_iter().any(is_due)) {
            let times = [settled_at, retry_at, look_at, Some(self.rescan_at)];
            return Err(times.into_iter().flatten().min().unwrap_or(self.rescan_at));
        }
        self.offline = false;
        let mut folders = FolderSet::default();
        if rescans {
            self.rescan_at = now + self.rescan;
            folders.add(RemotePath::root());
        }
        if is_due(settled_at) {
            self.changed_between = None;
            folders.append(std::mem::take(&mut self.changed));
        }
        for (folder, _) in self.retries.iter().filter(|(_, retry)| retry.at <= now) {
            folders.add(folder.clone());
        }
        let looks = folders.is_empty();
        if looks && is_due(look_at) {
            folders.append(self.unwatched.clone());
        }
        Ok(Due { folders: folders.outermost(), looks })
    }

    /// A folder was compared. Returns how long it takes until what failed is tried again, if that was not known before.
    pub(super) fn compared(&mut self, folder: &RemotePath, report: Report, now: Instant) -> Option<Duration> {
        self.pause = None;
        if folder.is_root() {
            self.rescan_at = now + self.rescan.max(report.took);
        }
        self.retries.retain(|path, _| path.strip_prefix(folder).is_none() || report.failed.0.contains(path));
        let mut soonest: Option<Duration> = None;
        for failed in report.failed.0 {
            let retry = self.retries.entry(failed).or_insert(RetryTime { tries: 0, at: now });
            if retry.at <= now {
                *retry = RetryTime::after(retry.tries, report.took, now);
                let wait = retry.at - now;
                soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
            }
        }
        if self.retries.len() > FOLDERS_MAX {
            let latest = self.retries.values().copied().max_by_key(|retry| retry.tries);
            self.retries = latest.map(|retry| (RemotePath::root(), retry)).into_iter().collect();
        }
        if report.held_back {
            self.held_back.add(folder.clone());
        }
        if self.retries.is_empty() {
            for folder in std::mem::take(&mut self.held_back).0 {
                self.change(folder, now);
            }
        }
        soonest
    }

    /// Folders that are not watched were looked at, which took so long: the longer, the less often.
    pub(super) fn looked(&mut self, took: Duration, now: Instant) {
        self.look_at = now + (took * LOOK_SHARE).clamp(LOOK_MIN, self.rescan.max(LOOK_MIN));
    }

    /// All that was due was done, as far as the whole is concerned.
    pub(super) fn succeed(&mut self) {
        self.pause = None;
    }

    /// A run failed as a whole, and these folders are still to be compared. Returns how long the pause is.
    pub(super) fn fail(&mut self, folders: Vec<RemotePath>, now: Instant) -> Duration {
        for folder in folders {
            self.change(folder, now);
        }
        let retry = RetryTime::after(self.pause.map_or(0, |pause| pause.tries), Duration::ZERO, now);
        self.pause = Some(retry);
        retry.at - now
    }
}

impl RetryTime {
    /// The next time after so many that failed, the last of which took so long.
    fn after(tries: u32, took: Duration, now: Instant) -> Self {
        let wait =
            RETRY_MIN.saturating_mul(2_u32.saturating_pow(tries)).min(RETRY_MAX).max(took * RETRY_SHARE);
        Self { tries: tries.saturating_add(1), at: now + wait }
    }
}

impl FolderSet {
    pub(super) fn add(&mut self, folder: RemotePath) {
        self.0.insert(folder);
        if self.0.len() > FOLDERS_MAX {
            self.0 = BTreeSet::from([RemotePath::root()]);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn append(&mut self, others: Self) {
        others.0.into_iter().for_each(|folder| self.add(folder));
    }

    /// Leaves out folders that lie in others.
    pub(super) fn outermost(self) -> Vec<RemotePath> {
        let mut outer: Vec<RemotePath> = Vec::new();
        for folder in self.0 {
            if outer.last().is_none_or(|last| folder.strip_prefix(last).is_none()) {
                outer.push(folder);
            }
        }
        outer
    }
}

impl FromIterator<RemotePath> for FolderSet {
    fn from_iter<I: IntoIterator<Item = RemotePath>>(folders: I) -> Self {
        let mut few = Self::default();
        folders.into_iter().for_each(|folder| few.add(folder));
        few
    }
}

/// Nothing changed for so long: what was being written is written.
const QUIET: Duration = Duration::from_millis(300);
/// Where something always changes, it is mirrored as it is after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// A failed item is tried again after so long, then after twice as long, and so on: a disk that was full for a moment costs
/// little time, one that is full for a week few attempts.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(5 * 60);
/// In a tree that takes long to compare, what fails for ever takes no more than a tenth of the time.
const RETRY_SHARE: u32 = 9;
/// All is compared no more often than this, whatever was asked for.
const RESCAN_MIN: Duration = Duration::from_secs(1);
/// A folder that cannot be watched is compared no more often than this...
const LOOK_MIN: Duration = Duration::from_secs(4);
/// ...and takes a fiftieth of the time.
const LOOK_SHARE: u32 = 50;
/// Folders that are compared one by one; more are compared as a whole.
const FOLDERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    fn report(failed: &[&str]) -> Report {
        Report { failed: failed.iter().map(|text| path(text)).collect(), ..Report::default() }
    }

    /// An agenda after its first run.
    fn begun() -> (Agenda, Instant) {
        let now = Instant::now();
        let mut agenda = Agenda::new(HOUR, now);
        assert_eq!(due(&mut agenda, now), ["/"]);
        assert_eq!(agenda.compared(&path(""), Report::default(), now), None);
        (agenda, now)
    }

    fn due(agenda: &mut Agenda, now: Instant) -> Vec<String> {
        agenda
            .next(now)
            .map_or_else(|_| Vec::new(), |due| due.folders.iter().map(|folder| folder.to_string()).collect())
    }

    #[test]
    fn changes_are_due_when_they_rest_or_never_do() {
        let (mut agenda, now) = begun();
        assert_eq!(agenda.next(now), Err(now + HOUR));
        agenda.change(path("a/b"), now);
        agenda.change(path("a"), now);
        assert_eq!(agenda.next(now), Err(now + QUIET));
        assert_eq!(due(&mut agenda, now + QUIET), ["/a"]);
        let mut at = now + QUIET;
        while at < now + QUIET + PATIENCE {
            agenda.change(path("log"), at);
            assert!(agenda.next(at).is_err());
            at += QUIET / 2;
        }
        assert_eq!(due(&mut agenda, at), ["/log"]);
    }

    #[test]
    fn what_failed_is_tried_again_less_and_less_often_and_alone() {
        let (mut agenda, mut now) = begun();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = agenda.compared(&path("x"), report(&["x/y"]), now).unwrap();
            assert_eq!(agenda.compared(&path("x"), report(&["x/y"]), now), None, "it has its time");
            waits.push(wait.as_secs());
            assert!(agenda.next(now + wait - Duration::from_millis(1)).is_err());
            now += wait;
            assert_eq!(due(&mut agenda, now), ["/x/y"]);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        let slow = Report { took: Duration::from_secs(100), ..report(&["x/y"]) };
        assert_eq!(agenda.compared(&path("x"), slow, now), Some(Duration::from_secs(900)));
        agenda.compared(&path("x/y"), Report::default(), now);
        assert_eq!(due(&mut agenda, now + Duration::from_secs(900)), Vec::<String>::new());
    }

    #[test]
    fn what_was_not_deleted_comes_once_nothing_fails() {
        let (mut agenda, now) = begun();
        agenda.compared(&path(""), Report { held_back: true, ..report(&["x"]) }, now);
        assert_eq!(due(&mut agenda, now + RETRY_MIN), ["/x"]);
        agenda.compared(&path("x"), Report::default(), now + RETRY_MIN);
        assert_eq!(due(&mut agenda, now + RETRY_MIN + QUIET), ["/"]);
    }

    #[test]
    fn after_a_run_that_failed_nothing_is_done_for_a_while() {
        let (mut agenda, now) = begun();
        assert_eq!(agenda.fail(vec![path("a")], now), RETRY_MIN);
        agenda.change(path("b"), now);
        assert_eq!(agenda.next(now + QUIET), Err(now + RETRY_MIN));
        assert_eq!(due(&mut agenda, now + RETRY_MIN), ["/a", "/b"]);
        assert_eq!(agenda.fail(vec![path("a")], now), RETRY_MIN * 2);
        agenda.begin_anew(now);
        assert_eq!(due(&mut agenda, now + QUIET), ["/"]);
        agenda.compared(&path(""), Report::default(), now);
        assert_eq!(agenda.fail(vec![], now), RETRY_MIN);
    }

    #[test]
    fn what_is_not_watched_is_looked_at_the_less_often_the_longer_it_takes() {
        let (mut agenda, now) = begun();
        agenda.set_unwatched(["a", "b/c"].into_iter().map(path).collect(), now);
        assert_eq!(agenda.next(now), Err(now + LOOK_MIN));
        let due = agenda.next(now + LOOK_MIN).unwrap();
        assert!(due.looks && due.folders == [path("a"), path("b/c")]);
        agenda.looked(Duration::from_millis(10), now);
        assert_eq!(agenda.next(now), Err(now + LOOK_MIN));
        agenda.looked(Duration::from_secs(10), now);
        assert_eq!(agenda.next(now), Err(now + Duration::from_secs(500)));
        agenda.looked(Duration::from_secs(1000), now);
        assert_eq!(agenda.next(now), Err(now + HOUR));
    }

    #[test]
    fn all_is_compared_some_time_after_it_was_compared() {
        let (mut agenda, now) = begun();
        assert_eq!(due(&mut agenda, now + HOUR), ["/"]);
        let long = Report { took: HOUR * 3, ..Report::default() };
        agenda.compared(&path(""), long, now + HOUR * 4);
        assert_eq!(agenda.next(now + HOUR * 4), Err(now + HOUR * 7));
    }

    #[test]
    fn many_folders_are_the_whole_tree() {
        let (mut agenda, now) = begun();
        for number in 0..100 {
            agenda.change(path(&format!("folder-{number}/x")), now);
        }
        assert_eq!(due(&mut agenda, now + QUIET), ["/"]);
        let failed: Vec<String> = (0..100).map(|number| format!("folder-{number}")).collect();
        let failed: Vec<&str> = failed.iter().map(String::as_str).collect();
        agenda.compared(&path(""), report(&failed), now);
        assert_eq!(due(&mut agenda, now + RETRY_MIN), ["/"]);
    }

    #[test]
    fn a_lost_connection_is_made_anew_without_a_change() {
        let (mut agenda, now) = begun();
        agenda.lose_connection();
        assert_eq!(agenda.next(now).unwrap().folders, []);
        assert_eq!(agenda.next(now), Err(now + HOUR));
    }

    #[test]
    fn folders_in_folders_are_compared_once() {
        let folders: FolderSet = ["a/b", "a", "a/b/c", "b/c", "ab"].into_iter().map(path).collect();
        assert_eq!(folders.outermost(), [path("a"), path("ab"), path("b/c")]);
    }
}
