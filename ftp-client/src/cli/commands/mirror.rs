//! `mirror` and `apply`: make a folder equal to another, or only list the necessary changes.

use super::CommandContext;
use super::choosing::{chosen, sort_out};
use super::matching::one_folder;
use super::moving;
use super::progress::{Progress, sentence};
use crate::cli::args::values::{self, DeleteMaxArg};
use crate::cli::args::{Carrying, Choosing, CompareWord, Comparing, LongHelp, explanations};
use crate::cli::output::{MirrorWatcher, of_transfer};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::{Args, ValueEnum};
use ftp_client::Error;
use ftp_client::mirror::plan::{LoadedPlan, PlanPlace, PlanWriter};
use ftp_client::mirror::recipe::{Recipe, Text};
use ftp_client::mirror::{DeleteWhen, MirrorDirection, MirrorOutcome, MirrorRequest, Mode};
use ftp_client::remote::{Remote, TypedPath, Way};
use ftp_client::source_removal::TransferEnds;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::glob::may_be_pattern;
use wire::message::{Durability, Overwrite};
use wire::stdio::HOME;
use wire::{FailureCode, RemotePath};

/// Make a folder equal to another: one local, one on a server
#[derive(Clone, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Exactly one of SOURCE and TARGET is remote. The content of SOURCE is copied to TARGET. Entries that only \
                        TARGET has are deleted with --delete, after the copying. If that would delete too much, \
                        mirror changes nothing, unless the tree is too large to be compared in advance.\n\n\
                        Example:\n  ftp-client mirror ~/photos ann@files.example.org::/photos\n  \
                        ftp-client mirror -n --delete ann@files.example.org::/site ./site\n  \
                        ftp-client mirror --delete --plan week.plan ~/work ann@files.example.org::/work\n  \
                        ftp-client apply week.plan",
    after_long_help = explanations::MIRROR
)]
pub(crate) struct MirrorArgs {
    /// Folder whose contents are copied
    #[arg(value_name = "SOURCE")]
    source: OsString,
    /// Folder to update; created if missing
    #[arg(value_name = "TARGET")]
    target: OsString,
    /// Ignored, for compatibility: sizes are always shown as 1.5 MiB
    #[arg(short = 'h', long, hide = true)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// List what would be done, one line per item: '+' new, '~' changed, '>' metadata, '=' moved, '-' deleted
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Write the planned changes to FILE, for `ftp-client apply`
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    plan: Option<PathBuf>,
    /// After the first run, keep mirroring local changes as they occur; failed items are retried
    #[arg(long, conflicts_with_all = ["dry_run", "plan", "copy_links"])]
    watch: bool,
    /// With --watch, compare everything again at this interval, as 10m [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    rescan: Option<Duration>,
    /// With --files-from, mirror everything in listed folders; otherwise everything is mirrored anyway
    #[arg(short, long)]
    recursive: bool,
    /// Remove each file and link of SOURCE that was sent, once TARGET is proven to have the same content; folders stay
    #[arg(long, conflicts_with_all = ["dry_run", "plan", "watch", "delete", "copy_links"])]
    remove_source: bool,
    #[command(flatten)]
    deleting: Deleting,
    #[command(flatten)]
    comparing: Comparing,
    #[command(flatten)]
    choosing: Choosing,
    #[command(flatten)]
    carrying: Carrying,
}

/// Apply a plan of `mirror --plan`, as far as it still fits
#[derive(Clone, Args)]
#[command(
    after_help = "Items whose source or target has changed since the plan was written are skipped and reported \
                        (exit code 6).\n\nExample:\n  ftp-client apply week.plan"
)]
pub(crate) struct ApplyArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    pub(super) plan: PathBuf,
}

