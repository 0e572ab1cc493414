//! Fetching: a job whose receiver is here.

use crate::error::Error;
use crate::expected_items::{self, AllowListSink};
use crate::local;
use crate::local_error_context::LocalErrorContext;
use crate::observer::{NoopTransferObserver, TransferObserver, TransferSummary};
use crate::options::{SendingRules, TransferOptions, delta_here, job, keeping};
use crate::report::Reporter;
use crate::requested_job::RequestedJob;
use crate::resume_store::{ResumeRecord, about};
use crate::session::Session;
use crate::stream_sink::StreamSink;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use wire::engine::{ReceiveJob, Role};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Changing, Compress, Delta, Get, JobOptions, Resume};
use wire::receiver::Receiver;
use wire::store::{Base, FolderCache, Sink, TreeSink};
use wire::{FailureCode, Name, RemotePath};

/// A file or a tree to fetch.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// From here.
    pub path: RemotePath,
    /// It is a folder, or a link to one, which is followed.
    pub must_be_folder: bool,
    /// With all below it.
    pub recursive: bool,
    /// To here...
    pub target: PathBuf,
    /// ...or, if that is a folder, to this name within it.
    pub into: Option<Name>,
    /// Ask for totals while it runs.
    pub totals: bool,
    /// The rules of the transfer.
    pub options: TransferOptions,
}

impl GetRequest {
    /// The local path that the item becomes as things are now.
    #[must_use]
    pub fn becomes(&self) -> PathBuf {
        match &self.into {
            Some(name) if self.target.is_dir() => self.target.join(OsStr::from_bytes(name.as_bytes())),
            Some(_) | None => self.target.clone(),
        }
    }
}

