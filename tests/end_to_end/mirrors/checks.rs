//! `check`: finds each difference of two folders, in both directions, by content, and changes nothing.

use crate::mirrors::{Mirror, WAYS};
use crate::support::{chmod, event, events, is_root, picture};
use std::fs::{self, File, FileTimes};
use std::path::Path;
use tests::world::Ran;

fn check(mirror: &Mirror, options: &[&str]) -> Ran {
    let places = mirror.places();
    mirror.world.client(["check"].iter().chain(options).copied().chain(places.iter().map(String::as_str)))
}

fn copy_time(from: &Path, to: &Path) {
    let modified = from.metadata().unwrap().modified().unwrap();
    File::options().write(true).open(to).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
}

/// Makes a difference of each kind. The content of `2` differs, and neither its size nor its time shows that.
fn differ(mirror: &Mirror) {
    let (source, target) = (mirror.source(), mirror.target());
    mirror.write("0", "longer");
    fs::write(target.join("2"), "x").unwrap();
    copy_time(&source.join("2"), &target.join("2"));
    mirror.write("new", "new");
    fs::create_dir(target.join("old")).unwrap();
    fs::write(target.join("old/file"), "old").unwrap();
    chmod(&source.join("3"), 0o640);
    chmod(&target.join("3"), 0o600);
    let time = source.metadata().unwrap().modified().unwrap();
    File::open(&target).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn each_difference_is_a_line_and_none_is_success() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 30);
        let equal = check(&mirror, &[]);
        assert_eq!((equal.code, equal.text().as_str()), (Some(0), ""), "{}", equal.stderr);
        assert!(equal.stderr.contains("no differences, 30 equal"), "{}", equal.stderr);
        differ(&mirror);
        let before = [picture(&mirror.source()), picture(&mirror.target())];
        let lines = |options: &[&str]| {
            let ran = check(&mirror, options);
            assert_eq!(ran.code, Some(1), "{options:?}: {}", ran.stderr);
            let text = ran.text();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines.retain(|line| line != "> ./");
            lines
        };
        assert_eq!(lines(&[]), ["+ new", "- old/", "- old/file", "> 3", "~ 0", "~ 2"]);
        assert_eq!(lines(&["--content-only"]), ["+ new", "- old/", "- old/file", "~ 0", "~ 2"]);
        assert_eq!(lines(&["--exclude", "old", "--exclude=new", "--exclude=0"]), ["> 3", "~ 2"]);
        assert_eq!(lines(&["--quiet"]), [""; 0]);
        let told = check(&mirror, &["--json", "--content-only"]);
        let of = |ran: &Ran| -> Vec<String> {
            let differences = events(ran).into_iter().filter(|event| event["event"] == "difference");
            differences.map(|event| format!("{} {}", event["action"], event["path"])).collect()
        };
        assert!(of(&told).contains(&"\"changed\" \"2\"".to_owned()), "{}", told.text());
        assert_eq!(event(&told, "checked")["differences"], 5);
        assert_eq!(event(&told, "finished")["exit_code"], 1);
        fs::write(mirror.world.local().join("list"), "1\n5\n").unwrap();
        assert_eq!(check(&mirror, &["--files-from", "list"]).code, Some(0));
        assert_eq!([picture(&mirror.source()), picture(&mirror.target())], before);
    }
}

#[test]
fn everything_may_differ() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 30);
        for entry in fs::read_dir(mirror.source()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let ran = check(&mirror, &["--content-only"]);
        assert_eq!((ran.code, ran.text().lines().count()), (Some(1), 30), "{}", ran.stderr);
        assert!(!ran.stderr.contains("--max-delete"), "{}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        let [source, target] = mirror.places();
        let url = |name: &str| mirror.world.url(name);
        for (words, code) in [
            (["gone".to_owned(), url("target")], 5),
            (["source".into(), url("gone")], 5),
            ([url("gone"), "target".into()], 5),
            ([source.clone(), source.clone()], 2),
            ([target.clone(), target.clone()], 2),
        ] {
            let ran = mirror.world.client(["check", &words[0], &words[1]]);
            assert!(
                ran.code == Some(code) || ran.code == Some(5),
                "{words:?}: {:?} {}",
                ran.code,
                ran.stderr
            );
            assert!(!ran.stderr.is_empty());
        }
        if !is_root() {
            chmod(&mirror.source().join("1"), 0);
            let ran = check(&mirror, &[]);
            assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        }
    }
}
