//! The options of `mirror` that choose entries, in `get -r` and `put -r`.

use crate::mirrors::{WAYS, Way};
use crate::support::{event, names_below};
use std::fs;
use std::path::PathBuf;
use tests::world::World;

/// A server and a client, and a tree at the end that sends.
struct Sent {
    way: Way,
    world: World,
}

impl Sent {
    fn new(way: Way) -> Self {
        let sent = Self { way, world: World::serving() };
        for path in ["tree/a.c", "tree/a.o", "tree/deep/b.c", "tree/deep/b.o", "tree/large", "file.o"] {
            let content = if path.ends_with("large") { vec![7; 2 << 20] } else { b"content".to_vec() };
            fs::create_dir_all(sent.from(path).parent().unwrap()).unwrap();
            fs::write(sent.from(path), content).unwrap();
        }
        sent
    }

    fn from(&self, path: &str) -> PathBuf {
        match self.way {
            Way::Up => self.world.local().join(path),
            Way::Down => self.world.root().join(path),
        }
    }

    fn to(&self, path: &str) -> PathBuf {
        match self.way {
            Way::Up => self.world.root().join(path),
            Way::Down => self.world.local().join(path),
        }
    }

    /// The command that sends `source` with all that is chosen of it.
    fn words(&self, source: &str, target: &str, options: &[&str]) -> Vec<String> {
        let (command, source, target) = match self.way {
            Way::Up => ("put", source.to_owned(), self.world.url(target)),
            Way::Down => ("get", self.world.url(source), target.to_owned()),
        };
        let words = [command, "-r", &source, &target].map(str::to_owned);
        words.into_iter().chain(options.iter().map(|option| (*option).to_owned())).collect()
    }

    /// The files of the target.
    fn files(&self, target: &str) -> String {
        let files = names_below(&self.to(target)).into_iter().filter(|path| path.is_file());
        let below = |path: PathBuf| path.strip_prefix(self.to(target)).unwrap().display().to_string();
        let mut files: Vec<String> = files.map(below).collect();
        files.sort();
        files.join(" ")
    }
}

#[test]
fn rules_choose_what_is_transferred_of_a_tree() {
    for way in WAYS {
        let sent = Sent::new(way);
        fs::write(sent.world.local().join("list"), "deep\n").unwrap();
        fs::write(sent.world.local().join("patterns"), "*.c\n").unwrap();
        for (target, options, expected) in [
            ("one", &["--exclude=*.o"][..], "tree/a.c tree/deep/b.c tree/large"),
            ("two", &["--include=a.o", "--exclude=*.o", "--max-size=1M"], "tree/a.c tree/a.o tree/deep/b.c"),
            ("three", &["--files-from=list", "--exclude-from=patterns"], "tree/deep/b.o"),
            ("four", &["--min-size=1M"], "tree/large"),
            ("five", &["--older-than=1h"], ""),
        ] {
            fs::create_dir(sent.to(target)).unwrap();
            sent.world.check(sent.words("tree", target, options));
            assert_eq!(sent.files(target), expected, "{way:?}, {options:?}");
        }
        sent.world.check(sent.words("tree/", "contents", &["--exclude=deep", "--exclude=large"]));
        assert_eq!(sent.files("contents"), "a.c a.o", "{way:?}");
        sent.world.check(sent.words("file.o", "named", &["--exclude=*.o"]));
        assert!(sent.to("named").exists(), "{way:?}: a file that is named is sent");
        assert_eq!(sent.world.client(sent.words("gone", "x", &["--exclude=*.o"])).code, Some(5), "{way:?}");
    }
}

#[test]
fn the_second_run_sends_what_differs_and_a_result_file_has_the_rules() {
    for way in WAYS {
        let sent = Sent::new(way);
        fs::create_dir(sent.to("to")).unwrap();
        let words = sent.words("tree", "to", &["--exclude=*.o", "--json", "--result=result"]);
        sent.world.check(&words);
        let ran = sent.world.check(&words);
        let finished = event(&ran, "finished");
        assert_eq!((&finished["files"], &finished["skipped"]), (&0.into(), &4.into()), "{}", ran.text()); // with a folder
        fs::remove_file(sent.to("to/tree/a.c")).unwrap();
        fs::create_dir(sent.to("to/tree/a.c")).unwrap();
        fs::write(sent.to("to/tree/a.c/in-the-way"), "").unwrap();
        assert_ne!(sent.world.client(&words).code, Some(0), "{way:?}");
        fs::remove_dir_all(sent.to("to/tree/a.c")).unwrap();
        sent.world.check(["retry", "result"]);
        assert_eq!(sent.files("to"), "tree/a.c tree/deep/b.c tree/large", "{way:?}");
    }
}
