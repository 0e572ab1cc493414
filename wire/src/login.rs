//! What an OpenSSH key signs to log in, so that the signature is worth nothing anywhere else: not on another connection,
//! not for another user, not at another server, and not as a signature of a file or of an ssh login.
//!
//! The signature itself travels in OpenSSH's own form (PROTOCOL.sshsig), which agents and `ssh-keygen -Y` know.

use crate::checksum::Digest;

/// Exporter label of the 32 bytes that a key's signature covers; control connection.
pub const LOGIN_LABEL: &[u8] = b"EXPORTER-ftpx-login";

/// The namespace of the signatures: what they are for. The domain is one that nobody can own (RFC 2606).
pub const NAMESPACE: &str = "ftpx-login@ftpx.invalid";

/// A control connection, as far as a login by key is bound to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// The exporter value for [`LOGIN_LABEL`], which only the two ends know.
    pub exported: [u8; 32],
    /// SHA-256 of the server's public key (SPKI).
    pub server_key: Digest,
}

impl Channel {
    /// What a key signs to log in as `user`. The parts before the name have fixed lengths, so no two logins share a message.
    #[must_use]
    pub fn message(&self, user: &str) -> Vec<u8> {
        [b"ftpx login v1\n", &self.exported[..], &self.server_key.0, user.as_bytes()].concat()
    }
}

/// Never shows the exporter's value.
impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Channel(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_signs_something_else() {
        let channel = Channel { exported: [1; 32], server_key: Digest([2; 32]) };
        let message = channel.message("alice");
        assert!(message.starts_with(b"ftpx login v1\n") && message.ends_with(b"alice"));
        assert_ne!(message, channel.message("alicf"));
        assert_ne!(message, Channel { exported: [9; 32], ..channel.clone() }.message("alice"));
        assert_ne!(message, Channel { server_key: Digest([9; 32]), ..channel }.message("alice"));
    }
}
