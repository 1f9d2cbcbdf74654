//! What is counted, for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use signaling_protocol::{CloseCode, ErrorCode};

/// How many upper bounds histograms of times have, in seconds: from 50 µs to 6.5 s, doubling.
const BUCKETS: usize = 18;

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
    /// What of `queued_bytes` counts for all clients together.
    pub(crate) waiting_bytes: Gauge,
    pub(crate) unfinished_bytes: Gauge,
    #[cfg(feature = "yjs")]
    pub(crate) yjs_unfinished_bytes: Gauge,
    rooms: Gauge,
    clients: Gauge,
    yjs_rooms: Gauge,
    yjs_clients: Gauge,
    pub(crate) store: StoreMetrics,
    process: ProcessMetrics,
}

/// What is counted of the store.
#[derive(Debug, Clone)]
pub(crate) struct StoreMetrics {
    pub(crate) bytes: Gauge,
    pub(crate) logs: Gauge,
    /// How long bringing writes to the disk takes, in seconds.
    pub(crate) commit: Histogram,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            bytes: Gauge::default(),
            logs: Gauge::default(),
            commit: Histogram::new(doubling_from_50_micros()),
        }
    }
}

/// What the system says of the process, under the names that all programs give these figures.
#[derive(Debug, Default)]
struct ProcessMetrics {
    resident_bytes: Gauge,
    open_files: Gauge,
    threads: Gauge,
}

/// How many there are of what is counted when it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) rooms: usize,
    pub(crate) clients: usize,
    pub(crate) yjs_rooms: usize,
    pub(crate) yjs_clients: usize,
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
        let mut all = Registry::default();
        // All programs give these the same names.
        let process = ProcessMetrics::new(all.sub_registry_with_prefix("process"));
        let registry = all.sub_registry_with_prefix("signaling");
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

        let latency = Histogram::new(doubling_from_50_micros());
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
        let waiting_bytes = gauge(
            "waiting_bytes",
            "What waits beyond what may wait for each client, long messages of Yjs clients apart",
        );
        let unfinished_bytes = gauge(
            "unfinished_bytes",
            "The size of messages whose ends have not come, small ones apart",
        );
        #[cfg(feature = "yjs")]
        let yjs_unfinished_bytes = gauge("yjs_unfinished_bytes", "The same of Yjs clients");
        let rooms = gauge("rooms", "Rooms, empty ones that are still kept included");
        let clients = gauge("clients", "Clients in some room");
        let yjs_rooms = gauge("yjs_rooms", "Rooms of Yjs clients");
        let yjs_clients = gauge("yjs_clients", "Yjs clients in some room");

        let store = StoreMetrics::default();
        registry.register_with_unit(
            "store",
            "The size of all logs in the store",
            Unit::Bytes,
            store.bytes.clone(),
        );
        registry.register("store_logs", "Logs in the store", store.logs.clone());
        registry.register_with_unit(
            "store_commit",
            "Bringing writes to the disk",
            Unit::Seconds,
            store.commit.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "This program", build);
        Self {
            received,
            sent,
            refusals,
            closes,
            latency,
            connections,
            requests,
            queued_messages,
            queued_bytes,
            waiting_bytes,
            unfinished_bytes,
            #[cfg(feature = "yjs")]
            yjs_unfinished_bytes,
            rooms,
            clients,
            yjs_rooms,
            yjs_clients,
            store,
            process,
            registry: all,
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
        self.refused_as(code.as_str());
    }

    pub(crate) fn rejected(&self, why: Rejected) {
        self.refused_as(why.as_str());
    }

    /// Counts a refusal under a word of the caller's, out of a fixed set.
    pub(crate) fn refused_as(&self, reason: &'static str) {
        self.refusals
            .get_or_create(&ReasonLabel {
                reason: Word(reason),
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
    pub(crate) fn text(&self, census: Census) -> String {
        for (gauge, count) in [
            (&self.rooms, census.rooms),
            (&self.clients, census.clients),
            (&self.yjs_rooms, census.yjs_rooms),
            (&self.yjs_clients, census.yjs_clients),
        ] {
            gauge.set(count_of(count));
        }
        self.process.measure();
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a string does not fail; an empty answer would be mistaken for no traffic.
            text.clear();
            let _ = writeln!(text, "# the metrics could not be written");
        }
        text
    }
}

impl ProcessMetrics {
    fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let started = Gauge::<f64, AtomicU64>::default();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        started.set(since_1970.unwrap_or_default().as_secs_f64());
        let seconds = "When the program began, in seconds since 1970";
        registry.register_with_unit("start_time", seconds, Unit::Seconds, started);
        let resident = metrics.resident_bytes.clone();
        registry.register_with_unit("resident_memory", "Memory in use", Unit::Bytes, resident);
        registry.register(
            "open_fds",
            "Open files and sockets",
            metrics.open_files.clone(),
        );
        registry.register("threads", "Threads", metrics.threads.clone());
        metrics
    }

    /// Looks at the process anew.
    fn measure(&self) {
        #[cfg(target_os = "linux")]
        if let Ok(process) = procfs::process::Process::myself() {
            if let Ok(stat) = process.stat() {
                let bytes = stat.rss.saturating_mul(procfs::page_size());
                self.resident_bytes
                    .set(i64::try_from(bytes).unwrap_or(i64::MAX));
                self.threads.set(stat.num_threads);
            }
            if let Ok(count) = process.fd_count() {
                self.open_files.set(count_of(count));
            }
        }
    }
}

fn count_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Upper bounds of a histogram.
fn doubling_from_50_micros() -> impl Iterator<Item = f64> {
    (0..BUCKETS).map(|doublings| 50e-6 * f64::from(1u32 << doublings))
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
        let census = Census {
            rooms: 2,
            clients: 3,
            ..Census::default()
        };
        let text = metrics.text(census);
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
