//! What clients that want to do harm can have a server keep in memory, at its default settings.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::process::{Server, Subject};
use crate::progress::say;
use crate::report::machine;
use crate::results::first_line;

/// The address that all clients have, by what a proxy would say, so that they share the limits of one address.
const ADDRESS: &str = "192.0.2.1";

/// The address of those who send to them.
const SENDERS: &str = "192.0.2.2";

/// A little less than the largest message that the server takes.
const LARGE: usize = 1_000_000;

/// A large message of a Yjs client.
const YJS_LARGE: usize = 2_000_000;

/// A room has so many clients, fewer than it may.
const PER_ROOM: usize = 50;

/// How often memory is looked at until it is steady, and how often at most.
const LOOK: Duration = Duration::from_millis(500);
const MOST_LOOKS: usize = 60;

/// Memory that changed by less between two looks is steady.
const STEADY: u64 = 256 * 1024;

/// So many clients act at a time.
const AT_ONCE: usize = 32;

/// The kernel's buffer for a client, so that most of what it does not read stays at the server.
const RECEIVE_BUFFER: u32 = 64 * 1024;

/// Who hears nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a client listens for what was sent to it.
const LISTEN: Duration = Duration::from_secs(1);

/// Stand around the table in its page.
const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- end -->";

/// Something that a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Room,
    Head,
    Sent,
    Received,
    Unfinished,
    Unread,
    YjsSent,
    YjsUnfinished,
}

/// What clients that did the same had the server keep.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) deed: Deed,
    /// Resident memory in bytes before they came.
    pub(crate) before: u64,
    pub(crate) with_one: u64,
    /// How many came.
    pub(crate) clients: usize,
    pub(crate) with_all: u64,
    /// How many are still connected.
    pub(crate) connected: usize,
}

impl Deed {
    pub(crate) const ALL: [Self; 8] = [
        Self::Room,
        Self::Head,
        Self::Sent,
        Self::Received,
        Self::Unfinished,
        Self::Unread,
        Self::YjsSent,
        Self::YjsUnfinished,
    ];

    /// What the client does, for a table.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Room => "is in a room, and idle",
            Self::Head => "has sent 15 KiB of the head of a request, without its end",
            Self::Sent => "has sent a message of 1 MB, and is idle",
            Self::Received => "has taken a message of 1 MB, and is idle",
            Self::Unfinished => "has sent 1 MB of a message, without its end",
            Self::Unread => "is sent 4 MB, and reads nothing",
            Self::YjsSent => "has sent a Yjs message of 2 MB, and is idle",
            Self::YjsUnfinished => "has sent 2 MB of a Yjs message, without its end",
        }
    }
}

impl Held {
    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let each = self.with_all.saturating_sub(self.before) as f64 / self.clients.max(1) as f64;
        format!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {} of {} |",
            self.deed.text(),
            mib(self.before),
            mib(self.with_one),
            mib(self.with_all),
            each / 1024.0,
            self.connected,
            self.clients
        )
    }
}

/// Writes the table into a page.
pub(crate) fn write(all: &[Held], page: &Path) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| {
        io::Error::other(format!(
            "{}: the marks of the table are missing",
            page.display()
        ))
    })?;
    let rows: Vec<String> = all.iter().map(Held::row).collect();
    let table = format!(
        "\nMeasured {}, on {}.\n\n\
         | each client | before, MiB | one client, MiB | all, MiB | for each, KiB | still connected |\n\
         |---|---|---|---|---|---|\n{}\n",
        first_line("date", &["-u", "+%F"]),
        machine(),
        rows.join("\n")
    );
    fs::write(page, format!("{before}{BEGIN}{table}{END}{after}"))
}

/// Measures one deed, with a server that is started for it.
pub(crate) async fn measure(subject: &Subject, deed: Deed, clients: usize) -> io::Result<Held> {
    let server = subject.start_with(&["--trust-forwarded-for"]).await?;
    let result = load(&server, deed, clients).await;
    server.stop().await?;
    result
}

async fn load(server: &Server, deed: Deed, clients: usize) -> io::Result<Held> {
    // What the first clients need once is loaded by one that is gone again.
    let address = server.address;
    drop(act(address, Deed::Room, 0).await?);
    let before = steady(server).await?;
    let mut held = act(address, deed, 1).await?;
    let with_one = steady(server).await?;
    let mut acting = JoinSet::new();
    for number in 2..=clients {
        if acting.len() >= AT_ONCE
            && let Some(done) = acting.join_next().await
        {
            keep(done?, &mut held);
        }
        acting.spawn_local(act(address, deed, number));
        if number % 100 == 0 {
            say(format!("{deed:?}: {number} clients"));
        }
    }
    while let Some(done) = acting.join_next().await {
        keep(done?, &mut held);
    }
    let with_all = steady(server).await?;
    let connected = held
        .iter_mut()
        .filter_map(|client| client.is_open())
        .count();
    Ok(Held {
        deed,
        before,
        with_one,
        clients,
        with_all,
        connected,
    })
}

/// Keeps the connections of a client. The server may refuse one, as it should.
fn keep(client: io::Result<Vec<Client>>, held: &mut Vec<Client>) {
    match client {
        Ok(connections) => held.extend(connections),
        Err(error) => say(error),
    }
}

