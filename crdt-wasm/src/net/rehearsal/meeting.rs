//! Two replicas that meet, and type.

use crdt_core::{Document, EditError};
use crdt_sync::{Config, Engine, Incoming, LinkId, LinkOptions, Outgoing, Output, OwnedSplice};

/// Of how many edits the history is.
const EDITS: usize = 1_000;

/// How many edits are made in one step, and how long one is at most, in chars.
const EDITS_A_STEP: usize = 100;
const LONGEST_EDIT: usize = 60;

/// A meeting that has no end after so many steps is given up.
const STEPS: usize = 100;

const LINK: LinkId = LinkId(0);

/// A replica writes a history, and meets an empty one; then both type.
pub(super) struct Meeting {
    documents: [Document; 2],
    engines: [Engine; 2],
    now: u64,
    /// How many steps are left.
    steps: usize,
    /// How many edits are still to be made before they meet.
    edits: usize,
    /// Who types next, and when: a second later, when they ask whether the other is there.
    typists: &'static [(usize, u64)],
    /// State of a linear congruential generator.
    random: u32,
}

impl Meeting {
    pub(super) fn new() -> Option<Meeting> {
        let names = ["one", "other"];
        let [Ok(one), Ok(other)] = names.map(Document::new) else {
            return None;
        };
        let engines = [(1, "one"), (2, "other")].map(|(session, name)| {
            // Parts and frames are short, so that there are many.
            let config = Config {
                max_frame: 2 * 1024,
                first_part: 64,
                part: 8 * 1024,
                ..Config::default()
            };
            Engine::new(config, name, session)
        });
        Some(Meeting {
            documents: [one, other],
            engines,
            now: 0,
            steps: STEPS,
            edits: EDITS,
            typists: &[(0, 1_001), (1, 1_050)],
            random: 1,
        })
    }

    /// Goes on a little; returns whether there is more to do. `tell` hears of the changes.
    pub(super) fn step(&mut self, tell: &dyn Fn(Vec<OwnedSplice>)) -> Result<bool, EditError> {
        let Some(steps) = self.steps.checked_sub(1) else {
            return Ok(false);
        };
        self.steps = steps;
        if self.edits > 0 {
            for _ in 0..EDITS_A_STEP.min(self.edits) {
                self.edits -= 1;
                self.edit()?;
            }
            if self.edits == 0 {
                for (engine, document) in self.engines.iter_mut().zip(&self.documents) {
                    engine.link_up(LINK, LinkOptions::default(), self.now, document);
                }
            }
            return Ok(true);
        }
        if self.exchange(tell) {
            return Ok(true);
        }
        let Some((&(at, now), later)) = self.typists.split_first() else {
            return Ok(false);
        };
        self.typists = later;
        self.now = now;
        let document = &mut self.documents[at];
        document.insert(2, "!")?;
        self.engines[at].local_edit(now, document);
        self.engines[at].tick(now, document);
        Ok(true)
    }

    /// Writes text that repeats itself, here or there, or deletes some; half of it at the end.
    fn edit(&mut self) -> Result<(), EditError> {
        let length = self.documents[0].len_chars();
        let at = self.draw(length + 1);
        if self.edits == 0 {
            return self.documents[0].delete(length / 4, length / 2);
        }
        let long = self.draw(LONGEST_EDIT);
        if self.edits.is_multiple_of(4) {
            return self.documents[0].delete(at, long.min(length - at));
        }
        let text: String = (0..long)
            .map(|_| ["a", "b", "c", "d"][self.draw(4)])
            .collect();
        self.documents[0].insert(at, &text)
    }

    fn draw(&mut self, bound: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.random >> 8) as usize % bound
    }

    /// Takes what each has to say to the other; returns whether there was anything.
    fn exchange(&mut self, tell: &dyn Fn(Vec<OwnedSplice>)) -> bool {
        let Meeting {
            documents,
            engines,
            now,
            ..
        } = self;
        let now = *now;
        let mut any = false;
        for from in [0, 1] {
            let to = 1 - from;
            while let Some(output) = engines[from].poll_output() {
                match output {
                    Output::Send {
                        message: Outgoing::Binary(bytes),
                        ..
                    } => {
                        any = true;
                        engines[from].buffered_amount(LINK, 0, now, &documents[from]);
                        let message = Incoming::Binary(&bytes);
                        engines[to].receive(LINK, message, now, &mut documents[to]);
                    }
                    Output::Changed { splices } => tell(splices),
                    _ => {}
                }
            }
            engines[from].acknowledge(now, &documents[from]);
            any |= engines[from].send_on(now, &documents[from]);
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_history_comes_in_parts_and_both_type() {
        let told = RefCell::new(Vec::new());
        let tell = |splices| told.borrow_mut().push(splices);
        let mut meeting = Meeting::new().unwrap();
        while meeting.step(&tell).unwrap() {}
        assert!(meeting.steps > STEPS / 4, "{} steps left", meeting.steps);

        let [one, other] = meeting.documents.map(|document| document.text());
        assert_eq!(one, other);
        assert!(one.len() > 5_000, "{} bytes of text", one.len());
        let told = told.into_inner();
        let [parts @ .., by_one, by_other] = told.as_slice() else {
            panic!("{} changes were told", told.len());
        };
        assert!(parts.len() > 6, "the history came in {} parts", parts.len());
        for splices in [by_one, by_other] {
            let inserted: Vec<&str> = splices
                .iter()
                .map(|splice| splice.inserted.as_str())
                .collect();
            assert_eq!(inserted, ["!"]);
        }
    }
}
