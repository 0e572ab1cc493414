//! `share`: one folder, one token, an identity that exists only in memory, and the command to type on the other
//! machine. It needs no configuration and leaves no files behind.

use super::args::ShareArgs;
use super::failure::usage;
use super::running::{Server, ServerOptions};
use super::setup::{all_addresses, existing_folder};
use super::signals::Hangup;
use super::{logging, output, reachable, running};
use anyhow::Context;
use ftp_server::config::{DEFAULT_PORT, LogLevel, LogOptions};
use ftp_server::identity::HostIdentity;
use ftp_server::token::{ShareToken, TokenGrant, Tokens};
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use wire::Access;

pub(crate) fn run(args: &ShareArgs) -> anyhow::Result<()> {
    let root = existing_folder(&args.dir)?;
    let format = args.output.log_format.map(Into::into).unwrap_or_default();
    let _logging =
        logging::start(&LogOptions { format, level: LogLevel::Warn }).context("cannot start the log")?;
    let identity = HostIdentity::generate()?;
    let tokens = Tokens::new();
    let token = tokens.issue(grant(args, root.clone())?)?;
    let (tokens, fingerprint) = (Arc::new(tokens), identity.fingerprint().to_owned());
    running::block_on(async {
        let server = bind(args.listen, &identity, &tokens).await?;
        let announced = |address| {
            let invitation = Invitation { address, fingerprint: &fingerprint, token: &token, args };
            explain(args, &root);
            Ok(invitation.print()?)
        };
        running::until_stopped(
            server,
            &fingerprint,
            args.output.json,
            Some(args.time),
            Hangup::Stop,
            announced,
        )
        .await
    })
}

fn grant(args: &ShareArgs, root: PathBuf) -> anyhow::Result<TokenGrant> {
    let expires_at = SystemTime::now().checked_add(args.time).ok_or_else(|| usage("--for is too long"))?;
    let (name, access, once) = ("share".to_owned(), access(args), args.once);
    Ok(TokenGrant { name, root, access, expires_at, once, home: None })
}

fn access(args: &ShareArgs) -> Access {
    if args.write { Access::Write } else { Access::Read }
}

/// Without a given address, the usual port is only preferred: a server may be running there already.
async fn bind(
    wanted: Option<SocketAddr>,
    identity: &HostIdentity,
    tokens: &Arc<Tokens>,
) -> anyhow::Result<Server> {
    let options = |listen| ServerOptions::new(listen, identity.clone(), Arc::clone(tokens) as _);
    let listen = wanted.unwrap_or_else(|| all_addresses(DEFAULT_PORT));
    let bound = match running::bind(options(listen)).await {
        Err(error) if wanted.is_none() && error.kind() == io::ErrorKind::AddrInUse => {
            running::bind(options(all_addresses(0))).await
        }
        bound => bound,
    };
    bound.with_context(|| format!("cannot listen on {listen}"))
}

/// Prints the text for people on standard error; standard output has the commands or the JSON event.
fn explain(args: &ShareArgs, root: &Path) {
    if args.output.json {
        return;
    }
    let what = if args.write { "to read and add to" } else { "to read" };
    let logins = if args.once { ", for one login" } else { "" };
    let time = humantime::format_duration(args.time);
    output::say(format_args!(
        "Sharing {} {what} for {time}{logins}. On the other machine run:",
        root.display()
    ));
}

/// The facts that the other machine needs.
struct Invitation<'a> {
    address: SocketAddr,
    fingerprint: &'a str,
    token: &'a ShareToken,
    args: &'a ShareArgs,
}

impl Invitation<'_> {
    fn print(&self) -> io::Result<()> {
        if self.args.output.json {
            return output::json_line(&self.event());
        }
        output::line(self.get_command())?;
        if self.args.write { output::line(self.put_command()) } else { Ok(()) }
    }

    fn event(&self) -> SharedEvent<'_> {
        SharedEvent {
            url: self.url(),
            token: self.token.text(),
            access: access(self.args).word(),
            seconds: self.args.time.as_secs(),
            once: self.args.once,
        }
    }

    /// The quotes keep the shell from taking `?` for a pattern.
    fn get_command(&self) -> String {
        format!("ftp-client get -r --token {} '{}' .", self.token.text(), self.url())
    }

    fn put_command(&self) -> String {
        format!("ftp-client put -r --token {} FILE... '{}'", self.token.text(), self.url())
    }

    fn url(&self) -> String {
        format!("ftpx://{}/?pin={}", reachable::from(self.address), self.fingerprint)
    }
}

/// The invitation as a JSON event.
#[derive(Serialize)]
#[serde(tag = "event", rename = "shared")]
struct SharedEvent<'a> {
    url: String,
    token: &'a str,
    access: &'static str,
    seconds: u64,
    once: bool,
}
