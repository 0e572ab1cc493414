//! The control connection: messages over a connection of any transport, with one task per direction.

use crate::budget::{Budget, Charge};
use crate::control::{CONTROL_HEADER_LEN, ControlError, ControlHeader, Envelope};
use crate::limits::{CONTROL_BODY_BEFORE_LOGIN_MAX, CONTROL_BODY_MAX, ROOM_PATIENCE};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that may wait to be written. A peer that does not read blocks the senders of further messages.
const OUTBOX_MESSAGES: usize = 32;
/// Messages are written together up to about this many bytes, and a buffer that has grown larger is freed.
const WRITTEN_LEN: usize = 64 * 1024;
/// Memory that a message takes besides its body, including a short answer.
const MESSAGE_LEN: usize = 8 * 1024;
/// Memory that a message takes per byte of its body, at most: a selection's items, each with a path of one name.
const KEPT_FOR_BYTE: usize = 4;

/// Input of a control connection.
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
    /// The peer sent bytes that are not a message.
    #[error("{0}")]
    Message(#[from] ControlError),
    /// Memory for a message stayed unavailable for too long.
    #[error("unanswered messages take more memory than allowed")]
    NoRoom,
}

/// Reads messages.
pub struct MessageReader<S> {
    stream: S,
    body_len_max: usize,
    messages: Option<Budget>,
}

impl<S: AsyncRead + Unpin> MessageReader<S> {
    /// A reader that accepts only messages allowed before login.
    pub fn new(stream: S) -> Self {
        Self { stream, body_len_max: CONTROL_BODY_BEFORE_LOGIN_MAX, messages: None }
    }

    /// Reads each message only once `messages` has room for it.
    #[must_use]
    pub fn with_budget(mut self, messages: Budget) -> Self {
        self.messages = Some(messages);
        self
    }

    /// Returns the stream.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Returns the next message. Not cancel-safe: a message may have been read in part.
    ///
    /// # Errors
    /// If the connection breaks or the peer sends bytes that are not a message.
    pub async fn next(&mut self) -> Result<Incoming, ChannelError> {
        self.next_charged().await.map(|(incoming, _)| incoming)
    }

    /// Returns the next message with its memory charge. Not cancel-safe, like [`next`](Self::next).
    ///
    /// # Errors
    /// As [`next`](Self::next), or if memory for the message stays unavailable for too long.
    pub async fn next_charged(&mut self) -> Result<(Incoming, Charge), ChannelError> {
        let mut header = [0; CONTROL_HEADER_LEN];
        if self.stream.read(&mut header[..1]).await? == 0 {
            return Ok((Incoming::Closed, Charge::none()));
        }
        self.stream.read_exact(&mut header[1..]).await?;
        let header = ControlHeader::decode(header, self.body_len_max)?;
        let charge = self.room(header.body_len as usize).await?;
        // Read piece by piece, so that an announced length reserves no memory for bytes that have not arrived.
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

    /// Waits for memory for a body of `len` bytes.
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

/// The sending side of a queue of messages to the peer.
#[derive(Clone)]
pub struct Outbox(mpsc::Sender<Outgoing>);

/// Messages that wait to be written.
pub type OutboxMessages = mpsc::Receiver<Outgoing>;

/// A message that waits to be written.
pub struct Outgoing {
    /// The message.
    pub envelope: Envelope,
    /// The memory charge, until the message is written.
    charge: Charge,
}

/// The connection is closed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is closed")]
pub struct OutboxClosed;

/// Creates a queue of messages: its sending side, and its receiving side for [`write_all`].
#[must_use]
pub fn outbox() -> (Outbox, OutboxMessages) {
    let (sender, messages) = mpsc::channel(OUTBOX_MESSAGES);
    (Outbox(sender), messages)
}

impl Outbox {
    /// Queues a short message, or one that its sender keeps charged until it is queued.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send(&self, envelope: Envelope) -> Result<(), OutboxClosed> {
        self.send_charged(envelope, Charge::none()).await
    }

    /// Queues a message, with its charge until it is written.
    ///
    /// # Errors
    /// If the connection is closed.
    pub async fn send_charged(&self, envelope: Envelope, charge: Charge) -> Result<(), OutboxClosed> {
        self.0.send(Outgoing { envelope, charge }).await.map_err(|_| OutboxClosed)
    }

    /// Blocking version of [`send`](Self::send).
    ///
    /// # Errors
    /// If the connection is closed.
    pub fn blocking_send(&self, envelope: Envelope) -> Result<(), OutboxClosed> {
        self.0.blocking_send(Outgoing { envelope, charge: Charge::none() }).map_err(|_| OutboxClosed)
    }

    /// Queues a message if there is space at once; returns whether it did.
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

/// Writes messages until `closing` is cancelled or all senders are dropped; then writes the queued ones and closes the
/// connection. Messages that wait together are written together.
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
pub fn split<S: AsyncRead + AsyncWrite>(connection: S) -> (MessageReader<ReadHalf<S>>, WriteHalf<S>) {
    let (read, write) = tokio::io::split(connection);
    let receiver = MessageReader { stream: read, body_len_max: CONTROL_BODY_MAX, messages: None };
    (receiver, write)
}
