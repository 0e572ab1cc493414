//! A tree that is edited at random, mirrored after every few edits, and compared.

use crate::mirrors::{Mirror, Way, assert_nothing_left};
use crate::support::{assert_same, chmod, content, is_root};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

#[test]
fn random_edits_are_followed_to_the_server() {
    follow(Way::Up, "");
}

#[test]
fn random_edits_are_followed_from_the_server() {
    follow(Way::Down, "");
}

#[test]
fn random_edits_of_hard_links_are_followed_to_the_server() {
    follow(Way::Up, "--hard-links");
}

#[test]
fn random_edits_of_hard_links_are_followed_from_the_server() {
    follow(Way::Down, "--hard-links");
}

fn follow(way: Way, always: &str) {
    let seed = std::env::var("FTPX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(new_seed);
    println!("FTPX_SEED={seed}");
    let mirror = Mirror::new(way);
    let mut editor =
        Editor { random: Random(seed | 1), tree: mirror.source(), written: 0, linking: !always.is_empty() };
    for round in 0..ROUNDS {
        let mut edits = Vec::new();
        for _ in 0..=editor.random.below(6) {
            edits.push(editor.edit());
        }
        let options = OPTIONS[editor.random.below(OPTIONS.len())];
        let options = ["--delete", "--max-delete=100%", "--allow-empty-source", "--perms", options, always];
        let options: Vec<&str> = options.into_iter().filter(|option| !option.is_empty()).collect();
        let told = format!("FTPX_SEED={seed}, round {round}: {options:?} after {edits:#?}");
        let ran = mirror.run(&options);
        assert_eq!(ran.code, Some(0), "{told}: {}", ran.stderr);
        let same = std::panic::catch_unwind(|| assert_same(&mirror.source(), &mirror.target()));
        assert!(same.is_ok(), "{told}: {}", ran.stderr);
        if round % 20 == 0 {
            let links = if always.is_empty() { "-a" } else { "-aH" };
            assert_nothing_left(&mirror.source(), &mirror.target(), &[links]);
        }
    }
}

struct Editor {
    random: Random,
    tree: PathBuf,
    /// Length of the last file written: all lengths differ, as times may be equal.
    written: usize,
    linking: bool,
}

impl Editor {
    /// Makes a random edit, and returns its description.
    fn edit(&mut self) -> String {
        let path = self.place();
        let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let is_link = path.is_symlink();
        match self.random.below(14) {
            0..=2 => self.write(&path),
            3 | 4 => {
                remove(&path);
                fs::create_dir(&path).unwrap();
                format!("folder {path:?}")
            }
            5 => {
                remove(&path);
                let target = format!("../to/{}", self.random.below(5));
                symlink(&target, &path).unwrap();
                format!("link {path:?} to {target}")
            }
            6 if is_file => {
                self.written += 1;
                fs::write(&path, content(self.random.next(), 9000 + self.written)).unwrap();
                format!("grow {path:?}")
            }
            7 if is_file => {
                File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
                format!("truncate {path:?}")
            }
            8 | 9 => {
                let to = self.place();
                if path.exists() && !to.starts_with(&path) && !path.starts_with(&to) {
                    if to.is_dir() != path.is_dir() || to.is_symlink() || is_link || to.is_dir() {
                        remove(&to);
                    }
                    fs::rename(&path, &to).unwrap();
                }
                format!("rename {path:?} to {to:?}")
            }
            10 => {
                remove(&path);
                format!("delete {path:?}")
            }
            11 if path.exists() && !is_link => {
                let modes =
                    if path.is_dir() { [0o755, 0o700, 0o750, 0o777] } else { [0o644, 0o444, 0o600, 0o751] };
                let mode =
                    if is_root() && self.random.below(5) == 0 { 0o111 } else { modes[self.random.below(4)] };
                chmod(&path, mode);
                format!("chmod {mode:o} {path:?}")
            }
            12 if path.exists() && !is_link => {
                let time = SystemTime::UNIX_EPOCH + Duration::new(self.random.next() >> 33, 123_456_789);
                File::open(&path).unwrap().set_modified(time).unwrap();
                format!("touch {path:?}")
            }
            13 if is_file && self.linking => {
                let to = self.place();
                if !to.starts_with(&path) && !path.starts_with(&to) {
                    remove(&to);
                    fs::hard_link(&path, &to).unwrap();
                }
                format!("hard link {to:?} of {path:?}")
            }
            _ => self.write(&path),
        }
    }

    fn write(&mut self, path: &Path) -> String {
        remove(path);
        self.written += 1;
        let len = if self.random.below(20) == 0 { 600_000 + self.written } else { self.written };
        fs::write(path, content(self.random.next(), len)).unwrap();
        format!("write {path:?}")
    }

    /// Returns a name, taken or free, in some folder of the tree.
    fn place(&mut self) -> PathBuf {
        let mut folder = self.tree.clone();
        while self.random.below(2) == 0 {
            let inner = folder.join(NAMES[self.random.below(NAMES.len())]);
            if !fs::symlink_metadata(&inner).is_ok_and(|metadata| metadata.is_dir()) {
                break;
            }
            folder = inner;
        }
        folder.join(NAMES[self.random.below(NAMES.len())])
    }
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Xorshift: the seed makes the series.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }
}

fn new_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64)
}

/// Few, so that they collide; some sort before or after a slash.
const NAMES: [&str; 7] = ["a", "a-", "a0", "b", "-", "new\nline", "\u{e9}"];

/// One of them is added to each run.
const OPTIONS: [&str; 6] = ["", "", "--compare=digest", "--detect-moves", "--checksum=sha256", "--sparse"];

const ROUNDS: usize = 60;
