//! A sender that plans deltas, and receivers by hand: what it makes of what they tell, and how much it asks.

use crate::support::content;
use crate::support::memory_lane::lane_by_hand;
use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::budget::Budget;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::{Exchange, NoopObserver, SendJob, TreeSource, run_lane};
use wire::features::Features;
use wire::ids::{JobId, LaneNo};
use wire::limits::{SIGNATURE_REQUESTS_MAX, WINDOW_FRAMES_MAX};
use wire::message::{
    Delta, Held, HeldItem, Message, SignatureAnswer, SignatureRequest, Signatures, WantedSignatures,
};
use wire::net::control::{OutboxMessages, outbox};
use wire::sender::{Asking, Sender};
use wire::store::LocalFolder;

/// A sending end whose receiver is the test.
struct SendingEnd {
    exchange: Arc<Exchange>,
    messages: OutboxMessages,
    over: CancellationToken,
    _folder: TempDir,
}

impl SendingEnd {
    /// Sends some files, which are offered, as by a session with deltas and this round trip.
    fn running(files: usize, delta: Delta, round_trip: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..files {
            fs::write(folder.path().join(number.to_string()), content(number as u64, FILE_LEN)).unwrap();
        }
        let (outbox, messages) = outbox();
        let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
        exchange.agree(Features::KNOWN);
        exchange.saw_round_trip(round_trip);
        let source = TreeSource::new(Arc::new(LocalFolder::open_ambient(folder.path()).unwrap())).unwrap();
        let machine = Sender::new(Checksum::Blake3, WINDOW_FRAMES_MAX, Asking::All);
        let job = SendJob::new(JOB, machine, Arc::new(source), Arc::new(NoopObserver), None);
        let (job, over) = (Arc::new(job.with_deltas(delta)), CancellationToken::new());
        let (sending, ended) = (exchange.clone(), over.clone());
        tokio::spawn(async move { ended.run_until_cancelled(sending.send(job)).await });
        let (lane, mut by_hand) = lane_by_hand(LaneNo(0));
        tokio::spawn(run_lane(lane, exchange.clone(), over.clone(), CancellationToken::new()));
        tokio::spawn(async move { while by_hand.next_frame().await.is_some() {} });
        Self { exchange, messages, over, _folder: folder }
    }

    async fn next(&mut self) -> Message {
        let next = timeout(Duration::from_secs(60), self.messages.recv()).await.expect("a message in time");
        next.expect("a session").envelope.message
    }

    /// Answers an offer: each item will replace an old file.
    fn tell_old(&self, items: usize) -> Result<(), String> {
        let answers = (0..items).flat_map(|_| [HeldItem::Old { len: OLD_LEN }, HeldItem::Nothing]).collect();
        self.tell(Held { answers })
    }

    fn tell(&self, message: impl Into<Message>) -> Result<(), String> {
        self.exchange.handle(Envelope::new(JOB.0, message)).map(drop)
    }
}

impl Drop for SendingEnd {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_of_which_a_near_sender_wants_nothing_is_no_violation() {
    for (delta, round_trip, is_allowed) in [
        (Delta::Auto, Duration::from_micros(100), true),
        (Delta::Auto, Duration::from_millis(5), true),
        (Delta::Always, Duration::from_micros(100), true),
        (Delta::Never, Duration::from_millis(5), false),
    ] {
        let mut end = SendingEnd::running(1, delta, round_trip);
        let Message::Offer(offer) = end.next().await else { panic!("it is offered first") };
        let told = end.tell_old(offer.items.len());
        assert_eq!(told.is_ok(), is_allowed, "{delta:?} {round_trip:?}: {told:?}");
    }
}

/// The plan of a file may be finished while requests for its signatures are not answered.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_signatures_are_asked_for_than_a_receiver_keeps_requests() {
    let mut end = SendingEnd::running(FILES, Delta::Always, Duration::from_millis(5));
    let (mut unanswered, mut begun) = (VecDeque::new(), 0);
    while begun < FILES {
        let Ok(message) = timeout(QUIET, end.messages.recv()).await else {
            let file = unanswered.pop_front().expect("it waits for an answer");
            end.tell(Signatures { file, answer: SignatureAnswer::None }).unwrap();
            continue;
        };
        match message.expect("a session").envelope.message {
            Message::Offer(offer) => end.tell_old(offer.items.len()).unwrap(),
            Message::SignatureRequest(SignatureRequest { file, wanted: WantedSignatures::First { .. } }) => {
                begun += 1;
                assert!(unanswered.len() < SIGNATURE_REQUESTS_MAX, "{} are not answered", unanswered.len());
                // One long hole, which has nothing of the new file; others are said to follow.
                let pieces = [&[0; 4][..], &(16_u64 << 20).to_le_bytes()].concat();
                let answer = SignatureAnswer::First { len: OLD_LEN, key: [0; 32], pieces, more: true };
                end.tell(Signatures { file, answer }).unwrap();
            }
            Message::SignatureRequest(SignatureRequest { file, .. }) => {
                unanswered.push_back(file);
                assert!(unanswered.len() <= SIGNATURE_REQUESTS_MAX, "{} are not answered", unanswered.len());
            }
            Message::End(_) | Message::Totals(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

const JOB: JobId = JobId(7);
const FILES: usize = 7;
const FILE_LEN: usize = 3 << 19;
const OLD_LEN: u64 = 1 << 30;
/// So long nothing more is said.
const QUIET: Duration = Duration::from_millis(300);
