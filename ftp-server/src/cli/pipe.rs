//! `pipe`: one more connection of a session over ssh, from a channel of ssh to the socket of `ftp-server stdio`; and that socket.
//!
//! The socket has no name in the filesystem, so nothing stays behind. Programs of other accounts may connect to it, and are turned
//! away; and connecting is not enough: a lane must prove its session.

use anyhow::Context;
use rustix::process::geteuid;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;
use tokio_util::sync::CancellationToken;
use wire::stdio::MAGIC;

/// Carries standard input and output to the server of this name, until it ends.
pub(crate) fn run(word: &str) -> anyhow::Result<()> {
    let socket = connect(word).context("the server that this was for is gone")?;
    io::stdout().write_all(MAGIC)?;
    io::stdout().flush()?;
    let over = carry(socket)?;
    tokio::runtime::Builder::new_current_thread().build()?.block_on(over.cancelled());
    Ok(())
}

/// The name of a server in a command that a client has asked for.
pub(crate) fn asked_for(command: &str) -> Option<&str> {
    let (_, word) = command.trim_end_matches('\'').rsplit_once(" pipe ")?;
    (word.len() == 2 * WORD_LEN && word.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(word)
}

/// A name for the server that nobody can guess.
pub(crate) fn random_word() -> anyhow::Result<String> {
    let mut bytes = [0_u8; WORD_LEN];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("cannot make a name: {error}"))?;
    Ok(bytes.iter().fold(String::new(), |mut word, byte| {
        let _ = write!(word, "{byte:02x}"); // writing to a String cannot fail
        word
    }))
}

/// Listens under this name.
pub(crate) fn listen(word: &str) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&address(word)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Connects to the server of this name, which must be of the same account.
pub(crate) fn connect(word: &str) -> io::Result<UnixStream> {
    let socket = UnixStream::connect_addr(&address(word)?)?;
    let peer = rustix::net::sockopt::socket_peercred(&socket)?;
    if peer.uid == geteuid() { Ok(socket) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// Carries standard input to the socket and back by two threads; the token is cancelled when either has ended.
pub(crate) fn carry(socket: UnixStream) -> io::Result<CancellationToken> {
    let over = CancellationToken::new();
    let (input, output) = (
        File::from(io::stdin().as_fd().try_clone_to_owned()?),
        File::from(io::stdout().as_fd().try_clone_to_owned()?),
    );
    let (to_server, from_server) = (socket.try_clone()?, socket);
    let ended = over.clone().drop_guard();
    thread::Builder::new().spawn(move || {
        let _ended = ended;
        let _ = copy(&input, &to_server); // whichever end broke: the session sees the end
        let _ = to_server.shutdown(Shutdown::Write);
    })?;
    let ended = over.clone().drop_guard();
    thread::Builder::new().spawn(move || {
        let _ended = ended;
        let _ = copy(&from_server, &output);
    })?;
    Ok(over)
}

/// Copies to the end. Not `io::copy`, which splices: while the kernel waits for a socket's bytes it holds the lock of the pipe that they
/// go to, and sshd, which reads that pipe, stands still.
fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => to.write_all(&buffer[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn address(word: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("ftpx-{word}"))
}

/// As much as a pipe holds by default.
const BUFFER_LEN: usize = 64 * 1024;
/// Bytes of a server's name.
const WORD_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_command_sees_what_was_asked_for() {
        let word = random_word().unwrap();
        for command in [format!("ftp-server pipe {word}"), format!("sh -c 'exec ftp-server pipe {word}'")] {
            assert_eq!(asked_for(&command), Some(&word[..]));
        }
        for other in ["ftp-server stdio", "ftp-server pipe x", "", &format!("ftp-server pipe {word} x")] {
            assert_eq!(asked_for(other), None);
        }
    }

    #[test]
    fn a_server_is_found_by_its_name_only() {
        let word = random_word().unwrap();
        let _listener = listen(&word).unwrap();
        assert!(connect(&word).is_ok());
        assert!(connect(&random_word().unwrap()).is_err());
    }
}
