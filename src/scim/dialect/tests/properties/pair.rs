//! A user of a target, and what is wanted of it: at random, with what others wrote next to it.

use proptest::collection::vec;
use proptest::strategy::Strategy;
use serde_json::{Map, Value as Json};

use super::*;
use crate::engine::plan::{changes_again, keep_shown_elements};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const HOME: &str = "emails[type eq \"home\"].value";
const WORK: &str = "emails[type eq \"work\"].value";

/// Mapped attributes of a user with a single value.
const PATHS: &[&str] = &[
    "userName",
    "externalId",
    "displayName",
    "title",
    "active",
    "name.givenName",
    "name.familyName",
    WORK,
    HOME,
    "phoneNumbers[type eq \"mobile\"].value",
    "addresses[type eq \"work\"].locality",
    "addresses[type eq \"work\"].country",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
];

const VALUES: &[&str] = &["a", "B", "say \"x\" \\ y", "ü ö", "1", "True"];

/// A user of the target, what is wanted of it, and a dialect next to those above.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    /// For each path: what is there (0: nothing), and what is wanted (0: it is not mapped, 1: nothing).
    values: Vec<(usize, usize)>,
    /// Bits: which values of `entitlements` are there, and which are wanted; likewise.
    entitlements: (usize, usize),
    /// How roles are mapped, which are there, and which are wanted.
    pub(super) roles: (usize, usize, usize),
    /// Who the manager is and should be; likewise.
    pub(super) manager: (usize, usize),
    /// The work address is there without its type.
    is_untyped: bool,
    /// Bits: what others wrote.
    others: usize,
    /// The word of each knob.
    pub(super) words: Vec<usize>,
}

pub(super) fn pairs() -> impl Strategy<Value = Pair> {
    (
        vec((0..=VALUES.len(), 0..VALUES.len() + 2), PATHS.len()),
        (0..8_usize, 0..9_usize),
        (0..3_usize, 0..4_usize, 0..4_usize),
        (0..3_usize, 0..4_usize),
        proptest::bool::ANY,
        0..256_usize,
        vec(0..3_usize, KNOBS.len()),
    )
        .prop_map(
            |(values, entitlements, roles, manager, is_untyped, others, words)| Pair {
                values,
                entitlements,
                roles,
                manager,
                is_untyped,
                others,
                words,
            },
        )
}

pub(super) fn path(text: &str) -> TargetPath {
    TargetPath::parse(text).unwrap()
}

fn text(path: &str, number: usize) -> Json {
    if path == "active" {
        json!(number.is_multiple_of(2))
    } else {
        json!(VALUES[number])
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Bool(value) => Value::Boolean(*value),
        Json::String(text) => Value::text(text),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, one)| (name.clone(), value(one)))
                .collect(),
        ),
        other => panic!("{other}"),
    }
}

/// `prefix0`, `prefix1` and so on, for each bit, as elements of a list.
fn elements(prefix: &str, bits: usize) -> Json {
    let numbers = (0..3).filter(|bit| bits & (1 << bit) != 0);
    numbers
        .map(|bit| json!({ "value": format!("{prefix}{bit}") }))
        .collect()
}

