//! One member: a room, its document, the files, and the host objects, in one loop.
//!
//! The loop hands each input to the room, writes the document to the disk, and only then carries out what
//! the room wants done. So no change is acknowledged to a peer, and no edit of the file is sent, before it
//! is on the disk.
//!
//! The loop waits for the disk, on a thread that runs nothing else; sockets and connections are tasks on
//! others.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use crdt_core::Document;
use crdt_room::{
    Call, CallId, Host as HostAbilities, Input, LinkState, News, Output, Phase, Room, RoomError,
    RoomOptions, Status,
};
use crdt_sync::{Incoming, Millis, Outgoing};
use signaling_protocol::{AgentId, SessionSecret};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until};

use crate::document_file::{DocumentFile, DocumentFileError};
use crate::first_start::{FirstStartError, Knowledge, reconcile};
use crate::host::{Host, HostEvent};
use crate::link::RoomLink;
use crate::mirror::{Mirror, MirrorError, POLL_MILLIS};
use crate::rebase::{RebaseError, rebase};
use crate::seal::RoomSecret;
use crate::socket::Sockets;
use crate::text_file::TextFile;
use crate::webrtc::Report;

/// How often the file is given a text at most, in milliseconds.
const WRITE_MILLIS: Millis = 1_000;

/// The share of its time that may go into writing a large file is one in so many.
const WRITE_SHARE: u32 = 20;

/// How long to wait before something that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How long this peer has to be alone in the room before that counts, in milliseconds.
const ALONE_MILLIS: Millis = 2_000;

/// How long bringing file and room up to date once may take, in milliseconds.
const ONCE_MILLIS: Millis = 60_000;

/// How many reports are taken before the document is kept and what they led to is done.
const MAX_TAKEN: usize = 256;

/// What a member is made from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) link: RoomLink,
    pub(crate) token: Option<String>,
    pub(crate) file: PathBuf,
    pub(crate) is_once: bool,
    pub(crate) is_read_only: bool,
    /// The name that others see.
    pub(crate) name: String,
    pub(crate) links: Vec<crdt_room::LinkKind>,
}

