//! Expands patterns of local files, for scripts and the shell.

use ftp_client::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use wire::RemotePath;
use wire::glob::{Glob, may_be_pattern};
use wire::metadata::Kind;
use wire::store::LocalFolder;
use wire::store::walk::{Visit, Walk, WalkChoice};

/// Returns what a pattern matches, from `current` on; itself if it exists as a name, or matches nothing. With a `/` at its end it matches
/// folders only, and they have one too.
pub(crate) fn expand(typed: OsString, current: &Path) -> Result<Vec<OsString>, Error> {
    if current.join(&typed).symlink_metadata().is_ok() {
        return Ok(vec![typed]);
    }
    let found = matching(&typed, current)?;
    Ok(if found.is_empty() { vec![typed] } else { found })
}

fn matching(typed: &OsStr, current: &Path) -> Result<Vec<OsString>, Error> {
    let usage = |error: &dyn std::fmt::Display| {
        Error::Usage(format!("{}: {error}", Error::shown_path(Path::new(typed))))
    };
    let bytes = typed.as_bytes();
    let begin = bytes.iter().position(|byte| may_be_pattern(&[*byte])).unwrap_or(0);
    let begin = bytes[..begin].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (folder, pattern) = bytes.split_at(begin);
    let pattern = RemotePath::from_user(pattern).map_err(|error| usage(&error))?;
    let glob = Glob::new(&pattern).map_err(|error| usage(&error))?;
    let place = current.join(OsStr::from_bytes(folder));
    let Ok(opened) = LocalFolder::open_ambient(&place) else { return Ok(Vec::new()) };
    let mut walk =
        Walk::new(Arc::new(opened), RemotePath::root()).map_err(|error| Error::local(&place, error))?;
    let end: &[u8] = if bytes.ends_with(b"/") { b"/" } else { b"" };
    let goes = |path: &RemotePath, is_folder: bool| {
        let found = glob.look(path);
        if is_folder && found.leads_on {
            WalkChoice::Enter
        } else if found.is_match {
            WalkChoice::Item
        } else {
            WalkChoice::Exclude
        }
    };
    let mut found = Vec::new();
    while let Some(visit) = walk.step_filtered(&goes) {
        match visit {
            Visit::Enter(path, metadata, _) | Visit::Item(path, metadata)
                if glob.look(&path).is_match && (end.is_empty() || metadata.kind == Kind::Folder) =>
            {
                found.push(OsString::from_vec([folder, path.as_bytes(), end].concat()));
            }
            Visit::Enter(..)
            | Visit::Item(..)
            | Visit::Leave(..)
            | Visit::Excluded(_)
            | Visit::Unreadable(..) => {}
        }
    }
    Ok(found)
}
