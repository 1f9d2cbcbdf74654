//! Carries out what a room wants done with sockets, peer connections and its keys, and hands on what
//! they report.

use std::collections::BTreeMap;
use std::time::Duration;

use crdt_room::{
    CipherCommand, CipherEvent, ConnectionCommand, ConnectionEvent, Input, Output, SocketCommand,
    SocketEvent, SocketId,
};
use crdt_sync::LinkId;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::seal::{RoomKeys, RoomSecret};
use crate::socket::{Socket, Sockets};
use crate::webrtc::{Connection, Report};

/// How many reports of a kind may wait; the sender of another one waits for room.
const MAX_REPORTS: usize = 256;

/// How long what is closed may take to send what it was given.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Something that was reported.
#[derive(Debug)]
pub(crate) enum HostEvent {
    Socket(SocketId, SocketEvent),
    Connection(LinkId, Report),
}

/// Both ends of what tasks report by.
#[derive(Debug)]
struct Reports<I, R> {
    sender: Sender<(I, R)>,
    receiver: Receiver<(I, R)>,
}

impl<I, R> Reports<I, R> {
    fn new() -> Reports<I, R> {
        let (sender, receiver) = mpsc::channel(MAX_REPORTS);
        Reports { sender, receiver }
    }
}

/// The sockets, connections and keys of one member.
#[derive(Debug)]
pub(crate) struct Host {
    maker: Sockets,
    sockets: BTreeMap<SocketId, Socket>,
    connections: BTreeMap<LinkId, Connection>,
    socket_reports: Reports<SocketId, SocketEvent>,
    link_reports: Reports<LinkId, Report>,
    closing: Vec<JoinHandle<()>>,
    /// The secret and the name of the room, from which its keys are derived.
    secret: Option<(RoomSecret, String)>,
    keys: Option<RoomKeys>,
}

impl Host {
    /// A host without any sockets. `secret`: that of the room's members, and the name of the room.
    pub(crate) fn new(maker: Sockets, secret: Option<(RoomSecret, String)>) -> Host {
        Host {
            maker,
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            socket_reports: Reports::new(),
            link_reports: Reports::new(),
            closing: Vec::new(),
            secret,
            keys: None,
        }
    }

    /// Waits for something to be reported.
    pub(crate) async fn next(&mut self) -> HostEvent {
        tokio::select! {
            Some((socket, event)) = self.socket_reports.receiver.recv() => HostEvent::Socket(socket, event),
            Some((link, report)) = self.link_reports.receiver.recv() => HostEvent::Connection(link, report),
        }
    }

    /// Something that was reported and waits, if anything.
    pub(crate) fn ready(&mut self) -> Option<HostEvent> {
        if let Ok((socket, event)) = self.socket_reports.receiver.try_recv() {
            return Some(HostEvent::Socket(socket, event));
        }
        let (link, report) = self.link_reports.receiver.try_recv().ok()?;
        Some(HostEvent::Connection(link, report))
    }

    /// Whether a report is of something that was not closed meanwhile.
    pub(crate) fn knows(&self, event: &HostEvent) -> bool {
        match event {
            HostEvent::Socket(socket, _) => self.sockets.contains_key(socket),
            HostEvent::Connection(link, _) => self.connections.contains_key(link),
        }
    }

