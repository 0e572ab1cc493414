//! Every bound of the protocol, with its reason. Data from the peer is checked against one of these before memory is reserved.

use std::time::Duration;

/// Length of a chunk: the one unit of I/O, sealing, verifying, scheduling and resuming.
/// Measured: 64 KiB was 30 % slower, 4 MiB fell out of the processor's cache.
pub const CHUNK_LEN: usize = 512 * 1024;

/// Longest component of a path, in bytes: Linux's `NAME_MAX`.
pub const NAME_LEN_MAX: usize = 255;
/// Longest path, in bytes, with one byte between components: Linux's `PATH_MAX` without its NUL.
pub const PATH_LEN_MAX: usize = 4095;
/// Deepest path, in components. Bounds the folders whose names a walk keeps.
pub const PATH_DEPTH_MAX: usize = 256;

/// Longest body of a control frame before login: enough for a login, too little for an attack.
pub const CONTROL_BODY_BEFORE_LOGIN_MAX: usize = 16 * 1024;
/// Most bytes that a login shell may print before the greeting of a server that ssh has started.
pub const SHELL_NOISE_LEN_MAX: usize = 64 * 1024;
/// Longest body of a control frame after login.
pub const CONTROL_BODY_MAX: usize = 1024 * 1024;
/// A listing is cut into pages of about this many bytes, so that several requests share the connection fairly.
pub const LISTING_PAGE_LEN: usize = 128 * 1024;
/// A listing page is sent when it holds this many entries, whatever their length.
pub const LISTING_PAGE_ENTRIES_MAX: usize = 2048;

/// Unconsumed pages of one listing. A client that is busy elsewhere has room for them, so its other answers never wait behind
/// them. Allows 2 MiB per round trip.
pub const LISTING_PAGES_AHEAD: usize = 16;
/// Most bytes of a pattern whose braces are written out, together with the texts on the way there: a path that is matched costs
/// at most these times its own length.
pub const ALTERNATIVES_LEN_MAX: usize = 8 * 1024;

/// Longest text that explains a failure.
pub const FAILURE_MESSAGE_LEN_MAX: usize = 1024;
/// Longest user name.
pub const USER_LEN_MAX: usize = 64;
/// Longest password or token.
pub const SECRET_LEN_MAX: usize = 1024;
/// Most extensions of a job's options.
pub const JOB_EXTENSIONS_MAX: usize = 16;
/// Longest value of an extension, in bytes.
pub const EXTENSION_LEN_MAX: usize = 1024;
/// Most keys that one login may offer: as many as sshd takes by default (MaxAuthTries).
pub const LOGIN_KEYS_MAX: usize = 6;
/// Longest proof of a login by key. An ECDSA P-521 key's takes some 450 bytes.
pub const KEY_PROOF_LEN_MAX: usize = 1024;
/// Longest name and version of a peer's program.
pub const AGENT_LEN_MAX: usize = 128;

/// A file up to this length travels whole in a pack; a longer one in blocks. Half a chunk, so that a pack is at
/// least half full when its next file does not fit.
pub const PACKED_FILE_LEN_MAX: u64 = 256 * 1024;
/// Longest content of a pack.
pub const PACK_LEN_MAX: usize = CHUNK_LEN;
/// Most entries in one pack. Bounds what a sender keeps for it until it is acknowledged.
pub const PACK_ENTRIES_MAX: usize = 1024;

/// Most ciphertext that the records of one frame may take together. A chunk in full records takes 530 KB, so this forbids
/// only absurdly small records.
pub const FRAME_RECORDS_LEN_MAX: usize = 640 * 1024;

/// Highest level of zstd that a client may ask for: higher ones are slower than most networks, and gain little on a chunk.
pub const COMPRESSION_LEVEL_MAX: u16 = 9;

/// Most frames of one job that may be unacknowledged. 256 chunks are 128 MiB: 10 Gbit/s over 100 ms.
pub const WINDOW_FRAMES_MAX: u32 = 256;
/// Longest file whose size does not match its content (procfs, sysfs): a sender reads it into memory first. The longest of a
/// common system, `/proc/kallsyms`, has 12 MiB.
pub const UNSIZED_FILE_LEN_MAX: usize = 32 * 1024 * 1024;
/// Most bytes of such files in a process's memory, over all jobs.
pub const UNSIZED_FILES_LEN_MAX: usize = 64 * 1024 * 1024;
/// Longest range of zeros of a file that one frame may describe. Its chunks' digests take 4 MiB of hashing, about as much as a
/// few chunks, so tiny frames cannot cause much work.
pub const HOLE_LEN_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Most large files of one job that may be started and unpublished: each is an open file at both ends.
pub const LARGE_FILES_MAX: usize = 32;
/// Items that a sender's walk may run ahead of what is sent.
pub const ITEMS_AHEAD_MAX: usize = 2048;
/// Attempts to send a chunk before its file fails with `Integrity`.
pub const ATTEMPTS_MAX: u8 = 3;
/// Failed or damaged items named in one acknowledgement.
pub const ACK_ITEMS_MAX: usize = 512;

