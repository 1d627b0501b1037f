//! Takes credentials out of a text that reaches errors, logs or reports. Everything else stays: in a
//! refusal, the address that is taken may be the one fact that helps.

use std::borrow::Cow;

/// What is kept of a server's text, in bytes.
const KEPT: usize = 2_048;
const GONE: &str = "[redacted]";
/// Names whose values are secrets, wherever they occur in a longer name.
const SECRET_NAMES: &[&str] = &[
    "secret",
    "token",
    "password",
    "passwd",
    "assertion",
    "authorization",
    "apikey",
    "api_key",
    "api-key",
];
/// Names whose values are secrets in the query of a URL, where they are words of no language.
const SECRET_PARAMETERS: &[&str] = &["sig", "signature", "key", "code"];
/// The words that introduce credentials in an `Authorization` header (RFC 9110 section 11).
const SCHEMES: &[&str] = &["bearer", "basic"];

/// The first two kilobytes of `text` on one line, without credentials.
pub(crate) fn redact(text: &str) -> String {
    let mut end = text.len().min(KEPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut kept = String::with_capacity(end);
    let mut after = After::Nothing;
    for word in text[..end]
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if !kept.is_empty() {
            kept.push(' ');
        }
        after = push_word(&mut kept, word, after);
    }
    if end < text.len() {
        kept.push('…');
    }
    kept
}

/// Like [`redact`], and takes out every occurrence of a secret that we know.
pub(crate) fn redact_secrets(text: &str, secrets: &[&str]) -> String {
    let redact = |text: String, secret: &&str| redact_secret(&text, secret);
    secrets.iter().fold(text.to_owned(), redact)
}

/// The same of one.
pub(crate) fn redact_secret(text: &str, secret: &str) -> String {
    if secret.len() < 4 {
        return redact(text);
    }
    redact(&text.replace(secret, GONE))
}

/// What the word before promises of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// `Bearer`: the next word is a credential.
    Scheme,
    /// `"token":`: the next word is a credential or a scheme.
    Name,
}

fn push_word(kept: &mut String, word: &str, after: After) -> After {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_scheme = SCHEMES
        .iter()
        .any(|scheme| bare.eq_ignore_ascii_case(scheme));
    if is_scheme {
        kept.push_str(word);
        return After::Scheme;
    }
    let is_credential = match after {
        After::Nothing => false,
        After::Name => true,
        // "Bearer authentication required" holds no credential.
        After::Scheme => looks_secret(bare),
    };
    if is_credential {
        kept.push_str(GONE);
        return After::Nothing;
    }
    // JSON comes without spaces: judge its parts one by one.
    let mut rest = word;
    let mut after = After::Nothing;
    while !rest.is_empty() {
        let length = rest
            .find([',', ';', '{', '}', '<', '>'])
            .unwrap_or(rest.len());
        let (part, tail) = rest.split_at(length);
        after = push_part(kept, &without_user_info(part));
        let mut characters = tail.chars();
        if let Some(separator) = characters.next() {
            kept.push(separator);
            after = After::Nothing;
        }
        rest = characters.as_str();
    }
    after
}

fn push_part(kept: &mut String, part: &str) -> After {
    if let Some((name, value)) = part.split_once(['=', ':'])
        && is_secret_name(name)
    {
        kept.push_str(&part[..=name.len()]);
        if value.trim_matches(['"', '\'']).is_empty() {
            // "POST /token:" is the path of a request.
            return if name.starts_with('/') {
                After::Nothing
            } else {
                After::Name
            };
        }
        let scheme = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if SCHEMES
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            kept.push_str(value);
            return After::Scheme;
        }
        kept.push_str(GONE);
    } else if let Some((start, query)) = part.split_once('?')
        && query.contains('=')
    {
        push_plain(kept, start);
        push_query(kept, query);
    } else {
        push_plain(kept, part);
    }
    After::Nothing
}

