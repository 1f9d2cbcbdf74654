//! Several server processes as one, over Redis.
//!
//! Redis holds who is in which room; scripts change that in one step and publish what they changed to
//! the processes concerned. A process carries out what it hears, in the order in which it hears it.
//! Messages between clients of different processes are published to the receiver's process.
//!
//! Each process holds its place by a lease that it renews. When one dies, another removes its members
//! as the lease runs out, and the rooms learn it. When Redis is lost, the process asks its clients to
//! come back and begins anew: connections between browsers are not touched by that.
//!
//! The rules of joining and leaving stand here a second time, in Lua: the other time is
//! `signaling_rooms::Rooms`, for rooms of one process. What a client may send is decided once, by
//! `signaling_rooms::Client`.

mod directory;
mod event;
pub(crate) mod limits;
mod scripts;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use ring::digest;
use signaling_protocol::{
    AgentId, CloseCode, ErrorCode, PeerList, RoomId, ServerMessage, SessionSecret,
};
use signaling_rooms::{ConnectionId, Departure, JoinRefusal, Refusal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use self::directory::{Directory, Effect, Route};
use self::event::{Delivery, Event, Member, NodeId, Place, Refused};
use self::limits::BusLimits;
use self::scripts::{Scripts, channel};
use crate::going_away::going_away;
use crate::greeter::Greeter;
use crate::metrics::{Kind, Metrics};
use crate::outbox::{Note, Outbound, Outbox};
use crate::refusal;

/// How many commands may wait for Redis.
const QUEUE: usize = 16_384;

/// How many commands go to Redis in one round trip at most.
const BATCH: usize = 256;

/// How long Redis may take for a round trip before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest pause between attempts to reach Redis again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the bus cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// Redis cannot be reached, or does not do what is asked of it.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// Redis does not answer.
    #[error("Redis does not answer within {PATIENCE:?}")]
    Silent,
    /// The other processes took this one for dead.
    #[error("this process did not renew its lease in time")]
    LeaseLost,
    /// The subscription ended.
    #[error("Redis ended the subscription")]
    Unsubscribed,
}

/// A client that wants to enter a room.
pub(crate) struct Entrant<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) agent: &'a AgentId,
    pub(crate) session: Option<&'a SessionSecret>,
    pub(crate) read_only: bool,
    pub(crate) capabilities: Vec<String>,
    pub(crate) connection: ConnectionId,
    pub(crate) address: Option<IpAddr>,
    pub(crate) outbox: Arc<Outbox>,
}

/// This process's end of the bus.
pub(crate) struct Bus {
    client: redis::Client,
    scripts: Scripts,
    limits: BusLimits,
    commands: mpsc::Sender<Command>,
    directory: Mutex<Directory<Arc<Outbox>>>,
    ready: AtomicBool,
}

/// What waits to be sent to Redis.
pub(crate) enum Command {
    Redis(redis::Cmd),
    Stop(oneshot::Sender<()>),
}

impl Bus {
    /// Takes the address of a Redis server. Nothing is sent before [`Bus::run`].
    pub(crate) fn new(
        url: &str,
        limits: BusLimits,
    ) -> Result<(Self, mpsc::Receiver<Command>), BusError> {
        crate::tls::choose_provider();
        let (commands, queue) = mpsc::channel(QUEUE);
        let bus = Self {
            client: redis::Client::open(url)?,
            scripts: Scripts::new(),
            limits,
            commands,
            directory: Mutex::new(Directory::new(new_node())),
            ready: AtomicBool::new(false),
        };
        Ok((bus, queue))
    }

    /// Makes sure that Redis can be reached.
    pub(crate) async fn check(&self) -> Result<(), BusError> {
        let mut redis = self.connect().await?;
        within(redis::cmd("PING").query_async::<()>(&mut redis)).await
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// How many rooms this process has clients in, and how many clients.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let directory = self.directory();
        (directory.rooms(), directory.locals())
    }

