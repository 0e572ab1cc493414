//! Prompts for secrets, at a real terminal (tmux's): cancelling one restores the terminal, and gives scripts an exact code.

use crate::cli::shell::Terminal;
use crate::support::{output, wait_until};
use std::fs;
use std::path::Path;
use std::process::Command;
use tests::world::{PASSWORD, World, binaries};

/// Checks a program that prompts: its prompt, and its exit codes and messages after Ctrl-C and Ctrl-D.
fn gives_the_terminal_back(
    world: &World,
    line: &str,
    question: &str,
    codes: impl IntoIterator<Item = (&'static str, u8, &'static str)>,
) {
    for (key, code, said) in codes {
        let Some(terminal) = Terminal::running(world, 200, &format!("{line}; echo ended with $?")) else {
            return;
        };
        terminal.see(question);
        wait_until("the terminal is ready", || !terminal.echoes());
        terminal.keys(&[key]);
        terminal.see(&format!("ended with {code}"));
        terminal.see(said);
        assert!(terminal.echoes(), "{line}, {key}");
    }
}

/// Makes a key. Returns false without ssh-keygen.
fn make_key(path: &Path, passphrase: &str) -> bool {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    let made = output(keygen.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(path));
    if made.is_none() {
        println!("skipped: ssh-keygen is not installed");
    }
    made.is_some_and(|ran| ran.status.success())
}

#[test]
fn a_password() {
    let world = World::serving();
    let line = format!("{} ls '{}'", binaries().client.display(), world.url(""));
    let codes = [("C-c", 130, "interrupted"), ("C-d", 4, "no password was given for tester@")];
    gives_the_terminal_back(&world, &line, "Password for tester@", codes);
}

#[test]
fn a_passphrase() {
    let world = World::serving();
    if !make_key(&world.local().join("key"), "secret") {
        return;
    }
    let line = format!("{} ls -i key '{}'", binaries().client.display(), world.url(""));
    let codes = [("C-c", 130, "interrupted"), ("C-d", 4, "no passphrase was given")];
    gives_the_terminal_back(&world, &line, "Passphrase for key", codes);
}

/// By then the server has refused a key, and the connection is established.
#[test]
fn a_password_after_a_key_was_refused() {
    let world = World::serving();
    if !make_key(&world.local().join("../.ssh/id_ed25519"), "") {
        return;
    }
    let line = format!("{} ls '{}'", binaries().client.display(), world.url(""));
    let codes = [("C-c", 130, "interrupted"), ("C-d", 4, "no password was given for tester@")];
    gives_the_terminal_back(&world, &line, "Password for tester@", codes);
}

/// Also for a key that was found by its default name.
#[test]
fn a_passphrase_of_the_usual_key() {
    let world = World::serving();
    if !make_key(&world.local().join("../.ssh/id_ed25519"), "secret") {
        return;
    }
    let line = format!("{} ls '{}'", binaries().client.display(), world.url(""));
    gives_the_terminal_back(&world, &line, "Passphrase for", [("C-c", 130, "interrupted")]);
}

#[test]
fn a_new_password_of_the_server() {
    let world = World::empty();
    let (state, root) = (world.state(), world.root());
    let (state, root) = (state.display(), root.display());
    let line = format!("{} user add ann --state {state} --root {root}", binaries().server.display());
    let codes = [("C-c", 130, "interrupted; nothing was changed"), ("C-d", 2, "no password was given")];
    gives_the_terminal_back(&world, &line, "New password: ", codes);
    assert!(!world.state().join("users.toml").exists());
}

