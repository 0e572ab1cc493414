use super::*;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const OLD: ServerKey = [1; 32];
const NEW: ServerKey = [2; 32];

struct World {
    _folder: TempDir,
    hosts: KnownHosts,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hosts = KnownHosts::at(folder.path().join("known_hosts"));
        Self { _folder: folder, hosts }
    }

    fn knowing(key: ServerKey) -> Self {
        let world = Self::new();
        world.hosts.add(&KnownHost { host: "host".to_owned(), port: 5, key }).unwrap();
        world
    }

    fn policy(&self, pin: Option<ServerKey>, unknown: OnUnknown) -> Policy {
        Policy::new(pin, self.hosts.clone(), unknown)
    }

    fn known(&self) -> Option<ServerKey> {
        self.hosts.find("host", 5).unwrap()
    }
}

fn decide(policy: &Policy, key: ServerKey, platform: bool) -> Result<(), Error> {
    policy.decide(&ServerIdentity { host: "host", port: 5, key, platform: &|| platform })
}

fn refusal(policy: &Policy, key: ServerKey, platform: bool) -> String {
    let error = decide(policy, key, platform).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    error.to_string()
}

fn answer(yes: bool) -> (OnUnknown, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let ask = move |question: &str| {
        heard.lock().unwrap().push(question.to_owned());
        yes
    };
    (OnUnknown::Ask(Box::new(ask)), asked)
}

#[test]
fn a_recorded_key_overrules_neither_a_known_server_nor_a_pin() {
    let recorded = |world: &World, pin| world.policy(pin, OnUnknown::AcceptNew).recorded(Some(NEW));
    let known = World::knowing(OLD);
    assert!(refusal(&recorded(&known, None), NEW, true).contains("HAS CHANGED"));
    assert!(refusal(&recorded(&known, None), OLD, true).contains("plan or result file"));
    assert!(refusal(&recorded(&known, Some(OLD)), NEW, true).contains("WAS PINNED"));
    decide(&recorded(&World::knowing(NEW), None), NEW, false).unwrap();

    let unknown = World::new();
    decide(&recorded(&unknown, None), NEW, false).unwrap();
    assert!(refusal(&recorded(&unknown, None), OLD, true).contains("plan or result file"));
    assert_eq!(unknown.known(), None, "a file's word makes no server known");
}

#[test]
fn a_pin_decides_alone() {
    let world = World::knowing(OLD);
    let policy = world.policy(Some(NEW), OnUnknown::AcceptNew);
    decide(&policy, NEW, false).unwrap();
    assert!(refusal(&policy, OLD, true).contains("WAS PINNED"));
    assert_eq!(policy.expected_key("host", 5).unwrap(), Some(NEW));
    assert_eq!(world.known(), Some(OLD));
}

#[test]
fn a_changed_key_is_refused_loudly_whatever_else_speaks_for_it() {
    let world = World::knowing(OLD);
    let policy = world.policy(None, OnUnknown::AcceptNew);
    decide(&policy, OLD, false).unwrap();
    let text = refusal(&policy, NEW, true);
    assert!(text.lines().count() > 3);
    for part in
        ["HAS CHANGED", &fingerprint::show(&OLD), &fingerprint::show(&NEW), "ftp-client trust remove host:5"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert_eq!(world.known(), Some(OLD));
}

#[test]
fn the_platform_is_asked_only_about_the_unknown() {
    let world = World::knowing(OLD);
    let policy = world.policy(None, OnUnknown::Refuse);
    let never = || -> bool { panic!("asked") };
    policy.decide(&ServerIdentity { host: "host", port: 5, key: OLD, platform: &never }).unwrap();
    policy.decide(&ServerIdentity { host: "other", port: 5, key: NEW, platform: &|| true }).unwrap();
    assert_eq!(world.hosts.list().unwrap().len(), 1);
}

#[test]
fn the_unknown_is_refused_with_advice() {
    let world = World::new();
    let policy = world.policy(None, OnUnknown::Refuse);
    assert_eq!(policy.expected_key("host", 5).unwrap(), None);
    let text = refusal(&policy, NEW, false);
    assert!(text.contains("--accept-new") && text.contains(&format!("--pin {}", fingerprint::show(&NEW))));
    assert_eq!(world.known(), None);
}

#[test]
fn the_unknown_is_accepted_and_remembered() {
    let world = World::new();
    let policy = world.policy(None, OnUnknown::AcceptNew);
    decide(&policy, NEW, false).unwrap();
    assert_eq!(policy.expected_key("host", 5).unwrap(), Some(NEW));
    refusal(&policy, OLD, false);
}

#[test]
fn a_person_is_shown_the_fingerprint() {
    let world = World::new();
    let (no, asked) = answer(false);
    assert!(refusal(&world.policy(None, no), NEW, false).contains("not accepted"));
    assert!(asked.lock().unwrap()[0].contains(&fingerprint::show(&NEW)));
    assert_eq!(world.known(), None);
    let (yes, asked) = answer(true);
    let policy = world.policy(None, yes);
    decide(&policy, NEW, false).unwrap();
    decide(&policy, NEW, false).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(world.known(), Some(NEW));
}

#[test]
fn files_that_cannot_be_read_trust_nobody() {
    let world = World::knowing(OLD);
    std::fs::write(world.hosts.path(), "nonsense\n").unwrap();
    let policy = world.policy(None, OnUnknown::AcceptNew);
    assert!(decide(&policy, OLD, true).is_err());
    assert!(policy.expected_key("host", 5).is_err());
}
