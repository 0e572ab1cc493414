//! Proven chunks are not sent again: interrupted transfers resume.

mod interrupts;
pub(crate) mod kills;
mod last_sync;
mod network_outage;
mod outages;

use crate::support::{assert_same, content, event, leftovers, names_below, proven_bytes, wait_until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tests::world::{Ran, World, signal};

/// The end that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Put,
    Get,
    MirrorUp,
    MirrorDown,
}

const WAYS: [Way; 4] = [Way::Put, Way::Get, Way::MirrorUp, Way::MirrorDown];

/// A transfer of the folder `source` to the folder `target`.
struct Moving {
    world: World,
    way: Way,
}

impl Moving {
    fn new(way: Way) -> Self {
        let moving = Self { world: World::serving(), way };
        fs::create_dir(moving.source()).unwrap();
        moving
    }

    fn source(&self) -> PathBuf {
        match self.way {
            Way::Put | Way::MirrorUp => self.world.local().join("source"),
            Way::Get | Way::MirrorDown => self.world.root().join("source"),
        }
    }

    fn target(&self) -> PathBuf {
        match self.way {
            Way::Put | Way::MirrorUp => self.world.root().join("target"),
            Way::Get | Way::MirrorDown => self.world.local().join("target"),
        }
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let url = |path: &str| self.world.url(path);
        let words = match self.way {
            Way::Put => vec!["put".into(), "-r".into(), "source/".into(), url("target")],
            Way::Get => vec!["get".into(), "-r".into(), url("source/"), "target".into()],
            Way::MirrorUp => vec!["mirror".into(), "source".into(), url("target")],
            Way::MirrorDown => vec!["mirror".into(), url("source"), "target".into()],
        };
        let common = ["--json", "--lanes=2"].into_iter().chain(more.iter().copied());
        words.into_iter().chain(common.map(str::to_owned)).collect()
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = self.world.client_command(self.arguments(more));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until this many bytes of the large file are staged at the target.
    fn wait_for_staged(&self, bytes: u64) {
        wait_until("enough is staged", || staged_bytes(&self.target()) >= bytes);
    }

    fn finish(&self, more: &[&str]) -> Value {
        let ran = self.world.check(self.arguments(more));
        assert_same(&self.source(), &self.target());
        assert_eq!(leftovers(&self.target()), [] as [PathBuf; 0]);
        event(&ran, "finished")
    }
}

/// Returns the proven bytes of the staged file, or without a journal its length.
fn staged_bytes(folder: &Path) -> u64 {
    let lengths = leftovers(folder).into_iter().filter_map(|path| Some(fs::metadata(path).ok()?.len()));
    Some(proven_bytes(folder)).filter(|proven| *proven > 0).or(lengths.max()).unwrap_or(0)
}

const LARGE: usize = 48 << 20;

fn fill(folder: &Path) {
    fs::create_dir(folder.join("small")).unwrap();
    for number in 0..50 {
        fs::write(folder.join(format!("small/{number}")), content(number, 3000)).unwrap();
    }
    fs::write(folder.join("large"), content(99, LARGE)).unwrap();
}

#[test]
fn a_killed_client_goes_on_where_it_was() {
    for way in WAYS {
        let moving = Moving::new(way);
        fill(&moving.source());
        let mut client = moving.start(&["--limit-rate=40M"]);
        moving.wait_for_staged(16 << 20);
        client.kill().unwrap();
        client.wait().unwrap();
        let held = staged_bytes(&moving.target());
        let finished = moving.finish(&[]);
        let sent = finished["bytes_transferred"].as_u64().unwrap();
        // A chunk of each lane may have been in progress, and records and acknowledgements take some.
        assert!(sent < LARGE as u64 - held + (3 << 20), "{way:?}: {sent} bytes sent, {held} were there");
    }
}

#[test]
fn a_client_that_was_interrupted_goes_on_and_with_no_resume_it_leaves_nothing() {
    let moving = Moving::new(Way::Put);
    fill(&moving.source());
    let client = moving.start(&["--limit-rate=40M", "--no-resume"]);
    moving.wait_for_staged(8 << 20);
    signal(client.id(), "INT");
    assert_eq!(Ran::from(client.wait_with_output().unwrap()).code, Some(130));
    wait_until("nothing is staged", || leftovers(&moving.target()).is_empty());
    fs::remove_dir_all(moving.target()).unwrap(); // otherwise the source would be put into it

    let client = moving.start(&["--limit-rate=40M"]);
    moving.wait_for_staged(16 << 20);
    signal(client.id(), "INT");
    assert_eq!(Ran::from(client.wait_with_output().unwrap()).code, Some(130));
    let finished = moving.finish(&[]);
    assert!(finished["bytes_transferred"].as_u64().unwrap() < LARGE as u64 - (13 << 20), "{finished}");
}

/// Replaces the content by another one of the same length and time, which therefore does not show.
fn exchange(path: &Path, seed: u64) {
    let metadata = fs::metadata(path).unwrap();
    fs::write(path, content(seed, usize::try_from(metadata.len()).unwrap())).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
}

#[test]
fn what_changed_meanwhile_is_sent_whole() {
    for way in [Way::Put, Way::Get] {
        let moving = Moving::new(way);
        fill(&moving.source());
        let mut client = moving.start(&["--limit-rate=40M"]);
        moving.wait_for_staged(8 << 20);
        client.kill().unwrap();
        client.wait().unwrap();
        exchange(&moving.source().join("large"), 98);
        let finished = moving.finish(&[]);
        assert!(finished["bytes_transferred"].as_u64().unwrap() > LARGE as u64, "{way:?}: {finished}");
    }
}

#[test]
fn small_files_that_had_arrived_are_sent_again_only_if_they_changed() {
    const FILES: u64 = 120;
    for way in [Way::Put, Way::Get] {
        let moving = Moving::new(way);
        let at = |folder: PathBuf, number: u64| folder.join(format!("{number:03}"));
        for number in 0..FILES {
            fs::write(at(moving.source(), number), content(number, 100_000)).unwrap();
        }
        // Without this rule, size and time decide.
        let mut client = moving.start(&["--overwrite=always", "--limit-rate=2M"]);
        wait_until("some are there", || names_below(&moving.target()).len() > 30);
        client.kill().unwrap();
        client.wait().unwrap();
        let (one, other) = (at(moving.target(), 0), at(moving.target(), 1));
        assert!(one.exists() && other.exists());
        let before = changed(&other);
        exchange(&at(moving.source(), 0), 500);
        let finished = moving.finish(&["--overwrite=always"]);
        assert_eq!(changed(&other), before, "{way:?}: what did not change is not sent again: {finished}");
    }
}

/// Several sources are one transfer: those done before an interruption are not repeated.
#[test]
fn sources_that_had_arrived_are_not_sent_again() {
    for way in [Way::Put, Way::Get] {
        let moving = Moving::new(way);
        fs::create_dir(moving.target()).unwrap();
        let names = ["a", "b"];
        for (number, name) in names.into_iter().enumerate() {
            fs::write(moving.source().join(name), content(number as u64, LARGE / 3)).unwrap();
        }
        let words = |more: &str| -> Vec<String> {
            let place = |name: &str| match way {
                Way::Put => format!("source/{name}"),
                _ => moving.world.url(format!("source/{name}")),
            };
            let target = if way == Way::Put { moving.world.url("target/") } else { "target".to_owned() };
            let command = if way == Way::Put { "put" } else { "get" };
            let common = ["--json", "--lanes=2", "--delta=never", more].map(str::to_owned);
            [command.to_owned()].into_iter().chain(names.map(place)).chain([target]).chain(common).collect()
        };
        let mut command = moving.world.client_command(words("--limit-rate=8M"));
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let at = |name: &str| moving.target().join(name);
        wait_until("one is there", || names.iter().any(|name| at(name).exists()));
        moving.wait_for_staged(4 << 20);
        client.kill().unwrap();
        client.wait().unwrap();
        let there = at(names.into_iter().find(|name| at(name).exists()).unwrap());
        let before = changed(&there);
        let finished = event(&moving.world.check(words("--retry=0")), "finished");
        assert_same(&moving.source(), &moving.target());
        assert_eq!(changed(&there), before, "{way:?}");
        assert!(
            finished["bytes_transferred"].as_u64().unwrap() < (LARGE / 3 - (2 << 20)) as u64,
            "{finished}"
        );
        // The next one is a separate transfer, which counts each byte once.
        let finished = event(&moving.world.check(words("--retry=0")), "finished");
        let sent = finished["bytes_transferred"].as_u64().unwrap();
        let all = (LARGE / 3 * 2) as u64;
        assert!((all..all + all / 20).contains(&sent), "{way:?}: {sent} of {all}");
    }
}

#[test]
fn what_was_there_before_is_replaced_whatever_its_size_and_time() {
    let all = WAYS.map(Moving::new);
    for moving in &all {
        fill(&moving.source());
        // Sent after the large one; the target has it with other bytes.
        let (source, there) = (moving.source().join("later"), moving.target().join("later"));
        fs::write(&source, content(97, 3 << 20)).unwrap();
        fs::create_dir_all(moving.target()).unwrap();
        fs::write(&there, content(96, 3 << 20)).unwrap();
        let modified = fs::metadata(&source).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&there).unwrap().set_modified(modified).unwrap();
    }
    for moving in all {
        let compared = matches!(moving.way, Way::MirrorUp | Way::MirrorDown);
        let options: &[&str] = if compared { &["--compare=digest"] } else { &["--overwrite=always"] };
        let mut client = moving.start(&[options, &["--limit-rate=40M"]].concat());
        moving.wait_for_staged(8 << 20);
        client.kill().unwrap();
        client.wait().unwrap();
        moving.world.check(moving.arguments(options));
        assert_eq!(leftovers(&moving.target()), [] as [PathBuf; 0]);
        assert_same(&moving.source(), &moving.target());
    }
}

