//! Lanes that end before the transfer does: their frames are left to other lanes, and each file comes whole.

use crate::in_process::receiving_end::{ReceivingEnd, end_of};
use crate::support::joined::{Ended, JoinedEnds, OPTIONS};
use crate::support::memory_lane::{HandLane, lane_by_hand};
use crate::support::{assert_same, content};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::Failure;
use wire::engine::{Base, LaneEnd, TreeSink, TreeSinkOptions, TreeSource};
use wire::frame::FrameHead;
use wire::ids::{FrameNo, LaneNo};
use wire::limits::CHUNK_LEN;
use wire::sender::Asking;
use wire::store::{FolderCache, LocalFolder};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lane_lost_in_the_middle_of_a_frame_comes_over_another() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let mut lane = LaneOnTheWay::open(&ends, 0);
    let losing = async {
        lane.pass_on(|_| {}).await;
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
                lane.pass_on(|_| {}).await;
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
async fn a_frame_that_was_altered_on_the_way_is_sent_again() {
    let (ends, tree) = (JoinedEnds::new(), Tree::new());
    let mut lane = LaneOnTheWay::open(&ends, 0);
    let mut passed: Vec<FrameNo> = Vec::new();
    let altering = async {
        passed.extend(lane.pass_on(|frame| *frame.last_mut().unwrap() ^= 1).await);
        while let Some(frame) = lane.pass_on(|_| {}).await {
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
    let end = ReceivingEnd::running();
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

/// A lane whose bytes go through the test.
struct LaneOnTheWay {
    from_sender: HandLane,
    to_receiver: HandLane,
    sending: JoinHandle<LaneEnd>,
    receiving: JoinHandle<LaneEnd>,
}

impl LaneOnTheWay {
    fn open(ends: &JoinedEnds, number: u16) -> Self {
        let ((one, from_sender), (other, to_receiver)) =
            (lane_by_hand(LaneNo(number)), lane_by_hand(LaneNo(number)));
        let never = CancellationToken::new();
        let sending = ends.run(one, &ends.sending, &never);
        let receiving = ends.run(other, &ends.receiving, &never);
        Self { from_sender, to_receiver, sending, receiving }
    }

    /// Loses the lane; returns how its two ends end.
    fn lose(self) -> (JoinHandle<LaneEnd>, JoinHandle<LaneEnd>) {
        (self.sending, self.receiving)
    }

    /// Passes a frame on, altered by `alter`; returns its number, or `None` if the sender has ended the lane.
    async fn pass_on(&mut self, alter: impl FnOnce(&mut Vec<u8>)) -> Option<FrameNo> {
        let mut frame = self.from_sender.next_frame().await?;
        let head = FrameHead::decode(frame.first_chunk().unwrap()).unwrap();
        alter(&mut frame);
        self.to_receiver.send(&frame).await;
        Some(head.frame)
    }
}

/// A tree to send, and a folder for it.
struct Tree {
    folder: TempDir,
}

impl Tree {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("inner")).unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::write(source.join("large"), content(1, 20 * CHUNK_LEN + 7)).unwrap();
        for number in 0..200 {
            fs::write(source.join(format!("inner/{number}")), content(number, 3000)).unwrap();
        }
        Self { folder }
    }

    async fn transfer(&self, ends: &JoinedEnds) -> Ended {
        let folder = |name| Arc::new(LocalFolder::open_ambient(&self.path(name)).unwrap());
        let source = TreeSource::new(folder("source")).unwrap();
        let options = TreeSinkOptions { sparse: false, ..OPTIONS };
        let sink = TreeSink::new(Base::Folder(FolderCache::new(folder("target"))), options);
        ends.transfer(Arc::new(source), Box::new(sink), Asking::Never, |_| {}).await
    }

    fn check(&self, ended: &Ended) {
        assert!(ended.sender.is_ok() && ended.receiver.is_ok(), "{:?} {:?}", ended.sender, ended.receiver);
        let failed: Vec<&Failure> = ended.told.values().filter_map(|told| told.as_ref().err()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_same(&self.path("source"), &self.path("target"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// True if a lane was lost since it ended in the middle of a frame, or without a close.
fn is_cut_off(end: &LaneEnd) -> bool {
    matches!(end, LaneEnd::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}
