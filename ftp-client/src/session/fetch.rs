//! Fetching many files of one folder as one job.

use super::Session;
use crate::error::Error;
use crate::get_many;
use crate::observer::{Observer, Summary};
use crate::report::Reporter;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use wire::journal::origin_of;
use wire::message::{Changing, Durability, Entry, Overwrite, WantedItem};
use wire::metadata::Kind;
use wire::modes::Modes;
use wire::{Name, RemotePath};

/// Many files to fetch.
#[derive(Clone)]
pub struct GetManyRequest {
    /// From this folder.
    pub folder: RemotePath,
    /// These names; all differ.
    pub names: Vec<Name>,
    /// Links as they are.
    pub recursive: bool,
    /// Into this folder, under the same names.
    pub target: PathBuf,
    /// What happens to files that exist.
    pub overwrite: Overwrite,
    /// What an item must have survived before it is told of.
    pub durability: Durability,
    /// What happens to files that change while they are read.
    pub changing: Changing,
    /// Go on with what an interrupted run has left, and leave what this one has if it is.
    pub resume: bool,
    /// What becomes of permissions.
    pub modes: Modes,
}

/// What became of many files.
pub struct Fetched {
    /// Counts of those that were fetched.
    pub summary: Summary,
    /// Names that are none of a file, and were not asked for: each needs a request of its own.
    pub left: Vec<Name>,
}

impl Session {
    /// Fetches those of many names that are files, in one job. Paths that are told of are the names.
    ///
    /// # Errors
    /// If nothing could be fetched, or the connection is lost; items that fail are in the summary.
    pub async fn get_many(
        &self,
        request: GetManyRequest,
        observer: Arc<dyn Observer>,
    ) -> Result<Fetched, Error> {
        let reporter = Reporter::new(observer, self.checksum());
        let about = request.resume.then(|| {
            let target = std::path::absolute(&request.target).unwrap_or_else(|_| request.target.clone());
            let parts: [&[u8]; 4] =
                [b"get many", &self.inner.key, request.folder.as_bytes(), target.as_os_str().as_bytes()];
            let names = request.names.iter().map(Name::as_bytes);
            origin_of(&parts.into_iter().chain(names).collect::<Vec<_>>())
        });
        self.lasting(about, |session, again, mark| {
            let (request, reporter) = (request.clone(), reporter.clone());
            Box::pin(async move {
                let (items, left) = session.sort_out(&request).await?;
                if items.is_empty() {
                    return Ok(Fetched { summary: Summary::default(), left });
                }
                let summary = get_many::many(&session, &request, items, again, &mark, &reporter).await?;
                Ok(Fetched { summary, left })
            })
        })
        .await
    }

    /// What a job may ask for, and the names of what it may not: what is missing, a folder, or a link that is to be followed.
    async fn sort_out(&self, request: &GetManyRequest) -> Result<(Vec<WantedItem>, Vec<Name>), Error> {
        let mut wanted: HashSet<&[u8]> = request.names.iter().map(Name::as_bytes).collect();
        let mut items = Vec::new();
        let is_item = |entry: &Entry| match entry.metadata.kind {
            Kind::File => true,
            Kind::Symlink => request.recursive,
            Kind::Folder | Kind::Special => false,
        };
        let (mut pages, mut seen) = (self.list(&request.folder, false).await?, 0);
        let seen_max = request.names.len().saturating_mul(LISTED_PER_NAME_MAX);
        while !wanted.is_empty() && seen < seen_max {
            match pages.next().await {
                Ok(Some(page)) => {
                    seen += page.entries.len();
                    for entry in page.entries.into_iter().filter(is_item) {
                        if wanted.remove(entry.path.as_bytes()) {
                            items.push(WantedItem { path: entry.path, metadata: entry.metadata });
                        }
                    }
                }
                Ok(None) => break,
                Err(error) if error.concerns_one_item() => break, // each request tells by itself
                Err(error) => return Err(error),
            }
        }
        let left = request.names.iter().filter(|name| wanted.contains(name.as_bytes())).cloned().collect();
        Ok((items, left))
    }
}

/// Entries of a listing that are looked at for each name: few names of a large folder are asked for one by one.
const LISTED_PER_NAME_MAX: usize = 64;
