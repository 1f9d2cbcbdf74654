//! The members of the room, as the signaling servers report them, and the links that the mesh wants.

use crdt_sync::{Millis, SortedMap, SortedSet, mesh};
use signaling_protocol::{AgentId, PeerJoined, PeerList};

use crate::page_id;
use crate::relay;
use crate::room_log;
use crate::sealed_signals;
use crate::signaling::ServerId;

/// The time for which a member may stay without a link before it is reported as unreachable if no
/// kind of link can reach it: by then a page of the same browser has answered.
const GREETING_MILLIS: Millis = 3_000;

/// The time for which a lost server counts as naming the members that it named: it may come back
/// with them.
const LOST_MILLIS: Millis = 60_000;

/// All other members of the room.
#[derive(Debug, Default)]
pub(crate) struct Members {
    all: SortedMap<AgentId, Member>,
    /// The lost servers, and the times until which their members count.
    lost: SortedMap<ServerId, Millis>,
}

/// A member of the room.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its page load, if known.
    pub(crate) page: Option<u64>,
    /// The servers that name it, including this browser, each with the page load that it names.
    places: SortedMap<ServerId, Option<u64>>,
    /// It has a key for the relay.
    pub(crate) has_relay: bool,
    /// It seals its signals, so it has a key for the room.
    pub(crate) seals: bool,
    /// It writes to the room's log if it may.
    writes_log: bool,
    /// It is read-only, by its own capabilities or by a server's admission.
    pub(crate) is_read_only: bool,
    /// A server admitted it as read-only.
    pub(crate) is_kept_read_only: bool,
    /// The mesh wants a link to it.
    pub(crate) is_planned: bool,
    /// The time until which a page of this browser would answer.
    greeted_until: Option<Millis>,
}

/// A member that a signaling server reports.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    id: AgentId,
    page: Option<u64>,
    has_relay: bool,
    seals: bool,
    writes_log: bool,
    /// It names the capability `read-only`.
    is_read_only: bool,
    /// The server admitted it as read-only.
    is_kept_read_only: bool,
}

/// The capability of a read-only page.
pub(crate) const READ_ONLY: &str = "read-only";

/// A change of the membership.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It left, or another page has the name now: every link to it has to be forgotten.
    Gone(AgentId),
    /// It came; whether it has a key for the relay.
    Came(AgentId, bool),
}

/// The mesh's wishes for one member.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) id: AgentId,
    pub(crate) page: Option<u64>,
    /// A link to it is wanted.
    pub(crate) link: bool,
    /// A server names it.
    pub(crate) is_met: bool,
    /// Links to it are to be given up.
    pub(crate) unlink: bool,
}

impl Newcomer {
    /// A member with these capabilities that a server admitted, possibly as read-only.
    pub(crate) fn new(id: AgentId, capabilities: &[String], is_kept_read_only: bool) -> Newcomer {
        let has = |capability: &str| capabilities.iter().any(|name| name == capability);
        Newcomer {
            id,
            page: page_id::of(capabilities),
            has_relay: has(relay::CAPABILITY),
            seals: has(sealed_signals::CAPABILITY),
            writes_log: has(room_log::CAPABILITY),
            is_read_only: is_kept_read_only || has(READ_ONLY),
            is_kept_read_only,
        }
    }

    pub(crate) fn joined(joined: PeerJoined) -> Newcomer {
        Newcomer::new(joined.peer_id, &joined.capabilities, joined.read_only)
    }

    pub(crate) fn listed(list: &PeerList) -> Vec<Newcomer> {
        let nothing = Vec::new();
        let of = |id: &AgentId| {
            let capabilities = list.capabilities.get(id).unwrap_or(&nothing);
            Newcomer::new(id.clone(), capabilities, list.read_only.contains(id))
        };
        list.peers.iter().map(of).collect()
    }
}

