//! A virtual network and clock, with replicas on it.
//!
//! Time advances with events: a message arrives, a transport drains, a timer fires, a link is made
//! or broken. Everything random comes from one seed.

use std::collections::{BTreeMap, BTreeSet};

use crdt_core::{Document, VersionSummary};
use crdt_sync::{
    Channel, CloseReason, Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output,
    PeerStatus, Speech,
};

use crate::rng::Rng;
use crate::traffic::Traffic;

/// The faults and limits of a link.
#[derive(Debug, Clone)]
pub(crate) struct Quality {
    /// Least and greatest time from end to end, in ms.
    pub(crate) latency: (u64, u64),
    /// Messages lost, and doubled, per hundred. A real transport does neither; this is to show that
    /// the protocol does not depend on it.
    pub(crate) loss: u64,
    pub(crate) doubling: u64,
    /// Whether messages may overtake each other.
    pub(crate) reorder: bool,
    /// Bytes per ms; `None`: no bound. Zero: the other end does not read.
    pub(crate) bandwidth: Option<u64>,
    /// Whether both ends know that it carries text only.
    pub(crate) text_only: bool,
}

impl Default for Quality {
    fn default() -> Self {
        Quality {
            latency: (20, 20),
            loss: 0,
            doubling: 0,
            reorder: false,
            bandwidth: None,
            text_only: false,
        }
    }
}

pub(crate) struct Replica {
    pub(crate) doc: Document,
    pub(crate) engine: Engine,
    /// The text as an editor holds it: made of the splices alone.
    pub(crate) mirror: Vec<char>,
    pub(crate) alive: bool,
    /// A hidden page: messages reach it, timers do not.
    pub(crate) hidden: bool,
    /// Local time runs at `rate.0 / rate.1` of the true one, and started elsewhere.
    pub(crate) clock: (u64, (u64, u64)),
    /// The stored state, which survives a crash.
    pub(crate) stored: Vec<u8>,
    /// All outputs of the engine except messages and changes of the text.
    pub(crate) told: Vec<Output>,
    /// The presence of others, as it was reported, and the own.
    pub(crate) present: BTreeMap<u64, BTreeMap<String, String>>,
    pub(crate) own_presence: BTreeMap<String, String>,
    timer: Option<u64>,
    ticks_at: (u64, u32),
}

impl Replica {
    /// The engine's status of its links.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        self.engine.peers(&self.doc)
    }
}

struct Wire {
    ends: [usize; 2],
    /// Whether the end still holds the link.
    held: [bool; 2],
    quality: Quality,
    /// Messages vanish without a trace.
    cut: bool,
    /// Per sender: when its transport has sent everything, when the last message arrives, and the
    /// bytes it buffers.
    free_at: [u64; 2],
    arrives_at: [u64; 2],
    buffered: [usize; 2],
}

enum Event {
    Arrive {
        link: u32,
        end: usize,
        message: Outgoing,
    },
    Drained {
        link: u32,
        end: usize,
        bytes: usize,
    },
    Timer {
        replica: usize,
    },
    Broken {
        link: u32,
        end: usize,
    },
    Connect {
        ends: [usize; 2],
    },
}

pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) traffic: Traffic,
    pub(crate) config: Config,
    /// Pairs that reconnect by themselves, and what their links are like.
    pub(crate) edges: BTreeMap<[usize; 2], Quality>,
    /// Pairs that cannot reach each other for now.
    pub(crate) apart: BTreeSet<[usize; 2]>,
    /// Whether to print every message: `SIM_TRACE` is set.
    trace: bool,
    wires: BTreeMap<u32, Wire>,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        World {
            rng: Rng::new(seed),
            now: 0,
            replicas: Vec::new(),
            traffic: Traffic::default(),
            config: Config::default(),
            edges: BTreeMap::new(),
            apart: BTreeSet::new(),
            trace: std::env::var_os("SIM_TRACE").is_some(),
            wires: BTreeMap::new(),
            events: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn add(&mut self, agent: &str) -> usize {
        let doc = Document::new(agent).expect("a valid name");
        let session = self.rng.next();
        let engine = Engine::new(self.config.clone(), agent, session);
        self.replicas.push(Replica {
            doc,
            engine,
            mirror: Vec::new(),
            alive: true,
            hidden: false,
            clock: (0, (1, 1)),
            stored: Vec::new(),
            told: Vec::new(),
            present: BTreeMap::new(),
            own_presence: BTreeMap::new(),
            timer: None,
            ticks_at: (0, 0),
        });
        self.replicas.len() - 1
    }

    /// Replicas named `r0`, `r1`, …
    pub(crate) fn with(seed: u64, n: usize) -> World {
        let mut world = World::new(seed);
        (0..n).for_each(|i| {
            world.add(&format!("r{i}"));
        });
        world
    }

    /// The time at a replica.
    pub(crate) fn local(&self, replica: usize) -> u64 {
        let (offset, (a, b)) = self.replicas[replica].clock;
        offset + self.now * a / b
    }

    /// Calls a replica's engine, and carries out its outputs.
    pub(crate) fn with_engine(
        &mut self,
        replica: usize,
        act: impl FnOnce(&mut Engine, &mut Document, u64),
    ) {
        let now = self.local(replica);
        let state = &mut self.replicas[replica];
        act(&mut state.engine, &mut state.doc, now);
        while let Some(output) = self.replicas[replica].engine.poll_output() {
            self.carry_out(replica, output);
        }
        self.set_timer(replica);
    }

    fn carry_out(&mut self, replica: usize, output: Output) {
        let state = &mut self.replicas[replica];
        match output {
            Output::Send {
                link,
                message,
                channel,
            } => self.send(replica, link, channel, message),
            Output::Close { link, reason } => {
                state.told.push(Output::Close { link, reason });
                self.let_go(replica, link.0);
            }
            Output::Changed { splices } => {
                for splice in splices {
                    let (at, deleted) = (splice.pos.chars, splice.deleted.chars);
                    state
                        .mirror
                        .splice(at..at + deleted, splice.inserted.chars());
                }
            }
            Output::Presence {
                session, fields, ..
            } => {
                let shown = state.present.entry(session).or_default();
                for (name, value) in fields {
                    match value {
                        Some(value) => shown.insert(name, value),
                        None => shown.remove(&name),
                    };
                }
            }
            Output::PresenceLeft { session, .. } => {
                let was = state.present.remove(&session);
                assert!(was.is_some(), "a session left that was never shown");
            }
            other => state.told.push(other),
        }
    }

    fn send(&mut self, from: usize, link: LinkId, channel: Channel, message: Outgoing) {
        if let Outgoing::Binary(bytes) = &message {
            assert!(
                bytes.len() <= self.config.max_frame,
                "a frame of {} bytes",
                bytes.len()
            );
            let presence = bytes
                .first()
                .is_some_and(|kind| (0x09..=0x0b).contains(kind));
            assert_eq!(channel == Channel::Presence, presence);
        }
        let Some(wire) = self.wires.get_mut(&link.0) else {
            return;
        };
        let end = usize::from(wire.ends[0] != from);
        if !wire.held[end] {
            return;
        }
        let len = message.len();
        if self.trace {
            println!("{} r{from} on {}: {message:?}", self.now, link.0);
        }
        self.traffic.count(&message);
        let quality = wire.quality.clone();
        let start = wire.free_at[end].max(self.now);
        let sent_at = match quality.bandwidth {
            None => start,
            Some(0) => u64::MAX / 4,
            Some(bytes) => start + (len as u64).div_ceil(bytes),
        };
        wire.free_at[end] = sent_at;
        wire.buffered[end] += len;
        let lost = wire.cut || self.rng.chance(quality.loss);
        let copies = if lost {
            0
        } else {
            1 + u64::from(self.rng.chance(quality.doubling))
        };
        for _ in 0..copies {
            let mut at = sent_at + self.rng.between(quality.latency.0, quality.latency.1);
            let wire = self.wires.get_mut(&link.0).expect("just used");
            if !quality.reorder {
                at = at.max(wire.arrives_at[end]);
                wire.arrives_at[end] = at;
            }
            let message = message.clone();
            self.schedule(
                at,
                Event::Arrive {
                    link: link.0,
                    end: 1 - end,
                    message,
                },
            );
        }
        self.schedule(
            sent_at,
            Event::Drained {
                link: link.0,
                end,
                bytes: len,
            },
        );
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.counter += 1;
        self.events.insert((at.max(self.now), self.counter), event);
    }

    fn set_timer(&mut self, replica: usize) {
        let state = &self.replicas[replica];
        let Some(local) = state
            .engine
            .next_timeout()
            .filter(|_| state.alive && !state.hidden)
        else {
            return;
        };
        let (offset, (a, b)) = state.clock;
        let at = ((local.saturating_sub(offset)) * b)
            .div_ceil(a)
            .max(self.now);
        if state
            .timer
            .is_none_or(|timer| timer > at || timer < self.now)
        {
            self.replicas[replica].timer = Some(at);
            self.schedule(at, Event::Timer { replica });
        }
    }

    /// Opens a link.
    pub(crate) fn connect(&mut self, a: usize, b: usize, quality: Quality) -> u32 {
        self.connect_ranked(a, b, quality, [0, 0])
    }

    /// The ranks are those that the two ends give it; they need not agree.
    pub(crate) fn connect_ranked(
        &mut self,
        a: usize,
        b: usize,
        quality: Quality,
        ranks: [u8; 2],
    ) -> u32 {
        self.counter += 1;
        let id = self.counter as u32;
        let text_only = quality.text_only;
        self.wires.insert(
            id,
            Wire {
                ends: [a, b],
                held: [true; 2],
                quality,
                cut: false,
                free_at: [0; 2],
                arrives_at: [0; 2],
                buffered: [0; 2],
            },
        );
        for (end, rank) in [a, b].into_iter().zip(ranks) {
            let options = LinkOptions {
                rank,
                text_only,
                binary_only: false,
                ..LinkOptions::default()
            };
            self.with_engine(end, |engine, doc, now| {
                engine.link_up(LinkId(id), options, now, doc);
            });
        }
        id
    }

    /// Keeps a pair connected from now on.
    pub(crate) fn join(&mut self, a: usize, b: usize, quality: Quality) -> u32 {
        self.edges.insert([a.min(b), a.max(b)], quality.clone());
        self.connect(a, b, quality)
    }

    /// One end closed its link: the other learns of it a little later.
    fn let_go(&mut self, replica: usize, link: u32) {
        let Some(wire) = self.wires.get_mut(&link) else {
            return;
        };
        let end = usize::from(wire.ends[0] != replica);
        wire.held[end] = false;
        let at = self.now + wire.quality.latency.1;
        self.schedule(at, Event::Broken { link, end: 1 - end });
    }

    /// Breaks a link: both ends learn of it.
    pub(crate) fn reset(&mut self, link: u32) {
        if self.wires.contains_key(&link) {
            let later = self.now + self.rng.between(0, 300);
            self.schedule(self.now, Event::Broken { link, end: 0 });
            self.schedule(later, Event::Broken { link, end: 1 });
        }
    }

    pub(crate) fn links(&self) -> Vec<u32> {
        self.wires.keys().copied().collect()
    }

    /// Changes what a link does to messages, from now on.
    pub(crate) fn set_quality(&mut self, link: u32, quality: Quality) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.quality = quality;
        }
    }

    /// Separates two replicas. `loud`: their links break; otherwise messages vanish.
    pub(crate) fn part(&mut self, a: usize, b: usize, loud: bool) {
        let pair = [a.min(b), a.max(b)];
        self.apart.insert(pair);
        let concerned = |wire: &Wire| {
            let ends = [
                wire.ends[0].min(wire.ends[1]),
                wire.ends[0].max(wire.ends[1]),
            ];
            ends == pair
        };
        let links: Vec<u32> = self
            .wires
            .iter()
            .filter(|(_, w)| concerned(w))
            .map(|(id, _)| *id)
            .collect();
        for link in links {
            if let Some(wire) = self.wires.get_mut(&link) {
                wire.cut = true;
            }
            if loud {
                self.reset(link);
            }
        }
    }

    /// Everybody can reach everybody; links are as good as they get.
    pub(crate) fn heal(&mut self) {
        self.apart.clear();
        for wire in self.wires.values_mut() {
            wire.cut = false;
            (
                wire.quality.loss,
                wire.quality.doubling,
                wire.quality.reorder,
            ) = (0, 0, false);
        }
        let perfect = |quality: &mut Quality| {
            (quality.loss, quality.doubling, quality.reorder) = (0, 0, false);
        };
        self.edges.values_mut().for_each(perfect);
        let pairs: Vec<[usize; 2]> = self.edges.keys().copied().collect();
        for ends in pairs {
            if !self.is_linked(ends) {
                self.schedule(self.now, Event::Connect { ends });
            }
        }
    }

    /// Everybody can reach everybody again; links that are up stay as they are.
    pub(crate) fn heal_reach(&mut self) {
        let pairs = std::mem::take(&mut self.apart);
        for ends in pairs {
            self.schedule(self.now, Event::Connect { ends });
        }
        self.wires.values_mut().for_each(|wire| wire.cut = false);
    }

    fn is_linked(&self, ends: [usize; 2]) -> bool {
        let same = |wire: &Wire| {
            [
                wire.ends[0].min(wire.ends[1]),
                wire.ends[0].max(wire.ends[1]),
            ] == ends
                && wire.held == [true; 2]
        };
        self.wires.values().any(same)
    }

    /// A replica stops without a message.
    pub(crate) fn crash(&mut self, replica: usize) {
        let state = &mut self.replicas[replica];
        state.alive = false;
        let held = |wire: &&mut Wire| wire.ends.contains(&replica);
        for wire in self.wires.values_mut().filter(held) {
            let end = usize::from(wire.ends[0] != replica);
            wire.held[end] = false;
            wire.cut = true;
        }
        // Some transports notice; for the others there are the heartbeats. A peer that speaks the
        // JSON form need not answer any, so there it is up to the transport.
        let noticed = self.rng.chance(50);
        let mut links = Vec::new();
        for (id, wire) in self
            .wires
            .iter()
            .filter(|(_, wire)| wire.ends.contains(&replica))
        {
            let end = usize::from(wire.ends[0] == replica);
            let mut peers = self.replicas[wire.ends[end]].peers();
            if noticed || peers.any(|p| p.link.0 == *id && p.speech == Speech::Json) {
                links.push((*id, end));
            }
        }
        for (link, end) in links {
            self.schedule(self.now + 100, Event::Broken { link, end });
        }
    }

    /// It restarts from the stored state, in a new session; under a new name if the stored state
    /// may be older than the events that others have.
    pub(crate) fn restart(&mut self, replica: usize, agent: &str) {
        let state = &mut self.replicas[replica];
        let mut doc = Document::new(agent).expect("a valid name");
        if !state.stored.is_empty() {
            doc.merge_patch(&state.stored)
                .expect("what was stored can be read");
        }
        state.mirror = doc.text().chars().collect();
        state.doc = doc;
        state.alive = true;
        state.timer = None;
        state.present.clear();
        state.own_presence.clear();
        let session = self.rng.next();
        let state = &mut self.replicas[replica];
        state.engine = Engine::new(self.config.clone(), agent, session);
        let pairs: Vec<[usize; 2]> = self
            .edges
            .keys()
            .filter(|ends| ends.contains(&replica))
            .copied()
            .collect();
        for ends in pairs {
            let at = self.now + self.rng.between(0, 500);
            self.schedule(at, Event::Connect { ends });
        }
    }

    /// Stores a replica's state so that it survives a crash.
    pub(crate) fn store(&mut self, replica: usize) {
        let state = &mut self.replicas[replica];
        state.stored = state.doc.encode_since(&VersionSummary::new()).unwrap();
    }

    /// Types, as an editor would.
    pub(crate) fn insert(&mut self, replica: usize, at: usize, text: &str) {
        self.with_engine(replica, |engine, doc, now| {
            doc.insert(at, text).expect("within the text");
            engine.local_edit(now, doc);
        });
        self.replicas[replica].mirror.splice(at..at, text.chars());
    }

    pub(crate) fn delete(&mut self, replica: usize, at: usize, len: usize) {
        self.with_engine(replica, |engine, doc, now| {
            doc.delete(at, len).expect("within the text");
            engine.local_edit(now, doc);
        });
        self.replicas[replica].mirror.splice(at..at + len, []);
    }

    /// Sets a presence field of a replica.
    pub(crate) fn show(&mut self, replica: usize, field: &str, value: Option<&str>) {
        let own = &mut self.replicas[replica].own_presence;
        match value {
            Some(value) => own.insert(field.to_owned(), value.to_owned()),
            None => own.remove(field),
        };
        self.with_engine(replica, |engine, _, now| {
            engine.set_presence(field, value, now).expect("short");
        });
    }

    /// Whether everybody sees what everybody else shows. The JSON form has no presence.
    fn assert_presence(&self) {
        let binary = |replica: &Replica| replica.peers().all(|peer| peer.speech == Speech::Binary);
        if !self.replicas.iter().all(binary) {
            return;
        }
        for (i, replica) in self.replicas.iter().enumerate() {
            let others = self
                .replicas
                .iter()
                .filter(|r| r.engine.session() != replica.engine.session());
            let shown: BTreeMap<_, _> = others
                .filter(|other| !other.own_presence.is_empty())
                .map(|other| (other.engine.session(), other.own_presence.clone()))
                .collect();
            let mut seen = replica.present.clone();
            seen.retain(|_, fields| !fields.is_empty());
            assert_eq!(seen, shown, "presence as replica {i} sees it");
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                self.counter += 1;
                self.events.insert((at, self.counter), event);
                break;
            }
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { link, end, message } => {
                let Some(wire) = self.wires.get(&link).filter(|wire| wire.held[end]) else {
                    return;
                };
                let to = wire.ends[end];
                self.with_engine(to, |engine, doc, now| {
                    let message = match &message {
                        Outgoing::Text(text) => Incoming::Text(text),
                        Outgoing::Binary(bytes) => Incoming::Binary(bytes),
                    };
                    engine.receive(LinkId(link), message, now, doc);
                    // Some say at once what has come, the others when it is time.
                    if to % 2 == 1 && engine.owes_receipts(now) {
                        engine.acknowledge(now, doc);
                    }
                });
            }
            Event::Drained { link, end, bytes } => {
                let Some(wire) = self.wires.get_mut(&link).filter(|wire| wire.held[end]) else {
                    return;
                };
                wire.buffered[end] -= bytes;
                let (left, from) = (wire.buffered[end], wire.ends[end]);
                self.with_engine(from, |engine, doc, now| {
                    engine.buffered_amount(LinkId(link), left, now, doc);
                });
            }
            Event::Timer { replica } => {
                let now = self.now;
                let state = &mut self.replicas[replica];
                if !state.alive || state.timer != Some(now) {
                    return;
                }
                state.timer = None;
                let (at, ticks) = &mut state.ticks_at;
                (*at, *ticks) = if *at == now {
                    (now, *ticks + 1)
                } else {
                    (now, 0)
                };
                assert!(
                    *ticks < 100,
                    "the engine's timer does not stand still at {now}"
                );
                self.with_engine(replica, |engine, doc, now| engine.tick(now, doc));
            }
            Event::Broken { link, end } => {
                let Some(wire) = self.wires.get_mut(&link) else {
                    return;
                };
                let (replica, held) = (wire.ends[end], wire.held[end]);
                wire.held[end] = false;
                if held {
                    self.with_engine(replica, |engine, doc, now| {
                        engine.link_down(LinkId(link), now, doc);
                    });
                }
                let Some(wire) = self.wires.get(&link) else {
                    return;
                };
                if wire.held == [false; 2] {
                    let ends = [
                        wire.ends[0].min(wire.ends[1]),
                        wire.ends[0].max(wire.ends[1]),
                    ];
                    self.wires.remove(&link);
                    let at = self.now + self.rng.between(50, 2_000);
                    self.schedule(at, Event::Connect { ends });
                }
            }
            Event::Connect { ends } => {
                let alive = ends.iter().all(|end| self.replicas[*end].alive);
                let Some(quality) = self.edges.get(&ends).cloned() else {
                    return;
                };
                if alive && !self.apart.contains(&ends) && !self.is_linked(ends) {
                    self.connect(ends[0], ends[1], quality);
                }
            }
        }
    }

    /// Whether all replicas have the same events and text.
    pub(crate) fn is_converged(&self) -> bool {
        let first = &self.replicas[0].doc;
        let (text, summary) = (first.text(), first.summary());
        self.replicas.iter().all(|r| {
            // A replica that lost events in a crash, and had sent on what builds on them, leaves
            // others with something that can never be applied.
            let waits_for_known = r.doc.missing().iter().any(|id| summary.contains(id));
            r.doc.summary() == summary && r.doc.text() == text && !waits_for_known
        })
    }

    /// Lets time pass until all replicas have the same; returns the time that took.
    pub(crate) fn converge(&mut self, at_most: u64) -> u64 {
        let start = self.now;
        while !self.is_converged() {
            assert!(
                self.now - start < at_most,
                "not equal after {at_most} ms: {}",
                self.picture()
            );
            self.run(50);
        }
        self.now - start
    }

    /// The end of every scenario: all replicas equal, silent, and nothing left in memory.
    pub(crate) fn assert_at_rest(&mut self) {
        assert!(self.is_converged(), "not equal: {}", self.picture());
        self.run(10_000);
        let said = |traffic: &Traffic| (traffic.speech, traffic.receipts);
        let before = said(&self.traffic);
        self.run(20_000);
        assert_eq!(
            said(&self.traffic),
            before,
            "not silent: {}",
            self.picture()
        );
        assert!(self.is_converged(), "equal no more: {}", self.picture());
        self.assert_presence();
        for (i, replica) in self.replicas.iter().enumerate() {
            let mirror: String = replica.mirror.iter().collect();
            assert_eq!(mirror, replica.doc.text(), "the splices at replica {i}");
            // A word in the JSON form may come in after its sender crashed. Nothing in that form
            // tells such a peer from a quiet one: that is up to the transport.
            let quiet = |peer: &PeerStatus| {
                let wire = self.wires.get(&peer.link.0);
                peer.speech == Speech::Json && wire.is_none_or(|wire| wire.held != [true; 2])
            };
            for peer in replica.peers().filter(|peer| !quiet(peer)) {
                assert_eq!(
                    (peer.bytes_held, peer.behind),
                    (0, 0),
                    "replica {i}: {peer:?}"
                );
                assert!(peer.synced, "replica {i}: {peer:?}");
                assert!(!peer.active || peer.ahead == 0, "replica {i}: {peer:?}");
            }
            let diverged = |told: &Output| matches!(told, Output::Diverged { .. });
            assert!(!replica.told.iter().any(diverged), "replica {i} diverged");
        }
    }

    /// Why links were closed at a replica.
    pub(crate) fn closed(&self, replica: usize) -> Vec<CloseReason> {
        let reason = |told: &Output| match told {
            Output::Close { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.replicas[replica]
            .told
            .iter()
            .filter_map(reason)
            .collect()
    }

    fn picture(&self) -> String {
        let of = |r: &Replica| {
            let peers: Vec<String> = r.peers().map(|p| format!("\n    {p:?}")).collect();
            let (summary, pending) = (r.doc.summary().to_json(), r.doc.pending_events());
            format!(
                "\n  {} has {summary}, {pending} held back:{}",
                r.doc.agent(),
                peers.concat()
            )
        };
        self.replicas.iter().map(of).collect()
    }
}