/// Has one client do something; the connections stay open until they are dropped.
async fn act(server: SocketAddr, deed: Deed, number: usize) -> io::Result<Vec<Client>> {
    let room = number / PER_ROOM;
    let (me, sender) = (format!("client{number}"), format!("sender{number}"));
    let joined = async |me: &str, address: &str| {
        let mut client = Client::open(server, &format!("/ws/room{room}"), address).await?;
        let join = format!(r#"{{"type":"join","agentId":"{me}"}}"#);
        client.send(&frame(0x81, join.as_bytes())).await?;
        // The answer to the join, and what comes with it.
        client.listen_for(1).await?;
        client.listen().await;
        io::Result::Ok(client)
    };
    let relay = |to: &str| {
        let payload = "A".repeat(LARGE);
        let text = format!(r#"{{"type":"relay","to":"{to}","payload":"{payload}"}}"#);
        frame(0x81, text.as_bytes())
    };
    Ok(match deed {
        Deed::Room => vec![joined(&me, ADDRESS).await?],
        Deed::Head => {
            let mut client = Client::connect(server, None).await?;
            client.send(b"GET / HTTP/1.1\r\nX-Filling: ").await?;
            client.send(&vec![b'a'; 15 * 1024]).await?;
            vec![client]
        }
        Deed::Sent => {
            let mut client = joined(&me, ADDRESS).await?;
            client.send(&relay("nobody")).await?;
            client.listen().await;
            vec![client]
        }
        Deed::Received => {
            let mut client = joined(&me, ADDRESS).await?;
            let mut sender = joined(&sender, SENDERS).await?;
            sender.send(&relay(&me)).await?;
            client.listen_for(LARGE).await?;
            vec![client]
        }
        Deed::Unfinished => {
            let mut client = joined(&me, ADDRESS).await?;
            let message = relay("nobody");
            client.send_what_is_taken(&message[..LARGE]).await?;
            vec![client]
        }
        Deed::Unread => {
            let client = joined(&me, ADDRESS).await?;
            let mut sender = joined(&sender, SENDERS).await?;
            for _ in 0..4 {
                sender.send(&relay(&me)).await?;
            }
            sender.listen().await;
            vec![client]
        }
        Deed::YjsSent | Deed::YjsUnfinished => {
            let mut client = Client::open(server, &format!("/yjs/room{room}"), ADDRESS).await?;
            let message = frame(0x82, &vec![9; YJS_LARGE]);
            if deed == Deed::YjsSent {
                client.send(&message).await?;
                client.listen().await;
            } else {
                client.send_what_is_taken(&message[..YJS_LARGE]).await?;
            }
            vec![client]
        }
    })
}

/// Waits until the server's memory changes no more; how much it is, in bytes.
async fn steady(server: &Server) -> io::Result<u64> {
    let mut last = server.resident()?;
    for _ in 0..MOST_LOOKS {
        sleep(LOOK).await;
        let now = server.resident()?;
        if now.abs_diff(last) < STEADY {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}

/// A connection of a client.
struct Client {
    stream: TcpStream,
}

impl Client {
    /// A connection; with a small buffer for what comes, if a size is given.
    async fn connect(server: SocketAddr, buffer: Option<u32>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// A WebSocket.
    async fn open(server: SocketAddr, path: &str, address: &str) -> io::Result<Self> {
        let mut client = Self::connect(server, Some(RECEIVE_BUFFER)).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             X-Forwarded-For: {address}\r\n\r\n"
        );
        client.send(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.stream.read_u8().await?);
        }
        if answer.starts_with(b"HTTP/1.1 101 ") {
            return Ok(client);
        }
        let answer = String::from_utf8_lossy(&answer);
        let first = answer.lines().next().unwrap_or_default();
        Err(io::Error::other(first.to_owned()))
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends until the server takes no more for a while.
    async fn send_what_is_taken(&mut self, bytes: &[u8]) -> io::Result<()> {
        match timeout(LISTEN, self.stream.write_all(bytes)).await {
            Ok(sent) => sent,
            Err(_) => Ok(()),
        }
    }

    /// Reads what comes until nothing has come for a moment.
    async fn listen(&mut self) {
        let mut space = [0; 4096];
        let mut patience = LISTEN;
        while let Ok(Ok(1..)) = timeout(patience, self.stream.read(&mut space)).await {
            patience = LISTEN / 20;
        }
    }

    /// Reads until so many bytes have come.
    async fn listen_for(&mut self, mut bytes: usize) -> io::Result<()> {
        let mut space = vec![0; 64 * 1024];
        while bytes > 0 {
            match timeout(PATIENCE, self.stream.read(&mut space)).await?? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => bytes = bytes.saturating_sub(read),
            }
        }
        Ok(())
    }

    /// Something where the server has not closed the connection.
    fn is_open(&mut self) -> Option<()> {
        let mut space = [0; 64 * 1024];
        loop {
            match self.stream.try_read(&mut space) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Some(()),
                Err(_) => return None,
            }
        }
    }
}

/// A frame of a client, under a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Ok(short @ 0..126) = u8::try_from(payload.len()) {
        bytes.push(0x80 | short);
    } else {
        bytes.push(0x80 | 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}
