//! Files kept by people: configuration, plans, rules, known hosts.

use ftp_client::known_hosts::KnownHosts;
use ftp_client::mirror::filter::{FileList, FilterRules, Separator, parse_size};
use ftp_client::mirror::plan::LoadedPlan;
use ftp_server::config::Config;
use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use wire::RemotePath;

/// The server's configuration: its meaning survives writing and reading.
pub fn config(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let path = Path::new("/etc/ftp-server.toml");
    let Ok(config) = Config::parse(text, path) else { return };
    let Ok(effective) = config.to_toml() else { return };
    let again = Config::parse(&effective, path);
    assert!(again.as_ref().is_ok_and(|again| *again == config), "{config:?}\n{effective}\n{again:?}");
}

/// A plan of a mirror.
pub fn plan(bytes: &[u8]) {
    if let Ok(wanted) = with_file(bytes, LoadedPlan::read) {
        let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
        assert!(wanted.end.items < lines, "a plan of more items than lines");
        let _ = wanted.head.recipe.options();
    }
}

/// Rules and lists of a mirror, matched against the names that they contain.
pub fn filter_rules(bytes: &[u8]) {
    let separator = if bytes.first() == Some(&0) { Separator::Nul } else { Separator::Newline };
    let paths: Vec<_> = bytes
        .split(|byte| b"\n\0 ".contains(byte))
        .filter_map(|path| RemotePath::from_user(path).ok())
        .collect();
    let mut rules = FilterRules::default();
    let _ = rules.filter_file(bytes, separator);
    let list = FileList::parse(bytes, separator).ok();
    for path in paths.iter().take(20) {
        for is_folder in [false, true] {
            let hidden = rules.hidden(path, is_folder);
            assert_eq!(rules.hidden(path, is_folder), hidden);
            let _ = rules.protected(path, is_folder);
            let _ = list.as_ref().map(|list| (list.verdict(path, is_folder), list.is_parent(path)));
        }
    }
    let _ = str::from_utf8(bytes).map(parse_size);
}

/// The client's file of known servers.
pub fn client_files(bytes: &[u8]) {
    let listed = with_file(bytes, |path| KnownHosts::at(path).list());
    for known in listed.into_iter().flatten() {
        let line = known.line();
        let again = with_file(line.as_bytes(), |path| KnownHosts::at(path).list());
        assert!(again.is_ok_and(|again| again.len() == 1 && again[0].line() == line), "{line:?}");
    }
}

/// Reads a file with these bytes, at a path that this thread reuses.
fn with_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    thread_local!(static FOLDER: OnceCell<TempDir> = const { OnceCell::new() });
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let path: PathBuf = FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| TempDir::with_prefix_in("ftpx-fuzz-", place).expect("a folder"));
        folder.path().join("file")
    });
    fs::write(&path, bytes).expect("a file can be written");
    read(&path)
}
