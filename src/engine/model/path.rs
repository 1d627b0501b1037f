//! Where in a SCIM resource a mapping writes: RFC 7644 section 3.10 attribute notation, with the one
//! form of value path that mappings use, `emails[type eq "work"].value`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::schema;

/// A parsed target path. Attribute names of the RFC 7643 schemas have the RFC's spelling whatever
/// was typed, because SCIM names ignore case; so two spellings of one path are equal. Cheap to clone:
/// every object of a plan holds every path of the mapping.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TargetPath(Arc<Parts>);

impl Ord for TargetPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // Two mentions of one mapping's path are most often the same text.
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for TargetPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    schema: Option<String>,
    attribute: String,
    selector: Option<Selector>,
    sub_attribute: Option<String>,
}

/// `[type eq "work"]`: which element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Selector {
    pub(crate) attribute: String,
    pub(crate) value: String,
}

/// Why a text is not a target path, with the byte offset where it stops being one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at column {}", offset + 1)]
pub(crate) struct PathError {
    pub(crate) offset: usize,
    pub(crate) expected: &'static str,
}

impl TargetPath {
    /// The longest path worth reading; a longer one is a mistake, and parsing stays bounded.
    const MAX_LENGTH: usize = 1_000;

    pub(crate) fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |offset, expected| Err(PathError { offset, expected });
        if text.len() > Self::MAX_LENGTH {
            let end = text.floor_char_boundary(Self::MAX_LENGTH);
            return fail(end, "a path of at most 1,000 characters");
        }
        // A URN holds dots ("2.0"), so the schema ends at the last colon outside brackets.
        let head = text.find('[').unwrap_or(text.len());
        let (schema, start) = match text[..head].rfind(':') {
            Some(colon) => (Some(&text[..colon]), colon + 1),
            None => (None, 0),
        };
        if let Some(urn) = schema
            && !(urn.to_ascii_lowercase().starts_with("urn:") && urn.len() > 4)
        {
            return fail(0, "a schema that begins with urn:");
        }
        let schema = schema
            .filter(|urn| !schema::is_core(urn))
            .map(schema::spelling_of_urn);

