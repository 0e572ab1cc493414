//! One source of `get` or `put`: its request, and the line of a result file that stands for it.

use super::advise_recursive;
use super::moving::MovedItems;
use crate::cli::places;
use crate::cli::results::Planned;
use ftp_client::mirror::recipe::{Recipe, Text};
use ftp_client::mirror::{
    DeleteRefusal, MirrorAction, MirrorDirection, MirrorListener, MirrorRequest, MirrorSummary, Mode,
};
use ftp_client::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver, TransferSummary};
use ftp_client::skip_if::SkipIf;
use ftp_client::source_removal::TransferEnds;
use ftp_client::{Error, GetRequest, PutRequest, PutSource, Session, TransferOptions};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::metadata::Kind;
use wire::{Name, RemotePath};

/// One source of a transfer.
pub(super) struct TransferJob {
    /// The source's path, for messages and events.
    pub(super) source: Vec<u8>,
    pub(super) request: JobRequest,
    /// Files are removed at their source once they are transferred.
    pub(super) removes_source: bool,
}

/// The request of a job.
pub(super) enum JobRequest {
    Get(GetRequest),
    /// Fetches a file, or of a folder the chosen entries.
    GetChosen(GetRequest, Box<Recipe>),
    /// Sends the file unless the same file is there already.
    Put(PutRequest, Option<SkipIf>),
    /// Sends the chosen entries of a local folder, which become this folder of the server.
    PutChosen(PathBuf, RemotePath, ChosenTree),
}

/// How the chosen entries of a tree are transferred.
pub(super) struct ChosenTree {
    pub(super) recipe: Box<Recipe>,
    /// The options of the transfer, which replace those of the recipe.
    pub(super) options: TransferOptions,
}

impl TransferJob {
    /// Runs the job; items are reported to `observer`.
    pub(super) async fn run(
        self,
        session: Session,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<TransferSummary, Error> {
        if !self.removes_source {
            return self.request.run(session, observer).await;
        }
        let (typed, moved) = (self.request.ends()?, MovedItems::of(observer));
        let ends = typed.found(&session).await?;
        let summary =
            self.request.run(session.clone(), Arc::clone(&moved) as Arc<dyn TransferObserver>).await?;
        moved.remove_sources(&session, &ends, summary).await
    }
}

impl JobRequest {
    /// Both ends of the job, as they were typed.
    fn ends(&self) -> Result<TypedEnds, Error> {
        match self {
            Self::Get(request) | Self::GetChosen(request, _) => Ok(TypedEnds {
                direction: MirrorDirection::Download,
                local: request.becomes(),
                remote: request.path.clone(),
                into: None,
                must_be_folder: request.must_be_folder,
            }),
            Self::PutChosen(local, remote, _) => Ok(TypedEnds {
                direction: MirrorDirection::Upload,
                local: local.clone(),
                remote: remote.clone(),
                into: None,
                must_be_folder: false,
            }),
            Self::Put(PutRequest { source, path, into, .. }, _) => match source {
                PutSource::File(local) | PutSource::Tree(local) => Ok(TypedEnds {
                    direction: MirrorDirection::Upload,
                    local: local.clone(),
                    remote: path.clone(),
                    into: into.clone(),
                    must_be_folder: false,
                }),
                PutSource::Stream(_) => {
                    Err(Error::Usage("--remove-source removes files: standard input is none".to_owned()))
                }
            },
        }
    }

    /// Runs the request; items are reported to `observer`.
    pub(super) async fn run(
        self,
        session: Session,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<TransferSummary, Error> {
        match self {
            Self::Get(request) => {
                let (path, recursive) = (request.path.clone(), request.recursive);
                let result = session.get(request, observer).await;
                result.map_err(|error| if recursive { error } else { advise_recursive(error, &path) })
            }
            Self::GetChosen(request, recipe) => get_chosen(&session, request, recipe, observer).await,
            Self::PutChosen(local, remote, tree) => {
                transfer_chosen(&session, MirrorDirection::Upload, local, remote, tree, observer).await
            }
            Self::Put(request, Some(sameness)) => {
                put_unless_same(&session, request, sameness, observer).await
            }
            Self::Put(request, None) => session.put(request, observer).await,
        }
    }
}

/// Fetches a file as it is, and the chosen entries of a folder. A link is fetched as one, unless its path ends with a slash or all links
/// are followed.
async fn get_chosen(
    session: &Session,
    request: GetRequest,
    recipe: Box<Recipe>,
    observer: Arc<dyn TransferObserver>,
) -> Result<TransferSummary, Error> {
    let follows = recipe.copy_links;
    let kind = session.stat(&request.path, request.must_be_folder || follows).await?.metadata.kind;
    if kind != Kind::Folder {
        let recursive = request.recursive && !follows;
        return session.get(GetRequest { recursive, ..request }, observer).await;
    }
    let local = request.becomes();
    let tree = ChosenTree { recipe, options: request.options };
    transfer_chosen(session, MirrorDirection::Download, local, request.path, tree, observer).await
}

/// Compares both folders, which is what rules need, and transfers what the rules choose.
async fn transfer_chosen(
    session: &Session,
    direction: MirrorDirection,
    local: PathBuf,
    remote: RemotePath,
    tree: ChosenTree,
    observer: Arc<dyn TransferObserver>,
) -> Result<TransferSummary, Error> {
    let mut options = tree.recipe.options()?;
    options.transfer = tree.options;
    let request =
        MirrorRequest { direction, local, remote, options, mode: Mode::Run, scope: RemotePath::root() };
    let MirrorSummary { transfer, unchanged, metadata, .. } =
        session.mirror(request, Arc::new(ChosenListener(observer))).await?.summary;
    Ok(TransferSummary { skipped: transfer.skipped + unchanged + metadata, ..transfer })
}

/// Passes on what is transferred. There are no deletions.
struct ChosenListener(Arc<dyn TransferObserver>);

impl TransferObserver for ChosenListener {
    fn on_event(&self, event: &TransferEvent<'_>) {
        self.0.on_event(event);
    }
}

impl MirrorListener for ChosenListener {
    fn planned(&self, _: &MirrorAction) -> Result<(), Error> {
        Ok(())
    }

