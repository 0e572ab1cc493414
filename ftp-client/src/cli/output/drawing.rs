//! The thread that shows progress, ten times a second. A thread, because terminals and pipes block.

use super::bars::Bars;
use super::json::{Describe, Object};
use super::plain::Plain;
use super::rate::{Rate, TimeLeft};
use super::tally::{Snapshot, Tally};
use super::{Output, ProgressStyle};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How often progress is shown, per second.
pub(super) const HERTZ: u8 = 10;

/// Shows progress until it is dropped.
pub(crate) struct Drawing {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The drawing on the terminal.
enum Display {
    Bars(Option<Bars>),
    Plain(Plain),
    Events { last: Option<Snapshot> },
}

impl Drawing {
    /// Starts to draw, if there is anything to draw. A system without a thread to spare shows no progress.
    pub(crate) fn start(output: &Arc<Output>, tally: &Arc<Tally>) -> Self {
        let display = match output.progress {
            ProgressStyle::Bars => Display::Bars(None),
            ProgressStyle::Plain => Display::Plain(Plain::new(Instant::now())),
            ProgressStyle::Json => Display::Events { last: None },
            ProgressStyle::None => return Self { stop: None, thread: None },
        };
        let (stop, stopped) = channel();
        let (output, tally) = (Arc::clone(output), Arc::clone(tally));
        let thread = Builder::new()
            .name("progress".to_owned())
            .spawn(move || draw(display, &output, &tally, &stopped));
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; the transfer does not depend on it.
            let _ = thread.join();
        }
    }
}

fn draw(mut display: Display, output: &Output, tally: &Tally, stopped: &Receiver<()>) {
    let mut rate = Rate::new(Instant::now());
    let mut left = TimeLeft::new(Instant::now());
    // The first drawing comes later: a transfer that is done by then needs no bar.
    let mut pause = FIRST_PAUSE;
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(pause) {
        pause = PAUSE;
        let now = Instant::now();
        let mut snapshot = tally.snapshot();
        snapshot.rate = rate.at(now, tally.verified());
        if !matches!(display, Display::Events { .. }) {
            snapshot.left = left.at(now, &snapshot);
            snapshot.outage = output.outage_text();
        }
        display.show(now, snapshot, output);
    }
}

impl Display {
    fn show(&mut self, now: Instant, snapshot: Snapshot, output: &Output) {
        match self {
            Self::Bars(bars) => bars.get_or_insert_with(|| Bars::new(&output.bars)).draw(&snapshot),
            Self::Plain(plain) => {
                if let Some(line) = plain.line(now, &snapshot) {
                    output.say(&line);
                }
            }
            Self::Events { last } => tell(last, snapshot, output),
        }
    }
}

/// Writes a progress event if the counts have changed. Also flushes the events of files.
fn tell(last: &mut Option<Snapshot>, snapshot: Snapshot, output: &Output) {
    if last.as_ref() != Some(&snapshot) {
        output.event(snapshot.describe(Object::event("progress")));
        *last = Some(snapshot);
    }
    let _ = output.flush();
}

const PAUSE: Duration = Duration::from_millis(1000 / HERTZ as u64);
const FIRST_PAUSE: Duration = Duration::from_millis(300);
