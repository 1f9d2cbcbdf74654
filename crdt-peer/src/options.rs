//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use crdt_room::LinkKind;
use signaling_protocol::RoomId;

use crate::link::RoomLink;
use crate::seal::RoomSecret;

/// A member of a room that is always there: it keeps the document on disk, and its text in a file.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join a room, and keep a file and the room's text alike.
    Join(Join),
}

/// How to join.
#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The link of the room, as "Copy link" in the app gives it. On the command line others on this
    /// machine can see it; in the environment they cannot.
    #[arg(env = "CRDT_PEER_LINK", hide_env_values = true)]
    link: Option<String>,

    /// The signaling server, such as wss://write.example/ws, in place of a link.
    #[arg(long, requires = "room", conflicts_with = "link")]
    server: Option<String>,

    /// The name of the room.
    #[arg(long, value_parser = room, requires = "server")]
    room: Option<RoomId>,

    /// The secret that the room's members share. Without it there are direct connections alone.
    #[arg(
        long,
        env = "CRDT_PEER_KEY",
        hide_env_values = true,
        requires = "server"
    )]
    key: Option<String>,

    /// What lets us into the room, where the server asks for it.
    #[arg(long, env = "CRDT_PEER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// The text file. The document is kept beside it.
    #[arg(long)]
    pub(crate) file: PathBuf,

    /// Bring file and room up to date with each other, and end.
    #[arg(long)]
    pub(crate) once: bool,

    /// Follow the room, and keep edits of the file out of it.
    #[arg(long)]
    pub(crate) read_only: bool,

    /// The name that the others see.
    #[arg(long, default_value = "crdt-peer")]
    pub(crate) name: String,

    /// What may carry the edits.
    #[arg(long, value_delimiter = ',', default_value = "direct,relay")]
    links: Vec<Way>,
}

/// What may carry edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Direct connections (WebRTC).
    Direct,
    /// The encrypted relay through the server.
    Relay,
}

impl Join {
    /// Where the room is, by the link or by its parts.
    ///
    /// # Errors
    /// What is wrong with the link, or missing, in words.
    pub(crate) fn room_link(&self) -> Result<RoomLink, String> {
        match (&self.link, &self.server, &self.room) {
            (_, Some(server), Some(room)) => Ok(RoomLink {
                server: server.clone(),
                room: room.clone(),
                secret: self
                    .key
                    .clone()
                    .filter(|key| !key.is_empty())
                    .map(RoomSecret::Write),
                token: None,
            }),
            (Some(link), ..) => RoomLink::parse(link).map_err(|error| error.to_string()),
            (None, ..) => Err("give the link of the room, or --server and --room".to_owned()),
        }
    }

    /// The kinds of links that may be used.
    pub(crate) fn link_kinds(&self) -> Vec<LinkKind> {
        let kind = |way: &Way| match way {
            Way::Direct => LinkKind::WebRtc,
            Way::Relay => LinkKind::Relay,
        };
        self.links.iter().map(kind).collect()
    }
}

fn room(name: &str) -> Result<RoomId, String> {
    RoomId::parse(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(arguments: &[&str]) -> Result<Join, String> {
        let all = [&["crdt-peer", "join", "--file", "notes.txt"], arguments].concat();
        let options = Options::try_parse_from(all).map_err(|error| error.to_string())?;
        let Command::Join(join) = options.command;
        Ok(join)
    }

    #[test]
    fn a_room_is_named_by_its_link_or_by_its_parts() {
        let link = "http://localhost:8080/#room=r&key=abcdefghijklmnopqrstuv";
        let by_link = join(&[link]).unwrap().room_link().unwrap();
        assert_eq!(by_link.server, "ws://localhost:8080/ws");
        let parts = [
            "--server",
            "ws://localhost:8080/ws",
            "--room",
            "r",
            "--key",
            "abcdefghijklmnopqrstuv",
        ];
        assert_eq!(join(&parts).unwrap().room_link().unwrap(), by_link);
        assert!(join(&[]).unwrap().room_link().is_err());
        assert!(join(&["nonsense"]).unwrap().room_link().is_err());
        for refused in [&parts[..2], &parts[2..4], &parts[4..], &["--room", ""]] {
            assert!(join(refused).is_err(), "{refused:?}");
        }
        assert!(join(&[&[link], &parts[..]].concat()).is_err());
    }

    #[test]
    fn links_can_be_chosen() {
        let kinds = |arguments: &[&str]| join(arguments).unwrap().link_kinds();
        assert_eq!(kinds(&[]), [LinkKind::WebRtc, LinkKind::Relay]);
        assert_eq!(kinds(&["--links", "relay"]), [LinkKind::Relay]);
        assert!(join(&["--links", "telepathy"]).is_err());
    }
}
