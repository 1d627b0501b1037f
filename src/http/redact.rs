//! Takes out of a text what must not reach errors, logs or reports: credentials, query values and
//! e-mail addresses. Errs on the side of taking out too much.

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
/// The words that introduce credentials in an `Authorization` header (RFC 9110 section 11).
const SCHEMES: &[&str] = &["bearer", "basic"];

/// The first two kilobytes of `text` on one line, without credentials, query values and addresses.
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
        after = push_part(kept, part);
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
            return After::Name;
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
        kept.push('?');
        kept.push_str(GONE);
    } else {
        push_plain(kept, part);
    }
    After::Nothing
}

fn push_plain(kept: &mut String, text: &str) {
    for piece in text.split_inclusive(|c: char| {
        matches!(c, '"' | '\'' | '(' | ')' | '[' | ']' | '=' | ':' | '/')
    }) {
        let core = piece.trim_end_matches(|c: char| {
            matches!(c, '"' | '\'' | '(' | ')' | '[' | ']' | '=' | ':' | '/')
        });
        if is_address(core) || is_jwt(core) {
            kept.push_str(GONE);
            kept.push_str(&piece[core.len()..]);
        } else {
            kept.push_str(piece);
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// `eyJ…` of a signed token: base64url of `{"`.
fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.len() > 20
}

/// Anything with something on both sides of an at sign, encoded or not.
fn is_address(text: &str) -> bool {
    let at = text.split_once('@').or_else(|| text.split_once("%40"));
    at.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// A word after `Bearer` that is no word of a language.
fn looks_secret(word: &str) -> bool {
    word.len() >= 8 && !word.chars().all(|c| c.is_ascii_lowercase()) || word.len() > 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_addresses_are_taken_out() {
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
                "see https://h/p?[redacted] now",
            ),
            (
                "user \"anna@contoso.com\" exists",
                "user \"[redacted]\" exists",
            ),
            ("(anna@contoso.com)", "([redacted])"),
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
        fn no_address_survives(before in "[a-z \"=:,/?]{0,10}", after in "[ \"'),;]{0,3}") {
            let text = format!("{before}anna@contoso.com{after}");
            proptest::prop_assert!(!redact(&text).contains("anna@contoso"));
        }
    }
}
