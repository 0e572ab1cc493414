//! The one server that a command line speaks of, and who logs in there.

use crate::cli::environment::variable;
use ftp_client::Error;
use ftp_client::fingerprint::ServerKey;
use ftp_client::remote::{self, Remote, Way};

/// The one server of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerTarget {
    pub(crate) way: Way,
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) pin: Option<ServerKey>,
    /// The key that a plan or result file has recorded. It must be the server's, and overrules no known server.
    pub(crate) recorded: Option<ServerKey>,
}

impl ServerTarget {
    /// The server of one path.
    pub(crate) fn of(remote: &Remote) -> Self {
        Self {
            way: remote.way,
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

    /// True if both are at the same port of the same host, reached in the same way.
    pub(crate) fn is_at_same_place(&self, other: &Self) -> bool {
        (self.way, &self.host, self.port) == (other.way, &other.host, other.port)
    }

    /// True if both are the same user's login to the same server.
    pub(crate) fn is_of_same_user(&self, other: &Self) -> bool {
        let same_user = || self.user().ok() == other.user().ok();
        self.is_at_same_place(other) && same_user()
    }

    /// Returns the typed user, or the local one: from the environment, or if that is not set, as under cron, from the account.
    pub(crate) fn user(&self) -> Result<String, Error> {
        if let Some(user) = &self.user {
            return Ok(user.clone());
        }
        for name in ["USER", "LOGNAME"] {
            if let Some(user) = variable(name)? {
                return Ok(user);
            }
        }
        let account = uzers::get_current_username().and_then(|name| name.into_string().ok());
        account.ok_or_else(|| {
            Error::Usage("who logs in? write USER@HOST::PATH or ftpx://USER@HOST/PATH".to_owned())
        })
    }

    fn same(self, other: Self) -> Result<Self, Error> {
        if self.user != other.user || !self.is_at_same_place(&other) {
            return Err(Error::Usage(
                "all remote paths must be on the same server, for the same user".to_owned(),
            ));
        }
        let pin = one_pin(self.pin, other.pin)?;
        Ok(Self { pin, ..self })
    }
}

/// Two pins of one server must be the same.
pub(crate) fn one_pin(one: Option<ServerKey>, other: Option<ServerKey>) -> Result<Option<ServerKey>, Error> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            Err(Error::Usage("the server is pinned to two different keys".to_owned()))
        }
        (one, other) => Ok(one.or(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scope::Scope;
    use std::ffi::OsString;

    fn server(texts: &[&str]) -> Result<ServerTarget, Error> {
        Scope::default()
            .remotes(&texts.iter().map(OsString::from).collect::<Vec<_>>())
            .map(|(server, _)| server)
    }

    #[test]
    fn all_paths_are_on_one_server() {
        assert_eq!(server(&["ann@h::a", "ftpx://ann@H:2121/b"]).unwrap().address(), "h:2121");
        for other in ["h::b", "bob@h::b", "ann@i::b", "ann@h:b", "ftpx://ann@h:1/b", "local"] {
            assert_eq!(server(&["ann@h::a", other]).unwrap_err().exit_code(), 2, "{other}");
        }
    }

    #[test]
    fn pins_must_agree() {
        let pinned = |digits: &str| format!("ftpx://h/a?pin=sha256:{}", digits.repeat(32));
        assert_eq!(server(&["h::a", &pinned("01")]).unwrap().pin, Some([1; 32]));
        assert!(server(&[&pinned("01"), &pinned("02")]).is_err());
    }
}
