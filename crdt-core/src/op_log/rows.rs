//! Runs of operations as rows of 16 bytes, and the text of all inserts.

use std::ops::Range;

use super::run::{Kind, MAX_RUN, Run};
use crate::causal_graph::last_until;
use crate::version::Lv;

/// A run and its start. It ends at the start of the next row.
#[derive(Debug, Clone, Copy)]
struct Row {
    lv: Lv,
    pos: u32,
    /// Length in events, shifted left by two, and the kind.
    len_kind: u32,
    /// The start of its text in `OpLog::text`, in bytes; it ends at the start of the next row's.
    text: u32,
}

/// All operations of a document. 16 bytes a run, plus the inserted text.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpLog {
    rows: Vec<Row>,
    text: String,
    len: u32,
}

impl Row {
    fn new(lv: Lv, run: Run, text: u32) -> Row {
        let kind = match run.kind {
            Kind::Insert => 0,
            Kind::Delete => 1,
            Kind::Backspace => 2,
        };
        Row {
            lv,
            pos: run.pos,
            len_kind: run.len << 2 | kind,
            text,
        }
    }

    /// Joins `next` if it continues this row: continued typing, deleting or backspacing, the most
    /// frequent case. [`Run::join`] covers the other cases.
    #[inline(always)]
    fn continue_with(&mut self, next: &Run) -> bool {
        let len = self.len_kind >> 2;
        if next.len > MAX_RUN - len {
            return false;
        }
        match (self.len_kind & 3, next.kind) {
            (0, Kind::Insert) if next.pos == self.pos + len => {}
            (1, Kind::Delete) if next.pos == self.pos => {}
            (2, Kind::Delete) if next.len == 1 && next.pos + 1 == self.pos => self.pos = next.pos,
            _ => return false,
        }
        self.len_kind += next.len << 2;
        true
    }

    fn run(&self) -> Run {
        let kind = match self.len_kind & 3 {
            0 => Kind::Insert,
            1 => Kind::Delete,
            _ => Kind::Backspace,
        };
        Run {
            kind,
            pos: self.pos,
            len: self.len_kind >> 2,
        }
    }
}

impl OpLog {
    /// The number of events.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The length of all inserted text, in bytes.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The text of all inserts, in their order.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Appends a run. `text` holds exactly the inserted chars. `linear` is whether the first
    /// event's only parent is the event before it: only then may the run join the last row.
    pub(crate) fn push(&mut self, run: Run, text: &str, linear: bool) {
        debug_assert_eq!(
            text.chars().count(),
            if run.is_insert() { run.len as usize } else { 0 }
        );
        self.push_runs(run, linear);
        self.text.push_str(text);
    }

    /// The same for a single event whose only parent is the event before it.
    #[inline(always)]
    pub(crate) fn push_next(&mut self, run: Run, text: &str) {
        if let Some(row) = self.rows.last_mut()
            && row.continue_with(&run)
        {
            self.len += run.len;
        } else {
            self.push_runs(run, true);
        }
        // Fast path for one byte.
        if text.len() == 1 {
            self.text.push_str(text.get(..1).unwrap_or_default());
        } else {
            self.text.push_str(text);
        }
    }

    #[inline(never)]
    fn push_runs(&mut self, run: Run, linear: bool) {
        let mut rest = Some(run);
        if linear && let Some(row) = self.rows.last_mut() {
            let mut last = row.run();
            while let Some(next) = rest {
                let (left, taken) = last.join(next);
                rest = left;
                if taken == 0 {
                    break;
                }
                self.len += taken;
                *row = Row::new(row.lv, last, row.text);
            }
        }
        if let Some(run) = rest {
            self.rows
                .push(Row::new(self.len, run, self.text.len() as u32));
            self.len += run.len;
        }
    }

