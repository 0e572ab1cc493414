//! The messages of the control connection. Structs never gain fields; enums gain variants only at their end.

mod mirror;

pub use mirror::{Batch, BatchDone, Change, ChangeFailure, Digested, Digests, Select, Wanted, WantedItem};

use crate::access::Access;
use crate::bounded::sequence;
use crate::checksum::{Checksum, Digest};
use crate::failure::{Failure, FailureCode};
use crate::features::Features;
use crate::fidelity::FidelityReport;
use crate::frame::Announcement;
use crate::limits::{
    ACK_ITEMS_MAX, EXTENSION_LEN_MAX, JOB_EXTENSIONS_MAX, LISTING_PAGE_ENTRIES_MAX, OFFER_ITEMS_MAX,
    OFFERED_AHEAD_MAX,
};
use crate::metadata::{Metadata, SourceId, Timestamp};
use crate::path::{Name, RemotePath};
use serde::{Deserialize, Serialize};

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
    /// Server: the request is done; there is nothing to tell.
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

    /// Client: this session goes on where another was cut off.
    Replace(Replace) = 37,
    /// Client: remove what interrupted transfers have left.
    Sweep(Sweep) = 38,
    /// Server: the answer to `Sweep`.
    Swept(Swept) = 39,

    /// Client: how faithfully a folder keeps times and permissions.
    Fidelity(Fidelity) = 40,
    /// Server: the answer to `Fidelity`.
    FidelityReport(FidelityReport) = 41,

    /// Client: stop the request or job with this request id.
    Cancel(Cancel) = 48,
    /// Either: answer with `Pong`.
    Ping(Ping) = 49,
    /// Either: the answer to `Ping`.
    Pong(Pong) = 50,
    /// Either: nothing more will come; close the connection.
    Bye(Bye) = 51,

    /// The job's receiver: what it has done with the job's frames.
    Ack(Ack) = 64,
    /// The job's sender: no frame beyond these will come.
    End(End) = 65,
    /// The job's sender: how much there is to send, as far as it has looked.
    Totals(Totals) = 66,
    /// Client, in a job of `Select`: items to send.
    Wanted(Wanted) = 67,
    /// Client, while a listing comes: it has taken pages.
    Continue(Continue) = 68,
    /// The job's sender: what it is about to send, where the receiver may have some of it.
    Offer(Offer) = 69,
    /// The job's receiver: what it has of what was offered.
    Held(Held) = 70,
    /// Server, with request id 0: the disk below the session's work does not answer.
    Stalled(Stalled) = 71,
}

/// Kinds that are reserved: none of them is sent or understood yet.
impl Message {
    /// Server, before `Welcome`: what the login takes further, as a code of one use.
    pub const LOGIN_CHALLENGE: u16 = 6;
    /// Client: the answer to a challenge.
    pub const LOGIN_ANSWER: u16 = 7;
}

/// Asks how faithfully a folder keeps times and permissions, which takes a scratch file there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// The folder.
    pub path: RemotePath,
}

/// Asks to act for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Name and version of the client's program.
    pub agent: String,
    /// Those that the client knows. The server ignores those that it does not.
    pub features: Features,
    /// Who, and the proof.
    pub login: Login,
}

/// Who logs in, and the proof.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Login {
    /// A user's password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that stands for a user.
    Token {
        /// The token's text.
        token: String,
    },
    /// A user's OpenSSH keys.
    Keys {
        /// The user's name.
        user: String,
        /// A signature by each key, see [`crate::login`]. One that is good is enough.
        proofs: Vec<Vec<u8>>,
    },
}

/// Never shows the secret.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?} }}"),
            Self::Token { .. } => f.write_str("Token"),
            Self::Keys { user, proofs } => write!(f, "Keys {{ user: {user:?}, {} keys }}", proofs.len()),
        }
    }
}

/// Binds a connection to a session as a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHello {
    /// The session's id, derived from the control connection.
    pub session: [u8; 16],
    /// The lane's number, each used once in a session.
    pub lane: u16,
    /// See [`crate::binding`].
    pub proof: [u8; 32],
}

