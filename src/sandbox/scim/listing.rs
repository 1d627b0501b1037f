//! What a reader gets of resources: filtered, sorted, paged and cut to the attributes asked for.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::Quirk;
use super::error::Refusal;
use super::filter::{self, Filter};
use super::path::AttributePath;
use super::personality::Personality;
use super::schema::Kind;
use super::store::{Handle, Index, Store};

/// The parameters of a query, from the URL or from a `.search` body.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) filter: Option<String>,
    pub(super) start_index: Option<i64>,
    pub(super) count: Option<i64>,
    pub(super) cursor: Option<i64>,
    pub(super) sort_by: Option<String>,
    pub(super) descending: bool,
    pub(super) attributes: Vec<String>,
    pub(super) excluded: Vec<String>,
}

impl Query {
    pub(super) fn from_parameters(parameters: &[(String, String)]) -> Result<Self, Refusal> {
        let mut query = Self::default();
        let names = |value: &str| -> Vec<String> {
            let names = value.split(',').map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        for (name, value) in parameters {
            match name.to_ascii_lowercase().as_str() {
                "filter" => query.filter = Some(value.clone()),
                "startindex" => query.start_index = Some(number(name, value)?),
                "cursor" => query.cursor = value.parse().ok(),
                "count" => query.count = Some(number(name, value)?),
                "sortby" => query.sort_by = Some(value.clone()),
                "sortorder" => query.descending = value.eq_ignore_ascii_case("descending"),
                "attributes" => query.attributes = names(value),
                "excludedattributes" => query.excluded = names(value),
                _ => {}
            }
        }
        Ok(query)
    }

    pub(super) fn from_search(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let texts = |name: &str| {
            let items = body[name].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            filter: text("filter"),
            start_index: body["startIndex"].as_i64(),
            count: body["count"].as_i64(),
            cursor: None,
            sort_by: text("sortBy"),
            descending: body["sortOrder"] == "descending",
            attributes: texts("attributes"),
            excluded: texts("excludedAttributes"),
        }
    }

    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether `members` or `groups` will be shown, which is the costly part of a resource.
    fn shows_relations(&self, kind: Kind, personality: &Personality) -> bool {
        let name = match kind {
            Kind::User => "groups",
            Kind::Group => "members",
        };
        let hidden = match kind {
            Kind::User => Quirk::MembershipsHidden,
            Kind::Group => Quirk::MembersHidden,
        };
        if personality.has(hidden) {
            return false;
        }
        let names = |list: &[String]| {
            list.iter().any(|item| {
                let item = item.rsplit(':').next().unwrap_or_default();
                item.split('.')
                    .next()
                    .is_some_and(|own| own.eq_ignore_ascii_case(name))
            })
        };
        if self.attributes.is_empty() {
            !names(&self.excluded)
        } else {
            names(&self.attributes)
        }
    }

    /// One resource, cut to the attributes asked for.
    pub(super) fn show(
        &self,
        store: &Store,
        kind: Kind,
        handle: Handle,
        base: &str,
        personality: &Personality,
    ) -> Value {
        let relations = self.shows_relations(kind, personality);
        let mut resource = store.render(kind, handle, base, relations);
        if kind == Kind::User && personality.has(Quirk::DisplayNameMade) {
            let part = |part: &str| resource["name"][part].as_str().unwrap_or_default();
            let made = format!("{} {}", part("givenName"), part("familyName"));
            resource["displayName"] = Value::from(made.trim());
        }
        if kind == Kind::User && personality.has(Quirk::ExternalIdMade) {
            resource["externalId"] = resource["id"].clone();
        }
        let number = resource["id"]
            .as_str()
            .and_then(|id| id.parse::<u32>().ok());
        if let Some(number) = number.filter(|_| personality.has(Quirk::IdsAreNumbers)) {
            resource["id"] = Value::from(number);
        }
        if let Some(most) = personality.members_shown
            && let Some(members) = resource.get_mut("members").and_then(Value::as_array_mut)
        {
            members.truncate(most);
        }
        self.project(&mut resource, kind);
        resource
    }

    fn project(&self, resource: &mut Value, kind: Kind) {
        let Some(map) = resource.as_object_mut() else {
            return;
        };
        map.retain(|name, _| name != "password");
        if !self.attributes.is_empty() {
            let mut kept = Map::new();
            for name in ["schemas", "id"] {
                kept.extend(map.remove_entry(name));
            }
            for name in &self.attributes {
                keep(map, &mut kept, name, kind);
            }
            *map = kept;
        }
        for name in &self.excluded {
            exclude(map, name, kind);
        }
    }

    pub(super) fn check_excluded(&self, personality: &Personality) -> Result<(), Refusal> {
        if !self.excluded.is_empty() && personality.has(Quirk::ExcludingRefused) {
            return Err(Refusal::new(400, None, "Unknown parameter."));
        }
        Ok(())
    }

    /// A page of resources as a `ListResponse`.
    pub(super) fn list(
        &self,
        store: &Store,
        kinds: &[Kind],
        base: &str,
        personality: &Personality,
    ) -> Result<Value, Refusal> {
        if self.count.is_some() && personality.has(Quirk::CountRefused) {
            return Err(Refusal::new(500, None, "Something went wrong."));
        }
        let has = |quirk| personality.has(quirk);
        if self.start_index.is_some() && has(Quirk::StartIndexRefused)
            || self.count.is_some() && has(Quirk::CountUnknown)
        {
            return Err(Refusal::new(400, None, "Unknown parameter."));
        }
        if self.has_filter() && personality.has(Quirk::FilterForbidden) {
            return Err(Refusal::new(403, None, "Forbidden."));
        }
        self.check_excluded(personality)?;
        let is_zero_based = personality.has(Quirk::ZeroBased);
        let start = self.start_index.unwrap_or(1).max(i64::from(!is_zero_based));
        let start = if personality.has(Quirk::CursorPaging) {
            self.cursor.unwrap_or(1)
        } else {
            start
        };
        let skip = usize::try_from(start - i64::from(!is_zero_based)).unwrap_or(usize::MAX);
        let count = self.count.map_or(personality.page_cap, |count| {
            usize::try_from(count)
                .unwrap_or(0)
                .min(personality.page_cap)
        });
        let show = |(kind, handle)| self.show(store, kind, handle, base, personality);
        if let [kind] = kinds
            && self.is_whole(*kind, personality)
        {
            let page = store.page(*kind, skip, count).into_iter();
            let mut resources: Vec<Value> = page.map(|handle| show((*kind, handle))).collect();
            let total = store.all(*kind).len();
            if resources.is_empty() && personality.has(Quirk::LastPageRepeated) {
                let last = store.page(*kind, total.saturating_sub(count), count);
                resources = last
                    .into_iter()
                    .map(|handle| show((*kind, handle)))
                    .collect();
            }
            let shown = resources.len();
            let total_shown = if personality.has(Quirk::TotalIsPage) {
                shown
            } else {
                total
            };
            let mut list = response(total_shown, start, resources);
            if personality.has(Quirk::CursorPaging) && skip + shown < total {
                list["nextCursor"] = json!((skip + shown + 1).to_string());
            }
            return Ok(list);
        }
        let mut found = Vec::new();
        let mut refusal = None;
        for kind in kinds {
            match self.select(store, *kind, base, personality) {
                Ok(handles) => found.extend(handles.into_iter().map(|handle| (*kind, handle))),
                Err(why) => refusal = Some(why),
            }
        }
        // A filter may make sense for one kind only; what makes sense for none is refused.
        if let Some(refusal) = refusal.filter(|_| kinds.len() == 1 || found.is_empty()) {
            return Err(refusal);
        }
        let total = found.len();
        let page = found.into_iter().skip(skip).take(count);
        Ok(response(total, start, page.map(show).collect()))
    }

    /// Whether the list holds every resource, in the order in which they were created.
    fn is_whole(&self, kind: Kind, personality: &Personality) -> bool {
        let hidden = kind == Kind::User && personality.has(Quirk::InactiveInvisible);
        self.filter.is_none() && self.sort_by.is_none() && !hidden
    }

    fn select(
        &self,
        store: &Store,
        kind: Kind,
        base: &str,
        personality: &Personality,
    ) -> Result<Vec<Handle>, Refusal> {
        let filter = match &self.filter {
            Some(text) => Some(filter::parse(text, kind)?),
            None => None,
        };
        if let Some(filter) = &filter {
            check_filterable(filter, kind, personality)?;
        }
        let filter = filter.filter(|_| !personality.has(Quirk::FilterIgnored));
        let hidden = kind == Kind::User && personality.has(Quirk::InactiveInvisible);
        let mut found: Vec<Handle> = match &filter {
            None => store.all(kind).keys().copied().collect(),
            Some(filter) => {
                let relations = mentions_relations(filter);
                candidates(store, kind, filter)
                    .into_iter()
                    .filter(|handle| filter.matches(&store.render(kind, *handle, base, relations)))
                    .collect()
            }
        };
        if hidden {
            found.retain(|handle| {
                store
                    .get(kind, *handle)
                    .is_some_and(|user| user.map().get("active") != Some(&json!(false)))
            });
        }
        if let Some(name) = &self.sort_by {
            self.sort(&mut found, store, kind, base, name)?;
        }
        Ok(found)
    }

    fn sort(
        &self,
        found: &mut Vec<Handle>,
        store: &Store,
        kind: Kind,
        base: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        let path = AttributePath::parse(name, kind)?;
        let mut keyed: Vec<(Option<String>, Handle)> = found
            .iter()
            .map(|handle| {
                (
                    sort_key(&path, &store.render(kind, *handle, base, false)),
                    *handle,
                )
            })
            .collect();
        keyed.sort_by(|(left, _), (right, _)| {
            let order = match (left, right) {
                // Resources without the attribute come last (RFC 7644 section 3.4.2.3).
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                _ => left.cmp(right),
            };
            if self.descending {
                order.reverse()
            } else {
                order
            }
        });
        *found = keyed.into_iter().map(|(_, handle)| handle).collect();
        Ok(())
    }
}

fn response(total: usize, start: i64, resources: Vec<Value>) -> Value {
    let mut response = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(),
    });
    // The macro would copy them.
    response["Resources"] = Value::Array(resources);
    response
}

