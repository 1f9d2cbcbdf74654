//! Several processes of our server, joined by Redis and PostgreSQL: what they carry, and what happens to their
//! clients when one part is killed.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::crowd::{Client, Plan};
use crate::dialect::{Dialect, PAYLOAD_BYTES};
use crate::process::{NODES, Server, Subject};
use crate::progress::{say, since_start};
use crate::relay::{self, Relay, Settings};
use crate::report::machine;
use crate::results::first_line;
use crate::websocket::{Frame, TextFrame};

/// How many clients write to logs, each to that of a room of its own.
const WRITERS: usize = 48;

/// How many clients see a part fail, in rooms of one client of each process.
const WITNESSES: usize = 300;

/// Every part starts, fails and recovers within this time, or the run fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest time that is distinguished from longer ones, in nanoseconds.
const LONGEST: u64 = 60_000_000_000;

const PAUSE: Duration = Duration::from_millis(10);

/// A silent process is given up after this time; shorter than the default, so that the run is short.
const LEASE_SECONDS: &str = "6";

/// What clients saw in a time in which they wrote to logs.
struct Appends {
    seconds: f64,
    acknowledged: u64,
    p50: f64,
    p99: f64,
}

/// Measures everything, and writes the page.
pub(crate) async fn measure(server: &Path, settings: Settings, page: &Path) -> io::Result<()> {
    let subject = Subject::own(server);
    let folder = Folder::new()?;
    let mut rows = Vec::new();

    say("one process, without Redis");
    let file = folder.0.join("logs.redb").display().to_string();
    let alone = subject.start_with(&["--store", &file]).await?;
    let (relay, _) = relay::load(&subject, &alone, settings, None).await?;
    rows.push((
        "one process, its logs in a file",
        relay,
        appends(&alone, settings.run).await?,
    ));
    alone.stop().await?;

    say("starting Redis and PostgreSQL");
    let mut redis = Redis::new(&folder);
    redis.run().await?;
    let mut postgres = Postgres::make(&folder).await?;
    postgres.run().await?;
    let (bus, store) = (redis.url(), postgres.url());
    let flags = [
        "--bus",
        &bus,
        "--store",
        &store,
        "--client-timeout-seconds",
        LEASE_SECONDS,
    ];
    let mut cluster = subject.start_with(&flags).await?;
    say("one process, with Redis and PostgreSQL");
    let (relay, _) = relay::load(&subject, &cluster, settings, None).await?;
    let name = "one process, with Redis and PostgreSQL";
    rows.push((name, relay, appends(&cluster, settings.run).await?));
    for _ in 1..NODES {
        let node = subject.start_with(&flags).await?;
        cluster.join(node);
    }
    say(format!("{NODES} processes"));
    let (relay, _) = relay::load(&subject, &cluster, settings, None).await?;
    let name = "three processes, with Redis and PostgreSQL; each pair at two of them";
    rows.push((name, relay, appends(&cluster, settings.run).await?));

    let mut failures = Vec::new();
    say("PostgreSQL is killed");
    failures.push(lose_postgres(&cluster, &mut postgres).await?);
    say("Redis is killed");
    failures.push(lose_redis(&cluster, &mut redis).await?);
    say("a process is killed");
    failures.push(lose_node(&mut cluster).await?);
    cluster.stop().await?;
    write(&rows, &failures, settings, page)
}

/// Has clients write to logs, one entry after the other.
async fn appends(server: &Server, time: Duration) -> io::Result<Appends> {
    let plan = Plan {
        dialect: Dialect::Signaling,
        servers: server.nodes(),
        clients: WRITERS,
        per_room: 1,
        crowd: 1_000,
    };
    let crowd = plan.storm().await;
    let mut writers = JoinSet::new();
    let (start, end) = (Instant::now(), Instant::now() + time);
    for mut client in crowd.clients {
        writers.spawn_local(async move {
            let mut times = Vec::new();
            while Instant::now() < end {
                let sent = since_start();
                append(&mut client).await?.map_err(io::Error::other)?;
                times.push(since_start() - sent);
            }
            io::Result::Ok(times)
        });
    }
    let mut times = Histogram::<u64>::new_with_max(LONGEST, 3).map_err(io::Error::other)?;
    while let Some(writer) = writers.join_next().await {
        for time in writer?? {
            times.saturating_record(time);
        }
    }
    let milliseconds = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
    Ok(Appends {
        seconds: start.elapsed().as_secs_f64(),
        acknowledged: times.len(),
        p50: milliseconds(0.5),
        p99: milliseconds(0.99),
    })
}

