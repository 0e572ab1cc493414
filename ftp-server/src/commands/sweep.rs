//! SWEEP: removes what interrupted transfers have left in a folder and below.

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::Failure;
use wire::message::{Sweep, Swept};
use wire::store::{LocalStorage, Storage, sweep};

pub(super) fn run(
    storage: &LocalStorage,
    asked: &Sweep,
    cancelled: &CancellationToken,
) -> Result<Swept, Failure> {
    let folder = storage.folder(&asked.path)?;
    Ok(sweep::below(folder, Duration::from_secs(asked.idle), &mut || cancelled.is_cancelled())?)
}