    /// Makes room for `rows` more rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.rows.reserve_exact(rows);
    }

    /// Appends a row unchanged. [`OpLog::set_text`] sets the text of all inserts later.
    #[inline]
    pub(crate) fn push_row(&mut self, run: Run) {
        self.rows.push(Row::new(self.len, run, 0));
        self.len += run.len;
    }

    /// Sets the text of all inserts, in their order. Returns whether it has their length.
    #[must_use]
    pub(crate) fn set_text(&mut self, text: String) -> bool {
        let is_ascii = text.is_ascii();
        let mut at = 0;
        for row in &mut self.rows {
            row.text = at as u32;
            let run = row.run();
            if !run.is_insert() {
                continue;
            }
            let len = if is_ascii {
                Some(run.len as usize)
            } else {
                text.get(at..).and_then(|rest| prefix_len(rest, run.len))
            };
            match len {
                Some(len) if len <= text.len() - at => at += len,
                _ => return false,
            }
        }
        let is_all = at == text.len();
        self.text = text;
        is_all
    }

    /// Forgets all events from `lv` on; `text_len` is the length of the text before them, in bytes.
    pub(crate) fn truncate(&mut self, lv: Lv, text_len: usize) {
        while let Some(row) = self.rows.last_mut() {
            if row.lv < lv {
                let run = row.run();
                let keep = run.part(0, run.len.min(lv - row.lv));
                *row = Row::new(row.lv, keep, row.text);
                break;
            }
            self.rows.pop();
        }
        self.text.truncate(text_len);
        self.len = lv;
    }

    /// The number of events that row `i` has.
    pub(super) fn row_len(&self, i: usize) -> u32 {
        self.rows[i].run().len
    }

    pub(super) fn row_text(&self, i: usize) -> &str {
        let from = self.rows[i].text as usize;
        let to = self
            .rows
            .get(i + 1)
            .map_or(self.text.len(), |r| r.text as usize);
        self.text.get(from..to).unwrap_or_default()
    }

    /// The length of the text of the events before `lv`, in bytes.
    pub(crate) fn text_before(&self, lv: Lv) -> usize {
        let Some(part) = self.parts_in(lv..self.len).next() else {
            return self.text.len();
        };
        let row = self.rows[part.row as usize];
        let run = row.run();
        let before = if run.is_insert() { part.from } else { 0 };
        let text = chars_of(self.row_text(part.row as usize), run.len, 0, before);
        row.text as usize + text.len()
    }

    /// Whether the event `lv` inserts a char.
    pub(crate) fn is_insert(&self, lv: Lv) -> bool {
        let mut parts = self.parts_in(lv..self.len);
        parts.next().is_some_and(|part| part.run.is_insert())
    }

    /// The event `lv` alone. Mostly it is one of the last row.
    pub(crate) fn event(&self, lv: Lv) -> Option<Run> {
        match self.rows.last() {
            Some(row) if row.lv <= lv && lv < self.len => Some(row.run().part(lv - row.lv, 1)),
            _ => self.parts_in(lv..lv + 1).next().map(|part| part.run),
        }
    }

    /// The char that the event `lv` inserts, if any. O(chars to the nearer end of the row) if the
    /// row has non-ASCII text.
    pub(crate) fn char_of(&self, lv: Lv) -> Option<char> {
        let i = last_until(&self.rows, lv, self.rows.len(), |row| row.lv);
        let run = self.rows[i].run();
        if !run.is_insert() {
            return None;
        }
        let (text, at) = (self.row_text(i), (lv - self.rows[i].lv) as usize);
        let behind = run.len as usize - 1 - at;
        if text.len() == run.len as usize {
            text.as_bytes().get(at).map(|&byte| char::from(byte))
        } else if behind < at {
            text.chars().nth_back(behind)
        } else {
            text.chars().nth(at)
        }
    }

    /// The position of the author's cursor after the event `lv`, in chars.
    pub(crate) fn cursor_after(&self, lv: Lv) -> u32 {
        self.event(lv).map_or(0, |run| run.ends().1)
    }

    /// The number of rows that lie in `range`, whole or in part.
    pub(crate) fn row_count(&self, range: Range<Lv>) -> usize {
        let row_of = |lv| last_until(&self.rows, lv, self.rows.len(), |row| row.lv);
        if range.is_empty() {
            0
        } else {
            row_of(range.end - 1) + 1 - row_of(range.start)
        }
    }

    /// The parts of rows that lie in `range`, ascending.
    pub(crate) fn parts_in(&self, range: Range<Lv>) -> impl Iterator<Item = Part> + use<'_> {
        self.parts_near(range, self.rows.len())
    }

    /// The same, for a range that is probably near the row `hint`: [`Part::row`] of another part.
    pub(crate) fn parts_near(
        &self,
        range: Range<Lv>,
        hint: usize,
    ) -> impl Iterator<Item = Part> + use<'_> {
        let mut i = if range.is_empty() {
            0
        } else {
            last_until(&self.rows, range.start, hint, |row| row.lv)
        };
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let row = self.rows[i];
            let whole = row.run();
            let from = at - row.lv;
            let len = (whole.len - from).min(range.end - at);
            let run = if len == whole.len {
                whole
            } else {
                whole.part(from, len)
            };
            let part = Part {
                lv: at,
                run,
                row: i as u32,
                from,
            };
            at += len;
            i += 1;
            Some(part)
        })
    }

    /// The text that a part inserts. O(length of the row) if it has non-ASCII text.
    pub(crate) fn text_of(&self, part: &Part) -> &str {
        if !part.run.is_insert() {
            return "";
        }
        let i = part.row as usize;
        chars_of(
            self.row_text(i),
            self.rows[i].run().len,
            part.from,
            part.run.len,
        )
    }
}

