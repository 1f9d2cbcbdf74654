//! A transport of the user's own whose other end a test controls: the test reads its messages, and
//! sends any messages.

use crdt_room::{Call, RunId, TransportCommand, TransportEvent, TransportId};

use crate::arrival::Arrival;
use crate::world::World;

/// The behaviour of the transport's functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// `start` connects.
    Connects,
    /// It never connects.
    Idles,
    /// `start` throws.
    ThrowsAtStart,
    /// `start` connects, and `send` throws.
    ThrowsAtSend,
    /// It connects, and never sends its messages.
    Clogs,
}

#[derive(Debug)]
pub(crate) struct Hand {
    page: usize,
    habit: Habit,
    pub(crate) run: Option<RunId>,
    /// The messages that the page sent.
    pub(crate) got: Vec<Vec<u8>>,
    pub(crate) starts: usize,
    pub(crate) stops: usize,
}

impl Hand {
    /// The first message of a kind.
    pub(crate) fn first(&self, kind: u8) -> Option<&Vec<u8>> {
        self.got.iter().find(|message| message[0] == kind)
    }
}

impl World {
    /// Adds a transport to a page.
    pub(crate) fn hold(&mut self, page: usize, habit: Habit) -> TransportId {
        let transport = TransportId(self.next_number());
        let hand = Hand {
            page,
            habit,
            run: None,
            got: Vec::new(),
            starts: 0,
            stops: 0,
        };
        self.hands.insert(transport, hand);
        self.call(page, Call::AddTransport(transport));
        transport
    }

    fn hand(&mut self, transport: TransportId) -> &mut Hand {
        self.hands.get_mut(&transport).expect("a hand")
    }

    /// Reports an event of the current run.
    pub(crate) fn report(&mut self, transport: TransportId, event: TransportEvent) {
        let hand = self.hand(transport);
        let (page, run) = (hand.page, hand.run.expect("it runs"));
        self.give(page, Arrival::Transport(run, event));
    }

    /// Delivers a message.
    pub(crate) fn say(&mut self, transport: TransportId, message: &[u8]) {
        let hand = self.hand(transport);
        let (page, run) = (hand.page, hand.run.expect("it runs"));
        self.give(
            page,
            Arrival::Transport(run, TransportEvent::Received(message.to_vec())),
        );
    }

    pub(crate) fn command_hand(
        &mut self,
        page: usize,
        transport: TransportId,
        run: RunId,
        command: TransportCommand,
    ) {
        let load = self.pages[page].load;
        let hand = self.hand(transport);
        let held = match &command {
            TransportCommand::Start => None,
            _ => Some(run),
        };
        assert_eq!(hand.run, held, "{command:?}");
        let throws = |habit: Habit, name: &str| {
            (hand.habit == habit).then(|| TransportEvent::Failed {
                reason: format!("{name}() threw: not today"),
            })
        };
        let event = match command {
            TransportCommand::Start => {
                let failed = throws(Habit::ThrowsAtStart, "start");
                let idles = hand.habit == Habit::Idles;
                hand.run = Some(run);
                hand.starts += 1;
                failed.or((!idles).then_some(TransportEvent::Connected))
            }
            TransportCommand::Send(bytes) => {
                let failed = throws(Habit::ThrowsAtSend, "send");
                hand.got.push(bytes);
                failed
            }
            TransportCommand::AskBuffered => {
                let clogs = hand.habit == Habit::Clogs;
                let waiting = hand.got.iter().map(Vec::len).sum();
                Some(TransportEvent::Buffered(if clogs { waiting } else { 0 }))
            }
            TransportCommand::Stop { .. } => {
                hand.run = None;
                hand.stops += 1;
                self.pages[page].held.runs.remove(&run);
                return;
            }
        };
        self.pages[page].held.runs.insert(run, transport);
        if let Some(event) = event {
            self.arrive(0, load, Arrival::Transport(run, event));
        }
    }
}
