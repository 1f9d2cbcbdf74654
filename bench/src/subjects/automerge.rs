//! automerge. Its edits go into an implicit transaction, which is committed where others are to see
//! them.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc};

use crate::subject::Subject;
use crate::trace::{Patch, Res};

pub(crate) struct Automerge {
    doc: AutoCommit,
    text: ObjId,
}

impl Automerge {
    fn with(mut doc: AutoCommit, agent: usize) -> Res<Self> {
        doc.set_actor(ActorId::from((agent as u32 + 1).to_be_bytes()));
        let Some((_, text)) = doc.get(ROOT, "text")? else {
            return Err("the document has no text".into());
        };
        Ok(Automerge { doc, text })
    }
}

impl Subject for Automerge {
    type Version = Vec<ChangeHash>;

    /// All replicas begin with the same change, which makes the text they share.
    fn new(agent: usize) -> Res<Self> {
        let mut doc = AutoCommit::new().with_actor(ActorId::from([0]));
        doc.put_object(ROOT, "text", ObjType::Text)?;
        doc.commit_with(automerge::transaction::CommitOptions::default().with_time(0));
        Self::with(doc, agent)
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        let deleted = patch.deleted as isize;
        self.doc
            .splice_text(&self.text, patch.pos, deleted, &patch.inserted)?;
        Ok(())
    }

    fn settle(&mut self) {
        self.doc.commit();
    }

    fn text(&self) -> Res<String> {
        Ok(self.doc.text(&self.text)?)
    }

    fn len(&self) -> usize {
        self.doc.length(&self.text)
    }

    fn version(&mut self) -> Vec<ChangeHash> {
        self.doc.get_heads()
    }

    fn since(&mut self, version: &Vec<ChangeHash>) -> Res<Vec<u8>> {
        Ok(self.doc.save_after(version))
    }

    fn edit_to_wire(&mut self, patch: &Patch) -> Res<Vec<u8>> {
        self.transaction(std::slice::from_ref(patch))
    }

    fn transaction(&mut self, patches: &[Patch]) -> Res<Vec<u8>> {
        for patch in patches {
            self.edit(patch)?;
        }
        let change = self.doc.get_last_local_change();
        Ok(change.ok_or("no change was made")?.raw_bytes().to_vec())
    }

    fn apply(&mut self, update: &[u8]) -> Res<()> {
        self.doc.load_incremental(update)?;
        Ok(())
    }

    fn apply_all<'a>(&mut self, updates: impl Iterator<Item = &'a [u8]>) -> Res<()> {
        let all: Vec<&[u8]> = updates.collect();
        self.apply(&all.concat())
    }

    fn history(&mut self) -> Res<Vec<u8>> {
        Ok(self.doc.save())
    }

    fn load(history: &[u8], agent: usize) -> Res<Self> {
        Self::with(AutoCommit::load(history)?, agent)
    }
}