    /// The rooms in which this process has clients.
    pub(crate) fn occupied(&self) -> Vec<RoomId> {
        self.directory().occupied().cloned().collect()
    }

    /// Asks for a place in a room. The answer comes through the client's outbox.
    pub(crate) fn join(&self, entrant: Entrant<'_>) -> Result<(), Refusal> {
        let mut directory = self.directory();
        let node = directory.me().clone();
        let ConnectionId(connection) = entrant.connection;
        let member = Member {
            agent: entrant.agent.clone(),
            node: node.clone(),
            connection,
            read_only: entrant.read_only,
            capabilities: entrant.capabilities,
        };
        let mut join = redis::cmd("EVAL");
        join.arg(&self.scripts.join)
            .arg(0)
            .arg(entrant.room.as_str())
            .arg(entrant.agent.as_str());
        join.arg(fingerprint(entrant.session))
            .arg(&node.0)
            .arg(connection)
            .arg(json(&member));
        join.arg(self.limits.clients_per_room)
            .arg(self.limits.rooms)
            .arg(maker(entrant.address))
            .arg(self.limits.rooms_per_address);
        self.send(join)?;
        directory.expect(connection, entrant.outbox);
        Ok(())
    }

    /// Gives a place up.
    pub(crate) fn leave(
        &self,
        room: &RoomId,
        agent: &AgentId,
        connection: ConnectionId,
        departure: Departure,
    ) {
        let mut directory = self.directory();
        directory.forget(connection.0);
        let mut leave = redis::cmd("EVAL");
        leave
            .arg(&self.scripts.leave)
            .arg(0)
            .arg(room.as_str())
            .arg(agent.as_str());
        let keep_name_for = match departure {
            Departure::Lost => self.keep_name_ms(),
            Departure::Left => 0,
        };
        leave
            .arg(&directory.me().0)
            .arg(connection.0)
            .arg(keep_name_for);
        // Without Redis the lease will run out instead.
        let _ = self.send(leave);
    }

    /// Passes a message on, to a client here or of another process.
    pub(crate) fn forward(
        &self,
        room: &RoomId,
        to: &AgentId,
        connection: ConnectionId,
        outbound: Outbound,
    ) -> Result<(), Refusal> {
        let directory = self.directory();
        match directory.find(room, to) {
            Some(Route::Here(outbox)) => {
                outbox.push(outbound);
                Ok(())
            }
            Some(Route::There(node)) => {
                let event = Event::Deliver {
                    room: room.clone(),
                    to: to.clone(),
                    from: Place {
                        node: directory.me().clone(),
                        connection: connection.0,
                    },
                    kind: delivery(outbound.kind),
                    frame: outbound
                        .message
                        .into_text()
                        .map(|text| text.to_string())
                        .unwrap_or_default(),
                };
                self.send(publish(&node, &event))
            }
            None => Err(Refusal::unavailable(to)),
        }
    }

    /// Keeps this process on the bus, until it has to stop.
    pub(crate) async fn run(
        &self,
        greeter: &Greeter,
        metrics: &Metrics,
        mut queue: mpsc::Receiver<Command>,
    ) {
        let mut pause = Duration::ZERO;
        loop {
            let lost = match self.session(greeter, metrics, &mut queue).await {
                Ok(()) => return,
                Err(lost) => lost,
            };
            let clients = {
                // Under the lock nobody adds a client or a command that would be overlooked.
                let mut directory = self.directory();
                let was_ready = self.ready.swap(false, Ordering::Relaxed);
                if was_ready {
                    tracing::error!("the bus is lost: {lost}");
                    pause = Duration::ZERO;
                }
                while let Ok(command) = queue.try_recv() {
                    if let Command::Stop(done) = command {
                        let _ = done.send(());
                        return;
                    }
                }
                directory.reset(new_node())
            };
            for client in clients {
                client.push(going_away());
                client.close(CloseCode::GoingAway);
            }
            // Not all processes are to knock at the same time.
            sleep(pause.mul_f64(fastrand::f64())).await;
            pause = (pause * 2).clamp(Duration::from_millis(100), LONGEST_PAUSE);
        }
    }