impl Pair {
    /// The user as it is in the target.
    pub(super) fn there(&self, managers: &[String]) -> Map<String, Json> {
        let mut attributes = BTreeMap::new();
        for (name, (has, _)) in PATHS.iter().zip(&self.values) {
            let has = if *name == "userName" {
                *has.max(&1)
            } else {
                *has
            };
            if has > 0 {
                attributes.insert(path(name), value(&text(name, has - 1)));
            }
        }
        let mut user = resource::body(
            ObjectKind::User,
            &attributes,
            std::iter::empty(),
            config::Manager::Object,
        );
        if let Some(emails) = user.get_mut("emails").and_then(Json::as_array_mut) {
            for email in emails {
                let email = email.as_object_mut().unwrap();
                email.remove("primary");
                if self.is_untyped && email["type"] == "work" {
                    email.remove("type");
                }
            }
        }
        let mut add = |bit: usize, pointer: &[&str], one: Json| {
            if self.others & (1 << bit) == 0 {
                return;
            }
            let (last, ways) = pointer.split_last().unwrap();
            let place = ways
                .iter()
                .fold(&mut user, |place, name| resource::object_at(place, name));
            place.insert((*last).to_owned(), one);
        };
        add(0, &["nickName"], json!("N"));
        add(1, &["name", "middleName"], json!("M"));
        add(2, &[ENTERPRISE, "costCenter"], json!("C"));
        add(3, &["ims"], json!([{"type": "xmpp", "value": "i"}]));
        let mut add = |bit: usize, list: &str, one: Json| {
            if self.others & (1 << bit) != 0 {
                resource::array_at(&mut user, list).push(one);
            }
        };
        let other = json!({"type": "other", "value": "o", "display": "O"});
        add(4, "emails", other);
        add(5, "addresses", json!({"type": "home", "locality": "H"}));
        add(6, "roles", json!({"value": "x", "display": "X"}));
        // Something of others in an element that holds something of ours.
        if self.others & (1 << 7) != 0
            && let Some(addresses) = user.get_mut("addresses").and_then(Json::as_array_mut)
        {
            for address in addresses.iter_mut().filter(|one| one["type"] == "work") {
                address["region"] = json!("R");
            }
        }
        let (style, has, _) = self.roles;
        let roles = resource::array_at(&mut user, "roles");
        match style {
            1 if has > 0 => roles.push(json!({"primary": true, "value": VALUES[has]})),
            2 => roles.extend(elements("r", has).as_array().unwrap().clone()),
            _ => {}
        }
        let (has, _) = self.entitlements;
        user.insert("entitlements".to_owned(), elements("e", has));
        if let (1.., _) = self.manager {
            let manager = json!({ "value": managers[self.manager.0 - 1] });
            resource::object_at(&mut user, ENTERPRISE).insert("manager".to_owned(), manager);
        }
        let schemas = json!([core_schema(), ENTERPRISE]);
        user.insert("schemas".to_owned(), schemas);
        user
    }

    /// What each mapped path should hold.
    pub(super) fn wanted(&self) -> BTreeMap<TargetPath, Option<Value>> {
        let mut wanted = BTreeMap::new();
        for (name, (_, wants)) in PATHS.iter().zip(&self.values) {
            match wants {
                0 => {}
                1 if *name == "userName" => {}
                1 => {
                    wanted.insert(path(name), None);
                }
                number => {
                    wanted.insert(path(name), Some(value(&text(name, number - 2))));
                }
            }
        }
        if let (_, number @ 1..) = self.entitlements {
            wanted.insert(
                path("entitlements"),
                list("entitlements", &elements("e", number - 1)),
            );
        }
        if let (1, _, number @ 1..) = self.roles {
            let one = (number > 1).then(|| Value::text(VALUES[number]));
            wanted.insert(path("roles[primary eq \"True\"].value"), one);
        }
        wanted
    }

    /// The changes as the planner makes them, for a target that shows this.
    pub(super) fn changes(&self, there: &Map<String, Json>) -> Vec<Change> {
        let wanted = self.wanted();
        let paths: Vec<TargetPath> = wanted.keys().cloned().collect();
        let mut current = resource::values(ObjectKind::User, there, &paths);
        let mut changes = Vec::new();
        if let Some(address) = self.untyped_address() {
            current.insert(path(WORK), address.clone());
            changes.push(Change {
                path: path(WORK),
                old: None,
                new: Some(address),
                element: ElementChange::Kept,
                written: WriteMode::Selected,
            });
        }
        changes.extend(wanted.into_iter().map(|(path, new)| Change {
            path,
            old: None,
            new,
            element: ElementChange::None,
            written: WriteMode::Whole,
        }));
        if let (2, has, wants) = self.roles
            && let Some(Value::List(added)) = list("roles", &elements("r", wants & !has))
        {
            changes.push(Change {
                path: path("roles"),
                old: list("roles", &there["roles"]),
                new: self.roles_then(there),
                element: ElementChange::None,
                written: WriteMode::Added(added),
            });
        }
        let mut changes = changes_again(&changes, &BTreeMap::new(), &current);
        let lists = ["emails", "phoneNumbers", "addresses", "roles"].map(|name| {
            let shown = resource::value(ObjectKind::User, there, &path(name));
            Some((name.to_owned(), shown?))
        });
        keep_shown_elements(&mut changes, &lists.into_iter().flatten().collect());
        changes
    }