fn push_query(kept: &mut String, query: &str) {
    let mut separator = '?';
    for parameter in query.split('&') {
        kept.push(separator);
        separator = '&';
        match parameter.split_once('=') {
            Some((name, _)) if is_secret_name(name) || is_secret_parameter(name) => {
                kept.push_str(name);
                kept.push('=');
                kept.push_str(GONE);
            }
            Some(_) | None => push_plain(kept, parameter),
        }
    }
}

fn push_plain(kept: &mut String, text: &str) {
    for piece in text.split_inclusive(is_bracket) {
        let core = piece.trim_end_matches(is_bracket);
        if is_jwt(core) {
            kept.push_str(GONE);
            kept.push_str(&piece[core.len()..]);
        } else {
            kept.push_str(piece);
        }
    }
}

fn is_bracket(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '(' | ')' | '[' | ']' | '=' | ':' | '/' | '&'
    )
}

/// The same without the name and the password in front of a host: `https://name:password@host/`.
fn without_user_info(part: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = part.split_once("://") else {
        return Cow::Borrowed(part);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://{GONE}{}", &rest[at..])),
        None => Cow::Borrowed(part),
    }
}

fn is_secret_parameter(name: &str) -> bool {
    SECRET_PARAMETERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// `eyJ…` of a signed token: base64url of `{"`.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.len() > 20
}

/// A word after `Bearer` that is no word of a language.
fn looks_secret(word: &str) -> bool {
    word.len() >= 8 && !word.chars().all(|c| c.is_ascii_lowercase()) || word.len() > 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_and_addresses_stay() {
        for (text, expected) in [
            ("plain words stay: 42 (yes)", "plain words stay: 42 (yes)"),
            (
                "Authorization: Bearer abc123DEF456 x",
                "Authorization: Bearer [redacted] x",
            ),
            (
                "Bearer authentication required",
                "Bearer authentication required",
            ),
            ("token=abc&x", "token=[redacted]"),
            (
                "{\"access_token\":\"abc\",\"b\":1}",
                "{\"access_token\":[redacted],\"b\":1}",
            ),
            (
                "\"client_secret\": \"abc\", rest",
                "\"client_secret\": [redacted] rest",
            ),
            ("got eyJhbGciOiJIUzI1NiJ9.e30.abcdef", "got [redacted]"),
            (
                "see https://h/p?filter=userName%20eq now",
                "see https://h/p?filter=userName%20eq now",
            ),
            (
                "https://h/p?x=1&sig=abc&access_token=d",
                "https://h/p?x=1&sig=[redacted]&access_token=[redacted]",
            ),
            (
                "at https://anna:pass@h.example/p?x=a@b",
                "at https://[redacted]@h.example/p?x=a@b",
            ),
            (
                "user \"anna@contoso.com\" exists",
                "user \"anna@contoso.com\" exists",
            ),
            ("(anna@contoso.com)", "(anna@contoso.com)"),
            ("why? because", "why? because"),
            ("two\nlines\tand\u{0}more", "two lines and more"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    #[test]
    fn a_known_secret_is_taken_out_wherever_it_stands() {
        assert_eq!(
            redact_secret("no such key s3cr3t!", "s3cr3t!"),
            "no such key [redacted]"
        );
    }

    #[test]
    fn only_the_beginning_is_kept() {
        let long = "ä ".repeat(3_000);
        let kept = redact(&long);
        assert!(kept.len() <= KEPT + '…'.len_utf8() && kept.ends_with('…'));
    }

    proptest::proptest! {
        #[test]
        fn an_address_survives(before in "[a-z \"(]{0,10}", after in "[ \"'),;]{0,3}") {
            let text = format!("{before} anna@contoso.com{after}");
            proptest::prop_assert!(redact(&text).contains("anna@contoso.com"));
        }

        #[test]
        fn no_password_of_a_url_survives(before in "[a-z \"(]{0,10}", after in "[ /?#]?") {
            let text = format!("{before}https://anna:pa55word@contoso.com{after}");
            proptest::prop_assert!(!redact(&text).contains("pa55word"));
        }
    }
}