/// What the session may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Name and version of the server's program.
    pub agent: String,
    /// Those that hold for the session: of those that the client knows, those that the server does.
    pub features: Features,
    /// The user that the session acts for.
    pub user: String,
    /// What that user may do.
    pub access: Access,
    /// Most lanes at the same time.
    pub lanes_max: u16,
    /// Most jobs at the same time.
    pub jobs_max: u16,
    /// Most unacknowledged frames of a job that the server receives.
    pub window: u32,
    /// Most bytes of memory that the session may take of the server.
    pub memory: u64,
}

/// Nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done;

/// Asks for a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// The folder.
    pub path: RemotePath,
    /// The whole tree below it, depth-first, sorted; otherwise the folder alone.
    pub recursive: bool,
    /// With the root digest of each file.
    pub digests: Option<Checksum>,
    /// What else to tell of each entry.
    pub details: Details,
}

/// What to tell of a file beside its metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Details {
    /// Who owns it.
    pub owner: bool,
    /// Which file it is, and how many names that has.
    pub links: bool,
    /// Its extended attributes.
    pub xattrs: bool,
}

/// What is known of a file beside its metadata, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EntryDetails {
    /// Who owns it.
    pub owner: Option<Owner>,
    /// Which file it is.
    pub file: Option<FileId>,
    /// Its extended attributes, sorted by name.
    pub xattrs: Option<Vec<Xattr>>,
    /// Its content may have been lost when the power was cut, whatever its size and time say. This is told unasked.
    pub is_unproven: bool,
}

/// Who owns a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// The user's name; empty if there is none.
    pub user_name: String,
    /// The group's name; empty if there is none.
    pub group_name: String,
}

/// Which file it is: names of one file have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// The number of its device.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// How many names it has.
    pub names: u64,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Xattr {
    /// Its name, with the namespace: `user.comment`.
    #[serde(with = "byte_string")]
    pub name: Vec<u8>,
    /// Its value.
    #[serde(with = "byte_string")]
    pub value: Vec<u8>,
}

/// One listed file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is, below the listed folder.
    pub path: RemotePath,
    /// What it is.
    pub metadata: Metadata,
    /// Where a symbolic link leads, as it is stored; empty for others.
    #[serde(with = "byte_string")]
    pub link_target: Vec<u8>,
    /// The file's root digest, where it was asked for.
    pub digest: Option<Digest>,
    /// What else was asked for.
    pub details: Option<Box<EntryDetails>>,
}

impl Entry {
    /// True for a file whose content may have been lost when the power was cut, whatever its size and time say.
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.is_unproven)
    }
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Entries in the order of the walk.
    #[serde(deserialize_with = "sequence::<LISTING_PAGE_ENTRIES_MAX, _, _>")]
    pub entries: Vec<Entry>,
    /// What could not be listed.
    pub failures: Vec<PathFailure>,
}

/// A failure at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathFailure {
    /// Where, below the listed folder.
    pub path: RemotePath,
    /// Why.
    pub failure: Failure,
}

/// Asks for one path's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// The path.
    pub path: RemotePath,
    /// Of what a link leads to, not of the link.
    pub follow: bool,
    /// What else to tell of it.
    pub details: Details,
}

/// Opens a job that sends from the server; the job's id is the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// A file, or with `recursive` also a folder or a link. Paths of the job's items are below it.
    pub path: RemotePath,
    /// A whole tree.
    pub recursive: bool,
    /// Most unacknowledged frames that the client takes, 1 to [`WINDOW_FRAMES_MAX`](crate::limits::WINDOW_FRAMES_MAX).
    pub window: u32,
    /// Most bytes of lane data per second, over all lanes; 0 for no limit.
    pub rate_limit: u64,
    /// Send `Totals` while the job runs.
    pub totals: bool,
    /// What becomes of a file that changes while it is read.
    pub changing: Changing,
    /// How it transfers. Files that have changed since `begun` are offered as such.
    pub options: JobOptions,
}

