use crate::bus::BusError;
use crate::store::StoreError;
use crate::tls::TlsError;

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The listener is of no use.
    #[error("cannot listen: {0}")]
    Listener(#[source] std::io::Error),
    /// The admin address cannot be listened on.
    #[error("cannot listen at the admin address: {0}")]
    AdminListener(#[source] std::io::Error),
    /// The certificate or its key is of no use.
    #[error("cannot use TLS: {0}")]
    Tls(#[from] TlsError),
    /// The bus that joins this process with others cannot be used.
    #[error("cannot use the bus: {0}")]
    Bus(#[from] BusError),
    /// The rooms' logs cannot be kept.
    #[error("cannot keep logs: {0}")]
    Store(#[from] StoreError),
}
