//! Puts load on the signaling server, and on servers that do the same work, with thousands of
//! WebSocket clients on the loopback network.
//!
//! `scripts/bench-server` runs it; the page that it writes is docs/server-load.md. The clients run on
//! one thread and take as little of the machine as they can, because the server has to do with what
//! is left.

mod churn;
mod cluster;
mod crowd;
mod dialect;
mod hold;
mod idle;
mod metronome;
mod process;
mod profile;
mod progress;
mod relay;
mod report;
mod results;
#[cfg(test)]
mod smoke;
mod websocket;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::process::Subject;
use crate::progress::say;
use crate::results::Results;

/// File descriptors beside the clients' sockets.
const OTHER_FILES: usize = 200;

/// How many messages of one client are on their way at a time in bursts.
const BURST: usize = 8;

const WARM_UP: Duration = Duration::from_secs(2);
const PROFILE_TIME: Duration = Duration::from_secs(3);

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures all servers: idle clients, then messages
    Measure(Measure),
    /// Measures our server with clients that come and go
    Churn(Churn),
    /// Measures three processes with Redis and PostgreSQL, and kills one part after the other
    Cluster(Cluster),
    /// Measures what clients that want to do harm have our server keep in memory
    Hold(Hold),
    /// Writes the page of what was measured
    Report {
        #[command(flatten)]
        places: Places,
        /// The page
        #[arg(long)]
        page: PathBuf,
    },
}

/// Where things are.
#[derive(Args)]
struct Places {
    /// The signaling server's binary
    #[arg(long)]
    server: PathBuf,
    /// The folder in which the other servers are installed
    #[arg(long)]
    peers: PathBuf,
    /// The folder for results
    #[arg(long)]
    results: PathBuf,
}

#[derive(Args)]
struct Measure {
    #[command(flatten)]
    places: Places,
    /// How many clients are connected at once
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// In how many rooms they are
    #[arg(long, default_value_t = 1_000)]
    rooms: usize,
    /// For how many seconds they do nothing; the server pings every 15
    #[arg(long, default_value_t = 20.0)]
    hold: f64,
    /// How many pairs write to each other
    #[arg(long, default_value_t = 500)]
    pairs: usize,
    /// How many messages of one client are on their way at a time in bursts
    #[arg(long, default_value_t = BURST)]
    burst: usize,
    /// How many runs there are of each load; the median counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// For how many seconds each run is measured
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Measure the servers with this in their names alone
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(Args)]
struct Cluster {
    /// The signaling server's binary
    #[arg(long)]
    server: PathBuf,
    /// How many pairs write to each other
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    /// How many runs there are of each load; the median counts
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// For how many seconds each run is measured
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The page
    #[arg(long)]
    page: PathBuf,
}

#[derive(Args)]
struct Hold {
    /// The signaling server's binary
    #[arg(long)]
    server: PathBuf,
    /// How many clients do the same
    #[arg(long, default_value_t = 500)]
    clients: usize,
    /// A page: what stands in it between two marks is replaced by the table of what was measured
    #[arg(long)]
    page: Option<PathBuf>,
}

#[derive(Args)]
struct Churn {
    #[command(flatten)]
    places: Places,
    /// For how many minutes
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// How many clients are connected at a time
    #[arg(long, default_value_t = 2_000)]
    clients: usize,
    /// How many of them are replaced each second
    #[arg(long, default_value_t = 50.0)]
    per_second: f64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            match arguments.task {
                Task::Measure(task) => measure(task).await,
                Task::Churn(task) => churn(task).await,
                Task::Cluster(task) => cluster(task).await,
                Task::Hold(task) => hold(task).await,
                Task::Report { places, page } => report::write(
                    &Results::open(&places.results)?,
                    &Subject::all(&places.server, &places.peers),
                    &page,
                ),
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(task: Measure) -> Result<(), Box<dyn Error>> {
    raise_file_limit(task.clients.max(task.pairs * 2))?;
    let results = Results::open(&task.places.results)?;
    let settings = relay::Settings {
        pairs: task.pairs,
        burst: task.burst,
        warm_up: WARM_UP,
        run: Duration::from_secs_f64(task.seconds),
        runs: task.runs,
        profile: PROFILE_TIME,
    };
    for subject in Subject::all(&task.places.server, &task.places.peers) {
        if !subject.name.contains(&task.only) {
            continue;
        }
        let (clients, rooms) = (task.clients, task.rooms);
        say(format!(
            "{}: {clients} clients in {rooms} rooms",
            subject.name
        ));
        let hold = Duration::from_secs_f64(task.hold);
        let idle = idle::measure(&subject, clients, rooms, hold).await?;
        say(format!(
            "{} connected, {} heard from a peer, {:.2} KiB each, failures: {:?}",
            idle.connected,
            idle.reached,
            idle.bytes_per_client() / 1024.0,
            idle.failures
        ));
        results.keep("idle", subject.name, idle)?;

        say(format!("{}: {} pairs", subject.name, task.pairs));
        let (relay, profile) = relay::measure(&subject, settings, Some(&results.scratch())).await?;
        say(format!("failures: {:?}", relay.failures));
        results.keep("relay", subject.name, relay)?;
        if let Some(profile) = profile {
            results.keep("profile", subject.name, profile)?;
        }
    }
    Ok(())
}

async fn churn(task: Churn) -> Result<(), Box<dyn Error>> {
    raise_file_limit(task.clients)?;
    let results = Results::open(&task.places.results)?;
    let subject = Subject::own(&task.places.server);
    let time = Duration::from_secs_f64(task.minutes * 60.0);
    say(format!(
        "{}: {} clients, {} replaced a second, for {} minutes",
        subject.name, task.clients, task.per_second, task.minutes
    ));
    let churn = churn::measure(&subject, task.clients, task.per_second, time).await?;
    say(format!(
        "memory, last tenth to second: {:.3}",
        churn.growth()
    ));
    results.keep("churn", subject.name, churn)?;
    Ok(())
}

async fn cluster(task: Cluster) -> Result<(), Box<dyn Error>> {
    raise_file_limit(task.pairs * 4)?;
    let settings = relay::Settings {
        pairs: task.pairs,
        burst: BURST,
        warm_up: WARM_UP,
        run: Duration::from_secs_f64(task.seconds),
        runs: task.runs,
        profile: Duration::ZERO,
    };
    cluster::measure(&task.server, settings, &task.page).await?;
    Ok(())
}

async fn hold(task: Hold) -> Result<(), Box<dyn Error>> {
    raise_file_limit(task.clients * 2)?;
    let subject = Subject::own(&task.server);
    let mut all = Vec::new();
    for deed in hold::Deed::ALL {
        say(format!("{} clients: each {}", task.clients, deed.text()));
        let held = hold::measure(&subject, deed, task.clients).await?;
        say(held.row());
        all.push(held);
    }
    if let Some(page) = &task.page {
        hold::write(&all, page)?;
    }
    Ok(())
}

/// Every client is a file here, and another one in the server, which inherits the limit.
fn raise_file_limit(clients: usize) -> Result<(), String> {
    let wanted = (clients + OTHER_FILES) as u64;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit >= wanted => Ok(()),
        Ok(limit) => Err(format!(
            "{clients} clients need {wanted} open files, and the system allows {limit}; \
             raise the hard limit (ulimit -Hn, or LimitNOFILE) or take fewer clients"
        )),
        Err(error) => Err(format!("the limit of open files cannot be raised: {error}")),
    }
}
