//! Logs in memory, for the server without I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use signaling_protocol::{LogAck, RoomId, ServerMessage};

use crate::client::LogRequest;
use crate::log::{LOG_PAGE_BYTES, LogError, LogHead, LogPage, LogQuotas, entry_cost};
use crate::refusal::Refusal;

/// The logs of all rooms.
#[derive(Debug)]
pub(crate) struct MemoryLogs {
    quotas: LogQuotas,
    /// The cost of all logs together.
    total: u64,
    logs: HashMap<RoomId, MemoryLog>,
}

#[derive(Debug, Default)]
struct MemoryLog {
    head: LogHead,
    entries: BTreeMap<u64, Arc<[u8]>>,
}

impl MemoryLogs {
    pub(crate) fn new(quotas: LogQuotas) -> Self {
        Self {
            quotas,
            total: 0,
            logs: HashMap::new(),
        }
    }

    /// The number of entries in the log of a room.
    pub(crate) fn entries(&self, room: &RoomId) -> usize {
        self.logs.get(room).map_or(0, |log| log.entries.len())
    }

    /// Carries out a request, and returns the answer for the client.
    pub(crate) fn answer(&mut self, request: LogRequest) -> ServerMessage {
        let (result, id) = match request {
            LogRequest::Read { room, after } => return self.read(&room, after).to_message(),
            LogRequest::Append { room, payload, id } => (self.append(room, &payload), id),
            LogRequest::Snapshot {
                room,
                base,
                upto,
                payload,
                id,
            } => (self.snapshot(room, base, upto, &payload), id),
        };
        match result {
            Ok(seq) => ServerMessage::LogAck(LogAck { seq, id }),
            Err(error) => Refusal { id, ..error.into() }.into(),
        }
    }

    fn append(&mut self, room: RoomId, payload: &[u8]) -> Result<u64, LogError> {
        let log = self.logs.entry(room).or_default();
        (log.head, self.total) = log.head.append(payload, self.total, &self.quotas)?;
        log.entries.insert(log.head.last, payload.into());
        Ok(log.head.last)
    }

    fn snapshot(
        &mut self,
        room: RoomId,
        base: u64,
        upto: u64,
        payload: &[u8],
    ) -> Result<u64, LogError> {
        let log = self.logs.entry(room).or_default();
        log.head.check_snapshot(base, upto)?;
        let covered = log.entries.range(..=upto);
        let freed = covered.map(|(_, payload)| entry_cost(payload)).sum();
        (log.head, self.total) =
            log.head
                .snapshot(upto, payload, freed, self.total, &self.quotas)?;
        log.entries.retain(|seq, _| *seq > upto);
        log.entries.insert(upto, payload.into());
        Ok(upto)
    }

    fn read(&self, room: &RoomId, after: u64) -> LogPage<Arc<[u8]>> {
        let Some(log) = self.logs.get(room) else {
            return LogPage::new(LogHead::default());
        };
        let mut page = LogPage::new(log.head);
        for (seq, payload) in &log.entries {
            if *seq > after && !page.add(*seq, payload, LOG_PAGE_BYTES, |_| payload.clone()) {
                break;
            }
        }
        page
    }
}
