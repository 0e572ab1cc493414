//! `edit`: fetches a file, has it edited here, and sends it back if the server's file still is the one that was fetched.

use super::CommandContext;
use crate::cli::output::{Output, Tally, Watcher, shown};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::observer::TransferObserver;
use ftp_client::remote::Remote;
use ftp_client::{Error, GetRequest, PutRequest, PutSource, Session, TransferOptions};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::task::block_in_place;
use wire::checksum::{Checksum, Digest};
use wire::message::{Details, Entry, FileId, Overwrite, Stat};
use wire::metadata::{Kind, Metadata};
use wire::modes::Modes;
use wire::store::{LocalFolder, digest};
use wire::{Failure, FailureCode, RemotePath};

/// Edit a file of the server with $VISUAL or $EDITOR
#[derive(Clone, Args)]
#[command(
    after_help = "The file is fetched, edited here, and sent back if it was changed. If the server's file was changed meanwhile too, \
                  nothing is sent, and the edited copy is kept here. A missing file is made.\n\n\
                  Example:\n  ftp-client edit ann@files.example.org::/photos/notes.txt"
)]
pub(crate) struct EditArgs {
    /// The file
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct EditCommand {
    remote: Remote,
}

/// The state of the server's file; `None` if there is none.
type FileState = Option<(Metadata, Option<FileId>)>;

/// The copy here, in a folder of its own.
struct EditedCopy {
    folder: PathBuf,
    file: PathBuf,
}

impl EditCommand {
    pub(crate) fn new(typed: EditArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        Ok((server, Self { remote }))
    }

    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let CommandContext { session, output, .. } = context;
        places::require_as_typed(session, &self.remote).await?;
        let path = &without_links(session, self.remote).await?;
        let before = state(session, path).await?;
        let copy = EditedCopy::make(path)?;
        if before.is_some() {
            let fetched = fetch(session, output, path, &copy).await;
            let fetched = match fetched {
                Ok(()) if state(session, path).await? == before => Ok(()),
                Ok(()) => Err(Error::remote(path, FailureCode::SourceChanged)),
                Err(error) => Err(error),
            };
            if let Err(error) = fetched {
                copy.remove();
                return Err(error);
            }
        }
        let unedited = copy.digest();
        let sent = match copy.edit() {
            Ok(()) if copy.digest() == unedited => {
                output.remark(Some("nothing was changed, so nothing is sent"));
                Ok(())
            }
            Ok(()) => send(session, output, path, before, &copy).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => copy.remove(),
            Err(_) => output.complain(&format!("the edited copy is kept: {}", Error::shown_path(&copy.file))),
        }
        sent.map(|()| 0)
    }
}

/// Follows links to files, since a file that is sent would take the place of a link.
async fn without_links(session: &Session, remote: Remote) -> Result<RemotePath, Error> {
    let mut remote = remote;
    for _ in 0..LINKS_MAX {
        let entry = match session.stat(&remote.path, remote.path.is_root()).await {
            Err(error) if error.failure_code() == Some(FailureCode::NotFound) => return Ok(remote.path),
            found => found?,
        };
        match (entry.metadata.kind, remote.path.split_last()) {
            (Kind::File, _) => return Ok(remote.path),
            (Kind::Symlink, Some((folder, _))) if !entry.link_target.starts_with(b"/") => {
                let here = Remote { path: folder, ..remote };
                remote = here.at(OsStr::from_bytes(&entry.link_target))?;
            }
            (Kind::Folder, _) => return Err(Error::remote(&remote.path, FailureCode::IsAFolder)),
            (Kind::Symlink | Kind::Special, _) => {
                return Err(Error::remote(&remote.path, FailureCode::SpecialFile));
            }
        }
    }
    Err(Error::remote(&remote.path, Failure::new(FailureCode::InvalidPath, "too many links")))
}

