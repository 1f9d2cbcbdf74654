//! Operations as JSON, canonical: the bytes only depend on the events, not on their order of
//! arrival.
//!
//! ```json
//! {"v":1,"frontier":[["alice",11]],"txns":[
//!   {"agent":"alice","seq":0,"parents":[],"ops":[["i",0,"Hello"],["d",3,2],["b",5,2]]}]}
//! ```
//!
//! A txn is a maximal chain of consecutive events of one agent in which the only parent of each
//! event but the first is its predecessor. Txns are in an order that puts parents first; if several
//! may come next, the one with the smallest agent name (bytes) and sequence number does. Operations
//! join by the greedy rule of [`push_greedy`], from single events. Positions and lengths are in
//! Unicode scalars.
//!
//! If txns build on events that are not among them, `"builds_on":[["alice",11,3735928559]]` has the
//! last of these for each agent, and the upper half of its digest, a number: see `digests`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use super::json_fields::{array, ids, number, string, write_ids};
use super::json_value::{Value, write_string};
use crate::error::DecodeError;
use crate::hashing::Map;
use crate::history::History;
use crate::merge::{BaseEvent, Batch, Origin};
use crate::op_log::{Kind, Run, push_greedy};
use crate::sorting::{sort, sort_by};
use crate::version::Lv;

/// A chain of events of one agent, as one or more stretches of the history.
struct Chain {
    agent: u32,
    seq: u32,
    stretches: Vec<Range<Lv>>,
}

/// Writes the events `ranges` (ascending), which build on `base`.
pub(crate) fn encode(history: &History, ranges: &[Range<Lv>], base: &[BaseEvent]) -> String {
    let graph = &history.graph;
    let mut out = String::from("{\"v\":1,\"frontier\":");
    write_ids(&mut out, graph.public_frontier(graph.frontier()).ids());
    out.push_str(",\"txns\":[");
    let chains = chains(history, ranges);
    for (i, chain) in in_canonical_order(history, &chains).enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_txn(&mut out, history, chain);
    }
    out.push(']');
    write_base(&mut out, history, base);
    out.push('}');
    out
}

