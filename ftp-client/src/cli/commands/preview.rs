//! `put -n` and `get -n`: the items that would be sent, by the comparison of a mirror that is only planned.

use super::job::{ChosenTree, JobRequest, TransferJob};
use super::transfer::FailedToStart;
use super::{CommandContext, in_turn};
use crate::cli::output::{Object, Output, PreviewWatcher, shown};
use ftp_client::mirror::recipe::Recipe;
use ftp_client::mirror::{MirrorDirection, MirrorRequest, Mode};
use ftp_client::skip_if::SkipIf;
use ftp_client::{Error, GetRequest, PutRequest, PutSource, Session, TransferOptions};
use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::message::Overwrite;
use wire::metadata::{Kind, Timestamp};
use wire::{FailureCode, RemotePath};

/// Both ends of a job.
struct PreviewedJob {
    source: Vec<u8>,
    direction: MirrorDirection,
    local: PathBuf,
    remote: RemotePath,
    options: TransferOptions,
    /// Chooses entries.
    recipe: Box<Recipe>,
}

/// The size and time of a file or link.
#[derive(Clone, Copy)]
struct FileState {
    size: u64,
    modified: Timestamp,
}

/// Shows what jobs would send, and complains of those that cannot begin.
pub(super) async fn preview_all(
    context: CommandContext<'_>,
    jobs: Vec<TransferJob>,
    unbegun: Vec<FailedToStart>,
) -> Result<u8, Error> {
    let CommandContext { session, output, .. } = context;
    let failed = Cell::new(!unbegun.is_empty());
    unbegun.iter().for_each(|source| output.complain(&source.error));
    let code = in_turn(jobs, output, async |job: TransferJob| {
        failed.set(failed.get() | preview(session, output, job).await?);
        Ok(())
    });
    Ok(code.await?.max(failed.get().into()))
}

/// Shows what a job would send. True if some of it cannot be read.
async fn preview(session: &Session, output: &Arc<Output>, job: TransferJob) -> Result<bool, Error> {
    let source = job.source;
    match job.request {
        JobRequest::Put(request, sameness) => preview_put(session, output, source, request, sameness).await,
        JobRequest::PutChosen(local, remote, tree) => {
            let ChosenTree { recipe, options } = tree;
            let direction = MirrorDirection::Upload;
            PreviewedJob { source, direction, local, remote, options, recipe }.tree(session, output).await
        }
        JobRequest::Get(request) => preview_get(session, output, source, request, Box::default()).await,
        JobRequest::GetChosen(request, recipe) => preview_get(session, output, source, request, recipe).await,
    }
}

async fn preview_put(
    session: &Session,
    output: &Arc<Output>,
    source: Vec<u8>,
    request: PutRequest,
    sameness: Option<SkipIf>,
) -> Result<bool, Error> {
    let PutRequest { source: from, path, into, options, .. } = request;
    let (remote, direction) = (session.place(&path, into.as_ref()).await?, MirrorDirection::Upload);
    let found = match from {
        PutSource::Tree(local) if local_is_folder(&local)? => {
            let recipe = Box::default();
            return PreviewedJob { source, direction, local, remote, options, recipe }
                .tree(session, output)
                .await;
        }
        PutSource::Tree(local) => local_state(&local, false)?,
        PutSource::File(local) => match sameness {
            Some(sameness) if session.has_same(&local, &remote, sameness).await?.is_some() => {
                return Ok(false);
            }
            Some(_) | None => local_state(&local, true)?,
        },
        PutSource::Stream(_) => FileState { size: 0, modified: Timestamp::default() },
    };
    let there = state_there(session, &remote).await?;
    tell(
        output,
        &source,
        found,
        there,
        if sameness.is_some() { Overwrite::Always } else { options.overwrite },
    )
}

async fn preview_get(
    session: &Session,
    output: &Arc<Output>,
    source: Vec<u8>,
    request: GetRequest,
    recipe: Box<Recipe>,
) -> Result<bool, Error> {
    let local = request.becomes();
    let GetRequest { path, must_be_folder, recursive, options, .. } = request;
    let remote = if must_be_folder { session.folder_at(&path).await? } else { path };
    let entry = session.stat(&remote, !recursive || recipe.copy_links).await?;
    match (entry.metadata.kind, recursive) {
        (Kind::Folder, true) => {
            let direction = MirrorDirection::Download;
            PreviewedJob { source, direction, local, remote, options, recipe }.tree(session, output).await
        }
        (Kind::Folder, false) => {
            Err(super::advise_recursive(Error::remote(&remote, FailureCode::IsAFolder), &remote))
        }
        (Kind::File | Kind::Symlink | Kind::Special, _) => {
            let found = FileState { size: entry.metadata.size, modified: entry.metadata.modified };
            let here = match local_state(&local, false) {
                Ok(state) => Some(state),
                Err(_) if fs::symlink_metadata(&local).is_err() => None,
                Err(error) => return Err(error),
            };
            tell(output, &source, found, here, options.overwrite)
        }
    }
}

impl PreviewedJob {
    async fn tree(self, session: &Session, output: &Arc<Output>) -> Result<bool, Error> {
        let Self { source, direction, local, remote, options: transfer, recipe } = self;
        let mut options = recipe.options()?;
        options.transfer = transfer;
        let (mode, scope) = (Mode::DryRun, RemotePath::root());
        let request = MirrorRequest { direction, local, remote, options, mode, scope };
        let listener = Arc::new(PreviewWatcher::new(output, source));
        Ok(session.mirror(request, listener).await?.summary.transfer.failed > 0)
    }
}

/// Shows a single file, if the rule sends it.
fn tell(
    output: &Output,
    source: &[u8],
    found: FileState,
    target: Option<FileState>,
    rule: Overwrite,
) -> Result<bool, Error> {
    let differs = |target: FileState| found.size != target.size || found.modified != target.modified;
    let (sign, action) = match (target, rule) {
        (None, _) => ('+', "new"),
        (Some(_), Overwrite::Always) => ('~', "changed"),
        (Some(target), Overwrite::Different) if differs(target) => ('~', "changed"),
        (Some(target), Overwrite::Newer) if found.modified > target.modified => ('~', "changed"),
        (Some(_), Overwrite::Different | Overwrite::Newer | Overwrite::Never) => return Ok(false),
    };
    if output.json() {
        let event = Object::event("planned").text("action", action).path(source);
        output.event(event.number("bytes", found.size));
    } else if !output.quiet() {
        output.print(format!("{sign} {}\n", shown(source)).as_bytes())?;
    }
    Ok(false)
}

fn local_is_folder(path: &Path) -> Result<bool, Error> {
    let is_contents = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    let metadata = if is_contents { fs::metadata(path) } else { fs::symlink_metadata(path) };
    Ok(metadata.map_err(|error| Error::local(path, error))?.is_dir())
}

fn local_state(path: &Path, follow: bool) -> Result<FileState, Error> {
    let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let metadata = metadata.map_err(|error| Error::local(path, error))?;
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    Ok(FileState { size: metadata.len(), modified: Timestamp { seconds: metadata.mtime(), nanos } })
}

async fn state_there(session: &Session, path: &RemotePath) -> Result<Option<FileState>, Error> {
    match session.stat(path, false).await {
        Ok(entry) => Ok(Some(FileState { size: entry.metadata.size, modified: entry.metadata.modified })),
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
