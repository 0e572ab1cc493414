//! SWEEP: removes what interrupted transfers have left in a folder and below.

use crate::auth::Principal;
use crate::events::Operation;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::Failure;
use wire::command::Needs;
use wire::journal::JournalKey;
use wire::message::{Sweep, Swept};
use wire::store::sweep::SweepScope;
use wire::store::{Storage, sweep};

/// Whose staged files a user may remove: those of all for who may remove what is published, else their own.
pub(super) fn scope(principal: &Principal, key: &JournalKey) -> SweepScope {
    if Needs::Remove.met_by(principal.access()) {
        SweepScope::All
    } else {
        SweepScope::Sender { key: key.clone(), origin: super::put::origin(principal) }
    }
}

pub(super) fn run(
    storage: &dyn Storage,
    asked: &Sweep,
    scope: &SweepScope,
    cancelled: &CancellationToken,
    operation: &Operation,
) -> Result<Swept, Failure> {
    let folder = storage.folder(&asked.path)?;
    let idle = Duration::from_secs(asked.idle);
    let swept = sweep::below(folder, idle, scope, &mut || cancelled.is_cancelled())?;
    operation.count(|counts| {
        counts.files += swept.files;
        counts.bytes += swept.bytes;
    });
    Ok(swept)
}
