//! Lanes that end before the transfer does: their frames are left to other lanes, and each file comes whole.

use crate::in_process::lane_on_the_way::{LaneOnTheWay, Tree};
use crate::in_process::receiving_end::{ReceivingEnd, end_of};
use crate::support::content;
use crate::support::joined::JoinedEnds;
use std::io;
use wire::engine::LaneEnd;
use wire::frame::{FrameHead, HEAD_LEN};
use wire::ids::FrameNo;
use wire::limits::{CHUNK_LEN, LANE_PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lane_lost_in_the_middle_of_a_frame_comes_over_another() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let mut lane = LaneOnTheWay::open(&ends, 0);
    let losing = async {
        lane.pass_on(|_, _| {}).await;
        let frame = lane.from_sender.next_frame().await.unwrap();
        lane.to_receiver.send(&frame[..frame.len() / 2]).await;
        let (sending, receiving) = lane.lose();
        let (sent, received) = (end_of(sending).await, end_of(receiving).await);
        assert!(matches!(sent, LaneEnd::Lost(_)), "{sent:?}");
        assert!(is_cut_off(&received), "{received:?}");
        drop(ends.add_lane(1));
    };
    let (ended, ()) = tokio::join!(tree.transfer(&ends), losing);
    tree.check(&ended);
    ends.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_are_lost_one_after_another_cost_nothing() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let losing = async {
        for number in 0..5 {
            let mut lane = LaneOnTheWay::open(&ends, number);
            for _ in 0..number {
                lane.pass_on(|_, _| {}).await;
            }
        }
        drop((ends.add_lane(8), ends.add_lane(9)));
    };
    let (ended, ()) = tokio::join!(tree.transfer(&ends), losing);
    tree.check(&ended);
    ends.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_retires_finishes_its_frame_and_others_do_the_rest() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let lane = ends.add_lane(0);
    let retiring = async {
        while ends.receiving.frames_through() == 0 {
            tokio::task::yield_now().await;
        }
        lane.retire.cancel();
        assert!(matches!(end_of(lane.sending).await, LaneEnd::Closed));
        assert!(matches!(end_of(lane.receiving).await, LaneEnd::Closed));
        drop(ends.add_lane(1));
    };
    let (ended, ()) = tokio::join!(tree.transfer(&ends), retiring);
    tree.check(&ended);
    ends.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_lane_that_was_closed_are_not_sent_again() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let LaneOnTheWay { mut from_sender, mut to_receiver, sending, receiving: _receiving } =
        LaneOnTheWay::open(&ends, 0);
    let closing = async {
        let mut sent = vec![from_sender.next_frame().await.unwrap()];
        from_sender.close();
        while let Some(frame) = from_sender.next_frame().await {
            sent.push(frame);
        }
        assert!(matches!(end_of(sending).await, LaneEnd::Closed));
        let mut other = LaneOnTheWay::open(&ends, 1);
        let numbers: Vec<FrameNo> = sent.iter().map(|frame| number_of(frame)).collect();
        let next = other.from_sender.next_frame().await.unwrap();
        assert!(!numbers.contains(&number_of(&next)), "{next:?}");
        for frame in &sent {
            to_receiver.send(frame).await;
        }
        other.to_receiver.send(&next).await;
        while other.pass_on(|head, _| assert!(!numbers.contains(&head.frame))).await.is_some() {}
    };
    let ended = tokio::select! {
        ended = tree.transfer(&ends) => ended,
        () = closing => panic!("the lane ended"),
    };
    tree.check(&ended);
    ends.close().await;
}

/// Nothing else would end it: no more comes from the other end.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_ends_at_once_if_one_of_its_directions_breaks() {
    for violates in [true, false] {
        let (ends, tree) = (JoinedEnds::new(), Tree::new());
        let mut lane = LaneOnTheWay::open(&ends, 0);
        let breaking = async {
            while ends.sending.lane_bytes() == 0 {
                tokio::task::yield_now().await; // then a frame is being written
            }
            if violates {
                lane.from_sender.send(&[0xff; HEAD_LEN]).await;
            } else {
                lane.from_sender.refuse();
            }
            let ended = tokio::time::timeout(LANE_PATIENCE / 2, lane.sending).await;
            match ended.expect("it ends at once").unwrap() {
                LaneEnd::Violation(_) => assert!(violates),
                LaneEnd::Lost(_) => assert!(!violates),
                LaneEnd::Closed => panic!("it was closed"),
            }
            drop(ends.add_lane(1));
        };
        let (ended, ()) = tokio::join!(tree.transfer(&ends), breaking);
        tree.check(&ended);
        ends.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_was_altered_on_the_way_is_sent_again() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let mut lane = LaneOnTheWay::open(&ends, 0);
    let mut passed: Vec<FrameNo> = Vec::new();
    let altering = async {
        passed.extend(lane.pass_on(|_, frame| *frame.last_mut().unwrap() ^= 1).await);
        while let Some(frame) = lane.pass_on(|_, _| {}).await {
            passed.push(frame);
        }
    };
    let ended = tokio::select! {
        ended = tree.transfer(&ends) => ended,
        () = altering => panic!("the lane ended"),
    };
    tree.check(&ended);
    ends.close().await;
    let first = passed[0];
    assert_eq!(passed.iter().filter(|frame| **frame == first).count(), 2, "{passed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_ends_in_the_middle_of_a_frame_has_lost_it() {
    let end = ReceivingEnd::running().await;
    let frame = end.frames.block(0, "a", Some(CHUNK_LEN as u64), 0, true, &content(1, CHUNK_LEN));
    for len in [1, 63, 64, 1000, frame.len() - 1] {
        for is_closed in [true, false] {
            let (mut lane, ended) = end.lane(1);
            lane.send(&frame[..len]).await;
            if is_closed {
                lane.close();
            }
            drop(lane);
            let ended = end_of(ended).await;
            assert!(is_cut_off(&ended), "{len}: {ended:?}");
        }
    }
    let (mut lane, ended) = end.lane(2);
    lane.close();
    assert!(matches!(end_of(ended).await, LaneEnd::Closed));
}

fn number_of(frame: &[u8]) -> FrameNo {
    FrameHead::decode(frame.first_chunk().unwrap()).unwrap().frame
}

/// True if a lane was lost since it ended in the middle of a frame, or without a close.
fn is_cut_off(end: &LaneEnd) -> bool {
    matches!(end, LaneEnd::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}
