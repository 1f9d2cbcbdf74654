//! The drivers of one session, and which of them carries out what.

use std::rc::Rc;

use crdt_room::{Host, Output};
use signaling_protocol::AgentId;

use super::broadcast_channel::BroadcastChannels;
use super::cipher::Cipher;
use super::clock::Timer;
use super::driver::{Take, Tell};
use super::host;
use super::options::Options;
use super::page_lifecycle::PageLifecycle;
use super::peer_connection::PeerConnections;
use super::user_transport::{Call, UserTransports};
use super::websocket::WebSockets;

/// The drivers of one session.
pub(super) struct Drivers {
    pub(super) connections: PeerConnections,
    pub(super) transports: UserTransports,
    pub(super) timer: Timer,
    sockets: WebSockets,
    broadcast: BroadcastChannels,
    cipher: Cipher,
    page: PageLifecycle,
}

impl Drivers {
    /// Makes the drivers. They report by `tell` and `take`, and make calls of the user's functions
    /// by `later`.
    pub(super) fn new(
        agent: &AgentId,
        options: &Options,
        tell: &Tell,
        take: Take,
        later: impl Fn(Call) + 'static,
    ) -> Drivers {
        let tell = || Rc::clone(tell);
        let room = options.room.as_ref().map(ToString::to_string);
        Drivers {
            connections: PeerConnections::new(options.ice_servers.clone(), tell(), take),
            transports: UserTransports::new(tell(), later),
            timer: Timer::new(tell()),
            sockets: WebSockets::new(tell()),
            broadcast: BroadcastChannels::new(agent, tell()),
            cipher: Cipher::new(options.secret.clone(), room, tell()),
            page: PageLifecycle::new(tell()),
        }
    }

    /// Has the driver that an output concerns carry it out. News are nothing for a driver.
    pub(super) fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send {
                link,
                channel,
                message,
            } => self.connections.send(link, channel, &message),
            Output::Socket { socket, command } => self.sockets.run(socket, command),
            Output::Connection { link, command } => self.connections.run(link, command),
            Output::Broadcast(command) => self.broadcast.run(command),
            Output::Transport {
                transport,
                run,
                command,
            } => self.transports.run(transport, run, command),
            Output::Cipher(command) => self.cipher.run(command),
            Output::KeepAlive(on) => self.page.watch(on),
            Output::Tell(_) => {}
        }
    }
}

/// What this page offers.
pub(super) fn host() -> Host {
    Host {
        websocket: host::has("WebSocket"),
        event_stream: host::has("fetch"),
        webrtc: host::has("RTCPeerConnection"),
        broadcast: host::has("BroadcastChannel"),
    }
}
