//! Limits for programs under test, and measurements of their use: small disks, missing privileges, limits of the shell, open
//! files and memory.

use super::{is_root, output};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::world::World;

/// A small filesystem of its own, unmounted when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn on(folder: &Path) -> Option<Self> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = output(mount.args(["-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs"]).arg(folder));
        match mounted {
            Some(output) if output.status.success() => Some(Self(folder.to_owned())),
            _ => {
                println!("skipped: a small disk needs root and mount");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // nothing better can be done
    }
}

/// Returns the same command as a user who is bound by permissions.
pub(crate) fn without_privileges(command: Command) -> Option<Command> {
    if !is_root() {
        return Some(command);
    }
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]);
    if output(Command::new("setpriv").args(["--bounding-set=-dac_override,-dac_read_search", "true"]))
        .is_none_or(|output| !output.status.success())
    {
        println!("skipped: root may read everything, and setpriv is missing");
        return None;
    }
    bound.arg(command.get_program()).args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    bound.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(bound)
}

/// Returns the same command with a limit of the system.
pub(crate) fn limited(command: &Command, limit: &str) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(limit).arg("--").arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().unwrap()).env_clear().stdin(Stdio::null());
    limited.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited
}

/// Returns how many files, folders and sockets the server has open. Only root may read their list; others get their number,
/// since Linux 6.2.
pub(crate) fn handles(world: &World) -> usize {
    let list = format!("/proc/{}/fd", world.server().id());
    match fs::read_dir(&list) {
        Ok(open) => open.count(),
        Err(_) => fs::metadata(&list).unwrap().len().try_into().unwrap(),
    }
}

/// Returns a line of the server's status, in KiB.
pub(crate) fn memory_kib(world: &World, line: &str) -> u64 {
    crate::support::fake_server::status_kib(world.server().id(), line).unwrap()
}
