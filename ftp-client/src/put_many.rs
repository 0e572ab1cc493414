//! Sending many sources into one folder as one job.

use crate::error::Error;
use crate::fingerprint::ServerKey;
use crate::many::{ManySource, NamedSource};
use crate::observer::{TransferObserver, TransferSummary};
use crate::options::{TransferOptions, job};
use crate::put::{PreparedSource, send};
use crate::report::Reporter;
use crate::resume_store::ResumeRecord;
use crate::session::Session;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use wire::RemotePath;
use wire::engine::JobObserver as _;
use wire::journal::origin_of;
use wire::message::Resume;

/// Many things to send.
#[derive(Clone)]
pub struct PutManyRequest {
    /// From here; all names differ.
    pub sources: Arc<[NamedSource]>,
    /// Folders with all that is in them, and links as they are.
    pub recursive: bool,
    /// Into this folder, whose path has no links in it.
    pub folder: RemotePath,
    /// Count the totals while it runs.
    pub totals: bool,
    /// The rules of the transfer.
    pub options: TransferOptions,
}

impl Session {
    /// Sends many files and trees into a folder, in one job. Reported paths begin with the name of their source.
    ///
    /// # Errors
    /// If no item could be sent, or the connection is lost; items that fail are in the summary.
    pub async fn put_many(
        &self,
        request: PutManyRequest,
        observer: Arc<dyn TransferObserver>,
    ) -> Result<TransferSummary, Error> {
        let reporter = Reporter::new(observer, self.checksum());
        let about = request.options.resume.then(|| request.about(&self.inner.key));
        self.lasting(about, |session, again, record| {
            let (request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move { many(&session, request, again, &record, &reporter).await })
        })
        .await
    }
}

impl PutManyRequest {
    /// Identifies the transfer: the server, the folder and the sources.
    fn about(&self, key: &ServerKey) -> [u8; 16] {
        let here = std::env::current_dir().unwrap_or_default();
        let absolute = |source: &NamedSource| here.join(&source.path).components().collect(); // without each `.`
        let paths: Vec<PathBuf> = self.sources.iter().map(absolute).collect();
        let mut parts: Vec<&[u8]> = vec![b"put many", key, self.folder.as_bytes()];
        for (source, path) in self.sources.iter().zip(&paths) {
            parts.extend([source.name.as_bytes(), path.as_os_str().as_bytes()]);
        }
        origin_of(&parts)
    }
}

/// Makes one attempt of it.
async fn many(
    session: &Session,
    request: PutManyRequest,
    resume: Resume,
    record: &Arc<ResumeRecord>,
    reporter: &Arc<Reporter>,
) -> Result<TransferSummary, Error> {
    let PutManyRequest { sources, recursive, folder, totals, options } = request;
    let source = Arc::new(ManySource::new(sources, recursive, options.modes.clone()));
    if totals {
        let (source, reporter) = (source.clone(), reporter.clone());
        // Ends by itself: bounded by the sources.
        drop(tokio::task::spawn_blocking(move || source.count(|totals| reporter.totals(totals))));
    }
    let put = options.put(folder, job(session, resume, record));
    let opening = PreparedSource { source, totals: None, folder: None };
    send(session, put, opening, options.sending(), record, reporter).await
}
