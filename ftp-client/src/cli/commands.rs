//! One file per command: the meaning of its arguments, and its work in a session.

pub(crate) mod cat;
pub(crate) mod chmod;
pub(crate) mod completions;
pub(crate) mod df;
pub(crate) mod doctor;
mod each;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod hash;
mod job;
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
mod together;
pub(crate) mod touch;
mod transfer;
pub(crate) mod trust;

use each::{About, UNDER_WAY_MAX, each, each_done, in_turn};
use ftp_client::Error;
use wire::{Failure, FailureCode, RemotePath};

/// Adds advice about -r, which people forget.
fn advise_recursive(error: Error, path: &RemotePath) -> Error {
    match error.failure_code() {
        Some(code @ FailureCode::IsAFolder) => {
            Error::remote(path, Failure::new(code, "is a folder (use -r)"))
        }
        _ => error,
    }
}
