//! A session with a server, and what can be asked of it.

#![allow(clippy::wildcard_enum_match_arm, reason = "a request has one answer; whatever else comes is none")]

use crate::control::{Control, Ended, LOGIN_ID};
use crate::dial::{LaneDialer, dial};
use crate::error::Error;
use crate::lanes::Lanes;
use crate::mirror::{self, Listener, MirrorRequest, Outcome};
use crate::observer::{Observer, Summary};
use crate::remote;
use crate::trust::Trust;
use crate::{fingerprint, get, put};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use wire::checksum::{Checksum, Digest};
use wire::control::Envelope;
use wire::engine::{BufferPool, Exchange};
use wire::limits::REQUESTS_MAX;
use wire::message::{
    Batch, Bye, ChangeFailure, Continue, Details, Digests, Entry, Hash, Hashed, Link, List, Listing, Login,
    LoginRequest, MakeFolder, Message, Overwrite, Remove, Rename, SetMetadata, Space, SpaceReport, Stat,
    Welcome,
};
use wire::net::control;
use wire::{Failure, FailureCode, Name, RemotePath};

/// How to connect.
pub struct ConnectOptions {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Decides about the server's key.
    pub trust: Arc<dyn Trust>,
    /// Who logs in, and the proof.
    pub login: Login,
    /// The checksum to use; nothing for what both ends agree on.
    pub checksum: Option<Checksum>,
    /// How many lanes; 0 for as many as serve.
    pub lanes: u16,
    /// Most bytes of lane data per second; 0 for no limit.
    pub rate_limit: u64,
    /// How long to wait for the server's answer while connecting.
    pub timeout: Duration,
}

/// What to fetch.
pub struct GetRequest {
    /// From here.
    pub path: RemotePath,
    /// With all below it.
    pub recursive: bool,
    /// The local path that the item itself becomes (already resolved: never "into a folder").
    pub target: PathBuf,
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// Ask for totals while it runs.
    pub totals: bool,
}

/// What to send.
pub struct PutRequest {
    /// From here.
    pub source: PutSource,
    /// To here...
    pub path: RemotePath,
    /// ...or, if that is a folder, to this name within it.
    pub into: Option<Name>,
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// Count the totals while it runs.
    pub totals: bool,
}

/// Where sent bytes come from.
pub enum PutSource {
    /// A local file.
    File(PathBuf),
    /// A local folder, file or link, with all below it.
    Tree(PathBuf),
    /// A stream of unknown length.
    Stream(Box<dyn std::io::Read + Send>),
}

/// A session. Cheap to clone; ends with [`close`](Self::close) or when all clones are dropped.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) control: Arc<Control>,
    key: fingerprint::Key,
    /// The checksum of this session's jobs.
    pub(crate) checksum: Checksum,
    pub(crate) rate_limit: u64,
    lanes_wanted: u16,
    dialer: LaneDialer,
    lanes_begun: AtomicBool,
    requests: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A listing as its pages come.
pub struct Pages {
    control: Arc<Control>,
    path: RemotePath,
    id: u32,
    answers: mpsc::Receiver<Envelope>,
    /// Pages that were taken, and the server does not know.
    taken: u32,
    over: bool,
}

impl Pages {
    /// The next page; nothing after the last.
    ///
    /// # Errors
    /// If the folder cannot be listed or the connection is lost.
    pub async fn next(&mut self) -> Result<Option<Listing>, Error> {
        match self.over {
            true => Ok(None),
            false => {
                if let Some(taken) = self.taken() {
                    self.control.send(self.id, taken).await?;
                }
                let envelope = self.answers.recv().await;
                self.page(envelope).map(Some)
            }
        }
    }

    /// As [`next`](Self::next), where a thread may wait.
    pub(crate) fn next_blocking(&mut self) -> Result<Option<Listing>, Error> {
        match self.over {
            true => Ok(None),
            false => {
                if let Some(taken) = self.taken() {
                    let envelope = Envelope::new(self.id, taken);
                    self.control.outbox.blocking_send(envelope).map_err(|_| self.control.error())?;
                }
                let envelope = self.answers.blocking_recv();
                self.page(envelope).map(Some)
            }
        }
    }

    /// What to tell the server of the pages that were taken, once it is worth it.
    fn taken(&mut self) -> Option<Continue> {
        (self.taken >= PAGES_A_TURN).then(|| Continue { pages: std::mem::take(&mut self.taken) })
    }

    /// The error for entries that do not come in the order of a walk.
    pub(crate) fn out_of_order(&self) -> Error {
        Error::Protocol {
            address: self.control.address.clone(),
            reason: "a listing that is not in order".to_owned(),
        }
    }

    fn page(&mut self, envelope: Option<Envelope>) -> Result<Listing, Error> {
        let envelope = envelope.ok_or_else(|| self.control.error())?;
        self.over = !envelope.more;
        self.taken += 1;
        match envelope.message {
            Message::Listing(listing) => Ok(listing),
            other => Err(unexpected(&self.control, &self.path, other)),
        }
    }
}

