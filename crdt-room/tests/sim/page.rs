//! A page with its room and document: what it may use, what it holds open, what it was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crdt_core::{Document, VersionSummary};
use crdt_room::{
    BroadcastMessage, Call, CallId, Host, LinkKind, News, PageEvent, Purpose, Room, RoomError,
    RoomOptions, RunId, SocketId, Status, TransportId,
};
use crdt_sync::LinkId;
use fastrand::Rng;
use signaling_protocol::{AgentId, RoomId, SessionSecret};

use crate::arrival::Arrival;
use crate::world::{Load, World};

/// What a page may use. It outlives the loads of the page.
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
    /// By which the page gets its name back on another socket.
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
                webrtc: true,
                broadcast: true,
            },
            secret: None,
            has_cipher: true,
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
    /// In the background: what comes waits, timers too.
    Frozen,
    /// In the browser's cache: the room was told.
    Hidden,
}

/// Everything that a room wanted open and did not close yet.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) sockets: BTreeMap<SocketId, u32>,
    pub(crate) connections: BTreeMap<LinkId, u32>,
    pub(crate) runs: BTreeMap<RunId, TransportId>,
    /// The channel on which the page listens for broadcast messages.
    pub(crate) listens: Option<String>,
    /// The channels that broadcast messages are posted on.
    pub(crate) outboxes: BTreeSet<String>,
    pub(crate) key: Option<KeyState>,
    pub(crate) keep_alive: bool,
    /// Jobs of the cipher that are not answered yet.
    pub(crate) jobs: BTreeSet<(Purpose, u32)>,
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
            && self.listens.is_none()
            && self.outboxes.is_empty()
            && self.key.is_none()
            && !self.keep_alive
    }
}

/// What the user was told.
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
    /// The text as an editor holds it: made of own edits and of the splices that were told.
    pub(crate) mirror: Vec<char>,
    pub(crate) alive: bool,
    pub(crate) activity: Activity,
    /// What came while it was frozen.
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
    /// What survives the page.
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
    fn open(profile: Profile, load: Load, document: Document, seed: u64) -> Page {
        let mut options = RoomOptions::new(agent(&profile.agent), profile.host);
        options.room = Some(RoomId::parse("garden").expect("a valid room"));
        options.links.clone_from(&profile.links);
        options.has_key = profile.secret.is_some();
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
        let has_way = LinkKind::CHOICES.iter().any(|kind| match kind {
            // Whether the host can encrypt shows later.
            LinkKind::Relay => profile.secret.is_some() && profile.links.contains(kind),
            _ => profile.can(*kind),
        });
        !self.transports.is_empty() || has_way && !profile.servers.is_empty()
    }

    /// The stable names of the errors that were told since a time.
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

impl World {
    /// Loads a page.
    pub(crate) fn open(&mut self, profile: Profile) -> usize {
        let document = Document::new(&profile.agent).expect("a valid name");
        let load = Load {
            page: self.pages.len(),
            number: self.next_number(),
        };
        let seed = self.rng.u64(..);
        self.pages.push(Page::open(profile, load, document, seed));
        load.page
    }

    /// The time at a page.
    pub(crate) fn local(&self, page: usize) -> u64 {
        let (offset, (a, b)) = self.pages[page].clock;
        offset + self.now * a / b
    }

    /// The user joins the room with the servers of the profile.
    pub(crate) fn connect(&mut self, page: usize) -> CallId {
        let servers = self.pages[page].profile.servers.clone();
        let urls = servers.into_iter().map(|number| self.servers[number].url());
        let urls = urls.collect();
        self.connect_to(page, urls)
    }

    pub(crate) fn connect_to(&mut self, page: usize, urls: Vec<String>) -> CallId {
        let number = self.rng.u64(..);
        let state = &mut self.pages[page];
        state.calls += 1;
        state.wanted = true;
        let call = CallId(state.calls);
        let connect = Call::Connect {
            call,
            urls,
            page: number,
        };
        self.call(page, connect);
        call
    }

    pub(crate) fn disconnect(&mut self, page: usize) {
        self.pages[page].wanted = false;
        self.call(page, Call::Disconnect);
    }

    /// The user calls something. A page that does not run has no user.
    pub(crate) fn call(&mut self, page: usize, call: Call) {
        assert_eq!(self.pages[page].activity, Activity::Running);
        self.give(page, Arrival::Call(call));
    }

    /// Types, as an editor would.
    pub(crate) fn insert(&mut self, page: usize, at: usize, text: &str) {
        let state = &mut self.pages[page];
        state.document.insert(at, text).expect("within the text");
        state.mirror.splice(at..at, text.chars());
        self.give(page, Arrival::Edited);
    }

    /// Types at the end.
    pub(crate) fn type_in(&mut self, page: usize, text: &str) {
        self.insert(page, self.pages[page].document.len_chars(), text);
    }

    pub(crate) fn delete(&mut self, page: usize, at: usize, len: usize) {
        let state = &mut self.pages[page];
        state.document.delete(at, len).expect("within the text");
        state.mirror.splice(at..at + len, []);
        self.give(page, Arrival::Edited);
    }

    /// Shows something of a page's user to the others; `value` is a JSON text.
    pub(crate) fn show(&mut self, page: usize, field: &str, value: Option<&str>) {
        let own = &mut self.pages[page].presence;
        match value {
            Some(value) => own.insert(field.to_owned(), value.to_owned()),
            None => own.remove(field),
        };
        let set = Call::SetPresence {
            field: field.to_owned(),
            value: value.map(str::to_owned),
        };
        self.call(page, set);
    }

    /// The page goes into the browser's cache.
    pub(crate) fn hide(&mut self, page: usize) {
        if self.pages[page].held.keep_alive {
            self.give(page, Arrival::Page(PageEvent::Hidden));
        }
        self.pages[page].activity = Activity::Hidden;
    }

