//! The paths of a command line that lie at the server.

use ftp_client::remote::{PathEnding, Remote};
use ftp_client::{Error, Session};
use std::collections::HashSet;
use wire::message::MakeFolder;
use wire::metadata::Kind;
use wire::{Failure, FailureCode, Name, RemotePath};

/// Returns the path of an item below a source.
pub(crate) fn joined(source: &[u8], below: &[u8]) -> Vec<u8> {
    match (source, below) {
        (source, b"") => source.to_vec(),
        (source, below) if source.ends_with(b"/") => [source, below].concat(),
        (source, below) => [source, b"/", below].concat(),
    }
}

/// Two things cannot both become `folder/name`.
pub(crate) fn no_name_twice<'a>(names: impl IntoIterator<Item = Option<&'a Name>>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for name in names.into_iter().flatten() {
        if !seen.insert(name) {
            return Err(Error::Usage(format!(
                "two of the sources are named {name}: one would replace the other"
            )));
        }
    }
    Ok(())
}

/// The contents of one folder can become the target's, not of several: what they have in common would replace each other.
pub(crate) fn no_contents_mixed(folders: usize) -> Result<(), Error> {
    if folders <= 1 {
        return Ok(());
    }
    let reason = "the contents of several folders would be mixed: leave out the / at the end, or take one after the other";
    Err(Error::Usage(reason.to_owned()))
}

/// The path as people know it: from the root.
pub(crate) fn rooted(path: &RemotePath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// The path of `name` within a folder.
pub(crate) fn within(folder: &RemotePath, name: &Name) -> Result<RemotePath, Error> {
    folder.join(name).map_err(|error| Error::remote(folder, error))
}

/// Checks that a path is a folder. Without permission to look, the check passes, and the write reports an error.
pub(crate) async fn require_folder(session: &Session, path: &RemotePath) -> Result<(), Error> {
    if path.is_root() {
        return Ok(());
    }
    match session.stat(path, true).await {
        Ok(entry) if entry.metadata.kind == Kind::Folder => Ok(()),
        Ok(_) => Err(Error::remote(path, FailureCode::NotAFolder)),
        Err(error) => match error.failure_code() {
            Some(FailureCode::AccessDenied) => Ok(()),
            Some(FailureCode::NotFound) => Err(Error::remote(path, no_such_folder())),
            _ => Err(error),
        },
    }
}

/// As [`require_folder`], but makes a missing folder. The folder that it is to be in must be there.
pub(crate) async fn require_or_make_folder(session: &Session, path: &RemotePath) -> Result<(), Error> {
    match require_folder(session, path).await {
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => make_folder(session, path).await,
        result => result,
    }
}

/// Makes a folder, unless another run has made it meanwhile.
pub(crate) async fn make_folder(session: &Session, path: &RemotePath) -> Result<(), Error> {
    match session.call(MakeFolder { path: path.clone(), parents: false }).await {
        Err(error) if error.failure_code() == Some(FailureCode::Exists) => Ok(()),
        Err(error) if error.failure_code() == Some(FailureCode::NotFound) => {
            let reason = "no such folder, and the one that it would be in is missing too (use mkdir -p)";
            Err(Error::remote(path, Failure::new(FailureCode::NotFound, reason)))
        }
        result => result.map(|_| ()),
    }
}

/// Makes sure that a path that was typed with a `/` at the end is a folder, or a link to one.
pub(crate) async fn require_as_typed(session: &Session, remote: &Remote) -> Result<(), Error> {
    if remote.must_be_folder() { require_folder(session, &remote.path).await } else { Ok(()) }
}

/// The path that is meant: with a `/` at the end, that of the folder that a link leads to.
pub(crate) async fn meant(session: &Session, remote: &Remote) -> Result<RemotePath, Error> {
    if remote.must_be_folder() { session.folder_at(&remote.path).await } else { Ok(remote.path.clone()) }
}

/// Refuses paths that end in `.` or `..` for commands that remove or move a folder, as rm and mv do.
pub(crate) fn none_is_dot(remotes: &[Remote], command: &str) -> Result<(), Error> {
    if remotes.iter().all(|remote| remote.ending != PathEnding::Dot) {
        return Ok(());
    }
    Err(Error::Usage(format!("{command} takes no path that ends in . or ..: name the folder itself")))
}

/// A path that should be a folder does not exist.
pub(crate) fn no_such_folder() -> Failure {
    Failure::new(FailureCode::NotFound, "no such folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_differ() {
        let [a, b] = [b"a", b"b"].map(|name| Name::new(name).unwrap());
        assert!(no_name_twice([Some(&a), Some(&b), None, None]).is_ok());
        assert!(no_name_twice([Some(&a), None, Some(&a)]).is_err());
    }
}
