//! Observes a mirror: its decisions, its finished changes, and its transfers.

use super::json::Object;
use super::tally::Tally;
use super::watcher::Watcher;
use super::{Output, shown};
use ftp_client::Error;
use ftp_client::mirror::{DeleteRefusal, MirrorAction, MirrorListener};
use ftp_client::observer::{TransferEvent, TransferObserver};
use rustix::io::Errno;
use std::sync::Arc;
use std::time::Duration;
use wire::RemotePath;

/// The listener of a mirror.
pub(crate) struct MirrorWatcher {
    watcher: Watcher,
    output: Arc<Output>,
    /// No change is made: the decisions are the result.
    dry: bool,
}

impl MirrorWatcher {
    pub(crate) fn new(tally: &Arc<Tally>, output: &Arc<Output>, dry: bool) -> Self {
        let watcher = Watcher::new(tally, output, 0, Vec::new());
        Self { watcher, output: Arc::clone(output), dry }
    }
}

impl TransferObserver for MirrorWatcher {
    fn on_event(&self, event: &TransferEvent<'_>) {
        self.watcher.on_event(event);
    }
}

impl MirrorListener for MirrorWatcher {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        match (self.dry, self.output.json()) {
            (true, true) => self.output.event(event("planned", action, &named(action.path()))),
            (true, false) if self.output.quiet() => {} // with --quiet, a plan is written without its text
            (true, false) => self.output.print(format!("{}\n", line(action)).as_bytes())?,
            (false, _) => self.output.note(|| line(action)),
        }
        Ok(())
    }

    fn done(&self, action: &MirrorAction) {
        if self.output.json() {
            self.output.event(event("file", action, &named(action.path())).text("outcome", "done"));
        }
    }

    fn not_deleted(&self, count: u64) {
        self.output.complain(&format!("{count} entries were not deleted, because others failed"));
    }

    fn next_round(&self) {
        self.watcher.begin_round();
    }

    fn waiting(&self) {
        self.output.event(Object::event("waiting"));
        // A result, which the calling program waits for. Write errors are reported at the end.
        let _ = self.output.flush();
        self.output.note(|| "waiting for changes".to_owned());
    }

    fn unwatched(&self, path: &RemotePath, reason: &std::io::Error) {
        let path = named(path);
        let reason = unwatched_reason(reason);
        self.output.complain(&format!(
            "{}: cannot be watched: {reason}; compared now and then instead",
            shown(&path)
        ));
        self.output.event(Object::event("unwatched").path(&path).text("reason", &reason));
        let _ = self.output.flush();
    }

    fn retrying(&self, error: Option<&Error>, wait: Duration) {
        let seconds = humantime::format_duration(Duration::from_secs(wait.as_secs()));
        match error {
            Some(error) => self.output.complain(&format!("{error}; trying again in {seconds}")),
            None => self.output.warn(&format!("what failed is tried again in {seconds}")),
        }
        let event = Object::event("retry").seconds("seconds", wait);
        self.output.event(match error {
            Some(error) => event.text("reason", &error.to_string()),
            None => event,
        });
        let _ = self.output.flush(); // the calling program waits for it
    }

    fn refused(&self, refusal: DeleteRefusal) {
        self.output.complain(&refusal);
    }
}

/// Explains the limits of watches; the system's own messages name other causes.
fn unwatched_reason(reason: &std::io::Error) -> String {
    let is = |errno: Errno| reason.raw_os_error() == Some(errno.raw_os_error());
    if is(Errno::NOSPC) {
        "the system's limit of watches is reached (fs.inotify.max_user_watches)".to_owned()
    } else if is(Errno::MFILE) {
        "the system's limit of inotify instances is reached (fs.inotify.max_user_instances)".to_owned()
    } else {
        reason.to_string()
    }
}

/// The event about an action, whose item is shown with this path.
pub(super) fn event(name: &'static str, action: &MirrorAction, path: &[u8]) -> Object {
    let event = Object::event(name).text("action", action.word()).path(path);
    let event = event.number("bytes", action.bytes());
    match action {
        MirrorAction::Moved { from, .. } => event.bytes("from", "from_hex", from.path.as_bytes()),
        MirrorAction::Linked { of, .. } => event.bytes("of", "of_hex", of.as_bytes()),
        MirrorAction::New { .. }
        | MirrorAction::Changed { .. }
        | MirrorAction::Folder { .. }
        | MirrorAction::Metadata { .. }
        | MirrorAction::Deleted { .. } => event,
    }
}

/// `+ path`, with `/` behind a folder.
pub(super) fn line(action: &MirrorAction) -> String {
    line_of(action, &named(action.path()))
}

/// The same with this path.
pub(super) fn line_of(action: &MirrorAction, path: &[u8]) -> String {
    let slash = if action.is_folder() && !path.ends_with(b"/") { "/" } else { "" };
    let text = format!("{} {}{slash}", action.sign(), shown(path));
    match action {
        MirrorAction::Moved { from, .. } => format!("{text} (was {})", shown(from.path.as_bytes())),
        MirrorAction::Linked { of, .. } => format!("{text} (linked to {})", shown(of.as_bytes())),
        MirrorAction::New { .. }
        | MirrorAction::Changed { .. }
        | MirrorAction::Folder { .. }
        | MirrorAction::Metadata { .. }
        | MirrorAction::Deleted { .. } => text,
    }
}

/// The mirrored folder itself is `.`, as with rsync.
pub(super) fn named(path: &RemotePath) -> Vec<u8> {
    if path.is_root() { b".".to_vec() } else { path.as_bytes().to_vec() }
}
