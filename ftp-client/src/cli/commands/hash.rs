//! `hash`: SHA-256 as `sha256sum` prints it, so that `sha256sum -c` can check what was fetched; and the same for what is on the
//! server, by a manifest that is here.

mod manifest;
mod verify;

use super::unlisted::show_failures;
use super::{About, advise_recursive, each, in_turn};
use crate::cli::input;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use manifest::{Manifest, ManifestLine};
use std::cell::Cell;
use std::ffi::OsString;
use std::path::PathBuf;
use verify::verify;
use wire::message::{Entry, Hash, Hashed};
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// Print the SHA-256 of files, as sha256sum does
#[derive(Clone, Args)]
#[command(
    after_help = "With -r, the names are those that `ftp-client get -r` gives the files, so that sha256sum -c can check them there: \
                  photos/a for work:photos, and a for work:photos/. With --check, the names begin in REMOTE, which is a folder.\n\n\
                  Example:\n  ftp-client hash ann@files.example.org::disk.iso\n  \
                  ftp-client hash -r ann@files.example.org::/photos > SHA256SUMS\n  \
                  ftp-client hash --check SHA256SUMS ann@files.example.org::/"
)]
pub(crate) struct HashArgs {
    /// Include folders: a line for each file in them; links are left out
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// Compare files on the server with the lines of FILE, as sha256sum -c does ('-' for standard input)
    #[arg(short, long, value_name = "FILE", conflicts_with = "recursive")]
    check: Option<PathBuf>,
    /// With --check: leave out files that do not exist
    #[arg(long, requires = "check")]
    ignore_missing: bool,
    /// The files; with --check, the folder that names begin in
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct HashCommand {
    remotes: Vec<Remote>,
    job: HashJob,
}

enum HashJob {
    /// Prints the digests of files.
    Files,
    /// Prints a manifest of all files in folders.
    Trees,
    /// Compares files with a manifest.
    Verify { manifest: Manifest, ignore_missing: bool },
}

/// The digest of a file, or why there is none.
type Answer = Result<Hashed, Error>;

impl HashArgs {
    /// Returns true if the manifest is standard input.
    pub(super) fn reads_stdin(&self) -> bool {
        self.check.as_deref().is_some_and(input::is_dash)
    }

    pub(super) fn is_recursive(&self) -> bool {
        self.recursive
    }
}

impl HashCommand {
    pub(crate) fn new(typed: HashArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        if let Some(file) = typed.check {
            let (server, remotes) = scope.remotes(&typed.remotes)?;
            if remotes.len() > 1 {
                return Err(Error::Usage(
                    "--check takes one REMOTE, the folder that names begin in".to_owned(),
                ));
            }
            let file = scope.file(file)?;
            let manifest = Manifest::parse(&input::read(&file)?);
            if manifest.lines.is_empty() {
                let shown = Error::shown_path(&file);
                return Err(Error::Usage(format!(
                    "{shown}: no line is DIGEST  NAME, as sha256sum writes it"
                )));
            }
            let job = HashJob::Verify { manifest, ignore_missing: typed.ignore_missing };
            return Ok((server, Self { remotes, job }));
        }
        let (server, remotes) = scope.existing(&typed.remotes)?;
        if !typed.recursive {
            return Ok((server, Self { remotes, job: HashJob::Files }));
        }
        let names: Vec<_> = remotes.iter().map(Remote::name_of_tree).collect();
        places::no_name_twice(names.iter().map(Option::as_ref))?;
        places::no_contents_mixed(names.iter().filter(|name| name.is_none()).count())?;
        Ok((server, Self { remotes, job: HashJob::Trees }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        match self.job {
            HashJob::Files => hash_files(self.remotes, session, output).await,
            HashJob::Trees => {
                let failed = Cell::new(false);
                let code = in_turn(self.remotes, output, async |remote: Remote| {
                    failed.set(failed.get() | hash_tree(&remote, session, output).await?);
                    Ok(())
                });
                Ok(code.await?.max(failed.get().into()))
            }
            HashJob::Verify { manifest, ignore_missing } => match &self.remotes[..] {
                [folder] => verify(session, output, manifest, folder, ignore_missing).await,
                _ => Err(Error::Usage("--check takes one REMOTE".to_owned())),
            },
        }
    }
}

async fn hash_files(remotes: Vec<Remote>, session: &Session, output: &Output) -> Result<u8, Error> {
    let ask = async |remote: &Remote| {
        places::require_as_typed(session, remote).await?;
        let hashed = session.call(Hash { path: remote.path.clone() }).await;
        hashed.map_err(|error| advise_recursive(error, &remote.path))
    };
    // The path has no `/` at its beginning, because it will be checked below some folder here.
    let tell = |remote: &Remote, hashed| show(&remote.path, remote.path.as_bytes(), &hashed, output);
    each(remotes, output, ask, tell).await
}

/// A file of a tree.
struct TreeFile {
    path: RemotePath,
    /// As it is called in the manifest.
    name: RemotePath,
}

impl About for TreeFile {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

/// Prints the digests of all files of a tree; true if some could not be read.
async fn hash_tree(remote: &Remote, session: &Session, output: &Output) -> Result<bool, Error> {
    places::require_as_typed(session, remote).await?;
    let root = remote.name_of_tree().map_or_else(RemotePath::root, RemotePath::from);
    let file = |entry: &Entry| {
        let joined = |folder: &RemotePath| folder.join_path(&entry.path);
        let failed = |error| Error::remote(&remote.path, error);
        Ok::<_, Error>(TreeFile {
            path: joined(&remote.path).map_err(failed)?,
            name: joined(&root).map_err(failed)?,
        })
    };
    let mut pages = session.list(&remote.path, true).await?;
    let mut failed = false;
    loop {
        let (entries, failures) = match pages.next().await {
            Ok(None) => return Ok(failed),
            Ok(Some(page)) => (page.entries, page.failures),
            Err(error)
                if error.failure_code() == Some(FailureCode::NotAFolder) && !remote.must_be_folder() =>
            {
                let hashed = session.call(Hash { path: remote.path.clone() }).await?;
                show(&remote.path, root.as_bytes(), &hashed, output)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        failed |= show_failures(&remote.path, &failures, output);
        let files = entries.iter().filter(|entry| entry.metadata.kind == Kind::File).map(file);
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let tell = |file: &TreeFile, answer: Answer| match answer {
            Ok(hashed) => show(&file.path, file.name.as_bytes(), &hashed, output),
            Err(error) => {
                failed = true;
                output.complain(&error);
                Ok(())
            }
        };
        each(files, output, async |file: &TreeFile| ask(session, &file.path).await, tell).await?;
    }
}

/// Asks for the digest of one of many files.
///
/// # Errors
/// If no others can be asked for either.
async fn ask(session: &Session, path: &RemotePath) -> Result<Answer, Error> {
    match session.call(Hash { path: path.clone() }).await {
        Err(error) if !error.concerns_one_item() => Err(error),
        answer => Ok(answer),
    }
}

fn show(path: &RemotePath, name: &[u8], hashed: &Hashed, output: &Output) -> Result<(), Error> {
    if !output.json() {
        let line = ManifestLine { name: name.to_vec(), digest: hashed.digest };
        return output.print_unescaped(&line.to_line());
    }
    let event = Object::event("hash").path(&places::rooted(path));
    output.event(event.text("sha256", &hashed.digest.to_string()).number("bytes", hashed.bytes));
    Ok(())
}
