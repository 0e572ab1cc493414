//! Logins, as a running server decides them while its users change.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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

    /// The users as another process sees them: nothing is cached.
    fn tool(&self) -> Accounts {
        Accounts::new(self.state.clone(), None)
    }

    fn add(&self, user: &str, password: &str, root: Option<&str>) {
        let password = PasswordHash::new(password).unwrap();
        let account = UserRecord { root: root.map(PathBuf::from), ..account(Access::Write, password) };
        self.tool().add(name(user), account).unwrap();
    }

    fn login(&self, user: &str, password: &str) -> Result<Principal, LoginRefusal> {
        self.attempt(Login::Password { user: user.to_owned(), password: password.to_owned() })
    }

    fn attempt(&self, login: Login) -> Result<Principal, LoginRefusal> {
        self.server.authenticate(&LoginClaim::example(login, SystemTime::UNIX_EPOCH))
    }
}

fn account(access: Access, password: PasswordHash) -> UserRecord {
    UserRecord {
        root: None,
        access,
        umask: None,
        force_mode: None,
        password: Some(password),
        keys: Vec::new(),
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
    assert_eq!((principal.name(), principal.access()), ("alice", Access::Write));
    assert_eq!(principal.root(), Path::new("/srv/alice"));
    assert!(matches!(world.login("alice", "wrong"), Err(LoginRefusal::WrongPassword)));
    assert!(matches!(world.login("alice", ""), Err(LoginRefusal::WrongPassword)));
    assert!(matches!(world.login("Alice", "correct horse"), Err(LoginRefusal::UnknownUser)));
    assert!(matches!(world.login("../alice", "correct horse"), Err(LoginRefusal::UnknownUser)));
}

#[test]
fn without_any_user_nobody_logs_in() {
    let world = World::new(Some("/srv"));
    assert!(matches!(world.login("alice", "x"), Err(LoginRefusal::UnknownUser)));
}

#[test]
fn a_token_is_no_way_in() {
    let world = World::new(Some("/srv"));
    let login = Login::Token { token: "x".to_owned() };
    assert!(matches!(world.attempt(login), Err(LoginRefusal::NotOffered)));
}

#[test]
fn a_user_without_a_root_gets_the_servers_or_none() {
    let with = World::new(Some("/srv/all"));
    with.add("bob", "battery", None);
    assert_eq!(with.login("bob", "battery").unwrap().root(), Path::new("/srv/all"));

    let without = World::new(None);
    without.add("bob", "battery", None);
    assert!(matches!(without.login("bob", "battery"), Err(LoginRefusal::NoRoot)));
    assert!(matches!(without.login("bob", "wrong"), Err(LoginRefusal::WrongPassword)));
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
    assert!(matches!(world.login("alice", "two"), Err(LoginRefusal::UnknownUser)));
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
fn while_the_file_cannot_be_used_users_are_as_they_were() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    assert!(world.login("alice", "one").is_ok());
    let (path, folder) = (world.server.path(), world.state.path().to_owned());
    let good = fs::read(&path).unwrap();
    let still = |what: &str| {
        assert!(world.login("alice", "one").is_ok(), "{what}");
        assert!(matches!(world.login("bob", "two"), Err(LoginRefusal::UnknownUser)), "{what}");
        assert!(matches!(world.login("alice", "two"), Err(LoginRefusal::WrongPassword)), "{what}");
    };
    for wrong in ["[users", "[users.bob]\naccess = \"wriet\"\n", "\u{0}"] {
        fs::write(&path, wrong).unwrap();
        still(wrong);
        assert!(world.server.reload().is_err());
    }
    fs::write(&path, &good).unwrap();
    assert!(world.server.reload().is_ok());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    still("others may read it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    still("the state folder is away");
    fs::rename(folder.with_extension("away"), &folder).unwrap();
    world.add("bob", "two", None);
    assert!(world.login("bob", "two").is_ok());
    fs::remove_file(&path).unwrap();
    assert!(matches!(world.login("alice", "one"), Err(LoginRefusal::UnknownUser)), "no file, no users");
}

#[test]
fn a_file_that_never_could_be_used_lets_nobody_in_and_is_no_wrong_password() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    fs::write(world.server.path(), "[users").unwrap();
    assert!(matches!(world.login("alice", "one"), Err(LoginRefusal::Unavailable(_))));
}

/// Looks until the file has settled.
fn review(world: &World, principal: &Principal, now: SystemTime) -> Result<(), Revocation> {
    let grant = Grant { principal: principal.clone(), peer: [192, 0, 2, 1].into() };
    world.server.review(&[&grant], now)[0]?;
    world.server.review(&[&grant], now)[0]
}

#[test]
fn a_session_goes_on_until_something_that_it_stands_on_changes() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let (file, start) = (world.server.path(), SystemTime::UNIX_EPOCH);
    let by_password = world.login("alice", "one").unwrap();
    let good = fs::read_to_string(&file).unwrap();
    let after = |text: &str| {
        fs::write(&file, text).unwrap();
        let verdict = review(&world, &by_password, start);
        fs::write(&file, &good).unwrap();
        assert_eq!(review(&world, &by_password, start), Ok(()));
        verdict
    };
    world.tool().add_keys(&name("alice"), vec![key("")]).unwrap();
    world.add("bob", "two", None);
    assert_eq!(review(&world, &by_password, start), Ok(()), "more users and keys are no less");
    assert_eq!(after(&good.replace("write", "full")), Ok(()), "and so is more access");
    assert_eq!(after(&good.replace("write", "read")), Err(Revocation::AccessReduced));
    assert_eq!(after(&good.replace("write", "drop")), Err(Revocation::AccessReduced));
    let rooted = good.replace("access", "root = \"/srv/alice\"\naccess");
    assert_eq!(after(&rooted), Err(Revocation::RootChanged));
    assert_eq!(after(&good.replace("[users.alice]", "[users.alicia]")), Err(Revocation::UserRemoved));
    assert_eq!(after(""), Err(Revocation::UserRemoved));
    assert_eq!(after("[users"), Ok(()), "a mistake is no removal");
    let other = PasswordHash::new("one").unwrap();
    world.tool().set_password(&name("alice"), Some(other)).unwrap();
    assert_eq!(review(&world, &by_password, start), Err(Revocation::PasswordChanged));
    world.server.set_default_root(Some("/srv/other".into()));
    let by_password = world.login("alice", "one").unwrap();
    assert_eq!(review(&world, &by_password, start), Ok(()));
    world.server.set_default_root(None);
    assert_eq!(review(&world, &by_password, start), Err(Revocation::RootChanged));
}

