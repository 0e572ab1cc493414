//! `undo`: undoes a mirror with a backup.

use crate::cli::output::{Object, Output, shown};
use crate::cli::server::ServerTarget;
use crate::cli::settings;
use clap::Args;
use ftp_client::mirror::record::LoadedRecord;
use ftp_client::undo::{UndoAction, UndoListener, UndoRequest, UndoSummary};
use ftp_client::{Error, Session, fingerprint};
use std::path::PathBuf;
use wire::{Failure, FailureCode, RemotePath};

/// Undo a mirror with --backup
#[derive(Clone, Args)]
#[command(
    after_help = "What the mirror replaced or deleted comes back, and what it made goes. LAST is the last run of `mirror --backup` of this user; FILE is from `mirror --result FILE`. Items that were changed \
                  since stay as they are and are reported (exit code 6). An undo that was interrupted continues with the same \
                  command. Times of folders that stay are not restored.\n\n\
                  Example:\n  ftp-client undo -n LAST      (after: mirror --delete --backup old ...)\n  ftp-client undo LAST"
)]
pub(crate) struct UndoArgs {
    /// List what would be done, one line per item: '~' restored, '+' made again, '-' removed, '=' moved back, '>' metadata
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Also undo items that were changed since the mirror: these changes are lost
    #[arg(long)]
    force: bool,
    /// LAST, or the file of `mirror --result`
    #[arg(value_name = "LAST|FILE")]
    record: PathBuf,
}

pub(crate) struct UndoCommand {
    record: LoadedRecord,
    force: bool,
    is_dry: bool,
}

/// The file that holds the record of the last mirror, if there is a place for it.
pub(super) fn last_record() -> Option<PathBuf> {
    Some(settings::default_state()?.join("last-mirror.result"))
}

impl UndoCommand {
    pub(crate) fn new(typed: UndoArgs) -> Result<(ServerTarget, Self), Error> {
        let path = if typed.record.as_os_str() == "LAST" {
            let path = last_record().filter(|path| path.exists());
            path.ok_or_else(|| {
                Error::Usage("there is no last mirror: no run with --backup has changed anything".to_owned())
            })?
        } else {
            typed.record
        };
        let record = LoadedRecord::read(&path)?;
        let head = &record.head;
        let bad = || Error::Usage(format!("{}: no server's key", Error::shown_path(&path)));
        let server = ServerTarget {
            way: head.way,
            user: Some(head.user.clone()),
            host: head.host.clone(),
            port: head.port,
            pin: None,
            recorded: Some(fingerprint::parse(&head.key).ok_or_else(bad)?),
        };
        Ok((server, Self { record, force: typed.force, is_dry: typed.dry_run }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { record, force, is_dry } = self;
        let listener = UndoOutput { output, is_dry };
        let summary = session.undo(UndoRequest { record, force, is_dry }, &listener).await?;
        if !output.json() && !output.quiet() {
            output.flush()?;
            output.say(&sentence(&summary, is_dry));
        }
        Ok(match summary {
            UndoSummary { failed: 1.., .. } => 1,
            UndoSummary { changed: 1.., .. } => 6,
            UndoSummary { .. } => 0,
        })
    }
}

/// Tells of the items.
struct UndoOutput<'a> {
    output: &'a Output,
    is_dry: bool,
}

impl UndoListener for UndoOutput<'_> {
    fn undone(&self, action: UndoAction, path: &RemotePath) -> Result<(), Error> {
        let (sign, word) = match action {
            UndoAction::Restored => ('~', "restored"),
            UndoAction::Recreated => ('+', "recreated"),
            UndoAction::Removed => ('-', "removed"),
            UndoAction::MovedBack => ('=', "moved"),
            UndoAction::Metadata => ('>', "metadata"),
        };
        if self.output.json() {
            let event = if self.is_dry { "planned" } else { "undone" };
            self.output.event(Object::event(event).text("action", word).path(path.as_bytes()));
        } else if self.is_dry && !self.output.quiet() {
            self.output.print(format!("{sign} {}\n", shown(path.as_bytes())).as_bytes())?;
        }
        Ok(())
    }

    fn failed(&self, path: &RemotePath, failure: &Failure) {
        let path = PathBuf::from(shown(path.as_bytes()));
        let failure = if failure.code == FailureCode::NotEmpty {
            Failure::new(failure.code, "is not empty, and stays")
        } else {
            failure.clone()
        };
        self.output.complain(&Error::local(&path, failure));
    }
}

fn sentence(summary: &UndoSummary, is_dry: bool) -> String {
    let UndoSummary { undone, changed, failed } = *summary;
    let mut text = match (undone, is_dry) {
        (1, true) => "1 item would be undone".to_owned(),
        (1, false) => "1 item undone".to_owned(),
        (count, true) => format!("{count} items would be undone"),
        (count, false) => format!("{count} items undone"),
    };
    if changed > 0 {
        text.push_str(&format!(", {changed} changed since"));
    }
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    text
}
