//! loro. Its edits go into an implicit transaction, which is committed where others are to see them.

use loro::{ExportMode, LoroDoc, LoroText, VersionVector};

use crate::subject::Subject;
use crate::trace::{Patch, Res};

pub(crate) struct Loro {
    doc: LoroDoc,
    text: LoroText,
}

impl Loro {
    fn with(doc: LoroDoc, agent: usize) -> Res<Self> {
        doc.set_peer_id(agent as u64 + 1)?;
        let text = doc.get_text("text");
        Ok(Loro { doc, text })
    }
}

impl Subject for Loro {
    type Version = VersionVector;

    fn new(agent: usize) -> Res<Self> {
        Self::with(LoroDoc::new(), agent)
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        if patch.deleted > 0 {
            self.text.delete(patch.pos, patch.deleted)?;
        }
        if !patch.inserted.is_empty() {
            self.text.insert(patch.pos, &patch.inserted)?;
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> Res<String> {
        Ok(self.text.to_string())
    }

    fn len(&self) -> usize {
        self.text.len_unicode()
    }

    fn version(&mut self) -> VersionVector {
        self.doc.oplog_vv()
    }

    fn since(&mut self, version: &VersionVector) -> Res<Vec<u8>> {
        self.doc.commit();
        Ok(self.doc.export(ExportMode::updates(version))?)
    }

    fn apply(&mut self, update: &[u8]) -> Res<()> {
        self.doc.import(update)?;
        Ok(())
    }

    fn apply_all<'a>(&mut self, updates: impl Iterator<Item = &'a [u8]>) -> Res<()> {
        let all: Vec<Vec<u8>> = updates.map(<[u8]>::to_vec).collect();
        self.doc.import_batch(&all)?;
        Ok(())
    }

    fn history(&mut self) -> Res<Vec<u8>> {
        self.doc.commit();
        Ok(self.doc.export(ExportMode::all_updates())?)
    }

    fn load(history: &[u8], agent: usize) -> Res<Self> {
        let mut loaded = Self::new(agent)?;
        loaded.apply(history)?;
        Ok(loaded)
    }

    fn save(&mut self) -> Res<Vec<u8>> {
        self.doc.commit();
        Ok(self.doc.export(ExportMode::Snapshot)?)
    }

    fn open(saved: &[u8], agent: usize) -> Res<Self> {
        Self::with(LoroDoc::from_snapshot(saved)?, agent)
    }
}
