//! Fetching: a job whose receiver is here.

use crate::error::Error;
use crate::local;
use crate::observer::{Observer, Silent, Summary};
use crate::report::Reporter;
use crate::session::{GetRequest, Session, job_error};
use crate::stream_sink::StreamSink;
use std::sync::Arc;
use wire::RemotePath;
use wire::engine::{Base, ReceiveJob, Sink, TreeSink, TreeSinkOptions};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Cancel, Get};
use wire::receiver::Receiver;
use wire::store::FolderCache;

/// Fetches a file or a tree to local files.
pub(crate) async fn to_files(
    session: &Session,
    request: GetRequest,
    observer: Arc<dyn Observer>,
) -> Result<Summary, Error> {
    let GetRequest { path, recursive, target, overwrite, durability, totals } = request;
    let base = local::blocking(move || {
        let (parent, name) = local::place(&target)?;
        let folder = local::folder(&parent)?;
        Ok(match name {
            Some(name) => Base::named(folder, name),
            None => Base::Folder(FolderCache::new(folder)),
        })
    })
    .await?;
    let (add_only, sparse) = (false, false);
    let options = TreeSinkOptions { overwrite, add_only, mode_mask: MODE_MASK, sparse, durability };
    let sink = Box::new(TreeSink::new(base, options));
    let get = Get { recursive, totals, ..get(session, path, WINDOW_FRAMES_MAX) };
    run(session, get, sink, observer).await
}

/// Writes a file's content to a stream.
pub(crate) async fn to_stream(
    session: &Session,
    path: &RemotePath,
    output: Box<dyn std::io::Write + Send>,
) -> Result<Summary, Error> {
    let sink = Box::new(StreamSink::new(output));
    run(session, get(session, path.clone(), STREAM_WINDOW_FRAMES), sink, Arc::new(Silent)).await
}

fn get(session: &Session, path: RemotePath, window: u32) -> Get {
    let inner = &session.inner;
    Get {
        path,
        recursive: false,
        checksum: inner.checksum,
        window,
        rate_limit: inner.rate_limit,
        totals: false,
    }
}

async fn run(
    session: &Session,
    get: Get,
    sink: Box<dyn Sink>,
    observer: Arc<dyn Observer>,
) -> Result<Summary, Error> {
    let control = &session.inner.control;
    let (id, path) = (control.next_id(), get.path.clone());
    let reporter = Reporter::new(observer, get.checksum);
    let machine = Receiver::new(get.checksum, get.window);
    let job = Arc::new(ReceiveJob::new(id, machine, sink, reporter.clone()));
    let before = control.exchange.lane_bytes();
    control.exchange.opening(id);
    let running = control.exchange.receive(job);
    let _opened = control.request(id, get.into()).await?;
    session.open_lanes();
    let end = running.await;
    let summary = reporter.summary(control.exchange.lane_bytes() - before);
    match end {
        Ok(()) => Ok(summary),
        Err(failure) => {
            let _ = control.outbox.try_send(wire::control::Envelope::new(id, Cancel)); // the server may have ended it
            Err(job_error(control, &path, failure))
        }
    }
}

/// Set-id and sticky bits of a server's files mean something else here, so they are not taken over.
pub(crate) const MODE_MASK: u32 = 0o777;
/// What may come ahead of its turn, and is held until it can be written: 8 MiB.
const STREAM_WINDOW_FRAMES: u32 = 16;
