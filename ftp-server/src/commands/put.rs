//! PUT: opens a job that takes files from the client.

use super::{CommandAnswer, locate, locate_in, run_job};
use crate::auth::Principal;
use crate::context::Context;
use crate::events::Operation;
use crate::workspace::Workspace;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use wire::command::Needs;
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::ReceiveJob;
use wire::ids::JobId;
use wire::journal::origin_of;
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Delta, Durability, FollowLinks, Opened, Put, Resume};
use wire::metadata::Kind;
use wire::modes::Modes;
use wire::receiver::Receiver;
use wire::store::marks::{Marks, Unproven};
use wire::store::{
    Base, BusyPatience, Capability, FolderCache, FolderLock, Keeping, Storage, TreeSink, TreeSinkOptions,
    disk_folder, file_clock,
};
use wire::{Access, Failure, FailureCode, Name, RemotePath};

/// Where a job's items go.
struct UploadTarget {
    base: Base,
    path: RemotePath,
    /// Excludes other jobs.
    lock: Option<FolderLock>,
    /// Files that are there and may have lost content.
    unproven: Unproven,
}

impl UploadTarget {
    fn new(base: Base, path: RemotePath, lock: Option<FolderLock>) -> Self {
        Self { base, path, lock, unproven: Unproven::default() }
    }
}

pub(super) async fn run(
    context: &Context,
    id: u32,
    put: Put,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    put.options.check_extensions()?;
    let access = context.workspace.principal.access();
    let add_only = access == Access::Drop;
    if put.exclusive && add_only {
        return Err(FailureCode::AccessDenied.into()); // it would keep others from a folder that is there
    }
    check_capabilities(&*context.workspace.storage, &put)?;
    let origin = origin(&context.workspace.principal);
    let keeping =
        Keeping { key: context.workspace.journal_key.clone(), origin, checksum: put.options.checksum };
    let modes = Modes::as_sent(put.modes_of_new, put.folder_mode);
    let options = TreeSinkOptions {
        overwrite: put.overwrite,
        add_only,
        takes_over: Needs::Remove.met_by(access),
        modes: modes.clone(),
        sparse: put.options.sparse,
        durability: put.durability,
        keeping: (put.options.resume != Resume::Never).then_some(keeping),
        begun: put.options.begun.filter(|_| !put.exclusive), // a mirror has compared already
    };
    let (path, into, exclusive) = (put.path.clone(), put.into.clone(), put.exclusive);
    let (durability, follow, at) = (put.durability, put.options.follow, file_clock());
    let for_opening = cancelled.clone();
    let marks = context.workspace.marks.clone();
    let opening = move |storage: Arc<dyn Storage>| {
        if for_opening.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
        let opening = if exclusive {
            exclusive_base(&*storage, path.clone(), follow, durability, modes.of_unknown_folder())?
        } else {
            base(&*storage, path.clone(), into.clone(), follow)?
        };
        let begin = |marks: &Arc<Marks>| marks.begin(&opening.base.folder(), durability == Durability::Power);
        let unproven = marks.as_ref().map(begin).unwrap_or_default();
        Ok(UploadTarget { unproven, ..opening })
    };
    let opened = when_free(&context.workspace, opening, cancelled).await;
    let UploadTarget { base, path, lock, unproven } = opened.map_err(|failure| {
        operation.end(Err(&failure)); // the log has the cause
        if add_only { blind_opening(failure) } else { failure }
    })?;
    let _locked = FolderLockGuard { lock, disk: context.workspace.disk.clone() };
    operation.set_path(&path);
    let above = if exclusive { None } else { path.split_last() };
    let (storage, place) =
        (context.workspace.storage.clone(), above.map_or_else(|| path.clone(), |(above, _)| above));
    let _ = context.outbox.send(Envelope::new(id, Opened { path, folder: false, at })).await;
    let machine = Receiver::new(put.options.checksum, WINDOW_FRAMES_MAX).with_holes(put.options.sparse);
    let sink = TreeSink::new(base, options).until(cancelled.clone()).doubting(unproven);
    let sink = sink.found_by(move || storage.folder(&place));
    let job = ReceiveJob::new(JobId(id), machine, Box::new(sink), operation.clone());
    let job = job.with_deltas(put.options.delta != Delta::Never);
    let job = Arc::new(if add_only { job.telling(blind_item) } else { job });
    let running = context.exchange.receive(job.clone());
    run_job(running, cancelled, |failure| job.fail(failure)).await
}