/// Most jobs of a session that run at the same time.
pub const JOBS_MAX: usize = 64;
/// Most requests of a session, other than jobs, that run at the same time.
pub const REQUESTS_MAX: usize = 64;
/// Most changes of one batch, and most files whose digests one request asks for.
pub const BATCH_CHANGES_MAX: usize = 1024;
/// Most items of a selection that are requested and have not arrived: enough to fill packs with the smallest files.
pub const WANTED_AHEAD_MAX: usize = 16_384;
/// No further item of a selection is requested while the paths of pending ones have this many bytes together: 64 for each item,
/// so that many long paths cannot fill the sender's memory.
pub const WANTED_AHEAD_LEN_MAX: usize = 1024 * 1024;
/// Most items of one offer: these share a round trip.
pub const OFFER_ITEMS_MAX: usize = 512;
/// Most items that are offered and unanswered.
pub const OFFERED_AHEAD_MAX: usize = 4096;
/// Most digests in one answer to an offer: half a control frame, for 8 GiB of a file.
pub const HELD_DIGESTS_MAX: usize = 16_384;
/// A file of at least this length is offered even if no earlier run is known: the round trip is short compared to sending it.
pub const OFFERED_FILE_LEN_MIN: u64 = 256 * 1024 * 1024;
/// A shorter file is sent without asking for an old one that it replaces: signatures would take as long.
pub const DELTA_FILE_LEN_MIN: u64 = 1024 * 1024;
/// Most old files of one job that its receiver keeps open to copy from.
pub const OLD_FILES_MAX: usize = 8;
/// Most requests for signatures that a receiver keeps for one job. A sender keeps to it in all jobs of a session together, since
/// their answers take memory.
pub const SIGNATURE_REQUESTS_MAX: usize = 8;
/// Most coarse pieces of an old file that are signed: some 25 MiB at the sender, and 2 MiB at the receiver.
pub const OLD_PIECES_MAX: usize = 1 << 18;
/// Data of an old file that one answer signs coarsely: 15 ms of work.
pub const COARSE_WINDOW_LEN: usize = 16 * 1024 * 1024;
/// Most bytes of an old file that one answer signs finely.
pub const FINE_RUNS_LEN_MAX: u64 = 4 * 1024 * 1024;
/// Most runs that one request wants signed finely.
pub const FINE_RUNS_MAX: usize = 1024;
/// Longest signatures of one answer: 7 bytes for each of the shortest fine pieces, with room.
pub const SIGNATURES_LEN_MAX: usize = 128 * 1024;
/// A shorter piece gets no signature: few bytes could be guessed from one.
pub const PIECE_SIGNED_LEN_MIN: usize = 256;
/// After so many recipes of a job whose chunk did not match its digest, its receiver copies from no old file.
pub const RECIPE_MISMATCHES_MAX: usize = 8;
/// Most steps of a recipe: a copy and a literal for each of the shortest pieces of a chunk.
pub const RECIPE_STEPS_MAX: usize = 4608;
/// Most bytes of a file's content in one answer: little enough for the control connection, which other requests share.
pub const READ_LEN_MAX: u32 = 64 * 1024;
/// Most bytes of the names and values of a file's extended attributes together: more than common filesystems store.
pub const XATTRS_LEN_MAX: usize = 64 * 1024;
/// Most bytes of memory that one session may use at a server, by default: all lanes of a session at full speed take less
/// than half of it.
pub const SESSION_MEMORY_MAX: usize = 64 * 1024 * 1024;
/// Most bytes that all sessions of one user may use, by default.
pub const USER_MEMORY_MAX: usize = 256 * 1024 * 1024;
/// Most bytes that all sessions together may use, by default: small machines have little more.
pub const SERVER_MEMORY_MAX: usize = 512 * 1024 * 1024;
/// The lowest session limit that a server may be configured with: the longest message fits into its part for messages.
pub const SESSION_MEMORY_MIN: usize = 40 * 1024 * 1024;
/// Most bytes of memory that a server can make its client use; larger than a session's limit because a server may allow more
/// lanes than by default.
pub const CLIENT_MEMORY_MAX: usize = 256 * 1024 * 1024;
/// A message or a job that cannot continue for lack of memory waits this long before its session or job ends. Shorter than
/// [`PEER_SILENCE_MAX`].
pub const ROOM_PATIENCE: Duration = Duration::from_secs(15);
/// Highest number of lanes per session that a server may be configured with.
pub const LANES_MAX: u16 = 64;

/// Time for a connection to finish its handshake and login.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a connection may send before its login is accepted: a handshake and one control frame, with room.
pub const BYTES_BEFORE_LOGIN_MAX: u64 = 64 * 1024;
/// Time that a lane waits for its session's login, and for a job named by its frames, to arrive on the control connection.
pub const LANE_PATIENCE: Duration = Duration::from_secs(20);
/// A side that has sent no message for this long sends `PING`.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The server notifies a client whose work waits for a disk that has not responded for this long.
pub const STALL_TOLD_AFTER: Duration = Duration::from_secs(5);
/// A peer that is silent for this long counts as dead.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(20);
/// A lane whose peer accepts no bytes for this long is closed. Longer than for the control connection: a receiver may wait for
/// its disk, or for a person who pages through its output.
pub const LANE_SILENCE_MAX: Duration = Duration::from_secs(60);

/// Work that waits for a slot at a disk without any progress fails after this long: longer than a disk takes to spin up, or a
/// file server to restart.
pub const DISK_PATIENCE: Duration = Duration::from_secs(30);

/// A lane is replaced after this many records in one direction: well before AES-GCM's 2^24.5 (RFC 8446, 5.5).
pub const LANE_RECORDS_MAX: u64 = 1 << 23;
