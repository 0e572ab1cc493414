//! Named servers with their options, from the client's configuration.
//!
//! ```toml
//! [profile.work]
//! url = "ftpx://ann@files.example.org/projects"
//! password-file = "~/.work"
//! limit-rate = "10M"
//! exclude = ["*.tmp", ".cache/"]
//! ```
//!
//! A key is a long option without its dashes. Others must not be able to write to the file: it says which servers are
//! used and which file holds a password. Unknown content is an error with its line; no line is skipped.

mod file;

use crate::cli::advice::{meant, sentence, similar};
use crate::cli::args::{Defaults, profile_options, profile_parser};
use crate::cli::server::ServerTarget;
use etcetera::BaseStrategy;
use file::Section;
use ftp_client::remote::Remote;
use ftp_client::{Error, private_file};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The profiles of a configuration file.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    path: PathBuf,
    profiles: BTreeMap<String, Profile>,
}

/// A named server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) name: String,
    /// The URL in the file.
    pub(crate) url: String,
    /// The remote folder that the profile stands for.
    pub(crate) remote: Remote,
    /// Its options, as the file has them.
    pub(crate) defaults: Defaults,
}

impl Profiles {
    /// Reads the configuration. The default file may be missing, a named file must exist.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Error> {
        let profiles = Self::of_file(named)?;
        match named {
            Some(path) if !path.exists() => {
                Err(Error::Usage(format!("{}: there is no such configuration", Error::shown_path(path))))
            }
            _ => Ok(profiles),
        }
    }

    /// As [`load`](Self::load), but a named file may be missing too.
    pub(crate) fn of_file(named: Option<&Path>) -> Result<Self, Error> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match usual_path() {
                Some(path) => path,
                None => return Ok(Self::default()),
            },
        };
        let text =
            private_file::read(&path, FILE_LEN_MAX).map_err(|error| Error::Usage(error.to_string()))?;
        let sections = file::sections(&path, &text.unwrap_or_default())?;
        let names: Vec<String> = sections.iter().map(|section| section.name.clone()).collect();
        let profile = |section: Section| Ok((section.name.clone(), profile(&path, section, &names)?));
        let profiles = sections.into_iter().map(profile).collect::<Result<_, Error>>()?;
        Ok(Self { path, profiles })
    }

    /// In the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The profile that `NAME:path` speaks of, if there is one, and the path.
    pub(crate) fn named<'a>(&self, typed: &'a OsStr) -> Option<(&Profile, &'a OsStr)> {
        let bytes = typed.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        if bytes[colon..].starts_with(b"://") || bytes[colon..].starts_with(b"::") {
            return None;
        }
        let profile = self.profiles.get(str::from_utf8(&bytes[..colon]).ok()?)?;
        Some((profile, OsStr::from_bytes(&bytes[colon + 1..])))
    }

    /// Returns the profile of a server's user. With several, only the options that they share, since the others are ambiguous.
    pub(crate) fn of_server(&self, server: &ServerTarget) -> Option<Profile> {
        let mut there =
            self.iter().filter(|profile| ServerTarget::of(&profile.remote).is_of_same_user(server));
        let mut shared = there.next()?.clone();
        for other in there {
            shared.name = format!("{}, {}", shared.name, other.name);
            shared.defaults.0.retain(|option| other.defaults.0.contains(option));
        }
        Some(shared)
    }

    /// The place that `NAME:path` means, if there is such a profile.
    pub(crate) fn resolve(&self, typed: &OsStr) -> Result<Option<Remote>, Error> {
        match self.named(typed) {
            Some((profile, path)) => Ok(Some(profile.remote.at(path)?)),
            None => Ok(None),
        }
    }

    /// Adds advice to the error about a host, which may have been meant as a profile.
    pub(crate) fn advise(&self, error: Error, host: &str) -> Error {
        let name = similar(host, self.profiles.keys().map(String::as_str));
        match (error, name) {
            (Error::Unreachable { address, reason, passing }, Some(name)) => {
                let reason = format!("{reason}; did you mean the profile {name}?");
                Error::Unreachable { address, reason, passing }
            }
            (Error::Unreachable { address, reason, passing }, None)
                if !host.contains(['.', ':']) && host != "localhost" =>
            {
                let reason = format!("{reason}; there is no profile {host} either");
                Error::Unreachable { address, reason, passing }
            }
            (Error::Usage(text), Some(name)) => {
                Error::Usage(format!("{text}; did you mean the profile {name}?"))
            }
            (error, _) => error,
        }
    }

    /// The advice about a name that is no profile's.
    pub(crate) fn unknown(&self, name: &str) -> String {
        meant(&format!("there is no profile {name:?}"), name, self.profiles.keys().map(String::as_str))
    }

    /// Refuses a name that a profile has: its options would be lost.
    pub(crate) fn require_free(&self, name: &str) -> Result<(), Error> {
        let Some(Profile { url, .. }) = self.profiles.get(name) else { return Ok(()) };
        Err(Error::Refused(format!(
            "there is a profile {name} already, {url}: give --replace to replace it with all its options, or: ftp-client profile remove {name}"
        )))
    }

    /// Adds a profile or replaces it. Any remote path may name its place; the file has its URL.
    pub(crate) fn add(&self, name: &str, place: &OsStr, defaults: &Defaults) -> Result<(), Error> {
        check_name(name).map_err(|reason| Error::Usage(format!("{name:?} {reason}")))?;
        let url = match self.resolve(place)? {
            Some(remote) => remote.url(),
            None => match (Remote::parse(place)?, place.to_str()) {
                (_, Some(url)) if url.contains("://") => url.to_owned(),
                (remote, _) => remote.url(),
            },
        };
        self.write(|text| file::with(text, name, &url, &whole_paths(defaults)?))
    }

    /// Removes a profile; returns whether it existed.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, Error> {
        if !self.profiles.contains_key(name) {
            return Ok(false);
        }
        self.write(|text| file::without(text, name)).map(|()| true)
    }

    fn write(&self, change: impl FnOnce(&str) -> Result<String, Error>) -> Result<(), Error> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::Usage("there is no home folder (HOME): name a file with --config".to_owned()));
        }
        let text = private_file::read(&self.path, FILE_LEN_MAX)?.unwrap_or_default();
        private_file::replace(&self.path, &change(&text)?)
    }
}

