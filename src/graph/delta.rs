//! Delta reading of users and groups, a page at a time, so that the caller can commit each page with
//! its link. Absent keeps, null empties, removed is soft or final: never more than Graph says.

use std::collections::BTreeMap;

use graph_rs_sdk::{GraphClient, ODataQuery};
use serde_json::{Number, Value as Json};

use crate::engine::model::{
    Complete, MemberChange, ObjectKind, Presence, SourceChange, SourceId, Value,
};

use super::client::{Client, Paged};
use super::error::Error;
use super::wire;

/// Where a reading begins or goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    /// Everything, with these properties. `manager` (users) and `members` (groups) are read when they
    /// are named. The properties stay fixed for all later rounds: others need a new beginning.
    Beginning { select: &'a [String] },
    /// The same of these objects alone, at most [`MAX_FILTERED`]. Which they are stays fixed, too.
    Few {
        select: &'a [String],
        ids: &'a [SourceId],
    },
    /// Behind a link that an earlier page gave, of either kind.
    Link(&'a str),
}

/// How many objects a delta query may name in its filter.
pub(crate) const MAX_FILTERED: usize = 50;

/// A whole round of a delta query.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) changes: Vec<SourceChange>,
    /// The watermark for the next one.
    pub(crate) link: Complete<String>,
}

/// What one page said, in the order it said it: of an object that comes twice, the later one wins.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) changes: Vec<SourceChange>,
    pub(crate) link: Link,
}

/// What stands below a page. To be stored as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The round goes on there.
    Next(String),
    /// The round is complete; the watermark for the next one.
    Delta(Complete<String>),
}

impl Client {
    /// One page of a delta query.
    pub(super) async fn fetch_delta_page(
        &self,
        kind: ObjectKind,
        at: At<'_>,
    ) -> Result<Page, Error> {
        let paged = match at {
            At::Beginning { select } => {
                let names = with_id(select);
                self.page(|sdk| match kind {
                    ObjectKind::User => sdk.users().delta().select(&names).build(),
                    ObjectKind::Group => sdk.groups().delta().select(&names).build(),
                })
                .await?
            }
            At::Few { select, ids } => {
                let names = with_id(select);
                let filter = any_of(ids);
                self.page(|sdk| {
                    let call = match kind {
                        ObjectKind::User => sdk.users().delta(),
                        ObjectKind::Group => sdk.groups().delta(),
                    };
                    call.select(&names).filter(&[&filter]).build()
                })
                .await?
            }
            At::Link(link) => self.page_at(link).await?,
        };
        page(kind, paged)
    }

    /// Asks for a link and no objects, with all that a real round would ask for: whether Graph would
    /// permit it, and whether it knows every property.
    pub(super) async fn try_delta(&self, kind: ObjectKind, select: &[String]) -> Result<(), Error> {
        let names = with_id(select);
        let latest = |sdk: &GraphClient| {
            let call = match kind {
                ObjectKind::User => sdk.users().delta(),
                ObjectKind::Group => sdk.groups().delta(),
            };
            call.select(&names)
                .append_query_pair("$deltatoken", "latest")
                .build()
        };
        let paged = self.page(latest).await?;
        page(kind, paged).map(|_| ())
    }
}

fn any_of(ids: &[SourceId]) -> String {
    let ids = ids.iter().map(|id| format!("id eq '{id}'"));
    ids.collect::<Vec<String>>().join(" or ")
}

