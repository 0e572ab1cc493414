//! Who may log in, as seen by a running server while its users change.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
        let account = Account { root: root.map(PathBuf::from), access: Access::Write, password };
        self.tool().add(name(user), account).unwrap();
    }

    fn login(&self, user: &str, password: &str) -> Result<Principal, Refusal> {
        let login = Login::Password { user: user.to_owned(), password: password.to_owned() };
        self.server.authenticate(&login, SystemTime::UNIX_EPOCH)
    }
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
    assert!(matches!(world.server.authenticate(&login, SystemTime::UNIX_EPOCH), Err(Refusal::NotOffered)));
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
    world.tool().set_password(&name("alice"), PasswordHash::new("two").unwrap()).unwrap();
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
            let account = Account { root: None, access: Access::Read, password: password.clone() };
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
    let account = Account { root: None, access: Access::Full, password: PasswordHash::new("two").unwrap() };
    assert!(matches!(world.tool().add(name("alice"), account), Err(AccountsError::Exists(_))));
    assert_eq!(world.login("alice", "one").unwrap().access(), Access::Write);
}

#[test]
fn nobody_can_be_removed_or_changed_who_is_not_there() {
    let world = World::new(None);
    assert!(matches!(world.tool().remove(&name("alice")), Err(AccountsError::Missing(_))));
    let password = PasswordHash::new("one").unwrap();
    assert!(matches!(world.tool().set_password(&name("alice"), password), Err(AccountsError::Missing(_))));
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

/// Not a stopwatch test of the hash itself, only that an unknown user costs a hash at all.
#[test]
fn an_unknown_user_takes_as_long_as_a_wrong_password() {
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
    let (known, unknown) = (fastest("alice"), fastest("nobody"));
    assert!(unknown > known / 3 && known > unknown / 3, "known {known:?}, unknown {unknown:?}");
}
