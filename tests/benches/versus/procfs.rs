//! Reads the kernel's figures of a daemon and its descendants from /proc.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// `process` and all its living descendants.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let mut members = vec![process];
    let mut next = 0;
    while let Some(&member) = members.get(next) {
        members.extend(children(member));
        next += 1;
    }
    members
}

fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// CPU time of `process` and its descendants since they started, including those that have ended and were waited for.
pub(crate) fn cpu(process: u32) -> Duration {
    let ticks: u64 = family(process).into_iter().filter_map(ticks).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system time of one process and of the children it has waited for.
fn ticks(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1; // the name may contain spaces and parentheses
    // utime is field 14 of proc(5); the state, field 3, is the first here.
    after_name.split_whitespace().skip(11).take(4).map(|field| field.parse::<u64>().ok()).sum()
}

/// Peak memory of the largest process of a family, sampled while they come and go.
#[derive(Debug, Default)]
pub(crate) struct PeakMemory {
    bytes: HashMap<u32, u64>,
}

impl PeakMemory {
    /// Resets the peak of `process` and its descendants where the kernel permits.
    pub(crate) fn reset(process: u32) -> Self {
        for member in family(process) {
            let _ = fs::write(format!("/proc/{member}/clear_refs"), "5");
        }
        Self::default()
    }

    pub(crate) fn look(&mut self, process: u32) {
        for member in family(process) {
            if let Some(bytes) = peak_of(member) {
                self.bytes.insert(member, bytes);
            }
        }
    }

    pub(crate) fn largest(&self) -> Option<u64> {
        self.bytes.values().copied().max()
    }
}

/// Peak resident memory of one process in bytes.
pub(crate) fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// The machine's load over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}
