//! Candidates that arrive before the description that they belong to.

use super::types::Origin;

/// The most candidates that wait for their description.
const MAX_EARLY: usize = 64;

/// Candidates of the peer.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Number of the peer's description that is set, if one is.
    current: Option<u32>,
    /// The origin and the number of an offer that was ignored.
    ignored: Option<(Origin, u32)>,
    early: Vec<(Origin, u32, String)>,
}

impl Candidates {
    /// The connection was replaced; early candidates may belong to the next one.
    pub(super) fn new_connection(&mut self) {
        self.current = None;
        self.ignored = None;
    }

    /// The peer's description `number` was ignored, so its candidates are, too.
    pub(super) fn ignore(&mut self, from: &Origin, number: u32) {
        self.ignored = (number > 0).then(|| (from.clone(), number));
        self.early
            .retain(|(origin, of, _)| origin != from || *of != number);
    }

    /// The peer's description `number` is set: returns the candidates that waited for it.
    pub(super) fn set(&mut self, from: &Origin, number: u32) -> Vec<String> {
        self.current = Some(number);
        let mut ready = Vec::new();
        self.early.retain_mut(|(origin, of, candidate)| {
            if origin != from || (*of != 0 && *of < number) {
                return false;
            }
            let waits = *of > number && number != 0;
            if !waits {
                ready.push(std::mem::take(candidate));
            }
            waits
        });
        ready
    }

    /// Takes a candidate; returns it if it can be used now. `bound`: the connection is bound to its
    /// origin, or to none yet.
    pub(super) fn take(
        &mut self,
        from: Origin,
        number: u32,
        candidate: String,
        bound: bool,
    ) -> Option<String> {
        let is_ignored = |(origin, of): &(Origin, u32)| *origin == from && *of == number;
        if self.ignored.as_ref().is_some_and(is_ignored) {
            return None;
        }
        if let Some(current) = self.current.filter(|_| bound) {
            if number == 0 || current == 0 || number == current {
                return Some(candidate);
            }
            if number < current {
                return None;
            }
        }
        if self.early.len() >= MAX_EARLY {
            self.early.remove(0);
        }
        self.early.push((from, number, candidate));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(connection: u32) -> Origin {
        Origin {
            session: "s".to_owned(),
            connection,
        }
    }

    fn take(candidates: &mut Candidates, number: u32, text: &str) -> Option<String> {
        candidates.take(origin(1), number, text.to_owned(), true)
    }

    #[test]
    fn candidates_wait_for_their_description() {
        let mut candidates = Candidates::default();
        assert_eq!(take(&mut candidates, 1, "a"), None);
        assert_eq!(take(&mut candidates, 2, "b"), None);
        assert_eq!(candidates.set(&origin(1), 1), ["a"]);
        assert_eq!(take(&mut candidates, 1, "c"), Some("c".to_owned()));
        assert_eq!(candidates.set(&origin(1), 2), ["b"]);
    }

    #[test]
    fn candidates_of_past_descriptions_are_dropped() {
        let mut candidates = Candidates::default();
        assert_eq!(take(&mut candidates, 1, "a"), None);
        assert_eq!(candidates.set(&origin(1), 2), [""; 0]);
        assert_eq!(take(&mut candidates, 1, "b"), None);
        assert_eq!(candidates.set(&origin(1), 3), [""; 0]);
    }

    #[test]
    fn candidates_of_an_ignored_offer_are_swallowed() {
        let mut candidates = Candidates::default();
        assert_eq!(take(&mut candidates, 1, "before"), None);
        candidates.ignore(&origin(1), 1);
        assert_eq!(take(&mut candidates, 1, "after"), None);
        assert_eq!(take(&mut candidates, 2, "next"), None);
        assert_eq!(candidates.set(&origin(1), 2), ["next"]);
    }

    #[test]
    fn candidates_of_the_connection_after_an_ignored_offer_are_kept() {
        let mut candidates = Candidates::default();
        candidates.ignore(&origin(1), 1);
        let next = candidates.take(origin(2), 1, "next".to_owned(), true);
        assert_eq!(next, None);
        assert_eq!(candidates.set(&origin(2), 1), ["next"]);
    }

    #[test]
    fn candidates_of_another_connection_are_not_mixed_in() {
        let mut candidates = Candidates::default();
        let other = candidates.take(origin(2), 1, "other".to_owned(), false);
        assert_eq!((other, take(&mut candidates, 1, "this")), (None, None));
        assert_eq!(candidates.set(&origin(1), 1), ["this"]);
    }

    #[test]
    fn candidates_without_numbers_wait_for_any_description() {
        let mut candidates = Candidates::default();
        assert_eq!(take(&mut candidates, 0, "a"), None);
        assert_eq!(candidates.set(&origin(1), 0), ["a"]);
        assert_eq!(take(&mut candidates, 0, "b"), Some("b".to_owned()));
    }

    #[test]
    fn waiting_candidates_are_bounded() {
        let mut candidates = Candidates::default();
        (0..1_000).for_each(|_| {
            assert_eq!(take(&mut candidates, 1, "x"), None);
        });
        assert_eq!(candidates.set(&origin(1), 1).len(), MAX_EARLY);
    }
}