#[test]
fn a_session_by_key_goes_on_until_the_key_may_not_be_used() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let fingerprint = key("").key().unwrap().fingerprint();
    let with = |options: &str| {
        let _ = world.tool().remove_key(&name("alice"), &fingerprint); // the first time there is none
        world.tool().add_keys(&name("alice"), vec![key(options)]).unwrap();
    };
    with("");
    let by_key = world.attempt(by_key("alice")).unwrap();
    let start = SystemTime::UNIX_EPOCH;
    world.tool().set_password(&name("alice"), None).unwrap();
    with("from=\"192.0.2.0/24\",expiry-time=\"19700201Z\"");
    assert_eq!(review(&world, &by_key, start), Ok(()));
    let later = start + std::time::Duration::from_secs(31 * 24 * 3600);
    assert_eq!(review(&world, &by_key, later), Err(Revocation::KeyExpired), "and nothing has changed");
    with("from=\"198.51.100.0/24\"");
    assert_eq!(review(&world, &by_key, start), Err(Revocation::KeyElsewhere));
    world.tool().remove_key(&name("alice"), &fingerprint).unwrap();
    assert_eq!(review(&world, &by_key, start), Err(Revocation::KeyRemoved));
}

#[test]
fn a_file_that_is_being_written_is_not_judged_before_it_rests_but_not_for_ever() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let principal = world.login("alice", "one").unwrap();
    assert_eq!(review(&world, &principal, SystemTime::UNIX_EPOCH), Ok(()));
    let grant = Grant { principal, peer: [192, 0, 2, 1].into() };
    let look = || world.server.review(&[&grant], SystemTime::UNIX_EPOCH)[0];
    let (file, good) = (world.server.path(), fs::read(world.server.path()).unwrap());
    for between in [&b""[..], b"[users", b"# half"] {
        fs::write(&file, between).unwrap();
        assert_eq!(look(), Ok(()));
        fs::write(&file, &good).unwrap();
        assert_eq!((look(), look()), (Ok(()), Ok(())));
    }
    fs::rename(&file, file.with_extension("away")).unwrap();
    assert_eq!(look(), Ok(()), "an editor may be about to write it anew");
    fs::rename(file.with_extension("away"), &file).unwrap();
    assert_eq!((look(), look()), (Ok(()), Ok(())));
    let ended = (0..10).find(|number| {
        fs::write(&file, format!("# {number}\n{}", "#".repeat(*number))).unwrap();
        look() == Err(Revocation::UserRemoved)
    });
    assert!(ended.is_some_and(|number| number <= 3), "{ended:?}");
}

