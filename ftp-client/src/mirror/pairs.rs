//! Merges the streams of both sides into pairs, path by path. Pure: it only knows the order.

use super::side::{SideEntry, TreeSide};
use crate::error::Error;
use std::cmp::Ordering;

/// The entries of both sides at a path; at least one has something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) source: Option<SideEntry>,
    pub(crate) target: Option<SideEntry>,
}

/// Both sides, merged.
pub(crate) struct Pairs<'a> {
    source: Lookahead<'a>,
    target: Lookahead<'a>,
}

/// A side, and what comes next there.
struct Lookahead<'a> {
    side: &'a mut dyn TreeSide,
    next: Option<SideEntry>,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(source: &'a mut dyn TreeSide, target: &'a mut dyn TreeSide) -> Self {
        Self { source: Lookahead::new(source), target: Lookahead::new(target) }
    }

    /// The next pair.
    pub(crate) fn next(&mut self) -> Result<Option<Pair>, Error> {
        let order = match (self.source.peek()?, self.target.peek()?) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(source), Some(target)) => source.path().cmp(target.path()),
        };
        let source = if order.is_le() { self.source.next.take() } else { None };
        let target = if order.is_ge() { self.target.next.take() } else { None };
        Ok(Some(Pair { source, target }))
    }

    /// Skips the entries of the source below the folder of the last pair.
    pub(crate) fn skip_source(&mut self) {
        self.source.skip();
    }

    /// Skips the entries of the target below the folder of the last pair.
    pub(crate) fn skip_target(&mut self) {
        self.target.skip();
    }
}

impl<'a> Lookahead<'a> {
    fn new(side: &'a mut dyn TreeSide) -> Self {
        Self { side, next: None }
    }

    fn peek(&mut self) -> Result<Option<&SideEntry>, Error> {
        if self.next.is_none() {
            self.next = self.side.next()?;
        }
        Ok(self.next.as_ref())
    }

    /// Only while no entry behind the folder was looked at.
    fn skip(&mut self) {
        if self.next.is_none() {
            self.side.skip();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::{ListedSide, entry, paths};

    #[test]
    fn sides_meet_path_by_path() {
        let mut source = ListedSide::new(&["a/", "a/x", "b", "c!"]);
        let mut target = ListedSide::new(&["a/", "a/w", "a!", "b", "d"]);
        let mut pairs = Pairs::new(&mut source, &mut target);
        let mut seen = Vec::new();
        while let Some(pair) = pairs.next().unwrap() {
            seen.push((paths(&pair.source), paths(&pair.target)));
        }
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                (some("a"), some("a")),
                (None, some("a/w")),
                (some("a/x"), None),
                (None, some("a!")),
                (some("b"), some("b")),
                (some("c!"), None),
                (None, some("d")),
            ]
        );
    }

    #[test]
    fn a_skipped_folder_is_not_walked() {
        let mut source = ListedSide::new(&["a/", "a/x", "b"]);
        let mut target = ListedSide::new(&[]);
        let mut pairs = Pairs::new(&mut source, &mut target);
        assert_eq!(pairs.next().unwrap().unwrap().source, Some(SideEntry::Entry(entry("a/"))));
        pairs.skip_source();
        assert_eq!(paths(&pairs.next().unwrap().unwrap().source), Some("b".to_owned()));
    }
}
