//! TLS, with certificates that are read again when their files change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::net::TcpStream;
use tokio::time::interval;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::stream::Stream;

/// How often to look whether the files have changed.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is not in PEM form.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// The file for certificates has none.
    #[error("{} has no certificate in it", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are of no use together.
    #[error("the certificate {} and the key {} cannot be used: {source}", cert.display(), key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        source: rustls::Error,
    },
}

/// Makes TLS streams of TCP streams.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
}

#[derive(Debug)]
struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// When the files were changed last as the first were read.
    first: Stamp,
}

/// When the two files were changed last; `None` while one is missing.
type Stamp = Option<(SystemTime, SystemTime)>;

impl Tls {
    pub(crate) fn load(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        // Taken before the files are read, so that a change in between is not missed.
        let first = stamp(&cert, &key);
        let read = read(&cert, &key, &provider)?;
        let unusable = {
            let (cert, key) = (cert.clone(), key.clone());
            |source| TlsError::Unusable { cert, key, source }
        };
        let certificates = Arc::new(Certificates {
            cert,
            key,
            provider: provider.clone(),
            current: RwLock::new(Arc::new(read)),
            first,
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        // WebSockets are upgraded from HTTP/1.1; a browser offered more would take that.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificates,
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<Stream> {
        Ok(Stream::Tls(Box::new(self.acceptor.accept(stream).await?)))
    }

    /// Reads the files again now. Where they cannot be used, what was read before stays in use.
    pub(crate) fn read_again(&self) {
        match self.certificates.take_up() {
            Ok(()) => {}
            Err(error) => tracing::error!("the certificate in use stays: {error}"),
        }
    }

    /// Reads the files again whenever they change. While they do not fit together, as between the
    /// replacement of the one and of the other, what was read before stays in use.
    pub(crate) async fn watch(&self) {
        let Certificates {
            cert, key, first, ..
        } = &*self.certificates;
        let mut known = *first;
        let mut complaint = None;
        let mut rounds = interval(WATCH_INTERVAL);
        loop {
            rounds.tick().await;
            let now = stamp(cert, key);
            if now == known {
                continue;
            }
            match self.certificates.take_up() {
                Ok(()) => {
                    known = now;
                    complaint = None;
                }
                Err(error) => {
                    let text = error.to_string();
                    if complaint.as_ref() != Some(&text) {
                        tracing::error!("the certificate in use stays: {text}");
                        complaint = Some(text);
                    }
                }
            }
        }
    }
}

impl Certificates {
    /// Reads the files, and has new connections use what is in them.
    fn take_up(&self) -> Result<(), TlsError> {
        let read = read(&self.cert, &self.key, &self.provider)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(read);
        tracing::info!("took up the certificate in {}", self.cert.display());
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(
            self.current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }
}

fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        |source| TlsError::File { path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(file(cert))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: cert.to_owned(),
        });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    CertifiedKey::from_der(chain, private, provider).map_err(|source| TlsError::Unusable {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn stamp(cert: &Path, key: &Path) -> Stamp {
    let changed = |path: &Path| std::fs::metadata(path).ok()?.modified().ok();
    Some((changed(cert)?, changed(key)?))
}

/// The clients of Redis and PostgreSQL take what the process has for cryptography in TLS: this sets it. Only the
/// first call has an effect.
pub(crate) fn choose_provider() {
    let _ = ring::default_provider().install_default();
}
