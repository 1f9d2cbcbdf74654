//! The required state once the network recovers: an oracle that knows which members can reach each
//! other checks the texts and the status of the rooms.

use std::collections::{BTreeMap, BTreeSet};

use crdt_room::{LinkKind, LinkState, PeerLink, Phase, Status, TransportState};

use crate::cable::Cable;
use crate::page::Page;
use crate::world::{World, pair};

/// The kinds of link in the order in which they are preferred.
const PREFERRED: [LinkKind; 4] = [
    LinkKind::Broadcast,
    LinkKind::Custom,
    LinkKind::WebRtc,
    LinkKind::Relay,
];

/// With more members than this a member is not linked to every other one.
const FULL_MESH: usize = 9;

impl World {
    /// The pages that are in the room, or want to be and can.
    pub(crate) fn members(&self) -> Vec<usize> {
        let is_member = |number: &usize| {
            let page = &self.pages[*number];
            page.alive && page.wanted && (page.is_admitted() || page.status().connected)
        };
        (0..self.pages.len()).filter(is_member).collect()
    }

    /// Whether a server introduces two pages to each other.
    pub(crate) fn share_server(&self, a: usize, b: usize) -> bool {
        let of = |page: usize| &self.pages[page].profile.servers;
        let both = of(a).iter().filter(|server| of(b).contains(server));
        let is_same_room = self.pages[a].profile.secret == self.pages[b].profile.secret;
        is_same_room && both.into_iter().any(|server| self.servers[*server].is_up)
    }

    /// Whether two pages of one browser find each other there: both may write, and they name the same server,
    /// which need not be up, or none.
    fn meet_in_browser(&self, a: usize, b: usize) -> bool {
        let [one, other] = [&self.pages[a], &self.pages[b]].map(|page| &page.profile);
        let share = one.servers.iter().any(|at| other.servers.contains(at));
        let use_none = one.servers.is_empty() && other.servers.is_empty();
        (share || use_none) && self.share_key(a, b) && !one.reads && !other.reads
    }

    /// Whether two pages have the same key and can use it, or have none.
    pub(crate) fn share_key(&self, a: usize, b: usize) -> bool {
        let [one, other] = [&self.pages[a], &self.pages[b]].map(|page| &page.profile);
        let can_use = one.secret.is_none() || one.has_cipher && other.has_cipher;
        one.secret == other.secret && can_use
    }

    /// Whether two pages are not useful to each other, since neither may write: no link is made
    /// between them.
    fn both_read(&self, a: usize, b: usize) -> bool {
        self.pages[a].profile.reads && self.pages[b].profile.reads
    }

    /// Whether a read-only page has events that no other page has: their author is gone, and they are never taken
    /// from a read-only page.
    pub(crate) fn has_keepsakes(&self) -> bool {
        let members = self.members();
        let all = |reads: bool| {
            let of = members.iter().map(|page| &self.pages[*page]);
            of.filter(move |page| page.profile.reads == reads)
        };
        let Some(writer) = all(false).next() else {
            return false;
        };
        all(true).any(|reader| reader.document.summary() != writer.document.summary())
    }

    fn share_cable(&self, a: usize, b: usize) -> bool {
        self.cables.iter().any(|cable| {
            !cable.is_cut
                && pair(cable.ends[0].page, cable.ends[1].page) == pair(a, b)
                && cable
                    .ends
                    .iter()
                    .all(|end| self.pages[end.page].transports.contains(&end.transport))
        })
    }

    /// The kind of link that should carry the edits between two pages.
    pub(crate) fn best_way(&self, a: usize, b: usize) -> Option<LinkKind> {
        let [one, other] = [&self.pages[a], &self.pages[b]].map(|page| &page.profile);
        if self.both_read(a, b) {
            return None;
        }
        let met = self.share_server(a, b) && self.share_key(a, b);
        PREFERRED.into_iter().find(|kind| {
            let is_possible = one.can(*kind) && other.can(*kind);
            is_possible
                && match kind {
                    LinkKind::Broadcast => {
                        one.browser == other.browser && (met || self.meet_in_browser(a, b))
                    }
                    LinkKind::Custom => self.share_cable(a, b) && self.share_key(a, b),
                    LinkKind::WebRtc => met && self.is_reachable(a, b),
                    LinkKind::Relay => met,
                }
        })
    }

