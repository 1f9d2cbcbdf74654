//! Sockets to signaling servers: WebSockets, and what stands in for them (`event_stream.js`).

use std::cell::Cell;
use std::rc::Rc;

use crdt_room::{Carrier, Input, SocketCommand, SocketEvent, SocketId};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::driver::Tell;
use super::host::{self, Listener};

#[wasm_bindgen(module = "/src/net/event_stream.js")]
extern "C" {
    /// What it returns has the events and the functions of a WebSocket that are used here.
    #[wasm_bindgen(js_name = openEventStream, catch)]
    fn open_event_stream(url: &str) -> Result<WebSocket, JsValue>;
}

/// The sockets of a session.
pub(super) struct WebSockets {
    all: Vec<(SocketId, Socket)>,
    tell: Tell,
}

/// A socket; dropped, it closes and reports nothing more.
struct Socket {
    raw: WebSocket,
    /// It has reported its last event.
    is_closed: Rc<Cell<bool>>,
    _listeners: [Listener; 3],
}

impl WebSockets {
    pub(super) fn new(tell: Tell) -> WebSockets {
        WebSockets {
            all: Vec::new(),
            tell,
        }
    }

    pub(super) fn run(&mut self, id: SocketId, command: SocketCommand) {
        match command {
            SocketCommand::Open { url, carrier } => self.open(id, &url, carrier),
            SocketCommand::Send(text) => {
                if let Some(socket) = self.get(id) {
                    // A socket that is not open refuses it; its close event tells.
                    let _ = socket.raw.send_with_str(&text);
                }
            }
            SocketCommand::AskBuffered => {
                if let Some(socket) = self.get(id) {
                    let bytes = socket.raw.buffered_amount() as usize;
                    self.report(id, SocketEvent::Buffered(bytes));
                }
            }
            SocketCommand::Close => self.all.retain(|(known, _)| *known != id),
        }
    }

    fn open(&mut self, id: SocketId, url: &str, carrier: Carrier) {
        self.all.retain(|(_, socket)| !socket.is_closed.get());
        let tell = self.tell.clone();
        let opened = Socket::open(url, carrier, move |event| {
            tell(Input::Socket { socket: id, event });
        });
        match opened {
            Ok(socket) => self.all.push((id, socket)),
            Err(thrown) => {
                let reason = host::message_of(&thrown);
                self.report(id, SocketEvent::Refused { reason });
            }
        }
    }

    fn get(&self, id: SocketId) -> Option<&Socket> {
        let found = self.all.iter().find(|(known, _)| *known == id);
        found.map(|(_, socket)| socket)
    }

    fn report(&self, socket: SocketId, event: SocketEvent) {
        (self.tell)(Input::Socket { socket, event });
    }
}

impl Socket {
    /// Fails when the address is not one of a socket, or the page may not use it.
    fn open(
        url: &str,
        carrier: Carrier,
        tell: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Socket, JsValue> {
        let raw = match carrier {
            Carrier::WebSocket => WebSocket::new(url)?,
            Carrier::EventStream => open_event_stream(url)?,
        };
        let is_closed = Rc::new(Cell::new(false));
        let (opened, closed, closes) = (tell.clone(), tell.clone(), Rc::clone(&is_closed));
        let listeners = [
            Listener::new(&raw, "open", move |_| opened(SocketEvent::Opened)),
            // Binary frames are no part of the protocol, and come as no string.
            Listener::new(&raw, "message", move |event| {
                let data = event.unchecked_into::<MessageEvent>().data();
                if let Some(text) = data.as_string() {
                    tell(SocketEvent::Text(text));
                }
            }),
            // An `error` event says nothing that the `close` after it does not say.
            Listener::new(&raw, "close", move |event| {
                let event = event.unchecked_into::<CloseEvent>();
                closes.set(true);
                closed(SocketEvent::Closed {
                    code: event.code(),
                    reason: event.reason(),
                });
            }),
        ];
        Ok(Socket {
            raw,
            is_closed,
            _listeners: listeners,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.raw.close();
    }
}
