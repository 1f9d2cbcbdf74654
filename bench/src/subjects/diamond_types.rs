//! diamond-types, as published.

use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH};
use diamond_types::list::operation::Operation;
use diamond_types::list::{ListCRDT, OpLog};
use diamond_types::{AgentId, LocalVersion};

use crate::growth::Undoing;
use crate::subject::{Replayed, Subject};
use crate::trace::{Patch, Res, Trace};

pub(crate) struct DiamondTypes {
    doc: ListCRDT,
    agent: AgentId,
}

fn name(agent: usize) -> String {
    format!("agent{agent:04}")
}

impl Subject for DiamondTypes {
    type Version = LocalVersion;

    fn new(agent: usize) -> Res<Self> {
        let mut doc = ListCRDT::new();
        let agent = doc.get_or_create_agent_id(&name(agent));
        Ok(DiamondTypes { doc, agent })
    }

    fn edit(&mut self, patch: &Patch) -> Res<()> {
        if patch.deleted > 0 {
            let range = patch.pos..patch.pos + patch.deleted;
            self.doc.delete_without_content(self.agent, range);
        }
        if !patch.inserted.is_empty() {
            self.doc.insert(self.agent, patch.pos, &patch.inserted);
        }
        Ok(())
    }

    fn text(&self) -> Res<String> {
        Ok(self.doc.branch.content().to_string())
    }

    fn len(&self) -> usize {
        self.doc.len()
    }

    fn version(&mut self) -> LocalVersion {
        self.doc.oplog.local_version()
    }

    fn since(&mut self, version: &LocalVersion) -> Res<Vec<u8>> {
        Ok(self.doc.oplog.encode_from(ENCODE_PATCH, version))
    }

    fn apply(&mut self, update: &[u8]) -> Res<()> {
        self.doc
            .merge_data_and_ff(update)
            .map_err(|e| format!("{e:?}"))?;
        Ok(())
    }

    fn history(&mut self) -> Res<Vec<u8>> {
        Ok(self.doc.oplog.encode(ENCODE_FULL))
    }

    fn load(history: &[u8], agent: usize) -> Res<Self> {
        let mut doc = ListCRDT::load_from(history).map_err(|e| format!("{e:?}"))?;
        let agent = doc.get_or_create_agent_id(&name(agent));
        Ok(DiamondTypes { doc, agent })
    }

    fn replay(trace: &Trace, updates_wanted: bool) -> Res<Replayed<Self>> {
        let mut oplog = OpLog::new();
        let mut updates = Vec::new();
        let mut latest: Vec<LocalVersion> = Vec::new();
        for txn in &trace.txns {
            let parents = txn.parents.iter().fold(LocalVersion::new(), |all, &p| {
                oplog.version_union(&all, &latest[p])
            });
            if txn.event_count() == 0 {
                latest.push(parents);
                continue;
            }
            let mut ops = Vec::new();
            for patch in &txn.patches {
                if patch.deleted > 0 {
                    ops.push(Operation::new_delete(patch.pos..patch.pos + patch.deleted));
                }
                if !patch.inserted.is_empty() {
                    ops.push(Operation::new_insert(patch.pos, &patch.inserted));
                }
            }
            let before = oplog.local_version();
            let agent = oplog.get_or_create_agent_id(&name(txn.agent));
            let last = oplog.add_operations_at(agent, &parents, &ops);
            latest.push(std::iter::once(last).collect());
            if updates_wanted {
                updates.push(oplog.encode_from(ENCODE_PATCH, &before));
            }
        }
        let agent = oplog.get_or_create_agent_id(&name(usize::from(u16::MAX)));
        let branch = oplog.checkout_tip();
        Ok(Replayed {
            doc: DiamondTypes {
                doc: ListCRDT { branch, oplog },
                agent,
            },
            updates,
            clamped: 0,
        })
    }
}

impl Undoing for DiamondTypes {
    type Session = ();

    fn typed(_: usize) -> Res<()> {
        Err("it has no undo".into())
    }

    fn undo((): &mut ()) -> Res<bool> {
        Ok(false)
    }

    fn redo((): &mut ()) -> Res<bool> {
        Ok(false)
    }

    fn text_of((): &()) -> Res<String> {
        Ok(String::new())
    }
}
