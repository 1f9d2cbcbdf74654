//! One WebSocket: a task that reads frames, writes what waits for the client, and pings.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use signaling_protocol::{CloseCode, IdError, RoomId};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::client::Client;
use crate::hub::Hub;
use crate::limits::Admission;
use crate::metrics::{Ended, Kind, Metrics};
use crate::outbox::{Letter, Outbox, Outgoing};

/// Most frames are a few hundred bytes, and every idle client pays for this buffer.
const READ_BUFFER: usize = 2048;

/// Messages are gathered up to this size before they go to the kernel.
const WRITE_BUFFER: usize = 16 * 1024;

/// How long a client has to answer a close frame before its socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves an upgraded socket until it is closed.
///
/// `read_ahead` is what came right behind the request, if the client did not wait for the answer.
pub(crate) async fn serve<S>(
    io: S,
    read_ahead: Bytes,
    hub: Arc<Hub>,
    address_room: Option<Result<RoomId, IdError>>,
    admission: Admission,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(hub.config.max_message_size))
        .max_frame_size(Some(hub.config.max_message_size));
    let socket =
        WebSocketStream::from_partially_read(io, read_ahead.into(), Role::Server, Some(config))
            .await;
    let outbox = hub.new_outbox();
    let client = Client::new(hub.clone(), outbox.clone(), address_room);
    let connection = Connection {
        socket,
        client,
        outbox,
        metrics: hub.metrics.clone(),
        unflushed: false,
        last_heard: Instant::now(),
        ping_interval: hub.config.ping_interval(),
        client_timeout: hub.config.client_timeout(),
    };
    connection.run(&hub).await;
    drop(admission);
}

struct Connection<S> {
    socket: WebSocketStream<S>,
    client: Client,
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    /// Whether something was written that has not reached the kernel.
    unflushed: bool,
    last_heard: Instant,
    ping_interval: Duration,
    client_timeout: Duration,
}

/// What happens next to a connection.
enum Event {
    Frame(Result<Message, WsError>),
    /// The connection is over, or the server has to end it.
    End(Ended),
    /// Time to look whether the client is still there.
    Alarm,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(mut self, hub: &Hub) {
        let ended = {
            let alarm = sleep(self.ping_interval);
            let ending = hub.ending.cancelled();
            tokio::pin!(alarm, ending);
            loop {
                match poll_fn(|cx| self.poll_event(cx, alarm.as_mut(), ending.as_mut())).await {
                    Event::Frame(Ok(frame)) => self.receive(frame),
                    Event::Frame(Err(error)) => break self.broken(error),
                    Event::End(ended) => break ended,
                    Event::Alarm if self.client.has_expired() => {
                        break Ended::Server(CloseCode::TokenExpired);
                    }
                    Event::Alarm => {
                        if !self.still_there() {
                            break Ended::Server(CloseCode::IdleTimeout);
                        }
                        alarm.as_mut().reset(Instant::now() + self.ping_interval);
                    }
                }
            }
        };
        // The others are told before the close is shaken hands on, which a client may draw out.
        if ended == Ended::Server(CloseCode::GoingAway) {
            self.client.going_away();
        }
        drop(self.client);
        self.metrics.ended(ended);
        if let Ended::Server(code) = ended {
            // Boxed, so that an open connection holds no room for what closing it takes.
            let _ = timeout(
                CLOSE_TIMEOUT,
                Box::pin(close(self.socket, self.outbox, code)),
            )
            .await;
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
        if let Poll::Ready(frame) = Pin::new(&mut self.socket).poll_next(cx) {
            return Poll::Ready(frame.map_or(Event::End(Ended::Client), Event::Frame));
        }
        if ending.poll(cx).is_ready() {
            return Poll::Ready(Event::End(Ended::Server(CloseCode::GoingAway)));
        }
        alarm.poll(cx).map(|()| Event::Alarm)
    }

    /// Moves what waits for the client into its socket, as far as the socket takes it. Ready only
    /// when the connection is to end.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut socket = Pin::new(&mut self.socket);
        loop {
            if ready!(socket.as_mut().poll_ready(cx)).is_err() {
                return Poll::Ready(Event::End(Ended::Lost));
            }
            match self.outbox.poll_next(cx) {
                Poll::Ready(Outgoing::Letter(letter)) => {
                    self.metrics.sent(letter.kind, letter.message.len());
                    if let Some(since) = letter.since {
                        self.metrics.forwarded(since.elapsed());
                    }
                    if socket.as_mut().start_send(letter.message).is_err() {
                        return Poll::Ready(Event::End(Ended::Lost));
                    }
                    self.unflushed = true;
                }
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
        match frame {
            Message::Text(text) => self.client.receive_text(&text, now.into_std()),
            Message::Binary(data) => self.client.receive_binary(data.len()),
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

    /// Pings a client that has been silent, and gives it up after too long a silence.
    fn still_there(&self) -> bool {
        let silent = self.last_heard.elapsed();
        if silent >= self.client_timeout {
            return false;
        }
        if silent >= self.ping_interval {
            let message = Message::Ping(Bytes::new());
            self.outbox.push(Letter {
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
    mut socket: WebSocketStream<S>,
    outbox: Arc<Outbox>,
    code: CloseCode,
) -> Result<(), WsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    outbox.close(code);
    while let Outgoing::Letter(letter) = poll_fn(|cx| outbox.poll_next(cx)).await {
        socket.feed(letter.message).await?;
    }
    let frame = CloseFrame {
        code: code.number().into(),
        reason: code.reason().into(),
    };
    socket.send(Message::Close(Some(frame))).await?;
    while let Some(Ok(_)) = socket.next().await {}

    // A socket dropped with unread input is reset, and the client would lose the close frame that
    // is on its way: so what is not understood any more is read to its end.
    let stream = socket.get_mut();
    stream.shutdown().await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}
