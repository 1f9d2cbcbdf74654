//! What is done with documents, on threads of its own.

use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use signaling_protocol::CloseCode;
use signaling_rooms::{LogError, entry_cost};
use signaling_yjs::{StateVector, merge, scan};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::document::{Job, LogSize, Sender, Work};
use super::index::Index;
use super::memory::{AddressShare, Share};
use super::message;
use super::rooms::Room;
use super::seat::Seat;
use crate::hub::Hub;
use crate::metrics::Kind;
use crate::outbox::{Note, Outbound, Outbox};
use crate::store::{LogName, Write};

/// How much of a log is read at a time, in bytes.
const PAGE_BYTES: usize = 4 << 20;

/// How long a room whose log is full takes no changes.
const FULL_FOR: Duration = Duration::from_secs(10);

/// Adds a job to a room, and has it done. A client whose address has as much memory as it may waits before
/// it has its turn, so that the others in the room do not wait for it.
pub(super) fn submit(seat: &Arc<Seat>, work: Work) {
    let seat = seat.clone();
    let Some(address) = work.address() else {
        return add(&seat, work, AddressShare::default());
    };
    tokio::spawn(async move {
        let bytes = work.bytes(&seat).await;
        let memory = &seat.hub.yjs.memory;
        let share = memory.of_address(Some(address), bytes).await;
        add(&seat, work, share);
    });
}

fn add(seat: &Arc<Seat>, work: Work, share: AddressShare) {
    let job = Job {
        place: seat.clone(),
        work,
        share,
    };
    if seat.room.lock().document.add(job) {
        tokio::spawn(work_off(seat.clone()));
    }
}

/// Does the jobs of a room until there are none.
async fn work_off(seat: Arc<Seat>) {
    let hub = &seat.hub;
    loop {
        let Some((mut job, index, mut log)) = seat.room.lock().document.next_job() else {
            return;
        };
        if index.is_none() {
            log.bytes = log_bytes(hub, &seat).await.unwrap_or(log.bytes);
        }
        let of_address = std::mem::take(&mut job.share);
        let cost = job.cost(index.is_some(), log);
        let share = hub.yjs.memory.share(cost, of_address).await;
        let thread = hub.yjs.memory.thread().await;
        let of_room = seat.clone();
        let done = spawn_blocking(move || {
            job.run(&of_room, index, share);
            drop(thread);
        });
        if done.await.is_err() {
            tracing::error!(room = %seat.id, "work on a document failed");
        }
    }
}

/// The size of the room's log, in bytes.
async fn log_bytes(hub: &Hub, seat: &Seat) -> Option<u64> {
    let (send, receive) = oneshot::channel();
    let reply = move |page: Result<crate::store::Page, LogError>| {
        let _ = send.send(page.ok().map(|page| page.log_bytes));
    };
    hub.yjs.store.read(seat.log(), u64::MAX, 0, reply);
    receive.await.ok().flatten()
}

impl Seat {
    pub(super) fn log(&self) -> LogName {
        LogName::yjs(&self.id)
    }
}

impl Job {
    /// The memory that it takes, in bytes.
    fn cost(&self, indexed: bool, log: LogSize) -> u64 {
        let unread = if indexed { 0 } else { log.bytes };
        match &self.work {
            // The log, and what is made of it.
            Work::Answer { .. } | Work::Merge => log.bytes.saturating_mul(2),
            Work::Take { update, .. } => unread.saturating_add(2 * update.len() as u64),
        }
    }

    /// Does it.
    fn run(self, seat: &Arc<Seat>, index: Option<Index>, share: Share) {
        let Job {
            place: _place,
            work,
            share: _,
        } = self;
        let mut log = None;
        let index = match index {
            Some(index) => index,
            None => match read(seat) {
                Ok((entries, index)) => {
                    log = Some(entries);
                    index
                }
                Err(error) => return work.fail(&error),
            },
        };
        let put_back = |index| seat.room.lock().document.put_back(index);
        match work {
            Work::Answer {
                state, client, ask, ..
            } => {
                let question = ask.then(|| index.state().encode());
                // Changes go on meanwhile.
                put_back(index);
                match log.map_or_else(|| read_log(seat), Ok) {
                    Ok(log) => answer(&log, question.as_deref(), &state, &client, share),
                    Err(error) => close(&client, &error),
                }
                client.note(Note::Answered);
            }
            Work::Take { update, from } => {
                take(seat, index, update, &from, share);
                from.outbox.note(Note::Taken);
            }
            Work::Merge => {
                put_back(index);
                if let Ok(log) = log.map_or_else(|| read_log(seat), Ok) {
                    put_together(seat, &log);
                }
            }
        }
    }
}

