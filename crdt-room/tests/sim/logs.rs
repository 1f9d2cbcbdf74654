//! The entries that pages write to the logs of servers, for tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crdt_core::session::{MergeRules, NamedPatches};
use crdt_core::{Document, VersionSummary};
use crdt_room::Purpose;
use serde_json::Value;
use signaling_protocol::RoomId;

use crate::driver::header;
use crate::world::World;

/// An entry that a page wrote.
#[derive(Debug)]
pub(crate) struct Written {
    agent: String,
    payload: Vec<u8>,
}

impl World {
    /// A page sent this to a server.
    pub(crate) fn note_written(&mut self, page: usize, text: &str) {
        if !text.contains(r#""type":"log_append""#) {
            return;
        }
        let message: Value = serde_json::from_str(text).expect("pages send JSON");
        let payload = message["payload"].as_str().expect("a payload");
        self.written.push(Written {
            agent: self.pages[page].profile.agent.clone(),
            payload: STANDARD.decode(payload).expect("base64"),
        });
    }

    /// The entries that were written with a key, signed.
    fn written_with(&self, key: &str) -> impl Iterator<Item = (&str, &[u8])> {
        let header = header(key, Purpose::Log, true, "entry");
        self.written.iter().filter_map(move |written| {
            let plain = written.payload.strip_prefix(&header[..])?;
            Some((written.agent.as_str(), plain))
        })
    }

    /// The pages that wrote, each once, in the order of their first entries.
    pub(crate) fn writers(&self, key: &str) -> Vec<&str> {
        let mut all = Vec::new();
        for (agent, _) in self.written_with(key) {
            if !all.contains(&agent) {
                all.push(agent);
            }
        }
        all
    }

    /// The number of events that were written more than once. Entries must be short.
    pub(crate) fn doubled(&self, key: &str) -> u64 {
        let mut all = VersionSummary::new();
        let mut doubled = 0;
        for (_, plain) in self.written_with(key) {
            let mut reader = Document::new("reader").expect("a valid name");
            let merged =
                reader.merge_patch_by(&plain[2..], &MergeRules::default(), false, &mut |_| {});
            let (_, events) = merged.expect("an entry");
            doubled += all.intersection(&events).event_count();
            all.union(&events);
        }
        doubled
    }

    /// The number of entries in the log of the room with a key.
    pub(crate) fn entries(&self, key: &str) -> usize {
        let room = RoomId::parse(&format!("room of {key}")).expect("a valid room");
        self.servers[0].rooms.log_entries(&room)
    }
}
