//! Proofs of logins by key: OpenSSH's signatures, checked by aws-lc.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, UnparsedPublicKey,
    VerificationAlgorithm,
};
use ssh_encoding::{Decode, Encode};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{HashAlg, Mpint, Signature, SshSig};
use wire::limits::KEY_PROOF_LEN_MAX;
use wire::login::NAMESPACE;

/// Returns the key whose owner has signed `message` with this proof; `None` if the proof is invalid.
pub(crate) fn signer(proof: &[u8], message: &[u8]) -> Option<KeyData> {
    if proof.len() > KEY_PROOF_LEN_MAX {
        return None;
    }
    let bytes = proof;
    let proof = SshSig::decode(&mut &bytes[..]).ok()?;
    // The crate reads over wrong lengths; so what it read must be all that was there.
    let mut encoded = Vec::new();
    proof.encode(&mut encoded).ok()?;
    let as_it_must_be = encoded == bytes
        && proof.version() == SshSig::VERSION
        && proof.namespace() == NAMESPACE
        && proof.reserved().is_empty()
        && proof.hash_alg() == HashAlg::Sha512
        && proof.algorithm() == proof.public_key().algorithm();
    let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).ok()?;
    let good = as_it_must_be && verify(proof.public_key(), &signed, proof.signature());
    good.then(|| proof.public_key().clone())
}

fn verify(key: &KeyData, signed: &[u8], signature: &Signature) -> bool {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the crate's kinds grow; others cannot be verified")]
    match key {
        KeyData::Ed25519(key) => verify_with(&ED25519, &key.0, signed, signature.as_bytes()),
        KeyData::Ecdsa(key) => {
            let (algorithm, field_len): (&'static dyn VerificationAlgorithm, _) = match key {
                EcdsaPublicKey::NistP256(_) => (&ECDSA_P256_SHA256_FIXED, 32),
                EcdsaPublicKey::NistP384(_) => (&ECDSA_P384_SHA384_FIXED, 48),
                EcdsaPublicKey::NistP521(_) => (&ECDSA_P521_SHA512_FIXED, 66),
            };
            fixed(signature.as_bytes(), field_len)
                .is_some_and(|fixed| verify_with(algorithm, key.as_sec1_bytes(), signed, &fixed))
        }
        _ => false,
    }
}

fn verify_with(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
}

/// An ECDSA signature as aws-lc takes it: both numbers in full length. SSH writes them as integers (RFC 5656, 3.1.2).
fn fixed(mut signature: &[u8], field_len: usize) -> Option<Vec<u8>> {
    let mut fixed = vec![0; 2 * field_len];
    for half in fixed.chunks_exact_mut(field_len) {
        let number = Mpint::decode(&mut signature).ok()?;
        let bytes = number.as_positive_bytes()?;
        half.get_mut(field_len.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    }
    signature.is_empty().then_some(fixed)
}

/// The example of the protocol's page: what is signed for `alice`, and the proof that `ssh-keygen -Y sign` made.
#[cfg(test)]
pub(crate) fn example() -> (Vec<u8>, Vec<u8>) {
    let text = include_str!("../../fixtures/golden/vector-login-key.hex");
    let digits: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().bytes())
        .filter_map(|byte| char::from(byte).to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let (message, proof) = bytes[64..].split_at(14 + 32 + 32 + "alice".len());
    (message.to_vec(), proof.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ssh_key::PublicKey;

    #[test]
    fn a_proof_of_openssh_is_good() {
        let (message, proof) = example();
        let key: PublicKey = include_str!("../../fixtures/keys/id_ed25519.pub").parse().unwrap();
        assert_eq!(signer(&proof, &message).as_ref(), Some(key.key_data()));
    }

    #[test]
    fn a_proof_is_worth_nothing_once_any_bit_of_it_or_of_its_message_is_another() {
        let (message, proof) = example();
        for index in 0..proof.len() {
            for bit in 0..8 {
                let mut other = proof.clone();
                other[index] ^= 1 << bit;
                assert_eq!(signer(&other, &message), None, "bit {bit} of byte {index}");
            }
            assert_eq!(signer(&proof[..index], &message), None);
        }
        assert_eq!(signer(&[&proof[..], b"x"].concat(), &message), None);
        for index in 0..message.len() {
            let mut other = message.clone();
            other[index] ^= 1;
            assert_eq!(signer(&proof, &other), None, "byte {index} of the message");
        }
    }
}
