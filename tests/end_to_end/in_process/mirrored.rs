//! A mirror to a real server in this process: a source, a target whose storage fails as planned, and a listener that records.

use crate::support::faulty_storage::{Faults, FaultyRoots};
use crate::support::served::Served;
use ftp_client::mirror::{
    DeleteLimit, DeleteRefusal, MirrorAction, MirrorDirection, MirrorListener, MirrorOptions, MirrorOutcome,
    MirrorRequest, Mode,
};
use ftp_client::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver};
use ftp_client::{Error, Session};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use wire::{Access, RemotePath};

/// A session with a server whose root holds the target, and a folder here that holds the source.
pub(crate) struct Mirrored {
    pub(crate) served: Served,
    pub(crate) faults: Arc<Faults>,
    root: TempDir,
    local: TempDir,
}

impl Mirrored {
    /// The source and the target are there, empty.
    pub(crate) async fn start(faults: Arc<Faults>, access: Access) -> Self {
        let (root, local) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let served = Served::start(Arc::new(FaultyRoots(faults.clone())), root.path(), access).await;
        let mirrored = Self { served, faults, root, local };
        fs::create_dir(mirrored.source("")).unwrap();
        fs::create_dir(mirrored.target("")).unwrap();
        mirrored
    }

    /// Returns a path in the source.
    pub(crate) fn source(&self, path: &str) -> PathBuf {
        self.local.path().join("source").join(path)
    }

    /// Returns a path in the target.
    pub(crate) fn target(&self, path: &str) -> PathBuf {
        self.root.path().join("target").join(path)
    }

    /// Mirrors the source to `remote`, which is `target` where nothing else is meant.
    pub(crate) async fn up(
        &self,
        remote: &str,
        options: MirrorOptions,
        recorder: &Arc<Recorder>,
    ) -> Result<MirrorOutcome, Error> {
        mirror(&self.served.session, MirrorDirection::Upload, self.source(""), remote, options, recorder)
            .await
    }
}

/// Mirrors between a folder here and one at the server.
pub(crate) async fn mirror(
    session: &Session,
    direction: MirrorDirection,
    local: PathBuf,
    remote: &str,
    options: MirrorOptions,
    recorder: &Arc<Recorder>,
) -> Result<MirrorOutcome, Error> {
    let (remote, scope) = (RemotePath::from_user(remote.as_bytes()).unwrap(), RemotePath::root());
    let request = MirrorRequest { direction, local, remote, options, mode: Mode::Run, scope };
    Box::pin(session.mirror(request, recorder.clone())).await
}

/// Returns the default options with changes.
pub(crate) fn options(change: impl FnOnce(&mut MirrorOptions)) -> MirrorOptions {
    let mut options = MirrorOptions::default();
    change(&mut options);
    options
}

/// Deletions, however many.
pub(crate) fn delete(options: &mut MirrorOptions) {
    options.delete = true;
    options.delete_max = DeleteLimit::Percent(100);
    options.allow_empty_source = true;
}

/// Records what a mirror reports.
#[derive(Default)]
pub(crate) struct Recorder {
    records: Mutex<Records>,
    /// Called with each action that is planned.
    pub(crate) on_planned: Option<OnPlanned>,
}

pub(crate) type OnPlanned = Box<dyn Fn(&MirrorAction) -> Result<(), Error> + Send + Sync>;

/// The reports so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    /// Actions that were planned: sign and path of each.
    pub(crate) planned: Vec<String>,
    pub(crate) failed: Vec<String>,
    /// The latest totals: files, bytes, and whether these are all.
    pub(crate) totals: Option<(u64, u64, bool)>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The same, which calls `on_planned` with each action that is planned.
    pub(crate) fn with(
        on_planned: impl Fn(&MirrorAction) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { on_planned: Some(Box::new(on_planned)), ..Self::default() })
    }

    pub(crate) fn records(&self) -> Records {
        self.records.lock().unwrap().clone()
    }
}

impl TransferObserver for Recorder {
    fn on_event(&self, event: &TransferEvent<'_>) {
        let mut records = self.records.lock().unwrap();
        match event {
            TransferEvent::Totals(totals) => {
                records.totals = Some((totals.files, totals.bytes, totals.complete));
            }
            TransferEvent::FileFinished(FileReport {
                path, outcome: FileOutcome::Failed(failure), ..
            }) => {
                records.failed.push(format!("{path} {:?}", failure.code));
            }
            _ => {}
        }
    }
}

impl MirrorListener for Recorder {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        self.records.lock().unwrap().planned.push(format!("{}{}", action.sign(), action.path()));
        self.on_planned.as_ref().map_or(Ok(()), |on_planned| on_planned(action))
    }
    fn done(&self, _: &MirrorAction) {}
    fn not_deleted(&self, _: u64) {}
    fn refused(&self, _: DeleteRefusal) {}
}
