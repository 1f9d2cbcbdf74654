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
use tokio::time::{Instant, sleep};

use crate::crowd::{Failures, Plan, Tally};
use crate::dialect::{Dialect, Message, stamp_of};
use crate::metronome::Metronome;
use crate::process::{Server, Subject, own_cpu};
use crate::profile::{self, Profile};
use crate::progress::{say, since_start};
use crate::websocket::{Frame, Reader, Writer, put_pong};

/// How often the messages are sent that are due. Those of one beat count from when it was due, so
/// that lateness of this tool counts as the server's.
const BEAT: Duration = Duration::from_millis(1);

/// The longest latency that is distinguished from longer ones.
const LONGEST: u64 = 60_000_000_000;

/// The loads that are the same for all servers, in messages a second.
pub(crate) const STEADY: [u32; 2] = [25_000, 50_000];

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
    /// How many runs there are of each load, with and without bursts; the median counts.
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
    /// The runs at half of the median rate, that with the least p99 first.
    pub(crate) half: Vec<Run>,
    /// The same at each of the [`STEADY`] rates; none where the server does not carry as much.
    pub(crate) steady: Vec<Vec<Run>>,
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
    /// How long threads of the server and of this tool were ready to run and had no processor, in
    /// seconds.
    pub(crate) server_waited: f64,
    pub(crate) tool_waited: f64,
    /// Milliseconds from when a message was due to its being sent; nothing is due at saturation.
    pub(crate) late_p99: f64,
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

    /// The median run at half of the rate.
    pub(crate) fn at_half(&self) -> Option<&Run> {
        median(&self.half)
    }

    /// The median run at one of the [`STEADY`] rates.
    pub(crate) fn at_steady(&self, index: usize) -> Option<&Run> {
        median(self.steady.get(index)?)
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
            servers: server.nodes(),
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
        let mut steady = Vec::new();
        for wanted in STEADY.map(f64::from) {
            steady.push(if wanted < rate {
                pace(plan(), server, settings, window, wanted, &mut failures).await?
            } else {
                Vec::new()
            });
        }
        shapes.push(Shape {
            window,
            saturated: saturated.runs,
            half,
            steady,
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

/// A client that reads what comes, and perhaps answers.
struct Player {
    dialect: Dialect,
    reader: Reader,
    writer: Rc<Writer>,
    /// What it answers to each message, if it does.
    answer: Option<Message>,
    /// The number of messages that it has to send next: one for each that it read, and some to
    /// begin with.
    owed: usize,
}

impl Player {
    /// Plays until the socket ends; returns why that is.
    async fn play(mut self, tally: &Tally, latencies: &Latencies) -> String {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = &mut self.answer {
                let now = since_start();
                for _ in 0..std::mem::take(&mut self.owed) {
                    bytes.extend_from_slice(answer.stamped(now));
                }
            }
            if !bytes.is_empty() {
                if let Err(error) = self.writer.send(&bytes).await {
                    return error.to_string();
                }
                bytes.clear();
            }
            let (mut closed, mut read_at, mut count) = (None, None, 0);
            let read = self
                .reader
                .read(|frame| match frame {
                    Frame::Text(text) => {
                        if let Some(sent) = stamp_of(text) {
                            latencies.record(sent, *read_at.get_or_insert_with(since_start));
                            count += 1;
                        } else if self.dialect.is_refusal(text) {
                            tally.refused(text);
                        }
                    }
                    Frame::Ping(payload) => put_pong(&mut bytes, payload),
                    Frame::Pong => {}
                    Frame::Close(code) => closed = Some(code),
                })
                .await;
            tally.delivered.set(tally.delivered.get() + count as u64);
            self.owed = count;
            if let Some(code) = closed {
                return format!("closed with {code}");
            }
            if let Err(error) = read {
                return error.to_string();
            }
        }
    }
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
        let message = plan.dialect.message(&client.me, &peer);
        let player = Player {
            dialect: plan.dialect,
            reader: client.reader,
            writer: Rc::new(client.writer),
            answer: Some(message),
            owed: window,
        };
        let (tally, latencies) = (tally.clone(), latencies.clone());
        players.spawn_local(async move {
            let why = player.play(&tally, &latencies).await;
            tally.failed(why);
        });
    }
    sleep(settings.warm_up).await;
    let mut runs = Vec::new();
    for _ in 0..settings.runs.max(1) {
        let run = watch(server, &tally, &latencies, None, settings.run).await?;
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

/// One client of each pair writes in turn, a whole window at once, and the other one answers: so
/// many messages a second in all. Returns the runs, that with the least p99 first.
async fn pace(
    plan: Plan,
    server: &Server,
    settings: Settings,
    window: usize,
    per_second: f64,
    failures: &mut Failures,
) -> io::Result<Vec<Run>> {
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
        let begins = number % 2 == 0;
        if begins {
            senders.push((writer.clone(), message.clone()));
        }
        let player = Player {
            dialect: plan.dialect,
            reader: client.reader,
            writer,
            answer: (!begins).then_some(message),
            owed: 0,
        };
        let (tally, latencies) = (tally.clone(), latencies.clone());
        tasks.spawn_local(async move {
            let why = player.play(&tally, &latencies).await;
            tally.failed(why);
        });
    }
    let sent = Rc::new(Cell::new(0));
    let late = Rc::new(Latencies::new()?);
    tasks.spawn_local({
        let (tally, sent, late) = (tally.clone(), sent.clone(), late.clone());
        async move {
            let base = since_start();
            let mut metronome = match Metronome::new(BEAT) {
                Ok(metronome) => metronome,
                Err(error) => return tally.failed(error),
            };
            let mut turns = (0..senders.len()).cycle();
            let mut bytes = Vec::new();
            loop {
                let beats = match metronome.beat().await {
                    Ok(beats) => beats,
                    Err(error) => return tally.failed(error),
                };
                let due_at = BEAT * beats;
                let stamp = base + u64::try_from(due_at.as_nanos()).unwrap_or_default();
                let due = (due_at.as_secs_f64() * per_second / 2.0) as u64;
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
                    late.record(stamp, since_start());
                    sent.set(sent.get() + window as u64);
                }
            }
        }
    });
    sleep(settings.warm_up).await;
    let mut runs = Vec::new();
    for _ in 0..settings.runs.max(1) {
        let run = watch(server, &tally, &latencies, Some(&late), settings.run).await?;
        say(format!("paced, {window} at once: {}", line(&run)));
        runs.push(run);
    }
    let missing = (2 * sent.get()).saturating_sub(tally.delivered.get());
    if missing as f64 > per_second {
        tally.failed("more than a second's messages were on their way");
    }
    tally.over.set(true);
    tasks.shutdown().await;
    add(failures, tally.failures.borrow().clone());
    runs.sort_by(|a, b| a.p99.total_cmp(&b.p99));
    Ok(runs)
}

/// What happens within a span of time.
async fn watch(
    server: &Server,
    tally: &Tally,
    latencies: &Latencies,
    late: Option<&Latencies>,
    time: Duration,
) -> io::Result<Run> {
    for times in std::iter::once(latencies).chain(late) {
        times.0.borrow_mut().reset();
    }
    let (start, before) = (Instant::now(), tally.delivered.get());
    let (server_before, tool_before) = (server.cpu()?, own_cpu()?);
    sleep(time).await;
    let own = server.cpu()? - server_before;
    let tool = own_cpu()? - tool_before;
    Ok(Run {
        seconds: start.elapsed().as_secs_f64(),
        messages: tally.delivered.get() - before,
        p50: latencies.milliseconds(0.5),
        p99: latencies.milliseconds(0.99),
        longest: latencies.milliseconds(1.0),
        server_user: own.user,
        server_kernel: own.kernel,
        tool_user: tool.user,
        tool_kernel: tool.kernel,
        server_waited: own.waited,
        tool_waited: tool.waited,
        late_p99: late.map_or(0.0, |late| late.milliseconds(0.99)),
    })
}

fn line(run: &Run) -> String {
    format!(
        "{:.0} messages/s, p50 {:.2} ms, p99 {:.2} ms; processor s/s: server {:.2} + {:.2} kernel, \
         clients {:.2} + {:.2} kernel; waited: server {:.2}, clients {:.2}; sent late, p99: {:.2} ms",
        run.per_second(),
        run.p50,
        run.p99,
        run.server_user / run.seconds,
        run.server_kernel / run.seconds,
        run.tool_user / run.seconds,
        run.tool_kernel / run.seconds,
        run.server_waited / run.seconds,
        run.tool_waited / run.seconds,
        run.late_p99,
    )
}

fn add(failures: &mut Failures, more: Failures) {
    for (why, count) in more {
        *failures.entry(why).or_default() += count;
    }
}
