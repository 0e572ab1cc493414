//! The deeds that a mirror may hold back, and how many.

use super::action::MirrorAction;
use super::deferred::FolderMetadata;
use wire::RemotePath;
use wire::message::Entry;

/// A call of an effect, with its arguments.
pub(super) enum Deed {
    Act(MirrorAction),
    Leave(Entry),
    Touch(RemotePath, FolderMetadata),
    Own(Entry),
    ReadOnly(Entry),
    Narrow(Entry),
    Counted(u64, u64),
    Settle,
}

/// Deeds that are held back.
pub(super) const DEEDS_MAX: usize = 8192;
/// Entries of both sides that are compared while anything is held back.
pub(super) const PAIRS_MAX: u64 = 32_768;
