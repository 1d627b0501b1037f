//! The resources of the target, kept as JSON text with indexes next to them; members of groups are sets
//! of numbers, so that a change of a hundred members costs the same in a group of any size.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::Quirk;
use super::error::Refusal;
use super::normal;
use super::personality::Personality;
use super::schema::{ENTERPRISE, Kind};

/// The store's logical clock starts here and goes on by a second per write: 2026-01-05T08:00:00Z.
const EPOCH: i64 = 1_767_600_000;

/// Stands for an id, be it of a resource or of a member that does not exist.
pub(super) type Handle = u32;

/// Attributes that are found without looking at every resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    UserName,
    ExternalId,
    DisplayName,
    Email,
}

impl Index {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "userName" => Some(Self::UserName),
            "externalId" => Some(Self::ExternalId),
            "displayName" => Some(Self::DisplayName),
            "emails" | "emails.value" => Some(Self::Email),
            _ => None,
        }
    }

    /// As the attribute is compared: only `externalId` minds case.
    pub(super) fn fold(self, text: &str) -> String {
        match self {
            Self::ExternalId => text.to_owned(),
            Self::UserName | Self::DisplayName | Self::Email => text.to_lowercase(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Resource {
    body: Box<str>,
    pub(super) version: u32,
    created: u32,
    modified: u32,
    /// Only of groups.
    pub(super) members: BTreeSet<Handle>,
}

impl Resource {
    pub(super) fn map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.body).expect("the text was printed from an object")
    }

    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

#[derive(Debug)]
pub(super) struct Store {
    users: BTreeMap<Handle, Resource>,
    groups: BTreeMap<Handle, Resource>,
    ids: BTreeMap<Box<str>, Handle>,
    texts: Vec<Box<str>>,
    /// Members with their groups.
    belongs: BTreeSet<(Handle, Handle)>,
    index: BTreeSet<(Kind, Index, Box<str>, Handle)>,
    /// Where the last page of a list ended.
    bookmark: Cell<Option<Bookmark>>,
    clock: u32,
    /// The last number that was given to a user and to a group as its id.
    numbers: [u32; 2],
    rng: fastrand::Rng,
}

/// The resource that comes next in a list, and how many come before it.
#[derive(Debug, Clone, Copy)]
struct Bookmark {
    kind: Kind,
    skipped: usize,
    next: Handle,
}

impl Store {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            ids: BTreeMap::new(),
            texts: Vec::new(),
            belongs: BTreeSet::new(),
            index: BTreeSet::new(),
            bookmark: Cell::new(None),
            clock: 0,
            numbers: [0; 2],
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn all(&self, kind: Kind) -> &BTreeMap<Handle, Resource> {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }

    fn all_mut(&mut self, kind: Kind) -> &mut BTreeMap<Handle, Resource> {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        }
    }

    pub(super) fn id(&self, handle: Handle) -> &str {
        &self.texts[handle as usize]
    }

    pub(super) fn handle(&self, id: &str) -> Option<Handle> {
        self.ids.get(id).copied()
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Option<(Handle, &Resource)> {
        let handle = self.handle(id)?;
        Some((handle, self.all(kind).get(&handle)?))
    }

    pub(super) fn get(&self, kind: Kind, handle: Handle) -> Option<&Resource> {
        self.all(kind).get(&handle)
    }

    pub(super) fn exists(&self, handle: Handle) -> bool {
        self.users.contains_key(&handle) || self.groups.contains_key(&handle)
    }

    /// A page of all resources. Pages that follow each other do not count from the beginning each.
    pub(super) fn page(&self, kind: Kind, skip: usize, count: usize) -> Vec<Handle> {
        let (from, skip_more) = match self.bookmark.get() {
            Some(bookmark) if bookmark.kind == kind && bookmark.skipped == skip => {
                (bookmark.next, 0)
            }
            _ => (Handle::MIN, skip),
        };
        let mut rest = self.all(kind).range(from..).skip(skip_more);
        let page: Vec<Handle> = rest
            .by_ref()
            .take(count)
            .map(|(handle, _)| *handle)
            .collect();
        self.bookmark.set(rest.next().map(|(next, _)| Bookmark {
            kind,
            skipped: skip + page.len(),
            next: *next,
        }));
        page
    }

    /// Everything an index holds for a value.
    pub(super) fn indexed(&self, kind: Kind, index: Index, text: &str) -> Vec<Handle> {
        let folded: Box<str> = index.fold(text).into();
        let from = (kind, index, folded.clone(), Handle::MIN);
        let to = (kind, index, folded, Handle::MAX);
        let found = self.index.range(from..=to);
        found.map(|(_, _, _, handle)| *handle).collect()
    }

    /// The groups of a member.
    pub(super) fn groups_of(&self, member: Handle) -> Vec<Handle> {
        let found = self
            .belongs
            .range((member, Handle::MIN)..=(member, Handle::MAX));
        found.map(|(_, group)| *group).collect()
    }

    pub(super) fn create(
        &mut self,
        kind: Kind,
        sent: &Map<String, Value>,
        personality: &Personality,
    ) -> Result<Handle, Refusal> {
        let mut kept = normal::resource(sent, kind, personality)?;
        let members = self.take_members(&mut kept, personality)?;
        if kind == Kind::Group && members.is_empty() && personality.has(Quirk::EmptyGroupsRefused) {
            let words = "A group must have at least one member.";
            return Err(Refusal::invalid_value(words));
        }
        self.check_unique(kind, None, &kept, personality)?;
        let id = if personality.has(Quirk::NumbersAsIds) {
            let last = &mut self.numbers[kind as usize];
            *last += 1;
            last.to_string()
        } else {
            let bytes = self.rng.u128(..).to_be_bytes();
            uuid::Builder::from_random_bytes(bytes)
                .into_uuid()
                .to_string()
        };
        let handle = self.intern(&id);
        self.clock += 1;
        let resource = Resource {
            body: print(&kept),
            version: 1,
            created: self.clock,
            modified: self.clock,
            members: BTreeSet::new(),
        };
        self.all_mut(kind).insert(handle, resource);
        self.add_to_index(kind, handle, &kept);
        for member in members {
            self.add_member(handle, member);
        }
        Ok(handle)
    }

    /// Puts a new state in place of the old one and says whether anything differs.
    pub(super) fn replace(
        &mut self,
        kind: Kind,
        handle: Handle,
        sent: &Map<String, Value>,
        personality: &Personality,
    ) -> Result<bool, Refusal> {
        let mut kept = normal::resource(sent, kind, personality)?;
        let members = if kept.contains_key("members") || kind == Kind::Group {
            Some(self.take_members(&mut kept, personality)?)
        } else {
            None
        };
        let mut changed = self.set_attributes(kind, handle, &kept, personality)?;
        if let Some(members) = members {
            let before = self.members(handle);
            for member in before.difference(&members) {
                changed |= self.remove_member(handle, *member);
            }
            for member in members.difference(&before) {
                changed |= self.add_member(handle, *member);
            }
        }
        Ok(changed)
    }

    /// Everything but the members.
    pub(super) fn set_attributes(
        &mut self,
        kind: Kind,
        handle: Handle,
        kept: &Map<String, Value>,
        personality: &Personality,
    ) -> Result<bool, Refusal> {
        self.check_unique(kind, Some(handle), kept, personality)?;
        let body = print(kept);
        let resource = self
            .get(kind, handle)
            .expect("the caller found the resource");
        if resource.body == body {
            return Ok(false);
        }
        let before = resource.map();
        self.remove_from_index(kind, handle, &before);
        self.add_to_index(kind, handle, kept);
        let resource = self.all_mut(kind).get_mut(&handle);
        resource.expect("the caller found the resource").body = body;
        Ok(true)
    }

    /// Notes that a write changed the resource.
    pub(super) fn touch(&mut self, kind: Kind, handle: Handle) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(resource) = self.all_mut(kind).get_mut(&handle) {
            resource.version += 1;
            resource.modified = clock;
        }
    }

    pub(super) fn delete(&mut self, kind: Kind, handle: Handle, personality: &Personality) {
        let Some(resource) = self.all_mut(kind).remove(&handle) else {
            return;
        };
        // The places behind it have changed. New resources come last and change none.
        self.bookmark.set(None);
        self.remove_from_index(kind, handle, &resource.map());
        for member in resource.members {
            self.belongs.remove(&(member, handle));
        }
        if personality.has(Quirk::DanglingMembersKept) {
            return;
        }
        for group in self.groups_of(handle) {
            self.remove_member(group, handle);
            self.touch(Kind::Group, group);
        }
    }

    pub(super) fn members(&self, group: Handle) -> BTreeSet<Handle> {
        let group = self.groups.get(&group);
        group.map(|group| group.members.clone()).unwrap_or_default()
    }

    pub(super) fn add_member(&mut self, group: Handle, member: Handle) -> bool {
        let Some(resource) = self.groups.get_mut(&group) else {
            return false;
        };
        self.belongs.insert((member, group));
        resource.members.insert(member)
    }

    pub(super) fn remove_member(&mut self, group: Handle, member: Handle) -> bool {
        let Some(resource) = self.groups.get_mut(&group) else {
            return false;
        };
        self.belongs.remove(&(member, group));
        resource.members.remove(&member)
    }

    /// The handle of a member to be added.
    pub(super) fn member(
        &mut self,
        value: &Value,
        personality: &Personality,
    ) -> Result<Handle, Refusal> {
        let id = value["value"]
            .as_str()
            .ok_or_else(|| Refusal::invalid_value("A member needs a 'value'."))?;
        match self.handle(id) {
            Some(handle)
                if self.groups.contains_key(&handle)
                    && personality.has(Quirk::GroupsAsMembersRefused) =>
            {
                Err(Refusal::invalid_value("Only users can be members."))
            }
            Some(handle) if self.exists(handle) => Ok(handle),
            _ if personality.has(Quirk::UnknownMembersAccepted) => Ok(self.intern(id)),
            _ if personality.has(Quirk::UnknownMembersCrash) => {
                Err(Refusal::new(500, None, "Object reference not set."))
            }
            _ => Err(Refusal::invalid_value(format!(
                "The member '{id}' does not exist."
            ))),
        }
    }

    fn take_members(
        &mut self,
        kept: &mut Map<String, Value>,
        personality: &Personality,
    ) -> Result<BTreeSet<Handle>, Refusal> {
        let Some(Value::Array(items)) = kept.remove("members") else {
            return Ok(BTreeSet::new());
        };
        let handles = items.iter().map(|item| self.member(item, personality));
        handles.collect()
    }

    fn check_unique(
        &self,
        kind: Kind,
        own: Option<Handle>,
        kept: &Map<String, Value>,
        personality: &Personality,
    ) -> Result<(), Refusal> {
        let unique: &[Index] = match kind {
            Kind::User if personality.has(Quirk::UniqueEmails) => &[Index::UserName, Index::Email],
            Kind::User => &[Index::UserName],
            Kind::Group if personality.has(Quirk::UniqueGroupNames) => &[Index::DisplayName],
            Kind::Group => &[],
        };
        for (index, text) in index_entries(kept) {
            let taken = unique.contains(&index)
                && self
                    .indexed(kind, index, &text)
                    .into_iter()
                    .any(|holder| Some(holder) != own);
            if taken {
                let refusal = Refusal::taken(format!("'{text}' is already in use."));
                let bare = personality.has(Quirk::BareConflicts);
                return Err(Refusal {
                    scim_type: refusal.scim_type.filter(|_| !bare),
                    ..refusal
                });
            }
        }
        Ok(())
    }

    fn add_to_index(&mut self, kind: Kind, handle: Handle, kept: &Map<String, Value>) {
        for (index, text) in index_entries(kept) {
            let folded = index.fold(&text).into();
            self.index.insert((kind, index, folded, handle));
        }
    }

    fn remove_from_index(&mut self, kind: Kind, handle: Handle, kept: &Map<String, Value>) {
        for (index, text) in index_entries(kept) {
            let folded = index.fold(&text).into();
            self.index.remove(&(kind, index, folded, handle));
        }
    }

    fn intern(&mut self, text: &str) -> Handle {
        if let Some(handle) = self.handle(text) {
            return handle;
        }
        let handle = Handle::try_from(self.texts.len()).expect("fewer than four billion ids");
        self.texts.push(text.into());
        self.ids.insert(text.into(), handle);
        handle
    }

    /// A resource as clients see it in full.
    pub(super) fn render(&self, kind: Kind, handle: Handle, base: &str, relations: bool) -> Value {
        let resource = self
            .get(kind, handle)
            .expect("the caller found the resource");
        let id = self.id(handle);
        let mut map = resource.map();
        let mut schemas = vec![kind.core().id];
        if map.contains_key(ENTERPRISE) {
            schemas.push(ENTERPRISE);
        }
        if let Some(manager) = map
            .get_mut(ENTERPRISE)
            .and_then(|extension| extension.get_mut("manager"))
            .and_then(Value::as_object_mut)
            && let Some(Value::String(value)) = manager.get("value").cloned()
        {
            let reference = json!(format!("{base}/Users/{value}"));
            manager.entry("$ref").or_insert(reference);
        }
        let location = format!("{base}/{}/{id}", kind.endpoint());
        let meta = json!({
            "resourceType": kind.name(), "created": date(resource.created),
            "lastModified": date(resource.modified), "location": location,
            "version": resource.etag(),
        });
        map.insert("schemas".to_owned(), json!(schemas));
        map.insert("id".to_owned(), json!(id));
        map.insert("meta".to_owned(), meta);
        if relations {
            let (name, values) = match kind {
                Kind::User => ("groups", self.render_groups(handle, base)),
                Kind::Group => ("members", self.render_members(&resource.members, base)),
            };
            if !values.is_empty() {
                map.insert(name.to_owned(), Value::Array(values));
            }
        }
        Value::Object(map)
    }

    fn render_groups(&self, user: Handle, base: &str) -> Vec<Value> {
        let groups = self.groups_of(user);
        let shown = groups.into_iter().filter_map(|group| {
            let id = self.id(group);
            let name = self.groups.get(&group)?.map().remove("displayName");
            Some(json!({
                "value": id, "$ref": format!("{base}/Groups/{id}"), "display": name, "type": "direct",
            }))
        });
        shown.collect()
    }

    pub(super) fn render_members(&self, members: &BTreeSet<Handle>, base: &str) -> Vec<Value> {
        let shown = members.iter().map(|member| {
            let id = self.id(*member);
            let kind = if self.groups.contains_key(member) {
                Kind::Group
            } else {
                Kind::User
            };
            json!({
                "value": id, "$ref": format!("{base}/{}/{id}", kind.endpoint()), "type": kind.name(),
            })
        });
        shown.collect()
    }
}

fn index_entries(kept: &Map<String, Value>) -> Vec<(Index, String)> {
    let mut entries = Vec::new();
    for name in ["userName", "externalId", "displayName"] {
        if let (Some(index), Some(Value::String(text))) = (Index::of(name), kept.get(name)) {
            entries.push((index, text.clone()));
        }
    }
    if let Some(Value::Array(emails)) = kept.get("emails") {
        let values = emails.iter().filter_map(|email| email["value"].as_str());
        entries.extend(values.map(|text| (Index::Email, text.to_owned())));
    }
    entries
}

fn print(kept: &Map<String, Value>) -> Box<str> {
    serde_json::to_string(kept)
        .expect("a map with text keys can be printed")
        .into()
}

fn date(clock: u32) -> String {
    chrono::DateTime::from_timestamp(EPOCH + i64::from(clock), 0)
        .map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}
