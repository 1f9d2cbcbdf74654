//! A second, naive implementation of eg-walker, written from the paper: one item per char in a
//! plain list, sets of ancestors, linear scans. It shares no code with the crate and is only meant
//! to be obviously right.

use std::collections::BTreeSet;

/// The operation of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Insert(usize, char),
    Delete(usize),
}

/// One event. Parents are indexes of earlier events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) agent: String,
    pub(crate) seq: u32,
    pub(crate) parents: Vec<usize>,
    pub(crate) op: Op,
}

/// State of a char in the prepare version: not inserted yet, visible, or deleted so many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotYet,
    Inserted { deletions: usize },
}

#[derive(Debug, Clone)]
struct Item {
    /// The event that inserted it.
    event: usize,
    char: char,
    origin_left: Option<usize>,
    origin_right: Option<usize>,
    state: State,
}

/// A char that was inserted, and the events that delete it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Char {
    pub(crate) event: usize,
    pub(crate) char: char,
    pub(crate) deleted_by: Vec<usize>,
}

/// Replays all events in the given order, which must be topological, and gives the text.
pub(crate) fn replay(events: &[Event]) -> String {
    let chars = sequence(events);
    let left = chars.iter().filter(|char| char.deleted_by.is_empty());
    left.map(|char| char.char).collect()
}

/// Replays all events likewise, and gives every char that was ever inserted, in order.
pub(crate) fn sequence(events: &[Event]) -> Vec<Char> {
    let mut items: Vec<Item> = Vec::new();
    let mut targets: Vec<usize> = vec![usize::MAX; events.len()];
    let mut ancestors: Vec<BTreeSet<usize>> = Vec::new();
    let mut prepare: BTreeSet<usize> = BTreeSet::new();
    for (i, event) in events.iter().enumerate() {
        let mut version = BTreeSet::new();
        for &p in &event.parents {
            version.extend(&ancestors[p]);
            version.insert(p);
        }
        // Taken back in reverse order, so that a delete goes before the insert of what it deletes.
        let back: Vec<usize> = prepare.difference(&version).copied().collect();
        for &e in back.iter().rev() {
            step(&mut items, events, &targets, e, false);
        }
        for &e in version.difference(&prepare) {
            step(&mut items, events, &targets, e, true);
        }
        match event.op {
            Op::Insert(pos, char) => insert(&mut items, events, i, pos, char),
            Op::Delete(pos) => {
                let at = nth_visible(&items, pos);
                targets[i] = items[at].event;
                items[at].state = State::Inserted { deletions: 1 };
            }
        }
        prepare = version.clone();
        prepare.insert(i);
        ancestors.push(version);
    }
    let delete = |event: &Event| matches!(event.op, Op::Delete(_));
    items
        .iter()
        .map(|item| Char {
            event: item.event,
            char: item.char,
            deleted_by: (0..events.len())
                .filter(|&e| delete(&events[e]) && targets[e] == item.event)
                .collect(),
        })
        .collect()
}

/// Advances (or retreats) one event in the prepare version.
fn step(items: &mut [Item], events: &[Event], targets: &[usize], event: usize, forward: bool) {
    let inserted = match events[event].op {
        Op::Insert(..) => event,
        Op::Delete(_) => targets[event],
    };
    let item = items
        .iter_mut()
        .find(|item| item.event == inserted)
        .unwrap();
    item.state = match (events[event].op, item.state, forward) {
        (Op::Insert(..), State::NotYet, true) => State::Inserted { deletions: 0 },
        (Op::Insert(..), State::Inserted { deletions: 0 }, false) => State::NotYet,
        (Op::Delete(_), State::Inserted { deletions }, true) => State::Inserted {
            deletions: deletions + 1,
        },
        (Op::Delete(_), State::Inserted { deletions }, false) => State::Inserted {
            deletions: deletions - 1,
        },
        other => panic!("no such step: {other:?}"),
    };
}

fn nth_visible(items: &[Item], n: usize) -> usize {
    let visible = |item: &Item| item.state == State::Inserted { deletions: 0 };
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| visible(item))
        .nth(n)
        .unwrap()
        .0
}

/// Inserts by the FugueMax rule; ties go to the smaller agent name, by bytes, then seq.
fn insert(items: &mut Vec<Item>, events: &[Event], event: usize, pos: usize, char: char) {
    let cursor = if pos == 0 {
        0
    } else {
        nth_visible(items, pos - 1) + 1
    };
    let origin_left = cursor.checked_sub(1).map(|i| items[i].event);
    let origin_right = items[cursor..]
        .iter()
        .find(|item| item.state != State::NotYet)
        .map(|item| item.event);
    // No left origin is before everything, no right origin behind everything.
    let place_left = |origin: Option<usize>| {
        origin.map_or(-1, |e| {
            items.iter().position(|item| item.event == e).unwrap() as isize
        })
    };
    let place_right = |origin: Option<usize>| {
        origin.map_or(isize::MAX, |e| {
            items.iter().position(|item| item.event == e).unwrap() as isize
        })
    };
    let key = |e: usize| (events[e].agent.as_bytes(), events[e].seq);
    let mut to = cursor;
    let mut scanning = false;
    for (i, other) in items.iter().enumerate().skip(cursor) {
        if other.state != State::NotYet || place_left(other.origin_left) < place_left(origin_left) {
            break;
        }
        if other.origin_left == origin_left {
            if other.origin_right == origin_right {
                if key(event) < key(other.event) {
                    break;
                }
                scanning = false;
            } else {
                scanning = place_right(other.origin_right) < place_right(origin_right);
            }
        }
        if !scanning {
            to = i + 1;
        }
    }
    let state = State::Inserted { deletions: 0 };
    items.insert(
        to,
        Item {
            event,
            char,
            origin_left,
            origin_right,
            state,
        },
    );
}
