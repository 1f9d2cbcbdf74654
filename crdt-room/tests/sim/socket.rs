//! Signaling servers, and the sockets between them and pages.
//!
//! A server is [`RoomServer`]: the rules of the real one, without its I/O. A socket carries frames
//! in order. While the machine of a page has no network they wait, and after a while each end
//! considers the other lost.

use std::time::Duration;

use crdt_room::{Carrier, SocketCommand, SocketEvent, SocketId};
use signaling_protocol::CloseCode;
use signaling_rooms::{ConnectionId, Input, Output, Permit, RoomServer, Settings};

use crate::arrival::Arrival;
use crate::world::{Load, World};

/// The number of a close event without a close frame.
const ABNORMAL: u16 = 1006;

/// The time for which an end waits for a message of the other one.
const PATIENCE: (u64, u64) = (15_000, 40_000);

pub(crate) struct Server {
    number: usize,
    pub(crate) is_up: bool,
    /// Something on the way to it breaks WebSockets.
    pub(crate) breaks_websockets: bool,
    pub(crate) rooms: RoomServer,
    /// The frames that came from pages, and those of them that it relayed.
    pub(crate) frames: u64,
    pub(crate) relayed: u64,
    settings: Settings,
}

impl Server {
    pub(crate) fn keeps_logs(&self) -> bool {
        self.settings.log.is_some()
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://server-{}.example", self.number)
    }
}

/// A server that admits members with the read-only token as read-only.
fn room_server(settings: Settings) -> RoomServer {
    RoomServer::new(settings).with_authority(|_, join| {
        Ok(Permit {
            read_only: join.token.as_deref() == Some("read"),
            ..Permit::default()
        })
    })
}

#[derive(Debug)]
pub(crate) struct Socket {
    load: Load,
    id: SocketId,
    carrier: Carrier,
    server: usize,
    /// Whether the server has accepted it, and whether each end still holds it.
    is_open: bool,
    at_page: bool,
    /// It broke at the page: what is under way to the server is lost.
    is_broken: bool,
    at_server: bool,
    /// When the last frame arrives: at the server, and at the page.
    arrives_at: [u64; 2],
    /// When the page's network has carried everything away, and how much waits for that.
    free_at: u64,
    pub(crate) buffered: usize,
    /// Frames that wait for the network, by direction.
    waiting: [Vec<Frame>; 2],
}

#[derive(Debug, Clone)]
enum Frame {
    Text(String),
    Close(u16, &'static str),
}

const UP: usize = 0;
const DOWN: usize = 1;

impl World {
    pub(crate) fn add_server(&mut self, settings: Settings) -> usize {
        let number = self.servers.len();
        self.servers.push(Server {
            number,
            is_up: true,
            breaks_websockets: false,
            rooms: room_server(settings.clone()),
            frames: 0,
            relayed: 0,
            settings,
        });
        number
    }

    pub(crate) fn command_socket(&mut self, page: usize, id: SocketId, command: SocketCommand) {
        if let SocketCommand::Open { url, carrier } = command {
            self.open_socket(page, id, &url, carrier);
            return;
        }
        let number = self.pages[page].held.sockets[&id];
        match command {
            SocketCommand::Open { .. } => {}
            SocketCommand::Send(text) => self.send_frame(number, text),
            SocketCommand::AskBuffered => {
                let buffered = self.sockets.get(&number).map_or(0, |s| s.buffered);
                let load = self.pages[page].load;
                self.arrive(
                    0,
                    load,
                    Arrival::Socket(id, SocketEvent::Buffered(buffered)),
                );
            }
            SocketCommand::Close => {
                self.pages[page].held.sockets.remove(&id);
                self.leave_socket(number);
            }
        }
    }

    fn open_socket(&mut self, page: usize, id: SocketId, url: &str, carrier: Carrier) {
        let number = self.next_number();
        let load = self.pages[page].load;
        self.pages[page].held.sockets.insert(id, number);
        if !url.starts_with("ws://") && !url.starts_with("wss://") {
            let reason = "no address".to_owned();
            let refused = SocketEvent::Refused { reason };
            self.arrive(0, load, Arrival::Socket(id, refused));
            return;
        }
        let known = self.servers.iter().position(|server| server.url() == url);
        let Some(server) = known else {
            self.arrive(30, load, Arrival::Socket(id, closed(ABNORMAL, "")));
            return;
        };
        self.sockets.insert(
            number,
            Socket {
                load,
                id,
                carrier,
                server,
                is_open: false,
                at_page: true,
                is_broken: false,
                at_server: false,
                arrives_at: [0; 2],
                free_at: 0,
                buffered: 0,
                waiting: Default::default(),
            },
        );
        let trip = self.trip();
        self.after(2 * trip, move |world| world.accept(number));
        if !self.pages[page].online {
            self.give_up_later(number);
        }
    }

