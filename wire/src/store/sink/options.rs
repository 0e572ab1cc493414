//! The options of a sink: how it treats existing entries, permissions, and a loss of power.

use crate::message::{Durability, Overwrite};
use crate::metadata::Timestamp;
use crate::modes::Modes;
use crate::store::local::upload::Keeping;

/// How a [`TreeSink`](super::TreeSink) treats existing entries, and which metadata it sets.
#[derive(Debug, Clone)]
pub struct TreeSinkOptions {
    /// The treatment of files that exist.
    pub overwrite: Overwrite,
    /// Refuse existing entries instead of skipping them, and leave existing folders unchanged: the user may only add.
    pub add_only: bool,
    /// Staged files of other senders may be removed when a file of that name is sent: the user could remove them anyway.
    pub takes_over: bool,
    /// The treatment of the permissions that are sent.
    pub modes: Modes,
    /// Leave holes where a file has long runs of zeros.
    pub sparse: bool,
    /// When an item counts as done.
    pub durability: Durability,
    /// How partial files are kept for resuming; `None` keeps none.
    pub keeping: Option<Keeping>,
    /// Files last changed since this time may have been put in place by an earlier attempt of this transfer.
    pub begun: Option<Timestamp>,
}

impl TreeSinkOptions {
    /// True if items get their names in a commit, in which they are synced.
    pub(super) fn waits(&self) -> bool {
        self.durability == Durability::Power
    }

    /// True if content is written out before a name that a loss of power must not leave without it.
    pub(super) fn writes_out(&self) -> bool {
        self.durability != Durability::None
    }
}
