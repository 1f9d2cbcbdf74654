//! The fast path of a remote keystroke that follows all events of the document. Nothing is
//! concurrent to it, so it is applied like a local edit, without a batch or a transformation.

use crate::history::History;
use crate::op_log::{Kind, Run};
use crate::version::MAX_CHARS;

/// A patch of one event whose only parent is the one before it: most patches while somebody types.
pub(crate) struct Keystroke<'a> {
    /// The index of its agent in the list of names.
    pub(crate) agent: usize,
    pub(crate) seq: u32,
    pub(crate) kind: Kind,
    /// The distance from the cursor after the previous event, in chars.
    pub(crate) distance: i64,
    /// The inserted text.
    pub(crate) text: &'a str,
}

impl Keystroke<'_> {
    /// Its operation, with the cursor after the previous event at `cursor`.
    fn run(&self, cursor: u32) -> Option<Run> {
        let start = i64::from(cursor).checked_add(self.distance)?;
        let pos = match self.kind {
            Kind::Backspace => start.checked_sub(1)?,
            Kind::Insert | Kind::Delete => start,
        };
        Some(Run::new(self.kind, u32::try_from(pos).ok()?, 1))
    }
}

/// Appends the next event of the agent `name` to a history with a text of `chars` chars, if it
/// follows all events, and returns its operation on that text. Otherwise, or if the event is
/// invalid, does nothing.
pub(crate) fn append_keystroke(
    history: &mut History,
    chars: u32,
    name: &str,
    keystroke: &Keystroke<'_>,
) -> Option<Run> {
    let graph = &history.graph;
    let agents = &graph.agents;
    let typist = graph.typist().filter(|&agent| agents.name(agent) == name);
    let agent = typist.or_else(|| agents.find_agent(name))?;
    if agents.next_seq(agent) != keystroke.seq {
        return None;
    }
    let before = match typist {
        Some(_) => graph.len() - 1,
        None => agents.lv_of(agent, keystroke.seq.checked_sub(1)?)?,
    };
    if graph.frontier() != [before] {
        return None;
    }
    let run = keystroke.run(history.ops.cursor_after(before))?;
    let fits = match run.kind {
        Kind::Insert => run.pos <= chars && chars < MAX_CHARS,
        Kind::Delete | Kind::Backspace => run.pos < chars,
    };
    if !fits || history.ops.text_len() + keystroke.text.len() > u32::MAX as usize {
        return None;
    }
    if typist.is_some() {
        history.grow(run, keystroke.text);
    } else {
        history.append_local(agent, run, keystroke.text).ok()?;
    }
    Some(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::patch;
    use crate::session::NamedPatches;
    use crate::{Document, VersionSummary};

    const NAMES: [&str; 2] = ["ann", "bob"];

    /// The operation of a keystroke on the text of `doc`, if the fast path applies.
    fn taken(doc: &Document, patch: &[u8]) -> Option<Run> {
        let chars = doc.len_chars() as u32;
        let keystroke = patch::decode_keystroke(patch)?;
        let mut history = doc.whole_history().expect("it is not packed").clone();
        append_keystroke(&mut history, chars, NAMES[keystroke.agent], &keystroke)
    }

    #[test]
    fn only_a_keystroke_that_follows_all_events_is_applied() {
        let mut ann = Document::new(NAMES[0]).expect("a valid name");
        ann.insert(0, "Hello").expect("position 0 exists");
        let mut bob = Document::new(NAMES[1]).expect("a valid name");
        let all = ann
            .encode_since(&VersionSummary::new())
            .expect("it is all here");
        bob.merge_patch(&all).expect("a whole history");
        let mut edit = |edit: &dyn Fn(&mut Document)| {
            let before = ann.summary();
            edit(&mut ann);
            ann.encode_since_named(&before, &NAMES)
                .expect("it is all here")
        };
        let inserted = edit(&|ann| drop(ann.insert(5, "🦀")));
        let deleted = edit(&|ann| drop(ann.delete(1, 1)));
        assert_eq!(taken(&bob, &inserted), Some(Run::new(Kind::Insert, 5, 1)));
        assert_eq!(taken(&bob, &deleted), None, "the one before it is missing");
        bob.merge_patch_named_with(&inserted, &NAMES, &mut |_| {})
            .expect("the next event");
        assert_eq!(taken(&bob, &inserted), None, "it is known");
        assert_eq!(taken(&bob, &deleted), Some(Run::new(Kind::Delete, 1, 1)));
        for end in 0..deleted.len() {
            assert_eq!(taken(&bob, &deleted[..end]), None, "cut off");
        }
        assert_eq!(taken(&bob, &[&deleted[..], b"x"].concat()), None, "more");
        bob.insert(0, "!").expect("position 0 exists");
        assert_eq!(taken(&bob, &deleted), None, "it is concurrent");
    }
}
