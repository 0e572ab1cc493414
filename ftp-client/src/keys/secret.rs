//! The private half of a key, and what it signs.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair,
};
use ssh_encoding::{Decode, Encode, Reader};
use ssh_key::public::{EcdsaPublicKey, KeyData};
use ssh_key::{Algorithm, Error, Mpint, Signature};

/// A private key in memory.
pub(super) enum Secret {
    Ed25519(Ed25519KeyPair),
    Ecdsa { pair: EcdsaKeyPair, algorithm: Algorithm },
}

impl Secret {
    /// Reads the private half of `public` from where the fields of a key file begin (OpenSSH's PROTOCOL.key).
    pub(super) fn decode(reader: &mut impl Reader, public: &KeyData) -> Result<Self, Error> {
        let _algorithm = String::decode(reader)?; // whether it is the public key's shows below
        #[allow(clippy::wildcard_enum_match_arm, reason = "the crate's kinds grow; others cannot sign")]
        match public {
            KeyData::Ed25519(public) => {
                let _public = Vec::<u8>::decode(reader)?;
                let pair = Vec::<u8>::decode(reader)?; // the seed, then the public key once more
                let seed = pair.get(..32).ok_or(Error::FormatEncoding)?;
                let pair = Ed25519KeyPair::from_seed_and_public_key(seed, &public.0);
                Ok(Self::Ed25519(pair.map_err(|_| Error::PublicKey)?))
            }
            KeyData::Ecdsa(public) => {
                let _curve = String::decode(reader)?;
                let _public = Vec::<u8>::decode(reader)?;
                // The ssh-key crate's own reader refuses numbers with leading zeros: one P-256 key in 256.
                let scalar = in_full_length(&Mpint::decode(reader)?, field_len(public))?;
                let signing = match public {
                    EcdsaPublicKey::NistP256(_) => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    EcdsaPublicKey::NistP384(_) => &ECDSA_P384_SHA384_FIXED_SIGNING,
                    EcdsaPublicKey::NistP521(_) => &ECDSA_P521_SHA512_FIXED_SIGNING,
                };
                let sec1 = public.as_sec1_bytes();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, &scalar, sec1);
                let pair = pair.map_err(|_| Error::PublicKey)?;
                Ok(Self::Ecdsa { pair, algorithm: public.algorithm() })
            }
            _ => Err(Error::AlgorithmUnknown),
        }
    }

    /// Signs with the key.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Signature, String> {
        let signature = match self {
            Self::Ed25519(pair) => Signature::new(Algorithm::Ed25519, pair.sign(bytes).as_ref()),
            Self::Ecdsa { pair, algorithm } => {
                let fixed = pair.sign(&SystemRandom::new(), bytes).map_err(|_| "cannot sign")?;
                as_integers(fixed.as_ref()).and_then(|bytes| Signature::new(algorithm.clone(), bytes))
            }
        };
        signature.map_err(|error| error.to_string())
    }
}

fn field_len(public: &EcdsaPublicKey) -> usize {
    match public {
        EcdsaPublicKey::NistP256(_) => 32,
        EcdsaPublicKey::NistP384(_) => 48,
        EcdsaPublicKey::NistP521(_) => 66,
    }
}

fn in_full_length(number: &Mpint, len: usize) -> Result<Vec<u8>, Error> {
    let bytes = number.as_positive_bytes().ok_or(Error::FormatEncoding)?;
    let zeros = len.checked_sub(bytes.len()).ok_or(Error::FormatEncoding)?;
    Ok([&vec![0; zeros], bytes].concat())
}

/// Two numbers of fixed length as SSH writes them (RFC 5656, 3.1.2).
fn as_integers(fixed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    for half in fixed.chunks_exact(fixed.len() / 2) {
        Mpint::from_positive_bytes(half)?.encode(&mut bytes)?;
    }
    Ok(bytes)
}
