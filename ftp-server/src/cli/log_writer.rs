//! Writes the log's lines, so that serving never waits for the log's reader or disk.
//!
//! A line is written at once where its output takes it at once. Otherwise it waits in a bounded queue, which a thread of its own writes.
//! Lines that find the queue full, and lines that cannot be written (a full disk, a closed pipe, a terminal that is
//! gone), are dropped and counted; the count is logged once lines can be written again. `tracing-appender` has such a thread too, but
//! ignores lines that could not be written.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;
use wire::sync::lock;

/// A handle to the log's queue, for writing lines.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<LogState>);

struct LogState {
    queue: Mutex<LogQueue>,
    changed: Condvar,
    /// Only the one who has set `busy` writes to it, so this lock is never waited for.
    output: Mutex<LogOutput>,
}

#[derive(Default)]
struct LogQueue {
    lines: VecDeque<Vec<u8>>,
    /// Bytes of all lines together.
    len: usize,
    /// Lines that were dropped since that was logged last.
    lost: u64,
    /// Time of that log line.
    told: Option<Instant>,
    /// A thread is writing a line.
    busy: bool,
}

impl LogWriter {
    /// Starts the thread, which writes to `output`.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub(crate) fn start(output: File) -> io::Result<Self> {
        let output = Mutex::new(LogOutput { output, torn: false });
        let shared = Arc::new(LogState { queue: Mutex::default(), changed: Condvar::new(), output });
        let for_thread = shared.clone();
        // Not joined: it may wait for the log's reader for ever, and ends with the process.
        drop(thread::Builder::new().name(THREAD.into()).spawn(move || for_thread.write_all())?);
        Ok(Self(shared))
    }

    /// Waits until all lines are written, for a moment at most.
    pub(crate) fn flush(&self) {
        let queue = self.0.lock();
        let is_unwritten = |queue: &mut LogQueue| queue.busy || !queue.lines.is_empty();
        drop(self.0.changed.wait_timeout_while(queue, FLUSH_PATIENCE, is_unwritten));
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Takes whole lines, as the formatter writes them. Never fails, and never waits for the log's reader.
impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.lock().claim(line) {
            self.0.write_now_or_queue(line);
        }
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl LogQueue {
    /// Returns true if the caller may write the line at once; otherwise the line is queued.
    fn claim(&mut self, line: &[u8]) -> bool {
        let is_next =
            self.lines.is_empty() && !self.busy && self.lost == 0 && line.len() <= WRITTEN_AT_ONCE_MAX;
        if is_next {
            self.busy = true
        } else {
            self.push(line)
        }
        is_next
    }

    fn push(&mut self, line: &[u8]) {
        // The thread's own line reports how many were lost, and must not be lost itself.
        let is_own = thread::current().name() == Some(THREAD);
        if self.len + line.len() > QUEUE_LEN_MAX && !is_own {
            self.lost += 1;
            return;
        }
        self.len += line.len();
        self.lines.push_back(line.to_vec());
    }

    /// Puts a line before those that were queued meanwhile; one line over the bound is harmless.
    fn push_first(&mut self, line: &[u8]) {
        self.len += line.len();
        self.lines.push_front(line.to_vec());
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.pop_front()?;
        self.len -= line.len();
        Some(line)
    }

    /// Returns how many lines were lost, if it is time to log that: once the queue is empty, or at intervals while it never is.
    fn lost_to_tell(&mut self) -> Option<u64> {
        let is_time = self.lines.is_empty() || self.told.is_none_or(|told| told.elapsed() > TELL_INTERVAL);
        if self.lost == 0 || !is_time {
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.lost))
    }
}

impl LogState {
    /// Writes the line if that takes no waiting; otherwise leaves it to the thread.
    fn write_now_or_queue(&self, line: &[u8]) {
        let mut output = lock(&self.output);
        let written = output.is_ready().then(|| output.write(line));
        drop(output);
        let mut queue = self.lock();
        match written {
            None => queue.push_first(line),
            Some(Err(_)) => queue.lost += 1,
            Some(Ok(())) => {}
        }
        queue.busy = false;
    }

    /// Writes queued lines, for ever.
    fn write_all(&self) {
        loop {
            let line = self.next();
            let written = lock(&self.output).write(&line);
            let lost = {
                let mut queue = self.lock();
                queue.lost += u64::from(written.is_err());
                written.is_ok().then(|| queue.lost_to_tell()).flatten()
            };
            if let Some(lost) = lost {
                tracing::warn!("{lost} lines of the log were lost");
            }
            self.lock().busy = false;
            self.changed.notify_all();
        }
    }

    /// Waits for a line that no other thread writes.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        loop {
            if !queue.busy
                && let Some(line) = queue.pop()
            {
                queue.busy = true;
                return line;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Locks the queue. A panic under the lock leaves a slightly wrong count at worst.
    fn lock(&self) -> MutexGuard<'_, LogQueue> {
        lock(&self.queue)
    }
}

/// An output of lines. A partly written line is ended before the next one.
struct LogOutput {
    output: File,
    torn: bool,
}

impl LogOutput {
    /// Returns true if a short line can be written without waiting, or an error would occur. A ready pipe has room for a page (pipe(7)).
    fn is_ready(&self) -> bool {
        let ready = poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], Some(&Timespec::default()));
        ready.is_ok_and(|ready| ready > 0)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.write_rest(b"\n")?;
        }
        self.write_rest(line)
    }

    fn write_rest(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const THREAD: &str = "log";
/// Bytes of lines that may wait: some thousand lines, and little compared with a session's memory.
const QUEUE_LEN_MAX: usize = 1024 * 1024;
/// Longest line that a ready output takes at once: `PIPE_BUF`.
const WRITTEN_AT_ONCE_MAX: usize = 4096;
/// How long the end of the program waits for the log.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);
/// How often lost lines are reported while the log is always behind.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_what_is_dropped_is_counted() {
        let mut queue = LogQueue::default();
        let line = vec![b'x'; 1000];
        (0..2000).for_each(|_| queue.push(&line));
        assert!(queue.len <= QUEUE_LEN_MAX);
        assert_eq!(queue.lines.len() as u64 + queue.lost, 2000);
        let lost = queue.lost;
        assert_eq!(queue.lost_to_tell(), Some(lost), "for the first time at once");
        queue.push(&line);
        queue.lost = 1;
        assert_eq!(queue.lost_to_tell(), None, "later once nothing waits");
        while queue.pop().is_some() {}
        assert_eq!((queue.len, queue.lost_to_tell(), queue.lost_to_tell()), (0, Some(1), None));
    }

    #[test]
    fn a_line_is_written_at_once_only_if_none_waits_or_was_lost() {
        let mut queue = LogQueue::default();
        assert!(queue.claim(b"first"));
        assert!(!queue.claim(b"second"), "the first is being written");
        queue.push_first(b"first");
        queue.busy = false;
        assert!(!queue.claim(b"third"));
        let lines: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(lines, [&b"first"[..], b"second", b"third"]);
        assert!(!queue.claim(&[b'x'; 5000]), "it could wait for a reader");
        queue.pop();
        queue.lost = 1;
        assert!(!queue.claim(b"fourth"), "the thread tells how many were lost");
    }

    #[test]
    fn a_line_that_was_cut_off_is_ended_before_the_next() {
        let file = tempfile::tempfile().unwrap();
        let mut lines = LogOutput { output: file.try_clone().unwrap(), torn: true };
        lines.write(b"whole\n").unwrap();
        use std::os::unix::fs::FileExt;
        let mut bytes = [0; 10];
        let len = file.read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[..len], b"\nwhole\n");
    }
}
