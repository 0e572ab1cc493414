//! `gc`: removes the partial files of interrupted transfers.

use super::each;
use crate::cli::args::values;
use crate::cli::output::{Object, Output};
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::{Remote, TypedPath};
use ftp_client::{Error, Session};
use indicatif::HumanBytes;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::message::{Sweep, Swept};

/// Remove the partial files of interrupted transfers, so that these start over
#[derive(Clone, Args)]
#[command(after_help = "Files that a running transfer is writing stay.\n\nExample:\n  \
                        ftp-client gc ann@files.example.org::/\n  ftp-client gc --idle 7d ~/backup")]
pub(crate) struct GcArgs {
    /// Only files that have not changed for this long, as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    idle: Option<Duration>,
    /// Folders, of a server or of this machine
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<OsString>,
}

pub(crate) struct GcCommand {
    folders: SweptFolders,
    idle: Duration,
}

enum SweptFolders {
    Local(Vec<PathBuf>),
    Remote(Vec<Remote>),
}

impl GcCommand {
    /// Makes the command. Returns no server for local folders.
    pub(crate) fn new(typed: GcArgs, scope: &Scope) -> Result<(Option<ServerTarget>, Self), Error> {
        let (mut local, mut remote) = (Vec::new(), Vec::new());
        for typed in &typed.folders {
            match scope.place(typed)? {
                TypedPath::Local(path) => local.push(path),
                TypedPath::Remote(place) => remote.push(place),
            }
        }
        let (server, folders) = match (local.is_empty(), remote.is_empty()) {
            (false, false) => {
                return Err(Error::Usage(
                    "clean up folders of this machine and of a server one after the other".to_owned(),
                ));
            }
            (_, true) => (None, SweptFolders::Local(local)),
            (true, false) => (Some(ServerTarget::of_all(&remote)?), SweptFolders::Remote(remote)),
        };
        Ok((server, Self { folders, idle: typed.idle.unwrap_or_default() }))
    }

    /// Folders of this machine.
    pub(crate) fn run_here(self, output: &Output) -> Result<u8, Error> {
        if let SweptFolders::Local(paths) = &self.folders {
            for path in paths {
                tell(&Error::shown_path(path), ftp_client::sweep(Path::new(path), self.idle)?, output)?;
            }
        }
        Ok(0)
    }

    /// Folders of a server.
    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let SweptFolders::Remote(remotes) = self.folders else { return Ok(0) };
        let ask = async |remote: &Remote| {
            session.call(Sweep { path: remote.path.clone(), idle: self.idle.as_secs() }).await
        };
        each(remotes, output, ask, |remote, swept| tell(&remote.path.to_string(), swept, output)).await
    }
}

fn tell(shown: &str, swept: Swept, output: &Output) -> Result<(), Error> {
    if output.json() {
        let event = Object::event("swept").text("path", shown).number("files", swept.files);
        output.event(event.number("bytes", swept.bytes).number("kept", swept.kept));
        return Ok(());
    }
    let files = |count| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    let mut text = format!("{shown}: removed {}, {}", files(swept.files), HumanBytes(swept.bytes));
    if swept.kept > 0 {
        text.push_str(&format!("; left {} in use, too new or of others", files(swept.kept)));
    }
    text.push('\n');
    output.print(text.as_bytes())
}
