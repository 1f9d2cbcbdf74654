//! The page of what was measured. Every figure in it comes out of the results.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::churn::Churn;
use crate::dialect::{Dialect, PAYLOAD_BYTES};
use crate::idle::Idle;
use crate::process::Subject;
use crate::profile::Profile;
use crate::relay::{Relay, Run, STEADY, Shape};
use crate::results::{Kept, Results, first_line};

/// What was aimed at.
const STORM_SECONDS: f64 = 10.0;
const KIB_PER_CLIENT: f64 = 8.0;
const MESSAGES_PER_SECOND: f64 = 100_000.0;
const TIMES_THE_PEERS: f64 = 3.0;
const P99_MS: f64 = 5.0;
const GROWTH: f64 = 1.05;

/// The rows of the table of churn.
const CHURN_COLUMNS: [usize; 5] = [1, 3, 5, 7, 9];

/// What there is of one server.
struct Measured {
    name: &'static str,
    version: String,
    idle: Idle,
    relay: Relay,
}

type Page = Result<String, Box<dyn Error>>;

/// Writes the page.
pub(crate) fn write(
    results: &Results,
    subjects: &[Subject],
    page: &Path,
) -> Result<(), Box<dyn Error>> {
    let (mut measured, mut taken) = (Vec::new(), Vec::new());
    for subject in subjects {
        let idle: Kept<Idle> = needed(results.find("idle", subject.name)?, subject.name)?;
        let relay: Kept<Relay> = needed(results.find("relay", subject.name)?, subject.name)?;
        taken.extend([idle.taken, relay.taken]);
        measured.push(Measured {
            name: subject.name,
            version: version(subject)?,
            idle: idle.result,
            relay: relay.result,
        });
    }
    let [ours, peers @ ..] = measured.as_slice() else {
        return Err("nothing was measured".into());
    };
    taken.dedup();
    let own = subjects.first().map_or("", |subject| subject.name);
    let profile: Option<Kept<Profile>> = results.find("profile", own)?;
    let churn: Option<Kept<Churn>> = results.find("churn", own)?;

    let mut text = introduction(&measured, &taken);
    text += &table(&measured)?;
    text += &verdicts(ours, peers, churn.as_ref().map(|kept| &kept.result));
    text += &bounds(ours, peers, profile.as_ref().map(|kept| &kept.result))?;
    if let Some(churn) = &churn {
        text += &comings_and_goings(churn)?;
    }
    text += &method(ours);
    fs::write(page, text)?;
    Ok(())
}

fn needed<T>(found: Option<T>, name: &str) -> Result<T, String> {
    found.ok_or_else(|| format!("{name} has not been measured yet"))
}

fn introduction(measured: &[Measured], taken: &[crate::results::Taken]) -> String {
    let names: Vec<_> = measured
        .iter()
        .map(|server| format!("{} {}", server.name, server.version))
        .collect();
    let taken: Vec<_> = taken
        .iter()
        .map(|taken| format!("{} (commit {})", taken.date, taken.commit))
        .collect();
    format!(
        "# What the server bears\n\n\
         Written by `scripts/bench-server`, which measures the signaling server beside two servers that\n\
         do the same work and that npm has: the one of y-webrtc (`bin/server.js`) and PeerServer, the one\n\
         of peerjs (package `peer`). The same clients, at the same message size, on the same machine, one\n\
         server after the other, each in a process of its own with the settings it comes with.\n\n\
         - measured: {}\n\
         - servers: {}\n\
         - machine: {}; {}; Node.js {}\n",
        taken.join(", "),
        names.join(", "),
        machine(),
        first_line("rustc", &["--version"]),
        first_line("node", &["--version"]),
    )
}

/// A row's name, its aim, and what it shows of a server.
type Row<'a> = (String, &'a str, Box<dyn Fn(&Measured) -> String>);

