//! The event graph, drawn: a box for each chain of events, and a line to each that it builds on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

use crdt_core::{Document, EventId};

use crate::Failure;
use crate::events::{self, Event, Parents};

/// Sizes of the picture, in pixels.
const COLUMN: usize = 190;
const ROW: usize = 46;
const BOX_WIDTH: usize = 170;
const BOX_HEIGHT: usize = 26;
const MARGIN: usize = 20;

/// Chains of events, parents first.
pub(crate) struct Graph {
    chains: Vec<Chain>,
    /// Of each agent, its column.
    columns: BTreeMap<String, usize>,
}

/// Events of one agent of which each but the first builds on the one before alone, and none but the last has
/// another child.
struct Chain {
    agent: String,
    first: u32,
    last: u32,
    inserted: u32,
    deleted: u32,
    parents: Vec<usize>,
}

impl Graph {
    pub(crate) fn of(document: &Document) -> Result<Graph, Failure> {
        let mut forks: HashSet<EventId> = HashSet::new();
        for event in events::of(document)? {
            if let Parents::These(ids) = event.parents {
                forks.extend(ids);
            }
        }
        let mut graph = Graph {
            chains: Vec::new(),
            columns: BTreeMap::new(),
        };
        // The chain that ends in an event, as far as it is known yet.
        let mut ends: HashMap<EventId, usize> = HashMap::new();
        for event in events::of(document)? {
            graph.add(event, &forks, &mut ends);
        }
        for (column, place) in graph.columns.values_mut().enumerate() {
            *place = column;
        }
        Ok(graph)
    }

    fn add(&mut self, event: Event, forks: &HashSet<EventId>, ends: &mut HashMap<EventId, usize>) {
        let previous = event.id.seq.checked_sub(1);
        let previous = previous.map(|seq| EventId::new(event.id.agent.clone(), seq));
        let ids = match event.parents {
            Parents::Previous => previous.into_iter().collect(),
            Parents::These(ids) => ids,
        };
        let parents: Vec<usize> = ids.iter().filter_map(|id| ends.get(id).copied()).collect();
        let goes_on = match (&ids[..], &parents[..]) {
            ([id], &[chain])
                if id.agent == event.id.agent && id.seq.checked_add(1) == Some(event.id.seq) =>
            {
                (!forks.contains(id)).then_some(chain)
            }
            _ => None,
        };
        let chain = goes_on.unwrap_or_else(|| {
            self.columns.entry(event.id.agent.clone()).or_default();
            self.chains.push(Chain {
                agent: event.id.agent.clone(),
                first: event.id.seq,
                last: event.id.seq,
                inserted: 0,
                deleted: 0,
                parents,
            });
            self.chains.len() - 1
        });
        if goes_on.is_some() {
            ends.remove(&ids[0]);
        }
        let of_event = &mut self.chains[chain];
        of_event.last = event.id.seq;
        match event.inserted {
            Some(_) => of_event.inserted += 1,
            None => of_event.deleted += 1,
        }
        ends.insert(event.id, chain);
    }

    /// In the language of Graphviz.
    pub(crate) fn dot(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "digraph events {{\n  rankdir=BT;\n  node [shape=box];")?;
        for (number, chain) in self.chains.iter().enumerate() {
            let label = chain.label().replace('\\', "\\\\").replace('"', "\\\"");
            writeln!(out, "  n{number} [label=\"{label}\"];")?;
            for parent in &chain.parents {
                writeln!(out, "  n{number} -> n{parent};")?;
            }
        }
        writeln!(out, "}}")
    }

    /// As a picture: a column for each agent, time goes down.
    pub(crate) fn svg(&self, out: &mut impl Write) -> io::Result<()> {
        let width = 2 * MARGIN + COLUMN * self.columns.len().max(1);
        let height = 2 * MARGIN + ROW * self.chains.len().max(1);
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")?;
        let place = |number: usize| {
            let column = self.columns[&self.chains[number].agent];
            (MARGIN + column * COLUMN, MARGIN + number * ROW)
        };
        for (number, chain) in self.chains.iter().enumerate() {
            let (x, y) = place(number);
            for (px, py) in chain.parents.iter().map(|parent| place(*parent)) {
                writeln!(
                    out,
                    "<line x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{}\" stroke=\"gray\"/>",
                    x + BOX_WIDTH / 2,
                    px + BOX_WIDTH / 2,
                    py + BOX_HEIGHT
                )?;
            }
        }
        for (number, chain) in self.chains.iter().enumerate() {
            let (x, y) = place(number);
            let label = chain.label().replace('&', "&amp;").replace('<', "&lt;");
            writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"5\" fill=\"#eef\" \
                 stroke=\"#447\"/><text x=\"{}\" y=\"{}\">{label}</text>",
                x + 8,
                y + 17
            )?;
        }
        writeln!(out, "</svg>")
    }
}

impl Chain {
    fn label(&self) -> String {
        let ids = match (self.first, self.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}..={last}"),
        };
        format!("{}:{ids} +{} -{}", self.agent, self.inserted, self.deleted)
    }
}
