//! Transports of the user's own: anything that carries bytes to one peer.
//!
//! A transport that fails is stopped, and started again after a while. One whose other end violates
//! the protocol is stopped for good.

use crdt_sync::backoff::Backoff;
use crdt_sync::{CloseReason, LinkId, Millis};

use crate::ids::{RunId, TransportId};
use crate::input::TransportEvent;
use crate::links::LinkNumbers;
use crate::output::{Output, TransportCommand};
use crate::status::TransportState;

/// The time after which a connected transport counts as working: its next failure counts as the
/// first.
const PROVEN_MILLIS: Millis = 30_000;

/// All transports of the user's own.
#[derive(Debug, Default)]
pub(crate) struct Transports {
    all: Vec<Transport>,
    last_run: u32,
}

#[derive(Debug)]
struct Transport {
    id: TransportId,
    run: Option<Run>,
    backoff: Backoff,
    /// When it is started again.
    restart_at: Option<Millis>,
    /// Not started again.
    is_over: bool,
    problem: Option<String>,
}

/// The period between a start and a stop.
#[derive(Debug, Clone, Copy)]
struct Run {
    id: RunId,
    link: Option<LinkId>,
    connected_at: Option<Millis>,
    buffered: usize,
}

/// Actions for transports.
#[derive(Debug)]
pub(crate) enum TransportAction {
    Do(Output),
    /// The engine may use the link.
    Up {
        transport: TransportId,
        run: RunId,
        link: LinkId,
    },
    /// The engine may not use the link any more.
    Down(LinkId),
    /// A message of the engine came.
    Received(LinkId, Vec<u8>),
    /// So many bytes wait in the link.
    Buffered(LinkId, usize),
    /// A transport failed.
    Failed(String),
}

impl Transports {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a transport. Returns whether it is new.
    pub(crate) fn add(&mut self, id: TransportId) -> bool {
        if self.all.iter().any(|transport| transport.id == id) {
            return false;
        }
        self.all.push(Transport {
            id,
            run: None,
            backoff: Backoff::default(),
            restart_at: None,
            is_over: false,
            problem: None,
        });
        true
    }

    /// Stops a transport and forgets it.
    pub(crate) fn remove(&mut self, id: TransportId) -> Vec<TransportAction> {
        let actions = self.stop(id, false);
        self.all.retain(|transport| transport.id != id);
        actions
    }

    /// Starts a transport.
    pub(crate) fn start(&mut self, id: TransportId) -> Option<Output> {
        self.last_run = self.last_run.wrapping_add(1);
        let run = RunId(self.last_run);
        let transport = self.get_mut(id)?;
        transport.restart_at = None;
        transport.run = Some(Run {
            id: run,
            link: None,
            connected_at: None,
            buffered: 0,
        });
        Some(command(id, run, TransportCommand::Start))
    }

