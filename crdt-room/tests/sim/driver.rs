//! The driver of a page: passes inputs to its room, and carries out the outputs. It checks the
//! contract between the two: closed objects neither report anything nor receive commands, and no
//! number is used twice.

use crdt_room::{
    BroadcastCommand, BroadcastContent, BroadcastMessage, CipherCommand, CipherEvent,
    ConnectionEvent, LinkKey, Output, Purpose, SocketCommand, SocketEvent, TransportEvent,
};

use signaling_protocol::RoomId;

use crate::arrival::Arrival;
use crate::page::{Activity, Held, KeyState, Page, agent};
use crate::world::{Load, World};

/// The most times that a timer may fire at one moment.
const MAX_TICKS: u32 = 50;

/// The most consecutive rounds of settling.
const MAX_ROUNDS: u32 = 10;

impl World {
    /// Something reaches a page, or waits until it runs.
    pub(crate) fn deliver(&mut self, load: Load, arrival: Arrival) {
        let page = &mut self.pages[load.page];
        if !page.alive || page.load != load {
            return;
        }
        if page.activity != Activity::Running {
            page.backlog.push_back(arrival);
            return;
        }
        // A host may have queued an event before its close. The room knows such events.
        let may_be_late = !matches!(arrival, Arrival::Cipher(..));
        if self.concerns_held(load.page, &arrival) || may_be_late && self.chance(20) {
            self.give(load.page, arrival);
        }
    }

    /// Whether this is of something that is open, or of nothing in particular.
    fn concerns_held(&self, page: usize, arrival: &Arrival) -> bool {
        let held = &self.pages[page].held;
        match arrival {
            Arrival::Message(link, _) | Arrival::Connection(link, _) => {
                held.connections.contains_key(link)
            }
            Arrival::Socket(socket, _) => held.sockets.contains_key(socket),
            Arrival::Transport(run, _) => held.runs.contains_key(run),
            Arrival::Broadcast(_) => !held.listens.is_empty(),
            Arrival::Cipher(number, _) => held.key.is_some_and(|key| key.number == *number),
            _ => true,
        }
    }

    /// Passes an input to the room of a running page.
    pub(crate) fn give(&mut self, page: usize, arrival: Arrival) {
        if self.trace {
            println!(
                "{} {} <- {arrival:?}",
                self.now, self.pages[page].profile.agent
            );
        }
        if let Arrival::Transport(run, TransportEvent::Connected) = arrival {
            self.hear_meeting(page, run);
        }
        let now = self.local(page);
        let state = &mut self.pages[page];
        note_end(&mut state.held, &arrival);
        state.room.handle(arrival.input(), now, &mut state.document);
        self.drain(page);
        let state = &self.pages[page];
        let is_traffic = matches!(arrival, Arrival::Edited | Arrival::Message(..));
        let armed = state.armed.map(|(_, local)| local);
        if is_traffic && state.room.is_quiet(armed) {
            return;
        }
        if state.eager {
            self.settle(page);
        } else if !state.settles {
            let load = state.load;
            self.pages[page].settles = true;
            self.after(0, move |world| {
                let page = &world.pages[load.page];
                if page.load == load && page.alive {
                    world.settle(load.page);
                }
            });
        }
    }

    fn settle(&mut self, page: usize) {
        let now = self.local(page);
        self.pages[page].settles = false;
        for round in 0.. {
            assert!(round < MAX_ROUNDS, "what settles does not come to rest");
            let state = &mut self.pages[page];
            state.room.settle(now, &mut state.document);
            self.drain(page);
            if !self.pages[page].room.needs_settling() {
                break;
            }
        }
        self.arm(page);
    }

    fn drain(&mut self, page: usize) {
        let now = self.local(page);
        loop {
            let state = &mut self.pages[page];
            let Some(output) = state.room.poll_output(now, &mut state.document) else {
                return;
            };
            if self.trace {
                println!(
                    "{} {} -> {output:?}",
                    self.now, self.pages[page].profile.agent
                );
            }
            self.carry_out(page, output);
        }
    }

    /// Sets the timer, unless it already fires early enough.
    pub(crate) fn arm(&mut self, page: usize) {
        let local = self.local(page);
        let state = &self.pages[page];
        let Some(due) = state.room.next_timeout(local) else {
            self.pages[page].armed = None;
            return;
        };
        if state.armed.is_some_and(|(_, armed)| armed <= due) {
            return;
        }
        let (offset, (a, b)) = state.clock;
        let at = (due.saturating_sub(offset) * b).div_ceil(a).max(self.now);
        let (lag, load) = (state.lag, state.load);
        let late = self.rng.u64(0..=lag);
        let timer = (at + late, due);
        self.pages[page].armed = Some(timer);
        self.at(timer.0, move |world| {
            let page = &world.pages[load.page];
            let fires = page.load == load && page.alive && page.armed == Some(timer);
            if fires && page.activity == Activity::Running {
                world.fire(load.page);
            }
        });
    }

