//! The signaling server's binary: commands, logging, signals; the rest is the library.

use std::env::VarError;
use std::fmt::Display;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use signaling_server::{Command, CommandLine, Config, LogFormat, carry_out, health, run_reloading};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The exit status for settings that make no sense; clap's own.
const USAGE: u8 = 2;

/// After how many tasks a thread takes one from the queue that all share. Into that one goes half of a
/// thread's tasks whenever it has more than 256 to run. With tokio's own, much longer interval those
/// clients wait: of 1,000 clients under load, on one thread of this kind of runtime, one message in a
/// hundred took 29 times as long as the median; with this interval, twice as long.
const SHARED_QUEUE_INTERVAL: u32 = 2;

fn main() -> ExitCode {
    let CommandLine { command, config } = CommandLine::of_process();
    let Some(command) = command else {
        return serve_until_told(config);
    };
    let out = &mut io::stdout().lock();
    let done = match command {
        Command::Rooms(command) => {
            let done = carry_out(&command, &mut io::stdin().lock(), out);
            done.map_err(|error| error.to_string())
        }
        Command::Clients(admin) => finish(admin.print_clients(out)),
        Command::Kick {
            room,
            agent,
            address,
            admin,
        } => finish(admin.kick(room, agent, address, out)),
        Command::Drain(admin) => finish(admin.drain()),
        Command::Health => finish(health::check(&config)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that asks a server.
fn finish<E: Display>(command: impl Future<Output = Result<(), E>>) -> Result<(), String> {
    let runtime = runtime(1).map_err(|error| error.to_string())?;
    let done = runtime.block_on(command);
    done.map_err(|error| error.to_string())
}

fn serve_until_told(config: Config) -> ExitCode {
    let filter = match log_filter(&config) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().with_current_span(false).init(),
    }

    let served = runtime(config.threads())
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(serve(config)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread has a runtime of its own kind: it runs all tasks in the order in which they became
/// ready, and nothing in it has to be ready for other threads.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder
            .worker_threads(threads)
            .global_queue_interval(SHARED_QUEUE_INTERVAL);
    }
    builder.enable_all().build()
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
    let mut hangup = signal(SignalKind::hangup())?;
    let reload = async move || {
        hangup.recv().await;
    };
    run_reloading(listener, config, reload, async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("told to end by SIGTERM"),
            _ = interrupt.recv() => tracing::info!("told to end by SIGINT"),
        }
    })
    .await?;
    Ok(())
}
