//! Identities that stay the same, and those that must not be used.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn folder() -> (tempfile::TempDir, StateFolder) {
    let temp = tempfile::tempdir().unwrap();
    let folder = StateFolder::at(temp.path().join("state"));
    (temp, folder)
}

/// Changes the stored identity as an operator or an accident would.
fn edit(folder: &StateFolder, change: impl FnOnce(String) -> String) {
    let path = folder.file(IDENTITY_FILE);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

fn key_part(pem: &str) -> &str {
    &pem[pem.find("-----BEGIN PRIVATE KEY").unwrap()..]
}

fn certificate_part(pem: &str) -> &str {
    &pem[..pem.find("-----BEGIN PRIVATE KEY").unwrap()]
}

#[test]
fn the_first_start_makes_the_identity_that_later_starts_load() {
    let (_temp, folder) = folder();
    let made = HostIdentity::load_or_create(&folder).unwrap();
    let loaded = HostIdentity::load_or_create(&folder).unwrap();
    assert_eq!(made.fingerprint(), loaded.fingerprint());
    assert_eq!(made.certificates(), loaded.certificates());
    assert_eq!(made.private_key().secret_der(), loaded.private_key().secret_der());
    assert_eq!(fs::metadata(folder.file(IDENTITY_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn starts_at_the_same_time_agree_on_one_identity() {
    let (_temp, folder) = folder();
    let fingerprints: Vec<String> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| HostIdentity::load_or_create(&folder).unwrap().fingerprint().to_owned()))
            .collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
}

#[test]
fn generated_identities_differ() {
    assert_ne!(
        HostIdentity::generate().unwrap().fingerprint(),
        HostIdentity::generate().unwrap().fingerprint()
    );
}

#[test]
fn the_fingerprint_is_the_hash_of_the_public_key_in_the_certificate() {
    let identity = HostIdentity::generate().unwrap();
    let key = KeyPair::try_from(identity.private_key()).unwrap();
    let public_key = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(identity.fingerprint(), fingerprint_of(&Sha256::digest(&public_key)));
    assert_eq!(identity.fingerprint().len(), "sha256:".len() + 64);
    let certificate = identity.certificates()[0].as_ref();
    assert!(certificate.windows(public_key.len()).any(|window| window == public_key));
}

#[test]
fn a_damaged_identity_is_reported_and_left_alone() {
    let damages: [fn(String) -> String; 4] = [
        |_| String::new(),
        |pem| key_part(&pem).to_owned(),
        |pem| certificate_part(&pem).to_owned(),
        |pem| pem[..pem.len() - 40].to_owned(),
    ];
    for damage in damages {
        let (_temp, folder) = folder();
        HostIdentity::load_or_create(&folder).unwrap();
        edit(&folder, damage);
        let damaged = fs::read_to_string(folder.file(IDENTITY_FILE)).unwrap();
        let error = HostIdentity::load_or_create(&folder).unwrap_err();
        assert!(matches!(error, IdentityError::Pem { .. }), "{error}");
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
        assert_eq!(fs::read_to_string(folder.file(IDENTITY_FILE)).unwrap(), damaged);
    }
}

#[test]
fn an_exposed_key_is_refused() {
    let (_temp, folder) = folder();
    HostIdentity::load_or_create(&folder).unwrap();
    fs::set_permissions(folder.file(IDENTITY_FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let error = HostIdentity::load_or_create(&folder).unwrap_err();
    assert!(matches!(error, IdentityError::State(StateError::TooOpen { .. })), "{error}");
}

#[test]
fn a_real_certificate_is_read_from_files() {
    let temp = tempfile::tempdir().unwrap();
    let (mine, other) = (Generated::new().unwrap(), Generated::new().unwrap());
    let write = |name: &str, text: &str| {
        let path = temp.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let chain = write("chain.pem", &format!("{}{}", mine.certificate.pem(), other.certificate.pem()));
    let key = write("key.pem", &mine.key.serialize_pem());
    let other_key = write("other.pem", &other.key.serialize_pem());

    let identity = HostIdentity::from_files(&chain, &key).unwrap();
    assert_eq!(identity.certificates().len(), 2);
    assert!(matches!(HostIdentity::from_files(&chain, &other_key), Err(IdentityError::Unusable { .. })));
    assert!(matches!(HostIdentity::from_files(&key, &key), Err(IdentityError::Pem { .. })));
    assert!(matches!(
        HostIdentity::from_files(&temp.path().join("none"), &key),
        Err(IdentityError::Pem { .. })
    ));
}

#[test]
fn the_private_key_does_not_show_in_debug_output() {
    let shown = format!("{:?}", HostIdentity::generate().unwrap());
    assert!(shown.starts_with("HostIdentity { fingerprint: \"sha256:"), "{shown}");
    assert!(shown.ends_with(", .. }"), "{shown}");
}