/// Options for entries that only the target has.
#[derive(Clone, Args)]
#[command(next_help_heading = "Deletion")]
struct Deleting {
    /// Delete entries that only TARGET has
    #[arg(long)]
    delete: bool,
    /// Delete excluded entries too
    #[arg(long)]
    delete_excluded: bool,
    /// Delete nothing if more than N entries, or N% of TARGET, would be deleted [default: half of 20 or more entries]
    #[arg(long, value_name = "N|N%", value_parser = values::delete_max)]
    max_delete: Option<DeleteMaxArg>,
    /// Delete everything in TARGET if SOURCE is empty; otherwise this is refused, because SOURCE may not be mounted
    #[arg(long)]
    allow_empty_source: bool,
    /// Delete after or before the transfer; auto: after it, but before it if TARGET lacks space
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    delete_when: DeleteWhenWord,
    /// Move deleted and replaced entries to DIR, on TARGET's side and filesystem, best outside TARGET: a DIR within TARGET is
    /// deleted by the next --delete without this --backup
    #[arg(long, value_name = "DIR")]
    backup: Option<OsString>,
    /// Keep the newest N versions of each file in DIR: NAME.~1~ is the newest, as logrotate numbers them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=998))]
    keep: Option<u32>,
    /// Keep versions in DIR for so long, as 30d; with --keep too, a version goes when neither keeps it
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    keep_for: Option<Duration>,
    /// Rename files in TARGET that were renamed in SOURCE, detected by content, instead of sending them
    #[arg(long)]
    detect_moves: bool,
}

/// `--delete-when`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeleteWhenWord {
    /// After the transfer, but before it if the target lacks space
    Auto,
    /// Before anything is sent
    Before,
    /// After the transfer, and only if everything else succeeded
    After,
}

pub(crate) struct MirrorCommand {
    direction: MirrorDirection,
    local: PathBuf,
    remote: RemotePath,
    recipe: Recipe,
    mode: MirrorMode,
    /// Interval of full comparisons while watching for changes; `None` does not watch.
    watch: Option<Duration>,
    resume: bool,
    /// The remote path may be a pattern.
    is_pattern: bool,
    removes_source: bool,
}

/// The use of the comparison.
enum MirrorMode {
    Run,
    DryRun,
    Plan(PathBuf),
    Apply(Box<LoadedPlan>),
}

impl MirrorArgs {
    /// Returns true if a list of files or rules is standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.choosing.reads_stdin()
    }
}

impl MirrorCommand {
    pub(crate) fn new(typed: MirrorArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (direction, local, remote) = sort_out([&typed.source, &typed.target], scope)?;
        let recipe = recipe(&typed, direction, &remote, scope)?;
        let recipe =
            if typed.remove_source { Recipe { durability: Durability::Power, ..recipe } } else { recipe };
        recipe.options()?; // reports all its errors now
        let mode = match (typed.dry_run, typed.plan) {
            (true, _) => MirrorMode::DryRun,
            (false, Some(path)) => MirrorMode::Plan(scope.file(path)?),
            (false, None) => MirrorMode::Run,
        };
        if typed.watch && direction == MirrorDirection::Download {
            return Err(Error::Usage(
                "--watch sees changes of this machine only: SOURCE must be local".to_owned(),
            ));
        }
        if let MirrorMode::Plan(path) = &mode {
            outside(path, &local)?;
        }
        let server = ServerTarget::of(&remote);
        let watch = typed.watch.then(|| typed.rescan.unwrap_or(RESCAN));
        let resume = typed.carrying.common.resuming.get();
        // With --delete it is a name: where it is missing, another folder must not take its place.
        let is_pattern = direction == MirrorDirection::Download
            && !recipe.delete
            && !scope.is_literal()
            && may_be_pattern(remote.path.as_bytes());
        let (remote, removes_source) = (remote.path, typed.remove_source);
        Ok((
            server,
            Self { direction, local, remote, recipe, mode, watch, resume, is_pattern, removes_source },
        ))
    }