/// Writes the events that the others build on, or nothing if there are none.
fn write_base(out: &mut String, history: &History, base: &[BaseEvent]) {
    let agents = &history.graph.agents;
    let mut base: Vec<(&str, &BaseEvent)> = base
        .iter()
        .map(|base| (agents.name(base.agent), base))
        .collect();
    sort_by(&mut base, |a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    for (i, (name, base)) in base.iter().enumerate() {
        out.push_str(if i == 0 { ",\"builds_on\":[[" } else { ",[" });
        write_string(out, name);
        // Writing to a string does not fail.
        let _ = write!(out, ",{},{}]", base.seq, base.digest);
    }
    if !base.is_empty() {
        out.push(']');
    }
}

/// Cuts the events into chains, sorted by agent name and sequence number.
fn chains(history: &History, ranges: &[Range<Lv>]) -> Vec<Chain> {
    let graph = &history.graph;
    let agents = &graph.agents;
    let mut stretches: Vec<(u32, u32, Range<Lv>)> = Vec::new();
    for range in ranges {
        for (run, _) in graph.graph.runs_in(range.clone()) {
            stretches.extend(
                agents
                    .runs_in(run)
                    .map(|(lvs, agent, seq)| (agent, seq, lvs)),
            );
        }
    }
    sort_by(&mut stretches, |a, b| {
        let name = |s: &(u32, u32, Range<Lv>)| agents.name(s.0).as_bytes();
        name(a).cmp(name(b)).then(a.1.cmp(&b.1))
    });
    let mut chains: Vec<Chain> = Vec::new();
    for (agent, seq, lvs) in stretches {
        if let Some(chain) = chains.last_mut()
            && let Some(last) = chain.stretches.last_mut()
        {
            let len: u32 = last.end - last.start;
            let continues = chain.agent == agent
                && agents.id_of(last.start).1 + len == seq
                && graph
                    .graph
                    .with_parents(lvs.start, |parents| parents == [last.end - 1]);
            if continues {
                if last.end == lvs.start {
                    last.end = lvs.end;
                } else {
                    chain.stretches.push(lvs);
                }
                continue;
            }
        }
        chains.push(Chain {
            agent,
            seq,
            stretches: vec![lvs],
        });
    }
    chains
}

/// Chains come parents first; of those that may come next, the first in `chains`.
fn in_canonical_order<'a>(
    history: &History,
    chains: &'a [Chain],
) -> impl Iterator<Item = &'a Chain> {
    let mut by_lv: Vec<(Lv, Lv, usize)> = chains
        .iter()
        .enumerate()
        .flat_map(|(i, c)| c.stretches.iter().map(move |s| (s.start, s.end, i)))
        .collect();
    sort(&mut by_lv);
    let chain_of = |lv: Lv| {
        let at = by_lv
            .partition_point(|&(start, ..)| start <= lv)
            .checked_sub(1)?;
        let (_, end, chain) = by_lv[at];
        (lv < end).then_some(chain)
    };
    let mut waits_for = vec![0_usize; chains.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); chains.len()];
    for (i, chain) in chains.iter().enumerate() {
        let start = chain.stretches[0].start;
        history.graph.graph.with_parents(start, |parents| {
            for before in parents.iter().filter_map(|&p| chain_of(p)) {
                waits_for[i] += 1;
                followers[before].push(i);
            }
        });
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..chains.len())
        .filter(|&i| waits_for[i] == 0)
        .map(Reverse)
        .collect();
    std::iter::from_fn(move || {
        let Reverse(i) = ready.pop()?;
        for &follower in &followers[i] {
            waits_for[follower] -= 1;
            if waits_for[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
        Some(&chains[i])
    })
}

fn write_txn(out: &mut String, history: &History, chain: &Chain) {
    let graph = &history.graph;
    out.push_str("{\"agent\":");
    write_string(out, graph.agents.name(chain.agent));
    // Writing to a string does not fail.
    let _ = write!(out, ",\"seq\":{},\"parents\":", chain.seq);
    let start = chain.stretches[0].start;
    let parents = graph
        .graph
        .with_parents(start, |parents| graph.public_frontier(parents));
    write_ids(out, parents.ids());
    out.push_str(",\"ops\":[");
    let mut runs: Vec<Run> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    for part in chain
        .stretches
        .iter()
        .flat_map(|s| history.ops.parts_in(s.clone()))
    {
        push_greedy(&mut runs, part.run);
        texts.resize(runs.len(), String::new());
        if let Some(text) = texts.last_mut() {
            text.push_str(history.ops.text_of(&part));
        }
    }
    for (i, (run, text)) in runs.iter().zip(&texts).enumerate() {
        if i > 0 {
            out.push(',');
        }
        let _ = match run.kind {
            Kind::Insert => write!(out, "[\"i\",{},", run.pos),
            Kind::Delete => write!(out, "[\"d\",{},{}", run.pos, run.len),
            Kind::Backspace => write!(out, "[\"b\",{},{}", run.pos, run.len),
        };
        if run.is_insert() {
            write_string(out, text);
        }
        out.push(']');
    }
    out.push_str("]}");
}

/// Reads operations. Unknown fields are ignored, so that later versions may add some.
pub(crate) fn decode(text: &str) -> Result<Batch, DecodeError> {
    let value = Value::parse(text)?;
    let version = value.get("v").and_then(Value::as_whole);
    match version {
        Some(1) => {}
        Some(found) => return Err(DecodeError::Version { found, known: 1 }),
        None => return Err(DecodeError::shape("v", "expected the format version, 1")),
    }
    let txns = array(value.get("txns"), || "txns".to_owned())?;
    let mut batch = Batch::default();
    let mut names = Map::default();
    for (i, txn) in txns.iter().enumerate() {
        decode_txn(txn, i, &mut batch, &mut names)?;
    }
    for (i, base) in base_of(&value)?.iter().enumerate() {
        decode_base(base, i, &mut batch, &mut names)?;
    }
    Ok(batch)
}

/// The events that the operations build on, if given.
fn base_of<'v, 't>(value: &'v Value<'t>) -> Result<&'v [Value<'t>], DecodeError> {
    let base = value.get("builds_on");
    base.map_or(Ok(&[]), |base| array(Some(base), || "builds_on".to_owned()))
}

