//! Editing histories: read from trace files, repeated to make longer ones, or made up from a seed.

use std::error::Error;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

/// The error of any step; it ends the cell, and the table's notes show its text.
pub(crate) type Res<T> = Result<T, Box<dyn Error>>;

/// One edit: replaces `deleted` chars at `pos`, in chars, with `inserted`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Patch {
    pub(crate) pos: usize,
    pub(crate) deleted: usize,
    pub(crate) inserted: String,
}

impl Patch {
    pub(crate) fn insert(pos: usize, inserted: impl Into<String>) -> Patch {
        Patch {
            pos,
            deleted: 0,
            inserted: inserted.into(),
        }
    }

    pub(crate) fn delete(pos: usize, deleted: usize) -> Patch {
        Patch {
            pos,
            deleted,
            inserted: String::new(),
        }
    }

    pub(crate) fn event_count(&self) -> usize {
        self.deleted + self.inserted.len()
    }
}

/// Consecutive edits of one agent, based on the transactions `parents`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Txn {
    #[serde(default)]
    pub(crate) parents: Vec<usize>,
    #[serde(default)]
    pub(crate) agent: usize,
    pub(crate) patches: Vec<Patch>,
}

impl Txn {
    pub(crate) fn event_count(&self) -> usize {
        self.patches.iter().map(Patch::event_count).sum()
    }
}

/// An editing history. Its text is ASCII, so that bytes, chars and UTF-16 units are all one, and
/// each subject may count in the unit it is fastest with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trace {
    pub(crate) txns: Vec<Txn>,
    /// The text at its end; `None` where that depends on names that the trace does not hold.
    #[serde(rename = "endContent")]
    pub(crate) text: Option<String>,
    /// Concurrent traces have parents and agents, the others are one agent's.
    #[serde(default, rename = "numAgents")]
    agents: usize,
}

/// The traces whose text depends on the agents' names, which are lost: concurrent inserts at one
/// place are ordered by them.
const NAMELESS: [&str; 2] = ["git-makefile", "A2"];

/// The traces that have chars other than ASCII: each is replaced by one that is.
const REPLACED: [&str; 2] = ["rustcode", "egwalker"];

fn to_ascii(text: &mut String) {
    if !text.is_ascii() {
        *text = text.replace(|c: char| !c.is_ascii(), "?");
    }
}

impl Trace {
    /// The trace that `spec` names: `NAME`, a trace file in `folder`; `NAME*K`, the same K times in
    /// a row; `agents:N`, N simultaneous agents.
    pub(crate) fn find(folder: &Path, spec: &str) -> Res<Trace> {
        if let Some(agents) = spec.strip_prefix("agents:") {
            return Ok(many_agents(agents.parse()?));
        }
        let (name, times) = spec.split_once('*').unwrap_or((spec, "1"));
        let path = folder.join(format!("{name}.json.gz"));
        let file = std::fs::File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut json = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut json)?;
        let mut trace: Trace = serde_json::from_str(&json)?;
        if NAMELESS.contains(&name) {
            trace.text = None;
        }
        if REPLACED.contains(&name) {
            let patches = trace.txns.iter_mut().flat_map(|txn| &mut txn.patches);
            patches.for_each(|patch| to_ascii(&mut patch.inserted));
            trace.text.iter_mut().for_each(to_ascii);
        }
        if trace.patches().any(|p| !p.inserted.is_ascii()) {
            return Err(format!("{name} has other than ASCII text").into());
        }
        Ok(trace.repeated(times.parse()?))
    }

    /// A history of several who write at once.
    pub(crate) fn of_several(txns: Vec<Txn>) -> Trace {
        Trace {
            agents: txns.iter().map(|txn| txn.agent + 1).max().unwrap_or(0),
            txns,
            text: None,
        }
    }

    pub(crate) fn is_concurrent(&self) -> bool {
        self.agents > 0
    }

    pub(crate) fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.txns.iter().flat_map(|txn| &txn.patches)
    }

    pub(crate) fn event_count(&self) -> usize {
        self.txns.iter().map(Txn::event_count).sum()
    }

    /// The trace `times` times in a row: every repetition is written after the text of the last.
    fn repeated(self, times: usize) -> Trace {
        let Some(text) = self.text.clone().filter(|_| times > 1) else {
            return self;
        };
        let mut is_parent = vec![false; self.txns.len()];
        for &parent in self.txns.iter().flat_map(|txn| &txn.parents) {
            is_parent[parent] = true;
        }
        let last: Vec<usize> = (0..self.txns.len()).filter(|&i| !is_parent[i]).collect();
        let mut txns = Vec::with_capacity(self.txns.len() * times);
        for time in 0..times {
            let (shift, first) = (text.len() * time, self.txns.len() * time);
            txns.extend(self.txns.iter().map(|txn| {
                let mut txn = txn.clone();
                txn.parents.iter_mut().for_each(|parent| *parent += first);
                if self.is_concurrent() && txn.parents.is_empty() && time > 0 {
                    txn.parents = last.iter().map(|i| i + first - self.txns.len()).collect();
                }
                txn.patches.iter_mut().for_each(|patch| patch.pos += shift);
                txn
            }));
        }
        Trace {
            txns,
            text: Some(text.repeat(times)),
            agents: self.agents,
        }
    }
}