    pub(crate) fn of_plan(typed: &ApplyArgs) -> Result<(ServerTarget, Self), Error> {
        if typed.plan.is_dir() {
            return Err(Error::Usage(format!("{} is a folder, not a plan", Error::shown_path(&typed.plan))));
        }
        let wanted = LoadedPlan::read(&typed.plan)?;
        let head = &wanted.head;
        let bad = |reason: &str| Error::Usage(format!("{}: {reason}", Error::shown_path(&typed.plan)));
        let key = ftp_client::fingerprint::parse(&head.key).ok_or_else(|| bad("no server's key"))?;
        let server = ServerTarget {
            way: head.way,
            user: Some(head.user.clone()),
            host: head.host.clone(),
            port: head.port,
            pin: None,
            recorded: Some(key),
        };
        let remote = RemotePath::from_wire(&head.remote.0).map_err(|error| bad(&error.to_string()))?;
        let mirror = Self {
            direction: head.direction.into(),
            local: PathBuf::from(OsStr::from_bytes(&head.local.0)),
            remote,
            recipe: head.recipe.clone(),
            mode: MirrorMode::Apply(Box::new(wanted)),
            watch: None,
            resume: true,
            is_pattern: false,
            removes_source: false,
        };
        Ok((server, mirror))
    }

    pub(crate) async fn run(mut self, context: CommandContext<'_>) -> Result<u8, Error> {
        let CommandContext { session, server, output } = context;
        if self.is_pattern {
            self.remote = one_folder(session, &self.remote, output).await?;
        }
        if self.removes_source {
            session.check_source_removal(self.direction).await?;
        }
        let command = if matches!(self.mode, MirrorMode::Apply(_)) { "apply" } else { "mirror" };
        let mut progress = Progress::begin(command, context, 1);
        let dry = matches!(self.mode, MirrorMode::DryRun | MirrorMode::Plan(_));
        if dry || !self.resume {
            progress.tally.set_starting_over();
        }
        if !dry {
            progress.draw();
        }
        let listener = Arc::new(MirrorWatcher::new(&progress.tally, output, dry));
        let watch = self.watch;
        let is_backed_up = self.recipe.delete && self.recipe.backup.is_some();
        let (direction, local, remote) = (self.direction, self.local.clone(), self.remote.clone());
        let ends = self.removes_source.then(|| TransferEnds::now(direction, local, remote));
        let request = self.request(server)?;
        let outcome = match (watch, ends) {
            (None, None) => session.mirror(request, listener.clone()).await,
            (None, Some(ends)) => moving::mirror(session, request, listener.clone(), &ends).await,
            (Some(rescan), _) => session.watch(request, rescan, listener.clone()).await,
        };
        progress.hide();
        let outcome = outcome?;
        progress.tally.end_job(&outcome.summary.transfer);
        progress.tally.end_mirror(&outcome.summary);
        if is_backed_up && is_full(&outcome) {
            output.warn("--backup keeps what is deleted on the same filesystem, so deletions make no room");
        }
        progress.end(|_, elapsed| told(&outcome, elapsed));
        Ok(exit_code(&outcome))
    }

    fn request(self, server: &ServerTarget) -> Result<MirrorRequest, Error> {
        let mut options = self.recipe.options()?;
        options.transfer.resume = self.resume;
        let mode = match self.mode {
            MirrorMode::Run => Mode::Run,
            MirrorMode::DryRun => Mode::DryRun,
            MirrorMode::Apply(wanted) => Mode::Apply(*wanted),
            MirrorMode::Plan(path) => {
                let local =
                    std::path::absolute(&self.local).map_err(|error| Error::local(&self.local, error))?;
                let place =
                    PlanPlace { way: server.way, host: server.host.clone(), port: server.port, local };
                Mode::Plan(PlanWriter::new(path, place, self.recipe)?)
            }
        };
        let Self { direction, local, remote, .. } = self;
        Ok(MirrorRequest { direction, local, remote, options, mode, scope: RemotePath::root() })
    }
}

