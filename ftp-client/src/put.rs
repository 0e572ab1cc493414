//! Sending: a job whose sender is here.

use crate::error::Error;
use crate::local::{self, error_at};
use crate::many::is_a_folder;
use crate::observer::{TransferObserver, TransferSummary};
use crate::options::{SendingRules, TransferOptions, delta_here, job};
use crate::report::Reporter;
use crate::requested_job::RequestedJob;
use crate::resume_store::{ResumeRecord, about};
use crate::session::Session;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::engine::{
    FileSource, JobObserver as _, Pacer, Role, SendJob, Source, StreamSource, TreeSource, count,
};
use wire::message::{Opened, Put, Resume, Totals};
use wire::metadata::{Kind, Metadata};
use wire::modes::Modes;
use wire::sender::{Asking, Sender};
use wire::store::{Folder, LocalFolder, STREAM_MODE, umask};
use wire::{Name, RemotePath};

/// A file, a tree or a stream to send.
pub struct PutRequest {
    /// From here.
    pub source: PutSource,
    /// To here...
    pub path: RemotePath,
    /// ...or, if that is a folder, to this name within it.
    pub into: Option<Name>,
    /// Count the totals while it runs.
    pub totals: bool,
    /// The rules of the transfer.
    pub options: TransferOptions,
}

/// The source of what is sent.
pub enum PutSource {
    /// A local file.
    File(PathBuf),
    /// A local folder, file or link, with all below it.
    Tree(PathBuf),
    /// A stream of unknown length.
    Stream(Box<dyn io::Read + Send>),
}

impl Session {
    /// Sends a file, a tree or a stream.
    ///
    /// # Errors
    /// If no item could be sent, or the connection is lost; items that fail are in the summary.
    pub async fn put(
        &self,
        request: PutRequest,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<TransferSummary, Error> {
        let PutRequest { source, path, into, totals, options } = request;
        let reporter = Reporter::new(observer, self.checksum());
        let path_of_source = match &source {
            PutSource::File(path) | PutSource::Tree(path) => path.clone(),
            PutSource::Stream(_) => {
                self.welcome().await?; // what was read is gone, so there is one attempt
                let request = PutRequest { source, path, into, totals, options };
                let record = Arc::new(ResumeRecord::none());
                return run(&self.latest(), request, Resume::Never, &record, &reporter).await;
            }
        };
        let is_tree = matches!(source, PutSource::Tree(_));
        let again_from =
            |source: PathBuf| if is_tree { PutSource::Tree(source) } else { PutSource::File(source) };
        let into_name = into.as_ref().map_or(&b""[..], Name::as_bytes);
        let about = about(b"put", &self.inner.key, &[path.as_bytes(), into_name], &path_of_source);
        self.lasting(options.resume.then_some(about), |session, again, record| {
            let (source, path, into) = (again_from(path_of_source.clone()), path.clone(), into.clone());
            let request = PutRequest { source, path, into, totals, options: options.clone() };
            let reporter = reporter.clone();
            Box::pin(async move { run(&session, request, again, &record, &reporter).await })
        })
        .await
    }
}

/// The source of a job, with the totals where they are known, or the folder that they can be counted in.
pub(crate) struct PreparedSource {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) totals: Option<Totals>,
    pub(crate) folder: Option<Arc<dyn Folder>>,
}

/// Makes one attempt of it.
async fn run(
    session: &Session,
    request: PutRequest,
    resume: Resume,
    record: &Arc<ResumeRecord>,
    reporter: &Arc<Reporter>,
) -> Result<TransferSummary, Error> {
    let PutRequest { source, path, into, totals, options } = request;
    let options = TransferOptions { delta: delta_here(session, options.delta), ..options };
    let (path, into) = match record.place().map(|placed| RemotePath::from_wire(&placed)) {
        Some(Ok(placed)) => (placed, None),
        Some(Err(_)) | None => (path, into),
    };
    let modes = options.modes.clone();
    let opening = local::blocking(move || open(source, modes)).await?;
    let opening = PreparedSource { folder: opening.folder.filter(|_| totals), ..opening };
    let put = Put { into, ..options.put(path, job(session, resume, record)) };
    send(session, put, opening, options.sending(), record, reporter).await
}

