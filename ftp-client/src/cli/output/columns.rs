//! Names in columns, as ls shows them on a terminal: as many columns as fit, filled from top to bottom.

use unicode_width::UnicodeWidthStr;

/// A name as it is shown.
pub(super) struct Cell {
    /// The text, with escape sequences of its colour.
    text: String,
    /// The columns of the terminal that it takes.
    width: usize,
}

impl Cell {
    /// A name whose coloured form is `text`.
    pub(super) fn new(name: &str, text: String) -> Self {
        Self { text, width: name.width() }
    }
}

/// Returns the lines of a terminal that is `width` columns wide.
pub(super) fn arranged(cells: &[Cell], width: usize) -> String {
    let widths = column_widths(cells, width);
    let rows = cells.len().div_ceil(widths.len().max(1));
    let mut lines = String::new();
    for row in 0..rows {
        let mut missing = 0;
        for (cell, width) in cells.iter().skip(row).step_by(rows).zip(&widths) {
            lines.extend(std::iter::repeat_n(' ', missing));
            lines.push_str(&cell.text);
            missing = width.saturating_sub(cell.width);
        }
        lines.push('\n');
    }
    lines
}

/// Returns the widths of the most columns that fit, with the space between them. One column always fits.
fn column_widths(cells: &[Cell], width: usize) -> Vec<usize> {
    let most = (width.div_ceil(COLUMN_WIDTH_MIN)).min(cells.len());
    (2..=most).rev().find_map(|count| widths_of(cells, count, width)).unwrap_or_else(|| vec![0])
}

/// Returns the widths of columns, of about this count, if they fit. As with ls, the last column of the terminal stays free.
fn widths_of(cells: &[Cell], count: usize, width: usize) -> Option<Vec<usize>> {
    let rows = cells.len().div_ceil(count);
    let mut widths = Vec::with_capacity(count);
    let mut sum = 0;
    for column in cells.chunks(rows) {
        let widest = column.iter().map(|cell| cell.width).max().unwrap_or(0);
        if sum + widest >= width {
            return None;
        }
        widths.push(widest + SPACE);
        sum += widest + SPACE;
    }
    Some(widths)
}

/// Columns between two names.
const SPACE: usize = 2;
/// A name of one letter, and the space behind it.
const COLUMN_WIDTH_MIN: usize = 1 + SPACE;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str], width: usize) -> String {
        let cells: Vec<Cell> = names.iter().map(|name| Cell::new(name, (*name).to_owned())).collect();
        arranged(&cells, width)
    }

    #[test]
    fn columns_are_filled_from_top_to_bottom() {
        assert_eq!(shown(&["a", "b", "c", "d", "e"], 8), "a  c  e\nb  d\n");
        assert_eq!(shown(&["a", "b", "c"], 8), "a  b  c\n");
        assert_eq!(shown(&["a", "b", "c"], 7), "a  c\nb\n", "the last column stays free");
        assert_eq!(shown(&["a", "a-long-name"], 5), "a\na-long-name\n");
        assert_eq!(shown(&[], 80), "");
    }

    #[test]
    fn wide_characters_take_two_columns_and_colours_none() {
        assert_eq!(shown(&["写真", "b", "ü", "d"], 9), "写真  ü\nb     d\n");
        let red = |name: &str| Cell::new(name, format!("\x1b[31m{name}\x1b[0m"));
        assert_eq!(arranged(&[red("ab"), red("c")], 8), "\x1b[31mab\x1b[0m  \x1b[31mc\x1b[0m\n");
    }
}
