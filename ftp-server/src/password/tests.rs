//! Hashes that verify, hashes that do not, and hashes nobody should compute.

use super::*;

#[test]
fn a_password_verifies_against_its_own_hash_only() {
    let hash = PasswordHash::new("correct horse").unwrap();
    assert!(hash.verify("correct horse").unwrap());
    assert!(!hash.verify("correct horse ").unwrap());
    assert!(!hash.verify("").unwrap());
}

#[test]
fn hashes_are_argon2id_with_owasps_parameters_and_their_own_salt() {
    let (one, other) = (PasswordHash::new("same").unwrap(), PasswordHash::new("same").unwrap());
    assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
    assert_ne!(one, other);
}

#[test]
fn empty_and_endless_passwords_cannot_be_set() {
    assert!(matches!(PasswordHash::new(""), Err(PasswordError::Empty)));
    assert!(matches!(PasswordHash::new(&"x".repeat(1025)), Err(PasswordError::TooLong)));
}

#[test]
fn a_hash_that_costs_too_much_is_not_computed() {
    for params in ["m=4194304,t=2,p=1", "m=19456,t=4294967295,p=1", "m=19456,t=2,p=255"] {
        let hash =
            PasswordHash(format!("$argon2id$v=19${params}$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaA"));
        assert!(matches!(hash.verify("x"), Err(PasswordError::TooCostly)), "{params}");
    }
}

#[test]
fn what_is_no_argon2id_hash_is_refused() {
    let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaA";
    for text in [
        "".to_owned(),
        "secret".to_owned(),
        format!("$argon2i$v=19$m=19456,t=2,p=1${salt_and_hash}"),
        format!("$scrypt$ln=17${salt_and_hash}"),
        "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA".to_owned(),
    ] {
        assert!(matches!(PasswordHash(text.clone()).verify("x"), Err(PasswordError::NotArgon2id)), "{text}");
    }
}

#[test]
fn a_hash_does_not_show_in_debug_output() {
    let hash = PasswordHash::new("correct horse").unwrap();
    assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
}
