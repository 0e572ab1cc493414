//! The backup folder of a mirror: where it may be, and where it is in the target.

use super::inputs::{MirrorInputs, identity, open_local};
use crate::error::Error;
use crate::local;
use crate::mirror::target::{MirrorDirection, Trees};
use crate::mirror::{MirrorOptions, MirrorRequest};
use crate::session::Session;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::command::Needs;
use wire::message::{Details, FollowLinks};
use wire::{Access, Failure, FailureCode, RemotePath};

/// Checks that the user may make a backup at the server, which needs what a rename needs: before anything is done.
pub(super) fn check_backup(request: &MirrorRequest, access: Access) -> Result<(), Error> {
    let is_at_server = request.options.backup.is_some() && request.direction == MirrorDirection::Upload;
    if !is_at_server || Needs::Remove.met_by(access) {
        return Ok(());
    }
    let reason = "--backup renames files of the target, which needs full access";
    Err(Error::remote(&request.remote, Failure::new(FailureCode::AccessDenied, reason)))
}

/// Checks that the backup is not the target itself, which would keep no old file: before anything is done, if it is there already.
pub(super) async fn check_backup_place(
    session: &Session,
    request: &MirrorRequest,
    inputs: &MirrorInputs,
) -> Result<(), Error> {
    let Some(path) = request.options.backup.clone() else { return Ok(()) };
    let links = Details { links: true, ..Details::default() };
    let (target, backup) = match request.direction {
        MirrorDirection::Upload => {
            let Ok(there) = RemotePath::from_user(path.as_os_str().as_bytes()) else { return Ok(()) };
            (inputs.remote_root.as_ref(), session.stat_folder(&there, links).await.ok())
        }
        MirrorDirection::Download => {
            let found =
                local::blocking(move || open_local(&path, &RemotePath::root(), links, FollowLinks::Never))
                    .await;
            (inputs.local_root.as_ref(), found.ok().and_then(|(root, _)| root))
        }
    };
    if identity(target).is_none() || identity(target) != identity(backup.as_ref()) {
        return Ok(()); // what else leads there is found out where it is written
    }
    Err(Error::Refused("the folder of --backup is TARGET itself, so nothing would be kept".to_owned()))
}

/// The path of the backup folder in the target, if it is there: what was set aside is not to be deleted next time.
pub(super) fn backup_below(trees: &Trees, options: &MirrorOptions) -> Option<RemotePath> {
    let backup = options.backup.as_ref()?;
    let below = match trees.direction {
        MirrorDirection::Upload => {
            RemotePath::from_user(backup.as_os_str().as_bytes()).ok()?.strip_prefix(&trees.remote)
        }
        MirrorDirection::Download => {
            let below = |target: PathBuf, backup: PathBuf| {
                RemotePath::from_user(backup.strip_prefix(target).ok()?.as_os_str().as_bytes()).ok()
            };
            // By its name first: a link of that name in the target is one that was mirrored, and leads the backup nowhere.
            let named = below(std::path::absolute(&trees.shown).ok()?, std::path::absolute(backup).ok()?);
            named.or_else(|| below(resolved(&trees.shown)?, resolved(backup)?))
        }
    };
    below.filter(|below| !below.is_root())
}

/// The path without links, as far as it is there.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)))?;
    Some(there.1.join(path.strip_prefix(there.0).ok()?))
}
