//! How precisely times and permissions are kept: by a filesystem, which may store only whole seconds or a limited range of
//! years, and by the rules for a user. Without this, a comparison would find the same differences at every run.

use crate::metadata::Timestamp;
use crate::modes::ModePolicy;
use serde::{Deserialize, Serialize};

/// How a folder keeps the times and permissions that are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FidelityReport {
    /// The earliest time. Earlier ones are raised to it.
    pub earliest: Timestamp,
    /// The latest time. Later ones are lowered to it.
    pub latest: Timestamp,
    /// Resolution of times in nanoseconds. Times are cut to a multiple of it.
    pub time_step: u32,
    /// Permissions are kept at all.
    pub keeps_modes: bool,
    /// The rules for the user's permissions.
    pub modes: ModePolicy,
    /// The same applies to all folders below: no other filesystem is mounted there.
    pub is_whole: bool,
    /// Names that differ only in upper and lower case are one name in this folder.
    pub folds_case: bool,
}

impl FidelityReport {
    /// Times and permissions are kept exactly as set.
    pub const EXACT: Self = Self {
        earliest: Timestamp { seconds: i64::MIN, nanos: 0 },
        latest: Timestamp { seconds: i64::MAX, nanos: SECOND - 1 },
        time_step: 1,
        keeps_modes: true,
        modes: ModePolicy { umask: 0, force: 0 },
        is_whole: false,
        folds_case: false,
    };

    /// Returns the time that is stored for this one.
    #[must_use]
    pub fn time(&self, time: Timestamp) -> Timestamp {
        if time > self.latest {
            self.latest
        } else if time < self.earliest {
            self.earliest
        } else {
            floor(time, self.time_step)
        }
    }

    /// Returns the permissions that are stored for these.
    #[must_use]
    pub fn mode(&self, mode: u32, is_folder: bool) -> u32 {
        self.modes.apply(mode, is_folder)
    }

    /// Returns the report, or `None` if no filesystem can have it: a peer may claim anything.
    #[must_use]
    pub fn checked(self) -> Option<Self> {
        let times = [self.earliest, self.latest];
        let possible = times.iter().all(|time| time.nanos < SECOND)
            && self.earliest < self.latest
            && STEPS.contains(&self.time_step);
        possible.then_some(self)
    }
}

/// Cuts a time to a multiple of a step in nanoseconds.
fn floor(time: Timestamp, step: u32) -> Timestamp {
    match step / SECOND {
        0 => Timestamp { nanos: time.nanos - time.nanos % step.max(1), ..time },
        seconds => {
            Timestamp { seconds: time.seconds - time.seconds.rem_euclid(i64::from(seconds)), nanos: 0 }
        }
    }
}

/// Returns the step that turned [`PROBE`] into `kept`; 1 if none did.
#[must_use]
pub fn step_of(kept: Timestamp) -> u32 {
    STEPS.iter().copied().find(|step| floor(PROBE, *step) == kept).unwrap_or(1)
}

/// A time that each step cuts to a different value.
pub const PROBE: Timestamp = Timestamp { seconds: 1_234_567_891, nanos: 987_654_321 };

const SECOND: u32 = 1_000_000_000;
/// Steps of filesystems in use: most of Linux, NTFS and SMB, some of FUSE, ..., exFAT, ext3 and HFS+, FAT.
const STEPS: [u32; 7] = [1, 100, 1_000, 1_000_000, 10_000_000, SECOND, 2 * SECOND];

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    #[test]
    fn every_step_is_found_by_what_it_keeps() {
        for step in STEPS {
            assert_eq!(step_of(floor(PROBE, step)), step);
        }
        assert_eq!(step_of(time(5, 5)), 1);
    }

    #[test]
    fn times_are_cut_to_what_is_kept() {
        let fat = FidelityReport {
            earliest: time(315_532_800, 0),
            latest: time(4_354_819_198, 0),
            time_step: 2 * SECOND,
            ..FidelityReport::EXACT
        };
        for (set, kept) in [
            (time(1_000_000_001, 5), time(1_000_000_000, 0)),
            (time(-1, 5), time(315_532_800, 0)),
            (time(4_354_819_199, 0), time(4_354_819_198, 0)),
            (time(i64::MAX, 0), time(4_354_819_198, 0)),
        ] {
            assert_eq!(fat.time(set), kept);
        }
        let whole = FidelityReport { time_step: SECOND, ..FidelityReport::EXACT };
        assert_eq!(whole.time(time(-1, 999_999_999)), time(-1, 0));
        for exact in [time(i64::MIN, 0), time(i64::MAX, 999_999_999), PROBE] {
            assert_eq!(FidelityReport::EXACT.time(exact), exact);
        }
    }

    #[test]
    fn what_a_peer_claims_is_possible_or_nothing() {
        let exact = FidelityReport::EXACT;
        assert_eq!(exact.checked(), Some(exact));
        for wrong in [
            FidelityReport { time_step: 0, ..exact },
            FidelityReport { time_step: u32::MAX, ..exact },
            FidelityReport { earliest: time(0, u32::MAX), ..exact },
            FidelityReport { earliest: exact.latest, latest: exact.earliest, ..exact },
        ] {
            assert_eq!(wrong.checked(), None);
        }
    }
}
