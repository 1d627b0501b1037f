//! Custom security attributes as the directory keeps them: sets of attributes, with the annotations that
//! Graph shows separately.

use serde_json::{Map, Value, json};

/// The property of a user.
pub(crate) const CUSTOM_SECURITY_ATTRIBUTES: &str = "customSecurityAttributes";

/// Sets one attribute, or takes it away; a set without attributes is none.
pub(super) fn assign(
    sets: &mut Map<String, Value>,
    set: &str,
    attribute: &str,
    value: Option<&Value>,
) {
    let mut members = sets
        .remove(set)
        .and_then(|members| members.as_object().cloned())
        .unwrap_or_else(|| {
            let kind = json!("#microsoft.graph.customSecurityAttributeValue");
            Map::from_iter([("@odata.type".to_owned(), kind)])
        });
    let annotation = format!("{attribute}@odata.type");
    members.remove(attribute);
    members.remove(&annotation);
    if let Some(value) = value {
        if let Some(values) = value.as_array() {
            let whole = values.first().is_some_and(Value::is_number);
            let kind = if whole { "Int32" } else { "String" };
            members.insert(annotation, json!(format!("#Collection({kind})")));
        }
        members.insert(attribute.to_owned(), value.clone());
    }
    if members.keys().any(|name| !name.contains('@')) {
        sets.insert(set.to_owned(), Value::Object(members));
    }
}
