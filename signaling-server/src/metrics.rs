//! What is counted, for Prometheus.

use std::fmt::Write as _;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use signaling_protocol::{CloseCode, ErrorCode};

/// Upper bounds of the latency histogram, in seconds: from 50 µs to 6.5 s, doubling.
const LATENCY_BUCKETS: usize = 18;

/// What kind of message, for the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Join,
    Leave,
    Offer,
    Answer,
    IceCandidate,
    Relay,
    Log,
    /// A change of a Yjs document.
    Yjs,
    /// The presence of Yjs users.
    Presence,
    Ping,
    Announcement,
    Error,
    Unreadable,
}

impl Kind {
    const ALL: [Kind; 13] = [
        Kind::Join,
        Kind::Leave,
        Kind::Offer,
        Kind::Answer,
        Kind::IceCandidate,
        Kind::Relay,
        Kind::Log,
        Kind::Yjs,
        Kind::Presence,
        Kind::Ping,
        Kind::Announcement,
        Kind::Error,
        Kind::Unreadable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Kind::Join => "join",
            Kind::Leave => "leave",
            Kind::Offer => "offer",
            Kind::Answer => "answer",
            Kind::IceCandidate => "ice_candidate",
            Kind::Relay => "relay",
            Kind::Log => "log",
            Kind::Yjs => "yjs",
            Kind::Presence => "presence",
            Kind::Ping => "ping",
            Kind::Announcement => "announcement",
            Kind::Error => "error",
            Kind::Unreadable => "unreadable",
        }
    }
}

/// Why a socket was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    Origin,
    TooManyConnections,
    TooManyFromAddress,
    HandshakeRate,
    Ending,
    /// The request, or the TLS handshake before it, did not come to an end in time.
    HandshakeTimeout,
    /// The client did not read the answer that it asked for.
    Stalled,
    /// What came is no HTTP request.
    MalformedRequest,
    /// What came is no TLS handshake that can be agreed upon.
    TlsHandshake,
}

impl Rejected {
    fn as_str(self) -> &'static str {
        match self {
            Rejected::Origin => "origin",
            Rejected::TooManyConnections => "too_many_connections",
            Rejected::TooManyFromAddress => "too_many_from_address",
            Rejected::HandshakeRate => "handshake_rate",
            Rejected::Ending => "ending",
            Rejected::HandshakeTimeout => "handshake_timeout",
            Rejected::Stalled => "stalled",
            Rejected::MalformedRequest => "malformed_request",
            Rejected::TlsHandshake => "tls_handshake",
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The client closed it.
    Client,
    /// The socket broke.
    Lost,
    /// The server closed it.
    Server(CloseCode),
}

impl Ended {
    fn as_str(self) -> &'static str {
        match self {
            Ended::Client => "client",
            Ended::Lost => "lost",
            Ended::Server(code) => code.reason(),
        }
    }
}

/// All counters of the process.
pub(crate) struct Metrics {
    registry: Registry,
    received: Traffic,
    sent: Traffic,
    refusals: Family<ReasonLabel, Counter>,
    closes: Family<ReasonLabel, Counter>,
    latency: Histogram,
    pub(crate) connections: Gauge,
    pub(crate) requests: Gauge,
    pub(crate) queued_messages: Gauge,
    pub(crate) queued_bytes: Gauge,
    pub(crate) unfinished_bytes: Gauge,
    rooms: Gauge,
    clients: Gauge,
}

/// Messages and bytes of one direction, one pair of counters a kind, so that counting takes no lock.
struct Traffic {
    kinds: Vec<(Counter, Counter)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TrafficLabel {
    direction: Word,
    kind: Word,
}

/// A label's value out of a fixed set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("signaling");
        let messages = Family::<TrafficLabel, Counter>::default();
        let bytes = Family::<TrafficLabel, Counter>::default();
        let received = Traffic::new("in", &messages, &bytes);
        let sent = Traffic::new("out", &messages, &bytes);
        registry.register("messages", "Messages from and to clients", messages);
        registry.register_with_unit("message", "Their size", Unit::Bytes, bytes);

