//! The user and the secret of a login: they become a login once there is a channel that a key can sign for.

use crate::Error;
use crate::keys::SshKey;
use std::sync::{Arc, Mutex};
use wire::limits::LOGIN_KEYS_MAX;
use wire::login::Channel;
use wire::message::Login;
use wire::sync::lock;

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
    /// A user's password that nobody has been asked for yet.
    Asked(AskedPassword),
    /// A token that stands for a user.
    Token {
        /// The token's text.
        token: String,
    },
    /// The login that the transport brings.
    OfTransport,
    /// A user's OpenSSH keys; the first [`LOGIN_KEYS_MAX`] are offered.
    Keys {
        /// The user's name.
        user: String,
        /// The keys, the likeliest first.
        keys: Vec<SshKey>,
    },
}

/// A password that a person is asked for, once the server's key is accepted. The answer is kept for further connections.
#[derive(Clone)]
pub struct AskedPassword {
    user: String,
    ask: Arc<dyn Fn() -> Result<String, Error> + Send + Sync>,
    answer: Arc<Mutex<Option<String>>>,
}

impl AskedPassword {
    /// Names the user; `ask` may block.
    pub fn new(user: String, ask: impl Fn() -> Result<String, Error> + Send + Sync + 'static) -> Self {
        Self { user, ask: Arc::new(ask), answer: Arc::default() }
    }

    fn answer(&self) -> Result<String, Error> {
        let mut answer = lock(&self.answer);
        if let Some(password) = &*answer {
            return Ok(password.clone());
        }
        let password = (self.ask)()?;
        *answer = Some(password.clone());
        Ok(password)
    }
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
            Self::Password { user, password } => PreparedLogin::by_password(user, password),
            Self::Asked(asked) => {
                let user = asked.user.clone();
                let password = tokio::task::spawn_blocking(move || asked.answer()).await;
                PreparedLogin::by_password(user, password.map_err(|_| Error::Interrupted)??)
            }
            Self::Token { token } => PreparedLogin {
                login: Login::Token { token },
                if_refused: "the token is unknown, expired or used up".to_owned(),
            },
            Self::OfTransport => {
                return Err(Error::NoLogin("this way to the server brings no login".to_owned()));
            }
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

impl PreparedLogin {
    fn by_password(user: String, password: String) -> Self {
        let login = Login::Password { user, password };
        Self { login, if_refused: "wrong user or password".to_owned() }
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
