//! Watches of real folders. The system has told of a change by the time that it is made, so nothing is waited for.

use super::*;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A tree that is watched.
struct Watched {
    folder: tempfile::TempDir,
    watches: Watches,
}

impl Watched {
    fn new(exclude: &str, make: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        make(&root);
        let mut options = MirrorOptions::default();
        options.rules.exclude(exclude.as_bytes()).unwrap();
        let changes = Arc::new(SharedAgenda::new(Duration::from_secs(3600)));
        assert_eq!(changes.take(), ["/"], "all is compared first");
        Self { folder, watches: Watches::new(root, options, changes) }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Folders in which something changed.
    fn changed(&mut self) -> Vec<String> {
        self.watches.take_events();
        self.watches.changes.take()
    }

    fn watched(&self) -> Vec<String> {
        self.watches.folders.keys().map(ToString::to_string).collect()
    }
}

#[test]
fn links_are_not_followed_and_may_go() {
    let mut tree = Watched::new("", |root| {
        fs::create_dir_all(root.join("releases/5")).unwrap();
        std::os::unix::fs::symlink("releases/5", root.join("current")).unwrap();
    });
    assert_eq!(tree.watched(), ["/", "/releases", "/releases/5"]);
    fs::remove_file(tree.root().join("current")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    fs::write(tree.root().join("releases/5/file"), "v2").unwrap();
    assert_eq!(tree.changed(), ["/releases/5"]);
}

#[test]
fn what_the_rules_leave_out_costs_no_watch_and_is_not_heard_of() {
    let mut tree = Watched::new("cache", |root| fs::create_dir_all(root.join("cache/deep")).unwrap());
    assert_eq!(tree.watched(), ["/"]);
    fs::create_dir_all(tree.root().join("new/cache/deep")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    assert_eq!(tree.watched(), ["/", "/new"]);
    fs::write(tree.root().join("new/cache/file"), "").unwrap();
    fs::remove_dir(tree.root().join("new/cache/deep")).unwrap();
    assert_eq!(tree.changed(), [""; 0]);
}

#[test]
fn folders_that_come_filled_are_watched_with_all_in_them() {
    let mut tree = Watched::new("", |_| ());
    let outside = tree.folder.path().join("outside");
    fs::create_dir_all(outside.join("a/b")).unwrap();
    fs::create_dir_all(tree.root().join("made/a/b")).unwrap();
    fs::rename(&outside, tree.root().join("moved")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    let all = ["/", "/made", "/made/a", "/made/a/b", "/moved", "/moved/a", "/moved/a/b"];
    assert_eq!(tree.watched(), all);
    fs::write(tree.root().join("moved/a/b/file"), "").unwrap();
    assert_eq!(tree.changed(), ["/moved/a/b"]);
}

#[test]
fn folders_that_are_renamed_are_heard_of_by_their_new_names_and_those_that_leave_no_more() {
    let mut tree = Watched::new("", |root| {
        fs::create_dir_all(root.join("a/deep")).unwrap();
        fs::create_dir_all(root.join("b")).unwrap();
    });
    fs::rename(tree.root().join("a"), tree.root().join("b/c")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    assert_eq!(tree.watched(), ["/", "/b", "/b/c", "/b/c/deep"]);
    fs::write(tree.root().join("b/c/deep/file"), "").unwrap();
    assert_eq!(tree.changed(), ["/b/c/deep"]);
    let outside = tree.folder.path().join("outside");
    fs::rename(tree.root().join("b"), &outside).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    fs::write(outside.join("c/deep/file"), "again").unwrap();
    assert_eq!(tree.changed(), [""; 0]);
    assert_eq!(tree.watched(), ["/"]);
}

#[test]
fn a_folder_that_is_removed_and_made_again_is_watched_again() {
    let mut tree = Watched::new("", |root| fs::create_dir_all(root.join("a/b")).unwrap());
    for _ in 0..2 {
        fs::remove_dir_all(tree.root().join("a")).unwrap();
        fs::create_dir_all(tree.root().join("a/b")).unwrap();
        assert_eq!(tree.changed(), ["/"]);
        assert_eq!(tree.watched(), ["/", "/a", "/a/b"]);
        fs::write(tree.root().join("a/b/file"), "").unwrap();
        assert_eq!(tree.changed(), ["/a/b"]);
    }
}

#[test]
fn another_root_in_its_place_is_watched() {
    let mut tree = Watched::new("", |root| fs::create_dir(root.join("old")).unwrap());
    let (away, above) = (tree.folder.path().join("away"), tree.folder.path().join("above"));
    fs::rename(tree.root(), &away).unwrap();
    assert_eq!(tree.changed(), ["/"], "it is gone");
    fs::create_dir_all(tree.root().join("new")).unwrap();
    tree.watches.look_at_root();
    assert_eq!(tree.changed(), ["/"], "another is there");
    fs::write(away.join("old/file"), "").unwrap();
    assert_eq!(tree.changed(), [""; 0]);
    fs::write(tree.root().join("new/file"), "").unwrap();
    assert_eq!(tree.changed(), ["/new"]);
    assert_eq!(tree.watched(), ["/", "/new"]);

    // What is above it is renamed, of which the system tells nothing.
    tree.watches.root = above.join("root");
    fs::create_dir(&above).unwrap();
    fs::rename(tree.folder.path().join("root"), above.join("root")).unwrap();
    tree.changed();
    let elsewhere = tree.folder.path().join("elsewhere");
    fs::rename(&above, &elsewhere).unwrap();
    tree.watches.look_at_root();
    assert_eq!(tree.changed(), ["/"]);
    fs::rename(&elsewhere, &above).unwrap();
    tree.watches.look_at_root();
    assert_eq!(tree.changed(), ["/"]);
    fs::write(above.join("root/new/file"), "again").unwrap();
    assert_eq!(tree.changed(), ["/new"]);
}

#[test]
fn a_root_that_is_removed_and_made_again_is_watched() {
    let mut tree = Watched::new("", |_| ());
    for _ in 0..3 {
        fs::remove_dir_all(tree.root()).unwrap();
        fs::create_dir_all(tree.root().join("new")).unwrap();
        tree.watches.take_events();
        tree.watches.look_at_root();
        assert_eq!(tree.changed(), ["/"]);
        fs::write(tree.root().join("new/file"), "").unwrap();
        assert_eq!(tree.changed(), ["/new"]);
    }
}

#[test]
fn a_root_that_is_a_link_is_watched_where_it_leads() {
    let mut tree = Watched::new("", |_| ());
    let link = tree.folder.path().join("link");
    for name in ["one", "two"] {
        fs::create_dir_all(tree.folder.path().join(name).join("sub")).unwrap();
        let _ = fs::remove_file(&link); // there is none at first
        std::os::unix::fs::symlink(name, &link).unwrap();
        tree.watches.root = link.clone();
        tree.watches.look_at_root();
        assert_eq!(tree.changed(), ["/"]);
        fs::write(tree.folder.path().join(name).join("sub/file"), "").unwrap();
        assert_eq!(tree.changed(), ["/sub"]);
    }
}

#[test]
fn when_the_system_lost_count_all_is_compared_and_watched() {
    let mut tree = Watched::new("", |_| ());
    let events: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    if events > 100_000 {
        return; // it would take long
    }
    fs::create_dir(tree.root().join("busy")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    let files = ["one", "two"].map(|name| fs::File::create(tree.root().join("busy").join(name)).unwrap());
    for _ in 0..=events / 2 {
        // In turn, as an event that is the same as the one before is told once.
        for file in &files {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    fs::create_dir_all(tree.root().join("late/deep")).unwrap();
    assert_eq!(tree.changed(), ["/"]);
    fs::write(tree.root().join("late/deep/file"), "").unwrap();
    assert_eq!(tree.changed(), ["/late/deep"]);
}
