//! `get`: fetches files and folders, and places files as `cp` does, and folders by rsync's rule of the slash.

use super::CommandContext;
use super::cat::CatArgs;
use super::choosing::chosen_of_tree;
use super::job::{JobRequest, TransferJob};
use super::preview::preview_all;
use super::transfer::TransferRun;
use crate::cli::args::{Permissions, TransferArgs, explanations};
use crate::cli::input;
use crate::cli::places;
use crate::cli::results;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::mirror::MirrorDirection;
use ftp_client::mirror::recipe::Recipe;
use ftp_client::remote::{Remote, TypedPath};
use ftp_client::{Error, GetRequest, Session, TransferOptions};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::metadata::Kind;
use wire::{Failure, FailureCode};

/// Fetch files and, with -r, folders
#[derive(Clone, Args)]
#[command(
    override_usage = "ftp-client get [OPTIONS] <REMOTE>... [LOCAL]",
    after_help = "A local last argument is the target: an existing folder receives the items, another path is the \
                  new name. With a / at its end, a missing folder is made. Without it, items go into the current folder. With -r, a \
                  folder keeps its name in the target; with a / at the end of the folder, its contents go there.\n\n\
                  Example:\n  ftp-client get -r ann@files.example.org::/photos ~/backup    makes ~/backup/photos\n  \
                  ftp-client get -r ann@files.example.org::/photos/ ~/backup   makes ~/backup with what is in photos",
    after_long_help = explanations::GET
)]
pub(crate) struct GetArgs {
    /// Write to FILE, and never into a folder; '-' is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "recursive")]
    output: Option<PathBuf>,
    /// Paths to fetch, and the target
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<OsString>,
    #[command(flatten)]
    transfer: TransferArgs,
}

#[derive(Debug)]
pub(crate) struct GetCommand {
    /// The sources with their targets.
    sources: Vec<DownloadSource>,
    recursive: bool,
    options: TransferOptions,
    result: Option<PathBuf>,
    permissions: Permissions,
    removes_source: bool,
    is_dry: bool,
    missing: Option<MissingTarget>,
    /// The entries of trees that are fetched; `None` for all.
    chosen: Option<Box<Recipe>>,
}

/// A local folder that is missing. The folder that it is to be in is there.
#[derive(Debug, PartialEq, Eq)]
enum MissingTarget {
    /// It is made.
    Made(PathBuf),
    /// It is made if the only source is a folder; a file gets its name instead.
    MadeForFolder(PathBuf),
}

/// A source and its target: a folder, or another name.
type DownloadSource = (Remote, PathBuf, Option<wire::Name>);

impl GetArgs {
    /// Returns true for `-o -`.
    pub(super) fn is_to_stdout(&self) -> bool {
        self.output.as_deref().is_some_and(input::is_stdout)
    }

    /// Returns the arguments of `cat` that do what `get -o -` does.
    pub(super) fn into_cat(self, json: bool) -> Result<CatArgs, Error> {
        let in_vain = match (json, self.transfer.result) {
            (true, _) => "--json",
            (false, Some(_)) => "--result",
            (false, None) if self.transfer.remove_source => "--remove-source",
            (false, None) if self.transfer.dry_run => "--dry-run",
            (false, None) => {
                let compress = self.transfer.carrying.compress;
                return Ok(CatArgs { remotes: self.paths, compress });
            }
        };
        Err(Error::Usage(format!("get -o - writes content to standard output: there is no {in_vain}")))
    }

    pub(super) fn is_recursive(&self) -> bool {
        self.transfer.recursive
    }

    /// Returns true if a list of files or rules is standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.transfer.choosing.reads_stdin()
    }

    /// Returns the file of `--result`.
    pub(super) fn result_file(&self) -> Result<Option<PathBuf>, Error> {
        let files = self.paths.iter().map(Path::new).chain(self.output.as_deref());
        results::written_by(&self.transfer, files)
    }
}

