//! People in free text, such as the lines of a log: what the tenant calls them is found there, and each name
//! gets its pseudonym. What is looked through is small, and the tenant may be large: so the text is put in
//! order once, and each name is looked up in it.

use std::collections::BTreeMap;

use super::Pseudonyms;
use super::known::{each_text, fold};
use crate::engine::model::{ObjectKind, SourceObject, TargetPath, Value};

/// What people are called and reached by.
const NAMES: &[&str] = &[
    "userPrincipalName",
    "displayName",
    "mail",
    "mailNickname",
    "otherMails",
    "proxyAddresses",
    "imAddresses",
    "employeeId",
    "mobilePhone",
    "businessPhones",
    "faxNumber",
    "onPremisesSamAccountName",
    "onPremisesUserPrincipalName",
    "onPremisesDistinguishedName",
    "onPremisesImmutableId",
];
/// Names that may be words of the language: only as they are written.
const WORDS: &[&str] = &["givenName", "surname"];
/// The same in a target.
const SENT: &[&str] = &[
    "userName",
    "displayName",
    "nickName",
    "emails",
    "phoneNumbers",
];
/// Shorter names are in too many words.
const SHORTEST: usize = 3;

/// Texts in which people are looked for.
pub(crate) struct People<'p> {
    pseudonyms: &'p Pseudonyms,
    /// All texts, folded, one after another.
    text: Vec<char>,
    /// Where words begin in it, in the order of what follows.
    words: Vec<usize>,
    /// Names that occur, folded, by their length.
    found: BTreeMap<usize, BTreeMap<Vec<char>, Name>>,
}

/// A name as it is written, and whether it counts only so.
struct Name {
    written: String,
    exactly: bool,
}

impl<'p> People<'p> {
    pub(crate) fn of<'t>(
        pseudonyms: &'p Pseudonyms,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Self {
        let mut text = Vec::new();
        for one in texts {
            text.extend(fold(one));
            text.push('\n');
        }
        let mut words: Vec<usize> = (0..text.len())
            .filter(|at| text[*at].is_alphanumeric())
            .filter(|at| *at == 0 || !text[at - 1].is_alphanumeric())
            .collect();
        words.sort_unstable_by(|one, other| text[*one..].cmp(&text[*other..]));
        Self {
            pseudonyms,
            text,
            words,
            found: BTreeMap::new(),
        }
    }

    /// Notes the names of a user that occur in the texts.
    pub(crate) fn look_for(&mut self, object: &SourceObject) {
        if object.kind != ObjectKind::User {
            return;
        }
        for name in NAMES {
            if let Some(value) = object.attributes.value(name) {
                self.value(value, false);
            }
        }
        for name in WORDS {
            if let Some(value) = object.attributes.value(name) {
                self.value(value, true);
            }
        }
    }

    /// The same of a value that was sent.
    pub(crate) fn look_for_sent(&mut self, kind: ObjectKind, path: &TargetPath, value: &Value) {
        if kind == ObjectKind::User {
            if SENT.contains(&path.attribute()) {
                self.value(value, false);
            } else if path.attribute() == "name" {
                self.value(value, true);
            }
        }
    }

    fn value(&mut self, value: &Value, exactly: bool) {
        let mut names = Vec::new();
        each_text(value, &mut |text| names.push(text.to_owned()));
        for name in names {
            // `SMTP:jane@contoso.com`
            let address = name.split_once(':').map(|(_, address)| address);
            let address = address.filter(|address| address.contains('@'));
            let address = address.unwrap_or(&name);
            let alias = address.split_once('@').map(|(alias, _)| alias);
            for one in [Some(address), alias].into_iter().flatten() {
                self.name(one, exactly);
            }
        }
    }

    fn name(&mut self, name: &str, exactly: bool) {
        // `+49 30 901820` is found where its number begins.
        let name = name.trim_start_matches(|c: char| !c.is_alphanumeric());
        let folded = fold(name);
        if folded.len() < SHORTEST || !self.occurs(&folded) {
            return;
        }
        let names = self.found.entry(folded.len()).or_default();
        let known = names.entry(folded).or_insert_with(|| Name {
            written: name.to_owned(),
            exactly,
        });
        known.exactly &= exactly;
    }

    fn occurs(&self, name: &[char]) -> bool {
        let begins = |at: usize| {
            let end = self.text.len().min(at + name.len());
            &self.text[at..end]
        };
        let place = self.words.partition_point(|at| begins(*at) < name);
        self.words.get(place).is_some_and(|at| begins(*at) == name)
    }

    /// The text with pseudonyms for the people in it, and for every address.
    pub(crate) fn replaced(&self, text: &str) -> String {
        let letters: Vec<char> = text.chars().collect();
        let folded = fold(text);
        let mut replaced = String::with_capacity(text.len());
        let mut at = 0;
        while at < letters.len() {
            let is_start = at == 0 || !letters[at - 1].is_alphanumeric();
            let found = if is_start && letters[at].is_alphanumeric() {
                let address = address(&letters[at..]);
                address.max(self.longest(&letters, &folded, at))
            } else {
                0
            };
            if found == 0 {
                replaced.push(letters[at]);
                at += 1;
            } else {
                let name: String = letters[at..at + found].iter().collect();
                replaced.push_str(&self.pseudonyms.text(&name));
                at += found;
            }
        }
        replaced
    }

    /// How long the longest name is that begins here.
    fn longest(&self, letters: &[char], folded: &[char], at: usize) -> usize {
        let lengths = self.found.range(..=letters.len() - at).rev();
        let found = lengths.filter(|(length, names)| {
            let end = at + **length;
            let is_word = letters.get(end).is_none_or(|next| !next.is_alphanumeric());
            is_word
                && names.get(&folded[at..end]).is_some_and(|name| {
                    !name.exactly || name.written.chars().eq(letters[at..end].iter().copied())
                })
        });
        found.map(|(length, _)| *length).next().unwrap_or(0)
    }
}

