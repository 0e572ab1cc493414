//! The vocabulary of tests with bad networks: a tree to transfer, a target with older files, and checks of the possible states
//! after a run.

use crate::support::fake_server::{MEMORY_MAX_KIB, status_kib};
use crate::support::{assert_same, content, events, leftovers, names_below, proven_bytes, wait_until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::proxy::{Fate, Proxy};
use tests::world::{Ran, World};
use wire::limits::CHUNK_LEN;

/// The command that transfers the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Put,
    Get,
    MirrorUp,
    MirrorDown,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Put, Self::Get, Self::MirrorUp, Self::MirrorDown];

    fn is_up(self) -> bool {
        matches!(self, Self::Put | Self::MirrorUp)
    }

    /// Returns the folder that the source becomes.
    pub(crate) fn target(self, world: &World) -> PathBuf {
        let side = if self.is_up() { world.root() } else { world.local() };
        side.join(format!("{self:?}/target/source"))
    }
}

/// A promise that is kept in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    Names,
    Outside,
    Resent,
    ExitCode,
    Json,
    Clean,
    Memory,
    Ends,
}

impl Claim {
    pub(crate) const ALL: [Self; 8] = [
        Self::Names,
        Self::Outside,
        Self::Resent,
        Self::ExitCode,
        Self::Json,
        Self::Clean,
        Self::Memory,
        Self::Ends,
    ];

    /// Returns the heading of its column.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Names => "each name is old or new",
            Self::Outside => "nothing beside is touched",
            Self::Resent => "nothing acknowledged is sent again",
            Self::ExitCode => "exit code exact",
            Self::Json => "JSON whole",
            Self::Clean => "nothing left after gc",
            Self::Memory => "memory under its cap",
            Self::Ends => "ends in time",
        }
    }
}

/// A tree, a target with older content, and a server between them.
pub(crate) struct Trial {
    pub(crate) world: Arc<World>,
    way: Way,
    /// Previous content of each path of the target.
    old: BTreeMap<PathBuf, Vec<u8>>,
    /// The promises that were checked and kept.
    claims: Mutex<BTreeSet<Claim>>,
}

impl Trial {
    /// A tree of small files, and one large file of `large` bytes.
    pub(crate) fn new(way: Way, large: usize) -> Self {
        Self::within(Arc::new(World::serving()), way, large)
    }

    /// The same in a world that may have a trial of each way.
    pub(crate) fn within(world: Arc<World>, way: Way, large: usize) -> Self {
        let mut trial = Self { world, way, old: BTreeMap::new(), claims: Mutex::default() };
        make_tree(&trial.source(), large, 1);
        make_tree(&trial.target(), large / 3, 2);
        for number in (0..SMALL_FILES).step_by(3) {
            fs::remove_file(trial.target().join(small(number))).unwrap(); // so that some names are new
        }
        fs::write(trial.target().parent().unwrap().join("bystander"), "never touched").unwrap();
        trial.old = files_of(&trial.target());
        trial
    }

    /// Returns the folder that is transferred.
    pub(crate) fn source(&self) -> PathBuf {
        let side = if self.way.is_up() { self.world.local() } else { self.world.root() };
        side.join(format!("{:?}/source", self.way))
    }

    /// Returns the folder that it becomes.
    pub(crate) fn target(&self) -> PathBuf {
        self.way.target(&self.world)
    }

    /// The command that transfers the tree through `proxy`, or directly.
    pub(crate) fn command(&self, proxy: Option<&Proxy>, options: &[&str]) -> Command {
        let address = proxy.map_or(self.world.server().address, Proxy::address);
        let local = |path: &str| format!("{:?}/{path}", self.way);
        let url = |path: &str| {
            let fingerprint = &self.world.server().fingerprint;
            format!("ftpx://tester@{address}/{:?}/{path}?pin={fingerprint}", self.way)
        };
        let (verb, from, to) = match self.way {
            Way::Put => (&["put", "-r"][..], local("source"), url("target")),
            Way::Get => (&["get", "-r"][..], url("source"), local("target")),
            Way::MirrorUp => (&["mirror"][..], local("source"), url("target/source")),
            Way::MirrorDown => (&["mirror"][..], url("source"), local("target/source")),
        };
        let mut command = self.world.client_command(verb);
        // A network that is slow by chance must not decide what is sent in which order.
        command.args(["--json", "--delta=never"]).args(options).args([from, to]);
        command
    }