impl Members {
    pub(crate) fn get(&self, id: &AgentId) -> Option<&Member> {
        self.all.get(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &AgentId> {
        self.all.keys()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AgentId, &Member)> {
        self.all.iter()
    }

    /// The member that has this page load.
    pub(crate) fn with_page(&self, page: u64) -> Option<&AgentId> {
        let mut all = self.all.iter();
        all.find(|(_, member)| member.page == Some(page))
            .map(|(id, _)| id)
    }

    /// Whether a server names this page load of a member.
    pub(crate) fn is_named(&self, by: ServerId, id: &AgentId, page: u64) -> bool {
        let named = self.all.get(id).and_then(|member| member.places.get(&by));
        named == Some(&Some(page))
    }

    /// The members that a server names and that write to its log.
    pub(crate) fn log_writers(&self, server: ServerId) -> impl Iterator<Item = &AgentId> {
        let writes = move |(_, member): &(&AgentId, &Member)| {
            member.writes_log && !member.is_read_only && member.places.contains_key(&server)
        };
        self.all.iter().filter(writes).map(|(id, _)| id)
    }

    /// The first server that names a member, of those that `is_usable`.
    pub(crate) fn server_of(
        &self,
        id: &AgentId,
        is_usable: impl Fn(ServerId) -> bool,
    ) -> Option<ServerId> {
        let mut servers = self.all.get(id)?.places.keys().copied();
        servers.find(|server| is_usable(*server))
    }

    /// A server admitted this member, and names all others. A member that it does not name but that
    /// `is_linked` stays: it may have lost the server too, and not be back yet.
    pub(crate) fn entered(
        &mut self,
        server: ServerId,
        present: Vec<Newcomer>,
        is_linked: impl Fn(&AgentId) -> bool,
        now: Millis,
    ) -> Vec<Change> {
        self.lost.remove(&server);
        let mut changes = Vec::new();
        let named: SortedSet<&AgentId> = present.iter().map(|newcomer| &newcomer.id).collect();
        let mut gone = Vec::new();
        for (id, member) in self.all.iter_mut() {
            if !named.contains(id) {
                let was_named = member.places.remove(&server).is_some();
                let is_gone = member.places.is_empty() || was_named && !member.is_met();
                if is_gone && !is_linked(id) {
                    gone.push(id.clone());
                }
            }
        }
        for id in gone {
            self.all.remove(&id);
            changes.push(Change::Gone(id));
        }
        for newcomer in present {
            changes.extend(self.came(server, newcomer, &is_linked, now));
        }
        changes
    }

    /// A server names a member. If another server has already named it, it is the same member if it
    /// is the same page load. If the same server names it again, it has rejoined, and starts anew
    /// unless it `is_linked`.
    pub(crate) fn came(
        &mut self,
        server: ServerId,
        newcomer: Newcomer,
        is_linked: impl Fn(&AgentId) -> bool,
        now: Millis,
    ) -> Vec<Change> {
        let Newcomer {
            id,
            page,
            has_relay,
            seals,
            writes_log,
            is_read_only,
            is_kept_read_only,
        } = newcomer;
        let mut changes = Vec::new();
        let mut places = SortedMap::new();
        if let Some(member) = self.all.get_mut(&id) {
            let stands = page.is_some() && is_linked(&id);
            let is_known_here = member.places.insert(server, page).is_some();
            if member.page == page && (stands || !is_known_here) {
                member.is_read_only |= is_read_only;
                member.is_kept_read_only |= is_kept_read_only;
                // Pages of this browser send less information than a server.
                member.seals |= seals;
                member.writes_log |= writes_log;
                if has_relay && !std::mem::replace(&mut member.has_relay, true) {
                    changes.push(Change::Came(id, true));
                }
                return changes;
            }
            places = std::mem::take(&mut member.places);
            changes.push(Change::Gone(id.clone()));
        }
        places.insert(server, page);
        let member = Member {
            page,
            places,
            has_relay,
            seals,
            writes_log,
            is_read_only,
            is_kept_read_only,
            is_planned: false,
            greeted_until: Some(now.saturating_add(GREETING_MILLIS)),
        };
        self.all.insert(id.clone(), member);
        changes.push(Change::Came(id, has_relay));
        changes
    }

    /// A server no longer names a member. It has left when no server names it.
    pub(crate) fn left(
        &mut self,
        server: ServerId,
        id: &AgentId,
        is_linked: impl Fn(&AgentId) -> bool,
        now: Millis,
    ) -> Vec<Change> {
        let Some(member) = self.all.get_mut(id) else {
            return Vec::new();
        };
        member.places.remove(&server);
        // A page of this browser may have ended without a message, which only its links detect.
        if !member.is_met() && !is_linked(id) {
            member.places = SortedMap::new();
        }
        // This server may have named a later page load of the member.
        let elsewhere = member.places.iter().next();
        let elsewhere = elsewhere.map(|(server, page)| (*server, *page));
        let is_there = member.places.values().any(|page| *page == member.page);
        match elsewhere {
            None => {
                self.all.remove(id);
                vec![Change::Gone(id.clone())]
            }
            Some((server, page)) if !is_there => {
                let newcomer = Newcomer {
                    id: id.clone(),
                    page,
                    has_relay: member.has_relay,
                    seals: member.seals,
                    writes_log: member.writes_log,
                    is_read_only: member.is_read_only,
                    is_kept_read_only: member.is_kept_read_only,
                };
                self.came(server, newcomer, is_linked, now)
            }
            Some(_) => Vec::new(),
        }
    }

    /// A server was lost.
    pub(crate) fn server_lost(&mut self, server: ServerId, now: Millis) {
        let until = now.saturating_add(LOST_MILLIS);
        self.lost.get_or_insert_with(server, || until);
    }

    /// Removes the members that no server names and that are not linked; a link kept them while no
    /// server named them. Also removes pages of this browser that do not answer and, if a server
    /// names all members (`is_joined`), those that it does not name: they ended without a message.
    pub(crate) fn forget_gone(
        &mut self,
        is_linked: impl Fn(&AgentId) -> bool,
        is_joined: bool,
    ) -> Vec<Change> {
        let is_gone = |id: &AgentId, member: &Member| {
            let is_nowhere = member.places.is_empty();
            let is_silent = !is_nowhere && member.had_time_to_answer();
            let counts = is_joined && is_nowhere || is_silent && (is_joined || member.is_planned);
            counts && !member.is_met() && !is_linked(id)
        };
        let all = self.all.iter().filter(|(id, member)| is_gone(id, member));
        let gone: Vec<AgentId> = all.map(|(id, _)| id.clone()).collect();
        for id in &gone {
            self.all.remove(id);
        }
        gone.into_iter().map(Change::Gone).collect()
    }

    /// Removes all members.
    pub(crate) fn clear(&mut self) -> Vec<Change> {
        let all = std::mem::take(self).all;
        all.into_iter().map(|(id, _)| Change::Gone(id)).collect()
    }

    /// Returns for each member whether the mesh wants a link to it, given the linked ones and
    /// whether this member is read-only.
    pub(crate) fn plan(
        &mut self,
        me: &AgentId,
        is_read_only: bool,
        linked: &[String],
    ) -> Vec<Wish> {
        let of = |(id, member): (&AgentId, &Member)| (id.to_string(), member.is_read_only);
        let all: Vec<(String, bool)> = self.all.iter().map(of).collect();
        let member = |name, is_read_only| mesh::Member { name, is_read_only };
        let others = all
            .iter()
            .map(|(name, reads)| member(name.as_str(), *reads));
        let wanted = mesh::peers_of(member(me.as_str(), is_read_only), others);
        let plan = mesh::plan(&wanted, linked.iter().map(String::as_str));
        let wish = |(id, member): (&AgentId, &mut Member)| {
            member.is_planned = wanted.contains(id.as_str());
            Wish {
                id: id.clone(),
                page: member.page,
                link: member.is_planned,
                is_met: member.is_met(),
                unlink: plan.drop.contains(id.as_str()),
            }
        };
        self.all.iter_mut().map(wish).collect()
    }

    /// When [`tick`](Self::tick) is due.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let greeted = self.all.values().filter_map(|member| member.greeted_until);
        greeted.chain(self.lost.values().copied()).min()
    }

    /// Records which members had time to answer as pages of this browser, and which servers did not
    /// come back.
    pub(crate) fn tick(&mut self, now: Millis) {
        self.lost.retain(|server, until| {
            let is_away = *until <= now;
            if is_away {
                for member in self.all.values_mut() {
                    member.places.remove(server);
                }
            }
            !is_away
        });
        for member in self.all.values_mut() {
            if member.greeted_until.is_some_and(|at| at <= now) {
                member.greeted_until = None;
            }
        }
    }
}

impl Member {
    /// Whether a server names it, and not only this browser.
    fn is_met(&self) -> bool {
        let mut places = self.places.keys();
        places.any(|place| *place != ServerId::BROWSER)
    }

    /// Whether a server names this page load of it.
    pub(crate) fn is_present(&self, page: u64) -> bool {
        let mut pages = self.places.values();
        pages.any(|named| named.is_none_or(|named| named == page))
    }

    /// Whether a page of this browser would have answered by now.
    pub(crate) fn had_time_to_answer(&self) -> bool {
        self.greeted_until.is_none()
    }
}
