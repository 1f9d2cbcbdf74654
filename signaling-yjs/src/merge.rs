//! Several updates in one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::UpdateError;
use crate::id_set::IdSet;
use crate::reader::{Reader, put_number};
use crate::state_vector::StateVector;
use crate::structs::{Body, Id, Item, Struct, put_gap, put_text};
use crate::update::{MAX_CLIENTS, Section, clients, put_deleted, read_deleted};

/// One update that has what all `updates` have, but for the structs that `known` covers. Deletions are
/// never left out, for a state vector says nothing of them. Texts that were typed one after the other
/// become one struct.
///
/// Takes the time of reading the updates, and memory for the result.
///
/// # Errors
/// An [`UpdateError`] for bytes that a Yjs client could not read.
pub fn merge<'a>(
    updates: impl IntoIterator<Item = &'a [u8]>,
    known: &StateVector,
) -> Result<Vec<u8>, UpdateError> {
    // What a merge needs beside its result grows with the number of clients in all updates, so there is
    // one whenever there are many.
    let mut merged = None;
    let (mut batch, mut sections) = (Vec::new(), 0);
    for update in updates {
        let count = clients(&mut Reader(update))?;
        if sections + count > MAX_CLIENTS && !batch.is_empty() {
            merged = Some(merge_batch(merged.as_deref(), &batch, known)?);
            batch.clear();
            sections = 0;
        }
        batch.push(update);
        sections += count;
    }
    merge_batch(merged.as_deref(), &batch, known)
}

fn merge_batch(
    first: Option<&[u8]>,
    batch: &[&[u8]],
    known: &StateVector,
) -> Result<Vec<u8>, UpdateError> {
    let mut by_client: BTreeMap<u64, Vec<Section<'_>>> = BTreeMap::new();
    let mut deleted = Vec::new();
    for update in first.into_iter().chain(batch.iter().copied()) {
        let mut reader = Reader(update);
        for _ in 0..clients(&mut reader)? {
            let section = Section::read(&mut reader)?;
            let mut rest = section.clone();
            while rest.next()?.is_some() {}
            reader = rest.reader;
            by_client.entry(section.client).or_default().push(section);
        }
        read_deleted(reader, &mut deleted)?;
    }
    let (mut count, mut body) = (0, Vec::new());
    for (client, sections) in by_client.into_iter().rev() {
        let mut writer = Writer::new(client, known.get(client));
        merge_client(sections, &mut writer)?;
        count += u64::from(writer.finish(&mut body));
    }
    let mut out = Vec::with_capacity(body.len() + 8);
    put_number(&mut out, count);
    out.append(&mut body);
    put_deleted(&mut out, &IdSet::new(deleted));
    Ok(out)
}

/// Writes the structs of one client in the order of their clocks, each clock once.
fn merge_client<'a>(
    mut sections: Vec<Section<'a>>,
    writer: &mut Writer<'a>,
) -> Result<(), UpdateError> {
    let mut waiting: Vec<Option<Struct<'a>>> = vec![None; sections.len()];
    let mut order = BinaryHeap::with_capacity(sections.len());
    let mut advance = |index: usize, order: &mut BinaryHeap<_>, waiting: &mut Vec<_>| {
        let (Some(section), Some(place)) = (sections.get_mut(index), waiting.get_mut(index)) else {
            return Ok(());
        };
        loop {
            *place = section.next()?;
            match place {
                Some(next) if matches!(next.body, Body::Gap) => {}
                Some(next) => break order.push(Reverse((next.clock, index))),
                None => break,
            }
        }
        Ok(())
    };
    for index in 0..waiting.len() {
        advance(index, &mut order, &mut waiting)?;
    }
    while let Some(Reverse((_, index))) = order.pop() {
        if let Some(next) = waiting.get_mut(index).and_then(Option::take) {
            writer.add(&next);
        }
        advance(index, &mut order, &mut waiting)?;
    }
    Ok(())
}

