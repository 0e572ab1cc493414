//! `profile`: names for servers, with their options.

use crate::cli::args::{Defaults, profile_options};
use crate::cli::output::{Object, Output};
use crate::cli::profiles::{Profile as Named, Profiles};
use crate::cli::settings::Settings;
use clap::{Args, Subcommand};
use ftp_client::Error;
use std::ffi::OsString;
use wire::FailureCode;

/// Name servers and store options for them
#[derive(Clone, Args)]
#[command(
    after_help = "Example:\n  ftp-client profile add work ftpx://ann@files.example.org/projects --lanes 4\n  \
                        ftp-client get work:report.pdf"
)]
pub(crate) struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileSubcommand,
}

/// An action on the profiles.
#[derive(Clone, Subcommand)]
enum ProfileSubcommand {
    /// Add a profile, or replace one with --replace
    #[command(
        after_help = "Every common option and those of transfers may follow; they count for NAME:PATH unless the \
                            command line or the environment says otherwise. Passwords and tokens are never stored, \
                            the name of a file with one may be.\n\n\
                            Example:\n  ftp-client profile add work ftpx://ann@files.example.org --password-file ~/.work"
    )]
    Add(ProfileAdd),
    /// List the profiles
    #[command(after_help = "Example:\n  ftp-client profile list")]
    List,
    /// Remove profiles
    #[command(after_help = "Example:\n  ftp-client profile remove work")]
    Remove {
        /// The profiles
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}

/// A profile to add.
#[derive(Clone, Args)]
struct ProfileAdd {
    /// Name of the profile: letters, digits, '-', '_' and '.'
    name: String,
    /// The server, and the folder that NAME: stands for: a URL, [USER@]HOST:PATH, or a place of another profile, without its options
    #[arg(value_name = "REMOTE")]
    place: OsString,
    /// Replace the profile of this name, with all its options
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    defaults: Defaults,
}

pub(crate) struct ProfileCommand {
    command: ProfileSubcommand,
}

impl ProfileArgs {
    /// Returns true for `profile add`.
    pub(crate) fn adds(&self) -> bool {
        matches!(self.command, ProfileSubcommand::Add(_))
    }
}

impl ProfileCommand {
    pub(crate) fn new(typed: ProfileArgs) -> Self {
        Self { command: typed.command }
    }

    pub(crate) fn run(self, settings: &Settings, profiles: &Profiles, output: &Output) -> Result<u8, Error> {
        match self.command {
            ProfileSubcommand::Add(_) if settings.token.is_some() => Err(Error::Usage(
                "a token is never kept in a profile: set FTPX_TOKEN when it is used, or keep a --password-file"
                    .to_owned(),
            )),
            ProfileSubcommand::Add(add) => {
                if !add.replace {
                    profiles.require_free(&add.name)?;
                }
                profiles.add(&add.name, &add.place, &add.defaults).map(|()| 0)
            }
            ProfileSubcommand::List => list(profiles, output),
            ProfileSubcommand::Remove { names } => remove(&names, profiles, output),
        }
    }
}

fn list(profiles: &Profiles, output: &Output) -> Result<u8, Error> {
    for profile in profiles.iter() {
        if output.json() { output.event(event(profile)) } else { output.print(line(profile).as_bytes())? }
    }
    Ok(0)
}

/// Returns the command line that would add the profile again.
fn line(profile: &Named) -> String {
    let mut words = vec![profile.name.clone(), profile.url.clone()];
    for (key, values) in &profile.defaults.0 {
        words.extend(values.iter().map(|value| match value.as_str() {
            "true" => format!("--{key}"),
            value => format!("--{key}={value}"),
        }));
    }
    let shown = words.iter().map(|word| crate::cli::output::shown(word.as_bytes())).collect::<Vec<_>>();
    format!("{}\n", shown.join(" "))
}

fn event(profile: &Named) -> Object {
    let event = Object::event("profile").text("name", &profile.name).text("url", &profile.url);
    let options = profile_options();
    let may_repeat = |key: &str| options.iter().any(|option| option.many && option.key == key);
    let kept = profile.defaults.0.iter().map(|(key, values)| (key.as_str(), &values[..], may_repeat(key)));
    event.lists("options", kept)
}

fn remove(names: &[String], profiles: &Profiles, output: &Output) -> Result<u8, Error> {
    let mut unknown = false;
    for name in names {
        if !profiles.remove(name)? {
            output.complain(&profiles.unknown(name));
            unknown = true;
        }
    }
    match (unknown, names.len()) {
        (false, _) => Ok(0),
        (true, 1) => Ok(ftp_client::error::exit_code_of(FailureCode::NotFound)),
        (true, _) => Ok(1),
    }
}
