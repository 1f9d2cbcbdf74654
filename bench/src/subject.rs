//! The interface of every measured library, and the replay of a concurrent history by a library
//! that only has replicas.

use crate::trace::{Patch, Res, Trace};

/// The forms of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The default form of the library.
    Default,
    /// The fastest to write.
    Quick,
    Small,
}

/// A replica of a text, by one of the libraries.
pub(crate) trait Subject: Sized {
    /// A point in its history.
    type Version;

    /// An empty replica, edited under the name of agent number `agent`.
    fn new(agent: usize) -> Res<Self>;
    /// Makes one edit.
    fn edit(&mut self, patch: &Patch) -> Res<()>;
    /// Commits an implicit transaction of the library.
    fn settle(&mut self) {}
    fn text(&self) -> Res<String>;
    fn len(&self) -> usize;
    fn version(&mut self) -> Self::Version;
    /// The events since `version`, as bytes.
    fn since(&mut self, version: &Self::Version) -> Res<Vec<u8>>;
    /// Makes one edit; returns it as the bytes to be sent to the others of a running session.
    fn edit_to_wire(&mut self, patch: &Patch) -> Res<Vec<u8>> {
        let before = self.version();
        self.edit(patch)?;
        self.since(&before)
    }
    /// Makes some edits as one transaction; returns only that transaction, as bytes.
    fn transaction(&mut self, patches: &[Patch]) -> Res<Vec<u8>> {
        let before = self.version();
        for patch in patches {
            self.edit(patch)?;
        }
        self.settle();
        self.since(&before)
    }
    /// Applies what [`Subject::since`] or [`Subject::transaction`] returned.
    fn apply(&mut self, update: &[u8]) -> Res<()>;
    /// Applies several of those, in the fastest way.
    fn apply_all<'a>(&mut self, updates: impl Iterator<Item = &'a [u8]>) -> Res<()> {
        for update in updates {
            self.apply(update)?;
        }
        Ok(())
    }
    /// Applies what [`Subject::edit_to_wire`] returned.
    fn apply_from_wire(&mut self, update: &[u8]) -> Res<()> {
        self.apply(update)
    }
    /// The whole history, as it would be sent to a newcomer.
    fn history(&mut self) -> Res<Vec<u8>>;
    /// A replica from such bytes.
    fn load(history: &[u8], agent: usize) -> Res<Self>;
    /// The form of a file.
    fn save(&mut self) -> Res<Vec<u8>> {
        self.history()
    }
    /// A file in one of the forms that the library has.
    fn save_as(&mut self, _form: Form) -> Res<Vec<u8>> {
        self.save()
    }
    /// Whether the history of a file is read later than its text.
    const UNPACKS: bool = false;
    /// Reads the unread rest of a file.
    fn unpack(&mut self) -> Res<()> {
        Ok(())
    }
    /// The smallest form of a file that has the whole history.
    fn save_small(&mut self) -> Res<Vec<u8>> {
        self.save()
    }
    /// Opens a file.
    fn open(saved: &[u8], agent: usize) -> Res<Self> {
        Self::load(saved, agent)
    }
    /// Replays a concurrent history. A subject that can do so without them may leave out the
    /// updates that are not wanted.
    fn replay(trace: &Trace, _updates_wanted: bool) -> Res<Replayed<Self>> {
        replay_with_replicas(trace)
    }
}

/// A replica at the end of a concurrent history, and the history as one update a transaction, in an
/// order in which they can be applied.
pub(crate) struct Replayed<S> {
    pub(crate) doc: S,
    pub(crate) updates: Vec<Vec<u8>>,
    /// The number of edits that reached past the end, because concurrent inserts were ordered
    /// differently than in the trace; the part past the end was left out.
    pub(crate) clamped: usize,
}

/// One of the replicas that a history is replayed with: it is always at the version of the last
/// transaction made on it.
struct Replica<S> {
    doc: S,
    agent: usize,
    txns: Vec<usize>,
    /// The number of transactions of each replica that it has.
    clock: Vec<u32>,
}

/// Replays a history with as few replicas as it has branches at a time. A transaction is made on a
/// replica that is at one of its ancestors, after merging the missing ones.
fn replay_with_replicas<S: Subject>(trace: &Trace) -> Res<Replayed<S>> {
    let mut replicas: Vec<Replica<S>> = Vec::new();
    let mut updates: Vec<Vec<u8>> = Vec::with_capacity(trace.txns.len());
    let mut clocks: Vec<Vec<u32>> = Vec::with_capacity(trace.txns.len());
    let mut clamped = 0;
    for (index, txn) in trace.txns.iter().enumerate() {
        let mut clock: Vec<u32> = vec![0; replicas.len()];
        for &parent in &txn.parents {
            for (mine, theirs) in clock.iter_mut().zip(&clocks[parent]) {
                *mine = (*mine).max(*theirs);
            }
        }
        if txn.event_count() == 0 {
            // It only merges its parents.
            updates.push(Vec::new());
            clocks.push(clock);
            continue;
        }
        // The best to take is one of the same agent, then one that lacks little.
        let free = (0..replicas.len())
            .filter(|&i| clock[i] as usize == replicas[i].txns.len())
            .max_by_key(|&i| (replicas[i].agent == txn.agent, replicas[i].txns.last()));
        let at = free.unwrap_or(replicas.len());
        if free.is_none() {
            replicas.push(Replica {
                doc: S::new(at)?,
                agent: txn.agent,
                txns: Vec::new(),
                clock: Vec::new(),
            });
            clock.push(0);
        }
        let mut lacks: Vec<usize> = Vec::new();
        for (i, other) in replicas.iter().enumerate() {
            let has = replicas[at].clock.get(i).map_or(0, |&n| n as usize);
            let wants = clock[i] as usize;
            lacks.extend(other.txns.get(has..wants).unwrap_or_default());
        }
        lacks.sort_unstable();
        let replica = &mut replicas[at];
        let lacking = lacks.iter().map(|&i| updates[i].as_slice());
        replica.doc.apply_all(lacking)?;
        let mut len = replica.doc.len();
        let mut patches = txn.patches.clone();
        for patch in &mut patches {
            if patch.pos + patch.deleted > len {
                clamped += 1;
                patch.pos = patch.pos.min(len);
                patch.deleted = patch.deleted.min(len - patch.pos);
            }
            len = len + patch.inserted.len() - patch.deleted;
        }
        patches.retain(|patch| patch.event_count() > 0);
        updates.push(replica.doc.transaction(&patches)?);
        replica.txns.push(index);
        clock[at] += 1;
        replica.clock.clone_from(&clock);
        replica.agent = txn.agent;
        clocks.push(clock);
    }
    updates.retain(|update| !update.is_empty());
    drop(replicas);
    let mut doc = S::new(usize::from(u16::MAX))?;
    doc.apply_all(updates.iter().map(Vec::as_slice))?;
    doc.settle();
    Ok(Replayed {
        doc,
        updates,
        clamped,
    })
}
