//! Two members of a room that meet, and type.

use std::collections::VecDeque;

use crdt_core::{Document, EditError};
use crdt_room::{
    Call, CallId, ConnectionCommand, ConnectionEvent, Host, Input, News, Output, Room, RoomOptions,
    SocketCommand, SocketEvent, SocketId,
};
use crdt_sync::negotiation::ConnectionState;
use crdt_sync::{Config, Incoming, LinkId, Millis, Outgoing};
use signaling_protocol::AgentId;

/// The number of edits in the history.
const EDITS: usize = 1_000;

/// How many edits are made in one step, and how long one is at most, in chars.
const EDITS_A_STEP: usize = 100;
const LONGEST_EDIT: usize = 60;

/// A meeting that has no end after so many steps is given up.
const STEPS: usize = 100;

const NAMES: [&str; 2] = ["one", "other"];

/// What the server says to the first that joins, to the second, and to the first about that.
const NOBODY: &str = r#"{"type":"peer_list","peers":[]}"#;
const FIRST: &str = r#"{"type":"peer_list","peers":["one"],
    "capabilities":{"one":["page:0000000000000001"]}}"#;
const SECOND: &str = r#"{"type":"peer_joined","peerId":"other",
    "capabilities":["page:0000000000000002"]}"#;

/// Stand for what the browser makes.
const DESCRIPTION: &str = "v=0\r\n";
const CANDIDATE: &str = r#"{"candidate":"","sdpMid":"0"}"#;

/// A member writes a history, and meets one without; then both type.
pub(super) struct Meeting {
    members: [Member; 2],
    /// What is on its way, and to which member.
    under_way: VecDeque<(usize, Event)>,
    now: Millis,
    /// How many steps are left.
    steps: usize,
    /// How many edits are still to be made before they meet.
    edits: usize,
    /// Who types next, and when: a second later, when they ask whether the other is there.
    typists: &'static [(usize, Millis)],
    /// State of a linear congruential generator.
    random: u32,
}

struct Member {
    document: Document,
    room: Room,
    socket: SocketId,
    has_joined: bool,
    link: LinkId,
}

enum Event {
    Input(Input<'static>),
    /// A message of the other's, by the data channel.
    Message(Outgoing),
}

impl Meeting {
    pub(super) fn new() -> Option<Meeting> {
        let members = NAMES.map(Member::new);
        let [Some(one), Some(other)] = members else {
            return None;
        };
        Some(Meeting {
            members: [one, other],
            under_way: VecDeque::new(),
            now: 0,
            steps: STEPS,
            edits: EDITS,
            typists: &[(0, 1_001), (1, 1_050)],
            random: 1,
        })
    }

    /// Goes on a little; returns whether there is more to do. `tell` hears the news.
    pub(super) fn step(&mut self, tell: &dyn Fn(News)) -> Result<bool, EditError> {
        let Some(steps) = self.steps.checked_sub(1) else {
            return Ok(false);
        };
        self.steps = steps;
        if self.edits > 0 {
            for _ in 0..EDITS_A_STEP.min(self.edits) {
                self.edits -= 1;
                self.edit()?;
            }
            if self.edits == 0 {
                self.connect(tell);
            }
            return Ok(true);
        }
        if self.exchange(tell) {
            return Ok(true);
        }
        let Some((&(at, now), later)) = self.typists.split_first() else {
            return Ok(false);
        };
        self.typists = later;
        self.now = now;
        self.members[at].document.insert(2, "!")?;
        self.take(at, Input::Edited, tell);
        self.take(at, Input::Timeout, tell);
        Ok(true)
    }

    /// Writes text that repeats itself, here or there, or deletes some; half of it at the end.
    fn edit(&mut self) -> Result<(), EditError> {
        let length = self.members[0].document.len_chars();
        let at = self.draw(length + 1);
        let long = self.draw(LONGEST_EDIT);
        let text: String = (0..long)
            .map(|_| ["a", "b", "c", "d"][self.draw(4)])
            .collect();
        let document = &mut self.members[0].document;
        if self.edits == 0 {
            document.delete(length / 4, length / 2)
        } else if self.edits.is_multiple_of(4) {
            document.delete(at, long.min(length - at))
        } else {
            document.insert(at, &text)
        }
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.random >> 8) as usize % bound
    }

    fn connect(&mut self, tell: &dyn Fn(News)) {
        for (at, page) in [(0, 1), (1, 2)] {
            let connect = Call::Connect {
                call: CallId(0),
                urls: vec!["ws://localhost".to_owned()],
                page,
            };
            self.take(at, Input::Call(connect), tell);
        }
    }

    /// Has all arrive that is under way; returns whether there was anything.
    fn exchange(&mut self, tell: &dyn Fn(News)) -> bool {
        let events = std::mem::take(&mut self.under_way);
        let is_any = !events.is_empty();
        for (at, event) in events {
            match event {
                Event::Input(input) => self.take(at, input, tell),
                Event::Message(message) => {
                    let link = self.members[at].link;
                    let message = match &message {
                        Outgoing::Text(text) => Incoming::Text(text),
                        Outgoing::Binary(bytes) => Incoming::Binary(bytes),
                    };
                    self.take(at, Input::Message { link, message }, tell);
                }
            }
        }
        for at in [0, 1] {
            let member = &mut self.members[at];
            member.room.settle(self.now, &mut member.document);
            self.drain(at, tell);
        }
        is_any
    }

