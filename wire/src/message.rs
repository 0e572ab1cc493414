//! The messages of the control connection: their table, which is also that of the commands, and the bodies of requests about
//! one path. Structs never gain fields; enums gain variants only at their end.

mod byte_string;
mod delta;
mod job;
mod listing;
mod mirror;
mod session;
mod table;
mod transfer;

pub use delta::{Delta, FineCut, FineRun, SignatureAnswer, SignatureRequest, Signatures, WantedSignatures};
pub use job::{Ack, ChunkRange, End, FrameRange, Held, HeldItem, ItemFailure, Offer, OfferedItem, Totals};
pub use listing::{
    Continue, Details, Entry, EntryDetails, FileId, List, Listing, Owner, PathFailure, Stat, Xattr,
};
pub use mirror::{
    Batch, BatchDone, Change, ChangeFailure, Digested, Digests, KeptVersions, Select, Wanted, WantedItem,
};
pub use session::{Bye, Cancel, Done, LaneHello, Login, LoginRequest, Ping, Pong, Replace, Stalled, Welcome};
pub use transfer::{
    Changing, Compress, Durability, Extension, FollowLinks, Get, JobOptions, Opened, Overwrite, Put, Resume,
};

use crate::checksum::Digest;
use crate::command::{Flow, Needs, Spec};
use crate::failure::Failure;
use crate::fidelity::FidelityReport;
use crate::metadata::Timestamp;
use crate::path::{Name, RemotePath};
use serde::{Deserialize, Serialize};
use table::messages;

// A row of a request: its body -> its answer = kind, name of the command, the permission it needs, direction of its data,
// [the fields with the path that it is about, and with a second one].
messages! {
    requests {
        /// Client: list a folder, or a whole tree.
        List -> Listing = 16, "LIST", See, Control, [path];
        /// Client: metadata of one path.
        Stat -> Entry = 18, "STAT", See, Control, [path];
        /// Client: open a job that sends from the server.
        Get -> Opened = 20, "GET", See, ToClient, [path];
        /// Client: open a job that sends to the server.
        Put -> Opened = 21, "PUT", Add, ToServer, [path];
        /// Client: make a folder.
        MakeFolder -> Done = 23, "MKDIR", Change, Control, [path];
        /// Client: remove a file, a link or a folder.
        Remove -> Done = 24, "REMOVE", Remove, Control, [path];
        /// Client: rename.
        Rename -> Done = 25, "RENAME", Remove, Control, [from, to];
        /// Client: change a file's metadata.
        SetMetadata -> Done = 26, "SETMETA", Change, Control, [path];
        /// Client: make a symbolic link.
        Link -> Done = 27, "LINK", Change, Control, [path, target];
        /// Client: SHA-256 of a file's content.
        Hash -> Hashed = 28, "HASH", See, Control, [path];
        /// Client: free and used space.
        Space -> SpaceReport = 30, "SPACE", See, Control, [path];
        /// Client: open a job that sends from the server what `Wanted` messages name.
        Select -> Opened = 32, "SELECT", See, ToClient, [path];
        /// Client: root digests of files.
        Digests -> Digested = 33, "DIGESTS", See, Control, [path];
        /// Client: many small changes in one request.
        Batch -> BatchDone = 35, "BATCH", Change, Control, [path];
        /// Client: this session continues one that was cut off.
        Replace -> Done = 37, "REPLACE", Login, Control, [];
        /// Client: remove the leftovers of interrupted transfers.
        Sweep -> Swept = 38, "SWEEP", Change, Control, [path];
        /// Client: how precisely a folder keeps times and permissions.
        Fidelity -> FidelityReport = 40, "FIDELITY", Change, Control, [path];
        /// Client: copy a file at the server.
        CopyFile -> Copied = 42, "COPY", Change, Control, [from, to];
        /// Client: a part of a file's content.
        ReadFile -> FilePart = 44, "READ", See, Control, [path];
    }
    session {
        /// Client: stop the request or job with this request id.
        Cancel = 48, "CANCEL";
        /// Either: answer with `Pong`.
        Ping = 49, "PING";
        /// Either: the last message; close the connection.
        Bye = 51, "BYE";
    }
    others {
        /// Client: the first message of a control connection.
        Login(LoginRequest) = 1;
        /// Client: the first message of a lane.
        LaneHello(LaneHello) = 2;
        /// Server: the login is accepted.
        Welcome(Welcome) = 3;
        /// Either: the request, or the job, with this request id failed.
        Failure(Failure) = 4;
        /// Server: the request is done, without any result to return.
        Done(Done) = 5;

        /// Server: a page of a listing; flag MORE unless it is the last.
        Listing(Listing) = 17;
        /// Server: the answer to `Stat`.
        Status(Entry) = 19;
        /// Server: the answer to `Get` and `Put`: the job runs.
        Opened(Opened) = 22;
        /// Server: the answer to `Hash`.
        Hashed(Hashed) = 29;
        /// Server: the answer to `Space`.
        SpaceReport(SpaceReport) = 31;
        /// Server: the answer to `Digests`.
        Digested(Digested) = 34;
        /// Server: the answer to `Batch`.
        BatchDone(BatchDone) = 36;
        /// Server: the answer to `Sweep`.
        Swept(Swept) = 39;
        /// Server: the answer to `Fidelity`.
        FidelityReport(FidelityReport) = 41;
        /// Server: the answer to `CopyFile`.
        Copied(Copied) = 43;
        /// Server: the answer to `ReadFile`.
        FilePart(FilePart) = 45;

        /// Either: the answer to `Ping`.
        Pong(Pong) = 50;

        /// The job's receiver: results of the job's frames.
        Ack(Ack) = 64;
        /// The job's sender: the number of frames; no others will come.
        End(End) = 65;
        /// The job's sender: how much there is to send, as far as counted.
        Totals(Totals) = 66;
        /// Client, in a job of `Select`: items to send.
        Wanted(Wanted) = 67;
        /// Client, during a listing: it has consumed pages.
        Continue(Continue) = 68;
        /// The job's sender: items it is about to send and the receiver may have in part.
        Offer(Offer) = 69;
        /// The job's receiver: the parts it has of offered items.
        Held(Held) = 70;
        /// Server, with request id 0: the disk that the session's work needs does not respond.
        Stalled(Stalled) = 71;
        /// The job's sender: it wants signatures of the old file that a large file replaces.
        SignatureRequest(SignatureRequest) = 72;
        /// The job's receiver: the answer to a `SignatureRequest`.
        Signatures(Signatures) = 73;
    }
}

