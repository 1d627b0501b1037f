//! Custom security attributes: values that a tenant defines for itself, in sets, and guards with a
//! permission of their own. Delta queries do not return them, so they are read separately.

use std::collections::BTreeMap;
use std::fmt;

use super::{SourceId, Value};

/// The property of a user that holds them, set by set.
pub(crate) const PROPERTY: &str = "customSecurityAttributes";

/// Most characters of the name of a set, and of an attribute in it.
const NAME_LENGTH: usize = 32;

/// One of them, written `customSecurityAttributes.Set.Attribute`. Both names are distinguished without
/// regard to case by the tenant, which defines them (Graph, `customSecurityAttributeDefinition`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CustomSecurityAttribute {
    pub(crate) set: String,
    pub(crate) attribute: String,
}

impl CustomSecurityAttribute {
    /// `None` for any other name. An index is the caller's to take off.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(PROPERTY)?.strip_prefix('.')?;
        let (set, attribute) = rest.split_once('.')?;
        let is_name = |name: &str| {
            (1..=NAME_LENGTH).contains(&name.chars().count())
                && name
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || letter == '_')
        };
        (is_name(set) && is_name(attribute)).then(|| Self {
            set: set.to_owned(),
            attribute: attribute.to_owned(),
        })
    }
}

/// The name under which a source object holds the value.
impl fmt::Display for CustomSecurityAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PROPERTY}.{}.{}", self.set, self.attribute)
    }
}

/// What one user has of those that were asked for. One that is not here has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomSecurityValues {
    pub(crate) user: SourceId,
    pub(crate) values: BTreeMap<CustomSecurityAttribute, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_and_an_attribute_make_a_name_and_nothing_else_does() {
        let name = "customSecurityAttributes.Engineering.Cost_Centre1";
        let parsed = CustomSecurityAttribute::parse(name).unwrap();
        assert_eq!(
            (parsed.set.as_str(), parsed.attribute.as_str()),
            ("Engineering", "Cost_Centre1")
        );
        assert_eq!(parsed.to_string(), name);
        let long = format!("customSecurityAttributes.{}.x", "x".repeat(33));
        for name in [
            "customSecurityAttributes",
            "customSecurityAttributes.",
            "customSecurityAttributes.Engineering",
            "customSecurityAttributes.Engineering.",
            "customSecurityAttributes..Project",
            "customSecurityAttributes.Engineering.Project.Name",
            "customSecurityAttributes.Engineering.Cost centre",
            "customSecurityAttributes.Engineering_Project",
            "CustomSecurityAttributes.Engineering.Project",
            "department",
            &long,
        ] {
            assert_eq!(CustomSecurityAttribute::parse(name), None, "{name}");
        }
    }
}
