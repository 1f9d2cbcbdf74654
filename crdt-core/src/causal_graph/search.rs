//! Search in sorted lists, with a hint of the place.

/// The index of the last of `list` whose key is at most `key`; the first key is. Searches outwards
/// from `hint`: O(log of the distance).
#[inline]
pub(crate) fn last_until<T>(
    list: &[T],
    key: u32,
    hint: usize,
    key_of: impl Fn(&T) -> u32,
) -> usize {
    // Mostly it is the same place, or one or two before or after.
    let starts_by = |i: usize| list.get(i).is_some_and(|item| key_of(item) <= key);
    if starts_by(hint) {
        if !starts_by(hint + 1) {
            return hint;
        }
        if !starts_by(hint + 2) {
            return hint + 1;
        }
    } else if let Some(before) = hint.checked_sub(1) {
        if starts_by(before) {
            return before;
        }
        // If two branches arrived in turns, it is the one before that.
        if let Some(before) = before.checked_sub(1)
            && starts_by(before)
        {
            return before;
        }
    }
    search(list, key, hint, key_of)
}

fn search<T>(list: &[T], key: u32, hint: usize, key_of: impl Fn(&T) -> u32) -> usize {
    let mut low = hint.min(list.len().saturating_sub(1));
    let mut step = 1;
    // Down until a key is small enough, then up until one is too large.
    let mut high = list.len();
    while low > 0 && key_of(&list[low]) > key {
        high = low;
        low = low.saturating_sub(step);
        step *= 2;
    }
    step = 1;
    while low + step < high {
        if key_of(&list[low + step]) > key {
            high = low + step;
            break;
        }
        low += step;
        step *= 2;
    }
    low + list[low..high].partition_point(|item| key_of(item) <= key) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_leads_to_the_same_place() {
        for len in 1..20_usize {
            let list: Vec<u32> = (0..len as u32).map(|i| i * 3).collect();
            for key in 0..(len as u32 + 1) * 3 {
                let expected = list.iter().rposition(|&k| k <= key).unwrap();
                for hint in 0..len + 2 {
                    assert_eq!(last_until(&list, key, hint, |&k| k), expected);
                }
            }
        }
    }
}
