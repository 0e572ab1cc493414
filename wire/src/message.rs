//! The messages of the control connection. Structs never gain fields; enums gain variants only at their end.

mod byte_string;
mod files;
mod job;
mod listing;
mod mirror;
mod session;
mod transfer;

pub use files::{
    Fidelity, Hash, Hashed, Link, MakeFolder, Remove, Rename, SetMetadata, Space, SpaceReport, Sweep, Swept,
};
pub use job::{Ack, ChunkRange, End, FrameRange, Held, HeldItem, ItemFailure, Offer, OfferedItem, Totals};
pub use listing::{
    Continue, Details, Entry, EntryDetails, FileId, List, Listing, Owner, PathFailure, Stat, Xattr,
};
pub use mirror::{Batch, BatchDone, Change, ChangeFailure, Digested, Digests, Select, Wanted, WantedItem};
pub use session::{Bye, Cancel, Done, LaneHello, Login, LoginRequest, Ping, Pong, Replace, Stalled, Welcome};
pub use transfer::{Changing, Durability, Extension, Get, JobOptions, Opened, Overwrite, Put, Resume};

use crate::failure::Failure;
use crate::fidelity::FidelityReport;

macro_rules! messages {
    ($($(#[doc = $doc:literal])+ $name:ident($body:ty) = $number:literal,)+) => {
        /// A message of the control connection. The number of its kind stands in the frame's header, its body is bincode.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[doc = $doc])+ $name($body),)+
        }

        impl Message {
            /// The number of this message's kind.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $number,)+
                }
            }

            /// The name of a kind, for logs.
            #[must_use]
            pub fn kind_name(kind: u16) -> Option<&'static str> {
                match kind {
                    $($number => Some(stringify!($name)),)+
                    _ => None,
                }
            }

            /// Numbers of all kinds of this version.
            pub const KINDS: &'static [u16] = &[$($number,)+];

            pub(crate) fn encode_body(&self, bytes: &mut Vec<u8>) -> Result<(), crate::codec::CodecError> {
                match self {
                    $(Self::$name(body) => crate::codec::encode(body, bytes),)+
                }
            }

            pub(crate) fn decode_body(kind: u16, bytes: &[u8]) -> Result<Option<Self>, crate::codec::CodecError> {
                Ok(match kind {
                    $($number => Some(Self::$name(crate::codec::decode::<$body>(bytes)?)),)+
                    _ => None,
                })
            }
        }

        $(impl From<$body> for Message {
            fn from(body: $body) -> Self {
                Self::$name(body)
            }
        })+
    };
}

messages! {
    /// Client: the first message of a control connection.
    Login(LoginRequest) = 1,
    /// Client: the first message of a lane.
    LaneHello(LaneHello) = 2,
    /// Server: the login is accepted.
    Welcome(Welcome) = 3,
    /// Either: the request, or the job, with this request id failed.
    Failure(Failure) = 4,
    /// Server: the request is done, without any result to return.
    Done(Done) = 5,

    /// Client: list a folder, or a whole tree.
    List(List) = 16,
    /// Server: a page of a listing; flag MORE unless it is the last.
    Listing(Listing) = 17,
    /// Client: metadata of one path.
    Stat(Stat) = 18,
    /// Server: the answer to `Stat`.
    Status(Entry) = 19,
    /// Client: open a job that sends from the server.
    Get(Get) = 20,
    /// Client: open a job that sends to the server.
    Put(Put) = 21,
    /// Server: the answer to `Get` and `Put`: the job runs.
    Opened(Opened) = 22,
    /// Client: make a folder.
    MakeFolder(MakeFolder) = 23,
    /// Client: remove a file, a link or a folder.
    Remove(Remove) = 24,
    /// Client: rename.
    Rename(Rename) = 25,
    /// Client: change a file's metadata.
    SetMetadata(SetMetadata) = 26,
    /// Client: make a symbolic link.
    Link(Link) = 27,
    /// Client: SHA-256 of a file's content.
    Hash(Hash) = 28,
    /// Server: the answer to `Hash`.
    Hashed(Hashed) = 29,
    /// Client: free and used space.
    Space(Space) = 30,
    /// Server: the answer to `Space`.
    SpaceReport(SpaceReport) = 31,
    /// Client: open a job that sends from the server what `Wanted` messages name.
    Select(Select) = 32,
    /// Client: root digests of files.
    Digests(Digests) = 33,
    /// Server: the answer to `Digests`.
    Digested(Digested) = 34,
    /// Client: many small changes in one request.
    Batch(Batch) = 35,
    /// Server: the answer to `Batch`.
    BatchDone(BatchDone) = 36,

    /// Client: this session continues one that was cut off.
    Replace(Replace) = 37,
    /// Client: remove the leftovers of interrupted transfers.
    Sweep(Sweep) = 38,
    /// Server: the answer to `Sweep`.
    Swept(Swept) = 39,

    /// Client: how precisely a folder keeps times and permissions.
    Fidelity(Fidelity) = 40,
    /// Server: the answer to `Fidelity`.
    FidelityReport(FidelityReport) = 41,

    /// Client: stop the request or job with this request id.
    Cancel(Cancel) = 48,
    /// Either: answer with `Pong`.
    Ping(Ping) = 49,
    /// Either: the answer to `Ping`.
    Pong(Pong) = 50,
    /// Either: the last message; close the connection.
    Bye(Bye) = 51,

    /// The job's receiver: results of the job's frames.
    Ack(Ack) = 64,
    /// The job's sender: the number of frames; no others will come.
    End(End) = 65,
    /// The job's sender: how much there is to send, as far as counted.
    Totals(Totals) = 66,
    /// Client, in a job of `Select`: items to send.
    Wanted(Wanted) = 67,
    /// Client, during a listing: it has consumed pages.
    Continue(Continue) = 68,
    /// The job's sender: items it is about to send and the receiver may have in part.
    Offer(Offer) = 69,
    /// The job's receiver: the parts it has of offered items.
    Held(Held) = 70,
    /// Server, with request id 0: the disk that the session's work needs does not respond.
    Stalled(Stalled) = 71,
}

/// Reserved kinds, which are neither sent nor understood yet.
impl Message {
    /// Server, before `Welcome`: a further requirement of the login, such as a one-time code.
    pub const LOGIN_CHALLENGE: u16 = 6;

    /// Client: the answer to a challenge.
    pub const LOGIN_ANSWER: u16 = 7;
}
