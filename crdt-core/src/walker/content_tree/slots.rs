//! The targets of a zone's events, in memory that is proportional to runs of events and not to
//! their number.
//!
//! Events are in pages. A page with few runs lists them; a page with many runs has a number for
//! each event, which is then both faster and smaller.

use crate::version::NONE;

/// The events of a page, and the most runs that it lists. Few in tests, so that small zones have
/// both kinds of pages.
const PAGE: usize = if cfg!(test) { 16 } else { 4096 };
const MOST_RUNS: usize = if cfg!(debug_assertions) { 3 } else { 64 };

/// The step between the targets of a run's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::walker) enum Step {
    Up,
    Down,
    /// All have the same target.
    Same,
}

impl Step {
    fn add(self, target: u32, k: u32) -> u32 {
        match self {
            Step::Up => target.wrapping_add(k),
            Step::Down => target.wrapping_sub(k),
            Step::Same => target,
        }
    }
}

/// Consecutive events and their targets. [`NONE`] is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Its first event, counted from the start of the page.
    start: u32,
    len: u32,
    target: u32,
    step: Step,
}

impl Run {
    fn end(&self) -> u32 {
        self.start + self.len
    }

    /// The part of it in `from..to`, which it overlaps.
    fn part(&self, from: u32, to: u32) -> Run {
        let start = self.start.max(from);
        Run {
            start,
            len: self.end().min(to) - start,
            target: self.step.add(self.target, start - self.start),
            ..*self
        }
    }

    /// Joins `next`, if it continues this run.
    fn join(&mut self, next: &Run) -> bool {
        let step = match self.len {
            1 if next.target == self.target.wrapping_add(1) => Step::Up,
            1 if next.target == self.target.wrapping_sub(1) => Step::Down,
            1 => Step::Same,
            _ => self.step,
        };
        let joins = self.end() == next.start
            && next.target == step.add(self.target, self.len)
            && (next.len == 1 || next.step == step);
        if joins {
            self.step = step;
            self.len += next.len;
        }
        joins
    }
}

#[derive(Debug, Clone)]
enum Page {
    /// Ascending and disjoint; events that are in no run have no target.
    Runs(Vec<Run>),
    /// By event.
    Each(Box<[u32; PAGE]>),
}

/// The target of each event of a zone; events are counted from the start of the zone.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    pages: Vec<Page>,
    /// Bytes of memory that the pages hold.
    held: usize,
}

impl Slots {
    pub(super) fn clear(&mut self) {
        self.pages.clear();
        self.held = 0;
    }

    /// Bytes of memory in use.
    pub(super) fn memory(&self) -> usize {
        self.pages.capacity() * size_of::<Page>() + self.held
    }

    /// The target of an event; [`NONE`] if it was never set.
    #[inline]
    pub(super) fn get(&self, event: u32) -> u32 {
        let (page, at) = place(event);
        match self.pages.get(page) {
            Some(Page::Each(targets)) => targets[at],
            Some(Page::Runs(runs)) => find(runs, at as u32).map_or(NONE, |run| run.target),
            None => NONE,
        }
    }

    /// The target of `event`, the step to the targets of the following events, and the number of
    /// events, at most `most`, for which that step applies; at least one.
    #[inline]
    pub(super) fn run_at(&self, event: u32, most: u32) -> (u32, Step, u32) {
        let (page, at) = place(event);
        match self.pages.get(page) {
            Some(Page::Each(targets)) if most == 1 => (targets[at], Step::Same, 1),
            Some(Page::Each(targets)) => {
                let targets = &targets[at..(at + most as usize).min(PAGE)];
                let step = match targets {
                    [first, second, ..] if *second == first.wrapping_add(1) => Step::Up,
                    [first, second, ..] if second.wrapping_add(1) == *first => Step::Down,
                    _ => return (targets[0], Step::Same, 1),
                };
                let goes_on =
                    |&(k, &target): &(usize, &u32)| target == step.add(targets[0], k as u32);
                let len = targets.iter().enumerate().take_while(goes_on).count();
                (targets[0], step, len as u32)
            }
            Some(Page::Runs(runs)) => match find(runs, at as u32) {
                Some(run) => (run.target, run.step, run.len.min(most)),
                None => (NONE, Step::Same, 1),
            },
            None => (NONE, Step::Same, 1),
        }
    }

    /// Sets the targets of `len` events from `event` on to `target` and the following ones.
    #[inline]
    pub(super) fn set(&mut self, event: u32, len: u32, target: u32, step: Step) {
        let (page, at) = place(event);
        if let Some(Page::Each(targets)) = self.pages.get_mut(page)
            && let Some(here) = targets.get_mut(at..at + len as usize)
        {
            fill(here, target, step);
            return;
        }
        self.set_slow(event, len, target, step);
    }

