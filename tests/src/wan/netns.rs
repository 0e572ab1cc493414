//! One host of the simulated network: a network namespace, made and removed with iproute2.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::link::DEVICE;

/// A namespace of this process; dropping it removes it.
#[derive(Debug)]
pub(super) struct Netns {
    name: String,
}

impl Netns {
    pub(super) fn create(name: String) -> Result<Self> {
        ip(&["netns", "add", &name])?;
        Ok(Self { name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `action` in a thread of its own that has moved into the namespace.
    pub(super) fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> Result<T> {
        let handle = File::open(Path::new(FOLDER).join(&self.name))?;
        let enter = || move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network));
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| enter().map(|()| action()));
            thread
                .join()
                .map_err(|_| anyhow!("a thread on {} panicked", self.name))?
                .context("entering a namespace")
        })
    }

    /// Gives the host its address, and the settings of a host tuned for long paths.
    pub(super) fn configure(&self, address: Ipv4Addr, congestion: Option<&str>) -> Result<()> {
        let address = address.to_string();
        self.ip(&["link", "set", "lo", "up"])?;
        self.ip(&["addr", "add", &format!("{address}/24"), "dev", DEVICE])?;
        if let Some(congestion) = congestion {
            let route = ["route", "change", NETWORK, "dev", DEVICE, "proto", "kernel", "scope", "link"];
            self.ip(&[&route[..], &["src", &address, "congctl", congestion]].concat())?;
        }
        self.inside(tune)
    }

    pub(super) fn congestion(&self) -> Result<String> {
        let routes = self.ip(&["route", "show", "dev", DEVICE])?;
        let mut words = routes.split_whitespace().skip_while(|word| *word != "congctl").skip(1);
        if let Some(name) = words.next() {
            return Ok(name.to_owned());
        }
        let default = self.inside(|| fs::read_to_string(Path::new(TCP).join("tcp_congestion_control")))??;
        Ok(default.trim().to_owned())
    }

    fn ip(&self, arguments: &[&str]) -> Result<String> {
        ip(&[&["-n", &self.name][..], arguments].concat())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// Removes the namespaces of processes that are gone, and ends processes still running in them.
pub(super) fn sweep() {
    for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if owner(name).is_some_and(|process| !is_running(process)) {
            end_processes(name);
            let _ = ip(&["netns", "del", name]);
        }
    }
}

fn end_processes(name: &str) {
    let listed = ip(&["netns", "pids", name]).unwrap_or_default();
    let processes = listed.split_whitespace().filter_map(|id| id.parse().ok()).filter_map(Pid::from_raw);
    for process in processes {
        let _ = kill_process(process, Signal::KILL);
    }
}

/// True if a process with this id runs; false for one that has ended but was not waited for.
pub fn is_running(process: u32) -> bool {
    let program = fs::read_link(format!("/proc/{process}/exe"));
    !program.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Returns the process that made a namespace of this name.
fn owner(name: &str) -> Option<u32> {
    let (process, rest) = name.strip_prefix("wan-")?.split_once('-')?;
    let (number, side) = rest.split_once('-')?;
    number.parse::<u32>().ok()?;
    matches!(side, "a" | "b").then_some(process.parse().ok()?)
}

/// Sets the calling thread's namespace up for a path with a large bandwidth-delay product. Best effort: a kernel may
/// refuse any of it to a namespace.
fn tune() {
    for (name, value) in [
        ("tcp_rmem", "4096 131072 67108864"),
        ("tcp_wmem", "4096 65536 67108864"),
        ("tcp_no_metrics_save", "1"), // a connection must not inherit measurements of an earlier one
    ] {
        let _ = fs::write(Path::new(TCP).join(name), value);
    }
}

fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).output().context("running ip (package iproute2)")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const FOLDER: &str = "/run/netns";
const NETWORK: &str = "10.77.0.0/24";
/// TCP's settings, those of the reading thread's namespace.
const TCP: &str = "/proc/sys/net/ipv4";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{is_running, owner};

    #[test]
    fn only_names_of_this_kind_have_an_owner() {
        assert_eq!(owner("wan-123-0-a"), Some(123));
        assert_eq!([owner("wan-a"), owner("wan-12-a"), owner("other-1-0-a"), owner("wan-1-0-c")], [None; 4]);
    }

    #[test]
    fn a_process_runs_until_it_has_ended() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(is_running(child.id()));
        drop(child.stdin.take());
        while is_running(child.id()) {
            std::thread::yield_now(); // ended, but not waited for
        }
        child.wait().unwrap();
    }
}