    fn accept(&mut self, number: u32) {
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        let (load, server) = (socket.load, socket.server);
        if socket.is_open || !self.pages[load.page].online {
            return;
        }
        let is_broken =
            self.servers[server].breaks_websockets && socket.carrier == Carrier::WebSocket;
        if is_broken || !self.servers[server].is_up {
            self.lose_at_page(number);
            return;
        }
        socket.is_open = true;
        socket.at_server = true;
        let opened = Arrival::Socket(socket.id, SocketEvent::Opened);
        self.deliver(load, opened);
        self.at_server(server, number, Input::Connected { room: None });
    }

    fn send_frame(&mut self, number: u32, text: String) {
        if !is_relay(&text) && !text.contains(r#""type":"pong""#) {
            self.traffic.signals += 1;
        }
        let trip = self.trip();
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(&number).filter(|s| s.is_open) else {
            return;
        };
        let len = text.len();
        let start = socket.free_at.max(now);
        let sent_at = match self.pages[socket.load.page].uplink {
            None => start,
            Some(rate) => start + (len as u64).div_ceil(rate),
        };
        socket.free_at = sent_at;
        socket.buffered += len;
        let at = (sent_at + trip).max(socket.arrives_at[UP]);
        socket.arrives_at[UP] = at;
        self.at(sent_at, move |world| {
            if let Some(socket) = world.sockets.get_mut(&number) {
                socket.buffered -= len;
            }
        });
        self.at(at, move |world| world.pass(number, UP, Frame::Text(text)));
    }

    /// A frame comes to the end of its way, unless the network is away.
    fn pass(&mut self, number: u32, direction: usize, frame: Frame) {
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        let online = self.pages[socket.load.page].online;
        if !online || !socket.waiting[direction].is_empty() {
            socket.waiting[direction].push(frame);
            return;
        }
        let (load, id, server) = (socket.load, socket.id, socket.server);
        let page = &self.pages[load.page];
        let is_gone = !page.alive || page.load != load || socket.is_broken;
        match (direction, frame) {
            // What a page said last before its end, or that of the socket, is lost with it.
            (UP, Frame::Text(_)) if is_gone => {}
            (UP, Frame::Text(text)) if socket.at_server => {
                let state = &mut self.servers[server];
                state.frames += 1;
                state.relayed += u64::from(is_relay(&text));
                self.note_written(load.page, &text);
                let text = self.misread(text);
                self.at_server(server, number, Input::Text(&text));
            }
            (UP, Frame::Close(..)) => self.lose_at_server(number),
            // The server has given the socket up, and resets it.
            (UP, Frame::Text(_)) if socket.at_page => self.lose_at_page(number),
            (DOWN, Frame::Text(text)) if socket.at_page => {
                self.deliver(load, Arrival::Socket(id, SocketEvent::Text(text)));
            }
            (DOWN, Frame::Close(code, reason)) if socket.at_page => {
                socket.at_page = false;
                self.deliver(load, Arrival::Socket(id, closed(code, reason)));
                self.forget_socket(number);
            }
            _ => self.forget_socket(number),
        }
    }

    /// Gives something to a server, and sends what it answers.
    fn at_server(&mut self, server: usize, socket: u32, input: Input<'_>) {
        let now = Duration::from_millis(self.now);
        let connection = ConnectionId(socket.into());
        self.servers[server].rooms.handle(connection, input, now);
        self.drain_server(server);
    }

    fn drain_server(&mut self, server: usize) {
        while let Some(output) = self.servers[server].rooms.poll_output() {
            let (to, frames) = match output {
                Output::Send(to, text) => {
                    let texts = self.twist(text.to_string());
                    (to, texts.into_iter().map(Frame::Text).collect())
                }
                Output::Close(to, code) => {
                    let close = Frame::Close(code.number(), code.reason());
                    (to, vec![close])
                }
            };
            let number = u32::try_from(to.0).expect("a number of ours");
            for frame in frames {
                self.send_down(number, frame);
            }
        }
    }

    fn send_down(&mut self, number: u32, frame: Frame) {
        let (trip, now) = (self.trip(), self.now);
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        let at = (now + trip).max(socket.arrives_at[DOWN]);
        socket.arrives_at[DOWN] = at;
        if matches!(frame, Frame::Close(..)) {
            socket.at_server = false;
        }
        self.at(at, move |world| world.pass(number, DOWN, frame));
    }

    /// The page closes its end.
    fn leave_socket(&mut self, number: u32) {
        let trip = self.trip();
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        socket.at_page = false;
        if !socket.is_open {
            self.sockets.remove(&number);
            return;
        }
        let at = (now + trip).max(socket.arrives_at[UP]);
        socket.arrives_at[UP] = at;
        let frame = Frame::Close(CloseCode::Normal.number(), "");
        self.at(at, move |world| world.pass(number, UP, frame));
        self.give_up_later(number);
    }

    /// The server considers a client lost, or is notified that it left.
    fn lose_at_server(&mut self, number: u32) {
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        if std::mem::take(&mut socket.at_server) {
            let server = socket.server;
            self.at_server(server, number, Input::Disconnected);
        }
        self.forget_socket(number);
    }

