//! The real sending and receiving engines, joined in this process: two lanes over loopback sockets, and directly forwarded
//! control messages.

use rustls::ConnectionTrafficSecrets;
use rustls::crypto::cipher::{AeadKey, Iv};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use wire::budget::Budget;
use wire::checksum::Checksum;
use wire::disk::Disk;
use wire::engine::{Exchange, JobObserver, ReceiveJob, SendJob, SettledItem, Sink, Source, run_lane};
use wire::ids::{JobId, LaneNo};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::Totals;
use wire::net::control::{OutboxMessages, outbox};
use wire::receiver::Receiver;
use wire::sender::{Asking, Sender};
use wire::transport::tls_tcp::TlsLane;
use wire::transport::tls_tcp::record::{Opener, Sealer};
use wire::{Failure, RemotePath};

/// The result of a transfer.
pub(crate) struct Ended {
    pub(crate) sender: Result<(), Failure>,
    pub(crate) receiver: Result<(), Failure>,
    /// The result of each item, as reported to the sender.
    pub(crate) told: BTreeMap<String, Result<(), Failure>>,
}

/// Sends all of `source` to `sink`, after offering `asking` of it. Calls `on_told` with each path reported to the sender.
pub(crate) async fn transfer(
    source: Arc<dyn Source>,
    sink: Box<dyn Sink>,
    asking: Asking,
    on_told: impl Fn(&str) + Send + Sync + 'static,
) -> Ended {
    let (sending_outbox, from_sender) = outbox();
    let (receiving_outbox, from_receiver) = outbox();
    let exchange = |outbox| Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
    let (sending, receiving) = (exchange(sending_outbox), exchange(receiving_outbox));
    let over = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..LANES {
        let (one, other) = lanes(number).await;
        for (lane, exchange) in [(one, &sending), (other, &receiving)] {
            let (exchange, over) = (exchange.clone(), over.clone());
            tasks.spawn(async move { drop(run_lane(lane, exchange, over, CancellationToken::new()).await) });
        }
    }
    tasks.spawn(pass_on(from_sender, receiving.clone(), over.clone()));
    tasks.spawn(pass_on(from_receiver, sending.clone(), over.clone()));
    let told = Arc::new(Told { told: Mutex::default(), on_told: Box::new(on_told) });
    let receive = Arc::new(ReceiveJob::new(
        JobId(JOB),
        Receiver::new(Checksum::Blake3, WINDOW_FRAMES_MAX),
        sink,
        Arc::new(wire::engine::NoopObserver),
    ));
    let machine = Sender::new(Checksum::Blake3, WINDOW_FRAMES_MAX, asking);
    let send = Arc::new(SendJob::new(JobId(JOB), machine, source, told.clone(), None));
    let (sender, receiver) = tokio::time::timeout(PATIENCE, async {
        // The receiver starts first: an offer without a receiver is dropped.
        let (receiver, sender) = tokio::join!(biased; receiving.receive(receive), sending.send(send));
        (sender, receiver)
    })
    .await
    .expect("the transfer ends");
    over.cancel();
    while tasks.join_next().await.is_some() {}
    let told = std::mem::take(&mut *told.told.lock().unwrap());
    Ended { sender, receiver, told }
}

async fn pass_on(mut messages: OutboxMessages, to: Arc<Exchange>, over: CancellationToken) {
    while let Some(Some(outgoing)) = over.run_until_cancelled(messages.recv()).await {
        assert!(to.handle(outgoing.envelope).expect("no violation").is_none());
    }
}

async fn lanes(number: u16) -> (TlsLane, TlsLane) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
    (lane(number, one.unwrap(), [1, 2]), lane(number, other.unwrap().0, [2, 1]))
}

fn lane(number: u16, socket: TcpStream, [tx, rx]: [u8; 2]) -> TlsLane {
    socket.set_nodelay(true).unwrap();
    let secrets = |seed: u8| {
        let key = AeadKey::from([seed; 32]);
        (0, ConnectionTrafficSecrets::Aes256Gcm { key, iv: Iv::from([seed; 12]) })
    };
    TlsLane {
        number: LaneNo(number),
        socket: Arc::new(socket),
        sealer: Sealer::new(secrets(tx)).unwrap(),
        opener: Opener::new(secrets(rx)).unwrap(),
    }
}

struct Told {
    told: Mutex<BTreeMap<String, Result<(), Failure>>>,
    on_told: Box<dyn Fn(&str) + Send + Sync>,
}

impl JobObserver for Told {
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn already_there(&self, _: Option<&RemotePath>, _: u64) {}
    fn settled(&self, item: &SettledItem<'_>) {
        let path = String::from_utf8_lossy(item.path.as_bytes()).into_owned();
        (self.on_told)(&path);
        let before = self.told.lock().unwrap().insert(path, item.failure.cloned().map_or(Ok(()), Err));
        assert!(before.is_none(), "{} was settled twice", item.path);
    }
    fn totals(&self, _: Totals) {}
}

const LANES: u16 = 2;
const JOB: u32 = 7;
const PATIENCE: Duration = Duration::from_secs(60);
