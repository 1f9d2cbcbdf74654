//! One connection to a peer over WebRTC, with what a page's RTCPeerConnection has that rooms use: data
//! channels, offers and answers, candidates one by one.
//!
//! ICE, DTLS and SCTP are `str0m`'s, which does no I/O; each connection is a task with UDP sockets of
//! its own ([`task`]). It tells the machine's addresses, those of loopback included, and where STUN
//! servers are given, the ones by which these see it. TURN servers are not used: where only they would
//! help, the relay carries. Candidates with names in `.local`, by which browsers hide addresses, are
//! passed over; such a browser reaches the addresses told here, and is answered where it calls from.

mod channels;
mod datagrams;
mod messages;
mod stun;
mod task;

pub(crate) use messages::Report;

use std::sync::Arc;

use crdt_room::ConnectionCommand;
use crdt_sync::{Channel, LinkId, Outgoing};
use signaling_protocol::IceServer;
use tokio::sync::mpsc::{self, Sender, UnboundedSender};
use tokio::task::JoinHandle;

use messages::{Buffered, Order};

/// The connection; dropped, it closes and is silent.
#[derive(Debug)]
pub(crate) struct Connection {
    orders: UnboundedSender<Order>,
    buffered: Arc<Buffered>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Makes a connection. What happens to it is reported under its number.
    ///
    /// `low_water`: when so many bytes or fewer wait to be sent after there were more, that is reported.
    pub(crate) fn new(
        link: LinkId,
        ice_servers: &[IceServer],
        low_water: usize,
        reports: Sender<(LinkId, Report)>,
    ) -> Connection {
        let (orders, waiting) = mpsc::unbounded_channel();
        let buffered = Arc::new(Buffered::default());
        let servers = ice_servers.iter().flat_map(|server| server.urls.clone());
        let settings = task::Settings {
            reporter: task::Reporter { link, reports },
            stun_servers: servers.collect(),
            low_water,
            buffered: Arc::clone(&buffered),
        };
        let task = tokio::spawn(task::run(waiting, settings));
        Connection {
            orders,
            buffered,
            task,
        }
    }

    /// Carries out a command other than to make or to close the connection.
    pub(crate) fn command(&self, command: ConnectionCommand) {
        self.order(Order::Command(command));
    }

    /// Sends a message by an open channel. That there is none is reported.
    pub(crate) fn send(&self, channel: Channel, message: Outgoing) {
        self.buffered.order(message.len());
        self.order(Order::Send(channel, message));
    }

    /// How many bytes wait to be sent.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.total()
    }

    /// Closes the connection, and returns the task that sends what was given to it before.
    pub(crate) fn close(self) -> JoinHandle<()> {
        self.task
    }

    fn order(&self, order: Order) {
        // A connection whose task has ended has reported so.
        let _ = self.orders.send(order);
    }
}

#[cfg(test)]
mod tests;
