//! A model of `RTCPeerConnection`: the steps of a negotiation at one end. `path.rs` has the path
//! between two ends, and its messages.
//!
//! The model refuses what a browser refuses: a second step while one is in progress, a description
//! in the wrong state, an offer without channels.

use std::collections::{BTreeSet, VecDeque};

use crdt_room::{ConnectionCommand, ConnectionEvent};
use crdt_sync::negotiation::{ConnectionState, Description, Op};
use crdt_sync::{Channel, LinkId, Outgoing};

use crate::arrival::Arrival;
use crate::world::{Load, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signaling {
    Stable,
    LocalOffer,
    RemoteOffer,
}

/// A description, as it stands in the text of the SDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sdp {
    /// Of the whole text.
    pub(crate) text: String,
    /// The fragment of a user name, which changes with an ICE restart.
    pub(crate) ice: u32,
}

/// A channel, of whichever side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DataChannel {
    pub(crate) stream: Channel,
    pub(crate) is_open: bool,
    /// It was made at this end, and the other end does not know it yet.
    pub(crate) is_new: bool,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) load: Load,
    pub(crate) link: LinkId,
    pub(crate) low_water: usize,
    signaling: Signaling,
    /// The descriptions in force, and those being negotiated.
    pub(crate) local: Option<Sdp>,
    pub(crate) remote: Option<Sdp>,
    pending_local: Option<Sdp>,
    pending_remote: Option<Sdp>,
    /// The fragment of the own user name.
    ice: u32,
    /// The fragment for which candidates were last gathered.
    gathered: u32,
    /// The peer's candidates: fragment of the user name, and network.
    pub(crate) candidates: BTreeSet<(u32, u32)>,
    pub(crate) channels: Vec<DataChannel>,
    pub(crate) state: ConnectionState,
    step: Option<Op>,
    pub(crate) path: Path,
}

/// The path to the other end.
#[derive(Debug, Default)]
pub(crate) struct Path {
    /// The other end, and the networks that the two were in when they found each other.
    pub(crate) found: Option<(u32, [u32; 2])>,
    /// Whether a change of the state is on its way.
    pub(crate) is_checked: bool,
    /// Counts changes, so that timers of earlier ones are ignored.
    pub(crate) watch: u32,
    pub(crate) free_at: u64,
    pub(crate) arrives_at: u64,
    /// Bytes that were sent and have not arrived.
    pub(crate) buffered: usize,
    /// Messages that wait for the path to come back.
    pub(crate) stuck: VecDeque<(Channel, Outgoing)>,
}

#[derive(Debug)]
enum Step {
    Offer { ice_restart: bool },
    Answer,
    SetLocal(Description),
    SetRemote(Description),
    Rollback,
}

impl Connection {
    fn new(load: Load, link: LinkId, low_water: usize) -> Connection {
        Connection {
            load,
            link,
            low_water,
            signaling: Signaling::Stable,
            local: None,
            remote: None,
            pending_local: None,
            pending_remote: None,
            ice: 0,
            gathered: 0,
            candidates: BTreeSet::new(),
            channels: Vec::new(),
            state: ConnectionState::New,
            step: None,
            path: Path::default(),
        }
    }

    pub(crate) fn is_stable(&self) -> bool {
        self.signaling == Signaling::Stable
    }

    fn offer(&mut self, number: u32, ice_restart: bool) -> String {
        assert!(!self.channels.is_empty(), "an offer without channels");
        if ice_restart || self.ice == 0 {
            self.ice = number;
        }
        format!("offer {number} ice {}", self.ice)
    }

    fn answer(&mut self, number: u32) -> String {
        assert_eq!(self.signaling, Signaling::RemoteOffer);
        let offered = self.pending_remote.as_ref().map(|sdp| sdp.ice);
        let before = self.remote.as_ref().map(|sdp| sdp.ice);
        if self.ice == 0 || offered != before {
            self.ice = number;
        }
        format!("answer {number} ice {}", self.ice)
    }

