//! Who may log in, as seen by a running server while its users change.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;
use wire::Access;

struct World {
    _temp: tempfile::TempDir,
    state: StateFolder,
    /// The server's view; it lives through all changes.
    server: Accounts,
}

impl World {
    fn new(default_root: Option<&str>) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let state = StateFolder::at(temp.path().join("state"));
        let server = Accounts::new(state.clone(), default_root.map(PathBuf::from));
        Self { _temp: temp, state, server }
    }

    /// What another process sees: nothing is cached.
    fn tool(&self) -> Accounts {
        Accounts::new(self.state.clone(), None)
    }

    fn add(&self, user: &str, password: &str, root: Option<&str>) {
        let password = PasswordHash::new(password).unwrap();
        let account = Account { root: root.map(PathBuf::from), ..account(Access::Write, password) };
        self.tool().add(name(user), account).unwrap();
    }

    fn login(&self, user: &str, password: &str) -> Result<Principal, Refusal> {
        self.attempt(Login::Password { user: user.to_owned(), password: password.to_owned() })
    }

    fn attempt(&self, login: Login) -> Result<Principal, Refusal> {
        self.server.authenticate(&Claim::example(login, SystemTime::UNIX_EPOCH))
    }
}

fn account(access: Access, password: PasswordHash) -> Account {
    Account { root: None, access, password: Some(password), keys: Vec::new() }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

#[test]
fn a_user_logs_in_with_the_right_password_only() {
    let world = World::new(None);
    world.add("alice", "correct horse", Some("/srv/alice"));
    let principal = world.login("alice", "correct horse").unwrap();
    assert_eq!(principal, Principal::new("alice", "/srv/alice", Access::Write));
    assert!(matches!(world.login("alice", "wrong"), Err(Refusal::WrongPassword)));
    assert!(matches!(world.login("alice", ""), Err(Refusal::WrongPassword)));
    assert!(matches!(world.login("Alice", "correct horse"), Err(Refusal::UnknownUser)));
    assert!(matches!(world.login("../alice", "correct horse"), Err(Refusal::UnknownUser)));
}

#[test]
fn without_any_user_nobody_logs_in() {
    let world = World::new(Some("/srv"));
    assert!(matches!(world.login("alice", "x"), Err(Refusal::UnknownUser)));
}

#[test]
fn a_token_is_no_way_in() {
    let world = World::new(Some("/srv"));
    let login = Login::Token { token: "x".to_owned() };
    assert!(matches!(world.attempt(login), Err(Refusal::NotOffered)));
}

#[test]
fn a_user_without_a_root_gets_the_servers_or_none() {
    let with = World::new(Some("/srv/all"));
    with.add("bob", "battery", None);
    assert_eq!(with.login("bob", "battery").unwrap().root(), Path::new("/srv/all"));

    let without = World::new(None);
    without.add("bob", "battery", None);
    assert!(matches!(without.login("bob", "battery"), Err(Refusal::NoRoot)));
    assert!(matches!(without.login("bob", "wrong"), Err(Refusal::WrongPassword)));
}

#[test]
fn changes_count_at_once_in_a_running_server() {
    let world = World::new(Some("/srv"));
    assert!(world.login("alice", "one").is_err());
    world.add("alice", "one", None);
    assert!(world.login("alice", "one").is_ok());
    world.tool().set_password(&name("alice"), Some(PasswordHash::new("two").unwrap())).unwrap();
    assert!(world.login("alice", "one").is_err());
    assert!(world.login("alice", "two").is_ok());
    world.tool().remove(&name("alice")).unwrap();
    assert!(matches!(world.login("alice", "two"), Err(Refusal::UnknownUser)));
}

#[test]
fn users_added_at_the_same_time_are_all_there() {
    let world = World::new(None);
    let password = PasswordHash::new("same").unwrap();
    std::thread::scope(|scope| {
        for number in 0..16 {
            let account = account(Access::Read, password.clone());
            let tool = world.tool();
            scope.spawn(move || tool.add(name(&format!("user{number}")), account).unwrap());
        }
    });
    assert_eq!(world.server.list().unwrap().len(), 16);
}

#[test]
fn a_taken_name_stays_with_its_owner() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let account = account(Access::Full, PasswordHash::new("two").unwrap());
    assert!(matches!(world.tool().add(name("alice"), account), Err(AccountsError::Exists(_))));
    assert_eq!(world.login("alice", "one").unwrap().access(), Access::Write);
}

#[test]
fn nobody_can_be_removed_or_changed_who_is_not_there() {
    let world = World::new(None);
    assert!(matches!(world.tool().remove(&name("alice")), Err(AccountsError::Missing(_))));
    let password = PasswordHash::new("one").unwrap();
    assert!(matches!(
        world.tool().set_password(&name("alice"), Some(password)),
        Err(AccountsError::Missing(_))
    ));
}

#[test]
fn while_the_file_is_broken_or_exposed_nobody_logs_in() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    assert!(world.login("alice", "one").is_ok());
    let path = world.server.path();
    let good = fs::read(&path).unwrap();

    fs::write(&path, "[users").unwrap();
    assert!(matches!(world.login("alice", "one"), Err(Refusal::Unavailable(_))));
    fs::write(&path, &good).unwrap();
    assert!(world.login("alice", "one").is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(world.login("alice", "one"), Err(Refusal::Unavailable(_))));
}