impl Session {
    /// Connects and sends the login. Whether it is accepted shows with the first request, or with
    /// [`welcome`](Self::welcome); so the first request costs no round trip of its own.
    ///
    /// # Errors
    /// If the server cannot be reached or is not to be trusted.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Error> {
        let address = remote::address(&options.host, options.port);
        let dialed = dial(&options, &address).await?;
        let (receiver, writer) = control::split(dialed.connection);
        let (outbox, messages) = control::outbox();
        let exchange = Exchange::new(outbox.clone(), Arc::<BufferPool>::default());
        exchange.saw_round_trip(dialed.round_trip);
        let control = Arc::new(Control::new(address, outbox, exchange));
        let tasks = TaskTracker::new();
        let reading = control.clone();
        tasks.spawn(async move { reading.read(receiver).await });
        let beating = control.clone();
        tasks.spawn(async move { beating.keep_alive().await });
        let over = control.over.clone();
        tasks.spawn(async move {
            let deadline = async {
                over.cancelled().await;
                tokio::time::sleep(GOODBYE_TIMEOUT).await;
            };
            tokio::select! {
                _ = control::write_all(writer, messages, over.clone()) => {} // the reader tells what broke
                () = deadline => {}
            }
        });
        let agent = concat!("ftp-client/", env!("CARGO_PKG_VERSION")).into();
        control.send(LOGIN_ID, LoginRequest { agent, login: options.login }).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                control,
                key: dialed.key,
                checksum: options.checksum.unwrap_or(dialed.checksum),
                rate_limit: options.rate_limit,
                lanes_wanted: options.lanes,
                dialer: dialed.lanes,
                lanes_begun: AtomicBool::new(false),
                requests: Arc::new(Semaphore::new(REQUESTS_MAX / 2)),
                tasks,
            }),
        })
    }

    /// What the server said of the session; waits for the login's answer.
    ///
    /// # Errors
    /// If the login is refused or the connection lost.
    pub async fn welcome(&self) -> Result<Welcome, Error> {
        self.inner.control.welcome().await
    }

    /// The checksum of this session's transfers.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.inner.checksum
    }

    /// Metadata of one path; of what it leads to, with `follow`.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn stat(&self, path: &RemotePath, follow: bool) -> Result<Entry, Error> {
        match self.ask(path, Stat { path: path.clone(), follow, details: Details::default() }).await? {
            Message::Status(entry) => Ok(entry),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Lists a folder or a whole tree.
    ///
    /// # Errors
    /// If the connection is lost; what the server has to say comes with the first page.
    pub async fn list(&self, path: &RemotePath, recursive: bool) -> Result<Pages, Error> {
        self.list_with(path, recursive, Details::default()).await
    }

    /// As [`list`](Self::list), with what is asked for beside the metadata.
    pub(crate) async fn list_with(
        &self,
        path: &RemotePath,
        recursive: bool,
        details: Details,
    ) -> Result<Pages, Error> {
        let control = self.inner.control.clone();
        let list = List { path: path.clone(), recursive, digests: None, details };
        let id = control.next_id();
        let answers = control.request(id, list.into()).await?;
        Ok(Pages { control, path: path.clone(), id, answers, taken: 0, over: false })
    }

    /// Metadata of a folder, or of what a link to one leads to, with what was asked for beside it.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn stat_folder(&self, path: &RemotePath, details: Details) -> Result<Entry, Error> {
        match self.ask(path, Stat { path: path.clone(), follow: true, details }).await? {
            Message::Status(entry) => Ok(entry),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Root digests of files below a folder; nothing for those that cannot be read.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn digests(
        &self,
        path: &RemotePath,
        checksum: Checksum,
        paths: Vec<RemotePath>,
    ) -> Result<Vec<Option<Digest>>, Error> {
        let count = paths.len();
        match self.ask(path, Digests { path: path.clone(), checksum, paths }).await? {
            Message::Digested(digested) if digested.digests.len() == count => Ok(digested.digests),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Makes many small changes, one after the other; tells which of them failed.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn batch(&self, batch: Batch) -> Result<Vec<ChangeFailure>, Error> {
        let path = batch.path.clone();
        match self.ask(&path, batch).await? {
            Message::BatchDone(done) => Ok(done.failures),
            other => Err(unexpected(&self.inner.control, &path, other)),
        }
    }

    /// SHA-256 of a file's content.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn hash(&self, path: &RemotePath) -> Result<Hashed, Error> {
        match self.ask(path, Hash { path: path.clone() }).await? {
            Message::Hashed(hashed) => Ok(hashed),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Free and used space.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn space(&self, path: &RemotePath) -> Result<SpaceReport, Error> {
        match self.ask(path, Space { path: path.clone() }).await? {
            Message::SpaceReport(report) => Ok(report),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn make_folder(&self, path: &RemotePath, parents: bool) -> Result<(), Error> {
        self.tell(path, MakeFolder { path: path.clone(), parents }).await
    }

    /// Removes a file, link or folder.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn remove(&self, path: &RemotePath, recursive: bool) -> Result<(), Error> {
        self.tell(path, Remove { path: path.clone(), recursive }).await
    }

    /// Renames.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn rename(&self, rename: Rename) -> Result<(), Error> {
        let path = rename.from.clone();
        self.tell(&path, rename).await
    }

    /// Changes metadata.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn set_metadata(&self, change: SetMetadata) -> Result<(), Error> {
        let path = change.path.clone();
        self.tell(&path, change).await
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn link(&self, path: &RemotePath, target: &[u8]) -> Result<(), Error> {
        self.tell(path, Link { path: path.clone(), target: target.to_vec() }).await
    }

    /// Fetches a file or a tree.
    ///
    /// # Errors
    /// If nothing could be fetched, or the connection is lost; items that fail are in the summary.
    pub async fn get(&self, request: GetRequest, observer: Arc<dyn Observer>) -> Result<Summary, Error> {
        get::to_files(self, request, observer).await
    }

    /// Sends a file, a tree or a stream.
    ///
    /// # Errors
    /// If nothing could be sent, or the connection is lost; items that fail are in the summary.
    pub async fn put(&self, request: PutRequest, observer: Arc<dyn Observer>) -> Result<Summary, Error> {
        put::run(self, request, observer).await
    }

    /// Writes a file's content, verified chunk by chunk and in order, to `output`.
    ///
    /// # Errors
    /// If the file cannot be read or written, or the connection is lost.
    pub async fn cat(
        &self,
        path: &RemotePath,
        output: Box<dyn std::io::Write + Send>,
    ) -> Result<Summary, Error> {
        get::to_stream(self, path, output).await
    }

    /// Mirrors a tree.
    ///
    /// # Errors
    /// If nothing could be compared, or the connection is lost; items that fail are in the outcome.
    pub async fn mirror(
        &self,
        request: MirrorRequest,
        listener: Arc<dyn Listener>,
    ) -> Result<Outcome, Error> {
        mirror::run(self, request, listener).await
    }

    /// Mirrors a local tree, then its changes as they come, until that ends with an error.
    ///
    /// # Errors
    /// If the local tree cannot be watched, or the connection is lost.
    pub async fn watch(&self, request: MirrorRequest, listener: Arc<dyn Listener>) -> Result<Outcome, Error> {
        mirror::watch(self, request, listener).await
    }

    /// The fingerprint of the server's key.
    #[must_use]
    pub fn server_key(&self) -> String {
        fingerprint::show(&self.inner.key)
    }

    /// Says goodbye. Transfers that still run are cancelled, what they staged is removed.
    pub async fn close(&self) {
        let control = &self.inner.control;
        if !control.is_over() {
            let _ = control.outbox.try_send(Envelope::new(0, Bye)); // a full queue: the connection's end says it too
        }
        control.end(Ended::Closed);
        self.inner.tasks.close();
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, self.inner.tasks.wait()).await; // a task may wait for a local stream
    }

    /// Opens the lanes, once.
    pub(crate) fn open_lanes(&self) {
        let inner = &self.inner;
        if inner.lanes_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let lanes = Lanes::new(inner.control.clone(), inner.dialer.clone(), inner.tasks.clone());
        match inner.lanes_wanted {
            0 => drop(inner.tasks.spawn(lanes.tune())),
            count => lanes.keep(count),
        }
    }

    /// Sends a request that has one answer, and waits for it.
    async fn ask(&self, path: &RemotePath, request: impl Into<Message>) -> Result<Message, Error> {
        let control = &self.inner.control;
        let _turn = self.inner.requests.acquire().await.map_err(|_| control.error())?;
        let mut answers = control.request(control.next_id(), request.into()).await?;
        let answer = answers.recv().await.ok_or_else(|| control.error())?;
        match answer.message {
            Message::Failure(failure) => Err(Error::Remote { path: path.to_string(), failure }),
            message => Ok(message),
        }
    }

    async fn tell(&self, path: &RemotePath, request: impl Into<Message>) -> Result<(), Error> {
        match self.ask(path, request).await? {
            Message::Done(_) => Ok(()),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control.end(Ended::Closed);
    }
}

/// The error for an answer that is a failure, or none to this request.
pub(crate) fn unexpected(control: &Control, path: &RemotePath, message: Message) -> Error {
    match message {
        Message::Failure(failure) => Error::Remote { path: path.to_string(), failure },
        other => Error::Protocol {
            address: control.address.clone(),
            reason: format!("an answer of kind {} to another request", other.kind()),
        },
    }
}

/// How a job's end is told: a session that is over tells more than the job that ended with it.
pub(crate) fn job_error(control: &Control, path: &RemotePath, failure: Failure) -> Error {
    match failure.code == FailureCode::Cancelled && control.is_over() {
        true => control.error(),
        false => Error::Remote { path: path.to_string(), failure },
    }
}

/// Pages between two messages about them: a quarter of what may be under way.
const PAGES_A_TURN: u32 = 4;
/// How long the last messages may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
