//! `profile`: names for servers, with their options.

use crate::cli::args::{self, ProfileSubcommand, profile_options};
use crate::cli::output::{Object, Output};
use crate::cli::profiles::{Profile as Named, Profiles};
use crate::cli::settings::Settings;
use ftp_client::Error;
use wire::FailureCode;

pub(crate) struct ProfileCommand {
    command: ProfileSubcommand,
}

impl ProfileCommand {
    pub(crate) fn new(typed: args::ProfileArgs) -> Self {
        Self { command: typed.command }
    }

    pub(crate) fn run(self, settings: &Settings, profiles: &Profiles, output: &Output) -> Result<u8, Error> {
        match self.command {
            ProfileSubcommand::Add(_) if settings.token.is_some() => Err(Error::Usage(
                "a token is never kept in a profile: set FTPX_TOKEN when it is used, or keep a --password-file"
                    .to_owned(),
            )),
            ProfileSubcommand::Add(add) => profiles.add(&add.name, &add.url, &add.defaults).map(|()| 0),
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
