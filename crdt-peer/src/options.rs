//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use crdt_room::LinkKind;
use signaling_protocol::RoomId;
use tokio_tungstenite::tungstenite::http::Uri;

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
    #[arg(long, value_parser = server, requires = "room", conflicts_with = "link")]
    server: Option<String>,

    /// The name of the room.
    #[arg(long, value_parser = room, requires = "server", conflicts_with = "link")]
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
    #[arg(long, value_parser = name, default_value = "crdt-peer")]
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
        let link = self.place()?;
        if link.secret.is_none() && self.links == [Way::Relay] {
            return Err(
                "--links relay needs a room with a key: its edits are encrypted".to_owned(),
            );
        }
        Ok(link)
    }

    fn place(&self) -> Result<RoomLink, String> {
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

fn server(address: &str) -> Result<String, String> {
    let uri: Option<Uri> = address.parse().ok();
    let is_socket =
        |uri: &Uri| matches!(uri.scheme_str(), Some("ws" | "wss")) && uri.authority().is_some();
    if uri.as_ref().is_some_and(is_socket) {
        return Ok(address.to_owned());
    }
    Err("such an address is like wss://write.example/ws".to_owned())
}

/// The most chars of a name.
const LONGEST_NAME: usize = 64;

/// A name that can be shown in a line beside others.
fn name(name: &str) -> Result<String, String> {
    // Line and paragraph separators, and what turns the direction of the text around it.
    let is_layout = |c| matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(format!("a name has 1 to {LONGEST_NAME} characters"));
    }
    if name.chars().any(|c| c.is_control() || is_layout(c)) {
        return Err("a name has no control characters".to_owned());
    }
    Ok(name.to_owned())
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
        assert!(join(&[link, "--room", "r"]).is_err());
        for server in [
            "localhost:8080",
            "http://localhost:8080",
            "ws://",
            "no address",
        ] {
            assert!(
                join(&["--server", server, "--room", "r"]).is_err(),
                "{server}"
            );
        }
    }

    #[test]
    fn a_name_is_one_line_of_text() {
        assert_eq!(join(&["--name", "Grüße 🦊"]).unwrap().name, "Grüße 🦊");
        let long = "x".repeat(65);
        for refused in [
            "",
            " ",
            "a\nb",
            "a\u{1b}[31m",
            "a\u{202e}b",
            "a\u{2028}b",
            &long,
        ] {
            assert!(join(&["--name", refused]).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn links_can_be_chosen() {
        let kinds = |arguments: &[&str]| join(arguments).unwrap().link_kinds();
        assert_eq!(kinds(&[]), [LinkKind::WebRtc, LinkKind::Relay]);
        assert_eq!(kinds(&["--links", "relay"]), [LinkKind::Relay]);
        assert!(join(&["--links", "telepathy"]).is_err());
        let room = [
            "--server",
            "ws://localhost/ws",
            "--room",
            "r",
            "--links",
            "relay",
        ];
        let refused = join(&room).unwrap().room_link().unwrap_err();
        assert!(refused.contains("needs a room with a key"), "{refused}");
    }
}