/// A password is for a server that is trusted. The answers come from the terminal; a second server's too.
#[test]
fn a_new_server_is_asked_about_before_the_password() {
    let world = World::serving();
    fs::write(world.root().join("file-of-the-server"), "").unwrap();
    let url = world.url("");
    let (url, _) = url.split_once('?').unwrap();
    let line = format!("{} ls '{url}'; echo ended with $?", binaries().client.display());
    let Some(terminal) = Terminal::running(&world, 200, &line) else { return };
    terminal.see("Trust it and connect?");
    terminal.keys(&["-l", "yes"]);
    terminal.keys(&["Enter"]);
    terminal.see("Password for tester@");
    wait_until("the terminal is ready", || !terminal.echoes());
    terminal.keys(&["-l", PASSWORD]);
    terminal.keys(&["Enter"]);
    terminal.see("file-of-the-server");
    terminal.see("ended with 0");
}

#[test]
fn a_missing_root_of_a_user_is_made() {
    let world = World::empty();
    let (state, password) = (world.state(), world.password_file());
    let line = format!(
        "{} user add ann --state {} --root new/root --password-file {}",
        binaries().server.display(),
        state.display(),
        password.display()
    );
    for (answer, code, said) in [("no", 2, "make it first: mkdir -p new/root"), ("yes", 0, "added ann: read")]
    {
        let Some(terminal) = Terminal::running(&world, 200, &format!("{line}; echo ended with $?")) else {
            return;
        };
        terminal.see("Make it?");
        terminal.keys(&["-l", answer]);
        terminal.keys(&["Enter"]);
        terminal.see(&format!("ended with {code}"));
        terminal.see(said);
        assert_eq!(world.local().join("new/root").is_dir(), answer == "yes");
    }
}

/// Commands suggested in messages can be run as printed.
#[test]
fn names_in_advice_are_quoted() {
    let world = World::serving();
    if !make_key(&world.local().join("my key"), "secret") {
        return;
    }
    let ran = world.client(["ls", "-i", "my key", &world.url("")]);
    assert!(ran.code == Some(2) && ran.stderr.contains("ssh-add 'my key'"), "{}", ran.stderr);
}

#[test]
fn colours_are_where_they_are_wanted() {
    let world = World::empty();
    let coloured = |words: &[&str]| world.client(words).stderr.contains('\x1b');
    assert!(coloured(&["--color", "always", "nonsense"]) && coloured(&["nonsense", "--color=always"]));
    assert!(!coloured(&["nonsense"]) && !coloured(&["nonsense", "--", "--color=always"]));
    let on_terminal = |term: &str, words: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", &format!("{} {words}", binaries().client.display()), "/dev/null"]);
        script.env_clear().env("TERM", term).env("HOME", world.local()).env("SHELL", "/bin/sh");
        script.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        Some(String::from_utf8_lossy(&output(&mut script)?.stdout).contains('\x1b'))
    };
    let Some(coloured) = on_terminal("xterm", "ls nowhere") else {
        println!("skipped: script is not installed");
        return;
    };
    assert!(coloured && on_terminal("xterm", "nonsense") == Some(true));
    for (term, words) in [
        ("dumb", "ls nowhere"),
        ("dumb", "nonsense"),
        ("xterm", "--color never ls nowhere"),
        ("xterm", "--color never nonsense"),
    ] {
        assert_eq!(on_terminal(term, words), Some(false), "{term}: {words}");
    }
}

/// The server has answered within its time, so the password is not sent once more.
#[test]
fn a_wrong_password_that_took_long_to_type_counts_once() {
    let world = World::serving();
    let line = format!("{} ls '{}'; echo ended with $?", binaries().client.display(), world.url(""));
    let Some(terminal) = Terminal::running(&world, 200, &line) else { return };
    terminal.see("Password for tester@");
    std::thread::sleep(wire::limits::LOGIN_TIMEOUT / 2 + std::time::Duration::from_millis(500));
    terminal.keys(&["-l", "wrong"]);
    terminal.keys(&["Enter"]);
    terminal.see("ended with 4");
    let refused = world.server().log().lines().filter(|line| line.contains("rejected")).count();
    assert_eq!(refused, 1, "{}", world.server().log());
}
