//! Cuts at random moments of every kind of transfer, each followed by the same command again.

use super::trees::{Files, Version, about, files};
use super::{Machine, Way};
use crate::support::disk::Kind;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tests::wan::Random;

/// A kind of transfer.
struct Mode {
    name: &'static str,
    way: Way,
    command: &'static [&'static str],
    /// The only file that is sent; empty for all of them.
    file: &'static str,
    /// Where the tree arrives below the target.
    below: &'static str,
}

const MODES: [Mode; 12] = [
    Mode { name: "put", way: Way::Up, command: &["put"], file: "big", below: "" },
    Mode { name: "put -r", way: Way::Up, command: &["put", "-r"], file: "", below: "source" },
    Mode { name: "put -", way: Way::Up, command: &["put"], file: "big", below: "" },
    Mode { name: "get", way: Way::Down, command: &["get"], file: "big", below: "" },
    Mode { name: "get -r", way: Way::Down, command: &["get", "-r"], file: "", below: "source" },
    Mode {
        name: "put -r --overwrite",
        way: Way::Up,
        command: &["put", "-r", "--overwrite=different"],
        file: "",
        below: "source",
    },
    Mode {
        name: "get -r --overwrite",
        way: Way::Down,
        command: &["get", "-r", "--overwrite=newer"],
        file: "",
        below: "source",
    },
    Mode { name: "mirror up", way: Way::Up, command: &["mirror"], file: "", below: "" },
    Mode { name: "mirror down", way: Way::Down, command: &["mirror"], file: "", below: "" },
    Mode { name: "mirror -S", way: Way::Up, command: &["mirror", "-S"], file: "", below: "" },
    Mode { name: "mirror -H", way: Way::Down, command: &["mirror", "-H"], file: "", below: "" },
    Mode {
        name: "mirror --backup",
        way: Way::Up,
        command: &["mirror", "--backup=/kept"],
        file: "",
        below: "",
    },
];

/// The parameters drawn from a seed.
#[derive(Debug)]
struct Cut {
    seed: u64,
    mode: usize,
    /// Names and contents must be durable when they are reported.
    is_power: bool,
    /// The filesystem's log is written to the disk, other data in memory is not.
    is_log_written: bool,
    /// Moment of the cut, as a fraction of a run's usual time; after its end if it is 1 or more.
    moment: f64,
    /// The files' last pages are written before.
    are_tails_written: bool,
    /// The next run uses `--durability power`, and a second cut follows.
    is_cut_again: bool,
}

impl Cut {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut one_of = |count: u64| random.bits() % count;
        Self {
            seed,
            mode: usize::try_from(one_of(MODES.len() as u64)).unwrap(),
            is_power: one_of(2) == 0,
            is_log_written: one_of(2) == 0,
            moment: one_of(1300) as f64 / 1000.0,
            is_cut_again: one_of(3) == 0,
            are_tails_written: one_of(2) == 0,
        }
    }

    fn words(&self, is_power: bool) -> Vec<&'static str> {
        let durability = if is_power { "--durability=power" } else { "--durability=process" };
        MODES[self.mode].command.iter().copied().chain([durability, "--json"]).collect()
    }
}

impl Mode {
    fn root(&self, machine: &Machine) -> PathBuf {
        machine.target(self.way).join(self.below)
    }

    fn only(&self, files: Files) -> Files {
        files.into_iter().filter(|(name, _)| self.file.is_empty() || self.file == name).collect()
    }

