//! Stand-ins for what people are called and reached by. The same text has the same stand-in everywhere
//! and in everything that is made with the same key; lengths of numbers, separators, capital letters
//! and the domains of addresses stay, so that expressions do with them what they do with the real ones.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta};

use crate::engine::model::{ObjectKind, TargetId, Value, source};

/// Of users; they say what a person belongs to, and scoping filters look at them.
const KEPT_OF_USERS: &[&str] = &[
    "accountEnabled",
    "ageGroup",
    "appRoleAssignments",
    "companyName",
    "consentProvidedForMinor",
    "country",
    "creationType",
    "department",
    "employeeType",
    "externalUserState",
    "id",
    "isManagementRestricted",
    "isResourceAccount",
    "legalAgeGroupClassification",
    "onPremisesDomainName",
    "onPremisesSyncEnabled",
    "passwordPolicies",
    "preferredDataLocation",
    "preferredLanguage",
    "showInAddressList",
    "usageLocation",
    "userType",
];
/// Of groups, all but free text and what a tenant added is kept: scopes name groups.
const REPLACED_OF_GROUPS: &[&str] = &["description", "membershipRule"];

/// Two letters each, 64 in all.
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aeio";
const SYLLABLES: u32 = 6;
/// Enough for numbers that differ in one digit to look unlike.
const ROUNDS: usize = 8;

/// Members of complex values that say what the value is for.
const KEPT_IN_OBJECTS: &[&str] = &["type", "primary"];

/// Makes stand-ins.
pub(crate) struct Pseudonyms {
    /// A keyed digest, hexadecimal.
    digest: Box<dyn Fn(&str) -> String + Send + Sync>,
    /// Attributes that are kept in addition.
    keep: BTreeSet<String>,
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

impl Pseudonyms {
    pub(crate) fn new(
        digest: impl Fn(&str) -> String + Send + Sync + 'static,
        keep: BTreeSet<String>,
    ) -> Self {
        Self {
            digest: Box::new(digest),
            keep,
        }
    }

    /// Whether the values of this attribute of the source are shown as they are.
    pub(crate) fn keeps(&self, kind: ObjectKind, attribute: &str) -> bool {
        let name = source::graph_name(attribute);
        let is_in = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(&name));
        self.keep.contains(attribute)
            || match kind {
                ObjectKind::User => is_in(KEPT_OF_USERS),
                ObjectKind::Group => !is_in(REPLACED_OF_GROUPS) && !name.starts_with("extension_"),
            }
    }

    /// The name that reports print of an object: groups keep theirs.
    pub(crate) fn label(&self, kind: ObjectKind, label: &str) -> String {
        match kind {
            ObjectKind::User => self.text(label),
            ObjectKind::Group => label.to_owned(),
        }
    }

    /// An id that a target made is kept, unless it may be a name.
    pub(crate) fn target(&self, id: &TargetId) -> TargetId {
        let text = id.as_str();
        let is_number = text.contains(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        TargetId::new(if is_number {
            text.to_owned()
        } else {
            self.text(text)
        })
    }

    pub(super) fn value(&self, value: &mut Value) {
        match value {
            Value::Text(text) => *value = Value::text(self.text(text)),
            Value::Integer(number) => {
                if let Ok(other) = self.text(&number.to_string()).parse() {
                    *number = other;
                }
            }
            Value::List(values) => values.iter_mut().for_each(|one| self.value(one)),
            Value::Object(members) => {
                let members = members.iter_mut();
                let members = members.filter(|(name, _)| !KEPT_IN_OBJECTS.contains(&name.as_str()));
                members.for_each(|(_, one)| self.value(one));
            }
            Value::Boolean(_) | Value::Reference(_) => {}
        }
    }

    fn number(&self, text: &str) -> u64 {
        let digest = (self.digest)(text);
        digest
            .get(..16)
            .and_then(|start| u64::from_str_radix(start, 16).ok())
            .expect("a digest is long and hexadecimal")
    }

    pub(crate) fn text(&self, text: &str) -> String {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            let days = i64::try_from(self.number(text) % 365).unwrap_or(0);
            let time = time.to_utc() - TimeDelta::days(days);
            return time.to_rfc3339_opts(SecondsFormat::Secs, true);
        }
        // `SMTP:jane@contoso.com`
        if let Some((scheme, address)) = text.split_once(':')
            && !scheme.is_empty()
            && address.contains('@')
        {
            return format!("{scheme}:{}", self.text(address));
        }
        let Some((alias, domain)) = text.rsplit_once('@') else {
            return self.words(text);
        };
        // `jane_fabrikam.com#EXT#@contoso.com`
        match alias.split_once("#EXT#").map(|(home, _)| home) {
            Some(home) => {
                let (alias, home) = home.rsplit_once('_').unwrap_or((home, ""));
                let alias = self.words(alias);
                format!("{alias}_{home}#EXT#@{domain}")
            }
            None => format!("{}@{domain}", self.words(alias)),
        }
    }

