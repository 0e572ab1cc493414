//! The state of a file that is followed: what an answer of the server says about it, in the words of tail.

use wire::message::FilePart;

/// A file that is followed by its name.
pub(super) struct Followed {
    /// Where the content goes on that was not shown.
    position: u64,
    /// The number of the file that was shown.
    file: u64,
    is_readable: bool,
}

/// The meaning of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) notice: Option<&'static str>,
    /// The content of the answer comes next. Otherwise the file has to be read from its beginning.
    pub(super) is_added: bool,
}

impl Followed {
    pub(super) fn new(position: u64, file: u64) -> Self {
        Self { position, file, is_readable: true }
    }

    /// The offset to read from.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn on_part(&mut self, part: &FilePart) -> Seen {
        let was_readable = std::mem::replace(&mut self.is_readable, true);
        let is_same = part.file == self.file;
        self.file = part.file;
        let notice = match (was_readable, is_same) {
            (false, true) => Some("can be read again"),
            (false, false) => Some("has appeared; following new file"),
            (true, false) => Some("has been replaced; following new file"),
            (true, true) => None,
        };
        // The size is older than the content: where there is content, the file is not shorter.
        let is_shorter = is_same && part.size < self.position && part.bytes.is_empty();
        if !is_same || is_shorter {
            let is_at_begin = self.position == 0;
            self.position = if is_at_begin { part.bytes.len() as u64 } else { 0 };
            let notice = notice.or(is_shorter.then_some("file truncated"));
            return Seen { notice, is_added: is_at_begin };
        }
        self.position += part.bytes.len() as u64;
        Seen { notice, is_added: true }
    }

    /// Returns true if this was not known yet.
    pub(super) fn on_failure(&mut self) -> bool {
        std::mem::replace(&mut self.is_readable, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &str, size: u64, file: u64) -> FilePart {
        FilePart { bytes: bytes.into(), size, file }
    }

    fn seen(notice: Option<&'static str>, is_added: bool) -> Seen {
        Seen { notice, is_added }
    }

    #[test]
    fn what_is_added_is_shown_once() {
        let mut followed = Followed::new(5, 1);
        assert_eq!(followed.on_part(&part("", 5, 1)), seen(None, true));
        assert_eq!(followed.on_part(&part("abc", 8, 1)), seen(None, true));
        assert_eq!(followed.position(), 8);
    }

    #[test]
    fn a_shorter_file_and_another_one_are_read_from_their_beginning() {
        let mut followed = Followed::new(5, 1);
        assert_eq!(followed.on_part(&part("", 2, 1)), seen(Some("file truncated"), false));
        assert_eq!(followed.position(), 0);
        assert_eq!(followed.on_part(&part("ab", 2, 1)), seen(None, true));
        let replaced = Some("has been replaced; following new file");
        assert_eq!(followed.on_part(&part("xyz", 5, 2)), seen(replaced, false), "that is not its beginning");
        assert_eq!(followed.on_part(&part("uvxyz", 5, 2)), seen(None, true));
        assert_eq!(followed.on_part(&part("", 0, 2)), seen(Some("file truncated"), false));
        assert_eq!(followed.on_part(&part("", 0, 2)), seen(None, true), "that is said once");
        assert_eq!(followed.on_part(&part("a", 1, 3)), seen(replaced, true));
        assert_eq!(followed.position(), 1);
    }

    #[test]
    fn a_file_that_is_gone_may_come_back() {
        let mut followed = Followed::new(5, 1);
        assert!(followed.on_failure() && !followed.on_failure());
        assert_eq!(followed.on_part(&part("6", 6, 1)), seen(Some("can be read again"), true));
        assert!(followed.on_failure());
        let appeared = Some("has appeared; following new file");
        assert_eq!(followed.on_part(&part("", 3, 2)), seen(appeared, false));
        assert_eq!(followed.on_part(&part("new", 3, 2)), seen(None, true));
    }
}
