//! Proves that a lane belongs to a session, by values that only the two ends of both TLS connections know.
//!
//! All values come from TLS exporters (RFC 8446, 7.5) with an empty context. The session's id and secret come from the control
//! connection. A lane's proof is an HMAC-SHA256 of the lane's own exporter value, keyed with that secret, so it is worthless on
//! any other connection.

use crate::ids::LaneNo;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Exporter label of the 16 bytes that name the session; control connection.
pub const SESSION_ID_LABEL: &[u8] = b"EXPORTER-ftpx-session-id";
/// Exporter label of the 32 bytes that key lane proofs; control connection.
pub const SESSION_SECRET_LABEL: &[u8] = b"EXPORTER-ftpx-session-secret";
/// Exporter label of the 32 bytes that a proof covers; lane.
pub const LANE_LABEL: &[u8] = b"EXPORTER-ftpx-lane";

/// ALPN of this protocol version.
pub const ALPN: &[u8] = b"ftpx/1";
/// ALPN of this protocol version between two ends for which BLAKE3 is the faster checksum. The ALPN settles this before the
/// first request, without a round trip.
pub const ALPN_BLAKE3: &[u8] = b"ftpx/1 blake3";

/// Identifies a session at its server. Not a secret: a lane must also send a proof.
pub type SessionId = [u8; 16];

/// The key of a session's lane proofs.
#[derive(Clone)]
pub struct SessionSecret([u8; 32]);

impl SessionSecret {
    /// Takes the control connection's exporter value for [`SESSION_SECRET_LABEL`].
    #[must_use]
    pub fn new(exported: [u8; 32]) -> Self {
        Self(exported)
    }

    /// Returns the proof for lane `lane` of session `session` over the connection whose exporter value is `lane_exported`.
    #[must_use]
    pub fn prove(&self, session: &SessionId, lane: LaneNo, lane_exported: &[u8; 32]) -> [u8; 32] {
        self.mac(session, lane, lane_exported).finalize().into_bytes().into()
    }

    /// Checks a proof in constant time.
    #[must_use]
    pub fn verify(
        &self,
        session: &SessionId,
        lane: LaneNo,
        lane_exported: &[u8; 32],
        proof: &[u8; 32],
    ) -> bool {
        self.mac(session, lane, lane_exported).verify_slice(proof).is_ok()
    }

    /// Returns the proof that the session `new` continues this session, `old`, after it was cut off.
    #[must_use]
    pub fn prove_replacement(&self, old: &SessionId, new: &SessionId) -> [u8; 32] {
        self.replacement(old, new).finalize().into_bytes().into()
    }

    /// Checks a replacement proof in constant time.
    #[must_use]
    pub fn verify_replacement(&self, old: &SessionId, new: &SessionId, proof: &[u8; 32]) -> bool {
        self.replacement(old, new).verify_slice(proof).is_ok()
    }

    fn replacement(&self, old: &SessionId, new: &SessionId) -> Hmac<Sha256> {
        let mut mac = self.keyed();
        mac.update(b"ftpx replace v1\n");
        mac.update(old);
        mac.update(new);
        mac
    }

    fn mac(&self, session: &SessionId, lane: LaneNo, lane_exported: &[u8; 32]) -> Hmac<Sha256> {
        let mut mac = self.keyed();
        mac.update(b"ftpx lane v1\n");
        mac.update(session);
        mac.update(&lane.0.to_le_bytes());
        mac.update(lane_exported);
        mac
    }

    fn keyed(&self) -> Hmac<Sha256> {
        let mut padded = [0; 64];
        padded[..32].copy_from_slice(&self.0); // HMAC pads a shorter key with zeros, so this is the same key
        Hmac::<Sha256>::new(&padded.into())
    }
}

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_good_for_one_lane_of_one_session_on_one_connection() {
        let secret = SessionSecret::new([1; 32]);
        let proof = secret.prove(&[2; 16], LaneNo(3), &[4; 32]);
        assert!(secret.verify(&[2; 16], LaneNo(3), &[4; 32], &proof));
        assert!(!secret.verify(&[9; 16], LaneNo(3), &[4; 32], &proof));
        assert!(!secret.verify(&[2; 16], LaneNo(9), &[4; 32], &proof));
        assert!(!secret.verify(&[2; 16], LaneNo(3), &[9; 32], &proof));
        assert!(!SessionSecret::new([9; 32]).verify(&[2; 16], LaneNo(3), &[4; 32], &proof));
    }

    /// Without the proof, anyone who knows a session id, which is not secret, could end that session.
    #[test]
    fn a_replacement_is_proven_by_the_secret_of_the_old_session() {
        let secret = SessionSecret::new([1; 32]);
        let proof = secret.prove_replacement(&[2; 16], &[3; 16]);
        assert!(secret.verify_replacement(&[2; 16], &[3; 16], &proof));
        assert!(!secret.verify_replacement(&[9; 16], &[3; 16], &proof));
        assert!(!secret.verify_replacement(&[2; 16], &[9; 16], &proof));
        assert!(!secret.verify_replacement(&[2; 16], &[3; 16], &[0; 32]));
        assert!(!SessionSecret::new([9; 32]).verify_replacement(&[2; 16], &[3; 16], &proof));
    }
}
