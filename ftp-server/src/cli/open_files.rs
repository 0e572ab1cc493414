//! The limit of open files: each connection is one, and so is each file under way.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks the system for as many as it allows. The usual limit of 1,024 is for programs that use `select`.
pub(crate) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::info!(%error, "cannot raise the limit of open files");
    }
}

/// Bounds the connections to half of the allowed open files, so that the other half remains for transferred files.
pub(crate) fn connections_possible(wanted: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    let possible = files.map_or(wanted, |files| wanted.min(files / 2).max(1));
    if possible < wanted {
        tracing::info!(
            possible,
            wanted,
            "fewer connections than configured: the system allows too few open files"
        );
    }
    possible
}
