//! A channel of ssh: its process, and the socket that stands for its standard input and output.

use super::command::{NOT_EXECUTABLE, NOT_FOUND, OF_SSH};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wire::stdio::{MagicFinder, StdioHello};

/// The channel that a session's control connection goes through.
pub(super) struct ControlChannel {
    /// Carries what comes behind the greeting, and from the beginning what is written.
    pub(super) socket: UnixStream,
    /// The greeting.
    pub(super) greeting: Greeting,
}

/// A greeting that is to come. ssh may ask questions before it.
pub(super) struct Greeting(oneshot::Receiver<Result<StdioHello, NoGreeting>>);

/// Why no greeting has come.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoGreeting {
    /// ssh cannot be run.
    #[error("{0}")]
    NotStarted(io::Error),
    /// ssh ended with this code, if it was no signal.
    #[error("ssh ended")]
    Exit(Option<i32>),
    /// The greeting is of another version.
    #[error("the server there speaks another version")]
    Version,
    /// There was another answer.
    #[error("{0}")]
    Other(String),
}

impl NoGreeting {
    /// True if the same may succeed a little later: ssh itself has failed.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Exit(Some(OF_SSH)))
    }

    /// True if the server's program is not there, or is of another version.
    pub(super) fn is_of_program(&self) -> bool {
        matches!(self, Self::Exit(Some(NOT_FOUND | NOT_EXECUTABLE)) | Self::Version)
    }

    pub(super) fn other(reason: impl fmt::Display) -> Self {
        Self::Other(reason.to_string())
    }
}

impl ControlChannel {
    /// Starts ssh.
    pub(super) fn open(ssh: &mut Command) -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into()); // both were asked for
        };
        let (outgoing, incoming) = theirs.into_split();
        tokio::spawn(async move {
            let (mut outgoing, mut stdin): (_, ChildStdin) = (outgoing, stdin);
            let _ = copy(&mut outgoing, &mut stdin).await; // the session sees the end
        });
        let (tell, greeting) = oneshot::channel();
        tokio::spawn(receive(child, stdout, incoming, tell));
        Ok(Self { socket, greeting: Greeting(greeting) })
    }
}

impl Greeting {
    /// Waits for it.
    pub(super) async fn wait(self) -> Result<StdioHello, NoGreeting> {
        self.0.await.unwrap_or(Err(NoGreeting::Exit(None)))
    }
}

/// Reads the greeting and tells it, then carries on what follows.
async fn receive(
    mut child: Child,
    mut stdout: ChildStdout,
    mut incoming: OwnedWriteHalf,
    tell: oneshot::Sender<Result<StdioHello, NoGreeting>>,
) {
    let greeting = match read_greeting(&mut stdout).await {
        // The other end has closed: ssh knows why.
        Err(NoGreeting::Exit(_)) => {
            Err(NoGreeting::Exit(child.wait().await.ok().and_then(|status| status.code())))
        }
        greeting => greeting,
    };
    let is_good = greeting.is_ok();
    let _ = tell.send(greeting); // the user may have given up
    if is_good {
        let _ = copy(&mut stdout, &mut incoming).await; // the session sees the end
        let _ = incoming.shutdown().await;
    }
    drop(stdout);
    let _ = child.wait().await;
}

async fn read_greeting(stdout: &mut ChildStdout) -> Result<StdioHello, NoGreeting> {
    let ended = |_| NoGreeting::Exit(None);
    find_magic(stdout).await?;
    let mut len = [0; 4];
    stdout.read_exact(&mut len).await.map_err(ended)?;
    let len = StdioHello::body_len(len).ok_or(NoGreeting::Version)?;
    let mut body = vec![0; len];
    stdout.read_exact(&mut body).await.map_err(ended)?;
    StdioHello::decode(&body).map_err(|_| NoGreeting::Version)
}

/// Reads byte by byte up to the magic ones: what follows is for others.
async fn find_magic(from: &mut (impl AsyncReadExt + Unpin)) -> Result<(), NoGreeting> {
    let mut finder = MagicFinder::default();
    loop {
        let byte = from.read_u8().await.map_err(|_| NoGreeting::Exit(None))?;
        if finder.push(byte).map_err(NoGreeting::other)?.is_some() {
            return Ok(());
        }
    }
}

/// Starts ssh for one more channel, and waits until `ftp-server pipe` answers.
///
/// # Errors
/// If it does not, within `patience`.
pub(super) async fn open_pipe(ssh: &mut Command, patience: Duration) -> io::Result<UnixStream> {
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().and_then(|(ours, theirs)| {
        ours.set_nonblocking(true)?;
        Ok((UnixStream::from_std(ours)?, theirs))
    })?;
    let (stdin, stdout): (OwnedFd, OwnedFd) = (theirs.try_clone()?.into(), theirs.into());
    let mut child = ssh.stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn()?;
    ssh.stdin(Stdio::null()).stdout(Stdio::null()); // the command has kept the other end of the socket
    let found = timeout(patience, find_magic(&mut ours)).await;
    match found {
        Ok(Ok(())) => {
            tokio::spawn(async move { child.wait().await });
            Ok(ours)
        }
        Ok(Err(error)) => Err(io::Error::other(format!("no further channel over ssh: {error}"))),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
