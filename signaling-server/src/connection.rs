//! One WebSocket: a task that reads frames, writes what waits for the client, and pings.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use signaling_protocol::CloseCode;
use signaling_rooms::ConnectionId;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::budget::{Booking, Budget};
use crate::hub::Hub;
use crate::limits::Admission;
use crate::metrics::{Ended, Kind, Metrics};
use crate::outbox::{Bounds, Note, Outbound, Outbox, Outgoing};
use crate::pieces::Pieces;
use crate::unfinished::{Metered, meter};

/// Most frames are a few hundred bytes, and every idle client pays for this buffer.
const READ_BUFFER: usize = 2048;

/// Messages are gathered up to this size before they go to the kernel.
const WRITE_BUFFER: usize = 16 * 1024;

/// What a ping or pong of a client has beside its data, in bytes.
const CONTROL_HEADER: usize = 6;

/// How long a client has to answer a close frame before its socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client's frames mean: one protocol's rules for one client, without I/O. What it has to say
/// goes through its outbox. Dropping it takes the client out of its room.
pub(crate) trait Session {
    /// What the protocol allows on the wire.
    fn wire(hub: &Hub) -> Wire
    where
        Self: Sized,
    {
        Wire {
            message_bytes: hub.config.max_message_size,
            unfinished: hub.unfinished.clone(),
            bounds: hub.bounds(),
            slowest: None,
        }
    }

    /// Takes a text frame, read at `now`.
    fn receive_text(&mut self, frame: &str, now: std::time::Instant);

    /// Takes a binary frame, read at `now`.
    fn receive_binary(&mut self, frame: Bytes, now: std::time::Instant);

    /// Tells the client that it sent more than the server takes, before its socket is closed: the
    /// rest of that message cannot be skipped.
    fn message_too_big(&self);

    /// Tells the client that the server ends, before its socket is closed.
    fn going_away(&self);

    /// The client did not close its socket itself: it may come back.
    fn lost(&mut self) {}

    /// Whether the token that let the client in has expired.
    fn has_expired(&self) -> bool;

    /// Whether no frame may be read before a note has come.
    fn is_waiting(&self) -> bool {
        false
    }

    /// Everything has been written that was queued before this note.
    fn noted(&mut self, note: Note);
}

/// What a protocol allows on the wire.
pub(crate) struct Wire {
    /// The largest message that a client may send.
    pub(crate) message_bytes: usize,
    /// What all clients may leave unfinished.
    pub(crate) unfinished: Arc<Budget>,
    /// How much may wait for a client.
    pub(crate) bounds: Bounds,
    /// A message that comes at this rate in bytes a second is not late, whatever its size.
    pub(crate) slowest: Option<u64>,
}

/// A socket that was opened, for the protocol that is spoken on it.
#[derive(Clone)]
pub(crate) struct Opened {
    /// Its number in this process, which its lines in the log carry.
    pub(crate) connection: ConnectionId,
    /// The client's address, where it counts.
    pub(crate) address: Option<IpAddr>,
    /// Takes what is for the client.
    pub(crate) outbox: Arc<Outbox>,
}

/// Serves an upgraded socket until it is closed.
///
/// `begin` makes the client's side of the protocol that is spoken here. `read_ahead` is what came right behind
/// the request, if the client did not wait for the answer.
pub(crate) async fn serve<S, C>(
    io: S,
    read_ahead: Bytes,
    hub: Arc<Hub>,
    connection: ConnectionId,
    admission: Admission,
    begin: impl FnOnce(Arc<Hub>, Opened) -> C,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Session,
{
    let wire = C::wire(&hub);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(wire.message_bytes))
        .max_frame_size(Some(wire.message_bytes));
    // Copied, for the buffer that it is a part of is four times as large as ours, and would stay.
    let already_read = read_ahead.to_vec();
    drop(read_ahead);
    let io = meter(io, &wire.unfinished, admission.address());
    let io = Pieces::new(io, already_read, wire.message_bytes);
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let waiting = Booking::new(hub.waiting.clone(), admission.address());
    let outbox = Outbox::new(wire.bounds, waiting, hub.metrics.clone());
    let outbox = Arc::new(outbox);
    let opened = Opened {
        connection,
        address: admission.address(),
        outbox: outbox.clone(),
    };
    let listed = hub
        .roster
        .open(connection, admission.address(), outbox.clone());
    let client = begin(hub.clone(), opened);
    let mut connection = Connection {
        socket,
        client,
        outbox,
        metrics: hub.metrics.clone(),
        unflushed: false,
        last_heard: Instant::now(),
        unfinished_since: None,
        message_timeout: hub.config.message_timeout(),
        slowest: wire.slowest,
        ping_interval: hub.config.ping_interval(),
        client_timeout: hub.config.client_timeout(),
    };
    let ended = connection.run(&hub).await;
    drop(listed);
    connection.end(ended).await;
    drop(admission);
}