/// `count` agents who all type at once, for some 32,000 events in all. In each round every agent
/// types a few words at a place of its own and takes back some letters, on top of everything from
/// the round before.
fn many_agents(count: usize) -> Trace {
    const EVENTS: usize = 32_000;
    let mut rng = fastrand::Rng::with_seed(count as u64);
    let mut txns: Vec<Txn> = Vec::new();
    let (mut events, mut len) = (0, 0);
    while events < EVENTS {
        let parents: Vec<usize> = (txns.len().saturating_sub(count)..txns.len()).collect();
        let before = len;
        for agent in 0..count {
            let start = rng.usize(..=before);
            let (typed, gone) = (rng.usize(4..24), rng.usize(..3));
            let mut patches: Vec<Patch> = (0..typed)
                .map(|i| Patch::insert(start + i, rng.lowercase().to_string()))
                .collect();
            patches.extend((1..=gone).map(|i| Patch::delete(start + typed - i, 1)));
            len += typed - gone;
            events += typed + gone;
            txns.push(Txn {
                parents: parents.clone(),
                agent,
                patches,
            });
        }
    }
    Trace {
        txns,
        text: None,
        agents: count,
    }
}

/// The edits of two people who edit the same text offline.
pub(crate) struct Offline {
    pub(crate) base: String,
    pub(crate) edits: [Vec<Patch>; 2],
}

impl Offline {
    /// `bursts`: 50,000 events each, typed and taken back in bursts. `random`: 10,000 events each,
    /// every one at a place of its own.
    pub(crate) fn find(spec: &str) -> Res<Offline> {
        let mut rng = fastrand::Rng::with_seed(1);
        let base: String = (0..1000).map(|_| rng.lowercase()).collect();
        let one = |rng: &mut fastrand::Rng| match spec {
            "bursts" => Ok(bursts(rng, base.len(), 50_000)),
            "random" => Ok(random_places(rng, base.len(), 10_000)),
            _ => Err(format!("no offline edits of the name {spec}")),
        };
        let edits = [one(&mut rng)?, one(&mut rng)?];
        Ok(Offline { base, edits })
    }
}

fn bursts(rng: &mut fastrand::Rng, mut len: usize, events: usize) -> Vec<Patch> {
    let mut patches = Vec::with_capacity(events);
    while patches.len() < events {
        let pos = rng.usize(..=len);
        if pos > 10 && rng.usize(..5) == 0 {
            let gone = rng.usize(1..10);
            patches.extend((1..=gone).map(|i| Patch::delete(pos - i, 1)));
            len -= gone;
        } else {
            let typed = rng.usize(5..40);
            patches.extend((0..typed).map(|i| Patch::insert(pos + i, rng.lowercase().to_string())));
            len += typed;
        }
    }
    patches
}

fn random_places(rng: &mut fastrand::Rng, mut len: usize, events: usize) -> Vec<Patch> {
    let one = |_| {
        if rng.usize(..7) == 0 {
            len -= 1;
            Patch::delete(rng.usize(..=len), 1)
        } else {
            len += 1;
            Patch::insert(rng.usize(..len), rng.lowercase().to_string())
        }
    };
    (0..events).map(one).collect()
}