/// Why a member ended that was not told to.
#[derive(Debug, Error)]
pub(crate) enum MemberError {
    #[error(transparent)]
    DocumentFile(#[from] DocumentFileError),
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    #[error(transparent)]
    MirrorError(#[from] MirrorError),
    #[error("the edits of the file cannot be made in the document: {0}")]
    Edits(#[from] RebaseError),
    #[error(transparent)]
    Room(#[from] RoomError),
    #[error("{0}")]
    Away(String),
    #[error("not everything went through in {seconds} s: {problems}")]
    Unfinished { seconds: u64, problems: String },
    #[error("the system gives no random numbers")]
    NoRandom,
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A member of a room.
#[derive(Debug)]
pub(crate) struct Member {
    settings: Settings,
    room: RoomMachine,
    document: Document,
    file: DocumentFile,
    /// `None` while it is not known how the file and the room begin with each other.
    mirror: Option<Mirror>,
    host: Host,
    started: Instant,
    shutdown: watch::Receiver<bool>,
    /// Since when this peer is alone in the room.
    alone_since: Option<Millis>,
    /// The file is not given a text before.
    write_at: Millis,
    /// For how many looks everything has been up to date.
    looks_done: u32,
    phase: Phase,
    /// What ends this member.
    failure: Option<MemberError>,
}

/// The room, which has no form to be shown in.
struct RoomMachine(Room);

impl std::fmt::Debug for RoomMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Room").field(self.0.options()).finish()
    }
}

impl Member {
    /// Opens the files. `shutdown` becomes `true` when the member is to end.
    ///
    /// # Errors
    /// [`MemberError`]; the files are as they were.
    pub(crate) fn new(
        settings: Settings,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Member, MemberError> {
        let text = TextFile::at(&settings.file).map_err(|source| MirrorError::Read {
            path: settings.file.clone(),
            source,
        })?;
        // A name of its own for every start: what a crash, or a copy from a backup, made forget was not
        // made under it.
        let agent = format!("crdt-peer-{:08x}", random_number()? as u32);
        let (file, kept) = DocumentFile::open(text.path(), &agent)?;
        if let Some(copy) = &kept.torn {
            tracing::warn!(
                "the journal ended in the middle of a record, which was never acknowledged; \
                 it is kept as {}",
                copy.display()
            );
        }
        let mut document = kept.document;
        let mirror = match &kept.mirrored[..] {
            [] => None,
            known => Some(Mirror::new(
                text,
                &mut document,
                known,
                settings.is_read_only,
            )?),
        };
        let host = Host::new(Sockets::new()?, secret_of(&settings.link));
        let room = Room::new(options(&settings, &agent)?, Box::new(random_fraction));
        Ok(Member {
            room: RoomMachine(room),
            document,
            file,
            mirror,
            host,
            started: Instant::now(),
            shutdown,
            alone_since: None,
            write_at: 0,
            looks_done: 0,
            phase: Phase::Disconnected,
            failure: None,
            settings,
        })
    }

    /// Is in the room until told to end.
    ///
    /// # Errors
    /// [`MemberError`]; everything that was acknowledged is kept.
    pub(crate) async fn run(mut self) -> Result<(), MemberError> {
        let user = serde_json::json!({ "name": self.settings.name, "color": "slategray" });
        self.give(Input::Call(Call::SetPresence {
            field: "user".to_owned(),
            value: Some(user.to_string()),
        }));
        // The room tries again by itself.
        self.give(Input::Call(Call::Connect {
            call: CallId(1),
            urls: Vec::new(),
            page: random_number()?,
        }));
        self.turn().await?;
        let mut looks = interval(Duration::from_millis(POLL_MILLIS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = self.shutdown.clone();
        loop {
            let wake = self.wake_at();
            tokio::select! {
                _ = shutdown.wait_for(|told| *told) => break,
                event = self.host.next() => self.take_all(event),
                _ = looks.tick() => {
                    if self.poll().await? {
                        break;
                    }
                }
                () = sleep_until(wake.into()) => self.on_time(),
            }
            self.turn().await?;
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        self.leave().await
    }

    /// Leaves the room, and keeps the document as a whole.
    async fn leave(mut self) -> Result<(), MemberError> {
        self.give(Input::Call(Call::Disconnect));
        self.turn().await?;
        self.host.close().await;
        let mirrored = self.mirror.as_ref().map_or(&[][..], Mirror::mirrored);
        self.file.keep_whole(&self.document, mirrored)?;
        Ok(())
    }

    fn now(&self) -> Millis {
        self.started.elapsed().as_millis() as Millis
    }

    fn wake_at(&self) -> Instant {
        let at = self.room.0.next_timeout(self.now());
        // Without anything to wait for, the next look is soon enough.
        let at = at.unwrap_or_else(|| self.now() + POLL_MILLIS);
        self.started + Duration::from_millis(at)
    }

    fn give(&mut self, input: Input<'_>) {
        let now = self.now();
        self.room.0.handle(input, now, &mut self.document);
    }

    fn on_time(&mut self) {
        let now = self.now();
        if self.room.0.next_timeout(now).is_some_and(|at| at <= now) {
            self.give(Input::Timeout);
        }
    }

    /// Takes a report and those that wait behind it.
    fn take_all(&mut self, first: HostEvent) {
        let mut next = Some(first);
        for _ in 0..MAX_TAKEN {
            let Some(event) = next.take() else {
                return;
            };
            if self.host.knows(&event) {
                self.take(event);
            }
            next = self.host.ready();
        }
        if let Some(event) = next
            && self.host.knows(&event)
        {
            self.take(event);
        }
    }

    fn take(&mut self, event: HostEvent) {
        match event {
            HostEvent::Socket(socket, event) => self.give(Input::Socket { socket, event }),
            HostEvent::Connection(link, Report::Event(event)) => {
                self.give(Input::Connection { link, event });
            }
            HostEvent::Connection(link, Report::Message(message)) => {
                let message = match &message {
                    Outgoing::Text(text) => Incoming::Text(text),
                    Outgoing::Binary(bytes) => Incoming::Binary(bytes),
                };
                self.give(Input::Message { link, message });
            }
        }
    }

    /// Brings the document to the disk, and does what the room wants done, until there is no more.
    async fn turn(&mut self) -> Result<(), MemberError> {
        loop {
            let now = self.now();
            self.room.0.settle(now, &mut self.document);
            let mut outputs = Vec::new();
            while let Some(output) = self.room.0.poll_output(now, &mut self.document) {
                outputs.push(output);
            }
            self.keep().await?;
            if outputs.is_empty() && !self.room.0.needs_settling() {
                return Ok(());
            }
            for output in outputs {
                if let Output::Tell(news) = output {
                    self.on_news(news);
                } else if let Some(input) = self.host.carry_out(output) {
                    self.give(input);
                }
            }
        }
    }

    /// Brings the document to the disk. While that fails, nothing else is done: it is as if the program
    /// had stopped for so long.
    async fn keep(&mut self) -> Result<(), MemberError> {
        let mut told = String::new();
        loop {
            let mirrored = self.mirror.as_ref().map_or(&[][..], Mirror::mirrored);
            let error = match self.file.keep(&self.document, mirrored) {
                Ok(()) if told.is_empty() => return Ok(()),
                Ok(()) => {
                    tracing::info!("everything is kept again");
                    return Ok(());
                }
                Err(error @ DocumentFileError::Write { .. }) if !self.settings.is_once => error,
                Err(error) => return Err(error.into()),
            };
            let words = error.to_string();
            if words != told {
                tracing::error!(
                    "{words}; the write is repeated every {} s, and no change is acknowledged until \
                     it succeeds",
                    RETRY.as_secs()
                );
                told = words;
            }
            tokio::select! {
                () = sleep(RETRY) => {}
                _ = self.shutdown.wait_for(|told| *told) => return Err(error.into()),
            }
        }
    }

    /// Looks at the file, and gives it the text of the room. Returns whether all is done that was to be
    /// done once.
    async fn poll(&mut self) -> Result<bool, MemberError> {
        let now = self.now();
        let status = self.room.0.status(&self.document);
        self.note_alone(&status, now);
        let knowledge = if self.is_up_to_date(&status, now) {
            Knowledge::Full
        } else {
            Knowledge::Partial
        };
        let is_file_done = self.poll_file(now, knowledge).await?;
        if !self.settings.is_once {
            return Ok(false);
        }
        let is_done = is_file_done && knowledge == Knowledge::Full && has_left_all(&status);
        self.looks_done = if is_done { self.looks_done + 1 } else { 0 };
        if self.looks_done == 0 && now > ONCE_MILLIS {
            return Err(unfinished(&status));
        }
        // What was edited just now is seen at the second look.
        let is_over = self.looks_done > 2;
        if is_over && let Some(reason) = why_nobody_has_it(&status) {
            tracing::warn!("nobody else has the text: nobody else is in the room, and {reason}");
        }
        Ok(is_over)
    }

    /// Takes the edits of the file, and gives it the text of the room. Returns whether both are the same.
    async fn poll_file(&mut self, now: Millis, knowledge: Knowledge) -> Result<bool, MemberError> {
        let Some(mirror) = &mut self.mirror else {
            let (path, is_read_only) = (&self.settings.file, self.settings.is_read_only);
            self.mirror = reconcile(path, &mut self.document, knowledge, is_read_only)?;
            return Ok(false);
        };
        match mirror.poll(now) {
            Ok(Some(found)) => {
                let version = rebase(&mut self.document, &found.version, &found.edits)?;
                mirror.taken(found, version);
                self.give(Input::Edited);
                self.turn().await?;
            }
            Ok(None) => {}
            // Waiting does not help.
            Err(error @ MirrorError::ReadOnly { .. }) if self.settings.is_once => {
                return Err(error.into());
            }
            Err(error) => tracing::warn!("{error}"),
        }
        self.write().await?;
        let is_done = |mirror: &Mirror| mirror.is_at_rest() && !mirror.is_behind(&self.document);
        Ok(self.mirror.as_ref().is_some_and(is_done))
    }

    /// Gives the file the text of the document, if it is due.
    async fn write(&mut self) -> Result<(), MemberError> {
        let now = self.now();
        let is_due = |mirror: &Mirror| mirror.is_behind(&self.document) && now >= self.write_at;
        if !self.mirror.as_ref().is_some_and(is_due) {
            return Ok(());
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.prepare(&self.document);
        }
        self.keep().await?;
        let Some(mirror) = &mut self.mirror else {
            return Ok(());
        };
        let began = Instant::now();
        let wait = match mirror.write(&self.document, now) {
            Ok(()) => {
                let share = (began.elapsed() * WRITE_SHARE).as_millis() as Millis;
                share.max(WRITE_MILLIS)
            }
            Err(error) => {
                tracing::warn!("{error}; it is tried again every {} s", RETRY.as_secs());
                RETRY.as_millis() as Millis
            }
        };
        self.write_at = now + wait;
        Ok(())
    }

    fn note_alone(&mut self, status: &Status, now: Millis) {
        let is_alone = status.state == Phase::Connected && status.links.is_empty();
        self.alone_since = is_alone.then_some(self.alone_since.unwrap_or(now));
    }

    /// Whether everybody who is in the room, as far as they are linked to, has what we have.
    fn is_up_to_date(&self, status: &Status, now: Millis) -> bool {
        if status.links.is_empty() {
            let long = |since: Millis| now.saturating_sub(since) >= ALONE_MILLIS;
            // What others left at a server comes first.
            let is_log_read = status.kept.ahead.is_some() || status.kept.problem.is_some();
            return is_log_read && self.alone_since.is_some_and(long);
        }
        let mut linked = status.links.iter();
        let is_in_sync = linked.all(|link| link.state == LinkState::Indirect || link.synced);
        let is_linked = status.links.iter().any(|link| link.synced);
        status.state == Phase::Connected && is_in_sync && is_linked
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::ConnectEnded {
                result: Err(error), ..
            } => self.on_refusal(error),
            News::Error(error) if self.room.0.status(&self.document).state == Phase::Error => {
                self.on_refusal(error);
            }
            News::Error(error) => tracing::warn!("{error}"),
            News::Status(status) => self.on_status(&status),
            News::Peers { joined, left, .. } => {
                for peer in joined {
                    tracing::info!("{peer} is linked");
                }
                for peer in left {
                    tracing::info!("{peer} is not linked any more");
                }
            }
            News::Outdated {
                peer, ours, theirs, ..
            } => tracing::warn!(
                "{peer} speaks version {theirs} of the protocol, this program version {ours}: \
                 the older one is to be updated"
            ),
            News::Diverged { peer, id, .. } => match id {
                Some(id) => tracing::error!(
                    "{peer} has another text: its event ({}, {}) is another one",
                    id.agent,
                    id.seq
                ),
                None => tracing::error!("{peer} has another text at the same version"),
            },
            News::ConnectEnded { result: Ok(()), .. } => self.on_first_attempt(),
            News::Changed { .. } | News::Synced { .. } | News::Presence { .. } => {}
        }
    }

    fn on_status(&mut self, status: &Status) {
        let before = std::mem::replace(&mut self.phase, status.state);
        if before == status.state {
            return;
        }
        match status.state {
            Phase::Connected => tracing::info!(
                "in the room {} as {}",
                self.settings.link.room,
                status.agent_id
            ),
            Phase::Reconnecting => {
                let reason = status.error.as_ref().map(|error| error.message.as_str());
                let reason = reason.unwrap_or("the server is lost");
                tracing::warn!("{reason}; it is tried again");
            }
            Phase::Disconnected | Phase::Connecting | Phase::Error => {}
        }
    }

    /// The server let us in, or cannot be reached for now.
    fn on_first_attempt(&mut self) {
        let status = self.room.0.status(&self.document);
        if self.settings.is_once
            && status.state != Phase::Connected
            && let Some(error) = status.error
        {
            self.failure = Some(MemberError::Away(error.message));
        }
    }

    /// The room cannot be joined, and trying again does not help.
    fn on_refusal(&mut self, error: RoomError) {
        self.failure = Some(error.into());
    }
}

/// Whether nobody misses anything when we leave: others are in the room, or the server has it all, if it keeps
/// this room.
fn has_left_all(status: &Status) -> bool {
    let kept = &status.kept;
    // A problem of a server that has a part already leaves the rest with nobody.
    let is_kept = match kept.ahead {
        Some(ahead) => ahead == 0,
        None => kept.problem.is_some(),
    };
    is_kept || status.read_only || !status.links.is_empty()
}

/// Why nobody else has the text when we leave; `None` where somebody has it, or nothing of it is ours to give.
fn why_nobody_has_it(status: &Status) -> Option<&str> {
    let is_alone = status.links.is_empty() && !status.read_only;
    let problem = status.kept.problem.as_deref();
    problem.filter(|_| is_alone && status.kept.ahead != Some(0))
}

fn unfinished(status: &Status) -> MemberError {
    let of_room = status.error.iter().map(|error| error.message.clone());
    let of_server = (!has_left_all(status)).then(|| match &status.kept.problem {
        Some(problem) => format!("the server does not keep everything: {problem}"),
        None => "the server has not acknowledged everything".to_owned(),
    });
    let of_peers = status.links.iter().filter(|link| !link.synced);
    let of_peers = of_peers.map(|link| match &link.problem {
        Some(problem) => format!("{}: {problem}", link.peer),
        None => format!("{} is not up to date", link.peer),
    });
    let mut problems: Vec<String> = of_room.chain(of_server).chain(of_peers).collect();
    if problems.is_empty() {
        problems.push("the file could not be brought up to date".to_owned());
    }
    MemberError::Unfinished {
        seconds: ONCE_MILLIS / 1000,
        problems: problems.join("; "),
    }
}

fn options(settings: &Settings, agent: &str) -> Result<RoomOptions, MemberError> {
    // Hexadecimal digits and hyphens are allowed in both.
    let agent = AgentId::parse(agent).map_err(|_| MemberError::NoRandom)?;
    let abilities = HostAbilities {
        websocket: true,
        event_stream: false,
        webrtc: true,
        broadcast: false,
    };
    let mut options = RoomOptions::new(agent, abilities);
    options.room = Some(settings.link.room.clone());
    options.servers = vec![settings.link.server.clone()];
    options.links.clone_from(&settings.links);
    options.has_key = settings.link.secret.is_some();
    // One that may write serves the room's history to others, also when it leaves the text to them.
    options.is_read_only = settings.link.is_read_only();
    options.token.clone_from(&settings.token);
    let secret = format!("{:016x}{:016x}", random_number()?, random_number()?);
    options.session_secret = SessionSecret::parse(&secret).ok();
    Ok(options)
}

fn secret_of(link: &RoomLink) -> Option<(RoomSecret, String)> {
    let secret = link.secret.clone()?;
    Some((secret, link.room.to_string()))
}

fn random_number() -> Result<u64, MemberError> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| MemberError::NoRandom)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A number from 0 to below 1.
fn random_fraction() -> f64 {
    // Without randomness retries only come at the same time.
    let number = random_number().unwrap_or(1 << 63);
    (number >> 11) as f64 / (1u64 << 53) as f64
}
