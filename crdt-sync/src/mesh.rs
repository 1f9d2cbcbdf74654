//! The graph of connections in a room.
//!
//! With up to [`FULL_UP_TO`] peers every member connects to every other. In larger rooms every
//! member sorts all members into [`RINGS`] rings, each in a different order that only depends on
//! the names, and connects to its neighbours in each. So every member computes the same graph
//! without any exchange; no member has more than `2 * RINGS` peers; each single ring connects all
//! members; the union of random rings has short paths; and a member that joins or leaves only
//! affects its neighbours.
//!
//! Read-only members forward nothing, so the graph of the others does not depend on them: each is
//! connected to one writer of each ring, and to no other read-only member.

use crate::sorted_set::SortedSet;

/// The largest number of peers for which a room is a full mesh.
pub const FULL_UP_TO: usize = 8;

/// In larger rooms, the number of rings; a member has at most twice as many peers.
pub const RINGS: u64 = 3;

/// The peers that `me` should be connected to in a room of `members` (with or without `me`).
/// If `b` is among the peers of `a`, then `a` is among those of `b`.
pub fn peers<'a>(me: &str, members: impl IntoIterator<Item = &'a str>) -> SortedSet<&'a str> {
    let others: SortedSet<&str> = members.into_iter().filter(|member| *member != me).collect();
    if others.len() <= FULL_UP_TO {
        return others;
    }
    let mut chosen = SortedSet::new();
    for ring in 0..RINGS {
        let place = |member: &str| (position(ring, member), member.to_owned());
        let mine = place(me);
        let after = others
            .iter()
            .filter(|m| place(m) > mine)
            .min_by_key(|m| place(m));
        let before = others
            .iter()
            .filter(|m| place(m) < mine)
            .max_by_key(|m| place(m));
        let first = others.iter().min_by_key(|m| place(m));
        let last = others.iter().max_by_key(|m| place(m));
        chosen.extend(
            [after.or(first), before.or(last)]
                .into_iter()
                .flatten()
                .copied(),
        );
    }
    chosen
}

/// A member of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// It makes no changes, and forwards none.
    pub is_read_only: bool,
}

/// The peers that `me` should be connected to in a room of `members` (with or without `me`), some
/// of which are read-only. If `b` is among the peers of `a`, then `a` is among those of `b`. A
/// writer in a large room has one more peer for each read-only member that it serves.
pub fn peers_of<'a>(
    me: Member<'_>,
    members: impl IntoIterator<Item = Member<'a>>,
) -> SortedSet<&'a str> {
    let others = members.into_iter().filter(|member| member.name != me.name);
    let (readers, writers): (Vec<_>, Vec<_>) = others.partition(|member| member.is_read_only);
    let names = |of: &[Member<'a>]| of.iter().map(|member| member.name).collect::<Vec<_>>();
    let (readers, writers) = (names(&readers), names(&writers));
    let is_small = readers.len() + writers.len() <= FULL_UP_TO;
    if me.is_read_only && is_small {
        return writers.into_iter().collect();
    }
    if me.is_read_only {
        return serving(me.name, &writers).into_iter().collect();
    }
    if is_small {
        return writers.into_iter().chain(readers).collect();
    }
    let mut all = writers.clone();
    all.push(me.name);
    let mut chosen = peers(me.name, writers.iter().copied());
    let is_served = |reader: &&str| serving(reader, &all).contains(&me.name);
    chosen.extend(readers.into_iter().filter(is_served));
    chosen
}

/// The writers that a read-only member of a large room is connected to: in each ring, the one that
/// follows it.
fn serving<'a>(reader: &str, writers: &[&'a str]) -> Vec<&'a str> {
    let of_ring = |ring| {
        let place = |member: &str| (position(ring, member), member.to_owned());
        let start = place(reader);
        let after = writers.iter().filter(|writer| place(writer) > start);
        let next = after.min_by_key(|writer| place(writer));
        let first = || writers.iter().min_by_key(|writer| place(writer));
        next.or_else(first).copied()
    };
    (0..RINGS).filter_map(of_ring).collect()
}

/// The changes to the links of a member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan<'a> {
    /// Peers to connect to.
    pub connect: SortedSet<&'a str>,
    /// Links to drop. Empty until all wanted links are up, so that a change of the room never drops
    /// a link before its replacement is up.
    pub drop: SortedSet<&'a str>,
}

/// Compares the `wanted` peers with those to which links are up.
pub fn plan<'a>(
    wanted: &SortedSet<&'a str>,
    connected: impl IntoIterator<Item = &'a str>,
) -> Plan<'a> {
    let connected: SortedSet<&str> = connected.into_iter().collect();
    let connect: SortedSet<&str> = wanted.difference(&connected).copied().collect();
    let drop = if connect.is_empty() {
        connected.difference(wanted).copied().collect()
    } else {
        SortedSet::new()
    };
    Plan { connect, drop }
}

