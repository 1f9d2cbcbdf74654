//! Peer connections, and the steps of a negotiation that the browser is at work on.

use std::cell::Cell;
use std::rc::Rc;

use crdt_room::{ConnectionCommand, ConnectionEvent, Input};
use crdt_sync::negotiation::{ConnectionState, Description, Op};
use crdt_sync::{Channel as Stream, LinkId, Outgoing};
use futures_util::future::{AbortHandle, abortable};
use js_sys::{Array, JSON, JsString, Promise, Reflect};
use signaling_protocol::IceServer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcConfiguration, RtcDataChannelEvent, RtcDataChannelInit, RtcPeerConnection,
    RtcPeerConnectionIceEvent, RtcPeerConnectionState,
};

use super::data_channel::{DataChannels, PRESENCE_LABEL, SYNC_LABEL};
use super::driver::{Take, Tell};
use super::host::{self, Listener};
use crate::object::plain;

#[wasm_bindgen]
extern "C" {
    // `web_sys` wants its own dictionaries here, while ours come from the peer as they are.
    #[wasm_bindgen(extends = RtcPeerConnection)]
    #[derive(Clone)]
    type Rtc;

    #[wasm_bindgen(method, catch, js_name = createOffer)]
    fn offer(this: &Rtc, options: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = createAnswer)]
    fn answer(this: &Rtc) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setLocalDescription)]
    fn set_local(this: &Rtc, description: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setRemoteDescription)]
    fn set_remote(this: &Rtc, description: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = addIceCandidate)]
    fn add_candidate(this: &Rtc, candidate: &JsValue) -> Result<Promise, JsValue>;
}

/// The number of connections that one page makes, at most. Chromium makes about 500 in a process, which
/// other pages share.
const MAX_CONNECTIONS: usize = 200;

thread_local! {
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// The number of connections that this page has open through this package.
pub(super) fn open_connections() -> usize {
    OPEN.get()
}

/// The peer connections of a session.
pub(super) struct PeerConnections {
    all: Vec<(LinkId, Connection)>,
    /// The user's own, as an array of RTCIceServer.
    ice_servers: Array,
    tell: Tell,
    take: Take,
}

impl PeerConnections {
    pub(super) fn new(ice_servers: Array, tell: Tell, take: Take) -> PeerConnections {
        PeerConnections {
            all: Vec::new(),
            ice_servers,
            tell,
            take,
        }
    }

    /// Sends a message on the channels of a connection.
    pub(super) fn send(&self, link: LinkId, stream: Stream, message: &Outgoing) {
        let Some(connection) = self.get(link) else {
            return;
        };
        if let Err(thrown) = connection.channels.send(stream, message) {
            let reason = host::message_of(&thrown);
            self.report(link, ConnectionEvent::SendFailed { reason });
        }
    }

    pub(super) fn run(&mut self, link: LinkId, command: ConnectionCommand) {
        match command {
            ConnectionCommand::Create {
                ice_servers,
                low_water,
            } => self.create(link, &ice_servers, low_water),
            ConnectionCommand::OpenChannels { presence } => {
                if let Some(connection) = self.get(link) {
                    connection.open_channels(presence);
                }
            }
            ConnectionCommand::AskBuffered => {
                if let Some(connection) = self.get(link) {
                    connection.channels.report_buffered();
                }
            }
            ConnectionCommand::Close => self.all.retain(|(known, _)| *known != link),
            step => {
                let tell = self.event_sender(link);
                let found = self.all.iter_mut().find(|(known, _)| *known == link);
                if let Some((_, connection)) = found {
                    connection.take_step(step, tell);
                }
            }
        }
    }

    fn create(&mut self, link: LinkId, ice_servers: &[IceServer], low_water: usize) {
        let open = open_connections();
        if open >= MAX_CONNECTIONS {
            self.report(link, ConnectionEvent::TooMany { open });
            return;
        }
        let take = Rc::clone(&self.take);
        let channels = DataChannels::new(link, low_water, self.event_sender(link), take);
        let offered: Array = plain(&ice_servers).unchecked_into();
        let ice_servers = self.ice_servers.concat(&offered);
        match Connection::new(&ice_servers, channels, self.event_sender(link)) {
            Ok(connection) => self.all.push((link, connection)),
            Err(thrown) => {
                let reason = host::message_of(&thrown);
                self.report(link, ConnectionEvent::Refused { reason });
            }
        }
    }

    fn get(&self, link: LinkId) -> Option<&Connection> {
        let found = self.all.iter().find(|(known, _)| *known == link);
        found.map(|(_, connection)| connection)
    }

    fn report(&self, link: LinkId, event: ConnectionEvent) {
        (self.tell)(Input::Connection { link, event });
    }

    fn event_sender(&self, link: LinkId) -> impl Fn(ConnectionEvent) + Clone + 'static {
        let tell = Rc::clone(&self.tell);
        move |event| tell(Input::Connection { link, event })
    }
}

/// A connection; dropped, it closes and reports nothing more.
struct Connection {
    raw: Rtc,
    channels: Rc<DataChannels>,
    /// The step that the negotiation waits for. The browser never answers for a connection that is
    /// closed meanwhile, so the task has to be ended by us.
    step: Option<AbortHandle>,
    candidates: Vec<AbortHandle>,
    _listeners: [Listener; 4],
}

