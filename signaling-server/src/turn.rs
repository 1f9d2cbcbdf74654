//! Credentials for a TURN server, good for a limited time.
//!
//! The scheme is the one that coturn calls `use-auth-secret`: the name says until when it holds, and
//! the password is the name's HMAC under a secret that both servers know. So the TURN server can
//! check them without asking anybody.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use signaling_protocol::{AgentId, IceServer};

/// The servers that help to find a path, as newcomers receive them.
pub(crate) struct IceServers {
    stun: Vec<String>,
    turn: Option<Turn>,
}

struct Turn {
    urls: Vec<String>,
    key: hmac::Key,
    lifetime: Duration,
}

impl IceServers {
    /// `turn_secret` is the secret shared with the TURN servers; without it none are named.
    pub(crate) fn new(
        stun: Vec<String>,
        turn: Vec<String>,
        turn_secret: Option<&str>,
        lifetime: Duration,
    ) -> Self {
        // The scheme prescribes SHA-1, whose weaknesses do not touch HMAC.
        let turn = turn_secret.filter(|_| !turn.is_empty()).map(|secret| Turn {
            urls: turn,
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()),
            lifetime,
        });
        Self { stun, turn }
    }

    /// The servers for one client, with credentials of its own.
    pub(crate) fn hand_out(&self, agent: &AgentId, now: SystemTime) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if let Some(turn) = &self.turn {
            let until = now.duration_since(UNIX_EPOCH).unwrap_or_default() + turn.lifetime;
            let username = format!("{}:{agent}", until.as_secs());
            let credential = STANDARD.encode(hmac::sign(&turn.key, username.as_bytes()));
            servers.push(IceServer {
                urls: turn.urls.clone(),
                username: Some(username),
                credential: Some(credential),
            });
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|&url| url.to_owned()).collect()
    }

    #[test]
    fn credentials_are_those_that_coturn_computes() {
        let servers = IceServers::new(
            urls(&["stun:s.test"]),
            urls(&["turn:t.test", "turns:t.test"]),
            Some("north"),
            Duration::from_secs(3600),
        );
        let agent = AgentId::parse("alice").unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let told = servers.hand_out(&agent, now);
        assert_eq!(
            told[0],
            IceServer {
                urls: urls(&["stun:s.test"]),
                username: None,
                credential: None
            }
        );
        assert_eq!(told[1].urls, ["turn:t.test", "turns:t.test"]);
        assert_eq!(told[1].username.as_deref(), Some("1700003600:alice"));
        // printf '1700003600:alice' | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            told[1].credential.as_deref(),
            Some("wjwSXO2ch1B6VaLTLMy2Avn5O9o=")
        );
    }

    #[test]
    fn without_a_secret_no_turn_server_is_told_of() {
        let lifetime = Duration::from_secs(1);
        let agent = AgentId::parse("alice").unwrap();
        let none = IceServers::new(Vec::new(), urls(&["turn:t.test"]), None, lifetime);
        assert!(none.hand_out(&agent, UNIX_EPOCH).is_empty());
        let none = IceServers::new(Vec::new(), Vec::new(), Some("north"), lifetime);
        assert!(none.hand_out(&agent, UNIX_EPOCH).is_empty());
    }
}