    /// Starts every transport afresh.
    pub(crate) fn start_all(&mut self) -> Vec<Output> {
        for transport in &mut self.all {
            transport.is_over = false;
            transport.problem = None;
            transport.backoff.reset();
        }
        let started = self.ids().into_iter().map(|id| self.start(id));
        started.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Stops every transport.
    pub(crate) fn stop_all(&mut self) -> Vec<TransportAction> {
        let ids = self.ids().into_iter();
        ids.flat_map(|id| self.stop(id, false)).collect()
    }

    /// Handles an event of a transport.
    pub(crate) fn handle(
        &mut self,
        run: RunId,
        event: TransportEvent,
        numbers: &mut LinkNumbers,
        now: Millis,
        random: f64,
    ) -> Vec<TransportAction> {
        let of_run = |transport: &&mut Transport| transport.run.is_some_and(|r| r.id == run);
        let Some(transport) = self.all.iter_mut().find(of_run) else {
            // A stopped transport only reports this.
            return match event {
                TransportEvent::Failed { reason } => vec![TransportAction::Failed(reason)],
                _ => Vec::new(),
            };
        };
        let id = transport.id;
        match event {
            TransportEvent::Connected => {
                let (_, raised) = transport.raise(numbers, now);
                raised.into_iter().collect()
            }
            TransportEvent::Received(bytes) => {
                let (link, raised) = transport.raise(numbers, now);
                let mut actions: Vec<_> = raised.into_iter().collect();
                actions.extend(link.map(|link| TransportAction::Received(link, bytes)));
                actions
            }
            TransportEvent::Disconnected => {
                let link = transport.run.as_mut().and_then(|run| run.link.take());
                link.map(TransportAction::Down).into_iter().collect()
            }
            TransportEvent::Buffered(bytes) => {
                let Some(run) = &mut transport.run else {
                    return Vec::new();
                };
                run.buffered = bytes;
                let told = run.link.map(|link| TransportAction::Buffered(link, bytes));
                told.into_iter().collect()
            }
            TransportEvent::Drained => {
                let ask = command(id, run, TransportCommand::AskBuffered);
                vec![TransportAction::Do(ask)]
            }
            TransportEvent::Failed { reason } => self.failed(id, reason, now, random),
        }
    }

    /// Sets the reason why an open link cannot be used, if any. Returns whether this changed the
    /// state of a transport.
    pub(crate) fn set_problem(&mut self, link: LinkId, problem: Option<&str>) -> bool {
        let of_link = |transport: &&mut Transport| transport.link() == Some(link);
        let Some(transport) = self.all.iter_mut().find(of_link) else {
            return false;
        };
        let is_news = transport.problem.as_deref() != problem;
        transport.problem = problem.map(str::to_owned);
        is_news
    }

    /// The engine closed a link, and has forgotten it.
    pub(crate) fn closed(
        &mut self,
        link: LinkId,
        reason: &CloseReason,
        now: Millis,
        random: f64,
    ) -> Vec<TransportAction> {
        let of_link = |transport: &&mut Transport| transport.link() == Some(link);
        let Some(transport) = self.all.iter_mut().find(of_link) else {
            return Vec::new();
        };
        if let Some(run) = &mut transport.run {
            run.link = None;
        }
        match reason {
            // It may connect again by itself.
            CloseReason::Goodbye | CloseReason::Leaving => return Vec::new(),
            // In all other cases the next start would end the same way.
            _ => transport.is_over = !reason.is_transient(),
        }
        let id = transport.id;
        self.failed(id, reason.to_string(), now, random)
    }

    /// Starts the transports again that are due.
    pub(crate) fn tick(&mut self, now: Millis) -> Vec<Output> {
        let is_due =
            |transport: &&Transport| transport.restart_at.is_some_and(|restart| restart <= now);
        let due: Vec<TransportId> = self.all.iter().filter(is_due).map(|t| t.id).collect();
        due.into_iter().filter_map(|id| self.start(id)).collect()
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let all = self.all.iter();
        all.filter_map(|transport| transport.restart_at).min()
    }

    /// How many bytes wait in a link, as last reported.
    pub(crate) fn buffered(&self, link: LinkId) -> usize {
        let runs = self.all.iter().filter_map(|transport| transport.run);
        let mut of_link = runs.filter(|run| run.link == Some(link));
        of_link.next().map_or(0, |run| run.buffered)
    }

    /// Each transport's state, link and problem, in the order in which they were added.
    pub(crate) fn states(
        &self,
    ) -> impl Iterator<Item = (TransportState, Option<LinkId>, Option<&str>)> {
        let of = |transport: &Transport| match (transport.run, transport.link()) {
            _ if transport.is_over => TransportState::Failed,
            (_, Some(_)) if transport.problem.is_none() => TransportState::Open,
            (_, Some(_)) => TransportState::Connecting,
            (Some(_), None) => TransportState::Connecting,
            (None, None) if transport.restart_at.is_some() => TransportState::Connecting,
            (None, None) => TransportState::Stopped,
        };
        self.all.iter().map(move |transport| {
            (
                of(transport),
                transport.link(),
                transport.problem.as_deref(),
            )
        })
    }

    fn ids(&self) -> Vec<TransportId> {
        self.all.iter().map(|transport| transport.id).collect()
    }

    fn get_mut(&mut self, id: TransportId) -> Option<&mut Transport> {
        self.all.iter_mut().find(|transport| transport.id == id)
    }

    /// A transport is not useful as it is: it is stopped, and started again later unless it is
    /// over.
    fn failed(
        &mut self,
        id: TransportId,
        reason: String,
        now: Millis,
        random: f64,
    ) -> Vec<TransportAction> {
        let Some(transport) = self.get_mut(id) else {
            return Vec::new();
        };
        let since = transport.run.and_then(|run| run.connected_at);
        if since.is_some_and(|since| now.saturating_sub(since) >= PROVEN_MILLIS) {
            transport.backoff.reset();
        }
        transport.problem = Some(reason.clone());
        let delay = transport.backoff.next(random);
        let restart_at = (!transport.is_over).then(|| now.saturating_add(delay));
        let mut actions = self.stop(id, true);
        if let Some(transport) = self.get_mut(id) {
            transport.restart_at = restart_at;
        }
        actions.push(TransportAction::Failed(reason));
        actions
    }

    fn stop(&mut self, id: TransportId, discard: bool) -> Vec<TransportAction> {
        let mut actions = Vec::new();
        let Some(transport) = self.get_mut(id) else {
            return actions;
        };
        transport.restart_at = None;
        let Some(run) = transport.run.take() else {
            return actions;
        };
        actions.extend(run.link.map(TransportAction::Down));
        let stop = TransportCommand::Stop { discard };
        actions.push(TransportAction::Do(command(id, run.id, stop)));
        actions
    }
}

impl Transport {
    fn link(&self) -> Option<LinkId> {
        self.run?.link
    }

    /// The transport works: the engine may use it. Returns its link, and what is to be done if that is new.
    fn raise(
        &mut self,
        numbers: &mut LinkNumbers,
        now: Millis,
    ) -> (Option<LinkId>, Option<TransportAction>) {
        let Some(run) = &mut self.run else {
            return (None, None);
        };
        if run.link.is_some() {
            return (run.link, None);
        }
        let link = numbers.next();
        run.link = Some(link);
        run.connected_at = Some(now);
        run.buffered = 0;
        self.problem = None;
        let up = TransportAction::Up {
            transport: self.id,
            run: run.id,
            link,
        };
        (Some(link), Some(up))
    }
}

fn command(transport: TransportId, run: RunId, command: TransportCommand) -> Output {
    Output::Transport {
        transport,
        run,
        command,
    }
}
