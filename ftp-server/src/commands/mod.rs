//! The commands: one file each, one arm each in [`run`]. The gate has admitted the request before it comes here.

mod batch;
mod digests;
mod fidelity;
mod get;
mod hash;
mod link;
mod list;
mod make_folder;
mod put;
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
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use wire::command::{Needs, Spec};
use wire::control::Envelope;
use wire::engine::JobEnd;
use wire::limits::{BATCH_CHANGES_MAX, CHUNK_LEN, WINDOW_FRAMES_MAX, XATTRS_LEN_MAX};
use wire::message::{Details, Done, JobOptions, Message, Stat};
use wire::store::{Folder, Storage, is_staged, reserved_name};
use wire::{Access, Failure, FailureCode, Name, RemotePath};

/// Runs a request and answers it.
pub(crate) async fn run(
    context: &Arc<Context>,
    spec: &Spec,
    id: u32,
    message: Message,
    cancelled: &CancellationToken,
) {
    let operation = context.events.begin(spec.name, &message);
    let room = cancelled.run_until_cancelled(context.exchange.room(answer_len(&message))).await;
    let answer = if room.is_some() {
        answer(context, id, message, cancelled, &operation).await
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
    debug!(command = spec.name, id, "answered");
    let charge = room.unwrap_or_default();
    let _ = context.outbox.send_charged(Envelope::new(id, answer), charge).await; // the session may be over
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the gate lets only messages with a row come here")]
async fn answer(
    context: &Arc<Context>,
    id: u32,
    message: Message,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    let (for_work, of_work) = (cancelled.clone(), operation.clone());
    match message {
        Message::List(list) => list::run(context, id, list, cancelled, operation).await,
        Message::Stat(stat) => {
            let marks = context.shared.marks.clone();
            blocking(context, cancelled, move |storage| stat::run(storage, stat, marks.as_deref())).await
        }
        Message::Get(get) => get::run(context, id, get, cancelled, operation).await,
        Message::Put(put) => put::run(context, id, put, cancelled, operation).await,
        Message::MakeFolder(make) => {
            blocking(context, cancelled, move |storage| make_folder::run(storage, make, &of_work)).await
        }
        Message::Remove(remove) => {
            blocking(context, cancelled, move |storage| remove::run(storage, remove, &for_work, &of_work))
                .await
        }
        Message::Rename(rename) => {
            blocking(context, cancelled, move |storage| rename::run(storage, rename, &of_work)).await
        }
        Message::SetMetadata(set) => {
            let access = context.principal.access();
            blocking(context, cancelled, move |storage| set_metadata::run(storage, set, access)).await
        }
        Message::Link(link) => blocking(context, cancelled, move |storage| link::run(storage, link)).await,
        Message::Hash(hash) => hash::run(context, hash, cancelled, operation).await,
        Message::Space(space) => {
            blocking(context, cancelled, move |storage| space::run(storage, space)).await
        }
        Message::Select(select) => match context.wanted(id) {
            Some(wanted) => select::run(context, id, select, wanted, cancelled, operation).await,
            None => Err(FailureCode::BadState.into()),
        },
        Message::Digests(asked) => digests::run(context, asked, cancelled).await,
        Message::Replace(asked) => replace::run(context, &asked).await,
        Message::Sweep(asked) => {
            let scope = sweep::scope(&context.principal, &context.journal_key);
            let work = move |storage: &dyn Storage| sweep::run(storage, &asked, &scope, &for_work, &of_work);
            blocking(context, cancelled, work).await
        }
        Message::Fidelity(asked) => {
            blocking(context, cancelled, move |storage| fidelity::run(storage, &asked)).await
        }
        Message::Batch(batch) => {
            let (access, marks) = (context.principal.access(), context.shared.marks.clone());
            let made = on_disk(context, context.storage.clone(), move |storage| {
                batch::run(&*storage, &batch, access, &for_work, &of_work, marks)
            });
            made.await.map(|made| Some(made.into())) // of a batch each change is cancelled by itself
        }
        _ => Err(FailureCode::Unsupported.into()), // a message with a row and no arm; a test looks for such
    }
}

/// Returns the memory that a request's answer, or making it, takes in bytes; 0 for short answers.
#[allow(clippy::wildcard_enum_match_arm, reason = "all others are answered in a few sentences")]
fn answer_len(message: &Message) -> usize {
    match message {
        Message::Stat(Stat { details: Details { xattrs: true, .. }, .. }) => 3 * XATTRS_LEN_MAX,
        Message::Hash(_) => CHUNK_LEN,
        Message::Digests(_) => CHUNK_LEN + 64 * BATCH_CHANGES_MAX,
        Message::Batch(_) => 256 * BATCH_CHANGES_MAX,
        _ => 0,
    }
}

/// Returns false if a request has a time out of range.
#[allow(clippy::wildcard_enum_match_arm, reason = "all others have no times, or are looked at item by item")]
pub(crate) fn has_times_in_range(message: &Message) -> bool {
    let time = match message {
        Message::Get(get) => get.options.begun,
        Message::Put(put) => put.options.begun,
        Message::SetMetadata(set) => set.modified,
        _ => None,
    };
    time.is_none_or(|time| time.is_possible())
}

/// The answer of a command; `None` if it has answered by itself.
type CommandAnswer = Result<Option<Message>, Failure>;

/// Does filesystem work where it may block, unless it was cancelled before its turn came.
async fn blocking<T: Into<Message> + Send + 'static>(
    context: &Context,
    cancelled: &CancellationToken,
    work: impl FnOnce(&dyn Storage) -> Result<T, Failure> + Send + 'static,
) -> CommandAnswer {
    let cancelled = cancelled.clone();
    let work = move |storage: Arc<dyn Storage>| {
        if cancelled.is_cancelled() { Err(FailureCode::Cancelled.into()) } else { work(&*storage) }
    };
    on_disk(context, context.storage.clone(), work).await.map(|message| Some(message.into()))
}

async fn on_disk<A: Send + 'static, T: Send + 'static>(
    context: &Context,
    argument: A,
    work: impl FnOnce(A) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    context.disk.run_soon(move || work(argument)).await?
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
    let (parent, name) =
        path.split_last().ok_or_else(|| Failure::new(FailureCode::InvalidPath, "that is the root itself"))?;
    if is_staged((&name).into()) {
        return Err(reserved_name());
    }
    Ok((storage.folder(&parent)?, name))
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
