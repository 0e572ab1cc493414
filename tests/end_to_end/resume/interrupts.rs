//! Signals that were ignored when the client started, as by `nohup` and a shell's `&`, do not end it.

use crate::support::{content, leftovers, wait_until};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use tests::world::{Ran, World, signal};

const ALL: [&str; 4] = ["HUP", "INT", "QUIT", "TERM"];

/// Starts a client in a shell that ignores the signals, which the client replaces.
fn start(world: &World, ignored: &[&str], arguments: &[&str]) -> Child {
    let client = world.client_command(arguments);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("trap '' {}; exec \"$0\" \"$@\"", ignored.join(" "))]);
    command.arg(client.get_program()).args(client.get_args());
    command.current_dir(world.local()).env_clear();
    command.envs(client.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn ignored_signals_stay_ignored() {
    let world = World::serving();
    fs::write(world.local().join("large"), content(1, 8_000_000)).unwrap();
    let url = world.url("large");
    let put = ["put", "--limit-rate=4M", "large", &url];
    let client = start(&world, &ALL, &put);
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    for name in ALL {
        signal(client.id(), name);
    }
    let ran = finish(client);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read(world.root().join("large")).unwrap(), content(1, 8_000_000));
}

#[test]
fn a_signal_that_is_not_ignored_ends_the_run() {
    let world = World::serving();
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    for (ignored, sent) in [(["HUP", "INT"], "TERM"), (["INT", "TERM"], "HUP"), (["HUP", "TERM"], "INT")] {
        let url = world.url(sent);
        let client = start(&world, &ignored, &["put", "--limit-rate=4M", "--no-resume", "large", &url]);
        wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
        for name in ignored {
            signal(client.id(), name);
        }
        signal(client.id(), sent);
        assert_eq!(finish(client).code, Some(130), "{sent}");
        wait_until("nothing is left", || leftovers(&world.root()).is_empty());
    }
}

/// A script from standard input, as in a shell without a terminal, and the programs run by a line of the shell.
#[test]
fn they_stay_ignored_in_scripts_and_shells() {
    let world = World::serving();
    fs::write(world.root().join("file"), "content").unwrap();
    for mode in [&["script", "-"][..], &["shell"]] {
        let mut client = start(&world, &ALL, &[mode, &["--verbose", &world.url("")]].concat());
        let mut stdin = client.stdin.take().unwrap();
        wait_until("it is a client by now", || {
            fs::read(format!("/proc/{}/cmdline", client.id())).unwrap().starts_with(b"/")
                && fs::read_to_string(format!("/proc/{}/comm", client.id()))
                    .unwrap()
                    .starts_with("ftp-client")
        });
        for name in ALL {
            signal(client.id(), name);
        }
        stdin.write_all(b"cat file\n").unwrap();
        drop(stdin);
        let mut line = String::new();
        BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(client.wait().unwrap().success(), "{mode:?}");
        assert_eq!(line, "content", "{mode:?}");
    }
}
