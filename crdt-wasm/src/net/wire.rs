//! One connection to a peer with its channels, and the steps the browser is at work on.

use crdt_sync::negotiation::{Action, Op};
use crdt_sync::{Channel as Stream, LinkId, Outgoing};
use futures_util::future::{AbortHandle, abortable};
use wasm_bindgen::JsValue;

use super::channel::{Channel, ChannelEvent, PRESENCE_LABEL, SYNC_LABEL};
use super::connection::{Connection, ConnectionEvent};
use super::message_of;
use super::options::LinkKind;
use super::transport::Transport;

/// What a wire tells the session.
pub(crate) enum WireEvent {
    Connection(ConnectionEvent),
    /// From the channel with this number.
    Channel(usize, ChannelEvent),
    /// A step of the negotiation ended, with the SDP it made if it makes one.
    Stepped(Op, Result<Option<String>, String>),
}

/// The connection in use with one peer.
pub(crate) struct Wire {
    pub(super) link: LinkId,
    /// The engine knows of it.
    pub(super) is_up: bool,
    connection: Connection,
    low_water: u32,
    /// All channels of the connection, those of both sides; what comes by any of them counts.
    channels: Vec<Channel>,
    /// The step that the negotiation waits for. The browser never answers for a connection that is
    /// closed meanwhile, so the task has to be ended by us.
    step: Option<AbortHandle>,
    candidates: Vec<AbortHandle>,
}

impl Wire {
    pub(super) fn new(link: LinkId, connection: Connection, low_water: u32) -> Wire {
        Wire {
            link,
            is_up: false,
            connection,
            low_water,
            channels: Vec::new(),
            step: None,
            candidates: Vec::new(),
        }
    }

    /// Whether there is a channel yet, of whichever side.
    pub(super) fn has_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    /// Opens the channels from this side, which lets the connection ask for a negotiation. A client
    /// that knows only the contract may take the last channel for the only one, so the one for
    /// presence is opened only towards a peer of our kind.
    pub(super) fn open_channels(
        &mut self,
        is_our_kind: bool,
        tell: impl Fn(WireEvent) + Clone + 'static,
        take: impl Fn(&[u8]) + Clone + 'static,
    ) {
        let labels = if is_our_kind {
            &[SYNC_LABEL, PRESENCE_LABEL][..]
        } else {
            &[SYNC_LABEL]
        };
        for label in labels {
            let raw = self.connection.open_channel(label);
            self.adopt(raw, tell.clone(), take.clone());
        }
    }

    /// Takes a channel in. Whether it is open already is returned: then no event will tell.
    pub(super) fn adopt(
        &mut self,
        raw: web_sys::RtcDataChannel,
        tell: impl Fn(WireEvent) + Clone + 'static,
        take: impl Fn(&[u8]) + 'static,
    ) -> bool {
        let number = self.channels.len();
        let told = move |event| tell(WireEvent::Channel(number, event));
        let channel = Channel::adopt(raw, self.low_water, told, take);
        let opens = channel.is_open() && channel.stream() == Stream::Sync;
        self.channels.push(channel);
        opens
    }

    /// Whether the channel with this number is one for the document.
    pub(super) fn carries_document(&self, number: usize) -> bool {
        self.channels
            .get(number)
            .is_some_and(|channel| channel.stream() == Stream::Sync)
    }

    /// Sends a message by the first open channel for it.
    fn send_by_channel(&self, stream: Stream, message: &Outgoing) -> Result<(), JsValue> {
        let of = |stream| {
            let all = self.channels.iter();
            all.filter(move |channel| channel.stream() == stream)
        };
        let own = of(Stream::Presence).filter(|_| stream == Stream::Presence);
        for channel in own.chain(of(Stream::Sync)) {
            match channel.send(message) {
                // Asked only when it did not go: that is a call out, before every keystroke.
                Err(_) if !channel.is_open() => {}
                sent => return sent,
            }
        }
        Err(js_sys::Error::new("the data channel is not open").into())
    }

    /// Has the browser carry out one step of the negotiation; its end is told.
    pub(super) fn step(&mut self, action: Action, tell: impl Fn(WireEvent) + 'static) {
        let steps = self.connection.steps();
        if let Action::AddCandidate { candidate } = action {
            // One that does not fit is one path less, not the end.
            let task = async move { drop(steps.add_candidate(&candidate).await) };
            self.candidates.push(spawn(task));
            return;
        }
        let task = async move {
            let (op, outcome) = match action {
                Action::CreateOffer { op, ice_restart } => {
                    (op, steps.create_offer(ice_restart).await.map(Some))
                }
                Action::CreateAnswer { op } => (op, steps.create_answer().await.map(Some)),
                Action::SetLocal { op, description } => {
                    (op, steps.set_local(&description).await.map(|()| None))
                }
                Action::SetRemote { op, description } => {
                    (op, steps.set_remote(&description).await.map(|()| None))
                }
                Action::Rollback { op } => (op, steps.roll_back().await.map(|()| None)),
                // The others are no steps of the browser.
                _ => return,
            };
            tell(WireEvent::Stepped(
                op,
                outcome.map_err(|thrown| message_of(&thrown)),
            ));
        };
        self.step = Some(spawn(task));
    }
}

impl Transport for Wire {
    fn kind(&self) -> LinkKind {
        LinkKind::WebRtc
    }

    fn send(&mut self, stream: Stream, message: Outgoing) -> Result<(), String> {
        self.send_by_channel(stream, &message)
            .map_err(|thrown| message_of(&thrown))
    }

    fn buffered(&self) -> usize {
        self.channels.iter().map(Channel::buffered).sum()
    }

    fn tells_of_room(&self) -> bool {
        true
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for task in self.step.iter().chain(&self.candidates) {
            task.abort();
        }
    }
}

/// Runs a task until it ends or is aborted.
pub(super) fn spawn(task: impl Future<Output = ()> + 'static) -> AbortHandle {
    let (task, handle) = abortable(task);
    wasm_bindgen_futures::spawn_local(async move {
        // An aborted task has nobody who waits for it.
        let _ = task.await;
    });
    handle
}
