//! The commands: one file each, one arm each in [`run`]. The gate has admitted the request before it comes here.

mod batch;
mod copy;
mod digests;
mod fidelity;
mod get;
mod hash;
mod link;
mod list;
mod list_filter;
mod make_folder;
mod put;
mod read;
mod remove;
mod rename;
mod replace;
mod select;
mod set_metadata;
mod space;
mod stat;
mod sweep;

use crate::context::Context;
use crate::events::Operation;
use crate::workspace::Workspace;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use wire::command::Needs;
use wire::control::Envelope;
use wire::engine::JobEnd;
use wire::limits::{BATCH_CHANGES_MAX, CHUNK_LEN, READ_LEN_MAX, WINDOW_FRAMES_MAX, XATTRS_LEN_MAX};
use wire::message::{
    Batch, Call, CopyFile, Digests, Done, FollowLinks, Hash, JobOptions, Message, Replace, Request,
};
use wire::store::{COPY_BUFFER_LEN, Folder, Storage, is_staged, reserved_name};
use wire::{Access, Failure, FailureCode, Name, RemotePath};

/// Runs a request and answers it.
pub(crate) async fn run(context: &Arc<Context>, id: u32, request: Request, cancelled: &CancellationToken) {
    let (name, operation) = (request.spec().name, context.workspace.events.begin(&request));
    let room = cancelled.run_until_cancelled(context.exchange.room(answer_len(&request))).await;
    let answer = if room.is_some() {
        answer(context, id, request, cancelled, &operation).await
    } else {
        Err(FailureCode::Cancelled.into())
    };
    operation.end(match &answer {
        Err(failure) | Ok(Some(Message::Failure(failure))) => Err(failure),
        Ok(_) => Ok(()),
    });
    let answer = match answer {
        Ok(Some(message)) => message,
        Ok(None) => return,
        Err(failure) => failure.into(),
    };
    debug!(command = name, id, "answered");
    let charge = room.unwrap_or_default();
    let _ = context.outbox.send_charged(Envelope::new(id, answer), charge).await; // the session may be over
}

async fn answer(
    context: &Arc<Context>,
    id: u32,
    request: Request,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    let (for_work, of_work) = (cancelled.clone(), operation.clone());
    let workspace = &context.workspace;
    match request {
        Request::List(list) => list::run(context, id, list, cancelled, operation).await,
        Request::Stat(stat) => {
            let marks = workspace.marks.clone();
            let work = move |storage: &dyn Storage, stat| stat::run(storage, stat, marks.as_deref());
            blocking(workspace, cancelled, stat, work).await
        }
        Request::Get(get) => get::run(context, id, get, cancelled, operation).await,
        Request::Put(put) => put::run(context, id, put, cancelled, operation).await,
        Request::MakeFolder(make) => {
            let work = move |storage: &dyn Storage, make| make_folder::run(storage, make, &of_work);
            blocking(workspace, cancelled, make, work).await
        }
        Request::Remove(remove) => {
            let work = move |storage: &dyn Storage, remove| remove::run(storage, remove, &for_work, &of_work);
            blocking(workspace, cancelled, remove, work).await
        }
        Request::Rename(rename) => {
            let work = move |storage: &dyn Storage, rename| rename::run(storage, rename, &of_work);
            blocking(workspace, cancelled, rename, work).await
        }
        Request::SetMetadata(set) => {
            let access = workspace.principal.access();
            let work = move |storage: &dyn Storage, set| set_metadata::run(storage, set, access);
            blocking(workspace, cancelled, set, work).await
        }
        Request::Link(link) => blocking(workspace, cancelled, link, link::run).await,
        Request::Hash(hash) => answer_of::<Hash>(hash::run(workspace, hash, cancelled, operation).await),
        Request::Space(space) => blocking(workspace, cancelled, space, space::run).await,
        Request::Select(select) => match context.wanted(id) {
            Some(wanted) => select::run(context, id, select, wanted, cancelled, operation).await,
            None => Err(FailureCode::BadState.into()),
        },
        Request::Digests(asked) => answer_of::<Digests>(digests::run(workspace, asked, cancelled).await),
        Request::Replace(asked) => answer_of::<Replace>(replace::run(context, &asked).await),
        Request::Sweep(asked) => {
            let scope = sweep::scope(&workspace.principal, &workspace.journal_key);
            let work =
                move |storage: &dyn Storage, asked| sweep::run(storage, &asked, &scope, &for_work, &of_work);
            blocking(workspace, cancelled, asked, work).await
        }
        Request::Fidelity(asked) => blocking(workspace, cancelled, asked, fidelity::run).await,
        Request::CopyFile(copy) => {
            answer_of::<CopyFile>(copy::run(workspace, copy, cancelled, operation).await)
        }
        Request::ReadFile(read) => {
            let work = move |storage: &dyn Storage, read| read::run(storage, &read, &of_work);
            blocking(workspace, cancelled, read, work).await
        }
        Request::Batch(batch) => {
            let (access, marks) = (workspace.principal.access(), workspace.marks.clone());
            let made = workspace
                .on_storage(move |storage| batch::run(&*storage, &batch, access, &for_work, &of_work, marks));
            answer_of::<Batch>(made.await) // each of its changes is cancelled by itself
        }
    }
}

