//! The keys to log in with: those that were named, or those that ssh would take: the agent's, and those under the usual
//! names.

use crate::cli::login::variable;
use crate::cli::output::Output;
use crate::cli::terminal;
use ftp_client::Error;
use ftp_client::keys::{Agent, Key, KeyFile, Locked};
use std::path::{Path, PathBuf};
use wire::limits::LOGIN_KEYS_MAX;

/// Keys that nobody named.
pub(crate) struct Found {
    pub(crate) keys: Vec<Key>,
    /// Why there are not more, behind an error about it.
    pub(crate) hint: String,
}

/// The keys of the named files. All of them must be of use: who names a key wants that one.
pub(crate) fn named(paths: &[PathBuf], output: &Output) -> Result<Vec<Key>, Error> {
    if paths.len() > LOGIN_KEYS_MAX {
        return Err(Error::Usage(format!("a login can offer {LOGIN_KEYS_MAX} keys at most")));
    }
    let keys = paths.iter().map(|path| one_named(path, output)).collect::<Result<Vec<_>, _>>()?;
    tell(&keys, output);
    Ok(keys)
}

/// The agent's keys, then those under the usual names that it does not hold. What cannot be used is told and left out.
pub(crate) fn usual(output: &Output) -> Found {
    let mut keys = of_agent(output);
    let mut locked = Vec::new();
    for path in usual_paths() {
        match KeyFile::read(&path) {
            Ok(KeyFile::Open(key)) if !keys.iter().any(|known| known.is(key.public())) => keys.push(key),
            Ok(KeyFile::Locked(file)) if !keys.iter().any(|key| key.is(&file.public())) => locked.push(file),
            Ok(KeyFile::Open(_) | KeyFile::Locked(_) | KeyFile::Public(_)) => {}
            Err(error) => output.warn(&format!("{error}; this key is not used")),
        }
    }
    if keys.is_empty() && terminal::interactive() {
        keys.extend(locked.iter().find_map(|file| ask_for(file).ok().flatten()));
    }
    keys.truncate(tell(&keys, output));
    let hint = locked.first().map(|file| format!("; {}", needs_passphrase(file))).unwrap_or_default();
    Found { keys, hint }
}

fn one_named(path: &Path, output: &Output) -> Result<Key, Error> {
    let (public, locked) = match KeyFile::read(path)? {
        KeyFile::Open(key) => return Ok(key),
        KeyFile::Locked(file) => (file.public(), Some(file)),
        KeyFile::Public(public) => (public, None),
    };
    if let Some(key) = of_agent(output).into_iter().find(|key| key.is(&public)) {
        return Ok(key);
    }
    let Some(file) = locked else {
        return Err(Error::Usage(format!(
            "{} is a public key, and no agent holds the private one; name that, or add it with ssh-add",
            Error::shown_path(path)
        )));
    };
    match terminal::interactive() {
        true => ask_for(&file)?.ok_or_else(|| Error::Usage(needs_passphrase(&file))),
        false => Err(Error::Usage(needs_passphrase(&file))),
    }
}

fn of_agent(output: &Output) -> Vec<Key> {
    let Ok(Some(socket)) = variable("SSH_AUTH_SOCK") else { return Vec::new() };
    Agent::at(socket).keys().unwrap_or_else(|error| {
        output.note(|| format!("the ssh-agent cannot be used: {error}"));
        Vec::new()
    })
}

fn usual_paths() -> Vec<PathBuf> {
    let Ok(home) = etcetera::home_dir() else { return Vec::new() };
    let paths = USUAL_NAMES.map(|name| home.join(".ssh").join(name));
    paths.into_iter().filter(|path| path.exists()).collect()
}

/// Asks up to three times, as ssh does; nothing if the person has no passphrase to tell.
fn ask_for(file: &Locked) -> Result<Option<Key>, Error> {
    let prompt = format!("Passphrase for {} (empty for none): ", Error::shown_path(file.path()));
    for _ in 0..PASSPHRASES_MAX {
        let passphrase =
            terminal::password(&prompt).map_err(|source| Error::local(Path::new("/dev/tty"), source))?;
        if passphrase.is_empty() {
            break;
        }
        if let Some(key) = file.open(&passphrase) {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn needs_passphrase(file: &Locked) -> String {
    let path = Error::shown_path(file.path());
    format!("{path} needs a passphrase; run: ssh-add {path}")
}

/// Tells which keys are offered; gives their number.
fn tell(keys: &[Key], output: &Output) -> usize {
    for key in keys.iter().take(LOGIN_KEYS_MAX) {
        output.note(|| format!("offering the key {key}"));
    }
    for key in keys.iter().skip(LOGIN_KEYS_MAX) {
        output.note(|| {
            format!("not offering the key {key}: {LOGIN_KEYS_MAX} are the most; choose with --identity")
        });
    }
    keys.len().min(LOGIN_KEYS_MAX)
}

/// In ssh's order, as far as they are supported.
const USUAL_NAMES: [&str; 2] = ["id_ed25519", "id_ecdsa"];
/// As ssh's NumberOfPasswordPrompts.
const PASSPHRASES_MAX: usize = 3;