    fn set_local(&mut self, description: &Description) {
        let sdp = read(description);
        match description {
            Description::Offer(_) => {
                assert_eq!(self.signaling, Signaling::Stable);
                self.signaling = Signaling::LocalOffer;
                self.pending_local = Some(sdp);
            }
            Description::Answer(_) => {
                assert_eq!(self.signaling, Signaling::RemoteOffer);
                self.signaling = Signaling::Stable;
                self.local = Some(sdp);
                self.remote = self.pending_remote.take();
            }
        }
    }

    fn set_remote(&mut self, description: &Description) {
        let sdp = read(description);
        match description {
            Description::Offer(_) => {
                assert_eq!(self.signaling, Signaling::Stable);
                self.signaling = Signaling::RemoteOffer;
                self.pending_remote = Some(sdp);
            }
            Description::Answer(_) => {
                assert_eq!(self.signaling, Signaling::LocalOffer);
                self.signaling = Signaling::Stable;
                self.remote = Some(sdp);
                self.local = self.pending_local.take();
            }
        }
    }

    fn roll_back(&mut self) {
        assert_eq!(self.signaling, Signaling::LocalOffer);
        self.signaling = Signaling::Stable;
        self.pending_local = None;
    }
}

fn read(description: &Description) -> Sdp {
    let (Description::Offer(text) | Description::Answer(text)) = description;
    let ice = text.rsplit(' ').next().and_then(|ice| ice.parse().ok());
    Sdp {
        text: text.clone(),
        ice: ice.expect("a description of ours"),
    }
}

impl World {
    /// The connection behind a link of a page, which is open as far as the page knows.
    pub(crate) fn connection_of(&self, page: usize, link: LinkId) -> u32 {
        let held = &self.pages[page].held.connections;
        *held
            .get(&link)
            .unwrap_or_else(|| panic!("{link:?} is not open"))
    }

    pub(crate) fn command_connection(
        &mut self,
        page: usize,
        link: LinkId,
        command: ConnectionCommand,
    ) {
        if let ConnectionCommand::Create { low_water, .. } = command {
            self.create_connection(page, link, low_water);
            return;
        }
        let id = self.connection_of(page, link);
        match command {
            ConnectionCommand::Create { .. } => {}
            ConnectionCommand::OpenChannels { presence } => {
                let streams = if presence {
                    &[Channel::Sync, Channel::Presence][..]
                } else {
                    &[Channel::Sync]
                };
                let channels = streams.iter().map(|stream| DataChannel {
                    stream: *stream,
                    is_open: false,
                    is_new: true,
                });
                let connection = self.connection(id);
                connection.channels.extend(channels);
                let load = connection.load;
                let needed = ConnectionEvent::NegotiationNeeded;
                self.arrive(0, load, Arrival::Connection(link, needed));
            }
            ConnectionCommand::CreateOffer { op, ice_restart } => {
                self.begin_step(id, op, Step::Offer { ice_restart });
            }
            ConnectionCommand::CreateAnswer { op } => self.begin_step(id, op, Step::Answer),
            ConnectionCommand::SetLocal { op, description } => {
                self.begin_step(id, op, Step::SetLocal(description));
            }
            ConnectionCommand::SetRemote { op, description } => {
                let sdp = read(&description).text;
                let maker = self.descriptions.get(&sdp);
                let is_of_another = maker.is_some_and(|maker| *maker != page);
                assert!(is_of_another, "{sdp:?} was made by nobody else");
                self.begin_step(id, op, Step::SetRemote(description));
            }
            ConnectionCommand::Rollback { op } => self.begin_step(id, op, Step::Rollback),
            ConnectionCommand::AddCandidate { candidate } => self.add_candidate(id, &candidate),
            ConnectionCommand::AskBuffered => {
                let connection = self.connection(id);
                let buffered = ConnectionEvent::Buffered(connection.path.buffered);
                let load = connection.load;
                self.arrive(0, load, Arrival::Connection(link, buffered));
            }
            ConnectionCommand::Close => {
                self.pages[page].held.connections.remove(&link);
                self.close_connection(id);
            }
        }
    }

