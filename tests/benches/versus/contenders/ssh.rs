//! scp, and rsync over ssh: encrypted with AES-128-GCM, the fastest cipher of OpenSSH on machines with AES instructions.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

use super::{Contender, Direction, Job, rsync, text};
use crate::daemon::Daemon;
use crate::stage::Stage;
use crate::tools::{RSYNC, SCP, SSH, SSH_KEYGEN, SSHD};

pub(super) fn enlist<'a>(stage: &'a Stage<'a>) -> Result<Vec<Contender<'a>>> {
    if !stage.wants("scp") && !stage.wants("rsync-ssh") {
        return Ok(vec![]);
    }
    let Some([sshd, ssh, keygen]) = stage.find([SSHD, SSH, SSH_KEYGEN]) else { return Ok(vec![]) };
    let address = stage.place.free_address()?;
    let keys = Keys::make(stage.site.settings("sshd")?, &keygen, address)?;
    let server = Rc::new(serve(stage, &text(&sshd), &keys, address)?);
    let options = keys.client_options(address);

    let mut found = Vec::new();
    if let Some([scp]) = stage.find([SCP]).filter(|_| stage.wants("scp")) {
        let options = options.clone();
        let command = move |job: &Job| copy(stage.place.client(&text(&scp)), &options, address, job);
        found.push(Contender { name: "scp", server: Some(server.clone()), command: Box::new(command) });
    }
    if let Some([rsync]) = stage.find([RSYNC]).filter(|_| stage.wants("rsync-ssh")) {
        let shell = format!("{} {}", text(&ssh), options.join(" "));
        let command = move |job: &Job| {
            let mut command = stage.place.client(&text(&rsync));
            command.args(["-e", &shell]);
            let remote = format!("{}:{}", address.ip(), text(&job.served.join(job.remote())));
            Some(rsync::copy(command, job, &remote))
        };
        found.push(Contender { name: "rsync-ssh", server: Some(server), command: Box::new(command) });
    }
    Ok(found)
}

fn copy(mut scp: Command, options: &[String], address: SocketAddr, job: &Job) -> Option<Command> {
    let remote = format!("{}:{}", address.ip(), text(&job.served.join(job.remote())));
    scp.arg("-q").args(job.is_folder.then_some("-r")).args(options);
    match job.direction {
        Direction::Get => scp.arg(remote).arg(&job.target),
        Direction::Put => scp.arg(&job.source).arg(remote),
        Direction::List | Direction::MirrorDown | Direction::MirrorUp => return None,
    };
    Some(scp)
}

fn serve(stage: &Stage<'_>, sshd: &str, keys: &Keys, address: SocketAddr) -> Result<Daemon> {
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").context("sshd wants its empty folder")?;
    }
    let configuration = keys.folder.join("sshd_config");
    fs::write(&configuration, keys.server_configuration(address))?;
    let mut command = stage.place.server(sshd);
    command.args(["-D", "-e", "-f", &text(&configuration)]);
    Daemon::start("sshd", command, &stage.site.logs(), stage.place, address)
}

/// Temporary keys of both ends in a folder of their own.
struct Keys {
    folder: PathBuf,
}

impl Keys {
    fn make(folder: PathBuf, keygen: &Path, address: SocketAddr) -> Result<Self> {
        for name in ["host", "user"] {
            let mut command = Command::new(keygen);
            command.args(["-q", "-t", "ed25519", "-N", "", "-C", "benchmark", "-f"]).arg(folder.join(name));
            ensure!(command.status().context("running ssh-keygen")?.success(), "ssh-keygen failed");
        }
        let host = fs::read_to_string(folder.join("host.pub"))?;
        fs::write(folder.join("known_hosts"), format!("[{}]:{} {host}", address.ip(), address.port()))?;
        Ok(Self { folder })
    }

    fn server_configuration(&self, address: SocketAddr) -> String {
        let folder = text(&self.folder);
        format!(
            "ListenAddress {address}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
             Ciphers {CIPHER}\nSubsystem sftp internal-sftp\n"
        )
    }

    fn client_options(&self, address: SocketAddr) -> Vec<String> {
        let folder = text(&self.folder);
        let settings = [
            format!("Port={}", address.port()),
            format!("IdentityFile={folder}/user"),
            format!("UserKnownHostsFile={folder}/known_hosts"),
            format!("Ciphers={CIPHER}"),
            "IdentitiesOnly=yes".into(),
            "BatchMode=yes".into(),
            "StrictHostKeyChecking=yes".into(),
        ];
        let settings = settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]);
        ["-F".to_owned(), "none".to_owned()].into_iter().chain(settings).collect()
    }
}

const CIPHER: &str = "aes128-gcm@openssh.com";