async fn state(session: &Session, path: &RemotePath) -> Result<FileState, Error> {
    let details = Details { links: true, ..Details::default() };
    match session.call(Stat { path: path.clone(), follow: false, details }).await {
        Ok(Entry { metadata, details, .. }) => Ok(Some((metadata, details.and_then(|details| details.file)))),
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn fetch(
    session: &Session,
    output: &Arc<Output>,
    path: &RemotePath,
    copy: &EditedCopy,
) -> Result<(), Error> {
    let options = TransferOptions { resume: false, ..TransferOptions::default() };
    let request = GetRequest {
        path: path.clone(),
        must_be_folder: false,
        recursive: false,
        target: copy.file.clone(),
        into: None,
        totals: false,
        options,
    };
    let failed = session.get(request, watcher(output, path)).await?.failed;
    not_failed(failed)?;
    // What may not be written at the server may be edited here.
    let writable = fs::set_permissions(&copy.file, Permissions::from_mode(0o600));
    writable.map_err(|error| Error::local(&copy.file, error))
}

/// Sends the edited copy if the server's file is as it was before. Its permissions stay.
async fn send(
    session: &Session,
    output: &Arc<Output>,
    path: &RemotePath,
    before: FileState,
    copy: &EditedCopy,
) -> Result<(), Error> {
    if state(session, path).await? != before {
        return Err(Error::Refused(format!("{path} was changed on the server meanwhile; nothing was sent")));
    }
    let overwrite = if before.is_some() { Overwrite::Always } else { Overwrite::Never };
    let modes = Modes { only_new: true, ..Modes::CARRIED };
    let options = TransferOptions { resume: false, overwrite, modes, ..TransferOptions::default() };
    let (source, path_there) = (PutSource::File(copy.file.clone()), path.clone());
    let request = PutRequest { source, path: path_there, into: None, totals: false, options };
    let summary = session.put(request, watcher(output, path)).await?;
    if summary.skipped > 0 {
        return Err(Error::Refused(format!("{path} was made on the server meanwhile; nothing was sent")));
    }
    not_failed(summary.failed)
}

fn watcher(output: &Arc<Output>, path: &RemotePath) -> Arc<dyn TransferObserver> {
    Arc::new(Watcher::new(&Arc::new(Tally::of_jobs(1)), output, 0, places::rooted(path)))
}

/// The item's own error was reported.
fn not_failed(failed: u64) -> Result<(), Error> {
    if failed == 0 { Ok(()) } else { Err(Error::Refused("the file was not transferred".to_owned())) }
}

impl EditedCopy {
    /// Makes a folder for the copy that only its owner can open.
    fn make(path: &RemotePath) -> Result<Self, Error> {
        let Some((_, name)) = path.split_last() else {
            return Err(Error::remote(path, FailureCode::IsAFolder));
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let folder = env::temp_dir().join(format!("ftpx-edit-{}-{now:x}", process::id()));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| Error::local(&folder, error))?;
        Ok(Self { file: folder.join(OsStr::from_bytes(name.as_bytes())), folder })
    }

    /// Returns `None` if there is no file, or it cannot be read.
    fn digest(&self) -> Option<Digest> {
        let file = LocalFolder::open_ambient_file(&self.file).ok()?;
        digest::of_file(&*file, Checksum::Blake3, &|| false).ok()
    }

    /// Runs the user's editor.
    fn edit(&self) -> Result<(), Error> {
        let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let editor = ["VISUAL", "EDITOR"].iter().find(|name| is_set(name)).and_then(env::var_os);
        let editor = editor.unwrap_or_else(|| "vi".into());
        let mut shell = Command::new("sh");
        // As git and crontab do: the editor may be a command with arguments.
        shell.arg("-c").arg(with_arguments(&editor)).arg(&editor).arg(&self.file);
        let status = block_in_place(|| shell.status());
        let status = status.map_err(|error| Error::local(Path::new("sh"), error))?;
        if status.success() {
            return Ok(());
        }
        let editor = shown(editor.as_bytes());
        Err(Error::Refused(format!("the editor {editor} ended with {status}; nothing was sent")))
    }

    /// Removes the copy. A leftover in the folder for temporary files is no failure.
    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The shell's command that runs an editor with the arguments behind it.
fn with_arguments(editor: &OsStr) -> OsString {
    let mut command = editor.to_owned();
    command.push(" \"$@\"");
    command
}

/// As many links as are followed.
const LINKS_MAX: usize = 40;