/// A part of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// The local version of its first event.
    pub(crate) lv: Lv,
    pub(crate) run: Run,
    /// The place of its row among all rows.
    pub(crate) row: u32,
    pub(super) from: u32,
}

#[cfg(test)]
impl Part {
    /// An insertion without its text.
    pub(crate) fn of_insert(lv: Lv, len: u32) -> Part {
        Part {
            lv,
            run: Run::new(Kind::Insert, 0, len),
            row: 0,
            from: 0,
        }
    }
}

/// The number of bytes that the first `chars` chars of `text` take, if it has so many.
pub(crate) fn prefix_len(text: &str, chars: u32) -> Option<usize> {
    let n = chars as usize;
    if text.as_bytes().get(..n).is_some_and(<[u8]>::is_ascii) {
        return Some(n);
    }
    let mut starts = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    starts.nth(n)
}

/// The chars `from..from + len` of `text`, which has `total` chars.
fn chars_of(text: &str, total: u32, from: u32, len: u32) -> &str {
    if len == total {
        return text;
    }
    if text.len() == total as usize {
        let range = from as usize..(from + len) as usize;
        return text.get(range).unwrap_or_default();
    }
    let mut at = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    let start = at.nth(from as usize).unwrap_or(text.len());
    let end = if len == 0 {
        start
    } else {
        at.nth(len as usize - 1).unwrap_or(text.len())
    };
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_join_and_are_cut_at_any_event() {
        let mut log = OpLog::default();
        log.push(Run::new(Kind::Insert, 0, 3), "aé🦀", false);
        log.push(Run::new(Kind::Insert, 3, 1), "b", true);
        log.push(Run::new(Kind::Delete, 2, 1), "", true);
        log.push(Run::new(Kind::Delete, 1, 1), "", true);
        log.push(Run::new(Kind::Insert, 0, 1), "x", true);
        assert_eq!(log.rows.len(), 3);
        let all = |range| -> Vec<(Lv, Run, &str)> {
            log.parts_in(range)
                .map(|p| (p.lv, p.run, log.text_of(&p)))
                .collect()
        };
        assert_eq!(
            all(1..6),
            [
                (1, Run::new(Kind::Insert, 1, 3), "é🦀b"),
                (4, Run::new(Kind::Backspace, 1, 2), ""),
            ]
        );
        assert_eq!(all(2..3), [(2, Run::new(Kind::Insert, 2, 1), "🦀")]);
        assert_eq!(all(5..6), [(5, Run::new(Kind::Delete, 1, 1), "")]);

        let mut log = log.clone();
        let text = "aé🦀b".len();
        log.truncate(5, text);
        assert_eq!(
            log.parts_in(4..5).next().unwrap().run,
            Run::new(Kind::Delete, 2, 1)
        );
        assert_eq!(log.text_len(), text);
        log.truncate(2, "aé".len());
        let rest = log.parts_in(0..2).next().unwrap();
        assert_eq!(
            (rest.run, log.text_of(&rest)),
            (Run::new(Kind::Insert, 0, 2), "aé")
        );
    }
}
