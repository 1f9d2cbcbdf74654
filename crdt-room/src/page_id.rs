//! The number of a page load, which distinguishes a reloaded page from one that only lost the
//! signaling server for a while.
//!
//! It is sent as a capability of the `join`. A client that does not know this capability sends
//! none.

const PREFIX: &str = "page:";

/// The capability that names this page load.
pub fn capability(page: u64) -> String {
    format!("{PREFIX}{page:016x}")
}

/// The page load that a peer's capabilities name.
pub fn of(capabilities: &[String]) -> Option<u64> {
    let digits = capabilities
        .iter()
        .find_map(|name| name.strip_prefix(PREFIX))?;
    if digits.len() == 16 {
        u64::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_number_round_trips() {
        for page in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            assert_eq!(of(&["other".to_owned(), capability(page)]), Some(page));
            let room = signaling_protocol::limits::MAX_CAPABILITY_BYTES;
            assert!(capability(page).len() <= room);
        }
    }

    #[test]
    fn other_capabilities_name_no_page() {
        for other in [
            "page:",
            "page:zz",
            "page:0123456789abcdeg",
            "0123456789abcdef",
        ] {
            assert_eq!(of(&[other.to_owned()]), None, "{other:?}");
        }
        assert_eq!(of(&[]), None);
    }
}