impl Work {
    /// The address of the client that it is done for, where it counts.
    fn address(&self) -> Option<IpAddr> {
        match self {
            Work::Answer { address, .. } => *address,
            Work::Take { from, .. } => from.address,
            Work::Merge => None,
        }
    }

    /// The memory that it takes for the client, in bytes: as [`Job::cost`] where the log is known.
    async fn bytes(&self, seat: &Seat) -> u64 {
        if let Work::Take { update, .. } = self {
            return 2 * update.len() as u64;
        }
        let known = seat.room.lock().document.log_bytes();
        let log = match known {
            0 => log_bytes(&seat.hub, seat).await.unwrap_or_default(),
            known => known,
        };
        log.saturating_mul(2)
    }

    fn fail(&self, error: &LogError) {
        match self {
            Work::Answer { client, .. } => close(client, error),
            Work::Take { from, .. } => close(&from.outbox, error),
            Work::Merge => {}
        }
    }
}

/// A log as it was read.
struct Entries {
    base: u64,
    last: u64,
    bytes: u64,
    updates: Vec<Bytes>,
}

impl Entries {
    fn merge(&self, state: &StateVector) -> Option<Vec<u8>> {
        let updates = self.updates.iter().map(|update| &update[..]);
        merge(updates, state).ok()
    }
}

/// Reads the room's log, and what it has.
fn read(seat: &Seat) -> Result<(Entries, Index), LogError> {
    let mut entries = read_log(seat)?;
    let mut index = Index::new(seat.hub.yjs.ranges.clone());
    let count = entries.updates.len();
    entries.updates.retain(|update| {
        let summary = scan(update).ok();
        summary.is_some_and(|summary| index.take(&summary).is_ok())
    });
    let unreadable = count - entries.updates.len();
    if unreadable > 0 {
        tracing::warn!(room = %seat.id, "{unreadable} entries of the log are no Yjs updates");
    }
    let first = entries.updates.first().filter(|_| entries.base > 0);
    let base = first.map_or(0, |update| entry_cost(update));
    let size = LogSize {
        bytes: entries.bytes,
        added: entries.bytes.saturating_sub(base),
        entries: entries.last - entries.base,
    };
    seat.room.lock().document.measured(size);
    Ok((entries, index))
}

/// Reads all entries of the room's log.
fn read_log(seat: &Seat) -> Result<Entries, LogError> {
    let mut log = Entries {
        base: 0,
        last: 0,
        bytes: 0,
        updates: Vec::new(),
    };
    let mut after = 0;
    loop {
        let (send, receive) = mpsc::channel();
        let reply = move |page| {
            let _ = send.send(page);
        };
        seat.hub
            .yjs
            .store
            .read(seat.log(), after, PAGE_BYTES, reply);
        let page = receive.recv().map_err(|_| LogError::Unavailable {
            reason: "the store ended".to_owned(),
        })??;
        (log.base, log.last, log.bytes) = (page.base, page.last, page.log_bytes);
        let more = page.more;
        for (seq, update) in page.entries {
            after = seq;
            log.updates.push(update);
        }
        if !more {
            return Ok(log);
        }
    }
}

/// Sends a client what it lacks, and asks it for what is missing here.
fn answer(
    log: &Entries,
    question: Option<&[u8]>,
    state: &StateVector,
    client: &Outbox,
    mut share: Share,
) {
    if let Some(state) = question {
        let question = message::ask_for_more_than(state);
        client.push(outbound(Kind::Yjs, question.into(), None));
    }
    if let Some(missing) = log.merge(state) {
        let frame = share.keep(message::answer(&missing));
        client.push(outbound(Kind::Yjs, frame, None));
    }
}

