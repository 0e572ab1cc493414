//! The server under a service manager: sockets passed to it, and its notifications to the manager.

use crate::support::{PATIENCE, is_root};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use tests::world::{Ran, World, binaries, signal};

#[test]
fn a_socket_that_is_handed_over_is_served_and_the_manager_told() {
    let world = World::empty();
    world.add_user("tester", "full");
    std::fs::write(world.root().join("hello"), "hello\n").unwrap();
    let manager = UnixDatagram::bind(world.local().join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = Command::new("sh");
    // File descriptor 3 is the first socket, and the variable must name the process: the shell's, which `exec` keeps.
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null", "sh"]);
    command.arg(&binaries().server).arg("serve").arg("--state").arg(world.state());
    command.env("NOTIFY_SOCKET", world.local().join("notify"));
    let mut server =
        command.stdin(OwnedFd::from(socket)).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(told(&manager), "READY=1\n");
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(&format!("listening on {address} sha256:")), "{line}");
    let pin = line.trim().rsplit(' ').next().unwrap();
    let ran = world.check(["cat", &format!("ftpx://tester@{address}/hello?pin={pin}")]);
    assert_eq!(ran.text(), "hello\n");
    signal(server.id(), "TERM");
    assert_eq!(told(&manager), "STOPPING=1\n");
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_file_that_is_no_socket_is_refused() {
    let world = World::empty();
    let mut command = Command::new("sh");
    command.args(["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3</dev/null", "sh"]);
    command.arg(&binaries().server).arg("serve").arg("--state").arg(world.state());
    let ran = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("LISTEN_FDS"));
}

/// The units and the sample configuration match the current programs.
#[test]
fn the_sample_configuration_and_the_units_are_sound() {
    let packaging = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../ftp-server/packaging"));
    let mut check = Command::new(&binaries().server);
    let ran = check.arg("check-config").arg("--config").arg(packaging.join("config.toml")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for section in ["service", "socket"] {
        let unit = std::fs::read_to_string(packaging.join(format!("ftp-server.{section}"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for other in ["service", "socket"] {
            let text = std::fs::read_to_string(packaging.join(format!("ftp-server.{other}"))).unwrap();
            let text = text.replace("/usr/bin/ftp-server", binaries().server.to_str().unwrap());
            std::fs::write(folder.path().join(format!("ftp-server.{other}")), text).unwrap();
        }
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(folder.path().join(format!("ftp-server.{section}")));
        match verify.output() {
            Ok(ran) => {
                let told = String::from_utf8_lossy(&ran.stderr).into_owned();
                assert!(ran.status.success() && !told.contains("ftp-server"), "{unit}\n{told}");
            }
            Err(_) => println!("skipped: systemd-analyze is not installed"),
        }
    }
}

fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let len = manager.recv(&mut bytes).expect("word from the server");
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

/// Files made by root in the folder of the service's user would be unreadable for the service.
#[test]
fn root_makes_no_files_in_the_state_of_another_user() {
    if !is_root() {
        println!("skipped: only root can give a folder away");
        return;
    }
    let world = World::empty();
    let (state, root, password) = (world.state(), world.root(), world.password_file());
    std::os::unix::fs::chown(&state, Some(1), Some(1)).unwrap();
    let server = |words: &[&str]| {
        let mut command = Command::new(&binaries().server);
        Ran::from(command.args(words).arg("--state").arg(&state).output().unwrap())
    };
    let (root, password) = (root.to_str().unwrap(), password.to_str().unwrap());
    let ran = server(&["user", "add", "ann", "--root", root, "--password-file", password]);
    assert!(ran.code == Some(1) && ran.stderr.contains(": runuser -u "), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
}

#[test]
fn a_fingerprint_is_looked_for_and_not_made() {
    let world = World::empty();
    for state in [world.state(), world.local().join("none")] {
        let mut command = Command::new(&binaries().server);
        let ran = Ran::from(command.args(["fingerprint", "--state"]).arg(&state).output().unwrap());
        assert!(ran.code == Some(1) && ran.stderr.contains("there is no key in"), "{}", ran.stderr);
    }
    assert!(!world.local().join("none").exists() && !world.state().join("identity.pem").exists());
}

/// Without the boot id, files staged before a restart of the service are hashed again.
#[test]
fn the_service_sees_which_run_of_the_machine_it_is() {
    assert!(!UNIT.lines().any(|line| line.starts_with("ProcSubset=")));
}

#[test]
fn the_service_can_give_files_away_and_sees_whose_they_are() {
    let filters: Vec<&str> = UNIT.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    let place = |name: &str| filters.iter().position(|filter| filter.contains(name));
    assert!(place("@chown") > place("~@privileged"), "the later one counts: {filters:?}");
    assert!(UNIT.lines().any(|line| line == "PrivateUsers=no"));
}

/// The configuration would be wrong each time.
#[test]
fn the_service_is_not_started_again_with_a_wrong_configuration() {
    let world = World::empty();
    let config = world.local().join("config.toml");
    std::fs::write(&config, "listne = []").unwrap();
    let mut command = Command::new(&binaries().server);
    let ran = Ran::from(command.arg("serve").arg("--config").arg(&config).output().unwrap());
    let code = ran.code.expect("an exit code");
    assert!(UNIT.lines().any(|line| line == format!("RestartPreventExitStatus={code}")), "{}", ran.stderr);
}

const UNIT: &str = include_str!("../../../ftp-server/packaging/ftp-server.service");
