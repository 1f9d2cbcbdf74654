//! Owned inputs of a room, which reach a page.

use crdt_room::{
    BroadcastMessage, Call, CipherEvent, ConnectionEvent, Input, PageEvent, RunId, SocketEvent,
    SocketId, TransportEvent,
};
use crdt_sync::{Incoming, LinkId, Outgoing};

#[derive(Debug)]
pub(crate) enum Arrival {
    Edited,
    Call(Call),
    Message(LinkId, Outgoing),
    Socket(SocketId, SocketEvent),
    Connection(LinkId, ConnectionEvent),
    Broadcast(BroadcastMessage),
    Transport(RunId, TransportEvent),
    /// Of the key with this number.
    Cipher(u32, CipherEvent),
    Page(PageEvent),
    Timeout,
}

impl Arrival {
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Arrival::Edited => Input::Edited,
            Arrival::Call(call) => Input::Call(call.clone()),
            Arrival::Message(link, message) => Input::Message {
                link: *link,
                message: match message {
                    Outgoing::Text(text) => Incoming::Text(text),
                    Outgoing::Binary(bytes) => Incoming::Binary(bytes),
                },
            },
            Arrival::Socket(socket, event) => Input::Socket {
                socket: *socket,
                event: event.clone(),
            },
            Arrival::Connection(link, event) => Input::Connection {
                link: *link,
                event: event.clone(),
            },
            Arrival::Broadcast(message) => Input::Broadcast(message.clone()),
            Arrival::Transport(run, event) => Input::Transport {
                run: *run,
                event: event.clone(),
            },
            Arrival::Cipher(_, event) => Input::Cipher(event.clone()),
            Arrival::Page(event) => Input::Page(*event),
            Arrival::Timeout => Input::Timeout,
        }
    }
}
