//! `put`: sends files, folders and standard input, and places files as `cp` does, and folders by rsync's rule of the slash.

mod source;

pub(super) use source::is_tree;

use self::source::{UploadSource, call, stream};
use super::CommandContext;
use super::choosing::chosen_of_tree;
use super::job::{ChosenTree, JobRequest, TransferJob, whole};
use super::preview::preview_all;
use super::transfer::{FailedToStart, TransferRun};
use crate::cli::args::{CompareWord, Permissions, TransferArgs, explanations};
use crate::cli::input;
use crate::cli::places;
use crate::cli::results::{self, Planned};
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::many::is_a_folder;
use ftp_client::mirror::MirrorDirection;
use ftp_client::mirror::recipe::{Recipe, Text};
use ftp_client::remote::{PathEnding, Remote};
use ftp_client::skip_if::SkipIf;
use ftp_client::{Error, Session};
use ftp_client::{PutRequest, PutSource, TransferOptions};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use wire::message::Overwrite;
use wire::{FailureCode, Name, RemotePath};

/// Send files and, with -r, folders
#[derive(Clone, Args)]
#[command(
    override_usage = "ftp-client put [OPTIONS] <LOCAL>... <REMOTE>\n       ftp-client put [OPTIONS] - <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the items, another path is the new name. With a / at \
                  its end, a missing folder is made. With -r, a folder keeps its name in the target; with a / at the end of the \
                  folder, its contents go there. '-' sends standard input.\n\n\
                  Example:\n  ftp-client put report.pdf ann@files.example.org::/inbox/\n  \
                  ftp-client put -r photos ann@files.example.org::/new     makes /new/photos\n  \
                  ftp-client put -r photos/ ann@files.example.org::/new    makes /new with what is in photos\n  \
                  pg_dump db | ftp-client put - ann@files.example.org::/backup/db.sql",
    after_long_help = explanations::PUT
)]
pub(crate) struct PutArgs {
    /// Skip files that already exist on the server (exit code 0)
    #[arg(long, conflicts_with_all = ["overwrite", "unless_same"])]
    if_absent: bool,
    /// Skip files that exist on the server with the same size and time, or with the same content (exit code 0)
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
          default_missing_value = "mtime", conflicts_with = "overwrite")]
    unless_same: Option<CompareWord>,
    /// Name of the source on the server, in the folder that the last argument names
    #[arg(long = "as", value_name = "NAME")]
    called: Option<OsString>,
    /// Paths to send, and the target
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    paths: Vec<OsString>,
    #[command(flatten)]
    transfer: TransferArgs,
}

#[derive(Debug)]
pub(crate) struct PutCommand {
    sources: Vec<UploadSource>,
    target: Remote,
    recursive: bool,
    transfer: TransferOptions,
    /// The entries of trees that are sent; `None` for all.
    chosen: Option<Box<Recipe>>,
    options: ScriptOptions,
}

/// Options of scripts beside the transfer itself.
#[derive(Debug)]
struct ScriptOptions {
    /// Skip existing files, which is success.
    if_absent: bool,
    unless_same: Option<SkipIf>,
    result: Option<PathBuf>,
    permissions: Permissions,
    removes_source: bool,
    is_dry: bool,
}

impl PutArgs {
    /// Returns the file of `--result`.
    pub(super) fn result_file(&self) -> Result<Option<PathBuf>, Error> {
        results::written_by(&self.transfer, self.paths.iter().map(Path::new))
    }

    /// Returns true if standard input is sent.
    pub(super) fn reads_stdin(&self) -> bool {
        self.transfer.choosing.reads_stdin() || self.paths.iter().any(|path| input::is_stdin(Path::new(path)))
    }
}

