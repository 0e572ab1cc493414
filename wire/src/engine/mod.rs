//! The transfer engine: moves frames between lanes and storage, for both ends alike.
//!
//! ```text
//!             blocking job of one frame       transport                  blocking job of the frames that have arrived
//! storage ─► read, hash, encode in place ─► FrameBuffer ─► writer ══► reader ─► decode in place, verify, write ─► storage
//!              ▲ plan                                                                            ▼
//!            Sender (wire::sender)  ◄────────── Ack on the control connection ────────── Receiver (wire::receiver)
//! ```
//!
//! Ownership: an [`Exchange`] belongs to a session and knows its jobs. A job owns its machine, its storage end and its open
//! files. A lane owns its [transport](crate::transport)'s two halves, and one outgoing buffer while it has data to send. All of
//! this is charged to the session's [budget](crate::budget) before it is kept, and waits if there is no room.
//!
//! If we die at any line: staged files may stay, under their reserved names, some with a journal for the next run to resume
//! from; a partial file never has any other name.

mod active;
mod any_lane;
mod commits;
mod compression;
mod cursor;
mod exchange;
mod file_content;
mod held_answers;
mod lane_timers;
mod lanes;
mod memory;
mod pace;
mod queue;
mod reading;
mod receive;
mod send;
mod source;
mod unsized_file;

pub(crate) use crate::sync::lock;
pub use any_lane::AnyLane;
pub use compression::CompressedBytes;
pub use exchange::{Exchange, JobEnd, Role};
pub use lane_timers::LaneTime;
pub use lanes::{LaneEnd, run_lane};
pub use pace::Pacer;
pub use queue::{Credit, ItemQueue, QueueSource, TooMany};
pub use receive::ReceiveJob;
pub use send::SendJob;
pub use source::{Available, FileSource, NextItems, Source, StreamSource, TreeSource, count};

use crate::checksum::Digest;
use crate::failure::Failure;
use crate::message::Totals;
use crate::path::RemotePath;

/// Receives a job's events. Called from blocking jobs and tasks; must be quick.
pub trait JobObserver: Send + Sync {
    /// A large file has started; `bytes` is `None` for a stream.
    fn file_started(&self, path: &RemotePath, bytes: Option<u64>);
    /// The receiver has verified this many bytes of content: of a large file, or of small files.
    fn progress(&self, path: Option<&RemotePath>, bytes: u64);
    /// This many bytes of content need not be sent, because an earlier run has sent them: of a large file, or of whole files.
    fn already_there(&self, path: Option<&RemotePath>, bytes: u64);
    /// An item has ended.
    fn settled(&self, item: &SettledItem<'_>);
    /// The sender's counts.
    fn totals(&self, totals: Totals);
}

/// An item that has ended.
#[derive(Debug)]
pub struct SettledItem<'a> {
    /// Its path below the job's path.
    pub path: &'a RemotePath,
    /// True for folders.
    pub folder: bool,
    /// Length of its content.
    pub bytes: u64,
    /// Root digest of its content, if it is a file.
    pub digest: Option<Digest>,
    /// It changed while it was read, and was transferred as read.
    pub as_is: bool,
    /// The reason, if it failed.
    pub failure: Option<&'a Failure>,
    /// It is the sender that has failed: it could not read the item. Only for a receiver's observer.
    pub is_lost: bool,
}

/// Ignores all events.
pub struct NoopObserver;

impl JobObserver for NoopObserver {
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn already_there(&self, _: Option<&RemotePath>, _: u64) {}
    fn settled(&self, _: &SettledItem<'_>) {}
    fn totals(&self, _: Totals) {}
}
