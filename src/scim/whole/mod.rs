//! A resource replaced as a whole (PUT, RFC 7644 section 3.5.1): what the target holds now, with the
//! changes applied, so that what others wrote there stays. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::dialect::{Edit, Shown, Undone};
use super::error::{Error, MembersUnknown};
use super::resource::{
    self, core_schema, is_multi_valued, is_primary, is_selected, new_element, reference,
    selector_json, sub_value, to_json,
};
use super::wire::{self, Resource, member, member_name};
use crate::config::Manager;
use crate::engine::model::{ObjectKind, TargetId, TargetPath, Value, canonical};
use crate::engine::plan::{Change, ElementChange, WriteMode};

const MEMBERS: &str = "members";

/// A resource as it was just read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    resource: Resource,
    /// The target's own elements, once they are known to be all of them.
    members: Option<Vec<Json>>,
    /// Whether a group without a list of members has none: an empty list may be left out (RFC 7643
    /// section 2.5), but some targets never show one.
    shows_members: bool,
    /// What the target calls this version of it.
    version: Option<String>,
}

impl Current {
    /// `shows_members`: whether the target is known to show the members of some group.
    pub(super) fn new(resource: Resource, shows_members: bool) -> Self {
        Self {
            resource,
            members: None,
            shows_members,
            version: None,
        }
    }

