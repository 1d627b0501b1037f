//! The state of the simulated directory: people, groups, their relations, and the order of changes.
//! A change moves its object to the end of the log; nothing is copied per change or per reader.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::application::Application;
use super::properties::{Names, Properties};
use super::unit::Unit;

/// The directory's logical clock starts here and goes on by a second per change: 2026-01-05T08:00:00Z.
const EPOCH: i64 = 1_767_600_000;

/// A point in the order of changes; zero is the state as it was generated.
pub(crate) type Moment = u64;

/// A user or group by its place in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Principal {
    User(u32),
    Group(u32),
}

/// Whether an object is there, in the recycle bin, or gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    Active,
    SoftDeleted,
    Purged,
}

#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) id: Uuid,
    pub(crate) properties: Properties,
    pub(crate) life: Life,
    /// When it was created, deleted or restored last.
    pub(crate) life_changed: Moment,
    /// When single properties changed, of those that did since the beginning.
    pub(crate) touched: Vec<(u16, Moment)>,
    /// Where it stands in the log; zero when it is not there.
    logged: Moment,
}

impl Object {
    fn new(id: Uuid, properties: Properties, now: Moment) -> Self {
        Self {
            id,
            properties,
            life: Life::Active,
            life_changed: now,
            touched: Vec::new(),
            logged: 0,
        }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.life == Life::Active
    }

    fn touch(&mut self, keys: &[u16], now: Moment) {
        for key in keys {
            match self.touched.iter_mut().find(|(own, _)| own == key) {
                Some(entry) => entry.1 = now,
                None => self.touched.push((*key, now)),
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) object: Object,
    pub(crate) manager: Option<u32>,
    /// Whom a reader may still believe to be the manager.
    pub(crate) former_manager: Option<u32>,
    pub(crate) manager_changed: Moment,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) object: Object,
    /// Members with the moment they joined.
    pub(crate) members: BTreeMap<Principal, Moment>,
    /// Former members with the moment they left.
    pub(crate) left: BTreeMap<Principal, Moment>,
}

#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) users: Vec<User>,
    pub(crate) groups: Vec<Group>,
    pub(crate) names: Names,
    pub(crate) now: Moment,
    pub(crate) user_log: BTreeMap<Moment, u32>,
    pub(crate) group_log: BTreeMap<Moment, u32>,
    pub(crate) application: Application,
    pub(crate) units: Vec<Unit>,
    ids: BTreeMap<Uuid, Principal>,
    rng: fastrand::Rng,
}

impl Directory {
    pub(crate) fn new(application: Application, rng: fastrand::Rng) -> Self {
        Self {
            users: Vec::new(),
            groups: Vec::new(),
            names: Names::default(),
            now: 0,
            user_log: BTreeMap::new(),
            group_log: BTreeMap::new(),
            application,
            units: Vec::new(),
            ids: BTreeMap::new(),
            rng,
        }
    }

    pub(crate) fn principal(&self, id: Uuid) -> Option<Principal> {
        self.ids.get(&id).copied()
    }

    pub(crate) fn user(&self, id: Uuid) -> Option<&User> {
        match self.principal(id)? {
            Principal::User(place) => self.users.get(place as usize),
            Principal::Group(_) => None,
        }
    }

    pub(crate) fn group(&self, id: Uuid) -> Option<&Group> {
        match self.principal(id)? {
            Principal::Group(place) => self.groups.get(place as usize),
            Principal::User(_) => None,
        }
    }

    pub(crate) fn object(&self, principal: Principal) -> &Object {
        match principal {
            Principal::User(place) => &self.users[place as usize].object,
            Principal::Group(place) => &self.groups[place as usize].object,
        }
    }

    fn object_mut(&mut self, principal: Principal) -> &mut Object {
        match principal {
            Principal::User(place) => &mut self.users[place as usize].object,
            Principal::Group(place) => &mut self.groups[place as usize].object,
        }
    }

