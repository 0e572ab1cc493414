//! Removes, on a schedule, partial files of interrupted uploads that were not resumed.

use crate::disks::{Disks, OpenedRoot};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};
use wire::RemotePath;
use wire::modes::ModePolicy;
use wire::store::sweep::{self, SweepScope};

/// Sweeps all roots once a day, until stopped. What changed within a week stays: its upload may go on.
pub async fn run(
    disks: Arc<Disks>,
    roots: impl Fn() -> Vec<PathBuf> + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let roots = Arc::new(roots);
    while !stop.is_cancelled() {
        let roots = roots.clone();
        let Ok(roots) = tokio::task::spawn_blocking(move || roots()).await else { return };
        for root in roots {
            // A root that hangs is left behind, so that the others are swept.
            let swept = tokio::time::timeout(PATIENCE, one(&disks, &root, &stop));
            if stop.run_until_cancelled(swept).await.is_none() {
                return;
            }
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await; // being stopped needs no action
    }
}

/// It ends at the next folder when the server does.
async fn one(disks: &Disks, root: &Path, stop: &CancellationToken) {
    let swept = match disks.open(root, ModePolicy::default(), PATIENCE).await {
        Ok(OpenedRoot { storage, disk }) => {
            let stop = stop.clone();
            let sweep = move || {
                let folder = storage.folder(&RemotePath::root())?;
                sweep::below(folder, STALE_AFTER, &SweepScope::All, &mut || stop.is_cancelled())
            };
            disk.run(sweep).await.map_err(std::io::Error::from).and_then(|swept| swept)
        }
        Err(error) => Err(error),
    };
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
/// How long the next root waits for one that does not end.
const PATIENCE: Duration = Duration::from_secs(60 * 60);