/// Writes an entry, and waits for the answer: nothing, or the refusal.
async fn append(client: &mut Client) -> io::Result<Result<(), String>> {
    let payload = "A".repeat(PAYLOAD_BYTES);
    let text = format!(r#"{{"type":"log_append","payload":"{payload}","id":1}}"#);
    client.writer.send(TextFrame::new(&text).bytes()).await?;
    loop {
        let mut answer = None;
        client
            .reader
            .read(|frame| match frame {
                Frame::Text(text) if text.starts_with(br#"{"type":"log_ack""#) => {
                    answer = Some(Ok(()));
                }
                Frame::Text(text) if text.starts_with(br#"{"type":"error""#) => {
                    answer = Some(Err(String::from_utf8_lossy(text).into_owned()));
                }
                _ => {}
            })
            .await?;
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
}

/// Kills PostgreSQL, and starts it again: what writers and the others notice.
async fn lose_postgres(cluster: &Server, postgres: &mut Postgres) -> io::Result<String> {
    let witnesses = plan(cluster, 2_000);
    let mut clients = witnesses.storm().await.clients;
    let mut writer = clients.pop().ok_or(io::ErrorKind::NotConnected)?;
    append(&mut writer).await?.map_err(io::Error::other)?;
    postgres.kill().await?;
    let killed = Instant::now();
    let refused = loop {
        if append(&mut writer).await?.is_err() {
            break killed.elapsed();
        }
    };
    // Rooms and relay need no database.
    let newcomer = witnesses.admit(WITNESSES).await.is_ok();
    postgres.run().await?;
    let back = Instant::now();
    let again = recovered(back, async || Ok(append(&mut writer).await?.is_ok())).await?;
    let connected = still_connected(&mut clients).await;
    Ok(format!(
        "PostgreSQL killed and started again | a write to a log is refused after {:.2} s and taken again {:.2} s after \
         the start; meanwhile a newcomer {}; of {} other clients {connected} stay connected",
        refused.as_secs_f64(),
        again.as_secs_f64(),
        if newcomer {
            "gets into its room"
        } else {
            "does not get into its room"
        },
        clients.len(),
    ))
}

/// Kills Redis, and starts it again: when the clients are asked to come back, and when they can.
async fn lose_redis(cluster: &Server, redis: &mut Redis) -> io::Result<String> {
    let plan = plan(cluster, 3_000);
    let clients = plan.storm().await.clients;
    let count = clients.len();
    redis.kill().await?;
    let killed = Instant::now();
    let mut closed = 0;
    let mut endings = JoinSet::new();
    for mut client in clients {
        endings.spawn_local(async move { closed_with(&mut client).await });
    }
    while let Some(code) = endings.join_next().await {
        closed += usize::from(code? == Some(1001));
    }
    let asked = killed.elapsed();
    let ready_without = ready(cluster).await;
    redis.run().await?;
    let back = Instant::now();
    let again = recovered(back, async || Ok(ready(cluster).await == NODES)).await?;
    let returned = Plan {
        crowd: 3_001,
        ..plan
    }
    .storm()
    .await
    .clients
    .len();
    Ok(format!(
        "Redis killed and started again | {closed} of {count} clients are asked to come back (1001) within {:.2} s, and \
         {ready_without} of {NODES} processes are ready; {:.2} s after the start all are, and {returned} clients come in",
        asked.as_secs_f64(),
        again.as_secs_f64(),
    ))
}

/// Kills a process: when the others learn that its clients are gone, and whether theirs stay.
async fn lose_node(cluster: &mut Server) -> io::Result<String> {
    let plan = plan(cluster, 4_000);
    let clients = plan.storm().await.clients;
    cluster.kill_last().await?;
    let killed = Instant::now();
    let (mut told, mut survivors) = (0, 0);
    let mut watching = JoinSet::new();
    let mut kept = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        if number % NODES == NODES - 1 {
            continue;
        }
        survivors += 1;
        watching.spawn_local(async move {
            let heard = timeout(PATIENCE, hears_of_a_departure(&mut client)).await;
            (client, matches!(heard, Ok(Ok(()))))
        });
    }
    while let Some(done) = watching.join_next().await {
        let (client, heard) = done?;
        told += usize::from(heard);
        kept.push(client);
    }
    let time = killed.elapsed();
    let connected = still_connected(&mut kept).await;
    Ok(format!(
        "one process of {NODES} killed | its clients lose their sockets; {told} of {survivors} clients of the others learn \
         within {:.2} s that a member of their room is gone (`--client-timeout-seconds {LEASE_SECONDS}`), and \
         {connected} stay connected",
        time.as_secs_f64(),
    ))
}

fn plan(cluster: &Server, crowd: usize) -> Plan {
    Plan {
        dialect: Dialect::Signaling,
        servers: cluster.nodes(),
        clients: WITNESSES,
        per_room: NODES,
        crowd,
    }
}

/// How long it takes until something works again.
async fn recovered(
    since: Instant,
    mut works: impl AsyncFnMut() -> io::Result<bool>,
) -> io::Result<Duration> {
    while since.elapsed() < PATIENCE {
        if works().await? {
            return Ok(since.elapsed());
        }
        sleep(PAUSE).await;
    }
    Err(io::ErrorKind::TimedOut.into())
}

async fn hears_of_a_departure(client: &mut Client) -> io::Result<()> {
    let mut heard = false;
    while !heard {
        client
            .reader
            .read(|frame| {
                let left: &[u8] = br#"{"type":"peer_left""#;
                heard |= matches!(frame, Frame::Text(text) if text.starts_with(left));
            })
            .await?;
    }
    Ok(())
}

async fn closed_with(client: &mut Client) -> Option<u16> {
    let closing = async {
        let mut code = None;
        while code.is_none() {
            let read = client.reader.read(|frame| {
                if let Frame::Close(number) = frame {
                    code = Some(number);
                }
            });
            if read.await.is_err() {
                break;
            }
        }
        code
    };
    timeout(PATIENCE, closing).await.ok().flatten()
}

/// How many clients get an answer from the server.
async fn still_connected(clients: &mut [Client]) -> usize {
    let mut connected = 0;
    for client in clients {
        let ping = TextFrame::new(r#"{"type":"ping"}"#);
        let answered = async {
            client.writer.send(ping.bytes()).await?;
            let mut pong = false;
            while !pong {
                client
                    .reader
                    .read(|frame| {
                        let beginning: &[u8] = br#"{"type":"pong""#;
                        pong |= matches!(frame, Frame::Text(text) if text.starts_with(beginning));
                    })
                    .await?;
            }
            io::Result::Ok(())
        };
        connected += usize::from(matches!(timeout(PATIENCE, answered).await, Ok(Ok(()))));
    }
    connected
}

/// How many processes say that they are ready.
async fn ready(cluster: &Server) -> usize {
    let mut count = 0;
    for number in 0..NODES {
        let asked = async {
            let mut stream = TcpStream::connect(cluster.nodes().of(number)).await?;
            stream
                .write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            io::Result::Ok(answer.starts_with("HTTP/1.1 200 "))
        };
        count += usize::from(asked.await.unwrap_or(false));
    }
    count
}

fn write(
    rows: &[(&str, Relay, Appends)],
    failures: &[String],
    settings: Settings,
    page: &Path,
) -> io::Result<()> {
    let mut table = String::new();
    for (name, relay, appends) in rows {
        let shapes: Vec<String> = relay
            .shapes
            .iter()
            .map(|shape| {
                let saturated = shape.saturation().map_or(0.0, relay::Run::per_second);
                let paced = shape.at_half().map_or_else(
                    || "–".to_owned(),
                    |run| format!("{:.2}, {:.2}", run.p50, run.p99),
                );
                format!("{saturated:.0} | {paced}")
            })
            .collect();
        table += &format!(
            "| {name} | {} | {:.0} | {:.2}, {:.2} | {} |\n",
            shapes.join(" | "),
            appends.acknowledged as f64 / appends.seconds,
            appends.p50,
            appends.p99,
            failed(relay)
        );
    }
    let failures: Vec<String> = failures.iter().map(|row| format!("| {row} |")).collect();
    let versions = [
        first_line("redis-server", &["--version"]),
        first_line(program("postgres"), &["--version"]),
    ];
    let text = format!(
        "# Several processes under load\n\n\
         Written by `scripts/bench-cluster`, which starts three processes of the server, Redis and PostgreSQL, puts load\n\
         on them, and kills one part after the other. All of it, and the clients, share the cores of one machine, so the\n\
         figures say what a message costs, and not what three machines carry.\n\n\
         - measured: {} (commit {})\n- machine: {}\n- {}\n- {}\n\n\
         {} pairs; runs of each load: {}, of {:.0} s, the median; {WRITERS} clients write {PAYLOAD_BYTES} bytes to logs, each one \
         entry after the other. PostgreSQL commits to the disk (`fsync`).\n\n\
         | | relayed a second, one at a time | at half of that: p50, p99, ms | relayed a second, in bursts of {} | \
         at half of that: p50, p99, ms | log entries acknowledged a second | p50, p99, ms | failures |\n\
         |---|---|---|---|---|---|---|---|\n{table}\n\
         ## When a part is lost\n\n\
         {WITNESSES} clients, in rooms of {NODES}, one at each process. A part is ended by SIGKILL.\n\n\
         | | |\n|---|---|\n{}\n",
        first_line("date", &["-u", "+%F"]),
        first_line("git", &["describe", "--always", "--dirty"]),
        machine(),
        versions[0],
        versions[1],
        settings.pairs,
        settings.runs,
        settings.run.as_secs_f64(),
        settings.burst,
        failures.join("\n"),
    );
    fs::write(page, text)
}

/// What failed, and how often.
fn failed(relay: &Relay) -> String {
    if relay.failures.is_empty() {
        return "0".to_owned();
    }
    let kinds = relay.failures.iter();
    let kinds: Vec<String> = kinds
        .map(|(what, count)| format!("{count} × `{what}`"))
        .collect();
    kinds.join(", ")
}

/// A folder that goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let name = format!("signaling-cluster-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A Redis server, reached by a socket in a folder.
struct Redis {
    socket: PathBuf,
    process: Option<Child>,
}

impl Redis {
    fn new(folder: &Folder) -> Self {
        Self {
            socket: folder.0.join("redis"),
            process: None,
        }
    }

    async fn run(&mut self) -> io::Result<()> {
        let process = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocket",
            ])
            .arg(&self.socket)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.process = Some(process);
        recovered(Instant::now(), async || {
            Ok(UnixStream::connect(&self.socket).await.is_ok())
        })
        .await?;
        Ok(())
    }

    async fn kill(&mut self) -> io::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
            fs::remove_file(&self.socket)?;
        }
        Ok(())
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }
}