/// The structs of one client on their way out.
struct Writer<'a> {
    client: u64,
    /// The first clock that is written.
    start: Option<u64>,
    /// Everything before this clock is written, or known to the reader.
    clock: u64,
    count: u64,
    structs: Vec<u8>,
    /// The struct that was added last, which the next one may still join.
    open: Option<Open<'a>>,
}

/// A struct that may become longer.
enum Open<'a> {
    Garbage {
        len: u64,
    },
    Text {
        right_origin: Option<Id>,
        /// Where its part before the text ends is where `structs` end.
        half: bool,
        parts: Vec<&'a str>,
    },
}

impl<'a> Writer<'a> {
    /// Everything before `clock` is left out.
    fn new(client: u64, clock: u64) -> Self {
        Self {
            client,
            start: None,
            clock,
            count: 0,
            structs: Vec::new(),
            open: None,
        }
    }

    /// Adds what is new in a struct that begins no earlier than those before it.
    fn add(&mut self, next: &Struct<'a>) {
        if next.end() <= self.clock {
            return;
        }
        let skip = self.clock.saturating_sub(next.clock);
        let begin = next.clock + skip;
        if self.start.is_none() {
            self.start = Some(begin);
        } else if begin > self.clock {
            self.close();
            put_gap(&mut self.structs, begin - self.clock);
            self.count += 1;
        }
        if !self.join(next, skip) {
            self.close();
            self.open(next, skip);
        }
        self.clock = next.end();
    }

    /// Makes the struct before longer by this one, if they are one.
    fn join(&mut self, next: &Struct<'a>, skip: u64) -> bool {
        match (&mut self.open, &next.body) {
            (Some(Open::Garbage { len }), Body::Garbage) => {
                *len += next.len - skip;
                true
            }
            (
                Some(Open::Text {
                    right_origin,
                    parts,
                    ..
                }),
                Body::Item(Item {
                    origin: Some(origin),
                    right_origin: next_right,
                    text: Some(text),
                    ..
                }),
            ) => {
                let before = Id {
                    client: self.client,
                    clock: next.clock.wrapping_sub(1),
                };
                let one = skip == 0 && *origin == before && next_right == right_origin;
                if one {
                    parts.push(text);
                }
                one
            }
            _ => false,
        }
    }

    fn open(&mut self, next: &Struct<'a>, skip: u64) {
        self.count += 1;
        match &next.body {
            Body::Garbage => {
                let len = next.len - skip;
                self.open = Some(Open::Garbage { len });
            }
            Body::Item(
                item @ Item {
                    text: Some(text), ..
                },
            ) => {
                let (half, text) = crate::reader::utf16_after(text, skip);
                if skip == 0 {
                    self.structs.extend_from_slice(item.head);
                } else {
                    item.write_head_after(self.client, next.clock + skip, &mut self.structs);
                }
                self.open = Some(Open::Text {
                    right_origin: item.right_origin,
                    half,
                    parts: vec![text],
                });
            }
            _ => next.write(self.client, skip, &mut self.structs),
        }
    }

    /// Writes the struct that was added last to its end.
    fn close(&mut self) {
        match self.open.take() {
            Some(Open::Garbage { len }) => {
                let garbage = Struct {
                    clock: 0,
                    len,
                    body: Body::Garbage,
                };
                garbage.write(self.client, 0, &mut self.structs);
            }
            Some(Open::Text { half, parts, .. }) => put_text(&mut self.structs, half, &parts),
            None => {}
        }
    }

    /// Writes the section of the client, if it has anything; whether it has.
    fn finish(mut self, out: &mut Vec<u8>) -> bool {
        self.close();
        let Some(start) = self.start else {
            return false;
        };
        put_number(out, self.count);
        put_number(out, self.client);
        put_number(out, start);
        out.append(&mut self.structs);
        true
    }
}
