//! Connections to the server.

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::answer::{Failure, words};
use super::schema;

/// A connection that works as far as is known.
pub(super) struct Session {
    pub(super) client: Client,
    /// What reads and writes the socket.
    driver: JoinHandle<()>,
    pub(super) salt: u128,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects, and makes sure that the tables are there.
pub(super) async fn connect(config: &Config) -> Result<Session, Failure> {
    let (client, driver) = match tls(config)? {
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            (client, tokio::spawn(drive(connection)))
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, tokio::spawn(drive(connection)))
        }
    };
    let mut session = Session {
        client,
        driver,
        salt: 0,
    };
    session.salt = schema::prepare(&mut session.client).await?;
    Ok(session)
}

/// What makes TLS connections, unless the address says that there are none.
fn tls(config: &Config) -> Result<Option<MakeRustlsConnect>, Failure> {
    if config.get_ssl_mode() == SslMode::Disable {
        return Ok(None);
    }
    match MakeRustlsConnect::with_native_certs() {
        Ok((tls, _)) => Ok(Some(tls)),
        Err(errors) if config.get_ssl_mode() == SslMode::Require => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Err(Failure::Certificates(errors.join(", ")))
        }
        Err(_) => Ok(None),
    }
}

async fn drive(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    // Whatever is asked of the connection fails from then on.
    if let Err(error) = connection.await {
        tracing::warn!("the connection to the database is lost: {}", words(&error));
    }
}