#[test]
fn a_damaged_hash_locks_out_its_user_only() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    world.add("bob", "two", None);
    let path = world.server.path();
    let text =
        fs::read_to_string(&path).unwrap().replacen("$argon2id$v=19$m=19456", "$argon2id$v=19$m=99999999", 1);
    fs::write(&path, text).unwrap();
    assert!(matches!(world.login("alice", "one"), Err(Refusal::UnusableHash)));
    assert!(world.login("bob", "two").is_ok());
}

#[test]
fn the_file_shows_no_password() {
    let world = World::new(None);
    world.add("alice", "correct horse", Some("/srv/alice"));
    let text = fs::read_to_string(world.server.path()).unwrap();
    assert!(!text.contains("correct horse"));
    assert!(text.contains("[users.alice]") && text.contains("root = \"/srv/alice\""), "{text}");
}

/// Options, key and comment of the key that made the protocol's example.
fn key(options: &str) -> KeyLine {
    let line = include_str!("../../../fixtures/keys/id_ed25519.pub");
    KeyLine::new(&format!("{options} {line}")).unwrap()
}

fn by_key(user: &str) -> Login {
    Login::Keys { user: user.to_owned(), proofs: vec![b"no proof".to_vec(), proof::example().1] }
}

#[test]
fn a_user_logs_in_by_key_on_the_channel_that_was_signed() {
    let world = World::new(Some("/srv"));
    for user in ["alice", "bob"] {
        world.add(user, "one", None);
        world.tool().add_keys(&name(user), vec![key("")]).unwrap();
    }
    let fingerprint = key("").key().unwrap().fingerprint();
    let principal = world.attempt(by_key("alice")).unwrap();
    assert_eq!((principal.name(), principal.key()), ("alice", Some(fingerprint.as_str())));
    assert!(world.login("alice", "one").unwrap().key().is_none(), "the password is right as well");

    assert!(matches!(world.attempt(by_key("bob")), Err(Refusal::NoProof)), "it was signed for alice");
    assert!(matches!(world.attempt(by_key("nobody")), Err(Refusal::UnknownUser)));
    let good = Claim::example(by_key("alice"), SystemTime::UNIX_EPOCH);
    for (exported, server_key) in [(0, 1), (1, 0)] {
        let mut other = good.clone();
        other.channel.exported[0] ^= exported;
        other.channel.server_key.0[0] ^= server_key;
        assert!(matches!(world.server.authenticate(&other), Err(Refusal::NoProof)));
    }
    assert!(world.server.authenticate(&good).is_ok());
}

#[test]
fn a_key_is_worth_nothing_elsewhere_later_for_others_or_once_removed() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let with = |options: &str| {
        let fingerprint = key("").key().unwrap().fingerprint();
        let _ = world.tool().remove_key(&name("alice"), &fingerprint); // the first time there is none
        world.tool().add_keys(&name("alice"), vec![key(options)]).unwrap();
        world.attempt(by_key("alice"))
    };
    assert!(with("from=\"192.0.2.0/24\",expiry-time=\"19700102\"").is_ok());
    assert!(matches!(with("from=\"198.51.100.0/24\""), Err(Refusal::KeyElsewhere(_))));
    assert!(matches!(with("expiry-time=\"19691230\""), Err(Refusal::ExpiredKey(_))));
    assert!(with("").is_ok());
    assert!(matches!(
        world.tool().add_keys(&name("alice"), vec![key("from=\"::1\"")]),
        Err(AccountsError::KeyExists(..))
    ));
    let fingerprint = key("").key().unwrap().fingerprint();
    world.tool().remove_key(&name("alice"), &fingerprint).unwrap();
    assert!(matches!(world.attempt(by_key("alice")), Err(Refusal::OtherKeys(_))));
    assert!(matches!(
        world.tool().remove_key(&name("alice"), &fingerprint),
        Err(AccountsError::KeyMissing(..))
    ));
}

#[test]
fn a_key_that_was_written_by_hand_with_an_unknown_option_lets_nobody_in() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    world.tool().add_keys(&name("alice"), vec![key("from=\"*\"")]).unwrap();
    assert!(world.attempt(by_key("alice")).is_ok());
    let path = world.server.path();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("from=", "form=")).unwrap();
    assert!(matches!(world.attempt(by_key("alice")), Err(Refusal::OtherKeys(_))));
    assert!(world.login("alice", "one").is_ok());
}

/// Not a stopwatch test of the hash itself, only that an unknown user costs a hash at all.
#[test]
fn an_unknown_user_and_one_without_a_password_take_as_long_as_a_wrong_password() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let fastest = |user: &str| {
        (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(world.login(user, "wrong").is_err());
                start.elapsed()
            })
            .min()
            .unwrap()
    };
    world.add("bob", "two", None);
    world.tool().set_password(&name("bob"), None).unwrap();
    let known = fastest("alice");
    for other in ["nobody", "bob"] {
        let time = fastest(other);
        assert!(time > known / 3 && known > time / 3, "known {known:?}, {other} {time:?}");
    }
}
