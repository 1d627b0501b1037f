//! The bearer token of a target. It is resolved by the caller, sent, and never printed.

use std::fmt;

use reqwest::header::HeaderValue;

/// A bearer token (RFC 6750).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// White space around it, such as the line end of a secret file, does not belong to it.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().to_owned())
    }

    /// `None` when the token is empty or holds characters that no header may carry.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// For taking it out of texts.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_printed() {
        let token = Token::new("  s3cr3t-value\n");
        assert_eq!(token.header().unwrap(), "Bearer s3cr3t-value");
        assert!(!format!("{token:?} {:?}", token.header()).contains("s3cr3t"));
        assert_eq!(Token::new(" \n").header(), None);
        assert_eq!(Token::new("a\nb").header(), None);
    }
}
