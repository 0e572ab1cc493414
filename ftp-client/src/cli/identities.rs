//! The keys to log in with: those that were named, or those that ssh would take: the agent's, and those under the usual
//! names.

use crate::cli::environment::variable;
use crate::cli::output::{Output, as_word};
use crate::cli::terminal;
use ftp_client::Error;
use ftp_client::keys::{Agent, KeyFile, LockedKey, SshKey};
use std::path::{Path, PathBuf};
use wire::limits::LOGIN_KEYS_MAX;

/// Keys that were found without being named.
pub(crate) struct UsableKeys {
    pub(crate) keys: Vec<SshKey>,
    /// Why there are not more, behind an error about it.
    pub(crate) hint: String,
}

/// Returns the keys of the named files. All of them must be usable, since a named key is the one that is wanted.
pub(crate) fn named(paths: &[PathBuf], output: &Output) -> Result<Vec<SshKey>, Error> {
    if paths.len() > LOGIN_KEYS_MAX {
        return Err(Error::Usage(format!("a login can offer {LOGIN_KEYS_MAX} keys at most")));
    }
    let keys = paths.iter().map(|path| one_named(path, output)).collect::<Result<Vec<_>, _>>()?;
    tell(&keys, output);
    Ok(keys)
}

/// Returns the agent's keys, then those under the usual names that the agent lacks. Unusable keys are reported and left out.
pub(crate) fn usual(output: &Output) -> Result<UsableKeys, Error> {
    let (mut keys, trouble) = of_agent(output);
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
        for file in &locked {
            keys.extend(ask_for(file)?.key());
            if !keys.is_empty() {
                break;
            }
        }
    }
    keys.truncate(tell(&keys, output));
    let locked = locked.first().map(needs_passphrase);
    let hints = [trouble, locked, unsupported()].into_iter().flatten();
    Ok(UsableKeys { keys, hint: hints.map(|hint| format!("; {hint}")).collect() })
}

fn one_named(path: &Path, output: &Output) -> Result<SshKey, Error> {
    let (public, locked) = match KeyFile::read(path).map_err(no_use)? {
        KeyFile::Open(key) => return Ok(key),
        KeyFile::Locked(file) => (file.public(), Some(file)),
        KeyFile::Public(public) => (public, None),
    };
    let (keys, trouble) = of_agent(output);
    if let Some(key) = keys.into_iter().find(|key| key.is(&public)) {
        return Ok(key);
    }
    let Some(file) = locked else {
        let trouble = trouble.map(|trouble| format!("; {trouble}")).unwrap_or_default();
        return Err(Error::Usage(format!(
            "{} is a public key, and no agent has the private key; name the private key file, or add it with ssh-add{trouble}",
            Error::shown_path(path)
        )));
    };
    if !terminal::interactive() {
        return Err(Error::Usage(needs_passphrase(&file)));
    }
    match ask_for(&file)? {
        PassphraseOutcome::With(key) => Ok(key),
        PassphraseOutcome::Never => Err(Error::Usage(needs_passphrase(&file))),
        PassphraseOutcome::EndOfInput => {
            Err(Error::NoLogin(format!("no passphrase was given: {}", needs_passphrase(&file))))
        }
    }
}

/// A file to log in with that cannot be read is a matter of how this was called, and not of what was asked for.
pub(crate) fn no_use(error: Error) -> Error {
    Error::Usage(error.to_string())
}

/// Its keys, or why there are none.
fn of_agent(output: &Output) -> (Vec<SshKey>, Option<String>) {
    let Some(socket) = agent_socket() else { return (Vec::new(), None) };
    match Agent::at(socket).keys() {
        Ok(keys) => (keys, None),
        Err(error) => {
            let trouble = format!("the ssh-agent of SSH_AUTH_SOCK cannot be used: {error}");
            output.note(|| trouble.clone());
            (Vec::new(), Some(trouble))
        }
    }
}

fn agent_socket() -> Option<String> {
    variable("SSH_AUTH_SOCK").ok().flatten()
}

/// Explains why an RSA key is not used.
fn unsupported() -> Option<String> {
    let path = etcetera::home_dir().ok()?.join(".ssh/id_rsa");
    path.exists().then(|| {
        let path = Error::shown_path(&path);
        format!("{path} is not used: RSA is not supported; ssh-keygen -t ed25519 makes a key that is")
    })
}

fn usual_paths() -> Vec<PathBuf> {
    let Ok(home) = etcetera::home_dir() else { return Vec::new() };
    let paths = USUAL_NAMES.map(|name| home.join(".ssh").join(name));
    paths.into_iter().filter(|path| path.exists()).collect()
}

/// The outcome of asking for a passphrase.
enum PassphraseOutcome {
    With(SshKey),
    /// The user gave no passphrase, or only wrong ones.
    Never,
    /// The input has ended.
    EndOfInput,
}

impl PassphraseOutcome {
    fn key(self) -> Option<SshKey> {
        match self {
            Self::With(key) => Some(key),
            Self::Never | Self::EndOfInput => None,
        }
    }
}

/// Asks up to three times, as ssh does.
fn ask_for(file: &LockedKey) -> Result<PassphraseOutcome, Error> {
    let path = Error::shown_path(file.path());
    for prompt in ["Passphrase for"]
        .into_iter()
        .chain(std::iter::repeat("Bad passphrase, try again for"))
        .take(PASSPHRASES_MAX)
    {
        let Some(passphrase) = terminal::secret(&format!("{prompt} {path} (empty for none): "))? else {
            return Ok(PassphraseOutcome::EndOfInput);
        };
        if passphrase.is_empty() {
            break;
        }
        if let Some(key) = file.open(&passphrase) {
            return Ok(PassphraseOutcome::With(key));
        }
    }
    Ok(PassphraseOutcome::Never)
}

fn needs_passphrase(file: &LockedKey) -> String {
    let path = Error::shown_path(file.path());
    let add = format!("ssh-add {}", as_word(&path));
    match agent_socket() {
        Some(_) => format!("{path} needs a passphrase; run: {add}"),
        None => format!(
            "{path} needs a passphrase, and there is no ssh-agent to ask (SSH_AUTH_SOCK is not set); \
             run: eval \"$(ssh-agent)\"; {add}"
        ),
    }
}

/// Tells which keys are offered; gives their number.
fn tell(keys: &[SshKey], output: &Output) -> usize {
    for key in keys.iter().take(LOGIN_KEYS_MAX) {
        output.note(|| format!("offering the key {key}"));
    }
    for key in keys.iter().skip(LOGIN_KEYS_MAX) {
        output.note(|| {
            format!("not offering the key {key}: {LOGIN_KEYS_MAX} is the maximum; choose with --identity")
        });
    }
    keys.len().min(LOGIN_KEYS_MAX)
}

/// In ssh's order, as far as they are supported.
const USUAL_NAMES: [&str; 2] = ["id_ed25519", "id_ecdsa"];
/// As ssh's NumberOfPasswordPrompts.
const PASSPHRASES_MAX: usize = 3;
