//! Sending many sources into one folder as one job.

use super::Session;
use crate::error::Error;
use crate::fingerprint::Key;
use crate::many::Named;
use crate::observer::{Observer, Summary};
use crate::put;
use crate::report::Reporter;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use wire::RemotePath;
use wire::journal::origin_of;
use wire::message::{Changing, Durability, Overwrite};
use wire::modes::Modes;

/// Many things to send.
#[derive(Clone)]
pub struct PutManyRequest {
    /// From here; all names differ.
    pub sources: Arc<[Named]>,
    /// Folders with all that is in them, and links as they are.
    pub recursive: bool,
    /// Into this folder, whose path has no links in it.
    pub folder: RemotePath,
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// What an item must have survived at the server before it is told of.
    pub durability: Durability,
    /// What happens to files that change while they are read.
    pub changing: Changing,
    /// Count the totals while it runs.
    pub totals: bool,
    /// Go on with what an interrupted run has left, and leave what this one has if it is.
    pub resume: bool,
    /// What becomes of permissions.
    pub modes: Modes,
}

impl Session {
    /// Sends many files and trees into a folder, in one job. Paths that are told of begin with the name of their source.
    ///
    /// # Errors
    /// If nothing could be sent, or the connection is lost; items that fail are in the summary.
    pub async fn put_many(
        &self,
        request: PutManyRequest,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary, Error> {
        let reporter = Reporter::new(observer, self.checksum());
        let about = request.resume.then(|| request.about(&self.inner.key));
        self.lasting(about, |session, again, mark| {
            let (request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move { put::many(&session, request, again, &mark, &reporter).await })
        })
        .await
    }
}

impl PutManyRequest {
    /// What tells this transfer from others.
    fn about(&self, key: &Key) -> [u8; 16] {
        let here = std::env::current_dir().unwrap_or_default();
        let absolute = |source: &Named| here.join(&source.path).components().collect(); // without each `.`
        let paths: Vec<PathBuf> = self.sources.iter().map(absolute).collect();
        let mut parts: Vec<&[u8]> = vec![b"put many", key, self.folder.as_bytes()];
        for (source, path) in self.sources.iter().zip(&paths) {
            parts.extend([source.name.as_bytes(), path.as_os_str().as_bytes()]);
        }
        origin_of(&parts)
    }
}
