//! Pairs of bounded pipes of bytes in memory: a connection without a network.
//!
//! An end that is dropped without a close has lost the connection: what was in the pipes is gone, as with a reset. A pipe can be
//! made to break after a number of bytes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use wire::sync::lock;

/// The two pipes of a connection, at one of its ends.
pub(crate) struct PipePair {
    pub(crate) outgoing: Arc<Pipe>,
    pub(crate) incoming: Arc<Pipe>,
}

impl PipePair {
    /// Returns the two ends of a connection.
    pub(crate) fn joined() -> (Self, Self) {
        let (there, back) = (Arc::<Pipe>::default(), Arc::<Pipe>::default());
        let one = Self { outgoing: there.clone(), incoming: back.clone() };
        (one, Self { outgoing: back, incoming: there })
    }

    /// Loses the connection.
    pub(crate) fn cut(&self) {
        self.outgoing.end(PipeEnd::Broken);
        self.incoming.end(PipeEnd::Broken);
    }
}

impl Drop for PipePair {
    fn drop(&mut self) {
        self.cut();
    }
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Pipe {
    state: Mutex<PipeState>,
}

#[derive(Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    end: Option<PipeEnd>,
    /// Bytes until it breaks.
    left: Option<usize>,
    waiting: Vec<Waker>,
}

/// How a pipe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PipeEnd {
    Closed,
    Broken,
}

impl PipeState {
    fn is_writable(&self) -> bool {
        self.end.is_some() || self.bytes.len() < PIPE_LEN
    }

    fn is_readable(&self) -> bool {
        self.end.is_some() || !self.bytes.is_empty()
    }

    /// Ends the pipe; the first end counts, except that bytes on their way are lost when it breaks.
    fn end(&mut self, end: PipeEnd) {
        if self.end.is_none() {
            self.end = Some(end);
            if end == PipeEnd::Broken {
                self.bytes.clear();
            }
        }
    }
}

impl Pipe {
    /// Breaks after so many bytes from now on.
    pub(crate) fn break_after(&self, len: usize) {
        lock(&self.state).left = Some(len);
    }

    /// Writes what there is room for; returns how many bytes that are.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(PIPE_LEN - state.bytes.len());
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(len);
            if *left == 0 {
                state.end(PipeEnd::Broken);
                wake(state);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        state.bytes.extend(&bytes[..len]);
        wake(state);
        Ok(len)
    }

    pub(crate) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            poll_fn(|cx| self.poll_writable(cx)).await;
            rest = &rest[self.write(rest)?..];
        }
        Ok(())
    }

    pub(crate) async fn readable(&self) {
        poll_fn(|cx| self.poll_readable(cx)).await;
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(cx, PipeState::is_readable)
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(cx, PipeState::is_writable)
    }

    /// Appends up to `len` bytes to `to`; returns how many were there, or the pipe's end behind the last one.
    pub(crate) fn read(&self, len: usize, to: &mut Vec<u8>) -> Result<usize, PipeEnd> {
        let mut state = lock(&self.state);
        let len = len.min(state.bytes.len());
        match state.end {
            Some(end) if state.bytes.is_empty() => return Err(end),
            Some(_) | None => {
                let (front, back) = state.bytes.as_slices();
                to.extend_from_slice(&front[..len.min(front.len())]);
                to.extend_from_slice(&back[..len - len.min(front.len())]);
                state.bytes.drain(..len);
            }
        }
        wake(state);
        Ok(len)
    }

    /// Ends the pipe.
    pub(crate) fn end(&self, end: PipeEnd) {
        let mut state = lock(&self.state);
        state.end(end);
        wake(state);
    }

    fn poll_until(&self, cx: &mut Context<'_>, is_so: impl Fn(&PipeState) -> bool) -> Poll<()> {
        let mut state = lock(&self.state);
        if is_so(&state) {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Wakes all that wait for a change.
fn wake(mut state: MutexGuard<'_, PipeState>) {
    let waiting = std::mem::take(&mut state.waiting);
    drop(state);
    waiting.into_iter().for_each(Waker::wake);
}

/// Bytes that a pipe has room for: less than a block, so that writers wait in the middle of frames.
const PIPE_LEN: usize = 200_000;
