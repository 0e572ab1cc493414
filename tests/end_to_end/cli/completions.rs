//! Completion in shells: the scripts of `completions` give bash, zsh and fish commands, options, and files here and on servers.

use crate::support::{chmod, output};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::world::{PASSWORD, Ran, World, binaries};

#[test]
fn bash_completes_commands_options_and_paths_here_and_there() {
    let world = with_profile();
    fs::write(world.local().join("local file"), "").unwrap();
    for (line, piece, expected) in [
        ("ftp-client mirr", "mirr", &["mirror"][..]),
        ("ftp-client profile re", "re", &["remove"]),
        ("ftp-client profile remove w", "w", &["work"]),
        ("ftp-client put --limit", "--limit", &["--limit-rate"]),
        ("ftp-client put --overwrite ne", "ne", &["never", "newer"]),
        ("ftp-client put lo", "lo", &["local\\ file"]),
        ("ftp-client put --result lo", "lo", &["local\\ file"]),
        ("ftp-client ls wo", "wo", &["work:"]),
        // bash takes the part before a colon for a word of its own
        ("ftp-client ls work:", ":", &["photos/", "report.pdf", "two\\ words/"]),
        ("ftp-client get -r work:pho", "pho", &["photos/"]),
        ("ftp-client get -r work:photos/", "photos/", &["photos/cat.jpg"]),
        ("ftp-client get -r work:photos/.", "photos/.", &["photos/.hidden"]),
        ("ftp-client get \"work:two w", "work:two w", &["work:two words/"]),
        ("ftp-client rm work:nothing", "nothing", &[]),
    ] {
        let Some(replies) = bash(&world, line, piece) else { return };
        assert_eq!(replies, expected, "{line}");
    }
}

/// bash's own fallback if there are no suggestions.
#[test]
fn bash_looks_for_local_paths_only_where_they_may_stand() {
    let world = with_profile();
    fs::write(world.local().join("zlocal"), "").unwrap();
    for (line, piece, expected) in [
        ("ftp-client put ~/zl", "~/zl", &["default"][..]),
        ("ftp-client put --result=~/zl", "~/zl", &["default"]),
        ("ftp-client rm work:zl", "zl", &[]),
        ("ftp-client ls nobody@127.0.0.1:zl", "zl", &[]),
        ("ftp-client put --overwrite=zl", "zl", &[]),
        ("ftp-client man zl", "zl", &[]),
    ] {
        let script = "source \"$1\"; compopt() { echo $2; }; COMP_LINE=$3 COMP_POINT=${#COMP_LINE}; _ftp_client \"$2\" \"$4\"; \
                      [[ $(complete -p ftp-client) != *default* ]]";
        let Some(told) = shell(&world, "bash", &["--norc", "-c", script], &[line, piece]) else { return };
        assert_eq!(told, expected, "{line}");
    }
}

#[test]
fn urls_are_completed_with_the_options_that_stand_before_them() {
    let world = with_profile();
    let server = world.server();
    let line = format!(
        "ftp-client ls --pin {} --password-file '{}' ftpx://tester@{}/two",
        server.fingerprint,
        world.password_file().display(),
        server.address,
    );
    let piece = format!("{}/two", server.address.port());
    let Some(replies) = bash(&world, &line, &piece) else { return };
    assert_eq!(replies, [format!("{}/two%20words/", server.address.port())]);
}

/// Names come from the server's operator and are not trusted.
#[test]
fn names_of_a_server_are_words_and_never_commands() {
    let world = with_profile();
    let names = [
        "$(touch hacked)",
        "`touch hacked`",
        "; touch hacked",
        "*",
        "~",
        "$HOME",
        "!!",
        "a'b",
        "a\"b",
        "a\\b",
    ];
    fs::create_dir(world.root().join("evil")).unwrap();
    for name in names {
        fs::write(world.root().join("evil").join(name), "").unwrap();
    }
    fs::write(world.root().join("evil/two\nlines"), "").unwrap();
    let Some(replies) = bash(&world, "ftp-client get work:evil/", "evil/") else { return };
    let mut typed = Command::new("bash");
    typed.args(["--norc", "-c", &format!("printf '%s\\n' {}", replies.join(" "))]).current_dir(world.local());
    let understood = String::from_utf8(output(&mut typed).unwrap().stdout).unwrap();
    let mut expected = names.map(|name| format!("evil/{name}"));
    expected.sort();
    assert_eq!(understood.lines().collect::<Vec<_>>(), expected, "as bash reads what it was given");
    assert!(!world.local().join("hacked").exists());
}

