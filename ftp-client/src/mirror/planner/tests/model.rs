//! Mirrors of random trees in memory: the target becomes what the source is, and a second run has nothing to do.
//!
//! A file's content is one byte, kept where a link has its target. Without digests it follows from size and time, which is all that
//! is compared then.

use super::*;
use crate::mirror::deferred::FolderMetadata;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

type Tree = BTreeMap<RemotePath, Entry>;

/// A target that does what it is told, and panics at what no filesystem would do.
struct Target {
    tree: Rc<RefCell<Tree>>,
    source: Tree,
    /// Folders that were said to be read-only, or to be open to too many.
    read_only: HashSet<RemotePath>,
    wide: HashSet<RemotePath>,
    actions: Vec<String>,
    failures: u64,
}

struct Contents {
    source: Tree,
    target: Rc<RefCell<Tree>>,
}

struct Random(u64);

#[test]
fn random_trees_become_the_same_and_have_nothing_left_to_do() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let delete = random.below(3) > 0;
        let (by_digest, detect_moves) = (random.below(2) == 0, delete && random.below(2) == 0);
        let delete_max = DeleteLimit::Percent(100);
        let mut options = MirrorOptions { delete, by_digest, detect_moves, ..MirrorOptions::default() };
        (options.delete_max, options.allow_empty_source) = (delete_max, true);
        let (source, before) = trees(&mut random, by_digest);
        let (after, actions, failures) = mirror_in_memory(&options, &source, before.clone());
        let shown = || format!("seed {seed}\n{}", actions.join("\n"));
        let is_blocked = |path: &RemotePath| {
            failures > 0
                && before.get(path).is_some_and(is_folder)
                && !source.get(path).is_some_and(is_folder)
        };
        assert!(failures == 0 || !delete, "{}", shown());
        for (path, entry) in &source {
            let there = after.get(path);
            let is_same = there.is_some_and(|there| is_same(entry, there));
            assert!(is_same || is_blocked(path), "{there:?} is not as in the source, {entry:?}: {}", shown());
        }
        for path in before.keys().filter(|path| !source.contains_key(*path)) {
            let is_replaced = before.iter().any(|(above, old)| {
                let is_above = is_folder(old) && is_within(path, Some(above)) && !is_blocked(above);
                is_above && source.get(above).is_some_and(|new| !is_folder(new))
            });
            assert_eq!(after.contains_key(path), !delete && !is_replaced, "{path}: {}", shown());
        }
        let (_, actions, _) = mirror_in_memory(&options, &source, after);
        assert_eq!(actions, Vec::<String>::new(), "the second run of seed {seed}");
    }
}

fn mirror_in_memory(options: &MirrorOptions, source: &Tree, target: Tree) -> (Tree, Vec<String>, u64) {
    let mut listed = [source, &target].map(|tree| {
        ListedSide::of(tree.values().filter(|entry| !entry.path.is_root()).cloned().map(SideEntry::Entry))
    });
    let [source_side, target_side] = &mut listed;
    let root = RemotePath::root();
    let (source_root, target_root) = (source[&root].clone(), target.get(&root).cloned());
    let tree = Rc::new(RefCell::new(target));
    let contents = Contents { source: source.clone(), target: tree.clone() };
    let mut effects = Target {
        tree: tree.clone(),
        source: source.clone(),
        read_only: HashSet::new(),
        wide: HashSet::new(),
        actions: Vec::new(),
        failures: 0,
    };
    let mut planner = Planner::new(options, source_root, target_root, &mut effects, &contents);
    planner.walk(Pairs::new(source_side, target_side)).unwrap();
    planner.finish().unwrap();
    let Target { actions, failures, .. } = effects;
    drop(contents);
    let tree = tree.borrow().clone();
    (tree, actions, failures)
}

/// The entries of both trees at each path, and how they differ.
fn trees(random: &mut Random, by_digest: bool) -> (Tree, Tree) {
    let root = RemotePath::root();
    let mut both = [Tree::new(), Tree::new()];
    for tree in &mut both {
        tree.insert(root.clone(), random.entry(root.clone(), Kind::Folder, by_digest));
    }
    fill(random, &mut both, &root, [true, true], by_digest);
    let [source, mut target] = both;
    if random.below(8) == 0 {
        target.clear();
    }
    (source, target)
}

