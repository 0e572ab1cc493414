//! The progress of a command that transfers, from its first event to its last messages.

use super::CommandContext;
use crate::cli::output::{Drawing, Object, Output, Tally, duration_text, files_text};
use ftp_client::observer::TransferSummary;
use indicatif::HumanBytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::checksum::Checksum;

/// A transfer that has begun.
pub(super) struct Progress {
    pub(super) tally: Arc<Tally>,
    output: Arc<Output>,
    started: Instant,
    drawing: Option<Drawing>,
    was_drawn: bool,
}

impl Progress {
    /// Begins a transfer of so many jobs, and writes its first event.
    pub(super) fn begin(command: &'static str, context: CommandContext<'_>, jobs: usize) -> Self {
        let (started, tally) = (Instant::now(), Arc::new(Tally::of_jobs(jobs)));
        context.output.begin_transfer(&tally);
        tell_start(command, context);
        Self { tally, output: Arc::clone(context.output), started, drawing: None, was_drawn: false }
    }

    /// Shows progress from now on.
    pub(super) fn draw(&mut self) {
        self.drawing = Some(Drawing::start(&self.output, &self.tally));
        self.was_drawn = true;
    }

    /// Shows no more progress.
    pub(super) fn hide(&mut self) {
        self.drawing = None;
    }

    /// Ends the transfer after all jobs: tells its outcome in a sentence where bars were drawn, between notes about items
    /// that are not as people may expect. Returns the counts.
    pub(super) fn end(self, sentence: impl FnOnce(&TransferSummary, Duration) -> String) -> TransferSummary {
        let summary = self.tally.end();
        tell_not_owned(&summary, &self.output);
        if self.was_drawn && self.output.has_bars() {
            self.output.say(&sentence(&summary, self.started.elapsed()));
        }
        tell_vanished(&summary, &self.output);
        summary
    }
}

/// Writes the first event of a transfer.
fn tell_start(command: &'static str, context: CommandContext<'_>) {
    let CommandContext { session, server, output } = context;
    let event = Object::event("started");
    let event = if output.is_line() { event } else { event.text("command", command) };
    let event = event.text("address", &server.address());
    let checksum = match session.checksum() {
        Checksum::Sha256 => "sha256",
        Checksum::Blake3 => "blake3",
    };
    output.event(event.text("checksum", checksum));
}

/// Prints a note about items of other users. Not a failure: all content was sent.
fn tell_not_owned(summary: &TransferSummary, output: &Output) {
    match summary.not_owned {
        0 => {}
        1 => output
            .warn("times and permissions of 1 folder stay as they are: it belongs to another user there"),
        count => output.warn(&format!(
            "times and permissions of {count} folders stay as they are: they belong to other users there"
        )),
    }
}

/// Prints a note about items that were removed during the run. Not a failure, but they are not at the target.
fn tell_vanished(summary: &TransferSummary, output: &Output) {
    match summary.vanished {
        0 => {}
        1 => output.warn("1 item vanished before it could be read"),
        count => output.warn(&format!("{count} items vanished before they could be read")),
    }
}

/// `12 files, 1.5 GiB in 0:07 (219 MiB/s), 0.4 GiB over the network, 1 failed`.
pub(super) fn sentence(summary: &TransferSummary, elapsed: Duration) -> String {
    let millis = elapsed.as_millis().max(1);
    // Excludes content that an earlier run transferred.
    let moved = summary.bytes_transferred + summary.bytes_saved + summary.bytes_copied;
    let moved = summary.bytes.min(moved);
    let rate = u64::try_from(u128::from(moved) * 1000 / millis).unwrap_or(u64::MAX);
    let mut text = format!(
        "{}, {} in {} ({}/s)",
        files_text(summary.files),
        HumanBytes(summary.bytes),
        duration_text(elapsed),
        HumanBytes(rate)
    );
    if summary.bytes_transferred < summary.bytes - summary.bytes / 10 {
        text.push_str(&format!(", {} over the network", HumanBytes(summary.bytes_transferred)));
    }
    let counts =
        [(summary.skipped, "left alone"), (summary.vanished, "vanished"), (summary.failed, "failed")];
    for (count, word) in counts {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_in_a_sentence() {
        let mut summary = TransferSummary {
            files: 1,
            failed: 2,
            bytes: 3 << 20,
            bytes_transferred: 4 << 20,
            ..TransferSummary::default()
        };
        let said = |summary: TransferSummary| sentence(&summary, Duration::from_secs(2));
        assert_eq!(said(summary), "1 file, 3.00 MiB in 0:02 (1.50 MiB/s), 2 failed");
        summary.bytes_transferred = 1 << 20;
        let moved = "1.00 MiB over the network, 2 failed";
        assert_eq!(
            said(summary),
            format!("1 file, 3.00 MiB in 0:02 (512.00 KiB/s), {moved}"),
            "the rest was there"
        );
        summary.bytes_saved = 2 << 20;
        assert_eq!(
            said(summary),
            format!("1 file, 3.00 MiB in 0:02 (1.50 MiB/s), {moved}"),
            "it was compressed"
        );
        (summary.bytes_saved, summary.bytes_copied) = (0, 2 << 20);
        assert_eq!(said(summary), format!("1 file, 3.00 MiB in 0:02 (1.50 MiB/s), {moved}"), "it was copied");
    }
}
