//! The timestamps of events, as far as their authors set them.
//!
//! A stamp names an event and a time. It applies to that event and to all later ones of its agent,
//! up to the next stamp. So continuous typing adds nothing to the size of a keystroke.

use std::ops::Range;

use crate::causal_graph::AgentIdx;

/// The stamps of all agents.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timestamps {
    /// By agent: sequence numbers, ascending, and times.
    stamps: Vec<Vec<(u32, u64)>>,
}

impl Timestamps {
    /// The stamps of one agent at the events `seqs`.
    pub(crate) fn stamps(&self, agent: AgentIdx, seqs: Range<u32>) -> &[(u32, u64)] {
        let stamps = self
            .stamps
            .get(agent as usize)
            .map_or(&[][..], Vec::as_slice);
        let from = stamps.partition_point(|&(seq, _)| seq < seqs.start);
        let to = stamps.partition_point(|&(seq, _)| seq < seqs.end);
        stamps.get(from..to).unwrap_or_default()
    }

    /// The time of an event.
    pub(crate) fn at(&self, agent: AgentIdx, seq: u32) -> Option<u64> {
        let until = self.stamps(agent, 0..seq.saturating_add(1));
        until.last().map(|&(_, time)| time)
    }

    /// The events `seqs`, split into ranges with one time each.
    pub(crate) fn runs(
        &self,
        agent: AgentIdx,
        seqs: Range<u32>,
    ) -> impl Iterator<Item = (Range<u32>, Option<u64>)> + use<'_> {
        let mut at = seqs.start;
        std::iter::from_fn(move || {
            if at >= seqs.end {
                return None;
            }
            let next = self.stamps(agent, at + 1..seqs.end).first();
            let run = at..next.map_or(seqs.end, |&(seq, _)| seq);
            at = run.end;
            Some((run.clone(), self.at(agent, run.start)))
        })
    }

    /// Adds a remote stamp. Of two stamps for one event the earlier one is kept, so that their
    /// order of arrival does not matter.
    pub(crate) fn add(&mut self, agent: AgentIdx, seq: u32, time: u64) {
        let stamps = self.of(agent);
        match stamps.binary_search_by_key(&seq, |&(seq, _)| seq) {
            Ok(at) => stamps[at].1 = stamps[at].1.min(time),
            Err(at) => stamps.insert(at, (seq, time)),
        }
    }

    /// Sets the time of the agent's future events, from `next` on.
    pub(crate) fn set_next(&mut self, agent: AgentIdx, next: u32, time: u64) {
        let stamps = self.of(agent);
        stamps.truncate(stamps.partition_point(|&(seq, _)| seq < next));
        if stamps.last().is_none_or(|&(_, last)| last != time) {
            stamps.push((next, time));
        }
    }

    /// Moves the stamps of `old` from the seq `from` on to `new`, from its first event.
    pub(crate) fn move_stamps(&mut self, old: AgentIdx, from: u32, new: AgentIdx) {
        let time = self.at(old, from);
        let stamps = self.of(old);
        let moved = stamps.split_off(stamps.partition_point(|&(seq, _)| seq < from));
        let mut moved: Vec<(u32, u64)> = moved.iter().map(|&(seq, at)| (seq - from, at)).collect();
        if let Some(time) = time.filter(|_| moved.first().is_none_or(|&(seq, _)| seq > 0)) {
            moved.insert(0, (0, time));
        }
        *self.of(new) = moved;
    }

    fn of(&mut self, agent: AgentIdx) -> &mut Vec<(u32, u64)> {
        let agent = agent as usize;
        if self.stamps.len() <= agent {
            self.stamps.resize(agent + 1, Vec::new());
        }
        &mut self.stamps[agent]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_applies_until_the_next_one() {
        let mut timestamps = Timestamps::default();
        assert_eq!(timestamps.at(3, 0), None);
        timestamps.add(3, 5, 100);
        timestamps.add(3, 9, 90);
        timestamps.add(3, 5, 120);
        timestamps.set_next(3, 12, 90);
        timestamps.set_next(3, 12, 130);
        timestamps.set_next(3, 12, 140);
        let at = [4, 5, 8, 9, 11, 12, 13].map(|seq| timestamps.at(3, seq));
        let expected = [None, Some(100), Some(100), Some(90), Some(90), Some(140)];
        assert_eq!(at[..6], expected);
        let runs: Vec<_> = timestamps.runs(3, 3..10).collect();
        assert_eq!(runs, [(3..5, None), (5..9, Some(100)), (9..10, Some(90))]);
        assert_eq!(timestamps.runs(0, 0..4).collect::<Vec<_>>(), [(0..4, None)]);
        assert_eq!(timestamps.stamps(3, 5..9), [(5, 100)]);
        timestamps.move_stamps(3, 7, 1);
        assert_eq!(
            [0, 1, 2, 5].map(|seq| timestamps.at(1, seq)),
            [Some(100), Some(100), Some(90), Some(140)]
        );
        assert_eq!(
            (timestamps.at(3, 4), timestamps.at(3, 9)),
            (None, Some(100))
        );
    }
}