    pub(crate) fn connection(&mut self, id: u32) -> &mut Connection {
        self.connections.get_mut(&id).expect("an open connection")
    }

    fn create_connection(&mut self, page: usize, link: LinkId, low_water: usize) {
        let id = self.next_number();
        let state = &mut self.pages[page];
        let before = state.held.connections.insert(link, id);
        assert_eq!(before, None, "{link:?} is open already");
        let load = state.load;
        if !state.profile.host.webrtc {
            panic!("this host has no peer connections");
        }
        self.connections
            .insert(id, Connection::new(load, link, low_water));
    }

    fn begin_step(&mut self, id: u32, op: Op, step: Step) {
        let fails = self.rng.u64(0..1_000) < self.failing_steps;
        // Of those that fail, one in four never ends.
        let late = match self.rng.u64(0..=8) {
            0 | 1 if fails => u64::MAX,
            late => late,
        };
        let connection = self.connection(id);
        let before = connection.step.replace(op);
        assert_eq!(before, None, "{step:?} while another is under way");
        self.after(late, move |world| {
            if world.connections.contains_key(&id) {
                world.end_step(id, op, step, fails);
            }
        });
    }

    fn end_step(&mut self, id: u32, op: Op, step: Step, fails: bool) {
        let number = self.next_number();
        let connection = self.connection(id);
        connection.step = None;
        let (load, link) = (connection.load, connection.link);
        let done = ConnectionEvent::Done { op };
        let event = match step {
            _ if fails => ConnectionEvent::Failed {
                op,
                message: format!("{step:?} failed"),
            },
            Step::Offer { ice_restart } => ConnectionEvent::Created {
                op,
                sdp: connection.offer(number, ice_restart),
            },
            Step::Answer => ConnectionEvent::Created {
                op,
                sdp: connection.answer(number),
            },
            Step::SetLocal(description) => {
                connection.set_local(&description);
                done
            }
            Step::SetRemote(description) => {
                connection.set_remote(&description);
                done
            }
            Step::Rollback => {
                connection.roll_back();
                done
            }
        };
        if let ConnectionEvent::Created { sdp, .. } = &event {
            self.descriptions.insert(sdp.clone(), load.page);
        }
        self.deliver(load, Arrival::Connection(link, event));
        if self.connections.contains_key(&id) {
            self.gather(id);
            self.review(id);
        }
    }

    /// Looks for ways, where a description asks for that.
    fn gather(&mut self, id: u32) {
        let connection = self.connection(id);
        let local = connection.pending_local.as_ref();
        let local = local.or(connection.local.as_ref());
        let Some(ice) = local.map(|sdp| sdp.ice) else {
            return;
        };
        if ice == connection.gathered {
            return;
        }
        connection.gathered = ice;
        let (load, link) = (connection.load, connection.link);
        let network = self.pages[load.page].network;
        if !self.pages[load.page].online {
            return;
        }
        for _ in 0..2 {
            let late = self.rng.u64(0..100);
            let candidate = format!(r#"{{"candidate":"{ice} {network}","sdpMid":"0"}}"#);
            let found = ConnectionEvent::Candidate(candidate);
            self.arrive(late, load, Arrival::Connection(link, found));
        }
    }

    fn add_candidate(&mut self, id: u32, candidate: &str) {
        let connection = self.connection(id);
        let remote = connection.pending_remote.as_ref();
        let remote = remote.or(connection.remote.as_ref());
        assert!(remote.is_some(), "a candidate before the description");
        let numbers = candidate.split('"').nth(3).and_then(|both| {
            let (ice, network) = both.split_once(' ')?;
            Some((ice.parse().ok()?, network.parse().ok()?))
        });
        connection
            .candidates
            .insert(numbers.expect("a candidate of ours"));
        self.review(id);
    }
}
