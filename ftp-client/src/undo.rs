//! Undoes a mirror with a backup: what it replaced or deleted comes back, and what it newly made goes, as far as nobody has changed it since.
//!
//! If we die at any line, each old content has a name: it is moved from the backup to its place, which was freed just before. The same
//! command goes on then.

mod steps;

pub use steps::UndoAction;

use crate::error::Error;
use crate::local;
use crate::mirror::record::LoadedRecord;
use crate::mirror::{MirrorDirection, TargetMutator};
use crate::options::TransferOptions;
use crate::session::Session;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use steps::{Histories, Obstacle, UndoPlaces, UndoPlan, UndoStep, Versions, histories, unnumbered};
use tokio::runtime::Handle;
use wire::message::{Details, FollowLinks};
use wire::metadata::Metadata;
use wire::store::entry::of_folder;
use wire::store::walk::{Visit, Walk};
use wire::store::{Folder, LocalFolder};
use wire::{Failure, FailureCode, RemotePath};

/// A mirror to undo.
pub struct UndoRequest {
    /// The record of the run.
    pub record: LoadedRecord,
    /// Also items that were changed since.
    pub force: bool,
    /// It is only told what would be done.
    pub is_dry: bool,
}

/// Hears of an undo.
pub trait UndoListener {
    /// This was done, or would be.
    ///
    /// # Errors
    /// If that can no longer be reported; the undo ends.
    fn undone(&self, action: UndoAction, path: &RemotePath) -> Result<(), Error>;
    /// An item is left as it is.
    fn failed(&self, path: &RemotePath, failure: &Failure);
}

/// Counts of an undo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndoSummary {
    /// Items that were undone, or would be.
    pub undone: u64,
    /// Items that were changed since, and were left as they are.
    pub changed: u64,
    /// Items that failed.
    pub failed: u64,
}

/// The target and the backup, by paths without links from the root.
struct UndoEnds {
    direction: MirrorDirection,
    target: RemotePath,
    backup: Option<RemotePath>,
}

impl Session {
    /// Undoes a mirror.
    ///
    /// # Errors
    /// If the target is another folder than the run's, or the connection is lost; items that fail are in the summary.
    pub async fn undo(
        &self,
        request: UndoRequest,
        listener: &dyn UndoListener,
    ) -> Result<UndoSummary, Error> {
        let UndoRequest { record, force, is_dry } = request;
        let histories = histories(&record.items)?;
        let ends = self.ends_of(&record).await?;
        let now = self.entries(&ends, &ends.target).await?;
        let now: HashMap<_, _> = now.into_iter().filter(|(path, _)| histories.contains_key(path)).collect();
        let versions = self.versions(&ends, &histories).await?;
        let plan =
            UndoPlaces { target: &ends.target, now: &now, versions: &versions, force }.plan(&histories)?;
        let mut summary = UndoSummary::default();
        for (path, obstacle) in &plan.obstacles {
            let (code, reason) = match obstacle {
                Obstacle::Changed => (FailureCode::Drifted, "was changed since, and stays (--force)"),
                Obstacle::NoVersion => {
                    (FailureCode::NotFound, "the backup folder has its old content no more")
                }
            };
            summary.fail(code);
            listener.failed(path, &Failure::new(code, reason));
        }
        if is_dry {
            for step in &plan.steps {
                summary.undone += 1;
                listener.undone(step.action, &step.path)?;
            }
            return Ok(summary);
        }
        self.make_steps(&ends, plan, listener, summary).await
    }

    async fn make_steps(
        &self,
        ends: &UndoEnds,
        plan: UndoPlan,
        listener: &dyn UndoListener,
        mut summary: UndoSummary,
    ) -> Result<UndoSummary, Error> {
        let (session, runtime, direction) = (self.clone(), Handle::current(), ends.direction);
        let done = local::blocking(move || {
            let mutator = mutator(direction, session, runtime)?;
            let mut done = Vec::with_capacity(plan.steps.len());
            for steps in plan.steps.chunks(STEPS_AT_ONCE) {
                let changes = steps.iter().flat_map(|step| step.changes.clone()).collect();
                let mut failures = mutator.apply(changes)?.into_iter();
                for step in steps {
                    let of_step: Vec<_> = failures.by_ref().take(step.changes.len()).flatten().collect();
                    done.push(of_step.into_iter().next());
                }
            }
            Ok((plan.steps, done))
        });
        let (steps, done) = done.await?;
        for (UndoStep { action, path, .. }, failure) in steps.iter().zip(done) {
            match failure {
                None => {
                    summary.undone += 1;
                    listener.undone(*action, path)?;
                }
                Some(failure) => {
                    summary.fail(failure.code);
                    listener.failed(path, &failure);
                }
            }
        }
        Ok(summary)
    }

