//! Bytes as the document describes them, part by part: the expectation that the codec is compared with.
//!
//! This file does not use the codec, so a change of the codec cannot change the expectation with it.

/// Bytes in named parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts(Vec<Part>);

/// One field, or several on one line.
#[derive(Debug, Clone)]
struct Part {
    label: String,
    /// Shown with a space between them.
    groups: Vec<Vec<u8>>,
    /// The first group is the u64 length of the rest.
    counted: bool,
}

impl Parts {
    pub(crate) fn u8(self, value: u8, label: &str) -> Self {
        self.raw(&[value], label)
    }

    pub(crate) fn u16(self, value: u16, label: &str) -> Self {
        self.raw(&value.to_le_bytes(), label)
    }

    pub(crate) fn u32(self, value: u32, label: &str) -> Self {
        self.raw(&value.to_le_bytes(), label)
    }

    pub(crate) fn u64(self, value: u64, label: &str) -> Self {
        self.raw(&value.to_le_bytes(), label)
    }

    pub(crate) fn bool(self, value: bool, label: &str) -> Self {
        self.raw(&[u8::from(value)], label)
    }

    /// The index of an enum's variant.
    pub(crate) fn variant(self, index: u32, label: &str) -> Self {
        self.raw(&index.to_le_bytes(), label)
    }

    /// The tag of a `None`.
    pub(crate) fn none(self, label: &str) -> Self {
        self.raw(&[0], &format!("{label}: none"))
    }

    /// The tag of a `Some`, before its value.
    pub(crate) fn some(self, label: &str) -> Self {
        self.raw(&[1], &format!("{label}: some"))
    }

    /// A string or byte string: its length, then its bytes.
    pub(crate) fn text(mut self, text: &str, label: &str) -> Self {
        let groups = vec![(text.len() as u64).to_le_bytes().to_vec(), text.as_bytes().to_vec()];
        self.0.push(Part { label: format!("{label}: {text:?}"), groups, counted: true });
        self
    }

    /// The length of a sequence, before its items.
    pub(crate) fn count(mut self, count: u64, label: &str) -> Self {
        self.0.push(Part {
            label: label.to_owned(),
            groups: vec![count.to_le_bytes().to_vec()],
            counted: true,
        });
        self
    }

    /// Seconds and nanoseconds.
    pub(crate) fn time(mut self, seconds: i64, nanos: u32, label: &str) -> Self {
        let groups = vec![seconds.to_le_bytes().to_vec(), nanos.to_le_bytes().to_vec()];
        self.0.push(Part { label: label.to_owned(), groups, counted: false });
        self
    }

    /// Several fields on one line.
    pub(crate) fn line(mut self, groups: &[&[u8]], label: &str) -> Self {
        let groups = groups.iter().map(|group| group.to_vec()).collect();
        self.0.push(Part { label: label.to_owned(), groups, counted: false });
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8], label: &str) -> Self {
        self.0.push(Part { label: label.to_owned(), groups: vec![bytes.to_vec()], counted: false });
        self
    }

    pub(crate) fn then(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|part| part.groups.concat()).collect()
    }

    /// Returns the offsets of the u64 lengths.
    pub(crate) fn length_offsets(&self) -> Vec<usize> {
        let mut at = 0;
        let mut offsets = Vec::new();
        for part in &self.0 {
            if part.counted {
                offsets.push(at);
            }
            at += part.groups.concat().len();
        }
        offsets
    }

    /// Hexadecimal, one line per part followed by a comment.
    pub(crate) fn render(&self) -> String {
        let lines: Vec<(String, &str)> = self.0.iter().flat_map(Part::lines).collect();
        let width = lines.iter().map(|(hex, _)| hex.len()).max().unwrap_or(0);
        lines
            .iter()
            .map(|(hex, label)| {
                format!("{hex:width$}  # {label}").trim_end_matches("  # ").trim_end().to_owned() + "\n"
            })
            .collect()
    }
}

impl Part {
    fn lines(&self) -> Vec<(String, &str)> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for group in &self.groups {
            for piece in group.chunks(LINE_BYTES) {
                if line.len() + 2 * piece.len() > 2 * LINE_BYTES {
                    lines.push(std::mem::take(&mut line));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                piece.iter().for_each(|byte| line.push_str(&format!("{byte:02x}")));
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        let labels = std::iter::once(&self.label[..]).chain(std::iter::repeat(""));
        lines.into_iter().zip(labels).collect()
    }
}

/// Parses a rendered text: the bytes before each `#`, without white space.
pub(crate) fn parse(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or("").bytes())
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "an odd number of digits");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// `parts! { u16(3, "lane") .. }`: calls methods of [`Parts`] one after the other.
macro_rules! parts {
    ($($method:ident($($argument:expr),*))*) => {
        $crate::parts::Parts::default()$(.$method($($argument),*))*
    };
}
pub(crate) use parts;

/// Most bytes on a line.
const LINE_BYTES: usize = 32;