    /// Each word and each number by itself.
    fn words(&self, text: &str) -> String {
        let mut replaced = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let same = |c: char| {
                if first.is_ascii_digit() {
                    c.is_ascii_digit()
                } else {
                    first.is_alphabetic() && c.is_alphabetic()
                }
            };
            let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
            let end = end.max(first.len_utf8());
            let (word, tail) = rest.split_at(end);
            if first.is_ascii_digit() {
                replaced.push_str(&self.digits(word));
            } else if first.is_alphabetic() {
                replaced.push_str(&self.word(word));
            } else {
                replaced.push_str(word);
            }
            rest = tail;
        }
        replaced
    }

    fn word(&self, word: &str) -> String {
        let mut number = self.number(&word.to_lowercase());
        let mut other = String::new();
        for _ in 0..SYLLABLES {
            let consonant = CONSONANTS[usize::try_from(number % 16).unwrap_or(0)];
            let vowel = VOWELS[usize::try_from(number / 16 % 4).unwrap_or(0)];
            other.push(consonant.into());
            other.push(vowel.into());
            number /= 64;
        }
        let mut letters = word.chars();
        let starts_large = letters.next().is_some_and(char::is_uppercase);
        let is_large = letters.clone().next().is_some() && !letters.any(char::is_lowercase);
        match (starts_large, is_large) {
            (true, true) => other.to_uppercase(),
            (true, false) => other[..1].to_uppercase() + &other[1..],
            (false, _) => other,
        }
    }

    /// A number of as many digits: no two become the same (a Feistel network on the two halves).
    fn digits(&self, digits: &str) -> String {
        let (left, right) = digits.split_at(digits.len() / 2);
        let (mut left, mut right) = (left.to_owned(), right.to_owned());
        for round in 0..ROUNDS {
            let key = format!("{round}:{}:{right}", digits.len());
            left = plus(&left, self.number(&key));
            (left, right) = (right, left);
        }
        left + &right
    }
}

/// The sum, in as many decimal digits as the first has.
fn plus(digits: &str, number: u64) -> String {
    let mut carry = number;
    let mut sum: Vec<char> = Vec::with_capacity(digits.len());
    for digit in digits.bytes().rev() {
        let one = u64::from(digit - b'0') + carry % 10;
        carry = carry / 10 + one / 10;
        sum.push(char::from_digit(u32::try_from(one % 10).unwrap_or(0), 10).unwrap_or('0'));
    }
    sum.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn pseudonyms() -> Pseudonyms {
        let digest = |text: &str| format!("{:x}", Sha256::digest(text));
        Pseudonyms::new(digest, BTreeSet::new())
    }

    #[test]
    fn words_keep_their_place_and_their_capital_letters() {
        let names = pseudonyms();
        let jane = names.text("jane");
        let doe = names.text("Doe");
        assert_ne!(jane, "jane");
        assert_eq!(
            names.text("jane.Doe@contoso.com"),
            format!("{jane}.{doe}@contoso.com")
        );
        assert_eq!(
            names.text("SMTP:jane@contoso.com"),
            format!("SMTP:{jane}@contoso.com")
        );
        assert_eq!(
            names.text("jane_fabrikam.com#EXT#@contoso.com"),
            format!("{jane}_fabrikam.com#EXT#@contoso.com")
        );
        assert_eq!(names.text("JANE"), jane.to_uppercase());
        assert_eq!(names.text(""), "");
        let date = names.text("2026-01-31T08:00:00Z");
        assert!(DateTime::parse_from_rfc3339(&date).is_ok(), "{date}");
    }

    #[test]
    fn no_two_numbers_become_the_same() {
        let names = pseudonyms();
        for length in 1..=3_u32 {
            let length = length as usize;
            let all = 10_usize.pow(u32::try_from(length).unwrap());
            let others: BTreeSet<String> = (0..all)
                .map(|number| names.text(&format!("{number:0length$}")))
                .collect();
            assert_eq!(others.len(), all);
            assert!(others.iter().all(|other| other.len() == length));
        }
        let phone = names.text("+49 (30) 901820");
        assert_eq!(phone.len(), "+49 (30) 901820".len());
        assert!(phone.starts_with('+') && phone != "+49 (30) 901820");
    }
}
