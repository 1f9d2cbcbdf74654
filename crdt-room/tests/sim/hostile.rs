//! A dishonest signaling server: it replaces descriptions with its own, replays earlier messages,
//! and admits members to rooms that they do not name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::world::World;

#[derive(Debug, Default)]
pub(crate) struct Malice {
    /// Offers and answers are replaced.
    swaps: bool,
    /// A member that joins gets all signals again that were ever meant for its name.
    replays: bool,
    /// All members are admitted to one room, whatever room they name.
    mixes: bool,
    /// Logs are reassembled, with entries of other logs and invented ones.
    shuffles: bool,
    /// The entries of all logs.
    entries: Vec<Value>,
    /// The signals by the name of the receiver.
    seen: BTreeMap<String, Vec<String>>,
    /// The last sealed body of each kind.
    sealed: BTreeMap<String, Value>,
    /// The number of messages that were forged or repeated.
    pub(crate) forged: usize,
}

impl World {
    /// The messages that the server sends instead of a message to one of its clients.
    pub(crate) fn twist(&mut self, text: String) -> Vec<String> {
        match &mut self.malice {
            Some(malice) => malice.twist(text),
            None => vec![text],
        }
    }

    /// The message that the server processes instead of a message of one of its clients.
    pub(crate) fn misread(&self, text: String) -> String {
        let mut message: Value = serde_json::from_str(&text).expect("pages send JSON");
        let mixes = self.malice.as_ref().is_some_and(|malice| malice.mixes);
        if !mixes || message["type"] != "join" {
            return text;
        }
        message["room"] = json!("one for all");
        message.to_string()
    }
}

impl Malice {
    pub(crate) fn swapping() -> Malice {
        Malice {
            swaps: true,
            ..Malice::default()
        }
    }

    pub(crate) fn replaying() -> Malice {
        Malice {
            replays: true,
            ..Malice::default()
        }
    }

    pub(crate) fn mixing() -> Malice {
        Malice {
            mixes: true,
            ..Malice::default()
        }
    }

    pub(crate) fn shuffling() -> Malice {
        Malice {
            shuffles: true,
            ..Malice::default()
        }
    }

    fn twist(&mut self, text: String) -> Vec<String> {
        let message: Value = serde_json::from_str(&text).expect("servers send JSON");
        let kind = message["type"].as_str().unwrap_or_default().to_owned();
        let field = match kind.as_str() {
            "offer" | "answer" => kind.as_str(),
            "ice_candidate" => "candidate",
            "peer_list" if self.replays => return self.replay(text),
            "log_entries" if self.shuffles => return vec![self.shuffle(message)],
            _ => return vec![text],
        };
        let to = message["to"].as_str().unwrap_or_default().to_owned();
        let body = message[field].clone();
        self.seen.entry(to).or_default().push(text.clone());
        self.sealed.insert(kind.clone(), body);
        if !self.swaps || kind == "ice_candidate" {
            return vec![text];
        }
        // One that is not sealed, and what was sealed for another purpose.
        let own = json!({"type": kind, "sdp": "offer 1 ice 1"});
        let others = self.sealed.iter().filter(|(of, _)| **of != kind);
        let bodies = others.map(|(_, body)| body.clone()).chain([own]);
        let forged: Vec<String> = bodies
            .map(|body| {
                let mut forged = message.clone();
                forged[field] = body;
                forged.to_string()
            })
            .collect();
        self.forged += forged.len();
        forged
    }

    /// A page of a log in another order, without some entries, with some of them twice, cut short, or out of
    /// other logs, and with one that nobody wrote.
    fn shuffle(&mut self, mut page: Value) -> String {
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        let payloads = entries.into_iter().map(|entry| entry["payload"].clone());
        let payloads: Vec<Value> = payloads.collect();
        self.entries.extend(payloads.iter().cloned());
        let cut = |payload: &Value| {
            let text = payload.as_str().unwrap_or_default();
            json!(text[..text.len() / 8 * 4])
        };
        let mut shuffled: Vec<Value> = payloads.iter().rev().skip(1).cloned().collect();
        shuffled.extend(payloads.iter().map(cut));
        shuffled.extend(payloads.iter().take(2).cloned());
        shuffled.extend(self.entries.iter().take(4).cloned());
        shuffled.push(json!("bm90IGFuIGVudHJ5"));
        self.forged += shuffled.len();
        let numbered = shuffled.into_iter().enumerate();
        let entries = numbered.map(|(at, payload)| json!({"seq": at + 1, "payload": payload}));
        page["entries"] = entries.collect();
        page["more"] = json!(false);
        page.to_string()
    }

    /// The list of those who are there, and behind it everything that was ever sent to any of the names.
    fn replay(&mut self, list: String) -> Vec<String> {
        let mut all = vec![list];
        all.extend(self.seen.values().flatten().cloned());
        self.forged += all.len() - 1;
        all
    }
}
