//! What is taken out of the target's words, because targets like to repeat what they refuse.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::known::{Known, Others, SHORT, each_text, fold};
use super::marked::Marked;
use super::{REDACTED, Redactions};
use crate::engine::model::{Link, MatchKey, ObjectKind, TargetPath, Value};
use crate::engine::plan::{Action, Change, Operation, WriteMode};

/// What is taken out of the target's words: what was sent to it, or looked for, and is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    texts: Vec<String>,
    /// What is not shown of anybody.
    others: Others,
    /// Whether resources that the target shows may hold more of that.
    in_data: bool,
}

impl Redactions {
    /// What holds for every answer of the target.
    pub(crate) fn hidden(&self) -> Hidden {
        Hidden {
            texts: Vec::new(),
            others: self.others.clone(),
            in_data: !self.is_empty(),
        }
    }

    /// What the target may repeat when it answers an action, of what it gets with it and of what the
    /// link of the object says that it has.
    pub(crate) fn hidden_in_action(&self, action: &Action, link: Option<&Link>) -> Hidden {
        let marked = self.of_kind(action.subject.kind);
        let mut hidden = self.hidden();
        if let Some(link) = link {
            hidden.add_map(marked, &link.sent);
        }
        match &action.operation {
            Operation::Create {
                attributes, keys, ..
            } => {
                hidden.add_map(marked, attributes);
                hidden.add_keys(marked, keys);
            }
            Operation::Adopt {
                key,
                current,
                changes,
                ..
            } => {
                hidden.add_keys(marked, std::slice::from_ref(key));
                hidden.add_map(marked, &current.values);
                hidden.add_changes(marked, changes);
            }
            Operation::Update { changes, .. }
            | Operation::Enable { changes, .. }
            | Operation::Disable { changes, .. } => hidden.add_changes(marked, changes),
            Operation::HandOver(hand) => {
                hidden.add_keys(marked, std::slice::from_ref(&hand.key));
                hidden.add_map(marked, &hand.current);
                for changes in [&hand.disable, &hand.changes, &hand.enable] {
                    hidden.add_changes(marked, changes);
                }
            }
            Operation::Delete { .. }
            | Operation::AddMembers { .. }
            | Operation::RemoveMembers { .. }
            | Operation::SetReference { .. } => {}
        }
        hidden.in_order()
    }

    /// What the target may repeat of a look-up by these keys.
    pub(crate) fn hidden_in_keys(&self, kind: ObjectKind, keys: &[MatchKey]) -> Hidden {
        let mut hidden = self.hidden();
        hidden.add_keys(self.of_kind(kind), keys);
        hidden.in_order()
    }
}

impl Hidden {
    /// Whether the job hides anything, so that nothing is quoted but the sentences of error messages:
    /// any other body may be a resource, or an echo of the request in whatever form.
    pub(crate) fn is_in_data(&self) -> bool {
        self.in_data
    }

    /// The words with [`REDACTED`] for each of the texts, in any case: targets fold it. `None` when
    /// some of the words are escaped: a text may be among them in a form in which it is not found,
    /// such as the URL of a look-up, and there are more of these forms than could be listed.
    pub(crate) fn take_out<'t>(&self, words: &'t str) -> Option<Cow<'t, str>> {
        let others = self.others.known();
        if self.texts.is_empty() && others.is_none_or(Known::is_empty) {
            return Some(Cow::Borrowed(words));
        }
        if others.is_some_and(Known::is_unknown) {
            return None;
        }
        let folded = fold(words);
        let mut at = 0;
        let mut clean = String::with_capacity(words.len());
        let mut before = None;
        let mut rest = words;
        while let Some(first) = rest.chars().next() {
            let found = self.texts.iter().find_map(|text| {
                let end = folded_prefix(rest, text)?;
                let is_word = !(is_letter(before) || is_letter(rest[end..].chars().next()));
                (is_word || text.chars().count() >= SHORT).then_some(end)
            });
            let found = found.or_else(|| {
                let end = |length| {
                    rest.char_indices()
                        .nth(length)
                        .map_or(rest.len(), |(end, _)| end)
                };
                let is_word =
                    |length| !(is_letter(before) || is_letter(rest[end(length)..].chars().next()));
                others?.beginning(&folded[at..], is_word).map(end)
            });
            let (end, kept) = match found {
                Some(end) => (end, REDACTED),
                None => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            clean.push_str(kept);
            before = rest[..end].chars().next_back();
            at += rest[..end].chars().count();
            rest = &rest[end..];
        }
        (!has_escapes(&clean)).then_some(Cow::Owned(clean))
    }

    fn add_map(&mut self, marked: &Marked, values: &BTreeMap<TargetPath, Value>) {
        let values = values
            .iter()
            .filter(|(path, _)| marked.paths.contains(path));
        values.for_each(|(_, value)| self.add(value));
    }

    fn add_keys(&mut self, marked: &Marked, keys: &[MatchKey]) {
        let keys = keys.iter().filter(|key| marked.paths.contains(&key.path));
        keys.for_each(|key| self.add(&key.value));
    }

    fn add_changes(&mut self, marked: &Marked, changes: &[Change]) {
        for change in changes
            .iter()
            .filter(|one| marked.paths.contains(&one.path))
        {
            let sides = change.old.iter().chain(&change.new);
            sides.for_each(|value| self.add(value));
            if let WriteMode::Added(elements) = &change.written {
                for element in elements {
                    self.add(element);
                }
            }
        }
    }

    fn add(&mut self, value: &Value) {
        each_text(value, &mut |text| self.texts.push(text.to_owned()));
    }

    /// The longest first: what it holds must not be left of it.
    fn in_order(mut self) -> Self {
        self.texts
            .sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
        self.texts.dedup();
        self
    }
}

