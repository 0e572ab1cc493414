//! Tells of entries that could not be listed.

use crate::cli::output::{Object, Output};
use ftp_client::Error;
use wire::message::PathFailure;
use wire::{FailureCode, RemotePath};

/// Shows what could not be listed below a folder; true if there is something. What has vanished is not there.
pub(super) fn show_failures(folder: &RemotePath, failures: &[PathFailure], output: &Output) -> bool {
    let failures = || failures.iter().filter(|item| item.failure.code != FailureCode::Vanished);
    for item in failures() {
        let path = folder.join_path(&item.path).unwrap_or_else(|_| item.path.clone());
        output.complain(&Error::remote(&path, item.failure.clone()));
        let event = Object::event("failure").path(item.path.as_bytes());
        output.event(event.text("reason", &item.failure.to_string()));
    }
    failures().next().is_some()
}
