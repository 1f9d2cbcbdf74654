//! The rate at which two ends that compare their states ask each other about a difference.

/// The number of consecutive comparisons that found a difference. Requests become rarer: after 1,
/// 2, 4, 8 … comparisons beyond those that patience allows.
#[derive(Debug, Default)]
pub(super) struct Mismatches {
    found: u32,
    /// The number beyond patience at the last request.
    asked: u32,
}

impl Mismatches {
    /// Records a difference. Returns whether to ask about it. `patience` comparisons are ignored
    /// first; the number may differ from call to call.
    pub(super) fn found(&mut self, patience: u32) -> bool {
        self.found = self.found.saturating_add(1);
        let beyond = self.found.saturating_sub(patience);
        let is_due = beyond > 0 && beyond >= self.asked.saturating_mul(2);
        if is_due {
            self.asked = beyond;
        }
        is_due
    }

    /// Records a comparison without a difference.
    pub(super) fn none(&mut self) {
        *self = Mismatches::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_about_a_difference_become_rarer() {
        let mut mismatches = Mismatches::default();
        let asked: Vec<u32> = (1..40).filter(|_| mismatches.found(4)).collect();
        assert_eq!(asked, [5, 6, 8, 12, 20, 36]);
        mismatches.none();
        assert!(mismatches.found(0));
    }

    #[test]
    fn a_patience_that_changes_in_step_skips_no_question() {
        let mut mismatches = Mismatches::default();
        // With these the numbers beyond patience are odd, and never a power of two but 1.
        let patience = |i: u32| if i.is_multiple_of(2) { 1 } else { 4 };
        let asked = (1..1_000)
            .filter(|&i| mismatches.found(patience(i)))
            .count();
        assert!(asked >= 9, "{asked}");
    }
}
