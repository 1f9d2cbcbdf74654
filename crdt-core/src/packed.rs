//! A history that is still packed in the file that the document was opened from. The later events
//! are a separate history, which begins at the version of the file: local edits and events that
//! follow that version are added to it without unpacking the file.

use std::sync::{Arc, OnceLock};

use crate::causal_graph::{AgentIdx, Base};
use crate::digests::{Digests, upper_half};
use crate::encoding::decoder::Decoder;
use crate::encoding::file::{File, Head, LoadLimits};
use crate::encoding::patch;
use crate::error::{DecodeError, LoadError, MergeError};
use crate::history::History;
use crate::merge::{
    Agents, Batch, ChangeSink, Intake, Limits, MergeLimits, MergeRules, Scratch, apply_edits,
    take_in,
};
use crate::op_log::{Kind, Run};
use crate::rope::Rope;
use crate::sorting::sort;
use crate::unpack::{compare_text, complete};
use crate::version::{EventId, Frontier, Lv, MAX_CHARS};
use crate::walker::{WalkError, Walker};

/// A file whose blocks are kept unchanged.
#[derive(Debug)]
pub(crate) struct SavedFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) file: File,
}

impl SavedFile {
    /// The number of local versions of a history with the events of the file, without later ones.
    pub(crate) fn lvs(&self) -> Lv {
        self.file.head().lvs()
    }

    /// The file with the events of `history` from `from` on as its later events. `None` if its form
    /// cannot have them, or if there are so many that packing everything anew is better.
    pub(crate) fn with_events(&self, history: &History, from: Lv) -> Option<Vec<u8>> {
        // The loosely packed part that is allowed: in bytes, and as a fraction of a long file.
        const FEW: usize = 4096;
        const PART: usize = 8;
        if !self.file.can_grow(&self.bytes) {
            return None;
        }
        let most = FEW.max(self.bytes.len() / PART);
        let names: Vec<&str> = self.names().collect();
        let mut events = Vec::new();
        let all = from..history.len();
        let rest = match all.is_empty() {
            true => None,
            false => patch::encode_part(history, &[all], &names, most, &mut events),
        };
        (rest.is_none() && events.len() <= most).then(|| self.file.with_later(&self.bytes, &events))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let agents = self.file.head().agents.iter();
        agents.map(|agent| agent.name.as_str())
    }

    /// Appends the file's later events to `history`, which begins at the version of the file, and
    /// applies their edits to its text.
    pub(crate) fn take_later(
        &self,
        history: &mut History,
        rope: &mut Rope,
        limits: &LoadLimits,
    ) -> Result<(), LoadError> {
        let Some(bytes) = self.file.later(&self.bytes)? else {
            return Ok(());
        };
        let names: Vec<&str> = self.names().collect();
        let mut decoder = Decoder::default();
        let batch = decoder
            .decode(bytes, Some(&names))
            .map_err(|error| within(error, bytes, self))?;
        let head = self.file.head();
        for (what, claimed, limit) in [
            (
                "the number of events",
                u64::from(head.events) + batch.events(),
                limits.events,
            ),
            (
                "the inserted text, in bytes",
                u64::from(head.inserted) + batch.text.len() as u64,
                limits.text,
            ),
        ] {
            if claimed > limit as u64 {
                return Err(LoadError::TooLarge {
                    what,
                    claimed: usize::try_from(claimed).unwrap_or(usize::MAX),
                    limit,
                });
            }
        }
        let before = history.savepoint();
        let mut intake = Intake::new(
            &Limits {
                merge: MergeLimits::default().work(limits.work),
                ..Limits::default()
            },
            false,
            &mut Scratch::default(),
        );
        let part = (batch, &mut Agents::new(batch));
        take_in(history, part, &MergeRules::default(), &mut intake).map_err(not_possible)?;
        if !intake.is_whole() || intake.duplicate > 0 {
            return Err(LoadError::Inconsistent {
                reason: "the later events do not follow those before",
            });
        }
        let mut edits = Vec::new();
        let columns = (&history.graph, &history.ops);
        let from = (before.lv, rope.size().chars());
        let walked = Walker::default().transform(columns, from, limits.work, &mut edits);
        walked.map_err(|error| match error {
            WalkError::TooExpensive => LoadError::TooExpensive { limit: limits.work },
            _ => LoadError::Inconsistent {
                reason: "the later events edit past the end of the text",
            },
        })?;
        for (agent, seq, time) in intake.timestamps {
            history.timestamps.add(agent, seq, time);
        }
        apply_edits(rope, &history.ops, edits.into_iter(), &mut ChangeSink::None);
        Ok(())
    }
}