        let refusals = Family::<ReasonLabel, Counter>::default();
        registry.register("refusals", "What was refused, by reason", refusals.clone());
        let closes = Family::<ReasonLabel, Counter>::default();
        registry.register(
            "closes",
            "Connections that ended, by reason",
            closes.clone(),
        );

        let bounds = (0..LATENCY_BUCKETS).map(|doublings| 50e-6 * f64::from(1u32 << doublings));
        let latency = Histogram::new(bounds);
        registry.register_with_unit(
            "forward_latency",
            "From reading a peer's message to writing it to the other peer's socket",
            Unit::Seconds,
            latency.clone(),
        );

        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let connections = gauge("connections", "Open sockets");
        let requests = gauge("requests", "Connections with a request, or without one yet");
        let queued_messages = gauge("queued_messages", "Messages waiting for their clients");
        let queued_bytes = gauge("queued_bytes", "The size of what waits");
        let unfinished_bytes = gauge(
            "unfinished_bytes",
            "The size of messages whose ends have not come, small ones apart",
        );
        let rooms = gauge("rooms", "Rooms, empty ones that are still kept included");
        let clients = gauge("clients", "Clients in some room");
        Self {
            registry,
            received,
            sent,
            refusals,
            closes,
            latency,
            connections,
            requests,
            queued_messages,
            queued_bytes,
            unfinished_bytes,
            rooms,
            clients,
        }
    }

    pub(crate) fn received(&self, kind: Kind, bytes: usize) {
        self.received.count(kind, bytes);
    }

    pub(crate) fn sent(&self, kind: Kind, bytes: usize) {
        self.sent.count(kind, bytes);
    }

    pub(crate) fn forwarded(&self, after: Duration) {
        self.latency.observe(after.as_secs_f64());
    }

    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refusals
            .get_or_create(&ReasonLabel {
                reason: Word(code.as_str()),
            })
            .inc();
    }

    pub(crate) fn rejected(&self, why: Rejected) {
        self.refusals
            .get_or_create(&ReasonLabel {
                reason: Word(why.as_str()),
            })
            .inc();
    }

    pub(crate) fn ended(&self, how: Ended) {
        self.closes
            .get_or_create(&ReasonLabel {
                reason: Word(how.as_str()),
            })
            .inc();
    }

    /// Everything in the OpenMetrics text form.
    pub(crate) fn text(&self, rooms: usize, clients: usize) -> String {
        self.rooms.set(i64::try_from(rooms).unwrap_or(i64::MAX));
        self.clients.set(i64::try_from(clients).unwrap_or(i64::MAX));
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a string does not fail; an empty answer would be mistaken for no traffic.
            text.clear();
            let _ = writeln!(text, "# the metrics could not be written");
        }
        text
    }
}

impl Traffic {
    fn new(
        direction: &'static str,
        messages: &Family<TrafficLabel, Counter>,
        bytes: &Family<TrafficLabel, Counter>,
    ) -> Self {
        let kinds = Kind::ALL.map(|kind| {
            let label = TrafficLabel {
                direction: Word(direction),
                kind: Word(kind.as_str()),
            };
            (
                messages.get_or_create(&label).clone(),
                bytes.get_or_create(&label).clone(),
            )
        });
        Self {
            kinds: kinds.into(),
        }
    }

    fn count(&self, kind: Kind, size: usize) {
        if let Some((messages, bytes)) = self.kinds.get(kind as usize) {
            messages.inc();
            bytes.inc_by(size as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_counts_under_its_own_name() {
        let metrics = Metrics::new();
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            for _ in 0..=index {
                metrics.received(kind, 10);
            }
        }
        let text = metrics.text(2, 3);
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            let label = format!("{{direction=\"in\",kind=\"{}\"}}", kind.as_str());
            let messages = format!("signaling_messages_total{label} {}\n", index + 1);
            let bytes = format!(
                "signaling_message_bytes_total{label} {}\n",
                10 * (index + 1)
            );
            assert!(text.contains(&messages) && text.contains(&bytes), "{text}");
        }
        assert!(text.contains("signaling_rooms 2\n") && text.contains("signaling_clients 3\n"));
        assert!(text.ends_with("# EOF\n"));
    }
}
