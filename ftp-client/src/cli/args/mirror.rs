//! The arguments of `mirror` and `apply`.

use super::help::LongHelp;
use super::values::{self, OverwriteWord};
use super::{CarryingArgs, explanations};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Make a folder equal to another: one of them here, one on a server
#[derive(Args)]
#[command(
    disable_help_flag = true,
    after_help = "Exactly one of SOURCE and TARGET is remote. What is in SOURCE comes to be in TARGET; what only \
                        TARGET has is deleted with --delete, last of all, and not if too much would go: then \
                        nothing is done at all, unless the tree is too large to be compared before.\n\n\
                        Example:\n  ftp-client mirror ~/photos ann@files.example.org:/photos\n  \
                        ftp-client mirror -n --delete ann@files.example.org:/site ./site\n  \
                        ftp-client mirror --delete --plan week.plan ~/work ann@files.example.org:/work\n  \
                        ftp-client apply week.plan",
    after_long_help = explanations::MIRROR
)]
pub(crate) struct MirrorArgs {
    /// What is copied: the folder's contents
    #[arg(value_name = "SOURCE")]
    pub(crate) source: OsString,
    /// What becomes equal to it; made if it is missing
    #[arg(value_name = "TARGET")]
    pub(crate) target: OsString,
    /// Does nothing: sizes are as 1.5 MiB anyway
    #[arg(short = 'h', long, hide = true)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// Tell what would be done, a line an item: '+' new, '~' changed, '>' metadata, '=' moved, '-' deleted
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Write what would be done to FILE, for `ftp-client apply`
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) plan: Option<PathBuf>,
    /// After the first run, keep mirroring local changes as they come; what fails is tried again
    #[arg(long, conflicts_with_all = ["dry_run", "plan"])]
    pub(crate) watch: bool,
    /// With --watch, compare all again every so often, whatever changed, as 10m; 1h by default
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) rescan: Option<Duration>,
    #[command(flatten)]
    pub(crate) deleting: Deleting,
    #[command(flatten)]
    pub(crate) comparing: Comparing,
    #[command(flatten)]
    pub(crate) choosing: Choosing,
    #[command(flatten)]
    pub(crate) carrying: Carrying,
}

/// What happens to what only the target has.
#[derive(Args)]
#[command(next_help_heading = "What goes")]
pub(crate) struct Deleting {
    /// Delete what only TARGET has
    #[arg(long)]
    pub(crate) delete: bool,
    /// Delete also what the rules exclude
    #[arg(long)]
    pub(crate) delete_excluded: bool,
    /// Delete nothing if more than N entries would go, or N% of TARGET (else: half of 20 or more)
    #[arg(long, value_name = "N|N%", value_parser = values::delete_max)]
    pub(crate) max_delete: Option<values::DeleteMax>,
    /// Delete last, or before anything is sent; auto: last, but first where TARGET lacks room
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(crate) delete_when: DeleteWhenWord,
    /// Keep what would be deleted or replaced in DIR, on TARGET's side and filesystem, best outside TARGET: a DIR within it is
    /// deleted by the next --delete without this --backup
    #[arg(long, value_name = "DIR")]
    pub(crate) backup: Option<OsString>,
    /// Rename in TARGET what was renamed in SOURCE, found by its content, instead of sending it
    #[arg(long)]
    pub(crate) detect_moves: bool,
}

/// `--delete-when`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeleteWhenWord {
    /// Last, but first where the target lacks room
    Auto,
    /// Before anything is sent
    Before,
    /// Last, and only if all else went well
    After,
}

/// What makes two files different.
#[derive(Args)]
#[command(next_help_heading = "What differs")]
pub(crate) struct Comparing {
    /// Compare files of one size by time, or by reading both
    #[arg(long, value_enum, value_name = "HOW", default_value = "mtime")]
    pub(crate) compare: CompareWord,
    /// What happens to files that differ
    #[arg(long, value_enum, value_name = "WHEN", default_value = "different")]
    pub(crate) overwrite: OverwriteWord,
    /// Times that differ by no more than this are equal, as 2s
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) modify_window: Option<Duration>,
}

/// `--compare`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareWord {
    /// By modification time
    Mtime,
    /// By content: each end reads its own
    Digest,
}

