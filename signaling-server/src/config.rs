//! What an operator can set: every flag, each also by an environment variable.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::BoolishValueParser;
use signaling_rooms::{ClientLimits, LogQuotas, RoomLimits};

use crate::bus::limits::BusLimits;
use crate::from_file::FromFile;
use crate::secret::{BusUrl, Secret};
use crate::store::StoreLocation;
use crate::store::write::StoreQuotas;
use crate::token::{Key, PublicKey, Tokens};
use crate::turn::IceServers;

/// The largest message of a Yjs client: a whole document, when it comes back.
#[cfg(feature = "yjs")]
const YJS_MESSAGE_BYTES: usize = 64 << 20;

/// How much the logs may hold that are kept in memory, for Yjs rooms without a store.
#[cfg(feature = "yjs")]
const MEMORY_LOG_BYTES: u64 = 256 << 20;

/// One address may have this part of it.
#[cfg(feature = "yjs")]
const MEMORY_ADDRESS_SHARE: u64 = 4;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The group of the two flags that give the secret of the TURN servers.
const TURN_SECRET: &str = "turn_secret_source";

/// The group of the two flags that give the token of the operator.
const ADMIN_TOKEN: &str = "admin_token_source";

/// Introduces browsers to each other, so that they can edit a text together, and serves the editor.
#[derive(Debug, Clone, Parser)]
#[command(version, about)]
pub struct Config {
    /// Address to listen on
    #[arg(
        long,
        env = "HOST",
        default_value = "127.0.0.1",
        value_name = "ADDRESS"
    )]
    pub host: String,

    /// Port to listen on; 0 takes a free one
    #[arg(short, long, env = "PORT", default_value_t = 8080)]
    pub port: u16,

    /// How many rooms may exist at a time
    #[arg(long, env = "MAX_ROOMS", default_value_t = RoomLimits::DEFAULT.rooms, value_name = "N",
          value_parser = at_least_one)]
    pub max_rooms: usize,

    /// How many rooms clients of one address may have made; 0 is no limit. This machine has none
    #[arg(long, env = "MAX_ROOMS_PER_ADDRESS", value_name = "N",
          default_value_t = RoomLimits::DEFAULT.rooms_per_address)]
    pub max_rooms_per_address: usize,

    /// How many clients may be in one room
    #[arg(long, env = "MAX_CLIENTS_PER_ROOM", value_name = "N",
          default_value_t = RoomLimits::DEFAULT.clients_per_room, value_parser = at_least_one)]
    pub max_clients_per_room: usize,

    /// After how long an empty room is removed
    #[arg(
        long,
        env = "ROOM_TIMEOUT_MINUTES",
        default_value_t = RoomLimits::DEFAULT.empty_for.as_secs() / 60,
        value_name = "MINUTES"
    )]
    pub room_timeout_minutes: u64,

    /// How long an agent id is kept for a client with a session secret whose socket was lost
    #[arg(long, env = "KEEP_ID_SECONDS", value_name = "SECONDS",
          default_value_t = RoomLimits::DEFAULT.keep_name_for.as_secs())]
    pub keep_id_seconds: u64,

    /// Largest message that a client may send
    #[arg(long, env = "MAX_MESSAGE_SIZE", default_value_t = ClientLimits::DEFAULT.message_bytes,
          value_name = "BYTES", value_parser = at_least_one)]
    pub max_message_size: usize,

    /// After how long a client that answers no ping is dropped
    #[arg(long, env = "CLIENT_TIMEOUT_SECONDS", default_value_t = 45, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub client_timeout_seconds: u64,

    /// How long a client may take for the TLS handshake, and to send the head of a request
    #[arg(long, env = "HANDSHAKE_TIMEOUT_SECONDS", default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub handshake_timeout_seconds: u64,

    /// How long a client may take to read 16 KiB of the answer to a request
    #[arg(long, env = "STALL_TIMEOUT_SECONDS", default_value_t = 20, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub stall_timeout_seconds: u64,

    /// How long a message may take from its beginning to its end
    #[arg(long, env = "MESSAGE_TIMEOUT_SECONDS", default_value_t = 60, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub message_timeout_seconds: u64,

    /// How many bytes of messages that have not come to their end all clients together may have sent,
    /// small ones apart; one address may have a quarter
    #[arg(long, env = "MAX_UNFINISHED_BYTES", default_value_t = 64 << 20, value_name = "BYTES",
          value_parser = at_least_one)]
    pub max_unfinished_bytes: usize,

    /// How many bytes of messages may wait for all clients together, 16 KiB for each apart; one address may
    /// have a quarter. Clients beyond are dropped as too slow
    #[arg(long, env = "MAX_WAITING_BYTES", default_value_t = 256 << 20, value_name = "BYTES",
          value_parser = at_least_one)]
    pub max_waiting_bytes: usize,

    /// How many messages may wait for a client before it is dropped as too slow
    #[arg(long, env = "MAX_QUEUED_MESSAGES", default_value_t = 1024, value_name = "N",
          value_parser = at_least_one)]
    pub max_queued_messages: usize,

    /// Pages that may connect, like `https://edit.example.org`; any page where none is named
    #[arg(long, env = "ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub allow_origin: Vec<String>,

    /// Take a client's address from X-Forwarded-For, which the proxy in front has to set
    #[arg(long, env = "TRUST_FORWARDED_FOR", value_parser = BoolishValueParser::new())]
    pub trust_forwarded_for: bool,

    /// The number of proxies in a chain in front, each of which adds to X-Forwarded-For
    #[arg(long, env = "TRUSTED_PROXIES", default_value_t = 1, value_name = "N",
          value_parser = at_least_one)]
    pub trusted_proxies: usize,

    /// How many sockets may be open at a time, and how many connections for other requests; 0 is no
    /// limit
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        default_value_t = 20_000,
        value_name = "N"
    )]
    pub max_connections: usize,

    /// How many sockets one address may have open, and how many connections for other requests; 0 is
    /// no limit. This machine has none
    #[arg(
        long,
        env = "MAX_CONNECTIONS_PER_ADDRESS",
        default_value_t = 500,
        value_name = "N"
    )]
    pub max_connections_per_address: usize,

    /// How many sockets one address may open in a minute; 0 is no limit. This machine has none
    #[arg(
        long,
        env = "HANDSHAKES_PER_MINUTE",
        default_value_t = 600,
        value_name = "N"
    )]
    pub handshakes_per_minute: u32,

    /// How often clients of one address may join a room in a minute; 0 is no limit. This machine has
    /// none
    #[arg(
        long,
        env = "JOINS_PER_MINUTE",
        default_value_t = 600,
        value_name = "N"
    )]
    pub joins_per_minute: u32,

    /// How many messages a client may send in a second, relay apart; 0 is no limit
    #[arg(
        long,
        env = "MESSAGES_PER_SECOND",
        default_value_t = ClientLimits::DEFAULT.messages_per_second,
        value_name = "N"
    )]
    pub messages_per_second: u32,

    /// How many bytes of messages a client may send in a second, relay apart; 0 is no limit
    #[arg(long, env = "MESSAGE_BYTES_PER_SECOND", value_name = "BYTES",
          default_value_t = ClientLimits::DEFAULT.message_bytes_per_second)]
    pub message_bytes_per_second: u32,

    /// How many relay messages a client may send in a second; 0 is no limit
    #[arg(
        long,
        env = "RELAY_MESSAGES_PER_SECOND",
        default_value_t = ClientLimits::DEFAULT.relay_messages_per_second,
        value_name = "N"
    )]
    pub relay_messages_per_second: u32,

    /// How many bytes of relay messages a client may send in a second; 0 is no limit
    #[arg(long, env = "RELAY_BYTES_PER_SECOND", value_name = "BYTES",
          default_value_t = ClientLimits::DEFAULT.relay_bytes_per_second)]
    pub relay_bytes_per_second: u32,

    /// Largest message that a Yjs client may send, as it does with its whole document
    #[cfg(feature = "yjs")]
    #[arg(long, env = "YJS_MESSAGE_BYTES", default_value_t = YJS_MESSAGE_BYTES,
          value_name = "BYTES", value_parser = at_least_one)]
    pub yjs_message_bytes: usize,

    /// How many threads serve clients; as many as there are cores where nothing is said
    #[arg(long, env = "THREADS", value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,

    /// How long the end may take after SIGTERM
    #[arg(
        long,
        env = "DRAIN_SECONDS",
        default_value_t = 10,
        value_name = "SECONDS"
    )]
    pub drain_seconds: u64,

    /// Certificate chain, in PEM form, to serve TLS with; read again when it changes
    #[arg(long, env = "TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, in PEM form
    #[arg(long, env = "TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Secret that join tokens are signed with (HS256); everybody may join where there is none
    #[arg(long, env = "TOKEN_SECRET", hide_env_values = true, value_name = "SECRET",
          value_parser = Secret::parse, conflicts_with = "token_secret_file")]
    pub token_secret: Option<Secret>,

    /// Files that hold the secrets that join tokens are signed with; more than one while the secret is
    /// being replaced
    #[arg(long, env = "TOKEN_SECRET_FILE", value_name = "FILE", value_delimiter = ',',
          value_parser = FromFile::<Secret>::read)]
    pub token_secret_file: Vec<FromFile<Secret>>,

    /// Files that hold the Ed25519 public keys, in PEM form, of the signers of join tokens (EdDSA)
    #[arg(long, env = "TOKEN_PUBLIC_KEY_FILE", value_name = "FILE", value_delimiter = ',',
          value_parser = FromFile::<PublicKey>::read)]
    pub token_public_key_file: Vec<FromFile<PublicKey>>,

    /// The audience (`aud`) that join tokens may name, and have to where they name one
    #[arg(long, env = "TOKEN_AUDIENCE", value_name = "NAME")]
    pub token_audience: Option<String>,

    /// STUN servers to tell clients of, like stun:stun.example.org
    #[arg(long, env = "STUN_URL", value_name = "URL", value_delimiter = ',',
          value_parser = stun_url)]
    pub stun_url: Vec<String>,

    /// TURN servers to tell clients of, like turn:turn.example.org
    #[arg(long, env = "TURN_URL", value_name = "URL", value_delimiter = ',',
          value_parser = turn_url, requires = TURN_SECRET)]
    pub turn_url: Vec<String>,

    /// Secret shared with the TURN servers (coturn's static-auth-secret)
    #[arg(long, env = "TURN_SECRET", hide_env_values = true, value_name = "SECRET",
          value_parser = Secret::parse, group = TURN_SECRET, requires = "turn_url")]
    pub turn_secret: Option<Secret>,

    /// File with the secret shared with the TURN servers
    #[arg(long, env = "TURN_SECRET_FILE", value_name = "FILE",
          value_parser = FromFile::<Secret>::read, group = TURN_SECRET, requires = "turn_url")]
    pub turn_secret_file: Option<FromFile<Secret>>,

    /// How long a client may use the TURN credentials it gets
    #[arg(
        long,
        env = "TURN_LIFETIME_SECONDS",
        default_value_t = 86_400,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    pub turn_lifetime_seconds: u64,

    /// Where to keep the rooms' logs, so that the first member of an empty room finds its text: a file, or a
    /// PostgreSQL server that several processes share, like postgres://user@host/database. Without it no
    /// logs are kept
    #[arg(long, env = "STORE", hide_env_values = true, value_name = "FILE|URL",
          value_parser = StoreLocation::parse)]
    pub store: Option<StoreLocation>,

    /// How much one room's log may hold
    #[arg(long, env = "STORE_ROOM_BYTES", default_value_t = 64 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub store_room_bytes: u64,

    /// How much the logs that clients of one address began may hold together. This machine has no limit
    #[arg(long, env = "STORE_ADDRESS_BYTES", default_value_t = 1 << 30, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub store_address_bytes: u64,

    /// After how many days a log is deleted that nobody uses; 0 is never
    #[arg(
        long,
        env = "STORE_EXPIRE_DAYS",
        default_value_t = 0,
        value_name = "DAYS"
    )]
    pub store_expire_days: u32,

    /// How much all logs together may hold
    #[arg(long, env = "STORE_TOTAL_BYTES", default_value_t = 10 << 30, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub store_total_bytes: u64,

    /// Redis server that joins several processes into one, like redis://127.0.0.1:6379; they share
    /// rooms and relay, and logs where the store is a PostgreSQL server
    #[arg(long, env = "BUS", hide_env_values = true, value_name = "URL", value_parser = BusUrl::parse)]
    pub bus: Option<BusUrl>,

    /// Address and port where an operator reaches `/metrics`, `/stats` and the commands for a running
    /// server, like 127.0.0.1:9090; needs a token
    #[arg(
        long,
        env = "ADMIN_ADDRESS",
        value_name = "ADDRESS:PORT",
        requires = ADMIN_TOKEN
    )]
    pub admin_address: Option<SocketAddr>,

    /// Token that requests to the admin address have to show
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN",
          value_parser = Secret::parse, group = ADMIN_TOKEN, requires = "admin_address")]
    pub admin_token: Option<Secret>,

    /// File with the token for the admin address
    #[arg(long, env = "ADMIN_TOKEN_FILE", value_name = "FILE",
          value_parser = FromFile::<Secret>::read, group = ADMIN_TOKEN, requires = "admin_address")]
    pub admin_token_file: Option<FromFile<Secret>>,

    /// Log more; twice for everything. RUST_LOG, where set, decides instead
    #[arg(short, long, env = "SIGNALING_VERBOSE", action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// How lines of the log are written: for people, or as one JSON object each
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people; in colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// The address to listen on, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// What is logged where `RUST_LOG` says nothing.
    #[must_use]
    pub fn default_log_filter(&self) -> &'static str {
        match self.verbose {
            0 => "info",
            1 => "info,signaling_server=debug",
            _ => "debug,signaling_server=trace",
        }
    }

    /// How many threads serve clients.
    #[must_use]
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores)
    }

    pub(crate) fn client_timeout(&self) -> Duration {
        Duration::from_secs(self.client_timeout_seconds)
    }

    /// Three pings fit into the time after which silence counts as absence.
    pub(crate) fn ping_interval(&self) -> Duration {
        self.client_timeout() / 3
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_secs(self.handshake_timeout_seconds)
    }

    pub(crate) fn message_timeout(&self) -> Duration {
        Duration::from_secs(self.message_timeout_seconds)
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        Duration::from_secs(self.stall_timeout_seconds)
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// What checks join tokens; `None` where none are asked for.
    pub(crate) fn tokens(&self) -> Option<Tokens> {
        let files = self.token_secret_file.iter().map(FromFile::value);
        let secrets = self.token_secret.iter().chain(files);
        let secrets = secrets.map(|secret| Key::Secret(secret.clone()));
        let public = self.token_public_key_file.iter().map(FromFile::value);
        let public = public.copied().map(Key::Public);
        let keys: Vec<Key> = secrets.chain(public).collect();
        (!keys.is_empty()).then(|| Tokens::new(&keys, self.token_audience.as_deref()))
    }

    /// How many proxies stand in front that are trusted to say whom they speak for.
    pub(crate) fn proxies(&self) -> usize {
        if self.trust_forwarded_for {
            self.trusted_proxies
        } else {
            0
        }
    }

    pub(crate) fn turn_secret(&self) -> Option<&Secret> {
        let file = self.turn_secret_file.as_ref().map(FromFile::value);
        self.turn_secret.as_ref().or(file)
    }

    pub(crate) fn admin_token(&self) -> Option<&Secret> {
        let file = self.admin_token_file.as_ref().map(FromFile::value);
        self.admin_token.as_ref().or(file)
    }

    /// The servers that help to find a path, for newcomers.
    pub(crate) fn ice_servers(&self) -> IceServers {
        IceServers::new(
            self.stun_url.clone(),
            self.turn_url.clone(),
            self.turn_secret().map(Secret::reveal),
            self.turn_lifetime(),
        )
    }

    pub(crate) fn turn_lifetime(&self) -> Duration {
        Duration::from_secs(self.turn_lifetime_seconds)
    }

    pub(crate) fn room_limits(&self) -> RoomLimits {
        RoomLimits {
            rooms: self.max_rooms,
            clients_per_room: self.max_clients_per_room,
            rooms_per_address: self.max_rooms_per_address,
            empty_for: self.room_timeout(),
            keep_name_for: Duration::from_secs(self.keep_id_seconds),
        }
    }

    pub(crate) fn client_limits(&self) -> ClientLimits {
        ClientLimits {
            message_bytes: self.max_message_size,
            messages_per_second: self.messages_per_second,
            message_bytes_per_second: self.message_bytes_per_second,
            relay_messages_per_second: self.relay_messages_per_second,
            relay_bytes_per_second: self.relay_bytes_per_second,
        }
    }

    pub(crate) fn quotas(&self) -> StoreQuotas {
        StoreQuotas {
            logs: LogQuotas {
                room_bytes: self.store_room_bytes,
                total_bytes: self.store_total_bytes,
            },
            address_bytes: self.store_address_bytes,
        }
    }

    /// Logs in memory are bounded by memory, not by the disk.
    #[cfg(feature = "yjs")]
    pub(crate) fn memory_quotas(&self) -> StoreQuotas {
        let StoreQuotas {
            logs,
            address_bytes,
        } = self.quotas();
        let total_bytes = logs.total_bytes.min(MEMORY_LOG_BYTES);
        StoreQuotas {
            logs: LogQuotas {
                total_bytes,
                ..logs
            },
            address_bytes: address_bytes.min(total_bytes / MEMORY_ADDRESS_SHARE),
        }
    }

    /// How long a log is kept that nobody uses, if not for ever. Uses are noted once a day, so one day
    /// is added.
    pub(crate) fn store_expiry(&self) -> Option<Duration> {
        let days = NonZeroU32::new(self.store_expire_days)?;
        Some(DAY * days.get().saturating_add(1))
    }

    pub(crate) fn bus_limits(&self) -> BusLimits {
        BusLimits {
            rooms: self.max_rooms,
            rooms_per_address: self.max_rooms_per_address,
            clients_per_room: self.max_clients_per_room,
            keep_name_for: Duration::from_secs(self.keep_id_seconds),
            // A process is given up like a client: after as long a silence.
            lease: self.client_timeout(),
        }
    }

    fn room_timeout(&self) -> Duration {
        Duration::from_secs(self.room_timeout_minutes.saturating_mul(60))
    }

    /// A full queue of the largest messages would be a lot of memory, so bytes are bounded too: the
    /// largest message always fits, and an ordinary load beside it.
    pub(crate) fn max_queued_bytes(&self) -> usize {
        self.max_message_size.saturating_add(1 << 20)
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// An origin is what a browser sends: scheme and host, perhaps a port, and nothing behind them.
fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']) => {
            Ok(text.to_owned())
        }
        _ => Err("an origin is like https://edit.example.org, without a path".to_owned()),
    }
}

