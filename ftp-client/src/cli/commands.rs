//! One file per command: what its arguments mean, and what it does in a session.

pub(crate) mod cat;
pub(crate) mod chmod;
pub(crate) mod completions;
pub(crate) mod df;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod hash;
mod limits;
pub(crate) mod ln;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod mirror;
pub(crate) mod mkdir;
pub(crate) mod mv;
pub(crate) mod profile;
pub(crate) mod put;
pub(crate) mod retry;
pub(crate) mod rm;
pub(crate) mod stat;
pub(crate) mod touch;
mod transfer;
pub(crate) mod trust;

use crate::cli::output::Output;
use ftp_client::Error;
use wire::{Failure, FailureCode, RemotePath};

/// People forget -r.
fn advise_recursive(error: Error, path: &RemotePath) -> Error {
    match error.failure_code() {
        Some(code @ FailureCode::IsAFolder) => {
            Error::remote(path, Failure::new(code, "is a folder (use -r)"))
        }
        _ => error,
    }
}

/// Does the same to each item. The error of a single item decides the exit code; of several, each is told and the
/// others are done.
async fn each<T>(
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    output: &Output,
    mut work: impl AsyncFnMut(T) -> Result<(), Error>,
) -> Result<u8, Error> {
    let items = items.into_iter();
    let single = items.len() == 1;
    let mut code = 0;
    for item in items {
        match work(item).await {
            Ok(()) => {}
            Err(error) if single || !error.concerns_one_item() || Output::is_gone(&error) => {
                return Err(error);
            }
            Err(error) => {
                output.complain(&error);
                code = 1;
            }
        }
    }
    Ok(code)
}
