//! Pairs that write to each other: as much as the server carries, then at half of that rate, with
//! the time that each message takes.

use std::cell::{Cell, RefCell};
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::crowd::{Failures, Plan, Tally, listen};
use crate::dialect::stamp_of;
use crate::process::{Cpu, Server, Subject, own_cpu};
use crate::profile::{self, Profile};
use crate::progress::{say, since_start};
use crate::websocket::{Frame, put_pong};

/// How often the messages are sent that are due. Those of one beat count from when it was due, so
/// that lateness of this tool counts as the server's.
const BEAT: Duration = Duration::from_millis(1);

/// The longest latency that is told from longer ones.
const LONGEST: u64 = 60_000_000_000;

/// How the pairs are loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) pairs: usize,
    /// How many messages of one client are on their way at a time in bursts; one before that.
    pub(crate) burst: usize,
    /// How long the load lasts before anything is counted, so that compilers and buffers settle.
    pub(crate) warm_up: Duration,
    /// How long each of the runs is.
    pub(crate) run: Duration,
    /// How many runs there are at saturation, each with and without bursts; the median counts.
    pub(crate) runs: usize,
    /// How long the server's time is sampled after the runs that count.
    pub(crate) profile: Duration,
}

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Relay {
    pub(crate) clients: usize,
    /// One message at a time, and in bursts.
    pub(crate) shapes: Vec<Shape>,
    pub(crate) failures: Failures,
}

/// A shape of the load: so many messages of each client are on their way at a time, or are sent at
/// once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) window: usize,
    /// The runs at saturation, the slowest first.
    pub(crate) saturated: Vec<Run>,
    /// At half of the median rate.
    pub(crate) half: Run,
}

/// A span of time under load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    pub(crate) messages: u64,
    /// Milliseconds from sending to receiving.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) longest: f64,
    /// Processor time of the server and of this tool, in seconds.
    pub(crate) server_user: f64,
    pub(crate) server_kernel: f64,
    pub(crate) tool_user: f64,
    pub(crate) tool_kernel: f64,
}

impl Relay {
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Shape {
    /// The median run at saturation.
    pub(crate) fn saturation(&self) -> Option<&Run> {
        median(&self.saturated)
    }
}

impl Run {
    pub(crate) fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Processor time of the server for one message, in microseconds.
    pub(crate) fn server_cost(&self) -> f64 {
        (self.server_user + self.server_kernel) * 1e6 / self.messages.max(1) as f64
    }
}

fn median(runs: &[Run]) -> Option<&Run> {
    runs.get(runs.len() / 2)
}

/// The latencies of the messages that have come, in nanoseconds.
struct Latencies(RefCell<Histogram<u64>>);

impl Latencies {
    fn new() -> io::Result<Self> {
        let histogram = Histogram::new_with_max(LONGEST, 3).map_err(io::Error::other)?;
        Ok(Self(RefCell::new(histogram)))
    }

    fn record(&self, sent: u64, now: u64) {
        self.0
            .borrow_mut()
            .saturating_record(now.saturating_sub(sent));
    }

