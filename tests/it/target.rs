//! What a target holds, reduced to what the generic mapping feeds and made comparable: by names, not
//! by the ids that a target hands out.

use std::collections::{BTreeMap, BTreeSet};

use entrain::sandbox::{Life, TenantHandle, Uuid};
use serde_json::Value;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Users by `userName`, groups by `displayName`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    pub(crate) users: BTreeMap<String, Person>,
    pub(crate) groups: BTreeMap<String, BTreeSet<String>>,
    /// Names and members that stand there more than once.
    pub(crate) duplicates: Vec<String>,
    /// Target ids by name; empty in an expectation.
    ids: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) active: bool,
    /// By target path, without `active`; empty values are absent.
    pub(crate) values: BTreeMap<&'static str, String>,
    /// The manager's `userName`.
    pub(crate) manager: Option<String>,
}

/// Target path, JSON pointer in the resource or element selector, and property in the source.
const PLAIN: &[(&str, &str, &str)] = &[
    ("displayName", "/displayName", "displayName"),
    ("title", "/title", "jobTitle"),
    (
        "preferredLanguage",
        "/preferredLanguage",
        "preferredLanguage",
    ),
    ("givenName", "/name/givenName", "givenName"),
    ("familyName", "/name/familyName", "surname"),
    ("externalId", "/externalId", "mailNickname"),
];
const EXTENSION: &[(&str, &str, &str)] = &[
    ("employeeNumber", "employeeNumber", "employeeId"),
    ("department", "department", "department"),
];
const ELEMENTS: &[(&str, &str, &str, &str, &str)] = &[
    ("work mail", "emails", "work", "value", "mail"),
    ("mobile", "phoneNumbers", "mobile", "value", "mobilePhone"),
    ("locality", "addresses", "work", "locality", "city"),
    (
        "postalCode",
        "addresses",
        "work",
        "postalCode",
        "postalCode",
    ),
];

impl View {
    pub(crate) fn new(users: &[Value], groups: &[Value]) -> Self {
        let mut view = Self::default();
        let mut names = BTreeMap::new();
        // Where a user and a group have the same id, it is the user who is a manager or a member.
        for (resources, attribute) in [(groups, "displayName"), (users, "userName")] {
            for resource in resources {
                let name = text(&resource[attribute]).unwrap();
                let id = text(&resource["id"]).unwrap();
                view.ids.insert(name.clone(), id.clone());
                names.insert(id, name);
            }
        }
        for user in users {
            let name = text(&user["userName"]).unwrap();
            let manager = &user[ENTERPRISE]["manager"];
            let manager = text(&manager["value"]).or_else(|| text(manager));
            let mut values = BTreeMap::new();
            for (path, pointer, _) in PLAIN {
                put(&mut values, path, user.pointer(pointer).and_then(text));
            }
            for (path, attribute, _) in EXTENSION {
                put(&mut values, path, text(&user[ENTERPRISE][attribute]));
            }
            for (path, attribute, kind, sub, _) in ELEMENTS {
                let elements = user[attribute].as_array().into_iter().flatten();
                let mut of_kind = elements.filter(|element| element["type"] == *kind);
                put(
                    &mut values,
                    path,
                    of_kind.next().and_then(|one| text(&one[sub])),
                );
                if of_kind.next().is_some() {
                    view.duplicates.push(format!("{name}: {path}"));
                }
            }
            let person = Person {
                active: user["active"] == true,
                values,
                manager: manager.and_then(|id| names.get(&id).cloned()),
            };
            if view.users.insert(name.clone(), person).is_some() {
                view.duplicates.push(name);
            }
        }
        for group in groups {
            let name = text(&group["displayName"]).unwrap();
            let mut members = BTreeSet::new();
            for member in group["members"].as_array().into_iter().flatten() {
                let id = text(&member["value"]).unwrap();
                let member = names.get(&id).cloned().unwrap_or(id);
                if !members.insert(member.clone()) {
                    view.duplicates.push(format!("{name}: {member}"));
                }
            }
            if view.groups.insert(name.clone(), members).is_some() {
                view.duplicates.push(name);
            }
        }
        view
    }

