//! DIGESTS: root digests of files, for a comparison by content.

use crate::workspace::Workspace;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::checksum::{Checksum, Digest};
use wire::limits::BATCH_CHANGES_MAX;
use wire::message::{Digested, Digests};
use wire::metadata::Kind;
use wire::store::{Folder, FolderCache, digest, is_staged};
use wire::{Failure, FailureCode, RemotePath};

pub(super) async fn run(
    workspace: &Workspace,
    asked: Digests,
    cancelled: &CancellationToken,
) -> Result<Digested, Failure> {
    if asked.paths.len() > BATCH_CHANGES_MAX {
        return Err(FailureCode::LimitExceeded.into());
    }
    let Digests { path, checksum, paths, follow } = asked;
    let folder = workspace.on_storage(move |storage| Ok(storage.tree(&path, follow)?)).await?;
    let cancelled = cancelled.clone();
    let digests =
        workspace.on_disk(folder, move |folder| digests_of(folder, &paths, checksum, &cancelled)).await?;
    Ok(Digested { digests })
}

fn digests_of(
    folder: Arc<dyn Folder>,
    paths: &[RemotePath],
    checksum: Checksum,
    cancelled: &CancellationToken,
) -> Result<Vec<Option<Digest>>, Failure> {
    let folders = FolderCache::new(folder);
    let of = |path: &RemotePath| {
        let (parent, name) = path.parent_and_name().filter(|(_, name)| !is_staged(*name))?;
        let folder = folders.get(parent, false).ok()?;
        let is_file = folder.metadata(name).is_ok_and(|found| found.kind == Kind::File);
        let file = is_file.then(|| folder.open_file(name).ok())??; // to open a device may act
        digest::of_file(&*file, checksum, &|| cancelled.is_cancelled()).ok() // a file that cannot be read is found out when it is transferred
    };
    paths
        .iter()
        .map(|path| {
            let digest = of(path);
            // Also if it was cancelled within the file, which has no digest then.
            if cancelled.is_cancelled() { Err(FailureCode::Cancelled.into()) } else { Ok(digest) }
        })
        .collect()
}
