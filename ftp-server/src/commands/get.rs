//! GET: opens a job that sends a file or a tree to the client.

use super::{CommandAnswer, check_sending, locate, run_job};
use crate::context::Context;
use crate::events::Operation;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::control::Envelope;
use wire::disk;
use wire::engine::{FileSource, Pacer, SendJob, Source, TreeSource, count};
use wire::ids::JobId;
use wire::message::{FollowLinks, Get, Opened, Totals};
use wire::metadata::{Kind, Metadata};
use wire::net::control::Outbox;
use wire::sender::{Asking, Sender};
use wire::store::{Folder, Storage, file_clock};
use wire::{Failure, FailureCode, RemotePath};

/// The source of a job.
struct JobSource {
    source: Arc<dyn Source>,
    /// The folder whose content is to be counted.
    folder: Option<Arc<dyn Folder>>,
    /// The totals, where they are known.
    totals: Totals,
}

pub(super) async fn run(
    context: &Context,
    id: u32,
    get: Get,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    check_sending(&get.options, get.window)?;
    let at = file_clock(); // what changes from now on may be other than what is sent
    let (path, recursive, follow) = (get.path.clone(), get.recursive, get.options.follow);
    let opening =
        context.workspace.on_storage(move |storage| open(&storage, &path, recursive, follow)).await?;
    let opened = Opened { path: get.path.clone(), folder: opening.folder.is_some(), at };
    let _ = context.outbox.send(Envelope::new(id, opened)).await; // the session may be over
    if get.totals && opening.totals.complete {
        let _ = context.outbox.send(Envelope::new(id, opening.totals)).await; // the session may be over
    }
    if let Some(folder) = opening.folder.filter(|_| get.totals) {
        let outbox = context.outbox.clone();
        // Ends by itself when the session's outbox is closed; bounded by the tree.
        let (disk, counting) = (context.workspace.disk.clone(), cancelled.clone());
        let counted =
            async move { disk.run_until(&counting, move || tell_totals(folder, id, &outbox)).await };
        drop(tokio::spawn(counted));
    }
    let machine = Sender::new(get.options.checksum, get.window, Asking::of(get.options.resume, Asking::All));
    let job = SendJob::new(JobId(id), machine, opening.source, operation.clone(), Pacer::new(get.rate_limit));
    let job = job.compressing(get.compress).with_deltas(get.options.delta);
    let job = Arc::new(job.changing(get.changing).since(get.options.begun).with_holes(get.options.sparse));
    let running = context.exchange.send(job.clone());
    run_job(running, cancelled, |failure| job.fail(failure)).await
}

fn open(
    storage: &Arc<dyn Storage>,
    path: &RemotePath,
    recursive: bool,
    follow: FollowLinks,
) -> Result<JobSource, Failure> {
    let is_followed = !recursive || follow == FollowLinks::Always;
    let metadata = if !is_followed && !path.is_root() {
        let (folder, name) = locate(&**storage, path)?;
        folder.metadata((&name).into())?
    } else {
        storage.metadata(path)?
    };
    let source: Arc<dyn Source> = match (metadata.kind, recursive) {
        (Kind::Folder, true) => {
            let folder = storage.tree(path, follow)?;
            let source = Arc::new(TreeSource::new(folder.clone())?);
            return Ok(JobSource { source, folder: Some(folder), totals: Totals::default() });
        }
        (Kind::Folder, false) => return Err(FailureCode::IsAFolder.into()),
        (Kind::Special, _) => return Err(FailureCode::SpecialFile.into()),
        (Kind::Symlink, _) => Arc::new(link(&**storage, path, metadata)?),
        (Kind::File, _) => {
            locate(&**storage, path)?; // refuses reserved names
            let (storage, path) = (storage.clone(), path.clone());
            Arc::new(FileSource::new(metadata, move || storage.open_file(&path)))
        }
    };
    let totals = Totals { files: 1, bytes: metadata.size, complete: true };
    Ok(JobSource { source, folder: None, totals })
}

fn link(storage: &dyn Storage, path: &RemotePath, metadata: Metadata) -> Result<FileSource, Failure> {
    let (folder, name) = locate(storage, path)?;
    Ok(FileSource::link(metadata, folder.read_link((&name).into())?))
}

/// Counts ahead of the transfer. A full queue loses a count, never the transfer's time.
fn tell_totals(folder: Arc<dyn Folder>, id: u32, outbox: &Outbox) {
    let told = count(folder, |totals| {
        let envelope = Envelope::new(id, totals);
        if totals.complete {
            disk::elsewhere(|| outbox.blocking_send(envelope).is_ok())
        } else {
            outbox.try_send(envelope) || !outbox.is_closed()
        }
    });
    drop(told); // the transfer itself reports a folder that cannot be read
}