/// Reserved kinds, which are neither sent nor understood yet.
impl Message {
    /// Server, before `Welcome`: a further requirement of the login, such as a one-time code.
    pub const LOGIN_CHALLENGE: u16 = 6;

    /// Client: the answer to a challenge.
    pub const LOGIN_ANSWER: u16 = 7;
}

/// A field with a path that a request is about.
trait MapPath {
    /// Replaces the path, if it is one below the user's root.
    fn map_with(&mut self, map: &dyn Fn(&RemotePath) -> RemotePath);
}

impl MapPath for RemotePath {
    fn map_with(&mut self, map: &dyn Fn(&RemotePath) -> RemotePath) {
        *self = map(self);
    }
}

/// A link's target, which is any text.
impl MapPath for Vec<u8> {
    fn map_with(&mut self, _: &dyn Fn(&RemotePath) -> RemotePath) {}
}

/// A request with one answer, which its row in the table names.
pub trait Call: Into<Message> + Send + 'static {
    /// Its answer, unless it fails.
    type Answer: Answer;

    /// The row of its command.
    const SPEC: Spec;

    /// The path that it is about, if there is one.
    fn path(&self) -> Option<&RemotePath>;
}

/// The body of an answer. A message of another kind is none.
pub trait Answer: Into<Message> + TryFrom<Message, Error = Box<Message>> + Send + 'static {}

impl<T: Into<Message> + TryFrom<Message, Error = Box<Message>> + Send + 'static> Answer for T {}

/// Returns the row of the command that is requested by messages of this kind.
#[must_use]
pub fn spec_of(kind: u16) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.kind == kind)
}

/// Makes a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeFolder {
    /// The folder.
    pub path: RemotePath,
    /// Make missing folders above it, and succeed if it exists.
    pub parents: bool,
}