impl Connection {
    fn new(
        ice_servers: &Array,
        channels: Rc<DataChannels>,
        tell: impl Fn(ConnectionEvent) + Clone + 'static,
    ) -> Result<Connection, JsValue> {
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(ice_servers);
        let raw: Rtc = RtcPeerConnection::new_with_configuration(&configuration)?.unchecked_into();
        OPEN.set(OPEN.get() + 1);
        let listeners = [
            Listener::new(&raw, "negotiationneeded", {
                let tell = tell.clone();
                move |_| tell(ConnectionEvent::NegotiationNeeded)
            }),
            Listener::new(&raw, "icecandidate", {
                let tell = tell.clone();
                move |event| {
                    let event = event.unchecked_into::<RtcPeerConnectionIceEvent>();
                    // No candidate means that there are no more, which the peer need not know.
                    let json = event
                        .candidate()
                        .and_then(|found| JSON::stringify(&found).ok());
                    if let Some(json) = json {
                        tell(ConnectionEvent::Candidate(json.into()));
                    }
                }
            }),
            Listener::new(&raw, "connectionstatechange", {
                let raw = raw.clone();
                move |_| tell(ConnectionEvent::State(state(raw.connection_state())))
            }),
            Listener::new(&raw, "datachannel", {
                let channels = Rc::downgrade(&channels);
                move |event| {
                    let event = event.unchecked_into::<RtcDataChannelEvent>();
                    if let Some(channels) = channels.upgrade() {
                        channels.add(event.channel());
                    }
                }
            }),
        ];
        Ok(Connection {
            raw,
            channels,
            step: None,
            candidates: Vec::new(),
            _listeners: listeners,
        })
    }

    /// Opens ordered, reliable channels, which lets the connection ask for a negotiation.
    fn open_channels(&self, presence: bool) {
        let init = RtcDataChannelInit::new();
        init.set_ordered(true);
        let labels: &[&str] = if presence {
            &[SYNC_LABEL, PRESENCE_LABEL]
        } else {
            &[SYNC_LABEL]
        };
        for label in labels {
            let raw = &self.raw;
            let channel = raw.create_data_channel_with_data_channel_dict(label, &init);
            self.channels.adopt(channel);
        }
    }

    /// Has the browser carry out one step of the negotiation; its end is reported.
    fn take_step(
        &mut self,
        step: ConnectionCommand,
        tell: impl Fn(ConnectionEvent) + Clone + 'static,
    ) {
        let raw = self.raw.clone();
        if let ConnectionCommand::AddCandidate { candidate } = step {
            // One that does not fit is one path less, not the end.
            let task = async move { drop(add_candidate(&raw, &candidate).await) };
            self.candidates.push(spawn(task));
            return;
        }
        let task = async move {
            let (op, outcome) = match step {
                ConnectionCommand::CreateOffer { op, ice_restart } => {
                    let options = host::object([("iceRestart", ice_restart.into())]);
                    (op, sdp_of(raw.offer(&options)).await.map(Some))
                }
                ConnectionCommand::CreateAnswer { op } => {
                    (op, sdp_of(raw.answer()).await.map(Some))
                }
                ConnectionCommand::SetLocal { op, description } => {
                    (op, end_of(raw.set_local(&dictionary(&description))).await)
                }
                ConnectionCommand::SetRemote { op, description } => {
                    (op, end_of(raw.set_remote(&dictionary(&description))).await)
                }
                ConnectionCommand::Rollback { op } => {
                    let description = host::object([("type", "rollback".into())]);
                    (op, end_of(raw.set_local(&description)).await)
                }
                // The others are no steps of the browser.
                _ => return,
            };
            tell(ended(op, outcome));
        };
        self.step = Some(spawn(task));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in self.step.iter().chain(&self.candidates) {
            task.abort();
        }
        self.raw.close();
        OPEN.set(OPEN.get().saturating_sub(1));
    }
}

/// Runs a task until it ends or is aborted.
fn spawn(task: impl Future<Output = ()> + 'static) -> AbortHandle {
    let (task, handle) = abortable(task);
    wasm_bindgen_futures::spawn_local(async move {
        // Nobody waits for an aborted task.
        let _ = task.await;
    });
    handle
}

fn ended(op: Op, outcome: Result<Option<String>, JsValue>) -> ConnectionEvent {
    match outcome {
        Ok(Some(sdp)) => ConnectionEvent::Created { op, sdp },
        Ok(None) => ConnectionEvent::Done { op },
        Err(thrown) => ConnectionEvent::Failed {
            op,
            message: host::message_of(&thrown),
        },
    }
}

async fn end_of(begun: Result<Promise, JsValue>) -> Result<Option<String>, JsValue> {
    JsFuture::from(begun?).await.map(|_| None)
}

async fn sdp_of(begun: Result<Promise, JsValue>) -> Result<String, JsValue> {
    let description = JsFuture::from(begun?).await?;
    let sdp = Reflect::get(&description, &"sdp".into())?;
    Ok(sdp.dyn_into::<JsString>()?.into())
}

/// Adds a candidate of the peer, given as JSON.
async fn add_candidate(raw: &Rtc, json: &str) -> Result<JsValue, JsValue> {
    JsFuture::from(raw.add_candidate(&JSON::parse(json)?)?).await
}

fn dictionary(description: &Description) -> JsValue {
    let (kind, sdp) = match description {
        Description::Offer(sdp) => ("offer", sdp),
        Description::Answer(sdp) => ("answer", sdp),
    };
    host::object([("type", kind.into()), ("sdp", sdp.into())]).into()
}

fn state(state: RtcPeerConnectionState) -> ConnectionState {
    match state {
        RtcPeerConnectionState::Connecting => ConnectionState::Connecting,
        RtcPeerConnectionState::Connected => ConnectionState::Connected,
        RtcPeerConnectionState::Disconnected => ConnectionState::Disconnected,
        RtcPeerConnectionState::Failed => ConnectionState::Failed,
        RtcPeerConnectionState::Closed => ConnectionState::Closed,
        _ => ConnectionState::New,
    }
}
