//! Removes on a schedule what interrupted uploads have left and nobody has gone on with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use wire::store::sweep::SweepScope;
use wire::store::{LocalFolder, sweep};

/// Sweeps all roots once a day, until stopped. What changed within a week stays: its upload may go on.
pub async fn run(roots: impl Fn() -> Vec<PathBuf> + Send + Sync + 'static, stop: CancellationToken) {
    let roots = Arc::new(roots);
    while !stop.is_cancelled() {
        let (roots, stopping) = (roots.clone(), stop.clone());
        // It ends at the next folder when the server does.
        let swept =
            tokio::task::spawn_blocking(move || roots().into_iter().for_each(|root| one(&root, &stopping)));
        if swept.await.is_err() {
            return;
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await; // nothing to do about being stopped
    }
}

fn one(root: &std::path::Path, stop: &CancellationToken) {
    let swept = LocalFolder::open_ambient(root).and_then(|folder| {
        sweep::below(Arc::new(folder), STALE_AFTER, &SweepScope::All, &mut || stop.is_cancelled())
    });
    match swept {
        Ok(swept) if swept.files > 0 => {
            info!(root = %root.display(), files = swept.files, bytes = swept.bytes, "swept stale uploads");
        }
        Ok(_) => {}
        Err(error) => debug!(root = %root.display(), %error, "cannot be swept"),
    }
}

const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any outage that a client waits for, and than a weekend.
const STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 60 * 60);
