//! `--durability power`: items reported as done survive a loss of power, and no path ever has half a file.

use super::model::{Disk, Found, Tree};
use super::process::each;
use super::trees::{held, in_memory};
use crate::support::content;
use crate::support::faulty_storage::{Done, Faults, FaultyFolder, Plan};
use crate::support::joined::{Ended, transfer};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tests::wan::Random;
use tokio::runtime::Runtime;
use wire::Name;
use wire::engine::TreeSource;
use wire::message::{Durability, Overwrite};
use wire::modes::Modes;
use wire::sender::Asking;
use wire::store::{Base, FolderCache, TreeSink, TreeSinkOptions, disk_folder};

#[test]
fn what_was_told_to_be_done_survives_a_loss_of_power_at_any_operation() {
    let sources = [Source::few(), Source::many()].map(Arc::new);
    for source in sources {
        let operations = {
            let run = Runtime::new().unwrap().block_on(run(&source, Durability::Power, Plan::None));
            assert!(run.ended.told.values().all(Result::is_ok), "{:?}", run.ended.told);
            assert_eq!(run.ended.told.len(), source.tree.len() + 1);
            run.faults.record().len()
        };
        let step = operations.div_ceil(RUNS);
        let at = (0..operations).step_by(step).chain([operations]);
        let cases = at.map(move |n| (source.clone(), n));
        each(cases, move |(source, n)| async move {
            let seed = random_seed();
            let n = n + usize::try_from(seed % step as u64).unwrap();
            let run = run(&source, Durability::Power, Plan::Crash(n)).await;
            let mut random = Random::new(seed);
            for _ in 0..LOSSES {
                if let Err(what) = run.judge(&source, &mut random) {
                    panic!("crashed at operation {n}, seed {seed}: {what}\n{:?}", run.faults.record());
                }
            }
        });
    }
}

#[test]
fn a_killed_process_alone_is_no_protection_against_it_and_the_model_notices() {
    let source = Source::few();
    let run = Runtime::new().unwrap().block_on(run(&source, Durability::Process, Plan::None));
    let mut random = Random::new(1);
    assert!((0..LOSSES * 10).any(|_| run.judge(&source, &mut random).is_err()));
}

#[test]
fn without_power_what_is_replaced_is_old_or_new_and_never_nothing() {
    for source in [Source::few(), Source::many()] {
        let run = Runtime::new().unwrap().block_on(run(&source, Durability::Process, Plan::None));
        let mut random = Random::new(2);
        for _ in 0..LOSSES * 10 {
            let found = run.disk.lose_power(&mut random);
            for (path, old) in OLD {
                let there = found.get(&format!("tree/{path}"));
                let is_old = there == Some(&Found::File(old.into()));
                assert!(is_old || (there.is_some() && there == source.tree.get(path)), "{path}: {there:?}");
            }
        }
    }
}

#[test]
fn content_is_synced_before_names_and_folders_before_the_acknowledgement() {
    for (source, few) in [(Source::few(), true), (Source::many(), false)] {
        let run = Runtime::new().unwrap().block_on(run(&source, Durability::Power, Plan::None));
        let record = run.faults.record();
        let is_sync = |done: &Done| done.op.starts_with("sync_");
        for (at, publish) in record.iter().enumerate().filter(|(_, done)| done.op == "publish") {
            let staged = publish.name.split(' ').next().unwrap();
            let last = record[..at].iter().rposition(|done| done.name == staged && !is_sync(done)).unwrap();
            let synced = |done: &Done| {
                (done.op == "sync_file" && done.name == staged)
                    || done.op == "sync_filesystem"
                    || done.op == "sync_folder"
            };
            assert!(record[last..at].iter().any(synced), "{staged}: {record:?}");
            let name = publish.name.split(' ').next_back().unwrap();
            let is_told = |done: &Done| done.op == "told" && done.name.rsplit('/').next() == Some(name);
            let told = record[at..].iter().position(is_told).expect("it is told of") + at;
            assert!(
                record[at..told].iter().any(|done| done.op == "sync_filesystem" || done.op == "sync_folder"),
                "{name}: {record:?}"
            );
        }
        let count = |op: &str| record.iter().filter(|done| done.op == op).count();
        let syncs = record.iter().filter(|done| is_sync(done)).count();
        if few {
            assert!(count("sync_file") > 0, "{record:?}")
        } else {
            assert!(count("sync_filesystem") < 10 && syncs * 3 < count("publish"), "{record:?}")
        }
    }
}

#[test]
fn an_error_of_a_sync_is_told_and_nothing_is_done_after_it() {
    for source in [Source::few(), Source::many()] {
        let run_with = |plan| Runtime::new().unwrap().block_on(run(&source, Durability::Power, plan));
        let record = run_with(Plan::None).faults.record();
        let syncs = record.iter().filter(|done| done.op.starts_with("sync_")).count();
        let mut reached = 0;
        for at in 0..syncs {
            let run = run_with(Plan::FailSync(at, 5));
            let Some(sync) = run.faults.failed() else { continue }; // this run took fewer
            reached += 1;
            assert!(run.ended.told.values().any(Result::is_err), "{sync:?}: {:?}", run.ended.told);
            run.judge(&source, &mut Random::new(4)).unwrap();
            if sync.op != "sync_file" {
                // After a failed sync the state of a folder or a filesystem on the disk is unknown; a file fails alone.
                let after = run.faults.after_failure();
                assert!(!after.iter().any(|done| done.op == "publish"), "after {sync:?}: {after:?}");
            }
        }
        assert!(reached > 1, "{reached} of {syncs} syncs failed");
    }
}

