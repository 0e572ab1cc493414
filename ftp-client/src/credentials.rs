//! The user and the secret of a login: they become a login once there is a channel that a key can sign for.

use crate::Error;
use crate::keys::SshKey;
use wire::limits::LOGIN_KEYS_MAX;
use wire::login::Channel;
use wire::message::Login;

/// The user and the secret of a login.
#[derive(Clone)]
pub enum Credentials {
    /// A user's password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token that stands for a user.
    Token {
        /// The token's text.
        token: String,
    },
    /// A user's OpenSSH keys; the first [`LOGIN_KEYS_MAX`] are offered.
    Keys {
        /// The user's name.
        user: String,
        /// The keys, the likeliest first.
        keys: Vec<SshKey>,
    },
}

/// A login, and what to tell if it is refused.
pub(crate) struct PreparedLogin {
    pub(crate) login: Login,
    pub(crate) if_refused: String,
}

impl Credentials {
    /// Signs for the channel, if it is keys that log in.
    pub(crate) async fn prepare(self, channel: &Channel) -> Result<PreparedLogin, Error> {
        Ok(match self {
            Self::Password { user, password } => PreparedLogin {
                login: Login::Password { user, password },
                if_refused: "wrong user or password".to_owned(),
            },
            Self::Token { token } => PreparedLogin {
                login: Login::Token { token },
                if_refused: "the token is unknown, expired or used up".to_owned(),
            },
            Self::Keys { user, keys } => {
                let message = channel.message(&user);
                let signing = tokio::task::spawn_blocking(move || sign(&keys, &message));
                let (proofs, failures) = signing.await.map_err(|panic| Error::NoProof(panic.to_string()))?;
                if proofs.is_empty() {
                    return Err(Error::NoProof(failures.join("; ")));
                }
                let if_refused = key_refusal(&user, proofs.len(), &failures);
                PreparedLogin { login: Login::Keys { user, proofs }, if_refused }
            }
        })
    }
}

/// Proofs of the keys that sign, and why others do not.
fn sign(keys: &[SshKey], message: &[u8]) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut proofs, mut failures) = (Vec::new(), Vec::new());
    for key in keys {
        if proofs.len() == LOGIN_KEYS_MAX {
            break;
        }
        match key.prove(message) {
            Ok(proof) => proofs.push(proof),
            Err(reason) => failures.push(reason),
        }
    }
    (proofs, failures)
}

fn key_refusal(user: &str, offered: usize, failures: &[String]) -> String {
    let keys = if offered == 1 { "the key" } else { "none of the keys" };
    let not = if offered == 1 { " not" } else { "" };
    let user = wire::escape::Escaped(user.as_bytes());
    let mut text = format!(
        "{keys} that {} offered may{not} log in as {user} from here (-v names what was offered)",
        if offered == 1 { "was" } else { "were" }
    );
    for failure in failures {
        text = format!("{text}; {failure}");
    }
    text
}
