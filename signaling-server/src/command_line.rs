//! The command line: what to do, and with which settings.

use std::net::IpAddr;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use signaling_protocol::{AgentId, RoomId};

use crate::admin::AdminUrl;
use crate::config::Config;
use crate::secret::Secret;
use crate::store::StoreLocation;

/// Introduces browsers to each other, so that they can edit a text together, and serves the editor.
#[derive(Debug, Clone, Parser)]
#[command(version, about, subcommand_negates_reqs = true)]
pub struct CommandLine {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The settings of the server.
    #[command(flatten)]
    pub config: Config,
}

/// What can be done instead of serving.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Lists, copies or deletes the logs in a store, or in that of a running server
    #[command(subcommand)]
    Rooms(RoomsCommand),
    /// Prints the clients of a running server, one JSON object a line: number, address and rooms
    Clients(AdminArgument),
    /// Closes clients of a running server: those to which everything applies that is named
    Kick {
        /// In this room
        #[arg(long, value_name = "ROOM", value_parser = room_id)]
        room: Option<RoomId>,
        /// With this agent id
        #[arg(long, value_name = "ID", value_parser = agent_id)]
        agent: Option<AgentId>,
        /// From this address
        #[arg(long, value_name = "ADDRESS")]
        address: Option<IpAddr>,
        /// Which server
        #[command(flatten)]
        admin: AdminArgument,
    },
    /// Has a running server take no more clients, and ask those that it has to come back elsewhere
    Drain(AdminArgument),
    /// Asks the server that has the same settings whether it takes clients; the status is 0 if it does
    Health,
}

/// What can be done with the logs of a store.
#[derive(Debug, Clone, Subcommand)]
pub enum RoomsCommand {
    /// Lists all logs: size in bytes, entries, the day of the last use, and name
    List(LogsArgument),
    /// Shows what is known of one log
    Show {
        /// The log's name, as `list` prints it
        name: String,
        /// Where it is
        #[command(flatten)]
        logs: LogsArgument,
    },
    /// Prints the entries of a log, one JSON object a line: `seq`, and `payload` in base64
    Export {
        /// The log's name, as `list` prints it
        name: String,
        /// Where it is
        #[command(flatten)]
        logs: LogsArgument,
    },
    /// Deletes logs for good: all that are named, or none where one of them does not exist
    Delete {
        /// The logs' names, as `list` prints them
        #[arg(required = true)]
        names: Vec<String>,
        /// Where it is
        #[command(flatten)]
        logs: LogsArgument,
    },
    /// Gives space that deleted logs took back to the disk
    Compact(LogsArgument),
    /// Prints a backup of all logs as they are at this moment
    Backup(LogsArgument),
    /// Reads a backup from the standard input into a store without logs, all of it or nothing
    Restore(StoreArgument),
}

/// Where the logs are: in a store, or with a running server. Where both are named it is the server.
#[derive(Debug, Clone, clap::Args)]
pub struct LogsArgument {
    /// The store's file, while no server uses it, or the address of its PostgreSQL server
    #[arg(long, env = "STORE", hide_env_values = true, value_name = "FILE|URL",
          value_parser = StoreLocation::parse)]
    pub store: Option<StoreLocation>,

    /// The admin address of a running server, like http://127.0.0.1:9090
    #[arg(long, env = "ADMIN_URL", value_name = "URL", value_parser = AdminUrl::parse,
          requires = "admin_token")]
    pub admin_url: Option<AdminUrl>,

    /// The token of the admin address
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN",
          value_parser = Secret::parse)]
    pub admin_token: Option<Secret>,
}

/// A running server.
#[derive(Debug, Clone, clap::Args)]
pub struct AdminArgument {
    /// The admin address of the server, like http://127.0.0.1:9090
    #[arg(long, env = "ADMIN_URL", value_name = "URL", value_parser = AdminUrl::parse)]
    pub admin_url: AdminUrl,

    /// The token of the admin address
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN",
          value_parser = Secret::parse)]
    pub admin_token: Secret,
}

/// A store.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgument {
    /// The store's file, or the address of its PostgreSQL server
    #[arg(long, env = "STORE", hide_env_values = true, value_name = "FILE|URL",
          value_parser = StoreLocation::parse)]
    pub store: StoreLocation,
}

impl CommandLine {
    /// What the command line and the environment of this process say. A variable that is empty counts
    /// as not set. Where something makes no sense the process ends with words and status 2.
    #[must_use]
    pub fn of_process() -> CommandLine {
        let mut command = without_empty_variables(CommandLine::command());
        let matches = command.get_matches_mut();
        CommandLine::from_arg_matches(&matches)
            .unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

fn room_id(text: &str) -> Result<RoomId, String> {
    RoomId::parse(text).map_err(|error| error.to_string())
}

fn agent_id(text: &str) -> Result<AgentId, String> {
    AgentId::parse(text).map_err(|error| error.to_string())
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        match value {
            Some(value) if value.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        }
    });
    command.mut_subcommands(without_empty_variables)
}