fn profile(path: &Path, section: Section, names: &[String]) -> Result<Profile, Error> {
    let wrong = |line: usize, key: &str, reason: &str| {
        let place = Error::shown_path(path);
        Error::Usage(format!("{place}:{line}: profile.{}{key}: {reason}", section.name))
    };
    check_name(&section.name).map_err(|reason| wrong(section.line, "", reason))?;
    let (mut url, mut defaults) = (None, Vec::new());
    for entry in section.entries {
        let key = format!(".{}", entry.key);
        let bad = |reason: &str| wrong(entry.line, &key, reason);
        let values = entry.values.map_err(bad)?;
        if entry.key == "url" {
            let [text] = &values[..] else { return Err(bad("must be one URL")) };
            url = Some((text.clone(), parse_url(text, names).map_err(|reason| bad(&reason))?));
        } else {
            defaults.extend(checked(path, &entry.key, values).map_err(|reason| bad(&reason))?);
        }
    }
    if let Some((key, _)) = defaults.iter().find(|(key, _)| contradicted(key, &defaults)) {
        return Err(wrong(section.line, &format!(".{key}"), "is contradicted by another key"));
    }
    let (url, remote) = url.ok_or_else(|| wrong(section.line, "", "has no url"))?;
    Ok(Profile { name: section.name, url, remote, defaults: Defaults(defaults) })
}

