//! Logins by OpenSSH key, as in everyday use: with files, with an agent, with ssh-keygen's keys.

use crate::support::chmod;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::world::{Ran, World};

#[test]
fn a_user_without_a_password_logs_in_by_key_and_not_otherwise() {
    let Some(site) = Site::new() else { return };
    for kind in [&["ed25519"][..], &["ecdsa", "-b", "256"], &["ecdsa", "-b", "384"]] {
        let key = site.make_key("key", kind);
        site.admin(&["add-key", "kim", &shown(&public(&key))]).expect_success();
        let ran = site.ls(&["--identity", &shown(&key), "-v"]);
        assert_eq!(ran.code, Some(0), "{kind:?}: {}", ran.stderr);
        let fingerprint = fingerprint(&key);
        assert!(ran.stderr.contains(&format!("offering the key {fingerprint}")), "{}", ran.stderr);
        assert!(site.world.server().log().contains(&fingerprint), "the log names the key");
        assert!(site.admin(&["list"]).text().contains(&fingerprint));

        site.admin(&["remove-key", "kim", &fingerprint]).expect_success();
        let ran = site.ls(&["--identity", &shown(&key)]);
        assert_eq!(ran.code, Some(4), "{}", ran.stderr);
        assert!(ran.stderr.contains("login refused") && ran.stderr.contains("-v"), "{}", ran.stderr);
        fs::remove_file(&key).unwrap();
        fs::remove_file(public(&key)).unwrap();
    }
    let ran = site.ls(&["--password-file", &shown(&site.world.password_file())]);
    assert_eq!((ran.code, ran.stderr.contains("login refused")), (Some(4), true), "{}", ran.stderr);
    assert!(site.world.server().log().contains("the user has no password"));
}

#[test]
fn a_key_can_be_added_with_its_user_and_besides_a_password() {
    let Some(site) = Site::new() else { return };
    let key = site.make_key("key", &["ed25519"]);
    let keys = shown(&public(&key));
    site.admin(&["add", "lee", "--root", &shown(&site.world.root()), "--key", &keys]).expect_success();
    site.admin(&["add-key", "tester", &keys]).expect_success();
    for user in ["lee", "tester"] {
        site.as_user(user, &["--identity", &shown(&key)]).expect_success();
    }
    site.as_user("tester", &["--password-file", &shown(&site.world.password_file())]).expect_success();
    assert_eq!(site.as_user("nobody", &["--identity", &shown(&key)]).code, Some(4));
    let twice = site.admin(&["add-key", "lee", &keys]);
    assert!(twice.code == Some(1) && twice.stderr.contains("already"), "{}", twice.stderr);
}

#[test]
fn options_of_a_key_hold_and_unknown_ones_are_refused_by_name() {
    let Some(site) = Site::new() else { return };
    let key = site.make_key("key", &["ed25519"]);
    let line = fs::read_to_string(public(&key)).unwrap();
    let lines = site.world.local().join("lines");
    let with = |options: &str| {
        fs::write(&lines, format!("# a comment\n\n{options} {line}")).unwrap();
        site.admin(&["remove-key", "kim", &fingerprint(&key)]);
        site.admin(&["add-key", "kim", &shown(&lines)])
    };
    let login = || site.ls(&["--identity", &shown(&key)]).code;
    for (options, code) in [
        ("from=\"127.0.0.0/8\"", Some(0)),
        ("from=\"192.0.2.0/24\"", Some(4)),
        ("from=\"!127.0.0.1,*\"", Some(4)),
        ("from=\"!192.0.2.1,127.*\",expiry-time=\"20990101\"", Some(0)),
        ("expiry-time=\"20200101\"", Some(4)),
    ] {
        with(options).expect_success();
        assert_eq!(login(), code, "{options}");
    }
    let log = site.world.server().log();
    assert!(log.contains("may not be used from this address") && log.contains("has expired"), "{log}");
    for option in ["command=\"ls\"", "no-port-forwarding", "from=\"*.example.com\""] {
        let refused = with(option);
        let name = option.split('=').next().unwrap();
        assert_eq!(refused.code, Some(2), "{option}");
        assert!(refused.stderr.contains(name) && refused.stderr.contains("line 3"), "{}", refused.stderr);
    }
}

