//! Whether the words of a refusal name an attribute. Pure.

use crate::engine::model::TargetPath;

/// Whether words hold the path, the attribute that it belongs to, or the schema of its extension.
pub(super) fn names(words: &str, path: &TargetPath) -> bool {
    let (attribute, sub) = (path.attribute(), path.sub_attribute());
    let without_selector = sub.map(|sub| format!("{attribute}.{sub}"));
    let own = [Some(path.to_string()), without_selector];
    own.iter().flatten().any(|name| holds(words, name, false))
        || sub.is_some_and(|sub| has_capital(sub) && holds(words, sub, false))
        || holds(words, attribute, true)
        || path
            .schema()
            .is_some_and(|schema| holds_schema(words, schema))
}

/// Whether a text holds the URN of an extension itself, and not only what is in it.
fn holds_schema(text: &str, urn: &str) -> bool {
    let (text, urn) = (text.to_ascii_lowercase(), urn.to_ascii_lowercase());
    text.match_indices(&urn).any(|(at, found)| {
        let mut rest = text[at + found.len()..].chars();
        let (next, after) = (rest.next(), rest.next());
        let goes_on = match next {
            Some(':' | '.') => after.is_some_and(char::is_alphanumeric),
            Some(c) => c.is_alphanumeric() || c == '_' || c == '-',
            None => false,
        };
        !goes_on
    })
}

fn has_capital(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether a name stands in a text as a word of its own, and not with one of its parts behind it where
/// it must be `alone`. A name that is a word of the language counts only as it is written.
fn holds(text: &str, name: &str, alone: bool) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let is_part = |rest: &str| {
        let mut rest = rest.chars();
        matches!(rest.next(), Some('.' | '[')) && rest.next().is_some_and(char::is_alphabetic)
    };
    let folds = has_capital(name);
    let (text, name) = if folds {
        (text.to_ascii_lowercase(), name.to_ascii_lowercase())
    } else {
        (text.to_owned(), name.to_owned())
    };
    text.match_indices(&name).any(|(at, found)| {
        let rest = &text[at + found.len()..];
        let is_longer = text[..at].ends_with(is_word) || rest.starts_with(is_word);
        !(is_longer || alone && is_part(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_named_by_its_path_or_its_own_name() {
        const URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        const DEPARTMENT: &str =
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";
        let is_named = |words: &str, path: &str| names(words, &TargetPath::parse(path).unwrap());
        for (words, path, expected) in [
            ("Attribute 'userName' cannot be changed", "userName", true),
            ("username is immutable", "userName", true),
            ("The user name is taken", "userName", false),
            ("title is too long", "title", true),
            ("Title Of Person", "title", false),
            ("subtitle is too long", "title", false),
            ("name.givenName is too long", "name.givenName", true),
            ("name.givenName is too long", "name.familyName", false),
            ("givenName is too long", "name.givenName", true),
            ("name is missing", "name.givenName", true),
            (
                "no such path: emails.value",
                r#"emails[type eq "work"].value"#,
                true,
            ),
            (
                r#"emails[type eq "home"].value"#,
                r#"emails[type eq "work"].value"#,
                false,
            ),
            (
                "emails[0] is not valid",
                r#"emails[type eq "work"].value"#,
                true,
            ),
            ("department is unknown", DEPARTMENT, true),
            (DEPARTMENT, DEPARTMENT, true),
            (&format!("{URN}:division is unknown"), DEPARTMENT, false),
            (&format!("{URN}.division is unknown"), DEPARTMENT, false),
            (&format!("{URN}Type is unknown"), DEPARTMENT, false),
            (&format!("Unknown schema '{URN}'."), DEPARTMENT, true),
            (
                &format!("{}: no such schema", URN.to_uppercase()),
                DEPARTMENT,
                true,
            ),
            (&format!("Unknown schema {URN}."), "title", false),
            ("", "title", false),
        ] {
            assert_eq!(is_named(words, path), expected, "{words} {path}");
        }
    }
}
