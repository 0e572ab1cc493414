//! The search for the last lines of a file, from its end to its beginning, one part after the other.

/// A search for the beginning of the last lines.
pub(super) struct LineScan {
    /// Line ends that are still to be passed.
    left: u64,
    /// Nothing was looked at: a line end here ends the last line.
    is_at_end: bool,
}

impl LineScan {
    /// A search for so many lines.
    pub(super) fn new(lines: u64) -> Self {
        Self { left: lines, is_at_end: true }
    }

    /// Takes the part before those that it was given. Returns the index in it at which the lines begin, if they do so here.
    pub(super) fn begin_in(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.left == 0 {
            return Some(bytes.len());
        }
        let is_last = self.is_at_end && !bytes.is_empty();
        self.is_at_end &= bytes.is_empty();
        let end = if is_last { bytes.len() - 1 } else { bytes.len() };
        for (index, _) in bytes[..end].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            self.left -= 1;
            if self.left == 0 {
                return Some(index + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last lines of a file that is looked at in parts of `part` bytes.
    fn last(text: &str, lines: u64, part: usize) -> &str {
        let (mut scan, mut end) = (LineScan::new(lines), text.len());
        loop {
            let from = end.saturating_sub(part);
            if let Some(begin) = scan.begin_in(&text.as_bytes()[from..end]) {
                return &text[from + begin..];
            }
            if from == 0 {
                return text;
            }
            end = from;
        }
    }

    #[test]
    fn lines_are_counted_as_tail_counts_them() {
        for part in 1..9 {
            assert_eq!(last("a\nb\nc\n", 1, part), "c\n");
            assert_eq!(last("a\nb\nc\n", 2, part), "b\nc\n");
            assert_eq!(last("a\nb\nc\n", 3, part), "a\nb\nc\n");
            assert_eq!(last("a\nb\nc\n", 9, part), "a\nb\nc\n");
            assert_eq!(last("a\nb\nc", 1, part), "c", "a line without an end is one");
            assert_eq!(last("a\n\n\n", 2, part), "\n\n");
            assert_eq!(last("\n", 1, part), "\n");
            assert_eq!(last("abc", 0, part), "");
            assert_eq!(last("", 3, part), "");
        }
    }
}