    /// All roles, where some were to be added.
    pub(super) fn roles_then(&self, there: &Map<String, Json>) -> Option<Value> {
        let (_, has, wants) = self.roles;
        let mut all = there["roles"].as_array().unwrap().clone();
        all.extend(elements("r", wants & !has).as_array().unwrap().clone());
        list("roles", &Json::Array(all))
    }

    /// A work address that is there without a type, and is the one that is wanted; no other is the same.
    fn untyped_address(&self) -> Option<Value> {
        let of = |path: &str| PATHS.iter().position(|name| *name == path);
        let (has, wants) = self.values[of(WORK)?];
        let (home, _) = self.values[of(HOME)?];
        let is_wanted = self.is_untyped && has > 0 && wants == has + 1 && home != has;
        is_wanted.then(|| value(&text(WORK, has - 1)))
    }

    /// What becomes of the manager.
    pub(super) fn reference(&self, managers: &[String]) -> Option<Operation> {
        let (has, wants) = self.manager;
        let to = |number: usize| new(Some(&managers[number]));
        let new = match (has, wants) {
            (_, 0) | (0, 1) => return None,
            (has, wants) if wants == has + 1 => return None,
            (_, 1) => Pointer::Cleared(proof()),
            (0, wants) if self.is_untyped => Pointer::Added(to(wants - 2)),
            (_, wants) => Pointer::To(to(wants - 2)),
        };
        Some(Operation::SetReference {
            path: path(MANAGER),
            old: None,
            new,
        })
    }

    /// The user without what is mapped: what others wrote, in an order that counts for nothing.
    pub(super) fn of_others(&self, user: &Map<String, Json>) -> Json {
        let mut user = user.clone();
        for name in ["schemas", "meta", "id", "groups"] {
            user.remove(name);
        }
        let wanted = self.wanted();
        if self.untyped_address().is_some() {
            let emails = resource::array_at(&mut user, "emails");
            emails.retain(|email| email.get("type").is_some());
        }
        for path in wanted.keys() {
            let keeps = wanted
                .iter()
                .any(|(other, new)| other.is_in_element_of(path) && new.is_some());
            let container = match path.schema() {
                Some(urn) => resource::object_at(&mut user, urn),
                None => &mut user,
            };
            match (path.selector(), path.sub_attribute()) {
                (None, None) => {
                    container.remove(path.attribute());
                }
                (None, Some(sub)) => {
                    resource::object_at(container, path.attribute()).remove(sub);
                }
                (Some(selector), Some(sub)) => {
                    let list = resource::array_at(container, path.attribute());
                    let is_ours = |one: &Json| resource::is_selected(one, selector);
                    // An element of which nothing of ours is left goes as a whole.
                    list.retain(|one| keeps || !is_ours(one));
                    for one in list.iter_mut().filter(|one| is_ours(one)) {
                        one.as_object_mut().unwrap().remove(sub);
                    }
                }
                (Some(_), None) => unreachable!("no such path is mapped"),
            }
        }
        for path in wanted.keys() {
            if let Some(selector) = path.selector() {
                let list = resource::array_at(&mut user, path.attribute());
                for one in list.iter_mut() {
                    if resource::is_selected(one, selector) {
                        one.as_object_mut().unwrap().remove(&selector.attribute);
                    }
                }
            }
        }
        if self.roles.0 == 2 {
            user.remove("roles");
        }
        if self.manager.1 > 0 {
            resource::object_at(&mut user, ENTERPRISE).remove("manager");
        }
        said(&Json::Object(user))
    }
}

/// Without what carries nothing, and lists in one order.
fn said(json: &Json) -> Json {
    let is_empty = |json: &Json| match json {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        _ => false,
    };
    match json {
        Json::Array(items) => {
            let mut items: Vec<Json> = items
                .iter()
                .map(said)
                .filter(|one| !is_empty(one))
                .collect();
            items.sort_by_key(Json::to_string);
            Json::Array(items)
        }
        Json::Object(members) => {
            let members = members.iter().map(|(name, one)| (name.clone(), said(one)));
            Json::Object(members.filter(|(_, one)| !is_empty(one)).collect())
        }
        other => other.clone(),
    }
}

fn list(name: &str, elements: &Json) -> Option<Value> {
    canonical(ObjectKind::User, &path(name), value(elements))
}

pub(super) fn core_schema() -> &'static str {
    resource::core_schema(ObjectKind::User)
}
