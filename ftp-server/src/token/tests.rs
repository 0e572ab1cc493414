//! A token's life: unknown, good, spent, expired.

use super::*;
use std::collections::HashSet;
use std::time::Duration;

const START: SystemTime = SystemTime::UNIX_EPOCH;
const HOUR: Duration = Duration::from_secs(3600);

fn grant(once: bool) -> TokenGrant {
    TokenGrant {
        name: "share".to_owned(),
        root: "/srv/photos".into(),
        access: Access::Read,
        expires_at: START + HOUR,
        once,
        only: None,
        home: None,
    }
}

fn login(tokens: &Tokens, text: &str, now: SystemTime) -> Result<Principal, LoginRefusal> {
    tokens.authenticate(&LoginClaim::example(Login::Token { token: text.to_owned() }, now))
}

#[test]
fn a_token_opens_what_it_was_issued_for_until_it_expires() {
    let tokens = Tokens::new();
    let token = tokens.issue(grant(false)).unwrap();
    for now in [START, START + HOUR / 2, START + HOUR - Duration::from_nanos(1)] {
        let principal = login(&tokens, token.text(), now).unwrap();
        assert_eq!((principal.name(), principal.access()), ("share", Access::Read));
        assert_eq!(principal.root(), std::path::Path::new("/srv/photos"));
    }
    assert!(matches!(login(&tokens, token.text(), START + HOUR), Err(LoginRefusal::ExpiredToken)));
}

#[test]
fn a_token_for_one_login_is_good_for_one_login() {
    let tokens = Tokens::new();
    let token = tokens.issue(grant(true)).unwrap();
    assert!(login(&tokens, token.text(), START).is_ok());
    assert!(matches!(login(&tokens, token.text(), START), Err(LoginRefusal::SpentToken)));
}

#[test]
fn anything_else_opens_nothing() {
    let tokens = Tokens::new();
    let token = tokens.issue(grant(false)).unwrap();
    for text in ["", "x", &token.text()[1..], &token.text().to_uppercase().replace(char::is_numeric, "A")] {
        assert!(matches!(login(&tokens, text, START), Err(LoginRefusal::UnknownToken)), "{text}");
    }
    let (user, text) = ("share".to_owned(), token.text().to_owned());
    for login in [
        Login::Keys { user: user.clone(), proofs: vec![text.clone().into_bytes()] },
        Login::Password { user, password: text },
    ] {
        let refused = tokens.authenticate(&LoginClaim::example(login, START));
        assert!(matches!(refused, Err(LoginRefusal::NotOffered)));
    }
}

#[test]
fn tokens_are_long_distinct_and_safe_to_paste() {
    let tokens = Tokens::new();
    let issued: HashSet<String> =
        (0..100).map(|_| tokens.issue(grant(false)).unwrap().text().to_owned()).collect();
    assert_eq!(issued.len(), 100);
    assert!(
        issued.iter().all(|text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    );
}

#[test]
fn a_token_does_not_show_in_debug_output() {
    let tokens = Tokens::new();
    let token = tokens.issue(grant(false)).unwrap();
    assert!(!format!("{token:?} {tokens:?}").contains(token.text()));
}

#[test]
fn a_session_lasts_as_long_as_its_token_and_a_spent_token_ends_none() {
    let tokens = Tokens::new();
    let token = tokens.issue(grant(true)).unwrap();
    let principal = login(&tokens, token.text(), START).unwrap();
    let granted = Grant { principal, peer: [192, 0, 2, 1].into() };
    let review = |now| tokens.review(&[&granted], now);
    assert_eq!(review(START + HOUR - Duration::from_nanos(1)), [Ok(())]);
    assert_eq!(review(START + HOUR), [Err(Revocation::TokenExpired)]);
}

#[test]
fn without_randomness_there_is_no_token() {
    assert!(ShareToken::filled_by(|_| Err(getrandom::Error::UNSUPPORTED)).is_err());
    let token = ShareToken::filled_by(|bytes| {
        bytes.fill(0xa5);
        Ok(())
    });
    assert_eq!(token.unwrap().text(), "a5".repeat(RANDOM_LEN));
    assert_ne!(ShareToken::random().unwrap(), ShareToken::random().unwrap());
}
