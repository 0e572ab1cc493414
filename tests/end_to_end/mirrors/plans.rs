//! Plans: written, examined, and applied as far as they still fit.

use crate::mirrors::{Mirror, WAYS};
use crate::support::{chmod, event, events, picture};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tests::world::{Ran, World};

#[test]
fn a_plan_touches_nothing_until_it_is_applied_and_is_applied_once() {
    for way in WAYS {
        let mirror = changed(way);
        let before = picture(&mirror.target());
        let planned = mirror.check(["--delete", "--detect-moves", "-H", "--plan=p"]);
        assert_eq!(planned.text(), mirror.check(["--delete", "--detect-moves", "-H", "-n"]).text());
        assert_eq!(picture(&mirror.target()), before);
        let ran = apply(&mirror.world, 0);
        assert_eq!(event(&ran, "finished")["failed"], 0);
        mirror.assert_done(["--delete", "-H"]);
        let after = picture(&mirror.target());
        apply(&mirror.world, 6);
        assert_eq!(picture(&mirror.target()), after);
    }
}

#[test]
fn a_plan_is_not_part_of_what_it_is_about() {
    for way in WAYS {
        let mirror = changed(way);
        let here =
            if mirror.source().starts_with(mirror.world.local()) { mirror.source() } else { mirror.target() };
        let other = mirror.world.local().join("link");
        symlink(&here, &other).unwrap();
        for place in [here.join("p"), other.join("p")] {
            let ran = mirror.ends(2, [&format!("--plan={}", place.display())[..]]);
            assert!(ran.stderr.contains("must not lie in the folder"), "{}", ran.stderr);
            assert!(!here.join("p").exists());
        }
        mirror.check([&format!("--plan={}", here.join("../p").display())[..]]);
    }
}

#[test]
fn a_plan_shows_what_each_item_expects() {
    for way in WAYS {
        let mirror = changed(way);
        mirror.check(["--delete", "--plan=p", "-q"]);
        let lines = plan(&mirror.world);
        assert_eq!(lines[0]["format"], "ftpx-plan");
        let end = &lines.last().unwrap()["end"];
        assert_eq!(end["items"], lines.len() - 2);
        assert_eq!(end["deletions"], 2);
        let item = |path: &str| lines.iter().find(|line| line["path"] == path).unwrap();
        assert_eq!(item("0")["action"], "changed");
        assert_eq!((&item("0")["source"]["size"], &item("0")["target"]["size"]), (&19.into(), &1.into()));
        assert_eq!(item("new\nname")["action"], "new");
        assert_eq!(item("1")["action"], "deleted");
        assert_eq!(item("1")["target"]["kind"], "file");
        assert_eq!(item("2")["action"], "metadata");
        assert_eq!(item("link")["source"]["link"], "nowhere");
        assert!(lines.iter().any(|line| line["path"]["hex"] == "ff"), "a name that is no text");
    }
}

