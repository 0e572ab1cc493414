//! A hand-made server, which can do everything that the protocol forbids: real TLS, then arbitrary messages and frames, to the
//! real client. In every case the client must end in time, in little memory, and with no changes outside its target.

use crate::support::fake_client::{HandLane, raw_frame};
use crate::support::picture;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::world::{World, signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use wire::Access;
use wire::checksum::Digest;
use wire::control::Envelope;
use wire::features::Features;
use wire::message::{Message, Ping, Pong, Welcome};
use wire::net::control::{Incoming, MessageReader, send, split};
use wire::transport::Connection;
use wire::transport::tls_tcp::{TlsConnection, tls};

/// A world without a real server, the hand-made one, and files that the client must not touch.
pub(crate) struct Against {
    pub(crate) world: World,
    listener: Arc<TcpListener>,
    acceptor: TlsAcceptor,
    url: String,
    before: BTreeMap<PathBuf, String>,
}

/// The result of a client's run against a hand-made server.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
}

/// The hand-made server's side of one session.
pub(crate) struct Peer {
    receiver: MessageReader<ReadHalf<TlsConnection>>,
    writer: WriteHalf<TlsConnection>,
    lanes: mpsc::Receiver<HandLane>,
}

/// Peak memory allowed for a client, whatever a server sends: twice what an honest transfer takes.
pub(crate) const MEMORY_MAX_KIB: u64 = 96 * 1024;
/// Longest run of a client against a server that sends something.
const DEADLINE: Duration = Duration::from_secs(60);

/// An honest server's `Welcome`.
pub(crate) fn welcome() -> Welcome {
    Welcome {
        agent: "by hand".into(),
        features: Features::default(),
        user: "tester".into(),
        access: Access::Full,
        lanes_max: 4,
        jobs_max: 8,
        memory: wire::limits::SESSION_MEMORY_MAX as u64,
        window: 64,
    }
}

impl Against {
    pub(crate) async fn new() -> Self {
        Self::choosing(None).await
    }