/// Only a URL is taken: `other:path` could mean something else tomorrow.
fn parse_url(text: &str, names: &[String]) -> Result<Remote, String> {
    let head = text.split_once(':').map(|(head, _)| head);
    if !text.contains("://") && head.is_some_and(|head| names.iter().any(|name| name == head)) {
        return Err(format!("{text:?} names another profile, not a server"));
    }
    if !text.contains("://") {
        return Err(format!("{text:?} is no URL: write ftpx://[USER@]HOST[:PORT]/PATH"));
    }
    Remote::parse(OsStr::new(text)).map_err(|error| error.to_string())
}

/// Checks an option of a profile as if it had been typed. Returns `None` for a flag that is not set.
fn checked(
    config: &Path,
    key: &str,
    mut values: Vec<String>,
) -> Result<Option<(String, Vec<String>)>, String> {
    if SECRETS.contains(&key) {
        return Err("secrets are never kept in a profile; use password-file".to_owned());
    }
    let options = profile_options();
    let option = options.iter().find(|option| option.key == key).ok_or_else(|| {
        meant("there is no such key", key, options.iter().map(|option| option.key.as_str()))
    })?;
    if values.is_empty() {
        return Err("has no value".to_owned());
    }
    if option.flag {
        return match &values[..] {
            [value] if value == YES => Ok(Some((key.to_owned(), values))),
            [value] if value == "false" => {
                Ok(opposite(key).map(|key| (key.to_owned(), vec![YES.to_owned()])))
            }
            _ => Err("must be true or false".to_owned()),
        };
    }
    if option.file {
        values.iter_mut().for_each(|value| *value = placed(config, value));
    }
    let typed = values.iter().map(|value| format!("--{key}={value}"));
    match profile_parser().no_binary_name(true).try_get_matches_from(typed) {
        Ok(_) => Ok(Some((key.to_owned(), values))),
        Err(error) => Err(sentence(&error)),
    }
}

/// The option that a flag stands for if it is false, where that differs from leaving it out.
fn opposite(key: &str) -> Option<&'static str> {
    match key {
        "resume" => Some("no-resume"),
        "no-resume" => Some("resume"),
        _ => None,
    }
}

/// Returns true if another key of the profile contradicts this one.
fn contradicted(key: &str, defaults: &[(String, Vec<String>)]) -> bool {
    let other = if key == "quiet" { Some("verbose") } else { opposite(key) };
    other.is_some_and(|other| defaults.iter().any(|(key, _)| key == other))
}

/// Resolves a file's path of a profile from the home folder, or from the configuration's folder.
fn placed(config: &Path, value: &str) -> String {
    let home = value.strip_prefix("~/").and_then(|rest| Some(etcetera::home_dir().ok()?.join(rest)));
    let path = home.unwrap_or_else(|| config.parent().unwrap_or(Path::new("")).join(value));
    path.into_os_string().into_string().unwrap_or_else(|_| value.to_owned())
}

/// Makes typed file paths absolute, from the current folder.
fn whole_paths(defaults: &Defaults) -> Result<Defaults, Error> {
    let options = profile_options();
    let is_file = |key: &str| options.iter().any(|option| option.file && option.key == key);
    let whole = |value: &String| {
        let path = std::path::absolute(value).map_err(|error| Error::local(Path::new(value), error))?;
        Ok(path.to_str().unwrap_or(value).to_owned())
    };
    let mut kept = defaults.clone();
    for (_, values) in kept.0.iter_mut().filter(|(key, _)| is_file(key)) {
        *values = values.iter().map(whole).collect::<Result<_, Error>>()?;
    }
    Ok(kept)
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let good = !name.is_empty() && !name.starts_with(['-', '.']) && name.bytes().all(allowed);
    if good && name.len() <= NAME_LEN_MAX {
        Ok(())
    } else {
        Err("is no name of a profile: letters, digits, '-', '_' and '.' make one")
    }
}

fn usual_path() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.config_dir().join("ftp-client").join("config.toml"))
}

const YES: &str = "true";
const SECRETS: [&str; 2] = ["password", "token"];
const NAME_LEN_MAX: usize = 64;
/// Enough for some thousands of profiles; a longer file is not a configuration.
const FILE_LEN_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
