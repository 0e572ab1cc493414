//! The other tools: their paths, which are missing, and how to get them.

use std::path::PathBuf;
use std::process::Command;

/// A program that the comparison uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tool {
    pub(crate) program: &'static str,
    /// The package that contains it, by its name in Debian and Ubuntu.
    pub(crate) package: &'static str,
    /// The option that prints its version, if it has one and no other tool here prints the same.
    version: &'static str,
}

pub(crate) const RSYNC: Tool = tool("rsync", "rsync", "--version");
pub(crate) const SSHD: Tool = tool("sshd", "openssh-server", "");
pub(crate) const SSH: Tool = tool("ssh", "openssh-client", "-V");
pub(crate) const SCP: Tool = tool("scp", "openssh-client", "");
pub(crate) const SSH_KEYGEN: Tool = tool("ssh-keygen", "openssh-client", "");
pub(crate) const VSFTPD: Tool = tool("vsftpd", "vsftpd", "");
pub(crate) const LFTP: Tool = tool("lftp", "lftp", "--version");
pub(crate) const CURL: Tool = tool("curl", "curl", "--version");
pub(crate) const NGINX: Tool = tool("nginx", "nginx-light", "-v");

const fn tool(program: &'static str, package: &'static str, version: &'static str) -> Tool {
    Tool { program, package, version }
}

impl Tool {
    /// Finds it in the search path, or among the programs of servers.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
        folders.map(|folder| folder.join(self.program)).find(|program| program.is_file())
    }

    /// The first line it prints about its version.
    pub(crate) fn version(self) -> Option<String> {
        let program = self.find().filter(|_| !self.version.is_empty())?;
        let output = Command::new(program).arg(self.version).output().ok()?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        printed.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }
}
