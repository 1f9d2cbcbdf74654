//! The owner of a document's history, which is either in memory or, until it is needed, still
//! packed in the file that the document was opened from.

use std::sync::{Arc, Mutex, PoisonError};

use crate::causal_graph::AgentIdx;
use crate::digests::Digests;
use crate::encoding::file::{
    self, Contents, End, File, Inserted, LoadLimits, MOST_ENDS, Preset, SaveOptions,
};
use crate::error::{EditError, LoadError};
use crate::history::History;
use crate::merge::{Batch, MergeLimits};
use crate::packed::{Packed, SavedFile, check_ends};
use crate::rope::Rope;
use crate::unpack::{compare_text, complete, deleted_text};
use crate::version::{EventId, Frontier, Lv, MAX_EVENTS, VersionSummary};

/// The length of text, in bytes, from which on the full model packs more tightly than the light
/// one.
const LEARNED: usize = 16 << 10;

/// The history of a document, which [`Store::unpacked`] unpacks when it is needed.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The whole history; while a part is packed, the later events, beginning at the version of
    /// that part.
    history: History,
    packed: Option<Box<Packed>>,
    /// The file from the last whole save or opening of the document; another save keeps its packed
    /// part.
    saved: Mutex<Option<Arc<SavedFile>>>,
}

impl Clone for Store {
    fn clone(&self) -> Self {
        Store {
            history: self.history.clone(),
            packed: self.packed.clone(),
            saved: Mutex::new(self.saved().clone()),
        }
    }
}

impl Store {
    /// A history without a packed part.
    pub(crate) fn of(history: History) -> Store {
        Store {
            history,
            ..Store::default()
        }
    }

    /// The history in `bytes`, packed, and its text.
    pub(crate) fn open(bytes: &[u8], limits: &LoadLimits) -> Result<(Store, Rope), LoadError> {
        let file = File::parse(bytes, limits)?;
        let text = file.text(bytes)?;
        let Some(text) = text.filter(|_| leaves_room(&file)) else {
            return Store::open_verified(bytes, &limits.work(u64::MAX));
        };
        let mut rope = Rope::of(&text);
        if rope.size().chars() != file.head().chars {
            return Err(LoadError::Inconsistent {
                reason: "the text is not as long as the head says",
            });
        }
        let bytes = bytes.to_vec();
        let packed = Packed::new(Arc::new(SavedFile { bytes, file }));
        let mut history = packed.beginning()?;
        packed.saved.take_later(&mut history, &mut rope, limits)?;
        let store = Store {
            history,
            packed: Some(Box::new(packed)),
            saved: Mutex::default(),
        };
        Ok((store, rope))
    }

    /// The history in `bytes`, unpacked, and its text, which has to be the text in the file if
    /// there is one.
    pub(crate) fn open_verified(
        bytes: &[u8],
        limits: &LoadLimits,
    ) -> Result<(Store, Rope), LoadError> {
        let file = File::parse(bytes, limits)?;
        let mut rope = Rope::default();
        let unpacked = file.unpack(bytes)?;
        let history = complete(unpacked, file.head(), limits.work, Some(&mut rope))?;
        if let Some(text) = file.text(bytes)? {
            compare_text(&rope, &text)?;
        }
        check_ends(&history, &file)?;
        let mut store = Store::of(history);
        if file.can_grow(bytes) {
            let bytes = bytes.to_vec();
            let saved = Arc::new(SavedFile { bytes, file });
            let mut later = Packed::new(saved.clone()).beginning()?;
            saved.take_later(&mut later, &mut rope, limits)?;
            Packed::append_later(&mut store.history, &later);
            store.saved = Mutex::new(Some(saved));
        }
        Ok((store, rope))
    }