/// Returns the time of the last change of any kind, which cannot be set.
fn changed(path: &Path) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).unwrap();
    (metadata.ctime(), metadata.ctime_nsec())
}

/// Damages a journal and its staged file.
type Damage = fn(&Path, &Path);

#[test]
fn a_forged_torn_or_foreign_journal_costs_sending_and_never_a_byte() {
    let damages: [(&str, Damage); 4] = [
        ("forged", |journal, staged| {
            fs::write(staged, vec![7; LARGE]).unwrap();
            let mut bytes = fs::read(journal).unwrap();
            bytes[100] ^= 1;
            fs::write(journal, bytes).unwrap();
        }),
        ("torn", |journal, _| {
            let bytes = fs::read(journal).unwrap();
            fs::write(journal, &bytes[..bytes.len() - 30]).unwrap();
        }),
        ("of another file", |journal, staged| {
            let copy = staged.with_extension("copy");
            fs::write(&copy, vec![7; LARGE]).unwrap();
            fs::rename(&copy, staged).unwrap();
            assert!(journal.exists());
        }),
        ("gone", |journal, _| fs::remove_file(journal).unwrap()),
    ];
    for (what, damage) in damages {
        let moving = Moving::new(Way::Get);
        fill(&moving.source());
        let mut client = moving.start(&["--limit-rate=40M"]);
        moving.wait_for_staged(8 << 20);
        client.kill().unwrap();
        client.wait().unwrap();
        let of = |extension: &str| {
            let mut found = leftovers(&moving.target()).into_iter();
            found.find(|path| path.extension().is_some_and(|it| it == extension)).expect(extension)
        };
        damage(&of("held"), &of("part"));
        println!("{what}: {}", moving.finish(&[]));
    }
}