    /// The same in a version: the answer's `ETag`, or else what the resource itself says.
    #[must_use]
    pub(super) fn in_version(mut self, etag: Option<&str>) -> Self {
        let meta = member(&self.resource, "meta").and_then(Json::as_object);
        let own = meta.and_then(|meta| member(meta, "version")?.as_str());
        let version = etag.or(own).filter(|version| !version.is_empty());
        self.version = version.map(str::to_owned);
        self
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The same for a target that does not know its own versions again.
    #[must_use]
    pub(crate) fn without_version(mut self) -> Self {
        self.version = None;
        self
    }

    /// The same group with its members, if they are all there; otherwise a PUT would take out those
    /// that are not shown. `known` are members that the target took and that must be there; a group
    /// that `is_new` was made in this cycle and has none yet.
    pub(crate) fn with_members(
        mut self,
        known: &BTreeSet<TargetId>,
        is_new: bool,
    ) -> Result<Self, Error> {
        let members = match members(&self.resource) {
            Some(members) => members.clone(),
            None if self.shows_members || is_new => Vec::new(),
            None => return Err(Error::MembersUnknown(MembersUnknown::NotShown)),
        };
        let ids: Option<BTreeSet<TargetId>> = members.iter().map(member_id).collect();
        let ids = ids.ok_or(Error::MembersUnknown(MembersUnknown::WithoutId))?;
        if !known.is_subset(&ids) {
            return Err(Error::MembersUnknown(MembersUnknown::Missing));
        }
        if may_be_cut(&members) && !ids.is_subset(known) {
            let shown = members.len();
            return Err(Error::MembersUnknown(MembersUnknown::MaybeCut { shown }));
        }
        self.members = Some(members);
        Ok(self)
    }

    /// Whether a member that it does not show is not in the group.
    pub(crate) fn shows_all_members(&self) -> bool {
        self.shows_members && !members(&self.resource).is_some_and(|all| may_be_cut(all))
    }

    /// The resource as it was read.
    pub(crate) fn shown(&self) -> Shown {
        Shown(self.resource.clone())
    }

    /// The ids of all members, or why they are not known.
    pub(super) fn all_members(&self) -> Result<BTreeSet<TargetId>, Error> {
        let ids = self.member_ids();
        ids.ok_or(Error::MembersUnknown(MembersUnknown::NotShown))
    }

    /// The ids of all members; `None` when they are not known ([`Self::with_members`]).
    pub(crate) fn member_ids(&self) -> Option<BTreeSet<TargetId>> {
        self.members.as_ref()?.iter().map(member_id).collect()
    }
}

/// Some targets show no more than so many members, or a multiple, of a group.
const PAGE: usize = 50;

fn may_be_cut(members: &[Json]) -> bool {
    !members.is_empty() && members.len().is_multiple_of(PAGE)
}

/// The list of members, where the target shows one.
pub(super) fn members(resource: &Resource) -> Option<&Vec<Json>> {
    member(resource, MEMBERS)?.as_array()
}

/// The groups of a user, where the target shows any.
pub(super) fn groups(resource: &Resource) -> Option<BTreeSet<TargetId>> {
    let groups = member(resource, "groups")?.as_array()?;
    groups.iter().map(member_id).collect()
}

/// The body of a PUT: what was read, without what only the target may write, and edited.
///
/// `id` stays, since servers compare it with the one in the URL. A value that is cleared is sent as
/// null or as an empty list, because leaving it out "MAY" clear it.
pub(super) fn edited(
    kind: ObjectKind,
    current: &Current,
    edit: &Edit<'_>,
    manager: Manager,
) -> Result<Resource, Error> {
    let mut body = current.resource.clone();
    remove_member(&mut body, "meta");
    match kind {
        ObjectKind::User => remove_member(&mut body, "groups"),
        ObjectKind::Group => {
            let members = current.members.as_ref();
            let members = members.ok_or(Error::MembersUnknown(MembersUnknown::NotShown))?;
            let members = members.iter().map(without_read_only).collect();
            set_member(&mut body, MEMBERS, Json::Array(members));
        }
    }
    match edit {
        Edit::Values(changes) => {
            for change in *changes {
                apply(kind, &mut body, change);
            }
        }
        // All of it, since the old object's name would stay next to the new id.
        Edit::Reference(path, to) => refer(&mut body, path, *to, manager),
        Edit::AddReference(path, to) => refer(&mut body, path, Some(to), manager),
        Edit::AddMembers(ids) => {
            let members = list_at(&mut body, MEMBERS);
            let known: BTreeSet<TargetId> = members.iter().filter_map(member_id).collect();
            let new = ids.iter().filter(|id| !known.contains(**id));
            members.extend(new.map(|id| json!({ "value": id.as_str() })));
        }
        Edit::RemoveMembers(ids) => {
            let out: BTreeSet<&TargetId> = ids.iter().copied().collect();
            let is_out = |element: &Json| member_id(element).is_some_and(|id| out.contains(&id));
            list_at(&mut body, MEMBERS).retain(|element| !is_out(element));
        }
    }
    name_schemas(kind, &mut body);
    Ok(body)
}

fn refer(body: &mut Resource, path: &TargetPath, to: Option<&TargetId>, manager: Manager) {
    let value = match (to, path.sub_attribute()) {
        (None, _) => Json::Null,
        (Some(id), None) => reference(path, id, manager),
        (Some(id), Some(sub)) => json!({ (sub): reference(path, id, manager) }),
    };
    set_member(container(body, path), path.attribute(), value);
}

/// The resource with the changes applied to it, for the parts of it that are written as a whole.
pub(super) fn changed(kind: ObjectKind, current: &Current, changes: &[Change]) -> Resource {
    let mut body = current.resource.clone();
    for change in changes {
        apply(kind, &mut body, change);
    }
    body
}

/// What a resource shows not to be done of an edit. A value that is neither the old nor the new one was
/// rewritten by the target, which is its right.
pub(super) fn undone(kind: ObjectKind, shown: &Resource, edit: &Edit<'_>) -> Undone {
    let mut undone = Undone::default();
    match edit {
        Edit::Values(changes) => {
            for change in *changes {
                let path = &change.path;
                let is_written = change.written == WriteMode::Whole && !path.is_members();
                if !is_written || matches!(change.new, Some(Value::Reference(_))) {
                    continue;
                }
                let form = |value: &Option<Value>| {
                    let value = value.clone().and_then(|value| canonical(kind, path, value));
                    value.map(|value| format!("{value:?}").to_lowercase())
                };
                let [old, new] = [form(&change.old), form(&change.new)];
                let seen = form(&resource::value(kind, shown, path));
                if seen == new || old == new {
                } else if seen.is_none() {
                    undone.absent.push(path.clone());
                } else if seen == old {
                    undone.paths.push(path.clone());
                }
            }
        }
        Edit::Reference(path, to) => match (reference_at(shown, path), to) {
            (Some(seen), Some(to)) if seen == **to => {}
            (Some(_), _) => undone.paths.push((*path).clone()),
            (None, Some(_)) => undone.absent.push((*path).clone()),
            (None, None) => {}
        },
        Edit::AddReference(path, to) => match reference_at(shown, path) {
            Some(seen) if seen == **to => {}
            Some(_) => undone.paths.push((*path).clone()),
            None => undone.absent.push((*path).clone()),
        },
        Edit::AddMembers(added) => {
            let shown: BTreeSet<TargetId> = members(shown)
                .into_iter()
                .flatten()
                .filter_map(member_id)
                .collect();
            let path = TargetPath::parse(MEMBERS).ok();
            if shown.is_empty() {
                undone.absent.extend(path);
            } else if !added.iter().all(|one| shown.contains(*one)) {
                undone.paths.extend(path);
            }
        }
        // The code that knows which there were reads them back.
        Edit::RemoveMembers(_) => {}
    }
    undone
}

/// The texts of a resource but for the one at a path.
pub(super) fn other_texts<'r>(shown: &'r Resource, path: &TargetPath) -> Vec<&'r str> {
    fn collect<'r>(value: &'r Json, texts: &mut Vec<&'r str>) {
        match value {
            Json::String(text) => texts.push(text),
            Json::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Json::Object(members) => members.values().for_each(|value| collect(value, texts)),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    let is_named = |name: &String, wanted: &str| name.eq_ignore_ascii_case(wanted);
    for (name, value) in shown {
        if ["id", "meta", "schemas"]
            .iter()
            .any(|own| is_named(name, own))
        {
            continue;
        }
        let is_own = path.schema().is_none() && is_named(name, path.attribute());
        match (value, path.sub_attribute()) {
            (Json::Object(members), Some(sub)) if is_own => {
                let others = members.iter().filter(|(name, _)| !is_named(name, sub));
                others.for_each(|(_, value)| collect(value, &mut texts));
            }
            _ if is_own => {}
            _ => collect(value, &mut texts),
        }
    }
    texts
}

