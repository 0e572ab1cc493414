//! The product: ftp-server and ftp-client, used by their command lines.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Contender, Direction, Job, text};
use crate::args::Case;
use crate::daemon::Daemon;
use crate::stage::Stage;

pub(super) const NAME: &str = "ours";

pub(super) fn enlist<'a>(stage: &'a Stage<'a>) -> Result<Vec<Contender<'a>>> {
    let variants: [(&str, &[&str]); 2] = [(NAME, &[]), ("ours-sha256", &["--checksum", "sha256"])];
    let variants: Vec<_> = variants.into_iter().filter(|(name, _)| stage.wants(name)).collect();
    if variants.is_empty() {
        return Ok(vec![]);
    }
    let binaries = Binaries::build(stage.args.smoke)?;
    let folder = stage.site.settings("ftp-server")?;
    let key = throwaway_key(&folder)?;
    let (server, url) = serve(stage, &binaries.server, &folder)?;
    let server = Rc::new(server);

    let contender = |(name, options): (&'static str, &'static [&'static str])| {
        let (client, key, url) = (text(&binaries.client), text(&key), url.clone());
        let command = move |job: &Job| {
            let mut command = stage.place.client(&client);
            complete(&mut command, job, &url);
            command.args(["--identity", &key, "--no-progress", "-q"]).args(options);
            if stage.args.case == Some(Case::Power) {
                command.args(["--durability", "power"]);
            }
            if stage.args.case == Some(Case::Delta) {
                command.args(["--delta", "auto"]);
            }
            Some(command)
        };
        Contender { name, server: Some(server.clone()), command: Box::new(command) }
    };
    Ok(variants.into_iter().map(contender).collect())
}

fn complete(client: &mut Command, job: &Job, url: &Url) {
    let recursive = job.is_folder.then_some("-r");
    let slash = if job.is_folder && job.direction == Direction::Get { "/" } else { "" }; // the contents
    let remote = url.of(&format!("{}{slash}", job.remote()));
    let source = if job.is_folder { job.source.join("") } else { job.source.clone() };
    match job.direction {
        Direction::Get => client.arg("get").args(recursive).arg(remote).arg(&job.target),
        Direction::Put => client.arg("put").args(recursive).arg(source).arg(remote),
        Direction::MirrorDown => client.args(["mirror", "--delete"]).arg(remote).arg(&job.target),
        Direction::MirrorUp => client.args(["mirror", "--delete"]).arg(&job.source).arg(remote),
        Direction::List => client.args(["ls", "-R", "--json"]).arg(remote),
    };
}

/// Everything of the URL except the path.
#[derive(Clone)]
struct Url {
    address: String,
    pin: String,
}

impl Url {
    fn of(&self, path: &str) -> String {
        format!("ftpx://bench@{}/{path}?pin={}", self.address, self.pin)
    }
}

/// Makes a login key, like scp's: a password would add the intended cost of its hash.
fn throwaway_key(folder: &Path) -> Result<PathBuf> {
    let key = folder.join("id_ed25519");
    fs::write(&key, include_str!("../../../../fixtures/keys/id_ed25519"))?;
    fs::set_permissions(&key, Permissions::from_mode(0o600))?;
    fs::write(key.with_extension("pub"), include_str!("../../../../fixtures/keys/id_ed25519.pub"))?;
    Ok(key)
}

fn serve(stage: &Stage<'_>, program: &Path, folder: &Path) -> Result<(Daemon, Url)> {
    let (program, state, root) = (text(program), text(&folder.join("state")), text(&stage.site.served()));
    let mut add = Command::new(&program);
    add.args(["user", "add", "bench", "--state", &state, "--root", &root, "--access", "full", "--key"]);
    let output = add
        .arg(folder.join("id_ed25519.pub"))
        .stdin(Stdio::null())
        .output()
        .context("running ftp-server user add")?;
    ensure!(
        output.status.success(),
        "ftp-server user add: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );

    let mut command = stage.place.server(&program);
    let listen = format!("{}:0", stage.place.server_ip());
    command.args(["serve", "--state", &state, "--root", &root, "--listen", &listen]);
    let mut server = Daemon::spawn("ftp-server", command, &stage.site.logs())?;
    let url = server.wait_for(|printed| Ok(announced(printed)))?;
    Ok((server, url))
}

/// Parses `listening on ADDRESS sha256:HEX` in the server's output.
fn announced(printed: &str) -> Option<Url> {
    let (lines, _unfinished) = printed.rsplit_once('\n')?;
    let rest = lines.lines().find_map(|line| line.strip_prefix("listening on "))?;
    let (address, pin) = rest.trim().split_once(' ')?;
    Some(Url { address: address.to_owned(), pin: pin.to_owned() })
}

struct Binaries {
    server: PathBuf,
    client: PathBuf,
}

impl Binaries {
    /// Builds both with the Cargo that runs this benchmark, and takes their paths from it. A smoke run measures nothing, so it
    /// uses the build made for the tests.
    fn build(smoke: bool) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?);
        command.args(["build", "-p", "ftp-server", "-p", "ftp-client", "--message-format=json"]);
        command.args((!smoke).then_some("--release"));
        let output = command.stderr(Stdio::inherit()).output().context("running cargo")?;
        if !output.status.success() {
            bail!("ftp-server and ftp-client do not build");
        }
        let mut found = executables(&String::from_utf8_lossy(&output.stdout));
        let mut take =
            |name: &str| found.remove(name).with_context(|| format!("Cargo built no program {name}"));
        Ok(Self { server: take("ftp-server")?, client: take("ftp-client")? })
    }
}

/// Returns the programs listed in Cargo's messages, by name.
fn executables(messages: &str) -> HashMap<String, PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        })
        .collect()
}
