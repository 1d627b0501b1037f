//! PATCH (RFC 7644 section 3.5.2): all operations of a request take effect, or none.
//! Members of groups are changed in their set, everything else in a copy of the resource.

use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::filter::{Filter, Operator};
use super::normal;
use super::path::{AttributePath, Target};
use super::personality::{Personality, Quirk};
use super::schema::{Attribute, Kind};
use super::store::{Handle, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Replace,
    Remove,
}

/// Carries out a PATCH body and says whether anything differs.
pub(super) fn apply(
    store: &mut Store,
    kind: Kind,
    handle: Handle,
    body: &Value,
    personality: &Personality,
) -> Result<bool, Refusal> {
    let operations = operations(body)?;
    check_member_count(operations, personality)?;
    let resource = store.get(kind, handle);
    let map = resource.expect("the caller found the resource").map();
    let mut work = Work {
        store,
        kind,
        handle,
        personality,
        map,
        undo: Vec::new(),
    };
    let result = work.run(operations);
    let Work {
        store, map, undo, ..
    } = work;
    let result = result.and_then(|()| {
        let kept = normal::resource(&map, kind, personality)?;
        store.set_attributes(kind, handle, &kept, personality)
    });
    match result {
        Ok(changed) => Ok(changed || !undo.is_empty()),
        Err(refusal) => {
            for step in undo.into_iter().rev() {
                match step {
                    Undo::Remove(member) => store.remove_member(handle, member),
                    Undo::Add(member) => store.add_member(handle, member),
                };
            }
            Err(refusal)
        }
    }
}

fn operations(body: &Value) -> Result<&Vec<Value>, Refusal> {
    let found = body.as_object().and_then(|map| {
        let mut entries = map.iter();
        entries.find(|(name, _)| name.eq_ignore_ascii_case("Operations"))
    });
    match found {
        Some((_, Value::Array(operations))) if !operations.is_empty() => Ok(operations),
        _ => Err(Refusal::bad(
            "invalidSyntax",
            "'Operations' is missing or empty.",
        )),
    }
}

fn check_member_count(operations: &[Value], personality: &Personality) -> Result<(), Refusal> {
    let Some(most) = personality.max_members_per_patch else {
        return Ok(());
    };
    let count: usize = operations
        .iter()
        .filter(|operation| operation.to_string().contains("members"))
        .map(|operation| match &operation["value"] {
            Value::Array(items) => items.len(),
            Value::Object(map) => map
                .get("members")
                .and_then(Value::as_array)
                .map_or(1, Vec::len),
            _ => 1,
        })
        .sum();
    if count > most {
        return Err(Refusal::new(
            413,
            None,
            format!("At most {most} members can be changed in one request."),
        ));
    }
    Ok(())
}

enum Undo {
    Add(Handle),
    Remove(Handle),
}

struct Work<'a> {
    store: &'a mut Store,
    kind: Kind,
    handle: Handle,
    personality: &'a Personality,
    map: Map<String, Value>,
    /// How to take back what was done to the members.
    undo: Vec<Undo>,
}

