//! Removes what interrupted transfers have left: staged files and their journals, but for those in use.

use super::Folder;
use crate::message::Swept;
use crate::path::RemotePath;
use crate::store::walk::{Visit, Walk};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Sweeps `folder` and all folders below it, until told to stop. Only what has not changed for `idle` goes. Folders that cannot
/// be read are left out: nobody has staged anything there, or nobody may remove it.
///
/// # Errors
/// If the folder itself cannot be read.
pub fn below(folder: Arc<dyn Folder>, idle: Duration, stop: &mut dyn FnMut() -> bool) -> io::Result<Swept> {
    let idle = idle.max(STAGED_AGE_MIN);
    let mut swept = folder.sweep(idle)?;
    let mut walk = Walk::new(folder, RemotePath::root())?;
    while let Some(visit) = walk.step() {
        if stop() {
            break;
        }
        if let Visit::Enter(_, _, folder) = visit
            && let Ok(Swept { files, bytes, kept }) = folder.sweep(idle)
        {
            swept.files += files;
            swept.bytes += bytes;
            swept.kept += kept;
        }
    }
    Ok(swept)
}

/// A staged file that is younger may be about to be locked, and a staged link to get its name.
const STAGED_AGE_MIN: Duration = Duration::from_secs(2);