/// Returns the memory that a request's answer, or making it, takes in bytes; 0 for short answers.
fn answer_len(request: &Request) -> usize {
    match request {
        Request::Stat(stat) if stat.details.xattrs => 3 * XATTRS_LEN_MAX,
        Request::Hash(_) => CHUNK_LEN,
        Request::Digests(_) => CHUNK_LEN + 64 * BATCH_CHANGES_MAX,
        Request::Batch(_) => 256 * BATCH_CHANGES_MAX,
        Request::CopyFile(_) => COPY_BUFFER_LEN,
        Request::ReadFile(_) => READ_LEN_MAX as usize,
        Request::List(_)
        | Request::Stat(_)
        | Request::Get(_)
        | Request::Put(_)
        | Request::MakeFolder(_)
        | Request::Remove(_)
        | Request::Rename(_)
        | Request::SetMetadata(_)
        | Request::Link(_)
        | Request::Space(_)
        | Request::Select(_)
        | Request::Replace(_)
        | Request::Sweep(_)
        | Request::Fidelity(_) => 0,
    }
}

/// Returns false if a request has a time out of range.
pub(crate) fn has_times_in_range(request: &Request) -> bool {
    let time = match request {
        Request::Get(get) => get.options.begun,
        Request::Put(put) => put.options.begun,
        Request::SetMetadata(set) => set.modified,
        Request::Select(_) | Request::Batch(_) => None, // looked at item by item
        Request::List(_)
        | Request::Stat(_)
        | Request::MakeFolder(_)
        | Request::Remove(_)
        | Request::Rename(_)
        | Request::Link(_)
        | Request::Hash(_)
        | Request::Space(_)
        | Request::Digests(_)
        | Request::Replace(_)
        | Request::Sweep(_)
        | Request::Fidelity(_)
        | Request::CopyFile(_)
        | Request::ReadFile(_) => None,
    };
    time.is_none_or(|time| time.is_possible())
}

/// The answer of a command; `None` if it has answered by itself.
type CommandAnswer = Result<Option<Message>, Failure>;

/// Answers a request, with the answer that its row names.
fn answer_of<C: Call>(answer: Result<C::Answer, Failure>) -> CommandAnswer {
    answer.map(|answer| Some(answer.into()))
}

/// Does a request's filesystem work where it may block, unless it was cancelled before its turn came.
async fn blocking<C: Call>(
    workspace: &Workspace,
    cancelled: &CancellationToken,
    request: C,
    work: impl FnOnce(&dyn Storage, C) -> Result<C::Answer, Failure> + Send + 'static,
) -> CommandAnswer {
    let cancelled = cancelled.clone();
    let work = move |storage: Arc<dyn Storage>| {
        if cancelled.is_cancelled() { Err(FailureCode::Cancelled.into()) } else { work(&*storage, request) }
    };
    answer_of::<C>(workspace.on_storage(work).await)
}

/// Refuses options of a sending job that this version does not know, and windows out of range.
fn check_sending(options: &JobOptions, window: u32) -> Result<(), Failure> {
    options.check_extensions()?;
    if (1..=WINDOW_FRAMES_MAX).contains(&window) {
        Ok(())
    } else {
        Err(Failure::new(FailureCode::LimitExceeded, "a window of no frames or too many"))
    }
}

/// Runs a job to its end. `fail` ends it at once if its request was cancelled before the exchange knew it; from then on the exchange does.
async fn run_job(
    running: impl Future<Output = JobEnd>,
    cancelled: &CancellationToken,
    fail: impl FnOnce(Failure),
) -> CommandAnswer {
    if cancelled.is_cancelled() {
        fail(FailureCode::Cancelled.into());
    }
    Ok(running.await.err().map(Message::from))
}

/// Returns the folder of `path`, and the name in it. The root itself has neither, and reserved names are refused.
fn locate(storage: &dyn Storage, path: &RemotePath) -> Result<(Arc<dyn Folder>, Name), Failure> {
    locate_in(storage, path, FollowLinks::Never)
}

/// As [`locate`], with a folder whose links are treated by `follow`.
fn locate_in(
    storage: &dyn Storage,
    path: &RemotePath,
    follow: FollowLinks,
) -> Result<(Arc<dyn Folder>, Name), Failure> {
    let (parent, name) =
        path.split_last().ok_or_else(|| Failure::new(FailureCode::InvalidPath, "that is the root itself"))?;
    if is_staged((&name).into()) {
        return Err(reserved_name());
    }
    Ok((storage.tree(&parent, follow)?, name))
}

/// Refuses changes of the root folder itself without the right to remove its content: its permissions could lock out all who share it.
fn check_root(access: Access) -> Result<(), Failure> {
    if Needs::Remove.met_by(access) {
        Ok(())
    } else {
        Err(Failure::new(FailureCode::AccessDenied, "changing the root folder itself needs full access"))
    }
}

/// Returns the answer of a command without a result.
fn done() -> Result<Done, Failure> {
    Ok(Done)
}