    /// Finds both folders, and makes sure that the target is the run's.
    async fn ends_of(&self, record: &LoadedRecord) -> Result<UndoEnds, Error> {
        let head = &record.head;
        let direction = MirrorDirection::from(head.direction);
        let backup = head.recipe.backup.as_ref().map(|text| text.0.clone());
        let links = Details { links: true, ..Details::default() };
        let other = || {
            Err(Error::Refused(
                "the record is for another folder: this one was made, mounted or moved there since"
                    .to_owned(),
            ))
        };
        match direction {
            MirrorDirection::Upload => {
                let parsed = |bytes: &[u8]| {
                    RemotePath::from_user(bytes)
                        .map_err(|error| Error::Usage(format!("the record names no path: {error}")))
                };
                let target = self.real_folder(&parsed(&head.remote.0)?).await?;
                let found = self.stat_folder(&target, links).await?;
                let file = found.details.and_then(|details| details.file);
                if head.roots.0.is_some() && head.roots.0 != file.map(|file| (file.device, file.inode)) {
                    return other();
                }
                let backup = match backup {
                    Some(backup) => self.real_folder(&parsed(&backup)?).await.ok(),
                    None => None,
                };
                Ok(UndoEnds { direction, target, backup })
            }
            MirrorDirection::Download => {
                let shown = PathBuf::from(std::ffi::OsStr::from_bytes(&head.local.0));
                let known = head.roots.1;
                local::blocking(move || {
                    let folder = local::folder(&shown)?;
                    let found = of_folder(&*folder, RemotePath::root(), links);
                    let found = found.map_err(|error| local::error_at(&shown, error))?;
                    let file = found.details.and_then(|details| details.file);
                    if known.is_some() && known != file.map(|file| (file.device, file.inode)) {
                        return other();
                    }
                    let backup = backup.map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(&path)));
                    let backup = backup.and_then(|path| path.canonicalize().ok());
                    let whole = shown.canonicalize().map_err(|error| local::error_at(&shown, error))?;
                    let backup = backup.map(|path| from_root(&path)).transpose()?;
                    Ok(UndoEnds { direction, target: from_root(&whole)?, backup })
                })
                .await
            }
        }
    }

    /// All entries below a folder.
    async fn entries(
        &self,
        ends: &UndoEnds,
        folder: &RemotePath,
    ) -> Result<Vec<(RemotePath, Metadata)>, Error> {
        match ends.direction {
            MirrorDirection::Upload => {
                let mut pages = self.list(folder, true).await?;
                let mut entries = Vec::new();
                while let Some(page) = pages.next().await? {
                    entries.extend(page.entries.into_iter().map(|entry| (entry.path, entry.metadata)));
                }
                Ok(entries)
            }
            MirrorDirection::Download => {
                let path = Path::new("/").join(std::ffi::OsStr::from_bytes(folder.as_bytes()));
                local::blocking(move || local_entries(&path)).await
            }
        }
    }

    /// The files in the backup, by their paths in the target; the newest versions first.
    async fn versions(&self, ends: &UndoEnds, histories: &Histories) -> Result<Versions, Error> {
        let mut versions = Versions::new();
        let Some(backup) = &ends.backup else { return Ok(versions) };
        for (path, metadata) in self.entries(ends, backup).await? {
            let full = backup.join_path(&path).map_err(|error| Error::remote(backup, error))?;
            let names = [unnumbered(&path), Some(path)].into_iter().flatten();
            for name in names.filter(|name| histories.contains_key(name)) {
                versions.entry(name).or_default().push((full.clone(), metadata));
            }
        }
        Ok(versions)
    }
}

impl UndoSummary {
    fn fail(&mut self, code: FailureCode) {
        if code == FailureCode::Drifted {
            self.changed += 1;
        } else {
            self.failed += 1;
        }
    }
}

fn mutator(direction: MirrorDirection, session: Session, runtime: Handle) -> Result<TargetMutator, Error> {
    match direction {
        MirrorDirection::Upload => Ok(TargetMutator::Remote {
            session,
            path: RemotePath::root(),
            backup: None,
            versions: None,
            follow: FollowLinks::Never,
            power: true,
            runtime,
        }),
        MirrorDirection::Download => {
            let root = Path::new("/");
            let changes = TransferOptions::default().surviving(true).changes(local::folder(root)?, None);
            let changes = changes.map_err(|failure| Error::local(root, failure))?;
            Ok(TargetMutator::Local(Box::new(changes), root.to_owned()))
        }
    }
}

fn from_root(path: &Path) -> Result<RemotePath, Error> {
    let parsed = RemotePath::from_user(path.as_os_str().as_bytes());
    parsed.map_err(|error| Error::local(path, Failure::from(error)))
}

fn local_entries(path: &Path) -> Result<Vec<(RemotePath, Metadata)>, Error> {
    let folder: Arc<dyn Folder> =
        Arc::new(LocalFolder::open_ambient(path).map_err(|error| local::error_at(path, error))?);
    let mut walk = Walk::new(folder, RemotePath::root()).map_err(|error| local::error_at(path, error))?;
    let mut entries = Vec::new();
    while let Some(visit) = walk.step() {
        match visit {
            Visit::Enter(path, metadata, _) | Visit::Item(path, metadata) => entries.push((path, metadata)),
            Visit::Leave(..) | Visit::Unreadable(..) | Visit::Excluded(_) => {}
        }
    }
    Ok(entries)
}

/// Items of one batch, each of which may have three changes.
const STEPS_AT_ONCE: usize = 256;