    fn take(&mut self, at: usize, input: Input<'_>, tell: &dyn Fn(News)) {
        let member = &mut self.members[at];
        member.room.handle(input, self.now, &mut member.document);
        self.drain(at, tell);
    }

    fn drain(&mut self, at: usize, tell: &dyn Fn(News)) {
        loop {
            let member = &mut self.members[at];
            match member.room.poll_output(self.now, &mut member.document) {
                Some(Output::Send { message, .. }) => self.send(1 - at, Event::Message(message)),
                Some(Output::Socket { socket, command }) => self.signal(at, socket, command),
                Some(Output::Connection { link, command }) => self.negotiate(at, link, command),
                Some(Output::Tell(news)) => tell(news),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn send(&mut self, to: usize, event: Event) {
        self.under_way.push_back((to, event));
    }

    /// What becomes of a command to a signaling socket: the first message on it is the join.
    fn signal(&mut self, at: usize, socket: SocketId, command: SocketCommand) {
        let other = 1 - at;
        match command {
            SocketCommand::Open { .. } => {
                self.members[at].socket = socket;
                self.report_socket(at, SocketEvent::Opened);
            }
            SocketCommand::Send(text) if self.members[at].has_joined => {
                self.report_socket(other, SocketEvent::Text(text));
            }
            SocketCommand::Send(_) => {
                self.members[at].has_joined = true;
                let list = if at == 0 { NOBODY } else { FIRST };
                self.report_socket(at, SocketEvent::Text(list.to_owned()));
                if at == 1 {
                    self.report_socket(other, SocketEvent::Text(SECOND.to_owned()));
                }
            }
            SocketCommand::AskBuffered => self.report_socket(at, SocketEvent::Buffered(0)),
            SocketCommand::Close => {}
        }
    }

    /// What becomes of a command to a peer connection.
    fn negotiate(&mut self, at: usize, link: LinkId, command: ConnectionCommand) {
        let event = match command {
            ConnectionCommand::Create { .. } => {
                self.members[at].link = link;
                return;
            }
            ConnectionCommand::OpenChannels { .. } => ConnectionEvent::NegotiationNeeded,
            ConnectionCommand::CreateOffer { op, .. } | ConnectionCommand::CreateAnswer { op } => {
                let sdp = DESCRIPTION.to_owned();
                ConnectionEvent::Created { op, sdp }
            }
            ConnectionCommand::SetLocal { op, .. } => {
                self.report(at, link, ConnectionEvent::Done { op });
                ConnectionEvent::Candidate(CANDIDATE.to_owned())
            }
            ConnectionCommand::SetRemote { op, .. } | ConnectionCommand::Rollback { op } => {
                ConnectionEvent::Done { op }
            }
            ConnectionCommand::AddCandidate { .. } => {
                self.report(
                    at,
                    link,
                    ConnectionEvent::State(ConnectionState::Connecting),
                );
                self.report(at, link, ConnectionEvent::State(ConnectionState::Connected));
                ConnectionEvent::ChannelOpened
            }
            ConnectionCommand::AskBuffered => ConnectionEvent::Buffered(0),
            ConnectionCommand::Close => return,
        };
        self.report(at, link, event);
    }

    fn report_socket(&mut self, at: usize, event: SocketEvent) {
        let socket = self.members[at].socket;
        self.send(at, Event::Input(Input::Socket { socket, event }));
    }

    fn report(&mut self, at: usize, link: LinkId, event: ConnectionEvent) {
        self.send(at, Event::Input(Input::Connection { link, event }));
    }
}

impl Member {
    fn new(name: &str) -> Option<Member> {
        let host = Host {
            websocket: true,
            webrtc: true,
            broadcast: false,
        };
        // Parts and frames are short, so that there are many.
        let sync = Config {
            max_frame: 2 * 1024,
            first_part: 64,
            part: 8 * 1024,
            ..Config::default()
        };
        let options = RoomOptions::new(AgentId::parse(name).ok()?, host);
        Some(Member {
            document: Document::new(name).ok()?,
            room: Room::new(RoomOptions { sync, ..options }, Box::new(|| 0.5)),
            socket: SocketId(0),
            has_joined: false,
            link: LinkId(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_history_comes_in_parts_and_both_type() {
        let told = RefCell::new(Vec::new());
        let tell = |news| told.borrow_mut().push(news);
        let mut meeting = Meeting::new().unwrap();
        while meeting.step(&tell).unwrap() {}
        assert!(meeting.steps > STEPS / 4, "{} steps left", meeting.steps);

        let [one, other] = meeting.members.map(|member| member.document.text());
        assert_eq!(one, other);
        assert!(one.len() > 5_000, "{} bytes of text", one.len());
        let told = told.into_inner();
        let joined = |news: &&News| matches!(news, News::ConnectEnded { result: Ok(()), .. });
        assert_eq!(told.iter().filter(joined).count(), 2);
        let changes: Vec<Vec<&str>> = told
            .iter()
            .filter_map(|news| match news {
                News::Changed { splices } => Some(splices),
                _ => None,
            })
            .map(|splices| splices.iter().map(|splice| &splice.inserted[..]).collect())
            .collect();
        let [parts @ .., by_one, by_other] = changes.as_slice() else {
            panic!("{} changes were told", changes.len());
        };
        assert!(parts.len() > 6, "the history came in {} parts", parts.len());
        assert_eq!([by_one, by_other], [&["!"], &["!"]]);
    }
}
