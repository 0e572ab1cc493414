//! Scripts: one command a line, one connection, checked before any command runs.

use crate::support::{content, events};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use tests::world::{Ran, World};

fn script(world: &World, text: &str, options: &[&str]) -> Ran {
    fs::write(world.local().join("script"), text).unwrap();
    let url = world.url("");
    world.client(["script"].iter().chain(options).copied().chain(["script", &url]))
}

fn logins(world: &World) -> usize {
    world.server().log().matches(" login ").count()
}

#[test]
fn a_script_runs_in_one_session_with_folders_here_and_there() {
    let world = World::serving();
    fs::create_dir_all(world.local().join("photos/2026")).unwrap();
    fs::write(world.local().join("photos/2026/a cat.jpg"), content(1, 700_000)).unwrap();
    let ran = script(
        &world,
        "# nightly\nmkdir -p in/deep\ncd in\npwd\n\nlcd photos/2026\nput 'a cat.jpg'   # with a comment\n\
         put a\\ cat.jpg deep/b.jpg\nls\nget deep/b.jpg ../copy.jpg\nmirror .. :/all\nmv \"a cat.jpg\" :/cat.jpg\n\
         cd ..\nhash cat.jpg\nls in\nrm -r in\n",
        &[],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let text = ran.text();
    assert!(text.starts_with("/in\na cat.jpg\ndeep\n") && text.ends_with("  cat.jpg\ndeep\n"), "{text}");
    assert_eq!(logins(&world), 1, "{}", world.server().log());
    assert_eq!(fs::read(world.local().join("photos/copy.jpg")).unwrap(), content(1, 700_000));
    assert!(world.root().join("all/2026/a cat.jpg").exists() && !world.root().join("in").exists());
}

#[test]
fn nothing_is_run_if_any_line_makes_no_sense() {
    let world = World::serving();
    for (line, said) in [
        ("put 'a", "script:3: a quote is not closed"),
        ("rm --nonsense x", "script:3: unexpected argument '--nonsense'"),
        ("dance", "script:3: unrecognized subcommand 'dance'"),
        ("get", "script:3: the following required arguments were not provided"),
        ("rm $NONE", "script:3: the variable NONE is not set"),
        ("open nowhere", "script:3: nowhere: not a remote path"),
        ("mirror a b", "script:3: exactly one of SOURCE and TARGET is on the server: write it :PATH"),
        ("get ftpx://ann@elsewhere/x y", "script:3: this is on elsewhere:2121"),
        ("rm /", "script:3: the root or home folder itself"),
        ("script other", "script:3: this works on the command line only"),
        ("profile add x ftpx://ann@h/", "script:3: this works on the command line only"),
        ("put a &", "script:3: only the shell runs commands in the background"),
        ("put a&", "script:3: only the shell runs commands in the background"),
        ("jobs", "script:3: this belongs to the shell"),
        ("rm -r old; ls keep", "script:3: an unquoted ';' has no meaning here: write one command a line"),
        ("rm -r old;ls", "script:3: an unquoted ';'"),
        ("ls a && ls b", "script:3: an unquoted '&'"),
        ("ls a || ls b", "script:3: an unquoted '|'"),
        ("ls>list", "script:3: an unquoted '>'"),
        ("cat <file", "script:3: an unquoted '<'"),
        ("ls (a", "script:3: an unquoted '('"),
        ("ls a)", "script:3: an unquoted ')'"),
        ("ls --lanes 3", "script:3: '--lanes' belongs to the whole script or shell"),
        ("put huge --limit-rate 20M", "or write a line: limit RATE"),
        ("ls --json", "script:3: '--json' belongs to the whole script or shell"),
        ("ls -v", "script:3: '-v' belongs to the whole script or shell"),
        ("cd -", "script:3: there is no folder to go back to"),
    ] {
        let ran = script(&world, &format!("mkdir made\n\n{line}\n"), &[]);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{line}: {}", ran.stderr);
    }
    assert!(!world.root().join("made").exists());
    let ran = script(&world, "mkdir made\n", &["--dry-run"]);
    assert_eq!((ran.code, world.root().join("made").exists()), (Some(0), false), "{}", ran.stderr);
    assert_eq!(logins(&world), 0);
    fs::write(world.local().join("script"), "ls\n").unwrap();
    let ran = world.client(["script", "script"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("script:1: no server is open"), "{}", ran.stderr);
}

#[test]
fn operators_of_a_shell_are_characters_where_they_are_quoted() {
    let world = World::serving();
    let ran = script(&world, "mkdir 'a;b' c\\&d \"e|f>\" \\(g\\) # h; i\n", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for name in ["a;b", "c&d", "e|f>", "(g)"] {
        assert!(world.root().join(name).is_dir(), "{name}");
    }
}

#[test]
fn cd_goes_back_and_to_where_the_script_began() {
    let world = World::serving();
    fs::create_dir_all(world.root().join("in/deep")).unwrap();
    let text = "cd /\npwd\ncd\npwd\ncd deep\ncd -\npwd\ncd -\n";
    fs::write(world.local().join("script"), text).unwrap();
    let ran = world.check(["script", "script", &world.url("in")]);
    assert_eq!(ran.text(), "/\n/in\n/in\n/in\n/in/deep\n");
}

#[test]
fn the_first_failure_ends_it_unless_it_is_to_go_on() {
    let world = World::serving();
    let text = "mkdir one\ncat missing\nmkdir two\nrm two/none /none\n";
    let ran = script(&world, text, &[]);
    assert!(ran.code == Some(5) && ran.stderr.contains("script:2: /missing"), "{}", ran.stderr);
    assert!(world.root().join("one").exists() && !world.root().join("two").exists());
    fs::remove_dir(world.root().join("one")).unwrap();
    let ran = script(&world, text, &["-k"]);
    assert!(ran.code == Some(5) && ran.stderr.contains("script:4: /none"), "{}", ran.stderr);
    assert!(world.root().join("two").exists());
}

#[test]
fn with_k_nothing_runs_in_another_folder_than_it_is_meant_for() {
    let world = World::serving();
    fs::create_dir_all(world.root().join("in/deep")).unwrap();
    fs::write(world.local().join("file"), "here").unwrap();
    for name in ["victim", "in/victim", "in/deep/victim"] {
        fs::write(world.root().join(name), "x").unwrap();
    }
    let text = "cd missing\nrm victim\ncd in\nrm victim\ncd /nosuch\nrm victim\ncd /in\nrm victim\n\
                lcd missing\nput file\nlcd .\nput file other\ncd deep\nrm victim\n";
    let ran = script(&world, text, &["-k"]);
    assert_eq!(ran.code, Some(5), "that of the first failure: {}", ran.stderr);
    let exists = |name: &str| world.root().join(name).exists();
    assert!(exists("victim") && !exists("in/victim"), "{}", ran.stderr);
    assert!(exists("in/deep/victim") && !exists("in/file"), "of a later failure too: {}", ran.stderr);
    for (line, failed) in [(2, 1), (3, 1), (4, 1), (6, 5), (10, 9), (11, 9), (12, 9), (14, 9)] {
        let told = format!("script:{line}: skipped, as line {failed} failed: lines run again after a");
        assert!(ran.stderr.contains(&told), "{told}: {}", ran.stderr);
    }
    let here = world.local().display().to_string();
    let text =
        format!("lcd missing\nput file\nlcd '{here}'\nput file\ncd missing\nput file no\ncd\nput file yes\n");
    let ran = script(&world, &text, &["-k", "--json"]);
    assert!(exists("file") && !exists("no") && exists("yes"), "{}", ran.stderr);
    let ends = events(&ran).into_iter().filter(|event| event["event"] == "finished");
    assert_eq!(ends.count(), 9, "each line has its end, and the script");
}

#[test]
fn with_k_nothing_runs_on_another_server_than_it_is_meant_for() {
    let world = World::serving();
    fs::create_dir(world.root().join("in")).unwrap();
    fs::write(world.root().join("victim"), "x").unwrap();
    fs::write(world.root().join("in/victim"), "x").unwrap();
    let (missing, there) = (world.url("missing"), world.url("in"));
    let ran = script(
        &world,
        &format!("open {missing}\nrm victim\ncd /\nrm victim\nopen {there}\nrm victim\n"),
        &["-k"],
    );
    assert!(
        ran.code == Some(5) && ran.stderr.contains("script:3: skipped, as line 1 failed"),
        "{}",
        ran.stderr
    );
    assert!(
        world.root().join("victim").exists() && !world.root().join("in/victim").exists(),
        "{}",
        ran.stderr
    );
}

#[test]
fn variables_are_one_word_and_scripts_come_from_standard_input() {
    let world = World::serving();
    let mut command = world.client_command(["script", "-", &world.url("")]);
    command.env("DAY", "a 'b'; rm -r *").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"mkdir $DAY \"x $DAY\"\nmkdir '$DAY'\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    for name in ["a 'b'; rm -r *", "x a 'b'; rm -r *", "$DAY"] {
        assert!(world.root().join(name).is_dir(), "{name}");
    }
    let mut command = world.client_command(["script", "-", &world.url("")]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"put - x\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(2));
}

#[test]
fn open_connects_to_profiles_with_their_options() {
    let world = World::serving();
    fs::create_dir(world.root().join("in")).unwrap();
    fs::write(world.local().join("file"), "new").unwrap();
    fs::write(world.root().join("in/file"), "old").unwrap();
    world.check(["profile", "add", "work", &world.url("in"), "--overwrite", "never"]);
    fs::write(world.local().join("s"), "open work:\nput file new\nput file\n").unwrap();
    let ran = world.client(["script", "s"]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(world.root().join("in/new").exists());
    fs::write(world.local().join("s"), "get work:new copy\nget work:/in/new other\n").unwrap();
    world.check(["script", "s", "work:"]);
    assert!(world.local().join("copy").exists() && world.local().join("other").exists());
}

#[test]
fn events_carry_line_and_command() {
    let world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    let ran = script(&world, "put file\n\nls\nhash file\ncat file\n", &["--json"]);
    assert_eq!(ran.code, Some(2), "cat has no --json");
    let ran = script(&world, "put file\n\nls\nhash file\n", &["--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let told: Vec<_> = events(&ran)
        .iter()
        .map(|event| format!("{} {} {}", event["event"], event["line"], event["command"]).replace('"', ""))
        .filter(|event| !event.starts_with("progress"))
        .collect();
    let expected = [
        "started 1 put",
        "file 1 put",
        "finished 1 put",
        "entry 3 ls",
        "finished 3 ls",
        "hash 4 hash",
        "finished 4 hash",
        "finished null null",
    ];
    assert_eq!(told, expected);
    let ran = script(&world, "put ./file\n", &["--json"]);
    let file = events(&ran).into_iter().find(|event| event["event"] == "file").unwrap();
    assert_eq!(file["path"], "./file", "as it was typed");
}

#[test]
fn leaving_ends_it_with_success() {
    let world = World::serving();
    for (word, made) in [("exit", "a"), ("quit", "b"), ("bye", "c")] {
        let text = format!("mkdir {made}\n{word}\nmkdir never\n");
        let ran = if word == "bye" { piped(&world, "shell", &text) } else { script(&world, &text, &[]) };
        assert_eq!(ran.code, Some(0), "{word}: {}", ran.stderr);
        assert!(world.root().join(made).exists() && !world.root().join("never").exists(), "{word}");
    }
}

#[test]
fn what_reads_standard_input_is_refused_where_the_lines_come_from_there() {
    let world = World::serving();
    for line in ["retry -", "apply -", "put - x"] {
        let ran = piped(&world, "script", &format!("mkdir never\n{line}\n"));
        assert!(
            ran.code == Some(2) && ran.stderr.contains("standard input already supplies"),
            "{line}: {}",
            ran.stderr
        );
    }
    assert!(!world.root().join("never").exists());
}

#[test]
fn with_json_nothing_else_is_on_standard_output() {
    let world = World::serving();
    for line in ["man get", "completions bash", "cat file", "get -o - file"] {
        let ran = script(&world, &format!("mkdir never\n{line}\n"), &["--json"]);
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert_eq!(events(&ran).last().unwrap()["exit_code"], 2, "{line}");
    }
    assert!(!world.root().join("never").exists());
    for words in [&["--json", "ls"][..], &["ls", "--nonsense", "--json"], &["--json", "man", "get"]] {
        let ran = world.client(words);
        assert_eq!((ran.code, &events(&ran)[0]["exit_code"]), (Some(2), &2.into()), "{words:?}");
    }
    assert_eq!(world.client(["ls", "--", "--json"]).text(), "", "that is a path");
    assert!(world.check(["--json", "--help"]).text().starts_with("Moves files"));
}

/// Runs lines from standard input, by `script` or by a shell without a terminal.
fn piped(world: &World, command: &str, text: &str) -> Ran {
    let words = if command == "script" { vec!["script", "-"] } else { vec![command] };
    let mut client = world.client_command(words.into_iter().map(str::to_owned).chain([world.url("")]));
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Ran::from(child.wait_with_output().unwrap())
}
