//! Renaming a replica: its next events, and those that no other replica has yet, get the new name.

use crate::digests::Digests;
use crate::document::Document;
use crate::error::{AgentNameError, RenameError};
use crate::history::History;
use crate::splice::{Splice, TextLen};
use crate::unpack::replay;
use crate::version::{EventId, MAX_AGENTS, check_agent_name, replica_name};

impl Document {
    /// An empty document for the person `person`, with a unique agent name: see
    /// [`replica_name`](crate::replica_name). The random bytes `random` make the name unique.
    ///
    /// # Errors
    /// None: every person's name gives a valid agent name.
    pub fn new_replica(person: &str, random: [u8; 9]) -> Result<Document, AgentNameError> {
        Document::new(&replica_name(person, random))
    }

    /// Renames the replica to the fresh name `agent`, and calls `changed` with every change of the text. The
    /// events that it made since it was created or opened move to the new name, except those that
    /// [`Document::mark_shared`] marked.
    ///
    /// Use this when another replica turns out to have made other events under the same name: afterwards one
    /// text contains what was typed under both. A replica that already has events that move keeps them under
    /// the old name, and gets them a second time. Returns how many events moved. O(history) if any do.
    ///
    /// ```
    /// use crdt_core::Document;
    ///
    /// let mut first = Document::new("alice")?;
    /// first.insert(0, "milk")?;
    /// let mut second = Document::new("alice")?;
    /// second.insert(0, "bread ")?;
    /// let patch = first.encode_since(&Default::default())?;
    /// assert_eq!(second.merge_patch(&patch).unwrap_err().code(), "conflicting_event");
    /// second.rename("alice (2)", &mut |_| {})?;
    /// second.merge_patch(&patch)?;
    /// assert_eq!(second.text(), "milkbread ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Any [`RenameError`]; nothing has changed then.
    pub fn rename(
        &mut self,
        agent: &str,
        changed: &mut dyn FnMut(Splice<'_>),
    ) -> Result<usize, RenameError> {
        check_agent_name(agent)?;
        let from = self.first_unshared();
        let old_name = self.agent().to_owned();
        let (history, rope) = self.history_and_rope()?;
        let agents = &mut history.graph.agents;
        if agent == old_name || agents.find_agent(agent).is_some() {
            return Err(RenameError::Taken {
                agent: agent.to_owned(),
            });
        }
        if agents.agent_count() + 1 >= MAX_AGENTS {
            let limit = MAX_AGENTS as usize;
            return Err(RenameError::TooMany { limit });
        }
        let before = (history.graph.clone(), history.timestamps.clone());
        let agents = &mut history.graph.agents;
        let (old, new) = (agents.agent(&old_name), agents.agent(agent));
        // Dropped events were made by another replica.
        let let_go = agents.trimmed(old).last().map_or(0, |range| range.end);
        let from = from.max(let_go);
        let moved = agents.next_seq(old).saturating_sub(from) as usize;
        history.graph.move_events(old, from, new);
        history.timestamps.move_stamps(old, from, new);
        if moved > 0 {
            // Concurrent inserts at one place are ordered by their names.
            match replay(history) {
                Ok(made) => {
                    let (before, after) = (rope.to_text(), made.to_text());
                    *rope = made;
                    report_difference(&before, &after, changed);
                }
                Err(error) => {
                    (history.graph, history.timestamps) = before;
                    return Err(error.into());
                }
            }
        }
        self.renamed(agent, from);
        Ok(moved)
    }

    /// Records that another replica has all own events so far: [`Document::rename`] does not change
    /// them.
    pub fn mark_shared(&self) {
        self.own().mark_shared(self.next_seq());
    }

    /// The same for those below the seq `until`.
    pub fn mark_shared_until(&self, until: u32) {
        self.own().mark_shared(until);
    }

    /// The seq of the first own event that was made since the document was created or opened and
    /// that, as far as [`Document::mark_shared`] recorded, no other replica has.
    pub fn first_unshared(&self) -> u32 {
        self.own().first_unshared().min(self.next_seq())
    }

    /// The digest of an event and all earlier events of its agent: of their operations and parents.
    /// Equal on replicas that have the same events; `None` if the event is not known, or earlier
    /// ones of its agent were dropped. Not for security. Unpacks a history that is still packed.
    /// O(events of the agent) the first time, later O(new ones).
    pub fn digest_of(&self, id: &EventId) -> Option<u64> {
        let digest = |history: &History, digests: &Digests| {
            let agent = history.graph.agents.find_agent(&id.agent)?;
            digests.get(history, agent, id.seq)
        };
        let later = self.store().later();
        later
            .and_then(|(history, digests)| digest(history, digests))
            .or_else(|| digest(self.whole_history().ok()?, self.digests()))
    }

    /// The number of the next local edit among those that this replica made, under all of its
    /// names.
    pub(crate) fn next_own(&self) -> u32 {
        self.own().number(self.next_seq())
    }
}

/// Reports the difference between two texts as one replacement, or nothing if they are equal.
fn report_difference(before: &str, after: &str, changed: &mut dyn FnMut(Splice<'_>)) {
    if before == after {
        return;
    }
    let mut ends = before.chars().zip(after.chars());
    let is_same = |(a, b): &(char, char)| a == b;
    let start: usize = ends
        .by_ref()
        .take_while(is_same)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let (before, rest) = (&before[start..], &after[start..]);
    let mut ends = before.chars().rev().zip(rest.chars().rev());
    let end: usize = ends
        .by_ref()
        .take_while(is_same)
        .map(|(a, _)| a.len_utf8())
        .sum();
    let length = |text: &str| TextLen {
        chars: text.chars().count(),
        utf16: text.chars().map(char::len_utf16).sum(),
    };
    changed(Splice {
        pos: length(&after[..start]),
        deleted: length(&before[..before.len() - end]),
        inserted: &rest[..rest.len() - end],
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_texts_is_one_replacement() {
        for (before, after) in [
            ("", "a"),
            ("aa", "a"),
            ("a🦀b", "a🦀🦀b"),
            ("one two", "one or two"),
            ("ab", "ba"),
            ("same", "same"),
        ] {
            let mut text: Vec<char> = before.chars().collect();
            report_difference(before, after, &mut |splice| {
                let at = splice.pos.chars..splice.pos.chars + splice.deleted.chars;
                text.splice(at, splice.inserted.chars());
            });
            assert_eq!(text.into_iter().collect::<String>(), after);
        }
    }
}