#[test]
fn what_cannot_log_in_is_refused_with_the_reason() {
    let Some(site) = Site::new() else { return };
    let rsa = site.make_key("rsa", &["rsa", "-b", "2048"]);
    let refused = site.admin(&["add-key", "kim", &shown(&public(&rsa))]);
    assert!(refused.code == Some(2) && refused.stderr.contains("RSA"), "{}", refused.stderr);
    let refused = site.admin(&["add-key", "kim", &shown(&rsa)]);
    assert!(refused.code == Some(2) && refused.stderr.contains("private key"), "{}", refused.stderr);
    let ran = site.ls(&["--identity", &shown(&rsa)]);
    assert!(ran.code == Some(2) && ran.stderr.contains("RSA"), "{}", ran.stderr);

    let exposed = site.make_key("exposed", &["ed25519"]);
    chmod(&exposed, 0o644);
    let ran = site.ls(&["--identity", &shown(&exposed)]);
    assert!(ran.code == Some(2) && ran.stderr.contains("chmod go="), "{}", ran.stderr);
    let ran = site.ls(&["--identity", &shown(&public(&exposed))]);
    assert!(ran.code == Some(2) && ran.stderr.contains("no agent has"), "{}", ran.stderr);

    let locked = site.make_key_with("locked", &["ed25519"], "open sesame");
    let ran = site.ls(&["--identity", &shown(&locked)]);
    assert!(ran.code == Some(2) && ran.stderr.contains("ssh-add"), "{}", ran.stderr);
    assert_eq!(site.ls(&[]).code, Some(2), "no key, no password, nobody to ask");
    assert!(!site.world.server().log().contains("rejected"), "nothing was tried");
}

