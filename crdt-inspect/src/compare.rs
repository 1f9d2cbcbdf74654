//! Two replicas side by side.

use std::collections::HashMap;
use std::io::Write;

use crdt_core::{Document, EventId, VersionSummary};

use crate::Failure;
use crate::events::{self, Event};

/// Prints how two replicas differ. Returns whether they are equal.
pub(crate) fn print(documents: &[Document; 2], out: &mut impl Write) -> Result<bool, Failure> {
    let [one, other] = documents;
    let summaries = [one.summary(), other.summary()];
    let both = summaries[0].intersection(&summaries[1]).event_count();
    writeln!(out, "{both} events in both")?;
    for (name, [mine, theirs]) in [
        ("the first", [&summaries[0], &summaries[1]]),
        ("the second", [&summaries[1], &summaries[0]]),
    ] {
        print_rest(name, &mine.difference(theirs), out)?;
    }
    let difference = first_difference(one, other)?;
    if let Some([here, there]) = &difference {
        writeln!(
            out,
            "first event that differs: {}:{}",
            here.id.agent, here.id.seq
        )?;
        writeln!(out, "  in the first it {here}")?;
        writeln!(out, "  in the second it {there}")?;
    } else {
        writeln!(out, "every event in both is the same")?;
    }
    let is_same_text = one.text() == other.text();
    writeln!(
        out,
        "the texts are {}",
        if is_same_text { "equal" } else { "different" }
    )?;
    Ok(summaries[0] == summaries[1] && difference.is_none() && is_same_text)
}

fn print_rest(name: &str, rest: &VersionSummary, out: &mut impl Write) -> Result<(), Failure> {
    if rest.is_empty() {
        return Ok(());
    }
    writeln!(out, "{} events only in {name}:", rest.event_count())?;
    for (agent, ranges) in rest.iter() {
        for range in ranges {
            writeln!(
                out,
                "  {agent}:{}..={}",
                range.start,
                range.end.saturating_sub(1)
            )?;
        }
    }
    Ok(())
}

/// The first event, in the order of `one`, that is another one in `other`.
fn first_difference(one: &Document, other: &Document) -> Result<Option<[Event; 2]>, Failure> {
    let there: HashMap<EventId, Event> = events::of(other)?
        .map(|event| (event.id.clone(), event))
        .collect();
    let differs = |event: Event| {
        let other = there.get(&event.id).filter(|other| **other != event)?;
        Some([event, other.clone()])
    };
    Ok(events::of(one)?.find_map(differs))
}
