//! The task of one connection: feeds `str0m` with datagrams, commands and time, and carries out what it
//! says, until there is nothing more to do, after each single input.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crdt_sync::Outgoing;
use crdt_sync::negotiation::{Action, ConnectionState, Description};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelData, ChannelId};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::datagrams::{Datagram, Datagrams};
use super::stun::Question;
use super::{ChannelEvent, Command, ConnectionEvent, stun};

/// What `str0m` may hold of what is to be sent, in bytes; the rest waits here.
const MAX_IN_SCTP: usize = 256 * 1024;

/// What the task shares with the connection's owner.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) channels: Arc<AtomicUsize>,
    pub(super) buffered: Arc<AtomicUsize>,
}

/// One data channel.
#[derive(Debug)]
struct Channel {
    label: String,
    /// `None` until an offer asks for it.
    id: Option<ChannelId>,
    is_open: bool,
}

struct Task<T> {
    rtc: Rtc,
    datagrams: Datagrams,
    shared: Shared,
    tell: T,
    low_water: usize,
    channels: BTreeMap<usize, Channel>,
    /// What waits to be given to SCTP, all channels in one order.
    waiting: VecDeque<(usize, Outgoing)>,
    /// More waited than the mark allows, and it was not told yet that this is over.
    is_full: bool,
    state: ConnectionState,
    /// The own offer that waits for its answer.
    offered: Option<SdpPendingOffer>,
    /// The answer to the peer's offer.
    answer: Option<String>,
    stun_servers: Vec<String>,
    question: Question,
    asking: Option<JoinHandle<()>>,
}

/// Runs a connection until its owner drops it, or it ends.
pub(super) async fn run(
    mut commands: UnboundedReceiver<Command>,
    shared: Shared,
    stun_servers: Vec<String>,
    low_water: usize,
    tell: impl Fn(ConnectionEvent) + Send + 'static,
) {
    let datagrams = match Datagrams::open().await {
        Ok(datagrams) => datagrams,
        Err(error) => {
            tracing::warn!("no UDP socket can be opened: {error}");
            tell(ConnectionEvent::State(ConnectionState::Failed));
            return;
        }
    };
    let rtc = Rtc::builder()
        .clear_codecs()
        .set_sctp_max_buffered_amount(MAX_IN_SCTP)
        .build(Instant::now());
    let mut task = Task {
        rtc,
        datagrams,
        shared,
        tell,
        low_water,
        channels: BTreeMap::new(),
        waiting: VecDeque::new(),
        is_full: false,
        state: ConnectionState::New,
        offered: None,
        answer: None,
        stun_servers,
        question: Question::new(),
        asking: None,
    };
    task.add_host_candidates();
    if let Err(error) = task.work(&mut commands).await {
        tracing::debug!("a connection failed: {error}");
        task.enter(ConnectionState::Failed);
    }
    if let Some(asking) = task.asking {
        asking.abort();
    }
}

