//! yrs. It keeps no history of deleted text.

use yrs::block::ClientID;
use yrs::undo::UndoManager;
use yrs::updates::decoder::Decode;
use yrs::{
    Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact,
    TransactionMut, Update, WriteTxn,
};

use crate::growth::{Undoing, WORD, place};
use crate::subject::Subject;
use crate::trace::{Patch, Res};

pub(crate) struct Yrs {
    doc: Doc,
    text: TextRef,
}

impl Yrs {
    fn edit_in(&self, txn: &mut TransactionMut, patch: &Patch) {
        let pos = patch.pos as u32;
        if patch.deleted > 0 {
            self.text.remove_range(txn, pos, patch.deleted as u32);
        }
        if !patch.inserted.is_empty() {
            self.text.insert(txn, pos, &patch.inserted);
        }
    }
}

impl Subject for Yrs {
    type Version = StateVector;

    fn new(agent: usize) -> Res<Self> {
        let doc = Doc::with_options(Options {
            client_id: ClientID::new(agent as u64 + 1),
            offset_kind: OffsetKind::Bytes,
            ..Options::default()
        });
        let text = doc.transact_mut().get_or_insert_text("text");
        Ok(Yrs { doc, text })
    }

    /// Its API asks for a transaction around every edit.
    fn edit(&mut self, patch: &Patch) -> Res<()> {
        self.edit_in(&mut self.doc.transact_mut(), patch);
        Ok(())
    }

    fn edit_to_wire(&mut self, patch: &Patch) -> Res<Vec<u8>> {
        self.transaction(std::slice::from_ref(patch))
    }

    /// The difference to a version has everything that was ever deleted; a transaction's update has
    /// what it deleted itself.
    fn transaction(&mut self, patches: &[Patch]) -> Res<Vec<u8>> {
        let mut txn = self.doc.transact_mut();
        for patch in patches {
            self.edit_in(&mut txn, patch);
        }
        Ok(txn.encode_update_v1())
    }

    fn text(&self) -> Res<String> {
        Ok(self.text.get_string(&self.doc.transact()))
    }

    fn len(&self) -> usize {
        self.text.len(&self.doc.transact()) as usize
    }

    fn version(&mut self) -> StateVector {
        self.doc.transact().state_vector()
    }

    fn since(&mut self, version: &StateVector) -> Res<Vec<u8>> {
        Ok(self.doc.transact().encode_diff_v1(version))
    }

    fn apply(&mut self, update: &[u8]) -> Res<()> {
        let update = Update::decode_v1(update)?;
        self.doc.transact_mut().apply_update(update)?;
        Ok(())
    }

    fn history(&mut self) -> Res<Vec<u8>> {
        self.since(&StateVector::default())
    }

    fn load(history: &[u8], agent: usize) -> Res<Self> {
        let mut loaded = Self::new(agent)?;
        loaded.apply(history)?;
        Ok(loaded)
    }
}

impl Undoing for Yrs {
    type Session = (Yrs, UndoManager<()>);

    fn typed(groups: usize) -> Res<Self::Session> {
        let mut doc = Self::new(0)?;
        let mut undo = UndoManager::with_options(yrs::undo::Options {
            capture_timeout_millis: 0,
            ..Default::default()
        });
        undo.expand_scope(&doc.doc, &doc.text);
        for i in 0..groups {
            let pos = place(i, doc.len());
            doc.edit(&Patch::insert(pos, WORD))?;
            undo.reset();
        }
        Ok((doc, undo))
    }

    fn undo((_, undo): &mut Self::Session) -> Res<bool> {
        Ok(undo.undo_blocking())
    }

    fn redo((_, undo): &mut Self::Session) -> Res<bool> {
        Ok(undo.redo_blocking())
    }

    fn text_of((doc, _): &Self::Session) -> Res<String> {
        doc.text()
    }
}