fn decode_base(
    base: &Value<'_>,
    i: usize,
    batch: &mut Batch,
    names: &mut Map<String, u32>,
) -> Result<(), DecodeError> {
    let at = || format!("builds_on[{i}]");
    let base = array(Some(base), at)?;
    let digest = base.get(2).and_then(Value::as_whole);
    let digest = digest.and_then(|digest| u32::try_from(digest).ok());
    let (3, Some(digest)) = (base.len(), digest) else {
        return Err(DecodeError::shape(at(), "expected [agent, seq, digest]"));
    };
    let agent = place(batch, names, string(base.first(), at)?);
    let seq = number(base.get(1), at)?;
    batch.base.push(BaseEvent { agent, seq, digest });
    Ok(())
}

/// The index of a name in the batch's list.
fn place(batch: &mut Batch, names: &mut Map<String, u32>, name: &str) -> u32 {
    if let Some(&place) = names.get(name) {
        return place;
    }
    let place = batch.names.len() as u32;
    batch.names.push(Arc::from(name));
    names.insert(name.to_owned(), place);
    place
}

fn decode_txn(
    txn: &Value<'_>,
    i: usize,
    batch: &mut Batch,
    names: &mut Map<String, u32>,
) -> Result<(), DecodeError> {
    let at = |what: &str| format!("txns[{i}].{what}");
    let mark = batch.mark();
    let agent = place(batch, names, string(txn.get("agent"), || at("agent"))?);
    let seq = number(txn.get("seq"), || at("seq"))?;
    for (name, seq) in ids(txn.get("parents"), || at("parents"))? {
        let name = place(batch, names, name);
        batch.parents.push((name, seq));
    }
    let mut len = 0_u64;
    for (k, op) in array(txn.get("ops"), || at("ops"))?.iter().enumerate() {
        let place = || format!("txns[{i}].ops[{k}]");
        let op = array(Some(op), place)?;
        if op.len() != 3 {
            return Err(DecodeError::shape(
                place(),
                "expected [kind, position, text or length]",
            ));
        }
        let pos = number(op.get(1), place)?;
        let run = match string(op.first(), place)? {
            "i" => {
                let text = string(op.get(2), place)?;
                batch.text.push_str(text);
                let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                Run::new(Kind::Insert, pos, chars)
            }
            "d" => Run::new(Kind::Delete, pos, number(op.get(2), place)?),
            "b" => Run::new(Kind::Backspace, pos, number(op.get(2), place)?),
            _ => {
                return Err(DecodeError::shape(
                    place(),
                    "expected the kind \"i\", \"d\" or \"b\"",
                ));
            }
        };
        run.check()
            .map_err(|reason| DecodeError::shape(place(), reason))?;
        len += u64::from(run.len);
        batch.runs.push(run);
    }
    if len == 0 {
        return Err(DecodeError::shape(
            at("ops"),
            "expected at least one operation",
        ));
    }
    let len = u32::try_from(len)
        .ok()
        .filter(|len| u64::from(seq) + u64::from(*len) < 1 << 31)
        .ok_or_else(|| DecodeError::shape(at("ops"), "more events than sequence numbers"))?;
    batch.push(mark, (agent, seq, len), Origin::Start);
    Ok(())
}