pub(super) fn with_id(select: &[String]) -> Vec<&str> {
    let mut names = vec!["id"];
    for name in select {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

fn page(kind: ObjectKind, paged: Paged<wire::Entry>) -> Result<Page, Error> {
    let Paged {
        request,
        values,
        next_link,
        delta_link,
    } = paged;
    let link = match (next_link, delta_link) {
        // Both never come together; if they did, the round would not be over.
        (Some(next), _) => Link::Next(next),
        (None, Some(delta)) => Link::Delta(Complete::after_last_page(delta)),
        (None, None) => {
            return Err(Error::NotAPage {
                request,
                why: "it has neither a link to the next page nor one to the next round".to_owned(),
            });
        }
    };
    let changes = values
        .into_iter()
        .map(|entry| change(kind, entry))
        .collect::<Result<_, _>>()?;
    Ok(Page { changes, link })
}

pub(super) fn change(kind: ObjectKind, entry: wire::Entry) -> Result<SourceChange, Error> {
    if is_unreadable(kind, &entry) {
        return Err(Error::Unreadable { kind, id: entry.id });
    }
    if let Some((property, expected)) = misfit(&entry) {
        let id = entry.id;
        return Err(Error::WrongType {
            kind,
            id,
            property,
            expected,
        });
    }
    let wire::Entry {
        id,
        removed,
        manager,
        members,
        properties,
    } = entry;
    let mut change = SourceChange {
        kind,
        id: source_id(&id),
        presence: presence(removed.as_ref()),
        attributes: BTreeMap::new(),
        members: Vec::new(),
    };
    // In the recycle bin, principal names are mangled: what is known from before is the better word.
    if change.presence != Presence::Present {
        return Ok(change);
    }
    change.attributes = properties
        .into_iter()
        .map(|(name, json)| (name, value(json)))
        .collect();
    match kind {
        ObjectKind::User => {
            let manager = match manager_of(manager.as_deref().unwrap_or_default()) {
                Manager::Is(id) => Some(Value::Reference(id)),
                Manager::Nobody => None,
                Manager::Unsaid => return Ok(change),
            };
            change.attributes.insert("manager".to_owned(), manager);
        }
        ObjectKind::Group => {
            change.members = members
                .unwrap_or_default()
                .iter()
                .filter_map(member)
                .collect();
        }
    }
    Ok(change)
}

fn presence(removed: Option<&wire::Removed>) -> Presence {
    match removed.map(|removed| removed.reason.as_deref()) {
        None => Presence::Present,
        Some(Some("deleted")) => Presence::Deleted,
        // `changed`, and any word that Graph may yet invent: the milder of the two.
        Some(_) => Presence::SoftDeleted,
    }
}

/// The "limited information" form of an object that the application may not read: everything null.
///
/// Null for everything alone is no proof, because a round over `department` alone says just that of a
/// user who lost it. The proof is null for a property that the directory never leaves empty.
fn is_unreadable(kind: ObjectKind, entry: &wire::Entry) -> bool {
    const NEVER_NULL_IN_USERS: &[&str] = &["userPrincipalName", "displayName", "accountEnabled"];
    const NEVER_NULL_IN_GROUPS: &[&str] = &["displayName", "securityEnabled", "mailEnabled"];
    let never_null = match kind {
        ObjectKind::User => NEVER_NULL_IN_USERS,
        ObjectKind::Group => NEVER_NULL_IN_GROUPS,
    };
    let mut names = entry.properties.iter().map(|(name, _)| name.as_str());
    entry.removed.is_none()
        && entry.manager.is_none()
        && entry.members.is_none()
        && entry.properties.iter().all(|(_, json)| json.is_null())
        && names.any(|name| never_null.contains(&name))
}

/// A property of the wrong type, among those on which it depends who has access and which account is whose.
fn misfit(entry: &wire::Entry) -> Option<(&'static str, &'static str)> {
    const TEXTS: &[&str] = &["userPrincipalName", "displayName", "mail", "mailNickname"];
    const BOOLEANS: &[&str] = &["accountEnabled", "securityEnabled"];
    let known = |names: &[&'static str], name: &str| names.iter().copied().find(|one| *one == name);
    entry.properties.iter().find_map(|(name, json)| {
        let text = known(TEXTS, name).filter(|_| !(json.is_string() || json.is_null()));
        let boolean = known(BOOLEANS, name).filter(|_| !(json.is_boolean() || json.is_null()));
        text.map(|name| (name, "text"))
            .or(boolean.map(|name| (name, "a Boolean")))
    })
}

/// What `manager@delta` says.
#[derive(Debug, PartialEq, Eq)]
enum Manager {
    Is(SourceId),
    Nobody,
    Unsaid,
}

/// A replacement may come as two entries, one of them removed. A manager who is a contact has no
/// counterpart in a target, so that there is none.
fn manager_of(entries: &[wire::Reference]) -> Manager {
    match entries.iter().rfind(|entry| entry.removed.is_none()) {
        Some(manager) if kind_of(manager) == Some(ObjectKind::User) => {
            Manager::Is(source_id(&manager.id))
        }
        None if entries.is_empty() => Manager::Unsaid,
        Some(_) | None => Manager::Nobody,
    }
}

fn member(entry: &wire::Reference) -> Option<MemberChange> {
    Some(MemberChange {
        id: source_id(&entry.id),
        kind: kind_of(entry)?,
        // Whatever the reason says: the membership is gone, the member may be alive.
        removed: entry.removed.is_some(),
    })
}

/// `None` for devices, contacts and service principals. An entry that does not say what it is passes
/// for a user: if it is none, no user with this id will ever be found.
fn kind_of(entry: &wire::Reference) -> Option<ObjectKind> {
    match entry.odata_type.as_deref() {
        None | Some("#microsoft.graph.user") => Some(ObjectKind::User),
        Some("#microsoft.graph.group") => Some(ObjectKind::Group),
        Some(_) => None,
    }
}

/// Ids are GUIDs, which compare without regard to case.
pub(super) fn source_id(id: &str) -> SourceId {
    SourceId::new(id.to_ascii_lowercase())
}

pub(super) fn value(json: Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(is) => Value::Boolean(is),
        Json::Number(number) => self::number(&number),
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.into_iter().filter_map(value).collect()),
        Json::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(name, _)| !name.contains('@'))
                .filter_map(|(name, json)| Some((name, value(json)?)))
                .collect(),
        ),
    })
}

