//! What newcomers receive beside the list of members.

use std::time::SystemTime;

use signaling_protocol::AgentId;
use signaling_rooms::Welcome;

use crate::reloadable::Reloadable;
use crate::turn::IceServers;

/// Knows what the server offers to clients.
pub(crate) struct Greeter {
    /// Whether rooms have logs.
    pub(crate) log: bool,
    pub(crate) ice_servers: Reloadable<IceServers>,
}

impl Greeter {
    /// What a newcomer receives, with credentials of its own.
    pub(crate) fn welcome(&self, agent: &AgentId) -> Welcome {
        Welcome {
            log: self.log,
            ice_servers: self.ice_servers.get().hand_out(agent, SystemTime::now()),
        }
    }
}
