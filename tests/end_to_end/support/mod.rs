//! Helpers for several modules: generated content, pictures of folders, clients' events, waiting.

pub(crate) mod disk;
pub(crate) mod fake_client;
pub(crate) mod fake_frames;
pub(crate) mod fake_server;
pub(crate) mod fault_injection;
pub(crate) mod faulty_storage;
pub(crate) mod fuse;
pub(crate) mod in_memory;
pub(crate) mod joined;
pub(crate) mod limits;
pub(crate) mod memory_lane;
pub(crate) mod memory_network;
pub(crate) mod memory_pipe;
pub(crate) mod served;
pub(crate) mod sshd;

use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tests::world::Ran;
use wire::journal::{JOURNAL_HEAD_LEN, JOURNAL_RECORD_LEN};
use wire::limits::CHUNK_LEN;

/// Time limit for any expected event on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Generates bytes that do not repeat (xorshift), so that a misplaced chunk is noticed. The seed selects the file.
pub(crate) fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Describes everything below a folder as lines of text, without any of our own code: kind, mode, time, and content.
pub(crate) fn picture(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut lines = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                folders.push(path.clone());
            }
            lines.insert(path.strip_prefix(root).unwrap().to_owned(), line_of(&path));
        }
    }
    lines
}

/// Checks that two folders are the same.
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let (left, right) = (picture(one), picture(other));
    assert_eq!(left.len(), right.len(), "{} and {} hold more or less", one.display(), other.display());
    for (path, line) in &left {
        assert_eq!(Some(line), right.get(path), "{path:?}");
    }
}

/// The same check by rsync. A difference is a line of its plan.
pub(crate) fn assert_same_for_rsync(one: &Path, other: &Path) {
    match rsync_plan(one, other) {
        Some(plan) => assert_eq!(plan, "", "what rsync would still do"),
        None => println!("skipped: rsync is not installed"),
    }
}

/// Waits until two folders are the same for rsync: a folder gets its time after its content.
pub(crate) fn wait_until_same_for_rsync(one: &Path, other: &Path) {
    wait_until("rsync has nothing left to do", || rsync_plan(one, other).is_none_or(|plan| plan.is_empty()));
    assert_same_for_rsync(one, other);
}

/// Returns the changes that rsync would make to turn `other` into `one`; `None` without rsync.
fn rsync_plan(one: &Path, other: &Path) -> Option<String> {
    let mut command = Command::new("rsync");
    command.args(["-rlptHn", "--delete", "--checksum", "--itemize-changes", "--modify-window=-1"]);
    command.arg(one.join("")).arg(other.join(""));
    let output = output(&mut command)?;
    assert!(output.status.success(), "rsync: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the names below a folder that only unfinished transfers have.
pub(crate) fn leftovers(root: &Path) -> Vec<PathBuf> {
    names_below(root).into_iter().filter(|path| path.file_name().is_some_and(is_staged)).collect()
}

/// Returns the bytes of the chunks recorded in journals below a folder, which are proven. The staged files' own blocks may be
/// more, because of preallocation.
pub(crate) fn proven_bytes(root: &Path) -> u64 {
    let is_journal = |path: &PathBuf| {
        path.extension().is_some_and(|it| it == "held") && path.with_extension("part").exists()
    };
    let journals = leftovers(root).into_iter().filter(is_journal);
    let lengths = journals.filter_map(|path| Some(usize::try_from(fs::metadata(path).ok()?.len()).unwrap()));
    let records = lengths.map(|len| len.saturating_sub(JOURNAL_HEAD_LEN) / JOURNAL_RECORD_LEN);
    records.map(|records| (records * CHUNK_LEN) as u64).sum()
}

/// Returns the path of everything below a folder that may be changing: entries that vanish meanwhile are left out.
pub(crate) fn names_below(root: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                folders.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths
}

/// Returns the objects that a client printed.
pub(crate) fn events(ran: &Ran) -> Vec<Value> {
    let text = ran.text();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    text.lines().map(parse).collect()
}

/// Returns the only event of a kind.
pub(crate) fn event(ran: &Ran, kind: &str) -> Value {
    let mut found: Vec<Value> = events(ran).into_iter().filter(|event| event["event"] == kind).collect();
    assert_eq!(found.len(), 1, "events of kind {kind}: {}", ran.text());
    found.remove(0)
}

/// Runs another program and returns its output; `None` if it is not installed.
pub(crate) fn output(command: &mut Command) -> Option<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{command:?}: {error}"),
    }
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(5)); // between two looks
    }
}

/// True if this process has root's privileges.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Sets permission bits.
pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to memory does not fail
        text
    })
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

fn is_staged(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".ftpx-")
}

fn line_of(path: &Path) -> String {
    let metadata = fs::symlink_metadata(path).unwrap();
    let time = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
    let mode = metadata.permissions().mode() & 0o7777;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        format!("link {time} to {:?}", fs::read_link(path).unwrap())
    } else if kind.is_dir() {
        format!("folder {mode:04o} {time}")
    } else if kind.is_file() {
        let bytes = fs::read(path).unwrap();
        format!("file {mode:04o} {time} {} {}", bytes.len(), blake3::hash(&bytes)) // the fastest
    } else if kind.is_fifo() {
        "pipe".into()
    } else {
        "special".into()
    }
}