impl GetCommand {
    pub(crate) fn new(typed: GetArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let recursive = typed.transfer.recursive;
        let (server, sources, missing) = match typed.output {
            Some(file) => {
                let (server, remotes) = scope.existing(&typed.paths)?;
                (server, vec![named(remotes, scope.file(file)?)?], None)
            }
            None => {
                let (remotes, target) = sort_out(scope.sources_and_local(&typed.paths)?)?;
                let server = ServerTarget::of_all(&remotes)?;
                let remotes = scope.matched(remotes);
                let missing = missing(&remotes, &target, recursive, scope.has_matched())?;
                (server, place(remotes, &target, recursive)?, missing)
            }
        };
        let typed = typed.transfer;
        let options = typed.carrying.options(typed.overwrite())?;
        let (removes_source, is_dry) = (typed.remove_source, typed.dry_run);
        let options = if removes_source { options.surviving(true) } else { options };
        let recipe = typed.carrying.recipe();
        let chosen = chosen_of_tree(&typed.choosing, recursive, MirrorDirection::Download, recipe)?;
        let result = typed.result.map(|file| scope.file(file)).transpose()?;
        let permissions = typed.carrying.permissions;
        let get = Self {
            sources,
            recursive,
            options,
            result,
            permissions,
            removes_source,
            is_dry,
            missing,
            chosen,
        };
        Ok((server, get))
    }

    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let named = self.sources.len() == 1 && !self.recursive;
        let (is_dry, totals) = (self.is_dry, context.output.has_progress());
        if self.removes_source {
            context.session.check_source_removal(MirrorDirection::Download).await?;
        }
        if !is_dry {
            self.make_target(context.session).await?;
        }
        let Self { recursive, options, permissions, removes_source, chosen, .. } = self;
        let overwrite = options.overwrite;
        let job = |(remote, target, into): DownloadSource| {
            let source = places::rooted(&remote.path);
            let (must_be_folder, path, options) = (remote.must_be_folder(), remote.path, options.clone());
            let request = GetRequest { path, must_be_folder, recursive, target, into, totals, options };
            let request = match &chosen {
                Some(recipe) => JobRequest::GetChosen(request, recipe.clone()),
                None => JobRequest::Get(request),
            };
            TransferJob { source, request, removes_source }
        };
        let jobs = self.sources.into_iter().map(job).collect();
        if is_dry {
            return preview_all(context, jobs, Vec::new()).await;
        }
        let result = self.result.as_deref();
        let transfer = TransferRun::new("get", context, overwrite, permissions);
        let transfer = TransferRun { named, result, ..transfer };
        transfer.run(jobs, Vec::new()).await
    }
}

impl GetCommand {
    /// Makes a missing folder that the sources go into.
    async fn make_target(&self, session: &Session) -> Result<(), Error> {
        let follows = self.chosen.as_ref().is_some_and(|recipe| recipe.copy_links);
        let folder = match (&self.missing, &self.sources[..]) {
            (Some(MissingTarget::Made(folder)), _) => folder,
            (Some(MissingTarget::MadeForFolder(folder)), [(remote, ..)])
                if session.stat(&remote.path, follows).await?.metadata.kind == Kind::Folder =>
            {
                folder
            }
            (Some(MissingTarget::MadeForFolder(_)) | None, _) => return Ok(()),
        };
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(|error| Error::local(folder, error)),
        }
    }
}

/// Returns the single source with its target file, which must not be an existing folder.
fn named(remotes: Vec<Remote>, file: PathBuf) -> Result<DownloadSource, Error> {
    let Ok([remote]) = <[Remote; 1]>::try_from(remotes) else {
        return Err(Error::Usage("--output takes one file: give one REMOTE".to_owned()));
    };
    if file.is_dir() {
        let failure = Failure::new(FailureCode::IsAFolder, "is a folder: --output names a file");
        return Err(Error::local(&file, failure));
    }
    if ends_with_slash(&file) { Err(no_folder(&file)) } else { Ok((remote, file, None)) }
}

/// Splits the paths into remote sources and the local target, which may be the last one.
fn sort_out(mut places: Vec<TypedPath>) -> Result<(Vec<Remote>, PathBuf), Error> {
    let target = match places.pop() {
        Some(TypedPath::Local(path)) => path,
        Some(remote @ TypedPath::Remote(_)) => {
            places.push(remote);
            PathBuf::from(".")
        }
        None => PathBuf::new(),
    };
    if input::is_stdout(&target) {
        return Err(Error::Usage("to write to standard output, use: get -o - or cat".to_owned()));
    }
    let remotes = places.into_iter().map(must_be_remote).collect::<Result<Vec<_>, _>>()?;
    if remotes.is_empty() {
        return Err(Error::Usage(
            "get fetches from a server: write HOST:PATH (over ssh), HOST::PATH or ftpx://HOST/PATH"
                .to_owned(),
        ));
    }
    Ok((remotes, target))
}

fn must_be_remote(place: TypedPath) -> Result<Remote, Error> {
    match place {
        TypedPath::Remote(remote) => Ok(remote),
        TypedPath::Local(path) => Err(Error::Usage(format!(
            "{} is local; only the last path of get may be",
            Error::shown_path(&path)
        ))),
    }
}

/// Chooses a target for each: a name in the target if that is a folder, otherwise the target itself.
fn place(remotes: Vec<Remote>, target: &Path, recursive: bool) -> Result<Vec<DownloadSource>, Error> {
    let name = if recursive { Remote::name_of_tree } else { Remote::last_name };
    let names: Vec<_> = remotes.iter().map(name).collect();
    places::no_name_twice(names.iter().map(Option::as_ref))?;
    places::no_contents_mixed(names.iter().filter(|name| name.is_none()).count())?;
    Ok(remotes.into_iter().zip(names).map(|(remote, name)| (remote, target.to_owned(), name)).collect())
}