fn fill(random: &mut Random, trees: &mut [Tree; 2], folder: &RemotePath, has: [bool; 2], by_digest: bool) {
    for name in [&b"a"[..], b"b", b"c"] {
        let path = folder.join(&Name::new(name).unwrap()).unwrap();
        let kind = random.kind(&path);
        let one = random.entry(path.clone(), kind, by_digest);
        let (in_source, in_target, other) = match random.below(8) {
            0 => continue,
            1 => (true, false, one.clone()),
            2 => (false, true, one.clone()),
            3 | 4 => (true, true, one.clone()),
            5 | 6 => (true, true, random.entry(path.clone(), kind, by_digest)),
            _ => {
                let kind = random.kind(&path);
                (true, true, random.entry(path.clone(), kind, by_digest))
            }
        };
        let mut inner = [false; 2];
        for (side, entry) in [one, other].into_iter().enumerate() {
            if [in_source, in_target][side] && has[side] {
                inner[side] = is_folder(&entry);
                trees[side].insert(path.clone(), entry);
            }
        }
        if inner.contains(&true) {
            fill(random, trees, &path, inner, by_digest);
        }
    }
}

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn kind(&mut self, path: &RemotePath) -> Kind {
        match self.below(8) {
            0..=3 if path.names().count() < DEPTH => Kind::Folder,
            4 => Kind::Symlink,
            _ => Kind::File,
        }
    }

    fn entry(&mut self, path: RemotePath, kind: Kind, by_digest: bool) -> Entry {
        let (size, time) = (self.below(2), self.below(3));
        let content = if by_digest { self.below(3) } else { 3 * size + time };
        let (modes, size) = match kind {
            Kind::Folder => ([0o755, 0o700, 0o555, 0o775], 0),
            Kind::Symlink => ([0o777; 4], 1),
            Kind::File | Kind::Special => ([0o644, 0o600, 0o444, 0o666], size),
        };
        let mode = modes[usize::try_from(self.below(4)).unwrap()];
        let modified = Timestamp { seconds: 1000 + i64::try_from(time).unwrap(), nanos: 0 };
        let link_target =
            if kind == Kind::Folder { Vec::new() } else { vec![u8::try_from(content).unwrap()] };
        let metadata = Metadata { kind, size, modified, mode };
        Entry { path, metadata, link_target, digest: None, details: None }
    }
}

fn is_same(one: &Entry, other: &Entry) -> bool {
    let mode = |entry: &Entry| (entry.metadata.kind != Kind::Symlink).then_some(entry.metadata.mode);
    let of = |entry: &Entry| {
        (entry.metadata.kind, entry.metadata.size, entry.metadata.modified, entry.link_target.clone())
    };
    of(one) == of(other) && mode(one) == mode(other)
}

impl Target {
    fn get(&self, path: &RemotePath) -> Option<Entry> {
        self.tree.borrow().get(path).cloned()
    }

    fn put(&self, entry: &Entry) {
        self.tree.borrow_mut().insert(entry.path.clone(), entry.clone());
    }

    /// Something is made, renamed or removed in the folder above.
    fn change_folder_of(&self, path: &RemotePath) {
        let Some((folder, _)) = path.split_last() else { return };
        let parent = self.get(&folder).unwrap_or_else(|| panic!("{path} has no folder"));
        assert!(is_folder(&parent), "{path} is in something else");
        assert!(
            parent.metadata.mode & OWNER_WRITES != 0 || self.read_only.contains(&folder),
            "{folder} is read-only"
        );
        let modified = Timestamp { seconds: NOW, nanos: 0 };
        self.put(&Entry { metadata: Metadata { modified, ..parent.metadata }, ..parent });
        let mut above = Some(folder);
        while let Some(folder) = above {
            let (is, wanted) =
                (self.get(&folder).unwrap(), self.source.get(&folder).filter(|entry| is_folder(entry)));
            let is_wide =
                wanted.is_some_and(|wanted| is.metadata.mode & !(wanted.metadata.mode | 0o700) != 0);
            assert!(!is_wide || self.wide.contains(&folder), "{folder} is open to others");
            above = folder.split_last().map(|(folder, _)| folder);
        }
    }