    fn saved(&self) -> std::sync::MutexGuard<'_, Option<Arc<SavedFile>>> {
        // Nothing that panics runs while it is locked.
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the document whose text is `rope`, and whose digests are `digests`.
    pub(crate) fn save(
        &self,
        rope: &Rope,
        options: &SaveOptions,
        digests: &Digests,
    ) -> Result<Vec<u8>, LoadError> {
        let keeps = options.preset == Preset::Balanced && !options.without_text;
        if keeps && let Some(bytes) = self.save_again()? {
            return Ok(bytes);
        }
        let history = self.unpacked()?;
        let text = (!options.without_text).then(|| rope.to_text());
        let deleted = match &text {
            Some(_) if options.preset != Preset::Fast => {
                Some(deleted_text(history, rope.size().chars())?)
            }
            _ => None,
        };
        let ends = if keeps {
            ends(history, digests)
        } else {
            Vec::new()
        };
        let all = Inserted::All(history.ops.text());
        let contents = |preset| Contents {
            chars: rope.size().chars(),
            text: text.as_deref(),
            inserted: match &deleted {
                Some(deleted) if preset != Preset::Fast => Inserted::Deleted(deleted),
                _ => all,
            },
            ends: &ends,
        };
        // The small form is not always smaller than the fast one: a light model learns faster,
        // which matters in short texts.
        let presets: &[Preset] = match options.preset {
            Preset::Small if history.ops.text_len() < LEARNED => {
                &[Preset::Small, Preset::Balanced, Preset::Fast]
            }
            Preset::Small => &[Preset::Small, Preset::Fast],
            _ => std::slice::from_ref(&options.preset),
        };
        let files = presets
            .iter()
            .map(|&preset| file::write(history, &contents(preset), preset));
        let bytes = files.min_by_key(Vec::len).unwrap_or_default();
        if keeps && !ends.is_empty() {
            let file = File::parse(&bytes, &LoadLimits::NONE)?;
            *self.saved() = Some(Arc::new(SavedFile {
                bytes: bytes.clone(),
                file,
            }));
        }
        Ok(bytes)
    }

    /// The file from the last save or opening, with the events since then as later events; `None`
    /// if that is not possible, or not worthwhile.
    fn save_again(&self) -> Result<Option<Vec<u8>>, LoadError> {
        let history = &self.history;
        if let Some(packed) = &self.packed {
            if let Some(Err(error)) = packed.tried() {
                return Err(error.clone());
            }
            return Ok(packed.saved.with_events(history, history.graph.start()));
        }
        let Some(saved) = self.saved().clone() else {
            return Ok(None);
        };
        let (cut, graph) = (saved.lvs(), &history.graph);
        // All events since then have to follow all of the file.
        let follows = cut == graph.len() || graph.critical_versions.last_until(cut) == cut;
        let bytes = follows.then(|| saved.with_events(history, cut));
        Ok(bytes.flatten())
    }

    /// Frees the data that only speeds up another save and other calls. Locks are created anew, since a
    /// call that a trap ended may hold them.
    pub(crate) fn release(&mut self) {
        self.saved = Mutex::default();
        self.history.graph.graph.release();
        if let Some(packed) = &mut self.packed {
            packed.release();
        }
    }

    /// The history; unpacks it, if it is still packed. Once it is unpacked, this is free.
    pub(crate) fn unpacked(&self) -> Result<&History, LoadError> {
        match &self.packed {
            None => Ok(&self.history),
            Some(packed) => packed.whole(&self.history),
        }
    }

    /// The part that is available without unpacking: the whole history, or the events after the
    /// file.
    pub(crate) fn latest(&self) -> &History {
        &self.history
    }

    /// The same, to append events that follow all others. Before changes, call [`Store::settle`] to
    /// adopt an unpacked history.
    pub(crate) fn latest_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// The events after a file whose history is still packed, and their digests, if they can be
    /// encoded without the file's history.
    pub(crate) fn later(&self) -> Option<(&History, &Digests)> {
        let packed = self.packed.as_ref()?;
        let is_alone = packed.tried().is_none() && packed.head().ends.is_some();
        is_alone.then(|| (&self.history, packed.digests()))
    }

    /// Whether all of `batch` may be merged with [`Store::latest_mut`], see [`Packed::takes`].
    pub(crate) fn takes(&self, batch: &Batch, limits: &MergeLimits) -> bool {
        let packed = self.packed.as_ref();
        packed.is_some_and(|packed| packed.takes(&self.history, batch, limits))
    }

    /// Adopts a history that was unpacked since the last change; returns whether there was one. If
    /// so, local versions and numbers of agents change.
    pub(crate) fn settle(&mut self) -> bool {
        let Some(packed) = &mut self.packed else {
            return false;
        };
        let Some(whole) = packed.take_whole() else {
            return false;
        };
        self.history = whole;
        let saved = packed.saved.clone();
        *self.saved() = Some(saved);
        self.packed = None;
        true
    }

