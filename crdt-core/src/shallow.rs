//! Shallow documents: they drop the history before a critical version and keep its text.

use crate::causal_graph::{AgentIdx, Base};
use crate::digests::Digests;
use crate::document::Document;
use crate::encoding::file::SaveOptions;
use crate::error::HistoryError;
use crate::history::History;
use crate::op_log::{Kind, Run};
use crate::rope::Rope;
use crate::sorting::sort;
use crate::store::Store;
use crate::unpack::replay;
use crate::version::{Frontier, Lv};

impl Document {
    /// The document as a file without its older history: the text at the latest critical version
    /// that is not later than `since`, and the events from there on. The file has nothing from
    /// before that version, not even deleted text; the document itself is unchanged.
    ///
    /// A document opened from the file can merge, in both directions, with replicas that have that
    /// version ([`Document::history_start`]); so choose a `since` that every replica has. Events
    /// that do not follow all of that version, and are not part of the file, are refused with
    /// [`MergeError::TooOld`](crate::MergeError::TooOld), and encoding for replicas that lack
    /// events of it fails with [`EncodeError::TooOld`](crate::EncodeError::TooOld). Calls that need
    /// the older history return similar errors: older texts, anchors next to the text of that
    /// version. [`Document::blame`] leaves that text out, and [`Document::history`] begins later.
    ///
    /// The file is smallest with the document's own frontier for `since`. If `since` is before
    /// every critical version, this is the same as [`Document::save`]. Costs a replay of the
    /// history.
    ///
    /// ```
    /// use crdt_core::{Document, SaveOptions};
    ///
    /// let mut alice = Document::new("alice")?;
    /// alice.insert(0, "a secret, and more")?;
    /// alice.delete(0, 10)?;
    /// let file = alice.save_shallow(&alice.frontier(), &SaveOptions::default())?;
    ///
    /// let mut bob = Document::load("bob", &file)?;
    /// bob.insert(0, "No ")?;
    /// alice.merge_from(&bob, &mut |_| {})?;
    /// assert_eq!(alice.text(), "No and more");
    /// assert_eq!(bob.event_count(), alice.event_count());
    /// assert_eq!(bob.history()?.count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`HistoryError::Unknown`] for an event that has not arrived, [`HistoryError::TooOld`] if the
    /// history of this document begins later, [`HistoryError::CorruptHistory`].
    pub fn save_shallow(
        &self,
        since: &Frontier,
        options: &SaveOptions,
    ) -> Result<Vec<u8>, HistoryError> {
        let since = self.version_lvs(since)?;
        let history = self.whole_history()?;
        let (cut, frontier) = history.graph.cut_within(&since);
        if cut <= history.graph.start() {
            return Ok(self.save(options)?);
        }
        let text = if cut == history.len() {
            self.text()
        } else {
            replay(&history.until(cut))?.to_text()
        };
        let shallow = Store::of(history.since(cut, &frontier, &text));
        Ok(shallow.save(self.rope(), options, &Digests::default())?)
    }

    /// The version at which the history begins: the empty version, except for a document that was
    /// opened from a file of [`Document::save_shallow`].
    pub fn history_start(&self) -> Frontier {
        self.store().start()
    }

    /// Makes an empty document begin where `history` does.
    pub(crate) fn begin_like(&mut self, history: &History) {
        if let Some(base) = history.graph.base() {
            let part = history.ops.parts_in(0..base.chars).next();
            let text = part.map_or("", |part| history.ops.text_of(&part));
            let begin = history.beginning(base.chars, base.top(), text);
            self.set_history(Store::of(begin), Rope::of(text));
        }
    }
}

impl History {
    /// The version at which it begins.
    pub(crate) fn start(&self) -> Frontier {
        let base = self.graph.base();
        base.map_or_else(Frontier::default, |base| {
            self.graph.public_frontier(base.top())
        })
    }

