//! Entries and sides for tests of the comparison.

use super::side::{SideEntry, TreeSide};
use crate::error::Error;
use std::collections::VecDeque;
use wire::RemotePath;
use wire::message::Entry;
use wire::metadata::{Kind, Metadata, Timestamp};

/// An entry by its path: with `/` at the end a folder, with `@` a link, else a file of 10 bytes.
pub(crate) fn entry(text: &str) -> Entry {
    let kind = match text.as_bytes().last() {
        Some(b'/') => Kind::Folder,
        Some(b'@') => Kind::Symlink,
        _ => Kind::File,
    };
    let size = if kind == Kind::File { 10 } else { 0 };
    let modified = Timestamp { seconds: 1_700_000_000, nanos: 1 };
    let path = RemotePath::from_user(text.trim_end_matches('@').as_bytes()).unwrap();
    Entry {
        path,
        metadata: Metadata { kind, size, modified, mode: 0o644 },
        link_target: if kind == Kind::Symlink { b"there".to_vec() } else { Vec::new() },
        digest: None,
        details: None,
    }
}

/// The path of what was found.
pub(crate) fn paths(found: &Option<SideEntry>) -> Option<String> {
    found.as_ref().map(|found| String::from_utf8_lossy(found.path().as_bytes()).into_owned())
}

/// A side that was written down.
pub(crate) struct ListedSide {
    entries: VecDeque<SideEntry>,
    last: RemotePath,
}

impl ListedSide {
    pub(crate) fn new(texts: &[&str]) -> Self {
        Self::of(texts.iter().map(|text| SideEntry::Entry(entry(text))))
    }

    pub(crate) fn of(found: impl IntoIterator<Item = SideEntry>) -> Self {
        let mut entries: Vec<SideEntry> = found.into_iter().collect();
        entries.sort_by(|a, b| a.path().cmp(b.path()));
        Self { entries: entries.into(), last: RemotePath::root() }
    }
}

impl TreeSide for ListedSide {
    fn next(&mut self) -> Result<Option<SideEntry>, Error> {
        let next = self.entries.pop_front();
        if let Some(found) = &next {
            self.last = found.path().clone();
        }
        Ok(next)
    }

    fn skip(&mut self) {
        while self.entries.front().is_some_and(|found| found.path().strip_prefix(&self.last).is_some()) {
            self.entries.pop_front();
        }
    }
}