/// Refuses what the storage cannot do.
fn check_capabilities(storage: &dyn Storage, put: &Put) -> Result<(), Failure> {
    let capabilities = storage.capabilities();
    if put.durability == Durability::Power {
        capabilities.require(Capability::PowerDurability)?;
    }
    if put.options.sparse { capabilities.require(Capability::Holes) } else { Ok(()) }
}

/// The failure to open a job, for a user who may only add: whatever is in the way of the folder, there is none to add to.
fn blind_opening(failure: Failure) -> Failure {
    if is_of_what_is_there(failure.code) { FailureCode::NotFound.into() } else { failure }
}

/// The failure of an item, for a user who may only add: whatever has its name, or that of a folder above it, the name is taken.
fn blind_item(failure: Failure) -> Failure {
    if is_of_what_is_there(failure.code) { FailureCode::Exists.into() } else { failure }
}

/// True for failures that tell what is at a path, and where its links lead.
fn is_of_what_is_there(code: FailureCode) -> bool {
    use FailureCode::{Exists, IsAFolder, NotAFolder, NotEmpty, NotFound, OutsideRoot, SpecialFile};
    matches!(code, NotFound | Exists | NotAFolder | IsAFolder | NotEmpty | OutsideRoot | SpecialFile)
}

/// The sender, as journals have it.
pub(super) fn origin(principal: &Principal) -> [u8; 16] {
    origin_of(&[principal.name().as_bytes()])
}

/// Keeps other jobs out of the folder. Releasing the lock may block on the filesystem.
struct FolderLockGuard {
    lock: Option<FolderLock>,
    disk: Arc<Disk>,
}

impl Drop for FolderLockGuard {
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take() {
            self.disk.dispose(lock);
        }
    }
}

/// Tries until no other job has the folder, for a moment: one whose client was killed may have to wait for a sync yet. No thread waits.
async fn when_free(
    workspace: &Workspace,
    open: impl Fn(Arc<dyn Storage>) -> Result<UploadTarget, Failure> + Clone + Send + 'static,
    cancelled: &CancellationToken,
) -> Result<UploadTarget, Failure> {
    let patience = BusyPatience::default();
    loop {
        let opened = workspace.on_storage(open.clone()).await;
        let pause = opened.as_ref().err().and_then(|failure| patience.pause_after(failure));
        let Some(pause) = pause else { return opened };
        if cancelled.run_until_cancelled(sleep(pause)).await.is_none() {
            return opened;
        }
    }
}

/// The folder `path`, made if it is missing, and a lock that keeps other exclusive jobs out.
fn exclusive_base(
    storage: &dyn Storage,
    path: RemotePath,
    follow: FollowLinks,
    durability: Durability,
    folder_mode: u32,
) -> Result<UploadTarget, Failure> {
    if !path.is_root() {
        let (parent, name) = locate(storage, &path)?;
        match parent.make_folder((&name).into(), folder_mode) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        if durability == Durability::Power
            && let Some(parent) = disk_folder(&parent)
        {
            parent.sync()?; // also for a run before that came to no sync
        }
    }
    let folder = storage.tree(&path, follow)?;
    let lock = folder.lock()?;
    Ok(UploadTarget::new(Base::Folder(FolderCache::new(folder)), path, Some(lock)))
}

/// Where the job's items go. The folder above must exist, as for cp and scp.
fn base(
    storage: &dyn Storage,
    path: RemotePath,
    into: Option<Name>,
    follow: FollowLinks,
) -> Result<UploadTarget, Failure> {
    let named = |target: RemotePath| {
        let (parent, name) = locate_in(storage, &target, follow)?;
        Ok(UploadTarget::new(Base::named(parent, name), target, None))
    };
    if let Some(name) = into
        && storage.metadata(&path).is_ok_and(|metadata| metadata.kind == Kind::Folder)
    {
        return named(path.join(&name)?);
    }
    if path.is_root() {
        let folder = storage.tree(&path, follow)?;
        return Ok(UploadTarget::new(Base::Folder(FolderCache::new(folder)), path, None));
    }
    named(path)
}
