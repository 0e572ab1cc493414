//! Runs every command shown in the documents' consoles and in the help texts of both programs, unchanged, each on a fresh
//! stage. (The table of everyday jobs is run by `everyday_jobs`, the README as a whole by `quick_start`.)
//!
//! A new example runs without further ado. If it fails, it is wrong; or the stage lacks what it uses ([`Stage::set`]); or it is
//! one of the few that need special treatment ([`SPECIAL`]).

mod stage;

use super::documents;
use stage::Stage;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tests::world::binaries;

/// The special treatment of an example.
#[derive(Clone, Copy)]
enum How {
    /// These commands come before it.
    After(&'static str),
    /// This runs instead of interactive answers.
    With(&'static str),
    /// Both.
    AfterWith(&'static str, &'static str),
    /// It is a server: it runs until it reports that it listens, is stopped, and exits successfully.
    Serves,
    /// It is meant to fail with this exit code.
    Fails(i32),
    /// It runs in this folder.
    Elsewhere(&'static str),
}

/// Examples with a special treatment, by their beginning.
const SPECIAL: &[(&str, How)] = &[
    (
        "cargo demo",
        How::Elsewhere("it builds the programs anew, which takes minutes; its parts are tested beside it"),
    ),
    (
        "ftp-client tail -f",
        How::Elsewhere("it follows a file until it is interrupted; tested in commands/tails.rs"),
    ),
    ("ftp-server share", How::Serves),
    ("ftp-server serve", How::Serves),
    ("ftp-server user add ann --root srv --access full", How::With("--password-file pw")),
    ("ftp-server user add alice --root /srv/alice --access write", How::With("--password-file pw")),
    ("ftp-server user passwd alice --password-file", How::After(ALICE)),
    ("ftp-server user passwd alice", How::AfterWith(ALICE, "--password-file pw")),
    ("ftp-server user add-key alice", How::After(ALICE)),
    ("curl -s https://github.com/alice.keys", How::After(ALICE)),
    ("ftp-server user set alice", How::After(ALICE)),
    ("ftp-server user set team", How::After("ftp-server user add team --root srv --password-file pw")),
    ("ftp-server user remove alice", How::After(ALICE)),
    (
        "ftp-server user remove-key alice",
        How::After("ftp-server user add alice --root srv/alice --key bob.pub"),
    ),
    ("ftp-server user add-key ann -", How::After("ftp-server user add ann --root srv --password-file pw")),
    ("ftp-server user remove-key ann", How::After("ftp-server user add ann --root srv --key bob.pub")),
    (
        "ftp-client apply --password-file pw week.plan",
        How::After("ftp-client mirror --plan week.plan photos there:/photos"),
    ),
    (
        "ftp-client apply week.plan",
        How::After("ftp-client mirror --delete --plan week.plan ~/work there:/work"),
    ),
    ("ftp-client check ~/photos", How::After("ftp-client mirror --delete ~/photos there:/photos")),
    ("ftp-client check --content-only", How::After("ftp-client mirror --delete there:/photos photos")),
    ("ftp-client edit", How::After("export EDITOR=true")),
    ("ftp-client hash --check", How::After("ftp-client hash -r there:/photos > SHA256SUMS")),
    ("ftp-client profile add work", How::After("ftp-client profile remove work")),
    ("ftp-client retry night.result", How::After("ftp-client put -r --result night.result photos work:")),
    ("ftp-client doctor", How::With("--time 30ms --size 4M")),
    ("echo 'put $HOEM/file'", How::Fails(2)),
    ("queue", How::Elsewhere(SHELL)),
    ("jobs", How::Elsewhere(SHELL)),
    ("wait", How::Elsewhere(SHELL)),
    ("kill", How::Elsewhere(SHELL)),
    ("history", How::Elsewhere(SHELL)),
    ("exit", How::Elsewhere(SHELL)),
];

const ALICE: &str = "ftp-server user add alice --root srv/alice --password-file pw";
const SHELL: &str = "it needs a person's terminal: shell";

/// Replaces names that do not exist here: servers, other people's folders, shortened secrets.
fn here(example: &str, stage: &Stage) -> String {
    let address = stage.world.server().address.to_string();
    let state = stage.world.state().display().to_string();
    let first_key = "$(ftp-server user list | sed -n 's/.*\\(SHA256:[^ ]*\\).*/\\1/p')";
    let mut text = example.to_owned();
    for (there, here) in [
        ("ftpx://ann@files.example.org/", format!("ftpx://ann@{address}/").as_str()),
        ("ftpx://ann@localhost/", &format!("ftpx://ann@{address}/")),
        ("ftpx://alice@host/", &format!("ftpx://ann@{address}/")),
        ("$(ftp-server fingerprint)", &format!("$(ftp-server fingerprint --state '{state}')")),
        ("ann@files.example.org::", "there:"),
        ("ann@localhost::", "there:"),
        ("192.168.1.5:2121", "127.0.0.1:0"),
        ("~alice/", "~/"),
        ("/etc/", "./"),
        (" /srv/", " srv/"),
        ("ssh-ed25519 AAAAC3Nz…", stage::KEY),
        ("SHA256:k3x1…wQ8", first_key),
        ("SHA256:gUQ0U7YgXF5QHpQzB3wJXpQ8xBQn2xZ9v5o1n3kqW2E", first_key),
    ] {
        text = text.replace(there, here);
    }
    text
}

/// Runs examples, and reports all failures.
fn run_all(examples: &[String]) {
    let stage = Stage::new();
    let mut failures = Vec::new();
    for example in examples {
        let special = SPECIAL.iter().find(|(begin, _)| example.starts_with(begin));
        let text = here(example, &stage);
        let begin = Instant::now();
        let (text, expected) = match special.map(|(_, how)| *how) {
            Some(How::Elsewhere(reason)) => {
                println!("not here: {example} ({reason})");
                continue;
            }
            Some(How::Serves) => {
                stage.set();
                failures.extend(stage.serve(&text).err().map(|reason| format!("{example}\n  {reason}")));
                continue;
            }
            Some(How::After(before)) => (format!("{before}\n{text}"), 0),
            Some(How::With(more)) => (format!("{text} {more}"), 0),
            Some(How::AfterWith(before, more)) => (format!("{before}\n{text} {more}"), 0),
            Some(How::Fails(code)) => (text, code),
            None => (text, 0),
        };
        stage.set();
        let ran = stage.shell(&text);
        println!("{:>5} ms  {example}", begin.elapsed().as_millis());
        if ran.code != Some(expected) {
            failures.push(format!("{example}\n  as {text:?} it ended with {:?}: {}", ran.code, ran.stderr));
        }
    }
    assert!(
        failures.is_empty(),
        "examples that do not work. Mend them; or let the stage have what they speak of (Stage::set in \
         tests/end_to_end/packaging/examples/stage.rs); or say in SPECIAL (tests/end_to_end/packaging/examples.rs) what else they need:\n{}",
        failures.join("\n")
    );
}

/// Returns the examples in the help of a program and of its commands, from which manual pages are made.
fn of_help(program: &Path, words: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(words).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let section = |heading: &str| {
        let lines = help.lines().skip_while(|line| *line != heading).skip(1);
        lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect::<Vec<_>>()
    };
    let shown = section("Example:").into_iter().chain(section("Examples:"));
    // Text far behind a command is an explanation.
    let mut examples: Vec<String> = shown.map(|line| line.split("   ").next().unwrap().to_owned()).collect();
    assert!(!examples.is_empty(), "{words:?} has no example: {help}");
    for command in section("Commands:") {
        let name = command.split_whitespace().next().unwrap();
        if name != "help" {
            examples.extend(of_help(program, &[words, &[name]].concat()));
        }
    }
    examples.sort();
    examples.dedup();
    examples
}

/// Returns the examples of commands that exist only in scripts and the shell, whose help is shown there. Scripts run them,
/// after those of their kind.
fn of_lines() -> Vec<String> {
    let lines = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ftp-client/src/cli/line.rs");
    let text = fs::read_to_string(lines).unwrap();
    let examples = text.split("Example:\\n  ").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    examples.filter(|example| !example.starts_with("ftp-client ")).collect()
}

#[test]
fn those_of_the_documents_work() {
    let examples = documents::examples();
    assert!(examples.len() > 30, "{examples:?}");
    run_all(&examples);
}

#[test]
fn those_of_the_clients_help_work() {
    let examples = of_help(&binaries().client, &[]);
    assert!(examples.len() > 30, "{examples:?}");
    run_all(&examples);
}

#[test]
fn those_of_the_servers_help_work() {
    let examples = of_help(&binaries().server, &[]);
    assert!(examples.len() > 15, "{examples:?}");
    run_all(&examples);
}

#[test]
fn those_of_scripts_work() {
    let (special, plain): (Vec<String>, Vec<String>) = of_lines()
        .into_iter()
        .partition(|example| SPECIAL.iter().any(|(begin, _)| example.starts_with(begin)));
    assert!(special.len() >= 6 && plain.len() >= 6, "{special:?} {plain:?}");
    let as_script =
        |line: &String| format!("printf '%s\\n' '{line}' | ftp-client script - there:photos/2026");
    run_all(&plain.iter().map(as_script).collect::<Vec<_>>());
}

/// An unused row would only hide mistakes of later examples.
#[test]
fn nothing_special_is_forgotten() {
    let all = [
        documents::examples(),
        of_help(&binaries().client, &[]),
        of_help(&binaries().server, &[]),
        of_lines(),
    ]
    .concat();
    for (begin, _) in SPECIAL {
        assert!(
            all.iter().any(|example| example.starts_with(begin)),
            "no example begins with {begin:?} any more"
        );
    }
}
