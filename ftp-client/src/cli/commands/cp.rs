//! `cp`: copies files and, with -r, folders on the server.

mod tree;

use super::{About, UNDER_WAY_MAX, each, in_turn};
use crate::cli::args::OverwriteArg;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::cell::Cell;
use std::ffi::OsString;
use tree::{TreeCopy, not_into_itself};
use wire::message::{Copied, CopyFile, FollowLinks, Overwrite};
use wire::metadata::Kind;
use wire::{Failure, FailureCode, Name, RemotePath};

/// Copy files and, with -r, folders on the server
#[derive(Clone, Args)]
#[command(
    override_usage = "ftp-client cp [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the copies, another path is the copy's name. With -r, \
                  a folder keeps its name in the target, which is made if it is missing; with a / at the end of the folder, its \
                  contents go there. A copy has the permissions and the time of its source. No content goes over the network; \
                  where the server's filesystem can, the copy shares the source's blocks. A link is followed, but with -r it is \
                  copied as a link, unless -L is given.\n\n\
                  Example:\n  ftp-client cp ann@files.example.org::report.pdf ann@files.example.org::/final/\n  \
                  ftp-client cp -r ann@files.example.org::photos ann@files.example.org::/new   makes /new/photos\n  \
                  ftp-client cp -r ann@files.example.org::photos/ ann@files.example.org::/new   without that folder"
)]
pub(crate) struct CpArgs {
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// With -r, copy the files and folders that symbolic links lead to
    #[arg(short = 'L', long)]
    copy_links: bool,
    /// When to replace files that exist [default: always; with -r: different]
    #[arg(long, value_enum, value_name = "WHEN")]
    overwrite: Option<OverwriteArg>,
    /// Never replace a file: as --overwrite never
    #[arg(short, long, conflicts_with = "overwrite")]
    no_clobber: bool,
    /// Ignored, for compatibility with cp: permissions and times are always kept
    #[arg(short, long, hide = true)]
    preserve: bool,
    /// Files and folders to copy, and the target
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct CpCommand {
    sources: Vec<CopySource>,
    recursive: bool,
    follow: FollowLinks,
    /// The sources are what a pattern matches, so the target is a folder.
    from_pattern: bool,
    target: Remote,
    overwrite: Overwrite,
}

/// A source, with the copy's name in a folder; `None` where the contents of a folder are meant.
struct CopySource {
    remote: Remote,
    name: Option<Name>,
}

impl CpArgs {
    pub(super) fn is_recursive(&self) -> bool {
        self.recursive
    }
}

impl CpCommand {
    pub(crate) fn new(typed: CpArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let recursive = typed.recursive;
        let (server, mut remotes) = scope.remotes(&typed.remotes)?;
        let target = remotes.pop().ok_or_else(|| Error::Usage("cp needs a target".to_owned()))?;
        let remotes = scope.matched(remotes).into_iter();
        let sources =
            remotes.map(|remote| CopySource::new(remote, recursive)).collect::<Result<Vec<_>, _>>()?;
        places::no_name_twice(sources.iter().map(|source| source.name.as_ref()))?;
        places::no_contents_mixed(sources.iter().filter(|source| source.name.is_none()).count())?;
        let overwrite = match typed.overwrite {
            _ if typed.no_clobber => Overwrite::Never,
            Some(rule) => rule.into(),
            None if recursive => Overwrite::Different,
            None => Overwrite::Always,
        };
        let follow = if typed.copy_links { FollowLinks::Always } else { FollowLinks::Never };
        let from_pattern = scope.has_matched();
        Ok((server, Self { sources, recursive, follow, from_pattern, target, overwrite }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let into_folder = self.from_pattern || self.sources.len() > 1 || self.target.must_be_folder();
        if self.recursive {
            return self.copy_trees(session, output, into_folder).await;
        }
        let Self { sources, target, overwrite, .. } = self;
        if into_folder {
            places::require_folder(session, &target.path).await?;
        }
        let copy = async |CopySource { remote, name }: &CopySource| {
            places::require_as_typed(session, remote).await?;
            let (to, into) = match name {
                Some(name) if into_folder => (places::within(&target.path, name)?, None),
                name => (target.path.clone(), name.clone()),
            };
            let copy = CopyFile { from: remote.path.clone(), to: to.clone(), into, overwrite };
            match session.call(copy).await {
                Err(error) => kept(explained(error, &remote.path), &to, overwrite),
                copied => copied.map(Some),
            }
        };
        let tell = |source: &CopySource, copied: Option<Copied>| {
            copied.iter().for_each(|copied| tell_copied(&source.remote.path, copied, output));
            Ok(())
        };
        each(sources, output, copy, tell).await
    }

    async fn copy_trees(self, session: &Session, output: &Output, into_folder: bool) -> Result<u8, Error> {
        let Self { sources, target, follow, overwrite, .. } = self;
        let is_incomplete = Cell::new(false);
        let code = in_turn(sources, output, async |CopySource { remote, name }| {
            let is_followed = remote.must_be_folder() || follow == FollowLinks::Always;
            let source = session.stat(&remote.path, is_followed).await?;
            let is_folder = source.metadata.kind == Kind::Folder;
            if remote.must_be_folder() && !is_folder {
                return Err(Error::remote(&remote.path, FailureCode::NotAFolder));
            }
            let to = match name {
                None => target.path.clone(),
                Some(name) if into_folder || is_folder => {
                    if is_folder {
                        not_into_itself(&remote.path, &target.path)?;
                    }
                    places::require_or_make_folder(session, &target.path).await?;
                    places::within(&target.path, &name)?
                }
                Some(name) => match session.stat(&target.path, true).await {
                    Ok(found) if found.metadata.kind == Kind::Folder => places::within(&target.path, &name)?,
                    Ok(_) | Err(_) => target.path.clone(),
                },
            };
            let tree = TreeCopy::new(session, output, follow, overwrite);
            is_incomplete.set(is_incomplete.get() | tree.copy(&remote.path, source, to).await?);
            Ok(())
        });
        Ok(code.await?.max(is_incomplete.get().into()))
    }
}

/// Says of a folder that -r copies it.
fn explained(error: Error, path: &RemotePath) -> Error {
    match error.failure_code() {
        Some(code @ FailureCode::IsAFolder) => {
            Error::remote(path, Failure::new(code, "the source or the target is a folder: -r copies folders"))
        }
        _ => error,
    }
}

fn tell_copied(from: &RemotePath, Copied { path, bytes }: &Copied, output: &Output) {
    let event = Object::event("copied").path(&places::rooted(from));
    output.event(event.bytes("target", "target_hex", &places::rooted(path)).number("bytes", *bytes));
}

/// A file that stays by the rule is no failure, unless the rule is to replace none.
fn kept(error: Error, target: &RemotePath, overwrite: Overwrite) -> Result<Option<Copied>, Error> {
    if error.failure_code() != Some(FailureCode::Skipped) {
        return Err(error);
    }
    if overwrite == Overwrite::Never {
        Err(Error::Refused(format!("{target}: exists, and was left alone (--overwrite never)")))
    } else {
        Ok(None)
    }
}

impl About for CopySource {
    fn path(&self) -> &RemotePath {
        &self.remote.path
    }

    /// A few of them keep the server's disk busy.
    fn weight(&self) -> usize {
        UNDER_WAY_MAX / 4
    }
}

impl CopySource {
    fn new(remote: Remote, recursive: bool) -> Result<Self, Error> {
        let name = if recursive { remote.name_of_tree() } else { remote.last_name() };
        match remote.path.split_last() {
            Some(_) if name.is_some() || recursive => Ok(Self { remote, name }),
            Some((_, name)) => Ok(Self { remote, name: Some(name) }),
            None => Err(Error::Usage("the root itself cannot be copied: all is in it".to_owned())),
        }
    }
}