    fn begin(&self, machine: &Machine, words: &[&str], output: Stdio) -> Child {
        let mut arguments = machine.arguments(words, self.way, self.file);
        let is_stream = self.name == "put -";
        if is_stream {
            let from = arguments.len() - 2;
            arguments[from] = "-".to_owned();
        }
        let mut command = machine.world().client_command(arguments);
        if is_stream {
            command.stdin(fs::File::open(machine.source(self.way).join(self.file)).unwrap());
        }
        command.stdout(output).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Makes both versions on the disk: the old one at the target, the new one at the source.
    fn prepare(&self, machine: &Machine, seed: u64) -> (Files, Files) {
        let world = machine.world();
        let kept = world.root().join("kept");
        for folder in [machine.source(self.way), machine.target(self.way), kept] {
            if folder.exists() {
                fs::remove_dir_all(folder).unwrap();
            }
        }
        fs::create_dir(machine.target(self.way)).unwrap();
        let old = machine.write(self.way, Version::Old, seed);
        let places = match self.way {
            Way::Up => ["source".to_owned(), world.url(format!("target/{}", self.below))],
            Way::Down => [world.url("source"), format!("target/{}", self.below)],
        };
        let words = ["mirror", "-H", "--durability=power"].map(str::to_owned);
        world.check(words.into_iter().chain(places));
        let new = machine.write(self.way, Version::New, seed);
        (self.only(old), self.only(new))
    }
}

/// The error found after a cut.
type Wrong = Result<(), String>;

fn try_cut(machine: &mut Machine, cut: &Cut, typical: &mut Duration) -> Wrong {
    let mode = &MODES[cut.mode];
    let (old, new) = mode.prepare(machine, cut.seed);
    let heard = tempfile::NamedTempFile::new().unwrap();
    let begin = Instant::now();
    let output = heard.reopen().unwrap();
    let mut client = mode.begin(machine, &cut.words(cut.is_power), output.into());
    let is_over = cut.moment >= 1.0;
    if is_over {
        let ended = client.wait().unwrap();
        *typical = begin.elapsed();
        if ended.code() != Some(0) {
            return Err(format!("ended with {ended:?}"));
        }
    } else {
        std::thread::sleep(typical.mul_f64(cut.moment)); // the moment is the subject of the test
    }
    if cut.are_tails_written && is_over {
        machine.write_tails(mode.way);
    }
    machine.cut_under(cut.is_log_written, Some(&mut client));
    let found = files(&mode.root(machine));
    for (name, content) in &old {
        let is_new = found.get(name) == new.get(name);
        if found.get(name) != Some(content) && !is_new {
            return Err(format!("{name} is neither old nor new: {}", about(found.get(name))));
        }
    }
    if cut.is_power {
        let heard = fs::read_to_string(heard.path()).unwrap();
        power_holds(&old, &new, &found, if is_over { None } else { Some(&heard) })?;
    }
    let is_power = cut.is_power || cut.is_cut_again;
    let again = mode.begin(machine, &cut.words(is_power), Stdio::null()).wait().unwrap();
    if again.code() != Some(0) {
        return Err(format!("the next run ended with {again:?}"));
    }
    if cut.is_cut_again {
        machine.cut(!cut.is_log_written);
    }
    let found = files(&mode.root(machine));
    match new.iter().find(|(name, content)| found.get(*name) != Some(content)) {
        Some((name, _)) => Err(format!("after the next run {name} is wrong: {}", about(found.get(name)))),
        None => Ok(()),
    }
}

/// Checks that all files are new; after a cut, that reported ones are, and that each name is there as a whole or not at all.
fn power_holds(old: &Files, new: &Files, found: &Files, heard: Option<&str>) -> Wrong {
    for (name, content) in new {
        let is_new = found.get(name) == Some(content);
        let is_reported = heard.is_none_or(|heard| is_reported(heard, name));
        if is_reported && !is_new {
            return Err(format!("{name} was reported, and is {}", about(found.get(name))));
        }
        if !is_new && !old.contains_key(name) && found.contains_key(name) {
            return Err(format!("{name} is half: {}", about(found.get(name))));
        }
    }
    Ok(())
}

fn is_reported(heard: &str, name: &str) -> bool {
    heard.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).any(|event| {
        event["event"] == "file"
            && event["outcome"] == "done"
            && event["path"].as_str().is_some_and(|path| path.trim_start_matches('/') == name)
    })
}

/// The number of cuts and failures of a mode.
#[derive(Default)]
struct Row {
    cuts: usize,
    failures: Vec<String>,
}

fn cuts(kind: Kind) {
    let Some(mut machine) = Machine::on(kind) else { return };
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    let count = number("FTPX_POWER_CUTS");
    let first = number("FTPX_POWER_SEED").unwrap_or_else(|| {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(0) >> 16
    });
    eprintln!("{kind:?}: seeds from {first} on");
    let (begin, mut typical) = (Instant::now(), Duration::from_millis(300));
    let mut table: BTreeMap<usize, Row> = BTreeMap::new();
    for seed in first..first + count.unwrap_or(CUTS) {
        if count.is_none() && begin.elapsed() > TIME_MAX {
            break;
        }
        let cut = Cut::of(seed);
        let row = table.entry(cut.mode).or_default();
        row.cuts += 1;
        if let Err(wrong) = try_cut(&mut machine, &cut, &mut typical) {
            eprintln!("{kind:?}, {}, {cut:?}: {wrong}", MODES[cut.mode].name);
            row.failures.push(wrong);
        }
    }
    for (mode, row) in &table {
        eprintln!("| {kind:?} | {} | {} | {} |", MODES[*mode].name, row.cuts, row.failures.len());
    }
    assert!(table.values().all(|row| row.failures.is_empty()), "seeds from {first} on: see above");
}

#[test]
fn ext4_keeps_its_promises_whenever_the_power_goes() {
    cuts(Kind::Ext4);
}

#[test]
fn xfs_keeps_its_promises_whenever_the_power_goes() {
    cuts(Kind::Xfs);
}

#[test]
fn btrfs_keeps_its_promises_whenever_the_power_goes() {
    cuts(Kind::Btrfs);
}

/// Cuts of each filesystem by default, and their time limit.
const CUTS: u64 = 8;
const TIME_MAX: Duration = Duration::from_secs(20);
