//! Every bound of the protocol, with its reason. What comes from the peer meets one of these before anything is reserved.

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

/// Longest body of a control frame before login: room for a login, and nothing to attack with.
pub const CONTROL_BODY_BEFORE_LOGIN_MAX: usize = 16 * 1024;
/// Longest body of a control frame after login.
pub const CONTROL_BODY_MAX: usize = 1024 * 1024;
/// A listing is cut into pages of about this many bytes, so that several requests share the connection fairly.
pub const LISTING_PAGE_LEN: usize = 128 * 1024;
/// A listing page is sent when it holds this many entries, whatever their length.
pub const LISTING_PAGE_ENTRIES_MAX: usize = 2048;

/// Pages of one listing that are under way: a client that is busy elsewhere has room for them, so its other answers are
/// never stuck behind them. 2 MiB a round trip.
pub const LISTING_PAGES_AHEAD: usize = 16;

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
/// Longest payload of a pack.
pub const PACK_LEN_MAX: usize = CHUNK_LEN;
/// Most entries in one pack. Bounds what a sender remembers of it until it is acknowledged.
pub const PACK_ENTRIES_MAX: usize = 1024;

/// Most ciphertext that the records of one frame may take together. A chunk in full records takes 530 KB, so this forbids
/// only absurdly small records.
pub const FRAME_RECORDS_LEN_MAX: usize = 640 * 1024;

/// Most frames of one job that may be unacknowledged. 256 chunks are 128 MiB: 10 Gbit/s over 100 ms.
pub const WINDOW_FRAMES_MAX: u32 = 256;
/// Most bytes of a file whose size says nothing of its content (procfs, sysfs): a sender reads it into memory first. The longest
/// of a common system's, `/proc/kallsyms`, has 12 MiB.
pub const UNSIZED_FILE_LEN_MAX: usize = 32 * 1024 * 1024;
/// Most bytes of such files that a process has in memory, over all jobs.
pub const UNSIZED_FILES_LEN_MAX: usize = 64 * 1024 * 1024;
/// Longest part of a file of zeros that one frame may tell of. Its chunks' digests take 4 MiB of hashing, as much as a few chunks
/// do: so nobody has work made by frames that cost nothing.
pub const HOLE_LEN_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// Most large files of one job that may be begun and not yet published: each is an open file at both ends.
pub const LARGE_FILES_MAX: usize = 32;
/// Items that a sender's walk may run ahead of what is sent.
pub const ITEMS_AHEAD_MAX: usize = 2048;
/// Times that a chunk is sent before its file fails with `Integrity`.
pub const ATTEMPTS_MAX: u8 = 3;
/// Failed or damaged items named in one acknowledgement.
pub const ACK_ITEMS_MAX: usize = 512;

/// Most jobs of a session that run at the same time.
pub const JOBS_MAX: usize = 64;
/// Most requests of a session, other than jobs, that run at the same time.
pub const REQUESTS_MAX: usize = 64;
/// Most changes of one batch, and most files whose digests one request asks for.
pub const BATCH_CHANGES_MAX: usize = 1024;
/// Most items of a selection that are asked for and have not come: enough for packs of the smallest files to be full.
pub const WANTED_AHEAD_MAX: usize = 16_384;
/// No further item of a selection is asked for while the paths of those have this many bytes together: 64 for each, so that
/// long paths do not make many items a way to fill the sender's memory.
pub const WANTED_AHEAD_LEN_MAX: usize = 1024 * 1024;
/// Most items of one offer: what a round trip of asking is shared by.
pub const OFFER_ITEMS_MAX: usize = 512;
/// Most items that are offered and not answered.
pub const OFFERED_AHEAD_MAX: usize = 4096;
/// Most digests in one answer to an offer: half a control frame, 8 GiB of a file.
pub const HELD_DIGESTS_MAX: usize = 16_384;
/// A file from this length on is offered even if nothing is known of an earlier run: the round trip of asking is little
/// beside the time that it takes to send.
pub const OFFERED_FILE_LEN_MIN: u64 = 256 * 1024 * 1024;
/// Most bytes that names and values of a file's extended attributes may take together: more than common filesystems keep.
pub const XATTRS_LEN_MAX: usize = 64 * 1024;
/// Most bytes of memory that one session makes a server keep, unless it is configured otherwise: all lanes of a session at full speed
/// take a third of that.
pub const SESSION_MEMORY_MAX: usize = 64 * 1024 * 1024;
/// Most bytes that all sessions of one user make it keep, unless it is configured otherwise.
pub const USER_MEMORY_MAX: usize = 256 * 1024 * 1024;
/// Most bytes that all sessions together make it keep, unless it is configured otherwise: small machines have little more.
pub const SERVER_MEMORY_MAX: usize = 512 * 1024 * 1024;
/// The least that a server may allow a session: the longest message has room in its part for messages.
pub const SESSION_MEMORY_MIN: usize = 40 * 1024 * 1024;
/// Most bytes of memory that a server makes its client keep: there are more lanes than a server allows by default.
pub const CLIENT_MEMORY_MAX: usize = 256 * 1024 * 1024;
/// A message that has no room, and a job that cannot go on without, wait this long before their session or job ends. Shorter than a
/// silent peer's time.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(15);
/// Most lanes of a session that a server may allow.
pub const LANES_MAX: u16 = 64;

/// A connection must have finished its handshake and login within this time.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes that a connection may send before its login is accepted: a handshake and one control frame, with room.
pub const BYTES_BEFORE_LOGIN_MAX: u64 = 64 * 1024;
/// A lane waits this long for its session's login, and for a job that its frames name, to arrive on the control connection.
pub const LANE_PATIENCE: Duration = Duration::from_secs(20);
/// Without a message for this long a side sends `PING`.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The server tells a client whose work waits for a disk that has not answered for this long.
pub const STALL_TOLD_AFTER: Duration = Duration::from_secs(5);
/// A peer that was silent for this long is dead.
pub const PEER_SILENCE_MAX: Duration = Duration::from_secs(20);
/// A lane whose peer takes nothing for this long is given up. Longer than for the control connection: a receiver may wait
/// for its disk, or for a person who pages through what it writes.
pub const LANE_SILENCE_MAX: Duration = Duration::from_secs(60);

/// Who waits for a turn at a disk at which nothing has gone on for so long is told so: longer than a disk takes to spin up, or a
/// file server to start again.
pub const DISK_PATIENCE: Duration = Duration::from_secs(30);

/// A lane is replaced after this many records in one direction: well before AES-GCM's 2^24.5 (RFC 8446, 5.5).
pub const LANE_RECORDS_MAX: u64 = 1 << 23;
