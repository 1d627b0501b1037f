//! Rounds of change tracking: what a reader of `users/delta` or `groups/delta` sees next.
//! A round walks the directory (initial) or the log (incremental) live, so that what changes
//! during the round is met again later in it, and nothing is ever skipped.

use std::fmt::Write as _;
use std::ops::Bound;

use serde_json::Value;
use uuid::Uuid;

use super::directory::{Directory, Group, Life, Moment, Object, Principal, User};

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Users,
    Groups,
}

/// What a reader asked to see and to have tracked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) properties: Vec<String>,
    /// `manager` of users, `members` of groups.
    pub(crate) relation: bool,
    /// Only these objects; empty means all.
    pub(crate) ids: Vec<Uuid>,
}

/// Where a round stands between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// What the reader has seen before this round; `None` in an initial round.
    pub(crate) since: Option<Moment>,
    /// When an initial round began: what changes later is in the next round.
    pub(crate) began: Moment,
    /// The place (initial) or moment (incremental) that comes next.
    pub(crate) next: u64,
    /// The last membership of that group that was returned already.
    pub(crate) told: Option<Principal>,
}

/// How much fits on a page, and what else a reader has to cope with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRules {
    pub(crate) objects: usize,
    pub(crate) members: usize,
    pub(crate) minimal: bool,
    pub(crate) removed_in_initial_round: bool,
    pub(crate) managers_in_initial_round: bool,
}

/// One page: its entries as JSON and how to go on.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<String>,
    pub(crate) then: Then,
}

/// What follows a page: the next one, or the moment up to which everything was returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    More(Position),
    Until(Moment),
}

impl Directory {
    pub(crate) fn delta_page(
        &self,
        stream: Stream,
        selection: &Selection,
        position: Position,
        rules: PageRules,
    ) -> Page {
        let keys = selection.properties.iter();
        let writer = Writer {
            directory: self,
            keys: keys.filter_map(|name| self.names.known(name)).collect(),
            relation: selection.relation,
            since: position.since,
            rules,
        };
        let mut page = Vec::new();
        let mut room = rules.members;
        let mut position = position;
        loop {
            let Some((moment, place)) = self.next_in_round(stream, position) else {
                let until = match position.since {
                    None => position.began,
                    Some(since) => since.max(position.next.saturating_sub(1)),
                };
                return Page {
                    entries: page,
                    then: Then::Until(until),
                };
            };
            if page.len() >= rules.objects || room == 0 {
                return Page {
                    entries: page,
                    then: Then::More(position),
                };
            }
            if moment != position.next {
                // The object a slice was cut from has moved on; it comes whole later.
                position.told = None;
            }
            let wanted = selection.ids.is_empty()
                || selection
                    .ids
                    .contains(&self.object(principal(stream, place)).id);
            let mut cut = None;
            if wanted {
                let entry = match stream {
                    Stream::Users => writer.user(&self.users[place as usize]),
                    Stream::Groups => {
                        let group = &self.groups[place as usize];
                        let (entry, rest) = writer.group(group, position.told, &mut room);
                        cut = rest;
                        entry
                    }
                };
                page.extend(entry);
            }
            position.told = cut;
            if cut.is_some() {
                position.next = moment;
                room = 0;
            } else {
                position.next = moment + 1;
            }
        }
    }

    fn next_in_round(&self, stream: Stream, position: Position) -> Option<(u64, u32)> {
        if position.since.is_none() {
            let length = match stream {
                Stream::Users => self.users.len(),
                Stream::Groups => self.groups.len(),
            };
            let place = u32::try_from(position.next).ok()?;
            return ((place as usize) < length).then_some((position.next, place));
        }
        let log = match stream {
            Stream::Users => &self.user_log,
            Stream::Groups => &self.group_log,
        };
        log.range((Bound::Included(position.next), Bound::Unbounded))
            .next()
            .map(|(moment, place)| (*moment, *place))
    }
}

fn principal(stream: Stream, place: u32) -> Principal {
    match stream {
        Stream::Users => Principal::User(place),
        Stream::Groups => Principal::Group(place),
    }
}

struct Writer<'a> {
    directory: &'a Directory,
    keys: Vec<u16>,
    relation: bool,
    since: Option<Moment>,
    rules: PageRules,
}

/// One entry of `members@delta`: who, and whether the membership ended.
struct Membership {
    member: Principal,
    ended: bool,
}

