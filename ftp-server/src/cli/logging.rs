//! Logs: on standard error, as text or JSON; `RUST_LOG` overrides the level.

use ftp_server::config::{LogFormat, LogOptions};
use std::io::{self, IsTerminal};
use tracing_subscriber::EnvFilter;

/// Starts logging; to be called once.
pub(crate) fn start(options: &LogOptions) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(options))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    match options.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

fn filter(options: &LogOptions) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(options.level.word()))
}