    /// Whether the history, or a part of it, is packed.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// The history if it is available, and another event of `agent` can continue its last run: see
    /// [`CausalGraph::grow`](crate::causal_graph::CausalGraph::grow).
    #[inline]
    pub(crate) fn growing_mut(&mut self, agent: Option<AgentIdx>) -> Option<&mut History> {
        let grows = self.packed.is_none() && self.history.graph.can_grow(agent);
        grows.then_some(&mut self.history)
    }

    /// Checks that a packed history has room for `len` more local events under the name of `own`.
    pub(crate) fn check_room(&self, own: &str, len: u32) -> Result<(), EditError> {
        if self.packed.is_none() {
            return Ok(());
        }
        for (what, used) in [
            ("the number of events", self.lvs()),
            ("the events of one agent", self.next_seq(own)),
        ] {
            if len >= MAX_EVENTS.saturating_sub(used) {
                return Err(EditError::TooLarge {
                    what,
                    limit: MAX_EVENTS as usize,
                });
            }
        }
        Ok(())
    }

    /// The next edits under the name of `own` are made at `time`.
    pub(crate) fn set_next_time(&mut self, own: &str, time: u64) {
        let history = &mut self.history;
        let agent = history.graph.agents.agent(own);
        let next = history.graph.agents.next_seq(agent);
        history.timestamps.set_next(agent, next, time);
    }

    /// The length of all inserted text, in bytes.
    #[inline]
    pub(crate) fn text_len(&self) -> usize {
        let packed = self.packed.as_ref();
        self.history.ops.text_len() + packed.map_or(0, |packed| packed.head().inserted as usize)
    }

    /// The number of events.
    pub(crate) fn event_count(&self) -> usize {
        let graph = &self.history.graph;
        let before = graph.base().map_or(0, |base| base.events as usize);
        before + (graph.len() - graph.start()) as usize
    }

    /// The sequence number after all known ones of the own agent.
    pub(crate) fn next_seq(&self, own: &str) -> u32 {
        self.history.next_seq(own)
    }

    /// The number of local versions.
    pub(crate) fn lvs(&self) -> Lv {
        let len = self.history.len();
        let packed = self.packed.as_ref().map(|packed| packed.head());
        packed.map_or(len, |head| len - head.chars + head.lvs())
    }

    /// The version at which the history begins.
    pub(crate) fn start(&self) -> Frontier {
        match &self.packed {
            Some(packed) => packed.start(),
            None => self.history.start(),
        }
    }

    pub(crate) fn frontier(&self) -> Frontier {
        let graph = &self.history.graph;
        graph.public_frontier(graph.frontier())
    }

    pub(crate) fn summary(&self) -> VersionSummary {
        self.history.graph.summary()
    }

    /// The events beyond the first `events`; all events if a packed or shallow history began with
    /// more.
    pub(crate) fn summary_since(&self, events: usize) -> VersionSummary {
        let later = self.event_count().saturating_sub(events) as u32;
        let graph = &self.history.graph;
        let start = graph.len().checked_sub(later);
        match start.filter(|start| *start >= graph.start()) {
            Some(start) if start > 0 || graph.base().is_some() => {
                graph.summary_in(std::iter::once(start..graph.len()))
            }
            // All of them: by agent, not by run.
            _ => graph.summary(),
        }
    }

    pub(crate) fn contains(&self, id: &EventId) -> bool {
        self.history.graph.knows(id)
    }
}

/// Whether the events after a file can be a separate history without checking the limits of the
/// whole.
fn leaves_room(file: &File) -> bool {
    let head = file.head();
    (1..MAX_EVENTS / 2).contains(&head.lvs()) && head.inserted < u32::MAX / 2
}

/// The states after the last events of all agents; empty if there are too many, or if any of them
/// has dropped events.
fn ends(history: &History, digests: &Digests) -> Vec<End> {
    let agents = &history.graph.agents;
    let used = (0..agents.agent_count()).filter(|&agent| !agents.held(agent).is_empty());
    let used: Vec<AgentIdx> = used.take(MOST_ENDS + 1).collect();
    if used.len() > MOST_ENDS {
        return Vec::new();
    }
    let ends = used.iter().map(|&agent| {
        let next = agents.next_seq(agent);
        Some(End {
            cursor: history.cursor_at(agent, next),
            digest: digests.get(history, agent, next.checked_sub(1)?)?,
        })
    });
    ends.collect::<Option<Vec<End>>>().unwrap_or_default()
}
