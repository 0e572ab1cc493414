//! A session with a server, and what can be asked of it.

mod folders;
mod pages;
pub(crate) mod portions;
mod reconnector;
mod requests;
mod session_temp_files;

pub use pages::Pages;
use reconnector::Reconnector;

pub use crate::connect_options::ConnectOptions;
pub use crate::outages::{OutageEvent, Outages};

use crate::control::{Control, EndReason};
use crate::credentials::PreparedLogin;
use crate::dial::{Agreed, Dialed, LaneDialer};
use crate::error::Error;
use crate::fingerprint;
use crate::lane_keeper::LaneKeeper;
use crate::remote;
use rustls::CipherSuite;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use wire::budget::Memory;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::{Exchange, LaneTime};
use wire::features::Features;
use wire::limits::{CLIENT_MEMORY_MAX, REQUESTS_MAX};
use wire::message::{Bye, LoginRequest, Welcome};
use wire::net::control;
use wire::transport::BufferPool;
use wire::{Failure, FailureCode, RemotePath};

/// A session. Cheap to clone; ends with [`close`](Self::close) or when all clones are dropped.
///
/// A transfer whose connection is lost goes on over another, as [`Outages`] has it.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
    reconnector: Arc<Reconnector>,
}

pub(crate) struct Inner {
    pub(crate) control: Arc<Control>,
    pub(crate) key: fingerprint::ServerKey,
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
        Ok(Self { inner: inner.clone(), reconnector: Arc::new(Reconnector::new(options, inner)) })
    }
}

impl Inner {
    async fn connect(options: &ConnectOptions) -> Result<Self, Error> {
        let address = remote::address(&options.host, options.port);
        let Dialed { connection, channel, agreed, lanes, login } =
            options.transport.dial(options.target()).await?;
        let Agreed { checksum, cipher, round_trip } = agreed;
        let PreparedLogin { login, if_refused } =
            login.unwrap_or_else(|| options.credentials.clone()).prepare(&channel).await?;
        let (receiver, writer) = control::split(connection);
        let (outbox, messages) = control::outbox();
        let transfers = Memory::new(CLIENT_MEMORY_MAX).transfers;
        let buffers = Arc::<BufferPool>::default();
        let exchange = Exchange::new(outbox.clone(), buffers, Disk::alone(), transfers);
        if !round_trip.is_zero() {
            exchange.saw_round_trip(round_trip);
        }
        exchange.agree(Features::KNOWN); // until the welcome says which ones hold
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
        control.log_in(LoginRequest { agent, features: Features::KNOWN, login }).await?;
        Ok(Self {
            control,
            key: channel.server_key.0,
            checksum: options.checksum.unwrap_or(checksum),
            cipher,
            rate_limit: options.rate_limit,
            lanes_wanted: options.lanes,
            dialer: lanes,
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
        control.end(EndReason::Closed);
        self.tasks.close();
        let _ = tokio::time::timeout(GOODBYE_TIMEOUT, self.tasks.wait()).await; // a task may wait for a local stream
        control.exchange.disk().disposed().await; // lanes may have had the last hold of what was staged
    }
}

impl Session {
    /// The server's answer to the login; waits for it.
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
        self.remove_temp_files().await;
        self.latest().inner.close().await;
    }

    /// Opens the lanes, once.
    pub(crate) fn open_lanes(&self) {
        let inner = &self.inner;
        if inner.lanes_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let lanes = LaneKeeper::new(inner.control.clone(), inner.dialer.clone(), inner.tasks.clone());
        match inner.lanes_wanted {
            0 => drop(inner.tasks.spawn(lanes.tune())),
            count => drop(inner.tasks.spawn(lanes.keep(count))),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control.end(EndReason::Closed);
    }
}

/// The error of a job that failed: a session that is over tells more than the job that ended with it.
pub(crate) fn job_error(control: &Control, path: &RemotePath, failure: Failure) -> Error {
    if failure.code == FailureCode::Cancelled && control.is_over() {
        control.error()
    } else {
        Error::Remote { path: path.to_string(), failure }
    }
}

/// How long the last messages may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);
