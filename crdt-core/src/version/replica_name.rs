//! Names of replicas: a person's name, and random chars that tell the person's replicas apart.

use super::limits::MAX_AGENT_NAME;

/// Separates the name of a person from the random chars. No other char of a valid id is below a
/// space, and the name of a person has neither two in a row nor one at its end, so replicas of
/// different people sort as their names do.
const MARK: &str = "  ";

/// The separators of older versions.
const OLD_MARKS: [&str; 2] = ["\u{1}", "~"];

/// The number of random bytes of a name.
const RANDOM_BYTES: usize = 9;

/// The number of chars that encode them.
const RANDOM_CHARS: usize = RANDOM_BYTES / 3 * 4;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A unique agent name: the name of a person, followed by 72 random bits.
///
/// Any number of replicas may be the same person's. Names of replicas sort as the names of the
/// people do. A name that is too long is truncated; control characters are left out, and so are
/// spaces after a space and at the end. So the name is a valid id at a signaling server, too.
///
/// ```
/// use crdt_core::{person_of, replica_name};
///
/// let name = replica_name("Ada", [7; 9]);
/// assert_eq!(person_of(&name), "Ada");
/// assert!(name < replica_name("Ada Lovelace", [0; 9]));
/// ```
pub fn replica_name(person: &str, random: [u8; RANDOM_BYTES]) -> String {
    let longest = MAX_AGENT_NAME - RANDOM_CHARS - MARK.len();
    let mut name = String::with_capacity(MAX_AGENT_NAME);
    for char in person.chars().filter(|char| !char.is_control()) {
        if name.len() + char.len_utf8() > longest {
            break;
        }
        if char != ' ' || !name.ends_with(' ') {
            name.push(char);
        }
    }
    name.truncate(name.trim_end_matches(' ').len());
    name.push_str(MARK);
    for bytes in random.chunks_exact(3) {
        let bits = bytes
            .iter()
            .fold(0, |bits, &byte| bits << 8 | usize::from(byte));
        for place in [18, 12, 6, 0] {
            name.push(char::from(LETTERS[bits >> place & 63]));
        }
    }
    name
}

/// The name of the person whose replica has the agent name `agent`: `agent` itself, if
/// [`replica_name`] did not make it.
pub fn person_of(agent: &str) -> &str {
    let is_random =
        |tail: &str| tail.len() == RANDOM_CHARS && tail.bytes().all(|byte| LETTERS.contains(&byte));
    let mut marks = std::iter::once(MARK).chain(OLD_MARKS);
    let person = marks.find_map(|mark| {
        let (person, tail) = agent.rsplit_once(mark)?;
        is_random(tail).then_some(person)
    });
    person.unwrap_or(agent)
}

#[cfg(test)]
mod tests {
    use super::super::check_agent_name;
    use super::*;

    #[test]
    fn replica_names_sort_like_the_names_of_their_people() {
        let people = [
            "", "!", "Al", "Al B", "Al!", "Al-b", "Ali", "Alice", "Bo", "Zoë", "émile",
        ];
        for (a, b) in people.iter().zip(&people[1..]) {
            assert!(a < b);
            assert!(
                replica_name(a, [255; 9]) < replica_name(b, [0; 9]),
                "{a:?} {b:?}"
            );
        }
        let names = [[0; 9], [1; 9], [255; 9]].map(|random| replica_name("Al", random));
        assert!(names[0] != names[1] && names[1] != names[2]);
    }

    #[test]
    fn the_person_is_recovered_and_every_name_is_valid() {
        for person in ["", "Ada", "Ada Lovelace", "a~b", "Zoë"] {
            let name = replica_name(person, [9; 9]);
            assert_eq!(person_of(&name), person);
            assert_eq!(check_agent_name(&name), Ok(()));
        }
        assert_eq!(person_of(&replica_name("A\u{1}d\na", [9; 9])), "Ada");
        assert_eq!(person_of(&replica_name("  Ada   L  ", [9; 9])), " Ada L");
        let long = replica_name(&"ë".repeat(300), [9; 9]);
        assert_eq!(person_of(&long), "ë".repeat(57));
        assert!(!long.contains(char::is_control), "{long:?}");
        for old in ["Ada~abcdefghijkl", "Ada\u{1}abcdefghijkl"] {
            assert_eq!(person_of(old), "Ada");
        }
        assert_eq!(check_agent_name(&long), Ok(()));
        for exact in [
            "alice",
            "alice\u{1}short",
            "alice  short",
            "alice abcdefghijkl",
            "\u{1}?bcdefghijkl",
        ] {
            assert_eq!(person_of(exact), exact);
        }
    }
}