/// How a job transfers: what `Get`, `Put` and `Select` have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOptions {
    /// The checksum of the job's frames.
    pub checksum: Checksum,
    /// Whether the receiver keeps what an interrupted run leaves, and may have some.
    pub resume: Resume,
    /// If this is not the first attempt of the transfer: `at` of the first one's [`Opened`], if it came.
    pub begun: Option<Timestamp>,
    /// The receiver makes holes where a file has them: they need not be sent.
    pub sparse: bool,
    /// What later versions add. One that the server does not know fails the request with `Unsupported`.
    #[serde(deserialize_with = "sequence::<JOB_EXTENSIONS_MAX, _, _>")]
    pub extensions: Vec<Extension>,
}

impl JobOptions {
    /// Nothing but a checksum: nothing is kept, and holes are sent.
    #[must_use]
    pub fn of(checksum: Checksum) -> Self {
        Self { checksum, resume: Resume::Never, begun: None, sparse: false, extensions: Vec::new() }
    }

    /// Looks at what later versions may have added; this one knows no extension.
    ///
    /// # Errors
    /// `Unsupported`, with the number of the first extension.
    pub fn check_extensions(&self) -> Result<(), Failure> {
        match self.extensions.first() {
            None => Ok(()),
            Some(Extension { number, .. }) => {
                Err(Failure::new(FailureCode::Unsupported, format!("extension {number} of a job's options")))
            }
        }
    }
}

/// An option that a later version has added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Which one; numbers are never used again.
    pub number: u16,
    /// Its value, in a form of its own.
    #[serde(deserialize_with = "sequence::<EXTENSION_LEN_MAX, _, _>")]
    pub value: Vec<u8>,
}

/// What becomes of a file that changes while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Changing {
    /// It is read again, a few times; if it changes each time it fails with `SourceChanged`.
    #[default]
    Retry,
    /// It is given up with `Skipped`.
    Skip,
    /// What was read is sent, as long as the file was when it was opened, and its seal or entry says so.
    AsIs,
}

/// Whether what an interrupted run leaves is kept, and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// Neither: each run begins anew, and an interrupted one leaves nothing.
    Never,
    /// It is kept. Nothing is known of an earlier run, so only the largest files are offered before they are sent.
    New,
    /// It is kept. An earlier run was interrupted, so all is offered before it is sent.
    Again,
}

/// Opens a job that sends to the server; the job's id is the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// Where the job's items go. Their paths are below it; an empty one is this path itself.
    pub path: RemotePath,
    /// If `path` is a folder already: the name within it to use instead of `path` itself.
    pub into: Option<Name>,
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// `path` is a folder, made if it is missing, and no other exclusive job may write to it at the same time.
    pub exclusive: bool,
    /// What an item must have survived before it is acknowledged.
    pub durability: Durability,
    /// Permissions are for what is new, less the umask of the server; what exists keeps its own.
    pub modes_of_new: bool,
    /// Permissions, at most, with which a missing folder is made; its own come when all in it is done.
    pub folder_mode: u32,
    /// How it transfers. Files that have been put in their place since `begun` need not be sent again.
    pub options: JobOptions,
}

/// What may befall the receiving machine without undoing what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Durability {
    /// The process is killed.
    #[default]
    Process,
    /// The power fails, or the system crashes: content and names are synced to the disk first.
    Power,
}

/// What happens to a file that exists at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overwrite {
    /// It is replaced.
    Always,
    /// It stays.
    Never,
    /// It is replaced if the source was modified later.
    Newer,
    /// It is replaced if size or modification time differ.
    Different,
}

/// A job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The path that the job works on.
    pub path: RemotePath,
    /// True if the source (of a `Get`) is a folder.
    pub folder: bool,
    /// When it was opened, by the clock that dates the server's files.
    pub at: Timestamp,
}

/// Makes a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeFolder {
    /// The folder.
    pub path: RemotePath,
    /// Make missing folders above it, and be content if it exists.
    pub parents: bool,
}

/// Removes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// What.
    pub path: RemotePath,
    /// With all that is in it, if it is a folder; otherwise a folder is refused.
    pub recursive: bool,
}

/// Renames something.
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

/// Changes metadata; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMetadata {
    /// Of this.
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
    /// Where it leads; stored as it is, followed only within the root.
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
    /// As sha256sum prints it.
    pub digest: Digest,
    /// Bytes that were hashed.
    pub bytes: u64,
}

