//! SIGHUP: the server reloads its configuration, certificate and users, while transfers run; and signals that were ignored at
//! its start.

use crate::support::fake_client::{connect, login};
use crate::support::{content, hex, leftovers, wait_until};
use rustls::pki_types::CertificateDer;
use std::fs;
use std::process::{Child, Command, Stdio};
use tests::world::{PASSWORD, Ran, Server, World, binaries, signal};
use wire::control::Envelope;
use wire::message::{Message, Welcome};
use wire::net::control::{Incoming, MessageReader, send};
use wire::transport::tls_tcp::tls;

fn write_config(world: &World, text: &str) {
    fs::write(world.root().parent().unwrap().join("config.toml"), text).unwrap();
}

fn lines_with(server: &Server, words: &[&str]) -> usize {
    server.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

/// Sends SIGHUP and waits until the server has handled it.
fn hang_up(world: &World) {
    let done = |server: &Server| lines_with(server, &["users", "read again"]);
    let before = done(world.server());
    signal(world.server().id(), "HUP");
    wait_until("the server has reloaded", || done(world.server()) > before);
}

async fn welcome(world: &World) -> Welcome {
    let (mut connection, _) = connect(world.server().address).await;
    send(&mut connection, &Envelope::new(1, login("tester", PASSWORD))).await.unwrap();
    match MessageReader::new(connection).next().await.unwrap() {
        Incoming::Message(Envelope { message: Message::Welcome(welcome), .. }) => welcome,
        other => panic!("{other:?}"),
    }
}

fn upload(world: &World, len: usize, url: &str) -> Child {
    fs::write(world.local().join("large"), content(1, len)).unwrap();
    let mut command = world.client_command(["put", "--limit-rate=2M", "--retry=0", "large", url]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_can_change_names_what_cannot_and_cuts_nothing() {
    let world = World::serving_with("[limits]\nlanes_per_session = 5\n");
    assert_eq!(welcome(&world).await.lanes_max, 5);
    let client = upload(&world, 8_000_000, &world.url("large"));
    write_config(
        &world,
        "listen = \"127.0.0.1:1\"\n[limits]\nlanes_per_session = 7\nconnections = 9\n[log]\nlevel = \"warn\"\n",
    );
    hang_up(&world);
    assert_eq!(welcome(&world).await.lanes_max, 7);
    let fixed = ["WARN", "only after a restart: limits.connections, log.level"];
    assert_eq!(lines_with(world.server(), &fixed), 1, "{}", world.server().log());
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(fs::read(world.root().join("large")).unwrap() == content(1, 8_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_leaves_the_old_one_in_force() {
    let world = World::serving_with("[limits]\nlanes_per_session = 5\n");
    let wrong = [
        ("[limits]\nlanes_per_session = 7\nidle = 1\n", "config.toml:3: "),
        ("root = \"/does/not/exist\"\n[limits]\nlanes_per_session = 7\n", "/does/not/exist"),
        ("[limits]\nlanes_per_session = 7\n[tls]\ncertificate = \"no.pem\"\nkey = \"no.pem\"\n", "no.pem"),
    ];
    for (text, words) in wrong {
        write_config(&world, text);
        hang_up(&world);
        let told = ["ERROR", "the old one stays in force", words];
        assert_eq!(lines_with(world.server(), &told), 1, "{text}: {}", world.server().log());
        assert_eq!(welcome(&world).await.lanes_max, 5, "{text}");
    }
    fs::remove_file(world.root().parent().unwrap().join("config.toml")).unwrap();
    hang_up(&world);
    assert_eq!(welcome(&world).await.lanes_max, 5, "a file that is gone is wrong too");
}

#[test]
fn a_certificate_is_exchanged_while_transfers_run() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let folder = world.root().parent().unwrap().to_owned();
    let renew = || {
        let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(folder.join("key.pem"), identity.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("cert.pem"), identity.cert.pem()).unwrap();
        let certificate: CertificateDer<'static> = identity.cert.der().clone();
        format!("sha256:{}", hex(&tls::key_fingerprint(&certificate).unwrap().0))
    };
    let first = renew();
    world.serve_with("[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n", &[]);
    assert_eq!(world.server().fingerprint, first);
    let client = upload(&world, 8_000_000, &world.url("large"));
    let second = renew();
    hang_up(&world);
    let old = world.url("");
    let new = old.replace(&first, &second);
    assert_eq!(world.client(["ls", &old]).code, Some(4), "another key than the one that is pinned");
    world.check(["ls", &new]);
    assert_eq!(lines_with(world.server(), &["WARN", "another key", &second]), 1, "{}", world.server().log());
    // The lanes of the upload were opened before; it does not depend on the new key.
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    fs::write(folder.join("cert.pem"), "no certificate").unwrap();
    hang_up(&world);
    world.check(["ls", &new]);
    assert_eq!(lines_with(world.server(), &["ERROR", "cert.pem"]), 1, "{}", world.server().log());
}

/// Sessions depend on the users' default root too.
#[test]
fn another_default_root_takes_effect() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let users = world.state().join("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("root")).collect();
    fs::write(&users, without.join("\n")).unwrap();
    let folder = world.root().parent().unwrap().to_owned();
    for name in ["one", "two"] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join(name), "").unwrap();
    }
    world.serve_with("root = \"one\"\n", &[]);
    assert_eq!(world.check(["ls", &world.url("")]).text().trim(), "one");
    write_config(&world, "root = \"two\"\n");
    hang_up(&world);
    assert_eq!(world.check(["ls", &world.url("")]).text().trim(), "two");
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let world = World::empty();
    world.add_user("tester", "full");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' HUP INT; exec \"$0\" serve --listen 127.0.0.1:0 --state \"$1\""]);
    command.arg(&binaries().server).arg(world.state());
    let mut server = Server::start(command, world.local().join("log"));
    for name in ["HUP", "INT", "HUP", "INT"] {
        signal(server.id(), name);
    }
    let url = format!("ftpx://tester@{}/?pin={}", server.address, server.fingerprint);
    world.check(["ls", &url]);
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
    assert!(!server.log().contains("read again"), "{}", server.log());
    assert_eq!(lines_with(&server, &["stopping"]), 1, "{}", server.log());
}
