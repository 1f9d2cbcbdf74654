//! Certificates and secrets that are read again while the server runs.

use crate::config::Config;
use crate::from_file::{FromFile, InFile};
use crate::hub::Hub;
use crate::tls::Tls;

/// Reads the files again that the settings name. Where one of a kind is bad, all of that kind stay as they
/// are, and the log says so.
pub(crate) fn reload(hub: &Hub, tls: Option<&Tls>) {
    if let Some(tls) = tls {
        tls.read_again();
    }
    let config = &hub.config;
    if let Some(tokens) = &hub.tokens
        && !(config.token_secret_file.is_empty() && config.token_public_key_file.is_empty())
    {
        let read = config.with_token_files_read_again();
        if let Some(Some(new)) = checked("join tokens", read).map(|config| config.tokens()) {
            tokens.set(new);
        }
    }
    if let Some(file) = &config.turn_secret_file {
        let read = file.read_again().map(|file| Config {
            turn_secret_file: Some(file),
            ..config.clone()
        });
        if let Some(config) = checked("the TURN servers", read) {
            hub.greeter.ice_servers.set(config.ice_servers());
        }
    }
    if let (Some(token), Some(file)) = (&hub.admin_token, &config.admin_token_file)
        && let Some(file) = checked("the admin address", file.read_again())
    {
        token.set(file.value().clone());
    }
}

/// What was read of the secrets for something, if it can be used. The log says whether it can.
fn checked<T>(what: &str, read: Result<T, String>) -> Option<T> {
    match &read {
        Ok(_) => tracing::info!("read the secrets of {what} again"),
        Err(error) => tracing::error!("the secrets of {what} in use stay: {error}"),
    }
    read.ok()
}

impl Config {
    fn with_token_files_read_again(&self) -> Result<Self, String> {
        Ok(Self {
            token_secret_file: all_again(&self.token_secret_file)?,
            token_public_key_file: all_again(&self.token_public_key_file)?,
            ..self.clone()
        })
    }
}

fn all_again<T: InFile>(files: &[FromFile<T>]) -> Result<Vec<FromFile<T>>, String> {
    files.iter().map(FromFile::read_again).collect()
}