    /// Nobody but the mirror has changed it.
    fn check_is(&self, entry: &Entry) {
        let there = self.get(&entry.path).unwrap_or_else(|| panic!("{} is gone", entry.path));
        assert_eq!(entry.metadata.kind, there.metadata.kind, "{} is another", entry.path);
        assert!(is_folder(entry) || entry.metadata == there.metadata, "{} is another: {there:?}", entry.path);
    }

    fn check_is_free(&self, path: &RemotePath) {
        let tree = self.tree.borrow();
        assert!(!tree.keys().any(|other| is_within(other, Some(path))), "{path} is taken, or full");
    }

    fn remove(&self, entry: &Entry) {
        self.check_is(entry);
        self.tree.borrow_mut().remove(&entry.path);
        self.check_is_free(&entry.path);
        self.change_folder_of(&entry.path);
    }

    fn make(&self, entry: &Entry) {
        self.check_is_free(&entry.path);
        self.change_folder_of(&entry.path);
        self.put(entry);
    }
}

impl Effects for Target {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        self.actions.push(format!("{action:?}"));
        match &action {
            MirrorAction::New { source } => self.make(source),
            MirrorAction::Changed { source, target } => {
                self.remove(target);
                self.make(source);
            }
            MirrorAction::Folder { source, target } => {
                if let Some(target) = target {
                    self.remove(target);
                }
                let metadata = Metadata { mode: 0o700, ..source.metadata };
                self.make(&Entry { metadata, ..source.clone() });
            }
            MirrorAction::Metadata { target, .. } if is_folder(target) => {} // when it is left
            MirrorAction::Metadata { source, target } => {
                self.check_is(target);
                let metadata = Metadata { size: target.metadata.size, ..source.metadata };
                self.put(&Entry { metadata, ..target.clone() });
            }
            MirrorAction::Moved { source, from } => {
                let content = self.get(&from.path).unwrap().link_target;
                self.remove(from);
                self.make(&Entry { link_target: content, ..source.clone() });
            }
            MirrorAction::Deleted { target } => self.remove(target),
            MirrorAction::Linked { .. } => panic!("no file has two names"),
        }
        Ok(true)
    }

    fn leave(&mut self, folder: &Entry) -> Result<(), Error> {
        assert!(self.get(&folder.path).is_some_and(|there| is_folder(&there)));
        self.put(folder);
        if folder.metadata.mode & OWNER_WRITES == 0 {
            self.read_only.insert(folder.path.clone()); // its effects know
        }
        Ok(())
    }

    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error> {
        let there = self.get(&path).unwrap_or_else(|| panic!("{path} is gone"));
        let modified = touch.modified.unwrap_or(there.metadata.modified);
        let metadata = Metadata { modified, mode: touch.mode, ..there.metadata };
        self.put(&Entry { metadata, ..there });
        Ok(())
    }

    fn own(&mut self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn read_only(&mut self, folder: &Entry) {
        self.read_only.insert(folder.path.clone());
    }

    fn narrow(&mut self, folder: &Entry) {
        self.wide.insert(folder.path.clone());
    }

    fn counted(&mut self, _: u64, _: u64) {}

    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn failed(&mut self, _: &RemotePath, _: &Failure) {
        self.failures += 1;
    }

    fn vanished(&mut self, path: &RemotePath) {
        panic!("{path} vanished");
    }

    fn left_out(&mut self, _: &RemotePath) {}

    fn not_deleted(&mut self, count: u64) {
        panic!("{count} not deleted");
    }

    fn failures(&self) -> u64 {
        self.failures
    }
}

impl Digester for Contents {
    fn digests(
        &self,
        source: Vec<RemotePath>,
        target: Vec<RemotePath>,
    ) -> Result<(FileDigests, FileDigests), Error> {
        let of = |tree: &Tree, paths: Vec<RemotePath>| -> FileDigests {
            paths.iter().map(|path| Some(Digest([tree.get(path)?.link_target[0]; 32]))).collect()
        };
        Ok((of(&self.source, source), of(&self.target.borrow(), target)))
    }
}

const SEEDS: u64 = 3000;
const DEPTH: usize = 3;
/// A time that no entry has.
const NOW: i64 = 2000;
