//! Mirrors to a nearly full target: deletions come first where they must, and never otherwise.

use crate::commands::times::Mounted;
use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::event;
use std::fs;

/// A target of 30 MiB filled by an older file, and a source with another file of that size.
fn nearly_full(way: Way) -> Option<(Mirror, Mounted)> {
    let mirror = Mirror::new(way);
    let mounted = Mounted::new(&mirror.target(), &["tmpfs", "size=30m,mode=755"])?;
    mirror.write("monday", vec![1; 20 << 20]);
    mirror.write("kept", "kept");
    mirror.check::<&str>([]);
    fs::remove_file(mirror.source().join("monday")).unwrap();
    mirror.write("tuesday", vec![2; (20 << 20) + 1]);
    Some((mirror, mounted))
}

#[test]
fn a_nearly_full_target_converges() {
    for way in WAYS {
        for options in
            [&["--delete"][..], &["--delete", "--delete-when=before"], &["--delete", "--detect-moves"]]
        {
            let Some((mirror, _mounted)) = nearly_full(way) else { return };
            let ran = mirror.check(options.iter().copied().chain(["--json"]));
            assert_eq!(mirror.names(), ["kept", "tuesday"], "{way:?} {options:?}");
            let finished = event(&ran, "finished");
            let counts = ["files", "deleted", "failed", "unchanged"].map(|count| finished[count].as_u64());
            assert_eq!(counts, [Some(1), Some(1), Some(0), Some(1)], "{way:?} {options:?}: {finished}");
            mirror.assert_done(["--delete"]);
        }
        let Some((mirror, _mounted)) = nearly_full(way) else { return };
        mirror.check(["--delete", "--plan=plan"]);
        mirror.world.check(["apply", "plan"]);
        assert_eq!(mirror.names(), ["kept", "tuesday"], "{way:?}: a plan");
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn deletions_stay_last_where_that_was_asked_for_or_they_make_no_room() {
    for way in WAYS {
        let Some((mirror, _mounted)) = nearly_full(way) else { return };
        let ran = mirror.ends(8, ["--delete", "--delete-when=after"]);
        assert!(ran.stderr.contains("1 entries were not deleted"), "{}", ran.stderr);
        assert_eq!(mirror.names(), ["kept", "monday"]);
        let ran = mirror.ends(8, ["--delete", "--backup", "target/old"]);
        assert!(ran.stderr.contains("--backup keeps what is deleted"), "{}", ran.stderr);
        assert!(mirror.names().contains(&"monday".to_owned()));
        assert_eq!(
            mirror.ends(6, ["--delete", "--max-delete=0"]).stderr.matches("nothing was copied").count(),
            1
        );
        assert_eq!(mirror.run(["--delete-when=before"]).code, Some(2));
        fs::remove_dir_all(mirror.source()).unwrap();
        fs::create_dir(mirror.source()).unwrap();
        mirror.ends(6, ["--delete"]);
        assert!(mirror.names().contains(&"monday".to_owned()), "an empty source deletes nothing");
    }
}

#[test]
fn lack_of_room_that_shows_late_is_told_only_if_it_stays() {
    for way in WAYS {
        for plan in [false, true] {
            let mirror = Mirror::new(way);
            let Some(_mounted) = Mounted::new(&mirror.target(), &["tmpfs", "size=30m,nr_inodes=32,mode=755"])
            else {
                return;
            };
            for number in 0..18 {
                mirror.write(&format!("old-{number}"), "old");
            }
            mirror.check::<&str>([]);
            for number in 0..18 {
                fs::remove_file(mirror.source().join(format!("old-{number}"))).unwrap();
                mirror.write(&format!("new-{number}"), "new");
            }
            fs::create_dir(mirror.source().join("folder")).unwrap();
            mirror.write("folder/new", "new");
            if plan {
                mirror.check(["--delete", "--max-delete=100%", "--plan=plan"]);
                mirror.world.check(["apply", "plan"]);
            } else {
                let ran = mirror.check(["--delete", "--max-delete=100%"]);
                assert_eq!(ran.stderr, "", "{way:?}");
            }
            mirror.assert_done(["--delete"]);
            for number in 0..40 {
                mirror.write(&format!("more-{number}"), "more");
            }
            fs::remove_file(mirror.source().join("new-0")).unwrap();
            let ran = mirror.ends(8, ["--delete"]);
            assert!(ran.stderr.contains("no space left"), "{}", ran.stderr);
        }
    }
}
