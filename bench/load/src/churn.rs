//! Clients that come, talk and go, for a long time: whether the server's memory grows.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::crowd::{Failures, Plan, Tally, listen};
use crate::dialect::stamp_of;
use crate::process::{Server, Subject};
use crate::progress::say;

/// How many clients are in a room.
const PER_ROOM: usize = 10;

/// How often a client writes to a peer.
const BETWEEN_MESSAGES: Duration = Duration::from_secs(1);

/// How many times memory is looked at.
const SAMPLES: u32 = 120;

/// How long a server may take to answer a close.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Churn {
    pub(crate) minutes: f64,
    /// How many are connected at a time.
    pub(crate) clients: usize,
    /// How many came and went in all.
    pub(crate) came: u64,
    pub(crate) messages: u64,
    /// The server's memory over time, evenly spaced, in bytes.
    pub(crate) resident: Vec<u64>,
    pub(crate) failures: Failures,
}

impl Churn {
    /// The mean of memory in one tenth of the time, counted from 0.
    pub(crate) fn tenth(&self, which: usize) -> f64 {
        let (from, to) = (
            which * self.resident.len() / 10,
            (which + 1) * self.resident.len() / 10,
        );
        let part = self.resident.get(from..to).unwrap_or_default();
        part.iter().sum::<u64>() as f64 / part.len().max(1) as f64
    }

    /// The last tenth to the second: the first is when the clients come.
    pub(crate) fn growth(&self) -> f64 {
        self.tenth(9) / self.tenth(1).max(1.0)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Measures a server that is started for this alone: so many clients at a time, of whom so many are
/// replaced each second.
pub(crate) async fn measure(
    subject: &Subject,
    clients: usize,
    per_second: f64,
    time: Duration,
) -> io::Result<Churn> {
    let server = subject.start().await?;
    let result = load(subject, &server, clients, per_second, time).await;
    server.stop().await?;
    result
}

/// Measures a server that runs already.
pub(crate) async fn load(
    subject: &Subject,
    server: &Server,
    clients: usize,
    per_second: f64,
    time: Duration,
) -> io::Result<Churn> {
    let plan = Plan {
        dialect: subject.dialect,
        servers: server.nodes(),
        clients,
        per_room: PER_ROOM,
        crowd: 0,
    };
    let tally = Rc::new(Tally::default());
    let came = Rc::new(Cell::new(0));
    let stay = Duration::from_secs_f64(clients as f64 / per_second.max(0.001));
    let mut places = JoinSet::new();
    for number in 0..clients {
        let (tally, came) = (tally.clone(), came.clone());
        // The first ones go one after the other, from the beginning on.
        let first = stay.mul_f64((number + 1) as f64 / clients as f64);
        places.spawn_local(async move {
            let mut stay_until = Instant::now() + first;
            loop {
                if let Err(error) = visit(plan, number, stay_until, &tally).await {
                    tally.failed(error);
                    sleep(BETWEEN_MESSAGES).await;
                }
                came.set(came.get() + 1);
                stay_until = Instant::now() + stay.mul_f64(0.5 + fastrand::f64());
            }
        });
    }

    let mut resident = Vec::new();
    let mut looks = interval(time / SAMPLES);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    for sample in 1..=SAMPLES {
        looks.tick().await;
        resident.push(server.resident()?);
        if sample % (SAMPLES / 12) == 0 {
            let mib = resident
                .last()
                .map_or(0.0, |bytes| *bytes as f64 / f64::from(1 << 20));
            say(format!(
                "churn: {} clients came and went, {} messages, {mib:.1} MiB, failures: {:?}",
                came.get(),
                tally.delivered.get(),
                tally.failures.borrow()
            ));
        }
    }
    tally.over.set(true);
    places.shutdown().await;
    let failures = tally.failures.borrow().clone();
    Ok(Churn {
        minutes: time.as_secs_f64() / 60.0,
        clients,
        came: came.get(),
        messages: tally.delivered.get(),
        resident,
        failures,
    })
}

/// One client's visit: comes in, writes now and then, and goes; half of them without a goodbye.
async fn visit(plan: Plan, number: usize, until: Instant, tally: &Rc<Tally>) -> io::Result<()> {
    let client = plan.admit(number).await?;
    let peer = plan.identity(plan.peer_of(number));
    let mut message = plan.dialect.message(&client.me, &peer);
    let (mut reader, writer) = (client.reader, client.writer);
    let heard = |text: &[u8]| stamp_of(text).is_some();
    let talk = async {
        let mut beats = interval(BETWEEN_MESSAGES.mul_f64(0.5 + fastrand::f64()));
        loop {
            beats.tick().await;
            if writer.send(message.stamped(0)).await.is_err() {
                // The listeners learn of it.
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = listen(plan.dialect, &mut reader, &writer, tally, heard) => return Ok(()),
        () = talk => {}
        () = sleep_until(until) => {}
    }
    if fastrand::bool() {
        writer.close().await?;
        let end = async { while reader.read(|_| {}).await.is_ok() {} };
        if timeout(CLOSE_PATIENCE, end).await.is_err() {
            tally.failed("a close was not answered");
        }
    }
    Ok(())
}
