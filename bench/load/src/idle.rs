//! Everybody connects at once, and then does nothing: how long that takes, and what it costs.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::crowd::{Failures, Plan, Tally, listen};
use crate::dialect::stamp_of;
use crate::process::{Server, Subject};
use crate::progress::say;

/// After the start a server loads and compiles what it needs for its first clients.
const WARM_UP_CLIENTS: usize = 20;

/// How long everybody may take to hear from a peer, once all are connected.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) clients: usize,
    pub(crate) rooms: usize,
    /// Who was connected at the end of the time of doing nothing.
    pub(crate) connected: usize,
    /// Who heard from a peer after it.
    pub(crate) reached: u64,
    /// From the first that knocked to the last that was in its room.
    pub(crate) storm_seconds: f64,
    pub(crate) hold_seconds: f64,
    pub(crate) resident_before: u64,
    pub(crate) resident_after: u64,
    pub(crate) failures: Failures,
}

impl Idle {
    /// Bytes of memory for each client.
    pub(crate) fn bytes_per_client(&self) -> f64 {
        let grown = self.resident_after.saturating_sub(self.resident_before);
        grown as f64 / self.connected.max(1) as f64
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Measures a server that is started for this alone.
pub(crate) async fn measure(
    subject: &Subject,
    clients: usize,
    rooms: usize,
    hold: Duration,
) -> io::Result<Idle> {
    let server = subject.start().await?;
    let result = load(subject, &server, clients, rooms, hold).await;
    server.stop().await?;
    result
}

/// Measures a server that runs already.
pub(crate) async fn load(
    subject: &Subject,
    server: &Server,
    clients: usize,
    rooms: usize,
    hold: Duration,
) -> io::Result<Idle> {
    let plan = Plan {
        dialect: subject.dialect,
        servers: server.nodes(),
        clients,
        per_room: clients.div_ceil(rooms.max(1)).max(2),
        crowd: 1,
    };
    let first = Plan {
        clients: WARM_UP_CLIENTS,
        crowd: 0,
        ..plan
    };
    drop(first.storm().await);
    sleep(Duration::from_secs(1)).await;
    let resident_before = server.resident()?;

    let crowd = plan.storm().await;
    let tally = Rc::new(Tally::default());
    *tally.failures.borrow_mut() = crowd.failures;
    let mut writers = Vec::new();
    let mut listeners = JoinSet::new();
    for client in crowd.clients {
        let writer = Rc::new(client.writer);
        writers.push((client.me, writer.clone()));
        let (tally, mut reader) = (tally.clone(), client.reader);
        listeners.spawn_local(async move {
            let text = |text: &[u8]| stamp_of(text).is_some();
            listen(plan.dialect, &mut reader, &writer, &tally, text).await;
        });
    }
    sleep(hold).await;
    let resident_after = server.resident()?;
    while listeners.try_join_next().is_some() {}
    let connected = listeners.len();

    say("everybody writes to a peer");
    for (number, (me, writer)) in writers.iter().enumerate() {
        let peer = plan.identity(plan.peer_of(number));
        let mut message = plan.dialect.message(me, &peer);
        if let Err(error) = writer.send(message.stamped(0)).await {
            tally.failed(error);
        }
    }
    let end = Instant::now() + PATIENCE;
    while tally.reached.get() < connected as u64 && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
    }
    tally.over.set(true);
    listeners.shutdown().await;
    let failures = tally.failures.borrow().clone();
    Ok(Idle {
        clients,
        rooms,
        connected,
        reached: tally.reached.get(),
        storm_seconds: crowd.took.as_secs_f64(),
        hold_seconds: hold.as_secs_f64(),
        resident_before,
        resident_after,
        failures,
    })
}
