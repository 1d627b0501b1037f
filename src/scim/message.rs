//! What a target says about a request, in its own words: read from whatever it sent, on one line, free of
//! secrets.

use std::fmt;

use super::wire::ErrorBody;
use crate::engine::redact::Hidden;
use crate::http::redact_secrets;

/// How much of a body that is no SCIM error is quoted, in characters.
const QUOTED: usize = 200;

/// What the body of an answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// A SCIM error message, or at least one with its status.
    ScimError,
    Page,
    #[default]
    Other,
}

/// What the target said, free of secrets, on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerMessage {
    /// The status inside a SCIM error message.
    pub(super) status: Option<u16>,
    pub(super) scim_type: Option<String>,
    pub(super) text: Option<String>,
    pub(super) form: Form,
    /// There are words, which may hold what the job does not show.
    is_withheld: bool,
    pub(super) names_quota: bool,
}

impl ServerMessage {
    /// Takes out what is hidden before anything is cut off, or else a part of it might stay.
    pub(super) fn read(body: &[u8], secrets: &[&str], hidden: &Hidden) -> Self {
        let ErrorBody {
            is_error,
            status,
            scim_type,
            detail,
        } = ErrorBody::read(body);
        let form = if is_page(body) {
            Form::Page
        } else if is_error || status.is_some() {
            Form::ScimError
        } else {
            Form::Other
        };
        let text = match &detail {
            Some(detail) => hidden.take_out(detail),
            None if hidden.is_in_data() && !body.trim_ascii().is_empty() => None,
            None => Some(String::from_utf8_lossy(body)),
        };
        let is_withheld = text.is_none();
        let text = text.map(|text| match &detail {
            Some(_) => redact_secrets(&text, secrets),
            None if form == Form::Page => beginning(&redact_secrets(&without_tags(&text), secrets)),
            None => beginning(&redact_secrets(&text, secrets)),
        });
        let scim_type = scim_type.and_then(|word| {
            let word = hidden.take_out(&word)?;
            Some(redact_secrets(&word, secrets))
        });
        Self {
            status: status.filter(|_| is_error),
            scim_type,
            text: text.filter(|text| !text.is_empty()),
            form,
            is_withheld,
            names_quota: names_quota(&String::from_utf8_lossy(body)),
        }
    }

    pub(super) fn redirect(to: &str, hidden: &Hidden) -> Self {
        let to = hidden.take_out(to);
        Self {
            is_withheld: to.is_none(),
            text: to.map(|to| format!("redirects to {to}")),
            ..Self::default()
        }
    }

    /// Of an answer of which nothing may be quoted.
    pub(super) fn withheld() -> Self {
        Self {
            is_withheld: true,
            ..Self::default()
        }
    }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.form == Form::Page {
            f.write_str(": an HTML page")?;
        }
        if let Some(text) = &self.text {
            write!(f, ": {text}")?;
        }
        if self.is_withheld {
            f.write_str(": its message is not shown, because the job redacts values")?;
        }
        if let Some(scim_type) = &self.scim_type {
            write!(f, " ({scim_type})")?;
        }
        Ok(())
    }
}

/// Whether words say that there is no room for another account.
fn names_quota(words: &str) -> bool {
    const PHRASES: [&str; 8] = [
        "quota",
        "user limit",
        "users limit",
        "number of users",
        "too many users",
        "account limit",
        "number of accounts",
        "too many accounts",
    ];
    const THINGS: [&str; 3] = ["seat", "licen", "subscription"];
    const SHORTAGE: [&str; 11] = [
        "limit",
        "reached",
        "exceed",
        "exhaust",
        "insufficient",
        "not enough",
        "no more",
        "no available",
        "none available",
        "remaining",
        "maximum",
    ];
    let words = words.to_lowercase();
    let has = |list: &[&str]| list.iter().any(|one| words.contains(one));
    has(&PHRASES) || (has(&THINGS) && has(&SHORTAGE))
}

/// Whether a body is HTML or XML, which no SCIM server means to send.
pub(super) fn is_page(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().starts_with(b"<")
}

/// The text between the tags, as far as a reader of an error needs it.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start..];
        let is_hidden = |name: &str| {
            tag.get(1..=name.len())
                .is_some_and(|word| word.eq_ignore_ascii_case(name))
        };
        let end = if is_hidden("style") {
            "</style>"
        } else if is_hidden("script") {
            "</script>"
        } else {
            ">"
        };
        rest = tag.find(end).map_or("", |at| &tag[at + end.len()..]);
    }
    text.push_str(rest);
    text
}

impl ServerMessage {
    /// Whether the words say that the object exists already.
    pub(super) fn names_duplicate(&self) -> bool {
        let words = self.text.as_deref().unwrap_or_default().to_lowercase();
        [
            "already exist",
            "duplicate",
            "already in use",
            "already taken",
            "not unique",
        ]
        .iter()
        .any(|phrase| words.contains(phrase))
    }

    /// Whether the words say that a group without members is not taken.
    pub(super) fn names_missing_member(&self) -> bool {
        let words = self.text.as_deref().unwrap_or_default().to_lowercase();
        let is_missing = [
            "required",
            "requires",
            "at least one",
            "must have",
            "must contain",
            "must include",
            "must be provided",
            "needs",
            "missing",
            "empty",
            "without",
            "no members",
        ];
        words.contains("member") && is_missing.iter().any(|phrase| words.contains(phrase))
    }

    pub(super) fn is_scim_type(&self, word: &str) -> bool {
        self.scim_type
            .as_deref()
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_without_room_for_another_account_is_recognised_by_its_message() {
        for words in [
            "Seat limit reached",
            "You have exceeded your license count",
            "No more licences. Buy some",
            "quotaExceeded",
            "The maximum number of users is 50",
        ] {
            assert!(names_quota(words), "{words}");
        }
        for words in [
            "userName exceeds the maximum length",
            "Insufficient rights",
            "licenseType is not valid",
            "",
        ] {
            assert!(!names_quota(words), "{words}");
        }
    }
}
