//! A page with its room and document: its capabilities, its open objects, its received events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crdt_core::Document;
use crdt_room::{
    Host, LinkKey, LinkKind, Purpose, Room, RoomError, RoomOptions, RunId, SocketId, Status,
    TransportId,
};
use crdt_sync::LinkId;
use fastrand::Rng;
use signaling_protocol::{AgentId, RoomId, SessionSecret};

use crate::arrival::Arrival;
use crate::world::Load;

/// The capabilities of a page. They outlive its loads.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) agent: String,
    /// Pages of one browser have broadcast channels to each other.
    pub(crate) browser: usize,
    /// The signaling servers, by number, in the order of the list.
    pub(crate) servers: Vec<usize>,
    pub(crate) links: Vec<LinkKind>,
    pub(crate) host: Host,
    pub(crate) secret: Option<&'static str>,
    /// Whether the host can encrypt.
    pub(crate) has_cipher: bool,
    /// It has the read-only link of its room.
    pub(crate) reads: bool,
    /// Its program sends edits although it is read-only.
    pub(crate) lies: bool,
    /// The access token for the server.
    pub(crate) token: Option<&'static str>,
    /// The secret with which the page gets its name back on another socket.
    pub(crate) session: String,
}

impl Profile {
    /// A page of a browser of its own that may use everything but the relay, for which it has no key.
    pub(crate) fn new(agent: &str, browser: usize) -> Profile {
        Profile {
            agent: agent.to_owned(),
            browser,
            servers: vec![0],
            links: LinkKind::CHOICES.to_vec(),
            host: Host {
                websocket: true,
                event_stream: false,
                webrtc: true,
                broadcast: true,
            },
            secret: None,
            has_cipher: true,
            reads: false,
            lies: false,
            token: None,
            session: format!("session of {agent}"),
        }
    }

    /// Whether links of this kind may be used, and can be made here.
    pub(crate) fn can(&self, kind: LinkKind) -> bool {
        let is_possible = match kind {
            LinkKind::Broadcast => self.host.broadcast,
            LinkKind::WebRtc => self.host.webrtc,
            LinkKind::Relay => self.secret.is_some() && self.has_cipher,
            LinkKind::Custom => true,
        };
        is_possible && (kind == LinkKind::Custom || self.links.contains(&kind))
    }
}

/// Whether events reach a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Running,
    /// In the background: events and timers wait.
    Frozen,
    /// In the browser's cache: the room knows.
    Hidden,
}

/// All objects that a room opened and has not closed yet.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) sockets: BTreeMap<SocketId, u32>,
    pub(crate) connections: BTreeMap<LinkId, u32>,
    pub(crate) runs: BTreeMap<RunId, TransportId>,
    /// The channels on which the page listens for broadcast messages.
    pub(crate) listens: Vec<String>,
    /// The channels that broadcast messages are posted on.
    pub(crate) outboxes: BTreeSet<String>,
    pub(crate) key: Option<KeyState>,
    pub(crate) keep_alive: bool,
    /// Jobs of the cipher that are not answered yet.
    pub(crate) jobs: BTreeSet<(Purpose, u32)>,
    /// The keys that were agreed on for links: the two page loads, and what a key is bound to. `None`: the
    /// other end named no public value.
    pub(crate) link_keys: BTreeMap<LinkKey, Option<(u32, u32, String)>>,
}

/// The key of the room; counted, so that late answers of an earlier one are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyState {
    pub(crate) number: u32,
    pub(crate) is_ready: bool,
}

impl Held {
    /// Whether nothing is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
            && self.connections.is_empty()
            && self.runs.is_empty()
            && self.listens.is_empty()
            && self.outboxes.is_empty()
            && self.key.is_none()
            && self.link_keys.is_empty()
            && !self.keep_alive
    }
}

/// The events reported to the user.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) status: Option<Status>,
    pub(crate) statuses: usize,
    pub(crate) peers: BTreeSet<String>,
    pub(crate) ended: BTreeMap<u32, Result<(), RoomError>>,
    pub(crate) errors: Vec<(u64, RoomError)>,
    pub(crate) synced: Vec<String>,
    pub(crate) presence: BTreeMap<u64, BTreeMap<String, String>>,
    pub(crate) left: Vec<String>,
    pub(crate) diverged: usize,
    pub(crate) outdated: usize,
}

