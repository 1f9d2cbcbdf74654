//! One data channel, for as long as it is kept.

use crdt_sync::{Channel as Stream, Outgoing};
use wasm_bindgen::prelude::*;
use web_sys::{RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::browser::Listener;
use super::crossing::{self, Port};

/// The label of the channel that carries the document.
pub(super) const SYNC_LABEL: &str = "crdt-sync";

/// The label of the channel for cursors and names, which must not wait behind a long transfer.
pub(super) const PRESENCE_LABEL: &str = "crdt-presence";

/// What a channel tells.
pub(crate) enum ChannelEvent {
    Open,
    Text(String),
    /// What waited to be sent has fallen below the mark.
    Drained,
    /// It closed, or failed.
    Closed,
}

/// The channel; dropped, it closes and is silent.
pub(crate) struct Channel {
    raw: RtcDataChannel,
    stream: Stream,
    _listeners: [Listener; 5],
}

impl Channel {
    /// Takes a channel over. The listeners stand before any other code runs, so no message that
    /// the browser holds back until then is lost. Binary messages go to `take`.
    ///
    /// Below `low_water` waiting bytes it tells that it is [drained](ChannelEvent::Drained).
    pub(crate) fn adopt(
        raw: RtcDataChannel,
        low_water: u32,
        tell: impl Fn(ChannelEvent) + Clone + 'static,
        take: impl Fn(&[u8]) + 'static,
    ) -> Channel {
        raw.set_binary_type(RtcDataChannelType::Arraybuffer);
        raw.set_buffered_amount_low_threshold(low_water);
        let on = |event, told: fn() -> ChannelEvent| {
            let tell = tell.clone();
            Listener::new(&raw, event, move |_| tell(told()))
        };
        let listeners = [
            on("open", || ChannelEvent::Open),
            on("bufferedamountlow", || ChannelEvent::Drained),
            on("close", || ChannelEvent::Closed),
            on("error", || ChannelEvent::Closed),
            messages(&raw, tell.clone(), take),
        ];
        Channel {
            stream: match raw.label().as_str() {
                PRESENCE_LABEL => Stream::Presence,
                _ => Stream::Sync,
            },
            raw,
            _listeners: listeners,
        }
    }

    /// Which of the engine's streams it is for.
    pub(crate) fn stream(&self) -> Stream {
        self.stream
    }

    pub(crate) fn is_open(&self) -> bool {
        self.raw.ready_state() == RtcDataChannelState::Open
    }

    pub(crate) fn send(&self, message: &Outgoing) -> Result<(), JsValue> {
        match message {
            Outgoing::Text(text) => self.raw.send_with_str(text),
            Outgoing::Binary(bytes) => crossing::send_bytes(&self.raw, bytes),
        }
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.raw.buffered_amount() as usize
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.raw.close();
    }
}

/// Hears the messages of a channel, for as long as it is kept.
fn messages(
    channel: &RtcDataChannel,
    tell: impl Fn(ChannelEvent) + 'static,
    take: impl Fn(&[u8]) + 'static,
) -> Listener {
    let port = Port::new(take, move |text| tell(ChannelEvent::Text(text)));
    Listener::of(channel, "message", port.receiver.clone(), port)
}
