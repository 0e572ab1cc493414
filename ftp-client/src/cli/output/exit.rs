//! Exit codes: API for people's scripts.

use super::sink::STDOUT;
use ftp_client::Error;
use ftp_client::error::exit_code_of;
use ftp_client::observer::TransferSummary;
use std::io;
use wire::FailureCode;

/// Returns the exit code of a run, and the error to report. A closed standard output is no failure.
pub(super) fn of_run(result: Result<u8, Error>) -> (u8, Option<Error>) {
    match result {
        Ok(code) => (code, None),
        Err(Error::Local { path, source })
            if path == STDOUT && source.kind() == io::ErrorKind::BrokenPipe =>
        {
            (0, None)
        }
        Err(error) => (error.exit_code(), Some(error)),
    }
}

/// The exit code of a transfer that ran to its end. `named`: it was asked for one file, by its name; `protects`: files
/// that exist were to be left alone.
pub(crate) fn of_transfer(summary: &TransferSummary, named: bool, protects: bool) -> u8 {
    match summary.gravest {
        _ if summary.failed == 0 => {
            if named && protects && summary.skipped > 0 {
                6
            } else {
                0
            }
        }
        Some(FailureCode::Exists) if named => 6, // where the user may only add
        Some(code) if named => exit_code_of(code),
        Some(FailureCode::NoSpace | FailureCode::QuotaExceeded | FailureCode::ReadOnly) => 8,
        Some(FailureCode::Integrity) => 7,
        Some(_) | None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: FailureCode) -> TransferSummary {
        TransferSummary { files: 3, failed: 1, gravest: Some(code), ..TransferSummary::default() }
    }

    #[test]
    fn some_items_failed() {
        assert_eq!(of_transfer(&TransferSummary::default(), true, true), 0);
        assert_eq!(of_transfer(&failed(FailureCode::NotFound), false, false), 1);
        assert_eq!(of_transfer(&failed(FailureCode::NotFound), true, false), 5);
        assert_eq!(of_transfer(&failed(FailureCode::Exists), true, false), 6);
        assert_eq!(of_transfer(&failed(FailureCode::AccessDenied), true, false), 4);
        assert_eq!(of_transfer(&failed(FailureCode::QuotaExceeded), false, false), 8);
        assert_eq!(of_transfer(&failed(FailureCode::Integrity), false, false), 7);
        assert_eq!(of_transfer(&TransferSummary { failed: 1, ..TransferSummary::default() }, true, false), 1);
    }

    #[test]
    fn protecting_a_named_file_is_told_apart() {
        let skipped = TransferSummary { skipped: 1, ..TransferSummary::default() };
        assert_eq!(of_transfer(&skipped, true, true), 6);
        assert_eq!(of_transfer(&skipped, true, false), 0);
        assert_eq!(of_transfer(&skipped, false, true), 0);
    }

    #[test]
    fn a_reader_that_went_away_is_success() {
        let broken =
            |path: &str| Error::Local { path: path.to_owned(), source: io::ErrorKind::BrokenPipe.into() };
        assert_eq!(of_run(Err(broken(STDOUT))).0, 0);
        assert_ne!(of_run(Err(broken("file"))).0, 0);
        assert_eq!(of_run(Err(Error::Interrupted)).0, 130);
    }
}
