//! Perfect negotiation of one peer-to-peer connection, as a state machine without I/O.
//!
//! [`Negotiation`] is told what happens ([`Input`]) and answers with what to do ([`Action`]). It
//! has at most one asynchronous call to the connection outstanding, so async callbacks cannot
//! interleave: perform each action in order, and report the end of those that carry an `op`.
//!
//! Of two peers the one whose agent id sorts lower by UTF-16 code unit makes the first offer. The
//! other one is polite: where two offers cross, it takes its own back. Either side may offer later.

mod types;

pub use types::{Action, ConnectionState, Description, Input, Op, Origin, Signal, Stage, Timing};

/// Whether, of two peers, `me` makes the first offer: its id sorts lower by UTF-16 code unit, which
/// is how JavaScript compares strings.
pub fn offers(me: &str, peer: &str) -> bool {
    me.encode_utf16().lt(peer.encode_utf16())
}
