//! Yjs documents, for clients of the package y-websocket.
//!
//! The server cannot read Yjs updates any more than others. It keeps them in the room's log and
//! replays them to late joiners, and it passes on what clients send each other. Logs stay short
//! without anyone reading them: after a replay the server asks the client for everything it has, by
//! the empty state vector, and puts the answer in place of what was replayed. A client answers in
//! order, so its answer covers every entry that was sent to it before the question.

mod message;
pub(crate) mod rooms;
mod session;

pub(crate) use session::YjsClient;