    /// Has everything sent that waits, and ends [`Bus::run`].
    pub(crate) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            let _ = timeout(PATIENCE, finished).await;
        }
    }

    async fn session(
        &self,
        greeter: &Greeter,
        metrics: &Metrics,
        queue: &mut mpsc::Receiver<Command>,
    ) -> Result<(), BusError> {
        let node = self.directory().me().clone();
        let mut redis = self.connect().await?;
        let mut subscription = within(self.client.get_async_pubsub()).await?;
        within(subscription.subscribe(channel(&node.0))).await?;
        self.renew(&mut redis, &node, true).await?;
        self.ready.store(true, Ordering::Relaxed);
        tracing::info!("on the bus as {}", node.0);

        let hear = async {
            let mut messages = subscription.on_message();
            while let Some(message) = messages.next().await {
                self.hear(greeter, metrics, message.get_payload_bytes());
            }
            Err(BusError::Unsubscribed)
        };
        let speak = async {
            let mut renewals = interval(self.limits.lease / 3);
            renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut commands = Vec::with_capacity(BATCH);
            loop {
                tokio::select! {
                    _ = renewals.tick() => self.renew(&mut redis, &node, false).await?,
                    _ = queue.recv_many(&mut commands, BATCH) => {
                        if let Some(done) = transmit(&mut redis, &mut commands).await? {
                            let _ = done.send(());
                            return Ok(());
                        }
                    }
                }
            }
        };
        tokio::select! {
            ended = hear => ended,
            ended = speak => ended,
        }
    }

    /// How long a name is kept for a client that may come back.
    fn keep_name_ms(&self) -> u64 {
        u64::try_from(self.limits.keep_name_for.as_millis()).unwrap_or(u64::MAX)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, BusError> {
        within(self.client.get_multiplexed_async_connection()).await
    }

    async fn renew(
        &self,
        redis: &mut MultiplexedConnection,
        node: &NodeId,
        first: bool,
    ) -> Result<(), BusError> {
        let lease = u64::try_from(self.limits.lease.as_millis()).unwrap_or(u64::MAX);
        let mut renew = redis::cmd("EVAL");
        renew
            .arg(&self.scripts.renew)
            .arg(0)
            .arg(&node.0)
            .arg(lease)
            .arg(u8::from(first))
            .arg(self.keep_name_ms());
        match within(renew.query_async::<u8>(redis)).await? {
            0 => Err(BusError::LeaseLost),
            _ => Ok(()),
        }
    }

    fn hear(&self, greeter: &Greeter, metrics: &Metrics, payload: &[u8]) {
        let event = match serde_json::from_slice(payload) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!("an event on the bus cannot be read: {error}");
                return;
            }
        };
        // Carried out under the lock: what one event has to say comes before what the next has.
        let mut directory = self.directory();
        for effect in directory.apply(event) {
            self.carry_out(greeter, metrics, effect);
        }
    }

    fn carry_out(&self, greeter: &Greeter, metrics: &Metrics, effect: Effect<Arc<Outbox>>) {
        match effect {
            Effect::Tell(outbox, message) => {
                outbox.push(Outbound::text(Kind::Announcement, message.to_json()));
            }
            Effect::Enter(outbox, agent, list) => {
                outbox.note(Note::Entered);
                let welcome = greeter.welcome(&agent);
                let list = ServerMessage::PeerList(PeerList {
                    log: welcome.log,
                    ice_servers: welcome.ice_servers,
                    ..list
                });
                outbox.push(Outbound::text(Kind::Announcement, list.to_json()));
            }
            Effect::TurnAway(outbox, why) => {
                outbox.note(Note::TurnedAway);
                outbox.push(refusal::outbound(self.refusal(why), metrics));
            }
            Effect::Close(outbox, code) => outbox.close(code),
            Effect::Deliver(outbox, event) => match *event {
                Event::Deliver { kind, frame, .. } => {
                    outbox.push(Outbound::text(kind.into(), frame))
                }
                Event::Unavailable { to, .. } => {
                    let refusal = Refusal::unavailable(&to);
                    outbox.push(refusal::outbound(refusal, metrics));
                }
                _ => {}
            },
            Effect::Send(node, event) => {
                // Without the bus the sender has been told to come back anyway.
                let _ = self.send(publish(&node, &event));
            }
        }
    }

    fn refusal(&self, why: Refused) -> Refusal {
        match why {
            Refused::AgentIdTaken => Refusal::new(
                ErrorCode::AgentIdTaken,
                "someone else in the room has this agent id".to_owned(),
            ),
            Refused::RoomFull => JoinRefusal::RoomFull {
                max: self.limits.clients_per_room,
            }
            .into(),
            Refused::TooManyRoomsOfAddress => JoinRefusal::TooManyRoomsOfAddress {
                max: self.limits.rooms_per_address,
            }
            .into(),
            Refused::TooManyRooms => JoinRefusal::TooManyRooms {
                max: self.limits.rooms,
            }
            .into(),
        }
    }

    /// Queues a command. The caller holds the directory's lock, so that none is queued for a name
    /// that this process no longer has.
    fn send(&self, command: redis::Cmd) -> Result<(), Refusal> {
        if self.is_ready() && self.commands.try_send(Command::Redis(command)).is_ok() {
            return Ok(());
        }
        let message = "the servers cannot reach each other now; try again later".to_owned();
        Err(Refusal::new(ErrorCode::TryLater, message))
    }

    fn directory(&self) -> MutexGuard<'_, Directory<Arc<Outbox>>> {
        self.directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the commands in one round trip. Returns whom to tell if one of them was to stop.