fn is_letter(character: Option<char>) -> bool {
    character.is_some_and(char::is_alphanumeric)
}

/// Whether something is written as URLs, JSON or HTML write what they cannot hold as it is.
fn has_escapes(words: &str) -> bool {
    words.bytes().enumerate().any(|(at, byte)| {
        let rest = &words.as_bytes()[at + 1..];
        match byte {
            b'\\' => true,
            b'%' => {
                matches!(rest, [one, two, ..] if one.is_ascii_hexdigit() && two.is_ascii_hexdigit())
            }
            b'&' => {
                let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
                let end = rest.iter().position(|byte| !is_name(byte));
                end.is_some_and(|end| end > 0 && rest[end] == b';')
            }
            _ => false,
        }
    })
}

/// Where `text` ends in `words`, when they begin with it in any case and with any blanks, of which
/// `+` is the one of a form.
fn folded_prefix(words: &str, text: &str) -> Option<usize> {
    let mut given = words.char_indices();
    for wanted in text.chars() {
        let (_, found) = given.next()?;
        let is_blank = wanted.is_whitespace() && (found.is_whitespace() || found == '+');
        if !(is_blank || found.to_lowercase().eq(wanted.to_lowercase())) {
            return None;
        }
    }
    Some(given.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(texts: &[&str]) -> Hidden {
        let mut hidden = Hidden::default();
        for text in texts {
            hidden.add(&Value::text(*text));
        }
        hidden.in_order()
    }

    #[test]
    fn the_words_of_a_target_lose_what_is_hidden_whatever_its_case() {
        for (texts, words, expected) in [
            (&["E-0815"][..], "'e-0815' is taken", "'[Redact]' is taken"),
            (&["E-0815"], "xE-08151", "x[Redact]1"),
            (&["Ärmel"], "no ÄRMEL, no ärmel", "no [Redact], no [Redact]"),
            (
                &["a"],
                "a value (A) of many",
                "[Redact] value ([Redact]) of many",
            ),
            (&["7"], "7, 77 and id7", "[Redact], 77 and id7"),
            (&["Smith", "Jane Smith"], "Jane Smith", "[Redact]"),
            (&["say \"hi\""], "no 'say \"hi\"'", "no '[Redact]'"),
            (
                &[r"a\b%20&amp;"],
                r"a\b%20&amp; is taken",
                "[Redact] is taken",
            ),
            (&["Head of Sales"], "v=head+of+sales&n=1", "v=[Redact]&n=1"),
            (&["E-0815"], "100% of R & D; 5 %", "100% of R & D; 5 %"),
            (&[" "], "plain words", "plain words"),
            (&["[Redact]"], "[Redact] stays", "[Redact] stays"),
        ] {
            assert_eq!(hidden(texts).take_out(words).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_hidden_of_others_is_taken_out_as_well() {
        let others = |texts: &'static [&'static str]| Hidden {
            others: Others::new(Box::new(move || {
                let mut known = Known::default();
                for text in texts {
                    known.add(&Value::text(*text));
                }
                known
            })),
            ..hidden(&["E-0815"])
        };
        for (texts, words, expected) in [
            (
                &["E-4711", "a"][..],
                "e-4711 or E-0815",
                "[Redact] or [Redact]",
            ),
            (
                &["a"],
                "a value (A) of many",
                "[Redact] value ([Redact]) of many",
            ),
            (&["Jane", "Jane Smith"], "xJane Smith", "x[Redact]"),
            (&["Head of Sales"], "v=head+of+sales", "v=[Redact]"),
            (&["Ärmel"], "no ÄRMEL", "no [Redact]"),
        ] {
            assert_eq!(others(texts).take_out(words).as_deref(), Some(expected));
        }
        assert_eq!(others(&["Müller"]).take_out("M%FCller"), None);
        let unknown = Hidden {
            others: Others::new(Box::new(Known::unknown)),
            ..Hidden::default()
        };
        assert_eq!(unknown.take_out("anything"), None);
    }

    #[test]
    fn words_with_escapes_are_not_quoted_where_something_is_hidden() {
        let hidden = hidden(&["Müller \"x\" a/b"]);
        for words in [
            "title%20eq%20%22m%c3%bcller",
            "M%FCller",
            r#"{"title":"M\u00fcller"}"#,
            r#"say \"x\""#,
            r"a\/b",
            "M&uuml;ller",
            "M&#252;ller",
            "&quot;x&quot;",
            "a&#x2F;b",
        ] {
            assert_eq!(hidden.take_out(words), None, "{words}");
            let nothing = Hidden::default();
            assert_eq!(nothing.take_out(words).as_deref(), Some(words));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_longer_text_survives(
            before in "[ -~]{0,10}", text in "[b-z0-9äß-]{4,12}", after in "[ -~]{0,10}"
        ) {
            let words = format!("{before}{text}{after}");
            let hidden = hidden(&[&text]);
            let clean = hidden.take_out(&words).unwrap_or_default().replace(REDACTED, "\u{0}");
            proptest::prop_assert!(!clean.contains(&text));
        }
    }
}