    /// The groups of members that are connected over any number of links.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let mut left: BTreeSet<usize> = self.members().into_iter().collect();
        while let Some(first) = left.pop_first() {
            let mut group = vec![first];
            let mut at = 0;
            while let Some(&member) = group.get(at) {
                let near = left.iter().copied();
                let near: Vec<usize> = near
                    .filter(|other| self.best_way(member, *other).is_some())
                    .collect();
                left.retain(|other| !near.contains(other));
                group.extend(near);
                at += 1;
            }
            groups.push(group);
        }
        groups
    }

    /// Whether a member cannot reach another one that a server names.
    pub(crate) fn has_unreachable(&self) -> bool {
        let members = self.members();
        let apart = |a: &usize| {
            let is_apart = |b: usize| {
                self.share_server(*a, b) && self.best_way(*a, b).is_none() && !self.both_read(*a, b)
            };
            members.iter().any(|b| a != b && is_apart(*b))
        };
        members.iter().any(apart)
    }

    /// Whether there is no better way than the relay somewhere, or none that it would be tried for in vain.
    pub(crate) fn needs_relay(&self) -> bool {
        let members = self.members();
        let needs = |a: usize, b: usize| {
            let best = self.best_way(a, b);
            let is_tried = self.pages[a].profile.can(LinkKind::Relay);
            let has_better = matches!(best, Some(LinkKind::Broadcast | LinkKind::WebRtc));
            let is_met = self.share_server(a, b) && !self.both_read(a, b);
            a != b && is_met && is_tried && !has_better
        };
        members
            .iter()
            .any(|a| members.iter().any(|b| needs(*a, *b)))
    }

    fn is_direct_possible(&self, a: usize, b: usize) -> bool {
        let can = |page: usize| self.pages[page].profile.can(LinkKind::WebRtc);
        let met = self.share_server(a, b) && self.share_key(a, b);
        met && can(a) && can(b) && self.is_reachable(a, b)
    }

    /// Whether a direct connection, or a relay in its place, is tried for again and again somewhere that
    /// cannot be: from a page that may use one, to a page that is not of the same browser.
    pub(crate) fn has_vain_attempts(&self) -> bool {
        let members = self.members();
        let in_vain = |a: usize, b: usize| {
            let can = |kind| self.pages[a].profile.can(kind);
            let is_tried = can(LinkKind::WebRtc) || can(LinkKind::Relay);
            let is_local = self.best_way(a, b) == Some(LinkKind::Broadcast);
            let is_possible = self.is_direct_possible(a, b);
            let is_met = self.share_server(a, b) && !self.both_read(a, b);
            a != b && is_tried && is_met && !is_local && !is_possible
        };
        let is_asked = |a: &usize| members.iter().any(|b| in_vain(*a, *b));
        // The ends of a cable are asked for proofs that they cannot give.
        let is_unproven = |cable: &Cable| {
            let [a, b] = [0, 1].map(|end: usize| cable.ends[end].page);
            !self.share_key(a, b)
        };
        members.iter().any(is_asked) || self.cables.iter().any(is_unproven)
    }

    /// All deviations from the required state; empty once the rooms are at rest.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        for group in self.groups() {
            self.compare_documents(&group, &mut all);
            self.compare_presence(&group, &mut all);
        }
        for page in self.members() {
            let mut of_page = Vec::new();
            self.check_page(page, &mut of_page);
            let name = &self.pages[page].profile.agent;
            all.extend(of_page.into_iter().map(|text| format!("{name}: {text}")));
        }
        all
    }

    fn compare_documents(&self, group: &[usize], all: &mut Vec<String>) {
        let writes = |page: &&usize| !self.pages[**page].profile.reads;
        let first = &self.pages[*group.iter().find(writes).unwrap_or(&group[0])];
        let (text, summary) = (first.document.text(), first.document.summary());
        for page in group.iter().map(|page| &self.pages[*page]) {
            let name = &page.profile.agent;
            let has_all = summary.difference(&page.document.summary()).is_empty();
            let is_same = page.document.summary() == summary && page.document.text() == text;
            if !(is_same || page.profile.reads && has_all) {
                all.push(format!("{name} and {} differ", first.profile.agent));
            }
            // A page that lost events at its end, and had sent on what builds on them, leaves others
            // with something that can never be applied.
            if page
                .document
                .missing()
                .iter()
                .any(|id| summary.contains(id))
            {
                all.push(format!("{name} waits for what it has"));
            }
            if !page.mirror.iter().copied().eq(page.document.text().chars()) {
                all.push(format!("{name}: the splices make another text"));
            }
        }
    }

    fn compare_presence(&self, group: &[usize], all: &mut Vec<String>) {
        for page in group {
            let others = group.iter().filter(|other| *other != page);
            let others = others.map(|other| &self.pages[*other]);
            let shown: BTreeMap<u64, &BTreeMap<String, String>> = others
                .filter(|other| !other.presence.is_empty())
                .map(|other| (other.room.page(), &other.presence))
                .collect();
            let seen = self.pages[*page].told.presence.iter();
            let seen: BTreeMap<u64, &BTreeMap<String, String>> = seen
                .filter(|(_, fields)| !fields.is_empty())
                .map(|(session, fields)| (*session, fields))
                .collect();
            if seen != shown {
                let name = &self.pages[*page].profile.agent;
                all.push(format!("{name} sees the presence {seen:?} of {shown:?}"));
            }
        }
    }

    fn check_page(&self, number: usize, all: &mut Vec<String>) {
        let page = &self.pages[number];
        let status = page.status();
        let told = &page.told;
        let pending = (1..=page.calls).find(|call| !told.ended.contains_key(call));
        if let Some(call) = pending {
            all.push(format!("the call {call} did not end"));
        }
        let servers = &page.profile.servers;
        let has_room = servers.is_empty() || servers.iter().any(|at| self.servers[*at].is_up);
        if (status.state == Phase::Connected) != has_room {
            all.push(format!("{:?} in the room {has_room}", status.state));
        }
        for (server, of_it) in servers.iter().zip(&status.signaling) {
            if self.servers[*server].is_up && of_it.state != Phase::Connected {
                all.push(format!("not joined: {of_it:?}"));
            }
        }
        if has_room && status.error.is_some() {
            all.push(format!("an error is shown: {:?}", status.error));
        }
        let shown = told.status.as_ref();
        if shown.is_none_or(|shown| status.differs_visibly(shown)) {
            all.push("the status differs from the reported one".to_owned());
        }
        if !status.peers.iter().eq(&told.peers) {
            all.push(format!("the peers are not those told: {:?}", told.peers));
        }
        self.check_links(number, &status.links, all);
        let links = status.links.iter();
        let open: BTreeSet<&String> = links
            .filter(|link| link.state == LinkState::Open)
            .map(|link| &link.peer)
            .collect();
        if !status.peers.iter().eq(open) {
            all.push(format!("the peers are not the linked: {:?}", status.peers));
        }
        for transport in &status.transports {
            if transport.state == TransportState::Open && transport.problem.is_some() {
                all.push(format!("an open transport has a problem: {transport:?}"));
            }
        }
        self.check_kept(page, &status, all);
        self.check_doctor(page, all);
    }

    /// The log of a server has all events of the writers.
    fn check_kept(&self, page: &Page, status: &Status, all: &mut Vec<String>) {
        let profile = &page.profile;
        let keeps =
            |server: &&usize| self.servers[**server].is_up && self.servers[**server].keeps_logs();
        let is_kept = profile.secret.is_some() && profile.servers.iter().any(|at| keeps(&at));
        let kept = &status.kept;
        if !is_kept && (kept.ahead.is_some() || kept.problem.is_none()) {
            all.push(format!("nobody keeps anything, but {kept:?}"));
        }
        let is_right = kept.ahead == Some(0) && kept.problem.is_none() || profile.reads;
        if is_kept && !is_right {
            all.push(format!("not kept: {kept:?}"));
        }
    }

    /// Who is named, as what.
    fn check_links(&self, number: usize, links: &[PeerLink], all: &mut Vec<String>) {
        let members = self.members();
        let is_full = members.len() <= FULL_MESH;
        let mut expected = BTreeSet::new();
        for other in members.into_iter().filter(|other| *other != number) {
            let name = self.pages[other].profile.agent.as_str();
            let best = self.best_way(number, other);
            if best.is_none() && !self.share_server(number, other) {
                continue;
            }
            expected.insert(name);
            let mut entries = links.iter().filter(|link| link.peer == name);
            let (Some(link), None) = (entries.next(), entries.next()) else {
                all.push(format!("{name} has not one entry: {links:?}"));
                continue;
            };
            let is_named = link.problem.is_some() && link.problem_stage.is_some();
            let is_right = match best {
                Some(_) if !is_full && link.state == LinkState::Indirect => link.problem.is_none(),
                Some(kind) => {
                    link.state == LinkState::Open
                        && link.link == kind
                        && link.synced
                        && link.behind == Some(0)
                        && link.problem.is_none()
                        && link.problem_stage.is_none()
                }
                None if self.both_read(number, other) => {
                    link.state == LinkState::Indirect && link.problem.is_none()
                }
                None => link.state != LinkState::Open && is_named && !link.synced,
            };
            let is_direct_wanted =
                is_full && best == Some(LinkKind::Custom) && self.is_direct_possible(number, other);
            if is_direct_wanted && !self.is_connected(number, other) {
                all.push(format!("no direct connection to {name} beside: {link:?}"));
            }
            if !is_right {
                all.push(format!("not as {best:?} would have it: {link:?}"));
            }
            let equal =
                self.pages[number].document.summary() == self.pages[other].document.summary();
            let reads = |page: usize| self.pages[page].profile.reads;
            if link.synced && !equal && !reads(number) && !reads(other) {
                all.push(format!("{name} is synced, and has not the same"));
            }
        }
        let ghosts = links
            .iter()
            .filter(|link| !expected.contains(link.peer.as_str()));
        all.extend(ghosts.map(|link| format!("nobody is behind {link:?}")));
    }

    fn check_doctor(&self, page: &Page, all: &mut Vec<String>) {
        let diagnosis = page.room.doctor(&page.document);
        let diagnosis = serde_json::to_value(&diagnosis).expect("a diagnosis is JSON");
        let message = diagnosis["message"].as_str().unwrap_or_default();
        let number = page.load.page;
        let members = self.members();
        let unreachable = members.iter().any(|other| {
            *other != number
                && self.share_server(number, *other)
                && self.best_way(number, *other).is_none()
                && !self.both_read(number, *other)
        });
        if diagnosis["stage"].is_null() != diagnosis["advice"].is_null() {
            all.push(format!("advice without a problem, or none: {diagnosis}"));
        }
        // A transport without another end is nobody's, and may be named as well.
        let has_loose_end = page.status().transports.iter().any(|transport| {
            transport.state != TransportState::Open && transport.problem.is_some()
        });
        if has_loose_end {
            return;
        }
        let leads_nowhere = !LinkKind::CHOICES.iter().any(|kind| page.profile.can(*kind));
        if leads_nowhere && page.transports.is_empty() && !unreachable {
            if diagnosis["stage"] != "environment" {
                all.push(format!("nothing can lead anywhere, but {diagnosis}"));
            }
            return;
        }
        let is_alone = page.status().links.is_empty();
        if diagnosis["stage"].is_null() == unreachable {
            all.push(format!("unreachable {unreachable}, but {diagnosis}"));
        }
        let is_well = message.starts_with("all is well")
            || is_alone && message == "connected; nobody else is in the room";
        if !unreachable && !is_well {
            all.push(format!("the doctor says {message:?}"));
        }
    }
}