fn reference_at(shown: &Resource, path: &TargetPath) -> Option<TargetId> {
    let value = attribute(shown, path)?;
    let value = match value {
        Json::Array(values) => values.first()?,
        one => one,
    };
    wire::id(sub_value(value, "value")?)
}

/// The attribute that a path leads to or into.
pub(super) fn attribute<'a>(body: &'a Resource, path: &TargetPath) -> Option<&'a Json> {
    let container = match path.schema() {
        None => body,
        Some(urn) => member(body, urn)?.as_object()?,
    };
    member(container, path.attribute())
}

fn apply(kind: ObjectKind, body: &mut Resource, change: &Change) {
    let Change {
        path,
        old: _,
        new,
        element,
        written,
    } = change;
    if path.is_members() || matches!(new, Some(Value::Reference(_))) {
        return;
    }
    if let WriteMode::Added(added) = written {
        let added = to_json(kind, path, &Value::List(added.clone()));
        let Some(Json::Array(added)) = added else {
            return;
        };
        let list = list_at(container(body, path), path.attribute());
        for one in added {
            if !list.contains(&one) {
                list.push(one);
            }
        }
        return;
    }
    let value = new.as_ref().and_then(|new| to_json(kind, path, new));
    if let (WriteMode::Selected, Some(selector), Some(value), Some(sub)) =
        (written, path.selector(), &value, path.sub_attribute())
    {
        let list = list_at(container(body, path), path.attribute());
        let has_value = |one: &&mut Json| is_same_text(sub_value(one, sub), value);
        if let Some(Json::Object(element)) = list.iter_mut().find(has_value) {
            set_member(element, &selector.attribute, selector_json(selector));
        }
        return;
    }
    if let (Some(selector), ElementChange::Removed) = (path.selector(), element) {
        let list = list_at(container(body, path), path.attribute());
        list.retain(|one| !is_selected(one, selector));
        return;
    }
    set(kind, body, path, value);
}

fn is_same_text(shown: Option<&Json>, value: &Json) -> bool {
    match (shown, value) {
        (Some(Json::String(shown)), Json::String(value)) => {
            shown.to_lowercase() == value.to_lowercase()
        }
        (shown, value) => shown == Some(value),
    }
}