impl Writer<'_> {
    fn user(&self, user: &User) -> Option<String> {
        let object = &user.object;
        let new = match self.life(object) {
            Seen::Entry(entry) => return entry,
            Seen::Present { new } => new,
        };
        let manager_told = self.relation
            && if new {
                user.manager.is_some()
                    && (self.since.is_some() || self.rules.managers_in_initial_round)
                    || self.is_news(user.manager_changed)
            } else {
                self.is_news(user.manager_changed)
            };
        if !new && !manager_told && !self.is_touched(object) {
            return None;
        }
        let mut text = self.open(object, new);
        if manager_told {
            let (manager, removed) = match user.manager {
                Some(manager) => (Some(manager), ""),
                None => (user.former_manager, r#","@removed":{"reason":"deleted"}"#),
            };
            if let Some(manager) = manager {
                let id = self.directory.users[manager as usize].object.id;
                write!(
                    text,
                    r##","manager@delta":[{{"@odata.type":"#microsoft.graph.user","id":"{id}"{removed}}}]"##
                )
                .expect("writing to a string does not fail");
            }
        }
        text.push('}');
        Some(text)
    }

    /// The entry, and the last membership returned when the page has no room for the rest.
    fn group(
        &self,
        group: &Group,
        told: Option<Principal>,
        room: &mut usize,
    ) -> (Option<String>, Option<Principal>) {
        let object = &group.object;
        let new = match self.life(object) {
            Seen::Entry(entry) => return (entry, None),
            Seen::Present { new } => new,
        };
        let mut slice = if self.relation {
            self.memberships(group, new, told, *room)
        } else {
            Vec::new()
        };
        if !new && told.is_none() && slice.is_empty() && !self.is_touched(object) {
            return (None, None);
        }
        let cut = slice.len() > *room;
        slice.truncate(*room);
        *room -= slice.len();
        let mut text = self.open(object, new);
        if !slice.is_empty() {
            text.push_str(r#","members@delta":["#);
            for (number, membership) in slice.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                let kind = match membership.member {
                    Principal::User(_) => "user",
                    Principal::Group(_) => "group",
                };
                let id = self.directory.object(membership.member).id;
                let removed = if membership.ended {
                    r#","@removed":{"reason":"deleted"}"#
                } else {
                    ""
                };
                write!(
                    text,
                    r##"{{"@odata.type":"#microsoft.graph.{kind}","id":"{id}"{removed}}}"##
                )
                .expect("writing to a string does not fail");
            }
            text.push(']');
        }
        text.push('}');
        let last = slice.last().map(|entry| entry.member);
        (Some(text), last.filter(|_| cut))
    }

    /// The memberships behind one, and one more than there is room for when more follow: a slice of
    /// a group of a million costs no more than its own length.
    ///
    /// In a group that is new to the reader, all members: soft-deleted people keep their
    /// memberships, and no later round would return them when they are restored.
    fn memberships(
        &self,
        group: &Group,
        new: bool,
        told: Option<Principal>,
        room: usize,
    ) -> Vec<Membership> {
        let behind = (
            told.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let joined = group
            .members
            .range(behind)
            .filter(|(_, moment)| new || self.is_news(**moment))
            .take(room + 1)
            .map(|(member, _)| Membership {
                member: *member,
                ended: false,
            });
        let left = group
            .left
            .range(behind)
            .filter(|(_, moment)| self.is_news(**moment))
            .take(room + 1)
            .map(|(member, _)| Membership {
                member: *member,
                ended: true,
            });
        let mut all: Vec<Membership> = left.chain(joined).collect();
        // The order lets a later page go on behind a member even when others came or left.
        all.sort_unstable_by_key(|entry| entry.member);
        all
    }

    fn life(&self, object: &Object) -> Seen {
        let told = match self.since {
            None => self.rules.removed_in_initial_round,
            Some(_) => self.is_news(object.life_changed),
        };
        let reason = match object.life {
            Life::Active => {
                return Seen::Present {
                    new: self.since.is_none() || self.is_news(object.life_changed),
                };
            }
            Life::SoftDeleted => "changed",
            Life::Purged => "deleted",
        };
        let id = object.id;
        let entry = format!(r#"{{"id":"{id}","@removed":{{"reason":"{reason}"}}}}"#);
        Seen::Entry(told.then_some(entry))
    }

    fn is_news(&self, moment: Moment) -> bool {
        self.since.is_some_and(|since| moment > since)
    }

    fn is_touched(&self, object: &Object) -> bool {
        object
            .touched
            .iter()
            .any(|(key, moment)| self.keys.contains(key) && self.is_news(*moment))
    }

    /// The object up to its relation, without the closing brace.
    fn open(&self, object: &Object, new: bool) -> String {
        let mut text = String::with_capacity(256);
        let minimal = self.rules.minimal && self.since.is_some() && !new;
        text.push('{');
        for (key, raw) in object.properties.iter() {
            let shown = self.keys.contains(&key)
                && (!minimal
                    || object
                        .touched
                        .iter()
                        .any(|(own, moment)| *own == key && self.is_news(*moment)));
            if shown {
                self.directory.write_property(&mut text, key, raw);
                text.push(',');
            }
        }
        write!(text, r#""id":"{}""#, object.id).expect("writing to a string does not fail");
        text
    }
}

enum Seen {
    /// Gone: the tombstone, if the reader is to see it.
    Entry(Option<String>),
    Present {
        new: bool,
    },
}

impl Directory {
    /// Writes `"name":value`. Extension attributes are stored without their nulls and shown with them.
    pub(crate) fn write_property(&self, text: &mut String, key: u16, raw: &str) {
        let name = self.names.name(key);
        write!(text, "\"{name}\":").expect("writing to a string does not fail");
        if name == "onPremisesExtensionAttributes" && raw != "null" {
            let stored: Value = serde_json::from_str(raw).unwrap_or_default();
            for number in 1..=15 {
                let attribute = format!("extensionAttribute{number}");
                let separator = if number == 1 { '{' } else { ',' };
                let value = &stored[attribute.as_str()];
                write!(text, "{separator}\"{attribute}\":{value}")
                    .expect("writing to a string does not fail");
            }
            text.push('}');
        } else {
            text.push_str(raw);
        }
    }
}