/// Removes an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// The file, link or folder.
    pub path: RemotePath,
    /// With everything in it, if it is a folder; otherwise a folder is refused.
    pub recursive: bool,
}

/// Renames an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// From here.
    pub from: RemotePath,
    /// To here; or, if this is a folder and `into` is given, to that name within it.
    pub to: RemotePath,
    /// See `to`.
    pub into: Option<Name>,
    /// Replace a file that exists there.
    pub replace: bool,
}

/// Copies a file with its permissions and its modification time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFile {
    /// The file; a link is followed.
    pub from: RemotePath,
    /// The copy; or, if this is a folder and `into` is given, the folder for that name.
    pub to: RemotePath,
    /// See `to`.
    pub into: Option<Name>,
    /// The treatment of an existing file.
    pub overwrite: Overwrite,
}

/// A copy is in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its path.
    pub path: RemotePath,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Asks for a part of a file's content. Needs the feature [`READING`](crate::features::Features::READING).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// The file; a link is followed.
    pub path: RemotePath,
    /// The first byte.
    pub offset: u64,
    /// Most bytes to return, at most [`READ_LEN_MAX`](crate::limits::READ_LEN_MAX).
    pub length: u32,
}

/// A part of a file's content, and the state of the file when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePart {
    /// The content; shorter than requested only at the end of the file.
    #[serde(with = "byte_string")]
    pub bytes: Vec<u8>,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's number (inode): another file under the same path has another one.
    pub file: u64,
}

/// Changes metadata; `None` leaves a value unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMetadata {
    /// The file, link or folder.
    pub path: RemotePath,
    /// New modification time.
    pub modified: Option<Timestamp>,
    /// New permission bits.
    pub mode: Option<u32>,
    /// Make an empty file if there is none.
    pub create: bool,
}

/// Makes a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The link.
    pub path: RemotePath,
    /// Its target; stored unchanged, followed only within the root.
    #[serde(with = "byte_string")]
    pub target: Vec<u8>,
}

/// Asks for the SHA-256 of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    /// The file.
    pub path: RemotePath,
}

/// SHA-256 of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The digest, as printed by sha256sum.
    pub digest: Digest,
    /// Bytes that were hashed.
    pub bytes: u64,
}

/// Asks for free and used space of a path's filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// The path.
    pub path: RemotePath,
}

/// Space in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// The filesystem's size.
    pub total: u64,
    /// Unused bytes.
    pub free: u64,
    /// Unused bytes available to the server's user.
    pub available: u64,
}

/// Asks to remove leftovers of interrupted transfers in a folder and everything below it, except those in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The folder.
    pub path: RemotePath,
    /// Remove only files that have not changed for this many seconds.
    pub idle: u64,
}

/// Counts what was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Staged files.
    pub files: u64,
    /// Their total length in bytes.
    pub bytes: u64,
    /// Staged files that stay: in use, too young, or impossible to remove.
    pub kept: u64,
}

/// Asks how precisely a folder keeps times and permissions, which requires a scratch file there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// The folder.
    pub path: RemotePath,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;

    #[test]
    fn no_kind_stands_twice() {
        for kind in Message::KINDS {
            assert_eq!(Message::KINDS.iter().filter(|other| *other == kind).count(), 1, "{kind}");
        }
    }

    #[test]
    fn access_is_what_the_words_say() {
        let allowed = |access: Access| -> Vec<&str> {
            SPECS
                .iter()
                .filter(|spec| spec.needs != Needs::Login && spec.needs.met_by(access))
                .map(|spec| spec.name)
                .collect()
        };
        assert_eq!(
            allowed(Access::Read),
            ["LIST", "STAT", "GET", "HASH", "SPACE", "SELECT", "DIGESTS", "READ"]
        );
        assert_eq!(allowed(Access::Drop), ["PUT"]);
        assert!(!allowed(Access::Write).contains(&"REMOVE") && allowed(Access::Write).contains(&"PUT"));
        let of_users = SPECS.iter().filter(|spec| spec.needs != Needs::Login).count();
        assert_eq!(allowed(Access::Full).len(), of_users);
    }
}
