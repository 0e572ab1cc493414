//! The control connection: messages over TLS, each direction with a task of its own.

use super::aligned::Aligned;
use crate::budget::{Budget, Charge};
use crate::control::{CONTROL_HEADER_LEN, ControlError, ControlHeader, Envelope};
use crate::limits::{CONTROL_BODY_BEFORE_LOGIN_MAX, CONTROL_BODY_MAX, ROOM_PATIENCE};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsStream;
use tokio_util::sync::CancellationToken;

/// A TLS connection that is read record by record.
pub type Connection = TlsStream<Aligned<TcpStream>>;

/// Messages that may wait to be written; a peer that does not read holds up those who would write more.
const OUTBOX_MESSAGES: usize = 32;
/// Messages that are written together have about this many bytes, and a buffer that has grown larger is given back.
const WRITTEN_LEN: usize = 64 * 1024;
/// Bytes that a message takes beside its body, and its answer if that is short.
const MESSAGE_LEN: usize = 8 * 1024;
/// Bytes of memory that a message takes for each byte of its body, at most: a selection's items, each with a path of one name.
const KEPT_FOR_BYTE: usize = 4;

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
    /// There is no room for a message, and none has come for long.
    #[error("what waits for an answer takes more memory than it may")]
    NoRoom,
}

/// Reads messages.
pub struct Receiver<S> {
    stream: S,
    body_len_max: usize,
    messages: Option<Budget>,
}

impl<S: AsyncRead + Unpin> Receiver<S> {
    /// A reader that accepts what is accepted before login.
    pub fn new(stream: S) -> Self {
        Self { stream, body_len_max: CONTROL_BODY_BEFORE_LOGIN_MAX, messages: None }
    }

    /// From now on messages may be as long as after login.
    pub fn logged_in(&mut self) {
        self.body_len_max = CONTROL_BODY_MAX;
    }

    /// From now on messages are read once `messages` has room for them.
    #[must_use]
    pub fn with_budget(mut self, messages: Budget) -> Self {
        self.messages = Some(messages);
        self
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
        self.next_charged().await.map(|(incoming, _)| incoming)
    }

    /// The next message, with what is charged for it; to be called as [`next`](Self::next).
    ///
    /// # Errors
    /// As there, or if there is no room for the message for long.
    pub async fn next_charged(&mut self) -> Result<(Incoming, Charge), ChannelError> {
        let mut header = [0; CONTROL_HEADER_LEN];
        if self.stream.read(&mut header[..1]).await? == 0 {
            return Ok((Incoming::Closed, Charge::none()));
        }
        self.stream.read_exact(&mut header[1..]).await?;
        let header = ControlHeader::decode(header, self.body_len_max)?;
        let charge = self.room(header.body_len as usize).await?;
        // Taken piece by piece, so that an announced length reserves nothing that has not come.
        let mut body = Vec::new();
        let body_len = header.body_len as usize;
        (&mut self.stream).take(u64::from(header.body_len)).read_to_end(&mut body).await?;
        if body.len() < body_len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let incoming = match header.decode_body(&body)? {
            Some(envelope) => Incoming::Message(envelope),
            None => Incoming::Unknown { kind: header.kind, request: header.request },
        };
        Ok((incoming, charge))
    }

    /// Waits until a body of `len` bytes may be kept.
    async fn room(&self, len: usize) -> Result<Charge, ChannelError> {
        let Some(messages) = &self.messages else { return Ok(Charge::none()) };
        let room = messages.take(MESSAGE_LEN + KEPT_FOR_BYTE * len);
        tokio::time::timeout(ROOM_PATIENCE, room).await.map_err(|_| ChannelError::NoRoom)
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
#[derive(Clone)]
pub struct Outbox(mpsc::Sender<Outgoing>);

/// Messages that wait to be written.
pub type OutboxMessages = mpsc::Receiver<Outgoing>;

/// A message that waits to be written.
pub struct Outgoing {
    /// The message.
    pub envelope: Envelope,
    /// What it takes, until it is written.
    charge: Charge,
}

/// The connection is closed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is closed")]
pub struct OutboxClosed;

/// A queue of messages and its other end, for [`write_all`].
#[must_use]
pub fn outbox() -> (Outbox, OutboxMessages) {
    let (sender, messages) = mpsc::channel(OUTBOX_MESSAGES);
    (Outbox(sender), messages)
}

impl Outbox {
    /// Puts in a message of few bytes, or one whose sender keeps as much until it is in.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send(&self, envelope: Envelope) -> Result<(), OutboxClosed> {
        self.send_charged(envelope, Charge::none()).await
    }

    /// Puts in a message, and keeps what is charged for it until it is written.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_charged(&self, envelope: Envelope, charge: Charge) -> Result<(), OutboxClosed> {
        self.0.send(Outgoing { envelope, charge }).await.map_err(|_| OutboxClosed)
    }

    /// As [`send`](Self::send), where that may block.
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn blocking_send(&self, envelope: Envelope) -> Result<(), OutboxClosed> {
        self.0.blocking_send(Outgoing { envelope, charge: Charge::none() }).map_err(|_| OutboxClosed)
    }

    /// Puts in a message if there is a place for it at once; true if there was.
    #[must_use]
    pub fn try_send(&self, envelope: Envelope) -> bool {
        self.0.try_send(Outgoing { envelope, charge: Charge::none() }).is_ok()
    }

    /// True if the connection is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// Writes messages until `closing` is cancelled or all senders are gone; then what waits still goes out, and the connection
/// is closed. Messages that wait together go out together.
///
/// # Errors
/// If the connection breaks.
pub async fn write_all<S: AsyncWrite + Unpin>(
    mut stream: S,
    mut messages: OutboxMessages,
    closing: CancellationToken,
) -> Result<(), ChannelError> {
    let mut bytes = Vec::new();
    loop {
        let next = tokio::select! {
            biased;
            next = messages.recv() => next,
            () = closing.cancelled() => None,
        };
        let Some(Outgoing { envelope, charge }) = next else { break };
        let mut charges = vec![charge];
        bytes.clear();
        envelope.encode(&mut bytes)?;
        drop(envelope);
        while bytes.len() < WRITTEN_LEN {
            let Ok(Outgoing { envelope, charge }) = messages.try_recv() else { break };
            envelope.encode(&mut bytes)?;
            charges.push(charge);
        }
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        bytes.shrink_to(WRITTEN_LEN);
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
