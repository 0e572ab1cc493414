//! `ls` on a terminal: columns as those of ls(1), and colours; without a terminal, one name a line.

use crate::cli::shell::Terminal;
use crate::support::{chmod, output, wait_until};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;
use tests::world::{PASSWORD, Ran, World, binaries};

/// Names of many lengths, some with wide characters.
fn make_files(world: &World) {
    for number in 0..40_usize {
        let name = format!("{number}{}", "x".repeat(number * 7 % 23));
        fs::write(world.root().join(name), "").unwrap();
    }
    for name in ["写真二〇二六", "zürich", ".hidden", "folder"] {
        fs::create_dir(world.root().join(name)).unwrap();
    }
}

#[test]
fn names_are_in_columns_as_those_of_ls() {
    for columns in [40_u32, 60, 140] {
        let world = World::serving();
        make_files(&world);
        let (client, url) = (binaries().client.display(), world.url(""));
        let line = format!(
            "export FTPX_PASSWORD='{PASSWORD}'; {client} ls '{url}'; echo end; {client} ls -1 '{url}' | wc -l; \
             {client} shell -c ls '{url}' --color never | head -n 1; echo over"
        );
        let Some(terminal) = Terminal::running(&world, columns, &line) else { return };
        terminal.see("over");
        let width = columns.to_string();
        let mut ls = Command::new("ls");
        ls.args(["-A", "-C", "-T", "0", "--color=never", "-w", &width]).current_dir(world.root());
        let expected = output(ls.env("LC_ALL", "C.UTF-8")).unwrap();
        let expected = String::from_utf8(expected.stdout).unwrap();
        let screen = terminal.screen();
        let (shown, rest) = screen.split_once("end\n").unwrap();
        assert_eq!(shown, expected, "{columns} columns");
        assert!(rest.starts_with("44\n.hidden\nover"), "one a line where that is no terminal:\n{rest}");
    }
}

#[test]
fn names_have_the_colours_of_their_kinds() {
    let world = World::serving();
    let there = |name: &str| world.root().join(name);
    fs::create_dir(there("folder")).unwrap();
    for name in ["a.zip", "plain", "run"] {
        fs::write(there(name), "").unwrap();
    }
    chmod(&there("run"), 0o755);
    chmod(&there("folder"), 0o755);
    symlink("plain", there("to")).unwrap();
    fs::write(world.root().join(OsStr::from_bytes(b"\x1b[31mred\x07")), "").unwrap();
    let shown = |words: &[&str], variables: &[(&str, &str)]| {
        let mut client = world.client_command([words, &[&world.url("")]].concat());
        let ran = Ran::from(client.envs(variables.iter().copied()).output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.text()
    };
    let plain = "\\x1b[31mred\\x07\na.zip\nfolder\nplain\nrun\nto\n";
    assert_eq!(shown(&["ls"], &[]), plain);
    assert_eq!(shown(&["ls", "--color", "never"], &[("LS_COLORS", "di=33")]), plain);
    let colored = "\\x1b[31mred\\x07\n\x1b[01;31ma.zip\x1b[0m\n\x1b[01;34mfolder\x1b[0m\nplain\n\x1b[01;32mrun\x1b[0m\n\
                   \x1b[01;36mto\x1b[0m\n";
    assert_eq!(shown(&["ls", "--color", "always"], &[("NO_COLOR", "1")]), colored);
    let own = shown(&["ls", "--color=always"], &[("LS_COLORS", "di=33:*.zip=4:ex=\x1b]0;x\x07:ln=")]);
    assert!(
        own.contains("\n\x1b[4ma.zip\x1b[0m\n\x1b[33mfolder\x1b[0m\nplain\n\x1b[01;32mrun\x1b[0m\nto\n"),
        "{own:?}"
    );
    let long = shown(&["ls", "-l", "--color", "always"], &[]);
    assert!(long.contains(" \x1b[01;36mto\x1b[0m -> plain\n"), "{long:?}");
    assert!(!shown(&["ls", "--json", "--color", "always"], &[]).contains('\x1b'));
}

#[test]
fn a_terminal_gets_colours_unless_the_user_wants_none() {
    let world = World::serving();
    fs::create_dir(world.root().join("folder")).unwrap();
    let (client, url) = (binaries().client.display(), world.url(""));
    let ls = format!("{client} ls '{url}'");
    let line = format!(
        "export FTPX_PASSWORD='{PASSWORD}'; {ls}; NO_COLOR=1 {ls}; TERM=dumb {ls}; {ls} --color never; echo over"
    );
    let Some(terminal) = Terminal::running(&world, 80, &line) else { return };
    let mut screen = String::new();
    wait_until("all were listed", || {
        screen = terminal.screen_with_colors();
        screen.contains("over")
    });
    let lines: Vec<&str> = screen.lines().filter(|line| line.contains("folder")).collect();
    assert_eq!(lines.len(), 4, "{screen}");
    assert!(
        lines[0].contains("\x1b[1m\x1b[34mfolder") || lines[0].contains("\x1b[01;34mfolder"),
        "{screen:?}"
    );
    assert!(lines[1..].iter().all(|line| line.trim_end() == "folder" || !line.contains("34m")), "{screen:?}");
}
