//! The shared folder or file.

use crate::cli::failure::usage;
use crate::cli::setup::{absolute, existing_folder};
use anyhow::Context;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::RemotePath;
use wire::escape::Escaped;

/// A folder, or one file of a folder.
#[derive(Debug)]
pub(super) struct SharedPlace {
    pub(super) root: PathBuf,
    /// The file, if only that is shared.
    pub(super) only: Option<RemotePath>,
}

impl SharedPlace {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let path = absolute(path)?;
        if !path.is_file() {
            return Ok(Self { root: existing_folder(&path)?, only: None });
        }
        // A link to a file is that file: its folder is the root.
        let file = path.canonicalize().with_context(|| format!("cannot use {}", path.display()))?;
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(usage(format_args!("cannot share {}", path.display())));
        };
        let only = RemotePath::from_wire(name.as_bytes()).map_err(usage)?;
        Ok(Self { root: folder.to_owned(), only: Some(only) })
    }

    /// The path as people see it.
    pub(super) fn shown(&self) -> String {
        let path = match &self.only {
            Some(file) => self.root.join(OsStr::from_bytes(file.as_bytes())),
            None => self.root.clone(),
        };
        Escaped(path.as_os_str().as_bytes()).to_string()
    }

    /// Its last name.
    pub(super) fn name(&self) -> String {
        match (&self.only, self.root.file_name()) {
            (Some(file), _) => Escaped(file.as_bytes()).to_string(),
            (None, Some(name)) => Escaped(name.as_bytes()).to_string(),
            (None, None) => "/".to_owned(),
        }
    }
}