    /// A server that accepts these protocols, or, like rustls, any client without one if the list is empty; `None` for those of
    /// a real server.
    pub(crate) async fn choosing(protocols: Option<&[&[u8]]>) -> Self {
        let world = World::empty();
        let top = world.root().parent().unwrap().to_owned();
        fs::create_dir_all(top.join("outside/deep")).unwrap();
        for canary in ["outside/canary", "outside/deep/canary", "local/canary"] {
            fs::write(top.join(canary), "sings").unwrap();
        }
        fs::create_dir(world.local().join("target")).unwrap();
        let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der()));
        let certificate = identity.cert.der().clone();
        let pin = crate::support::hex(&tls::key_fingerprint(&certificate).unwrap().0);
        let mut config = tls::server_config(vec![certificate], key).unwrap();
        if let Some(protocols) = protocols {
            let mut other = config.as_ref().clone();
            other.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            config = Arc::new(other);
        }
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("ftpx://tester@{}/x?pin=sha256:{pin}", listener.local_addr().unwrap());
        let mut against =
            Self { world, listener, acceptor: TlsAcceptor::from(config), url, before: BTreeMap::new() };
        against.before = against.surroundings();
        against
    }

    /// Runs the client against a server with which it must not speak beyond the handshake; returns the result, and the bytes it
    /// sent.
    pub(crate) async fn run_unspoken(&self, arguments: &[&str]) -> (Outcome, Vec<u8>) {
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("URL", &self.url)).collect();
        let mut command = self.world.client_command(arguments);
        let begin = Instant::now();
        let running = tokio::task::spawn_blocking(move || command.output().expect("ftp-client runs"));
        let (socket, _) = timeout(DEADLINE, self.listener.accept()).await.expect("a client").unwrap();
        let mut said = Vec::new();
        if let Ok(mut stream) = self.acceptor.accept(socket).await {
            let reading = timeout(DEADLINE, stream.read_to_end(&mut said)).await;
            let _ = reading.expect("the client closes the connection"); // an error is an end too
        }
        let output = timeout(DEADLINE, running).await.expect("the client's end").unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let (code, stdout) = (output.status.code(), output.stdout);
        (Outcome { code, stdout, stderr, elapsed: begin.elapsed() }, said)
    }

    /// Runs the client, with `URL` for the server's address, while the server follows `script`. Ends the client if that takes
    /// too long, and checks the rules for every case.
    pub(crate) async fn run(&self, arguments: &[&str], script: impl AsyncFnOnce(&mut Peer)) -> Outcome {
        let arguments = arguments.iter().map(|argument| argument.replace("URL", &self.url));
        let arguments = arguments.chain(["--retry=0".to_owned()]); // there is only one session to break
        let top = self.world.root().parent().unwrap().to_owned();
        let mut command = self.world.client_command(arguments);
        let (stdout, stderr) = (top.join("stdout"), top.join("stderr"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let begin = Instant::now();
        let mut client = command.stdin(Stdio::null()).spawn().expect("ftp-client runs");
        let id = client.id();
        let peak = std::thread::spawn(move || peak_kib(id));
        let ending = tokio::task::spawn_blocking(move || client.wait().expect("the client's end"));
        let serving = async {
            let mut peer = self.accept().await;
            script(&mut peer).await;
            // Remaining input is read, so that our last messages are not lost when the connection is closed.
            while peer.next().await.is_some() {}
        };
        let ended = timeout(DEADLINE, async {
            tokio::pin!(ending);
            tokio::select! {
                ended = &mut ending => ended,
                () = serving => ending.await,
            }
        });
        let read = || {
            (fs::read(&stdout).unwrap(), String::from_utf8_lossy(&fs::read(&stderr).unwrap()).into_owned())
        };
        let Ok(ended) = ended.await else {
            signal(id, "KILL");
            panic!("the client hangs: {command:?}: {}", read().1);
        };
        let ended = ended.unwrap();
        let (stdout, stderr) = read();
        let outcome = Outcome { code: ended.code(), stdout, stderr, elapsed: begin.elapsed() };
        self.check(&outcome, peak.join().unwrap());
        outcome
    }

    /// The URL of a path of the server.
    pub(crate) fn url_of(&self, path: &str) -> String {
        self.url.replace("/x?", &format!("/{path}?"))
    }

    /// The folder that the client may write to.
    pub(crate) fn target(&self) -> PathBuf {
        self.world.local().join("target")
    }

    fn check(&self, outcome: &Outcome, peak_kib: u64) {
        let Outcome { code, stderr, stdout, .. } = outcome;
        assert!(code.is_some() && *code != Some(101) && !stderr.contains("panicked"), "{code:?}: {stderr}");
        assert!(peak_kib < MEMORY_MAX_KIB, "{peak_kib} KiB: {stderr}");
        assert!(self.surroundings() == self.before, "something outside the target changed: {stderr}");
        assert_eq!(crate::support::leftovers(&self.target()), Vec::<PathBuf>::new(), "{stderr}");
        for text in [stderr.as_bytes(), stdout] {
            let shown = String::from_utf8_lossy(text);
            assert!(
                !text.iter().any(|byte| *byte == 0x1b || *byte == 7),
                "escape sequences reach the terminal: {shown}"
            );
        }
        assert!(stderr.len() < 64 * 1024, "{} bytes of messages", stderr.len());
    }

    /// Everything except the target and the client's output.
    fn surroundings(&self) -> BTreeMap<PathBuf, String> {
        let mut picture = picture(self.world.root().parent().unwrap());
        // The folders whose content may change get another time.
        picture.retain(|path, _| !path.starts_with("local/target") && path.as_os_str() != "local");
        picture.retain(|path, _| !path.starts_with(".local")); // where the client keeps resume records
        for ours in ["stdout", "stderr"] {
            picture.remove(std::path::Path::new(ours));
        }
        picture
    }

    /// Accepts the control connection and, from then on, lanes. The login is not answered yet.
    async fn accept(&self) -> Peer {
        let (lane_sender, lanes) = mpsc::channel(64);
        let first = handshake(&self.listener, &self.acceptor).await;
        let (listener, acceptor) = (self.listener.clone(), self.acceptor.clone());
        tokio::spawn(async move {
            loop {
                // Ends with the session, after which lanes are no longer accepted.
                let mut connection = tokio::select! {
                    connection = handshake(&listener, &acceptor) => connection,
                    () = lane_sender.closed() => return,
                };
                let mut receiver = MessageReader::new(&mut connection);
                let hello = receiver.next().await;
                if let Ok(Incoming::Message(Envelope { message: Message::LaneHello(hello), .. })) = hello {
                    let _ = lane_sender.send(HandLane::of(hello.lane.0, connection)).await; // the session may be over
                }
            }
        });
        let (receiver, writer) = split(first);
        let mut peer = Peer { receiver, writer, lanes };
        let login = peer.next().await.expect("a login");
        assert!(matches!(login.message, Message::Login(_)) && login.request == 1, "{login:?}");
        peer
    }
}

async fn handshake(listener: &TcpListener, acceptor: &TlsAcceptor) -> TlsConnection {
    loop {
        let (socket, _): (TcpStream, _) = listener.accept().await.unwrap();
        if let Ok(mut connection) = TlsConnection::accept(acceptor, Digest::default(), socket).await {
            connection.become_control();
            return connection;
        }
    }
}

/// Returns the peak memory of a process at its end. The system's figure for a child (`wait4`) is useless: it includes the
/// parent before the `exec`.
fn peak_kib(process: u32) -> u64 {
    let mut peak = 0;
    // A process that has ended has no such line.
    while let Some(kib) = status_kib(process, "VmHWM:") {
        peak = kib;
        std::thread::sleep(Duration::from_millis(2)); // between two looks
    }
    peak
}

/// Returns a line of a process's status, in KiB. None for a process that was just spawned: for a moment it may still be this
/// program, with all of its memory.
pub(crate) fn status_kib(process: u32, line: &str) -> Option<u64> {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    if !name.starts_with("ftp-") {
        return Some(0);
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let found = status.lines().find(|found| found.starts_with(line))?;
    found.split_whitespace().nth(1)?.parse().ok()
}

impl Peer {
    /// Accepts the client's login.
    pub(crate) async fn welcome(&mut self) {
        self.send(1, welcome()).await;
    }

    /// Accepts the client's login, and waits for its first request.
    pub(crate) async fn request(&mut self) -> Envelope {
        self.welcome().await;
        self.next().await.expect("a request")
    }

    /// Sends a message. The client may have gone.
    pub(crate) async fn send(&mut self, request: u32, message: impl Into<Message>) {
        let _ = send(&mut self.writer, &Envelope::new(request, message)).await;
    }

    /// Sends a message that is not the last answer.
    pub(crate) async fn send_more(&mut self, request: u32, message: impl Into<Message>) {
        let _ = send(&mut self.writer, &Envelope { request, more: true, message: message.into() }).await;
    }

    /// Sends a frame with an arbitrary header.
    pub(crate) async fn send_raw(&mut self, len: u32, kind: u16, flags: u16, request: u32, body: &[u8]) {
        self.send_bytes(&raw_frame(len, kind, flags, request, body)).await;
    }

    /// Sends bytes.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.writer.write_all(bytes).await;
        let _ = self.writer.flush().await;
    }

    /// Closes the connection, so that a client does not wait for more.
    pub(crate) async fn close(&mut self) {
        let _ = self.writer.shutdown().await;
    }

    /// Returns the next message other than a `Ping`; `None` once the client has gone.
    pub(crate) async fn next(&mut self) -> Option<Envelope> {
        loop {
            match self.receiver.next().await {
                Ok(Incoming::Message(envelope)) if envelope.message == Message::Ping(Ping) => {
                    self.send(envelope.request, Pong).await;
                }
                Ok(Incoming::Message(envelope)) => return Some(envelope),
                Ok(Incoming::Unknown { kind, .. }) => panic!("kind {kind}"),
                Ok(Incoming::Closed) | Err(_) => return None,
            }
        }
    }

    /// Returns a lane that the client opened.
    pub(crate) async fn lane(&mut self) -> HandLane {
        self.lanes.recv().await.expect("a lane")
    }
}

impl Outcome {
    /// Checks the exit code, and that the client's output contains one of these words.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, words: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{words}: {}", self.stderr);
        assert!(self.stderr.contains(words), "{words:?} is not in: {}", self.stderr);
        self
    }
}