    /// Runs it through `proxy` and checks the promises of every case.
    pub(crate) fn run(&self, proxy: &Proxy, options: &[&str]) -> Ran {
        let ran =
            run_within(self.command(Some(proxy), &[&["--give-up-after", "60s"], options].concat()), DEADLINE);
        self.claim(Claim::Ends);
        self.judge(&ran, &[0, 3]);
        self.check_memory();
        ran
    }

    /// The same over a network that resets a connection each quarter of a second, once data has arrived.
    pub(crate) fn run_with_resets(&self) {
        let proxy = Proxy::to(self.world.server().address, |_| Fate::forward()).unwrap();
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("something is staged", || !leftovers(&self.target()).is_empty());
                proxy.reset_one_every(Duration::from_millis(250), 2 * CHUNK_LEN as u64);
            });
            self.run(&proxy, &["--limit-rate", "6M"])
        });
        assert_eq!(ran.code, Some(0), "{:?}: {}", self.way, ran.stderr);
        assert!(!proxy.faults().is_empty(), "nothing was reset");
    }

    /// Returns the promises that were checked and kept.
    pub(crate) fn claims(&self) -> BTreeSet<Claim> {
        self.claims.lock().unwrap().clone()
    }

    pub(crate) fn claim(&self, claim: Claim) {
        self.claims.lock().unwrap().insert(claim);
    }

    /// Checks the promises of every case after a run: it ended in one of these ways, reports that in both ways, and every name
    /// has its old or its new content.
    pub(crate) fn judge(&self, ran: &Ran, codes: &[i32]) {
        assert!(
            ran.code.is_some_and(|code| codes.contains(&code)),
            "{:?}: exit code {:?}: {}",
            self.way,
            ran.code,
            ran.stderr
        );
        self.claim(Claim::ExitCode);
        let finished = finished(ran);
        assert_eq!(finished["exit_code"].as_i64(), ran.code.map(i64::from), "{finished}");
        self.claim(Claim::Json);
        self.check_names();
        match ran.code {
            Some(0) => self.check_done(),
            _ => assert!(!ran.stderr.is_empty(), "it failed and said nothing"),
        }
    }

    /// Checks that every name of the target is as before or as in the source, and that files beside it are untouched.
    pub(crate) fn check_names(&self) {
        let (new, now) = (files_of(&self.source()), files_of(&self.target()));
        for (path, bytes) in &now {
            let known = self.old.get(path) == Some(bytes) || new.get(path) == Some(bytes);
            assert!(known, "{} holds neither its old nor its new content", path.display());
        }
        for path in self.old.keys() {
            assert!(now.contains_key(path), "{} is gone", path.display());
        }
        self.claim(Claim::Names);
        let beside = self.target().parent().unwrap().join("bystander");
        assert_eq!(fs::read(beside).unwrap(), b"never touched");
        self.claim(Claim::Outside);
    }

    /// Checks that everything is there, and no other entries are.
    pub(crate) fn check_done(&self) {
        assert_same(&self.source(), &self.target());
        assert_eq!(leftovers(&self.target()), Vec::<PathBuf>::new());
    }

    /// Checks that the server still works, and that a run over a good network completes. Small files staged by killed processes
    /// may remain until they are swept.
    pub(crate) fn check_recovery(&self) -> Ran {
        let ran = run_within(self.command(None, &["--lanes=2"]), DEADLINE);
        assert_eq!(ran.code, Some(0), "{:?}: {}", self.way, ran.stderr);
        self.check_same();
        self.check_clean();
        self.check_memory();
        ran
    }

    /// Checks that all files are there.
    pub(crate) fn check_same(&self) {
        assert!(files_of(&self.source()) == files_of(&self.target()), "{:?} is not the same", self.way);
    }

    /// The same after an interrupted run: existing data is not sent again, except for one chunk of each lane that may have been
    /// in transit.
    pub(crate) fn check_resumed(&self) {
        let missing = self.missing();
        let ran = self.check_recovery();
        let sent = finished(&ran)["bytes_transferred"].as_u64().unwrap();
        assert!(
            sent < missing + SENT_BESIDE_MAX,
            "{:?}: {sent} bytes sent, {missing} were missing",
            self.way
        );
        self.claim(Claim::Resent);
    }

    /// Checks that no unfinished file is left after a sweep.
    pub(crate) fn check_clean(&self) {
        let place = self.target().parent().unwrap().to_owned();
        let place = if self.way.is_up() {
            self.world.url(place.strip_prefix(self.world.root()).unwrap())
        } else {
            place.to_str().unwrap().to_owned()
        };
        wait_until("what was left is swept", || {
            self.world.check(["gc", "--idle=1s", &place]);
            leftovers(&self.target()).is_empty()
        });
        self.claim(Claim::Clean);
    }

    /// Returns the bytes to send.
    pub(crate) fn source_len(&self) -> u64 {
        files_of(&self.source()).values().map(|bytes| bytes.len() as u64).sum()
    }

    /// Returns the bytes of the source that are neither in place nor staged.
    fn missing(&self) -> u64 {
        let there = files_of(&self.target());
        let missing =
            files_of(&self.source()).into_iter().filter(|(path, bytes)| there.get(path) != Some(bytes));
        let missing: u64 = missing.map(|(_, bytes)| bytes.len() as u64).sum();
        missing.saturating_sub(proven_bytes(&self.target()))
    }

    /// Checks that the server has never exceeded its memory; a client is sampled while it runs.
    fn check_memory(&self) {
        let peak = status_kib(self.world.server().id(), "VmHWM:").unwrap();
        assert!(peak < MEMORY_MAX_KIB, "the server took {peak} KiB");
        self.claim(Claim::Memory);
    }
}

