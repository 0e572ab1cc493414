//! Failures as one end reports them to the other: a code for programs, a safe sentence for people.

#[cfg(feature = "net")]
mod system;

use crate::escape::Escaped;
use crate::limits::FAILURE_MESSAGE_LEN_MAX;
use crate::path::PathError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

macro_rules! failure_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// The kind of a failure. Numbers are API and never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        pub enum FailureCode {
            $($(#[doc = $doc])+ $name,)+
            /// A code of a later version.
            Unknown(u16),
        }

        impl FailureCode {
            /// All codes of this version.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the meaning of the code, in a short sentence without a full stop.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc,)+).trim_ascii(),)+
                    Self::Unknown(_) => "failed for a reason of a later protocol version",
                }
            }
        }

        impl From<u16> for FailureCode {
            fn from(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)+
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<FailureCode> for u16 {
            fn from(code: FailureCode) -> Self {
                match code {
                    $(FailureCode::$name => $number,)+
                    FailureCode::Unknown(other) => other,
                }
            }
        }
    };
}

failure_codes! {
    /// login refused
    LoginRefused = 1,
    /// this user may not do that
    AccessDenied = 2,
    /// no such file or folder
    NotFound = 3,
    /// exists already
    Exists = 4,
    /// is not a folder
    NotAFolder = 5,
    /// is a folder
    IsAFolder = 6,
    /// the folder is not empty
    NotEmpty = 7,
    /// permission denied by the filesystem
    PermissionDenied = 8,
    /// no space left on the device
    NoSpace = 9,
    /// the disk quota is used up
    QuotaExceeded = 10,
    /// the filesystem is read-only
    ReadOnly = 11,
    /// too many open files
    TooManyOpenFiles = 12,
    /// input/output error
    Io = 13,
    /// not an allowed name or path
    InvalidPath = 14,
    /// leads through a symbolic link or out of the root
    OutsideRoot = 15,
    /// neither a file, a folder nor a symbolic link
    SpecialFile = 16,
    /// changed while it was read
    SourceChanged = 17,
    /// the data did not match its checksum
    Integrity = 18,
    /// left alone, as asked
    Skipped = 19,
    /// cancelled
    Cancelled = 20,
    /// unknown to this version
    Unsupported = 21,
    /// not a valid message
    BadMessage = 22,
    /// not allowed in this state
    BadState = 23,
    /// over a limit
    LimitExceeded = 24,
    /// the server is shutting down
    ShuttingDown = 25,
    /// another run is writing there
    Busy = 26,
    /// is no longer what it was when this was decided
    Drifted = 27,
    /// belongs to another user of the system, who alone may change its times and permissions
    NotOwner = 28,
    /// was removed before it could be read
    Vanished = 29,
    /// in use by the system
    InUse = 30,
    /// a pipe, socket or device, which is not sent
    LeftOut = 31,
}

/// A failure as it travels: the code, and a sentence that reveals only what its receiver may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The code, for programs.
    pub code: FailureCode,
    /// The sentence, for people; empty where the code is enough. Comes from the peer: escape it before showing it.
    pub message: String,
}

impl Failure {
    /// A failure with its own sentence, cut at [`FAILURE_MESSAGE_LEN_MAX`].
    #[must_use]
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > FAILURE_MESSAGE_LEN_MAX {
            let end = (0..=FAILURE_MESSAGE_LEN_MAX).rev().find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or(0));
        }
        Self { code, message }
    }

    /// The failure of an item whose name resolves to an entry that is stored under another spelling.
    #[must_use]
    pub fn respelled() -> Self {
        let reason =
            "the target has a name that differs in upper and lower case only, and takes both for one";
        Self::new(FailureCode::Exists, reason)
    }

    /// The failure to read an entry that a walk has found. If an entry of its kind no longer exists, it has vanished: it was
    /// removed, renamed, or replaced since.
    #[must_use]
    pub fn of_found(error: io::Error) -> Self {
        let failure = Self::from(error);
        let is_gone = is_gone(failure.code) && failure.message.is_empty(); // a sentence is about what is there
        if is_gone { FailureCode::Vanished.into() } else { failure }
    }

    /// The same failure with `at`, which names the place, before its sentence. A failure that is not a fault of a machine stays
    /// unchanged: the item was skipped, must be sent again, or was cancelled.
    #[must_use]
    pub fn at(self, at: &str) -> Self {
        use FailureCode::{BadState, Cancelled, Integrity, Skipped};
        if matches!(self.code, Skipped | Integrity | Cancelled | BadState) {
            return self;
        }
        let sentence = if self.message.is_empty() { self.code.meaning() } else { &self.message };
        Self::new(self.code, format!("{at}: {sentence}"))
    }

    /// The failure to replace a pipe, a socket or a device: replacing one is never intended.
    #[must_use]
    pub fn special_in_place() -> Self {
        Self::new(FailureCode::SpecialFile, "a pipe, socket or device is in its place")
    }
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, message: String::new() }
    }
}

