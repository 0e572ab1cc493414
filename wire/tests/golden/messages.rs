//! At least one example of each control message: its value, and its bytes as the document describes them.

use crate::parts::{Parts, parts};
use crate::vectors::{LANE, SESSION, key_proof, lane_proof};
use wire::binding::SessionSecret;
use wire::checksum::{Checksum, Digest};
use wire::control::Envelope;
use wire::features::Features;
use wire::fidelity::FidelityReport;
use wire::ids::{FileNo, FrameNo, LaneNo};
use wire::message::*;
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};
use wire::modes::ModePolicy;
use wire::{Access, Failure, FailureCode, Name, RemotePath};

/// A control frame.
pub(crate) struct MessageExample {
    /// `message-KIND-NAME`, also the name of its file.
    pub(crate) name: String,
    pub(crate) comment: &'static str,
    pub(crate) envelope: Envelope,
    kind: u16,
    body: Parts,
}

impl MessageExample {
    /// The whole frame.
    pub(crate) fn parts(&self) -> Parts {
        let len = u32::try_from(self.body.bytes().len()).unwrap();
        let (flags, flags_label) = if self.envelope.more { (1_u16, "MORE") } else { (0, "0") };
        let name = Message::kind_name(self.kind).unwrap_or("none");
        let label =
            format!("length {len}, kind {name}, flags {flags_label}, request id {}", self.envelope.request);
        let head: [&[u8]; 4] = [
            &len.to_le_bytes(),
            &self.kind.to_le_bytes(),
            &flags.to_le_bytes(),
            &self.envelope.request.to_le_bytes(),
        ];
        Parts::default().line(&head, &label).then(self.body.clone())
    }

    fn more(mut self) -> Self {
        self.envelope.more = true;
        self
    }
}