/// Returns the only `finished` event, the last line of valid JSON.
pub(crate) fn finished(ran: &Ran) -> Value {
    assert!(ran.stdout.ends_with(b"\n"), "the last line is cut: {}", ran.text());
    let all = events(ran);
    assert_eq!(all.iter().filter(|event| event["event"] == "finished").count(), 1, "{}", ran.text());
    let last = all.last().cloned().unwrap();
    assert_eq!(last["event"], "finished", "{last}");
    last
}

/// Runs a client that must end in time.
pub(crate) fn run_within(mut command: Command, deadline: Duration) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|scope| {
        let read_stdout = scope.spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes)
        });
        let read_stderr = scope.spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| bytes)
        });
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            let peak = status_kib(child.id(), "VmHWM:").unwrap_or(0);
            assert!(peak < MEMORY_MAX_KIB, "the client took {peak} KiB");
            if begin.elapsed() > deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(5)); // between two looks
        };
        let stdout = read_stdout.join().unwrap().unwrap();
        let stderr = String::from_utf8_lossy(&read_stderr.join().unwrap().unwrap()).into_owned();
        let Some(status) = status else {
            panic!(
                "{command:?} did not end within {deadline:?}: {stderr}{}",
                String::from_utf8_lossy(&stdout)
            )
        };
        Ran { code: status.code(), stdout, stderr }
    })
}

/// Returns the content of every file below a folder, by its path; hidden names of unfinished transfers are left out.
pub(crate) fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let unfinished = leftovers(root);
    let paths = names_below(root).into_iter().filter(|path| !unfinished.contains(path));
    let files = paths.filter(|path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()));
    files.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn make_tree(root: &Path, large: usize, seed: u64) {
    for number in 0..SMALL_FILES {
        let path = root.join(small(number));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content(seed * 1000 + number, (number * number * 20) as usize)).unwrap();
    }
    fs::write(root.join("large"), content(seed, large)).unwrap();
    fs::write(root.join("middle"), content(seed + 9, MIDDLE_LEN)).unwrap();
}

fn small(number: u64) -> PathBuf {
    format!("folder {}/sub/{number}", number % 4).into()
}

const SMALL_FILES: u64 = 40;
/// Too long for a pack, shorter than a chunk.
const MIDDLE_LEN: usize = 300_000;
/// Bytes that may be sent besides the missing ones: a chunk of each of two lanes, and the overhead of frames and records.
const SENT_BESIDE_MAX: u64 = 2 * 512 * 1024 + 256 * 1024;
/// Longest run, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
