//! Why something could not be done, and the exit code that scripts see for it.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wire::escape::Escaped;
use wire::glob::may_be_pattern;
use wire::{Failure, FailureCode, RemotePath};

/// Why a request could not be done. Its text is one sentence, safe to print.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server cannot be reached, or not in time.
    #[error("cannot reach {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
        /// It may be reached a little later.
        passing: bool,
    },
    /// The connection was lost.
    #[error("lost the connection to {address}: {reason}")]
    Lost {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// The server does not serve this session, or does not go on with it.
    #[error("{address}: {failure}")]
    NotServed {
        /// Host and port.
        address: String,
        /// Why.
        failure: Failure,
    },
    /// The server is not the one it should be, or that cannot be decided.
    #[error("{0}")]
    Untrusted(String),
    /// The login was refused.
    #[error("login refused by {address}: {reason}")]
    LoginRefused {
        /// Host and port.
        address: String,
        /// Why, escaped; servers do not tell what of it was wrong.
        reason: String,
    },
    /// The server has ended the session: what the login stood on has changed.
    #[error("{address} ended the session: {reason}")]
    Revoked {
        /// Host and port.
        address: String,
        /// Why, escaped.
        reason: String,
    },
    /// None of the keys could sign.
    #[error("no key could sign for the login: {0}")]
    NoProof(String),
    /// The server did what the protocol forbids.
    #[error("protocol violation by {address}: {reason}")]
    Protocol {
        /// Host and port.
        address: String,
        /// Which rule it broke.
        reason: String,
    },
    /// A person was asked for what it takes to log in, and gave no answer.
    #[error("{0}")]
    NoLogin(String),
    /// The server could not do it.
    #[error("{path}: {failure}{}", of_patterns(path, failure.code))]
    Remote {
        /// Where, escaped.
        path: String,
        /// Why.
        failure: Failure,
    },
    /// Something of this machine's.
    #[error("{path}: {}{}", plain(source), of_patterns(path, Failure::from(source).code))]
    Local {
        /// Where, escaped.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Not done, to protect data.
    #[error("{0}")]
    Refused(String),
    /// Stopped by the user.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The exit code of a run that ends with this error; see the table in EVENTS.md.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Lost { .. } => 3,
            Self::NotServed { failure, .. } if failure.code == FailureCode::LimitExceeded => 3,
            Self::NotServed { failure, .. } => exit_code_of(failure.code),
            Self::Untrusted(_)
            | Self::LoginRefused { .. }
            | Self::Revoked { .. }
            | Self::NoProof(_)
            | Self::NoLogin(_) => 4,
            Self::Protocol { .. } => 7,
            Self::Remote { failure, .. } => exit_code_of(failure.code),
            Self::Local { source, .. } => exit_code_of(Failure::from(source).code),
            Self::Refused(_) => 6,
            Self::Interrupted => 130,
        }
    }

    /// True if other items of the same request may still succeed; false if the session or the run is over.
    #[must_use]
    pub fn concerns_one_item(&self) -> bool {
        match self {
            Self::Remote { failure, .. } => failure.code != FailureCode::ShuttingDown,
            Self::Local { .. } | Self::Usage(_) | Self::Refused(_) => true,
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::NotServed { .. }
            | Self::Untrusted(_)
            | Self::LoginRefused { .. }
            | Self::Revoked { .. }
            | Self::NoProof(_)
            | Self::NoLogin(_)
            | Self::Protocol { .. }
            | Self::Interrupted => false,
        }
    }

    /// The failure's code, where a file or folder is to blame.
    #[must_use]
    pub fn failure_code(&self) -> Option<FailureCode> {
        match self {
            Self::Remote { failure, .. } => Some(failure.code),
            Self::Local { source, .. } => Some(Failure::from(source).code),
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::NotServed { .. }
            | Self::Untrusted(_)
            | Self::LoginRefused { .. }
            | Self::Revoked { .. }
            | Self::NoProof(_)
            | Self::NoLogin(_)
            | Self::Protocol { .. }
            | Self::Usage(_)
            | Self::Refused(_)
            | Self::Interrupted => None,
        }
    }

    /// Something about a path of this machine, which is escaped here.
    #[must_use]
    pub fn local(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Local { path: Self::shown_path(path), source: source.into() }
    }

    /// A path of this machine as errors show it: escaped.
    #[must_use]
    pub fn shown_path(path: &Path) -> String {
        Escaped(path.as_os_str().as_bytes()).to_string()
    }

    /// Something about a path of the server.
    #[must_use]
    pub fn remote(path: &RemotePath, failure: impl Into<Failure>) -> Self {
        Self::Remote { path: path.to_string(), failure: failure.into() }
    }
}

