//! A hand-made client, which can do everything that the protocol forbids: real TLS, then arbitrary bytes.

use crate::support::PATIENCE;
use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tests::world::{PASSWORD, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wire::binding::{SessionId, SessionSecret};
use wire::control::Envelope;
use wire::features::Features;
use wire::frame::{FrameHead, HEAD_LEN};
use wire::ids::LaneNo;
use wire::message::{LaneHello, Login, LoginRequest, Message, Ping, Pong};
use wire::net::control::{Incoming, MessageReader, send, split};
use wire::transport::Connection;
use wire::transport::tls_tcp::record::{
    OpenedRecord, Opener, RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_OVERHEAD, Sealer, record_len,
};
use wire::transport::tls_tcp::{Socket, TlsConnection, TlsLane, tls};

/// A session opened by hand.
pub(crate) struct Session {
    receiver: MessageReader<ReadHalf<TlsConnection>>,
    writer: WriteHalf<TlsConnection>,
    pub(crate) id: SessionId,
    pub(crate) secret: SessionSecret,
    pub(crate) address: SocketAddr,
    /// This end's address, as shown in the server's log.
    pub(crate) own: SocketAddr,
}

/// A lane opened by hand.
pub(crate) struct HandLane {
    socket: Arc<Socket>,
    sealer: Sealer,
    opener: Opener,
}

/// Opens a TLS connection without sending a message; returns it with its own address.
pub(crate) async fn connect(address: SocketAddr) -> (TlsConnection, SocketAddr) {
    connect_from(address.ip(), address).await
}

/// The same, from an address that the test chooses: all of 127.0.0.0/8 belong to this machine, and are different peers.
pub(crate) async fn connect_from(own: IpAddr, address: SocketAddr) -> (TlsConnection, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(own, 0)).unwrap();
    let socket = socket.connect(address).await.unwrap();
    let own = socket.local_addr().unwrap();
    let config = tls::client_config(Arc::new(AnyKey)).unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    (TlsConnection::connect(config, socket, name).await.unwrap(), own)
}

