//! One client with an event stream: a task that takes its messages, and writes what waits for it.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use signaling_protocol::CloseCode;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::PollSender;

use super::body::Post;
use super::events::{self, COMMENT, Sent};
use super::refused::Refused;
use super::sessions::{Place, Request, Way};
use crate::budget::{Booking, Budget};
use crate::connection::{Opened, Session};
use crate::hub::Hub;
use crate::limits::Admission;
use crate::metrics::{Ended, Metrics};
use crate::outbox::{ALLOWANCE, Note, Outbound, Outbox, Outgoing};
use crate::requests::AddressRoom;
use crate::signaling::SignalingClient;

/// Events are gathered up to this size before they go to the stream.
const CHUNK: usize = 16 * 1024;

/// How long a client has to take the last events.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a session begins with.
pub(crate) struct Opening {
    pub(crate) secret: Arc<str>,
    /// The part of the address that names the room, as the client wrote it.
    pub(crate) path: Arc<str>,
    pub(crate) room: AddressRoom,
    pub(crate) connection: signaling_rooms::ConnectionId,
    pub(crate) admission: Admission,
}

/// How long a session waits for its client to resume a stream that was lost.
pub(crate) fn resume_window(hub: &Hub) -> Duration {
    hub.config.ping_interval()
}

/// Opens a session: its stream, and the task that serves it.
pub(crate) fn open(
    hub: &Arc<Hub>,
    opening: Opening,
) -> (mpsc::Receiver<Bytes>, impl Future<Output = ()> + use<>) {
    let (requests, asked) = mpsc::channel(1);
    let way = Way {
        path: opening.path.clone(),
        requests,
    };
    hub.sse.open(&opening.secret, way);
    let (stream, events) = mpsc::channel(1);
    let idle = hub.config.client_timeout().as_millis();
    let resume = resume_window(hub).as_millis();
    let first = events::session(&opening.secret, idle, resume, hub.config.max_message_size);
    // There is room for one.
    let _ = stream.try_send(first);
    (events, serve(hub.clone(), opening, asked, stream))
}

/// Serves a client until its session ends.
async fn serve(
    hub: Arc<Hub>,
    opening: Opening,
    requests: mpsc::Receiver<Request>,
    stream: mpsc::Sender<Bytes>,
) {
    let Opening {
        secret,
        room,
        connection,
        admission,
        ..
    } = opening;
    let address = admission.address();
    let waiting = || Booking::new(hub.waiting.clone(), address);
    let outbox = Arc::new(Outbox::new(hub.bounds(), waiting(), hub.metrics.clone()));
    let opened = Opened {
        connection,
        address: admission.address(),
        outbox: outbox.clone(),
    };
    let listed = hub
        .roster
        .open(connection, admission.address(), outbox.clone());
    let place = Place {
        sessions: &hub.sse,
        secret: secret.clone(),
    };
    let mut connection = Connection {
        client: SignalingClient::new(hub.clone(), opened, room),
        outbox,
        metrics: hub.metrics.clone(),
        sent: Sent::new(secret, waiting()),
        budget: hub.waiting.clone(),
        address,
        part: Vec::new(),
        requests,
        post: None,
        taken: 0,
        stream: Some(Stream::new(stream)),
        last_heard: Instant::now(),
        detached: None,
        alarm: Box::pin(sleep(hub.config.ping_interval())),
        ping_interval: hub.config.ping_interval(),
        client_timeout: hub.config.client_timeout(),
        resume_window: resume_window(&hub),
    };
    let ended = connection.run(&hub).await;
    drop((listed, place));
    connection.end(ended).await;
    drop(admission);
}

/// What the events go to, as long as the client reads it.
struct Stream {
    sender: PollSender<Bytes>,
    /// Ends when the client does not read it any more.
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// A comment is due.
    is_silent: bool,
}

impl Stream {
    fn new(sender: mpsc::Sender<Bytes>) -> Self {
        let watched = sender.clone();
        Self {
            sender: PollSender::new(sender),
            closed: Box::pin(async move { watched.closed().await }),
            is_silent: false,
        }
    }
}

/// Messages that are being taken, and where to answer.
struct Work {
    post: Post,
    /// How many of them were taken before.
    skip: u64,
    answer: oneshot::Sender<Result<u64, Refused>>,
}

