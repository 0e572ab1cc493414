//! The real server and the real client in this process, on storage in memory, over a network in memory.

use crate::support::memory_network::MemoryNetwork;
use crate::support::served::Served;
use crate::support::{PATIENCE, content};
use ftp_client::error::Error;
use ftp_client::observer::{NoopTransferObserver, TransferSummary};
use ftp_client::{ConnectOptions, GetRequest, PutRequest, PutSource, Session, TransferOptions};
use ftp_server::disks::{RootOpener, StorageRoot};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::memory_storage::MemoryStorage;
use wire::modes::ModePolicy;
use wire::{Access, RemotePath};

/// A server whose root is in memory, and a session with it.
pub(crate) struct InMemory {
    pub(crate) storage: MemoryStorage,
    pub(crate) network: MemoryNetwork,
    /// How its session was begun.
    pub(crate) options: ConnectOptions,
    pub(crate) session: Session,
    pub(crate) local: TempDir,
    _served: Served,
}

/// Opens every root as the same storage.
pub(crate) struct OneStorage(pub(crate) MemoryStorage);

impl RootOpener for OneStorage {
    fn open(&self, _: &Path, _: ModePolicy) -> io::Result<StorageRoot> {
        Ok(StorageRoot { storage: Arc::new(self.0.clone()), filesystem: 0 })
    }
}

impl InMemory {
    pub(crate) async fn start() -> Self {
        let storage = MemoryStorage::default();
        let roots = Arc::new(OneStorage(storage.clone()));
        let served = Served::start(roots, Path::new("/memory"), Access::Full).await;
        Self {
            storage,
            network: served.network.clone(),
            options: served.options.clone(),
            session: served.session.clone(),
            local: tempfile::tempdir().unwrap(),
            _served: served,
        }
    }

    pub(crate) async fn put(&self, source: PutSource, path: &str, options: TransferOptions) -> Outcome {
        let put = PutRequest { source, path: remote(path), into: None, totals: false, options };
        self.session.put(put, Arc::new(NoopTransferObserver)).await
    }

    pub(crate) async fn get(&self, path: &str, target: &Path, recursive: bool) -> Outcome {
        let (path, target, options) = (remote(path), target.to_owned(), TransferOptions::default());
        let (must_be_folder, into, totals) = (false, None, true);
        let get = GetRequest { path, must_be_folder, recursive, target, into, totals, options };
        self.session.get(get, Arc::new(NoopTransferObserver)).await
    }

    pub(crate) async fn names(&self, path: &str, recursive: bool) -> Vec<String> {
        let mut pages = self.session.list(&remote(path), recursive).await.unwrap();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(page.failures.is_empty(), "{:?}", page.failures);
            let name = |path: &RemotePath| String::from_utf8(path.as_bytes().to_vec()).unwrap();
            names.extend(page.entries.iter().map(|entry| name(&entry.path)));
        }
        names
    }

    /// Makes a small tree to send.
    pub(crate) fn tree(&self) -> PathBuf {
        let tree = self.local.path().join("tree");
        fs::create_dir_all(tree.join("below/deeper")).unwrap();
        fs::write(tree.join("small"), "small").unwrap();
        fs::write(tree.join("empty"), "").unwrap();
        fs::write(tree.join("below/large"), content(7, 5_000_001)).unwrap();
        tree
    }
}

pub(crate) type Outcome = Result<TransferSummary, Error>;

pub(crate) fn remote(path: &str) -> RemotePath {
    RemotePath::from_user(path.as_bytes()).unwrap()
}

/// Waits until `holds`.
pub(crate) async fn wait_for(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "it did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