async fn transmit(
    redis: &mut MultiplexedConnection,
    commands: &mut Vec<Command>,
) -> Result<Option<oneshot::Sender<()>>, BusError> {
    let mut pipe = redis::pipe();
    let mut stop = None;
    for command in commands.drain(..) {
        match command {
            Command::Redis(command) => {
                pipe.add_command(command).ignore();
            }
            Command::Stop(done) => stop = Some(done),
        }
    }
    if !pipe.is_empty() {
        within(pipe.query_async::<()>(redis)).await?;
    }
    Ok(stop)
}

async fn within<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T, BusError> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BusError::Silent),
    }
}

fn publish(node: &NodeId, event: &Event) -> redis::Cmd {
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(channel(&node.0)).arg(json(event));
    publish
}

fn json(value: &impl serde::Serialize) -> String {
    // These are structs of strings and numbers, whose writing does not fail.
    serde_json::to_string(value).unwrap_or_default()
}

fn new_node() -> NodeId {
    NodeId(format!("{:016x}", fastrand::u64(..)))
}

/// What stands for a session secret in Redis, which need not know it.
fn fingerprint(session: Option<&SessionSecret>) -> String {
    match session {
        Some(secret) => {
            let hash = digest::digest(&digest::SHA256, secret.reveal().as_bytes());
            hash.as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }
        None => "-".to_owned(),
    }
}

/// The address that a new room counts for in Redis.
fn maker(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn delivery(kind: Kind) -> Delivery {
    match kind {
        Kind::Offer => Delivery::Offer,
        Kind::Answer => Delivery::Answer,
        Kind::IceCandidate => Delivery::IceCandidate,
        _ => Delivery::Relay,
    }
}

impl From<Delivery> for Kind {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Offer => Kind::Offer,
            Delivery::Answer => Kind::Answer,
            Delivery::IceCandidate => Kind::IceCandidate,
            Delivery::Relay => Kind::Relay,
        }
    }
}