/// A PostgreSQL server in a folder, reached by a socket in there.
struct Postgres {
    folder: PathBuf,
    /// Whose it is: PostgreSQL does not run as root.
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Postgres {
    /// Makes a database without anything in it.
    async fn make(folder: &Folder) -> io::Result<Self> {
        let folder = folder.0.join("postgres");
        fs::create_dir_all(&folder)?;
        let id = |arguments: &[&str]| first_line("id", arguments).parse::<u32>();
        let user = match id(&["-u"]) {
            Ok(0) => id(&["-u", "postgres"])
                .ok()
                .zip(id(&["-g", "postgres"]).ok()),
            _ => None,
        };
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group))?;
        }
        let postgres = Self {
            folder,
            user,
            process: None,
        };
        let made = postgres
            .command("initdb")
            .args([
                "--auth",
                "trust",
                "--username",
                "load",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C", "--pgdata", "data"])
            .output()
            .await?;
        if !made.status.success() {
            return Err(io::Error::other(
                String::from_utf8_lossy(&made.stderr).into_owned(),
            ));
        }
        Ok(postgres)
    }

    /// Runs the server, and waits until it answers. After a kill it ends at once as long as old processes are there.
    async fn run(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut process = self
                .command("postgres")
                .args(["-D", "data", "-k"])
                .arg(&self.folder)
                .args(["-c", "listen_addresses="])
                .spawn()?;
            while process.try_wait()?.is_none() && start.elapsed() < PATIENCE {
                let asked = self
                    .command("psql")
                    .args(["-q", "-U", "load", "-d", "postgres", "-c", "SELECT 1", "-h"])
                    .arg(&self.folder)
                    .status();
                if asked.await?.success() {
                    self.process = Some(process);
                    return Ok(());
                }
                sleep(PAUSE).await;
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "PostgreSQL does not start",
        ))
    }

    /// Ends the server and the processes of its connections by SIGKILL, as a machine without power does.
    async fn kill(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let id = process.id().unwrap_or_default();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        process.kill().await?;
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(children.split_whitespace())
            .stderr(Stdio::null())
            .status()
            .await?;
        Ok(())
    }

    fn url(&self) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://load@{folder}/postgres")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

/// A program of PostgreSQL: on PATH, or where Debian keeps those of each version.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions
        .flatten()
        .map(|version| version.path().join("bin").join(name));
    let mut places = on_path.chain(versions);
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| name.into())
}
