/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The listener is of no use.
    #[error("cannot listen: {0}")]
    Listener(#[source] std::io::Error),
}
