//! `hash`: SHA-256 as `sha256sum` prints it, so that `sha256sum -c` can check what was fetched.

use super::each;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use wire::checksum::Digest;
use wire::message::{Hash, Hashed};

/// Print the SHA-256 of files, as sha256sum does
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client hash ann@files.example.org:disk.iso")]
pub(crate) struct HashArgs {
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct HashCommand {
    remotes: Vec<Remote>,
}

impl HashCommand {
    pub(crate) fn new(typed: HashArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&typed.remotes)?;
        Ok((server, Self { remotes }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let ask = async |remote: &Remote| {
            places::require_as_typed(session, remote).await?;
            session.call(Hash { path: remote.path.clone() }).await
        };
        let tell = |remote: &Remote, hashed: Hashed| {
            if !output.json() {
                return output.print(&line(hashed.digest, remote.path.as_bytes()));
            }
            let event = Object::event("hash").path(&places::rooted(&remote.path));
            output.event(event.text("sha256", &hashed.digest.to_string()).number("bytes", hashed.bytes));
            Ok(())
        };
        each(self.remotes, output, ask, tell).await
    }
}

/// A name with a backslash or a line break is escaped, and a backslash at the line's beginning says so. The path has
/// no `/` at its beginning, because it will be checked below some folder here.
fn line(digest: Digest, path: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(path.len());
    for byte in path {
        match byte {
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\n' => name.extend_from_slice(b"\\n"),
            b'\r' => name.extend_from_slice(b"\\r"),
            byte => name.push(*byte),
        }
    }
    let escaped: &[u8] = if name.len() > path.len() { b"\\" } else { b"" };
    [escaped, digest.to_string().as_bytes(), b"  ", &name, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_sha256sum_has_it() {
        let digest = "00".repeat(32);
        assert_eq!(line(Digest([0; 32]), b"a/b c"), format!("{digest}  a/b c\n").into_bytes());
        assert_eq!(line(Digest([0; 32]), b"a\n\\\r"), format!("\\{digest}  a\\n\\\\\\r\n").into_bytes());
    }
}
