//! Two who get to know each other through a signaling server.

use std::collections::VecDeque;
use std::hint::black_box;

use crdt_sync::mesh;
use crdt_sync::negotiation::{Action, ConnectionState, Input, Negotiation, Timing};
use signaling_protocol::limits::PROTOCOL_VERSION;
use signaling_protocol::{AgentId, ClientMessage, Join, PeerList, RoomId, ServerMessage};

use crate::net::{page, signal};

/// What the server says to one who joins a room in which somebody is, and to who is there.
const PEER_LIST: &str = r#"{"type":"peer_list","peers":["other"],
    "capabilities":{"other":["page:0000000000000002"]}}"#;
const PEER_JOINED: &str = r#"{"type":"peer_joined","peerId":"one",
    "capabilities":["page:0000000000000001"]}"#;

/// Stand for what the browser makes.
const DESCRIPTION: &str = "v=0\r\n";
const CANDIDATE: &str = r#"{"candidate":"","sdpMid":"0"}"#;

/// Has one join a room where the other is, and both agree on a connection; `take` takes who is there.
/// Returns how many messages that took, or nothing if one of them did not survive the way.
pub(super) fn introduce(take: &dyn Fn(&PeerList)) -> Option<usize> {
    join_a_room(take)?;
    negotiate()
}

fn join_a_room(take: &dyn Fn(&PeerList)) -> Option<()> {
    let one = AgentId::parse("one").ok()?;
    let join = Join {
        room: RoomId::parse("a room").ok(),
        capabilities: vec![page::capability(1)],
        protocol: Some(PROTOCOL_VERSION),
        ..Join::new(one)
    };
    black_box(ClientMessage::Join(join).to_json());
    let (ServerMessage::PeerList(list), ServerMessage::PeerJoined(joined)) = (
        ServerMessage::parse(PEER_LIST).ok()?,
        ServerMessage::parse(PEER_JOINED).ok()?,
    ) else {
        return None;
    };
    let pages = [
        page::of(&joined.capabilities),
        page::of(list.capabilities.values().next()?),
    ];
    take(&list);
    let members = || list.peers.iter().map(AgentId::as_str);
    black_box((
        mesh::peers("one", members()),
        mesh::plan("one", members(), members()),
    ));
    (pages == [Some(1), Some(2)]).then_some(())
}

fn negotiate() -> Option<usize> {
    let mut messages = 0;
    let names = ["one", "other"];
    let ids = names.map(|name| AgentId::parse(name).ok());
    let mut ends =
        [0, 1].map(|at| Negotiation::new(names[at], names[1 - at], names[at], Timing::default()));
    let mut inputs = VecDeque::from([(0, Input::Start), (1, Input::Start)]);
    let mut later = [
        Input::LocalCandidate(CANDIDATE.to_owned()),
        Input::State(ConnectionState::Connecting),
        Input::State(ConnectionState::Connected),
    ]
    .into_iter();
    loop {
        let Some((at, input)) = inputs.pop_front() else {
            let Some(input) = later.next() else {
                break;
            };
            inputs.extend([(0, input.clone()), (1, input)]);
            continue;
        };
        for action in ends[at].handle(input, 0, 0.5) {
            let next = match action {
                Action::CreateOffer { op, .. } | Action::CreateAnswer { op } => {
                    let sdp = DESCRIPTION.to_owned();
                    (at, Input::Created { op, sdp })
                }
                Action::SetLocal { op, .. } | Action::SetRemote { op, .. } => {
                    (at, Input::Done { op })
                }
                Action::Send(signal) => {
                    let [from, to] = [at, 1 - at].map(|end| ids[end].clone());
                    let sent = ClientMessage::Signal(signal::write(&signal, from?, to?)?);
                    let ServerMessage::Signal(came) = ServerMessage::parse(&sent.to_json()).ok()?
                    else {
                        return None;
                    };
                    messages += 1;
                    (1 - at, Input::Signal(signal::read(&came)?))
                }
                _ => continue,
            };
            inputs.push_back(next);
        }
        black_box(ends[at].next_timeout());
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    #[test]
    fn two_agree_on_a_connection() {
        let present = Cell::new(0);
        let messages = super::introduce(&|list| present.set(list.peers.len()));
        assert_eq!(present.get(), 1);
        // An offer, an answer, and a candidate of each.
        assert_eq!(messages, Some(4));
    }
}