fn table(measured: &[Measured]) -> Page {
    let first = measured.first().ok_or("nothing was measured")?;
    let (clients, rooms) = (first.idle.clients, first.idle.rooms);
    let mut rows: Vec<Row<'_>> = vec![
        (
            format!(
                "{} clients at once in {} rooms: still connected, reached by a peer, failures",
                whole(clients as f64),
                whole(rooms as f64)
            ),
            "all, all, 0",
            Box::new(|server| {
                let idle = &server.idle;
                let (connected, reached) =
                    (whole(idle.connected as f64), whole(idle.reached as f64));
                format!("{connected}, {reached}, {}", idle.failed())
            }),
        ),
        (
            "until the last of them was in its room, s".to_owned(),
            "< 10",
            Box::new(|server| format!("{:.2}", server.idle.storm_seconds)),
        ),
        (
            "resident memory for each idle client, KiB".to_owned(),
            "< 8",
            Box::new(|server| format!("{:.1}", server.idle.bytes_per_client() / 1024.0)),
        ),
        (
            "failures while relaying".to_owned(),
            "0",
            Box::new(|server| server.relay.failed().to_string()),
        ),
    ];
    let failures = rows.pop();
    for (index, shape) in first.relay.shapes.iter().enumerate() {
        rows.extend(rows_of(index, shape));
    }
    rows.extend(failures);
    let mut text = String::from("\n| | aim |");
    for server in measured {
        write!(text, " {} |", server.name)?;
    }
    writeln!(text, "\n|---|---|{}", "---|".repeat(measured.len()))?;
    for (name, aim, cell) in rows {
        write!(text, "| {name} | {aim} |")?;
        for server in measured {
            write!(text, " {} |", cell(server))?;
        }
        text.push('\n');
    }
    Ok(text)
}

/// The rows of one shape of the load.
fn rows_of(index: usize, shape: &Shape) -> Vec<Row<'static>> {
    let of = move |show: fn(&Shape) -> String| -> Box<dyn Fn(&Measured) -> String> {
        Box::new(move |server| {
            server
                .relay
                .shapes
                .get(index)
                .map_or_else(String::new, show)
        })
    };
    let mut rows: Vec<Row<'static>> = vec![
        (
            format!("messages relayed a second, {}, at saturation", named(shape)),
            "≥ 100,000",
            of(|shape| shown(shape.saturation(), |run| whole(run.per_second()))),
        ),
        (
            "– processor time of the server for one, µs".to_owned(),
            "",
            of(|shape| {
                shown(shape.saturation(), |run| {
                    format!("{:.1}", run.server_cost())
                })
            }),
        ),
        (
            "– at half of that: messages a second".to_owned(),
            "",
            of(|shape| shown(shape.at_half(), |run| whole(run.per_second()))),
        ),
        (
            "– at half of that: latency p50, p99, ms".to_owned(),
            "p99 < 5",
            of(|shape| shown(shape.at_half(), latencies)),
        ),
    ];
    for (at, rate) in STEADY.into_iter().enumerate() {
        rows.push((
            format!("– at {} a second: latency p50, p99, ms", whole(rate.into())),
            if f64::from(rate) * 2.0 >= MESSAGES_PER_SECOND {
                "p99 < 5"
            } else {
                ""
            },
            Box::new(move |server| {
                let shape = server.relay.shapes.get(index);
                let run = shape.and_then(|shape| shape.at_steady(at));
                run.map_or_else(|| "does not carry it".to_owned(), latencies)
            }),
        ));
    }
    rows
}

fn latencies(run: &Run) -> String {
    format!("{:.2}, {:.2}", run.p50, run.p99)
}

fn shown(run: Option<&Run>, show: impl Fn(&Run) -> String) -> String {
    run.map_or_else(String::new, show)
}

fn named(shape: &Shape) -> String {
    match shape.window {
        1 => "one at a time".to_owned(),
        window => format!("in bursts of {window}"),
    }
}

fn rate(server: &Measured, index: usize) -> f64 {
    let shape = server.relay.shapes.get(index);
    shape
        .and_then(Shape::saturation)
        .map_or(0.0, Run::per_second)
}

