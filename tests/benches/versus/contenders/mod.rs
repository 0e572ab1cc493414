//! The compared tools. Each file here knows one of them: how its server is set up, and the command that makes its client do a
//! [`Job`].

mod ftp;
mod http;
mod local;
mod ours;
mod rsync;
mod ssh;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use serde::Serialize;

use crate::daemon::Daemon;
use crate::stage::Enlist;

/// All kinds of contenders, in the order of their turns.
pub(crate) const ALL: [(&str, Enlist); 6] = [
    (ours::NAME, ours::enlist),
    ("cp", local::enlist),
    ("rsync", rsync::enlist),
    ("ssh", ssh::enlist),
    ("vsftpd", ftp::enlist),
    ("nginx", http::enlist),
];

/// The contender that the others are compared to.
pub(crate) const OURS: &str = ours::NAME;

/// One tool in one setting.
pub(crate) struct Contender<'a> {
    pub(crate) name: &'static str,
    /// The server it talks to, possibly shared with others.
    pub(crate) server: Option<Rc<Daemon>>,
    pub(crate) command: Recipe<'a>,
}

/// Makes the command for a job; `None` if the tool cannot do it.
type Recipe<'a> = Box<dyn Fn(&Job) -> Option<Command> + 'a>;

/// One transfer or listing.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) direction: Direction,
    pub(crate) is_folder: bool,
    /// The source of the copy or listing.
    pub(crate) source: PathBuf,
    /// The target of the copy, or the file for the listing. Its parent exists, it does not.
    pub(crate) target: PathBuf,
    /// The root of the servers.
    pub(crate) served: PathBuf,
}

impl Job {
    /// Returns the server's end of the job, as a path from the server's root without a leading slash.
    pub(crate) fn remote(&self) -> String {
        let end = match self.direction {
            Direction::Get | Direction::List | Direction::MirrorDown => &self.source,
            Direction::Put | Direction::MirrorUp => &self.target,
        };
        end.strip_prefix(&self.served).unwrap_or(end).display().to_string()
    }
}

/// The direction of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Get,
    Put,
    List,
    /// To the client, with any existing target.
    MirrorDown,
    /// To the server, with any existing target.
    MirrorUp,
}

impl Direction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Direction::Get => "get",
            Direction::Put => "put",
            Direction::List => "list",
            Direction::MirrorDown => "down",
            Direction::MirrorUp => "up",
        }
    }
}

/// A path as text for an argument.
fn text(path: &Path) -> String {
    path.display().to_string()
}