impl<T: Fn(ConnectionEvent)> Task<T> {
    async fn work(&mut self, commands: &mut UnboundedReceiver<Command>) -> Result<(), RtcError> {
        loop {
            let until = self.drain().await?;
            if !self.rtc.is_alive() {
                self.close_channels();
                return Ok(());
            }
            if self.send_next()? {
                continue;
            }
            self.measure();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command)?,
                    None => {
                        self.rtc.close()?;
                        self.drain().await?;
                        return Ok(());
                    }
                },
                Some(datagram) = self.datagrams.receive() => self.take(&datagram)?,
                () = tokio::time::sleep_until(until.into()) => {
                    self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
            }
        }
    }

    /// Carries out what is to be done, and returns when time is to be given next.
    async fn drain(&mut self) -> Result<Instant, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(until) => return Ok(until),
                Output::Transmit(datagram) => {
                    let (from, to) = (datagram.source, datagram.destination);
                    self.datagrams.send(from, to, &datagram.contents).await;
                }
                Output::Event(event) => self.on_event(event),
            }
        }
    }

    fn take(&mut self, datagram: &Datagram) -> Result<(), RtcError> {
        if let Some(seen) = self.question.answer(&datagram.bytes) {
            self.add_seen_candidate(seen, datagram);
            return Ok(());
        }
        // What is of none of WebRTC's protocols was sent by somebody else.
        let received = Receive::new(Protocol::Udp, datagram.from, datagram.to, &datagram.bytes);
        let Ok(received) = received else {
            return Ok(());
        };
        let input = Input::Receive(Instant::now(), received);
        if self.rtc.accepts(&input) {
            self.rtc.handle_input(input)?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.enter(ConnectionState::Connected),
            Event::IceConnectionStateChange(ice) => self.on_ice(ice),
            Event::ChannelOpen(id, label) => self.on_channel_open(id, label),
            Event::ChannelData(data) => self.on_data(data),
            Event::ChannelClose(id) => {
                if let Some(number) = self.number_of(id) {
                    self.close_channel(number);
                }
            }
            Event::Closed => self.close_channels(),
            _ => {}
        }
    }

    fn on_ice(&mut self, ice: IceConnectionState) {
        let was_up = matches!(
            self.state,
            ConnectionState::Connected | ConnectionState::Disconnected
        );
        let state = match ice {
            IceConnectionState::New => return,
            // Before DTLS is done the connection is not up, whatever ICE says.
            _ if !was_up => ConnectionState::Connecting,
            IceConnectionState::Disconnected => ConnectionState::Disconnected,
            IceConnectionState::Checking => return,
            IceConnectionState::Connected | IceConnectionState::Completed => {
                ConnectionState::Connected
            }
        };
        self.enter(state);
    }

    fn on_channel_open(&mut self, id: ChannelId, label: String) {
        let number = self.number_of(id).unwrap_or_else(|| {
            let number = self.shared.channels.fetch_add(1, Ordering::Relaxed);
            let channel = Channel {
                label: label.clone(),
                id: Some(id),
                is_open: false,
            };
            self.channels.insert(number, channel);
            (self.tell)(ConnectionEvent::Adopted { number, label });
            number
        });
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.is_open = true;
        }
        (self.tell)(ConnectionEvent::Channel(number, ChannelEvent::Open));
    }

    fn on_data(&mut self, data: ChannelData) {
        let Some(number) = self.number_of(data.id) else {
            return;
        };
        let event = if data.binary {
            ChannelEvent::Binary(data.data)
        } else {
            match String::from_utf8(data.data) {
                Ok(text) => ChannelEvent::Text(text),
                // A browser would not let such a message through.
                Err(_) => return,
            }
        };
        (self.tell)(ConnectionEvent::Channel(number, event));
    }

    fn number_of(&self, id: ChannelId) -> Option<usize> {
        let mut all = self.channels.iter();
        all.find(|(_, channel)| channel.id == Some(id))
            .map(|(number, _)| *number)
    }

    fn close_channels(&mut self) {
        let numbers: Vec<usize> = self.channels.keys().copied().collect();
        for number in numbers {
            self.close_channel(number);
        }
    }

    fn close_channel(&mut self, number: usize) {
        if let Some(channel) = self.channels.get_mut(&number)
            && std::mem::replace(&mut channel.is_open, false)
        {
            (self.tell)(ConnectionEvent::Channel(number, ChannelEvent::Closed));
        }
    }

    fn enter(&mut self, state: ConnectionState) {
        if self.state != state {
            self.state = state;
            (self.tell)(ConnectionEvent::State(state));
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), RtcError> {
        match command {
            Command::Open { number, label } => {
                let channel = Channel {
                    label,
                    id: None,
                    is_open: false,
                };
                self.channels.insert(number, channel);
            }
            Command::Send { number, message } => {
                self.waiting.push_back((number, message));
                self.is_full |= self.shared.buffered.load(Ordering::Relaxed) > self.low_water;
            }
            Command::Step(action) => self.step(action)?,
        }
        Ok(())
    }

    /// Gives one message to SCTP. Returns whether there was one that it took.
    fn send_next(&mut self) -> Result<bool, RtcError> {
        let Some((number, message)) = self.waiting.front() else {
            return Ok(false);
        };
        let channel = self.channels.get(number).filter(|channel| channel.is_open);
        let sending = channel.and_then(|channel| self.rtc.channel(channel.id?));
        let is_done = match (sending, message) {
            (Some(mut sending), Outgoing::Text(text)) => sending.write(false, text.as_bytes())?,
            (Some(mut sending), Outgoing::Binary(bytes)) => sending.write(true, bytes)?,
            // It closed meanwhile, which was told: what it was given is lost.
            (None, _) => true,
        };
        if is_done {
            self.waiting.pop_front();
        }
        Ok(is_done)
    }

    /// Brings what waits to be sent up to date, and tells when it falls below the mark.
    fn measure(&mut self) {
        if self.shared.buffered.load(Ordering::Relaxed) == 0 {
            return;
        }
        let here: usize = self.waiting.iter().map(|(_, message)| message.len()).sum();
        let open = self.channels.values().filter(|channel| channel.is_open);
        let ids: Vec<ChannelId> = open.filter_map(|channel| channel.id).collect();
        let mut in_sctp = 0;
        for id in ids {
            in_sctp += self
                .rtc
                .channel(id)
                .map_or(0, |mut it| it.buffered_amount());
        }
        let total = here + in_sctp;
        // Commands that were given meanwhile are added when they are seen.
        self.shared.buffered.store(total, Ordering::Relaxed);
        if self.is_full && total <= self.low_water {
            self.is_full = false;
            if let Some(number) = self.channels.keys().next() {
                (self.tell)(ConnectionEvent::Channel(*number, ChannelEvent::Drained));
            }
        }
    }

    /// Carries out one step of the negotiation, and tells its end.
    fn step(&mut self, action: Action) -> Result<(), RtcError> {
        let (op, outcome) = match action {
            Action::AddCandidate { candidate } => {
                // One that does not fit is one path less, not the end.
                if let Ok(candidate) = serde_json::from_str::<Candidate>(&candidate) {
                    self.rtc.add_remote_candidate(candidate);
                }
                return Ok(());
            }
            Action::CreateOffer { op, ice_restart } => (op, Ok(Some(self.offer(ice_restart)))),
            Action::CreateAnswer { op } => {
                self.ask_for_channels();
                let answer = self.answer.take();
                (
                    op,
                    answer
                        .map(Some)
                        .ok_or("there is no offer to answer".to_owned()),
                )
            }
            Action::SetLocal { op, .. } => {
                self.ask_stun_servers();
                (op, Ok(None))
            }
            Action::Rollback { op } => {
                self.take_back();
                (op, Ok(None))
            }
            Action::SetRemote { op, description } => (op, self.set_remote(&description)),
            // The others are no steps of a connection.
            _ => return Ok(()),
        };
        (self.tell)(ConnectionEvent::Stepped(op, outcome));
        Ok(())
    }

    fn offer(&mut self, ice_restart: bool) -> String {
        self.take_back();
        let mut is_restart = ice_restart;
        loop {
            let mut changes = self.rtc.sdp_api();
            for channel in self.channels.values_mut() {
                channel
                    .id
                    .get_or_insert_with(|| changes.add_channel(channel.label.clone()));
            }
            if is_restart {
                changes.ice_restart(true);
            }
            if let Some((offer, pending)) = changes.apply() {
                self.offered = Some(pending);
                return offer.to_sdp_string();
            }
            // Nothing is new but that an offer is wanted.
            is_restart = true;
        }
    }

    /// Takes the own offer back: channels that it asked for are asked for again later.
    fn take_back(&mut self) {
        if self.offered.take().is_some() && self.state == ConnectionState::New {
            for channel in self.channels.values_mut() {
                channel.id = None;
            }
        }
    }

    /// Opens channels within an association that stands, or that the peer's offer asked for.
    fn ask_for_channels(&mut self) {
        let mut changes = self.rtc.sdp_api();
        for channel in self.channels.values_mut() {
            channel
                .id
                .get_or_insert_with(|| changes.add_channel(channel.label.clone()));
        }
        if changes.has_changes() {
            changes.apply();
        }
    }

    fn set_remote(&mut self, description: &Description) -> Result<Option<String>, String> {
        let words = |error: &dyn std::error::Error| error.to_string();
        match description {
            Description::Offer(sdp) => {
                let offer = SdpOffer::from_sdp_string(&without_names(sdp));
                let offer = offer.map_err(|error| words(&error))?;
                self.take_back();
                let answer = self.rtc.sdp_api().accept_offer(offer);
                self.answer = Some(answer.map_err(|error| words(&error))?.to_sdp_string());
            }
            Description::Answer(sdp) => {
                let answer = SdpAnswer::from_sdp_string(&without_names(sdp));
                let answer = answer.map_err(|error| words(&error))?;
                let offered = self
                    .offered
                    .take()
                    .ok_or("there is no offer to be answered")?;
                let taken = self.rtc.sdp_api().accept_answer(offered, answer);
                taken.map_err(|error| words(&error))?;
            }
        }
        Ok(None)
    }

    /// The machine's addresses are known at once, and are part of every description.
    fn add_host_candidates(&mut self) {
        for address in self.datagrams.addresses() {
            if let Ok(candidate) = Candidate::host(address, "udp") {
                self.rtc.add_local_candidate(candidate);
            }
        }
    }

    fn add_seen_candidate(&mut self, seen: std::net::SocketAddr, datagram: &Datagram) {
        let candidate = Candidate::server_reflexive(seen, datagram.to, "udp");
        let added = candidate
            .ok()
            .and_then(|candidate| self.rtc.add_local_candidate(candidate));
        if let Some(json) = added.and_then(|candidate| serde_json::to_string(candidate).ok()) {
            (self.tell)(ConnectionEvent::Candidate(json));
        }
    }

    fn ask_stun_servers(&mut self) {
        if self.asking.is_none() && !self.stun_servers.is_empty() {
            let servers = std::mem::take(&mut self.stun_servers);
            let asking = stun::ask(servers, self.datagrams.outward(), self.question);
            self.asking = Some(tokio::spawn(asking));
        }
    }
}

/// A description without the candidates that name no address, which `str0m` cannot read.
fn without_names(sdp: &str) -> String {
    let names_one = |line: &&str| line.starts_with("a=candidate:") && line.contains(".local ");
    let kept = sdp.split_inclusive('\n').filter(|line| !names_one(line));
    kept.collect()
}
