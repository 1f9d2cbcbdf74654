//! The stages of a connection.

use serde::Serialize;

/// The stages of a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorStage {
    /// The capabilities of the host.
    Environment,
    /// The connection to the signaling server.
    Signaling,
    /// Joining the room.
    Room,
    /// Exchanging offers and answers with a peer.
    Offer,
    /// Finding a path through the networks.
    Ice,
    /// The link that carries the edits.
    Channel,
    /// Exchanging events.
    Sync,
}

impl DoctorStage {
    /// All stages, in order.
    pub(crate) const ALL: [DoctorStage; 7] = [
        DoctorStage::Environment,
        DoctorStage::Signaling,
        DoctorStage::Room,
        DoctorStage::Offer,
        DoctorStage::Ice,
        DoctorStage::Channel,
        DoctorStage::Sync,
    ];
}
