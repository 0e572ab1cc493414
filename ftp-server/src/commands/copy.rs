//! COPY: copies a file within the user's root, in portions so that a large one shares the disk's threads with other requests.

use super::locate;
use crate::events::Operation;
use crate::workspace::Workspace;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::Failure;
use wire::message::{Copied, CopyFile};
use wire::metadata::Kind;
use wire::store::marks::Marks;
use wire::store::{FileCopy, Storage};

pub(super) async fn run(
    workspace: &Workspace,
    copy: CopyFile,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> Result<Copied, Failure> {
    let (marks, of_work) = (workspace.marks.clone(), operation.clone());
    let opening = move |storage: Arc<dyn Storage>| begin(&*storage, copy, marks.as_ref(), &of_work);
    let mut active = workspace.on_storage(opening).await?;
    while !active.is_complete {
        let stop = cancelled.clone();
        active = workspace
            .on_disk(active, move |mut active| {
                active.is_complete = active.copy.copy_portion(&|| stop.is_cancelled())?;
                Ok(active)
            })
            .await?;
    }
    let stop = cancelled.clone();
    let finish = move |ActiveCopy { copy, path, .. }: ActiveCopy| {
        Ok(Copied { path, bytes: copy.finish(&|| stop.is_cancelled())? })
    };
    let copied = workspace.on_disk(active, finish).await?;
    operation.count(|counts| {
        counts.files += 1;
        counts.bytes += copied.bytes;
    });
    Ok(copied)
}

/// A copy under way.
struct ActiveCopy {
    copy: FileCopy,
    path: wire::RemotePath,
    is_complete: bool,
}

fn begin(
    storage: &dyn Storage,
    CopyFile { from, to, into, overwrite }: CopyFile,
    marks: Option<&Arc<Marks>>,
    operation: &Operation,
) -> Result<ActiveCopy, Failure> {
    let source = storage.open_file(&from)?;
    let within = into.filter(|_| storage.metadata(&to).is_ok_and(|found| found.kind == Kind::Folder));
    let path = match within {
        Some(name) => to.join(&name)?,
        None => to,
    };
    operation.set_target(&path);
    let (folder, name) = locate(storage, &path).map_err(of_target)?;
    let unproven = marks.map(|marks| marks.begin(&folder, false)).unwrap_or_default();
    let copy = FileCopy::begin(source, folder, name, overwrite, &unproven)?;
    Ok(ActiveCopy { copy, path, is_complete: false })
}

/// Says that a failure is about the target: the request has two paths.
fn of_target(failure: Failure) -> Failure {
    Failure::new(failure.code, format!("the target: {failure}"))
}
