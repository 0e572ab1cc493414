//! The listener that logs: a line for each event, whose level depends on the outcome.

use super::{EventListener, ItemAction, RequestOutcome, ServerEvent};
use tracing::{Level, event};
use wire::FailureCode;
use wire::escape::Escaped;

/// Fields that are nothing have no place in the line. A level must be known when it is compiled.
macro_rules! log_line {
    ($level:expr, $event:expr) => {{
        let ServerEvent { user, peer, command, item, path, to, outcome, failure, counts, duration, .. } = $event;
        let some = |count: u64| (count > 0).then_some(count);
        event!(
            parent: None, // the user is a field, on every thread
            $level,
            %peer,
            user,
            action = item.map(ItemAction::word),
            path = Escaped(path.as_bytes()).to_string(),
            to = to.map(|to| Escaped(to).to_string()),
            outcome = outcome.word(),
            reason = failure.map(ToString::to_string),
            files = some(counts.files),
            folders = some(counts.folders),
            changes = some(counts.changes),
            entries = some(counts.entries),
            bytes = some(counts.bytes),
            skipped = some(counts.skipped),
            failures = some(counts.failures),
            ms = item.is_none().then_some(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            "{command}{}",
            if item.is_some() { " item" } else { "" }
        );
    }};
}

/// The listener that logs: a line for each event.
pub(crate) struct Log;

impl EventListener for Log {
    fn on_event(&self, event: &ServerEvent<'_>) {
        let level = level_of(event);
        if level == Level::WARN {
            log_line!(Level::WARN, event);
        } else if level == Level::INFO {
            log_line!(Level::INFO, event);
        } else {
            log_line!(Level::DEBUG, event);
        }
    }
}

/// Returns the log level. Storage failures concern the operator, unless the client may have caused them; small queries are not logged by
/// default, and of a file that is followed only the first request is.
fn level_of(event: &ServerEvent<'_>) -> Level {
    use FailureCode::{Io, NoSpace, NotFound, ReadOnly, TooManyOpenFiles};
    let code = event.failure.map(|failure| failure.code);
    let is_small = ["STAT", "SPACE", "DIGESTS", "REPLACE"].contains(&event.command);
    let is_question = is_small || ["LIST", "HASH", "READ"].contains(&event.command);
    let is_stored_here =
        event.item.is_none() && !event.is_clients && !["GET", "SELECT"].contains(&event.command);
    match code {
        Some(Io | NoSpace | ReadOnly | TooManyOpenFiles) if is_stored_here => Level::WARN,
        None if is_small || event.is_continuation => Level::DEBUG,
        // Whoever asks whether something is there may well hear that it is not.
        Some(NotFound) if is_question => Level::DEBUG,
        _ => Level::INFO,
    }
}

impl RequestOutcome {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ItemAction {
    fn word(self) -> Option<&'static str> {
        match self {
            Self::Request => None,
            Self::Remove => Some("removed"),
            Self::Move => Some("moved"),
            Self::SetAside => Some("set aside"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::OperationCounts;
    use wire::{Failure, RemotePath};

    fn level(command: &'static str, code: FailureCode, is_clients: bool) -> Level {
        level_of(&ServerEvent {
            user: "ann",
            peer: ([192, 0, 2, 1], 1).into(),
            command,
            item: None,
            path: &RemotePath::root(),
            to: None,
            outcome: RequestOutcome::Failed,
            failure: Some(&Failure::from(code)),
            is_clients,
            counts: OperationCounts::default(),
            is_continuation: false,
            duration: std::time::Duration::ZERO,
        })
    }

    #[test]
    fn a_disk_of_the_server_is_a_matter_of_the_operator_and_one_of_the_client_is_not() {
        for code in [FailureCode::Io, FailureCode::NoSpace, FailureCode::TooManyOpenFiles] {
            assert_eq!(level("PUT", code, false), Level::WARN);
            assert_eq!(level("PUT", code, true), Level::INFO);
            assert_eq!(level("GET", code, false), Level::INFO, "it may be the client's");
        }
    }
}