    /// The objects that differ between two views, by name. A reference to an object that was only
    /// renamed is the same reference.
    pub(crate) fn changed(&self, after: &Self) -> BTreeSet<String> {
        let (before, after) = (self.by_id(), after.by_id());
        let names = before.keys().chain(after.keys());
        names
            .filter(|name| before.get(*name) != after.get(*name))
            .cloned()
            .collect()
    }

    fn by_id(&self) -> BTreeMap<String, (Option<Person>, BTreeSet<String>)> {
        let id = |name: &String| self.ids.get(name).unwrap_or(name).clone();
        let users = self.users.iter().map(|(name, person)| {
            let mut person = person.clone();
            person.manager = person.manager.as_ref().map(id);
            (name.clone(), (Some(person), BTreeSet::new()))
        });
        let groups = self.groups.iter().map(|(name, members)| {
            let members = members.iter().map(id).collect();
            (name.clone(), (None, members))
        });
        users.chain(groups).collect()
    }
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn put(values: &mut BTreeMap<&'static str, String>, path: &'static str, value: Option<String>) {
    if let Some(value) = value {
        values.insert(path, value);
    }
}

/// What the target must hold, computed from the tenant alone. It remembers who was ever created.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    known: BTreeMap<Uuid, (String, Person)>,
}

impl Expected {
    /// After one more cycle of the `generic` preset.
    pub(crate) fn after_cycle(&mut self, tenant: &TenantHandle) -> View {
        let in_scope = tenant.users_in_scope();
        let users = tenant.users();
        let mut names = BTreeMap::new();
        for user in &users {
            let enabled = user.properties["accountEnabled"] == true;
            let name = home_address(user.properties["userPrincipalName"].as_str().unwrap());
            names.insert(user.id, name.clone());
            let belongs = in_scope.contains(&user.id);
            match (belongs, self.known.contains_key(&user.id)) {
                (true, true) => {
                    let person = desired(&user.properties, enabled);
                    self.known.insert(user.id, (name, person));
                }
                (true, false) if enabled => {
                    let person = desired(&user.properties, true);
                    self.known.insert(user.id, (name, person));
                }
                (false, true) => self.known.get_mut(&user.id).unwrap().1.active = false,
                (true | false, false) => {}
            }
        }
        let purged = |id: &Uuid| {
            users
                .iter()
                .find(|user| user.id == *id)
                .is_none_or(|user| user.life == Life::Purged)
        };
        self.known.retain(|id, _| !purged(id));
        let mut view = View::default();
        for (id, (name, person)) in &self.known {
            let mut person = person.clone();
            let manager = tenant.manager(*id);
            person.manager = manager
                .and_then(|manager| self.known.get(&manager))
                .map(|(name, _)| name.clone());
            view.users.insert(name.clone(), person);
        }
        let groups = tenant.groups_in_scope();
        for id in groups {
            let group = tenant.group(id).unwrap();
            let members = group.members.iter().filter(|id| in_scope.contains(id));
            let members = members.filter_map(|id| self.known.get(id));
            let name = group.properties["displayName"].as_str().unwrap();
            let mut members: BTreeSet<String> = members.map(|(name, _)| name.clone()).collect();
            let inner = group.members.iter().filter_map(|id| tenant.group(*id));
            members.extend(
                inner
                    .filter(|inner| tenant.groups_in_scope().contains(&inner.id))
                    .map(|inner| inner.properties["displayName"].as_str().unwrap().to_owned()),
            );
            view.groups.insert(name.to_owned(), members);
        }
        view
    }
}

/// What the account of a user holds, without the manager.
pub(crate) fn desired(properties: &serde_json::Map<String, Value>, active: bool) -> Person {
    let value = |name: &str| properties.get(name).and_then(text);
    let mut values = BTreeMap::new();
    for (path, _, property) in PLAIN.iter().chain(EXTENSION) {
        put(&mut values, path, value(property));
    }
    for (path, _, _, _, property) in ELEMENTS {
        put(&mut values, path, value(property));
    }
    Person {
        active,
        values,
        manager: None,
    }
}

/// The rule for guests, written down a second time on purpose.
pub(crate) fn home_address(name: &str) -> String {
    match name.split_once("#EXT#") {
        Some((home, _)) => {
            let at = home.rfind('_').unwrap();
            format!("{}@{}", &home[..at], &home[at + 1..])
        }
        None => name.to_owned(),
    }
}
