//! Names of more than 255 bytes, as on NTFS and exFAT: they cannot be transferred, and are never taken as missing.

use crate::faults::odd_filesystems::Stage;
use crate::support::fuse::Lacks;
use std::fs;
use std::path::PathBuf;
use tests::world::Ran;

/// A stage whose odd filesystem is the source, with a name that is too long in a folder and one at the top.
struct Long {
    stage: Stage,
    names: [PathBuf; 2],
}

const WAYS: [&str; 4] = ["put", "get", "mirror up", "mirror down"];

impl Long {
    fn new() -> Option<Self> {
        let stage = Stage::new(Lacks::default())?;
        let source = stage.fuse.path().join("source");
        let names = [source.join("x".repeat(256)), source.join("folder").join("ä".repeat(200))];
        for name in &names {
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            fs::write(name, "long").unwrap();
        }
        for name in ["a", "folder/b", "z"] {
            fs::write(source.join(name), name).unwrap();
        }
        Some(Self { stage, names })
    }

    fn target(&self, way: &str) -> PathBuf {
        let folder = if way == "put" || way == "mirror up" {
            self.stage.world.root()
        } else {
            self.stage.world.local()
        };
        folder.join("target")
    }

    fn run(&self, way: &str, options: &[&str]) -> Ran {
        let here = self.stage.fuse.path().join("source").display().to_string();
        let (there, from) =
            (self.stage.world.url_of("other", "target"), self.stage.world.url_of("tester", "source"));
        let (contents, tree) = (format!("{here}/"), self.stage.world.url_of("tester", "source/"));
        let words = match way {
            "put" => vec!["put", "-r", &contents, &there],
            "get" => vec!["get", "-r", &tree, "target"],
            "mirror up" => vec!["mirror", &here, &there],
            _ => vec!["mirror", &from, "target"],
        };
        self.stage.world.client(words.iter().chain(options))
    }
}

#[test]
fn a_name_that_cannot_be_carried_is_told_and_nothing_is_deleted() {
    let Some(long) = Long::new() else { return };
    for way in WAYS {
        let ran = long.run(way, &[]);
        assert_eq!(ran.code, Some(1), "{way}: {}", ran.stderr);
        for begin in ["xxxxx", "äääää"] {
            assert!(ran.stderr.contains(begin), "{way}: {}", ran.stderr);
        }
        assert!(ran.stderr.contains("longer than 255 bytes"), "{way}: {}", ran.stderr);
        for name in ["a", "folder/b", "z"] {
            assert_eq!(
                fs::read(long.target(way).join(name)).unwrap(),
                name.as_bytes(),
                "{way}: all else comes"
            );
        }
        if way.starts_with("mirror") {
            for extra in ["extra", "folder/extra", "zz"] {
                fs::write(long.target(way).join(extra), "extra").unwrap();
            }
            let ran = long.run(way, &["--delete"]);
            assert_eq!(ran.code, Some(1), "{way}: {}", ran.stderr);
            for extra in ["extra", "folder/extra", "zz"] {
                assert!(long.target(way).join(extra).exists(), "{way}: {extra} was deleted");
            }
        }
        fs::remove_dir_all(long.target(way)).unwrap();
    }
}

#[test]
fn a_target_with_such_a_name_is_mirrored_to_and_what_else_is_there_is_not_deleted() {
    let Some(long) = Long::new() else { return };
    let target = long.stage.fuse.path().join("source");
    for way in ["mirror up", "mirror down"] {
        let source = if way == "mirror up" { long.stage.world.local() } else { long.stage.world.root() };
        fs::create_dir_all(source.join("new/folder")).unwrap();
        for name in ["folder/b", "zz"] {
            fs::write(source.join("new").join(name), way).unwrap();
        }
        let there = long.stage.world.url_of("tester", "source");
        let from = long.stage.world.url_of("other", "new");
        let here = target.display().to_string();
        let words = if way == "mirror up" { ["mirror", "new", &there] } else { ["mirror", &from, &here] };
        let ran = long.stage.world.client(words);
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        let ran = long.stage.world.client(words.iter().chain(&["--delete"]));
        assert_eq!(ran.code, Some(1), "{way}: {}", ran.stderr);
        for name in ["folder/b", "zz"] {
            assert_eq!(fs::read(target.join(name)).unwrap(), way.as_bytes(), "{way}");
        }
        assert!(target.join("a").exists() && long.names.iter().all(|name| name.exists()), "{way}");
        fs::remove_file(target.join("zz")).unwrap();
    }
}

#[test]
fn listings_and_removals_tell_of_it() {
    let Some(long) = Long::new() else { return };
    let url = long.stage.world.url_of("tester", "source");
    for options in [&["ls"][..], &["ls", "-R"], &["ls", "-R", "--json"]] {
        let ran = long.stage.world.client(options.iter().copied().chain([&url[..]]));
        assert_eq!(ran.code, Some(1), "{options:?}: {}", ran.stderr);
        let told = ran.stderr.clone() + &ran.text();
        assert!(told.contains("longer than 255 bytes"), "{options:?}: {told}");
    }
    let ran = long.stage.world.client(["rm", "-r", &url]);
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("longer than 255 bytes"), "{}", ran.stderr);
    assert!(long.names.iter().all(|name| name.exists()));
    assert!(long.stage.fuse.path().join("source/a").exists(), "all of the folder stays");
}
