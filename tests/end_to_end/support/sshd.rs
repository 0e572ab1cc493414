//! A real sshd for each test, at a port of its own that counts bytes and can break connections. It reads its own configuration, and
//! commands run with a home folder of the test's.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tests::world::{Ran, World, binaries};

/// A world with an sshd and no server.
pub(crate) struct SshWorld {
    pub(crate) world: World,
    port: Arc<Port>,
    address: SocketAddr,
}

/// Traffic of sshd's port.
#[derive(Default)]
struct Port {
    bytes: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// How the server behind sshd behaves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Behaviour<'a> {
    /// The options of the key, in authorized_keys.
    pub(crate) key_options: &'a str,
    /// The server believes that it cannot be reached by TCP.
    pub(crate) is_walled_off: bool,
    /// There is no server.
    pub(crate) is_missing: bool,
}

impl SshWorld {
    /// Starts an sshd, if this machine has one that lets its own user in.
    pub(crate) fn start(behaviour: Behaviour<'_>) -> Option<Self> {
        if !Path::new(SSHD).exists() || !Path::new("/usr/bin/ssh").exists() {
            println!("skipped: sshd or ssh is not installed");
            return None;
        }
        let _ = std::fs::create_dir("/run/sshd"); // sshd of root demands it
        let (world, port) = (World::empty(), Arc::new(Port::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = Self { world, port, address: listener.local_addr().unwrap() };
        started.write_files(behaviour);
        let (port, config) = (started.port.clone(), started.file("sshd_config"));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                port.serve(client, &config);
            }
        });
        let tried = started.ssh().args(["there", "true"]).output().unwrap();
        if tried.status.success() || behaviour.key_options.contains("command=") {
            return Some(started);
        }
        println!("skipped: sshd lets nobody in: {}", String::from_utf8_lossy(&tried.stderr));
        None
    }

    /// The home folder at the other end.
    pub(crate) fn home(&self) -> PathBuf {
        self.world.root()
    }

    /// Runs the client, which knows sshd as `there`, and `behind` through it.
    pub(crate) fn client(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.client_command(arguments).output().unwrap())
    }

    /// Runs the client and expects success.
    pub(crate) fn check(&self, arguments: &[&str]) -> Ran {
        let ran = self.client(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran
    }

    pub(crate) fn client_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.client_command(arguments);
        command.env("FTPX_SSH", format!("ssh -F {}", self.file("ssh_config").display()));
        command
    }

    /// Bytes that went through sshd's port, in both directions.
    pub(crate) fn bytes_over_ssh(&self) -> u64 {
        self.port.bytes.load(Ordering::Relaxed)
    }

    /// Breaks all connections.
    pub(crate) fn break_connections(&self) {
        for open in self.port.open.lock().unwrap().drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.world.state().join(name)
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.file("ssh_config")).stdin(Stdio::null());
        ssh
    }

    fn write_files(&self, behaviour: Behaviour<'_>) {
        for key in ["host_key", "key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(self.file(key))
                .status();
            assert!(made.unwrap().success());
        }
        let key = std::fs::read_to_string(self.file("key.pub")).unwrap();
        std::fs::write(self.file("authorized_keys"), format!("{} {key}", behaviour.key_options)).unwrap();
        let programs = self.world.state().join("programs");
        std::fs::create_dir(&programs).unwrap();
        if !behaviour.is_missing {
            let connection = if behaviour.is_walled_off { "" } else { "127.0.0.1 1 127.0.0.1 2" };
            let script = format!(
                "#!/bin/sh\nexport HOME='{}' SSH_CONNECTION='{connection}'\nexport XDG_STATE_HOME='{}'\ncd \"$HOME\"\nexec '{}' \"$@\"\n",
                self.home().display(),
                self.file("server").display(),
                binaries().server.display()
            );
            std::fs::write(programs.join("ftp-server"), script).unwrap();
            std::fs::set_permissions(programs.join("ftp-server"), std::fs::Permissions::from_mode(0o755))
                .unwrap();
        }
        let state = self.world.state();
        let state = state.display();
        let mut sshd = String::new();
        for line in [
            "UsePAM no",
            "StrictModes no",
            "PermitRootLogin yes",
            "PidFile none",
            "PasswordAuthentication no",
        ] {
            writeln!(sshd, "{line}").unwrap();
        }
        writeln!(sshd, "HostKey {state}/host_key\nAuthorizedKeysFile {state}/authorized_keys").unwrap();
        writeln!(sshd, "SetEnv PATH={}:/usr/bin:/bin HOME={}", programs.display(), self.home().display())
            .unwrap();
        std::fs::write(self.file("sshd_config"), sshd).unwrap();
        let ssh = format!(
            "Host *\n UserKnownHostsFile {state}/known\n StrictHostKeyChecking accept-new\n LogLevel ERROR\n IdentityFile {state}/key\n\
             \x20IdentitiesOnly yes\n HostName 127.0.0.1\n Port {}\nHost behind\n ProxyJump there\n",
            self.address.port()
        );
        std::fs::write(self.file("ssh_config"), ssh).unwrap();
    }
}

impl Port {
    /// Hands a connection to an sshd of its own.
    fn serve(self: &Arc<Self>, client: TcpStream, config: &Path) {
        let Ok((ours, theirs)) = UnixStream::pair() else { return };
        let (stdin, stdout): (OwnedFd, OwnedFd) = (theirs.try_clone().unwrap().into(), theirs.into());
        let mut sshd = Command::new(SSHD);
        sshd.args(["-i", "-e", "-f"]).arg(config).stdin(stdin).stdout(stdout).stderr(Stdio::null());
        let Ok(mut process) = sshd.spawn() else { return };
        drop(sshd); // with its ends of the socket
        self.open.lock().unwrap().push(client.try_clone().unwrap());
        let (to, from) = (ours.try_clone().unwrap(), ours);
        let (reading, writing) = (client.try_clone().unwrap(), client);
        let (one, other) = (self.clone(), self.clone());
        thread::spawn(move || {
            one.copy(&reading, &to);
            let _ = to.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            other.copy(&from, &writing);
            let _ = writing.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            let _ = process.wait();
        });
    }

    fn copy(&self, mut from: impl Read, mut to: impl Write) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            self.bytes.fetch_add(len as u64, Ordering::Relaxed);
            if to.write_all(&buffer[..len]).is_err() {
                return;
            }
        }
    }
}

/// A program that stands for ssh: it runs the command here, in the folder `host` of the home folder.
pub(crate) const LOCAL_SSH: &str = r#"
while [ $# -gt 0 ]; do
    case "$1" in
        -[SlpFi]) shift 2 ;;
        -[GO]) exit 1 ;;
        --) shift; break ;;
        -*) shift ;;
        *) break ;;
    esac
done
shift
mkdir -p "$HOME/host" && cd "$HOME/host"
exec sh -c "$*""#;

const SSHD: &str = "/usr/sbin/sshd";