struct Connection {
    client: SignalingClient,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    sent: Sent,
    /// What waits for all clients, and the address that this one counts for.
    budget: Arc<Budget>,
    address: Option<IpAddr>,
    /// The beginning of a message that the outbox gives out in parts.
    part: Vec<u8>,
    requests: mpsc::Receiver<Request>,
    /// While it is being worked on no further request is taken.
    post: Option<Work>,
    /// How many messages were taken.
    taken: u64,
    stream: Option<Stream>,
    last_heard: Instant,
    /// Since when there is no stream.
    detached: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    ping_interval: Duration,
    client_timeout: Duration,
    resume_window: Duration,
}

/// What happens next to a session.
enum Event {
    Request(Request),
    /// The next message may be taken.
    Message(Work),
    Note(Note),
    /// The session is over, or the server has to end it.
    End(Ended),
    Alarm,
}

impl Connection {
    /// Serves the client until the session is to end.
    async fn run(&mut self, hub: &Hub) -> Ended {
        let ending = hub.draining.cancelled();
        tokio::pin!(ending);
        loop {
            match poll_fn(|cx| self.poll_event(cx, ending.as_mut())).await {
                Event::Request(request) => {
                    self.last_heard = Instant::now();
                    if let Some(ended) = self.receive(request) {
                        break ended;
                    }
                }
                Event::Message(work) => {
                    if let Some(ended) = self.take_message(work) {
                        break ended;
                    }
                }
                Event::Note(note) => self.client.noted(note),
                Event::End(ended) => break ended,
                Event::Alarm if self.client.has_expired() => {
                    break Ended::Server(CloseCode::TokenExpired);
                }
                Event::Alarm if self.last_heard.elapsed() >= self.client_timeout => {
                    break Ended::Server(CloseCode::IdleTimeout);
                }
                Event::Alarm if self.is_given_up() => break Ended::Lost,
                Event::Alarm => {
                    if let Some(stream) = &mut self.stream {
                        stream.is_silent = true;
                    }
                    self.set_alarm(self.ping_interval);
                }
            }
        }
    }

