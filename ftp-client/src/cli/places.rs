//! Which server a command line speaks of, and which of its paths lie there.

use crate::cli::login;
use ftp_client::fingerprint::Key;
use ftp_client::remote::{self, Ending, Remote};
use ftp_client::{Error, Session};
use std::collections::HashSet;
use wire::metadata::Kind;
use wire::{Failure, FailureCode, Name, RemotePath};

/// The one server of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) pin: Option<Key>,
    /// The key that a plan or result file has recorded. It must be the server's, and overrules no known server.
    pub(crate) recorded: Option<Key>,
}

impl Server {
    /// The server of one path.
    pub(crate) fn of(remote: &Remote) -> Self {
        Self {
            user: remote.user.clone(),
            host: remote.host.clone(),
            port: remote.port,
            pin: remote.pin,
            recorded: None,
        }
    }

    /// The server that all paths are on.
    pub(crate) fn of_all<'a>(remotes: impl IntoIterator<Item = &'a Remote>) -> Result<Self, Error> {
        let mut servers = remotes.into_iter().map(Self::of);
        let first = servers.next().ok_or_else(|| Error::Usage("no remote path was given".to_owned()))?;
        servers.try_fold(first, Self::same)
    }

    /// Host and port as people write them.
    pub(crate) fn address(&self) -> String {
        remote::address(&self.host, self.port)
    }

    /// True if both are the same user's login to the same server.
    pub(crate) fn is_of_same_user(&self, other: &Self) -> bool {
        let same_user = || login::user(self).ok() == login::user(other).ok();
        (&self.host, self.port) == (&other.host, other.port) && same_user()
    }

    fn same(self, other: Self) -> Result<Self, Error> {
        if (&self.user, &self.host, self.port) != (&other.user, &other.host, other.port) {
            return Err(Error::Usage(
                "all remote paths must be on the same server, for the same user".to_owned(),
            ));
        }
        let pin = one_pin(self.pin, other.pin)?;
        Ok(Self { pin, ..self })
    }
}

/// Two pins of one server must be the same.
pub(crate) fn one_pin(one: Option<Key>, other: Option<Key>) -> Result<Option<Key>, Error> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err(Error::Usage("the server is pinned to two different keys".to_owned()))
        }
        (one, other) => Ok(one.or(other)),
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

/// The path as people know it: from the root.
pub(crate) fn rooted(path: &RemotePath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// The path of `name` within a folder.
pub(crate) fn within(folder: &RemotePath, name: &Name) -> Result<RemotePath, Error> {
    folder.join(name).map_err(|error| Error::remote(folder, error))
}

/// Makes sure that a path is a folder. Users who may not look are believed: their write will tell.
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

/// Makes sure that a path that was typed with a `/` at the end is a folder, or a link to one.
pub(crate) async fn require_as_typed(session: &Session, remote: &Remote) -> Result<(), Error> {
    if remote.must_be_folder() { require_folder(session, &remote.path).await } else { Ok(()) }
}

/// The path that is meant: with a `/` at the end, that of the folder that a link leads to.
pub(crate) async fn meant(session: &Session, remote: &Remote) -> Result<RemotePath, Error> {
    if remote.must_be_folder() { session.folder_at(&remote.path).await } else { Ok(remote.path.clone()) }
}

/// Refuses paths that end in `.` or `..` where a folder loses its name, as rm and mv do everywhere.
pub(crate) fn none_is_dot(remotes: &[Remote], command: &str) -> Result<(), Error> {
    if remotes.iter().all(|remote| remote.ending != Ending::Dot) {
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
    use crate::cli::scope::Scope;
    use std::ffi::OsString;

    fn server(texts: &[&str]) -> Result<Server, Error> {
        Scope::default()
            .remotes(&texts.iter().map(OsString::from).collect::<Vec<_>>())
            .map(|(server, _)| server)
    }

    #[test]
    fn all_paths_are_on_one_server() {
        assert_eq!(server(&["ann@h:a", "ftpx://ann@H:2121/b"]).unwrap().address(), "h:2121");
        for other in ["h:b", "bob@h:b", "ann@i:b", "ftpx://ann@h:1/b", "local"] {
            assert_eq!(server(&["ann@h:a", other]).unwrap_err().exit_code(), 2, "{other}");
        }
    }

    #[test]
    fn pins_must_agree() {
        let pinned = |digits: &str| format!("ftpx://h/a?pin=sha256:{}", digits.repeat(32));
        assert_eq!(server(&["h:a", &pinned("01")]).unwrap().pin, Some([1; 32]));
        assert!(server(&[&pinned("01"), &pinned("02")]).is_err());
    }

    #[test]
    fn names_must_differ() {
        let [a, b] = [b"a", b"b"].map(|name| Name::new(name).unwrap());
        assert!(no_name_twice([Some(&a), Some(&b), None, None]).is_ok());
        assert!(no_name_twice([Some(&a), None, Some(&a)]).is_err());
    }
}