    /// The value of a text property.
    pub(crate) fn text(&self, principal: Principal, name: &str) -> Option<String> {
        let key = self.names.known(name)?;
        match self.object(principal).properties.value(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Adds a user; `properties` may name the id.
    pub(crate) fn add_user(&mut self, mut properties: Map<String, Value>) -> Uuid {
        let id = self.new_id(&mut properties);
        let place = place(self.users.len());
        let object = self.new_object(id, &properties);
        self.users.push(User {
            object,
            manager: None,
            former_manager: None,
            manager_changed: 0,
        });
        self.enrol(id, Principal::User(place));
        id
    }

    /// Adds a group; `properties` may name the id.
    pub(crate) fn add_group(&mut self, mut properties: Map<String, Value>) -> Uuid {
        let id = self.new_id(&mut properties);
        let place = place(self.groups.len());
        let object = self.new_object(id, &properties);
        self.groups.push(Group {
            object,
            members: BTreeMap::new(),
            left: BTreeMap::new(),
        });
        self.enrol(id, Principal::Group(place));
        id
    }

    fn new_id(&mut self, properties: &mut Map<String, Value>) -> Uuid {
        let wanted = properties.remove("id");
        wanted
            .as_ref()
            .and_then(Value::as_str)
            .and_then(|text| Uuid::parse_str(text).ok())
            .unwrap_or_else(|| random_id(&mut self.rng))
    }

    fn new_object(&mut self, id: Uuid, properties: &Map<String, Value>) -> Object {
        let properties = Properties::new(properties, &mut self.names);
        Object::new(id, properties, self.now)
    }

    fn enrol(&mut self, id: Uuid, principal: Principal) {
        self.ids.insert(id, principal);
        if self.now > 0 {
            self.log(principal);
        }
    }

    /// From here on every change is seen by delta readers.
    pub(crate) fn next_moment(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// Moves an object to the end of the log. One moment holds one object: further ones get their own.
    fn log(&mut self, principal: Principal) {
        let now = self.now;
        let log = match principal {
            Principal::User(_) => &mut self.user_log,
            Principal::Group(_) => &mut self.group_log,
        };
        let (Principal::User(place) | Principal::Group(place)) = principal;
        let moment = match log.last_key_value() {
            Some((last, _)) if *last >= now => last + 1,
            _ => now,
        };
        let before = self.object(principal).logged;
        let log = match principal {
            Principal::User(_) => &mut self.user_log,
            Principal::Group(_) => &mut self.group_log,
        };
        if before > 0 {
            log.remove(&before);
        }
        log.insert(moment, place);
        self.object_mut(principal).logged = moment;
        self.now = moment;
    }

    pub(crate) fn set_properties(
        &mut self,
        principal: Principal,
        map: &Map<String, Value>,
    ) -> usize {
        let mut properties = std::mem::take(&mut self.object_mut(principal).properties);
        let changed = properties.replace(map, &mut self.names);
        self.object_mut(principal).properties = properties;
        if !changed.is_empty() {
            let now = self.next_moment();
            self.object_mut(principal).touch(&changed, now);
            self.log(principal);
        }
        changed.len()
    }

    pub(crate) fn set_life(&mut self, principal: Principal, life: Life) {
        if self.object(principal).life == life {
            return;
        }
        let now = self.next_moment();
        let object = self.object_mut(principal);
        object.life = life;
        object.life_changed = now;
        self.log(principal);
        if life == Life::Purged {
            self.forget(principal);
        }
    }

    /// A purged object loses every relation; the groups and reports it leaves behind show it.
    fn forget(&mut self, principal: Principal) {
        let id = self.object(principal).id;
        self.application.unassign(id);
        for place in 0..self.groups.len() {
            if self.groups[place].members.contains_key(&principal) {
                self.remove_members(place, &[principal]);
            }
        }
        let Principal::User(gone) = principal else {
            return;
        };
        let reports: Vec<usize> = (0..self.users.len())
            .filter(|place| self.users[*place].manager == Some(gone))
            .collect();
        for place in reports {
            self.set_manager(place, None);
        }
    }

    pub(crate) fn set_manager(&mut self, place: usize, manager: Option<u32>) {
        if self.users[place].manager == manager {
            return;
        }
        let now = self.next_moment();
        let user = &mut self.users[place];
        user.former_manager = user.manager.or(user.former_manager);
        user.manager = manager;
        user.manager_changed = now;
        self.log(Principal::User(principal_place(place)));
    }

    pub(crate) fn add_members(&mut self, place: usize, members: &[Principal]) {
        let now = self.next_moment();
        let group = &mut self.groups[place];
        for member in members {
            if !group.members.contains_key(member) {
                group.members.insert(*member, now);
                group.left.remove(member);
            }
        }
        self.log(Principal::Group(principal_place(place)));
    }

    pub(crate) fn remove_members(&mut self, place: usize, members: &[Principal]) {
        let now = self.next_moment();
        let group = &mut self.groups[place];
        for member in members {
            if group.members.remove(member).is_some() {
                group.left.insert(*member, now);
            }
        }
        self.log(Principal::Group(principal_place(place)));
    }

    /// Everyone below a group, nested groups included, each once.
    pub(crate) fn transitive_members(&self, place: usize) -> BTreeSet<Principal> {
        let mut found = BTreeSet::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            for member in self.groups[place].members.keys() {
                if found.insert(*member)
                    && let Principal::Group(nested) = member
                    && self.groups[*nested as usize].object.is_active()
                {
                    open.push(*nested as usize);
                }
            }
        }
        found
    }

    /// What the logical clock shows at a moment.
    pub(crate) fn date(moment: Moment) -> String {
        let seconds = EPOCH + i64::try_from(moment).unwrap_or(0);
        chrono::DateTime::from_timestamp(seconds, 0)
            .map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default()
    }
}

pub(crate) fn random_id(rng: &mut fastrand::Rng) -> Uuid {
    uuid::Builder::from_random_bytes(rng.u128(..).to_be_bytes()).into_uuid()
}

fn place(length: usize) -> u32 {
    u32::try_from(length).expect("a directory has fewer than four billion objects")
}

fn principal_place(place: usize) -> u32 {
    u32::try_from(place).expect("places come from u32")
}
