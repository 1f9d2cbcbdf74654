//! Merging entries of a log.

use crdt_core::session::{MergeRules, NamedPatches};
use crdt_core::{Document, EventId, MergeError, MergeReport, VersionSummary};

use super::Engine;
use super::link::Link;
use crate::error::{CloseReason, WireError};
use crate::time::Millis;
use crate::types::{EntryReport, Output, OwnedSplice, Speech};
use crate::wire::{kind, unpack};

/// The result of merging an entry's events.
struct Merged {
    report: MergeReport,
    events: VersionSummary,
}

impl Engine {
    /// Merges an entry of a log, and forwards new events to the peers. New events of directly
    /// linked agents are skipped: they come from the agents' own links.
    ///
    /// # Errors
    /// The fault of the entry; the document is then unchanged.
    pub fn take_entry(
        &mut self,
        entry: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<EntryReport, CloseReason> {
        self.wake(now);
        self.follow_name(now, doc);
        let unpacked;
        let patch = match entry.split_first() {
            Some((&kind::CHANGES, patch)) => patch,
            Some((&kind::PACKED_CHANGES, packed)) => {
                unpacked = unpack(packed, self.config.max_message)?;
                &unpacked
            }
            other => {
                let found = other.map_or(0, |(kind, _)| u64::from(*kind));
                let what = "the kind of an entry";
                return Err(WireError::Invalid { what, found }.into());
            }
        };
        let before = doc.event_count();
        let Merged { report, events } = self.merge_entry(patch, now, doc)?;
        if doc.event_count() > before {
            self.see(now, doc);
            self.review_left_out(now);
            let at = now.saturating_add(self.config.forward_delay);
            for link in self.links.iter_mut() {
                link.mark(at, &self.config);
            }
        }
        Ok(EntryReport {
            is_whole: report.exceptions.withheld.is_empty(),
            conflicts: report.exceptions.conflicts.len(),
            events,
        })
    }

    /// Merges the patch of an entry. If it has events of this replica's name that the replica did
    /// not make, the replica continues under another name.
    fn merge_entry(
        &mut self,
        patch: &[u8],
        now: Millis,
        doc: &mut Document,
    ) -> Result<Merged, CloseReason> {
        let mut keeps_conflicts = false;
        loop {
            let mut withheld: Vec<(String, u32)> = self.agents_linked_directly();
            withheld.push((self.agent.clone(), 0));
            let withheld: Vec<(&str, u32)> = withheld
                .iter()
                .map(|(name, seq)| (name.as_str(), *seq))
                .collect();
            let rules = MergeRules {
                withheld: &withheld,
                unshared: None,
                keeps_conflicts,
            };
            let mut splices: Vec<OwnedSplice> = Vec::new();
            let is_first = doc.is_empty();
            let merged = doc.merge_patch_by(patch, &rules, is_first, &mut |splice| {
                splices.push(splice.into());
            });
            if !splices.is_empty() {
                self.outputs.push_back(Output::Changed { splices });
            }
            match merged {
                Ok((report, events)) => {
                    // Own events that are in the log as well are shared.
                    if let Some(own) = events.ranges(&self.agent).last() {
                        doc.mark_shared_until(own.end);
                    }
                    let withheld = &report.exceptions.withheld;
                    let is_own = |id: &EventId| id.agent == self.agent;
                    let is_in_use = withheld.iter().any(is_own);
                    if !(is_in_use && self.find_new_name(now, doc)) {
                        return Ok(Merged { report, events });
                    }
                }
                Err(MergeError::Conflict { agent, .. }) if !keeps_conflicts => {
                    keeps_conflicts = !(agent == self.agent && self.find_new_name(now, doc));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The directly linked agents, with the seq from which on their events are only accepted from
    /// their own links.
    fn agents_linked_directly(&self) -> Vec<(String, u32)> {
        let speaks =
            |link: &&Link| link.active && link.speech == Speech::Binary && link.session().is_some();
        let named = self.links.iter().filter(speaks);
        let named = named.filter_map(|link| Some((link.edits_as.clone()?, link.first_new)));
        named.collect()
    }
}
