//! Binary values: in JSON they are text in base64 (RFC 7643 section 2.3.6).

/// Whether the text is base64. Either alphabet is taken, and the padding may be left out: an
/// attribute's definition may say so, and we do not know it.
pub(crate) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_".contains(c);
    let is_complete = match padding {
        0 => digits.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    is_complete && digits.chars().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_distinguished_from_other_text() {
        for text in ["", "AA==", "AA", "AAA=", "AAEC", "a-_b", "+/+/"] {
            assert!(is_base64(text), "{text}");
        }
        for text in [
            "###",
            "A",
            "A===",
            "AA=",
            "AA==AA==",
            "jane@contoso.com",
            "a b ",
            "äää",
        ] {
            assert!(!is_base64(text), "{text}");
        }
    }
}