impl Session {
    /// Fetches a file or a tree.
    ///
    /// # Errors
    /// If no item could be fetched, or the connection is lost; items that fail are in the summary.
    pub async fn get(
        &self,
        request: GetRequest,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<TransferSummary, Error> {
        let into = request.into.as_ref().map_or(&b""[..], Name::as_bytes);
        let about = about(b"get", &self.inner.key, &[request.path.as_bytes(), into], &request.target);
        let reporter = Reporter::new(observer, self.checksum());
        self.lasting(request.options.resume.then_some(about), |session, resume, record| {
            let (mut request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move {
                if request.must_be_folder {
                    request.path = session.folder_at(&request.path).await?;
                }
                to_files(&session, request, resume, &record, &reporter).await
            })
        })
        .await
    }

    /// Writes a file's content, verified chunk by chunk and in order, to `output`; `compress` as in [`TransferOptions`].
    ///
    /// # Errors
    /// If the file cannot be read or written, or the connection is lost.
    pub async fn cat(
        &self,
        path: &RemotePath,
        compress: Compress,
        output: Box<dyn std::io::Write + Send>,
    ) -> Result<TransferSummary, Error> {
        let (path, stream) = (path.clone(), StreamSink::new(output));
        self.once_accepted(|session| {
            let (path, stream) = (path.clone(), stream.clone());
            Box::pin(async move { to_stream(&session, &path, compress, stream).await })
        })
        .await
    }
}

/// Fetches a file or a tree to local files.
async fn to_files(
    session: &Session,
    request: GetRequest,
    resume: Resume,
    record: &Arc<ResumeRecord>,
    reporter: &Arc<Reporter>,
) -> Result<TransferSummary, Error> {
    let GetRequest { path, recursive, totals, options, .. } = request.clone();
    let (rules, options, power) = (options.sending(), options.received(), options.survive_power());
    let begun_here = (resume == Resume::Again).then(|| record.first_attempt_at());
    let (placing, here) = (record.clone(), session.clone());
    let (parent, base, unproven, replaces) = local::blocking(move || {
        let target = match placing.place() {
            Some(placed) => PathBuf::from(OsString::from_vec(placed)),
            None => request.becomes(),
        };
        placing.set_place(target.as_os_str().as_bytes());
        let replaces = target.symlink_metadata().is_ok();
        let (parent, name) = local::place(&local::whole(&target)?)?;
        local::check_target(&parent, name.as_ref())?;
        let folder = local::folder(&parent)?;
        let base = match name {
            Some(name) => Base::named(folder, name),
            None => Base::Folder(FolderCache::new(folder)),
        };
        let unproven = here.begin_writing(&base.folder(), power);
        Ok((parent, base, unproven, replaces))
    })
    .await?;
    let options = options.sink(keeping(session, resume), begun_here);
    let sink = TreeSink::new(base, options).doubting(unproven).found_by(move || local::find(&parent));
    let sink: Box<dyn Sink> = Box::new(sink);
    let sink = Box::new(LocalErrorContext(sink));
    let sink: Box<dyn Sink> = if recursive { sink } else { Box::new(AllowListSink::one(sink)) };
    let SendingRules { changing, compress, delta } = rules;
    let delta = if replaces { delta_here(session, delta) } else { Delta::Never };
    let options = JobOptions { delta, ..job(session, resume, record) };
    let get = Get { recursive, totals, changing, compress, options, ..get(session, path, WINDOW_FRAMES_MAX) };
    run(session, get, sink, reporter, Some(record), None).await
}

/// Fetches a file for a sink that measures, for at most so long.
pub(crate) async fn to_sink(
    session: &Session,
    path: &RemotePath,
    sink: Box<dyn Sink>,
    time_max: Duration,
) -> Result<TransferSummary, Error> {
    let reporter = Reporter::new(Arc::new(NoopTransferObserver), session.checksum());
    let compress = Compress::Never; // the network is measured
    let get = Get { compress, ..get(session, path.clone(), WINDOW_FRAMES_MAX) };
    run(session, get, Box::new(AllowListSink::one(sink)), &reporter, None, Some(time_max)).await
}

/// Writes a file's content to a stream.
async fn to_stream(
    session: &Session,
    path: &RemotePath,
    compress: Compress,
    stream: StreamSink,
) -> Result<TransferSummary, Error> {
    let sink = Box::new(AllowListSink::one(Box::new(stream)));
    let reporter = Reporter::new(Arc::new(NoopTransferObserver), session.checksum());
    let changing = Changing::AsIs; // as `cat` does
    let get = Get { changing, compress, ..get(session, path.clone(), STREAM_WINDOW_FRAMES) };
    run(session, get, sink, &reporter, None, None).await
}

fn get(session: &Session, path: RemotePath, window: u32) -> Get {
    let inner = &session.inner;
    Get {
        path,
        recursive: false,
        window,
        rate_limit: inner.rate_limit,
        totals: false,
        changing: Changing::Retry,
        compress: Compress::Auto,
        options: JobOptions::of(inner.checksum),
    }
}

async fn run(
    session: &Session,
    get: Get,
    sink: Box<dyn Sink>,
    reporter: &Arc<Reporter>,
    record: Option<&Arc<ResumeRecord>>,
    time_max: Option<Duration>,
) -> Result<TransferSummary, Error> {
    reporter.begin();
    let (recursive, machine) = (get.recursive, Receiver::new(get.options.checksum, get.window));
    let with_deltas = get.options.delta != Delta::Never;
    let mut requested = RequestedJob::open(session, Role::Receiver, get.path.clone(), get).await?;
    let job = ReceiveJob::new(requested.id, machine, sink, reporter.clone());
    let job = Arc::new(job.with_deltas(with_deltas));
    let exchange = &session.inner.control.exchange;
    let running = requested.run(exchange.receive(job), async |opened| {
        if let Some(record) = record.cloned() {
            let learned = local::blocking(move || {
                record.set_opened_at(opened.at);
                Ok(())
            });
            let _ = learned.await; // as without a mark
        }
    });
    let end = match time_max {
        None => running.await,
        Some(max) => timeout(max, running).await.unwrap_or_else(|_| Err(FailureCode::Cancelled.into())),
    };
    reporter.transferred(exchange);
    requested.ended(end)?;
    if !recursive && reporter.is_idle() {
        return Err(expected_items::not_all(&requested.control)); // a single file comes or fails
    }
    Ok(reporter.summary())
}

/// Frames that may come ahead of their turn and wait until they can be written: 8 MiB.
const STREAM_WINDOW_FRAMES: u32 = 16;
