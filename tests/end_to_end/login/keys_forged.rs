//! Invalid logins by key: the signatures are ssh-keygen's own, the messages are made by hand.

use crate::support::fake_client::{connect, until_closed};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tests::world::{World, binaries};
use tokio::runtime::Runtime;
use wire::checksum::Digest;
use wire::control::Envelope;
use wire::features::Features;
use wire::limits::{KEY_PROOF_LEN_MAX, LOGIN_KEYS_MAX};
use wire::login::{Channel, NAMESPACE};
use wire::message::{Login, LoginRequest, Message};
use wire::net::control::{Incoming, MessageReader, send};
use wire::transport::Connection;
use wire::transport::tls_tcp::TlsConnection;
use wire::{Failure, FailureCode};

#[test]
fn a_signature_of_openssh_logs_in_on_its_own_connection_once() {
    let Some(forge) = Forge::new() else { return };
    forge.run(async {
        let (first, second) = (forge.connect().await, forge.connect().await);
        let proof = forge.sign("key", NAMESPACE, &first.channel.message("kim"));
        // A recorded login, replayed on another connection.
        assert_refused(&second.login("kim", vec![proof.clone()]).await);
        let answer = first.login("kim", vec![proof]).await;
        assert!(matches!(&answer, Some(Message::Welcome(welcome)) if welcome.user == "kim"), "{answer:?}");
    });
}

#[test]
fn a_signature_for_anything_else_is_refused() {
    let Some(forge) = Forge::new() else { return };
    forge.run(async {
        for forgery in [
            "other user",
            "other namespace",
            "other key",
            "other server",
            "other exporter",
            "stranger's user",
            "cut",
            "longer",
            "flipped",
            "nothing",
            "armored",
        ] {
            let connection = forge.connect().await;
            let channel = connection.channel.clone();
            let message = channel.message("kim");
            let good = || forge.sign("key", NAMESPACE, &message);
            let proof = match forgery {
                "other user" => forge.sign("key", NAMESPACE, &channel.message("tester")),
                "other namespace" => forge.sign("key", "file", &message),
                "other key" => forge.sign("other", NAMESPACE, &message),
                "other server" => {
                    let channel = Channel { server_key: Digest([7; 32]), ..channel };
                    forge.sign("key", NAMESPACE, &channel.message("kim"))
                }
                "other exporter" => {
                    let channel = Channel { exported: [7; 32], ..channel };
                    forge.sign("key", NAMESPACE, &channel.message("kim"))
                }
                "cut" => good()[..100].to_vec(),
                "longer" => [good(), vec![0]].concat(),
                "flipped" => {
                    let mut proof = good();
                    let last = proof.len() - 1;
                    proof[last] ^= 1;
                    proof
                }
                "nothing" => Vec::new(),
                "armored" => fs::read(forge.world.local().join("message.sig")).unwrap(),
                _ => good(),
            };
            let user = if forgery == "stranger's user" { "nobody" } else { "kim" };
            let answer = connection.login(user, vec![proof]).await;
            assert_eq!(answer, Some(Failure::from(FailureCode::LoginRefused).into()), "{forgery}");
        }
    });
}

#[test]
fn more_proofs_or_longer_ones_than_a_login_may_carry_are_refused_and_bad_ones_spoil_no_good_one() {
    let Some(forge) = Forge::new() else { return };
    forge.run(async {
        for (count, len, welcome) in [
            (LOGIN_KEYS_MAX - 1, 100, true),
            (LOGIN_KEYS_MAX - 1, KEY_PROOF_LEN_MAX, true),
            (LOGIN_KEYS_MAX, 100, false),
            (1, KEY_PROOF_LEN_MAX + 1, false),
        ] {
            let connection = forge.connect().await;
            let mut proofs = vec![vec![b'x'; len]; count];
            proofs.push(forge.sign("key", NAMESPACE, &connection.channel.message("kim")));
            let answer = connection.login("kim", proofs).await;
            assert_eq!(matches!(answer, Some(Message::Welcome(_))), welcome, "{count} of {len}: {answer:?}");
        }
    });
}

/// A world whose user `kim` has a key, which ssh-keygen signs with.
struct Forge {
    world: World,
    address: SocketAddr,
    server_key: Digest,
}

struct Unknown {
    connection: TlsConnection,
    channel: Channel,
}

impl Forge {
    fn new() -> Option<Self> {
        let mut world = World::empty();
        for name in ["key", "other"] {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(world.local().join(name));
            match command.stdin(Stdio::null()).status() {
                Ok(status) => assert!(status.success()),
                Err(_) => {
                    println!("skipped: ssh-keygen is not installed");
                    return None;
                }
            }
        }
        for user in ["kim", "tester"] {
            let mut command = Command::new(&binaries().server);
            command.args(["user", "add", user, "--root"]).arg(world.root()).arg("--state").arg(world.state());
            command.arg("--key").arg(world.local().join(if user == "kim" { "key.pub" } else { "other.pub" }));
            assert!(command.status().unwrap().success());
        }
        world.serve_with("[limits]\nfailed_logins_max = 0\n", &[]); // many forgeries, all of which must be verified
        let hex = world.server().fingerprint.strip_prefix("sha256:").unwrap().to_owned();
        let byte = |index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).unwrap();
        let (address, server_key) = (world.server().address, Digest(std::array::from_fn(byte)));
        Some(Self { world, address, server_key })
    }

    fn run(&self, test: impl Future<Output = ()>) {
        Runtime::new().unwrap().block_on(test);
    }

    async fn connect(&self) -> Unknown {
        let (connection, _) = connect(self.address).await;
        let Channel { exported, .. } = connection.login_channel().unwrap();
        Unknown { connection, channel: Channel { exported, server_key: self.server_key } }
    }

    /// Returns the output of `ssh-keygen -Y sign`, without its armor.
    fn sign(&self, key: &str, namespace: &str, message: &[u8]) -> Vec<u8> {
        let file: PathBuf = self.world.local().join("message");
        let armored = self.world.local().join("message.sig");
        fs::write(&file, message).unwrap();
        let _ = fs::remove_file(&armored); // the first time there is none
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.world.local().join(key))
            .arg(&file);
        assert!(command.stdin(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        let text = fs::read_to_string(armored).unwrap();
        base64(&text.lines().filter(|line| !line.starts_with('-')).collect::<String>())
    }
}

impl Unknown {
    /// Logs in; returns the answer, if there is one.
    async fn login(mut self, user: &str, proofs: Vec<Vec<u8>>) -> Option<Message> {
        let login = Login::Keys { user: user.to_owned(), proofs };
        let request = LoginRequest { agent: "by hand".into(), features: Features::default(), login };
        send(&mut self.connection, &Envelope::new(1, request)).await.unwrap();
        let mut receiver = MessageReader::new(self.connection);
        let Incoming::Message(answer) = receiver.next().await.ok()? else { return None };
        if matches!(answer.message, Message::Failure(_)) {
            until_closed(&mut receiver.into_inner()).await;
        }
        Some(answer.message)
    }
}

fn assert_refused(answer: &Option<Message>) {
    assert_eq!(*answer, Some(Failure::from(FailureCode::LoginRefused).into()));
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter).unwrap() as u32;
        (bits, count) = (bits << 6 | value, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
