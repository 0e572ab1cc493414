//! Logs: on standard error, as text or JSON; `RUST_LOG` overrides the level. Lines of the journal have a priority, and no time.

use super::journal;
use super::log_writer::LogWriter;
use ftp_server::config::{LogFormat, LogOptions};
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic;
use std::sync::OnceLock;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;
use wire::escape::Escaped;

/// A running log. Dropping it writes waiting lines, for a moment at most.
#[must_use]
pub(crate) struct Logging;

impl Drop for Logging {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts logging; to be called once.
///
/// # Errors
/// If standard error cannot be duplicated, or the system has no thread.
pub(crate) fn start(options: &LogOptions) -> io::Result<Logging> {
    // A handle of its own: a writer that waits within `io::stderr()` keeps its lock, and a panic elsewhere would wait for that.
    let output = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let writer = WRITER.get_or_init(|| LogWriter::start(output).ok()).clone();
    let writer = writer.ok_or_else(|| io::Error::other("there is no thread for the log"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(options))
        .with_writer(writer)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    match (options.format, journal::takes(io::stderr())) {
        (LogFormat::Text, false) => builder.init(),
        (LogFormat::Text, true) => builder.without_time().map_event_format(Prioritized).init(),
        (LogFormat::Json, false) => builder.json().init(),
        (LogFormat::Json, true) => builder.json().without_time().map_event_format(Prioritized).init(),
    }
    panic::set_hook(Box::new(|panic| tracing::error!("{}", Escaped(panic.to_string().as_bytes()))));
    Ok(Logging)
}

/// Waits until all lines are written, for a moment at most. Must be called before the process ends.
pub(crate) fn flush() {
    if let Some(Some(writer)) = WRITER.get() {
        writer.flush();
    }
}

fn filter(options: &LogOptions) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(options.level.word()))
}

/// Lines for the journal.
struct Prioritized<F>(F);

impl<S, N, F> FormatEvent<S, N> for Prioritized<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str(journal::priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

/// The one log of the process; none if there was no thread for it.
static WRITER: OnceLock<Option<LogWriter>> = OnceLock::new();
