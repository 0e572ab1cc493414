//! The users of a running server: those of the file when it was last valid.
//!
//! A file with a mistake neither locks out nor admits users: its previous content stays in force, and the log reports the mistake
//! until it is fixed. A removed file means that there are no users; a missing state folder is ignored, as it
//! may be mounted again.

use super::file::Users;
use super::{Accounts, AccountsError, USERS_FILE};
use crate::state::FileStamp;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The state of the file as it was last seen.
#[derive(Debug, Default)]
pub(super) struct Current {
    /// The last valid content of the file; `None` if there was none.
    users: Option<Arc<Users>>,
    latest: Option<Latest>,
    watched: FileWatch,
}

/// The result of the last look at the file.
#[derive(Debug)]
struct Latest {
    /// `None` if there was no file, or it could not be read.
    stamp: Option<FileStamp>,
    problem: Option<Arc<AccountsError>>,
}

/// The state that the file's watcher keeps between looks.
#[derive(Debug, Default)]
struct FileWatch {
    /// The stamp at the last look.
    stamp: Option<Option<FileStamp>>,
    /// Consecutive looks at which the file had changed.
    unsettled: u32,
    told: Option<Told>,
    /// There were users, and their absence was not reported yet.
    had_users: bool,
}

/// A mistake that was reported.
#[derive(Debug)]
struct Told {
    sentence: String,
    at: Instant,
}

impl Current {
    /// Returns the current users. Reads the file only when it changed.
    ///
    /// # Errors
    /// The file is invalid and has never been valid before.
    pub(super) fn users(&mut self, accounts: &Accounts) -> Result<Arc<Users>, Arc<AccountsError>> {
        self.refresh(accounts);
        let problem = self.latest.as_ref().and_then(|latest| latest.problem.clone());
        match (&self.users, problem) {
            (Some(users), _) => Ok(users.clone()),
            (None, Some(problem)) => Err(problem),
            (None, None) => Ok(Arc::default()),
        }
    }

    /// Returns the users by which the watcher judges sessions; `None` while the file keeps changing, since an editor may be
    /// in the middle of a write, or have moved the old file away without having written the new one.
    pub(super) fn settled(&mut self, accounts: &Accounts) -> Option<Arc<Users>> {
        self.refresh(accounts);
        let stamp = self.latest.as_ref().and_then(|latest| latest.stamp);
        let has_changed = self.watched.stamp.replace(stamp) != Some(stamp);
        self.watched.unsettled = if has_changed { self.watched.unsettled + 1 } else { 0 };
        if has_changed && self.watched.unsettled < UNSETTLED_LOOKS_MAX {
            return None;
        }
        self.tell(&accounts.path());
        self.users.clone()
    }

    /// Forgets the result of the last look, so that the file is read again.
    pub(super) fn forget(&mut self) {
        self.latest = None;
    }

    /// Returns the file's last error, if it cannot be used.
    pub(super) fn problem(&self) -> Option<Arc<AccountsError>> {
        self.latest.as_ref()?.problem.clone()
    }

    fn refresh(&mut self, accounts: &Accounts) {
        let stamp = match accounts.state.stamp(USERS_FILE) {
            Ok(stamp) => stamp,
            Err(error) => return self.failed(None, error.into()),
        };
        if self.latest.as_ref().is_some_and(|latest| latest.stamp == stamp && latest.is_of_content()) {
            return;
        }
        match accounts.read() {
            Ok((users, stamp)) => {
                if stamp.is_none()
                    && self.users.is_some()
                    && let Err(error) = accounts.state.check_exists()
                {
                    return self.failed(None, error.into());
                }
                self.watched.had_users |= !users.is_empty();
                self.users = Some(Arc::new(users));
                self.latest = Some(Latest { stamp, problem: None });
            }
            Err(error) => self.failed(stamp, error),
        }
    }

    fn failed(&mut self, stamp: Option<FileStamp>, error: AccountsError) {
        self.latest = Some(Latest { stamp, problem: Some(Arc::new(error)) });
    }

    /// Logs problems for the operator, once and then at intervals.
    fn tell(&mut self, path: &Path) {
        let problem = self
            .problem()
            .map(|problem| format!("{problem}; until this is fixed, the previous users stay in force"));
        let damaged_key = self.users.as_ref().and_then(|users| users.mistake());
        let damaged_key = damaged_key.map(|place| format!("{}: {place}; it admits no login", path.display()));
        let told = self.watched.told.as_ref();
        match problem.or(damaged_key) {
            Some(sentence) => {
                let is_due = told
                    .is_none_or(|told| told.sentence != sentence || told.at.elapsed() >= REMINDER_INTERVAL);
                if is_due {
                    warn!("{sentence}");
                    self.watched.told = Some(Told { sentence, at: Instant::now() });
                }
            }
            None if told.is_some() => {
                self.watched.told = None;
                info!("the users file is valid again");
            }
            None => {}
        }
        let has_users = self.users.as_ref().is_some_and(|users| !users.is_empty());
        if self.watched.had_users && !has_users {
            warn!("there are no users any more; all sessions end");
            self.watched.had_users = false;
        }
    }
}

impl Latest {
    /// Returns true if reading the same file would give the same error; other errors may go away without a change of the file.
    fn is_of_content(&self) -> bool {
        let problem = self.problem.as_deref();
        problem.is_none_or(|problem| matches!(problem, AccountsError::File { .. }))
    }
}

/// Number of looks after which a file that changes at each look is used as it is.
const UNSETTLED_LOOKS_MAX: u32 = 3;
/// How often a persisting mistake is reported again.
const REMINDER_INTERVAL: Duration = Duration::from_secs(300);
