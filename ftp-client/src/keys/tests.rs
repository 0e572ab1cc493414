//! Keys against OpenSSH's own tools, where they are installed, and against the protocol's example.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use wire::checksum::Digest;
use wire::login::Channel;

/// A folder with a key of OpenSSH's making; nothing where that is not installed.
fn made(arguments: &[&str]) -> Option<(TempDir, PathBuf)> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "a comment", "-f"]).arg(&path).args(arguments);
    match command.stdin(Stdio::null()).status() {
        Ok(status) => assert!(status.success(), "{command:?}"),
        Err(_) => {
            println!("skipped: ssh-keygen is not installed");
            return None;
        }
    }
    Some((folder, path))
}

fn opened(path: &Path) -> SshKey {
    match KeyFile::read(path).unwrap() {
        KeyFile::Open(key) => key,
        KeyFile::Locked(_) | KeyFile::Public(_) => panic!("not a key that can sign"),
    }
}

fn error(path: &Path) -> String {
    KeyFile::read(path).err().expect("an error").to_string()
}

/// The verdict of OpenSSH on a proof.
fn verifies(folder: &Path, key: &Path, message: &[u8], proof: &[u8]) -> bool {
    let armored = SshSig::decode_bytes(proof).to_pem(ssh_key::LineEnding::LF).unwrap();
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    fs::write(folder.join("signature"), armored).unwrap();
    fs::write(folder.join("signers"), format!("alice {public}")).unwrap();
    fs::write(folder.join("message"), message).unwrap();
    let message = fs::File::open(folder.join("message")).unwrap();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-I", "alice", "-n", NAMESPACE, "-f", "signers", "-s", "signature"]);
    let ran = command.current_dir(folder).stdin(message).output().unwrap();
    ran.status.success()
}

trait DecodeBytes {
    fn decode_bytes(bytes: &[u8]) -> SshSig;
}

impl DecodeBytes for SshSig {
    fn decode_bytes(mut bytes: &[u8]) -> SshSig {
        ssh_encoding::Decode::decode(&mut bytes).unwrap()
    }
}

#[test]
fn the_proof_of_the_protocols_example_is_what_openssh_made() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, include_str!("../../../fixtures/keys/id_ed25519")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let counting = |first: u8| std::array::from_fn(|index| first + u8::try_from(index).unwrap());
    let channel = Channel { exported: counting(0x60), server_key: Digest(counting(0x80)) };
    let proof = opened(&path).prove(&channel.message("alice")).unwrap();
    let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
    let example: String = include_str!("../../../fixtures/golden/vector-login-key.hex")
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    assert!(example.ends_with(&hex), "{hex}");
}

#[test]
fn openssh_verifies_what_any_kind_of_key_signs() {
    for kind in [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "ecdsa", "-b", "521"],
    ] {
        let Some((folder, path)) = made(&[kind, &["-N", ""]].concat()) else { return };
        let key = opened(&path);
        let proof = key.prove(b"a message").unwrap();
        assert!(proof.len() <= wire::limits::KEY_PROOF_LEN_MAX, "{kind:?}");
        assert!(verifies(folder.path(), &path, b"a message", &proof), "{kind:?}");
        assert!(!verifies(folder.path(), &path, b"another message", &proof), "{kind:?}");
    }
}

/// One ECDSA key in 256 begins with a zero, which OpenSSH does not write.
#[test]
fn ecdsa_keys_of_any_length_are_read() {
    for _ in 0..8 {
        let Some((_folder, path)) = made(&["-t", "ecdsa", "-b", "521", "-N", ""]) else { return };
        opened(&path); // of these it is every second one
    }
}

#[test]
fn a_key_under_a_passphrase_opens_with_that_one_only() {
    for cipher in ["aes256-ctr", "aes256-cbc", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let Some((folder, path)) = made(&["-t", "ed25519", "-N", "open sesame", "-Z", cipher, "-a", "2"])
        else {
            return;
        };
        let KeyFile::Locked(file) = KeyFile::read(&path).unwrap() else { panic!("it is locked") };
        assert!(file.open("open barley").is_none() && file.open("").is_none(), "{cipher}");
        let key = file.open("open sesame").unwrap();
        assert!(key.is(&file.public()));
        assert!(verifies(folder.path(), &path, b"m", &key.prove(b"m").unwrap()), "{cipher}");
    }
}

#[test]
fn a_file_that_is_of_no_use_says_why() {
    let Some((folder, path)) = made(&["-t", "ed25519", "-N", ""]) else { return };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(error(&path).contains("chmod go= "), "{}", error(&path));
    assert!(matches!(KeyFile::read(&path.with_extension("pub")), Ok(KeyFile::Public(_))));

    let rsa = folder.path().join("rsa");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"]).arg(&rsa).status();
    assert!(made.unwrap().success());
    for path in [rsa.clone(), rsa.with_extension("pub")] {
        assert!(error(&path).contains("RSA") && error(&path).contains("ed25519"), "{}", error(&path));
    }
    let pem = folder.path().join("pem");
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f"]).arg(&pem);
    assert!(command.status().unwrap().success());
    assert!(error(&pem).contains("ssh-keygen -p -f"), "{}", error(&pem));

    let text = fs::read_to_string(rsa).unwrap();
    for junk in ["", "hello", &text[..text.len() / 2]] {
        fs::write(&path, junk).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(KeyFile::read(&path).err().map(|error| error.exit_code()), Some(2), "{junk:?}");
    }
}
