//! The command lines of ssh: what is asked of its configuration, how channels share one connection, and what runs at the other end.

use super::NoGreeting;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

/// How ssh is run.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// The program and its first arguments.
    pub command: Vec<OsString>,
    /// The server's program at the other end; `None` to look for `ftp-server` in the usual places.
    pub server: Option<ServerProgram>,
    /// Connections of ssh that data may use, where it cannot go around ssh.
    pub connections: u16,
    /// The program to bring to a host that lacks it, if that was asked for.
    pub send: Option<PathBuf>,
    /// Nobody answers questions, and a connection that is there already may be dead.
    pub is_unattended: bool,
}

/// The path of a program at the other end, which no shell there takes for anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerProgram(String);

/// A path that a shell could take for something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("may hold letters, digits and _ . / ~ + @ % = , : - only, and must not begin with -")]
pub struct BadServerProgram;

/// The host that ssh connects to.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) host: String,
    /// Port of sshd; 0 for the one of ssh's configuration.
    pub(super) port: u16,
    pub(super) user: Option<String>,
}

/// Command lines for one session.
pub(super) struct SshCommand {
    options: SshOptions,
    destination: Destination,
    config: SshConfig,
    /// Holds the sockets of the connections that channels share.
    folder: TempDir,
    /// The user has a connection to that host already, which is used.
    shares_own: bool,
}

/// A host, as ssh's configuration has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct SshConfig {
    host_name: Option<String>,
    /// The host is reached through others.
    has_proxy: bool,
    control_path: Option<PathBuf>,
}

impl Default for SshOptions {
    fn default() -> Self {
        Self { command: vec!["ssh".into()], server: None, connections: 1, send: None, is_unattended: false }
    }
}

impl SshOptions {
    /// Lets ssh fail where it would ask a question, or wait for longer.
    #[must_use]
    pub fn unattended(mut self, timeout: Duration) -> Self {
        self.command.extend([
            "-oBatchMode=yes".into(),
            format!("-oConnectTimeout={}", timeout.as_secs().max(1)).into(),
        ]);
        (self.send, self.is_unattended) = (None, true);
        self
    }

    /// Why there was no greeting.
    pub(super) fn explain(&self, host: &str, error: &NoGreeting) -> String {
        match (error, &self.server) {
            (NoGreeting::Exit(Some(NOT_FOUND | NOT_EXECUTABLE)), None) => format!(
                "ftp-server is not installed there, or not where it is looked for: send it there with --send-server, or name it with \
                 --server-path (it is looked for in the PATH of `ssh {host} env`, ~/.local/bin, ~/.cargo/bin, /usr/local/bin)"
            ),
            (NoGreeting::Exit(Some(NOT_FOUND | NOT_EXECUTABLE)), Some(ServerProgram(path))) => {
                format!("{path} cannot be run there")
            }
            (NoGreeting::Exit(Some(OF_SSH)), _) if self.is_unattended => "ssh could not connect".to_owned(),
            (NoGreeting::Exit(Some(OF_SSH)), _) => "ssh could not connect, as it says above".to_owned(),
            (NoGreeting::Exit(code), _) => {
                let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
                format!("the server there ended with {code} before it answered")
            }
            (NoGreeting::NotStarted(error), _) => {
                let program =
                    self.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
                format!("cannot run {program}: {error}")
            }
            (NoGreeting::Version, _) => {
                "the ftp-server there is of another version; --send-server brings this one there".to_owned()
            }
            (NoGreeting::Other(reason), _) => reason.clone(),
        }
    }
}

impl std::str::FromStr for ServerProgram {
    type Err = BadServerProgram;

    fn from_str(text: &str) -> Result<Self, BadServerProgram> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./~+@%=,:-".contains(&byte);
        let good = !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain);
        if good { Ok(Self(text.to_owned())) } else { Err(BadServerProgram) }
    }
}

