//! The transfer engine: moves frames between lanes and storage, for both ends alike.
//!
//! ```text
//!            blocking job of one frame              task of the lane
//! storage -> read, hash, seal in place   -> buffer -> socket ===> socket -> deframer -> open in place, verify, write ->
//! storage
//!              ^ plan                                                                        v
//!            Sender (wire::sender)  <---------- Ack on the control connection ---------- Receiver (wire::receiver)
//! ```
//!
//! Ownership: an [`Exchange`] belongs to a session and knows its jobs. A job owns its machine, its storage end and its open
//! files. A lane owns its keys, one outgoing buffer while it has data to send, and a deframer while data arrives. All of this
//! is charged to the session's [budget](crate::budget) before it is kept, and waits if there is no room.
//!
//! If we die at any line: staged files may stay, under their reserved names, some with a journal for the next run to resume
//! from; a partial file never has any other name.

mod active;
mod admission;
mod buffer;
mod commit;
mod congestion;
mod cursor;
mod exchange;
mod held;
mod inbox;
mod lanes;
mod memory;
mod pace;
mod placing;
mod queue;
mod reading;
mod receive;
mod room;
mod send;
mod sink;
mod source;
mod spent;
mod staged;
mod unsized_file;

pub(crate) use crate::sync::lock;
pub use buffer::{BufferPool, ChunkBuffer};
pub use commit::{Placed, Unnamed, Waiting};
pub use congestion::{LONG_PATH, begin_unpaced, go_on_as_usual};
pub use exchange::{Exchange, JobEnd, Role};
pub use lanes::{LaneEnd, run_lane};
pub use pace::Pacer;
pub use placing::Staged;
pub use queue::{Credit, ItemQueue, QueueSource, TooMany};
pub use receive::ReceiveJob;
pub use send::SendJob;
pub use sink::{Base, Found, Sink, TreeSink, TreeSinkOptions};
pub use source::{FileSource, Source, StreamSource, TreeSource, count};
pub use spent::LaneTime;
pub use staged::{Chunks, Keeping};

use crate::checksum::Digest;
use crate::failure::Failure;
use crate::message::Totals;
use crate::path::RemotePath;

/// Receives a job's events. Called from blocking jobs and tasks; must be quick.
pub trait Observer: Send + Sync {
    /// A large file has started; `bytes` is `None` for a stream.
    fn begun(&self, path: &RemotePath, bytes: Option<u64>);
    /// The receiver has verified this many bytes of content: of a large file, or of small files.
    fn progress(&self, path: Option<&RemotePath>, bytes: u64);
    /// This many bytes of content need not be sent, because an earlier run has sent them: of a large file, or of whole files.
    fn held(&self, path: Option<&RemotePath>, bytes: u64);
    /// An item has ended.
    fn settled(&self, item: &Item<'_>);
    /// The sender's counts.
    fn totals(&self, totals: Totals);
}

/// An item that has ended.
#[derive(Debug)]
pub struct Item<'a> {
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
}

/// Ignores all events.
pub struct Deaf;

impl Observer for Deaf {
    fn begun(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn held(&self, _: Option<&RemotePath>, _: u64) {}
    fn settled(&self, _: &Item<'_>) {}
    fn totals(&self, _: Totals) {}
}