/// Converts the offset of an error in a part of a file to an offset in the file.
fn within(error: DecodeError, part: &[u8], saved: &SavedFile) -> LoadError {
    LoadError::Decode(match error {
        DecodeError::Bytes { offset, reason } => DecodeError::Bytes {
            offset: offset + (part.as_ptr() as usize - saved.bytes.as_ptr() as usize),
            reason,
        },
        other => other,
    })
}

fn not_possible(error: MergeError) -> LoadError {
    match error {
        MergeError::TooExpensive { limit } => LoadError::TooExpensive { limit },
        _ => LoadError::Inconsistent {
            reason: "the later events are not possible",
        },
    }
}

/// The file in which a history is packed, and the history once it was needed.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) saved: Arc<SavedFile>,
    /// The digests of the later events, continued from the file's ends.
    digests: Digests,
    /// [`Packed::unpack`]: named only where a file is opened, so that a program that opens none
    /// does not contain it.
    unpack: fn(&Packed, &History) -> Result<History, LoadError>,
    whole: OnceLock<Result<History, LoadError>>,
}

impl Packed {
    pub(crate) fn new(saved: Arc<SavedFile>) -> Packed {
        let head = saved.file.head();
        let ends = head.ends.iter().flatten().zip(&head.agents);
        let starts = ends.enumerate().map(|(agent, (end, held))| {
            let events = held.held.last().map_or(0, |range| range.end);
            (agent as AgentIdx, (events, end.digest))
        });
        Packed {
            digests: Digests::continuing(starts),
            saved,
            unpack: Packed::unpack,
            whole: OnceLock::new(),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        self.saved.file.head()
    }

    pub(crate) fn digests(&self) -> &Digests {
        &self.digests
    }

    /// The history that begins at the version of the file. The agents have the numbers of their
    /// indices in its head.
    pub(crate) fn beginning(&self) -> Result<History, LoadError> {
        let head = self.head();
        let mut history = History::default();
        let agents = &mut history.graph.agents;
        let ends = head.ends.as_deref().unwrap_or_default();
        let mut cursors = Vec::new();
        for (i, agent) in head.agents.iter().enumerate() {
            let number = agents.agent(&agent.name);
            if number as usize != i {
                return Err(LoadError::Inconsistent {
                    reason: "an agent comes twice",
                });
            }
            for range in &agent.held {
                agents.trim(number, range.clone());
            }
            if let (Some(end), Some(last)) = (ends.get(i), agent.held.last()) {
                cursors.push((number, last.end, end.cursor));
            }
        }
        let mut frontier = head.frontier.clone();
        sort(&mut frontier);
        let base = Base::new(head.chars, frontier, cursors);
        history.graph.begin_at(base);
        if head.chars > 0 {
            // Its text is not available: nothing is joined to it at this place.
            history
                .ops
                .push_row(Run::new(Kind::Insert, MAX_CHARS, head.chars));
        }
        Ok(history)
    }

    /// The whole history, with the events of `later` after those of the file.
    pub(crate) fn whole(&self, later: &History) -> Result<&History, LoadError> {
        let whole = self.whole.get_or_init(|| (self.unpack)(self, later));
        whole.as_ref().map_err(Clone::clone)
    }

    /// Drops caches, and an unpacking that a trap ended; see [`Store::release`](crate::store::Store::release).
    pub(crate) fn release(&mut self) {
        self.digests.release();
        match self.whole.get_mut() {
            Some(Ok(history)) => history.graph.graph.release(),
            Some(Err(_)) => {}
            None => self.whole = OnceLock::new(),
        }
    }

    /// Whether [`Packed::whole`] was called, and with which result, if not yet taken.
    pub(crate) fn tried(&self) -> Option<&Result<History, LoadError>> {
        self.whole.get()
    }

    /// What [`Packed::whole`] returned, if it was called and succeeded.
    pub(crate) fn take_whole(&mut self) -> Option<History> {
        match self.whole.get() {
            Some(Ok(_)) => self.whole.take()?.ok(),
            _ => None,
        }
    }

    fn unpack(&self, later: &History) -> Result<History, LoadError> {
        let SavedFile { bytes, file } = &*self.saved;
        let unpacked = file.unpack(bytes)?;
        // The inserts either get their text from the text of the file, or have to produce it.
        let text = match unpacked.survivors {
            Some(_) => None,
            None => file.text(bytes)?,
        };
        let mut made = text.as_ref().map(|_| Rope::default());
        let mut history = complete(unpacked, file.head(), u64::MAX, made.as_mut())?;
        if let (Some(made), Some(text)) = (made, text) {
            compare_text(&made, &text)?;
        }
        check_ends(&history, file)?;
        Packed::append_later(&mut history, later);
        Ok(history)
    }

    /// Appends the events of a history that begins at the version of the file to the history of the file.
    pub(crate) fn append_later(history: &mut History, later: &History) {
        let top = history.graph.frontier().to_vec();
        let begin = later.graph.base().map_or(&[][..], |base| base.top());
        history.append_events_of(later, (later.graph.start(), begin), &top);
        // The times of future edits.
        for agent in 0..later.graph.agents.agent_count() {
            let next = later.graph.agents.next_seq(agent);
            if let Some(&(seq, time)) = later.timestamps.stamps(agent, next..u32::MAX).last() {
                let name = later.graph.agents.name(agent);
                let agent = history.graph.agents.agent(name);
                history.timestamps.set_next(agent, seq, time);
            }
        }
    }

    /// Whether all of `batch` may be merged with only the history `later`: it has no events of the
    /// file, which might differ, and the events of the file that it builds on match by their
    /// digests. This does not check whether its events follow all of the file.
    pub(crate) fn takes(&self, later: &History, batch: &Batch, limits: &MergeLimits) -> bool {
        if self.head().ends.is_none() || self.whole.get().is_some() {
            return false;
        }
        let head = self.head();
        let events = u64::from(head.lvs()) + u64::from(later.len()) + batch.events();
        let text = head.inserted as usize + later.ops.text_len() + batch.text.len();
        if events > limits.document_events as u64 || text > u32::MAX as usize {
            return false;
        }
        let agents = &later.graph.agents;
        let is_new = |name: &str, seqs: std::ops::Range<u32>| {
            let agent = agents.find_agent(name);
            let known = agent.and_then(|agent| agents.next_trimmed(agent, seqs.start));
            known.is_none_or(|known| seqs.end <= known.start)
        };
        let mut pieces = batch.pieces();
        let mut base = batch.base.iter();
        pieces.all(|piece| is_new(piece.agent_name(), piece.seq..piece.seq_end()))
            && base.all(|event| {
                let name = &batch.names[event.agent as usize];
                let agent = agents.find_agent(name);
                let digest = agent.and_then(|agent| self.digests.get(later, agent, event.seq));
                match digest {
                    Some(digest) => upper_half(digest) == event.digest,
                    None => !later.graph.knows(&EventId::new(&**name, event.seq)),
                }
            })
    }

    /// The version at which the history of the file begins.
    pub(crate) fn start(&self) -> Frontier {
        let agents = &self.head().agents;
        let ids = self.head().start().iter();
        ids.map(|&(agent, seq)| EventId::new(&*agents[agent as usize].name, seq))
            .collect()
    }
}

/// Checks that the ends in a file are those of its history.
pub(crate) fn check_ends(history: &History, file: &File) -> Result<(), LoadError> {
    let digests = Digests::default();
    let ends = file.head().ends.iter().flatten();
    for (end, agent) in ends.zip(&file.head().agents) {
        let number = history.graph.agents.find_agent(&agent.name);
        let last = agent.held.last().map_or(0, |range| range.end);
        let Some((agent, seq)) = number.zip(last.checked_sub(1)) else {
            continue;
        };
        let digest = digests.get(history, agent, seq);
        if history.cursor_at(agent, last) != end.cursor || digest != Some(end.digest) {
            return Err(LoadError::Inconsistent {
                reason: "the ends are not those of the history",
            });
        }
    }
    Ok(())
}