impl SshCommand {
    /// Asks ssh's configuration about the host, and makes the folder of shared connections.
    pub(super) async fn prepare(options: SshOptions, destination: Destination) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ftpx-").tempdir()?; // private
        let mut command =
            Self { options, destination, config: SshConfig::default(), folder, shares_own: false };
        let mut ask = command.ssh();
        ask.arg("-G").args(["--", &command.destination.host]).stdin(Stdio::null()).stderr(Stdio::null());
        if let Ok(told) = ask.output().await {
            command.config = SshConfig::of(&String::from_utf8_lossy(&told.stdout));
        }
        let control_path = command.config.control_path.as_ref();
        if !command.options.is_unattended && control_path.is_some_and(|path| path.exists()) {
            let mut check = command.ssh();
            check.args(["-O", "check", "--", &command.destination.host]);
            check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.shares_own = check.status().await.is_ok_and(|status| status.success());
        }
        Ok(command)
    }

    /// Starts the server.
    pub(super) fn stdio(&self) -> Command {
        let mut ssh = self.channel(0);
        ssh.args(["--", &self.destination.host]).arg(self.at_other_end("stdio"));
        if self.options.is_unattended {
            ssh.stderr(Stdio::null()); // the line belongs to a person who types, or to a progress bar
        }
        ssh
    }

    /// Opens a further channel to the server of the name `pipe`, over the connection of this number.
    pub(super) fn pipe(&self, pipe: &str, connection: u16) -> Command {
        let mut ssh = self.channel(connection);
        ssh.arg("-oBatchMode=yes"); // a question now would come in the middle of the transfer
        ssh.args(["--", &self.destination.host]).arg(self.at_other_end(&format!("pipe {pipe}")));
        ssh
    }

    /// The connections of ssh that data may use.
    pub(super) fn connections(&self) -> u16 {
        self.options.connections.max(1)
    }

    /// The name by which the host may be reached without ssh; `None` if it is reached through others.
    pub(super) fn host_name(&self) -> Option<&str> {
        let name = self.config.host_name.as_deref().unwrap_or(&self.destination.host);
        (!self.config.has_proxy).then_some(name)
    }

    /// Runs another command there.
    pub(super) fn run(&self, command: &str) -> Command {
        let mut ssh = self.channel(0);
        ssh.args(["--", &self.destination.host, command]);
        ssh
    }

    fn ssh(&self) -> Command {
        let mut words = self.options.command.iter();
        let mut ssh = Command::new(words.next().map_or("ssh".as_ref(), OsString::as_os_str));
        ssh.args(words);
        if let Some(user) = &self.destination.user {
            ssh.args(["-l", user]);
        }
        if self.destination.port != 0 {
            ssh.args(["-p", &self.destination.port.to_string()]);
        }
        ssh
    }

    fn channel(&self, connection: u16) -> Command {
        let mut ssh = self.ssh();
        ssh.args([
            "-T",
            "-a",
            "-x",
            "-oClearAllForwardings=yes",
            "-oRemoteCommand=none",
            "-oRequestTTY=no",
            "-oPermitLocalCommand=no",
            "-oServerAliveInterval=15",
            "-oServerAliveCountMax=4",
        ]);
        if connection > 0 || !self.shares_own {
            let socket = self.folder.path().join(connection.to_string());
            ssh.args(["-oControlMaster=auto", "-oControlPersist=no"]).arg("-S").arg(socket);
        }
        ssh
    }

    /// The command for the login shell there, which may be any: `sh` runs it, and looks where non-interactive shells often do not.
    fn at_other_end(&self, command: &str) -> String {
        let ServerProgram(program) = match &self.options.server {
            Some(program) => program,
            None => &ServerProgram("ftp-server".to_owned()),
        };
        format!(
            "sh -c 'PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin; command -v {program} >/dev/null || exit {NOT_FOUND}; \
             exec {program} {command}'"
        )
    }
}

impl SshConfig {
    /// Reads what `ssh -G` prints.
    fn of(text: &str) -> Self {
        let values = |key: &str| {
            let key = format!("{key} ");
            text.lines().filter_map(move |line| line.strip_prefix(&*key).map(str::to_owned)).next()
        };
        let is_set = |value: Option<String>| value.filter(|value| value != "none");
        Self {
            host_name: values("hostname"),
            has_proxy: is_set(values("proxyjump")).or(is_set(values("proxycommand"))).is_some(),
            control_path: is_set(values("controlpath")).map(PathBuf::from),
        }
    }
}

/// The shell's exit code for a program that is not there.
pub(super) const NOT_FOUND: i32 = 127;
/// The shell's exit code for a file that is no program.
pub(super) const NOT_EXECUTABLE: i32 = 126;
/// The exit code of ssh's own failures.
pub(super) const OF_SSH: i32 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_read_as_ssh_prints_it() {
        let told = "user ann\nhostname 192.0.2.1\nport 22\nproxyjump none\ncontrolpath /run/x\n";
        let expected = SshConfig {
            host_name: Some("192.0.2.1".to_owned()),
            has_proxy: false,
            control_path: Some("/run/x".into()),
        };
        assert_eq!(SshConfig::of(told), expected);
        assert!(SshConfig::of("proxyjump jump.example.org\n").has_proxy);
        assert!(SshConfig::of("proxycommand nc %h %p\n").has_proxy);
        assert_eq!(SshConfig::of(""), SshConfig::default());
    }

    #[test]
    fn a_program_is_one_word_for_every_shell() {
        for good in ["ftp-server", "/opt/ftpx-1.0/ftp-server", "~/bin/ftp-server"] {
            assert!(good.parse::<ServerProgram>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a;b", "$(x)", "a'b", "a`b`", "a\nb", "é"] {
            assert_eq!(bad.parse::<ServerProgram>(), Err(BadServerProgram), "{bad}");
        }
    }
}