/// Takes a large change: what is new in it is kept and passed on.
fn take(seat: &Arc<Seat>, mut index: Index, update: Bytes, from: &Sender, mut share: Share) {
    let scanned = scan(&update).map_err(|error| refuse(&from.outbox, &error));
    let news = scanned.ok().filter(|summary| index.lacks(summary));
    let news = news.and_then(|summary| {
        // What is known of it is left out; the rest of a document that comes back is small.
        let news = merge([&update[..]], &index.state()).map_or(update, Bytes::from);
        let taken = index.take(&summary);
        taken.map_err(|error| refuse(&from.outbox, &error)).ok()?;
        let frame = share.keep(message::update(&news));
        Some((news, frame))
    });
    let mut room = seat.room.lock();
    room.document.put_back(index);
    if let Some((update, frame)) = news {
        publish(seat, &mut room, &update, frame, from);
    }
}

/// Keeps a change, and passes it on in a frame. Both happen while the room is locked, so whoever comes in has it
/// either from here or from the log.
pub(super) fn publish(
    seat: &Arc<Seat>,
    room: &mut Room<Arc<Outbox>>,
    update: &[u8],
    frame: Bytes,
    from: &Sender,
) {
    let news = outbound(Kind::Yjs, frame, Some(from.at));
    tell(&room.others(from.connection), &news);
    let due = room.document.grew(entry_cost(update));
    let (shared, outbox) = (seat.room.clone(), from.outbox.clone());
    let write = Write::Append {
        log: seat.log(),
        // Copied, so that what waits to be written does not keep the frame that it came in.
        payload: Bytes::copy_from_slice(update),
        from: from.address,
    };
    seat.hub.yjs.store.write(write, move |result| match result {
        Ok(_) => {}
        Err(
            error @ (LogError::RoomQuota { .. }
            | LogError::TotalQuota { .. }
            | LogError::AddressQuota { .. }),
        ) => {
            // A client that is closed would come back for ever with the same change.
            let until = Instant::now() + FULL_FOR;
            shared.lock().document.refuse_until(until);
            outbox.push(outbound(
                Kind::Error,
                message::denied(&error.to_string()),
                None,
            ));
        }
        Err(error) => {
            shared.lock().document.forget();
            close(&outbox, &error);
        }
    });
    if due {
        let job = Job {
            place: seat.clone(),
            work: Work::Merge,
            share: AddressShare::default(),
        };
        if room.document.add(job) {
            tokio::spawn(work_off(seat.clone()));
        }
    }
}

/// Puts one update in the place of the log's entries.
fn put_together(seat: &Arc<Seat>, log: &Entries) {
    let entries = log.last - log.base + u64::from(log.base > 0);
    if log.updates.len() as u64 != entries {
        // What cannot be read here is not thrown away.
        return;
    }
    let Some(merged) = log.merge(&StateVector::default()) else {
        return;
    };
    let merged = Bytes::from(merged);
    let (room, cost) = (seat.room.clone(), entry_cost(&merged));
    let write = Write::Snapshot {
        log: seat.log(),
        base: log.base,
        upto: log.last,
        payload: merged,
    };
    let before = log.bytes;
    seat.hub.yjs.store.write(write, move |result| {
        if result.is_ok() {
            room.lock().document.merged(before, cost);
        }
    });
}

/// Tells a client in words that its change is not taken.
pub(super) fn refuse(client: &Outbox, error: &dyn std::error::Error) {
    tracing::debug!("a change was refused: {error}");
    let denied = message::denied(&format!("a change was not taken: {error}"));
    client.push(outbound(Kind::Error, denied, None));
}

pub(super) fn outbound(kind: Kind, frame: Bytes, since: Option<Instant>) -> Outbound {
    Outbound::binary(kind, frame, since)
}

pub(super) fn tell(members: &[Arc<Outbox>], outbound: &Outbound) {
    for outbox in members {
        outbox.push(outbound.clone());
    }
}

fn close(client: &Outbox, error: &LogError) {
    tracing::debug!("the log cannot be used: {error}");
    client.close(CloseCode::StoreUnavailable);
}