struct Connection<S, C> {
    socket: WebSocketStream<Pieces<Metered<S>>>,
    client: C,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    /// Whether something was written that has not reached the kernel.
    unflushed: bool,
    last_heard: Instant,
    /// Since when, at least, there is a message that has not come to its end.
    unfinished_since: Option<Instant>,
    message_timeout: Duration,
    slowest: Option<u64>,
    ping_interval: Duration,
    client_timeout: Duration,
}

/// What happens next to a connection.
enum Event {
    Frame(Result<Message, WsError>),
    /// The connection is over, or the server has to end it.
    End(Ended),
    /// Something for the client's side.
    Note(Note),
    /// Time to look whether the client is still there.
    Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin, C: Session> Connection<S, C> {
    /// Serves the client until the connection is to end.
    async fn run(&mut self, hub: &Hub) -> Ended {
        let alarm = sleep(self.ping_interval);
        let ending = hub.draining.cancelled();
        tokio::pin!(alarm, ending);
        loop {
            match poll_fn(|cx| self.poll_event(cx, alarm.as_mut(), ending.as_mut())).await {
                Event::Frame(Ok(frame)) => self.receive(frame),
                Event::Frame(Err(error)) => break self.broken(error),
                Event::Note(note) => self.client.noted(note),
                Event::End(ended) => break ended,
                Event::Alarm if self.client.has_expired() => {
                    break Ended::Server(CloseCode::TokenExpired);
                }
                Event::Alarm if self.outbox.is_stalled() => {
                    break Ended::Server(CloseCode::SlowConsumer);
                }
                Event::Alarm if self.message_is_late() => {
                    break Ended::Server(CloseCode::MessageTimeout);
                }
                Event::Alarm => {
                    if !self.still_there() {
                        break Ended::Server(CloseCode::IdleTimeout);
                    }
                    alarm.as_mut().reset(Instant::now() + self.ping_interval);
                }
            }
        }
    }

    /// Takes the client out of its room, and closes the socket where that is the server's to do.
    ///
    /// The future is made before it is awaited and does not hold the connection, so an open
    /// connection has no room for what closing it takes.
    fn end(mut self, ended: Ended) -> impl Future<Output = ()> {
        // The others learn it before the closing handshake, which a client may draw out.
        if ended == Ended::Server(CloseCode::GoingAway) {
            self.client.going_away();
        }
        if ended != Ended::Client {
            self.client.lost();
        }
        drop(self.client);
        self.metrics.ended(ended);
        let closing = match ended {
            Ended::Server(code) => Some(Box::pin(close(self.socket, self.outbox, code))),
            _ => None,
        };
        async move {
            if let Some(closing) = closing {
                let _ = timeout(CLOSE_TIMEOUT, closing).await;
            }
        }
    }

    fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
        alarm: Pin<&mut Sleep>,
        ending: Pin<&mut impl Future<Output = ()>>,
    ) -> Poll<Event> {
        if self.outbox.poll_overrun(cx).is_ready() {
            return Poll::Ready(Event::End(Ended::Server(CloseCode::SlowConsumer)));
        }
        if let Poll::Ready(event) = self.poll_write(cx) {
            return Poll::Ready(event);
        }
        if !self.client.is_waiting()
            && let Poll::Ready(frame) = Pin::new(&mut self.socket).poll_next(cx)
        {
            return Poll::Ready(frame.map_or(Event::End(Ended::Client), Event::Frame));
        }
        if ending.poll(cx).is_ready() {
            return Poll::Ready(Event::End(Ended::Server(CloseCode::GoingAway)));
        }
        alarm.poll(cx).map(|()| Event::Alarm)
    }

