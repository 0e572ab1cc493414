//! Messages of a session: login, lanes, signs of life, and its end.

use crate::access::Access;
use crate::features::Features;
use serde::{Deserialize, Serialize};

/// Asks to act for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Name and version of the client's program.
    pub agent: String,
    /// Those that the client knows. The server ignores those that it does not.
    pub features: Features,
    /// The user, and the proof.
    pub login: Login,
}

/// The ways to log in, each with its proof.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Login {
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
    /// A user's OpenSSH keys.
    Keys {
        /// The user's name.
        user: String,
        /// A signature by each key, see [`crate::login`]. One that is good is enough.
        proofs: Vec<Vec<u8>>,
    },
}

/// Never shows the secret.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?} }}"),
            Self::Token { .. } => f.write_str("Token"),
            Self::Keys { user, proofs } => write!(f, "Keys {{ user: {user:?}, {} keys }}", proofs.len()),
        }
    }
}

/// Binds a connection to a session as a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneHello {
    /// The session's id, derived from the control connection.
    pub session: [u8; 16],
    /// The lane's number, each used once in a session.
    pub lane: u16,
    /// See [`crate::binding`].
    pub proof: [u8; 32],
}

/// Accepts a login, and tells the session's rights and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Name and version of the server's program.
    pub agent: String,
    /// Those that hold for the session: of those that the client knows, those that the server does.
    pub features: Features,
    /// The user that the session acts for.
    pub user: String,
    /// The user's rights.
    pub access: Access,
    /// Most lanes at the same time.
    pub lanes_max: u16,
    /// Most jobs at the same time.
    pub jobs_max: u16,
    /// Most unacknowledged frames of a job that the server receives.
    pub window: u32,
    /// Most bytes of memory that the session may take of the server.
    pub memory: u64,
}

/// Nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done;

/// Ends another session of the same client, whose connection was lost: nobody may know yet that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// The other session's id.
    pub session: [u8; 16],
    /// See [`crate::binding`].
    pub proof: [u8; 32],
}

/// Stops a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel;

/// The server's disk does not answer; what the session asked for waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalled {
    /// For how long nothing of it has gone on.
    pub seconds: u32,
}

/// Is the peer there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping;

/// The peer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong;

/// The last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye;