/// Returns the server's answer to a handshake that offers these protocols.
pub(crate) async fn handshake_offering(address: SocketAddr, protocols: &[&[u8]]) -> io::Result<()> {
    let mut config = tls::client_config(Arc::new(AnyKey)).unwrap().as_ref().clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    send(&mut stream, &Envelope::new(1, login("tester", PASSWORD))).await.map_err(io::Error::other)?;
    let answer = timeout(PATIENCE, MessageReader::new(stream).next()).await.expect("an answer");
    match answer.map_err(io::Error::other)? {
        Incoming::Message(envelope) => {
            assert!(matches!(envelope.message, Message::Welcome(_)), "{envelope:?}");
            Ok(())
        }
        Incoming::Unknown { .. } | Incoming::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Returns the login message.
pub(crate) fn login(user: &str, password: &str) -> LoginRequest {
    LoginRequest {
        agent: "by hand".into(),
        features: Features::default(),
        login: Login::Password { user: user.into(), password: password.into() },
    }
}

/// Waits until the peer has closed the connection or cut it; returns the bytes it sent before.
pub(crate) async fn until_closed(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = reading.expect("the server closes the connection"); // an error is an end too
    bytes
}

impl Session {
    /// Logs in as `tester`.
    pub(crate) async fn open(world: &World) -> Self {
        Self::open_as(world, "tester", PASSWORD).await
    }

    /// Logs in as a user.
    pub(crate) async fn open_as(world: &World, user: &str, password: &str) -> Self {
        let address = world.server().address;
        let (mut connection, own) = connect(address).await;
        let (id, secret) = connection.session_binding().unwrap();
        connection.become_control();
        send(&mut connection, &Envelope::new(1, login(user, password))).await.unwrap();
        let (receiver, writer) = split(connection);
        let mut session = Self { receiver, writer, id, secret, address, own };
        let first = session.next().await.expect("an answer to the login");
        assert!(matches!(first.message, Message::Welcome(_)), "{first:?}");
        session
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, request: u32, message: impl Into<Message>) {
        send(&mut self.writer, &Envelope::new(request, message)).await.unwrap();
    }

    /// Sends a message, unless the server has closed the connection.
    pub(crate) async fn send_if_open(&mut self, request: u32, message: impl Into<Message>) {
        let _ = send(&mut self.writer, &Envelope::new(request, message)).await;
    }

    /// Sends a frame with an arbitrary header.
    pub(crate) async fn send_raw(&mut self, len: u32, kind: u16, flags: u16, request: u32, body: &[u8]) {
        let bytes = raw_frame(len, kind, flags, request, body);
        self.writer.write_all(&bytes).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    /// Returns the next message other than a `Ping` of the server; `None` once the connection is closed or cut.
    pub(crate) async fn next(&mut self) -> Option<Envelope> {
        loop {
            match timeout(PATIENCE, self.receiver.next()).await.expect("the server answers") {
                Ok(Incoming::Message(envelope)) if envelope.message == Message::Ping(Ping) => {
                    // A session that is silent for long is ended; one that has ended needs no answer.
                    let _ = send(&mut self.writer, &Envelope::new(envelope.request, Pong)).await;
                }
                Ok(Incoming::Message(envelope)) => return Some(envelope),
                Ok(Incoming::Unknown { kind, .. }) => panic!("kind {kind}"),
                Ok(Incoming::Closed) | Err(_) => return None,
            }
        }
    }

    /// Waits for a `Ping` of the server, and ignores messages before it.
    pub(crate) async fn check_pinged(&mut self) {
        loop {
            let next =
                timeout(PATIENCE, self.receiver.next()).await.expect("the server asks whether it is heard");
            match next.unwrap() {
                Incoming::Message(envelope) if envelope.message == Message::Ping(Ping) => return,
                Incoming::Message(_) | Incoming::Unknown { .. } => {}
                Incoming::Closed => panic!("the session ended"),
            }
        }
    }

    /// Checks that the session still answers.
    pub(crate) async fn check_alive(&mut self) {
        self.send(4_000_000, Ping).await;
        let answer = self.next().await.expect("the session goes on");
        assert_eq!(answer.message, Message::Pong(Pong));
    }

    /// Waits for the session's end, and ignores messages before it.
    pub(crate) async fn check_ended(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Opens a lane that the server must accept.
    pub(crate) async fn lane(&self, number: u16) -> HandLane {
        let (mut connection, exported, _) = lane_connection(self.address).await;
        let proof = self.secret.prove(&self.id, LaneNo(number), &exported);
        let hello = LaneHello { session: self.id, lane: LaneNo(number), proof };
        send(&mut connection, &Envelope::new(0, hello)).await.unwrap();
        HandLane::of(number, connection)
    }
}

/// Opens a connection that is to become a lane; returns it with the value that its proof must cover, and its own address.
pub(crate) async fn lane_connection(address: SocketAddr) -> (TlsConnection, [u8; 32], SocketAddr) {
    let (connection, own) = connect(address).await;
    let exported = connection.lane_binding().unwrap();
    (connection, exported, own)
}

/// A control frame with an arbitrary header.
pub(crate) fn raw_frame(len: u32, kind: u16, flags: u16, request: u32, body: &[u8]) -> Vec<u8> {
    let header = [&len.to_le_bytes()[..], &kind.to_le_bytes(), &flags.to_le_bytes(), &request.to_le_bytes()];
    [&header.concat(), body].concat()
}

impl HandLane {
    pub(crate) fn of(number: u16, connection: TlsConnection) -> Self {
        let TlsLane { socket, sealer, opener, .. } = connection.into_lane(LaneNo(number)).unwrap();
        Self { socket, sealer, opener }
    }

    /// Sends bytes in valid records. The server may have cut the lane already.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        for content in bytes.chunks(RECORD_CONTENT_MAX) {
            let mut record = vec![0; content.len() + RECORD_OVERHEAD];
            record[RECORD_HEADER_LEN..][..content.len()].copy_from_slice(content);
            self.sealer.seal(&mut record, content.len()).unwrap();
            self.send_unsealed(&record).await;
        }
    }

    /// Sends bytes that are not records.
    pub(crate) async fn send_unsealed(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let writing = async {
                self.socket.writable().await?;
                self.socket.try_write(bytes)
            };
            match timeout(PATIENCE, writing).await.expect("the server reads") {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Returns the next frame, and the data that came with it.
    pub(crate) async fn next_frame(&mut self) -> Vec<u8> {
        let (mut sealed, mut plain) = (Vec::new(), Vec::new());
        loop {
            while let Some(len) = record_len(&sealed).unwrap().filter(|len| *len <= sealed.len()) {
                let mut record: Vec<u8> = sealed.drain(..len).collect();
                let OpenedRecord::Data(len) = self.opener.open(&mut record).unwrap() else {
                    panic!("the lane was closed")
                };
                plain.extend_from_slice(&record[RECORD_HEADER_LEN..][..len]);
            }
            if let Some(head) = plain.first_chunk() {
                let FrameHead { extra_len, payload_len, .. } = FrameHead::decode(head).unwrap();
                if plain.len() >= HEAD_LEN + usize::from(extra_len) + payload_len as usize {
                    return plain;
                }
            }
            let mut buffer = [0; 4096];
            timeout(PATIENCE, self.socket.readable()).await.expect("a frame").unwrap();
            match self.socket.try_read(&mut buffer) {
                Ok(0) => panic!("the lane has ended"),
                Ok(len) => sealed.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits until the server has closed or cut the lane.
    pub(crate) async fn check_ended(&self) {
        let reading = async {
            loop {
                let ready = self.socket.readable().await;
                match ready.and_then(|()| self.socket.try_read(&mut [0; 4096])) {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("the server ends the lane");
    }
}

/// Trusts every server, unlike a real client, but checks the handshake's signature.
#[derive(Debug)]
struct AnyKey;

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = tls::crypto().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        tls::crypto().signature_verification_algorithms.supported_schemes()
    }
}
