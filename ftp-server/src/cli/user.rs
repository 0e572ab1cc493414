//! `user add | list | remove | passwd`: changes the users file, which a running server reads again by itself.

use super::args::{UserAddArgs, UserArgs, UserCommand};
use super::output;
use super::password_input::new_password;
use super::setup::{Setup, existing_folder};
use ftp_server::accounts::{Account, Accounts, AccountsError, UserName};
use serde::Serialize;
use std::path::Path;

pub(crate) fn run(args: UserArgs) -> anyhow::Result<()> {
    let setup = Setup::load(&args.place)?;
    let accounts = Accounts::new(setup.state, setup.config.root);
    match args.command {
        UserCommand::Add(args) => add(&accounts, args),
        UserCommand::List { json } => list(&accounts, json),
        UserCommand::Remove { name } => Ok(accounts.remove(&name)?),
        UserCommand::Passwd { name, password } => {
            // Before anybody types a password for nothing; the change itself checks again.
            require(&accounts, &name, true)?;
            Ok(accounts.set_password(&name, new_password(&password)?)?)
        }
    }
}

fn add(accounts: &Accounts, args: UserAddArgs) -> anyhow::Result<()> {
    let root = args.root.as_deref().map(existing_folder).transpose()?;
    require(accounts, &args.name, false)?;
    let password = new_password(&args.password)?;
    Ok(accounts.add(args.name, Account { root, access: args.access, password })?)
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
        }
    }
    Ok(())
}

/// What `--json` shows of a user: all but the password hash.
#[derive(Serialize)]
struct UserLine<'a> {
    name: &'a str,
    access: &'static str,
    root: Option<&'a Path>,
}

impl<'a> UserLine<'a> {
    fn of(name: &'a UserName, account: &'a Account) -> Self {
        Self { name: name.as_str(), access: account.access.word(), root: account.root.as_deref() }
    }
}

/// A root is quoted like a string, as it may hold anything.
fn as_text(name: &UserName, account: &Account) -> String {
    let root = account.root.as_ref().map_or("(the server's root)".to_owned(), |root| format!("{root:?}"));
    format!("{:<20} {:<5} {root}", name.as_str(), account.access.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ftp_server::password::PasswordHash;
    use wire::Access;

    #[test]
    fn users_are_listed_without_their_secrets() {
        let name: UserName = "alice".parse().unwrap();
        let password = PasswordHash::new("secret").unwrap();
        let own =
            Account { root: Some("/srv/a b".into()), access: Access::Write, password: password.clone() };
        let none = Account { root: None, access: Access::Read, password };
        let json = |account| serde_json::to_string(&UserLine::of(&name, account)).unwrap();
        assert_eq!(json(&own), r#"{"name":"alice","access":"write","root":"/srv/a b"}"#);
        assert_eq!(json(&none), r#"{"name":"alice","access":"read","root":null}"#);
        assert_eq!(as_text(&name, &own), "alice                write \"/srv/a b\"");
        assert_eq!(as_text(&name, &none), "alice                read  (the server's root)");
    }
}
