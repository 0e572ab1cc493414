//! Whatever the two files are, the runs of a plan are the same in both.

use super::*;
use crate::delta::signer::Signer;
use crate::delta::testing::noise;
use proptest::prelude::*;

/// Plans `new` against `old`; returns the number of bytes that would be sent as literals.
fn literals(old: &Vec<u8>, new: &Vec<u8>, answers_late: bool) -> usize {
    let key = SignatureKey([3; 32]);
    let mut signer = Signer::new(key, old.len() as u64);
    let mut planner = Planner::new(key, new.len() as u64, old.len() as u64);
    let (mut fine, mut frontier, mut copied, mut end_of_last) = (VecDeque::new(), 0, 0, 0);
    while !planner.is_finished() {
        if planner.wants_coarse(0) {
            let window = signer.next_window(old).unwrap();
            planner.add_coarse(&window.pieces, window.more).unwrap();
        }
        planner.cut(new).unwrap();
        while let Some(runs) = planner.next_request() {
            fine.push_back(signer.fine(old, &runs).unwrap().expect("the sender keeps to the rules"));
        }
        if (!answers_late || !planner.can_cut())
            && let Some(signatures) = fine.pop_front()
        {
            planner.add_fine(&signatures, new).unwrap();
        }
        let decided = planner.take();
        assert!(decided.frontier >= frontier, "the frontier moves on");
        frontier = decided.frontier;
        for run in decided.runs {
            let [from, to, len] = [run.old, run.new, run.len].map(|n| usize::try_from(n).unwrap());
            assert!(to >= end_of_last && old[from..from + len] == new[to..to + len], "{run:?}");
            end_of_last = to + len;
            copied += len;
        }
    }
    assert_eq!(frontier, new.len() as u64);
    new.len() - copied
}

#[test]
fn pages_that_changed_are_all_that_is_sent() {
    let old = noise(1, 40 << 20);
    let mut new = old.clone();
    for page in (0..new.len() / 4096).step_by(97) {
        new[page * 4096..][..4096].copy_from_slice(&noise(page as u64, 4096));
    }
    let changed = (new.len() / 4096).div_ceil(97) * 4096;
    for answers_late in [false, true] {
        // Ends of coarse pieces that are shorter than a signed piece are sent with their neighbours.
        let sent = literals(&old, &new, answers_late);
        assert!((changed..changed + changed / 50).contains(&sent), "{sent} of {changed}");
    }
}

#[test]
fn what_was_inserted_is_sent_with_little_around_it() {
    let old = noise(2, 20 << 20);
    let mut new = old.clone();
    for at in (1..20).rev() {
        new.splice(at << 20..at << 20, noise(at as u64, 100));
    }
    assert!(literals(&old, &new, false) < 19 * 8192);
    new.drain(..3_000_001);
    assert!(literals(&old, &new, false) < 20 * 8192);
}

#[test]
fn what_was_appended_is_sent_alone() {
    let old = noise(4, 9_000_000);
    let new = [&old[..], &noise(5, 500_000)].concat();
    assert!(literals(&old, &new, false) < 500_000 + 8192);
}

#[test]
fn equal_blocks_are_no_trouble() {
    let mut old = vec![0; 20 << 20];
    old[7 << 20..8 << 20].copy_from_slice(&noise(6, 1 << 20));
    let mut new = old.clone();
    new.rotate_right(3 << 20);
    new[10 << 20] ^= 1;
    assert!(literals(&old, &new, false) < 1 << 20);
}

#[test]
fn other_content_is_sent_whole_and_none_of_nothing() {
    assert_eq!(literals(&noise(7, 5 << 20), &noise(8, 5 << 20), false), 5 << 20);
    assert_eq!(literals(&vec![], &noise(8, 5000), false), 5000);
    assert_eq!(literals(&noise(8, 5000), &vec![], false), 0);
}

#[test]
fn signatures_that_are_none_are_refused() {
    let mut planner = Planner::new(SignatureKey([3; 32]), 1 << 20, 1 << 20);
    assert!(planner.add_coarse(&[1; 13], true).is_err(), "cut off");
    assert!(planner.add_coarse(&[], true).is_err(), "endless");
    assert!(planner.add_coarse(&[0; 12], true).is_err(), "no bytes");
    assert!(planner.add_coarse(&[1; 12 * 1000], true).is_err(), "beyond the old file");
    assert!(planner.add_fine(&[], &vec![]).is_err(), "not asked for");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_edits_give_true_runs(
        seed in any::<u64>(),
        len in 0..3_000_000_usize,
        edits in proptest::collection::vec((any::<u32>(), 0..200_000_usize, 0..200_000_usize), 0..6),
        answers_late in any::<bool>(),
    ) {
        let old = noise(seed, len);
        let mut new = old.clone();
        for (at, removed, inserted) in edits {
            let at = at as usize % (new.len() + 1);
            let end = new.len().min(at + removed);
            new.splice(at..end, noise(seed ^ at as u64, inserted));
        }
        let literals = literals(&old, &new, answers_late);
        prop_assert!(literals <= new.len());
    }
}
