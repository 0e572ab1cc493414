//! `share`: one folder or file, one token, an identity that exists only in memory, and the command to type on the other
//! machine. It needs no configuration and leaves no files behind.

mod invitation;
mod place;
mod report;

use super::args::ShareArgs;
use super::failure::usage;
use super::running::{Server, ServerOptions};
use super::setup::all_addresses;
use super::signals::Hangup;
use super::{logging, running};
use anyhow::{Context, ensure};
use ftp_server::activity::{Activity, ActivityKind, ActivityObserver};
use ftp_server::config::{DEFAULT_PORT, LogLevel, LogOptions};
use ftp_server::identity::HostIdentity;
use ftp_server::token::{TokenGrant, Tokens};
use invitation::Invitation;
use place::SharedPlace;
use report::Ending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};
use tokio_util::sync::CancellationToken;
use wire::Access;
use wire::share_code::ShareCode;

pub(crate) fn run(args: &ShareArgs) -> anyhow::Result<()> {
    let place = SharedPlace::of(&args.path)?;
    if args.write && place.only.is_some() {
        return Err(usage("--write is for a folder, and this is a file"));
    }
    let format = args.output.log_format.map(Into::into).unwrap_or_default();
    let _logging =
        logging::start(&LogOptions { format, level: LogLevel::Warn }).context("cannot start the log")?;
    let identity = HostIdentity::generate()?;
    let tokens = Tokens::new();
    let token = tokens.issue(grant(args, &place)?)?.text().to_owned();
    let (tokens, fingerprint) = (Arc::new(tokens), identity.fingerprint().to_owned());
    let code = ShareCode { token, server_key: identity.key() };
    let (done, begin) = (CancellationToken::new(), Instant::now());
    running::block_on(async {
        let broken = Arc::new(AtomicBool::new(false));
        let observer = observer(args, &place, &done, &broken);
        let server = bind(args.listen, &identity, &tokens, &observer).await?;
        let announced = |address| {
            Ok(Invitation { address, fingerprint: &fingerprint, code: &code, place: &place, args }.print()?)
        };
        let ran = running::until_stopped(
            server,
            &fingerprint,
            args.output.json,
            Some(args.time),
            done.clone(),
            Hangup::Stop,
            announced,
        );
        ran.await?;
        let ending = if done.is_cancelled() && broken.load(Ordering::Relaxed) {
            Ending::Broken
        } else if done.is_cancelled() {
            Ending::Used
        } else if begin.elapsed() >= args.time {
            Ending::Expired
        } else {
            Ending::Stopped
        };
        report::over(ending, args.output.json);
        ensure!(ending != Ending::Broken, "the transfer was not finished");
        Ok(())
    })
}

fn grant(args: &ShareArgs, place: &SharedPlace) -> anyhow::Result<TokenGrant> {
    let expires_at = SystemTime::now().checked_add(args.time).ok_or_else(|| usage("--for is too long"))?;
    let (root, only) = (place.root.clone(), place.only.clone());
    let (name, access, once) = ("share".to_owned(), access(args), args.once);
    Ok(TokenGrant { name, root, access, expires_at, once, only, home: None })
}

fn access(args: &ShareArgs) -> Access {
    if args.write { Access::Write } else { Access::Read }
}

/// Reports what was fetched, and notes if that was not all. With `--once` the end of the only session is the end of the share.
fn observer(
    args: &ShareArgs,
    place: &SharedPlace,
    done: &CancellationToken,
    broken: &Arc<AtomicBool>,
) -> ActivityObserver {
    let (json, once, name, done) = (args.output.json, args.once, place.name(), done.clone());
    let is_broken = broken.clone();
    Arc::new(move |activity: &Activity| {
        report::tell(activity, &name, json);
        match &activity.kind {
            ActivityKind::Fetched(moved) | ActivityKind::Received(moved) => {
                is_broken.store(!moved.is_complete, Ordering::Relaxed);
            }
            ActivityKind::Left { said_goodbye } => {
                is_broken.fetch_or(!said_goodbye, Ordering::Relaxed);
                if once {
                    done.cancel();
                }
            }
        }
    })
}

/// Without a given address, the usual port is only preferred: a server may be running there already.
async fn bind(
    wanted: Option<SocketAddr>,
    identity: &HostIdentity,
    tokens: &Arc<Tokens>,
    observer: &ActivityObserver,
) -> anyhow::Result<Server> {
    let options = |listen| ServerOptions {
        observer: Some(observer.clone()),
        ..ServerOptions::new(listen, identity.clone(), Arc::clone(tokens) as _)
    };
    let listen = wanted.unwrap_or_else(|| all_addresses(DEFAULT_PORT));
    let bound = match running::bind(options(listen)).await {
        Err(error) if wanted.is_none() && error.kind() == io::ErrorKind::AddrInUse => {
            running::bind(options(all_addresses(0))).await
        }
        bound => bound,
    };
    bound.with_context(|| format!("cannot listen on {listen}"))
}