    /// The events before a cut.
    fn until(&self, cut: Lv) -> History {
        let mut history = self.clone();
        let text = self.ops.text_before(cut);
        history.graph.truncate(cut, self.graph.agents.agent_count());
        history.ops.truncate(cut, text);
        history
    }

    /// A history that begins at a critical cut, with the text there, and has no events yet.
    fn beginning(&self, cut: Lv, frontier: &[Lv], text: &str) -> History {
        let mut out = History::default();
        let ids = &self.graph.agents;
        let agents = &mut out.graph.agents;
        for agent in (0..ids.agent_count()).filter(|&agent| !ids.held(agent).is_empty()) {
            let number = agents.agent(ids.name(agent));
            let runs = ids.seq_runs(agent).filter(|run| run.lv < cut);
            let before = runs.map(|run| run.seq..run.seq + run.len.min(cut - run.lv));
            for range in ids.trimmed(agent).iter().cloned().chain(before) {
                agents.trim(number, range);
            }
        }
        let named = self.graph.ids(frontier).into_iter();
        let named = named.map(|(agent, seq)| (agents.agent(ids.name(agent)), seq));
        let mut named: Vec<(u32, u32)> = named.collect();
        sort(&mut named);
        let mut cursors = Vec::new();
        for number in 0..agents.agent_count() {
            let Some(agent) = ids.find_agent(agents.name(number)) else {
                continue;
            };
            for range in agents.trimmed(number) {
                cursors.push((number, range.end, self.cursor_at(agent, range.end)));
            }
        }
        let chars = text.chars().count() as u32;
        out.graph.begin_at(Base::new(chars, named, cursors));
        if chars > 0 {
            out.ops.push(Run::new(Kind::Insert, 0, chars), text, false);
        }
        out
    }

    /// The cursor after the event of `agent` before `seq`, even if the document has dropped that
    /// event.
    pub(crate) fn cursor_at(&self, agent: AgentIdx, seq: u32) -> u32 {
        match self.graph.agents.lv_of(agent, seq - 1) {
            Some(lv) => self.ops.cursor_after(lv),
            None => self
                .graph
                .base()
                .map_or(0, |base| base.cursor_at(agent, seq)),
        }
    }

    /// The history that begins at a critical cut, with the text there.
    fn since(&self, cut: Lv, frontier: &[Lv], text: &str) -> History {
        let mut out = self.beginning(cut, frontier, text);
        let base = out.graph.base();
        let top = base.map_or(Vec::new(), |base| base.top().to_vec());
        out.append_events_of(self, (cut, frontier), &top);
        out
    }

    /// Appends the events of `other` from its critical version `cut` on, which `frontier` names,
    /// after the version `top` of this history.
    pub(crate) fn append_events_of(
        &mut self,
        other: &History,
        (cut, frontier): (Lv, &[Lv]),
        top: &[Lv],
    ) {
        let (graph, ids) = (&other.graph, &other.graph.agents);
        let shift = self.len();
        for (run, _) in graph.graph.runs_in(cut..other.len()) {
            for (lvs, agent, seq) in ids.runs_in(run) {
                let parents = graph.graph.with_parents(lvs.start, |parents| {
                    if parents == frontier {
                        top.to_vec()
                    } else {
                        parents.iter().map(|parent| parent - cut + shift).collect()
                    }
                });
                let times = other
                    .timestamps
                    .runs(agent, seq..seq + (lvs.end - lvs.start));
                let agent = self.graph.agents.agent(ids.name(agent));
                for (seqs, time) in times {
                    if let Some(time) =
                        time.filter(|_| self.timestamps.at(agent, seqs.start) != time)
                    {
                        self.timestamps.add(agent, seqs.start, time);
                    }
                }
                let parts = other.ops.parts_in(lvs);
                let runs = parts.map(|part| (part.run, other.ops.text_of(&part)));
                self.append(agent, seq, &parents, runs);
            }
        }
    }
}
