//! Lack of room at the target: when deletions may make some, and which failures it explains.

use super::{DeleteWhen, MirrorOptions};
use wire::FailureCode;

/// True if deletions may come first where the target lacks room. What goes to a backup makes none.
pub(super) fn makes_room(options: &MirrorOptions) -> bool {
    options.delete && options.delete_when != DeleteWhen::After && options.backup.is_none()
}

/// True if it failed for what the target has: it is full, or takes the name for that of something else, which may be about to go.
pub(super) fn is_lack_of_room(code: FailureCode) -> bool {
    matches!(code, FailureCode::NoSpace | FailureCode::QuotaExceeded | FailureCode::Exists)
}

/// Failures for lack of room that are not reported at once.
pub(super) const SHORT_MAX: usize = 65_536;
