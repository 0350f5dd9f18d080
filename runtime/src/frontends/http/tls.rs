//! TLS on the address that is listened on.

use std::{io, sync::Arc};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig, crypto::aws_lc_rs},
    server::TlsStream,
};

/// A certificate with its key, by which a server speaks TLS. Clones are the same.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why a certificate can't be served.
#[derive(Debug, thiserror::Error)]
pub enum BadTls {
    /// The certificate is not PEM, or what is in it is no certificate.
    #[error("the certificate can't be read")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    /// There is no certificate in it.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// The key is not PEM, or there is none in it.
    #[error("the private key can't be read")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// Certificate and key don't belong together, or are of a kind that can't be used.
    #[error("the certificate can't be served with this key")]
    Unfit(#[source] rustls::Error),
}

impl Tls {
    /// From PEM: the certificate with those that vouch for it behind it, and its private key.
    ///
    /// # Errors
    /// They can't be read, or don't belong together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, BadTls> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(BadTls::Certificate)?;
        if chain.is_empty() {
            return Err(BadTls::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(BadTls::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(BadTls::Unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(BadTls::Unfit)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.0.accept(stream).await
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(hidden)")
    }
}
