//! The control connection: messages over TLS, each direction with a task of its own.

use super::aligned::Aligned;
use crate::control::{CONTROL_HEADER_LEN, ControlError, ControlHeader, Envelope};
use crate::limits::{CONTROL_BODY_BEFORE_LOGIN_MAX, CONTROL_BODY_MAX};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

/// A TLS connection that is read record by record.
pub type Connection = TlsStream<Aligned<TcpStream>>;

/// Messages that may wait to be written; a peer that does not read holds up those who would write more.
const OUTBOX_MESSAGES: usize = 64;

/// What comes in on a control connection.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Message(Envelope),
    /// A message of a kind that this version does not know.
    Unknown {
        /// Its kind.
        kind: u16,
        /// Its request id.
        request: u32,
    },
    /// The peer closed the connection.
    Closed,
}

/// Why a control connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer sent what is no message.
    #[error("{0}")]
    Message(#[from] ControlError),
}

/// Reads messages.
pub struct Receiver<S> {
    stream: S,
    body_len_max: usize,
}

impl<S: AsyncRead + Unpin> Receiver<S> {
    /// A reader that accepts what is accepted before login.
    pub fn new(stream: S) -> Self {
        Self { stream, body_len_max: CONTROL_BODY_BEFORE_LOGIN_MAX }
    }

    /// From now on messages may be as long as after login.
    pub fn logged_in(&mut self) {
        self.body_len_max = CONTROL_BODY_MAX;
    }

    /// The stream itself.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// The next message. Not to be cancelled and called again: a message may have been read in part.
    ///
    /// # Errors
    /// If the connection breaks or the peer sends what is no message.
    pub async fn next(&mut self) -> Result<Incoming, ChannelError> {
        let mut header = [0; CONTROL_HEADER_LEN];
        if self.stream.read(&mut header[..1]).await? == 0 {
            return Ok(Incoming::Closed);
        }
        self.stream.read_exact(&mut header[1..]).await?;
        let header = ControlHeader::decode(header, self.body_len_max)?;
        // Taken piece by piece, so that an announced length reserves nothing that has not come.
        let mut body = Vec::new();
        let body_len = header.body_len as usize;
        (&mut self.stream).take(u64::from(header.body_len)).read_to_end(&mut body).await?;
        if body.len() < body_len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(match header.decode_body(&body)? {
            Some(envelope) => Incoming::Message(envelope),
            None => Incoming::Unknown { kind: header.kind, request: header.request },
        })
    }
}

/// Writes one message and flushes.
///
/// # Errors
/// If the connection breaks.
pub async fn send<S: AsyncWrite + Unpin>(stream: &mut S, envelope: &Envelope) -> Result<(), ChannelError> {
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes)?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// Where messages to the peer are put.
pub type Outbox = mpsc::Sender<Envelope>;

/// A queue of messages and its other end, for [`write_all`].
#[must_use]
pub fn outbox() -> (Outbox, mpsc::Receiver<Envelope>) {
    mpsc::channel(OUTBOX_MESSAGES)
}

/// Writes messages until `closing` is cancelled or all senders are gone; then what waits still goes out, and the connection
/// is closed. Messages that wait together go out together.
///
/// # Errors
/// If the connection breaks.
pub async fn write_all<S: AsyncWrite + Unpin>(
    mut stream: S,
    mut messages: mpsc::Receiver<Envelope>,
    closing: CancellationToken,
) -> Result<(), ChannelError> {
    let mut bytes = Vec::new();
    loop {
        let next = tokio::select! {
            biased;
            next = messages.recv() => next,
            () = closing.cancelled() => None,
        };
        let Some(envelope) = next else { break };
        bytes.clear();
        envelope.encode(&mut bytes)?;
        while bytes.len() < 64 * 1024 {
            let Ok(envelope) = messages.try_recv() else { break };
            envelope.encode(&mut bytes)?;
        }
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
    stream.shutdown().await?;
    Ok(())
}

/// Splits a connection after login into a reader of messages and its writing half.
#[must_use]
pub fn split(mut connection: Connection) -> (Receiver<ReadHalf<Connection>>, WriteHalf<Connection>) {
    match &mut connection {
        TlsStream::Client(stream) => stream.get_mut().0.lift_budget(),
        TlsStream::Server(stream) => stream.get_mut().0.lift_budget(),
    }
    let (read, write) = tokio::io::split(connection);
    let mut receiver = Receiver::new(read);
    receiver.logged_in();
    (receiver, write)
}
