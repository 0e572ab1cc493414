//! Chooses the user and the credentials of a login: typed options take precedence over the environment, and that over the default keys.
//! The user is asked last.

use crate::cli::environment::variable;
use crate::cli::identities;
use crate::cli::output::{Output, as_word};
use crate::cli::server::ServerTarget;
use crate::cli::settings::Settings;
use crate::cli::terminal;
use ftp_client::fingerprint::ServerKey;
use ftp_client::{AskedPassword, Credentials, Error};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use wire::limits::SECRET_LEN_MAX;
use wire::share_code::ShareCode;

/// The credentials of a login.
pub(crate) struct Chosen {
    pub(crate) credentials: Credentials,
    /// The question to ask if they are refused.
    pub(crate) otherwise: Option<PasswordPrompt>,
    /// The server's key, if it came with a token.
    pub(crate) pin: Option<ServerKey>,
}

/// A question for a user's password, which is asked when the server's key has been accepted.
pub(crate) struct PasswordPrompt {
    user: String,
    address: String,
}

impl PasswordPrompt {
    /// The credentials that ask when they are needed.
    pub(crate) fn credentials(self) -> Credentials {
        let place = format!("{}@{}", self.user, self.address);
        let ask = move || {
            terminal::secret(&format!("Password for {place}: "))?.ok_or_else(|| {
                Error::NoLogin(format!(
                    "no password was given for {place}: type one, or use --identity, --password-file or --token"
                ))
            })
        };
        Credentials::Asked(AskedPassword::new(self.user, ask))
    }
}

impl From<Credentials> for Chosen {
    fn from(credentials: Credentials) -> Self {
        Self { credentials, otherwise: None, pin: None }
    }
}

/// Chooses the credentials. May ask for a passphrase; a password is asked for when it is needed.
pub(crate) fn choose(server: &ServerTarget, settings: &Settings, output: &Output) -> Result<Chosen, Error> {
    if let Some(token) = &settings.token {
        return of_token(&typed_token(token)?);
    }
    if let Some(file) = &settings.password_file {
        let (user, password) = (server.user()?, read_password(file, output)?);
        return Ok(Credentials::Password { user, password }.into());
    }
    if !settings.identities.is_empty() {
        let (user, keys) = (server.user()?, identities::named(&settings.identities, output)?);
        return Ok(Credentials::Keys { user, keys }.into());
    }
    if let Some(token) = variable("FTPX_TOKEN")? {
        return of_token(&token);
    }
    let user = server.user()?;
    if let Some(password) = variable("FTPX_PASSWORD")? {
        return Ok(Credentials::Password { user, password }.into());
    }
    let found = identities::usual(output)?;
    let prompt =
        terminal::interactive().then(|| PasswordPrompt { user: user.clone(), address: server.address() });
    match prompt {
        otherwise if !found.keys.is_empty() => {
            Ok(Chosen { credentials: Credentials::Keys { user, keys: found.keys }, otherwise, pin: None })
        }
        Some(prompt) => Ok(prompt.credentials().into()),
        None => Err(Error::Usage(format!(
            "there is neither a key nor a password for {user}@{}: use --identity, --password-file, FTPX_PASSWORD or --token{}",
            server.address(),
            found.hint
        ))),
    }
}

/// A token alone, or the code of a share, which has the server's key too.
///
/// # Errors
/// For a code that is not whole: without its key any server would be given the token.
fn of_token(text: &str) -> Result<Chosen, Error> {
    match ShareCode::parse(text) {
        Some(ShareCode { token, server_key }) => {
            Ok(Chosen { pin: Some(server_key.0), ..Credentials::Token { token }.into() })
        }
        None if text.contains('.') => {
            Err(Error::Usage("the token is not whole, or has a character too many: copy it again".to_owned()))
        }
        None => Ok(Credentials::Token { token: text.to_owned() }.into()),
    }
}

/// Returns the token; `-` stands for one of the environment, or one that is asked for.
fn typed_token(typed: &str) -> Result<String, Error> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    if let Some(token) = variable("FTPX_TOKEN")? {
        return Ok(token);
    }
    let none =
        || Error::Usage("--token - asks on the terminal, and there is none: set FTPX_TOKEN".to_owned());
    if !terminal::interactive() {
        return Err(none());
    }
    let typed = terminal::secret("Token: ")?.map(|token| token.trim().to_owned());
    typed.filter(|token| !token.is_empty()).ok_or_else(|| Error::NoLogin("no token was given".to_owned()))
}

/// The first line, without its end.
fn read_password(path: &Path, output: &Output) -> Result<String, Error> {
    let file = File::open(path).map_err(|source| identities::no_use(Error::local(path, source)))?;
    if open_to_others(&file) {
        let path = Error::shown_path(path);
        output.warn(&format!("{path} can be read by others; run: chmod go= {}", as_word(&path)));
    }
    match first_line(file) {
        Ok(line) if line.is_empty() => Err(unusable(path, "holds no password in its first line")),
        Ok(line) if line.len() > SECRET_LEN_MAX => {
            Err(unusable(path, "has a first line too long for a password"))
        }
        Ok(line) => Ok(line),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(unusable(path, "is not UTF-8 text")),
        Err(error) => Err(identities::no_use(Error::local(path, error))),
    }
}

fn first_line(file: File) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(file).take(SECRET_LEN_MAX as u64 + 3).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line.strip_prefix('\u{feff}').unwrap_or(&line).to_owned())
}

/// A pipe, as made by `<(pass show server)`, is private.
fn open_to_others(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0)
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Usage(format!("{} {reason}", Error::shown_path(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn line_of(content: &[u8]) -> io::Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, content).unwrap();
        first_line(File::open(&file).unwrap())
    }

    #[test]
    fn a_password_is_the_first_line() {
        for content in
            ["päss word", "\u{feff}päss word\n", "päss word\n", "päss word\r\n", "päss word\nmore\n"]
        {
            assert_eq!(line_of(content.as_bytes()).unwrap(), "päss word");
        }
        assert_eq!(
            line_of("\u{feff}\u{feff}x".as_bytes()).unwrap(),
            "\u{feff}x",
            "one is a mark, the other is part of it"
        );
        assert_eq!(line_of(b"").unwrap(), "");
        assert!(line_of(b"\xff\n").is_err());
        assert!(line_of(&[b'x'; 5000]).unwrap().len() > SECRET_LEN_MAX);
    }

    #[test]
    fn a_password_that_others_can_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!open_to_others(file.as_file()));
        file.as_file().set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
        assert!(open_to_others(file.as_file()));
    }
}
