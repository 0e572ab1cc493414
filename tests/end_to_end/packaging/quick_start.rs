//! Runs the commands of the README, in their order, in an almost empty home.

use super::documents::examples_of;
use crate::support::content;
use crate::support::sshd::LOCAL_SSH;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use tests::world::{PASSWORD, Ran, Server, binaries};

/// Rebuilds the programs; its parts have tests of their own.
const DEMO: &str = "cargo demo";

/// A home with a few files to send.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { folder: TempDir::new().unwrap() };
        fs::create_dir_all(home.path("photos/2026")).unwrap();
        fs::write(home.path("photos/2026/cat.jpg"), content(1, 300_000)).unwrap();
        fs::write(home.path("photos/notes.txt"), "hello\n").unwrap();
        fs::write(home.path("report.pdf"), content(2, 50_000)).unwrap();
        fs::create_dir(home.path("bin")).unwrap();
        fs::write(home.path("bin/ssh"), format!("#!/bin/sh\n{LOCAL_SSH}\n")).unwrap();
        fs::set_permissions(home.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        home
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Returns a command as run by a person's shell, with the password in the environment, since there is no terminal.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("bash");
        let programs = binaries().client.parent().unwrap().display().to_string();
        command.args(["-c", line]).current_dir(self.folder.path()).env_clear();
        command
            .env("HOME", self.folder.path())
            .env("PATH", format!("{programs}:{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("FTPX_PASSWORD", PASSWORD);
        command
    }

    /// Starts a server on a free port.
    fn serve(&self, line: &str) -> Server {
        let command = self.command(&format!("exec {line} --listen 127.0.0.1:0"));
        Server::start(command, self.path("log"))
    }

    fn run(&self, line: &str) {
        let ran = Ran::from(self.command(line).output().unwrap());
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
    }
}

#[test]
fn the_readmes_commands_work_in_an_empty_home() {
    let home = Home::new();
    let mut server = None;
    for example in examples_of("README.md") {
        if example == DEMO {
            continue;
        }
        if example.starts_with("ftp-server share") {
            assert_eq!(home.serve(&example).terminate(), Some(0));
        } else if example.starts_with("ftp-server serve") {
            server = Some(home.serve(&example));
        } else if example.starts_with("ftp-server user add") {
            home.run(&format!("{example} --password-file - <<< \"$FTPX_PASSWORD\""));
        } else {
            let address = server.as_ref().map(|server| server.address.to_string()).unwrap_or_default();
            let line = example.replace("ftpx://ann@localhost/", &format!("ftpx://ann@{address}/"));
            let is_first = line.contains("ann@localhost::");
            let line = line.replace("ann@localhost::/", &format!("ftpx://ann@{address}/"));
            home.run(&if is_first { format!("{line} --accept-new") } else { line });
        }
    }
    assert_eq!(fs::read(home.path("srv/report.pdf")).unwrap(), content(2, 50_000));
    assert_eq!(fs::read(home.path("host/backup/photos/2026/cat.jpg")).unwrap(), content(1, 300_000));
    assert_eq!(fs::read(home.path("backup/2026/cat.jpg")).unwrap(), content(1, 300_000));
}