#[test]
fn an_item_that_no_longer_fits_is_refused_and_the_others_are_done() {
    for way in WAYS {
        let mirror = changed(way);
        mirror.check(["--delete", "--plan=p"]);
        mirror.write("0", "changed once more since then"); // the source's
        fs::write(mirror.target().join("1"), "changed: not to be deleted any more").unwrap(); // the target's
        let ran = apply(&mirror.world, 6);
        for path in ["0", "1"] {
            let told = |event: &Value| event["path"] == path && event["outcome"] == "failed";
            assert!(events(&ran).iter().any(told), "{path}: {}", ran.text());
        }
        assert_eq!(fs::read_to_string(mirror.target().join("0")).unwrap(), "0");
        assert!(mirror.target().join("1").exists());
        assert!(mirror.target().join("new\nname").exists());
        assert!(!mirror.target().join("3").exists(), "the other deletion is made");
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn what_came_since_is_not_done() {
    for way in WAYS {
        let mirror = changed(way);
        mirror.check(["--delete", "--plan=p"]);
        mirror.write("later", "later");
        fs::write(mirror.target().join("extra"), "not in the plan").unwrap();
        chmod(&mirror.source().join("4"), 0o640);
        apply(&mirror.world, 0);
        assert!(!mirror.target().join("later").exists());
        assert!(mirror.target().join("extra").exists());
        assert_ne!(picture(&mirror.source())[Path::new("4")], picture(&mirror.target())[Path::new("4")]);
    }
}

#[test]
fn a_plan_for_other_folders_is_refused() {
    for way in WAYS {
        for other in [Mirror::source, Mirror::target] {
            let mirror = changed(way);
            mirror.check(["--delete", "--plan=p"]);
            let (folder, aside) = (other(&mirror), other(&mirror).with_extension("aside"));
            fs::rename(&folder, &aside).unwrap();
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("0"), "0").unwrap();
            let ran = apply(&mirror.world, 6);
            assert!(ran.stderr.contains("the plan is for another"), "{}", ran.stderr);
            assert_eq!(picture(&folder).len(), 1);
            fs::remove_dir_all(&folder).unwrap();
            assert_ne!(mirror.world.client(["apply", "p"]).code, Some(0), "a folder that is missing");
            fs::rename(&aside, &folder).unwrap();
            apply(&mirror.world, 0);
            mirror.assert_done(["--delete"]);
        }
    }
}

#[test]
fn a_plan_that_is_cut_short_or_of_another_version_is_wrong_usage() {
    let mirror = changed(crate::mirrors::Way::Up);
    mirror.check(["--delete", "--plan=p"]);
    let whole = fs::read_to_string(mirror.world.local().join("p")).unwrap();
    let before = picture(&mirror.target());
    let lines: Vec<&str> = whole.lines().collect();
    for bad in [
        String::new(),
        "{}\n".to_owned(),
        whole[..whole.len() / 2].to_owned(),
        lines[..lines.len() - 1].join("\n") + "\n",
        whole.replace("\"version\":1", "\"version\":7"),
        whole.replace("sha256:", "md5:"),
        lines[0].to_owned() + "\n" + lines[lines.len() - 1] + "\n",
    ] {
        fs::write(mirror.world.local().join("p"), &bad).unwrap();
        assert_eq!(mirror.world.client(["apply", "p"]).code, Some(2), "{bad}");
    }
    assert_eq!(picture(&mirror.target()), before);
    assert_eq!(mirror.world.client(["apply", "no-such-plan"]).code, Some(5));
}

#[test]
fn a_plan_for_another_servers_key_is_refused() {
    let mirror = changed(crate::mirrors::Way::Up);
    let other = World::serving();
    mirror.check(["--delete", "--plan=p"]);
    let path = mirror.world.local().join("p");
    let plan = fs::read_to_string(&path).unwrap();
    let (here, there) = (mirror.world.server(), other.server());
    let moved = plan
        .replace(&format!("\"port\":{}", here.address.port()), &format!("\"port\":{}", there.address.port()));
    assert_ne!(plan, moved);
    fs::write(&path, moved).unwrap();
    let ran = mirror.world.client(["apply", "p"]);
    assert!(matches!(ran.code, Some(4 | 6)), "{:?} {}", ran.code, ran.stderr);
    assert!(picture(&other.root()).is_empty());
}

#[test]
fn a_refused_plan_is_not_written() {
    let mirror = changed(crate::mirrors::Way::Up);
    mirror.ends(6, ["--delete", "--max-delete=1", "--plan=p"]);
    let left: Vec<PathBuf> =
        picture(&mirror.world.local()).into_keys().filter(|path| path.starts_with("p")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Two sides with work of each kind, and with difficult names.
fn changed(way: crate::mirrors::Way) -> Mirror {
    let mirror = Mirror::with_files(way, 6);
    mirror.write("0", "changed, and longer");
    fs::remove_file(mirror.source().join("1")).unwrap();
    chmod(&mirror.source().join("2"), 0o640);
    fs::remove_file(mirror.source().join("3")).unwrap();
    mirror.write("new\nname", "new");
    fs::create_dir(mirror.source().join("folder")).unwrap();
    fs::write(mirror.source().join("folder").join(OsStr::from_bytes(b"\xff")), "new").unwrap();
    fs::write(mirror.source().join(OsStr::from_bytes(b"\xff")), "new").unwrap();
    symlink("nowhere", mirror.source().join("link")).unwrap();
    mirror
}

fn apply(world: &World, code: i32) -> Ran {
    let ran = world.client(["apply", "--json", "p"]);
    assert_eq!(ran.code, Some(code), "{}{}", ran.stderr, ran.text());
    ran
}

fn plan(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.local().join("p")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
