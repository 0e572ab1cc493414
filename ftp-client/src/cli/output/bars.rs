//! Progress on a terminal: a bar for all, and a line for each of the largest files under way.

mod echo;

use super::tally::{RunningFile, Snapshot};
use super::text;
use echo::EchoOff;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The progress bars, removed at the end.
pub(super) struct Bars {
    multi: MultiProgress,
    total: ProgressBar,
    files: Vec<ProgressBar>,
    /// The terminal's columns.
    width: usize,
    _echo: EchoOff,
}

impl Bars {
    pub(super) fn new(multi: &MultiProgress) -> Self {
        let width = columns();
        let total = multi.add(ProgressBar::no_length().with_style(style(&total_template(width))));
        Self { multi: multi.clone(), total, files: Vec::new(), width, _echo: EchoOff::new() }
    }

    pub(super) fn draw(&mut self, snapshot: &Snapshot) {
        self.resize(columns());
        self.fit(snapshot.running.len().min(FILES_MAX));
        for (bar, file) in self.files.iter().zip(&snapshot.running) {
            draw_file(bar, file, self.width);
        }
        self.total.set_length(snapshot.total_bytes.max(1));
        self.total.set_position(snapshot.bytes.min(snapshot.total_bytes));
        let room = self.width.saturating_sub(bar_width(self.width) + BESIDE_BAR + SPARE);
        self.total.set_message(cut(&text::standing_short(snapshot), room));
    }

    fn resize(&mut self, width: usize) {
        if width != self.width {
            self.width = width;
            self.total.set_style(style(&total_template(width)));
        }
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

fn draw_file(bar: &ProgressBar, file: &RunningFile, width: usize) {
    let total = file.total.unwrap_or(file.done);
    bar.set_length(total.max(1));
    bar.set_position(file.done.min(total));
    let (done, total) = (text::short_bytes(file.done), file.total.map(text::short_bytes));
    let amount = total.map_or(done.clone(), |total| format!("{done} of {total}"));
    let name = shortened(&file.name, width.saturating_sub(BEFORE_NAME + SPARE));
    bar.set_message(format!("{amount:>AMOUNT_WIDTH$}  {name}"));
}

/// Cuts a path in the middle: its end says most, its beginning tells trees apart.
fn shortened(name: &str, width_max: usize) -> String {
    if name.width() <= width_max {
        return name.to_owned();
    }
    let kept = width_max.saturating_sub(1);
    let begin = cut(name, kept / 3);
    let mut end = name;
    while end.width() > kept - begin.width() {
        end = end.char_indices().nth(1).map_or("", |(second, _)| &end[second..]);
    }
    format!("{begin}…{end}")
}

/// Cuts a text at its end.
fn cut(text: &str, width_max: usize) -> String {
    let mut width = 0;
    let fits = |character: &char| {
        width += character.width().unwrap_or(0);
        width <= width_max
    };
    text.chars().take_while(fits).collect()
}

/// The columns of the terminal that messages go to.
fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(0, |size| usize::from(size.ws_col)).max(COLUMNS_MIN)
}

/// A wider terminal has room for a longer bar.
fn total_template(width: usize) -> String {
    format!("[{{bar:{}}}] {{percent:>3}}% {{wide_msg}}", bar_width(width))
}

fn bar_width(width: usize) -> usize {
    (width / 6).clamp(10, 40) - 5
}

/// The templates are right; a bar without style is better than none.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

const FILE: &str = "  {percent:>3}% {wide_msg}";
/// Columns of `1000 KiB of 1000 KiB`.
const AMOUNT_WIDTH: usize = 20;
/// Columns before the name of a file.
const BEFORE_NAME: usize = "  100% ".len() + AMOUNT_WIDTH + "  ".len();
/// Columns of the brackets and the percentage at a bar.
const BESIDE_BAR: usize = "[] 100% ".len();
/// A line that fills the last column too may be taken for two lines, and stays when the bars are removed.
const SPARE: usize = 1;
/// A terminal that does not say how wide it is, or is narrower, has its lines cut.
const COLUMNS_MIN: usize = 40;

/// More lines would scroll the text above out of view.
const FILES_MAX: usize = 6;

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
            left: None,
            outage: None,
            running: (0..running).map(file).collect(),
        }
    }

    #[test]
    fn the_templates_are_right() {
        for template in [FILE.to_owned(), total_template(60), total_template(500)] {
            ProgressStyle::with_template(&template).unwrap();
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
    fn long_names_keep_their_beginning_and_their_end() {
        let name = shortened(&format!("photos/{}ü.txt", "x".repeat(100)), 31);
        assert!(name.starts_with("photos/xxx…") && name.ends_with("ü.txt"), "{name}");
        assert_eq!(name.chars().count(), 31);
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 5), "l…ger");
        assert_eq!(shortened("longer", 0), "…");
        assert_eq!(shortened("写真/二〇二六年", 11), "写…〇二六年", "these take two columns each");
    }
}
