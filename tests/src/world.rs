//! The vocabulary of the tests: a world with a real server process, real client processes and folders of its own.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal as signal_stream};

/// The password of every user of a [`World`].
pub const PASSWORD: &str = "correct horse battery staple";

/// Folders of its own, a server for one of them, and clients. Dropping it removes everything.
pub struct World {
    /// Declared before the folder, which contains its log.
    server: Option<Server>,
    folder: TempDir,
    /// How often the system was restarted.
    restarts: u32,
}

/// A running server process.
pub struct Server {
    process: Child,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Its key's fingerprint, as it printed it.
    pub fingerprint: String,
    log: PathBuf,
}

/// The result of a client's run.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error, as text.
    pub stderr: String,
}

impl World {
    /// A world without a server.
    #[must_use]
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// A world without a server, with its folders below `place`.
    #[must_use]
    pub fn empty_in(place: &Path) -> Self {
        let folder = TempDir::with_prefix_in("ftpx-world-", place).expect("a temporary folder");
        for name in ["root", "local", "state"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        std::fs::write(folder.path().join("password"), PASSWORD).expect("a password file");
        private(&folder.path().join("password"), 0o600);
        private(&folder.path().join("state"), 0o700);
        Self { server: None, folder, restarts: 0 }
    }

    /// A world whose server serves `root` to `tester` with full access.
    #[must_use]
    pub fn serving() -> Self {
        let mut world = Self::empty();
        world.add_user("tester", "full");
        world.serve(&[]);
        world
    }

    /// The same, with the configuration `config`.
    #[must_use]
    pub fn serving_with(config: &str) -> Self {
        let mut world = Self::empty();
        world.add_user("tester", "full");
        world.serve_with(config, &[]);
        world
    }

    /// Starts the server with the configuration `config`, and further arguments.
    pub fn serve_with(&mut self, config: &str, arguments: &[&str]) {
        let path = self.folder.path().join("config.toml");
        std::fs::write(&path, config).expect("a configuration file");
        let config = ["--config", path.to_str().expect("a path in UTF-8")];
        self.serve(&[&config, arguments].concat());
    }

    /// Adds a user with [`PASSWORD`] for the served folder.
    pub fn add_user(&self, name: &str, access: &str) {
        let mut command = Command::new(&binaries().server);
        command
            .args(["user", "add", name, "--access", access, "--state"])
            .arg(self.folder.path().join("state"));
        command
            .arg("--root")
            .arg(self.root())
            .arg("--password-file")
            .arg(self.folder.path().join("password"));
        let output = command.output().expect("ftp-server runs");
        assert!(output.status.success(), "user add: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server with further arguments.
    pub fn serve(&mut self, arguments: &[&str]) {
        self.serve_at("127.0.0.1:0", arguments);
    }

    /// The same, at another address. The server runs in the network of the calling thread.
    pub fn serve_at(&mut self, address: &str, arguments: &[&str]) {
        let command = self.server_command(address, arguments);
        self.server = Some(Server::start(command, self.log_file()));
    }

    /// Starts the server with a log that goes to `stderr`, like [`serve`](Self::serve) otherwise.
    pub fn serve_logging_to(&mut self, stderr: impl Into<Stdio>, environment: &[(&str, &str)]) {
        let mut command = self.server_command("127.0.0.1:0", &[]);
        command.envs(environment.iter().copied());
        self.server = Some(Server::start_logging_to(stderr, command, self.log_file()));
    }

    fn server_command(&self, address: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&binaries().server);
        command.args(["serve", "--listen", address, "--state"]).arg(self.folder.path().join("state"));
        command.args(arguments);
        self.set_boot(&mut command);
        command
    }

    fn set_boot(&self, command: &mut Command) {
        if self.restarts > 0 {
            command.env("FTPX_BOOT_ID", format!("{:032x}", self.restarts));
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Starts the server by the command that `wrap` makes of its own, if any.
    pub fn serve_by(&mut self, wrap: impl FnOnce(Command) -> Option<Command>) -> Option<()> {
        let mut command = Command::new(&binaries().server);
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(self.state());
        command.current_dir(self.local());
        self.server = Some(Server::start(wrap(command)?, self.folder.path().join("server.log")));
        Some(())
    }

    /// Kills the server and starts another one, with the same key and address.
    pub fn restart(&mut self) {
        let address = self.server().address.to_string();
        self.server_mut().kill();
        self.serve_at(&address, &[]);
    }

    /// Simulates a restart of the machine: programs started from now on see another boot. Only debug builds support this.
    pub fn restart_system(&mut self) {
        self.restarts += 1;
    }

    /// The served folder.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The folder that clients run in.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.folder.path().join("local")
    }

    /// The server's state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The file that contains [`PASSWORD`].
    #[must_use]
    pub fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("a server was started")
    }

    /// Returns the server, to stop it.
    pub fn server_mut(&mut self) -> &mut Server {
        self.server.as_mut().expect("a server was started")
    }

    /// Returns the URL of a path of `tester`, with the server's key. The path is percent-encoded.
    #[must_use]
    pub fn url(&self, path: impl AsRef<OsStr>) -> String {
        self.url_of("tester", path)
    }

    /// Returns the URL of a path of a user, with the server's key. The path is percent-encoded.
    #[must_use]
    pub fn url_of(&self, user: &str, path: impl AsRef<OsStr>) -> String {
        let Server { address, fingerprint, .. } = self.server();
        format!("ftpx://{user}@{address}/{}?pin={fingerprint}", percent_encode(path.as_ref()))
    }

    /// Runs the client in the local folder, without a terminal and without this machine's configuration.
    pub fn client<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::from(self.client_command(arguments).output().expect("ftp-client runs"))
    }

    /// The same, not started yet.
    pub fn client_command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        hear_signals();
        let mut command = Command::new(&binaries().client);
        command.args(arguments).current_dir(self.local()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("FTPX_PASSWORD", PASSWORD);
        self.set_boot(&mut command);
        command
    }

    /// Runs the client and expects success.
    pub fn check<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let ran = self.client(&arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran
    }
}

impl Server {
    /// Starts a server process and waits until it reports that it listens.
    #[must_use]
    pub fn start(command: Command, log: PathBuf) -> Self {
        let to_log = std::fs::File::create(&log).expect("a log file");
        Self::start_logging_to(to_log, command, log)
    }

