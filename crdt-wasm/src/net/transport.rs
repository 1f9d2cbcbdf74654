//! What every way to a peer has in common, whether it is built in or the user's own.

use crdt_sync::{Channel as Stream, LinkId, Outgoing};

use super::core::Core;
use super::options::LinkKind;

/// A way to one peer that works: data channels, the bus within a browser, the relay, a transport of
/// the user's own.
///
/// It begins when it is made, and ends when it is dropped. What happens to it comes as an event of its
/// module, and these lead to three things: it connected (`Core::link_up`), something was received
/// (`Core::receive_binary`, `Core::receive_text`), it disconnected (`Core::link_down`). None of them is
/// called from inside `send`.
pub(super) trait Transport {
    fn kind(&self) -> LinkKind;

    /// Takes a message of the engine's to be sent by one of the two streams, or says why that is
    /// impossible for good.
    fn send(&mut self, stream: Stream, message: Outgoing) -> Result<(), String>;

    /// How many bytes wait to be sent; 0 where that cannot be known.
    fn buffered(&self) -> usize;

    /// Whether it tells when there is room again, so that nobody has to ask.
    fn tells_of_room(&self) -> bool {
        false
    }
}

impl Core {
    /// The transport behind a link of the engine's.
    pub(super) fn transport(&mut self, link: LinkId) -> Option<&mut dyn Transport> {
        match self.peers.transport(link) {
            Some(transport) => Some(transport),
            None => self.customs.transport(link),
        }
    }

    /// All that the engine knows of.
    pub(super) fn transports(&self) -> impl Iterator<Item = (LinkId, &dyn Transport)> {
        self.peers.transports().chain(self.customs.transports())
    }
}