    /// Takes the client out of its room, and says why the session ends where that is the server's doing.
    async fn end(mut self, ended: Ended) {
        if ended == Ended::Server(CloseCode::GoingAway) {
            self.client.going_away();
        }
        if ended != Ended::Client {
            self.client.lost();
        }
        drop(self.client);
        self.metrics.ended(ended);
        let (Ended::Server(code), Some(stream)) = (ended, self.stream) else {
            return;
        };
        self.outbox.close(code);
        let mut rest = Vec::new();
        while let Outgoing::Message(outbound) = poll_fn(|cx| self.outbox.poll_next(cx)).await {
            rest.extend_from_slice(&event(outbound, &mut self.part, &mut self.sent));
        }
        rest.extend_from_slice(&events::close(code));
        let mut stream = stream.sender;
        let sending = async move {
            if poll_fn(|cx| stream.poll_reserve(cx)).await.is_ok() {
                let _ = stream.send_item(rest.into());
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, sending).await;
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        ending: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Event> {
        if self.outbox.poll_overrun(cx).is_ready() {
            return Poll::Ready(Event::End(Ended::Server(CloseCode::SlowConsumer)));
        }
        let has_left = |stream: &mut Stream| stream.closed.as_mut().poll(cx).is_ready();
        if self.stream.as_mut().is_some_and(has_left) {
            self.detach();
        }
        if let Poll::Ready(event) = self.poll_write(cx) {
            return Poll::Ready(event);
        }
        if !self.client.is_waiting() {
            if let Some(work) = self.post.take() {
                return Poll::Ready(Event::Message(work));
            }
            if let Poll::Ready(Some(request)) = self.requests.poll_recv(cx) {
                return Poll::Ready(Event::Request(request));
            }
        }
        if ending.poll(cx).is_ready() {
            return Poll::Ready(Event::End(Ended::Server(CloseCode::GoingAway)));
        }
        self.alarm.as_mut().poll(cx).map(|()| Event::Alarm)
    }

    /// Moves what waits for the client into its stream, as far as the stream takes it; without one it is kept.
    /// Ready when a note is met, or the session is to end.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(stream) = &mut self.stream {
                match stream.sender.poll_reserve(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => self.detach(),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let mut chunk = Vec::new();
            let met = loop {
                if chunk.len() >= CHUNK {
                    break None;
                }
                match self.outbox.poll_next(cx) {
                    Poll::Ready(Outgoing::Message(outbound)) => {
                        self.metrics.sent(outbound.kind, outbound.message.len());
                        if let Some(since) = outbound.since {
                            self.metrics.forwarded(since.elapsed());
                        }
                        chunk.extend_from_slice(&event(outbound, &mut self.part, &mut self.sent));
                    }
                    Poll::Ready(Outgoing::Note(note)) => break Some(Event::Note(note)),
                    Poll::Ready(Outgoing::Close(code)) => {
                        break Some(Event::End(Ended::Server(code)));
                    }
                    Poll::Pending => break None,
                }
            };
            let wrote = !chunk.is_empty();
            if let Some(stream) = &mut self.stream {
                if !wrote && std::mem::take(&mut stream.is_silent) {
                    chunk.extend_from_slice(COMMENT);
                }
                if !chunk.is_empty() {
                    stream.is_silent = false;
                    // Until the client has taken it, it counts as what waits.
                    let mut booking = Booking::new(self.budget.clone(), self.address);
                    if !booking.set(chunk.len().saturating_sub(ALLOWANCE)) {
                        return Poll::Ready(Event::End(Ended::Server(CloseCode::SlowConsumer)));
                    }
                    // The place is reserved; a stream that was closed since is noticed by its own future.
                    let _ = stream.sender.send_item(booking.hold(chunk.into()));
                }
            }
            match met {
                Some(event) => return Poll::Ready(event),
                None if wrote => {}
                None => return Poll::Pending,
            }
        }
    }

    fn receive(&mut self, request: Request) -> Option<Ended> {
        match request {
            Request::Post(post, answer) => {
                self.sent.seen(post.head.seen);
                let next = self.taken.saturating_add(1);
                let got = post.head.number.unwrap_or(next);
                match next.checked_sub(got) {
                    Some(skip) => self.post = Some(Work { post, skip, answer }),
                    None => {
                        let expected = next;
                        let _ = answer.send(Err(Refused::MessageGap { expected, got }));
                    }
                }
                None
            }
            Request::Resume {
                after,
                stream,
                answer,
            } => {
                let Some(events) = self.sent.after(after) else {
                    let _ = answer.send(Err(Refused::ResumeTooLate));
                    return None;
                };
                let mut booking = Booking::new(self.budget.clone(), self.address);
                booking.raise_to(events.len().saturating_sub(ALLOWANCE));
                let events = booking.hold([COMMENT, &events].concat().into());
                // There is room for one; a client that has left meanwhile is noticed as any other.
                let _ = stream.try_send(events);
                let _ = answer.send(Ok(()));
                self.stream = Some(Stream::new(stream));
                self.detached = None;
                self.set_alarm(self.ping_interval);
                None
            }
            Request::End(code) => {
                if code == CloseCode::MessageTooBig {
                    self.client.message_too_big();
                }
                Some(Ended::Server(code))
            }
        }
    }

    /// Takes one message, or answers where there is none left.
    fn take_message(&mut self, mut work: Work) -> Option<Ended> {
        let Some(message) = work.post.next_message() else {
            let _ = work.answer.send(Ok(self.taken));
            return work.post.head.close.then_some(Ended::Client);
        };
        match work.skip.checked_sub(1) {
            Some(rest) => work.skip = rest,
            None => {
                self.taken = self.taken.saturating_add(1);
                self.client.receive_text(message, Instant::now().into_std());
            }
        }
        self.post = Some(work);
        None
    }

    fn detach(&mut self) {
        self.stream = None;
        self.detached = Some(Instant::now());
        self.set_alarm(self.resume_window);
    }

    /// Whether the client has not resumed a lost stream in time.
    fn is_given_up(&self) -> bool {
        let detached = self.detached;
        detached.is_some_and(|since| since.elapsed() >= self.resume_window)
    }

    fn set_alarm(&mut self, after: Duration) {
        self.alarm.as_mut().reset(Instant::now() + after);
    }
}

/// The event of an outbound message; nothing while it is a message of which parts are to come.
fn event(outbound: Outbound, part: &mut Vec<u8>, sent: &mut Sent) -> Bytes {
    match outbound.message {
        Message::Text(text) => sent.message(&text),
        Message::Frame(frame) => {
            part.extend_from_slice(frame.payload());
            if !frame.header().is_final {
                return Bytes::new();
            }
            let whole = std::mem::take(part);
            sent.message(&String::from_utf8_lossy(&whole))
        }
        // The protocol has no other messages.
        _ => Bytes::new(),
    }
}