    /// Moves what waits for the client into its socket, as far as the socket takes it. Ready when a
    /// note is met, or the connection is to end.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut socket = Pin::new(&mut self.socket);
        loop {
            if ready!(socket.as_mut().poll_ready(cx)).is_err() {
                return Poll::Ready(Event::End(Ended::Lost));
            }
            match self.outbox.poll_next(cx) {
                Poll::Ready(Outgoing::Message(outbound)) => {
                    self.metrics.sent(outbound.kind, outbound.message.len());
                    if let Some(since) = outbound.since {
                        self.metrics.forwarded(since.elapsed());
                    }
                    if socket.as_mut().start_send(outbound.message).is_err() {
                        return Poll::Ready(Event::End(Ended::Lost));
                    }
                    self.unflushed = true;
                }
                Poll::Ready(Outgoing::Note(note)) => return Poll::Ready(Event::Note(note)),
                Poll::Ready(Outgoing::Close(code)) => {
                    return Poll::Ready(Event::End(Ended::Server(code)));
                }
                Poll::Pending => break,
            }
        }
        if self.unflushed {
            if ready!(socket.poll_flush(cx)).is_err() {
                return Poll::Ready(Event::End(Ended::Lost));
            }
            self.unflushed = false;
        }
        Poll::Pending
    }

    fn receive(&mut self, frame: Message) {
        let now = Instant::now();
        self.last_heard = now;
        if let Message::Ping(data) | Message::Pong(data) = &frame {
            // These come between the parts of a message, too.
            let header = CONTROL_HEADER + data.len();
            self.socket.get_mut().get_mut().not_message(header);
            return;
        }
        self.unfinished_since = None;
        let booking = self.socket.get_mut().get_mut().message_done();
        match frame {
            Message::Text(text) => self.client.receive_text(&text, now.into_std()),
            // Until nobody needs the message, it counts.
            Message::Binary(data) => {
                self.client
                    .receive_binary(booking.hold(data), now.into_std());
            }
            // Pings are answered and closes are shaken hands on by the WebSocket layer.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }

    /// How a connection ends on which a frame could not be read.
    fn broken(&self, error: WsError) -> Ended {
        match error {
            WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
                self.client.message_too_big();
                Ended::Server(CloseCode::MessageTooBig)
            }
            WsError::Utf8(_) => Ended::Server(CloseCode::InvalidText),
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Ended::Lost,
            WsError::Protocol(_) => Ended::Server(CloseCode::ProtocolError),
            _ => Ended::Lost,
        }
    }

    /// Whether the end of a message has been missing for too long.
    fn message_is_late(&mut self) -> bool {
        let meter = self.socket.get_ref().get_ref();
        if !meter.has_unfinished() {
            self.unfinished_since = None;
            return false;
        }
        let since = *self.unfinished_since.get_or_insert_with(Instant::now);
        let sent = meter.unfinished() as u64;
        let by_rate = self.slowest.map_or(0, |rate| sent / rate);
        since.elapsed() >= self.message_timeout + Duration::from_secs(by_rate)
    }

    /// Pings a client that has been silent, and gives it up after too long a silence.
    fn still_there(&self) -> bool {
        let silent = self.last_heard.elapsed();
        if silent >= self.client_timeout {
            return false;
        }
        if silent >= self.ping_interval {
            let message = Message::Ping(Bytes::new());
            self.outbox.push(Outbound {
                message,
                kind: Kind::Ping,
                since: None,
            });
        }
        true
    }
}

/// Sends what still waits and a close frame, and waits until the client has closed its side.
async fn close<S>(
    mut socket: WebSocketStream<Pieces<Metered<S>>>,
    outbox: Arc<Outbox>,
    code: CloseCode,
) -> Result<(), WsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    outbox.close(code);
    loop {
        match poll_fn(|cx| outbox.poll_next(cx)).await {
            Outgoing::Message(outbound) => socket.feed(outbound.message).await?,
            Outgoing::Note(_) => {}
            Outgoing::Close(_) => break,
        }
    }
    let frame = CloseFrame {
        code: code.number().into(),
        reason: code.reason().into(),
    };
    socket.send(Message::Close(Some(frame))).await?;
    while let Some(Ok(_)) = socket.next().await {}

    // A socket dropped with unread input is reset, and the client would lose the close frame that
    // is on its way: so what is not understood any more is read to its end.
    let stream = socket.get_mut().get_mut().unmetered();
    stream.shutdown().await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}
