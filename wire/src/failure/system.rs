//! Maps system errors, by their number, to failures.

use super::{Failure, FailureCode};
use rustix::io::Errno;
use std::io;

/// Returns the failure for an error that has a number.
pub(super) fn failure_of(error: &io::Error) -> Option<Failure> {
    let errno = Errno::from_io_error(error)?;
    let known = SYSTEM_ERRORS.iter().find(|known| known.0 == errno);
    let Some((_, code, sentence)) = known else {
        let text = io::Error::from(errno).to_string();
        let words = text.rfind(" (os error ").map_or(&text[..], |end| &text[..end]);
        return Some(Failure::new(FailureCode::Io, words.to_lowercase()));
    };
    Some(Failure { code: *code, message: (*sentence).to_owned() })
}

/// System errors that a user or an operator can act on. Where the sentence is empty, the code is enough.
const SYSTEM_ERRORS: &[(Errno, FailureCode, &str)] = &[
    (Errno::NOENT, FailureCode::NotFound, ""),
    (Errno::ACCESS, FailureCode::PermissionDenied, ""),
    (
        Errno::PERM,
        FailureCode::PermissionDenied,
        "operation not permitted by the filesystem: it may be immutable, append-only or another user's",
    ),
    (Errno::EXIST, FailureCode::Exists, ""),
    (Errno::NOTDIR, FailureCode::NotAFolder, ""),
    (Errno::ISDIR, FailureCode::IsAFolder, ""),
    (Errno::NOTEMPTY, FailureCode::NotEmpty, ""),
    (Errno::NOSPC, FailureCode::NoSpace, ""),
    (Errno::DQUOT, FailureCode::QuotaExceeded, ""),
    (Errno::ROFS, FailureCode::ReadOnly, ""),
    (Errno::MFILE, FailureCode::TooManyOpenFiles, ""),
    (Errno::NFILE, FailureCode::TooManyOpenFiles, "too many open files in the whole system"),
    (Errno::NXIO, FailureCode::SpecialFile, ""), // opening a socket gives this error
    (Errno::LOOP, FailureCode::OutsideRoot, ""),
    (Errno::XDEV, FailureCode::OutsideRoot, ""),
    (Errno::BUSY, FailureCode::InUse, "device or resource busy: a mount point, or in use by the system"),
    (Errno::TXTBSY, FailureCode::InUse, "text file busy: a program that is running"),
    (Errno::DEADLK, FailureCode::InUse, "locked by another process"),
    (Errno::NOLCK, FailureCode::LimitExceeded, "no locks available"),
    (
        Errno::MLINK,
        FailureCode::LimitExceeded,
        "too many links: the filesystem allows no more names or folders here",
    ),
    (
        Errno::FBIG,
        FailureCode::LimitExceeded,
        "file too large for the filesystem or a limit of the system (ulimit -f)",
    ),
    (Errno::OVERFLOW, FailureCode::LimitExceeded, "value too large for the filesystem"),
    (Errno::TOOBIG, FailureCode::LimitExceeded, "too long for the filesystem"),
    (Errno::NOMEM, FailureCode::LimitExceeded, "out of memory"),
    (Errno::NAMETOOLONG, FailureCode::InvalidPath, "name too long for the filesystem"),
    (
        Errno::ILSEQ,
        FailureCode::InvalidPath,
        "the filesystem takes no such name: not valid in its character set",
    ),
    (Errno::INVAL, FailureCode::InvalidPath, "invalid argument: the filesystem takes no such name or value"),
    (Errno::OPNOTSUPP, FailureCode::Unsupported, "operation not supported by the filesystem"),
    (Errno::NOSYS, FailureCode::Unsupported, "operation not supported by the system"),
    (Errno::NOTTY, FailureCode::Unsupported, "operation not supported by the filesystem"),
    (Errno::IO, FailureCode::Io, ""),
    (Errno::STALE, FailureCode::Io, "stale file handle: the file server does not know it any more"),
    (Errno::NOTCONN, FailureCode::Io, "the filesystem is not connected: its server or helper has ended"),
    (Errno::HOSTDOWN, FailureCode::Io, "the filesystem's server is down"),
    (Errno::HOSTUNREACH, FailureCode::Io, "the filesystem's server cannot be reached"),
    (Errno::TIMEDOUT, FailureCode::Io, "the filesystem did not answer in time"),
    (Errno::NODEV, FailureCode::Io, "no such device: it may have been removed"),
    (Errno::UCLEAN, FailureCode::Io, "structure needs cleaning: the filesystem is damaged"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_names() {
        let of = |errno: Errno| Failure::from(io::Error::from(errno));
        for (errno, code, sentence) in SYSTEM_ERRORS {
            assert_eq!(of(*errno), Failure { code: *code, message: (*sentence).to_owned() }, "{errno:?}");
        }
        let mut known: Vec<_> = SYSTEM_ERRORS.iter().map(|known| known.0).collect();
        known.dedup();
        known.sort_by_key(|errno| errno.raw_os_error());
        known.dedup();
        assert_eq!(known.len(), SYSTEM_ERRORS.len(), "each stands there once");
    }

    #[test]
    fn only_an_input_output_error_is_called_so() {
        for number in 1..134 {
            let (failure, is_io) = (Failure::from(io::Error::from_raw_os_error(number)), number == 5);
            assert_eq!(failure.to_string() == FailureCode::Io.meaning(), is_io, "{number}: {failure}");
            assert!(!failure.to_string().contains("os error"), "{number}: {failure}");
        }
        let of_kind = Failure::from(io::Error::from(io::ErrorKind::WriteZero));
        assert_eq!((of_kind.code, of_kind.to_string().as_str()), (FailureCode::Io, "write zero"));
        let own = Failure::from(io::Error::other("/secret/path is broken"));
        assert_eq!(own, FailureCode::Io.into(), "a text that may name paths is not told");
    }
}