pub(crate) struct Page {
    pub(crate) profile: Profile,
    pub(crate) load: Load,
    pub(crate) room: Room,
    pub(crate) document: Document,
    /// The text as an editor holds it: made of own edits and of the reported splices.
    pub(crate) mirror: Vec<char>,
    pub(crate) alive: bool,
    pub(crate) activity: Activity,
    /// The events that arrived while it was frozen.
    pub(crate) backlog: VecDeque<Arrival>,
    /// Whether its machine has a network, and which: a machine that changes networks keeps no path.
    pub(crate) online: bool,
    pub(crate) network: u32,
    /// Local time runs at `rate.0 / rate.1` of the true one, and started elsewhere.
    pub(crate) clock: (u64, (u64, u64)),
    /// By how much its timers may be late.
    pub(crate) lag: u64,
    /// Whether each input is settled at once, rather than with others of the same moment.
    pub(crate) eager: bool,
    /// Bytes per millisecond that its network carries away; `None`: no bound.
    pub(crate) uplink: Option<u64>,
    pub(crate) held: Held,
    pub(crate) told: Told,
    pub(crate) presence: BTreeMap<String, String>,
    /// The stored document, which survives the page.
    pub(crate) stored: Vec<u8>,
    pub(crate) transports: Vec<TransportId>,
    pub(crate) calls: u32,
    /// Whether the user wants to be connected.
    pub(crate) wanted: bool,
    pub(crate) armed: Option<(u64, u64)>,
    pub(crate) settles: bool,
    pub(crate) ticks: (u64, u32),
}

impl Page {
    pub(crate) fn open(profile: Profile, load: Load, document: Document, seed: u64) -> Page {
        let mut options = RoomOptions::new(agent(&profile.agent), profile.host);
        options.room = Some(RoomId::parse("garden").expect("a valid room"));
        options.links.clone_from(&profile.links);
        options.has_key = profile.secret.is_some();
        options.is_read_only = profile.reads && !profile.lies;
        options.token = profile.token.map(str::to_owned);
        let session = SessionSecret::parse(&profile.session);
        options.session_secret = Some(session.expect("a valid secret"));
        let mut rng = Rng::with_seed(seed);
        Page {
            profile,
            load,
            room: Room::new(options, Box::new(move || rng.f64())),
            mirror: document.text().chars().collect(),
            document,
            alive: true,
            activity: Activity::Running,
            backlog: VecDeque::new(),
            online: true,
            network: 0,
            clock: (0, (1, 1)),
            lag: 0,
            eager: true,
            uplink: None,
            held: Held::default(),
            told: Told::default(),
            presence: BTreeMap::new(),
            stored: Vec::new(),
            transports: Vec::new(),
            calls: 0,
            wanted: false,
            armed: None,
            settles: false,
            ticks: (0, 0),
        }
    }

    pub(crate) fn status(&self) -> Status {
        self.room.status(&self.document)
    }

    /// Whether connecting makes sense: something here may lead to a peer.
    pub(crate) fn is_admitted(&self) -> bool {
        let profile = &self.profile;
        if profile.secret.is_some() && !profile.has_cipher {
            return false;
        }
        let has_way = LinkKind::CHOICES.iter().any(|kind| profile.can(*kind));
        let has_place = !profile.servers.is_empty() || profile.can(LinkKind::Broadcast);
        !self.transports.is_empty() || has_way && has_place
    }

    /// The stable names of the errors that were reported since a time.
    pub(crate) fn codes_since(&self, time: u64) -> Vec<&'static str> {
        let errors = self.told.errors.iter();
        errors
            .filter(|(at, _)| *at >= time)
            .map(|(_, error)| error.code())
            .collect()
    }

    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.codes_since(0)
    }

    pub(crate) fn text(&self) -> String {
        self.document.text()
    }

    pub(crate) fn picture(&self) -> String {
        let status = serde_json::to_string(&self.status()).expect("a status is JSON");
        format!(
            "\n{} ({:?}, alive {}, online {}) has {:?}, {} held back; holds {:?}\n  {status}",
            self.profile.agent,
            self.activity,
            self.alive,
            self.online,
            self.document.summary().to_json(),
            self.document.pending_events(),
            self.held,
        )
    }
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId::parse(name).expect("a valid name")
}