fn sort_key(path: &AttributePath, resource: &Value) -> Option<String> {
    let values = path.values(resource);
    let first = values
        .iter()
        .find(|value| value["primary"] == true)
        .or(values.first())?;
    let leaf = path.leaf();
    let value = if path.sub.is_none() && first.is_object() {
        &first[leaf.name]
    } else {
        first
    };
    match value {
        Value::Null => None,
        Value::String(text) if leaf.is_exact() => Some(text.clone()),
        Value::String(text) => Some(text.to_lowercase()),
        other => Some(other.to_string()),
    }
}

fn number(name: &str, value: &str) -> Result<i64, Refusal> {
    value
        .trim()
        .parse()
        .map_err(|_| Refusal::invalid_value(format!("'{name}' must be a number.")))
}

fn check_filterable(filter: &Filter, kind: Kind, personality: &Personality) -> Result<(), Refusal> {
    let of_both = &personality.filterable;
    let allowed = match (kind, &personality.filterable_of_groups) {
        (Kind::Group, of_groups @ Some(_)) => of_groups,
        (Kind::User | Kind::Group, _) => of_both,
    };
    let Some(allowed) = allowed else {
        return Ok(());
    };
    for path in filter.paths() {
        let name = path.name();
        let known = allowed
            .iter()
            .any(|own| own.eq_ignore_ascii_case(&name) || *own == format!("{name}.value"));
        if !known {
            return Err(Refusal::invalid_filter(format!(
                "Filtering by '{name}' is not supported."
            )));
        }
    }
    Ok(())
}

