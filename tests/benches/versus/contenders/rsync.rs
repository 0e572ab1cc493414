//! rsync with its own daemon: no encryption, one stream.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::{Contender, Direction, Job, text};
use crate::args::Case;
use crate::daemon::Daemon;
use crate::stage::Stage;
use crate::tools::RSYNC;

pub(super) fn enlist<'a>(stage: &'a Stage<'a>) -> Result<Vec<Contender<'a>>> {
    let variants: [(&str, &[&str]); 2] = [("rsync", &[]), ("rsync-z", &["-z", "--zc=zstd"])];
    let variants: Vec<_> = variants.into_iter().filter(|(name, _)| stage.wants(name)).collect();
    if variants.is_empty() {
        return Ok(vec![]);
    }
    let Some([rsync]) = stage.find([RSYNC]) else { return Ok(vec![]) };
    let address = stage.place.free_address()?;
    let server = Rc::new(serve(stage, &text(&rsync), address)?);
    let remote = move |path: &str| format!("rsync://{address}/site/{path}");
    let syncs = stage.args.case == Some(Case::Power);
    let contender = |(name, options): (&'static str, &'static [&'static str])| {
        let rsync = text(&rsync);
        let command = move |job: &Job| {
            let mut command = copy(stage.place.client(&rsync), job, &remote(&job.remote()));
            command.args(syncs.then_some("--fsync")).args(options);
            Some(command)
        };
        Contender { name, server: Some(server.clone()), command: Box::new(command) }
    };
    Ok(variants.into_iter().map(contender).collect())
}

/// Completes a command of rsync, for either way of reaching the server.
pub(super) fn copy(mut rsync: Command, job: &Job, remote: &str) -> Command {
    // A slash at the end means the folder's content, so that it goes under the target's name.
    let slash = if job.is_folder { "/" } else { "" };
    match job.direction {
        Direction::Get => rsync.args(["-a", &format!("{remote}{slash}"), &text(&job.target)]),
        Direction::Put => rsync.args(["-a", &format!("{}{slash}", text(&job.source)), remote]),
        Direction::MirrorDown => rsync.args(["-a", "--delete", &format!("{remote}/"), &text(&job.target)]),
        Direction::MirrorUp => rsync.args(["-a", "--delete", &format!("{}/", text(&job.source)), remote]),
        Direction::List => rsync.args(["-r", "--list-only", &format!("{remote}{slash}")]),
    };
    rsync
}

fn serve(stage: &Stage<'_>, rsync: &str, address: SocketAddr) -> Result<Daemon> {
    let configuration = stage.site.settings("rsyncd")?.join("rsyncd.conf");
    let root = text(&stage.site.served());
    let user = if rustix::process::geteuid().is_root() { "uid = root\ngid = root\n" } else { "" };
    fs::write(
        &configuration,
        format!("use chroot = no\nlog file = /dev/stderr\n{user}[site]\npath = {root}\nread only = no\n"),
    )?;
    let mut command = stage.place.server(rsync);
    command.args(["--daemon", "--no-detach", "--address", &address.ip().to_string()]);
    command.args(["--port", &address.port().to_string(), "--config", &text(&configuration)]);
    Daemon::start("rsyncd", command, &stage.site.logs(), stage.place, address)
}
