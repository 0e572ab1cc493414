//! The message that an OpenSSH key signs to log in. The signature is worthless anywhere else: on another connection, for
//! another user, at another server, and as a signature of a file or of an ssh login.
//!
//! The signature itself travels in OpenSSH's own form (PROTOCOL.sshsig), which agents and `ssh-keygen -Y` support.

use crate::checksum::Digest;

/// Exporter label of the 32 bytes that a key's signature covers; control connection.
pub const LOGIN_LABEL: &[u8] = b"EXPORTER-ftpx-login";

/// Namespace of the signatures, which says what they are for. The domain is reserved and can have no owner (RFC 2606).
pub const NAMESPACE: &str = "ftpx-login@ftpx.invalid";

/// The properties of a control connection that a login by key is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// The exporter value for [`LOGIN_LABEL`], known only to the two ends.
    pub exported: [u8; 32],
    /// SHA-256 of the server's public key (SPKI).
    pub server_key: Digest,
}

impl Channel {
    /// Builds the message that a key signs to log in as `user`. The parts before the name have fixed lengths, so two different
    /// logins never share a message.
    #[must_use]
    pub fn message(&self, user: &str) -> Vec<u8> {
        [b"ftpx login v1\n", &self.exported[..], &self.server_key.0, user.as_bytes()].concat()
    }
}

/// Hides the exporter value.
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