fn mentions_relations(filter: &Filter) -> bool {
    filter
        .paths()
        .iter()
        .any(|path| matches!(path.attribute.name, "members" | "groups"))
}

/// Resources that can match at all: few when an indexed attribute is compared, else every one.
fn candidates(store: &Store, kind: Kind, filter: &Filter) -> Vec<Handle> {
    indexed(store, kind, filter).unwrap_or_else(|| store.all(kind).keys().copied().collect())
}

/// The same from the indexes alone; `None` when they do not answer this filter.
fn indexed(store: &Store, kind: Kind, filter: &Filter) -> Option<Vec<Handle>> {
    if let Filter::Or(left, right) = filter {
        let mut found = indexed(store, kind, left)?;
        found.extend(indexed(store, kind, right)?);
        found.sort_unstable();
        found.dedup();
        return Some(found);
    }
    for (path, text) in filter.required_equalities() {
        if path.extension.is_some() {
            continue;
        }
        let name = path.name();
        if let Some(index) = Index::of(&name) {
            return Some(store.indexed(kind, index, text));
        }
        match name.as_str() {
            "id" => {
                let found = store.find(kind, text).map(|(handle, _)| handle);
                return Some(found.into_iter().collect());
            }
            "members" | "members.value" => {
                let member = store.handle(text);
                return Some(member.map(|id| store.groups_of(id)).unwrap_or_default());
            }
            _ => {}
        }
    }
    None
}

