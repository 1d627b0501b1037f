//! Values that a target makes itself, whatever it is sent: in another case or without spaces, cut after some
//! characters, or from other values of the same object, such as a display name from the given name and the surname.

use crate::engine::model::Value;

/// No target cuts texts that are shorter.
const SHORTEST_CUT: usize = 8;

/// Whether what is shown was made by the target: from what was sent, or from `others`, texts that the object shows.
pub(crate) fn is_made_by_target(sent: &Value, shown: &Value, others: &[&str]) -> bool {
    let (Value::Text(sent), Value::Text(shown)) = (sent, shown) else {
        return false;
    };
    let wanted = letters(shown);
    sent != shown
        && !wanted.is_empty()
        && (is_form_of(sent, shown) || is_made_from_others(shown, others))
}

/// Whether a text is another in another case, without some spaces and signs, or cut.
pub(crate) fn is_form_of(sent: &str, shown: &str) -> bool {
    let (sent, shown) = (letters(sent), letters(shown));
    sent == shown || shown.chars().count() >= SHORTEST_CUT && sent.starts_with(&shown)
}

/// Whether a text is one or two of the others.
pub(super) fn is_made_from_others(shown: &str, others: &[&str]) -> bool {
    let wanted = letters(shown);
    let others: Vec<String> = others
        .iter()
        .flat_map(|other| {
            let local = other.split_once('@').map(|(local, _)| letters(local));
            local.into_iter().chain([letters(other)])
        })
        .filter(|other| !other.is_empty())
        .collect();
    others.iter().any(|one| {
        let rest = wanted.strip_prefix(one.as_str());
        rest.is_some_and(|rest| rest.is_empty() || others.iter().any(|other| other == rest))
    })
}

/// What is left of a text whatever its case, spaces and signs.
fn letters(text: &str) -> String {
    let kept = text.chars().filter(|one| one.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_made(sent: &str, shown: &str) -> bool {
        let others = ["anna@contoso.com", "Anna", "Smith", "Engineer"];
        is_made_by_target(&Value::text(sent), &Value::text(shown), &others)
    }

    #[test]
    fn a_value_in_another_form_or_from_other_values_is_made_by_the_target() {
        assert!(is_made("Engineer ", "Engineer"));
        assert!(is_made("+49 89 5550", "+49895550"));
        assert!(is_made("Dr. Anna Smith", "Anna Smith"));
        assert!(is_made("Dr. Anna Smith", "Smith, Anna"));
        assert!(is_made("a.smith@contoso.com", "ANNA@contoso.com"));
        assert!(is_made("a.smith@contoso.com", "anna"));
        assert!(is_made("Chief Executive Officer", "Chief Execu"));
    }

    #[test]
    fn any_other_value_is_not() {
        assert!(!is_made("Chief", "Boss"));
        assert!(!is_made("Chief", "Chief"));
        assert!(!is_made("Chief", ""));
        assert!(!is_made("Chief Executive", "Chief"));
        assert!(!is_made("Dr. Anna Smith", "Anna Smith-Jones"));
    }
}
