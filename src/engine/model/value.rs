//! Attribute values, on the source side, inside mappings and on the target side alike.
//! A value that is absent is `Option::None`; there is no null variant to forget about.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::SourceId;

/// One attribute value. Dates are text in ISO 8601 form, as both sides send them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// Shared by its clones: most values pass unchanged from the source to the plan.
    Text(Arc<str>),
    Boolean(bool),
    Integer(i64),
    /// A multi-valued attribute, in the order it was read or computed.
    List(Vec<Value>),
    /// A complex value, such as `onPremisesExtensionAttributes` or one element of `roles`.
    Object(BTreeMap<String, Value>),
    /// Another source object, such as the manager; becomes that object's target id when it is sent.
    Reference(SourceId),
}

impl Value {
    pub(crate) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into().into())
    }

    /// Whether the value carries nothing: empty text or an empty list.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(values) => values.is_empty(),
            Self::Object(members) => members.is_empty(),
            Self::Boolean(_) | Self::Integer(_) | Self::Reference(_) => false,
        }
    }

    /// An element by its place, counted from 0; a single value is its own first one.
    pub(crate) fn element(&self, place: usize) -> Option<&Self> {
        match self {
            Self::List(values) => values.get(place),
            Self::Text(_)
            | Self::Boolean(_)
            | Self::Integer(_)
            | Self::Object(_)
            | Self::Reference(_) => (place == 0).then_some(self),
        }
    }
}

/// The attributes of one source object by their Graph property names.
///
/// A name may also reach inside: `onPremisesExtensionAttributes.extensionAttribute1` into a complex
/// value, `businessPhones[0]` into a list (counted from 0, as in Graph's documentation).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(BTreeMap<String, Value>);

impl Attributes {
    pub(crate) fn new(values: BTreeMap<String, Value>) -> Self {
        Self(values)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let (rest, index) = match name.strip_suffix(']').and_then(|n| n.rsplit_once('[')) {
            Some((rest, index)) => (rest, Some(index.parse::<usize>().ok()?)),
            None => (name, None),
        };
        let value = if let Some(value) = self.0.get(rest) {
            value
        } else {
            let mut steps = rest.split('.');
            let mut inside = self.0.get(steps.next()?)?;
            for step in steps {
                let Value::Object(members) = inside else {
                    return None;
                };
                inside = members.get(step)?;
            }
            inside
        };
        match index {
            Some(index) => value.element(index),
            None => Some(value),
        }
    }

    /// The text of an attribute, when it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Object(_)
            | Value::Reference(_) => None,
        }
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> Attributes {
        let mut attributes = Attributes::default();
        attributes.set(
            "businessPhones",
            Value::List(vec![Value::text("+49 30 1"), Value::text("+49 30 2")]),
        );
        attributes.set(
            "onPremisesExtensionAttributes",
            Value::Object(BTreeMap::from([(
                "extensionAttribute1".to_owned(),
                Value::text("blue"),
            )])),
        );
        attributes
    }

    #[test]
    fn a_name_reaches_into_lists_and_complex_values() {
        let attributes = attributes();
        assert_eq!(attributes.text("businessPhones[1]"), Some("+49 30 2"));
        assert_eq!(attributes.value("businessPhones[2]"), None);
        assert_eq!(
            attributes.text("onPremisesExtensionAttributes.extensionAttribute1"),
            Some("blue")
        );
        assert_eq!(
            attributes.value("onPremisesExtensionAttributes.extensionAttribute2"),
            None
        );
    }

    #[test]
    fn an_odd_name_is_absent_and_not_a_panic() {
        for name in [
            "",
            "[",
            "]",
            "[]",
            "a[",
            "a]",
            "[0]",
            "businessPhones[x]",
            ".",
        ] {
            assert_eq!(attributes().value(name), None, "{name}");
        }
    }
}
