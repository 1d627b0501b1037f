//! The JSON Schema of the configuration, made of the table of keys: for editors, and for users that write
//! the file with a program. It knows the shape; `check` also knows what values mean.

use serde_json::{Map, Value as Json, json};

use super::keys::{Holds, Key, Rule, Section, TOP};
use super::knobs::KNOBS;

/// The schema as one document.
pub(crate) fn schema() -> Json {
    let mut schema = object(&TOP);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("The configuration of entrain");
    schema
}

fn object(section: &Section) -> Json {
    let Section {
        name: _,
        keys,
        rules,
        reserved: _,
    } = section;
    let properties: Map<String, Json> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| key.is_required)
        .map(|key| key.name)
        .collect();
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let rules: Vec<Json> = rules.iter().map(rule).collect();
    if !rules.is_empty() {
        object["allOf"] = json!(rules);
    }
    object
}

fn property(key: &Key) -> Json {
    let Key {
        name,
        holds,
        help,
        remedy: _,
        is_required,
        since,
    } = key;
    let mut property = match holds {
        Holds::Knob => knob(name),
        holds => value(*holds),
    };
    if !help.is_empty() {
        property["description"] = json!(help);
    }
    property["$comment"] = json!(format!("since {since}"));
    if *is_required && matches!(holds, Holds::Text) {
        property["pattern"] = json!("\\S");
    }
    if *is_required && matches!(holds, Holds::Tables(_)) {
        property["minItems"] = json!(1);
    }
    property
}

const ID: &str = "^\\s*([Uu][Rr][Nn]:[Uu][Uu][Ii][Dd]:)?\\{?[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}\\}?\\s*$";
const ADDRESS: &str = "^\\s*[Hh][Tt][Tt][Pp][Ss]?://[^\\s]+$";
const DURATION: &str = "^\\s*(?=[0-9])([0-9]+d\\s*)?([0-9]+h\\s*)?([0-9]+m\\s*)?([0-9]+s\\s*)?$";
const SHARE: &str = "^\\s*(100|[0-9]{1,2})\\s*%\\s*$";

fn value(holds: Holds) -> Json {
    match holds {
        Holds::Text | Holds::Knob => json!({ "type": "string" }),
        Holds::Id => json!({ "type": "string", "pattern": ID }),
        Holds::Address => json!({ "type": "string", "pattern": ADDRESS }),
        Holds::Duration => json!({ "type": "string", "pattern": DURATION }),
        Holds::Words(words) => json!({ "enum": words }),
        Holds::Boolean => json!({ "type": "boolean" }),
        Holds::Integer(i64::MIN) => json!({ "type": "integer" }),
        Holds::Integer(least) => json!({ "type": "integer", "minimum": least }),
        Holds::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Holds::Limit => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": SHARE },
        ] }),
        Holds::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Holds::Value => {
            json!({ "type": ["string", "boolean", "integer", "array", "object"] })
        }
        Holds::Counts(_) => json!({
            "type": "object",
            "additionalProperties": { "type": "integer", "minimum": 0 },
        }),
        Holds::Secrets(section) => json!({
            "type": "object",
            "additionalProperties": object(section),
        }),
        Holds::Table(section) => object(section),
        Holds::Tables(section) => json!({ "type": "array", "items": object(section) }),
        Holds::OneOf(several) => {
            let several: Vec<Json> = several.iter().map(|one| value(*one)).collect();
            json!({ "anyOf": several })
        }
    }
}

/// The words of a knob are in a table of their own.
fn knob(name: &str) -> Json {
    let knob = KNOBS.iter().find(|knob| knob.name == name);
    let knob = knob.expect("the table of keys names knobs that there are");
    let words: Vec<&str> = knob.words.iter().map(|(word, _)| *word).collect();
    json!({ "enum": words, "description": knob.meaning.trim() })
}

fn rule(rule: &Rule) -> Json {
    let each = |names: &[&str]| -> Vec<Json> { names.iter().map(|name| is_set(name)).collect() };
    match rule {
        Rule::ExactlyOne(names) => json!({ "oneOf": each(names) }),
        Rule::AtLeastOne(names) => json!({ "anyOf": each(names) }),
        Rule::AtMostOne(names) => {
            let mut choices = each(names);
            choices.push(json!({ "not": { "anyOf": each(names) } }));
            json!({ "oneOf": choices })
        }
        Rule::Needs(name, others) => json!({
            "if": is_set(name),
            "then": { "required": others },
        }),
    }
}

/// A switch that is false counts as not written.
fn is_set(name: &str) -> Json {
    json!({ "required": [name], "properties": { name: { "not": { "const": false } } } })
}