/// The place of a member in a ring: FNV-1a of ring and name, well mixed.
fn position(ring: u64, member: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64 ^ ring.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = member.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn room(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("user-{i}")).collect()
    }

    fn peers_of(me: &str, room: &[String]) -> BTreeSet<String> {
        peers(me, room.iter().map(String::as_str))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    /// The longest of the shortest paths from the first member; `None` if some cannot be reached.
    fn reach(room: &[String], gone: &[&str]) -> Option<usize> {
        let alive: Vec<&String> = room
            .iter()
            .filter(|m| !gone.contains(&m.as_str()))
            .collect();
        let mut seen: BTreeSet<String> = [alive.first()?.to_string()].into();
        let mut edge = seen.clone();
        let mut steps = 0;
        while !edge.is_empty() {
            let next: BTreeSet<String> = edge
                .iter()
                .flat_map(|m| peers_of(m, room))
                .filter(|m| !gone.contains(&m.as_str()) && !seen.contains(m))
                .collect();
            steps += usize::from(!next.is_empty());
            seen.extend(next.iter().cloned());
            edge = next;
        }
        (seen.len() == alive.len()).then_some(steps)
    }

    #[test]
    fn small_rooms_are_full_meshes() {
        for n in 1..=FULL_UP_TO + 1 {
            let room = room(n);
            for me in &room {
                assert_eq!(peers_of(me, &room).len(), n - 1);
            }
        }
    }

    #[test]
    fn large_rooms_are_connected_mutual_and_of_bounded_degree() {
        for n in [10, 11, 17, 30, 64, 200] {
            let room = room(n);
            for me in &room {
                let mine = peers_of(me, &room);
                assert!(
                    (2..=2 * RINGS as usize).contains(&mine.len()),
                    "{me}: {mine:?}"
                );
                for peer in &mine {
                    assert!(peers_of(peer, &room).contains(me), "{me} and {peer}");
                }
            }
            let steps = reach(&room, &[]);
            assert!(
                steps.is_some_and(|steps| steps <= 6),
                "{n} members: {steps:?}"
            );
        }
    }

    #[test]
    fn losing_a_member_leaves_the_others_connected() {
        let room = room(30);
        for gone in &room {
            assert!(reach(&room, &[gone]).is_some(), "without {gone}");
        }
    }

    #[test]
    fn a_newcomer_touches_its_neighbours_only() {
        let (before, after) = (room(30), room(31));
        let changed = before
            .iter()
            .filter(|m| peers_of(m, &before) != peers_of(m, &after));
        assert!(changed.count() <= 2 * RINGS as usize);
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let mut room = room(20);
        let forward = peers_of("user-3", &room);
        room.reverse();
        assert_eq!(peers_of("user-3", &room), forward);
        room.retain(|m| m != "user-3");
        assert_eq!(peers_of("user-3", &room), forward);
    }

    #[test]
    fn read_only_members_connect_to_writers_and_no_path_depends_on_them() {
        for (writers, readers) in [(1, 3), (3, 6), (2, 30), (12, 1), (40, 60)] {
            let (all, others) = (room(writers), room(writers + readers));
            let is_read_only = |name: &str| !all.iter().any(|writer| writer == name);
            let members = || {
                others.iter().map(|name| Member {
                    name,
                    is_read_only: is_read_only(name),
                })
            };
            let small = others.len() <= FULL_UP_TO + 1;
            for me in members() {
                let mine = super::peers_of(me, members());
                let (read, write): (Vec<&str>, Vec<&str>) =
                    mine.iter().copied().partition(|name| is_read_only(name));
                if me.is_read_only {
                    assert!(read.is_empty() && !write.is_empty(), "{me:?}: {mine:?}");
                    assert!(small || write.len() <= RINGS as usize);
                } else {
                    let alone = peers(me.name, all.iter().map(String::as_str));
                    assert!(write.into_iter().eq(alone), "{me:?}: {mine:?}");
                }
                for peer in members().filter(|peer| mine.contains(peer.name)) {
                    assert!(super::peers_of(peer, members()).contains(me.name));
                }
            }
        }
    }

    #[test]
    fn links_are_dropped_once_their_replacements_are_up() {
        let names = room(30);
        let members = || names.iter().map(String::as_str);
        let wanted = peers("user-0", members());
        let odd = members()
            .find(|m| *m != "user-0" && !wanted.contains(m))
            .into_iter();
        let plan_now = plan(&wanted, odd.clone());
        assert_eq!((plan_now.connect, plan_now.drop.len()), (wanted.clone(), 0));
        let later = plan(&wanted, wanted.iter().copied().chain(odd.clone()));
        assert_eq!((later.connect.len(), later.drop), (0, odd.collect()));
    }
}
