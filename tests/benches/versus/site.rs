//! The folders of one measurement: for the servers' roots, the downloads, and the tools' own files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tests::wan::is_running;

/// A temporary folder and its parts.
pub(crate) struct Site {
    root: TempDir,
}

impl Site {
    /// Makes a site below `parent`, and removes those left there by killed runs.
    pub(crate) fn below(parent: &Path) -> Result<Self> {
        fs::create_dir_all(parent)?;
        sweep(parent);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let root = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(Permissions::from_mode(0o755)) // servers that give up root must reach it
            .tempdir_in(parent)
            .with_context(|| format!("making a folder in {}", parent.display()))?;
        let site = Self { root };
        for part in
            [site.source(), site.uploads(), site.staging(), site.downloads(), site.home(), site.logs()]
        {
            fs::create_dir_all(part)?;
        }
        Ok(site)
    }

    /// A site in memory if the system has a place for that.
    pub(crate) fn in_memory() -> Result<Self> {
        let shared_memory = Path::new("/dev/shm");
        if shared_memory.is_dir() { Self::below(shared_memory) } else { Self::below(&std::env::temp_dir()) }
    }

    /// The root of all servers.
    pub(crate) fn served(&self) -> PathBuf {
        self.root.path().join("served")
    }

    /// The data to transfer, for both directions.
    pub(crate) fn source(&self) -> PathBuf {
        self.served().join("source")
    }

    pub(crate) fn uploads(&self) -> PathBuf {
        self.served().join("in")
    }

    /// For servers that collect uploads elsewhere first; on the same filesystem, so that they rename instead of copying.
    pub(crate) fn staging(&self) -> PathBuf {
        self.served().join("staging")
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.path().join("out")
    }

    /// The clients' home folder, so that personal settings have no effect.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    /// A new folder for a server's configuration and keys.
    pub(crate) fn settings(&self, server: &str) -> Result<PathBuf> {
        let folder = self.root.path().join(server);
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if owner.is_some_and(|process| !is_running(process)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

const PREFIX: &str = "versus-";
