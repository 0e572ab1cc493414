//! The installed rsync, run on trees that are made for it.

use super::Given;
use super::walk::Tree;
use crate::mirror::filter::Separator;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(super) struct Rsync(());

/// The arguments that say the same.
pub(super) fn arguments(given: &[Given]) -> Vec<OsString> {
    let argument = |option: &[u8], text: &[u8]| OsString::from_vec([option, text].concat());
    given
        .iter()
        .map(|rule| match rule {
            Given::Exclude(text) => argument(b"--exclude=", text),
            Given::Include(text) => argument(b"--include=", text),
            Given::Filter(text) => argument(b"--filter=", text),
        })
        .collect()
}

impl Rsync {
    pub(super) fn find() -> Option<Self> {
        Command::new("rsync").arg("--version").stdout(Stdio::null()).status().is_ok().then_some(Self(()))
    }

    /// What `rsync -a` would send of `tree`; `file` is what it reads.
    pub(super) fn sends(
        &self,
        tree: &Tree,
        arguments: &[OsString],
        file: Option<(&[u8], Separator)>,
    ) -> BTreeSet<Vec<u8>> {
        let root = TempDir::new().unwrap();
        make(tree, root.path());
        let (input, separator) = file.unwrap_or_default();
        let mut command = Command::new("rsync");
        // The separator counts for the rule files behind it.
        command
            .args(["-a", "--dry-run", "--out-format=%n"])
            .args((separator == Separator::Nul).then_some("-0"));
        let output = run(command.args(arguments).args(["./", "absent/"]).current_dir(root.path()), input);
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !matches!(*line, b"" | b"./"));
        lines.map(|line| unescaped(line.strip_suffix(b"/").unwrap_or(line))).collect()
    }

    /// What `target` becomes when `rsync -a --delete` mirrors `source` onto it with a file of `rules`.
    pub(super) fn mirror(&self, source: &Tree, target: &Tree, rules: &[u8]) -> BTreeSet<Vec<u8>> {
        let roots = TempDir::new().unwrap();
        for (name, tree) in [("source", source), ("target", target)] {
            fs::create_dir(roots.path().join(name)).unwrap();
            make(tree, &roots.path().join(name));
        }
        let mut command = Command::new("rsync");
        command.args(["-a", "--delete", "--filter=merge -", "source/", "target/"]).current_dir(roots.path());
        run(&mut command, rules);
        let mut found = BTreeSet::new();
        find(&roots.path().join("target"), b"", &mut found);
        found
    }

    /// The number of bytes that rsync takes `text` for.
    pub(super) fn size(&self, text: &str) -> Option<u64> {
        let root = TempDir::new().unwrap();
        let mut command = Command::new("rsync");
        // The server that it starts gets the size in bytes, and the command line of that server is shown.
        command
            .arg(format!("--max-size={text}"))
            .args(["-vv", "--rsh=false", "./", "host:"])
            .current_dir(root.path());
        let output = command.output().unwrap();
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        line.split_once("--max-size=")?.1.split_whitespace().next()?.parse().ok()
    }
}

/// Runs rsync; missing files are no failure, everything else is.
fn run(command: &mut Command, input: &[u8]) -> Output {
    let command =
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Rsync need not read what it was not told to.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let errors = output.stderr.escape_ascii();
    assert!(matches!(output.status.code(), Some(0 | PARTIAL)), "{command:?} {}: {errors}", output.status);
    output
}

fn make(tree: &Tree, root: &Path) {
    for (path, is_folder) in &tree.0 {
        let path = root.join(OsStr::from_bytes(path));
        if *is_folder { fs::create_dir(path).unwrap() } else { fs::write(path, b"").unwrap() }
    }
}

/// All below `folder`, whose own path is `prefix`.
fn find(folder: &Path, prefix: &[u8], found: &mut BTreeSet<Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = [prefix, entry.file_name().as_bytes()].concat();
        if entry.file_type().unwrap().is_dir() {
            find(&entry.path(), &[&path[..], b"/"].concat(), found);
        }
        found.insert(path);
    }
}

/// Rsync writes bytes that it cannot show as `\#` and three octal digits.
fn unescaped(line: &[u8]) -> Vec<u8> {
    match line {
        [b'\\', b'#', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
            let byte = (a - b'0') << 6 | (b - b'0') << 3 | (c - b'0');
            [&[byte][..], &unescaped(rest)].concat()
        }
        [byte, rest @ ..] => [&[*byte][..], &unescaped(rest)].concat(),
        [] => Vec::new(),
    }
}

/// Rsync's "partial transfer due to error": some listed file does not exist.
const PARTIAL: i32 = 23;
