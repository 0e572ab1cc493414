//! A lane between two real engines whose bytes go through the test, and a tree to be sent over it.

use crate::support::joined::{Ended, JoinedEnds, OPTIONS};
use crate::support::memory_lane::{HandLane, lane_by_hand};
use crate::support::{assert_same, content};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::Failure;
use wire::engine::{LaneEnd, TreeSource};
use wire::frame::FrameHead;
use wire::ids::{FrameNo, LaneNo};
use wire::limits::CHUNK_LEN;
use wire::sender::Asking;
use wire::store::{Base, FolderCache, LocalFolder, TreeSink, TreeSinkOptions};

/// A lane whose bytes go through the test.
pub(crate) struct LaneOnTheWay {
    pub(crate) from_sender: HandLane,
    pub(crate) to_receiver: HandLane,
    pub(crate) sending: JoinHandle<LaneEnd>,
    pub(crate) receiving: JoinHandle<LaneEnd>,
}

impl LaneOnTheWay {
    /// Opens it between the ends.
    pub(crate) fn open(ends: &JoinedEnds, number: u16) -> Self {
        let ((one, from_sender), (other, to_receiver)) =
            (lane_by_hand(LaneNo(number)), lane_by_hand(LaneNo(number)));
        let never = CancellationToken::new();
        let sending = ends.run(one, &ends.sending, &never);
        let receiving = ends.run(other, &ends.receiving, &never);
        Self { from_sender, to_receiver, sending, receiving }
    }

    /// Loses the lane; returns how its two ends end.
    pub(crate) fn lose(self) -> (JoinHandle<LaneEnd>, JoinHandle<LaneEnd>) {
        (self.sending, self.receiving)
    }

    /// Passes a frame on, whose head `alter` sees and whose bytes it may alter. Returns its number, or `None` if the sender has
    /// ended the lane.
    pub(crate) async fn pass_on(&mut self, alter: impl FnOnce(&FrameHead, &mut Vec<u8>)) -> Option<FrameNo> {
        let mut frame = self.from_sender.next_frame().await?;
        let head = FrameHead::decode(frame.first_chunk().unwrap()).unwrap();
        alter(&head, &mut frame);
        self.to_receiver.send(&frame).await;
        Some(head.frame)
    }
}

/// A tree to send, and a folder for it.
pub(crate) struct Tree {
    folder: TempDir,
}

impl Tree {
    /// A large file, and many small ones.
    pub(crate) fn new() -> Self {
        Self::of(content)
    }

    /// The same, with other content, by a seed and a length.
    pub(crate) fn of(content: impl Fn(u64, usize) -> Vec<u8>) -> Self {
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

    /// Transfers the tree.
    pub(crate) async fn transfer(&self, ends: &JoinedEnds) -> Ended {
        let folder = |name| Arc::new(LocalFolder::open_ambient(&self.path(name)).unwrap());
        let source = TreeSource::new(folder("source")).unwrap();
        let options = TreeSinkOptions { sparse: false, ..OPTIONS };
        let sink = TreeSink::new(Base::Folder(FolderCache::new(folder("target"))), options);
        ends.transfer(Arc::new(source), Box::new(sink), Asking::Never, |_| {}).await
    }

    /// Checks that all of it has arrived.
    pub(crate) fn check(&self, ended: &Ended) {
        assert!(ended.sender.is_ok() && ended.receiver.is_ok(), "{:?} {:?}", ended.sender, ended.receiver);
        let failed: Vec<&Failure> = ended.told.values().filter_map(|told| told.as_ref().err()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        assert_same(&self.path("source"), &self.path("target"));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