/// Returns the target if it must be a folder and is missing.
fn missing(
    remotes: &[Remote],
    target: &Path,
    recursive: bool,
    from_pattern: bool,
) -> Result<Option<MissingTarget>, Error> {
    let contents_become_it = recursive && matches!(remotes, [one] if one.name_of_tree().is_none());
    if contents_become_it || target.is_dir() {
        return Ok(None);
    }
    let must_be_folder = from_pattern || remotes.len() > 1 || ends_with_slash(target);
    let path = target.components().as_path(); // without the / at the end
    let is_there = path.symlink_metadata().is_ok();
    let parent =
        path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    if must_be_folder && (is_there || !parent.is_some_and(Path::is_dir)) {
        return Err(no_folder(target));
    }
    Ok(if must_be_folder {
        Some(MissingTarget::Made(path.to_owned()))
    } else {
        (recursive && !is_there).then(|| MissingTarget::MadeForFolder(path.to_owned()))
    })
}

/// The error for what should be a folder.
fn no_folder(path: &Path) -> Error {
    let exists = path.components().as_path().exists(); // without the / at the end
    let failure = if exists { FailureCode::NotAFolder.into() } else { places::no_such_folder() };
    Error::local(path, failure)
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::{Cli, Command};
    use clap::Parser;
    use std::ffi::OsStr;

    fn get(words: &[&str]) -> Result<Vec<PathBuf>, Error> {
        let typed = Cli::parse_from(["ftp-client", "get"].iter().chain(words));
        let Command::Get(typed) = typed.command else { panic!("not get") };
        let becomes = |(_, target, into): DownloadSource| match into {
            Some(name) if target.is_dir() => target.join(OsStr::from_bytes(name.as_bytes())),
            Some(_) | None => target,
        };
        GetCommand::new(typed, &Scope::default())
            .map(|(_, get)| get.sources.into_iter().map(becomes).collect())
    }

    fn code(words: &[&str]) -> u8 {
        get(words).unwrap_err().exit_code()
    }

    #[test]
    fn placed_as_cp_does_and_trees_as_rsync_does() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        let (folder, new) = (folder.path().to_str().unwrap(), inside("new"));
        let new_text = new.to_str().unwrap();
        assert_eq!(get(&["h:a/b"]).unwrap(), [Path::new("./b")]);
        assert_eq!(get(&["h:a/b", folder]).unwrap(), [inside("b")]);
        assert_eq!(get(&["h:a/b", new_text]).unwrap(), [new.as_path()]);
        assert_eq!(get(&["h:a/b", "h:c/", folder]).unwrap(), [inside("b"), inside("c")]);
        assert_eq!(get(&["-r", "h:", folder]).unwrap(), [Path::new(folder)]);
        assert_eq!(get(&["-r", "h:a/.", folder]).unwrap(), [Path::new(folder)]);
        assert_eq!(get(&["-r", "h:a/", folder]).unwrap(), [Path::new(folder)]);
        assert_eq!(get(&["-r", "h:a/", new_text]).unwrap(), [new.as_path()]);
        assert_eq!(get(&["-r", "h:a", folder]).unwrap(), [inside("a")]);
        let deep = format!("{new_text}/deep/");
        assert_eq!((code(&["h:a", &deep]), code(&["h:a", "h:b", &deep])), (5, 5));
    }

    #[test]
    fn a_missing_target_is_made_where_it_must_be_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let (plain, slash) = (new.to_str().unwrap(), format!("{}/", new.display()));
        let missing = |words: &[&str]| {
            let typed = Cli::parse_from(["ftp-client", "get"].iter().chain(words));
            let Command::Get(typed) = typed.command else { panic!("not get") };
            GetCommand::new(typed, &Scope::default()).unwrap().1.missing
        };
        let made = Some(MissingTarget::Made(new.clone()));
        for words in [&["h:a", &slash][..], &["-r", "h:a", &slash], &["h:a", "h:b", plain]] {
            assert_eq!(missing(words), made, "{words:?}");
        }
        assert_eq!(missing(&["-r", "h:a", plain]), Some(MissingTarget::MadeForFolder(new.clone())));
        for words in [&["h:a", plain][..], &["-r", "h:a/", plain], &["-r", "h:", &slash], &["-r", "h:a"]] {
            assert_eq!(missing(words), None, "{words:?}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        assert_eq!(code(&["a"]), 2);
        assert_eq!(code(&["a", "h:b"]), 2);
        assert_eq!(code(&["h:a", "-"]), 2);
        assert_eq!(code(&["h:a/x", "h:b/x", "."]), 2);
        assert_eq!(code(&["h:a", "i:b", "."]), 2);
    }
}
