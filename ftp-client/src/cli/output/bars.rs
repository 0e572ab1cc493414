//! Progress on a terminal: a bar for all, and a line for each of the largest files under way.

use super::tally::{RunningFile, Snapshot};
use super::text;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The progress bars, removed at the end.
pub(super) struct Bars {
    multi: MultiProgress,
    total: ProgressBar,
    files: Vec<ProgressBar>,
}

impl Bars {
    pub(super) fn new(multi: &MultiProgress) -> Self {
        let total = multi.add(ProgressBar::no_length().with_style(style(TOTAL)));
        Self { multi: multi.clone(), total, files: Vec::new() }
    }

    pub(super) fn draw(&mut self, snapshot: &Snapshot) {
        self.fit(snapshot.running.len().min(FILES_MAX));
        for (bar, file) in self.files.iter().zip(&snapshot.running) {
            draw_file(bar, file);
        }
        self.total.set_length(snapshot.total_bytes.max(1));
        self.total.set_position(snapshot.bytes.min(snapshot.total_bytes));
        self.total.set_message(text::standing_short(snapshot));
    }

    /// As many lines as files; a line is reused for the next file, so that they do not jump.
    fn fit(&mut self, count: usize) {
        while self.files.len() < count {
            let bar = ProgressBar::no_length().with_style(style(FILE));
            self.files.push(self.multi.insert_before(&self.total, bar));
        }
        for bar in self.files.drain(count..) {
            self.multi.remove(&bar);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.fit(0); // a line that is only finished stays where it is
        self.total.finish_and_clear();
        let _ = self.multi.clear();
    }
}

fn draw_file(bar: &ProgressBar, file: &RunningFile) {
    let total = file.total.unwrap_or(file.done);
    bar.set_length(total.max(1));
    bar.set_position(file.done.min(total));
    bar.set_message(tail(&file.name));
}

/// Keeps the end of a path, which says more than its beginning. The template cuts the rest.
fn tail(name: &str) -> String {
    let len = name.chars().count();
    match len.checked_sub(NAME_LEN_MAX) {
        None | Some(0) => name.to_owned(),
        Some(cut) => "…".chars().chain(name.chars().skip(cut + 1)).collect(),
    }
}

/// The templates are constants; a bar without style is better than none.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

const TOTAL: &str = "[{bar:10}] {percent:>3}% {wide_msg}";
const FILE: &str = "  {percent:>3}% {binary_bytes:>12} {wide_msg}";

/// More lines would scroll the text above out of view.
const FILES_MAX: usize = 6;

/// Leaves room for the numbers on a terminal of 80 columns.
const NAME_LEN_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;

    fn snapshot(running: usize) -> Snapshot {
        let file = |index| RunningFile { name: format!("/dir/{index}"), done: 1 << 20, total: Some(2 << 20) };
        Snapshot {
            files: 1,
            bytes: 5 << 20,
            total_files: 4,
            total_bytes: 10 << 20,
            counted: true,
            rate: 1 << 20,
            running: (0..running).map(file).collect(),
        }
    }

    #[test]
    fn the_templates_are_right() {
        for template in [TOTAL, FILE] {
            ProgressStyle::with_template(template).unwrap();
        }
    }

    #[test]
    fn no_more_lines_than_fit() {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut bars = Bars::new(&multi);
        bars.draw(&snapshot(30));
        assert_eq!(bars.files.len(), FILES_MAX);
        bars.draw(&snapshot(1));
        assert_eq!(bars.files.len(), 1);
    }

    #[test]
    fn long_names_keep_their_end() {
        let name = tail(&format!("{}ü.txt", "x".repeat(100)));
        assert!(name.starts_with('…') && name.ends_with("ü.txt"));
        assert_eq!(name.chars().count(), NAME_LEN_MAX);
    }
}