    fn fire(&mut self, page: usize) {
        let now = self.now;
        let state = &mut self.pages[page];
        state.armed = None;
        let (at, ticks) = &mut state.ticks;
        (*at, *ticks) = if *at == now {
            (now, *ticks + 1)
        } else {
            (now, 0)
        };
        assert!(*ticks < MAX_TICKS, "the timer stands still at {now}");
        self.give(page, Arrival::Timeout);
        if self.pages[page].armed.is_none() {
            self.arm(page);
        }
    }

    fn carry_out(&mut self, page: usize, output: Output) {
        match output {
            Output::Tell(news) => self.tell(page, news),
            Output::KeepAlive(on) => {
                self.pages[page].held.keep_alive = on;
            }
            Output::Send {
                link,
                channel,
                message,
            } => {
                let id = self.connection_of(page, link);
                self.send_direct(id, channel, message);
            }
            Output::Connection { link, command } => self.command_connection(page, link, command),
            Output::Socket { socket, command } => {
                let held = &self.pages[page].held;
                let is_new = matches!(command, SocketCommand::Open { .. });
                assert_ne!(held.sockets.contains_key(&socket), is_new, "{command:?}");
                self.command_socket(page, socket, command);
            }
            Output::Broadcast(command) => self.command_broadcast(page, command),
            Output::Transport {
                transport,
                run,
                command,
            } => self.command_transport(page, transport, run, command),
            Output::Cipher(command) => self.command_cipher(page, command),
        }
    }

    fn command_broadcast(&mut self, page: usize, command: BroadcastCommand) {
        let state = &mut self.pages[page];
        let held = &mut state.held;
        match command {
            BroadcastCommand::Listen {
                channel, places, ..
            } => {
                assert!(state.profile.host.broadcast, "there are no such channels");
                assert!(held.listens.is_empty());
                held.listens.push(channel);
                held.listens.extend(places);
            }
            BroadcastCommand::Post { channel, content } => {
                assert!(!held.listens.is_empty(), "a page that posts listens");
                held.outboxes.insert(channel.clone());
                let message = BroadcastMessage {
                    from: agent(&state.profile.agent),
                    page: state.room.page(),
                    content,
                };
                match &message.content {
                    BroadcastContent::Binary(bytes) => self.traffic.count_bytes(bytes),
                    BroadcastContent::Text(_) => self.traffic.speech += 1,
                    _ => self.traffic.signals += 1,
                }
                let browser = state.profile.browser;
                // Channels overtake each other.
                let is_place = matches!(
                    message.content,
                    BroadcastContent::Announce | BroadcastContent::Leave
                );
                let latency = 1 + if is_place { self.now % 20 } else { 0 };
                self.after(latency, move |world| {
                    world.broadcast(browser, &channel, message)
                });
            }
            BroadcastCommand::Forget { channel } => {
                let was_known = held.outboxes.remove(&channel);
                assert!(was_known, "forgets what it does not know");
            }
            BroadcastCommand::Close => {
                assert!(!held.listens.is_empty(), "closes what is not open");
                held.listens.clear();
            }
        }
    }

    /// A broadcast message on its way to the pages of the browser that listen on this channel, its sender
    /// among them.
    pub(crate) fn broadcast(&mut self, browser: usize, channel: &str, message: BroadcastMessage) {
        let hears = |page: &&Page| {
            let listens = page.held.listens.iter().any(|name| name == channel);
            page.alive && page.profile.browser == browser && listens
        };
        let all = self.pages.iter().filter(hears).map(|page| page.load);
        for load in all.collect::<Vec<_>>() {
            self.deliver(load, Arrival::Broadcast(message.clone()));
        }
    }

