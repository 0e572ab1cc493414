//! A session with a server, and what can be asked of it.

mod fetch;
mod folders;
mod link;
mod many;
mod outages;
mod pages;
pub(crate) mod portions;
mod requests;
mod throwaway;

pub(crate) use fetch::Listed;
pub use fetch::{Fetched, GetManyRequest};
use link::Link;
pub use many::PutManyRequest;
pub use outages::Outages;
pub use pages::Pages;

use crate::Credentials;
use crate::control::{Control, Ended, LOGIN_ID};
use crate::credentials::Prepared;
use crate::dial::{LaneDialer, dial};
use crate::error::Error;
use crate::interrupted::Mark;
use crate::lanes::Lanes;
use crate::mirror::{self, Listener, MirrorRequest, Outcome};
use crate::observer::{Observer, Summary};
use crate::remote;
use crate::report::Reporter;
use crate::stream_sink::StreamSink;
use crate::trust::Trust;
use crate::{fingerprint, get, put};
use rustls::CipherSuite;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use wire::budget::Memory;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::{BufferPool, Exchange, LaneTime};
use wire::features::Features;
use wire::journal::origin_of;
use wire::limits::{CLIENT_MEMORY_MAX, REQUESTS_MAX};
use wire::message::{Bye, Changing, Durability, LoginRequest, Overwrite, Resume, Welcome};
use wire::modes::Modes;
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
    /// Who logs in, and with what.
    pub credentials: Credentials,
    /// The checksum to use; nothing for what both ends agree on.
    pub checksum: Option<Checksum>,
    /// How many lanes; 0 for as many as serve.
    pub lanes: u16,
    /// Most bytes of lane data per second; 0 for no limit.
    pub rate_limit: u64,
    /// How long to wait for the server's answer while connecting.
    pub timeout: Duration,
    /// What happens when there is no connection.
    pub outages: Outages,
    /// The folder that remembers transfers that were interrupted; nothing to remember none.
    pub state: Option<PathBuf>,
}

/// What to fetch.
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
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// What an item must have survived before it is told of.
    pub durability: Durability,
    /// What becomes of a file that changes while it is read.
    pub changing: Changing,
    /// Ask for totals while it runs.
    pub totals: bool,
    /// Go on with what an interrupted run has left, and leave what this one has if it is.
    pub resume: bool,
    /// What becomes of permissions.
    pub modes: Modes,
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
    /// What an item must have survived at the server before it is told of.
    pub durability: Durability,
    /// What becomes of a file that changes while it is read.
    pub changing: Changing,
    /// Count the totals while it runs.
    pub totals: bool,
    /// Go on with what an interrupted run has left, and leave what this one has if it is.
    pub resume: bool,
    /// What becomes of permissions.
    pub modes: Modes,
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
///
/// A transfer whose connection is lost goes on over another, as [`Outages`] has it.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
    link: Arc<Link>,
}

pub(crate) struct Inner {
    pub(crate) control: Arc<Control>,
    pub(crate) key: fingerprint::Key,
    /// The checksum of this session's jobs.
    pub(crate) checksum: Checksum,
    pub(crate) cipher: Option<CipherSuite>,
    pub(crate) rate_limit: u64,
    lanes_wanted: u16,
    pub(crate) dialer: LaneDialer,
    lanes_begun: AtomicBool,
    requests: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Session {
    /// Connects and sends the login. Whether it is accepted shows with the first request, or with
    /// [`welcome`](Self::welcome); so the first request costs no round trip of its own.
    ///
    /// # Errors
    /// If the server cannot be reached or is not to be trusted.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Error> {
        let inner = Arc::new(Inner::first(&options).await?);
        Ok(Self { inner: inner.clone(), link: Arc::new(Link::new(options, inner)) })
    }
}

impl Inner {
    async fn connect(options: &ConnectOptions) -> Result<Self, Error> {
        let address = remote::address(&options.host, options.port);
        let dialed = dial(options, &address).await?;
        let Prepared { login, if_refused } = options.credentials.clone().prepare(&dialed.channel).await?;
        let (receiver, writer) = control::split(dialed.connection);
        let (outbox, messages) = control::outbox();
        let transfers = Memory::new(CLIENT_MEMORY_MAX).transfers;
        let buffers = Arc::<BufferPool>::default();
        let exchange = Exchange::new(outbox.clone(), buffers, Disk::alone(), transfers);
        exchange.saw_round_trip(dialed.round_trip);
        let control =
            Arc::new(Control::new(address, outbox, exchange, if_refused, options.outages.give_up_after));
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
        control.send(LOGIN_ID, LoginRequest { agent, features: Features::KNOWN, login }).await?;
        Ok(Self {
            control,
            key: dialed.key,
            checksum: options.checksum.unwrap_or(dialed.checksum),
            cipher: dialed.cipher,
            rate_limit: options.rate_limit,
            lanes_wanted: options.lanes,
            dialer: dialed.lanes,
            lanes_begun: AtomicBool::new(false),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX / 2)),
            tasks,
        })
    }

    /// Says goodbye.
    async fn close(&self) {
        let control = &self.control;
        if !control.is_over() {
            let _ = control.outbox.try_send(Envelope::new(0, Bye)); // a full queue: the connection's end says it too
        }
        control.end(Ended::Closed);
        self.tasks.close();
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, self.tasks.wait()).await; // a task may wait for a local stream
        control.exchange.disk().disposed().await; // lanes may have had the last hold of what was staged
    }
}

impl Session {
    /// What the server said of the session; waits for the login's answer.
    ///
    /// # Errors
    /// If the login is refused or the connection lost.
    pub async fn welcome(&self) -> Result<Welcome, Error> {
        self.once_accepted(|session| Box::pin(async move { session.inner.control.welcome().await })).await
    }

