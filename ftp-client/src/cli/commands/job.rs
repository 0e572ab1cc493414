//! One source of `get` or `put`: its request, and the line of a result file that stands for it.

use super::advise_recursive;
use crate::cli::places;
use crate::cli::results::Planned;
use ftp_client::mirror::recipe::Text;
use ftp_client::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver, TransferSummary};
use ftp_client::skip_if::SkipIf;
use ftp_client::{Error, GetRequest, PutRequest, PutSource, Session, TransferOptions};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;
use wire::RemotePath;

/// One source of a transfer.
pub(super) struct TransferJob {
    /// The source's path, for messages and events.
    pub(super) source: Vec<u8>,
    pub(super) request: JobRequest,
}

/// The request of a job.
pub(super) enum JobRequest {
    Get(GetRequest),
    /// Sends the file unless the same file is there already.
    Put(PutRequest, Option<SkipIf>),
}

impl JobRequest {
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
            Self::Put(request, Some(sameness)) => {
                put_unless_same(&session, request, sameness, observer).await
            }
            Self::Put(request, None) => session.put(request, observer).await,
        }
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
            JobRequest::Get(request) => request.recursive,
            JobRequest::Put(request, _) => matches!(request.source, PutSource::Tree(_)),
        }
    }

    pub(super) fn options(&self) -> &TransferOptions {
        match &self.request {
            JobRequest::Get(request) => &request.options,
            JobRequest::Put(request, _) => &request.options,
        }
    }

    /// Returns the job's entry in a result file, with absolute local paths.
    pub(super) fn planned(&self) -> Planned {
        match &self.request {
            JobRequest::Get(request) => Planned {
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