impl PutCommand {
    pub(crate) fn new(mut typed: PutArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, target) = scope.target(&mut typed.paths)?;
        let paths = typed.paths.iter().map(|path| scope.local_matches(path.clone()));
        let paths = paths.collect::<Result<Vec<_>, _>>()?.concat();
        let from_pattern = paths != typed.paths;
        let source = |path| UploadSource::new(path, scope, typed.transfer.recursive);
        let mut sources = paths.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
        let target = match &typed.called {
            Some(called) => {
                call(&mut sources, called)?;
                Remote { ending: PathEnding::Slash, ..target }
            }
            // One match today and another one tomorrow: neither may take the place of the other.
            None if from_pattern => Remote { ending: PathEnding::Slash, ..target },
            None => target,
        };
        places::no_name_twice(sources.iter().map(UploadSource::name))?;
        let contents = sources.iter().filter(|source| source.name().is_none()).count();
        places::no_contents_mixed(contents)?;
        let recursive = typed.transfer.recursive;
        let unless_same = typed.unless_same.map(|how| match how {
            CompareWord::Mtime => SkipIf::Time,
            CompareWord::Digest => SkipIf::Content,
        });
        if recursive && unless_same == Some(SkipIf::Content) {
            return Err(Error::Usage(
                "to compare the content of a tree, use: mirror --compare digest".to_owned(),
            ));
        }
        let overwrite = match (typed.if_absent, unless_same) {
            (true, _) => Overwrite::Never,
            (false, Some(SkipIf::Time)) => Overwrite::Different,
            (false, Some(SkipIf::Content)) => Overwrite::Always,
            (false, None) => typed.transfer.overwrite(),
        };
        let (removes_source, is_dry) = (typed.transfer.remove_source, typed.transfer.dry_run);
        let transfer = typed.transfer.carrying.options(overwrite)?;
        let transfer = if removes_source { transfer.surviving(true) } else { transfer };
        let recipe = typed.transfer.carrying.recipe();
        let chosen = chosen_of_tree(&typed.transfer.choosing, recursive, MirrorDirection::Upload, recipe)?;
        let result = typed.transfer.result.map(|file| scope.file(file)).transpose()?;
        let permissions = typed.transfer.carrying.permissions;
        let if_absent = typed.if_absent;
        let options = ScriptOptions { if_absent, unless_same, result, permissions, removes_source, is_dry };
        let put = Self { sources, target, recursive, transfer, chosen, options };
        put.check()?;
        Ok((server, put))
    }

    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        if self.options.removes_source {
            context.session.check_source_removal(MirrorDirection::Upload).await?;
        }
        let into_folder = self.must_be_folder();
        if self.options.is_dry {
            let (jobs, unbegun) = self.jobs(context.session, into_folder, false).await?;
            return preview_all(context, jobs, unbegun).await;
        }
        let totals = context.output.has_progress();
        let target = async { if into_folder { self.target_folder(context.session).await } else { Ok(None) } };
        // The sources are looked at while the server looks at the login.
        let (together_in, jobs) = tokio::join!(target, self.jobs(context.session, into_folder, totals));
        let (together_in, (jobs, unbegun)) = (together_in?, jobs?);
        let all_are_named = self.sources.iter().all(|source| source.name().is_some());
        let together_in = together_in.filter(|_| all_are_named);
        let named = self.sources.len() == 1 && !self.recursive;
        let overwrite = self.transfer.overwrite;
        let result = self.options.result.as_deref();
        let permissions = self.options.permissions.clone();
        let transfer = TransferRun::new("put", context, overwrite, permissions);
        let transfer =
            TransferRun { named, forgiving: self.options.if_absent, result, together_in, ..transfer };
        transfer.run(jobs, unbegun).await
    }

    /// Checks a single source before the user is asked for a password.
    fn check(&self) -> Result<(), Error> {
        match &self.sources[..] {
            [UploadSource::Stream { .. }] if self.options.removes_source => {
                Err(Error::Usage("--remove-source removes files: standard input is none".to_owned()))
            }
            [UploadSource::Stream { .. }] if self.options.unless_same.is_some() => {
                Err(Error::Usage("standard input cannot be compared: it can be read only once".to_owned()))
            }
            [UploadSource::Stream { name: None, .. }] if self.target.must_be_folder() => Err(Error::Usage(
                "standard input has no name: give the full path of the file on the server".to_owned(),
            )),
            [UploadSource::Stream { .. }] => Ok(()),
            [UploadSource::Local { path, .. }] => self.look(path),
            sources if sources.iter().any(|source| matches!(source, UploadSource::Stream { .. })) => {
                Err(Error::Usage("standard input cannot be sent together with other sources".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// True if the target is a folder that receives the sources: for several, and for a folder that keeps its name. The contents of
    /// a single folder become the target, which may be missing.
    fn must_be_folder(&self) -> bool {
        match &self.sources[..] {
            [UploadSource::Local { name: None, .. }] if self.recursive => false,
            [UploadSource::Local { path, .. }] if self.recursive && is_tree(path, self.follows_links()) => {
                true
            }
            [_] => self.target.must_be_folder(),
            _ => true,
        }
    }

    /// True if symbolic links are sent as what they lead to.
    fn follows_links(&self) -> bool {
        self.chosen.as_ref().is_some_and(|recipe| recipe.copy_links)
    }

    /// Makes sure that the target is a folder, which is made if only it is missing. Returns its path without links, where the user
    /// may look, and it is not too much to ask for.
    async fn target_folder(&self, session: &Session) -> Result<Option<RemotePath>, Error> {
        let path = &self.target.path;
        if path.is_root() || self.sources.len() == 1 {
            places::require_or_make_folder(session, path).await?;
            return Ok(path.is_root().then(RemotePath::root));
        }
        let found = match session.folder_at(path).await {
            Err(error) if error.failure_code() == Some(FailureCode::NotFound) => {
                places::make_folder(session, path).await?;
                session.folder_at(path).await
            }
            found => found,
        };
        found.map(Some).or_else(|error| match error.failure_code() {
            Some(FailureCode::AccessDenied) => Ok(None),
            _ => Err(error),
        })
    }

    /// Sorts the sources into those that can be sent and those that cannot.
    async fn jobs(
        &self,
        session: &Session,
        into_folder: bool,
        totals: bool,
    ) -> Result<(Vec<TransferJob>, Vec<FailedToStart>), Error> {
        let (mut jobs, mut unbegun) = (Vec::with_capacity(self.sources.len()), Vec::new());
        for source in &self.sources {
            match self.job(session, source, into_folder, totals).await {
                Ok(job) => jobs.push(job),
                Err(error) if self.sources.len() == 1 || !error.concerns_one_item() => return Err(error),
                Err(error) => {
                    let planned = self.planned(source, into_folder);
                    unbegun.push(FailedToStart { source: source.shown(), planned, error });
                }
            }
        }
        Ok((jobs, unbegun))
    }

    async fn job(
        &self,
        session: &Session,
        source: &UploadSource,
        into_folder: bool,
        totals: bool,
    ) -> Result<TransferJob, Error> {
        let (mut path, mut into) = self.place(source, into_folder)?;
        if self.options.result.is_some() || self.options.unless_same.is_some() {
            path = session.place(&path, into.take().as_ref()).await?;
        }
        if let (Some(recipe), UploadSource::Local { path: local, .. }) = (&self.chosen, source)
            && is_tree(local, recipe.copy_links)
        {
            let tree = ChosenTree { recipe: recipe.clone(), options: self.transfer.clone() };
            let request = JobRequest::PutChosen(local.clone(), path, tree);
            let removes_source = self.options.removes_source;
            return Ok(TransferJob { source: source.shown(), request, removes_source });
        }
        let opened = match source {
            UploadSource::Stream { typed, .. } => PutSource::Stream(stream(typed)?),
            UploadSource::Local { path, .. } if self.recursive && !self.follows_links() => {
                PutSource::Tree(path.clone())
            }
            UploadSource::Local { path, .. } => PutSource::File(path.clone()),
        };
        let shown = source.shown();
        let request = PutRequest { source: opened, path, into, totals, options: self.transfer.clone() };
        let unless_same = self.options.unless_same.filter(|_| !self.recursive);
        let request = JobRequest::Put(request, unless_same);
        Ok(TransferJob { source: shown, request, removes_source: self.options.removes_source })
    }

    /// The result line of a source that cannot begin.
    fn planned(&self, source: &UploadSource, into_folder: bool) -> Planned {
        let place = self.place(source, into_folder);
        let target = Text(places::rooted(place.as_ref().map_or(&self.target.path, |(path, _)| path)));
        let source = match source {
            UploadSource::Local { path, .. } => whole(path),
            UploadSource::Stream { .. } => Text(source.shown()),
        };
        Planned { source, target, recursive: self.recursive }
    }

    fn place(&self, source: &UploadSource, into_folder: bool) -> Result<(RemotePath, Option<Name>), Error> {
        let target = &self.target.path;
        match source.name() {
            Some(name) if into_folder => Ok((places::within(target, name)?, None)),
            name => Ok((target.clone(), name.cloned())),
        }
    }

    /// Makes sure that there is something to send. A link is followed, unless a tree is copied as it is.
    fn look(&self, path: &Path) -> Result<(), Error> {
        let metadata = if self.recursive { fs::symlink_metadata(path) } else { fs::metadata(path) };
        let metadata = metadata.map_err(|source| Error::local(path, source))?;
        if metadata.is_dir() && !self.recursive {
            return Err(Error::local(path, is_a_folder()));
        }
        if !metadata.is_dir() && !metadata.is_file() && !metadata.is_symlink() && !self.recursive {
            let advice =
                "is a pipe, a socket or a device; to send what can be read from it, use: put - REMOTE < FILE";
            return Err(Error::Usage(format!("{} {advice}", Error::shown_path(path))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::{Cli, Command};
    use clap::Parser;
    use tempfile::TempDir;

    /// A folder with the file `file` and the folder `dir`.
    fn world() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        fs::create_dir(folder.path().join("dir")).unwrap();
        folder
    }

    fn put(folder: &TempDir, words: &[&str]) -> Result<PutCommand, Error> {
        let local = |word: &&str| match word.strip_prefix('@') {
            Some(name) => format!("{}/{name}", folder.path().display()),
            None => (*word).to_owned(),
        };
        let words = ["ftp-client", "put"].into_iter().map(str::to_owned).chain(words.iter().map(local));
        let Command::Put(typed) = Cli::parse_from(words).command else { panic!("not put") };
        PutCommand::new(typed, &Scope::default()).map(|(_, put)| put)
    }

    /// Returns whether the target must be a folder, and the request of each source.
    fn placed(words: &[&str]) -> (bool, Vec<String>) {
        let folder = world();
        let put = put(&folder, words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let into_folder = put.must_be_folder();
        let place = |source| {
            let (path, into) = put.place(source, into_folder).unwrap();
            into.map_or(path.to_string(), |name| format!("{path} or in it {name}"))
        };
        (into_folder, put.sources.iter().map(place).collect())
    }

    fn code(words: &[&str]) -> u8 {
        put(&world(), words).unwrap_err().exit_code()
    }

    #[test]
    fn placed_as_cp_does_and_trees_as_rsync_does() {
        let owned = |text: &str| text.to_owned();
        assert_eq!(placed(&["@file", "h::a"]), (false, vec![owned("/a or in it file")]));
        assert_eq!(placed(&["@file", "h::a/"]), (true, vec![owned("/a/file")]));
        assert_eq!(placed(&["@file", "h::"]), (true, vec![owned("/file")]));
        assert_eq!(
            placed(&["@file", "@missing", "h::a"]),
            (true, vec![owned("/a/file"), owned("/a/missing")])
        );
        for target in ["h::a", "h::a/"] {
            assert_eq!(placed(&["-r", "@dir", target]), (true, vec![owned("/a/dir")]), "{target}");
            assert_eq!(placed(&["-r", "@dir/", target]), (false, vec![owned("/a")]), "{target}");
            assert_eq!(placed(&["-r", "@dir/.", target]), (false, vec![owned("/a")]), "{target}");
        }
        assert_eq!(placed(&["-r", "@dir", "h::"]), (true, vec![owned("/dir")]));
        assert_eq!(placed(&["-r", "@dir/", "h::"]), (false, vec![owned("/")]));
        assert_eq!(placed(&["-r", "@file", "h::a"]), (false, vec![owned("/a or in it file")]));
        assert_eq!(placed(&["-r", "@file", "h::a/"]), (true, vec![owned("/a/file")]));
        assert_eq!(placed(&["-", "h::a/b"]), (false, vec![owned("/a/b")]));
    }

    #[test]
    fn what_makes_no_sense() {
        assert_eq!(code(&["-", "h::a/"]), 2);
        assert_eq!(code(&["-", "h::"]), 2);
        assert_eq!(code(&["-", "@file", "h::a"]), 2);
        assert_eq!(code(&["@file", "@dir"]), 2);
        assert_eq!(code(&["h::a", "h::b"]), 2);
        assert_eq!(code(&["@file", "@dir/../file", "h::b"]), 2);
        assert_eq!(code(&["", "h::b"]), 2);
        assert_eq!(code(&["@missing", "h::b"]), 5);
        assert_eq!(code(&["@dir", "h::b"]), 1);
    }
}
