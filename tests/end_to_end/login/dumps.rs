//! A crashing program leaves no core dump: its memory contains passwords and keys.

use crate::support::{leftovers, wait_until};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tests::world::{World, binaries, signal};

/// Returns the command, allowed to leave a core dump of any size in `folder`.
fn may_dump(command: &Command, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(folder);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// Crashes a process; returns whether it left a core dump.
fn dumps(child: &mut Child) -> bool {
    signal(child.id(), "ABRT");
    let status = child.wait().unwrap();
    assert!(status.signal().is_some(), "{status}");
    status.core_dumped()
}

#[test]
fn neither_program_leaves_a_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    let mut sleeping = may_dump(Command::new("sleep").arg("1000"), folder.path()).spawn().unwrap();
    let name = format!("/proc/{}/comm", sleeping.id());
    wait_until("it sleeps", || fs::read_to_string(&name).unwrap() == "sleep\n");
    if !dumps(&mut sleeping) {
        println!("skipped: this system leaves no core dumps at all");
        return;
    }
    let world = World::serving();
    let mut client = may_dump(&world.client_command(["put", "-", &world.url("stream")]), &world.local());
    let mut client = client.stdin(Stdio::piped()).spawn().unwrap();
    client.stdin.as_mut().unwrap().write_all(&vec![7; 4 << 20]).unwrap();
    wait_until("it is logged in and sends", || !leftovers(&world.root()).is_empty());
    assert!(!dumps(&mut client), "the client");

    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("log");
    let mut serve = Command::new(&binaries().server);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--root"]).arg(folder.path());
    serve.arg("--state").arg(state.path());
    let mut server = may_dump(&serve, folder.path());
    let mut server = server.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    wait_until("it listens", || fs::read_to_string(&log).unwrap().contains("listening"));
    assert!(!dumps(&mut server), "the server");
}
