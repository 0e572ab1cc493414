//! Lists that are cut so that each part fits a request.

use wire::limits::BATCH_CHANGES_MAX;

/// Cuts a list so that each part fits a message.
pub(crate) fn portions<T>(items: Vec<T>, len: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut portions: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for item in items {
        let item_len = ITEM_LEN + len(&item);
        match portions.last_mut() {
            Some(portion) if room >= item_len && portion.len() < BATCH_CHANGES_MAX => portion.push(item),
            _ => {
                portions.push(vec![item]);
                room = PORTION_LEN;
            }
        }
        room = room.saturating_sub(item_len);
    }
    portions
}

/// More than the numbers and lengths of any change take.
pub(crate) const ITEM_LEN: usize = 64;
/// Half of what a message may hold.
const PORTION_LEN: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_fit_a_message() {
        let lens =
            |items: Vec<usize>| -> Vec<usize> { portions(items, |len| *len).iter().map(Vec::len).collect() };
        assert_eq!(lens(vec![]), [0_usize; 0]);
        assert_eq!(lens(vec![1; 3000]), [1024, 1024, 952]);
        assert_eq!(lens(vec![200 * 1024; 5]), [2, 2, 1]);
        assert_eq!(lens(vec![1, 900 * 1024, 1]), [1, 1, 1]);
        let half = PORTION_LEN / 2 - ITEM_LEN;
        assert_eq!((lens(vec![half; 2]), lens(vec![half, half + 1])), (vec![2], vec![1, 1]));
    }
}
