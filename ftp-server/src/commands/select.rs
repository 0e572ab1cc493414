//! SELECT: opens a job that sends to the client what it asks for, item by item.

use super::{CommandAnswer, on_disk};
use crate::context::Context;
use crate::events::Operation;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::control::Envelope;
use wire::engine::{ItemQueue, Pacer, QueueSource, SendJob};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Message, Opened, Select};
use wire::sender::{Asking, Sender};
use wire::store::file_clock;
use wire::{Failure, FailureCode};

pub(super) async fn run(
    context: &Context,
    id: u32,
    select: Select,
    wanted: Arc<ItemQueue>,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    select.options.check_extensions()?;
    if !(1..=WINDOW_FRAMES_MAX).contains(&select.window) {
        return Err(Failure::new(FailureCode::LimitExceeded, "a window of no frames or too many"));
    }
    let path = select.path.clone();
    let folder = on_disk(context, context.storage.clone(), move |storage| Ok(storage.folder(&path)?)).await?;
    let opened = Opened { path: select.path.clone(), folder: true, at: file_clock() };
    let _ = context.outbox.send(Envelope::new(id, opened)).await; // the session may be over
    let source = Arc::new(QueueSource::new(folder, wanted));
    let asking = Asking::of(select.options.resume, Asking::Large(0)); // the client has compared already
    let machine = Sender::new(select.options.checksum, select.window, asking);
    let job = SendJob::new(id, machine, source, operation.clone(), Pacer::new(select.rate_limit));
    let job = Arc::new(job.changing(select.changing).with_holes(select.options.sparse));
    let running = context.exchange.send(job.clone());
    if cancelled.is_cancelled() {
        job.fail(FailureCode::Cancelled.into()); // before the exchange knew the job; from now on the exchange tells it
    }
    match running.await {
        Ok(()) => Ok(None),
        Err(failure) => Ok(Some(Message::from(failure))),
    }
}
