//! What an expression is evaluated on, from JSON files: an object, its roles. Also the one place that
//! says where in a file something is wrong.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::config::bounded;
use crate::engine::expr::Lookup;
use crate::engine::mapping;
use crate::engine::model::{
    AppRole, Attributes, Key, ObjectKind, Presence, SourceId, SourceNumber, SourceObject, Value,
    source,
};
use crate::report::eval::InputView;

/// What mappings know of a user: the properties, and which of them are null on purpose.
pub(super) struct Object {
    source: SourceObject,
    nulls: BTreeSet<String>,
    has_id: bool,
}

/// An object as expressions see it. What is written down wins over what is computed.
pub(super) struct Seen<'a> {
    object: &'a Object,
    input: mapping::Input<'a>,
}

impl Object {
    /// Names and values, or a user as Graph answers it.
    pub(super) fn from_json(members: &Map<String, Json>) -> Self {
        let mut attributes = Attributes::default();
        let mut nulls = BTreeSet::new();
        for (name, json) in members {
            // Graph's annotations; an expression could not name them either.
            if name.starts_with('@') || name.contains("@odata.") {
                continue;
            }
            match value(json) {
                Some(value) => attributes.set(name, reference(name, value)),
                None => {
                    nulls.insert(name.clone());
                }
            }
        }
        let id = attributes.text("id").map(ToOwned::to_owned);
        Self {
            has_id: id.is_some(),
            source: SourceObject {
                key: Key::default(),
                kind: ObjectKind::User,
                source: SourceNumber::FIRST,
                id: SourceId::new(id.unwrap_or_default()),
                presence: Presence::Present,
                attributes,
            },
            nulls,
        }
    }

    pub(super) fn from_state(object: SourceObject) -> Self {
        Self {
            source: object,
            nulls: BTreeSet::new(),
            has_id: true,
        }
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        let blocked = Some(&Value::Boolean(false));
        let soft_deleted = self.source.presence != Presence::Present
            || self.source.attributes.value("accountEnabled") == blocked;
        Seen {
            object: self,
            input: mapping::Input::new(&self.source, &[], soft_deleted),
        }
    }

    /// The name as the object has it, in whichever case, else as a configuration spells it.
    pub(super) fn spelled(&self, name: &str) -> String {
        let own = self.source.attributes.iter().map(|(own, _)| own);
        let own: Vec<_> = own.chain(self.nulls.iter().map(String::as_str)).collect();
        if own.contains(&name) {
            return name.to_owned();
        }
        match own.into_iter().find(|own| own.eq_ignore_ascii_case(name)) {
            Some(own) => own.to_owned(),
            None => source::spelled(ObjectKind::User, name).into_owned(),
        }
    }

    /// Whether the name is one that cycles read where a job asks for it, and is not there.
    pub(super) fn may_be_unread(&self, name: &str) -> bool {
        source::attribute(ObjectKind::User, name).is_ok() && self.seen().value(name).is_none()
    }

    /// Whether the name can be read: it is written down, or a configuration may read it.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.nulls.contains(name)
            || self.source.attributes.value(name).is_some()
            || ObjectKind::ALL
                .into_iter()
                .any(|kind| source::attribute(kind, name).is_ok())
    }
}

impl Lookup for Seen<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let Self { object, input } = self;
        if object.nulls.contains(name) {
            return None;
        }
        // A guest's is the address they have at home, as in every mapping.
        let is_written =
            name != "userPrincipalName" && object.source.attributes.value(name).is_some();
        match name {
            _ if is_written => object.source.attributes.value(name),
            "id" | "objectId" if !object.has_id => None,
            _ => input.value(name),
        }
    }
}

/// As the reading of Graph takes it: fractions are text, null in a list is omitted.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(is) => Value::Boolean(*is),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::text(number.to_string()),
        },
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::List(values.iter().filter_map(value).collect()),
        Json::Object(members) => Value::Object(
            members
                .iter()
                .filter_map(|(name, json)| Some((name.clone(), value(json)?)))
                .collect(),
        ),
    })
}

/// `$expand=manager` gives the whole person where mappings see a reference.
fn reference(name: &str, value: Value) -> Value {
    match &value {
        Value::Object(members) if name == "manager" => match members.get("id") {
            Some(Value::Text(id)) => Value::Reference(SourceId::new(id.to_ascii_lowercase())),
            Some(_) | None => value,
        },
        _ => value,
    }
}

/// A role as the files write it; of Graph's `appRole`, the other members are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireRole {
    id: String,
    value: Option<String>,
    display_name: Option<String>,
}

impl From<WireRole> for AppRole {
    fn from(role: WireRole) -> Self {
        let WireRole {
            id,
            value,
            display_name,
        } = role;
        let display_name = display_name.or_else(|| value.clone());
        Self {
            display_name: display_name.unwrap_or_else(|| id.clone()),
            id,
            value,
        }
    }
}

/// The text of a file, `-` being standard input.
pub(super) fn read_text(file: &Path) -> Result<String, InputView> {
    let (name, bytes) = if file == Path::new("-") {
        let read = bounded::read_all(io::stdin().lock(), bounded::MAX_JSON);
        ("standard input".to_owned(), read)
    } else {
        (
            file.display().to_string(),
            bounded::read_file(file, bounded::MAX_JSON),
        )
    };
    let wrong = |message: String| InputView {
        message,
        file: Some(name.clone()),
        line: None,
        column: None,
    };
    let bytes = bytes.map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| wrong("it is not UTF-8; save it as UTF-8".to_owned()))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Reads a JSON file of this shape.
pub(super) fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, InputView> {
    let text = read_text(file)?;
    serde_json::from_str(&text).map_err(|error| InputView {
        message: words(&error),
        file: Some(match file.to_str() {
            Some("-") => "standard input".to_owned(),
            _ => file.display().to_string(),
        }),
        line: Some(error.line()),
        // At the very start it counts from 0.
        column: Some(error.column().max(1)),
    })
}

/// What serde says, without the place that it repeats at the end.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let words = text.strip_suffix(&place).unwrap_or(&text);
    // Those of JSON, where serde speaks of Rust.
    match words.strip_prefix("invalid type: ") {
        Some(words) => {
            let words = words.replace("map", "object").replace("sequence", "list");
            format!("wrong type: {}", words.replace("a object", "an object"))
        }
        None => words.to_owned(),
    }
}
