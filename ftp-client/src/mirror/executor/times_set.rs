//! The times that a run has given to files of the target. A file may have more names there: each of them shows the new time,
//! although it was listed with the old one, and it is still the file that was compared.

use crate::mirror::action::MirrorAction;
use std::collections::BTreeSet;
use wire::message::Change;
use wire::metadata::{Kind, Metadata, Timestamp};

/// Length, old time and new time of each file. Bounded: what does not fit is found as changed, and left to the next run.
#[derive(Default)]
pub(super) struct TimesSet(BTreeSet<(u64, Timestamp, Timestamp)>);

impl TimesSet {
    pub(super) fn remember(&mut self, action: &MirrorAction) {
        let (MirrorAction::Metadata { source, target } | MirrorAction::Moved { source, from: target }) =
            action
        else {
            return; // what is sent becomes another file
        };
        let (source, target) = (source.metadata, target.metadata);
        let is_set = source.kind == Kind::File && source.modified != target.modified;
        if is_set && self.0.len() < REMEMBERED_MAX {
            self.0.insert((target.size, target.modified, source.modified));
        }
    }

    /// Times that a file may have now by this run alone; a few of them, since each is tried.
    pub(super) fn since(&self, was: &Metadata) -> Vec<Timestamp> {
        let [first, last] = [EARLIEST, LATEST].map(|time| (was.size, was.modified, time));
        self.0.range(first..=last).map(|(_, _, time)| *time).take(TRIED_MAX).collect()
    }
}

/// The metadata that a change expects of the entry.
pub(super) fn expected(change: &mut Change) -> Option<&mut Metadata> {
    match change {
        Change::RemoveFile { was, .. } => was.as_mut(),
        Change::Move { was, .. } | Change::SetAside { was, .. } => Some(was),
        Change::RemoveFolder { .. }
        | Change::MakeFolder { .. }
        | Change::SetMetadata { .. }
        | Change::HardLink { .. }
        | Change::SetOwner { .. }
        | Change::SetXattrs { .. }
        | Change::Sync { .. }
        | Change::Prune { .. } => None,
    }
}

const EARLIEST: Timestamp = Timestamp { seconds: i64::MIN, nanos: 0 };
const LATEST: Timestamp = Timestamp { seconds: i64::MAX, nanos: u32::MAX };

const TRIED_MAX: usize = 16;
/// About 4 MiB.
const REMEMBERED_MAX: usize = 65_536;
