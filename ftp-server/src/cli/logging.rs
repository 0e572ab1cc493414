//! Logs: on standard error, as text or JSON; `RUST_LOG` overrides the level. Lines of the journal have a priority, and no time.

use super::journal;
use ftp_server::config::{LogFormat, LogOptions};
use std::fmt;
use std::io::{self, IsTerminal};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging; to be called once.
pub(crate) fn start(options: &LogOptions) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(options))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    match (options.format, journal::takes(io::stderr())) {
        (LogFormat::Text, false) => builder.init(),
        (LogFormat::Text, true) => builder.without_time().map_event_format(Prioritized).init(),
        (LogFormat::Json, false) => builder.json().init(),
        (LogFormat::Json, true) => builder.json().without_time().map_event_format(Prioritized).init(),
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
