//! TLS as both ends use it: version 1.3, one ALPN, aws-lc-rs, exportable secrets for lanes. No resumption.
//!
//! rustls accepts a connection without ALPN, at either end: a peer without one is assumed to speak any protocol. Both ends here
//! refuse it, so that only this protocol is ever interpreted as this protocol.

use crate::binding::{ALPN, ALPN_BLAKE3};
use crate::checksum::{Checksum, Digest};
use crate::sha256::Sha256;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, CommonState, ServerConfig, SupportedCipherSuite, version};
use std::sync::Arc;

/// Returns the cryptography of every connection.
#[must_use]
pub fn crypto() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { cipher_suites: cipher_suites(), ..provider::default_provider() })
}

/// Returns the server's configuration.
///
/// # Errors
/// If key and certificate do not match.
pub fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let key = CertifiedKey::from_der(certificates, key, &crypto())?;
    let mut config = ServerConfig::builder_with_provider(crypto())
        .with_protocol_versions(&[&version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(OnlyWithAlpn(Arc::new(key))));
    config.alpn_protocols = protocols();
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0; // a lane does not expect the record of a ticket
    Ok(Arc::new(config))
}

/// Returns the client's configuration. `verifier` must check the handshake's signature; trust in the key is decided afterwards.
///
/// # Errors
/// If the provider does not support TLS 1.3, which it does.
pub fn client_config(verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(crypto())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = protocols();
    config.enable_secret_extraction = true;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Checks, after the client's handshake, that the server has chosen a protocol. rustls has checked that it is one of those
/// offered.
///
/// # Errors
/// If it has chosen none.
pub fn check_protocol(connection: &CommonState) -> Result<(), rustls::Error> {
    match connection.alpn_protocol() {
        Some(_) => Ok(()),
        None => Err(rustls::Error::NoApplicationProtocol),
    }
}

/// Shows the server's key only to a client that offers a protocol: others get an alert. A client that offers only unknown
/// protocols gets rustls's own alert.
#[derive(Debug)]
struct OnlyWithAlpn(Arc<CertifiedKey>);

impl ResolvesServerCert for OnlyWithAlpn {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.alpn().map(|_| self.0.clone())
    }
}

/// Returns the checksum agreed on in the handshake, for jobs without an explicit choice.
#[must_use]
pub fn agreed_checksum(connection: &CommonState) -> Checksum {
    if connection.alpn_protocol() == Some(ALPN_BLAKE3) { Checksum::Blake3 } else { Checksum::Sha256 }
}

/// Returns the SHA-256 of a certificate's public key (SPKI), by which servers are pinned.
///
/// # Errors
/// If the certificate cannot be parsed.
pub fn key_fingerprint(certificate: &CertificateDer<'_>) -> Result<Digest, rustls::Error> {
    let malformed = |_| rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
    let certificate = webpki::EndEntityCert::try_from(certificate).map_err(malformed)?;
    Ok(Sha256::digest(certificate.subject_public_key_info().as_ref()))
}

fn protocols() -> Vec<Vec<u8>> {
    match Checksum::fastest_here() {
        Checksum::Blake3 => vec![ALPN_BLAKE3.to_vec(), ALPN.to_vec()],
        Checksum::Sha256 => vec![ALPN.to_vec()],
    }
}

/// AES-128-GCM first where the processor has AES instructions (a core does 10 GB/s); ChaCha20 first elsewhere.
fn cipher_suites() -> Vec<SupportedCipherSuite> {
    use provider::cipher_suite::{
        TLS13_AES_128_GCM_SHA256 as AES_128, TLS13_AES_256_GCM_SHA384 as AES_256,
        TLS13_CHACHA20_POLY1305_SHA256 as CHACHA20,
    };
    #[cfg(target_arch = "x86_64")]
    let aes = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let aes = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let aes = false;
    if aes { vec![AES_128, AES_256, CHACHA20] } else { vec![CHACHA20, AES_128, AES_256] }
}
