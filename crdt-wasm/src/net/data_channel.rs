//! The data channels of one peer connection.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crdt_room::ConnectionEvent;
use crdt_sync::{Channel as Stream, Incoming, LinkId, Outgoing};
use wasm_bindgen::prelude::*;
use web_sys::{RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use super::bridge::{self, Port};
use super::driver::Take;
use super::host::Listener;

/// The label of the channel that carries the document.
pub(super) const SYNC_LABEL: &str = "crdt-sync";

/// The label of the channel for cursors and names, which must not wait behind a long transfer.
pub(super) const PRESENCE_LABEL: &str = "crdt-presence";

/// The channels that either side opened. Messages by any of them count.
pub(super) struct DataChannels {
    this: Weak<DataChannels>,
    link: LinkId,
    all: RefCell<Vec<DataChannel>>,
    /// Below so many waiting bytes a channel reports how many wait in all.
    low_water: u32,
    tell: Box<dyn Fn(ConnectionEvent)>,
    take: Take,
}

/// A channel; dropped, it closes and reports nothing more.
struct DataChannel {
    raw: RtcDataChannel,
    stream: Stream,
    _listeners: [Listener; 5],
}

impl DataChannels {
    pub(super) fn new(
        link: LinkId,
        low_water: usize,
        tell: impl Fn(ConnectionEvent) + 'static,
        take: Take,
    ) -> Rc<DataChannels> {
        Rc::new_cyclic(|this| DataChannels {
            this: this.clone(),
            link,
            all: RefCell::default(),
            low_water: u32::try_from(low_water).unwrap_or(u32::MAX),
            tell: Box::new(tell),
            take,
        })
    }

    /// Takes a channel over that the peer opened, and reports it.
    pub(super) fn add(&self, raw: RtcDataChannel) {
        let is_open = raw.ready_state() == RtcDataChannelState::Open;
        let stream = self.adopt(raw);
        (self.tell)(ConnectionEvent::ChannelAdded);
        // No event comes for a channel that is open already.
        if is_open && stream == Stream::Sync {
            (self.tell)(ConnectionEvent::ChannelOpened);
        }
    }

    /// Takes a channel over. Its listeners stand before any other code runs, so no message that the
    /// browser holds back until then is lost.
    pub(super) fn adopt(&self, raw: RtcDataChannel) -> Stream {
        let stream = match raw.label().as_str() {
            PRESENCE_LABEL => Stream::Presence,
            _ => Stream::Sync,
        };
        raw.set_binary_type(RtcDataChannelType::Arraybuffer);
        raw.set_buffered_amount_low_threshold(self.low_water);
        let tell_document = |event: ConnectionEvent| {
            move |channels: &DataChannels| {
                if stream == Stream::Sync {
                    (channels.tell)(event.clone());
                }
            }
        };
        let listeners = [
            self.on(&raw, "open", tell_document(ConnectionEvent::ChannelOpened)),
            self.on(&raw, "close", tell_document(ConnectionEvent::ChannelClosed)),
            self.on(&raw, "error", tell_document(ConnectionEvent::ChannelClosed)),
            self.on(&raw, "bufferedamountlow", DataChannels::report_buffered),
            self.messages(&raw),
        ];
        let channel = DataChannel {
            raw,
            stream,
            _listeners: listeners,
        };
        // A host that calls this in the middle of `send`, as no browser does, loses the channel.
        if let Ok(mut all) = self.all.try_borrow_mut() {
            all.push(channel);
        }
        stream
    }

    /// Sends a message by the first open channel for its stream.
    pub(super) fn send(&self, stream: Stream, message: &Outgoing) -> Result<(), JsValue> {
        let all = self.all.borrow();
        let of = |stream| all.iter().filter(move |channel| channel.stream == stream);
        let own = of(Stream::Presence).filter(|_| stream == Stream::Presence);
        for channel in own.chain(of(Stream::Sync)) {
            match channel.send(message) {
                // Asked only when it did not go: that is a call out, before every keystroke.
                Err(_) if channel.raw.ready_state() != RtcDataChannelState::Open => {}
                sent => return sent,
            }
        }
        Err(js_sys::Error::new("the data channel is not open").into())
    }

    /// Reports how many bytes wait to be sent.
    pub(super) fn report_buffered(&self) {
        let all = self.all.borrow();
        let waiting = all.iter().map(|channel| channel.raw.buffered_amount());
        let bytes = waiting.map(|bytes| bytes as usize).sum();
        drop(all);
        (self.tell)(ConnectionEvent::Buffered(bytes));
    }

    fn on(
        &self,
        channel: &RtcDataChannel,
        event: &'static str,
        act: impl Fn(&DataChannels) + 'static,
    ) -> Listener {
        let this = self.this.clone();
        Listener::new(channel, event, move |_| {
            if let Some(channels) = this.upgrade() {
                act(&channels);
            }
        })
    }

    /// Hands the messages of a channel to the room. They come with every keystroke.
    fn messages(&self, channel: &RtcDataChannel) -> Listener {
        let link = self.link;
        let (take_bytes, take_text) = (Rc::clone(&self.take), Rc::clone(&self.take));
        let port = Port::new(
            move |bytes| take_bytes(link, Incoming::Binary(bytes)),
            move |text| take_text(link, Incoming::Text(&text)),
        );
        Listener::of(channel, "message", port.receiver.clone(), port)
    }
}

impl DataChannel {
    fn send(&self, message: &Outgoing) -> Result<(), JsValue> {
        match message {
            Outgoing::Text(text) => self.raw.send_with_str(text),
            Outgoing::Binary(bytes) => bridge::send_bytes(&self.raw, bytes),
        }
    }
}

impl Drop for DataChannel {
    fn drop(&mut self) {
        self.raw.close();
    }
}
