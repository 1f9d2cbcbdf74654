//! Asks a server whether it takes clients, as the health check of a container does.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
};

use crate::config::Config;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of the answer is looked at, in bytes.
const ANSWER: u64 = 4096;

/// Asks the server that runs on this machine with the settings `config`.
///
/// # Errors
/// In words, when it does not answer in time, or answers that it takes no clients.
pub async fn check(config: &Config) -> Result<(), String> {
    let address = config.local_address();
    let asked = async {
        let stream = TcpStream::connect(&address).await;
        let stream = stream.map_err(|error| error.to_string())?;
        match &config.tls_cert {
            Some(certificate) => ask(secured(stream, certificate).await?).await,
            None => ask(stream).await,
        }
    };
    let answer = timeout(PATIENCE, asked).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer".to_owned()));
    answer.map_err(|error| format!("{address}: {error}"))
}

/// Sends the request, and looks at the answer's status.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
    let request = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(request).await?;
        stream.flush().await?;
        stream.take(ANSWER).read_to_end(&mut answer).await
    };
    talk.await.map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap_or("no HTTP");
    if status == "200" {
        return Ok(());
    }
    let why = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Err(format!("{status} {why}").trim_end().to_owned())
}

/// The stream with TLS, if the server has the certificate that is in the file.
async fn secured(
    stream: TcpStream,
    certificate: &Path,
) -> Result<impl AsyncRead + AsyncWrite + Unpin, String> {
    let expected = CertificateDer::from_pem_file(certificate)
        .map_err(|error| format!("{}: {error}", certificate.display()))?;
    let provider = Arc::new(ring::default_provider());
    let only = Arc::new(Only {
        expected,
        provider: provider.clone(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(only)
        .with_no_client_auth();
    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connected.await.map_err(|error| error.to_string())
}

/// Trusts one certificate, whatever name it is for: the server is known by its settings.
#[derive(Debug)]
struct Only {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *certificate == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

impl Config {
    /// Where this machine reaches a server with these settings, as `host:port`.
    fn local_address(&self) -> String {
        let host = match self.host.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Ipv4Addr::LOCALHOST.to_string(),
            Ok(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Ipv6Addr::LOCALHOST.to_string(),
            _ => self.host.clone(),
        };
        Config {
            host,
            ..self.clone()
        }
        .address()
    }
}
