//! One WebSocket to a signaling server, for as long as it is kept.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CloseEvent, MessageEvent, WebSocket};

use super::browser::Listener;

/// What a socket tells.
pub(crate) enum SocketEvent {
    Open,
    /// A text frame.
    Text(String),
    /// It is closed, or never opened; the last event.
    Closed {
        /// The number in the close frame; 1006 when there was none.
        code: u16,
        reason: String,
    },
}

/// The socket; dropped, it closes and is silent.
pub(crate) struct Socket {
    raw: WebSocket,
    _listeners: [Listener; 3],
}

impl Socket {
    /// Opens a socket. Fails when the address is none, or the page may not use it.
    pub(crate) fn open(
        url: &str,
        tell: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Result<Socket, JsValue> {
        let raw = WebSocket::new(url)?;
        let (opened, closed) = (tell.clone(), tell.clone());
        let listeners = [
            Listener::new(&raw, "open", move |_| opened(SocketEvent::Open)),
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
                closed(SocketEvent::Closed {
                    code: event.code(),
                    reason: event.reason(),
                });
            }),
        ];
        Ok(Socket {
            raw,
            _listeners: listeners,
        })
    }

    /// Sends a text frame; what a socket that is not open refuses is lost, as its close will tell.
    pub(crate) fn send(&self, text: &str) {
        let _ = self.raw.send_with_str(text);
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.raw.buffered_amount() as usize
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.raw.close();
    }
}