#[test]
fn the_agent_and_the_usual_files_are_asked_by_default() {
    let Some(site) = Site::new() else { return };
    let Some(agent) = SshAgent::start(&site.world.local().join("agent")) else { return };
    let (held, usual) =
        (site.make_key("held", &["ecdsa", "-b", "384"]), site.ssh_folder().join("id_ed25519"));
    let other = site.make_key("other", &["ed25519"]);
    agent.add(&other);
    agent.add(&held);
    site.admin(&["add-key", "kim", &shown(&public(&held))]).expect_success();
    fs::remove_file(&held).unwrap();
    let login = |arguments: &[&str]| {
        let mut command = site.command("kim", arguments);
        Ran::from(command.env("SSH_AUTH_SOCK", &agent.socket).output().unwrap())
    };
    let ran = login(&["-v"]).expect_success();
    assert!(ran.stderr.contains(&fingerprint(&other)) && ran.stderr.contains("agent: "), "{}", ran.stderr);
    login(&["--identity", &shown(&public(&held))]).expect_success();
    assert_eq!(login(&["--identity", &shown(&other)]).code, Some(4), "only what is named is offered");

    // Without an agent, or with one that is gone, the default names are used.
    fs::rename(&other, &usual).unwrap();
    site.admin(&["add-key", "kim", &shown(&public(&other))]).expect_success();
    site.ls(&[]).expect_success();
    let mut command = site.command("kim", &[]);
    Ran::from(command.env("SSH_AUTH_SOCK", "/nonexistent").output().unwrap()).expect_success();
    chmod(&usual, 0o640);
    let ran = site.ls(&[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("chmod go="), "{}", ran.stderr);
}

#[test]
fn an_agent_opens_what_a_passphrase_locks_and_no_more_keys_are_offered_than_a_login_may() {
    let Some(site) = Site::new() else { return };
    let Some(agent) = SshAgent::start(&site.world.local().join("agent")) else { return };
    let locked = site.make_key_with("locked", &["ed25519"], "");
    agent.add(&locked);
    let changed =
        Command::new("ssh-keygen").args(["-q", "-p", "-N", "open sesame", "-f"]).arg(&locked).status();
    assert!(changed.unwrap().success());
    site.admin(&["add-key", "kim", &shown(&public(&locked))]).expect_success();
    let login = |arguments: &[&str]| {
        let mut command = site.command("kim", arguments);
        Ran::from(command.env("SSH_AUTH_SOCK", &agent.socket).output().unwrap())
    };
    login(&["--identity", &shown(&locked)]).expect_success();
    for number in 0..7 {
        agent.add(&site.make_key(&format!("extra{number}"), &["ed25519"]));
    }
    let ran = login(&["-v"]).expect_success();
    assert_eq!(ran.stderr.matches("offering the key").count(), 8);
    assert_eq!(ran.stderr.matches("not offering the key").count(), 2, "{}", ran.stderr);
}

/// A world whose server has the user `kim`, who has neither password nor key yet.
struct Site {
    world: World,
}

/// An agent process.
struct SshAgent {
    process: Child,
    socket: PathBuf,
}

impl Site {
    /// Returns `None` if OpenSSH's tools are not installed.
    fn new() -> Option<Self> {
        if Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_err() {
            println!("skipped: ssh-keygen is not installed");
            return None;
        }
        let site = Self { world: World::serving_with("[limits]\nfailed_logins_max = 0\n") };
        site.world.add_user("kim", "read");
        site.admin(&["passwd", "kim", "--remove"]).expect_success();
        Some(site)
    }

    fn make_key(&self, name: &str, kind: &[&str]) -> PathBuf {
        self.make_key_with(name, kind, "")
    }

    fn make_key_with(&self, name: &str, kind: &[&str], passphrase: &str) -> PathBuf {
        let path = self.world.local().join(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", passphrase, "-C", name, "-f"]).arg(&path).arg("-t").args(kind);
        assert!(command.stdin(Stdio::null()).status().unwrap().success(), "{command:?}");
        path
    }

    /// The client's `~/.ssh`.
    fn ssh_folder(&self) -> PathBuf {
        let folder = self.world.state().parent().unwrap().join(".ssh");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn admin(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(&tests::world::binaries().server);
        command.arg("user").args(arguments).arg("--state").arg(self.world.state()).stdin(Stdio::null());
        Ran::from(command.output().unwrap())
    }

    fn ls(&self, arguments: &[&str]) -> Ran {
        self.as_user("kim", arguments)
    }

    fn as_user(&self, user: &str, arguments: &[&str]) -> Ran {
        Ran::from(self.command(user, arguments).output().unwrap())
    }

    fn command(&self, user: &str, arguments: &[&str]) -> Command {
        let url = self.world.url_of(user, "");
        let mut command = self.world.client_command(["ls", &url].iter().chain(arguments));
        command.env_remove("FTPX_PASSWORD");
        command
    }
}

trait ExpectSuccess {
    fn expect_success(self) -> Self;
}

impl ExpectSuccess for Ran {
    fn expect_success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }
}

impl SshAgent {
    fn start(socket: &Path) -> Option<Self> {
        let mut command = Command::new("ssh-agent");
        command.args(["-D", "-a"]).arg(socket).stdin(Stdio::null()).stdout(Stdio::null());
        let Ok(process) = command.spawn() else {
            println!("skipped: ssh-agent is not installed");
            return None;
        };
        crate::support::wait_until("the agent listens", || socket.exists());
        Some(Self { process, socket: socket.to_owned() })
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stdin(Stdio::null());
        assert!(command.status().unwrap().success(), "{command:?}");
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended by itself
        let _ = self.process.wait();
    }
}

/// Returns the fingerprint as printed by OpenSSH.
fn fingerprint(key: &Path) -> String {
    let ran = Command::new("ssh-keygen").arg("-lf").arg(public(key)).output().unwrap();
    String::from_utf8(ran.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

fn public(key: &Path) -> PathBuf {
    PathBuf::from(format!("{}.pub", key.display()))
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
