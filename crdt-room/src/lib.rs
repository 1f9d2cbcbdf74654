//! A member of a collaboration room, as a state machine without I/O.
//!
//! [`Room`] makes all decisions between a document and the other members: which signaling servers
//! to join, which members to link to and with which kind of link, when the encrypted relay carries
//! the edits, when to give up and when to reconnect, and what to report to the user. It uses no
//! socket and no clock: a driver reports events as [`Input`]s, with the time, and carries out every
//! [`Output`]. Randomness, for spreading retries out, is a function that the driver provides. A web
//! page is one driver, a native program another, and the tests drive whole rooms through a virtual
//! network in virtual time.
//!
//! The main types are [`Room`], [`Input`] and [`Output`]; [`RoomOptions`] has the settings of a
//! member, and [`Status`] its current state.
//!
//! ```
//! use crdt_core::Document;
//! use crdt_room::{Call, CallId, Host, Input, Output, Room, RoomOptions, SocketCommand};
//! use signaling_protocol::AgentId;
//!
//! let host = Host { websocket: true, event_stream: false, webrtc: true, broadcast: false };
//! let mut options = RoomOptions::new(AgentId::parse("ann")?, host);
//! options.servers = vec!["ws://localhost:8080".to_owned()];
//! let mut document = Document::new("ann")?;
//! let mut room = Room::new(options, Box::new(|| 0.5));
//!
//! let connect = Call::Connect { call: CallId(1), urls: Vec::new(), page: 7 };
//! room.handle(Input::Call(connect), 0, &mut document);
//! let mut opened = Vec::new();
//! while let Some(output) = room.poll_output(0, &mut document) {
//!     if let Output::Socket { command: SocketCommand::Open { url, .. }, .. } = output {
//!         opened.push(url);
//!     }
//! }
//! assert_eq!(opened, ["ws://localhost:8080"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod broadcast;
mod cipher_jobs;
mod direct;
mod doctor;
mod error;
mod ids;
mod input;
mod introductions;
mod lifecycle;
mod links;
mod members;
mod options;
mod output;
pub mod page_id;
mod parties;
mod rate_limiter;
mod relay;
mod relay_frame;
mod report;
mod room;
mod room_key;
mod room_log;
mod sealed_links;
mod sealed_signals;
pub mod signal_codec;
mod signaling;
mod stage;
mod status;
mod transports;
pub mod writer_proof;

pub use doctor::{Check, Diagnosis};
pub use error::RoomError;
pub use ids::{CallId, LinkKey, Purpose, RunId, SocketId, TransportId};
pub use input::{
    BroadcastContent, BroadcastMessage, Call, CipherEvent, ConnectionEvent, Input, PageEvent,
    SocketEvent, TransportEvent,
};
pub use options::{Carrier, Host, LinkKind, RoomOptions};
pub use output::{
    BroadcastCommand, CipherCommand, ConnectionCommand, News, Output, SocketCommand,
    TransportCommand,
};
pub use room::Room;
pub use stage::DoctorStage;
pub use status::{
    Divergence, Kept, LinkState, PeerLink, Phase, Problem, ServerStatus, Status, TransportState,
    TransportStatus,
};
