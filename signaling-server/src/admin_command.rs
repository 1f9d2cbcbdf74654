//! What `signaling-server` does to a running server: `clients`, `kick` and `drain`.

use std::io::Write;

use signaling_protocol::{AgentId, RoomId};

use crate::admin::AdminError;
use crate::admin::client::AdminClient;
use crate::command_line::AdminArgument;
use crate::roster::Whom;

impl AdminArgument {
    fn client(&self) -> AdminClient {
        AdminClient::new(self.admin_url.clone(), self.admin_token.clone())
    }

    /// Prints the clients of the server.
    ///
    /// # Errors
    /// Any [`AdminError`].
    pub async fn print_clients(&self, out: &mut dyn Write) -> Result<(), AdminError> {
        for client in self.client().clients().await? {
            writeln!(out, "{client}")?;
        }
        Ok(out.flush()?)
    }

    /// Closes the clients to which everything applies that is named, and prints how many they were.
    ///
    /// # Errors
    /// Any [`AdminError`].
    pub async fn kick(
        &self,
        room: Option<RoomId>,
        agent: Option<AgentId>,
        address: Option<std::net::IpAddr>,
        out: &mut dyn Write,
    ) -> Result<(), AdminError> {
        let whom = Whom {
            room,
            agent,
            address,
        };
        let kicked = self.client().kick(&whom).await?;
        writeln!(out, "{kicked} clients were closed")?;
        Ok(out.flush()?)
    }

    /// Has the server take no more clients.
    ///
    /// # Errors
    /// Any [`AdminError`].
    pub async fn drain(&self) -> Result<(), AdminError> {
        self.client().drain().await
    }
}
