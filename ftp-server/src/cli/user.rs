//! `user add | list | remove | passwd | add-key | remove-key`: changes the users file, which a running server reads again by itself.

use super::args::{ModeArgs, UserAddArgs, UserArgs, UserCommand};
use super::key_input::keys;
use super::output;
use super::password_input::new_password;
use super::setup::Setup;
use super::user_root::NewRoot;
use ftp_server::accounts::{
    Accounts, AccountsError, AuthorizedKey, ForceMode, KeyLine, Umask, UserName, UserRecord,
};
use serde::Serialize;
use std::path::Path;
use wire::escape::Escaped;

pub(crate) fn run(args: UserArgs) -> anyhow::Result<()> {
    let setup = Setup::load(&args.place)?;
    let has_default_root = setup.config.root.is_some();
    let accounts = Accounts::new(setup.state, setup.config.root);
    let done = match args.command {
        UserCommand::Add(args) => add(&accounts, args, has_default_root)?,
        UserCommand::List { json } => return list(&accounts, json),
        UserCommand::Remove { name } => {
            accounts.remove(&name)?;
            format!("removed {name}; the files stay")
        }
        UserCommand::Passwd { name, remove: true, .. } => {
            accounts.set_password(&name, None)?;
            format!("removed the password of {name}")
        }
        UserCommand::Passwd { name, password, .. } => {
            // Before the user types a password in vain; the change itself checks again.
            require(&accounts, &name, true)?;
            accounts.set_password(&name, Some(new_password(&password)?))?;
            format!("changed the password of {name}")
        }
        UserCommand::Set { name, modes: ModeArgs { umask: None, force_mode: None } } => {
            require(&accounts, &name, true)?;
            anyhow::bail!("nothing to set: give --umask or --force-mode")
        }
        UserCommand::Set { name, modes } => {
            let ModeArgs { umask, force_mode } = modes;
            accounts.set_modes(&name, umask.map(|rule| rule.0), force_mode.map(|rule| rule.0))?;
            format!("changed the rules for permissions of {name}")
        }
        UserCommand::AddKey { name, files } => {
            let keys = keys(&files)?;
            let count = counted(keys.len(), "key");
            accounts.add_keys(&name, keys)?;
            format!("added {count} to {name}")
        }
        UserCommand::RemoveKey { name, fingerprint } => {
            accounts.remove_key(&name, &fingerprint)?;
            format!("removed the key {} of {name}", Escaped(fingerprint.as_bytes()))
        }
    };
    output::say(done);
    Ok(())
}

/// Adds a user, and returns what was done.
fn add(accounts: &Accounts, args: UserAddArgs, has_default_root: bool) -> anyhow::Result<String> {
    require(accounts, &args.name, false)?;
    let root = args.root.as_deref().map(NewRoot::choose).transpose()?;
    let keys = keys(&args.key)?;
    let by_key_only = !keys.is_empty() && args.password.password_file.is_none();
    let password = if by_key_only { None } else { Some(new_password(&args.password)?) };
    let umask = args.modes.umask.and_then(|rule| rule.0);
    let force_mode = args.modes.force_mode.and_then(|rule| rule.0);
    let root = root.map(NewRoot::into_folder).transpose()?;
    let user = UserRecord { root, access: args.access, umask, force_mode, password, keys };
    let (name, done) = (args.name.clone(), added(&args.name, &user));
    let is_without_root = user.root.is_none() && !has_default_root;
    accounts.add(args.name, user)?;
    if is_without_root {
        output::say(format_args!(
            "warning: {name} has no root and can log in only while the server has one: start it with --root DIR, \
             set root in its configuration, or remove {name} and add it with --root DIR"
        ));
    }
    Ok(done)
}

fn added(name: &UserName, user: &UserRecord) -> String {
    let root = user.root.as_ref().map_or("the server's root".to_owned(), |root| format!("{root:?}"));
    let by_password = user.password.as_ref().map(|_| "a password".to_owned());
    let by_key = (!user.keys.is_empty()).then(|| counted(user.keys.len(), "key"));
    let login: Vec<String> = by_password.into_iter().chain(by_key).collect();
    format!("added {name}: {} access to {root}, with {}", user.access.word(), login.join(" and "))
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn require(accounts: &Accounts, name: &UserName, wanted: bool) -> Result<(), AccountsError> {
    let exists = accounts.list()?.iter().any(|(user, _)| user == name);
    match (exists, wanted) {
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(AccountsError::Exists(name.clone())),
        (false, true) => Err(AccountsError::Missing(name.clone())),
    }
}

fn list(accounts: &Accounts, json: bool) -> anyhow::Result<()> {
    for (name, account) in accounts.list()? {
        if json {
            output::json_line(&UserLine::of(&name, &account))?;
        } else {
            output::line(as_text(&name, &account))?;
            for key in &account.keys {
                output::line(format_args!("    {}", key_text(key)))?;
            }
        }
    }
    Ok(())
}

/// The user in `--json`: all but the password hash.
#[derive(Serialize)]
struct UserLine<'a> {
    name: &'a str,
    access: &'static str,
    root: Option<&'a Path>,
    umask: Option<Umask>,
    force_mode: Option<ForceMode>,
    password: bool,
    keys: Vec<KeyObject<'a>>,
}

