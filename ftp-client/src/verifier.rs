//! The check of a server's certificate in TLS: the server must hold its key. Whether that key is the right one is decided
//! after the handshake, before anything secret is sent, because the answer may need a person or a file.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;
use wire::checksum::Digest;
use wire::transport::tls_tcp::tls::{crypto, key_fingerprint};

/// Accepts any certificate whose key the server proves to hold; or only one key, where that is known.
#[derive(Debug)]
pub(crate) struct KeyVerifier {
    expected: Option<Digest>,
    provider: Arc<CryptoProvider>,
}

impl KeyVerifier {
    /// Accepts only the key `expected`, if there is one.
    pub(crate) fn new(expected: Option<Digest>) -> Arc<Self> {
        Arc::new(Self { expected, provider: crypto() })
    }
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_fingerprint(certificate)?;
        if self.expected.is_none_or(|expected| expected == key) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Asks the platform whether it trusts this certificate for this host. Reads the platform's roots, so it takes a while.
pub(crate) fn platform_trusts(chain: &[CertificateDer<'_>], host: &str) -> bool {
    let (Some((certificate, intermediates)), Ok(name)) = (chain.split_first(), ServerName::try_from(host))
    else {
        return false;
    };
    Verifier::new(crypto())
        .and_then(|verifier| {
            verifier.verify_server_cert(certificate, intermediates, &name, &[], UnixTime::now())
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the certificate says: it was not looked at.
    #[test]
    fn a_host_that_is_no_name_of_a_certificate_is_not_trusted() {
        let chain = [CertificateDer::from(vec![0x30, 0])];
        for host in ["", "no name", "a..b", "-"] {
            assert!(!platform_trusts(&chain, host), "{host:?}");
        }
        assert!(!platform_trusts(&[], "localhost"));
        assert!(!platform_trusts(&chain, "localhost"));
    }
}
