//! The data channels of a connection, and what waits to go through them.

use std::collections::VecDeque;

use crdt_sync::{Channel as Stream, Outgoing};
use str0m::change::SdpApi;
use str0m::channel::ChannelId;
use str0m::{Rtc, RtcError};

/// The label of the channel that carries the document.
const SYNC_LABEL: &str = "crdt-sync";

/// The label of the channel for cursors and names, which must not wait behind a long transfer.
const PRESENCE_LABEL: &str = "crdt-presence";

/// One channel.
#[derive(Debug)]
struct Channel {
    stream: Stream,
    /// `None` until it was asked for.
    id: Option<ChannelId>,
    is_open: bool,
}

/// All channels of a connection, those of both sides.
#[derive(Debug, Default)]
pub(super) struct Channels {
    all: Vec<Channel>,
    /// What waits to be given to SCTP.
    presence: VecDeque<Outgoing>,
    sync: VecDeque<Outgoing>,
    waiting_bytes: usize,
}

/// A message that could not be sent.
#[derive(Debug)]
pub(super) enum SendError {
    /// No channel is open for it; it was dropped.
    Closed,
    Rtc(RtcError),
}

impl Channels {
    /// Wants channels from this side. The next description asks for them.
    pub(super) fn want(&mut self, with_presence: bool) {
        self.all.push(Channel::new(Stream::Sync, None));
        if with_presence {
            self.all.push(Channel::new(Stream::Presence, None));
        }
    }

    /// Has a description ask for those that are wanted and were not asked for.
    pub(super) fn ask(&mut self, changes: &mut SdpApi<'_>) {
        for channel in self.all.iter_mut().filter(|channel| channel.id.is_none()) {
            let label = match channel.stream {
                Stream::Sync => SYNC_LABEL,
                Stream::Presence => PRESENCE_LABEL,
            };
            channel.id = Some(changes.add_channel(label.to_owned()));
        }
    }

    /// The description that asked for them was taken back.
    pub(super) fn forget_asked(&mut self) {
        for channel in self.all.iter_mut().filter(|channel| !channel.is_open) {
            channel.id = None;
        }
    }

    /// A channel is open. Returns its stream, and whether the other side opened it.
    pub(super) fn opened(&mut self, id: ChannelId, label: &str) -> (Stream, bool) {
        let known = self.all.iter().position(|channel| channel.id == Some(id));
        let index = known.unwrap_or_else(|| {
            let stream = match label {
                PRESENCE_LABEL => Stream::Presence,
                _ => Stream::Sync,
            };
            self.all.push(Channel::new(stream, Some(id)));
            self.all.len() - 1
        });
        let channel = &mut self.all[index];
        channel.is_open = true;
        (channel.stream, known.is_none())
    }

    /// A channel is closed. Returns the stream of one that was open.
    pub(super) fn closed(&mut self, id: ChannelId) -> Option<Stream> {
        let mut all = self.all.iter_mut();
        let channel = all.find(|channel| channel.id == Some(id))?;
        std::mem::replace(&mut channel.is_open, false).then_some(channel.stream)
    }

    /// Closes all. Returns whether one for the document was open.
    pub(super) fn close(&mut self) -> bool {
        let mut carried = false;
        for channel in &mut self.all {
            carried |= channel.is_open && channel.stream == Stream::Sync;
            channel.is_open = false;
        }
        carried
    }

    /// Takes a message to be sent.
    pub(super) fn push(&mut self, stream: Stream, message: Outgoing) {
        self.waiting_bytes += message.len();
        match stream {
            Stream::Sync => self.sync.push_back(message),
            Stream::Presence => self.presence.push_back(message),
        }
    }

    /// Gives one message to SCTP, if that takes it. Returns whether it did.
    pub(super) fn send_next(&mut self, rtc: &mut Rtc) -> Result<bool, SendError> {
        let (stream, queue) = if self.presence.is_empty() {
            (Stream::Sync, &mut self.sync)
        } else {
            (Stream::Presence, &mut self.presence)
        };
        let Some(message) = queue.front() else {
            return Ok(false);
        };
        let of = |stream| {
            let open = self.all.iter().filter(|channel| channel.is_open);
            open.filter(move |channel| channel.stream == stream)
        };
        // A connection with one channel sends both streams there.
        let channel = of(stream).chain(of(Stream::Sync)).next();
        let sending = channel.and_then(|channel| rtc.channel(channel.id?));
        let written = match (sending, message) {
            (Some(mut sending), Outgoing::Text(text)) => sending.write(false, text.as_bytes()),
            (Some(mut sending), Outgoing::Binary(bytes)) => sending.write(true, bytes),
            (None, _) => {
                self.waiting_bytes -= message.len();
                queue.pop_front();
                return Err(SendError::Closed);
            }
        };
        let was_taken = written.map_err(SendError::Rtc)?;
        if was_taken {
            self.waiting_bytes -= message.len();
            queue.pop_front();
        }
        Ok(was_taken)
    }

    /// How many bytes wait, here and in SCTP.
    pub(super) fn waiting(&self, rtc: &mut Rtc) -> usize {
        let open = self.all.iter().filter(|channel| channel.is_open);
        let in_sctp: usize = open
            .filter_map(|channel| channel.id)
            .map(|id| rtc.channel(id).map_or(0, |mut it| it.buffered_amount()))
            .sum();
        self.waiting_bytes + in_sctp
    }
}

impl Channel {
    fn new(stream: Stream, id: Option<ChannelId>) -> Channel {
        Channel {
            stream,
            id,
            is_open: false,
        }
    }
}
