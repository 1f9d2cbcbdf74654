//! The task of one connection: feeds `str0m` with datagrams, orders and time, and carries out what it
//! says, until there is nothing more to do, after each single input.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crdt_room::{ConnectionCommand, ConnectionEvent};
use crdt_sync::negotiation::{ConnectionState, Description, Op};
use crdt_sync::{Channel as Stream, LinkId, Outgoing};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::task::JoinHandle;

use super::channels::{Channels, SendError};
use super::datagrams::{Datagram, Datagrams};
use super::messages::{Buffered, Order, Report};
use super::stun::{self, Question};

/// What `str0m` may hold of what is to be sent, in bytes; the rest waits in front of it.
const MAX_IN_SCTP: usize = 256 * 1024;

/// What a connection is made with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) reporter: Reporter,
    pub(super) stun_servers: Vec<String>,
    pub(super) low_water: usize,
    /// How many bytes wait to be sent, for the owner.
    pub(super) buffered: Arc<Buffered>,
}

/// Where a connection reports to.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) link: LinkId,
    pub(super) reports: Sender<(LinkId, Report)>,
}

struct Task {
    rtc: Rtc,
    datagrams: Datagrams,
    settings: Settings,
    channels: Channels,
    /// More waited than the mark allows, and it was not reported yet that this is over.
    is_full: bool,
    state: ConnectionState,
    /// The own offer that waits for its answer.
    offered: Option<SdpPendingOffer>,
    /// The answer to the peer's offer.
    answer: Option<String>,
    question: Question,
    asking: Option<JoinHandle<()>>,
}

