//! Messages of a session: login, lanes, signs of life, and its end.

use crate::access::Access;
use crate::features::Features;
use crate::ids::LaneNo;
use serde::{Deserialize, Serialize};

/// Asks to act for a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Name and version of the client's program.
    pub agent: String,
    /// The features known to the client. The server ignores those unknown to it.
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
    /// A token that identifies a user.
    Token {
        /// The token's text.
        token: String,
    },
    /// A user's OpenSSH keys.
    Keys {
        /// The user's name.
        user: String,
        /// A signature by each key, see [`crate::login`]. One valid signature is enough.
        proofs: Vec<Vec<u8>>,
    },
}

/// Hides the secret.
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
    pub lane: LaneNo,
    /// See [`crate::binding`].
    pub proof: [u8; 32],
}

/// Accepts a login, and states the session's rights and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Name and version of the server's program.
    pub agent: String,
    /// The features that apply to the session: those known to both ends.
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
    /// Most bytes of the server's memory that the session may use.
    pub memory: u64,
}

/// Success without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done;

/// Ends another session of the same client, whose connection was lost, possibly before the server has noticed.
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

/// The server's disk does not respond, and the session's requests wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalled {
    /// Seconds without any progress.
    pub seconds: u32,
}

/// Asks for a `Pong`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping;

/// Answers a `Ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong;

/// The last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye;
