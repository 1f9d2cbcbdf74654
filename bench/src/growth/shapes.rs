//! The histories, as the messages of one library.

use crate::subject::Subject;
use crate::trace::{Patch, Res, Trace, Txn};

/// A history that is difficult for some CRDT.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Two branches, and events on top of an early event of one and a late one of the other, in turns.
    Zigzag,
    /// Two branches, and events on top of any event of one and any of the other.
    Scattered,
    /// Two typists; one of them sees each event of the other before its own next event.
    Ladder,
    /// Inserts at one place, by as many agents, which only know the text.
    Gap,
    /// Two typists who do not see each other's events.
    Branches,
    /// Deletes of a whole text, by as many agents, which only know the text.
    Deletes,
    /// Inserts all over the text, by as many agents, which only know the text.
    Agents,
}

impl Shape {
    pub(crate) fn find(name: &str) -> Res<Shape> {
        Ok(match name {
            "zigzag" => Shape::Zigzag,
            "scattered" => Shape::Scattered,
            "ladder" => Shape::Ladder,
            "gap" => Shape::Gap,
            "branches" => Shape::Branches,
            "deletes" => Shape::Deletes,
            "agents" => Shape::Agents,
            _ => return Err(format!("no shape of the name {name}").into()),
        })
    }
}

/// The inputs of a reader.
pub(crate) struct Inputs {
    /// The messages that it has before.
    pub(crate) before: Vec<Vec<u8>>,
    pub(crate) messages: Vec<Vec<u8>>,
    /// The text that it ends with.
    pub(crate) text: String,
}

/// The length of the common initial text, in chars.
const BASE: usize = 1000;

/// The agent that wrote that text.
const WRITER: usize = 9_999_999;

impl Inputs {
    /// The messages of a shape with `size` events, or runs of them; one with all of them for `whole`.
    pub(crate) fn make<S: Subject>(shape: Shape, size: usize, whole: bool) -> Res<Inputs> {
        let third = size / 3;
        match shape {
            Shape::Zigzag => {
                return on_two_branches::<S>(third, |k| match k % 2 {
                    0 => (k, third - 1 - k),
                    _ => (third - 1 - k, k),
                });
            }
            Shape::Scattered => {
                return on_two_branches::<S>(third, |k| {
                    (k * 7919 % third, (k * k + k * 31) % third)
                });
            }
            _ => {}
        }
        let mut writer = S::new(WRITER)?;
        let nothing = writer.version();
        writer.edit(&Patch::insert(0, "-".repeat(BASE)))?;
        writer.settle();
        let base = writer.since(&nothing)?;
        let messages = match shape {
            Shape::Ladder => in_turns::<S>(&base, size, true)?,
            Shape::Branches => in_turns::<S>(&base, size, false)?,
            // By names in no order.
            Shape::Gap => at_once::<S>(&base, size, |i| (i * 7919 % size, Patch::insert(5, "x")))?,
            Shape::Deletes => at_once::<S>(&base, size, |i| (i, Patch::delete(0, BASE)))?,
            Shape::Agents => at_once::<S>(&base, size, |i| (i, Patch::insert(i % BASE, "x")))?,
            Shape::Zigzag | Shape::Scattered => Vec::new(),
        };
        let mut author = S::new(WRITER + 1)?;
        author.apply(&base)?;
        let before = author.version();
        author.apply_all(messages.iter().map(Vec::as_slice))?;
        Ok(Inputs {
            before: vec![base],
            messages: match whole {
                true => vec![author.since(&before)?],
                false => messages,
            },
            text: author.text()?,
        })
    }
}

/// The edits of `size` agents that only know the text.
fn at_once<S: Subject>(
    base: &[u8],
    size: usize,
    edit: impl Fn(usize) -> (usize, Patch),
) -> Res<Vec<Vec<u8>>> {
    let one = |i| {
        let (agent, patch) = edit(i);
        let mut doc = S::new(agent)?;
        doc.apply(base)?;
        doc.transaction(&[patch])
    };
    (0..size).map(one).collect()
}

/// The edits of two agents typing in turns, `size` events in all; with `sees`, the first sees the
/// events of the second.
fn in_turns<S: Subject>(base: &[u8], size: usize, sees: bool) -> Res<Vec<Vec<u8>>> {
    let mut both = [S::new(0)?, S::new(1)?];
    for doc in &mut both {
        doc.apply(base)?;
    }
    let mut messages: Vec<Vec<u8>> = Vec::with_capacity(size);
    for i in 0..size / 2 {
        for (turn, doc) in both.iter_mut().enumerate() {
            if sees
                && turn == 0
                && let Some(last) = messages.last()
            {
                doc.apply(last)?;
            }
            let pos = i * 31 % doc.len();
            messages.push(doc.transaction(&[Patch::insert(pos, "x")])?);
        }
    }
    Ok(messages)
}

/// `third` events on each of two branches, in turns, and as many on top of both: `parents` tells for each of
/// those on which event of either.
fn on_two_branches<S: Subject>(
    third: usize,
    parents: impl Fn(usize) -> (usize, usize),
) -> Res<Inputs> {
    let mut txns = vec![Txn {
        parents: Vec::new(),
        agent: 2,
        patches: vec![Patch::insert(0, "-".repeat(BASE))],
    }];
    // Those of the branches are 1, 3, 5 and so on, and 2, 4, 6 and so on.
    for i in 0..third {
        for agent in 0..2 {
            let parent = if i == 0 { 0 } else { txns.len() - 2 };
            txns.push(Txn {
                parents: vec![parent],
                agent,
                patches: vec![Patch::insert(i * 31 % (BASE + i), "x")],
            });
        }
    }
    for k in 0..third {
        let (a, b) = parents(k);
        txns.push(Txn {
            parents: vec![1 + 2 * a, 2 + 2 * b],
            agent: 3 + k,
            patches: vec![Patch::insert(3, "x")],
        });
    }
    let mut doc = S::replay(&Trace::of_several(txns), false)?.doc;
    let nothing = S::new(WRITER)?.version();
    Ok(Inputs {
        before: Vec::new(),
        messages: vec![doc.since(&nothing)?],
        text: doc.text()?,
    })
}