/// Which aims are met and which are not, in words.
fn verdicts(ours: &Measured, peers: &[Measured], churn: Option<&Churn>) -> String {
    let kib = ours.idle.bytes_per_client() / 1024.0;
    let least = peers
        .iter()
        .map(|peer| peer.idle.bytes_per_client() / 1024.0)
        .fold(f64::INFINITY, f64::min);
    let idle = &ours.idle;
    let everybody = idle.connected == idle.clients && idle.reached == idle.clients as u64;
    let mut aims = vec![
        (
            everybody && idle.failed() == 0,
            format!(
                "{} clients at once without a failure",
                whole(idle.clients as f64)
            ),
        ),
        (
            idle.storm_seconds < STORM_SECONDS,
            format!("all in their rooms within {:.2} s", idle.storm_seconds),
        ),
        (
            kib < KIB_PER_CLIENT && kib < least,
            format!(
                "{kib:.1} KiB for a client, {:.2} times what the smaller of the others needs",
                kib / least
            ),
        ),
    ];
    for (index, shape) in ours.relay.shapes.iter().enumerate() {
        let (own, name) = (rate(ours, index), named(shape));
        let fastest = peers
            .iter()
            .map(|peer| rate(peer, index))
            .fold(0.0, f64::max);
        let times = own / fastest.max(1.0);
        aims.extend([
            (
                own >= MESSAGES_PER_SECOND,
                format!("{} messages a second {name}", whole(own)),
            ),
            (
                times >= TIMES_THE_PEERS,
                format!("{times:.1} times as many {name} as the faster of the others"),
            ),
        ]);
        for run in shape
            .at_half()
            .into_iter()
            .chain(shape.at_steady(STEADY.len() - 1))
        {
            let (p99, rate) = (run.p99, whole(run.per_second()));
            let what = format!("p99 {p99:.2} ms at {rate} messages a second {name}");
            aims.push((p99 < P99_MS, what));
        }
    }
    if let Some(churn) = churn {
        let growth = churn.growth();
        aims.push((
            growth < GROWTH && churn.failed() == 0,
            format!(
                "{growth:.3} times the memory after {:.0} minutes of churn, {} failures",
                churn.minutes,
                churn.failed()
            ),
        ));
    }
    let list = |wanted: bool| {
        let found = aims.iter().filter(|(met, _)| *met == wanted);
        found
            .map(|(_, what)| what.as_str())
            .collect::<Vec<_>>()
            .join("; ")
    };
    let mut text = String::new();
    for (wanted, title) in [(true, "Met"), (false, "Missed")] {
        let list = list(wanted);
        if !list.is_empty() {
            text += &format!("\n{title}: {list}.\n");
        }
    }
    text
}

fn bounds(ours: &Measured, peers: &[Measured], profile: Option<&Profile>) -> Page {
    let mut text = format!(
        "\n## What bounds the rates\n\n\
         Cores kept busy, of the {} that server and clients share; a Node server has one thread. *Waiting*\n\
         is how long threads were ready to run and no core was free, in seconds for each second, as the\n\
         scheduler counts it; *sent late* how long after they were due 99 % of the messages had been sent,\n\
         which is the clients' part of a latency.\n\n\
         | | the server | its share in the kernel | the clients | waiting: server | waiting: clients | sent late, p99 |\n\
         |---|---|---|---|---|---|---|\n",
        cores()
    );
    for server in std::iter::once(ours).chain(peers) {
        for shape in &server.relay.shapes {
            let steady = STEADY.into_iter().enumerate().map(|(at, rate)| {
                let name = format!("at {} a second", whole(rate.into()));
                (name, shape.at_steady(at))
            });
            let runs = [
                ("saturated".to_owned(), shape.saturation()),
                ("at half".to_owned(), shape.at_half()),
            ];
            for (load, run) in runs.into_iter().chain(steady) {
                let Some(run) = run else { continue };
                let busy = run.server_user + run.server_kernel;
                let late = if run.late_p99 > 0.0 {
                    format!("{:.2} ms", run.late_p99)
                } else {
                    String::new()
                };
                writeln!(
                    text,
                    "| {}, {}, {load} | {:.2} | {:.0} % | {:.2} | {:.2} | {:.2} | {late} |",
                    server.name,
                    named(shape),
                    busy / run.seconds,
                    100.0 * run.server_kernel / busy.max(f64::EPSILON),
                    (run.tool_user + run.tool_kernel) / run.seconds,
                    run.server_waited / run.seconds,
                    run.tool_waited / run.seconds,
                )?;
            }
        }
    }
    for shape in &ours.relay.shapes {
        if let (Some(full), Some(half)) = (shape.saturation(), shape.at_half())
            && half.p99 >= P99_MS
        {
            text += &why_late(&named(shape), full, half);
        }
    }
    if let Some(profile) = profile {
        writeln!(
            text,
            "\nOf the samples that `perf` took of {} at saturation, one message at a time, {:.0} %\n\
             fell into the kernel. The functions with the largest shares:\n\n| function | % |\n|---|---|",
            ours.name, profile.kernel
        )?;
        for (name, share) in profile.functions.iter().take(15) {
            writeln!(text, "| `{}` | {share:.1} |", name.replace('|', "\\|"))?;
        }
    }
    Ok(text)
}

