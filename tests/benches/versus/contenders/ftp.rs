//! FTP: vsftpd without encryption, with curl and with lftp as clients.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::{Contender, Direction, Job, http, text};
use crate::daemon::Daemon;
use crate::stage::Stage;
use crate::tools::{CURL, LFTP, VSFTPD};

pub(super) fn enlist<'a>(stage: &'a Stage<'a>) -> Result<Vec<Contender<'a>>> {
    if !stage.wants("ftp-curl") && !stage.wants("ftp-lftp") {
        return Ok(vec![]);
    }
    let Some([vsftpd]) = stage.find([VSFTPD]) else { return Ok(vec![]) };
    let address = stage.place.free_address()?;
    let server = Rc::new(serve(stage, &text(&vsftpd), address)?);

    let mut found = Vec::new();
    if let Some([curl]) = stage.find([CURL]).filter(|_| stage.wants("ftp-curl")) {
        let command = move |job: &Job| {
            http::copy(stage.place.client(&text(&curl)), job, &format!("ftp://{address}/{}", job.remote()))
        };
        found.push(Contender { name: "ftp-curl", server: Some(server.clone()), command: Box::new(command) });
    }
    if let Some([lftp]) = stage.find([LFTP]).filter(|_| stage.wants("ftp-lftp")) {
        let command = move |job: &Job| copy(stage.place.client(&text(&lftp)), address, job);
        found.push(Contender { name: "ftp-lftp", server: Some(server), command: Box::new(command) });
    }
    Ok(found)
}

fn copy(mut lftp: Command, address: SocketAddr, job: &Job) -> Option<Command> {
    let (remote, source, target) = (job.remote(), text(&job.source), text(&job.target));
    let action = match job.direction {
        Direction::Get => format!("get {remote} -o {target}"),
        Direction::Put => format!("put {source} -o {remote}"),
        Direction::List | Direction::MirrorDown | Direction::MirrorUp => return None,
    };
    let settings = "set cmd:fail-exit yes; set net:max-retries 1";
    lftp.args(["--norc", "-c", &format!("{settings}; open ftp://{address}; {action}")]);
    (!job.is_folder).then_some(lftp)
}

fn serve(stage: &Stage<'_>, vsftpd: &str, address: SocketAddr) -> Result<Daemon> {
    let configuration = stage.site.settings("vsftpd")?.join("vsftpd.conf");
    fs::write(
        &configuration,
        format!(
            "listen=YES\nlisten_address={}\nlisten_port={}\nbackground=NO\nrun_as_launching_user=YES\n\
             anonymous_enable=YES\nno_anon_password=YES\nanon_root={}\nanon_world_readable_only=NO\n\
             write_enable=YES\nanon_upload_enable=YES\nanon_umask=022\nseccomp_sandbox=NO\n",
            address.ip(),
            address.port(),
            text(&stage.site.served()),
        ),
    )?;
    let mut command = stage.place.server(vsftpd);
    command.arg(&configuration);
    Daemon::start("vsftpd", command, &stage.site.logs(), stage.place, address)
}