/// Runs a connection until its owner drops it, or it ends.
pub(super) async fn run(mut orders: UnboundedReceiver<Order>, settings: Settings) {
    let datagrams = match Datagrams::open().await {
        Ok(datagrams) => datagrams,
        Err(error) => {
            let reason = format!("no UDP socket can be opened: {error}");
            let refused = ConnectionEvent::Refused { reason };
            settings.reporter.event(refused).await;
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
        settings,
        channels: Channels::default(),
        is_full: false,
        state: ConnectionState::New,
        offered: None,
        answer: None,
        question: Question::new(),
        asking: None,
    };
    task.add_host_candidates();
    if let Err(error) = task.work(&mut orders).await {
        tracing::debug!("a connection failed: {error}");
        task.enter(ConnectionState::Failed).await;
    }
    if let Some(asking) = task.asking {
        asking.abort();
    }
}

impl Reporter {
    async fn report(&self, report: Report) {
        // Nobody listens any more where the owner is about to end.
        let _ = self.reports.send((self.link, report)).await;
    }

    async fn event(&self, event: ConnectionEvent) {
        self.report(Report::Event(event)).await;
    }
}

impl Task {
    async fn work(&mut self, orders: &mut UnboundedReceiver<Order>) -> Result<(), RtcError> {
        loop {
            let until = self.drain().await?;
            if !self.rtc.is_alive() {
                return Ok(());
            }
            if self.send_next().await? {
                continue;
            }
            self.measure().await;
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Send(stream, message)) => self.push(stream, message),
                    Some(Order::Command(command)) => self.obey(command).await,
                    None => {
                        self.rtc.close()?;
                        self.drain().await?;
                        return Ok(());
                    }
                },
                Some(datagram) = self.datagrams.receive() => self.take(&datagram).await?,
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
                Output::Event(event) => self.on_event(event).await,
            }
        }
    }

    async fn take(&mut self, datagram: &Datagram) -> Result<(), RtcError> {
        if let Some(seen) = self.question.answer(&datagram.bytes) {
            self.add_seen_candidate(seen, datagram.to).await;
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

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.enter(ConnectionState::Connected).await,
            Event::IceConnectionStateChange(ice) => self.on_ice(ice).await,
            Event::ChannelOpen(id, label) => {
                let (stream, is_theirs) = self.channels.opened(id, &label);
                if is_theirs {
                    self.event(ConnectionEvent::ChannelAdded).await;
                }
                if stream == Stream::Sync {
                    self.event(ConnectionEvent::ChannelOpened).await;
                }
            }
            Event::ChannelData(data) => {
                let message = if data.binary {
                    Some(Outgoing::Binary(data.data))
                } else {
                    // A browser would not let another one through.
                    String::from_utf8(data.data).ok().map(Outgoing::Text)
                };
                if let Some(message) = message {
                    let report = Report::Message(message);
                    self.settings.reporter.report(report).await;
                }
            }
            Event::ChannelClose(id) if self.channels.closed(id) == Some(Stream::Sync) => {
                self.event(ConnectionEvent::ChannelClosed).await;
            }
            Event::Closed if self.channels.close() => {
                self.event(ConnectionEvent::ChannelClosed).await;
            }
            _ => {}
        }
    }

    async fn on_ice(&mut self, ice: IceConnectionState) {
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
        self.enter(state).await;
    }

    async fn enter(&mut self, state: ConnectionState) {
        if self.state != state {
            self.state = state;
            self.event(ConnectionEvent::State(state)).await;
        }
    }

    async fn event(&self, event: ConnectionEvent) {
        self.settings.reporter.event(event).await;
    }

    fn push(&mut self, stream: Stream, message: Outgoing) {
        self.settings.buffered.take(message.len());
        self.is_full |= self.settings.buffered.total() > self.settings.low_water;
        self.channels.push(stream, message);
    }

    /// Gives one message to SCTP. Returns whether another one may follow.
    async fn send_next(&mut self) -> Result<bool, RtcError> {
        match self.channels.send_next(&mut self.rtc) {
            Ok(was_taken) => Ok(was_taken),
            Err(SendError::Closed) => {
                let reason = "the data channel is not open".to_owned();
                self.event(ConnectionEvent::SendFailed { reason }).await;
                Ok(true)
            }
            Err(SendError::Rtc(error)) => Err(error),
        }
    }

    /// Counts what waits to be sent, and reports when it falls to the mark.
    async fn measure(&mut self) {
        if self.settings.buffered.taken() == 0 {
            return;
        }
        let waiting = self.channels.waiting(&mut self.rtc);
        self.settings.buffered.set_taken(waiting);
        let total = self.settings.buffered.total();
        if self.is_full && total <= self.settings.low_water {
            self.is_full = false;
            self.event(ConnectionEvent::Buffered(total)).await;
        }
    }

    async fn obey(&mut self, command: ConnectionCommand) {
        let (op, outcome) = match command {
            ConnectionCommand::OpenChannels { presence } => return self.channels.want(presence),
            ConnectionCommand::AddCandidate { candidate } => {
                // One that does not fit is one path less, not the end.
                if let Ok(candidate) = serde_json::from_str::<Candidate>(&candidate) {
                    self.rtc.add_remote_candidate(candidate);
                }
                return;
            }
            ConnectionCommand::CreateOffer { op, ice_restart } => {
                (op, Ok(Some(self.offer(ice_restart))))
            }
            ConnectionCommand::CreateAnswer { op } => (op, self.take_answer().map(Some)),
            ConnectionCommand::SetLocal { op, .. } => {
                self.ask_stun_servers();
                (op, Ok(None))
            }
            ConnectionCommand::Rollback { op } => {
                self.take_back();
                (op, Ok(None))
            }
            ConnectionCommand::SetRemote { op, description } => {
                (op, self.set_remote(&description).map(|()| None))
            }
            // These are the owner's.
            ConnectionCommand::Create { .. }
            | ConnectionCommand::AskBuffered
            | ConnectionCommand::Close => return,
        };
        self.event(ended(op, outcome)).await;
    }

    fn offer(&mut self, ice_restart: bool) -> String {
        self.take_back();
        let mut is_restart = ice_restart;
        loop {
            let mut changes = self.rtc.sdp_api();
            self.channels.ask(&mut changes);
            if is_restart {
                changes.ice_restart(true);
            }
            if let Some((offer, pending)) = changes.apply() {
                self.offered = Some(pending);
                return offer.to_sdp_string();
            }
            // There is nothing new, and an offer is wanted all the same.
            is_restart = true;
        }
    }

    /// Takes the own offer back. Channels that it asked for are asked for again.
    fn take_back(&mut self) {
        if self.offered.take().is_some() {
            self.channels.forget_asked();
        }
    }

    fn take_answer(&mut self) -> Result<String, String> {
        let answer = self.answer.take().ok_or("there is no offer to answer")?;
        // The answer stands for the association, which any number of channels may use.
        let mut changes = self.rtc.sdp_api();
        self.channels.ask(&mut changes);
        changes.apply();
        Ok(answer)
    }

    fn set_remote(&mut self, description: &Description) -> Result<(), String> {
        match description {
            Description::Offer(sdp) => {
                let offer = SdpOffer::from_sdp_string(&without_names(sdp)).map_err(in_words)?;
                self.take_back();
                let answer = self.rtc.sdp_api().accept_offer(offer).map_err(in_words)?;
                self.answer = Some(answer.to_sdp_string());
            }
            Description::Answer(sdp) => {
                let answer = SdpAnswer::from_sdp_string(&without_names(sdp)).map_err(in_words)?;
                let offered = self.offered.take();
                let offered = offered.ok_or("there is no offer to be answered")?;
                let taken = self.rtc.sdp_api().accept_answer(offered, answer);
                taken.map_err(in_words)?;
            }
        }
        Ok(())
    }

    /// The machine's addresses are known at once, and are part of every description.
    fn add_host_candidates(&mut self) {
        for address in self.datagrams.addresses() {
            if let Ok(candidate) = Candidate::host(address, "udp") {
                self.rtc.add_local_candidate(candidate);
            }
        }
    }

    async fn add_seen_candidate(&mut self, seen: SocketAddr, own: SocketAddr) {
        let candidate = Candidate::server_reflexive(seen, own, "udp").ok();
        let added = candidate.and_then(|candidate| self.rtc.add_local_candidate(candidate));
        let json = added.and_then(|candidate| serde_json::to_string(candidate).ok());
        if let Some(json) = json {
            self.event(ConnectionEvent::Candidate(json)).await;
        }
    }

    fn ask_stun_servers(&mut self) {
        let servers = std::mem::take(&mut self.settings.stun_servers);
        if !servers.is_empty() {
            let asking = stun::ask(servers, self.datagrams.outward(), self.question);
            self.asking = Some(tokio::spawn(asking));
        }
    }
}

/// The end of a step, with the description that it made, if it makes one.
fn ended(op: Op, outcome: Result<Option<String>, String>) -> ConnectionEvent {
    match outcome {
        Ok(Some(sdp)) => ConnectionEvent::Created { op, sdp },
        Ok(None) => ConnectionEvent::Done { op },
        Err(message) => ConnectionEvent::Failed { op, message },
    }
}

fn in_words(error: impl std::error::Error) -> String {
    error.to_string()
}

/// A description without the candidates that name no address, which `str0m` cannot read.
fn without_names(sdp: &str) -> String {
    let names_one = |line: &&str| line.starts_with("a=candidate:") && line.contains(".local ");
    let kept = sdp.split_inclusive('\n').filter(|line| !names_one(line));
    kept.collect()
}
