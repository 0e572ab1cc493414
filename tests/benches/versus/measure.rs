//! Measures one run of one client: its duration and the resources of both ends.

use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::Serialize;
use wait4::{ResUse, Wait4};

use crate::daemon::Daemon;
use crate::procfs::{self, PeakMemory};

/// The measurements of a run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    /// From the client's start to its exit.
    pub(crate) seconds: f64,
    /// The run was ended at its time limit.
    pub(crate) timed_out: bool,
    /// Bytes that had arrived when a run was ended early.
    pub(crate) arrived_bytes: Option<u64>,
    /// CPU time of the client and its children.
    pub(crate) client_cpu_seconds: f64,
    /// Peak memory of the largest process among the client and its children.
    pub(crate) client_peak_bytes: u64,
    pub(crate) server: Option<ServerUse>,
    /// Bytes on a simulated network, both ways together.
    pub(crate) network_bytes: Option<u64>,
}

/// The server's resources during a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ServerUse {
    /// CPU time of the server and its children.
    pub(crate) cpu_seconds: f64,
    /// Peak memory of the largest process among the server and its children.
    pub(crate) peak_bytes: Option<u64>,
}

/// A run: its measurements, and whether the client succeeded.
pub(crate) struct Run {
    pub(crate) sample: Sample,
    pub(crate) succeeded: bool,
}

/// The time limit of a run, and a way to count the bytes that had arrived by then.
pub(crate) struct Limit<'a> {
    pub(crate) cap: Duration,
    pub(crate) arrived_bytes: &'a dyn Fn() -> Result<u64>,
}

/// Runs `client` to its end, or to its limit.
pub(crate) fn run(client: Command, server: Option<&Daemon>, limit: &Limit<'_>) -> Result<Run> {
    let Some(server) = server else { return run_client(client, limit) };
    let process = server.process();
    let at_rest = procfs::family(process).len();
    let cpu_before = procfs::cpu(process);
    let (run, peak) = watching(process, || run_client(client, limit))?;
    let mut run = run?;
    server.settle(at_rest);
    let cpu_seconds = procfs::cpu(process).saturating_sub(cpu_before).as_secs_f64();
    run.sample.server = Some(ServerUse { cpu_seconds, peak_bytes: peak.largest() });
    Ok(run)
}

/// Samples the memory of `process` and its descendants during `action`.
fn watching<T>(process: u32, action: impl FnOnce() -> T) -> Result<(T, PeakMemory)> {
    let mut peak = PeakMemory::reset(process);
    std::thread::scope(|scope| {
        let (done, ended) = channel::<()>();
        let watcher = scope.spawn(move || {
            loop {
                peak.look(process);
                if ended.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
                    peak.look(process);
                    return peak;
                }
            }
        });
        let result = action();
        drop::<Sender<()>>(done);
        let peak =
            watcher.join().map_err(|_| anyhow::anyhow!("the watcher of the server's memory panicked"))?;
        Ok((result, peak))
    })
}

fn run_client(mut client: Command, limit: &Limit<'_>) -> Result<Run> {
    client.process_group(0); // so that all of them can be ended at once
    let name = client.get_program().to_owned();
    let began = Instant::now();
    let mut child = client.spawn().with_context(|| format!("starting {}", name.display()))?;
    let timed_out = !ends_within(&child, limit.cap)?;
    let seconds = began.elapsed().as_secs_f64();
    let arrived_bytes = timed_out.then(|| end_early(&child, limit)).transpose()?;
    let ResUse { status, rusage } = child.wait4()?;
    let sample = Sample {
        seconds,
        timed_out,
        arrived_bytes,
        client_cpu_seconds: (rusage.utime + rusage.stime).as_secs_f64(),
        client_peak_bytes: rusage.maxrss,
        server: None,
        network_bytes: None,
    };
    Ok(Run { sample, succeeded: status.success() })
}

/// Ends a client early. Counts the arrived bytes first: a server may discard them once the client is gone.
fn end_early(child: &Child, limit: &Limit<'_>) -> Result<u64> {
    let arrived_bytes = (limit.arrived_bytes)();
    kill_process_group(id(child)?, Signal::KILL)?;
    arrived_bytes
}

/// Waits for the child without taking its exit status, which is needed together with its resource usage.
fn ends_within(child: &Child, cap: Duration) -> Result<bool> {
    let handle = pidfd_open(id(child)?, PidfdFlags::empty())?;
    let cap = Timespec::try_from(cap)?;
    Ok(poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], Some(&cap))? > 0)
}

fn id(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