#[test]
fn what_fails_is_silent_soon_over_and_leaves_nothing() {
    let world = with_profile();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap(); // accepts connections and sends nothing
    fs::write(world.local().join("wrong"), "wrong").unwrap();
    chmod(&world.local().join("wrong"), 0o600);
    let (server, password) = (world.server(), world.password_file().display().to_string());
    let pin = format!("--pin {}", server.fingerprint);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (what, line) in [
        (
            "nobody knows the server",
            format!("ls --accept-new --password-file {password} ftpx://tester@{}/", server.address),
        ),
        (
            "another key",
            format!(
                "ls --pin sha256:{} --password-file {password} ftpx://tester@{}/",
                "0".repeat(64),
                server.address
            ),
        ),
        ("a wrong password", format!("ls {pin} --password-file wrong ftpx://tester@{}/", server.address)),
        ("no password", format!("ls {pin} ftpx://tester@{}/", server.address)),
        ("nothing listens", format!("ls {pin} --password-file {password} ftpx://tester@{closed}/")),
        (
            "nobody answers",
            format!("ls {pin} --password-file {password} ftpx://tester@{}/", silent.local_addr().unwrap()),
        ),
        ("no configuration", "ls --config none work:".to_owned()),
        ("no command line", "ls 'work:\" # ".to_owned()),
    ] {
        let begin = Instant::now();
        let mut client = world.client_command(["complete-line", "--", &format!("ftp-client {line}")]);
        let ran = Ran::from(client.env_remove("FTPX_PASSWORD").output().unwrap());
        assert_eq!((ran.code, ran.text().as_str(), ran.stderr.as_str()), (Some(0), "", ""), "{what}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}: {:?}", begin.elapsed());
    }
    assert!(!world.local().join("../.config/ftp-client/known_hosts").exists(), "a Tab is no trust");
}

#[test]
fn zsh_completes_paths_here_and_there() {
    let world = with_profile();
    for (words, expected) in [
        ("ftp-client mirr", &["mirror"][..]),
        ("ftp-client ls wo", &["work:"]),
        ("ftp-client get -r work:", &["work:photos/", "work:two words/", "work:report.pdf"]),
        ("ftp-client get -r work:photos/", &["work:photos/cat.jpg"]),
    ] {
        let Some(replies) = zsh(&world, words) else { return };
        assert_eq!(replies, expected, "{words}");
    }
}

#[test]
fn fish_completes_paths_here_and_there() {
    let world = with_profile();
    fs::write(world.local().join("zlocal"), "").unwrap();
    for (line, expected) in [
        ("ftp-client mirr", &["mirror"][..]),
        ("ftp-client ls wo", &["work:"]),
        ("ftp-client put zl", &["zlocal"]),
        ("ftp-client get -r work:", &["work:photos/", "work:report.pdf", "work:two words/"]),
        ("ftp-client get -r work:photos/", &["work:photos/cat.jpg"]),
    ] {
        let Some(replies) = fish(&world, line) else { return };
        assert_eq!(replies, expected, "{line}");
    }
}

/// A world whose server has some names, with the profile `work`. Passwords come from files only.
fn with_profile() -> World {
    let world = World::serving();
    for path in ["photos/cat.jpg", "photos/.hidden", "two words/x", "report.pdf"] {
        let path = world.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, PASSWORD).unwrap();
    }
    let password = world.password_file();
    world.check(["profile", "add", "work", &world.url(""), "--password-file", password.to_str().unwrap()]);
    world
}

/// Returns bash's suggestions for a line whose end `piece` would be replaced; `None` without bash.
fn bash(world: &World, line: &str, piece: &str) -> Option<Vec<String>> {
    let script = "source \"$1\"; COMP_LINE=$3 COMP_POINT=${#COMP_LINE}; _ftp_client \"$2\" \"$4\"; \
                  (( ${#COMPREPLY[@]} )) && printf '%s\\n' \"${COMPREPLY[@]}\"; complete -p ftp-client >/dev/null";
    shell(world, "bash", &["--norc", "-c", script], &[line, piece])
}

/// Returns zsh's suggestions for a line; they are printed instead of displayed.
fn zsh(world: &World, line: &str) -> Option<Vec<String>> {
    let script = "compdef() { }; _files() { return 1 }; compadd() { print -rl -- ${(P)@[-1]} }; source $1; \
                  words=(${(s: :)3}); words[1]=$2; CURRENT=$#words; \
                  PREFIX=$words[CURRENT]; _ftp-client; true";
    shell(world, "zsh", &["-f", "-c", script], &[line])
}

/// Returns fish's suggestions for a line, without the descriptions.
fn fish(world: &World, line: &str) -> Option<Vec<String>> {
    let script = "set -x PATH (path dirname $argv[3]) $PATH; source $argv[2]; complete -C $argv[4]";
    let replies = shell(world, "fish", &["--no-config", "-c", script], &[line])?;
    let mut words: Vec<_> =
        replies.iter().map(|reply| reply.split('\t').next().unwrap_or_default().to_owned()).collect();
    words.sort();
    Some(words)
}

fn shell(world: &World, name: &str, arguments: &[&str], words: &[&str]) -> Option<Vec<String>> {
    let script: PathBuf = world.local().join(format!("../completions.{name}"));
    fs::write(&script, world.check(["completions", name]).stdout).unwrap();
    let mut shell = Command::new(name);
    shell.args(arguments).arg(name).arg(&script).arg(&binaries().client).args(words);
    shell.env_clear().env("HOME", world.local().join("..")).current_dir(world.local());
    shell.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let Some(ran) = output(&mut shell) else {
        println!("skipped: {name} is not installed");
        return None;
    };
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && told.is_empty(), "{name}: {told}");
    Some(String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect())
}