    fn done(&self, _: &MirrorAction) {}

    fn not_deleted(&self, _: u64) {}

    fn refused(&self, _: DeleteRefusal) {}
}

/// Both ends of a job, as they were typed.
struct TypedEnds {
    direction: MirrorDirection,
    local: PathBuf,
    remote: RemotePath,
    /// The name in `remote`, if that is a folder.
    into: Option<Name>,
    must_be_folder: bool,
}

impl TypedEnds {
    /// Both ends as things are now.
    async fn found(self, session: &Session) -> Result<TransferEnds, Error> {
        let Self { direction, local, remote, into, must_be_folder } = self;
        let remote = if must_be_folder {
            session.folder_at(&remote).await?
        } else {
            session.place(&remote, into.as_ref()).await?
        };
        Ok(TransferEnds::now(direction, local, remote))
    }
}

/// Sends a file unless the same file is there already, which is reported as skipped.
async fn put_unless_same(
    session: &Session,
    request: PutRequest,
    sameness: SkipIf,
    observer: Arc<dyn TransferObserver>,
) -> Result<TransferSummary, Error> {
    let same = match &request.source {
        PutSource::File(local) => session.has_same(local, &request.path, sameness).await?,
        PutSource::Tree(_) | PutSource::Stream(_) => None,
    };
    let Some(bytes) = same else { return session.put(request, observer).await };
    if request.options.survive_power() {
        session.sync(&request.path).await?; // the earlier writer may not have synced it
    }
    let (path, outcome) = (&RemotePath::root(), FileOutcome::Skipped);
    let report = FileReport { bytes, ..FileReport::without_content(path, outcome) };
    observer.on_event(&TransferEvent::FileFinished(report));
    Ok(TransferSummary { skipped: 1, ..TransferSummary::default() })
}

impl TransferJob {
    pub(super) fn recursive(&self) -> bool {
        match &self.request {
            JobRequest::Get(request) | JobRequest::GetChosen(request, _) => request.recursive,
            JobRequest::PutChosen(..) => true,
            JobRequest::Put(request, _) => matches!(request.source, PutSource::Tree(_)),
        }
    }

    pub(super) fn options(&self) -> &TransferOptions {
        match &self.request {
            JobRequest::Get(request) | JobRequest::GetChosen(request, _) => &request.options,
            JobRequest::PutChosen(_, _, tree) => &tree.options,
            JobRequest::Put(request, _) => &request.options,
        }
    }

    /// True if it does not go on after an interruption.
    pub(super) fn starts_over(&self) -> bool {
        let is_stream = |request: &PutRequest| matches!(request.source, PutSource::Stream(_));
        !self.options().resume || matches!(&self.request, JobRequest::Put(request, _) if is_stream(request))
    }

    /// Returns the entries that it chooses of a tree; `None` for all.
    pub(super) fn chosen(&self) -> Option<&Recipe> {
        match &self.request {
            JobRequest::Get(_) | JobRequest::Put(..) => None,
            JobRequest::GetChosen(_, recipe) => Some(recipe),
            JobRequest::PutChosen(_, _, tree) => Some(&tree.recipe),
        }
    }

    /// Returns the job's entry in a result file, with absolute local paths.
    pub(super) fn planned(&self) -> Planned {
        match &self.request {
            JobRequest::PutChosen(local, remote, _) => {
                Planned { source: whole(local), target: Text(places::rooted(remote)), recursive: true }
            }
            JobRequest::Get(request) | JobRequest::GetChosen(request, _) => Planned {
                source: Text(as_typed(&self.source, request.must_be_folder)),
                target: whole(&request.becomes()),
                recursive: self.recursive(),
            },
            JobRequest::Put(request, _) => Planned {
                source: match &request.source {
                    PutSource::File(path) | PutSource::Tree(path) => whole(path),
                    PutSource::Stream(_) => Text(self.source.clone()),
                },
                target: Text(places::rooted(&request.path)),
                recursive: self.recursive(),
            },
        }
    }
}

/// A path of the server, with a `/` at its end if it must be a folder.
fn as_typed(path: &[u8], must_be_folder: bool) -> Vec<u8> {
    let slash: &[u8] = if must_be_folder && !path.ends_with(b"/") { b"/" } else { b"" };
    [path, slash].concat()
}

/// A path of this machine that means the same in every folder.
pub(super) fn whole(path: &Path) -> Text {
    let here = std::env::current_dir().unwrap_or_default();
    Text(here.join(path).into_os_string().into_vec())
}