    /// Does what a room wants, and returns what it is to be told at once. News for the user, and what
    /// only pages have, are not the host's.
    pub(crate) fn carry_out(&mut self, output: Output) -> Option<Input<'static>> {
        match output {
            Output::Send {
                link,
                channel,
                message,
            } => {
                if let Some(connection) = self.connections.get(&link) {
                    connection.send(channel, message);
                }
                None
            }
            Output::Socket { socket, command } => self.command_socket(socket, command),
            Output::Connection { link, command } => self.command_connection(link, command),
            Output::Cipher(command) => self.command_cipher(command).map(Input::Cipher),
            Output::Broadcast(_)
            | Output::Transport { .. }
            | Output::KeepAlive(_)
            | Output::Tell(_) => None,
        }
    }

    /// Closes everything, and waits a moment for what was given to it to be sent.
    pub(crate) async fn close(mut self) {
        let sockets = std::mem::take(&mut self.sockets);
        self.closing
            .extend(sockets.into_values().map(Socket::close));
        let connections = std::mem::take(&mut self.connections);
        self.closing
            .extend(connections.into_values().map(Connection::close));
        let closing = std::mem::take(&mut self.closing);
        let mut all = std::pin::pin!(async {
            for task in closing {
                // A task that failed has nothing more to send.
                let _ = task.await;
            }
        });
        let waiting = async {
            loop {
                // A report that nobody takes would hold its sender up.
                tokio::select! {
                    () = &mut all => return,
                    _ = self.next() => {}
                }
            }
        };
        // What takes longer is cut off.
        let _ = timeout(CLOSE_TIMEOUT, waiting).await;
    }

    fn command_socket(&mut self, id: SocketId, command: SocketCommand) -> Option<Input<'static>> {
        match command {
            SocketCommand::Open { url, .. } => {
                let socket = self
                    .maker
                    .open(id, &url, self.socket_reports.sender.clone());
                self.sockets.insert(id, socket);
            }
            SocketCommand::Send(text) => {
                if let Some(socket) = self.sockets.get(&id) {
                    socket.send(text);
                }
            }
            SocketCommand::AskBuffered => {
                let bytes = self.sockets.get(&id)?.buffered();
                let event = SocketEvent::Buffered(bytes);
                return Some(Input::Socket { socket: id, event });
            }
            SocketCommand::Close => {
                if let Some(socket) = self.sockets.remove(&id) {
                    self.finish(socket.close());
                }
            }
        }
        None
    }

    fn command_connection(
        &mut self,
        link: LinkId,
        command: ConnectionCommand,
    ) -> Option<Input<'static>> {
        match command {
            ConnectionCommand::Create {
                ice_servers,
                low_water,
            } => {
                let reports = self.link_reports.sender.clone();
                let connection = Connection::new(link, &ice_servers, low_water, reports);
                self.connections.insert(link, connection);
            }
            ConnectionCommand::Close => {
                if let Some(connection) = self.connections.remove(&link) {
                    self.finish(connection.close());
                }
            }
            ConnectionCommand::AskBuffered => {
                let bytes = self.connections.get(&link)?.buffered();
                let event = ConnectionEvent::Buffered(bytes);
                return Some(Input::Connection { link, event });
            }
            command => self.connections.get(&link)?.command(command),
        }
        None
    }

    fn command_cipher(&mut self, command: CipherCommand) -> Option<CipherEvent> {
        match command {
            CipherCommand::DeriveKey => {
                let (secret, room) = self.secret.as_ref()?;
                Some(match RoomKeys::derive(secret, room) {
                    Ok(keys) => {
                        let ready = CipherEvent::Ready {
                            // There are no broadcast channels to be named.
                            channel_secret: String::new(),
                            room: keys.room().clone(),
                            exchange: keys.public_value().to_vec(),
                        };
                        self.keys = Some(keys);
                        ready
                    }
                    Err(error) => CipherEvent::Unavailable {
                        reason: error.to_string(),
                    },
                })
            }
            CipherCommand::Seal {
                purpose,
                job,
                plain,
                context,
                sign,
            } => {
                let keys = self.keys.as_ref()?;
                let sealed = keys.seal(purpose, &plain, &context, sign);
                Some(CipherEvent::Sealed {
                    purpose,
                    job,
                    result: sealed.map_err(|error| error.to_string()),
                })
            }
            CipherCommand::Open {
                purpose,
                job,
                sealed,
                context,
            } => {
                let opened = self.keys.as_ref()?.open(purpose, &sealed, &context).ok();
                let is_signed = opened.as_ref().is_some_and(|(_, is_signed)| *is_signed);
                Some(CipherEvent::Opened {
                    purpose,
                    job,
                    plain: opened.map(|(plain, _)| plain),
                    is_signed,
                })
            }
            CipherCommand::Agree {
                key,
                theirs,
                context,
            } => {
                let agreed = self.keys.as_mut()?.agree(key, &theirs, &context);
                let result = agreed.map_err(|error| error.to_string());
                Some(CipherEvent::Agreed { key, result })
            }
            CipherCommand::Discard { key } => {
                self.keys.as_mut()?.discard(key);
                None
            }
            CipherCommand::Forget => {
                self.keys = None;
                None
            }
        }
    }

    fn finish(&mut self, task: JoinHandle<()>) {
        self.closing.retain(|task| !task.is_finished());
        self.closing.push(task);
    }
}