/// All examples, by kind.
pub(crate) fn examples() -> Vec<MessageExample> {
    [
        connection(),
        listing(),
        jobs(),
        changes(),
        session(),
        selection(),
        batches(),
        resuming(),
        progress(),
        deltas(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn connection() -> Vec<MessageExample> {
    let mut examples = vec![
        example(
            1,
            "login-password",
            1,
            "a user's password",
            LoginRequest {
                agent: AGENT.into(),
                features: Features::of_bits(0b101),
                login: Login::Password { user: "alice".into(), password: "correct horse".into() },
            },
            parts! {
                text(AGENT, "agent") u64(0b101, "features") variant(0, "login: Password") text("alice", "user")
                text("correct horse", "password")
            },
        ),
        example(
            1,
            "login-token",
            1,
            "a token that stands for a user",
            LoginRequest {
                agent: AGENT.into(),
                features: Features::default(),
                login: Login::Token { token: "5f2c9a".into() },
            },
            parts! { text(AGENT, "agent") u64(0, "features") variant(1, "login: Token") text("5f2c9a", "token") },
        ),
        example(
            1,
            "login-keys",
            1,
            "a user's key, with the proof of `vector-login-key`",
            LoginRequest {
                agent: AGENT.into(),
                features: Features::of_bits(0b101),
                login: Login::Keys { user: "alice".into(), proofs: vec![key_proof().bytes()] },
            },
            parts! {
                text(AGENT, "agent") u64(0b101, "features") variant(2, "login: Keys") text("alice", "user") count(1, "proofs")
                count(key_proof().bytes().len() as u64, "proofs[0]: length") then(key_proof())
            },
        ),
        example(
            2,
            "lane-hello",
            0,
            "lane 3 of the session of the vector `vector-lane-proof`",
            LaneHello { session: SESSION, lane: LaneNo(LANE), proof: lane_proof() },
            parts! { raw(&SESSION, "session") u16(LANE, "lane: 3") raw(&lane_proof(), "proof") },
        ),
        example(
            4,
            "failure",
            7,
            "a request failed",
            Failure::new(FailureCode::NotFound, "no such folder"),
            parts! { u16(3, "code: NotFound") text("no such folder", "message") },
        ),
        example(
            4,
            "failure-bare",
            1,
            "a login is refused",
            Failure::from(FailureCode::LoginRefused),
            parts! { u16(1, "code: LoginRefused") text("", "message") },
        ),
        example(
            4,
            "failure-later",
            7,
            "a code that this version does not know",
            Failure::new(FailureCode::Unknown(60_000), "x"),
            parts! { u16(60_000, "code: 60000") text("x", "message") },
        ),
        example(5, "done", 7, "a request is done", Done, Parts::default()),
    ];
    for (index, access) in (0..).zip(Access::ALL) {
        let name = ["welcome-read", "welcome-write", "welcome-full", "welcome-drop"][index as usize];
        examples.push(example(
            3,
            name,
            1,
            "the login is accepted",
            Welcome {
                agent: "ftp-server 0.1.0".into(),
                features: Features::of_bits(0b100),
                user: "alice".into(),
                access,
                lanes_max: 16,
                jobs_max: 64,
                window: 256,
                memory: 67_108_864,
            },
            parts! {
                text("ftp-server 0.1.0", "agent") u64(0b100, "features") text("alice", "user")
                variant(index, &format!("access: {access:?}")) u16(16, "lanes_max") u16(64, "jobs_max") u32(256, "window")
                u64(67_108_864, "memory")
            },
        ));
    }
    examples
}

fn listing() -> Vec<MessageExample> {
    vec![
        example(
            16,
            "list",
            2,
            "one folder: the root",
            List {
                path: RemotePath::root(),
                recursive: false,
                pattern: RemotePath::root(),
                digests: None,
                details: Details::default(),
                follow: FollowLinks::Never,
            },
            parts! { text("", "path") bool(false, "recursive") text("", "pattern") none("digests") then(no_details()) variant(0, "follow: Never") },
        ),
        example(
            16,
            "list-tree",
            2,
            "a whole tree, with digests",
            List {
                path: path("music/live"),
                recursive: true,
                pattern: RemotePath::root(),
                digests: Some(Checksum::Blake3),
                details: Details::default(),
                follow: FollowLinks::Never,
            },
            parts! {
                text("music/live", "path") bool(true, "recursive") text("", "pattern") some("digests") variant(1, "Blake3")
                then(no_details()) variant(0, "follow: Never")
            },
        ),
        example(
            16,
            "list-pattern",
            2,
            "what matches a pattern",
            List {
                path: path("music"),
                recursive: false,
                pattern: path("**/*.{ogg,flac}"),
                digests: None,
                details: Details::default(),
                follow: FollowLinks::Never,
            },
            parts! {
                text("music", "path") bool(false, "recursive") text("**/*.{ogg,flac}", "pattern") none("digests")
                then(no_details()) variant(0, "follow: Never")
            },
        ),
        example(
            16,
            "list-details",
            2,
            "a whole tree, with all that can be told of a file beside its metadata",
            List {
                path: path("music/live"),
                recursive: true,
                pattern: RemotePath::root(),
                digests: None,
                details: Details { owner: true, links: true, xattrs: true },
                follow: FollowLinks::Folders,
            },
            parts! {
                text("music/live", "path") bool(true, "recursive") text("", "pattern") none("digests")
                bool(true, "details: owner") bool(true, "links") bool(true, "xattrs") variant(1, "follow: Folders")
            },
        ),
        example(
            17,
            "listing",
            2,
            "a page of a listing, more follow; one entry of each kind",
            page(),
            page_parts(),
        )
        .more(),
        example(
            17,
            "listing-details",
            2,
            "a file of two names, with owner and extended attributes",
            Listing { entries: vec![detailed_entry()], failures: vec![] },
            parts! { count(1, "entries: 1") then(detailed_entry_parts()) count(0, "failures: 0") },
        ),
        example(
            17,
            "listing-last",
            2,
            "the last page; one folder could not be listed",
            Listing {
                entries: vec![],
                failures: vec![PathFailure {
                    path: path("private"),
                    failure: Failure::from(FailureCode::PermissionDenied),
                }],
            },
            parts! {
                count(0, "entries: 0") count(1, "failures: 1") text("private", "path")
                u16(8, "code: PermissionDenied") text("", "message")
            },
        ),
        example(
            18,
            "stat",
            3,
            "what a link leads to",
            Stat { path: path("latest"), follow: true, details: Details::default() },
            parts! { text("latest", "path") bool(true, "follow") then(no_details()) },
        ),
        example(
            19,
            "status",
            3,
            "a file",
            Entry {
                path: path("latest"),
                metadata: metadata(Kind::File, 6),
                link_target: vec![],
                digest: None,
                details: None,
            },
            parts! {
                text("latest", "path") then(metadata_parts(Kind::File, 6)) text("", "link_target")
                none("digest") none("details")
            },
        ),
    ]
}

fn jobs() -> Vec<MessageExample> {
    let mut examples = vec![
        example(
            20,
            "get",
            4,
            "a tree, at most 10 MB/s, with totals",
            Get {
                path: path("music"),
                recursive: true,
                window: 256,
                rate_limit: 10_000_000,
                totals: true,
                changing: Changing::AsIs,
                compress: Compress::Level(3),
                options: JobOptions { resume: Resume::New, ..JobOptions::of(Checksum::Blake3) },
            },
            parts! {
                text("music", "path") bool(true, "recursive") u32(256, "window") u64(10_000_000, "rate_limit")
                bool(true, "totals") variant(2, "changing: AsIs") variant(2, "compress: Level") u16(3, "level")
                variant(1, "checksum: Blake3") variant(1, "resume: New") none("begun") bool(false, "sparse") variant(2, "delta: Never") variant(0, "follow: Never")
                count(0, "extensions: 0")
            },
        ),
        example(
            22,
            "opened",
            4,
            "the answer",
            Opened {
                path: path("music"),
                folder: true,
                at: Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 },
            },
            parts! { text("music", "path") bool(true, "folder") time(1_700_000_000, 123_456_789, "at") },
        ),
        example(
            21,
            "put-exclusive",
            5,
            "a folder that no other exclusive job may write to, and files that may have holes",
            Put {
                path: path("backup"),
                into: None,
                overwrite: Overwrite::Always,
                exclusive: true,
                durability: Durability::Power,
                modes_of_new: false,
                folder_mode: 0o700,
                options: JobOptions { resume: Resume::New, sparse: true, ..JobOptions::of(Checksum::Blake3) },
            },
            parts! {
                text("backup", "path") none("into") variant(0, "overwrite: Always") bool(true, "exclusive")
                variant(1, "durability: Power") bool(false, "modes_of_new") u32(0o700, "folder_mode")
                variant(1, "checksum: Blake3") variant(1, "resume: New") none("begun") bool(true, "sparse") variant(2, "delta: Never") variant(0, "follow: Never")
                count(0, "extensions: 0")
            },
        ),
        example(
            21,
            "put-again",
            5,
            "an interrupted transfer is gone on with; it began 90 seconds ago, and a loss of power does not matter",
            Put {
                path: path("photos"),
                into: None,
                overwrite: Overwrite::Always,
                exclusive: false,
                durability: Durability::None,
                modes_of_new: true,
                folder_mode: 0o700,
                options: JobOptions {
                    resume: Resume::Again,
                    begun: Some(Timestamp { seconds: 1_700_000_000, nanos: 4_000_000 }),
                    ..JobOptions::of(Checksum::Blake3)
                },
            },
            parts! {
                text("photos", "path") none("into") variant(0, "overwrite: Always") bool(false, "exclusive")
                variant(2, "durability: None") bool(true, "modes_of_new") u32(0o700, "folder_mode")
                variant(1, "checksum: Blake3") variant(2, "resume: Again") some("begun")
                time(1_700_000_000, 4_000_000, "seconds, nanos") bool(false, "sparse") variant(2, "delta: Never") variant(0, "follow: Never") count(0, "extensions: 0")
            },
        ),
    ];
    for (index, overwrite) in
        (0..).zip([Overwrite::Always, Overwrite::Never, Overwrite::Newer, Overwrite::Different])
    {
        let name = ["put-always", "put-never", "put-newer", "put-different"][index as usize];
        examples.push(example(
            21,
            name,
            5,
            "to `inbox`, or to `song` within it if it is a folder",
            Put {
                path: path("inbox"),
                into: Some(Name::new(b"song").unwrap()),
                overwrite,
                exclusive: false,
                durability: Durability::Process,
                modes_of_new: false,
                folder_mode: 0o700,
                options: JobOptions {
                    extensions: vec![Extension { number: 7, value: vec![1, 2] }],
                    ..JobOptions::of(Checksum::Sha256)
                },
            },
            parts! {
                text("inbox", "path") some("into") text("song", "name")
                variant(index, &format!("overwrite: {overwrite:?}")) bool(false, "exclusive")
                variant(0, "durability: Process") bool(false, "modes_of_new") u32(0o700, "folder_mode")
                variant(0, "checksum: Sha256") variant(0, "resume: Never") none("begun") bool(false, "sparse") variant(2, "delta: Never") variant(0, "follow: Never")
                count(1, "extensions: 1") u16(7, "number") count(2, "value: 2 bytes") raw(&[1, 2], "value")
            },
        ));
    }
    examples
}

fn changes() -> Vec<MessageExample> {
    vec![
        example(
            23,
            "make-folder",
            6,
            "with those above it",
            MakeFolder { path: path("a/b"), parents: true },
            parts! { text("a/b", "path") bool(true, "parents") },
        ),
        example(
            24,
            "remove",
            6,
            "one file",
            Remove { path: path("a/b"), recursive: false },
            parts! { text("a/b", "path") bool(false, "recursive") },
        ),
        example(
            25,
            "rename",
            6,
            "to exactly this path",
            Rename { from: path("a"), to: path("b"), into: None, replace: true },
            parts! { text("a", "from") text("b", "to") none("into") bool(true, "replace") },
        ),
        example(
            25,
            "rename-into",
            6,
            "into a folder, if `b` is one",
            Rename { from: path("a"), to: path("b"), into: Some(Name::new(b"a").unwrap()), replace: false },
            parts! {
                text("a", "from") text("b", "to") some("into") text("a", "name") bool(false, "replace")
            },
        ),
        example(
            26,
            "set-metadata",
            6,
            "time and mode; one second before 1970",
            SetMetadata {
                path: path("a"),
                modified: Some(Timestamp { seconds: -1, nanos: 500_000_000 }),
                mode: Some(0o640),
                create: false,
            },
            parts! {
                text("a", "path") some("modified") time(-1, 500_000_000, "seconds, nanos") some("mode")
                u32(0o640, "0o640") bool(false, "create")
            },
        ),
        example(
            26,
            "set-metadata-create",
            6,
            "an empty file if there is none, nothing else",
            SetMetadata { path: path("a"), modified: None, mode: None, create: true },
            parts! { text("a", "path") none("modified") none("mode") bool(true, "create") },
        ),
        example(
            27,
            "link",
            6,
            "a symbolic link",
            Link { path: path("latest"), target: b"../v2".to_vec() },
            parts! { text("latest", "path") text("../v2", "target") },
        ),
    ]
}

fn session() -> Vec<MessageExample> {
    vec![
        example(28, "hash", 8, "a file", Hash { path: path("a") }, parts! { text("a", "path") }),
        example(
            29,
            "hashed",
            8,
            "the file holds `hello` and a line feed",
            Hashed { digest: Digest(HELLO_SHA256), bytes: 6 },
            parts! { raw(&HELLO_SHA256, "digest") u64(6, "bytes") },
        ),
        example(
            30,
            "space",
            8,
            "of the root",
            Space { path: RemotePath::root() },
            parts! { text("", "path") },
        ),
        example(
            31,
            "space-report",
            8,
            "in bytes",
            SpaceReport { total: 1 << 40, free: 1 << 39, available: 1 << 38 },
            parts! {
                u64(1 << 40, "total") u64(1 << 39, "free") u64(1 << 38, "available")
            },
        ),
        example(
            40,
            "fidelity",
            8,
            "of a folder",
            Fidelity { path: path("music") },
            parts! { text("music", "path") },
        ),
        example(
            41,
            "fidelity-report",
            8,
            "FAT: every other second from 1980 to 2107, no permissions",
            FidelityReport {
                earliest: Timestamp { seconds: 315_532_800, nanos: 0 },
                latest: Timestamp { seconds: 4_354_819_198, nanos: 0 },
                time_step: 2_000_000_000,
                keeps_modes: false,
                modes: ModePolicy { umask: 0o027, force: 0o2660 },
                is_whole: true,
                folds_case: true,
            },
            parts! {
                time(315_532_800, 0, "earliest") time(4_354_819_198, 0, "latest") u32(2_000_000_000, "time_step")
                bool(false, "keeps_modes") u32(0o027, "umask") u32(0o2660, "force_mode") bool(true, "is_whole")
                bool(true, "folds_case")
            },
        ),
        example(
            42,
            "copy",
            8,
            "into a folder, if `b` is one",
            CopyFile {
                from: path("a"),
                to: path("b"),
                into: Some(Name::new(b"a").unwrap()),
                overwrite: Overwrite::Never,
            },
            parts! {
                text("a", "from") text("b", "to") some("into") text("a", "name") variant(1, "overwrite: Never")
            },
        ),
        example(
            43,
            "copied",
            8,
            "it was one",
            Copied { path: path("b/a"), bytes: 5_000 },
            parts! { text("b/a", "path") u64(5_000, "bytes") },
        ),
        example(
            44,
            "read",
            8,
            "the bytes from 5,000 on",
            ReadFile { path: path("a"), offset: 5_000, length: 65_536 },
            parts! { text("a", "path") u64(5_000, "offset") u32(65_536, "length") },
        ),
        example(
            45,
            "part",
            8,
            "one line was added",
            FilePart { bytes: b"now\n".to_vec(), size: 5_004, file: 7 },
            parts! { text("now\n", "bytes") u64(5_004, "size") u64(7, "file") },
        ),
        example(48, "cancel", 4, "stop the job 4", Cancel, Parts::default()),
        example(49, "ping", 0, "is the peer there?", Ping, Parts::default()),
        example(50, "pong", 0, "it is", Pong, Parts::default()),
        example(51, "bye", 0, "the last message", Bye, Parts::default()),
    ]
}

fn selection() -> Vec<MessageExample> {
    let wanted = |name, kind, size| WantedItem { path: path(name), metadata: metadata(kind, size) };
    vec![
        example(
            32,
            "select",
            9,
            "items of a tree, without a limit of rate",
            Select {
                path: path("music"),
                window: 256,
                rate_limit: 0,
                changing: Changing::Retry,
                compress: Compress::Auto,
                options: JobOptions {
                    resume: Resume::Again,
                    sparse: true,
                    ..JobOptions::of(Checksum::Blake3)
                },
            },
            parts! {
                text("music", "path") u32(256, "window") u64(0, "rate_limit") variant(0, "changing: Retry")
                variant(0, "compress: Auto") variant(1, "checksum: Blake3") variant(2, "resume: Again") none("begun") bool(true, "sparse") variant(2, "delta: Never") variant(0, "follow: Never")
                count(0, "extensions: 0")
            },
        ),
        example(
            67,
            "wanted",
            9,
            "a file, and the folder that it is in; more will be asked for",
            Wanted {
                items: vec![wanted("a/hello", Kind::File, 6), wanted("a", Kind::Folder, 0)],
                last: false,
            },
            parts! {
                count(2, "items: 2") text("a/hello", "path") then(metadata_parts(Kind::File, 6))
                text("a", "path") then(metadata_parts(Kind::Folder, 0)) bool(false, "last")
            },
        ),
        example(
            67,
            "wanted-last",
            9,
            "no more",
            Wanted { items: vec![], last: true },
            parts! { count(0, "items: 0") bool(true, "last") },
        ),
    ]
}

fn batches() -> Vec<MessageExample> {
    let failed = |index, code| ChangeFailure { index, failure: Failure::from(code) };
    vec![
        example(
            33,
            "digests",
            10,
            "of two files",
            Digests {
                path: path("music"),
                checksum: Checksum::Blake3,
                paths: vec![path("a/hello"), path("private")],
                follow: FollowLinks::Always,
            },
            parts! {
                text("music", "path") variant(1, "checksum: Blake3") count(2, "paths: 2")
                text("a/hello", "path") text("private", "path") variant(2, "follow: Always")
            },
        ),
        example(
            34,
            "digested",
            10,
            "the first file holds `hello` and a line feed, the second could not be read",
            Digested { digests: vec![Some(Digest(HELLO_BLAKE3)), None] },
            parts! {
                count(2, "digests: 2") some("digest") raw(&HELLO_BLAKE3, "digest") none("digest")
            },
        ),
        example(35, "batch", 11, "one change of each kind", batch(), batch_parts()),
        example(
            36,
            "batch-done",
            11,
            "all but two of the changes are made",
            BatchDone { failures: vec![failed(0, FailureCode::Drifted), failed(1, FailureCode::NotEmpty)] },
            parts! {
                count(2, "failures: 2") u32(0, "index") u16(27, "code: Drifted") text("", "message")
                u32(1, "index") u16(7, "code: NotEmpty") text("", "message")
            },
        ),
    ]
}

fn progress() -> Vec<MessageExample> {
    let loss = Failure::new(FailureCode::NoSpace, "");
    vec![
        example(
            64,
            "ack",
            4,
            "frames 0 to 2 and 5 are done, entry 1 of frame 2 failed, frame 3 is damaged",
            Ack {
                done: vec![
                    FrameRange { first: FrameNo(0), count: 3 },
                    FrameRange { first: FrameNo(5), count: 1 },
                ],
                failed: vec![ItemFailure { frame: FrameNo(2), entry: 1, failure: loss }],
                damaged: vec![FrameNo(3)],
            },
            parts! {
                count(2, "done: 2") u64(0, "first") u32(3, "count") u64(5, "first") u32(1, "count")
                count(1, "failed: 1") u64(2, "frame") u32(1, "entry") u16(9, "code: NoSpace")
                text("", "message") count(1, "damaged: 1") u64(3, "frame")
            },
        ),
        example(65, "end", 4, "the job has six frames", End { frames: 6 }, parts! { u64(6, "frames") }),
        example(
            68,
            "continue",
            2,
            "the client has taken four pages",
            Continue { pages: 4 },
            parts! { u32(4, "pages") },
        ),
        example(
            66,
            "totals",
            4,
            "as far as it has looked",
            Totals { files: 1000, bytes: 5_000_000_000, complete: false },
            parts! { u64(1000, "files") u64(5_000_000_000, "bytes") bool(false, "complete") },
        ),
    ]
}

fn page() -> Listing {
    let entry = |name, kind, size, target: &str, digest| Entry {
        path: path(name),
        metadata: metadata(kind, size),
        link_target: target.into(),
        digest,
        details: None,
    };
    let entries = vec![
        entry("a", Kind::Folder, 0, "", None),
        entry("a/hello", Kind::File, 6, "", Some(Digest(HELLO_SHA256))),
        entry("a/link", Kind::Symlink, 5, "hello", None),
        entry("a/pipe", Kind::Special, 0, "", None),
    ];
    Listing { entries, failures: vec![] }
}

fn page_parts() -> Parts {
    parts! {
        count(4, "entries: 4")
        text("a", "path") then(metadata_parts(Kind::Folder, 0)) text("", "link_target") none("digest") none("details")
        text("a/hello", "path") then(metadata_parts(Kind::File, 6)) text("", "link_target")
        some("digest") raw(&HELLO_SHA256, "digest") none("details")
        text("a/link", "path") then(metadata_parts(Kind::Symlink, 5)) text("hello", "link_target") none("digest")
        none("details")
        text("a/pipe", "path") then(metadata_parts(Kind::Special, 0)) text("", "link_target") none("digest")
        none("details")
        count(0, "failures: 0")
    }
}

fn detailed_entry() -> Entry {
    Entry {
        path: path("a/hello"),
        metadata: metadata(Kind::File, 6),
        link_target: vec![],
        digest: None,
        details: Some(Box::new(EntryDetails {
            owner: Some(owner()),
            file: Some(FileId { device: 2049, inode: 131_078, names: 2 }),
            xattrs: Some(xattrs()),
            is_unproven: true,
            link: Some(metadata(Kind::Symlink, 5)),
        })),
    }
}

fn detailed_entry_parts() -> Parts {
    parts! {
        text("a/hello", "path") then(metadata_parts(Kind::File, 6)) text("", "link_target") none("digest")
        some("details")
        some("owner") then(owner_parts())
        some("file") u64(2049, "device") u64(131_078, "inode") u64(2, "names")
        some("xattrs") then(xattrs_parts()) bool(true, "is_unproven")
        some("link") then(metadata_parts(Kind::Symlink, 5))
    }
}

fn batch() -> Batch {
    let was = metadata(Kind::File, 6);
    let modified = Timestamp { seconds: -1, nanos: 500_000_000 };
    Batch {
        path: path("music"),
        backup: Some(path("old")),
        versions: Some(KeptVersions { count: 5, seconds: 2_592_000 }),
        changes: vec![
            Change::RemoveFile { path: path("a/gone"), was: Some(was) },
            Change::RemoveFolder { path: path("b") },
            Change::MakeFolder { path: path("c") },
            Change::SetMetadata { path: RemotePath::root(), modified: Some(modified), mode: Some(0o750) },
            Change::Move { from: path("d"), to: path("c/d"), was },
            Change::SetAside { path: path("e"), was, keep: true },
            Change::HardLink { path: path("f"), of: path("a/hello") },
            Change::SetOwner { path: path("f"), owner: owner() },
            Change::SetXattrs { path: path("f"), xattrs: xattrs() },
            Change::Sync { path: path("c") },
            Change::Prune { path: RemotePath::root() },
        ],
        durability: Durability::Power,
        follow: FollowLinks::Folders,
    }
}

fn batch_parts() -> Parts {
    let was = || metadata_parts(Kind::File, 6);
    parts! {
        text("music", "path") some("backup") text("old", "backup") some("versions") u32(5, "count")
        u64(2_592_000, "seconds") count(11, "changes: 11")
        variant(0, "RemoveFile") text("a/gone", "path") some("was") then(was())
        variant(1, "RemoveFolder") text("b", "path")
        variant(2, "MakeFolder") text("c", "path")
        variant(3, "SetMetadata") text("", "path") some("modified") time(-1, 500_000_000, "seconds, nanos")
        some("mode") u32(0o750, "0o750")
        variant(4, "Move") text("d", "from") text("c/d", "to") then(was())
        variant(5, "SetAside") text("e", "path") then(was()) bool(true, "keep")
        variant(6, "HardLink") text("f", "path") text("a/hello", "of")
        variant(7, "SetOwner") text("f", "path") then(owner_parts())
        variant(8, "SetXattrs") text("f", "path") then(xattrs_parts())
        variant(9, "Sync") text("c", "path")
        variant(10, "Prune") text("", "path")
        variant(1, "durability: Power") variant(1, "follow: Folders")
    }
}

fn no_details() -> Parts {
    parts! { bool(false, "details: owner") bool(false, "links") bool(false, "xattrs") }
}

fn owner() -> Owner {
    Owner { user: 1000, group: 100, user_name: "alice".into(), group_name: String::new() }
}

fn owner_parts() -> Parts {
    parts! { u32(1000, "user") u32(100, "group") text("alice", "user_name") text("", "group_name") }
}

fn xattrs() -> Vec<Xattr> {
    vec![
        Xattr { name: b"user.comment".to_vec(), value: b"first take".to_vec() },
        Xattr { name: b"user.empty".to_vec(), value: vec![] },
    ]
}

fn xattrs_parts() -> Parts {
    parts! {
        count(2, "xattrs: 2") text("user.comment", "name") text("first take", "value")
        text("user.empty", "name") text("", "value")
    }
}

fn metadata(kind: Kind, size: u64) -> Metadata {
    Metadata { kind, size, modified: Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 }, mode: 0o644 }
}

fn deltas() -> Vec<MessageExample> {
    let file = FileNo(7);
    let request = |wanted| SignatureRequest { file, wanted };
    let (first, next) = (WantedSignatures::First { path: path("disk.zero") }, WantedSignatures::Next);
    let pages = FineRun { first: 0, count: 1, cut: FineCut::Pages };
    let content = FineRun { first: 4, count: 2, cut: FineCut::Content };
    let pieces = [&40_000_u32.to_le_bytes()[..], &[0x77; 8], &[0; 4], &100_000_u64.to_le_bytes()].concat();
    let mut pieces_parts = parts! {
        u32(40_000, "length of piece 0") raw(&[0x77; 8], "its signature") u32(0, "piece 1 is a hole") u64(100_000, "its length")
    };
    pieces_parts = parts! { count(24, "pieces: 24 bytes") then(pieces_parts) };
    let answer = SignatureAnswer::First { len: 1_900_000, key: [0x44; 32], pieces, more: true };
    vec![
        example(
            72,
            "first",
            5,
            "signatures of the file that disk.zero replaces",
            request(first),
            parts! { u32(7, "file") variant(0, "First") text("disk.zero", "path") },
        ),
        example(72, "next", 5, "more", request(next), parts! { u32(7, "file") variant(1, "Next") }),
        example(
            72,
            "fine",
            5,
            "fine ones of piece 0 in pages, and of pieces 4 and 5 by their content",
            request(WantedSignatures::Fine { runs: vec![pages, content] }),
            parts! {
                u32(7, "file") variant(2, "Fine") count(2, "runs: 2") u32(0, "first") u32(1, "count") variant(0, "Pages")
                u32(4, "first") u32(2, "count") variant(1, "Content")
            },
        ),
        example(
            73,
            "signatures",
            5,
            "the first ones",
            Signatures { file, answer },
            parts! {
                u32(7, "file") variant(1, "First") u64(1_900_000, "length of the old file") raw(&[0x44; 32], "key")
                then(pieces_parts) bool(true, "more")
            },
        ),
        example(
            73,
            "none",
            5,
            "no others",
            Signatures { file, answer: SignatureAnswer::None },
            parts! { u32(7, "file") variant(0, "None") },
        ),
    ]
}

fn resuming() -> Vec<MessageExample> {
    let (old, new) = ([0x11; 16], [0x22; 16]);
    let proof = SessionSecret::new([0x33; 32]).prove_replacement(&old, &new);
    vec![
        example(
            37,
            "replace",
            2,
            "this session is 16 bytes of 22, its predecessor's secret 32 bytes of 33",
            Replace { session: old, proof },
            parts! { raw(&old, "session") raw(&proof, "proof") },
        ),
        example(
            38,
            "sweep",
            3,
            "what has not changed for a week",
            Sweep { path: path("backup"), idle: 604_800 },
            parts! { text("backup", "path") u64(604_800, "idle") },
        ),
        example(
            39,
            "swept",
            3,
            "the answer",
            Swept { files: 3, bytes: 5_000_000, kept: 1 },
            parts! { u64(3, "files") u64(5_000_000, "bytes") u64(1, "kept") },
        ),
        example(
            69,
            "offer",
            5,
            "a small file and a large one",
            Offer {
                items: vec![offered("a/hello", 6, [0; 16]), offered("disk.zero", 2_000_000, [0xa5; 16])],
            },
            parts! {
                count(2, "items: 2") text("a/hello", "path") then(metadata_parts(Kind::File, 6))
                raw(&[0; 16], "source: none") bool(true, "changed") text("disk.zero", "path")
                then(metadata_parts(Kind::File, 2_000_000)) raw(&[0xa5; 16], "source") bool(false, "changed")
            },
        ),
        example(
            70,
            "held",
            5,
            "one is there, of one there is only an old file, and of one there are chunks 0 and 2",
            Held {
                answers: vec![
                    HeldItem::All,
                    HeldItem::Old { len: 1_900_000 },
                    HeldItem::Nothing,
                    HeldItem::Chunks {
                        chunks: vec![ChunkRange { first: 0, count: 1 }, ChunkRange { first: 2, count: 1 }],
                        digests: vec![Digest([7; 32]), Digest([8; 32])],
                        more: false,
                    },
                ],
            },
            parts! {
                count(4, "answers: 4") variant(1, "All") variant(3, "Old") u64(1_900_000, "length") variant(0, "Nothing") variant(2, "Chunks")
                count(2, "chunks: 2") u64(0, "first") u32(1, "count") u64(2, "first") u32(1, "count")
                count(2, "digests: 2") raw(&[7; 32], "digest") raw(&[8; 32], "digest") bool(false, "more")
            },
        ),
        example(
            71,
            "stalled",
            0,
            "nothing has gone on for 25 seconds",
            Stalled { seconds: 25 },
            parts! { u32(25, "seconds") },
        ),
    ]
}

fn offered(name: &str, size: u64, source: [u8; 16]) -> OfferedItem {
    let modified = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };
    let metadata = Metadata { kind: Kind::File, size, modified, mode: 0o644 };
    OfferedItem { path: path(name), metadata, source: SourceId(source), changed: source == [0; 16] }
}

