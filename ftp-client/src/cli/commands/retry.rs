//! `retry`: repeats the failed items of a result file.

use super::CommandContext;
use super::job::{ChosenTree, JobRequest, TransferJob};
use super::put::is_tree;
use super::transfer::TransferRun;
use crate::cli::args::Permissions;
use crate::cli::input;
use crate::cli::results::{self, Planned, ResultHead, Results};
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::mirror::MirrorDirection;
use ftp_client::mirror::recipe::{Recipe, Text};
use ftp_client::{Error, GetRequest, PutRequest, PutSource, TransferOptions, fingerprint};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use wire::RemotePath;
use wire::modes::Modes;

/// Retry the failed items of a result file
#[derive(Clone, Args)]
#[command(
    after_help = "Items go to their original targets. A transfer that broke off as a whole is repeated with --overwrite \
                  different, so that files that have arrived are not sent again.\n\n\
                  Example:\n  ftp-client retry night.result      (after: put -r --result night.result ...)"
)]
pub(crate) struct RetryArgs {
    /// The result file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Write the outcome of each item to FILE
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
}

pub(crate) struct RetryCommand {
    command: &'static str,
    failed: Vec<Planned>,
    result: Option<PathBuf>,
    head: ResultHead,
}

impl RetryArgs {
    /// Returns the result file, unless it is the one that is read, which is kept until its replacement is ready.
    pub(super) fn result_file(&self) -> Option<PathBuf> {
        self.result.clone().filter(|result| !results::is_same_file(&self.file, result))
    }
}

impl RetryCommand {
    pub(crate) fn new(typed: RetryArgs) -> Result<(ServerTarget, Self), Error> {
        let (head, failed) = results::failed(&typed.file)?;
        let bad = |reason: &str| Error::Usage(format!("{}: {reason}", Error::shown_path(&typed.file)));
        let is_stream = |item: &Planned| input::is_stream(Path::new(OsStr::from_bytes(&item.source.0)));
        if head.command != "get" && failed.iter().any(is_stream) {
            return Err(bad("a stream failed, and cannot be read again: run the command once more"));
        }
        let recorded = Some(fingerprint::parse(&head.key).ok_or_else(|| bad("no server's key"))?);
        let (user, host) = (head.user.clone(), head.host.clone());
        let server = ServerTarget { way: head.way, user, host, port: head.port, pin: None, recorded };
        let command = if head.command == "get" { "get" } else { "put" };
        Ok((server, Self { command, failed, result: typed.result, head }))
    }

    /// Returns true if no item failed, which needs no server.
    pub(crate) fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// Reports that no item had failed.
    pub(crate) fn run_empty(self) -> Result<u8, Error> {
        let head = ResultHead { jobs: Vec::new(), ..self.head };
        let results = self.result.map(|path| Results::create(&path, &head)).transpose()?;
        results.map_or(Ok(0), |results| results.finish().map(|()| 0))
    }

    pub(crate) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let Self { command, failed, result, head } = self;
        let permissions =
            Permissions { no_perms: head.no_perms, perms: head.perms, chmod: head.chmod.clone() };
        if head.remove_source {
            let is_get = command == "get";
            let direction = if is_get { MirrorDirection::Download } else { MirrorDirection::Upload };
            context.session.check_source_removal(direction).await?;
        }
        let totals = context.output.has_progress();
        let jobs = failed.into_iter().map(|item| {
            let options = options(&head, permissions.modes()?, item.recursive);
            let chosen = head.chosen.clone().filter(|_| item.recursive);
            let job = if command == "get" {
                get(item, totals, options, chosen)?
            } else {
                put(item, totals, options, chosen)?
            };
            Ok(TransferJob { removes_source: head.remove_source, ..job })
        });
        let jobs = jobs.collect::<Result<Vec<_>, Error>>()?;
        let named = matches!(&jobs[..], [job] if !job.recursive());
        let (overwrite, result) = (head.overwrite.into(), result.as_deref());
        let transfer = TransferRun::new(command, context, overwrite, permissions);
        let transfer = TransferRun { named, forgiving: true, result, ..transfer };
        transfer.run(jobs, Vec::new()).await
    }
}

/// The options of an item, as they were in the run that failed. A tree that broke off sends again only what differs.
fn options(head: &ResultHead, modes: Modes, recursive: bool) -> TransferOptions {
    let overwrite = if recursive { results::gentle(head.overwrite) } else { head.overwrite }.into();
    let (changing, compress, delta) = (head.changing.into(), head.compress.into(), head.delta.into());
    TransferOptions { overwrite, changing, compress, delta, modes, ..TransferOptions::default() }
        .surviving(head.power)
}

fn get(
    item: Planned,
    totals: bool,
    options: TransferOptions,
    chosen: Option<Box<Recipe>>,
) -> Result<TransferJob, Error> {
    let Planned { source, target, recursive } = item;
    let (path, must_be_folder) = (remote(&source)?, source.0.ends_with(b"/"));
    let (target, into) = (local(target), None);
    let request = GetRequest { path, must_be_folder, recursive, target, into, totals, options };
    let request = match chosen {
        Some(recipe) => JobRequest::GetChosen(request, recipe),
        None => JobRequest::Get(request),
    };
    Ok(TransferJob { source: source.0, request, removes_source: false })
}

fn put(
    item: Planned,
    totals: bool,
    options: TransferOptions,
    chosen: Option<Box<Recipe>>,
) -> Result<TransferJob, Error> {
    let Planned { source: Text(source), target, recursive } = item;
    let path = local(Text(source.clone()));
    let follows = chosen.as_ref().is_some_and(|recipe| recipe.copy_links);
    if let Some(recipe) = chosen.filter(|_| is_tree(&path, follows)) {
        let request = JobRequest::PutChosen(path, remote(&target)?, ChosenTree { recipe, options });
        return Ok(TransferJob { source, request, removes_source: false });
    }
    let from = if recursive && !follows { PutSource::Tree(path) } else { PutSource::File(path) };
    let request = PutRequest { source: from, path: remote(&target)?, into: None, totals, options };
    Ok(TransferJob { source, request: JobRequest::Put(request, None), removes_source: false })
}

fn local(text: Text) -> PathBuf {
    Path::new(OsStr::from_bytes(&text.0)).to_owned()
}

fn remote(text: &Text) -> Result<RemotePath, Error> {
    RemotePath::from_user(&text.0)
        .map_err(|error| Error::Usage(format!("the result file names no path of a server: {error}")))
}
