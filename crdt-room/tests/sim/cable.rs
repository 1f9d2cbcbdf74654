//! Transports of the users' own: pairs of ends, which may fail in every way that a user's code can.

use std::collections::VecDeque;

use crdt_room::{Call, RunId, TransportCommand, TransportEvent, TransportId};

use crate::arrival::Arrival;
use crate::world::World;

/// The faults of a cable and of its functions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    /// Messages lost, per hundred.
    pub(crate) loss: u64,
    /// Whether messages may overtake each other.
    pub(crate) reorders: bool,
    /// Calls that throw, per hundred.
    pub(crate) throws: u64,
    /// The time that a start takes to connect.
    pub(crate) patience: u64,
}

#[derive(Debug)]
pub(crate) struct Cable {
    pub(crate) ends: [End; 2],
    pub(crate) is_cut: bool,
    pub(crate) manners: Manners,
    /// Counts the connections of the ends: messages in transit are lost when they disconnect.
    meetings: u32,
}

#[derive(Debug)]
pub(crate) struct End {
    pub(crate) page: usize,
    pub(crate) transport: TransportId,
    run: Option<RunId>,
    is_connected: bool,
    /// The meetings that are on their way to its page, and the one that it knows: a page that was frozen may send
    /// in an earlier one, which reaches no end.
    told: VecDeque<u32>,
    knows: u32,
    arrives_at: u64,
    buffered: usize,
    pub(crate) starts: usize,
    pub(crate) stops: usize,
}

impl World {
    /// Adds a cable between two pages, as their users would.
    pub(crate) fn plug(&mut self, a: usize, b: usize, manners: Manners) -> usize {
        let ends = [a, b].map(|page| End {
            page,
            transport: TransportId(self.next_number()),
            run: None,
            is_connected: false,
            told: VecDeque::new(),
            knows: 0,
            arrives_at: 0,
            buffered: 0,
            starts: 0,
            stops: 0,
        });
        let number = self.cables.len();
        let added = [0, 1].map(|end: usize| (ends[end].page, ends[end].transport));
        self.cables.push(Cable {
            ends,
            is_cut: false,
            manners,
            meetings: 0,
        });
        for (page, transport) in added {
            self.pages[page].transports.push(transport);
            self.call(page, Call::AddTransport(transport));
        }
        number
    }

    /// The path between the ends breaks, or is restored; both ends notice.
    pub(crate) fn cut(&mut self, cable: usize, is_cut: bool) {
        self.cables[cable].is_cut = is_cut;
        if is_cut {
            for end in 0..2 {
                self.lose_end(cable, end);
            }
        } else {
            self.meet(cable);
        }
    }

    fn place_of(&self, transport: TransportId) -> (usize, usize) {
        let cables = self.cables.iter().enumerate();
        let ends = cables.flat_map(|(number, cable)| {
            let ends = cable.ends.iter().enumerate();
            ends.map(move |(end, state)| (number, end, state.transport))
        });
        let mut ends = ends.filter(|(_, _, id)| *id == transport);
        let (cable, end, _) = ends.next().expect("a transport that was added");
        (cable, end)
    }

    pub(crate) fn command_transport(
        &mut self,
        page: usize,
        transport: TransportId,
        run: RunId,
        command: TransportCommand,
    ) {
        if self.hands.contains_key(&transport) {
            self.command_hand(page, transport, run, command);
            return;
        }
        let (cable, end) = self.place_of(transport);
        let load = self.pages[page].load;
        let held = &mut self.pages[page].held.runs;
        if command == TransportCommand::Start {
            let before = held.insert(run, transport);
            assert_eq!(before, None, "{run:?} runs already");
        } else {
            assert_eq!(held.get(&run), Some(&transport), "{command:?}");
        }
        let is_call = !matches!(command, TransportCommand::AskBuffered);
        let throws = is_call && self.chance(self.cables[cable].manners.throws);
        let state = &mut self.cables[cable].ends[end];
        match command {
            TransportCommand::Start => {
                state.run = Some(run);
                state.is_connected = false;
                state.told.clear();
                state.starts += 1;
                let patience = self.cables[cable].manners.patience;
                let late = self.rng.u64(0..=patience);
                if !throws {
                    self.after(late, move |world| world.meet(cable));
                }
            }
            TransportCommand::Send(bytes) if !throws => self.send_by_cable(cable, end, bytes),
            TransportCommand::Send(_) => {}
            TransportCommand::AskBuffered => {
                let buffered = TransportEvent::Buffered(state.buffered);
                self.arrive(0, load, Arrival::Transport(run, buffered));
            }
            TransportCommand::Stop { .. } => {
                state.run = None;
                state.is_connected = false;
                state.stops += 1;
                self.pages[page].held.runs.remove(&run);
                self.lose_end(cable, 1 - end);
            }
        }
        if throws {
            let reason = "not today".to_owned();
            self.arrive(
                0,
                load,
                Arrival::Transport(run, TransportEvent::Failed { reason }),
            );
        }
    }

