//! SCIM filters (RFC 7644 section 3.4.2.2) and their way into a URL. Pure.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::engine::model::{TargetPath, Value};

/// Everything but the unreserved characters of RFC 3986 section 2.3. A space becomes `%20` and a plus
/// `%2B`, because servers disagree about a bare plus.
pub(super) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `attr eq value` with single spaces, the one form that every server reads.
///
/// A path with a selector is sent as it is, `emails[type eq "work"].value eq "x"`: the RFC's grammar
/// has `emails[type eq "work" and value eq "x"]` instead, but targets are built against Entra's form.
pub(super) fn eq(path: &TargetPath, value: &Value) -> String {
    let value = match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Text(text) => quote(text),
        Value::Reference(id) => quote(id.as_str()),
        // Lists and objects are never equal to anything; no mapping matches by them.
        Value::List(_) | Value::Object(_) => quote(""),
    };
    format!("{path} eq {value}")
}

/// A text as a JSON string (RFC 7644 section 3.4.2.2, `compValue`).
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a string takes any text");
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as part of a query or as one path segment.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(path: &str, value: &Value) -> String {
        eq(&TargetPath::parse(path).unwrap(), value)
    }

    /// Reads back what [`quote`] wrote, by the rules of RFC 8259 section 7.
    fn unquote(quoted: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?.chars();
        while let Some(character) = rest.next() {
            let character = match character {
                '"' => return None,
                control if control < ' ' => return None,
                '\\' => match rest.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits: String = rest.by_ref().take(4).collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
                    }
                    plain @ ('"' | '\\') => plain,
                    _ => return None,
                },
                plain => plain,
            };
            text.push(character);
        }
        Some(text)
    }

    #[test]
    fn values_are_written_by_their_type() {
        assert_eq!(
            filter("userName", &Value::text("a b")),
            "userName eq \"a b\""
        );
        assert_eq!(filter("active", &Value::Boolean(true)), "active eq true");
        assert_eq!(
            filter("urn:x:User:n", &Value::Integer(7)),
            "urn:x:User:n eq 7"
        );
        assert_eq!(
            filter(
                "emails[type eq \"work\"].value",
                &Value::text("a\"b\\c\u{1}\n")
            ),
            "emails[type eq \"work\"].value eq \"a\\\"b\\\\c\\u0001\\n\""
        );
    }

    #[test]
    fn a_query_holds_no_character_of_another_meaning() {
        assert_eq!(
            encode("userName eq \"a+b&c#d é%\""),
            "userName%20eq%20%22a%2Bb%26c%23d%20%C3%A9%25%22"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_value_can_be_quoted_and_read_back(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
            proptest::prop_assert_eq!(unquote(&quote(&text)), Some(text.clone()));
            let json: String = serde_json::from_str(&quote(&text)).unwrap();
            proptest::prop_assert_eq!(json, text);
        }

        #[test]
        fn any_value_survives_the_url(text in "\\PC{0,20}") {
            let encoded = encode(&text);
            proptest::prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
            proptest::prop_assert_eq!(decoded, text);
        }
    }
}