/// Asks for free and used space of the filesystem that holds a path.
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
    /// Not used.
    pub free: u64,
    /// Not used, and open to the server's user.
    pub available: u64,
}

/// The client has taken pages of a listing, so that as many more may be under way: at most
/// [`LISTING_PAGES_AHEAD`](crate::limits::LISTING_PAGES_AHEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continue {
    /// How many.
    pub pages: u32,
}

/// Ends another session of the same client, whose connection was lost: nobody may know yet that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// The other session's id.
    pub session: [u8; 16],
    /// See [`crate::binding`].
    pub proof: [u8; 32],
}

/// Asks to remove what interrupted transfers have left in a folder and all below it, but for what is in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The folder.
    pub path: RemotePath,
    /// Only what has not changed for so many seconds.
    pub idle: u64,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Staged files.
    pub files: u64,
    /// Bytes that they had.
    pub bytes: u64,
    /// Staged files that stay: in use, not idle for long enough, or not to be removed.
    pub kept: u64,
}

/// Stops a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel;

/// The server's disk does not answer; what the session asked for waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalled {
    /// For how long nothing of it has gone on.
    pub seconds: u32,
}

/// Is the peer there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping;

/// The peer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong;

/// The last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye;

/// What a job's receiver has done since its last acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ack {
    /// Frames whose effect is final: blocks written, packs and seals published or failed.
    pub done: Vec<FrameRange>,
    /// Items of done frames that failed.
    #[serde(deserialize_with = "sequence::<ACK_ITEMS_MAX, _, _>")]
    pub failed: Vec<ItemFailure>,
    /// Frames to send again, because their data did not match their digests.
    #[serde(deserialize_with = "sequence::<ACK_ITEMS_MAX, _, _>")]
    pub damaged: Vec<u64>,
}

/// Consecutive frames of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRange {
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
}

/// An item that failed at the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemFailure {
    /// The frame that it came in.
    pub frame: u64,
    /// Which entry of a pack; 0 for a block or seal.
    pub entry: u32,
    /// Why.
    pub failure: Failure,
}

/// All frames of a job have a number now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How many frames the job has.
    pub frames: u64,
}

/// How much a job has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Files and links.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// All has been counted.
    pub complete: bool,
}

/// Items that a job's sender is about to send, for the receiver to say what it has of them. They are sent once that is
/// answered, each as far as it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Files, at most [`OFFER_ITEMS_MAX`].
    #[serde(deserialize_with = "sequence::<OFFER_ITEMS_MAX, _, _>")]
    pub items: Vec<OfferedItem>,
}

/// An item that a job's sender is about to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedItem {
    /// Where it goes, below the job's path.
    pub path: RemotePath,
    /// What it is.
    pub metadata: Metadata,
    /// Which state of it will be sent, if it is a large file; otherwise zero.
    pub source: SourceId,
    /// It may have changed since the first attempt began, whatever its size and time say: what is in its place is none of it.
    pub changed: bool,
}

impl OfferedItem {
    /// What the item's frames will say of it, if it is a large file.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        Announcement {
            path: self.path.clone(),
            size: Some(self.metadata.size),
            modified: Some(self.metadata.modified),
            mode: self.metadata.mode,
            source: self.source,
        }
    }
}

/// What a job's receiver has of items that were offered, in the order of the offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// One for each item, but for those with `more`.
    #[serde(deserialize_with = "sequence::<OFFERED_AHEAD_MAX, _, _>")]
    pub answers: Vec<HeldItem>,
}

/// What a job's receiver has of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldItem {
    /// Nothing that could be proven.
    Nothing,
    /// All of it, in its place: it is done.
    All,
    /// Chunks of a large file, staged.
    Chunks {
        /// Which, in growing order.
        chunks: Vec<ChunkRange>,
        /// The digest of each.
        digests: Vec<Digest>,
        /// The next answer is about the same item.
        more: bool,
    },
}

/// Consecutive chunks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRange {
    /// Number of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
}

/// Serializes bytes as one string of bytes instead of a list of numbers.
mod byte_string {
    use crate::path::Bytes;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}
