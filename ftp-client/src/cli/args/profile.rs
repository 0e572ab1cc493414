//! The options that a profile may have, taken from the groups of options that commands share.

use super::carrying::OF_PROFILES;
use super::mirror::{Carrying, Choosing, Comparing};
use super::{Common, TransferArgs};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

/// Options that were typed to be kept: key and values, as a configuration file has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Defaults(pub(crate) Vec<(String, Vec<String>)>);

/// An option that a profile may hold.
pub(crate) struct ProfileOption {
    /// Its id in clap.
    pub(crate) id: String,
    /// Its name in a configuration file: the long option.
    pub(crate) key: String,
    /// True for an option without a value.
    pub(crate) flag: bool,
    /// Its value names a file.
    pub(crate) file: bool,
    /// It may be repeated.
    pub(crate) many: bool,
}

/// All options that a profile may hold.
pub(crate) fn profile_options() -> Vec<ProfileOption> {
    let common = Common::augment_args(Command::new("common"));
    let kept = common.get_arguments().filter(|arg| !NOT_KEPT.contains(&arg.get_id().as_str())).cloned();
    kept.chain(transfer_options()).filter_map(|arg| ProfileOption::of(&arg)).collect()
}

/// Returns the parser of a profile's options alone.
pub(crate) fn profile_parser() -> Command {
    Defaults::augment_args(Common::augment_args(Command::new("profile")))
}

fn transfer_options() -> Vec<Arg> {
    let mirror = Command::new("mirror").next_display_order(OWN_OF_MIRROR);
    let mirror = Carrying::augment_args(Choosing::augment_args(Comparing::augment_args(mirror)));
    let groups = [TransferArgs::augment_args(Command::new("get")), mirror];
    let find = |id: &&str| {
        groups.iter().find_map(|group| group.get_arguments().find(|arg| arg.get_id() == id).cloned())
    };
    OF_TRANSFERS.iter().chain(&OF_PROFILES).filter_map(find).collect()
}

impl ProfileOption {
    fn of(arg: &Arg) -> Option<Self> {
        let file = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "FILE"));
        let flag = !arg.get_action().takes_values();
        let many = matches!(arg.get_action(), ArgAction::Append);
        Some(Self { id: arg.get_id().to_string(), key: arg.get_long()?.to_owned(), flag, file, many })
    }
}

impl FromArgMatches for Defaults {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut defaults = Vec::new();
        for option in profile_options() {
            // A line of a script has no common options.
            let known = matches.ids().any(|known| *known == option.id);
            if !known || matches.value_source(&option.id) != Some(ValueSource::CommandLine) {
                continue;
            }
            let values = matches.get_raw(&option.id).into_iter().flatten();
            let values = values.map(|value| value.to_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            let values = values.ok_or_else(|| {
                let text = format!("--{} must be UTF-8 text to be kept in a profile\n", option.key);
                Error::raw(clap::error::ErrorKind::InvalidUtf8, text)
            })?;
            defaults.push((option.key, values));
        }
        Ok(Self(defaults))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Defaults {
    fn augment_args(command: Command) -> Command {
        // A default that was not typed is not kept.
        transfer_options().into_iter().fold(command.next_help_heading("Transfer options"), Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Number of options that `mirror` lists before these groups; manual pages order options by their place.
const OWN_OF_MIRROR: usize = 14;
/// Common options that no profile holds: where profiles are, and secrets.
const NOT_KEPT: [&str; 2] = ["config", "token"];

/// Options of transfers that say how things are carried. What a run does (`--delete`, `-r`, `-n`) is said in the run.
const OF_TRANSFERS: [&str; 10] = [
    "overwrite",
    "resume",
    "no_resume",
    "compare",
    "exclude",
    "filter_from",
    "hard_links",
    "owner",
    "xattrs",
    "sparse",
];