    #[inline(never)]
    fn set_slow(&mut self, event: u32, len: u32, target: u32, step: Step) {
        let mut done = 0;
        while done < len {
            let (page, at) = place(event + done);
            let here = (len - done).min((PAGE - at) as u32);
            if self.pages.len() <= page {
                self.pages.resize_with(page + 1, || Page::Runs(Vec::new()));
            }
            let run = Run {
                start: at as u32,
                len: here,
                target: step.add(target, done),
                step,
            };
            let page = &mut self.pages[page];
            self.held = self.held - page.memory() + page.set(run);
            done += here;
        }
    }
}

impl Page {
    fn memory(&self) -> usize {
        match self {
            Page::Runs(runs) => runs.capacity() * size_of::<Run>(),
            Page::Each(targets) => targets.len() * size_of::<u32>(),
        }
    }

    /// Sets a run; returns the memory of the page.
    fn set(&mut self, run: Run) -> usize {
        let runs = match self {
            Page::Each(targets) => {
                let here = &mut targets[run.start as usize..run.end() as usize];
                fill(here, run.target, run.step);
                return self.memory();
            }
            Page::Runs(runs) => runs,
        };
        match runs.last_mut() {
            Some(last) if last.end() <= run.start => {
                if !last.join(&run) {
                    runs.push(run);
                }
            }
            None => runs.push(run),
            _ => replace(runs, run),
        }
        if runs.len() > MOST_RUNS {
            let mut targets = Box::new([NONE; PAGE]);
            for run in runs {
                let here = &mut targets[run.start as usize..run.end() as usize];
                fill(here, run.target, run.step);
            }
            *self = Page::Each(targets);
        }
        self.memory()
    }
}

/// Replaces the overlapping runs with a run.
fn replace(runs: &mut Vec<Run>, run: Run) {
    let first = runs.partition_point(|old| old.end() <= run.start);
    let last = runs.partition_point(|old| old.start < run.end());
    let overlapped = &runs[first..last];
    let before = overlapped.first().filter(|old| old.start < run.start);
    let before = before.map(|old| old.part(0, run.start));
    let behind = overlapped.last().filter(|old| old.end() > run.end());
    let behind = behind.map(|old| old.part(run.end(), PAGE as u32));
    let new = before.into_iter().chain([run]).chain(behind);
    runs.splice(first..last, new);
}

/// The page of an event, and its index there.
#[inline]
fn place(event: u32) -> (usize, usize) {
    (event as usize / PAGE, event as usize % PAGE)
}

/// The part from event `at` on of the run that has it.
fn find(runs: &[Run], at: u32) -> Option<Run> {
    let i = runs.partition_point(|run| run.end() <= at);
    let run = runs.get(i).filter(|run| run.start <= at)?;
    Some(run.part(at, PAGE as u32))
}

#[inline]
fn fill(targets: &mut [u32], target: u32, step: Step) {
    if let [one] = targets {
        *one = target;
        return;
    }
    for (k, slot) in targets.iter_mut().enumerate() {
        *slot = step.add(target, k as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    #[test]
    fn slots_agree_with_a_plain_list() {
        for seed in 1..200 {
            let mut shapes = Shapes(seed);
            let mut slots = Slots::default();
            let mut model: Vec<u32> = Vec::new();
            for _ in 0..40 {
                let event = shapes.below(70);
                let longest = [2, 40][shapes.below(2) as usize];
                let len = 1 + shapes.below(longest);
                let target = 100 + shapes.below(300);
                let step = [Step::Up, Step::Down, Step::Same][shapes.below(3) as usize];
                slots.set(event, len, target, step);
                let end = (event + len) as usize;
                model.resize(model.len().max(end), NONE);
                fill(&mut model[event as usize..end], target, step);
                for (i, &expected) in model.iter().enumerate() {
                    assert_eq!(slots.get(i as u32), expected, "seed {seed}");
                }
                assert_eq!(slots.get(model.len() as u32 + 20), NONE);
                let mut at = 0;
                while at < model.len() as u32 {
                    let (target, step, len) = slots.run_at(at, model.len() as u32 - at);
                    for k in 0..len {
                        assert_eq!(step.add(target, k), model[(at + k) as usize]);
                    }
                    at += len;
                }
                let held: usize = slots.pages.iter().map(Page::memory).sum();
                assert_eq!(slots.held, held);
            }
        }
    }

    #[test]
    fn memory_is_proportional_to_runs() {
        let mut slots = Slots::default();
        let len = 1000 * PAGE as u32;
        for k in 0..100 {
            slots.set(k * len, len, 7, Step::Up);
        }
        let pages = 100 * 1000;
        // A page takes as much as its single run.
        assert!(slots.memory() < 2 * pages * (size_of::<Page>() + 4 * size_of::<Run>()));
        assert_eq!(slots.get(99 * len + 5), 12);
    }
}