    fn command_cipher(&mut self, page: usize, command: CipherCommand) {
        let number = self.next_number();
        let late = self.rng.u64(0..20);
        let state = &mut self.pages[page];
        let (load, held) = (state.load, &mut state.held);
        // The key is derived from the secret and the name of the room, which is the same for all here.
        let key = state.profile.secret.unwrap_or_default();
        let may_write = !state.profile.reads;
        let jobs = held.key.map_or(0, |key| key.number);
        let (event, of) = match command {
            CipherCommand::DeriveKey => {
                assert_eq!(held.key, None, "there is a key already");
                held.key = Some(KeyState {
                    number,
                    is_ready: false,
                });
                let event = if state.profile.has_cipher {
                    let channel_secret = format!("{key:032}");
                    let room = RoomId::parse(&format!("room of {key}")).expect("a valid room");
                    // What stands for a public value names the page load that it belongs to.
                    CipherEvent::Ready {
                        channel_secret,
                        room,
                        exchange: exchange(number),
                    }
                } else {
                    let reason = "no secure context".to_owned();
                    CipherEvent::Unavailable { reason }
                };
                (event, number)
            }
            CipherCommand::Seal {
                purpose,
                job,
                plain,
                context,
                sign,
            } => {
                begin_job(held, purpose, job);
                match purpose {
                    Purpose::Relay => self.traffic.count_relayed(&plain),
                    Purpose::Message(_) => self.traffic.count_sealed(&plain),
                    Purpose::Signal | Purpose::Link | Purpose::Log => {}
                }
                let mut sealed = match purpose {
                    Purpose::Message(of) => of_link(held, of, &context),
                    _ => header(key, purpose, sign && may_write, &context),
                };
                sealed.extend(plain);
                let result = Ok(sealed);
                let event = CipherEvent::Sealed {
                    purpose,
                    job,
                    result,
                };
                (event, jobs)
            }
            CipherCommand::Open {
                purpose,
                job,
                sealed,
                context,
            } => {
                begin_job(held, purpose, job);
                let opened = |is_signed| {
                    let header = match purpose {
                        Purpose::Message(of) => of_link(held, of, &context),
                        _ => header(key, purpose, is_signed, &context),
                    };
                    sealed.strip_prefix(&header[..]).map(<[u8]>::to_vec)
                };
                let signed = opened(true);
                let event = CipherEvent::Opened {
                    purpose,
                    job,
                    is_signed: signed.is_some(),
                    plain: signed.or_else(|| opened(false)),
                };
                (event, jobs)
            }
            CipherCommand::Agree {
                key,
                theirs,
                context,
            } => {
                let own = held.key.filter(|own| own.is_ready);
                let own = own.expect("there is a key").number;
                let result = match peer_of(&theirs) {
                    Some(peer) => Ok((own.min(peer), own.max(peer), context)),
                    None => Err("this is no public value".to_owned()),
                };
                let is_new = held.link_keys.insert(key, result.clone().ok()).is_none();
                assert!(is_new, "the key {key:?} is there");
                let result = result.map(|_| ());
                (CipherEvent::Agreed { key, result }, jobs)
            }
            CipherCommand::Discard { key } => {
                assert!(held.link_keys.remove(&key).is_some(), "there is no {key:?}");
                return;
            }
            CipherCommand::Forget => {
                assert!(held.key.take().is_some(), "there is no key");
                held.jobs.clear();
                held.link_keys.clear();
                return;
            }
        };
        self.arrive(late, load, Arrival::Cipher(of, event));
    }
}

/// The header of a sealed message: the data needed to open it, and whether it is signed.
pub(crate) fn header(key: &str, purpose: Purpose, is_signed: bool, context: &str) -> Vec<u8> {
    format!("{key} {purpose:?} {is_signed}\n{context}\n").into_bytes()
}

/// The public value of a page load, and the page load that it belongs to.
pub(crate) fn exchange(load: u32) -> Vec<u8> {
    format!("public value {load}").into_bytes()
}

fn peer_of(exchange: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(exchange).ok()?;
    text.strip_prefix("public value ")?.parse().ok()
}

/// The same for messages on a link: its key is known to the two page loads that agreed on it.
fn of_link(held: &Held, key: LinkKey, context: &str) -> Vec<u8> {
    let secret = held.link_keys.get(&key).expect("the key is there");
    let secret = secret.as_ref().expect("the key was agreed on");
    link_header(secret, context)
}

pub(crate) fn link_header(secret: &(u32, u32, String), context: &str) -> Vec<u8> {
    format!("{secret:?}\n{context}\n").into_bytes()
}

fn begin_job(held: &mut Held, purpose: Purpose, job: u32) {
    assert!(held.key.is_some_and(|key| key.is_ready), "there is no key");
    let is_new = held.jobs.insert((purpose, job));
    assert!(is_new, "the job {purpose:?} {job} is under way");
}

/// Takes in what an arrival says of what is open, as the room does.
fn note_end(held: &mut Held, arrival: &Arrival) {
    match arrival {
        Arrival::Socket(socket, SocketEvent::Closed { .. } | SocketEvent::Refused { .. }) => {
            held.sockets.remove(socket);
        }
        Arrival::Connection(
            link,
            ConnectionEvent::Refused { .. } | ConnectionEvent::TooMany { .. },
        ) => {
            held.connections.remove(link);
        }
        Arrival::Cipher(_, CipherEvent::Ready { .. }) => {
            if let Some(key) = &mut held.key {
                key.is_ready = true;
            }
        }
        Arrival::Cipher(
            _,
            CipherEvent::Sealed { purpose, job, .. } | CipherEvent::Opened { purpose, job, .. },
        ) => {
            held.jobs.remove(&(*purpose, *job));
        }
        _ => {}
    }
}
