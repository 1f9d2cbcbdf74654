//! Sorting, with equal elements in any order. Native code uses the standard library; WebAssembly
//! does not, as its sort takes many thousand bytes of code for each type of element.

use std::cmp::Ordering;

/// Sorts `list`. O(n log n).
pub(crate) fn sort<T: Ord>(list: &mut [T]) {
    sort_by(list, T::cmp);
}

/// Sorts `list` as `compare` says. O(n log n).
pub(crate) fn sort_by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if cfg!(target_arch = "wasm32") {
        heap_sort(list, compare);
    } else {
        list.sort_unstable_by(compare);
    }
}

/// Most lists are short or sorted, which is checked first.
fn heap_sort<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    if list.is_sorted_by(|a, b| compare(a, b).is_le()) {
        return;
    }
    let len = list.len();
    // Element `i` is not less than `2 * i + 1` and `2 * i + 2`, once the elements are sifted from
    // the last to the first; then the greatest goes to the end, again and again.
    for step in (0..len + len / 2).rev() {
        let (mut at, end) = if step >= len {
            (step - len, len)
        } else {
            list.swap(0, step);
            (0, step)
        };
        loop {
            let mut child = 2 * at + 1;
            if child + 1 < end && compare(&list[child], &list[child + 1]).is_lt() {
                child += 1;
            }
            if child >= end || compare(&list[at], &list[child]).is_ge() {
                break;
            }
            list.swap(at, child);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causal_graph::Shapes;

    #[test]
    fn lists_of_any_length_are_sorted_natively_and_in_wasm() {
        let mut shapes = Shapes(5);
        for len in (0..40).chain([100, 1000]) {
            for most in [2, 10, 1_000_000] {
                let list: Vec<u32> = (0..len).map(|_| shapes.below(most)).collect();
                let mut expected = list.clone();
                expected.sort_by(|a, b| b.cmp(a));
                for sorted in [heap_sort, sort_by] {
                    let mut list = list.clone();
                    sorted(&mut list, |a: &u32, b: &u32| b.cmp(a));
                    assert_eq!(list, expected);
                }
            }
        }
        let mut list = [3, 1, 2];
        sort(&mut list);
        assert_eq!(list, [1, 2, 3]);
    }
}