/// Sends what is open.
pub(crate) async fn send(
    session: &Session,
    put: Put,
    opening: PreparedSource,
    rules: SendingRules,
    record: &Arc<ResumeRecord>,
    reporter: &Arc<Reporter>,
) -> Result<TransferSummary, Error> {
    let inner = &session.inner;
    let exchange = &inner.control.exchange;
    let resume = put.options.resume;
    reporter.begin();
    if let Some(totals) = opening.totals {
        reporter.totals(totals);
    }
    let mut requested = RequestedJob::open(session, Role::Sender, put.path.clone(), put).await?;
    let window = inner.control.welcome().await?.window;
    if let Some(folder) = opening.folder {
        count_ahead(folder, reporter.clone());
    }
    let machine = Sender::new(inner.checksum, window, Asking::of(resume, Asking::All));
    let pacer = Pacer::new(inner.rate_limit);
    let job = SendJob::new(requested.id, machine, opening.source, reporter.clone(), pacer);
    let job = job.changing(rules.changing).compressing(rules.compress).with_deltas(rules.delta);
    let job = job.naming_receiver(AT_SERVER);
    let job = Arc::new(job.since((resume == Resume::Again).then(|| record.first_attempt_at())));
    let opened = async |opened: Opened| {
        let record = record.clone();
        let learned = local::blocking(move || {
            record.set_place(opened.path.as_bytes());
            record.set_opened_at(opened.at);
            Ok(())
        });
        let _ = learned.await; // as without a mark
    };
    let end = requested.run(exchange.send(job), opened).await;
    reporter.transferred(exchange);
    requested.ended(end)?;
    Ok(reporter.summary())
}

fn open(source: PutSource, modes: Modes) -> Result<PreparedSource, Error> {
    match source {
        PutSource::Stream(reader) => {
            let mode = modes.wanted(STREAM_MODE & !umask(), Kind::File);
            let source = Arc::new(StreamSource::new(reader, mode));
            Ok(PreparedSource { source, totals: None, folder: None })
        }
        PutSource::File(path) => file(path, &modes),
        PutSource::Tree(path) => tree(&path, modes),
    }
}

fn file(path: PathBuf, modes: &Modes) -> Result<PreparedSource, Error> {
    let opened = LocalFolder::open_ambient_file(&path).and_then(|file| file.identity());
    let opened = opened.map_err(|error| {
        let is_folder = error.kind() == io::ErrorKind::IsADirectory;
        error_at(&path, if is_folder { is_a_folder().into() } else { error })
    });
    let metadata = modes.of_item(opened?.metadata);
    let totals = Totals { files: 1, bytes: metadata.size, complete: true };
    let source = Arc::new(FileSource::new(metadata, move || LocalFolder::open_ambient_file(&path)));
    Ok(PreparedSource { source, totals: Some(totals), folder: None })
}

fn tree(path: &Path, modes: Modes) -> Result<PreparedSource, Error> {
    let folder = match local::place(path)? {
        (parent, Some(name)) => {
            let parent = local::folder(&parent)?;
            let metadata = parent.metadata((&name).into()).map_err(|error| error_at(path, error))?;
            match metadata.kind {
                Kind::Folder => parent.folder((&name).into()).map_err(|error| error_at(path, error))?,
                Kind::Symlink => return link(metadata, parent.read_link((&name).into()), path),
                Kind::File | Kind::Special => return file(path.to_owned(), &modes),
            }
        }
        (folder, None) => local::folder(&folder)?,
    };
    let source = TreeSource::with_modes(folder.clone(), modes).map_err(|error| error_at(path, error))?;
    Ok(PreparedSource { source: Arc::new(source), totals: None, folder: Some(folder) })
}

fn link(metadata: Metadata, target: io::Result<Vec<u8>>, path: &Path) -> Result<PreparedSource, Error> {
    let source = FileSource::link(metadata, target.map_err(|error| error_at(path, error))?);
    Ok(PreparedSource { source: Arc::new(source), totals: None, folder: None })
}

/// Counts ahead of the transfer. Ends by itself: bounded by the tree.
fn count_ahead(folder: Arc<dyn Folder>, reporter: Arc<Reporter>) {
    drop(tokio::task::spawn_blocking(move || {
        count(folder, |totals| {
            reporter.totals(totals);
            true
        })
    }));
}

/// Prefix of the server's failures, where this machine's are reported as well.
pub(crate) const AT_SERVER: &str = "on the server";