/// A transfer to a model disk.
struct Run {
    disk: Arc<Disk>,
    ended: Ended,
    faults: Arc<Faults>,
}

async fn run(source: &Source, durability: Durability, plan: Plan) -> Run {
    let (disk, faults) = (Disk::new(), Faults::new(plan));
    let tree = TreeSource::new(held(source.folder.path())).unwrap();
    put_old(&disk);
    let options = TreeSinkOptions {
        overwrite: Overwrite::Always,
        add_only: false,
        takes_over: true,
        modes: Modes::CARRIED,
        sparse: false,
        durability,
        keeping: None,
        begun: None,
    };
    let base = Base::named(FaultyFolder::wrap(disk.root(), &faults), Name::new(b"tree").unwrap());
    let noted = faults.clone();
    let ended =
        transfer(Arc::new(tree), Box::new(TreeSink::new(base, options)), Asking::Never, move |path| {
            noted.note("told", path)
        })
        .await;
    Run { disk, ended, faults }
}

impl Run {
    /// Cuts the power, and checks the surviving tree.
    fn judge(&self, source: &Source, random: &mut Random) -> Result<(), String> {
        let found = self.disk.lose_power(random);
        for (path, found) in &found {
            let Some(path) = path.strip_prefix("tree/") else { continue };
            let is_staged = path.contains(".ftpx-");
            let is_new = source.tree.get(path) == Some(found);
            let is_old = OLD.iter().any(|(old, text)| *old == path && *found == Found::File((*text).into()));
            if !is_staged && !is_new && !is_old {
                return Err(format!("{path} is half"));
            }
        }
        for (path, _) in OLD {
            if !found.contains_key(&format!("tree/{path}")) {
                return Err(format!("{path} is gone"));
            }
        }
        for (path, told) in &self.ended.told {
            let whole = if path.is_empty() { "tree".to_owned() } else { format!("tree/{path}") };
            let is_there = if path.is_empty() {
                found.contains_key(&whole)
            } else {
                found.get(&whole) == source.tree.get(path)
            };
            if told.is_ok() && !is_there {
                return Err(format!("{path:?} was told to be done, and is not"));
            }
        }
        Ok(())
    }
}

/// Makes the tree that is on the disk before, fully synced.
fn put_old(disk: &Arc<Disk>) {
    let folders = FolderCache::new(disk.root());
    let tree = disk_folder(&folders.get(b"tree", true).unwrap()).unwrap();
    for (name, text) in OLD {
        let staged = wire::store::StagedName::new();
        let file = tree.create_staged(&staged, 0o644).unwrap();
        file.write_at(&[std::io::IoSlice::new(text.as_bytes())], 0).unwrap();
        let name = Name::new(name.as_bytes()).unwrap();
        tree.publish(&staged, (&name).into(), true).unwrap();
    }
    tree.sync_filesystem().unwrap();
}

/// The tree to send.
struct Source {
    folder: TempDir,
    tree: Tree,
}

impl Source {
    /// Few enough files to be synced one by one; in existing folders, and in a new one.
    fn few() -> Self {
        Self::of(|root| {
            fs::write(root.join("0"), "new").unwrap();
            fs::write(root.join("1"), content(1, 3000)).unwrap();
            fs::write(root.join("large"), content(2, 530_000)).unwrap();
            symlink("0", root.join("link")).unwrap();
            fs::create_dir_all(root.join("a/b")).unwrap();
            fs::write(root.join("a/b/c"), "deep").unwrap();
        })
    }

    /// Many small files, with a large one and folders among them. Every name is unique.
    fn many() -> Self {
        Self::of(|root| {
            for folder in ["a", "b/c", "d"] {
                fs::create_dir_all(root.join(folder)).unwrap();
                for number in 0..20 {
                    let name = format!("{number}-of-{}", &folder[..1]);
                    fs::write(root.join(folder).join(name), content(number, 700)).unwrap();
                }
                symlink("0", root.join(folder).join(format!("link-of-{}", &folder[..1]))).unwrap();
            }
            fs::write(root.join("0"), "new").unwrap();
            fs::write(root.join("b/large"), content(3, 530_000)).unwrap();
        })
    }

    fn of(fill: impl FnOnce(&Path)) -> Self {
        let folder = in_memory();
        fill(folder.path());
        let tree = read(folder.path(), "");
        Self { folder, tree }
    }
}

fn read(folder: &Path, prefix: &str) -> Tree {
    let mut tree = Tree::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            tree.extend(read(&entry.path(), &format!("{path}/")));
        }
        let found = if kind.is_dir() {
            Found::Folder
        } else if kind.is_symlink() {
            Found::Link(fs::read_link(entry.path()).unwrap().to_str().unwrap().into())
        } else {
            Found::File(fs::read(entry.path()).unwrap())
        };
        tree.insert(path, found);
    }
    tree
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Older versions of some files, and an unrelated one.
const OLD: [(&str, &str); 3] = [("0", "old"), ("1", "also old"), ("other", "stays")];
/// Crashes of each tree, and losses of power after each.
const RUNS: usize = 40;
const LOSSES: usize = 20;
