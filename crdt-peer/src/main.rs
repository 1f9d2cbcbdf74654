//! A native member of a room: keeps its document on disk and mirrors the text into a file.

mod document_file;
mod draft;
mod drive;
mod edits;
mod first_start;
mod host;
mod journal;
mod link;
mod mirror;
mod options;
mod rebase;
mod seal;
mod socket;
mod text_file;
mod webrtc;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::drive::{Member, Settings};
use crate::options::{Command, Options};

/// The exit status for settings that make no sense; clap's own.
const USAGE: u8 = 2;

/// What is logged where `RUST_LOG` says nothing.
const LOG: &str = "crdt_peer=info";

fn main() -> ExitCode {
    let Command::Join(join) = Options::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let link = match join.room_link() {
        Ok(link) => link,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let settings = Settings {
        links: join.link_kinds(),
        token: join.token.or_else(|| link.token.clone()),
        is_read_only: join.read_only || link.is_read_only(),
        link,
        file: join.file,
        is_once: join.once,
        name: join.name,
    };
    let ended = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(settings)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (shut_down, shutdown) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Where nobody listens any more, the program ends already.
        let _ = shut_down.send(true);
    });
    Member::new(settings, shutdown)?.run().await?;
    Ok(())
}
