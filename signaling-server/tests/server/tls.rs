//! TLS on the server's own port, and certificates that change while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Folder, Server, soon};

struct Identity {
    folder: Folder,
    cert: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn new() -> (Self, CertificateDer<'static>) {
        let folder = Folder::new();
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let identity = Self { folder, cert, key };
        let certificate = identity.renew();
        (identity, certificate)
    }

    /// Writes another certificate and key, each file replaced as a whole.
    fn renew(&self) -> CertificateDer<'static> {
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        self.replace(&self.key, &signing_key.serialize_pem());
        self.replace(&self.cert, &cert.pem());
        cert.der().clone()
    }

    fn replace(&self, file: &Path, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    async fn server(&self) -> Server {
        let (cert, key) = (self.cert.to_str().unwrap(), self.key.to_str().unwrap());
        Server::start(&["--tls-cert", cert, "--tls-key", key]).await
    }
}

/// Connects, trusting that one certificate alone.
async fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    soon(
        "the TLS handshake",
        TlsConnector::from(Arc::new(config)).connect(name, stream),
    )
    .await
}

async fn join(stream: TlsStream<TcpStream>) -> String {
    use futures_util::{SinkExt, StreamExt};
    let (mut socket, _) = soon("the handshake", client_async("wss://localhost/ws", stream))
        .await
        .unwrap();
    socket
        .send(Message::text(r#"{"type":"join","agentId":"alice"}"#))
        .await
        .unwrap();
    soon("the list", socket.next())
        .await
        .unwrap()
        .unwrap()
        .into_text()
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn sockets_run_over_tls() {
    let (identity, certificate) = Identity::new();
    let server = identity.server().await;
    let stream = connect(&server, &certificate).await.unwrap();
    assert_eq!(join(stream).await, r#"{"type":"peer_list","peers":[]}"#);
}

#[tokio::test]
async fn what_is_not_tls_is_dropped_and_the_server_goes_on() {
    let (identity, certificate) = Identity::new();
    let server = identity.server().await;
    let answer = server.raw("GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
    assert!(connect(&server, &certificate).await.is_ok());
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let (identity, first) = Identity::new();
    let server = identity.server().await;
    let early = connect(&server, &first).await.unwrap();

    identity.replace(&identity.cert, "this is no certificate");
    let second = identity.renew();
    let until_taken = async {
        while connect(&server, &second).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the new certificate", until_taken).await;
    assert!(connect(&server, &first).await.is_err());
    // A connection made before goes on.
    assert_eq!(join(early).await, r#"{"type":"peer_list","peers":[]}"#);
}

#[tokio::test]
async fn a_server_does_not_start_with_files_that_do_not_fit() {
    let (one, _) = Identity::new();
    let (other, _) = Identity::new();
    let start = |cert: PathBuf, key: PathBuf| async move {
        let flags = [
            "--tls-cert",
            cert.to_str().unwrap(),
            "--tls-key",
            key.to_str().unwrap(),
        ];
        Server::start(&flags)
            .await
            .result()
            .await
            .unwrap_err()
            .to_string()
    };
    let mixed = start(one.cert.clone(), other.key.clone()).await;
    assert!(mixed.contains("cannot be used"), "{mixed}");
    let missing = one.folder.path().join("missing.pem");
    let error = start(missing, one.key.clone()).await;
    assert!(error.contains("missing.pem"), "{error}");
    let empty = one.folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let error = start(empty, one.key.clone()).await;
    assert!(error.contains("empty.pem"), "{error}");
}
