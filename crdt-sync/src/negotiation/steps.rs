//! The purposes of calls to the connection.

use super::types::{Origin, Stage};

/// The own offer that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) number: u32,
    pub(super) ice_restart: bool,
}

/// The peer's offer that is being processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) from: Origin,
    pub(super) number: u32,
    pub(super) sdp: String,
}

/// The purpose of the outstanding call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    CreateOffer { ice_restart: bool },
    SetOffer { sdp: String, ice_restart: bool },
    RollBack { asked: Asked, ice_restart: bool },
    TakeOffer { asked: Asked },
    CreateAnswer { asked: Asked },
    SetAnswer { asked: Asked, sdp: String },
    TakeAnswer { from: Origin, number: u32 },
}

impl Step {
    /// Whether the call results in a description.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Step::CreateOffer { .. } | Step::CreateAnswer { .. })
    }

    pub(super) fn stage(&self) -> Stage {
        match self {
            Step::CreateOffer { .. } | Step::SetOffer { .. } | Step::TakeAnswer { .. } => {
                Stage::Offer
            }
            Step::RollBack { .. }
            | Step::TakeOffer { .. }
            | Step::CreateAnswer { .. }
            | Step::SetAnswer { .. } => Stage::Answer,
        }
    }
}
