//! Targets that take `Photo.jpg` and `photo.jpg` for one name: no file is lost there, and one that cannot be stored is
//! reported.

use crate::faults::odd_filesystems::{Stage, WAYS};
use crate::support::fuse::Lacks;
use crate::support::{content, event, leftovers};
use std::fs;
use std::path::Path;

fn stage() -> Option<Stage> {
    Stage::new(Lacks { case: true, ..Lacks::default() })
}

/// Returns the names in a folder, as they are spelled there.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_whose_name_changed_in_case_alone_is_there_after_a_mirror_that_deletes() {
    let Some(stage) = stage() else { return };
    for way in ["mirror up", "mirror down"] {
        let (source, target) = (stage.source(way), stage.target(way));
        fs::create_dir_all(&target).unwrap();
        fs::write(source.join("photo.jpg"), "a picture").unwrap();
        fs::create_dir(source.join("Trip")).unwrap();
        fs::write(source.join("Trip/day"), "one").unwrap();
        assert_eq!(stage.run(way).code, Some(0));
        fs::rename(source.join("photo.jpg"), source.join("Photo.jpg")).unwrap();
        fs::rename(source.join("Trip"), source.join("trip")).unwrap();
        let ran = stage.run_with(way, &["--delete", "--delete-when=after"]);
        assert_ne!(ran.code, Some(0), "{way}: {}", ran.stderr);
        assert!(ran.stderr.contains("upper and lower case"), "{way}: {}", ran.stderr);
        assert_eq!(fs::read(target.join("photo.jpg")).unwrap(), b"a picture", "{way}");
        assert_eq!(fs::read(target.join("Trip/day")).unwrap(), b"one", "{way}");
        let ran = stage.run_with(way, &["--delete"]);
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        assert_eq!(fs::read(target.join("Photo.jpg")).unwrap(), b"a picture", "{way}");
        assert_eq!(fs::read(target.join("trip/day")).unwrap(), b"one", "{way}");
        assert_eq!(names_in(&target), names_in(&source), "{way}");
        let ran = stage.run_with(way, &["--delete", "-n"]);
        assert_eq!((ran.code, ran.text().trim()), (Some(0), ""), "{way}: nothing is left to do");
    }
}

#[test]
fn of_names_that_become_one_the_second_is_told_and_replaces_nothing() {
    let Some(stage) = stage() else { return };
    for way in WAYS {
        let (source, target) = (stage.source(way), stage.target(way));
        fs::create_dir_all(target.join("old")).unwrap();
        fs::write(target.join("a.txt"), "of the target").unwrap();
        fs::write(target.join("old/x"), "of the target").unwrap();
        for (path, content) in [("A.txt", "A"), ("N.txt", "N"), ("n.txt", "n"), ("Old/x", "other")] {
            let path = source.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let large: Vec<u8> = vec![7; 3_000_000];
        fs::write(source.join("LARGE"), &large).unwrap(); // there is a `large` already
        for options in [&[][..], &["--overwrite=never"], &["--overwrite=newer"], &["--overwrite=always"]] {
            let ran = stage.run_with(way, options);
            assert_ne!(ran.code, Some(0), "{way} {options:?}: {}", ran.stderr);
            for path in ["A.txt", "n.txt", "Old/x", "arge"] {
                assert!(ran.stderr.contains(path), "{way} {options:?}, {path}: {}", ran.stderr);
            }
            assert_eq!(fs::read(target.join("a.txt")).unwrap(), b"of the target", "{way} {options:?}");
            assert_eq!(fs::read(target.join("old/x")).unwrap(), b"of the target", "{way} {options:?}");
            assert_eq!(fs::read(target.join("n.txt")).unwrap(), b"N", "{way} {options:?}");
            assert!(leftovers(&target).is_empty(), "{way} {options:?}");
        }
        for path in ["A.txt", "N.txt", "n.txt", "LARGE", "Old/x"] {
            fs::remove_file(source.join(path)).unwrap();
        }
        fs::remove_dir(source.join("Old")).unwrap();
    }
}

#[test]
fn mv_gives_a_name_another_spelling() {
    let Some(stage) = stage() else { return };
    let root = stage.fuse.path();
    fs::create_dir(root.join("photos")).unwrap();
    for name in ["photos/a.jpg", "other"] {
        fs::write(root.join(name), name).unwrap();
    }
    let mv = |from: &str, to: &str, options: &[&str]| {
        let urls = [stage.world.url(from), stage.world.url(to)];
        stage
            .world
            .check(["mv"].into_iter().chain(options.iter().copied()).chain(urls.iter().map(|url| &url[..])));
    };
    mv("photos/a.jpg", "photos/A.JPG", &[]);
    assert_eq!(names_in(&root.join("photos")), ["A.JPG"]);
    mv("photos/A.JPG", "photos/A.jpg", &["--no-clobber"]);
    mv("photos", "Photos", &[]);
    assert_eq!(names_in(&root), ["Photos", "other"]);
    mv("other", "PHOTOS", &[]); // into the folder, as usual
    assert_eq!(names_in(&root.join("Photos")), ["A.jpg", "other"]);
    assert_eq!(fs::read(root.join("Photos/A.jpg")).unwrap(), b"photos/a.jpg");
}

#[test]
fn a_move_that_changes_the_spelling_alone_sends_nothing() {
    let Some(stage) = stage() else { return };
    for way in ["mirror up", "mirror down"] {
        let (source, target) = (stage.source(way), stage.target(way));
        fs::create_dir_all(&target).unwrap();
        fs::write(source.join("photo.jpg"), "a picture").unwrap();
        assert_eq!(stage.run(way).code, Some(0));
        fs::rename(source.join("photo.jpg"), source.join("Photo.jpg")).unwrap();
        let ran = stage.run_with(way, &["--delete", "--detect-moves", "--json"]);
        assert_eq!(ran.code, Some(0), "{way}: {}", ran.stderr);
        let finished = event(&ran, "finished");
        assert_eq!(
            (finished["moved"].as_u64(), finished["files"].as_u64()),
            (Some(1), Some(0)),
            "{way}: {finished}"
        );
        assert_eq!(names_in(&target), names_in(&source), "{way}");
        fs::remove_file(source.join("Photo.jpg")).unwrap();
    }
}

#[test]
fn of_two_names_of_a_mirrors_source_the_second_is_told_before_it_is_sent() {
    let Some(stage) = stage() else { return };
    for way in ["mirror up", "mirror down"] {
        let (source, target) = (stage.source(way), stage.target(way));
        fs::create_dir_all(&target).unwrap();
        fs::create_dir_all(source.join("new")).unwrap();
        for name in ["Film", "film", "new/A", "new/a", "new/Ä", "new/ä"] {
            fs::write(source.join(name), content(3, 2_000_000)).unwrap();
        }
        for options in [&["-n"][..], &["--json"]] {
            let ran = stage.run_with(way, options);
            assert_eq!(ran.code, Some(1), "{way} {options:?}: {}", ran.stderr);
            assert!(!names_in(&target).contains(&"film".to_owned()), "{way} {options:?}");
            if options == ["-n"] {
                assert!(ran.stderr.contains("upper and lower case"), "{way}: {}", ran.stderr);
                continue;
            }
            let finished = event(&ran, "finished");
            let sent = finished["bytes_transferred"].as_u64().unwrap();
            assert!((8_000_000..10_000_000).contains(&sent), "{way}, four of six: {finished}");
        }
        for path in ["Film", "film", "new"] {
            let path = source.join(path);
            fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)).unwrap();
        }
    }
}