fn stun_url(text: &str) -> Result<String, String> {
    ice_url(text, ["stun:", "stuns:"])
}

fn turn_url(text: &str) -> Result<String, String> {
    ice_url(text, ["turn:", "turns:"])
}

/// Browsers refuse every connection where one of these makes no sense to them.
fn ice_url(text: &str, schemes: [&str; 2]) -> Result<String, String> {
    let host = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '@', ' ']) => Ok(text.to_owned()),
        _ => Err(format!(
            "such an address is like {}host.example.org",
            schemes[0]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_not_shown() {
        let secret = "0123456789abcdef0123456789abcdef";
        let config = parse(&["--token-secret", secret]).unwrap();
        assert_eq!(config.token_secret.as_ref().unwrap().reveal(), secret);
        assert!(config.tokens().is_some());
        assert!(!format!("{config:?}").contains(secret));
        let bus = parse(&["--bus", "redis://:hunter2@10.0.0.5/"]).unwrap();
        assert!(!format!("{bus:?}").contains("hunter2"));
        let refused = parse(&["--bus", "http://10.0.0.5/"]).unwrap_err();
        assert_eq!(refused.kind(), clap::error::ErrorKind::ValueValidation);
        assert!(parse(&["--token-secret", &secret[1..]]).is_err());
        let both = ["--token-secret", secret, "--token-secret-file", "/dev/null"];
        assert!(parse(&both).is_err());
    }

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        Config::try_parse_from([&["signaling-server"], arguments].concat())
    }

    #[test]
    fn a_turn_server_and_its_secret_are_of_no_use_without_each_other() {
        let secret = ["--turn-secret", "0123456789abcdef0123456789abcdef"];
        let url = ["--turn-url", "turn:t.test,turns:t.test:5349"];
        let both = parse(&[url, secret].concat()).unwrap();
        assert_eq!(
            (both.turn_url.len(), both.turn_secret().is_some()),
            (2, true)
        );
        let alone = parse(&url).unwrap_err().to_string();
        assert!(alone.contains("--turn-secret"), "{alone}");
        let alone = parse(&secret).unwrap_err().to_string();
        assert!(alone.contains("--turn-url"), "{alone}");
        let twice = [&url[..], &secret, &["--turn-secret-file", "/dev/null"]].concat();
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn an_admin_address_and_its_token_are_of_no_use_without_each_other() {
        let address = ["--admin-address", "127.0.0.1:9090"];
        let token = ["--admin-token", "0123456789abcdef0123456789abcdef"];
        let both = parse(&[address, token].concat()).unwrap();
        assert!(both.admin_token().unwrap().matches(token[1]));
        assert!(!both.admin_token().unwrap().matches(&token[1][1..]));
        assert!(!both.admin_token().unwrap().matches(""));
        let alone = parse(&address).unwrap_err().to_string();
        assert!(alone.contains("--admin-token"), "{alone}");
        let alone = parse(&token).unwrap_err().to_string();
        assert!(alone.contains("--admin-address"), "{alone}");
        let twice = [&address[..], &token, &["--admin-token-file", "/dev/null"]].concat();
        assert!(parse(&twice).is_err());
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        let command = <Config as clap::CommandFactory>::command();
        let without: Vec<_> = command
            .get_arguments()
            .filter(|flag| flag.get_env().is_none())
            .map(|flag| flag.get_id().as_str())
            .collect();
        assert_eq!(without, [""; 0]);
    }

    /// `--help` shows the values of environment variables, but for those that may hold a secret.
    #[test]
    fn help_shows_no_secret() {
        let command = <Config as clap::CommandFactory>::command();
        let hidden = command
            .get_arguments()
            .filter(|flag| flag.is_hide_env_values_set());
        let hidden: Vec<_> = hidden.map(|flag| flag.get_id().as_str()).collect();
        let secrets = ["token_secret", "turn_secret", "store", "bus", "admin_token"];
        assert_eq!(hidden, secrets);
    }

    #[test]
    fn there_is_always_a_thread() {
        assert!(parse(&[]).unwrap().threads() >= 1);
        assert_eq!(parse(&["--threads", "3"]).unwrap().threads(), 3);
    }

    #[test]
    fn the_address_is_one_that_can_be_bound() {
        let address = |host| parse(&["--host", host, "-p", "81"]).unwrap().address();
        assert_eq!(address("127.0.0.1"), "127.0.0.1:81");
        assert_eq!(address("::1"), "[::1]:81");
        assert_eq!(address("[::1]"), "[::1]:81");
        assert_eq!(address("localhost"), "localhost:81");
    }

    #[test]
    fn senseless_values_are_refused_in_words() {
        for (flag, value) in [
            ("--port", "65536"),
            ("--max-rooms", "0"),
            ("--max-clients-per-room", "none"),
            ("--max-message-size", "0"),
            ("--client-timeout-seconds", "0"),
            ("--allow-origin", "edit.example.org"),
            ("--allow-origin", "https://edit.example.org/"),
            ("--allow-origin", "https://*"),
            ("--token-secret-file", "/no/such/file"),
            ("--handshake-timeout-seconds", "0"),
            ("--stall-timeout-seconds", "0"),
            ("--message-timeout-seconds", "0"),
            ("--max-unfinished-bytes", "0"),
            ("--max-queued-messages", "0"),
            ("--threads", "0"),
            ("--store-room-bytes", "0"),
            ("--store-total-bytes", "1e9"),
            ("--store-address-bytes", "0"),
            ("--store-expire-days", "never"),
            ("--turn-lifetime-seconds", "0"),
            ("--stun-url", "stun.example.org"),
            ("--stun-url", "turn:example.org"),
            ("--turn-url", "turn:"),
            ("--turn-url", "turn://example.org"),
            ("--relay-bytes-per-second", "5000000000"),
            ("--admin-address", "localhost"),
        ] {
            let error = parse(&[flag, value]).unwrap_err().to_string();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }
}