    /// The same, with a log that goes elsewhere than to the file `log`.
    #[must_use]
    pub fn start_logging_to(stderr: impl Into<Stdio>, mut command: Command, log: PathBuf) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        command.process_group(0); // a Ctrl-C for the tests must not reach the server
        let mut process = command.spawn().expect("ftp-server runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let mut words = line.split_whitespace().skip(2);
        let (address, fingerprint) = (words.next(), words.next());
        let (Some(Ok(address)), Some(fingerprint)) = (address.map(str::parse), fingerprint) else {
            panic!("ftp-server said {line:?}: {}", std::fs::read_to_string(&log).unwrap_or_default());
        };
        Self { process, address, fingerprint: fingerprint.to_owned(), log }
    }

    /// The server's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Asks it to drain, and waits until it has ended.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.process.id(), "TERM");
        self.wait()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> Option<i32> {
        self.process.wait().expect("the server's end").code()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.process.kill(); // it may have ended by itself
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// Standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The two programs, built once if they are out of date.
pub struct Binaries {
    /// ftp-server.
    pub server: PathBuf,
    /// ftp-client.
    pub client: PathBuf,
}

/// Returns the two programs, of the same profile as the caller.
#[must_use]
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let own = std::env::current_exe().expect("a path of this program");
        let mut folder = own.parent().expect("a folder").to_owned();
        let is_test = folder.ends_with("deps");
        if is_test {
            folder.pop();
        }
        let is_release = folder.ends_with("release");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--bins"]);
        if is_test && !is_release {
            // With the same features as `cargo test --workspace`, which has then built everything already.
            build.args(["--workspace", "--test", "end_to_end"]);
        } else {
            build.args(["-p", "ftp-server", "-p", "ftp-client"]);
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        build.args(is_release.then_some("--release"));
        assert!(build.status().expect("cargo runs").success(), "the programs do not build");
        Binaries { server: folder.join("ftp-server"), client: folder.join("ftp-client") }
    })
}

/// Makes signals that this process ignores, as after `nohup` or a shell's `&`, act on the programs that it starts: a signal
/// that is caught here is not ignored there.
fn hear_signals() {
    static HEARD: OnceLock<()> = OnceLock::new();
    // In a thread of its own: a test may be asynchronous, where dropping a runtime is not allowed.
    HEARD.get_or_init(|| std::thread::spawn(catch_ignored_signals).join().expect("signals are caught"));
}

fn catch_ignored_signals() {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process's status");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("SigIgn");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a mask");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let _entered = runtime.enter();
    for kind in [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()] {
        if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
            let _caught = signal_stream(kind).expect("a signal"); // it stays caught
        }
    }
}

/// Sends a signal to a process started by the tests.
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {process}");
}

fn percent_encode(path: &OsStr) -> String {
    use std::os::unix::ffi::OsStrExt;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.as_bytes()
        .iter()
        .map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn private(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
}