impl From<PathError> for Failure {
    fn from(error: PathError) -> Self {
        Self::new(FailureCode::InvalidPath, error.to_string())
    }
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            Some(failure) => failure.clone(),
            None => of_system(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

/// Lets a failure stand where a filesystem error is expected; `Failure::from` returns it unchanged.
impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            f.write_str(self.code.meaning())
        } else {
            // A message from the peer may be longer than allowed.
            Escaped(&self.message.as_bytes()[..self.message.len().min(FAILURE_MESSAGE_LEN_MAX)]).fmt(f)
        }
    }
}

/// True for the codes that the system gives when a file, folder or link no longer exists.
fn is_gone(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::NotFound
            | FailureCode::NotAFolder
            | FailureCode::IsAFolder
            | FailureCode::OutsideRoot
            | FailureCode::SpecialFile
    )
}

/// The code of a system error, with the system's own words where they say more. They contain no path.
fn of_system(error: &io::Error) -> Failure {
    #[cfg(feature = "net")]
    if let Some(failure) = system::failure_of(error) {
        return failure;
    }
    of_kind(error)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the system's kinds are many, and grow")]
fn of_kind(error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::NotFound => FailureCode::NotFound,
        Kind::PermissionDenied => FailureCode::PermissionDenied,
        Kind::AlreadyExists => FailureCode::Exists,
        Kind::NotADirectory => FailureCode::NotAFolder,
        Kind::IsADirectory => FailureCode::IsAFolder,
        Kind::DirectoryNotEmpty => FailureCode::NotEmpty,
        Kind::StorageFull => FailureCode::NoSpace,
        Kind::QuotaExceeded => FailureCode::QuotaExceeded,
        Kind::ReadOnlyFilesystem => FailureCode::ReadOnly,
        Kind::InvalidFilename => FailureCode::InvalidPath,
        Kind::FileTooLarge => FailureCode::LimitExceeded,
        Kind::CrossesDevices => FailureCode::OutsideRoot,
        // The text of a custom error may contain paths; a kind alone does not.
        kind if error.get_ref().is_none() => return Failure::new(FailureCode::Io, kind.to_string()),
        _ => FailureCode::Io,
    };
    code.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::from(u16::from(*code)), *code);
        }
        assert_eq!(FailureCode::from(60_000), FailureCode::Unknown(60_000));
    }

    #[test]
    fn a_failure_survives_being_an_io_error() {
        let failure = Failure::new(FailureCode::SpecialFile, "is a pipe");
        assert_eq!(Failure::from(io::Error::from(failure.clone())), failure);
        assert_eq!(Failure::from(io::Error::from_raw_os_error(28)).code, FailureCode::NoSpace);
    }

    #[test]
    fn a_failure_tells_where_it_happened() {
        let at = |failure: Failure| failure.at("on the server").to_string();
        assert_eq!(at(FailureCode::NotFound.into()), "on the server: no such file or folder");
        assert_eq!(at(Failure::new(FailureCode::InUse, "busy")), "on the server: busy");
        assert_eq!(at(FailureCode::Skipped.into()), FailureCode::Skipped.meaning());
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        assert_eq!(Failure::new(FailureCode::Io, "ä".repeat(600)).message.len(), 1024);
    }
}