    fn milliseconds(&self, quantile: f64) -> f64 {
        self.0.borrow().value_at_quantile(quantile) as f64 / 1e6
    }
}

/// Measures a server that is started for this alone.
///
/// At the end of saturation a profile is taken, by way of the file `scratch`, where one is named.
pub(crate) async fn measure(
    subject: &Subject,
    settings: Settings,
    scratch: Option<&Path>,
) -> io::Result<(Relay, Option<Profile>)> {
    let server = subject.start().await?;
    let result = load(subject, &server, settings, scratch).await;
    server.stop().await?;
    result
}

/// Measures a server that runs already.
pub(crate) async fn load(
    subject: &Subject,
    server: &Server,
    settings: Settings,
    scratch: Option<&Path>,
) -> io::Result<(Relay, Option<Profile>)> {
    let mut crowd = 0;
    let mut plan = || {
        crowd += 1;
        Plan {
            dialect: subject.dialect,
            server: server.address,
            clients: settings.pairs * 2,
            per_room: 2,
            crowd,
        }
    };
    let mut failures = Failures::new();
    let mut shapes = Vec::new();
    let mut profile = None;
    for (window, scratch) in [(1, scratch), (settings.burst, None)] {
        let saturated = saturate(plan(), server, settings, window, scratch, &mut failures).await?;
        let rate = median(&saturated.runs).map_or(0.0, Run::per_second);
        let half = pace(plan(), server, settings, window, rate / 2.0, &mut failures).await?;
        shapes.push(Shape {
            window,
            saturated: saturated.runs,
            half,
        });
        profile = profile.or(saturated.profile);
    }
    let relay = Relay {
        clients: settings.pairs * 2,
        shapes,
        failures,
    };
    Ok((relay, profile))
}

/// Runs at saturation, the slowest first, and where the server's time went.
struct Saturation {
    runs: Vec<Run>,
    profile: Option<Profile>,
}

/// Every client answers each message with one, so that always as many are on their way.
async fn saturate(
    plan: Plan,
    server: &Server,
    settings: Settings,
    window: usize,
    scratch: Option<&Path>,
    failures: &mut Failures,
) -> io::Result<Saturation> {
    let crowd = plan.storm().await;
    add(failures, crowd.failures);
    let tally = Rc::new(Tally::default());
    let latencies = Rc::new(Latencies::new()?);
    let mut players = JoinSet::new();
    for (number, client) in crowd.clients.into_iter().enumerate() {
        let peer = plan.identity(plan.peer_of(number));
        let mut message = plan.dialect.message(&client.me, &peer);
        let (tally, latencies) = (tally.clone(), latencies.clone());
        let (mut reader, writer) = (client.reader, client.writer);
        players.spawn_local(async move {
            let mut owed = window;
            let mut bytes = Vec::new();
            let why = loop {
                let now = since_start();
                for _ in 0..std::mem::take(&mut owed) {
                    bytes.extend_from_slice(message.stamped(now));
                }
                if let Err(error) = writer.send(&bytes).await {
                    break error.to_string();
                }
                bytes.clear();
                let (mut closed, mut read_at) = (None, None);
                let read = reader
                    .read(|frame| match frame {
                        Frame::Text(text) => {
                            if let Some(sent) = stamp_of(text) {
                                latencies.record(sent, *read_at.get_or_insert_with(since_start));
                                owed += 1;
                            } else if plan.dialect.is_refusal(text) {
                                tally.refused(text);
                            }
                        }
                        Frame::Ping(payload) => put_pong(&mut bytes, payload),
                        Frame::Pong => {}
                        Frame::Close(code) => closed = Some(code),
                    })
                    .await;
                tally.delivered.set(tally.delivered.get() + owed as u64);
                if let Some(code) = closed {
                    break format!("closed with {code}");
                }
                if let Err(error) = read {
                    break error.to_string();
                }
            };
            tally.failed(why);
        });
    }
    sleep(settings.warm_up).await;
    let mut runs = Vec::new();
    for _ in 0..settings.runs.max(1) {
        let run = watch(server, &tally, &latencies, settings.run).await?;
        say(format!("{window} on their way: {}", line(&run)));
        runs.push(run);
    }
    let profile = match scratch {
        Some(scratch) => profile::record(server.pid, settings.profile, scratch).await?,
        None => None,
    };
    tally.over.set(true);
    players.shutdown().await;
    add(failures, tally.failures.borrow().clone());
    runs.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    Ok(Saturation { runs, profile })
}

/// The clients write in turn, each a whole window at once, so many messages a second in all.
async fn pace(
    plan: Plan,
    server: &Server,
    settings: Settings,
    window: usize,
    per_second: f64,
    failures: &mut Failures,
) -> io::Result<Run> {
    let crowd = plan.storm().await;
    add(failures, crowd.failures);
    let tally = Rc::new(Tally::default());
    let latencies = Rc::new(Latencies::new()?);
    let mut tasks = JoinSet::new();
    let mut senders = Vec::new();
    for (number, client) in crowd.clients.into_iter().enumerate() {
        let peer = plan.identity(plan.peer_of(number));
        let message = plan.dialect.message(&client.me, &peer);
        let writer = Rc::new(client.writer);
        senders.push((writer.clone(), message));
        let (tally, latencies, mut reader) = (tally.clone(), latencies.clone(), client.reader);
        tasks.spawn_local(async move {
            let text = |text: &[u8]| {
                let sent = stamp_of(text);
                if let Some(sent) = sent {
                    latencies.record(sent, since_start());
                }
                sent.is_some()
            };
            listen(plan.dialect, &mut reader, &writer, &tally, text).await;
        });
    }
    let sent = Rc::new(Cell::new(0));
    tasks.spawn_local({
        let (tally, sent) = (tally.clone(), sent.clone());
        async move {
            let (start, base) = (Instant::now(), since_start());
            let mut beats = 0;
            let mut turns = (0..senders.len()).cycle();
            let mut bytes = Vec::new();
            loop {
                beats += 1;
                let due_at = BEAT * beats;
                sleep_until(start + due_at).await;
                let stamp = base + u64::try_from(due_at.as_nanos()).unwrap_or_default();
                let due = (due_at.as_secs_f64() * per_second) as u64;
                while sent.get() < due {
                    let turn = turns.next().and_then(|turn| senders.get_mut(turn));
                    let Some((writer, message)) = turn else {
                        return;
                    };
                    bytes.clear();
                    for _ in 0..window {
                        bytes.extend_from_slice(message.stamped(stamp));
                    }
                    if let Err(error) = writer.send(&bytes).await {
                        tally.failed(error);
                    }
                    sent.set(sent.get() + window as u64);
                }
            }
        }
    });
    sleep(settings.warm_up).await;
    let run = watch(server, &tally, &latencies, settings.run).await?;
    say(format!("at half of that: {}", line(&run)));
    let missing = sent.get().saturating_sub(tally.delivered.get());
    if missing as f64 > per_second {
        tally.failed("more than a second's messages were on their way");
    }
    tally.over.set(true);
    tasks.shutdown().await;
    add(failures, tally.failures.borrow().clone());
    Ok(run)
}

/// What happens within a span of time.
async fn watch(
    server: &Server,
    tally: &Tally,
    latencies: &Latencies,
    time: Duration,
) -> io::Result<Run> {
    latencies.0.borrow_mut().reset();
    let (start, before) = (Instant::now(), tally.delivered.get());
    let (server_before, tool_before) = (server.cpu()?, own_cpu()?);
    sleep(time).await;
    let Cpu { user, kernel } = server.cpu()? - server_before;
    let tool = own_cpu()? - tool_before;
    Ok(Run {
        seconds: start.elapsed().as_secs_f64(),
        messages: tally.delivered.get() - before,
        p50: latencies.milliseconds(0.5),
        p99: latencies.milliseconds(0.99),
        longest: latencies.milliseconds(1.0),
        server_user: user,
        server_kernel: kernel,
        tool_user: tool.user,
        tool_kernel: tool.kernel,
    })
}

fn line(run: &Run) -> String {
    format!(
        "{:.0} messages/s, p50 {:.2} ms, p99 {:.2} ms; processor s/s: server {:.2} + {:.2} kernel, \
         clients {:.2} + {:.2} kernel",
        run.per_second(),
        run.p50,
        run.p99,
        run.server_user / run.seconds,
        run.server_kernel / run.seconds,
        run.tool_user / run.seconds,
        run.tool_kernel / run.seconds,
    )
}

fn add(failures: &mut Failures, more: Failures) {
    for (why, count) in more {
        *failures.entry(why).or_default() += count;
    }
}