/// A key of a user; one that is of no use has an error instead of a fingerprint.
#[derive(Serialize)]
struct KeyObject<'a> {
    fingerprint: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    options: Option<&'a str>,
    comment: Option<&'a str>,
    error: Option<String>,
}

impl<'a> UserLine<'a> {
    fn of(name: &'a UserName, account: &'a UserRecord) -> Self {
        Self {
            name: name.as_str(),
            access: account.access.word(),
            root: account.root.as_deref(),
            umask: account.umask,
            force_mode: account.force_mode,
            password: account.password.is_some(),
            keys: account.keys.iter().map(KeyObject::of).collect(),
        }
    }
}

impl<'a> KeyObject<'a> {
    fn of(line: &'a KeyLine) -> Self {
        let key = line.key();
        Self {
            fingerprint: key.ok().map(AuthorizedKey::fingerprint),
            kind: key.ok().map(AuthorizedKey::kind),
            options: key.ok().map(AuthorizedKey::options),
            comment: key.ok().map(AuthorizedKey::comment),
            error: key.err().map(ToString::to_string),
        }
    }
}

/// Options and comment may hold anything.
fn key_text(line: &KeyLine) -> String {
    match line.key() {
        Ok(key) => {
            let rest =
                [key.options(), key.comment()].map(|text| Escaped(text.as_bytes()).to_string()).join(" ");
            format!("{} {} {}", key.fingerprint(), key.kind(), rest.trim()).trim_end().to_owned()
        }
        Err(error) => format!("an unusable key: {}", Escaped(error.to_string().as_bytes())),
    }
}

/// A root is quoted like a string, as it may hold anything.
fn as_text(name: &UserName, account: &UserRecord) -> String {
    let root = account.root.as_ref().map_or("(the server's root)".to_owned(), |root| format!("{root:?}"));
    let way_in =
        if account.password.is_none() && account.keys.is_empty() { " (no password, no key)" } else { "" };
    let umask = account.umask.map(|umask| format!(" umask={umask}")).unwrap_or_default();
    let force = account.force_mode.map(|mode| format!(" force-mode={mode}")).unwrap_or_default();
    format!("{:<20} {:<5} {root}{umask}{force}{way_in}", name.as_str(), account.access.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_server::password::PasswordHash;
    use wire::Access;

    const KEY: &str = include_str!("../../../fixtures/keys/id_ed25519.pub");
    const FINGERPRINT: &str = "SHA256:o8q3f1M2nXdo2NmGbdb9TaOuBBGT9xPk9+5VpNzLa9Q";

    fn account(password: Option<&str>, keys: &[&str]) -> UserRecord {
        UserRecord {
            root: Some("/srv/a b".into()),
            access: Access::Write,
            umask: None,
            force_mode: None,
            password: password.map(|password| PasswordHash::new(password).unwrap()),
            keys: keys.iter().map(|line| KeyLine::from((*line).to_owned())).collect(),
        }
    }

    #[test]
    fn users_are_listed_without_their_secrets() {
        let name: UserName = "alice".parse().unwrap();
        let with_root = account(Some("secret"), &[]);
        let without = UserRecord { root: None, access: Access::Read, ..with_root.clone() };
        let json = |account| serde_json::to_string(&UserLine::of(&name, account)).unwrap();
        assert_eq!(
            json(&with_root),
            r#"{"name":"alice","access":"write","root":"/srv/a b","umask":null,"force_mode":null,"password":true,"keys":[]}"#
        );
        assert!(json(&without).starts_with(r#"{"name":"alice","access":"read","root":null,"#));
        assert_eq!(as_text(&name, &with_root), "alice                write \"/srv/a b\"");
        assert_eq!(as_text(&name, &without), "alice                read  (the server's root)");
        assert!(as_text(&name, &account(None, &[])).ends_with("(no password, no key)"));
    }

    #[test]
    fn keys_are_listed_as_ssh_keygen_prints_them() {
        let line = format!("from=\"::1\" {KEY}");
        let account = account(None, &[&line, "nonsense"]);
        assert_eq!(key_text(&account.keys[0]), format!("{FINGERPRINT} ssh-ed25519 from=\"::1\" throw-away"));
        assert!(key_text(&account.keys[1]).starts_with("an unusable key: "));
        let json = serde_json::to_value(account.keys.iter().map(KeyObject::of).collect::<Vec<_>>()).unwrap();
        assert_eq!(json[0]["fingerprint"], FINGERPRINT);
        assert_eq!(json[0]["comment"], "throw-away");
        assert!(json[1]["error"].is_string());
    }
}
