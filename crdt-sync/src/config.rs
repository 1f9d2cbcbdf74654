//! The figures that the engine works with.

use crate::time::Millis;

/// Times, windows and bounds. The defaults suit WebRTC data channels; see each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest binary message given to a transport; longer ones go in fragments.
    /// 16 KiB is what every WebRTC implementation carries.
    pub max_frame: usize,
    /// Fragments are given to a transport while it buffers less than this, in bytes.
    pub window: usize,
    /// New changes are encoded for a transport while it buffers no more than this, in bytes; above,
    /// they wait and are coalesced. Set `bufferedAmountLowThreshold` of a data channel to it.
    pub low_water: usize,
    /// About how many bytes of changes go in one message: a long history goes in parts, so that what
    /// has arrived is merged while the rest is under way. Less than 64 KiB are compressed with a smaller
    /// table, which is the one that a browser has compiled by then.
    pub part: usize,
    /// The first part of a history of more than eight times as many events, in bytes; the next ones
    /// double until they are of [`Config::part`]. So the first is soon made and merged, and what is
    /// slow when it is done for the first time is done while the rest is under way.
    pub first_part: usize,
    /// Whether peers that can compress may send long changes compressed.
    pub takes_packed: bool,
    /// Changes that follow each other faster than this are coalesced. The first two go at once.
    pub coalesce: Millis,
    /// The longest time until a peer gets a receipt for its changes: [`Engine::acknowledge`]
    /// does so at once where that is of use.
    ///
    /// [`Engine::acknowledge`]: crate::Engine::acknowledge
    pub receipt_delay: Millis,
    /// How long a change from one peer waits before it is passed on to others that may have it by
    /// another way.
    pub forward_delay: Millis,
    /// How often an idle link is checked: round trip, equal versions, equal texts.
    pub heartbeat: Millis,
    /// A link from which nothing comes for this long after a check is dead.
    pub dead_after: Millis,
    /// A transport that is full, and stays so for this long, is given up.
    pub stalled_after: Millis,
    /// How long a link has to be at rest before a difference between the versions at its ends is
    /// taken for a loss, and not for changes under way.
    pub settle: Millis,
    /// How long to wait for a hello before saying it again.
    pub hello_retry: Millis,
    /// How long to wait for a hello before also speaking the JSON form.
    pub compat_after: Millis,
    /// How long changes whose predecessors are missing wait for these before they are asked for;
    /// doubles up to `repair_max` while that brings nothing.
    pub repair_min: Millis,
    /// See `repair_min`.
    pub repair_max: Millis,
    /// How long a fragmented message may stand still before it is given up.
    pub fragment_timeout: Millis,
    /// The largest reassembled message, in bytes.
    pub max_message: usize,
    /// The largest JSON text message sent, in bytes.
    pub max_text_message: usize,
    /// The least time between two presence messages on one link.
    pub presence_interval: Millis,
    /// How long the presence of a session stays after the way to it is lost, unless it shows itself
    /// by another way.
    pub presence_grace: Millis,
    /// Sessions whose presence is kept; further ones are not shown.
    pub max_presence_sessions: usize,
    /// The presence of one session, in bytes of names and values.
    pub max_presence_bytes: usize,
    /// Presence messages taken from one link a second, on average; far more than a peer of this kind
    /// sends. A link that keeps exceeding it is closed.
    pub presence_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_frame: 16 * 1024,
            window: 1024 * 1024,
            low_water: 256 * 1024,
            part: 60 * 1024,
            first_part: 2 * 1024,
            takes_packed: true,
            coalesce: 10,
            receipt_delay: 250,
            forward_delay: 15,
            heartbeat: 4_000,
            dead_after: 12_000,
            stalled_after: 30_000,
            settle: 1_000,
            hello_retry: 1_000,
            compat_after: 1_500,
            repair_min: 300,
            repair_max: 60_000,
            fragment_timeout: 30_000,
            max_message: 64 * 1024 * 1024,
            max_text_message: 256 * 1024,
            presence_interval: 40,
            presence_grace: 5_000,
            max_presence_sessions: 256,
            max_presence_bytes: 16 * 1024,
            presence_per_second: 100,
        }
    }
}
