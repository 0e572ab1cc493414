//! Typing errors: wrong usage exits with 2 and suggests what may have been meant; and the help that prevents them.

use std::fs;
use std::process::Command;
use tests::world::{Ran, World, binaries};

#[test]
fn the_client_knows_what_was_nearly_typed() {
    let world = World::empty();
    for (line, expected) in [
        ("mirorr a b", "'mirror'"),
        ("put --overwirte never a h:", "a similar argument exists: '--overwrite'"),
        ("put --overwrite nevr a h:", "a similar value exists: 'never'"),
        ("mirror --compare digset a h:", "a similar value exists: 'digest'"),
        ("ls --jsno h:", "a similar argument exists: '--json'"),
        ("profile lits", "a similar subcommand exists: 'list'"),
        ("trust remvoe h", "a similar subcommand exists: 'remove'"),
        ("man mirorr", "did you mean mirror?"),
        ("gte h:a", "a similar subcommand exists: 'get'"),
        ("help gett", "a similar subcommand exists: 'get'"),
        ("profile addd x", "'add'"),
    ] {
        told(&world.client(line.split(' ')), 2, expected, line);
    }
}

#[test]
fn lines_of_scripts_are_told_the_same_with_their_place() {
    let world = World::empty();
    for (line, expected) in [
        (
            "mirorr a :b",
            "script:2: unrecognized subcommand 'mirorr'; tip: some similar subcommands exist: 'mkdir', 'mirror'",
        ),
        ("put --overwirte never a", "tip: a similar argument exists: '--overwrite'"),
        ("put --overwrite nevr a", "tip: a similar value exists: 'never'"),
        ("hsah a", "tip: a similar subcommand exists: 'hash'"),
        ("gte a", "tip: a similar subcommand exists: 'get'"),
    ] {
        fs::write(world.local().join("script"), format!("open h:\n{line}\n")).unwrap();
        told(&world.client(["script", "script"]), 2, expected, line);
        let mut shell = world.client_command(["shell"]);
        shell.stdin(fs::File::open(world.local().join("script")).unwrap());
        let tip = &expected[expected.find("tip").unwrap()..];
        told(&Ran::from(shell.output().unwrap()), 2, tip, line);
    }
}

/// A name that is no profile is taken for a host, so only its failure mentions profiles.
#[test]
fn a_host_that_was_meant_to_be_a_profile_is_told() {
    let world = World::empty();
    world.check(["profile", "add", "work", "ftpx://ann@files.example.org/"]);
    let without_password = |words: &[&str]| {
        let mut client = world.client_command(words);
        let client =
            client.env("FTPX_SSH", "sh -c 'exit 255'").env_remove("FTPX_PASSWORD").env("USER", "ann");
        Ran::from(client.output().unwrap())
    };
    told(&without_password(&["ls", "wrok::"]), 2, "did you mean the profile work?", "ls");
    told(&without_password(&["ls", "wrok:"]), 3, "did you mean the profile work?", "ls");
    fs::write(world.local().join("script"), "ls\n").unwrap();
    told(&without_password(&["script", "script", "wrok:"]), 3, "did you mean the profile work?", "script");
    told(&without_password(&["ls", "work.example.org::"]), 2, "there is neither a key nor a password", "ls");
    assert!(!without_password(&["ls", "work.example.org::"]).stderr.contains("did you mean"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.check(["profile", "add", "127.0.0.2", "ftpx://ann@files.example.org/"]);
    told(
        &world.client(["ls", &format!("ftpx://ann@{closed}/")]),
        3,
        "did you mean the profile 127.0.0.2?",
        "ls",
    );
    told(&world.client(["profile", "remove", "wrok"]), 5, "did you mean work?", "remove");
    let config = world.local().join("../.config/ftp-client/config.toml");
    let wrong = fs::read_to_string(&config).unwrap() + "limit-raet = \"10M\"\n";
    fs::write(&config, wrong).unwrap();
    told(
        &world.client(["ls", "work:"]),
        2,
        "there is no such key; did you mean limit-rate?",
        "configuration",
    );
}

#[test]
fn the_server_knows_what_was_nearly_typed() {
    for (line, expected) in [
        ("sevre", "'serve'"),
        ("serve --lisetn 127.0.0.1:0", "a similar argument exists: '--listen'"),
        ("user ad ann", "similar subcommand"),
        ("user add ann --access raed", "a similar value exists: 'read'"),
        ("completions bahs", "a similar value exists: 'bash'"),
    ] {
        let mut server = Command::new(&binaries().server);
        told(&Ran::from(server.args(line.split(' ')).output().unwrap()), 2, expected, line);
    }
}

fn told(ran: &Ran, code: i32, expected: &str, line: &str) {
    assert_eq!(ran.code, Some(code), "{line}: {}", ran.stderr);
    assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
}

#[test]
fn help_names_all_words_of_scripts_and_pages_only_what_has_one() {
    let world = World::empty();
    let help = world.check(["script", "--help"]).text();
    let help: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("pwd, lpwd, lls, limit, lanes and exit"), "{help}");
    for words in [&["man"][..], &["man", "profile"], &["man", "trust"]] {
        let page = world.check(words).text().replace('\\', "");
        assert!(page.contains("(1)") && !page.contains("-help(1)"), "{words:?}");
    }
    let page = Command::new(&binaries().server).arg("man").output().unwrap().stdout;
    assert!(!String::from_utf8(page).unwrap().replace('\\', "").contains("-help(1)"));
}
