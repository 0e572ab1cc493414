//! Holding back what a mirror does. With deletions, nothing is done before all is compared, as long as that is not much: so the guard
//! may still refuse all of it. And failures for lack of room are told only when it is known that there will be no more room.
//!
//! Holding back costs the time of a comparison of [`PAIRS_MAX`](super::deed::PAIRS_MAX) entries at most, some tenths of a second,
//! and the memory of [`DEEDS_MAX`] entries.

use super::deed::{DEEDS_MAX, Deed};
use super::effects::Effects;
use super::executor::MirrorExecutor;
use super::room::{SHORT_MAX, is_lack_of_room, makes_room};
use super::target::MirrorDirection;
use crate::error::Error;
use std::collections::HashSet;
use wire::message::Space;
use wire::{Failure, RemotePath};

impl MirrorExecutor<'_> {
    /// Holds back what is asked for from here on.
    pub(super) fn hold_back(&mut self) {
        self.held_back = Some(Vec::new());
    }

    /// Holds a deed back; gives it back if that is over.
    pub(super) fn keep(&mut self, deed: Deed) -> Result<Option<Deed>, Error> {
        let Some(held_back) = &mut self.held_back else { return Ok(Some(deed)) };
        held_back.push(deed);
        if held_back.len() >= DEEDS_MAX {
            self.release_held()?;
        }
        Ok(None)
    }

    /// Does all that is held back, in the order in which it was asked for.
    pub(super) fn release_held(&mut self) -> Result<(), Error> {
        for deed in self.held_back.take().into_iter().flatten() {
            match deed {
                Deed::Act(action) => drop(self.act(action)?),
                Deed::Leave(folder) => self.leave(&folder)?,
                Deed::Touch(path, touch) => self.touch(path, touch)?,
                Deed::Own(folder) => self.own(&folder)?,
                Deed::ReadOnly(folder) => self.read_only(&folder),
                Deed::Narrow(folder) => self.narrow(&folder),
                Deed::Counted(files, bytes) => self.counted(files, bytes),
                Deed::Settle => self.settle()?,
            }
        }
        Ok(())
    }

    /// True if what is held back is more than the target's filesystem has room for.
    pub(super) fn held_lacks_room(&self) -> Result<bool, Error> {
        let bytes = |deed: &Deed| if let Deed::Act(action) = deed { action.bytes() } else { 0 };
        let bytes = self.held_back.iter().flatten().map(bytes).fold(0, u64::saturating_add);
        if bytes == 0 || !makes_room(self.options) {
            return Ok(false);
        }
        let trees = self.trees;
        let space = match (trees.direction, &trees.local) {
            (MirrorDirection::Upload, _) => {
                trees.runtime.block_on(trees.session.call(Space { path: trees.remote.clone() })).ok()
            }
            (MirrorDirection::Download, Some(local)) => local.space().ok(),
            (MirrorDirection::Download, None) => None,
        };
        Ok(space.is_some_and(|space| space.available < bytes)) // where it is not known, it shows
    }

    /// Keeps a failure for lack of room to itself, if that may still change.
    pub(super) fn is_short(&mut self, path: &RemotePath, failure: &Failure) -> bool {
        let is_short = self.waits_for_room && is_lack_of_room(failure.code) && self.short.len() < SHORT_MAX;
        if is_short {
            self.short.push((path.clone(), failure.clone()));
        }
        is_short
    }

    /// The paths that failed for lack of room.
    pub(super) fn short_paths(&self) -> HashSet<RemotePath> {
        let sent = self.transfer.as_ref().map(|transfer| transfer.short()).unwrap_or_default();
        sent.into_iter().chain(self.short.iter().cloned()).map(|(path, _)| path).collect()
    }
}