/// The exit code of a request for a single item that failed with `code`.
#[must_use]
pub fn exit_code_of(code: FailureCode) -> u8 {
    match code {
        FailureCode::LoginRefused
        | FailureCode::AccessDenied
        | FailureCode::PermissionDenied
        | FailureCode::NotOwner => 4,
        FailureCode::NotFound | FailureCode::Vanished => 5,
        FailureCode::Skipped | FailureCode::Busy | FailureCode::Drifted => 6,
        FailureCode::Integrity => 7,
        FailureCode::NoSpace | FailureCode::QuotaExceeded | FailureCode::ReadOnly | FailureCode::Io => 8,
        FailureCode::ShuttingDown => 3,
        FailureCode::Exists
        | FailureCode::NotAFolder
        | FailureCode::IsAFolder
        | FailureCode::NotEmpty
        | FailureCode::TooManyOpenFiles
        | FailureCode::InvalidPath
        | FailureCode::OutsideRoot
        | FailureCode::SpecialFile
        | FailureCode::LeftOut
        | FailureCode::SourceChanged
        | FailureCode::Cancelled
        | FailureCode::Unsupported
        | FailureCode::BadMessage
        | FailureCode::BadState
        | FailureCode::LimitExceeded
        | FailureCode::InUse
        | FailureCode::Unknown(_) => 1,
    }
}

/// The one of two failures that says more about the whole run, and decides its exit code: storage that stopped it, then
/// integrity, then whatever came first.
#[must_use]
pub fn graver(known: Option<FailureCode>, new: Option<FailureCode>) -> Option<FailureCode> {
    let weight = |code: Option<FailureCode>| match code {
        Some(FailureCode::NoSpace | FailureCode::QuotaExceeded | FailureCode::ReadOnly) => 3,
        Some(FailureCode::Integrity) => 2,
        Some(_) => 1,
        None => 0,
    };
    if weight(new) > weight(known) { new } else { known }
}

/// The text of a system's error, without its number: that is for programs, which have the exit code.
fn plain(source: &io::Error) -> String {
    let text = source.to_string();
    match (source.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(end)) => text[..end].to_owned(),
        _ => text,
    }
}

/// The advice for a missing path that looks like a pattern.
fn of_patterns(path: &str, code: FailureCode) -> &'static str {
    if code == FailureCode::NotFound && may_be_pattern(path.as_bytes()) {
        "; as a pattern it matches nothing, or the command takes none here"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_a_run_is_graver() {
        let (space, bad, missing) = (FailureCode::NoSpace, FailureCode::Integrity, FailureCode::NotFound);
        assert_eq!(graver(Some(missing), Some(bad)), Some(bad));
        assert_eq!(graver(Some(space), Some(bad)), Some(space));
        assert_eq!(graver(None, Some(missing)), Some(missing));
        assert_eq!(graver(Some(missing), None), Some(missing));
    }

    #[test]
    fn errors_of_the_system_have_no_numbers() {
        let error = Error::local(Path::new("x"), io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "x: No such file or directory");
    }

    #[test]
    fn what_looks_like_a_pattern_and_is_not_there_is_told_of() {
        let told = |path: &str, code: i32| {
            Error::local(Path::new(path), io::Error::from_raw_os_error(code)).to_string()
        };
        for path in ["*.txt", "a?", "a[1]", "{a,b}"] {
            assert!(told(path, 2).contains("; as a pattern"), "{path}");
            assert!(!told(path, 13).contains("pattern"), "{path}");
        }
        assert!(!told("plain", 2).contains("pattern"));
        let remote = Error::remote(&RemotePath::from_user(b"a*").unwrap(), FailureCode::NotFound);
        assert!(remote.to_string().contains("as a pattern"), "{remote}");
    }
}