/// Which entries take part.
#[derive(Args)]
#[command(next_help_heading = "What takes part (rsync's rules: the first that matches decides)")]
pub(crate) struct Choosing {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Mirror only the paths that FILE lists, below SOURCE ('-' for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Option<PathBuf>,
    /// Entries of --files-from and --filter-from end with NUL
    #[arg(short = '0', long)]
    pub(crate) from0: bool,
    /// Send no files smaller than this, as 10K
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) min_size: Option<u64>,
    /// Send no files larger than this, as 1.5G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) max_size: Option<u64>,
    /// Send only files that were modified since: an age as 2d, or a time as 2026-05-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) newer_than: Option<values::Moment>,
    /// Send only files that were not modified since: an age as 2d, or a time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) older_than: Option<values::Moment>,
}

/// What is carried beside content, time and permissions.
#[derive(Args)]
#[command(next_help_heading = "What is carried")]
pub(crate) struct Carrying {
    /// Keep names of one file names of one file
    #[arg(short = 'H', long)]
    pub(crate) hard_links: bool,
    /// Keep owner and group, by name or else by number (needs the rights to)
    #[arg(short, long)]
    pub(crate) owner: bool,
    /// Keep extended attributes of users
    #[arg(short = 'X', long)]
    pub(crate) xattrs: bool,
    /// Make long runs of zeros holes
    #[arg(short = 'S', long)]
    pub(crate) sparse: bool,
    #[command(flatten)]
    pub(crate) common: CarryingArgs,
}

/// A rule as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypedRule {
    Exclude(OsString),
    Include(OsString),
    FilterFrom(PathBuf),
}

/// The argument that a profile's rules go to. They come behind those that were typed, and do not give way to them: what a profile
/// protects from `--delete` stays protected.
pub(crate) fn of_profile(id: &str) -> Option<&'static str> {
    match id {
        "exclude" => Some(OF_PROFILE_EXCLUDE),
        "filter_from" => Some(OF_PROFILE_FILTER_FROM),
        _ => None,
    }
}

const OF_PROFILE_EXCLUDE: &str = "profile_exclude";
const OF_PROFILE_FILTER_FROM: &str = "profile_filter_from";

/// `--exclude`, `--include` and `--filter-from`, in the order in which they were typed, which decides.
pub(crate) struct RuleArgs(pub(crate) Vec<TypedRule>);

impl FromArgMatches for RuleArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut rules = Vec::new();
        let mut take = |id: &str, make: fn(OsString) -> TypedRule| {
            let values = matches.get_many::<OsString>(id).into_iter().flatten();
            // What a profile brings comes after what was typed.
            let typed = matches.value_source(id) == Some(ValueSource::CommandLine);
            let places = matches.indices_of(id).into_iter().flatten();
            let places = places.map(|place| (!typed, place));
            rules.extend(places.zip(values.cloned().map(make)));
        };
        let filter_from: fn(OsString) -> TypedRule = |path| TypedRule::FilterFrom(path.into());
        take("exclude", TypedRule::Exclude);
        take("include", TypedRule::Include);
        take("filter_from", filter_from);
        take(OF_PROFILE_EXCLUDE, TypedRule::Exclude);
        take(OF_PROFILE_FILTER_FROM, filter_from);
        rules.sort_by_key(|(place, _)| *place);
        Ok(Self(rules.into_iter().map(|(_, rule)| rule).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for RuleArgs {
    fn augment_args(command: Command) -> Command {
        let option = |id: &'static str, long: &'static str, value: &'static str, help: &'static str| {
            let parser = clap::value_parser!(OsString);
            Arg::new(id)
                .long(long)
                .value_name(value)
                .help(help)
                .action(ArgAction::Append)
                .value_parser(parser)
        };
        command
            .arg(option("exclude", "exclude", "PATTERN", "Leave out what matches, here and in TARGET"))
            .arg(option("include", "include", "PATTERN", "Take what matches, whatever later rules say"))
            .arg(option(
                "filter_from",
                "filter-from",
                "FILE",
                "Read rules from FILE: '+ PATTERN' or '- PATTERN' a line",
            ))
            .arg(option(OF_PROFILE_EXCLUDE, "profile-exclude", "PATTERN", "").hide(true))
            .arg(option(OF_PROFILE_FILTER_FROM, "profile-filter-from", "FILE", "").hide(true))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Do what a plan of `mirror --plan` says, as far as it still fits
#[derive(Args)]
#[command(
    after_help = "Items whose source or target is no longer what the plan recorded are left alone and told of \
                        (exit code 6).\n\nExample:\n  ftp-client apply week.plan"
)]
pub(crate) struct ApplyArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    pub(crate) plan: PathBuf,
}
