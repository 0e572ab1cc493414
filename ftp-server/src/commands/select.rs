//! SELECT: opens a job that sends to the client what it asks for, item by item.

use super::{CommandAnswer, check_sending, run_job};
use crate::context::Context;
use crate::events::Operation;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::control::Envelope;
use wire::engine::{ItemQueue, Pacer, QueueSource, SendJob};
use wire::ids::JobId;
use wire::message::{Opened, Select};
use wire::sender::{Asking, Sender};
use wire::store::file_clock;

pub(super) async fn run(
    context: &Context,
    id: u32,
    select: Select,
    wanted: Arc<ItemQueue>,
    cancelled: &CancellationToken,
    operation: &Arc<Operation>,
) -> CommandAnswer {
    check_sending(&select.options, select.window)?;
    let (path, follow) = (select.path.clone(), select.options.follow);
    let folder = context.workspace.on_storage(move |storage| Ok(storage.tree(&path, follow)?)).await?;
    let opened = Opened { path: select.path.clone(), folder: true, at: file_clock() };
    let _ = context.outbox.send(Envelope::new(id, opened)).await; // the session may be over
    let source = Arc::new(QueueSource::new(folder, wanted));
    let asking = Asking::of(select.options.resume, Asking::Large(0)); // the client has compared already
    let machine = Sender::new(select.options.checksum, select.window, asking);
    let job = SendJob::new(JobId(id), machine, source, operation.clone(), Pacer::new(select.rate_limit));
    let job = job.compressing(select.compress).with_deltas(select.options.delta);
    let job = Arc::new(job.changing(select.changing).with_holes(select.options.sparse));
    let running = context.exchange.send(job.clone());
    run_job(running, cancelled, |failure| job.fail(failure)).await
}
