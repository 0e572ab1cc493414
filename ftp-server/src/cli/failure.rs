//! Failures of the command line and the exit code of each: 2 for what the caller must correct, also in the server's files, 130 for
//! Ctrl-C at a question, 1 for the rest.

use super::{journal, output};
use ftp_server::accounts::AccountsError;
use ftp_server::identity::IdentityError;
use ftp_server::state::StateError;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use tracing::Level;

/// Marks an error as wrong usage or configuration.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct UsageError(anyhow::Error);

/// The user interrupted a question.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was changed")]
pub(crate) struct Interrupted;

/// Turns errors into [`UsageError`].
pub(crate) trait OrUsage<T> {
    /// Marks the failure as one that the caller must correct.
    fn or_usage(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrUsage<T> for Result<T, E> {
    fn or_usage(self) -> anyhow::Result<T> {
        self.map_err(|error| UsageError(error.into()).into())
    }
}

/// An error for the caller to correct, from a sentence.
pub(crate) fn usage(message: impl Display) -> anyhow::Error {
    UsageError(anyhow::anyhow!("{message}")).into()
}

/// Prints a failure and returns its exit code. A closed standard output is not a failure: `| head` has read enough.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let priority = if journal::takes(io::stderr()) { journal::priority(Level::ERROR) } else { "" };
    output::say(format_args!("{priority}ftp-server: {}", sentence(error)));
    ExitCode::from(code(error))
}

fn code(error: &anyhow::Error) -> u8 {
    match error {
        error if error.is::<UsageError>() || is_mistake(error) => 2,
        error if error.is::<Interrupted>() => 130,
        _ => 1,
    }
}

/// Returns true for an error in the server's own files, which the caller must correct too.
fn is_mistake(error: &anyhow::Error) -> bool {
    error.downcast_ref::<IdentityError>().is_some_and(IdentityError::is_mistake)
        || error.downcast_ref::<AccountsError>().is_some_and(AccountsError::is_mistake)
        || error.downcast_ref::<StateError>().is_some_and(StateError::is_mistake)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Returns the chain of causes, without those that an outer message already contains.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told {
        told if told.is_empty() => cause,
        told if told.contains(&cause) => told,
        told => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_usage_error_stays_one() {
        assert_eq!(code(&usage("no")), 2);
        assert_eq!(code(&Err::<(), _>(io::Error::other("no")).or_usage().unwrap_err()), 2);
        assert_eq!(code(&usage("no").context("while trying")), 2);
        assert_eq!(code(&Interrupted.into()), 130);
        assert_eq!(code(&io::Error::other("no").into()), 1);
    }

    #[test]
    fn each_cause_is_told_once() {
        let error = Err::<(), _>(io::Error::other("disk on fire")).context("cannot write x").unwrap_err();
        assert_eq!(sentence(&error), "cannot write x: disk on fire");
        assert_eq!(
            sentence(&error.context("cannot start: cannot write x")),
            "cannot start: cannot write x: disk on fire"
        );
    }
}