impl Work<'_> {
    fn run(&mut self, operations: &[Value]) -> Result<(), Refusal> {
        for operation in operations {
            let verb = match operation["op"]
                .as_str()
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("add") => Verb::Add,
                Some("replace") => Verb::Replace,
                Some("remove") => Verb::Remove,
                _ => {
                    return Err(Refusal::bad(
                        "invalidSyntax",
                        "'op' must be add, replace or remove.",
                    ));
                }
            };
            let value = &operation["value"];
            match &operation["path"] {
                Value::String(path) => self.one(verb, &Target::parse(path, self.kind)?, value)?,
                Value::Null => self.pathless(verb, value)?,
                _ => return Err(Refusal::invalid_path("'path' must be text.")),
            }
        }
        Ok(())
    }

    /// Without a path the value is a part of the resource; its names may be paths themselves.
    fn pathless(&mut self, verb: Verb, value: &Value) -> Result<(), Refusal> {
        if verb == Verb::Remove {
            return Err(Refusal::bad("noTarget", "A remove operation needs a path."));
        }
        let Value::Object(parts) = value else {
            return Err(Refusal::invalid_value(
                "Without a path the value must be an object.",
            ));
        };
        for (name, part) in parts {
            if name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            match Target::parse(name, self.kind) {
                // Read-only parts of a whole resource sent back are ignored, as in PUT.
                Ok(Target::Attribute { path, .. }) if path.attribute.is("readOnly") => {}
                Ok(target) => self.one(verb, &target, part)?,
                Err(_) if !self.personality.has(super::Quirk::StrictAttributes) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    fn one(&mut self, verb: Verb, target: &Target, value: &Value) -> Result<(), Refusal> {
        let (path, filter) = match target {
            Target::Extension(urn) => return self.extension(verb, urn, value),
            Target::Attribute { path, filter } => (path, filter.as_ref()),
        };
        if path.attribute.is("readOnly") || path.sub.is_some_and(|sub| sub.is("readOnly")) {
            return Err(Refusal::mutability(&path.name()));
        }
        if path.attribute.name == "members" {
            return self.members(verb, path, filter, value);
        }
        let personality = self.personality;
        let holder = match path.extension {
            None => &mut self.map,
            Some(urn) => self
                .map
                .entry(urn)
                .or_insert_with(|| json!({}))
                .as_object_mut()
                .expect("an extension is kept as an object"),
        };
        match (filter, path.sub) {
            (Some(filter), _) => filtered(holder, verb, path, filter, value, personality),
            (None, Some(sub)) => sub_attribute(holder, verb, path, sub, value, personality),
            (None, None) => whole(holder, verb, path.attribute, value, personality),
        }
    }

    fn extension(&mut self, verb: Verb, urn: &'static str, value: &Value) -> Result<(), Refusal> {
        if verb == Verb::Remove {
            self.map.remove(urn);
            return Ok(());
        }
        let Value::Object(parts) = value else {
            return Err(Refusal::invalid_value(format!(
                "'{urn}' must be an object."
            )));
        };
        for (name, part) in parts {
            if name.eq_ignore_ascii_case("schemas") {
                continue;
            }
            match Target::parse(&format!("{urn}:{name}"), self.kind) {
                Ok(target) => self.one(verb, &target, part)?,
                Err(_) if !self.personality.has(super::Quirk::StrictAttributes) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    fn members(
        &mut self,
        verb: Verb,
        path: &AttributePath,
        filter: Option<&Filter>,
        value: &Value,
    ) -> Result<(), Refusal> {
        if path.sub.is_some() {
            return Err(Refusal::mutability(&path.name()));
        }
        if let Some(filter) = filter {
            let matched = self.matching_members(filter);
            return match verb {
                Verb::Remove
                    if matched.is_empty() && self.personality.has(Quirk::MissingMembersRefused) =>
                {
                    Err(no_target())
                }
                Verb::Remove => {
                    for member in matched {
                        self.remove_member(member);
                    }
                    Ok(())
                }
                Verb::Replace if matched.is_empty() => Err(no_target()),
                Verb::Add | Verb::Replace => Err(Refusal::mutability("members")),
            };
        }
        let items: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            one => vec![one],
        };
        match verb {
            Verb::Add => {
                if self.personality.has(Quirk::MemberAddReplaces) {
                    self.clear_members();
                }
                self.add_members(&items)
            }
            Verb::Replace => {
                self.clear_members();
                self.add_members(&items)
            }
            // Not in the RFC, but what Entra sends: the members to remove stand in the value.
            Verb::Remove if !items.is_empty() => {
                for item in items {
                    let id = item["value"].as_str().unwrap_or_default();
                    let is_there =
                        |member: &Handle| self.store.members(self.handle).contains(member);
                    match self.store.handle(id).filter(is_there) {
                        Some(member) => self.remove_member(member),
                        None if self.personality.has(Quirk::MissingMembersRefused) => {
                            return Err(no_target());
                        }
                        None => {}
                    }
                }
                Ok(())
            }
            Verb::Remove => {
                self.clear_members();
                Ok(())
            }
        }
    }

    fn matching_members(&self, filter: &Filter) -> Vec<Handle> {
        let group = self.store.get(self.kind, self.handle);
        let group = group.expect("the caller found the resource");
        // The usual form names one member; only other filters have to look at all of them.
        if let Filter::Compare {
            path,
            operator: Operator::Equal,
            value: Value::String(id),
        } = filter
            && path.attribute.name == "value"
        {
            let found = self.store.handle(id);
            return found
                .filter(|member| group.members.contains(member))
                .into_iter()
                .collect();
        }
        let shown = self.store.render_members(&group.members, "");
        let pairs = group.members.iter().zip(&shown);
        pairs
            .filter(|(_, value)| filter.matches(value))
            .map(|(member, _)| *member)
            .collect()
    }

    fn add_members(&mut self, items: &[&Value]) -> Result<(), Refusal> {
        for item in items {
            let member = self.store.member(item, self.personality)?;
            if self.store.add_member(self.handle, member) {
                self.undo.push(Undo::Remove(member));
            }
        }
        Ok(())
    }

    fn remove_member(&mut self, member: Handle) {
        if self.store.remove_member(self.handle, member) {
            self.undo.push(Undo::Add(member));
        }
    }

    fn clear_members(&mut self) {
        for member in self.store.members(self.handle) {
            self.remove_member(member);
        }
    }
}

fn no_target() -> Refusal {
    Refusal::bad("noTarget", "The path matches no value.")
}

/// The path names an attribute as a whole.
fn whole(
    holder: &mut Map<String, Value>,
    verb: Verb,
    attribute: &Attribute,
    value: &Value,
    personality: &Personality,
) -> Result<(), Refusal> {
    let name = attribute.name;
    if verb == Verb::Remove {
        if attribute.is("required") {
            return Err(Refusal::mutability(name));
        }
        let listed = value.as_array().filter(|_| attribute.is_multi());
        match (listed, holder.get_mut(name)) {
            (Some(gone), Some(Value::Array(items))) => items.retain(|item| !gone.contains(item)),
            _ => {
                holder.remove(name);
            }
        }
        return Ok(());
    }
    let value = match value {
        one if attribute.is_multi() && !one.is_array() && !one.is_null() => &json!([one]),
        other => other,
    };
    // Of a complex attribute only what is named changes; what is null there is unassigned.
    if let (Value::Object(sent), Some(Value::Object(before))) = (value, holder.get_mut(name)) {
        let nulls = sent.iter().filter(|(_, value)| value.is_null());
        for sub in nulls.filter_map(|(sub, _)| attribute.sub(sub)) {
            before.remove(sub.name);
        }
        if let Some(Value::Object(new)) = normal::single(attribute, value, name, personality)? {
            before.extend(new);
        }
        return Ok(());
    }
    let Some(value) = normal::attribute_value(attribute, value, name, personality)? else {
        // Null unassigns (RFC 7643 section 2.5); adding nothing adds nothing.
        if verb == Verb::Replace || value.is_null() {
            if attribute.is("required") {
                return Err(Refusal::invalid_value(format!(
                    "Attribute '{name}' is required."
                )));
            }
            holder.remove(name);
        }
        return Ok(());
    };
    match (verb, holder.get_mut(name), value) {
        (Verb::Add, Some(Value::Array(items)), Value::Array(new)) => append(items, new),
        (_, _, value) => {
            holder.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// Adds values that are not there yet; a new primary one takes over.
fn append(items: &mut Vec<Value>, new: Vec<Value>) {
    if new.iter().any(|value| value["primary"] == true) {
        demote(items);
    }
    for value in new {
        if !items.contains(&value) {
            items.push(value);
        }
    }
}

fn demote(items: &mut [Value]) {
    for item in items {
        if item["primary"] == true {
            item["primary"] = json!(false);
        }
    }
}

/// The path is `attribute.sub`; of a multi-valued attribute, that is in every value.
fn sub_attribute(
    holder: &mut Map<String, Value>,
    verb: Verb,
    path: &AttributePath,
    sub: &Attribute,
    value: &Value,
    personality: &Personality,
) -> Result<(), Refusal> {
    let attribute = path.attribute;
    if verb == Verb::Remove && !holder.contains_key(attribute.name) {
        return Ok(());
    }
    let empty = if attribute.is_multi() {
        json!([{}])
    } else {
        json!({})
    };
    let parent = holder.entry(attribute.name).or_insert(empty);
    match parent {
        Value::Array(items) => {
            for item in items {
                set_sub(item, verb, sub, value, personality)?;
            }
            Ok(())
        }
        one => set_sub(one, verb, sub, value, personality),
    }
}

fn set_sub(
    item: &mut Value,
    verb: Verb,
    sub: &Attribute,
    value: &Value,
    personality: &Personality,
) -> Result<(), Refusal> {
    let map = item
        .as_object_mut()
        .expect("complex values are kept as objects");
    let value = match verb {
        Verb::Remove => None,
        Verb::Add | Verb::Replace => normal::attribute_value(sub, value, sub.name, personality)?,
    };
    match value {
        Some(value) => map.insert(sub.name.to_owned(), value),
        None => map.remove(sub.name),
    };
    Ok(())
}

/// The path has a filter that picks values.
fn filtered(
    holder: &mut Map<String, Value>,
    verb: Verb,
    path: &AttributePath,
    filter: &Filter,
    value: &Value,
    personality: &Personality,
) -> Result<(), Refusal> {
    let attribute = path.attribute;
    let mut items = match holder.get(attribute.name) {
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mut matched: Vec<usize> = (0..items.len())
        .filter(|place| filter.matches(&items[*place]))
        .collect();
    if matched.is_empty() {
        if verb != Verb::Add || !attribute.is_multi() {
            return Err(no_target());
        }
        items.push(implied(filter));
        matched.push(items.len() - 1);
    }
    match (verb, path.sub) {
        (Verb::Remove, None) => {
            for place in matched.into_iter().rev() {
                items.remove(place);
            }
        }
        (_, Some(sub)) => {
            if sub.name == "primary" && value == &json!(true) {
                demote(&mut items);
            }
            for place in matched {
                set_sub(&mut items[place], verb, sub, value, personality)?;
            }
        }
        (Verb::Add | Verb::Replace, None) => {
            let new = normal::single(attribute, value, attribute.name, personality)?;
            let Some(Value::Object(new)) = new else {
                return Err(Refusal::invalid_value(format!(
                    "'{}' must be an object.",
                    attribute.name
                )));
            };
            if new.get("primary") == Some(&json!(true)) {
                demote(&mut items);
            }
            for place in matched {
                match (verb, &mut items[place]) {
                    (Verb::Add, Value::Object(before)) => before.extend(new.clone()),
                    (_, item) => *item = Value::Object(new.clone()),
                }
            }
        }
    }
    let value = if attribute.is_multi() {
        Value::Array(items)
    } else {
        items.pop().unwrap_or_default()
    };
    holder.insert(attribute.name.to_owned(), value);
    Ok(())
}

/// The value that an `add` behind a filter begins when none matches: `emails[type eq "work"]` has that type.
fn implied(filter: &Filter) -> Value {
    let mut value = Map::new();
    let mut open = vec![filter];
    while let Some(filter) = open.pop() {
        match filter {
            Filter::And(left, right) => open.extend([left.as_ref(), right.as_ref()]),
            Filter::Compare {
                path,
                operator: Operator::Equal,
                value: wanted,
            } => {
                value.insert(path.attribute.name.to_owned(), wanted.clone());
            }
            _ => {}
        }
    }
    Value::Object(value)
}