        let mut rest = Rest { text, at: start };
        let attribute = rest.name()?;
        let mut selector = None;
        if rest.take("[") {
            let name = rest.name()?;
            rest.spaces();
            if !rest.take_word("eq") {
                return fail(rest.at, "the operator eq");
            }
            rest.spaces();
            let value = rest.literal()?;
            if !rest.take("]") {
                return fail(rest.at, "a closing bracket");
            }
            selector = Some(Selector {
                attribute: name,
                value,
            });
        }
        let sub_attribute = if rest.take(".") {
            Some(rest.name()?)
        } else {
            None
        };
        if rest.at != text.len() {
            return fail(rest.at, "the end of the path");
        }
        let (attribute, sub_attribute) =
            schema::spelling_of(schema.as_deref(), attribute, sub_attribute);
        Ok(Self(Arc::new(Parts {
            schema,
            attribute,
            selector,
            sub_attribute,
        })))
    }

    /// The extension schema's URN; `None` for the core schema.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    pub(crate) fn attribute(&self) -> &str {
        &self.0.attribute
    }

    pub(crate) fn selector(&self) -> Option<&Selector> {
        self.0.selector.as_ref()
    }

    pub(crate) fn sub_attribute(&self) -> Option<&str> {
        self.0.sub_attribute.as_deref()
    }

    /// The core schema's multi-valued attribute of which this path writes one value of an element.
    pub(crate) fn list(&self) -> Option<Self> {
        let Parts {
            schema: None,
            attribute,
            selector: Some(_),
            sub_attribute: Some(_),
        } = &*self.0
        else {
            return None;
        };
        Self::parse(attribute).ok()
    }

    /// The element of a multi-valued attribute that this path writes into, without the sub-attribute;
    /// `None` for a path that selects no element.
    pub(crate) fn element(&self) -> Option<Self> {
        self.0.selector.as_ref()?;
        let mut parts = Parts::clone(&self.0);
        parts.sub_attribute = None;
        Some(Self(Arc::new(parts)))
    }

    /// Where the element that this path writes into has what it is selected by: `emails[type eq "work"].type`.
    pub(crate) fn own_selector(&self) -> Option<Self> {
        let selector = self.0.selector.as_ref()?;
        let mut parts = Parts::clone(&self.0);
        parts.sub_attribute = Some(selector.attribute.clone());
        Some(Self(Arc::new(parts)))
    }

    pub(crate) fn is_own_selector(&self) -> bool {
        let Parts {
            selector,
            sub_attribute,
            ..
        } = &*self.0;
        selector.as_ref().map(|one| &one.attribute) == sub_attribute.as_ref() && selector.is_some()
    }

    /// Whether both paths write into the same element of a multi-valued attribute.
    pub(crate) fn is_in_element_of(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        one.selector.is_some()
            && one.selector == other.selector
            && one.attribute == other.attribute
            && one.schema == other.schema
    }

    /// Whether the other path writes into a part of what this one writes: `name` and `name.givenName`.
    pub(crate) fn is_whole_of(&self, part: &Self) -> bool {
        let (whole, part) = (&*self.0, &*part.0);
        whole != part
            && whole.schema == part.schema
            && whole.attribute == part.attribute
            && whole.sub_attribute.is_none()
            && (whole.selector.is_none() || whole.selector == part.selector)
    }

    /// Of the core schema, and no element of anything.
    fn is_plain(&self) -> bool {
        self.0.schema.is_none() && self.0.selector.is_none()
    }

    /// `members`, the one path whose values are sent by deltas and never as a whole.
    pub(crate) fn is_members(&self) -> bool {
        self.is_plain() && self.0.attribute == "members"
    }

    /// `active`, whose fall to false makes an update a disable.
    pub(crate) fn is_active(&self) -> bool {
        self.is_plain() && self.0.attribute == "active"
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            schema,
            attribute,
            selector,
            sub_attribute,
        } = &*self.0;
        if let Some(schema) = schema {
            write!(f, "{schema}:")?;
        }
        f.write_str(attribute)?;
        if let Some(Selector { attribute, value }) = selector {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "[{attribute} eq \"{value}\"]")?;
        }
        if let Some(sub) = sub_attribute {
            write!(f, ".{sub}")?;
        }
        Ok(())
    }
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn left(&self) -> &str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.left().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self
            .left()
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word));
        if found {
            self.at += word.len();
        }
        found
    }

    fn spaces(&mut self) {
        self.at += self.left().len() - self.left().trim_start_matches(' ').len();
    }

    /// `ATTRNAME` of RFC 7643 section 2.1, with `$ref` as the one name that begins with a dollar.
    fn name(&mut self) -> Result<String, PathError> {
        let length = self
            .left()
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$')))
            .unwrap_or(self.left().len());
        let name = &self.left()[..length];
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$' || c == '_') {
            return Err(PathError {
                offset: self.at,
                expected: "an attribute name",
            });
        }
        let name = name.to_owned();
        self.at += length;
        Ok(name)
    }

    fn literal(&mut self) -> Result<String, PathError> {
        if self.take_word("true") {
            return Ok("True".to_owned());
        }
        if self.take_word("false") {
            return Ok("False".to_owned());
        }
        let start = self.at;
        if !self.take("\"") {
            return Err(PathError {
                offset: start,
                expected: "a quoted value",
            });
        }
        let mut value = String::new();
        let mut characters = self.left().char_indices();
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return Ok(value);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => value.push(escaped),
                    None => break,
                },
                other => value.push(other),
            }
        }
        Err(PathError {
            offset: start,
            expected: "a closing quote for this value",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_has_its_parts_and_nothing_else() {
        let is_whole = |whole: &str, part: &str| {
            let [whole, part] = [whole, part].map(|text| TargetPath::parse(text).expect("a path"));
            whole.is_whole_of(&part)
        };
        let work = "emails[type eq \"work\"]";
        assert!(is_whole("name", "name.givenName"));
        assert!(is_whole("emails", work));
        assert!(is_whole("emails", &format!("{work}.value")));
        assert!(is_whole(work, &format!("{work}.value")));
        assert!(!is_whole(work, "emails[type eq \"home\"].value"));
        assert!(!is_whole("name", "name"));
        assert!(!is_whole("name.givenName", "name"));
        assert!(!is_whole("name", "urn:acme:User:name.givenName"));
    }

    #[test]
    fn the_forms_of_the_default_table_are_read_and_printed_back() {
        for text in [
            "userName",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "addresses[type eq \"work\"].streetAddress",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:cost-centre",
            "roles[primary eq \"True\"].value",
            "members",
        ] {
            assert_eq!(TargetPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_ignore_case_as_scim_does() {
        let typed = TargetPath::parse("Emails[type eq \"other\"].Value").unwrap();
        assert_eq!(typed.to_string(), "emails[type eq \"other\"].value");
        let urn = "urn:ietf:params:scim:schemas:core:2.0:User:username";
        assert_eq!(TargetPath::parse(urn).unwrap().to_string(), "userName");
    }

    #[test]
    fn a_path_that_is_too_long_is_cut_between_characters() {
        let long = format!("a{}", "é".repeat(600));
        let error = TargetPath::parse(&long).unwrap_err();
        assert!(long.is_char_boundary(error.offset));
    }

    #[test]
    fn a_wrong_path_says_what_was_expected_and_where() {
        let error = |text| TargetPath::parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "an attribute name expected at column 1");
        assert_eq!(
            error("emails[type work].value"),
            "the operator eq expected at column 13"
        );
        assert_eq!(
            error("emails[type eq \"work\""),
            "a closing bracket expected at column 22"
        );
        assert_eq!(
            error("foo:bar"),
            "a schema that begins with urn: expected at column 1"
        );
        assert_eq!(
            error("name.given name"),
            "the end of the path expected at column 11"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_path_or_an_error(text in ".{0,60}") {
            if let Ok(path) = TargetPath::parse(&text) {
                proptest::prop_assert_eq!(TargetPath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
