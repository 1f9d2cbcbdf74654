//! One data channel, for as long as it is kept.

use crdt_sync::Outgoing;
use wasm_bindgen::prelude::*;
use web_sys::{RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::browser::Listener;
use super::crossing;

/// What a channel tells.
pub(crate) enum ChannelEvent {
    Open,
    Text(String),
    Binary(Vec<u8>),
    /// What waited to be sent has fallen below the mark.
    Drained,
    /// It closed, or failed.
    Closed,
}

/// The channel; dropped, it closes and is silent.
pub(crate) struct Channel {
    raw: RtcDataChannel,
    label: String,
    _listeners: [Listener; 5],
}

impl Channel {
    /// Takes a channel over. The listeners stand before any other code runs, so no message that
    /// the browser holds back until then is lost.
    ///
    /// Below `low_water` waiting bytes it tells that it is [drained](ChannelEvent::Drained).
    pub(crate) fn adopt(
        raw: RtcDataChannel,
        low_water: u32,
        tell: impl Fn(ChannelEvent) + Clone + 'static,
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
            messages(&raw, tell.clone()),
        ];
        Channel {
            label: raw.label(),
            raw,
            _listeners: listeners,
        }
    }

    /// Whether it has this label.
    pub(crate) fn is_for(&self, label: &str) -> bool {
        self.label == label
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
fn messages(channel: &RtcDataChannel, tell: impl Fn(ChannelEvent) + Clone + 'static) -> Listener {
    let binary = tell.clone();
    let take_bytes =
        Closure::<dyn Fn(Vec<u8>)>::new(move |bytes| binary(ChannelEvent::Binary(bytes)));
    let take_text = Closure::<dyn Fn(String)>::new(move |text| tell(ChannelEvent::Text(text)));
    let callback = crossing::receiver(&take_bytes, &take_text);
    Listener::of(channel, "message", callback, (take_bytes, take_text))
}