/// How long the e-mail address is that the text begins with.
fn address(text: &[char]) -> usize {
    let is_in_name = |c: &char| c.is_alphanumeric() || "._%+'#-".contains(*c);
    let is_in_domain = |c: &char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let alias = text.iter().take_while(|c| is_in_name(c)).count();
    if text.get(alias) != Some(&'@') {
        return 0;
    }
    let domain: Vec<char> = text[alias + 1..]
        .iter()
        .copied()
        .take_while(is_in_domain)
        .collect();
    let end = domain.iter().rposition(|c| c.is_alphanumeric());
    end.map_or(0, |end| alias + 1 + end + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sha2::{Digest as _, Sha256};

    use super::*;

    fn replaced(names: &[(&str, bool)], text: &str) -> String {
        let digest = |text: &str| format!("{:x}", Sha256::digest(text));
        let pseudonyms = Pseudonyms::new(digest, BTreeSet::new());
        let mut people = People::of(&pseudonyms, [text]);
        for (name, exactly) in names {
            people.value(&Value::text(*name), *exactly);
        }
        people.replaced(text)
    }

    #[test]
    fn names_and_addresses_are_found_as_words() {
        for text in [
            "create user jane.doe@contoso.com: it failed",
            "Jane Doe was created",
            "\"JANE DOE\" is taken; jdoe",
            "SMTP:jane.doe@contoso.com",
            "by other@fabrikam.com.",
        ] {
            let names = [
                ("Jane Doe", false),
                ("jane.doe@contoso.com", false),
                ("jdoe", false),
            ];
            let other = replaced(&names, text).to_lowercase();
            for name in ["jane", "doe", "other"] {
                assert!(!other.contains(name), "{other}");
            }
        }
    }

    #[test]
    fn what_is_not_a_name_stays() {
        let names = [("Will", true), ("Ann", false)];
        let text = "it will be planned by annotation @ 12:00";
        assert_eq!(replaced(&names, text), text);
        assert_ne!(replaced(&names, "Will Smith"), "Will Smith");
    }
}