#[test]
fn a_damaged_hash_changes_nothing_and_is_told_with_its_user() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    world.add("bob", "two", None);
    let path = world.server.path();
    assert!(world.login("alice", "one").is_ok());
    let text =
        fs::read_to_string(&path).unwrap().replacen("$argon2id$v=19$m=19456", "$argon2id$v=19$m=99999999", 1);
    fs::write(&path, text).unwrap();
    for (user, password) in [("alice", "one"), ("bob", "two")] {
        assert!(world.login(user, password).is_ok(), "{user} as before");
    }
    let told = [world.tool().list().unwrap_err().to_string(), world.server.reload().unwrap_err().to_string()];
    assert!(
        told.iter().all(|told| told.contains("users.toml: line") && told.contains("of alice")),
        "{told:?}"
    );
    let login = Login::Password { user: "bob".to_owned(), password: "two".to_owned() };
    let from_the_beginning = world.tool().authenticate(&LoginClaim::example(login, SystemTime::UNIX_EPOCH));
    assert!(matches!(from_the_beginning, Err(LoginRefusal::Unavailable(_))));
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

    assert!(matches!(world.attempt(by_key("bob")), Err(LoginRefusal::NoProof)), "it was signed for alice");
    assert!(matches!(world.attempt(by_key("nobody")), Err(LoginRefusal::UnknownUser)));
    let good = LoginClaim::example(by_key("alice"), SystemTime::UNIX_EPOCH);
    for (exported, server_key) in [(0, 1), (1, 0)] {
        let mut other = good.clone();
        other.channel.exported[0] ^= exported;
        other.channel.server_key.0[0] ^= server_key;
        assert!(matches!(world.server.authenticate(&other), Err(LoginRefusal::NoProof)));
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
    assert!(matches!(with("from=\"198.51.100.0/24\""), Err(LoginRefusal::KeyElsewhere(_))));
    assert!(matches!(with("expiry-time=\"19691230\""), Err(LoginRefusal::ExpiredKey(_))));
    assert!(with("").is_ok());
    assert!(matches!(
        world.tool().add_keys(&name("alice"), vec![key("from=\"::1\"")]),
        Err(AccountsError::KeyExists(..))
    ));
    let fingerprint = key("").key().unwrap().fingerprint();
    world.tool().remove_key(&name("alice"), &fingerprint).unwrap();
    assert!(matches!(world.attempt(by_key("alice")), Err(LoginRefusal::OtherKeys(_))));
    assert!(matches!(
        world.tool().remove_key(&name("alice"), &fingerprint),
        Err(AccountsError::KeyMissing(..))
    ));
}

#[test]
fn a_key_that_was_written_by_hand_with_an_unknown_option_is_a_mistake_and_lets_nobody_in() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    world.tool().add_keys(&name("alice"), vec![key("from=\"*\"")]).unwrap();
    assert!(world.attempt(by_key("alice")).is_ok());
    let path = world.server.path();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("from=", "form=")).unwrap();
    assert!(world.tool().check_key_lines().is_err_and(|error| error.is_mistake()));
    assert!(matches!(world.attempt(by_key("alice")), Err(LoginRefusal::OtherKeys(_))));
    assert!(world.login("alice", "one").is_ok());
}

/// Processor time of this thread, which other programs of a busy machine do not lengthen.
fn processor_time() -> std::time::Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::try_from(time).unwrap()
}

/// Not a stopwatch test of the hash itself, only that an unknown user costs a hash at all.
#[test]
fn an_unknown_user_and_one_without_a_password_take_as_long_as_a_wrong_password() {
    let world = World::new(Some("/srv"));
    world.add("alice", "one", None);
    let fastest = |user: &str| {
        (0..5)
            .map(|_| {
                let start = processor_time();
                assert!(world.login(user, "wrong").is_err());
                processor_time() - start
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
