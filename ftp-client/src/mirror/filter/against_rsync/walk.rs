//! Trees, and what a client that asks the rules about each entry does with them.

use super::generate::Generator;
use crate::mirror::filter::{FileList, FilterRules};
use std::collections::{BTreeMap, BTreeSet};
use wire::RemotePath;

/// Paths below a root, each with whether it is a folder; every parent is there, as a folder.
#[derive(Debug, Clone)]
pub(super) struct Tree(pub(super) BTreeMap<Vec<u8>, bool>);

impl Tree {
    /// A tree of at least one entry.
    pub(super) fn random(random: &mut Generator) -> Self {
        let mut tree = Self(BTreeMap::new());
        let mut folders = vec![Vec::new()];
        for _ in 0..4 + random.below(20) {
            let parents: Vec<&Vec<u8>> = folders.iter().collect();
            let parent = random.pick(&parents);
            let slash: &[u8] = if parent.is_empty() { b"" } else { b"/" };
            let path = [parent, slash, random.name()].concat();
            let is_folder = random.one_in(2) && path.split(|byte| *byte == b'/').count() < 5;
            if tree.0.contains_key(&path) {
                continue;
            }
            if is_folder {
                folders.push(path.clone());
            }
            tree.0.insert(path, is_folder);
        }
        tree
    }

    /// Some of this tree's entries.
    pub(super) fn part(&self, random: &mut Generator) -> Self {
        let mut part = BTreeMap::new();
        for (path, is_folder) in &self.0 {
            let has_parent = parent(path).is_none_or(|parent| part.contains_key(parent));
            if has_parent && !random.one_in(4) {
                part.insert(path.clone(), *is_folder);
            }
        }
        Self(part)
    }

    /// What is sent of this tree.
    pub(super) fn sent(&self, rules: &FilterRules) -> BTreeSet<Vec<u8>> {
        self.walk(|path, is_folder| !rules.hidden(path, is_folder))
    }

    /// What is sent of this tree if only `list` is asked for.
    pub(super) fn sent_of_list(&self, list: &FileList, rules: &FilterRules) -> BTreeSet<Vec<u8>> {
        let mut list = list.clone();
        list.retain(|path| match self.0.get(path.as_bytes()) {
            Some(is_folder) => !rules.hidden(path, *is_folder),
            None => path.is_root(),
        });
        self.walk(|path, is_folder| {
            let is_way = is_folder && list.is_parent(path);
            is_way || (list.verdict(path, is_folder) && !rules.hidden(path, is_folder))
        })
    }

    /// What this tree, the target, becomes when `source` is mirrored onto it and what is superfluous is deleted.
    pub(super) fn mirrored(&self, source: &Self, rules: &FilterRules) -> BTreeSet<Vec<u8>> {
        let mut left = source.sent(rules);
        let sent = left.clone();
        // Depth first, so that a folder is asked about when it is known whether anything in it stays.
        for (path, is_folder) in self.0.iter().rev() {
            let stays = left.iter().any(|other| parent(other) == Some(path))
                || self.is_kept(path, *is_folder, &sent, rules);
            if stays {
                left.insert(path.clone());
            }
        }
        left
    }

    /// True if no rule lets the entry be deleted: it or a folder above that is not sent either is protected.
    fn is_kept(&self, path: &[u8], is_folder: bool, sent: &BTreeSet<Vec<u8>>, rules: &FilterRules) -> bool {
        if sent.contains(path) {
            return true;
        }
        let is_within_kept = || {
            parent(path)
                .is_some_and(|parent| !sent.contains(parent) && self.is_kept(parent, true, sent, rules))
        };
        rules.protected(&remote(path), is_folder) || is_within_kept()
    }

    /// The entries for which `takes` says yes, down to the first no.
    fn walk(&self, takes: impl Fn(&RemotePath, bool) -> bool) -> BTreeSet<Vec<u8>> {
        let mut taken = BTreeSet::new();
        // A parent sorts before what it contains.
        for (path, is_folder) in &self.0 {
            let parent_is_taken = parent(path).is_none_or(|parent| taken.contains(parent));
            if parent_is_taken && takes(&remote(path), *is_folder) {
                taken.insert(path.clone());
            }
        }
        taken
    }
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash])
}

fn remote(path: &[u8]) -> RemotePath {
    RemotePath::from_wire(path).unwrap()
}
