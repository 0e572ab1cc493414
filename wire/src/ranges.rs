//! Sets of numbers stored as ranges: the frames that are done, the chunks that are there.

use std::collections::BTreeMap;

/// A set of `u64`, as disjoint ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// Begin and end (exclusive) of each range.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// Adds `number`; returns false if it was in already.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) || number == u64::MAX {
            return false;
        }
        let end = self.ranges.remove(&(number + 1)).unwrap_or(number + 1);
        match self.ranges.range_mut(..number).next_back() {
            Some((_, before)) if *before == number => *before = end,
            _ => {
                self.ranges.insert(number, end);
            }
        }
        true
    }

    /// Adds all from `begin` up to `end`; returns false and changes nothing if one of them was in already or the range is
    /// empty.
    pub fn insert_range(&mut self, begin: u64, end: u64) -> bool {
        let overlaps = self.ranges.range(..end).next_back().is_some_and(|(_, other)| *other > begin);
        if begin >= end || overlaps {
            return false;
        }
        let end = self.ranges.remove(&end).unwrap_or(end);
        match self.ranges.range_mut(..begin).next_back() {
            Some((_, before)) if *before == begin => *before = end,
            _ => {
                self.ranges.insert(begin, end);
            }
        }
        true
    }

    /// Returns the smallest number that is in and not below `number`.
    #[must_use]
    pub fn next_from(&self, number: u64) -> Option<u64> {
        if self.contains(number) {
            Some(number)
        } else {
            self.ranges.range(number..).next().map(|(begin, _)| *begin)
        }
    }

    /// True if `number` is in.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Returns the smallest number that is not in.
    #[must_use]
    pub fn first_missing(&self) -> u64 {
        self.ranges.get(&0).copied().unwrap_or(0)
    }

    /// True if no number from `end` on is in.
    #[must_use]
    pub fn ends_below(&self, end: u64) -> bool {
        self.ranges.last_key_value().is_none_or(|(_, last)| *last <= end)
    }

    /// Begin and end (exclusive) of each range, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(begin, end)| (*begin, *end))
    }

    /// Returns the number of ranges.
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// True if the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Numbers at both ends of the type's range, and near each other.
        #[test]
        fn extremes_are_numbers_like_others(
            offsets in proptest::collection::vec((any::<bool>(), 0_u64..40), 0..80),
        ) {
            let (mut ranges, mut set) = (RangeSet::default(), BTreeSet::new());
            for (high, offset) in offsets {
                let number = if high { u64::MAX - 1 - offset } else { offset };
                prop_assert_eq!(ranges.insert(number), set.insert(number));
                prop_assert!(ranges.contains(number) && !ranges.insert(number));
            }
            prop_assert!(!ranges.insert(u64::MAX) && !ranges.contains(u64::MAX));
            let len: u64 = ranges.iter().map(|(begin, end)| end - begin).sum();
            prop_assert_eq!(len, set.len() as u64);
            let listed: Vec<_> = ranges.iter().collect();
            prop_assert!(listed.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch: {:?}", listed);
            prop_assert!(listed.iter().all(|(begin, end)| begin < end));
        }

        #[test]
        fn the_order_of_insertion_does_not_show(mut numbers in proptest::collection::vec(0_u64..200, 0..150)) {
            let of = |numbers: &[u64]| {
                let mut ranges = RangeSet::default();
                for number in numbers {
                    ranges.insert(*number);
                }
                ranges
            };
            let as_drawn = of(&numbers);
            numbers.sort_unstable();
            prop_assert_eq!(&of(&numbers), &as_drawn);
            numbers.reverse();
            prop_assert_eq!(of(&numbers), as_drawn);
        }

        #[test]
        fn ranges_are_numbers_one_after_the_other(drawn in proptest::collection::vec((0_u64..60, 0_u64..9), 0..40)) {
            let (mut ranges, mut set) = (RangeSet::default(), BTreeSet::new());
            for (begin, len) in drawn {
                let new = len > 0 && (begin..begin + len).all(|number| !set.contains(&number));
                prop_assert_eq!(ranges.insert_range(begin, begin + len), new);
                if new {
                    set.extend(begin..begin + len);
                }
                prop_assert_eq!(ranges.next_from(begin), set.range(begin..).next().copied());
            }
            let listed: Vec<u64> = ranges.iter().flat_map(|(begin, end)| begin..end).collect();
            prop_assert_eq!(listed, set.into_iter().collect::<Vec<_>>());
            let listed: Vec<_> = ranges.iter().collect();
            prop_assert!(listed.windows(2).all(|pair| pair[0].1 < pair[1].0), "ranges touch: {:?}", listed);
        }

        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(0_u64..60, 0..120)) {
            let (mut ranges, mut set) = (RangeSet::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
            let listed: Vec<u64> = ranges.iter().flat_map(|(begin, end)| begin..end).collect();
            prop_assert_eq!(&listed, &set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(ranges.first_missing(), (0..).find(|n| !set.contains(n)).unwrap());
            let end = listed.last().map_or(0, |last| last + 1);
            prop_assert!(ranges.ends_below(end) && (end == 0 || !ranges.ends_below(end - 1)));
            let gaps = listed.windows(2).filter(|pair| pair[0] + 1 < pair[1]).count();
            prop_assert_eq!(ranges.range_count(), if listed.is_empty() { 0 } else { gaps + 1 });
        }
    }
}
