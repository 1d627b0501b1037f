//! Attribute paths (RFC 7644 figures 1 and 7): `userName`, `name.familyName`, `emails[type eq "work"].value`,
//! and the same behind a schema's URN. Names are resolved against the schemas while parsing.

use serde_json::Value;

use super::error::Refusal;
use super::filter::{self, Filter};
use super::schema::{Attribute, COMMON, Kind, find};

/// An attribute, its sub-attribute, and where in the resource it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttributePath {
    /// The URN below which the attribute stands; `None` for core attributes.
    pub(super) extension: Option<&'static str>,
    pub(super) attribute: &'static Attribute,
    pub(super) sub: Option<&'static Attribute>,
}

/// What a PATCH operation points at.
#[derive(Debug)]
pub(super) enum Target {
    /// A whole extension.
    Extension(&'static str),
    Attribute {
        path: AttributePath,
        filter: Option<Filter>,
    },
}

impl AttributePath {
    /// Parses `name`, `name.sub`, or either behind a URN.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, Refusal> {
        let (extension, rest) = strip_schema(text, kind);
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let unknown = || Refusal::invalid_path(format!("There is no attribute '{text}'."));
        let attribute = attribute(extension, name, kind).ok_or_else(unknown)?;
        let sub = match sub {
            None => None,
            Some(sub) => Some(attribute.sub(sub).ok_or_else(unknown)?),
        };
        Ok(Self {
            extension,
            attribute,
            sub,
        })
    }

    /// The attribute that carries the value: of a multi-valued complex one, its `value`.
    pub(super) fn leaf(&self) -> &'static Attribute {
        match self.sub {
            Some(sub) => sub,
            None => self.attribute.sub("value").unwrap_or(self.attribute),
        }
    }

    /// Every value found at the path.
    pub(super) fn values<'a>(&self, resource: &'a Value) -> Vec<&'a Value> {
        let holder = match self.extension {
            Some(urn) => &resource[urn],
            None => resource,
        };
        let found = &holder[self.attribute.name];
        let items: Vec<&Value> = match found {
            Value::Null => Vec::new(),
            Value::Array(items) => items.iter().collect(),
            other => vec![other],
        };
        match self.sub {
            None => items,
            Some(sub) => items
                .into_iter()
                .map(|item| &item[sub.name])
                .filter(|value| !value.is_null())
                .collect(),
        }
    }

    /// The path as the schema spells it, without the URN.
    pub(super) fn name(&self) -> String {
        match self.sub {
            Some(sub) => format!("{}.{}", self.attribute.name, sub.name),
            None => self.attribute.name.to_owned(),
        }
    }
}

impl Target {
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, Refusal> {
        let text = text.trim();
        let schema = kind.extension().map(|schema| schema.id);
        if let Some(urn) = schema.filter(|urn| urn.eq_ignore_ascii_case(text)) {
            return Ok(Self::Extension(urn));
        }
        let Some((before, rest)) = text.split_once('[') else {
            let path = AttributePath::parse(text, kind)?;
            return Ok(Self::Attribute { path, filter: None });
        };
        let invalid = || Refusal::invalid_path(format!("The path '{text}' is malformed."));
        let end = closing_bracket(rest).ok_or_else(invalid)?;
        let mut path = AttributePath::parse(before, kind)?;
        if path.sub.is_some() || !path.attribute.is_complex() {
            return Err(invalid());
        }
        let filter = filter::parse_within(&rest[..end], &path)?;
        let after = &rest[end + 1..];
        if !after.is_empty() {
            let sub = after.strip_prefix('.').ok_or_else(invalid)?;
            path.sub = Some(path.attribute.sub(sub).ok_or_else(invalid)?);
        }
        Ok(Self::Attribute {
            path,
            filter: Some(filter),
        })
    }
}

/// Where the bracket closes, outside of quoted values.
pub(super) fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(place),
            _ => {}
        }
    }
    None
}

fn strip_schema(text: &str, kind: Kind) -> (Option<&'static str>, &str) {
    let behind = |urn: &str| {
        let head = text.get(..urn.len())?;
        let rest = text.get(urn.len()..)?.strip_prefix(':')?;
        head.eq_ignore_ascii_case(urn).then_some(rest)
    };
    if let Some(rest) = behind(kind.core().id) {
        return (None, rest);
    }
    if let Some(schema) = kind.extension()
        && let Some(rest) = behind(schema.id)
    {
        return (Some(schema.id), rest);
    }
    (None, text)
}

fn attribute(
    extension: Option<&'static str>,
    name: &str,
    kind: Kind,
) -> Option<&'static Attribute> {
    if extension.is_some() {
        return find(&kind.extension()?.attributes, name);
    }
    find(&kind.core().attributes, name).or_else(|| find(&COMMON, name))
}
