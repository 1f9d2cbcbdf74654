//! The wanted connection to the room: its phase, and the calls that wait for it.

use crate::error::RoomError;
use crate::ids::CallId;
use crate::status::{Phase, Problem};

/// The life of a room, from `Connect` to `Destroy`.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    phase: Phase,
    /// Why the last attempt failed.
    problem: Option<RoomError>,
    /// The servers to use, while a connection is wanted.
    wanted: Option<Vec<String>>,
    /// The calls of `Connect` that have not ended.
    waiting: Vec<CallId>,
    /// The page was hidden while connected, and connects again when it is shown.
    is_suspended: bool,
    is_destroyed: bool,
}

impl Lifecycle {
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn problem(&self) -> Option<Problem> {
        self.problem.as_ref().map(Problem::from)
    }

    pub(crate) fn is_destroyed(&self) -> bool {
        self.is_destroyed
    }

    /// Whether this connection is wanted already.
    pub(crate) fn wants(&self, urls: &[String]) -> bool {
        self.wanted.as_deref() == Some(urls)
    }

    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Connecting | Phase::Reconnecting)
    }

    /// One more call waits for the connection that is being made.
    pub(crate) fn wait(&mut self, call: CallId) {
        self.waiting.push(call);
    }

    /// A connection to these servers is wanted by a call.
    pub(crate) fn connect(&mut self, call: CallId, urls: Vec<String>) {
        self.waiting.push(call);
        self.wanted = Some(urls);
        self.problem = None;
        self.phase = Phase::Connecting;
    }

    /// The room admitted this member. Returns the calls that waited for it.
    pub(crate) fn joined(&mut self) -> Vec<CallId> {
        self.phase = Phase::Connected;
        self.problem = None;
        std::mem::take(&mut self.waiting)
    }

    /// The room was lost, or cannot be reached, and is retried.
    pub(crate) fn interrupted(&mut self, error: RoomError) {
        self.phase = Phase::Reconnecting;
        self.problem = Some(error);
    }

    /// No server can be reached for now. Returns the calls that waited for one.
    pub(crate) fn goes_on(&mut self, error: RoomError) -> Vec<CallId> {
        self.interrupted(error);
        std::mem::take(&mut self.waiting)
    }

    /// Every attempt failed for good. Returns the calls that waited.
    pub(crate) fn failed(&mut self, error: RoomError) -> Vec<CallId> {
        self.phase = Phase::Error;
        self.problem = Some(error);
        std::mem::take(&mut self.waiting)
    }

    /// No connection is wanted. Returns the calls that waited.
    pub(crate) fn disconnected(&mut self) -> Vec<CallId> {
        self.phase = Phase::Disconnected;
        self.problem = None;
        self.wanted = None;
        self.is_suspended = false;
        std::mem::take(&mut self.waiting)
    }

    /// The page was hidden: disconnected until it is shown. Returns the calls that waited.
    pub(crate) fn suspend(&mut self) -> Vec<CallId> {
        let wanted = self.wanted.take();
        let waiting = self.disconnected();
        self.wanted = wanted;
        self.is_suspended = true;
        waiting
    }

    /// The page was shown. Returns the servers to connect to, if it was suspended.
    pub(crate) fn resume(&mut self) -> Option<Vec<String>> {
        if !std::mem::take(&mut self.is_suspended) {
            return None;
        }
        // A connection that worked before is retried.
        self.phase = Phase::Reconnecting;
        Some(self.wanted.clone().unwrap_or_default())
    }

    pub(crate) fn destroy(&mut self) {
        self.is_destroyed = true;
    }
}
