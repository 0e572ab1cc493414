//! From settings and environment to what the library needs to connect: who logs in, with which secret, whom to trust.

use crate::cli::output::Output;
use crate::cli::places::{Server, one_pin};
use crate::cli::settings::Settings;
use crate::cli::terminal;
use ftp_client::trust::{OnUnknown, Policy};
use ftp_client::{ConnectOptions, Error, Session};
use std::env;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use wire::limits::{LOGIN_TIMEOUT, SECRET_LEN_MAX};
use wire::message::Login;

/// Asks for a password if there is no other way.
pub(crate) fn options(
    server: &Server,
    settings: &Settings,
    output: &Output,
) -> Result<ConnectOptions, Error> {
    let pin = one_pin(server.pin, settings.pin)?;
    let policy = Policy::new(pin, settings.known_hosts.clone(), on_unknown(settings));
    Ok(ConnectOptions {
        host: server.host.clone(),
        port: server.port,
        trust: Arc::new(policy),
        login: login(server, settings, output)?,
        checksum: settings.checksum,
        lanes: settings.lanes,
        rate_limit: settings.rate_limit,
        timeout: settings.timeout,
    })
}

/// Connects. A person who was asked about the server's key may have thought about it for longer than the server waits
/// for a login; then the connection is made anew, and nobody is asked any more.
pub(crate) async fn session(options: ConnectOptions) -> Result<Session, Error> {
    let (again, started) = (copy(&options), Instant::now());
    let session = Session::connect(options).await?;
    if started.elapsed() < LOGIN_TIMEOUT / 2 {
        return Ok(session);
    }
    session.close().await;
    Session::connect(again).await
}

fn copy(options: &ConnectOptions) -> ConnectOptions {
    ConnectOptions {
        host: options.host.clone(),
        trust: Arc::clone(&options.trust),
        login: options.login.clone(),
        ..*options
    }
}

fn on_unknown(settings: &Settings) -> OnUnknown {
    match settings.accept_new {
        true => OnUnknown::AcceptNew,
        false if !terminal::interactive() => OnUnknown::Refuse,
        false => OnUnknown::Ask(Box::new(terminal::confirm)),
    }
}

/// What was typed counts more than what the environment says.
fn login(server: &Server, settings: &Settings, output: &Output) -> Result<Login, Error> {
    if let Some(token) = &settings.token {
        return Ok(Login::Token { token: token.clone() });
    }
    if let Some(file) = &settings.password_file {
        return Ok(Login::Password { user: user(server)?, password: read_password(file, output)? });
    }
    if let Some(token) = variable("FTPX_TOKEN")? {
        return Ok(Login::Token { token });
    }
    let user = user(server)?;
    let password = match variable("FTPX_PASSWORD")? {
        Some(password) => password,
        None => ask_password(&user, server)?,
    };
    Ok(Login::Password { user, password })
}

/// The user that was typed, or who is logged in here.
fn user(server: &Server) -> Result<String, Error> {
    if let Some(user) = &server.user {
        return Ok(user.clone());
    }
    match variable("USER")? {
        Some(user) => Ok(user),
        None => variable("LOGNAME")?.ok_or_else(|| {
            Error::Usage("who logs in? write USER@HOST:PATH or ftpx://USER@HOST/PATH".to_owned())
        }),
    }
}

fn ask_password(user: &str, server: &Server) -> Result<String, Error> {
    if !terminal::interactive() {
        return Err(Error::Usage(format!(
            "there is no password for {user}@{}: use --password-file, FTPX_PASSWORD or --token",
            server.address()
        )));
    }
    terminal::password(&format!("Password for {user}@{}: ", server.address()))
        .map_err(|source| Error::local(Path::new("/dev/tty"), source))
}

/// The first line, without its end.
fn read_password(path: &Path, output: &Output) -> Result<String, Error> {
    let file = File::open(path).map_err(|source| Error::local(path, source))?;
    if open_to_others(&file) {
        output.warn(&format!("{} can be read by others; run: chmod go= on it", Error::shown_path(path)));
    }
    match first_line(file) {
        Ok(line) if line.is_empty() => Err(unusable(path, "holds no password in its first line")),
        Ok(line) if line.len() > SECRET_LEN_MAX => {
            Err(unusable(path, "has a first line too long for a password"))
        }
        Ok(line) => Ok(line),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(unusable(path, "is not UTF-8 text")),
        Err(error) => Err(Error::local(path, error)),
    }
}

fn first_line(file: File) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(file).take(SECRET_LEN_MAX as u64 + 3).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// A pipe, as `<(pass show server)` makes it, is nobody else's.
fn open_to_others(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o077 != 0)
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Usage(format!("{} {reason}", Error::shown_path(path)))
}

/// A variable of the environment; an empty one is none.
fn variable(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Error::Usage(format!("{name} is not UTF-8 text"))),
    }
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
        for content in ["päss word", "päss word\n", "päss word\r\n", "päss word\nmore\n"] {
            assert_eq!(line_of(content.as_bytes()).unwrap(), "päss word");
        }
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