fn number(number: &Number) -> Value {
    match number.as_i64() {
        Some(whole) => Value::Integer(whole),
        None => Value::text(number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change_of(kind: ObjectKind, json: &str) -> Result<SourceChange, Error> {
        change(kind, wire::read(json.as_bytes()).unwrap())
    }

    fn user(json: &str) -> SourceChange {
        change_of(ObjectKind::User, json).unwrap()
    }

    fn reference(id: &str) -> Value {
        Value::Reference(SourceId::new(id))
    }

    #[test]
    fn every_json_type_has_a_value() {
        let user = user(
            r#"{"id":"AB","t":"x","b":true,"i":-7,"f":1.5,"big":18446744073709551615,"n":null,
               "l":["a",null,1],"o":{"k":"v","none":null,"k@odata.type":"Int"}}"#,
        );
        assert_eq!(user.id.as_str(), "ab");
        let expected: BTreeMap<String, Option<Value>> = [
            ("t", Some(Value::text("x"))),
            ("b", Some(Value::Boolean(true))),
            ("i", Some(Value::Integer(-7))),
            ("f", Some(Value::text("1.5"))),
            ("big", Some(Value::text("18446744073709551615"))),
            ("n", None),
            (
                "l",
                Some(Value::List(vec![Value::text("a"), Value::Integer(1)])),
            ),
            (
                "o",
                Some(Value::Object([("k".to_owned(), Value::text("v"))].into())),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        assert_eq!(user.attributes, expected);
    }

    #[test]
    fn a_manager_comes_goes_and_is_replaced() {
        let manager = |entries: &str| {
            let user = user(&format!(r#"{{"id":"1","manager@delta":{entries}}}"#));
            user.attributes.get("manager").cloned()
        };
        let new = r##"{"@odata.type":"#microsoft.graph.user","id":"NEW"}"##;
        let old = r##"{"@odata.type":"#microsoft.graph.user","id":"old","@removed":{"reason":"deleted"}}"##;
        let contact = r##"{"@odata.type":"#microsoft.graph.orgContact","id":"c"}"##;
        assert_eq!(manager(&format!("[{new}]")), Some(Some(reference("new"))));
        assert_eq!(manager(&format!("[{old}]")), Some(None));
        assert_eq!(
            manager(&format!("[{old},{new}]")),
            Some(Some(reference("new")))
        );
        assert_eq!(
            manager(&format!("[{new},{old}]")),
            Some(Some(reference("new")))
        );
        assert_eq!(manager(&format!("[{contact}]")), Some(None));
        assert_eq!(manager("[]"), None);
        assert_eq!(user(r#"{"id":"1"}"#).attributes.get("manager"), None);
    }

    #[test]
    fn only_users_and_groups_are_members() {
        let group = change_of(
            ObjectKind::Group,
            r##"{"id":"1","members@delta":[
                {"@odata.type":"#microsoft.graph.user","id":"U"},
                {"@odata.type":"#microsoft.graph.group","id":"g","@removed":{"reason":"deleted"}},
                {"@odata.type":"#microsoft.graph.device","id":"d"},
                {"@odata.type":"#microsoft.graph.servicePrincipal","id":"s"},
                {"@odata.type":"#microsoft.graph.orgContact","id":"c"},
                {"id":"x"}]}"##,
        )
        .unwrap();
        let seen: Vec<(&str, ObjectKind, bool)> = group
            .members
            .iter()
            .map(|member| (member.id.as_str(), member.kind, member.removed))
            .collect();
        assert_eq!(
            seen,
            [
                ("u", ObjectKind::User, false),
                ("g", ObjectKind::Group, true),
                ("x", ObjectKind::User, false),
            ]
        );
        assert_eq!(group.presence, Presence::Present);
    }

    #[test]
    fn a_removed_object_brings_no_attributes() {
        for (reason, presence) in [
            ("changed", Presence::SoftDeleted),
            ("deleted", Presence::Deleted),
            ("renounced", Presence::SoftDeleted),
        ] {
            let user = user(&format!(
                r#"{{"id":"1","userPrincipalName":"f00x@y","@removed":{{"reason":"{reason}"}}}}"#
            ));
            assert_eq!(user.presence, presence, "{reason}");
            assert!(user.attributes.is_empty());
        }
    }

    #[test]
    fn an_object_that_may_not_be_read_is_not_an_emptied_one() {
        let limited = r#"{"id":"1","userPrincipalName":null,"displayName":null,"department":null}"#;
        let error = change_of(ObjectKind::User, limited).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
        assert_eq!(
            user(r#"{"id":"1","department":null}"#).attributes["department"],
            None
        );
        assert!(user(r#"{"id":"1"}"#).attributes.is_empty());
    }

    #[test]
    fn a_value_of_the_wrong_type_is_named() {
        for (kind, json, words) in [
            (
                ObjectKind::User,
                r#"{"id":"1","accountEnabled":"false"}"#,
                "accountEnabled of user 1 is not a Boolean",
            ),
            (
                ObjectKind::User,
                r#"{"id":"1","userPrincipalName":7}"#,
                "userPrincipalName of user 1 is not text",
            ),
            (
                ObjectKind::Group,
                r#"{"id":"1","displayName":["x"]}"#,
                "displayName of group 1 is not text",
            ),
        ] {
            let error = change_of(kind, json).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_id_is_selected_once() {
        let select = ["displayName".to_owned(), "id".to_owned()];
        assert_eq!(with_id(&select), ["id", "displayName"]);
    }
}
