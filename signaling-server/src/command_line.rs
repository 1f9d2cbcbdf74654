//! The command line: what to do, and with which settings.

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
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
    /// Lists, copies or deletes the logs in a store; a file only while no server uses it
    #[command(subcommand)]
    Rooms(RoomsCommand),
    /// Asks the server that has the same settings whether it takes clients; the status is 0 if it does
    Health,
}

/// What can be done with the logs of a store.
#[derive(Debug, Clone, Subcommand)]
pub enum RoomsCommand {
    /// Lists all logs: size in bytes, entries, the day of the last use, and name
    List(StoreArgument),
    /// Shows what is known of one log
    Show {
        /// The log's name, as `list` prints it
        name: String,
        /// Where it is
        #[command(flatten)]
        store: StoreArgument,
    },
    /// Prints the entries of a log, one JSON object a line: `seq`, and `payload` in base64
    Export {
        /// The log's name, as `list` prints it
        name: String,
        /// Where it is
        #[command(flatten)]
        store: StoreArgument,
    },
    /// Deletes logs for good: all that are named, or none where one of them does not exist
    Delete {
        /// The logs' names, as `list` prints them
        #[arg(required = true)]
        names: Vec<String>,
        /// Where it is
        #[command(flatten)]
        store: StoreArgument,
    },
    /// Gives space that deleted logs took back to the disk
    Compact(StoreArgument),
}

/// Where the logs are.
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