fn metadata_parts(kind: Kind, size: u64) -> Parts {
    let index = match kind {
        Kind::File => 0,
        Kind::Folder => 1,
        Kind::Symlink => 2,
        Kind::Special => 3,
    };
    parts! {
        variant(index, &format!("kind: {kind:?}")) u64(size, "size")
        time(1_700_000_000, 123_456_789, "modified") u32(0o644, "mode: 0o644")
    }
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn example(
    kind: u16,
    name: &str,
    request: u32,
    comment: &'static str,
    message: impl Into<Message>,
    body: Parts,
) -> MessageExample {
    let name = format!("message-{kind:02}-{name}");
    MessageExample { name, comment, envelope: Envelope::new(request, message), kind, body }
}

const AGENT: &str = "ftp-client 0.1.0";

/// `printf 'hello\n' | sha256sum`
const HELLO_SHA256: [u8; 32] = [
    0x58, 0x91, 0xb5, 0xb5, 0x22, 0xd5, 0xdf, 0x08, 0x6d, 0x0f, 0xf0, 0xb1, 0x10, 0xfb, 0xd9, 0xd2, 0x1b,
    0xb4, 0xfc, 0x71, 0x63, 0xaf, 0x34, 0xd0, 0x82, 0x86, 0xa2, 0xe8, 0x46, 0xf6, 0xbe, 0x03,
];

/// `printf 'hello\n' | b3sum`
const HELLO_BLAKE3: [u8; 32] = [
    0x8e, 0x4c, 0x7c, 0x1b, 0x99, 0xdb, 0xfd, 0x50, 0xe7, 0xa9, 0x51, 0x85, 0xfe, 0xad, 0x5e, 0xe1, 0x44,
    0x8f, 0xa9, 0x04, 0xa2, 0xfd, 0xd7, 0x78, 0xea, 0xf5, 0xf2, 0xdb, 0xfd, 0x62, 0x9a, 0x99,
];