/// What a latency above the aim is made of, in words.
fn why_late(name: &str, full: &Run, half: &Run) -> String {
    let busy = |run: &Run| {
        let server = run.server_user + run.server_kernel;
        (server + run.tool_user + run.tool_kernel) / run.seconds
    };
    format!(
        "\nAt half of the messages {name} the machine is not at half of its work: server and clients keep\n\
         {:.2} cores busy, after {:.2} at saturation, and one message costs the server {:.1} µs, after {:.1}.\n\
         The server's threads waited {:.2} s in each second for a core that another thread had, and what\n\
         came to them meanwhile waited as well.\n",
        busy(half),
        busy(full),
        half.server_cost(),
        full.server_cost(),
        half.server_waited / half.seconds,
    )
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn comings_and_goings(kept: &Kept<Churn>) -> Page {
    let churn = &kept.result;
    let mut text = format!(
        "\n## Coming and going\n\n\
         {} ({}, commit {}): {} clients at a time in rooms of ten,\n\
         {} came and went in {:.0} minutes, half of them without a goodbye, and sent each other\n\
         {} messages; {} failures. The server's memory, as means over tenths of that time:\n\n| tenth |",
        "On the same machine",
        kept.taken.date,
        kept.taken.commit,
        whole(churn.clients as f64),
        whole(churn.came as f64),
        churn.minutes,
        whole(churn.messages as f64),
        churn.failed(),
    );
    for tenth in CHURN_COLUMNS {
        write!(text, " {} |", tenth + 1)?;
    }
    write!(
        text,
        "\n|---|{}\n| MiB |",
        "---|".repeat(CHURN_COLUMNS.len())
    )?;
    for tenth in CHURN_COLUMNS {
        write!(text, " {:.2} |", churn.tenth(tenth) / f64::from(1 << 20))?;
    }
    writeln!(
        text,
        "\n\nThe last is {:.3} times the first.",
        churn.growth()
    )?;
    Ok(text)
}

fn method(ours: &Measured) -> String {
    let (idle, relay) = (&ours.idle, &ours.relay);
    let shape = relay.shapes.last();
    let run = shape.and_then(Shape::saturation);
    format!(
        "\n## How it is measured\n\n\
         - The clients run on one thread, on the same cores as the server, over the loopback network, from\n\
         sixteen addresses. They are WebSocket clients with a framing of their own, which reads and writes\n\
         many frames in one system call.\n\
         - Memory: resident memory of the process once all have been idle for {hold:.0} s, less that after\n\
         its first clients. The kernel's socket buffers are not in it.\n\
         - A message goes from one client to one other and carries {PAYLOAD_BYTES} bytes of base64, about\n\
         an ICE candidate: `relay` here, `CANDIDATE` with PeerServer. y-webrtc's server knows topics only;\n\
         each client subscribes to one of its own there, which is the least work that it can do.\n\
         - Saturation: {clients} clients in pairs; each answers a message with one, so that one of every\n\
         client is on its way at any time, or {burst} in bursts.\n\
         - At half, and at the other rates: one of each pair writes in turn, one message or a burst at once, and\n\
         the other answers. What is due is sent each millisecond, and its latency counts from that\n\
         millisecond on, so that a late client counts as the server's latency.\n\
         - Each load has {runs} runs of {seconds:.0} s, of which the median is shown: by the rate at saturation,\n\
         by p99 else.\n\
         - The limit of relay messages for each client was raised to 10,000 a second here; the others have\n\
         none. PeerServer's limit of 5,000 clients was raised, and its heartbeats were spared. All other\n\
         settings are those that the servers come with.\n",
        hold = idle.hold_seconds,
        clients = whole(relay.clients as f64),
        burst = shape.map_or(0, |shape| shape.window),
        runs = shape.map_or(0, |shape| shape.saturated.len()),
        seconds = run.map_or(0.0, |run| run.seconds),
    )
}

/// A version as the program or its package tells it.
fn version(subject: &Subject) -> Result<String, Box<dyn Error>> {
    if subject.dialect == Dialect::Signaling {
        let line = first_line(&subject.program, &["--version"]);
        return Ok(line.rsplit(' ').next().unwrap_or_default().to_owned());
    }
    for folder in subject.program.ancestors().skip(1) {
        if let Ok(text) = fs::read_to_string(folder.join("package.json")) {
            let package: serde_json::Value = serde_json::from_str(&text)?;
            if let Some(version) = package["version"].as_str() {
                return Ok(version.to_owned());
            }
        }
    }
    Err(format!("{} has no package", subject.program.display()).into())
}

/// The machine and its system, for a page.
pub(crate) fn machine() -> String {
    let system = first_line("uname", &["-srm"]);
    format!("{}, {} cores; {system}", processor(), cores())
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|line| line.starts_with("model name"));
    name.and_then(|line| line.split_once(':')).map_or_else(
        || std::env::consts::ARCH.to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// A number without its fraction, in groups of three.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(whole(7.0), "7");
        assert_eq!(whole(1234.4), "1,234");
        assert_eq!(whole(100_000.0), "100,000");
        assert_eq!(whole(12_345_678.0), "12,345,678");
    }
}
