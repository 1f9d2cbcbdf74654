//! The constants of the engine.

use crate::time::Millis;

/// Times, windows and bounds. The defaults suit WebRTC data channels; see each field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest binary message given to a transport; longer ones go in fragments. Every WebRTC
    /// implementation carries 16 KiB.
    pub max_frame: usize,
    /// Fragments are given to a transport while it buffers less than this, in bytes.
    pub window: usize,
    /// New changes are encoded for a transport while it buffers no more than this, in bytes; above,
    /// they wait and are coalesced. Set `bufferedAmountLowThreshold` of a data channel to it.
    pub low_water: usize,
    /// The approximate size of the changes in one message, in bytes: a long history is sent in
    /// parts, so that the receiver merges the first ones while the rest is in transit. Below 64
    /// KiB, compression uses a smaller table, whose code a browser has compiled by then.
    pub part: usize,
    /// The first part of a history of more than eight times as many events, in bytes; the next ones
    /// double until they are of [`Config::part`]. So the first part is encoded and merged early,
    /// and code that is slow at its first call runs while the rest is in transit.
    pub first_part: usize,
    /// Whether peers that can compress may send long changes compressed.
    pub takes_packed: bool,
    /// Changes that follow each other faster than this are coalesced. The first two are sent at
    /// once.
    pub coalesce: Millis,
    /// The longest time until a peer gets a receipt for its changes: [`Engine::acknowledge`] sends
    /// it at once if that is useful.
    ///
    /// [`Engine::acknowledge`]: crate::Engine::acknowledge
    pub receipt_delay: Millis,
    /// The time for which a change from one peer waits before it is forwarded to others, which may
    /// receive it from elsewhere.
    pub forward_delay: Millis,
    /// The interval of the checks of an idle link: round trip, equal versions, equal texts.
    pub heartbeat: Millis,
    /// A link is dead if nothing arrives for this long after a check.
    pub dead_after: Millis,
    /// A transport that stays full for this long is closed.
    pub stalled_after: Millis,
    /// The time for which a link has to be at rest before a difference between the versions at its
    /// ends counts as a loss, and not as changes in transit.
    pub settle: Millis,
    /// The time to wait for a hello before sending the own one again.
    pub hello_retry: Millis,
    /// The time to wait for a hello before also using the JSON form.
    pub compat_after: Millis,
    /// The time for which changes wait for missing predecessors before the engine requests these;
    /// doubles up to `repair_max` while the requests fail.
    pub repair_min: Millis,
    /// See `repair_min`.
    pub repair_max: Millis,
    /// The time without progress after which a fragmented message is dropped.
    pub fragment_timeout: Millis,
    /// The largest reassembled message, in bytes.
    pub max_message: usize,
    /// The largest JSON text message sent, in bytes.
    pub max_text_message: usize,
    /// The least time between two presence messages on one link.
    pub presence_interval: Millis,
    /// The time for which the presence of a session stays after its link is lost, unless it sends
    /// its presence over another link.
    pub presence_grace: Millis,
    /// The most sessions whose presence is kept; further ones are ignored.
    pub max_presence_sessions: usize,
    /// The most presence of one session, in bytes of names and values.
    pub max_presence_bytes: usize,
    /// The most presence messages accepted from one link a second, on average; far more than a peer
    /// of this implementation sends. A link that keeps exceeding it is closed.
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