    /// A page considers its server lost.
    fn lose_at_page(&mut self, number: u32) {
        let Some(socket) = self.sockets.get_mut(&number) else {
            return;
        };
        if std::mem::take(&mut socket.at_page) {
            socket.is_broken = true;
            let (load, id) = (socket.load, socket.id);
            // The server gives up a client that is silent, also one that it let in after the way broke.
            self.after(PATIENCE.1, move |world| world.lose_at_server(number));
            self.deliver(load, Arrival::Socket(id, closed(ABNORMAL, "")));
        }
        self.forget_socket(number);
    }

    fn forget_socket(&mut self, number: u32) {
        let is_over = |socket: &Socket| !socket.at_page && !socket.at_server;
        if self.sockets.get(&number).is_some_and(is_over) {
            self.sockets.remove(&number);
        }
    }

    /// Both ends lose patience some time, unless the network is back by then.
    fn give_up_later(&mut self, number: u32) {
        let [page, server] = [(); 2].map(|()| self.rng.u64(PATIENCE.0..PATIENCE.1));
        let is_away = move |world: &World| {
            let socket = world.sockets.get(&number);
            socket.is_some_and(|socket| {
                !world.pages[socket.load.page].online
                    || !world.pages[socket.load.page].alive
                    || !socket.at_page
                    || world.pages[socket.load.page].load != socket.load
            })
        };
        self.after(page, move |world| {
            if is_away(world) {
                world.lose_at_page(number);
            }
        });
        self.after(server, move |world| {
            if is_away(world) {
                world.lose_at_server(number);
            }
        });
    }

    fn sockets_of(&self, page: usize) -> Vec<u32> {
        let sockets = self.sockets.iter();
        sockets
            .filter(|(_, socket)| socket.load.page == page)
            .map(|(number, _)| *number)
            .collect()
    }

    /// The network of a page is gone.
    pub(crate) fn stall_sockets(&mut self, page: usize) {
        for number in self.sockets_of(page) {
            self.give_up_later(number);
        }
    }

    /// The network of a page is back: waiting frames continue.
    pub(crate) fn release_sockets(&mut self, page: usize) {
        for number in self.sockets_of(page) {
            let trip = self.trip();
            self.after(trip, move |world| {
                world.accept(number);
                for direction in [UP, DOWN] {
                    let Some(socket) = world.sockets.get_mut(&number) else {
                        return;
                    };
                    let waiting = std::mem::take(&mut socket.waiting[direction]);
                    for frame in waiting {
                        world.pass(number, direction, frame);
                    }
                }
            });
        }
    }

    /// All sockets of a page break, which each end learns at its own time.
    pub(crate) fn break_sockets(&mut self, page: usize) {
        for number in self.sockets_of(page) {
            let soon = self.rng.u64(0..3_000);
            self.after(soon, move |world| world.lose_at_page(number));
            let late = self.rng.u64(0..PATIENCE.1);
            self.after(late, move |world| world.lose_at_server(number));
        }
    }

    /// The page is gone without a message: its sockets are reset, or the server detects it late.
    pub(crate) fn drop_sockets(&mut self, page: usize) {
        for number in self.sockets_of(page) {
            let noticed = self.chance(70);
            if let Some(socket) = self.sockets.get_mut(&number) {
                socket.at_page = false;
            }
            let late = if noticed {
                self.trip()
            } else {
                self.rng.u64(PATIENCE.0..PATIENCE.1)
            };
            self.after(late, move |world| world.lose_at_server(number));
        }
    }

    /// A server ends. `gracefully`: it notifies its clients; otherwise their sockets break.
    pub(crate) fn stop_server(&mut self, server: usize, gracefully: bool) {
        if !self.servers[server].is_up {
            return;
        }
        self.servers[server].is_up = false;
        if gracefully {
            let delay = self.rng.u64(0..2_000);
            let now = Duration::from_millis(self.now);
            self.servers[server].rooms.end(|_| delay, now);
            self.drain_server(server);
        }
        let of_it = |(_, socket): &(&u32, &Socket)| socket.server == server && socket.at_server;
        let broken = self.sockets.iter().filter(of_it);
        let broken: Vec<u32> = broken.map(|(number, _)| *number).collect();
        for number in broken {
            if let Some(socket) = self.sockets.get_mut(&number) {
                socket.at_server = false;
            }
            let soon = self.rng.u64(0..2_000);
            self.after(soon, move |world| world.lose_at_page(number));
        }
        let state = &mut self.servers[server];
        let settings = state.settings.clone();
        let ended = std::mem::replace(&mut state.rooms, room_server(settings.clone()));
        if settings.log.is_some() {
            state.rooms = room_server(settings).with_logs_of(ended);
        }
    }

    /// A stopped server loses its logs.
    pub(crate) fn lose_logs(&mut self, server: usize) {
        let state = &mut self.servers[server];
        state.rooms = room_server(state.settings.clone());
    }

    pub(crate) fn start_server(&mut self, server: usize) {
        self.servers[server].is_up = true;
    }
}

fn closed(code: u16, reason: &str) -> SocketEvent {
    let reason = reason.to_owned();
    SocketEvent::Closed { code, reason }
}

fn is_relay(frame: &str) -> bool {
    frame.contains(r#""type":"relay""#)
}
