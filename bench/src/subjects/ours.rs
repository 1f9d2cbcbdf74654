//! crdt-core.

use std::collections::HashMap;

use crdt_core::session::NamedPatches;
use crdt_core::{Document, Preset, SaveOptions, UndoManager, VersionSummary};
use serde_json::{Value, json};

use crate::growth::{Undoing, WORD, place};
use crate::subject::{Form, Replayed, Subject};
use crate::trace::{Patch, Res, Trace};

pub(crate) struct Ours {
    doc: Document,
    /// The events sent to the others of the session, and the number of own ones among them.
    sent: Option<(VersionSummary, u32)>,
}

/// The name of an agent: all sort like their numbers.
fn name(agent: usize) -> String {
    format!("agent{agent:04}")
}

impl Subject for Ours {
    type Version = VersionSummary;

    fn new(agent: usize) -> Res<Self> {
        Ok(Ours {
            doc: Document::new(&name(agent))?,
            sent: None,
        })
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        if patch.deleted > 0 {
            self.doc.delete(patch.pos, patch.deleted)?;
        }
        if !patch.inserted.is_empty() {
            self.doc.insert(patch.pos, &patch.inserted)?;
        }
        Ok(())
    }

    fn text(&self) -> Res<String> {
        Ok(self.doc.text())
    }

    fn len(&self) -> usize {
        self.doc.len_chars()
    }

    fn version(&mut self) -> VersionSummary {
        self.doc.summary()
    }

    fn since(&mut self, version: &VersionSummary) -> Res<Vec<u8>> {
        Ok(self.doc.encode_since(version)?)
    }

    /// Like the sync engine: both ends know each other's names, and sent events are recorded.
    fn edit_to_wire(&mut self, patch: &Patch) -> Res<Vec<u8>> {
        if self.sent.is_none() {
            let sent = self.doc.summary();
            let own = sent.ranges(self.doc.agent()).last().map_or(0, |r| r.end);
            self.sent = Some((sent, own));
        }
        self.edit(patch)?;
        let Some((sent, own)) = &mut self.sent else {
            return Err("the version that was sent is not known".into());
        };
        let agent = self.doc.agent();
        let update = self.doc.encode_since_named(sent, &[agent])?;
        let end = *own + patch.event_count() as u32;
        sent.insert(agent, *own..end);
        *own = end;
        Ok(update)
    }

    fn apply(&mut self, update: &[u8]) -> Res<()> {
        self.doc.merge_patch(update)?;
        Ok(())
    }

    fn apply_from_wire(&mut self, update: &[u8]) -> Res<()> {
        self.doc
            .merge_patch_named_with(update, &[&name(0)], &mut |_| ())?;
        Ok(())
    }

    /// The file without its text, so that the reader has to replay the history.
    fn history(&mut self) -> Res<Vec<u8>> {
        Ok(self
            .doc
            .save(&SaveOptions::new(Preset::Fast).without_text(true))?)
    }

    fn load(history: &[u8], agent: usize) -> Res<Self> {
        Self::open(history, agent)
    }

    fn save(&mut self) -> Res<Vec<u8>> {
        Ok(self.doc.save(&SaveOptions::default())?)
    }

    fn save_as(&mut self, form: Form) -> Res<Vec<u8>> {
        let preset = match form {
            Form::Default => Preset::default(),
            Form::Quick => Preset::Fast,
            Form::Small => Preset::Small,
        };
        Ok(self.doc.save(&SaveOptions::new(preset))?)
    }

    const UNPACKS: bool = true;

    fn unpack(&mut self) -> Res<()> {
        Ok(self.doc.check_history()?)
    }

    fn save_small(&mut self) -> Res<Vec<u8>> {
        Ok(self
            .doc
            .save(&SaveOptions::new(Preset::Small).without_text(true))?)
    }

    fn open(saved: &[u8], agent: usize) -> Res<Self> {
        Ok(Ours {
            doc: Document::load(&name(agent), saved)?,
            sent: None,
        })
    }

    fn replay(trace: &Trace, updates_wanted: bool) -> Res<Replayed<Self>> {
        let mut author = Self::new(usize::from(u16::MAX))?;
        let mut updates = Vec::new();
        // The ids that each transaction left as the latest, and how many events each agent has.
        let mut latest: Vec<Vec<Value>> = Vec::new();
        let mut next: HashMap<usize, usize> = HashMap::new();
        for txn in &trace.txns {
            let parents: Vec<Value> = txn
                .parents
                .iter()
                .flat_map(|&p| latest[p].clone())
                .collect();
            let len = txn.event_count();
            if len == 0 {
                latest.push(parents);
                continue;
            }
            let mut ops = Vec::new();
            for patch in &txn.patches {
                if patch.deleted > 0 {
                    ops.push(json!(["d", patch.pos, patch.deleted]));
                }
                if !patch.inserted.is_empty() {
                    ops.push(json!(["i", patch.pos, patch.inserted]));
                }
            }
            let agent = name(txn.agent);
            let seq = next.entry(txn.agent).or_default();
            let message = json!({"v": 1, "frontier": [], "txns":
                [{"agent": agent, "seq": seq, "parents": parents, "ops": ops}]});
            *seq += len;
            latest.push(vec![json!([agent, *seq - 1])]);
            let before = author.doc.summary();
            author.doc.merge_json(&message.to_string())?;
            if updates_wanted {
                updates.push(author.doc.encode_since(&before)?);
            }
        }
        Ok(Replayed {
            doc: author,
            updates,
            clamped: 0,
        })
    }
}

impl Undoing for Ours {
    type Session = (Document, UndoManager);

    fn typed(groups: usize) -> Res<Self::Session> {
        let mut doc = Document::new(&name(0))?;
        let mut undo = UndoManager::new(&doc);
        for i in 0..groups {
            doc.insert(place(i, doc.len_chars()), WORD)?;
            undo.checkpoint(&doc);
        }
        Ok((doc, undo))
    }

    fn undo((doc, undo): &mut Self::Session) -> Res<bool> {
        Ok(undo.undo(doc, &mut |_| {})?)
    }

    fn redo((doc, undo): &mut Self::Session) -> Res<bool> {
        Ok(undo.redo(doc, &mut |_| {})?)
    }

    fn text_of((doc, _): &Self::Session) -> Res<String> {
        Ok(doc.text())
    }
}
