//! A socket that carries TLS: of TCP, or a local one whose other end a program such as ssh reads and writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// A socket of TCP.
    Tcp(TcpStream),
    /// A local socket, of this machine.
    Local(UnixStream),
}

/// Calls the same method of whichever socket it is.
macro_rules! of_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($stream) => $call,
            Socket::Local($stream) => $call,
        }
    };
}

impl Socket {
    /// Returns the socket of TCP, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Local(_) => None,
        }
    }

    /// Sends small messages at once.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        self.tcp().map_or(Ok(()), |stream| stream.set_nodelay(true))
    }

    /// Waits until there may be bytes to read.
    ///
    /// # Errors
    /// As the system has it.
    pub async fn readable(&self) -> io::Result<()> {
        of_either!(self, stream => stream.readable().await)
    }

    /// Waits until there may be room to write.
    ///
    /// # Errors
    /// As the system has it.
    pub async fn writable(&self) -> io::Result<()> {
        of_either!(self, stream => stream.writable().await)
    }

    /// Reads what has arrived.
    ///
    /// # Errors
    /// As the system has it; `WouldBlock` if there is nothing.
    pub fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        of_either!(self, stream => stream.try_read(bytes))
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// As the system has it; `WouldBlock` if there is none.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        of_either!(self, stream => stream.try_write(bytes))
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self::Local(stream)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        of_either!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        of_either!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_either!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        of_either!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_either!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
