//! Fetching many files of one folder as one job.

use super::{Pages, Session};
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
                let mut listed = Listed::open(&session, &request).await?;
                let Some(first) = listed.next().await? else {
                    return Ok(Fetched { summary: Summary::default(), left: listed.left() });
                };
                let job = get_many::many(&session, &request, (first, &mut listed), again, &mark, &reporter);
                let summary = job.await?;
                Ok(Fetched { summary, left: listed.left() })
            })
        })
        .await
    }
}

/// A folder's listing, as far as it tells of names that are to be fetched.
pub(crate) struct Listed<'a> {
    pages: Pages,
    names: &'a [Name],
    wanted: HashSet<&'a [u8]>,
    links: bool,
    /// Entries that are still looked at.
    entries_left: usize,
}

impl<'a> Listed<'a> {
    async fn open(session: &Session, request: &'a GetManyRequest) -> Result<Self, Error> {
        let names = &request.names[..];
        Ok(Self {
            pages: session.list(&request.folder, false).await?,
            names,
            wanted: names.iter().map(Name::as_bytes).collect(),
            links: request.recursive,
            entries_left: names.len().saturating_mul(LISTED_PER_NAME_MAX),
        })
    }

    /// The next items that a job may ask for; nothing after the last.
    ///
    /// # Errors
    /// If the connection is lost. A folder that cannot be listed has nothing to ask for: each request tells why by itself.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<WantedItem>>, Error> {
        while !self.wanted.is_empty() && self.entries_left > 0 {
            let page = match self.pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if error.concerns_one_item() => break,
                Err(error) => return Err(error),
            };
            self.entries_left = self.entries_left.saturating_sub(page.entries.len());
            let mut items = Vec::with_capacity(page.entries.len());
            for Entry { path, metadata, .. } in page.entries {
                if self.is_item(metadata.kind) && self.wanted.remove(path.as_bytes()) {
                    items.push(WantedItem { path, metadata });
                }
            }
            if !items.is_empty() {
                return Ok(Some(items));
            }
        }
        Ok(None)
    }

    fn is_item(&self, kind: Kind) -> bool {
        match kind {
            Kind::File => true,
            Kind::Symlink => self.links,
            Kind::Folder | Kind::Special => false,
        }
    }

    /// Names of what no job may ask for: what is missing, a folder, or a link that is to be followed.
    fn left(&self) -> Vec<Name> {
        self.names.iter().filter(|name| self.wanted.contains(name.as_bytes())).cloned().collect()
    }
}

/// Entries of a listing that are looked at for each name: few names of a large folder are asked for one by one.
const LISTED_PER_NAME_MAX: usize = 64;
