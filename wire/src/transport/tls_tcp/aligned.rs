//! A reader that never takes bytes beyond the end of the current TLS record from the socket.
//!
//! Otherwise rustls would buffer the bytes behind the handshake, and a lane that takes over the connection's keys would miss
//! them. Also counts the bytes that a connection sends before its login, and stops it at a budget.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of TLS records, read one at a time.
pub struct RecordAlignedReader<T> {
    io: T,
    /// The header of the current record, as far as it is read.
    header: [u8; 5],
    header_len: usize,
    /// Unread bytes of the current record's body.
    body_left: usize,
    /// Bytes that may still be read; `None` for no bound.
    budget: Option<u64>,
}

impl<T> RecordAlignedReader<T> {
    /// Reads at most `budget` bytes from `io`, until [`lift_budget`](Self::lift_budget).
    pub fn new(io: T, budget: u64) -> Self {
        Self { io, header: [0; 5], header_len: 0, body_left: 0, budget: Some(budget) }
    }

    /// Removes the bound on the bytes that may be read.
    pub fn lift_budget(&mut self) {
        self.budget = None;
    }

    /// Returns the stream. No received bytes are lost, unless a record was read in part.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Borrows the stream.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    fn note(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.body_left > 0 {
            self.body_left -= bytes.len();
            return;
        }
        self.header[self.header_len..self.header_len + bytes.len()].copy_from_slice(bytes);
        self.header_len += bytes.len();
        if self.header_len == self.header.len() {
            self.body_left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
            self.header_len = 0;
        }
    }

    fn wanted(&self) -> usize {
        match self.body_left {
            0 => self.header.len() - self.header_len,
            left => left,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for RecordAlignedReader<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wanted = this.wanted().min(buf.remaining());
        let mut limited = ReadBuf::new(buf.initialize_unfilled_to(wanted));
        ready!(Pin::new(&mut this.io).poll_read(cx, &mut limited))?;
        let bytes = limited.filled();
        let read = bytes.len();
        if let Some(budget) = &mut this.budget {
            let left = budget.checked_sub(read as u64);
            *budget = left.ok_or_else(|| io::Error::other("too many bytes before login"))?;
        }
        this.note(bytes);
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for RecordAlignedReader<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// A socket on which all data has arrived already and which returns `step` bytes at a time.
    struct Arrived {
        bytes: Vec<u8>,
        read: usize,
        step: usize,
    }

    impl AsyncRead for Arrived {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            let len = buf.remaining().min(this.step).min(this.bytes.len() - this.read);
            buf.put_slice(&this.bytes[this.read..this.read + len]);
            this.read += len;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_read_reaches_beyond_a_record() {
        let bodies = [0, 1, 100, 16_640, 3, 0, 65_535];
        let bytes: Vec<u8> = bodies.iter().flat_map(|len| record(*len)).collect();
        let ends: Vec<usize> = bodies
            .iter()
            .scan(0, |end, len| {
                *end += 5 + usize::from(*len);
                Some(*end)
            })
            .collect();
        for (step, ask) in [(usize::MAX, 100_000), (usize::MAX, 7), (1, 100), (3, 100_000), (17, 5)] {
            let mut aligned =
                RecordAlignedReader::new(Arrived { bytes: bytes.clone(), read: 0, step }, u64::MAX);
            let (mut buffer, mut read) = (vec![0; ask], Vec::new());
            loop {
                let before = read.len();
                let len = aligned.read(&mut buffer).await.unwrap();
                if len == 0 {
                    break;
                }
                read.extend_from_slice(&buffer[..len]);
                assert_eq!(aligned.get_ref().read, read.len(), "something is held back");
                let end = ends.iter().find(|end| **end > before).unwrap();
                assert!(read.len() <= *end, "a read from {before} to {} crosses {end}", read.len());
            }
            assert_eq!(read, bytes);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_budget_holds_until_it_is_lifted() {
        let arrived = || Arrived { bytes: record(95).repeat(3), read: 0, step: usize::MAX };
        let mut buffer = [0; 100];
        for (budget, fits) in [(99, false), (100, true)] {
            let mut aligned = RecordAlignedReader::new(arrived(), budget);
            assert_eq!(aligned.read_exact(&mut buffer).await.is_ok(), fits);
            assert!(aligned.read_exact(&mut buffer).await.is_err());
        }
        let mut aligned = RecordAlignedReader::new(arrived(), 100);
        aligned.read_exact(&mut buffer).await.unwrap();
        aligned.lift_budget();
        aligned.read_exact(&mut buffer).await.unwrap();
        assert_eq!(aligned.into_inner().read, 200);
    }

    fn record(body_len: u16) -> Vec<u8> {
        let [high, low] = body_len.to_be_bytes();
        let body = (0..body_len).map(|at| at.to_le_bytes()[0]);
        [23, 3, 3, high, low].into_iter().chain(body).collect()
    }
}