#[test]
fn a_server_that_dies_is_waited_for_and_gone_on_with() {
    for way in WAYS {
        let mut moving = Moving::new(way);
        fill(&moving.source());
        let client = moving.start(&["--limit-rate=40M", "--give-up-after=2m"]);
        moving.wait_for_staged(24 << 20);
        moving.world.restart();
        let ran = Ran::from(client.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{way:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("trying again"), "{way:?}: {}", ran.stderr);
        assert_same(&moving.source(), &moving.target());
        assert_eq!(leftovers(&moving.target()), [] as [PathBuf; 0]);
        let finished = event(&ran, "finished");
        assert_eq!((&finished["files"], &finished["failed"]), (&51.into(), &0.into()), "{way:?}");
        assert_eq!(finished["bytes"], (LARGE + 50 * 3000) as u64, "{way:?}");
        let sent = finished["bytes_transferred"].as_u64().unwrap();
        // Data in sockets is lost too, several megabytes of it where the server is slow.
        assert!(sent < LARGE as u64 + (14 << 20), "{way:?}: {sent} bytes sent");
    }
}

#[test]
fn a_server_that_stays_away_is_given_up() {
    let mut moving = Moving::new(Way::Put);
    fill(&moving.source());
    let client = moving.start(&["--limit-rate=20M", "--give-up-after=1s"]);
    moving.wait_for_staged(4 << 20);
    moving.world.server_mut().kill();
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(event(&ran, "finished")["exit_code"], 3);
}

#[test]
fn gc_removes_what_is_left_and_not_what_is_in_use() {
    let moving = Moving::new(Way::Put);
    fill(&moving.source());
    let mut killed = moving.start(&["--limit-rate=20M"]);
    moving.wait_for_staged(4 << 20);
    killed.kill().unwrap();
    killed.wait().unwrap();
    fs::write(moving.world.local().join("other"), content(5, LARGE)).unwrap();
    let mut command =
        moving.world.client_command(["put", "--limit-rate=4M", "other", &moving.world.url("other")]);
    let mut running = command.stderr(Stdio::null()).spawn().unwrap();
    // Not the killed client's leftovers in the target.
    wait_until("the other file is on its way", || {
        staged_bytes(&moving.world.root()) > staged_bytes(&moving.target())
    });
    wait_until("what is left is swept", || {
        let ran = moving.world.check(["gc", "--json", &moving.world.url("")]);
        assert!(event(&ran, "swept")["kept"].as_u64().unwrap() >= 1, "{}", ran.text());
        leftovers(&moving.target()).is_empty()
    });
    assert!(!leftovers(&moving.world.root()).is_empty(), "the running transfer's file stays");
    running.kill().unwrap();
    running.wait().unwrap();
    let gone = || {
        moving.world.check(["gc", &moving.world.url("")]);
        leftovers(&moving.world.root()).is_empty()
    };
    wait_until("nothing is left", gone);
    // At this end as well.
    fs::write(moving.world.local().join(".ftpx-0123456789abcdef.part"), "left").unwrap();
    wait_until("nothing is left here", || {
        moving.world.check(["gc", "."]);
        !names_below(&moving.world.local()).iter().any(|path| path.ends_with(".ftpx-0123456789abcdef.part"))
    });
}
