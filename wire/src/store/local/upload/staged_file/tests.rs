//! The length of journals.

use super::*;

#[test]
fn a_journal_is_read_as_far_as_two_records_of_each_chunk() {
    let chunk = CHUNK_LEN as u64;
    let records = |size| (journal_len_max(size) - JOURNAL_HEAD_LEN as u64) / JOURNAL_RECORD_LEN as u64;
    assert_eq!([1, chunk, chunk + 1, 3 * chunk].map(records), [2, 2, 4, 6]);
    let whole = JOURNAL_HEAD_LEN + 6 * JOURNAL_RECORD_LEN;
    assert_eq!(journal_len_max(3 * chunk), whole as u64, "and no further");
}
