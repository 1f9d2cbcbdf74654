//! The signaling server's binary: flags, logging, signals; the rest is the library.

use std::env::VarError;
use std::process::ExitCode;

use clap::Parser;
use signaling_server::{Config, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The exit status for settings that make no sense; clap's own.
const USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    let filter = match log_filter(&config) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is logged: as `RUST_LOG` says, or as the flags say where it is not set.
fn log_filter(config: &Config) -> Result<EnvFilter, String> {
    let wanted = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(wanted) if !wanted.is_empty() => wanted,
        Err(VarError::NotUnicode(_)) => return Err("RUST_LOG is not UTF-8".to_owned()),
        _ => config.default_log_filter().to_owned(),
    };
    EnvFilter::try_new(&wanted).map_err(|error| format!("RUST_LOG is {wanted:?}: {error}"))
}

async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let address = config.address();
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    run(listener, config, async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to end by SIGTERM"),
            _ = interrupt.recv() => tracing::info!("told to end by SIGINT"),
        }
    })
    .await?;
    Ok(())
}