    /// Reports to both ends that they are connected, where they are.
    fn meet(&mut self, cable: usize) {
        let state = &mut self.cables[cable];
        let is_new = |end: &End| end.run.is_some() && !end.is_connected;
        let is_possible = state.ends.iter().all(|end| end.run.is_some());
        if state.is_cut || !is_possible || !state.ends.iter().any(is_new) {
            return;
        }
        state.meetings += 1;
        let meeting = state.meetings;
        for end in 0..2 {
            let state = &mut self.cables[cable].ends[end];
            let is_new = !std::mem::replace(&mut state.is_connected, true);
            let (run, load) = (state.run, self.pages[state.page].load);
            if let Some(run) = run.filter(|_| is_new) {
                state.told.push_back(meeting);
                self.arrive(0, load, Arrival::Transport(run, TransportEvent::Connected));
            }
        }
    }

    /// A page is notified that a run of its transport is connected.
    pub(crate) fn hear_meeting(&mut self, page: usize, run: RunId) {
        let ends = self.cables.iter_mut().flat_map(|cable| &mut cable.ends);
        for end in ends.filter(|end| end.page == page && end.run == Some(run)) {
            end.knows = end.told.pop_front().unwrap_or(end.knows);
        }
    }

    fn lose_end(&mut self, cable: usize, end: usize) {
        let state = &mut self.cables[cable].ends[end];
        let (run, load) = (state.run, self.pages[state.page].load);
        if std::mem::take(&mut state.is_connected)
            && let Some(run) = run
        {
            self.arrive(
                0,
                load,
                Arrival::Transport(run, TransportEvent::Disconnected),
            );
        }
    }

    fn send_by_cable(&mut self, cable: usize, end: usize, bytes: Vec<u8>) {
        self.traffic.count_bytes(&bytes);
        let (trip, now) = (self.trip(), self.now);
        let manners = self.cables[cable].manners.clone();
        let is_lost = self.chance(manners.loss);
        let len = bytes.len();
        let state = &mut self.cables[cable].ends[end];
        let meeting = state.knows;
        state.buffered += len;
        let mut at = now + trip;
        if !manners.reorders {
            at = at.max(state.arrives_at);
            state.arrives_at = at;
        }
        self.at(at, move |world| {
            let state = &mut world.cables[cable];
            state.ends[end].buffered -= len;
            let other = &state.ends[1 - end];
            let (run, load) = (other.run, world.pages[other.page].load);
            let is_same = other.is_connected && state.meetings == meeting;
            let arrives = is_same && !is_lost && !state.is_cut;
            if let Some(run) = run.filter(|_| arrives) {
                let received = TransportEvent::Received(bytes);
                world.deliver(load, Arrival::Transport(run, received));
            }
        });
    }

    /// Drops the ends of cables of a page that is gone.
    pub(crate) fn drop_cables(&mut self, page: usize) {
        for cable in 0..self.cables.len() {
            for end in 0..2 {
                if self.cables[cable].ends[end].page == page {
                    self.cables[cable].ends[end].run = None;
                    self.cables[cable].ends[end].is_connected = false;
                    self.lose_end(cable, 1 - end);
                }
            }
        }
    }

    /// A page is gone without a message.
    pub(crate) fn drop_everything(&mut self, page: usize) {
        self.drop_sockets(page);
        self.drop_connections(page);
        self.drop_cables(page);
    }
}
