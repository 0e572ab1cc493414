//! The stage of the examples: a server, a home, a current folder, and everything that examples use in them.

use crate::support::sshd::LOCAL_SSH;
use crate::support::{PATIENCE, content};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use tests::world::{PASSWORD, Ran, World, binaries, signal};

/// An OpenSSH public key whose private key does not exist here.
pub(super) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

/// A server and the folders around it.
pub(super) struct Stage {
    pub(super) world: World,
    /// The client's configuration: profiles, and the known server.
    config: Vec<(&'static str, String)>,
    tar: Vec<u8>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let mut world = World::empty();
        world.add_user("ann", "full");
        world.serve(&[]);
        let address = world.server().address;
        let fingerprint = world.server().fingerprint.clone();
        let url = format!("url = \"ftpx://ann@{address}/\"\n");
        let config = vec![
            ("config.toml", format!("[profile.work]\n{url}\n[profile.there]\n{url}")),
            ("known_hosts", format!("{address} {fingerprint}\nfiles.example.org:2121 {fingerprint}\n")),
        ];
        let stage = Self { world, config, tar: Vec::new() };
        stage.make_bin();
        stage.set();
        let tar =
            Command::new("tar").args(["c", "photos"]).current_dir(stage.current()).output().unwrap().stdout;
        Self { tar, ..stage }
    }

    /// Makes everything that examples use anew.
    pub(super) fn set(&self) {
        for folder in [self.current(), self.home(), self.world.root()] {
            let _ = fs::remove_dir_all(&folder); // the first time it is not there
            fs::create_dir(folder).unwrap();
        }
        let (root, current, home) = (self.world.root(), self.current(), self.home());
        for photos in [root.clone(), root.join("photos"), current.join("photos"), home.join("photos")] {
            write(&photos.join("2026/cat.jpg"), &content(1, 300_000));
            write(&photos.join("2026/may/dog.jpg"), b"dog");
            write(&photos.join("notes.txt"), b"hello\n");
        }
        for file in [
            "photos/cat.jpg",
            "photos/old/x.jpg",
            "site/index.html",
            "work/a",
            "inbox/a",
            "projects/a",
            "final/a",
        ] {
            write(&root.join(file), b"there");
        }
        for file in
            ["report.pdf", "db.sql", "disk.iso", "draft.txt", "run.sh", "stamp", "projects/report.pdf"]
        {
            write(&root.join(file), b"there");
        }
        write(&root.join("backup.tar"), &self.tar);
        write(&root.join("backup/a"), b"there");
        for file in ["report.pdf", "site/old.html", "inbox/a", "srv/files/a", "srv/alice/a"] {
            write(&current.join(file), b"here");
        }
        for name in ["pw", "new.password", "backup.password"] {
            write(&current.join(name), format!("{PASSWORD}\n").as_bytes());
            fs::set_permissions(current.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        for key in [current.join("bob.pub"), current.join("alice.pub"), home.join(".ssh/id_ed25519.pub")] {
            write(&key, format!("{KEY} bob@desk\n").as_bytes());
        }
        write(&current.join("srv/backup/a"), b"here");
        write(&current.join("srv/bob/a"), b"here");
        write(&current.join("ftp-server.toml"), b"");
        for script in ["nightly", "nightly.ftpx"] {
            write(&current.join(script), b"mkdir -p backup/$DAY\ncd backup/$DAY\nput -r photos\n");
        }
        write(&home.join("work/a"), b"here");
        write(&home.join(".work"), format!("{PASSWORD}\n").as_bytes());
        fs::set_permissions(home.join(".work"), fs::Permissions::from_mode(0o600)).unwrap();
        for folder in ["backup", ".local/share/man/man1", ".local/share/bash-completion/completions"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        for (name, text) in &self.config {
            write(&home.join(".config/ftp-client").join(name), text.as_bytes());
        }
    }

    /// Runs lines like a person's shell; stops at the first failure.
    pub(super) fn shell(&self, lines: &str) -> Ran {
        Ran::from(self.command(&format!("set -eo pipefail\n{lines}")).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a server until it listens, and ends it.
    pub(super) fn serve(&self, line: &str) -> Result<(), String> {
        let listen = if line.contains("--listen") { "" } else { " --listen 127.0.0.1:0" };
        let mut command = self.command(&format!("exec {line}{listen}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (tell, told) = mpsc::channel();
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(line); // the receiver may be gone
            }
        });
        let first = told.recv_timeout(PATIENCE).unwrap_or_default();
        let listens = first.contains("listening");
        if listens {
            signal(child.id(), "TERM")
        } else {
            drop(child.kill())
        }
        let output = child.wait_with_output().unwrap();
        reading.join().unwrap();
        if listens && output.status.code() == Some(0) {
            Ok(())
        } else {
            Err(format!(
                "said {first:?}, ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ))
        }
    }

    fn command(&self, text: &str) -> Command {
        let programs = binaries().client.parent().unwrap().display().to_string();
        let bin = self.world.local().join("bin").display().to_string();
        let mut command = Command::new("bash");
        command.args(["-c", text]).current_dir(self.current()).env_clear();
        command.env("HOME", self.home()).env("FTPX_PASSWORD", PASSWORD).env("DAY", "monday");
        command.env("PATH", format!("{bin}:{programs}:/usr/bin:/bin"));
        command
    }

    /// Makes stand-ins for programs that a machine may lack, and for the network.
    fn make_bin(&self) {
        let bin = self.world.local().join("bin");
        for (name, text) in [
            ("pg_dump", "echo 'CREATE TABLE t (x int);'".to_owned()),
            ("curl", format!("echo '{KEY}'")),
            ("man", "exec cat > /dev/null".to_owned()),
            ("ssh", LOCAL_SSH.to_owned()),
        ] {
            write(&bin.join(name), format!("#!/bin/sh\n{text}\n").as_bytes());
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn current(&self) -> PathBuf {
        self.world.local().join("current")
    }

    fn home(&self) -> PathBuf {
        self.world.local().join("home")
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