fn recipe(
    typed: &MirrorArgs,
    direction: MirrorDirection,
    remote: &Remote,
    scope: &Scope,
) -> Result<Recipe, Error> {
    let MirrorArgs { deleting, comparing, choosing, carrying, .. } = typed;
    let (delete_max, delete_max_percent) = match deleting.max_delete {
        Some(DeleteMaxArg::Count(count)) => (Some(count), None),
        Some(DeleteMaxArg::Percent(percent)) => (None, Some(percent)),
        None => (None, None),
    };
    let window = comparing.modify_window.unwrap_or_default().as_nanos();
    Ok(Recipe {
        delete: deleting.delete,
        delete_excluded: deleting.delete_excluded,
        delete_max,
        delete_max_percent,
        allow_empty_source: deleting.allow_empty_source,
        delete_when: match deleting.delete_when {
            DeleteWhenWord::Auto => DeleteWhen::Auto,
            DeleteWhenWord::Before => DeleteWhen::Before,
            DeleteWhenWord::After => DeleteWhen::After,
        },
        by_digest: comparing.compare == CompareWord::Digest,
        overwrite: Overwrite::from(comparing.overwrite).into(),
        modify_window_nanos: u64::try_from(window).unwrap_or(u64::MAX),
        hard_links: carrying.hard_links,
        owner: carrying.owner,
        xattrs: carrying.xattrs,
        sparse: carrying.sparse,
        detect_moves: deleting.detect_moves,
        backup: deleting.backup.as_ref().map(|path| backup(path, direction, remote, scope)).transpose()?,
        keep: deleting.keep,
        keep_for_seconds: deleting.keep_for.map(|time| time.as_secs().max(1)),
        ..chosen(choosing, typed.recursive, direction, carrying.common.recipe())?
    })
}

/// Refuses a plan in the folder that it is about: it would be part of itself. Links and `..` are followed; a folder that is missing
/// has no plan in it.
fn outside(plan: &Path, folder: &Path) -> Result<(), Error> {
    let parent = plan.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) if parent.starts_with(&folder) => {
            Err(Error::Usage("the plan must not lie in the folder that is mirrored".to_owned()))
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Ok(()),
    }
}

/// A folder of the server that is typed without it: over ssh it begins in the home folder, unless it begins with `/`.
fn on_server(path: &[u8], way: Way) -> Text {
    match way {
        Way::Ssh if !path.starts_with(b"/") => Text([HOME, b"/", path].concat()),
        Way::Ssh | Way::Ftpx => Text(path.to_vec()),
    }
}

/// A backup folder is on the target's side: here from the root, at the server as it stands or as a whole remote path.
fn backup(
    typed: &OsString,
    direction: MirrorDirection,
    remote: &Remote,
    scope: &Scope,
) -> Result<Text, Error> {
    match (scope.place(typed)?, direction) {
        (TypedPath::Local(path), MirrorDirection::Download) => {
            let path = std::path::absolute(&path).map_err(|error| Error::local(&path, error))?;
            Ok(path.into_os_string().into())
        }
        // As in a script, where `:PATH` is one on the server.
        (TypedPath::Local(_), MirrorDirection::Upload) if typed.as_bytes().starts_with(b":") => {
            Ok(on_server(&typed.as_bytes()[1..], remote.way))
        }
        (TypedPath::Local(path), MirrorDirection::Upload) => {
            Ok(on_server(path.as_os_str().as_bytes(), remote.way))
        }
        (TypedPath::Remote(backup), MirrorDirection::Upload)
            if ServerTarget::of(&backup) == ServerTarget::of(remote) =>
        {
            Ok(Text(places::rooted(&backup.path)))
        }
        (TypedPath::Remote(_), _) => {
            Err(Error::Usage("the folder of --backup must be on the same side as TARGET".to_owned()))
        }
    }
}

fn is_full(outcome: &MirrorOutcome) -> bool {
    matches!(outcome.summary.transfer.gravest, Some(FailureCode::NoSpace | FailureCode::QuotaExceeded))
}

fn exit_code(outcome: &MirrorOutcome) -> u8 {
    match of_transfer(&outcome.summary.transfer, false, false) {
        code @ (7 | 8) => code,
        _ if outcome.refusal.is_some() || outcome.drifted > 0 => 6,
        code => code,
    }
}

fn told(outcome: &MirrorOutcome, elapsed: Duration) -> String {
    let summary = &outcome.summary;
    let mut text = sentence(&summary.transfer, elapsed);
    let counts = [
        (summary.metadata, "metadata set"),
        (summary.moved, "moved"),
        (summary.linked, "linked"),
        (summary.deleted, "deleted"),
        (summary.unchanged, "unchanged"),
    ];
    for (count, word) in counts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {word}"));
    }
    text
}

/// Comparing everything makes up for changes that the system did not report.
const RESCAN: Duration = Duration::from_secs(60 * 60);
