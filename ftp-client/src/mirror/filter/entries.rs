//! The entries of a rule file or a list of files. Both are read alike, as rsync reads them: empty entries and comments
//! are skipped, and a line may end as it does on any system.

/// The separator of the entries of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separator {
    /// A line feed, a carriage return or both.
    #[default]
    Newline,
    /// A NUL byte (`-0`), for names that contain line ends.
    Nul,
}

/// The entries of `bytes` that say something, each with the number of its line, or of its NUL, counted from 1.
///
/// As with rsync, `#` and `;` begin comments with either separator; a file of such a name is listed as `./#name`.
pub(super) fn entries(bytes: &[u8], separator: Separator) -> impl Iterator<Item = (usize, &[u8])> {
    let (end, other_end) = match separator {
        Separator::Newline => (b'\n', Some(b'\r')),
        Separator::Nul => (0, None),
    };
    bytes
        .split(move |byte| *byte == end)
        .zip(1..)
        .flat_map(move |(line, number)| {
            line.split(move |byte| Some(*byte) == other_end).map(move |entry| (number, entry))
        })
        .filter(|(_, entry)| !matches!(entry, [] | [b'#' | b';', ..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], separator: Separator) -> Vec<(usize, &[u8])> {
        entries(bytes, separator).collect()
    }

    #[test]
    fn lines_end_as_on_any_system() {
        assert_eq!(
            all(b"a\r\n\nb\nc\rd", Separator::Newline),
            [(1, &b"a"[..]), (3, b"b"), (4, b"c"), (4, b"d")]
        );
    }

    #[test]
    fn comments_begin_at_the_first_byte() {
        assert_eq!(all(b"#a\n;b\n #c\nd#", Separator::Newline), [(3, &b" #c"[..]), (4, b"d#")]);
        assert_eq!(all(b"#a\0b", Separator::Nul), [(2, &b"b"[..])]);
    }

    #[test]
    fn nul_leaves_line_ends_in_names() {
        assert_eq!(all(b"a\n\0\0b\r\0", Separator::Nul), [(1, &b"a\n"[..]), (3, b"b\r")]);
    }
}