    /// The checksum of this session's transfers.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.inner.checksum
    }

    /// Fetches a file or a tree.
    ///
    /// # Errors
    /// If nothing could be fetched, or the connection is lost; items that fail are in the summary.
    pub async fn get(&self, request: GetRequest, observer: Arc<dyn Observer>) -> Result<Summary, Error> {
        let into = request.into.as_ref().map_or(&b""[..], Name::as_bytes);
        let about = about(b"get", &self.inner.key, &[request.path.as_bytes(), into], &request.target);
        let reporter = Reporter::new(observer, self.checksum());
        self.lasting(request.resume.then_some(about), |session, resume, mark| {
            let (mut request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move {
                if request.must_be_folder {
                    request.path = session.folder_at(&request.path).await?;
                }
                get::to_files(&session, request, resume, &mark, &reporter).await
            })
        })
        .await
    }

    /// Sends a file, a tree or a stream.
    ///
    /// # Errors
    /// If nothing could be sent, or the connection is lost; items that fail are in the summary.
    pub async fn put(&self, request: PutRequest, observer: Arc<dyn Observer>) -> Result<Summary, Error> {
        let PutRequest { source, path, into, overwrite, durability, changing, totals, resume, modes } =
            request;
        let reporter = Reporter::new(observer, self.checksum());
        let path_of_source = match &source {
            PutSource::File(path) | PutSource::Tree(path) => path.clone(),
            PutSource::Stream(_) => {
                self.welcome().await?; // what was read is gone, so there is one attempt
                let resume = false;
                let request =
                    PutRequest { source, path, into, overwrite, durability, changing, totals, resume, modes };
                let mark = Arc::new(Mark::none());
                return put::run(&self.latest(), request, Resume::Never, &mark, &reporter).await;
            }
        };
        let is_tree = matches!(source, PutSource::Tree(_));
        let again_from =
            |source: PathBuf| if is_tree { PutSource::Tree(source) } else { PutSource::File(source) };
        let into_name = into.as_ref().map_or(&b""[..], Name::as_bytes);
        let about = about(b"put", &self.inner.key, &[path.as_bytes(), into_name], &path_of_source);
        self.lasting(resume.then_some(about), |session, again, mark| {
            let (source, path, into) = (again_from(path_of_source.clone()), path.clone(), into.clone());
            let modes = modes.clone();
            let request =
                PutRequest { source, path, into, overwrite, durability, changing, totals, resume, modes };
            let reporter = reporter.clone();
            Box::pin(async move { put::run(&session, request, again, &mark, &reporter).await })
        })
        .await
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
        let (path, stream) = (path.clone(), StreamSink::new(output));
        self.once_accepted(|session| {
            let (path, stream) = (path.clone(), stream.clone());
            Box::pin(async move { get::to_stream(&session, &path, stream).await })
        })
        .await
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
        let reporter = mirror::reporter(&listener, request.options.checksum(self.checksum()));
        let Some(again) = request.again() else {
            return mirror::run(&self.latest(), request, Resume::Never, listener, reporter).await;
        };
        let about = about(b"mirror", &self.inner.key, &[request.remote.as_bytes()], &request.local);
        self.lasting(request.options.resume.then_some(about), |session, resume, mark| {
            mark.place(b""); // both folders are given
            let (request, listener, reporter) = (again(), listener.clone(), reporter.clone());
            Box::pin(async move { mirror::run(&session, request, resume, listener, reporter).await })
        })
        .await
    }

    /// Mirrors a local tree, then its changes as they come, until an error ends that which does not get better by itself. What
    /// fails is tried again; all is compared again after each `rescan`.
    ///
    /// # Errors
    /// If the login is refused, the server breaks the protocol, or the first run fails.
    pub async fn watch(
        &self,
        request: MirrorRequest,
        rescan: Duration,
        listener: Arc<dyn Listener>,
    ) -> Result<Outcome, Error> {
        Box::pin(mirror::watch(self, request, rescan, listener)).await
    }

    /// The time that the lanes of the latest connection have spent so far, by activity.
    #[must_use]
    pub fn lane_time(&self) -> LaneTime {
        self.latest().inner.control.exchange.lane_time()
    }

    /// The fingerprint of the server's key.
    #[must_use]
    pub fn server_key(&self) -> String {
        fingerprint::show(&self.inner.key)
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<Error> {
        self.is_over().then(|| self.inner.control.error())
    }

    /// True once the connection is lost or closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.inner.control.is_over()
    }

    /// Says goodbye. Transfers that still run are cancelled, what they staged is removed, or kept for the next run to go on with.
    /// Files that were there for this session only are removed.
    pub async fn close(&self) {
        self.remove_throwaways().await;
        self.latest().inner.close().await;
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
            count => drop(inner.tasks.spawn(lanes.keep(count))),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control.end(Ended::Closed);
    }
}

/// What tells a transfer from others: which it is, with whom, and between which paths.
fn about(what: &[u8], key: &fingerprint::Key, remote: &[&[u8]], local: &Path) -> [u8; 16] {
    let local = std::path::absolute(local).unwrap_or_else(|_| local.to_owned());
    origin_of(&[&[what, key], remote, &[local.as_os_str().as_bytes()]].concat())
}

/// How a job's end is told: a session that is over tells more than the job that ended with it.
pub(crate) fn job_error(control: &Control, path: &RemotePath, failure: Failure) -> Error {
    if failure.code == FailureCode::Cancelled && control.is_over() {
        control.error()
    } else {
        Error::Remote { path: path.to_string(), failure }
    }
}

/// How long the last messages may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