/// Moves what a name points at from the whole resource into what is kept of it.
fn keep(map: &Map<String, Value>, kept: &mut Map<String, Value>, name: &str, kind: Kind) {
    if let Some(urn) = whole_extension(name, kind) {
        kept.extend(map.get(urn).map(|value| (urn.to_owned(), value.clone())));
        return;
    }
    let Ok(path) = AttributePath::parse(name, kind) else {
        return;
    };
    let (from, into) = match path.extension {
        None => (Some(map), kept),
        Some(urn) => {
            if !map.contains_key(urn) {
                return;
            }
            let into = kept.entry(urn).or_insert_with(|| json!({}));
            let into = into
                .as_object_mut()
                .expect("an extension is kept as an object");
            (map.get(urn).and_then(Value::as_object), into)
        }
    };
    let Some(value) = from.and_then(|from| from.get(path.attribute.name)) else {
        return;
    };
    let Some(sub) = path.sub else {
        into.insert(path.attribute.name.to_owned(), value.clone());
        return;
    };
    match value {
        Value::Array(items) => {
            let target = into
                .entry(path.attribute.name)
                .or_insert_with(|| Value::Array(vec![json!({}); items.len()]));
            for (place, item) in items.iter().enumerate() {
                if let Some(value) = item.get(sub.name) {
                    target[place][sub.name] = value.clone();
                }
            }
        }
        one => {
            if let Some(value) = one.get(sub.name) {
                into.entry(path.attribute.name).or_insert_with(|| json!({}))[sub.name] =
                    value.clone();
            }
        }
    }
}

fn exclude(map: &mut Map<String, Value>, name: &str, kind: Kind) {
    if let Some(urn) = whole_extension(name, kind) {
        map.remove(urn);
        return;
    }
    let Ok(path) = AttributePath::parse(name, kind) else {
        return;
    };
    if path.attribute.is("always") {
        return;
    }
    let holder = match path.extension {
        None => Some(map),
        Some(urn) => map.get_mut(urn).and_then(Value::as_object_mut),
    };
    let Some(holder) = holder else {
        return;
    };
    let Some(sub) = path.sub else {
        holder.remove(path.attribute.name);
        return;
    };
    let items: Vec<&mut Value> = match holder.get_mut(path.attribute.name) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter_mut().collect(),
        Some(one) => vec![one],
    };
    for item in items {
        if let Some(item) = item.as_object_mut() {
            item.remove(sub.name);
        }
    }
}

fn whole_extension(name: &str, kind: Kind) -> Option<&'static str> {
    let urn = kind.extension()?.id;
    urn.eq_ignore_ascii_case(name).then_some(urn)
}
