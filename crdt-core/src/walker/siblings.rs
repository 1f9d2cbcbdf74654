//! Concurrent inserts at one place, in their order: finds the place of a further one without
//! passing all of them.
//!
//! Inserts with the same left and right origin are in the order of their ids, each followed by its
//! subtree (see [`super::tracker`]). So a new one goes after the last of those with smaller ids.
//! Only places with many inserts are kept here.

use std::cmp::Ordering;

use crate::causal_graph::{AgentAssignment, first_bytes};
use crate::hashing::Map;
use crate::sorted_list::SortedList;
use crate::version::Lv;

/// Left and right origin.
pub(super) type Origin = (u32, u32);

/// The siblings of the places that have many.
#[derive(Debug, Clone, Default)]
pub(super) struct Siblings {
    groups: Map<Origin, Group>,
    count: usize,
}

/// The siblings of one place, sorted by agent name (bytes), then sequence number.
type Group = SortedList<Sibling>;

#[derive(Debug, Clone, Copy)]
struct Sibling {
    /// The [first bytes](first_bytes) of the agent's name, and those that follow. Thousands of
    /// siblings are compared, and reading the name itself is a cache miss.
    name: [u64; 2],
    agent: u32,
    seq: u32,
    lv: Lv,
}

impl Sibling {
    fn new(agents: &AgentAssignment, lv: Lv) -> Sibling {
        let (agent, seq, _) = agents.id_of(lv);
        let name = agents.name_bytes(agent);
        let rest = name.get(size_of::<u64>()..).unwrap_or_default();
        Sibling {
            name: [first_bytes(name), first_bytes(rest)],
            agent,
            seq,
            lv,
        }
    }

    fn compare(&self, agents: &AgentAssignment, other: &Sibling) -> Ordering {
        if self.agent == other.agent {
            return self.seq.cmp(&other.seq);
        }
        self.name.cmp(&other.name).then_with(|| {
            let name = |sibling: &Sibling| agents.name_bytes(sibling.agent);
            name(self).cmp(name(other))
        })
    }
}

impl Siblings {
    pub(super) fn clear(&mut self) {
        *self = Siblings::default();
    }

    /// Approximate bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        2 * (self.count * size_of::<Sibling>() + self.groups.len() * size_of::<(Origin, Group)>())
    }

    /// Whether the siblings with this origin are kept.
    pub(super) fn has(&self, origin: Origin) -> bool {
        !self.groups.is_empty() && self.groups.contains_key(&origin)
    }

    /// Keeps the siblings with this origin from now on, at first `lvs`.
    pub(super) fn keep(
        &mut self,
        agents: &AgentAssignment,
        origin: Origin,
        lvs: impl Iterator<Item = Lv>,
    ) {
        self.groups.insert(origin, Group::default());
        for lv in lvs {
            self.add(agents, origin, lv);
        }
    }

    /// Adds a sibling, if those with its origin are kept. Returns the last one whose id is smaller.
    pub(super) fn add(&mut self, agents: &AgentAssignment, origin: Origin, lv: Lv) -> Option<Lv> {
        let group = self.groups.get_mut(&origin)?;
        let new = Sibling::new(agents, lv);
        self.count += 1;
        let before = group.insert_after(new, |other| other.compare(agents, &new) == Ordering::Less);
        before.map(|before| before.lv)
    }
}
