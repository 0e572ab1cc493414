//! `check`: compares two folders by content, and changes nothing: a mirror that is only planned.

use super::CommandContext;
use super::choosing::{chosen, sort_out};
use crate::cli::args::Choosing;
use crate::cli::output::{CheckWatcher, Object, of_transfer};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::Error;
use ftp_client::mirror::recipe::Recipe;
use ftp_client::mirror::{MirrorDirection, MirrorRequest, Mode};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use wire::RemotePath;

/// Compare a folder with another by content: one local, one on a server
#[derive(Clone, Args)]
#[command(
    after_help = "Exactly one of SOURCE and TARGET is remote. Each end reads its own files of equal size. Each difference is a line: \
                  '+' only SOURCE has it, '-' only TARGET has it, '~' the content differs, '>' only time or permissions differ. \
                  The exit code is 0 if there is no difference, otherwise 1.\n\n\
                  Example:\n  ftp-client check ~/photos ann@files.example.org::/photos\n  \
                  ftp-client check --content-only --exclude '*.tmp' ann@files.example.org::/photos ./photos"
)]
pub(crate) struct CheckArgs {
    /// Folder to compare
    #[arg(value_name = "SOURCE")]
    source: OsString,
    /// Folder to compare it with
    #[arg(value_name = "TARGET")]
    target: OsString,
    /// Compare no times and permissions
    #[arg(long)]
    content_only: bool,
    /// With --files-from, compare everything in listed folders; otherwise everything is compared anyway
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    choosing: Choosing,
}

pub(crate) struct CheckCommand {
    direction: MirrorDirection,
    local: PathBuf,
    remote: RemotePath,
    recipe: Recipe,
    content_only: bool,
}

impl CheckArgs {
    /// Returns true if a list of files or rules is standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.choosing.reads_stdin()
    }
}

impl CheckCommand {
    pub(crate) fn new(typed: CheckArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (direction, local, remote) = sort_out([&typed.source, &typed.target], scope)?;
        // What is not listed is not compared. Otherwise all that only TARGET has is a difference, however much it is.
        let delete = typed.choosing.files_from.is_none();
        let delete_max = delete.then_some(u64::MAX);
        let comparing =
            Recipe { by_digest: true, delete, delete_max, allow_empty_source: delete, ..Recipe::default() };
        let recipe = chosen(&typed.choosing, typed.recursive, direction, comparing)?;
        recipe.options()?; // reports all its errors now
        let server = ServerTarget::of(&remote);
        let content_only = typed.content_only;
        Ok((server, Self { direction, local, remote: remote.path, recipe, content_only }))
    }

    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let CommandContext { session, output, .. } = context;
        let Self { direction, local, remote, recipe, content_only } = self;
        // A folder that is missing is a mistake, and no difference.
        std::fs::read_dir(&local).map_err(|error| Error::local(&local, error))?;
        places::require_folder(session, &remote).await?;
        let watcher = Arc::new(CheckWatcher::new(output, content_only));
        let options = recipe.options()?;
        let (mode, scope) = (Mode::DryRun, RemotePath::root());
        let request = MirrorRequest { direction, local, remote, options, mode, scope };
        let summary = session.mirror(request, watcher.clone()).await?.summary;
        let (differences, equal) = (watcher.differences(), summary.unchanged + watcher.ignored());
        output.event(Object::event("checked").number("differences", differences).number("equal", equal));
        if !output.json() && !output.quiet() {
            output.flush()?;
            output.say(&sentence(differences, equal));
        }
        Ok(of_transfer(&summary.transfer, false, false).max(u8::from(differences > 0)))
    }
}

fn sentence(differences: u64, equal: u64) -> String {
    match differences {
        0 => format!("no differences, {equal} equal"),
        1 => format!("1 difference, {equal} equal"),
        count => format!("{count} differences, {equal} equal"),
    }
}
