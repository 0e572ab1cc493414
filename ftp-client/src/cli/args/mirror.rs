//! Options of `mirror` that a profile may hold, in their groups: how files are compared, which are chosen, what is carried.

use super::CarryingArgs;
use super::values::{self, OverwriteArg};
use crate::cli::input;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of the comparison of two files.
#[derive(Clone, Args)]
#[command(next_help_heading = "Comparison")]
pub(crate) struct Comparing {
    /// Compare files of equal size by time, or by reading both
    #[arg(long, value_enum, value_name = "HOW", default_value = "mtime")]
    pub(crate) compare: CompareWord,
    /// When to replace files that differ
    #[arg(long, value_enum, value_name = "WHEN", default_value = "different")]
    pub(crate) overwrite: OverwriteArg,
    /// Treat times that differ by no more than this as equal, as 2s
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

/// Options that select entries.
#[derive(Clone, Args)]
#[command(next_help_heading = "Selection (rsync's rules: the first that matches decides)")]
pub(crate) struct Choosing {
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
    /// Take only the paths that FILE lists, below SOURCE ('-' for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) files_from: Option<PathBuf>,
    /// Leave out folders on other filesystems than SOURCE, which must be local
    #[arg(short = 'x', long)]
    pub(crate) one_file_system: bool,
    /// Leave out folders of a local SOURCE that contain a file NAME, as CACHEDIR.TAG (with its signature); may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) exclude_if_present: Vec<OsString>,
    #[command(flatten)]
    pub(crate) links: LinkArgs,
    /// Entries of --files-from, --filter-from and --exclude-from end with NUL
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

impl Choosing {
    /// True if all entries take part.
    pub(crate) fn is_all(&self) -> bool {
        self.rules.all.is_empty() && !self.is_typed()
    }

    /// True if an option of these was typed: others come from a profile.
    pub(crate) fn is_typed(&self) -> bool {
        let Self { rules, files_from, one_file_system, exclude_if_present, from0, .. } = self;
        let Self { links, min_size, max_size, newer_than, older_than, .. } = self;
        rules.typed > 0
            || links.copy_links
            || links.keep_dir_links
            || files_from.is_some()
            || *one_file_system
            || !exclude_if_present.is_empty()
            || *from0
            || min_size.is_some()
            || max_size.is_some()
            || newer_than.is_some()
            || older_than.is_some()
    }

    /// True if a list of files or rules is standard input.
    pub(crate) fn reads_stdin(&self) -> bool {
        let listed = self.files_from.as_deref().is_some_and(input::is_dash);
        listed || self.rules.all.iter().filter_map(TypedRule::file).any(input::is_dash)
    }
}

/// Options for symbolic links.
#[derive(Clone, Args)]
pub(crate) struct LinkArgs {
    /// Follow symbolic links in SOURCE: send the files and folders that they lead to
    #[arg(short = 'L', long)]
    pub(crate) copy_links: bool,
    /// Use a symbolic link in TARGET that leads to a folder as that folder, where SOURCE has a folder
    #[arg(short = 'K', long)]
    pub(crate) keep_dir_links: bool,
}

/// Options for the way in which entries are carried, and for metadata beside content, time and permissions.
#[derive(Clone, Args)]
#[command(next_help_heading = "What is carried, and how")]
pub(crate) struct Carrying {
    /// Preserve hard links
    #[arg(short = 'H', long)]
    pub(crate) hard_links: bool,
    /// Preserve owner and group, by name or else by number (needs privileges)
    #[arg(short, long)]
    pub(crate) owner: bool,
    /// Preserve extended attributes of users
    #[arg(short = 'X', long)]
    pub(crate) xattrs: bool,
    /// Write long runs of zeros as holes
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
    ExcludeFrom(PathBuf),
    IgnoreFrom(PathBuf),
}

impl TypedRule {
    /// Returns the file that holds the rules.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Exclude(_) | Self::Include(_) => None,
            Self::FilterFrom(path) | Self::ExcludeFrom(path) | Self::IgnoreFrom(path) => Some(path),
        }
    }
}

/// The argument that receives a profile's rules. They follow the typed rules and are not replaced by them: what a profile
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
#[derive(Clone)]
pub(crate) struct RuleArgs {
    /// The typed ones, and then those of a profile.
    pub(crate) all: Vec<TypedRule>,
    /// The number of typed ones.
    pub(crate) typed: usize,
}

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
        take("exclude_from", |path| TypedRule::ExcludeFrom(path.into()));
        take("ignore_from", |path| TypedRule::IgnoreFrom(path.into()));
        take(OF_PROFILE_EXCLUDE, TypedRule::Exclude);
        take(OF_PROFILE_FILTER_FROM, filter_from);
        rules.sort_by_key(|(place, _)| *place);
        let typed = rules.iter().filter(|((is_of_profile, _), _)| !is_of_profile).count();
        Ok(Self { all: rules.into_iter().map(|(_, rule)| rule).collect(), typed })
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
            .arg(option(
                "exclude",
                "exclude",
                "PATTERN",
                "Exclude entries that match, in SOURCE and in TARGET",
            ))
            .arg(option(
                "include",
                "include",
                "PATTERN",
                "Include entries that match, whatever later rules say",
            ))
            .arg(option(
                "filter_from",
                "filter-from",
                "FILE",
                "Read rules from FILE, one per line: '+ PATTERN' or '- PATTERN'",
            ))
            .arg(option(
                "exclude_from",
                "exclude-from",
                "FILE",
                "Exclude entries that match the patterns in FILE, one per line",
            ))
            .arg(option(
                "ignore_from",
                "ignore-from",
                "FILE",
                "Exclude what FILE says in the syntax of .gitignore, for all of SOURCE",
            ))
            .arg(option(OF_PROFILE_EXCLUDE, "profile-exclude", "PATTERN", "").hide(true))
            .arg(option(OF_PROFILE_FILTER_FROM, "profile-filter-from", "FILE", "").hide(true))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