    /// The page goes into the background, and nothing reaches it.
    pub(crate) fn freeze(&mut self, page: usize) {
        self.pages[page].activity = Activity::Frozen;
    }

    /// The page is back, from wherever it was.
    pub(crate) fn wake(&mut self, page: usize) {
        let state = &mut self.pages[page];
        let before = std::mem::replace(&mut state.activity, Activity::Running);
        if before == Activity::Running {
            return;
        }
        let backlog = std::mem::take(&mut state.backlog);
        if before == Activity::Hidden && state.held.keep_alive {
            let shown = PageEvent::Shown {
                page: self.rng.u64(..),
            };
            self.give(page, Arrival::Page(shown));
        }
        for arrival in backlog {
            let load = self.pages[page].load;
            self.deliver(load, arrival);
        }
        self.pages[page].armed = None;
        self.arm(page);
    }

    /// The machine loses its network, or has one again, perhaps another.
    pub(crate) fn set_online(&mut self, page: usize, online: bool) {
        if self.pages[page].online == online {
            return;
        }
        self.pages[page].online = online;
        if online {
            self.release_sockets(page);
            let (load, hears) = (self.pages[page].load, self.pages[page].held.keep_alive);
            if hears {
                self.arrive(1, load, Arrival::Page(PageEvent::Online));
            }
        } else {
            self.stall_sockets(page);
        }
        self.review_connections();
    }

    /// The machine changes networks: every path and socket of the old one is dead.
    pub(crate) fn change_network(&mut self, page: usize) {
        self.pages[page].network += 1;
        self.break_sockets(page);
        self.review_connections();
    }

    /// Stores the document where the end of the page leaves it.
    pub(crate) fn store(&mut self, page: usize) {
        let state = &mut self.pages[page];
        let all = state.document.encode_since(&VersionSummary::new());
        state.stored = all.expect("a history can be encoded");
    }

    /// The page ends without a word.
    pub(crate) fn kill(&mut self, page: usize) {
        let state = &mut self.pages[page];
        state.alive = false;
        state.backlog.clear();
        state.activity = Activity::Running;
        self.drop_everything(page);
    }

    /// The page is loaded again from what was stored, under a name of the caller's choice.
    pub(crate) fn reload(&mut self, page: usize, agent: &str) {
        let mut document = Document::new(agent).expect("a valid name");
        if !self.pages[page].stored.is_empty() {
            let patch = std::mem::take(&mut self.pages[page].stored);
            document.merge_patch(&patch).expect("what was stored");
            self.pages[page].stored = patch;
        }
        let mut profile = self.pages[page].profile.clone();
        profile.agent = agent.to_owned();
        let load = Load {
            page,
            number: self.next_number(),
        };
        let seed = self.rng.u64(..);
        let before = &self.pages[page];
        let mut after = Page::open(profile, load, document, seed);
        after.network = before.network;
        after.clock = before.clock;
        (after.lag, after.eager) = (before.lag, before.eager);
        after.uplink = before.uplink;
        after.transports.clone_from(&before.transports);
        after.stored.clone_from(&before.stored);
        self.pages[page] = after;
        let transports = self.pages[page].transports.clone();
        for transport in transports {
            self.call(page, Call::AddTransport(transport));
        }
    }

    /// What a page tells its user.
    pub(crate) fn tell(&mut self, page: usize, news: News) {
        let now = self.now;
        let state = &mut self.pages[page];
        let told = &mut state.told;
        match news {
            News::ConnectEnded { call, result } => {
                let before = told.ended.insert(call.0, result);
                assert!(before.is_none(), "a call ends once");
            }
            News::Status(status) => {
                let before = told.status.replace(*status);
                told.statuses += 1;
                let is_same = |before| {
                    !told
                        .status
                        .as_ref()
                        .is_some_and(|now| now.differs_visibly(before))
                };
                assert!(!before.as_ref().is_some_and(is_same), "no news: {before:?}");
            }
            News::Peers {
                peers,
                joined,
                left,
            } => {
                for peer in left {
                    assert!(told.peers.remove(&peer), "{peer} left and was not there");
                }
                for peer in joined {
                    assert!(told.peers.insert(peer), "joined twice");
                }
                assert!(peers.iter().eq(&told.peers), "{peers:?} {:?}", told.peers);
            }
            News::Changed { splices } => {
                for splice in splices {
                    let (at, deleted) = (splice.pos.chars, splice.deleted.chars);
                    let inserted = splice.inserted.chars();
                    state.mirror.splice(at..at + deleted, inserted);
                }
            }
            News::Synced { peer } => told.synced.push(peer),
            News::Presence {
                session,
                fields,
                left,
                peer,
            } => {
                let shown = told.presence.entry(session).or_default();
                for (name, value) in fields {
                    match value {
                        Some(value) => shown.insert(name, value),
                        None => shown.remove(&name),
                    };
                }
                if left {
                    told.presence.remove(&session);
                    told.left.push(peer);
                }
            }
            News::Outdated { .. } => told.outdated += 1,
            News::Diverged { .. } => told.diverged += 1,
            News::Error(error) => told.errors.push((now, error)),
        }
    }

    /// A broadcast message on its way to the page of the browser that listens on this channel.
    pub(crate) fn broadcast(&mut self, browser: usize, channel: &str, message: BroadcastMessage) {
        let hears = |page: &&Page| {
            let listens = page.held.listens.as_deref() == Some(channel);
            page.alive && page.profile.browser == browser && listens
        };
        if let Some(load) = self.pages.iter().find(hears).map(|page| page.load) {
            self.deliver(load, Arrival::Broadcast(message));
        }
    }
}