/// Sets or clears the value at a path.
fn set(kind: ObjectKind, body: &mut Resource, path: &TargetPath, value: Option<Json>) {
    let is_list = is_multi_valued(kind, path);
    let container = container(body, path);
    let name = path.attribute();
    let shown = member(container, name);
    let is_list = is_list || shown.is_some_and(Json::is_array);
    if value.is_none() && shown.is_none_or(Json::is_null) {
        return;
    }
    match (path.selector(), path.sub_attribute()) {
        (None, None) => {
            let cleared = if is_list { json!([]) } else { Json::Null };
            set_member(container, name, value.unwrap_or(cleared));
        }
        (None, Some(sub)) if is_list => {
            let list = list_at(container, name);
            if list.is_empty() {
                list.push(json!({}));
            }
            let at = list.iter().position(is_primary).unwrap_or(0);
            set_in_element(list, at, Some(sub), value);
        }
        (None, Some(sub)) => {
            set_member(object_at(container, name), sub, value.unwrap_or(Json::Null));
        }
        (Some(selector), sub) => {
            let list = list_at(container, name);
            let selected = |one: &Json| is_selected(one, selector);
            let at = list
                .iter()
                .position(|one| selected(one) && is_primary(one))
                .or_else(|| list.iter().position(selected));
            let at = match (at, &value) {
                (Some(at), _) => at,
                (None, Some(_)) => {
                    list.push(new_element(selector));
                    list.len() - 1
                }
                (None, None) => return,
            };
            set_in_element(list, at, sub, value);
        }
    }
}

fn set_in_element(list: &mut [Json], at: usize, sub: Option<&str>, value: Option<Json>) {
    // Some servers write an element as a bare value.
    if !list[at].is_object() {
        list[at] = json!({ "value": list[at] });
    }
    let Json::Object(element) = &mut list[at] else {
        return;
    };
    match (sub, value) {
        (sub, None) => remove_member(element, sub.unwrap_or("value")),
        (None, Some(Json::Object(members))) => {
            for (name, value) in members {
                set_member(element, &name, value);
            }
        }
        (sub, Some(value)) => set_member(element, sub.unwrap_or("value"), value),
    }
    // At most one element is the primary one (RFC 7643 section 2.4).
    if is_primary(&list[at]) {
        for (_, other) in list
            .iter_mut()
            .enumerate()
            .filter(|(other, _)| *other != at)
        {
            if let (true, Json::Object(other)) = (is_primary(other), &mut *other) {
                set_member(other, "primary", json!(false));
            }
        }
    }
}

/// The schemas that the body uses, next to those that the target named.
fn name_schemas(kind: ObjectKind, body: &mut Resource) {
    let used: Vec<String> = body
        .iter()
        .filter(|(name, value)| name.starts_with("urn:") && !value.is_null())
        .map(|(name, _)| name.clone())
        .collect();
    let schemas = list_at(body, "schemas");
    for urn in std::iter::once(core_schema(kind).to_owned()).chain(used) {
        let is_urn = |schema: &Json| {
            let schema = schema.as_str();
            schema.is_some_and(|schema| schema.eq_ignore_ascii_case(&urn))
        };
        if !schemas.iter().any(is_urn) {
            schemas.push(Json::String(urn));
        }
    }
}

fn member_id(element: &Json) -> Option<TargetId> {
    wire::id(sub_value(element, "value")?)
}

/// The sub-attributes of a member that a client may write (RFC 7643 section 8.7.1).
fn without_read_only(element: &Json) -> Json {
    let Json::Object(shown) = element else {
        return json!({ "value": element });
    };
    let writable = ["value", "$ref", "type"];
    let kept = shown.iter().filter(|(name, value)| {
        !value.is_null()
            && writable
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
    });
    Json::Object(
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

fn container<'a>(body: &'a mut Resource, path: &TargetPath) -> &'a mut Resource {
    match path.schema() {
        None => body,
        Some(urn) => object_at(body, urn),
    }
}

/// The target's spelling of a name, or ours where it has none.
fn spelling(object: &Resource, name: &str) -> String {
    member_name(object, name).unwrap_or_else(|| name.to_owned())
}

fn set_member(object: &mut Resource, name: &str, value: Json) {
    object.insert(spelling(object, name), value);
}

fn remove_member(object: &mut Resource, name: &str) {
    object.remove(&spelling(object, name));
}

fn object_at<'a>(container: &'a mut Resource, name: &str) -> &'a mut Resource {
    let name = spelling(container, name);
    resource::object_at(container, &name)
}

/// The elements of a multi-valued attribute; servers write a single one without the brackets.
fn list_at<'a>(container: &'a mut Resource, name: &str) -> &'a mut Vec<Json> {
    let name = spelling(container, name);
    if let Some(single) = container.get_mut(&name)
        && !single.is_array()
        && !single.is_null()
    {
        *single = json!([single]);
    }
    resource::array_at(container, &name)
}
