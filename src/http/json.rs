//! JSON as others send it.

use serde::de::DeserializeOwned;

/// Reads JSON of this shape. Half of a surrogate pair in a string, which some services pass on, is no text (RFC 8259
/// §8.2): U+FFFD stands in for it, so that one name does not make a whole page unreadable.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(body).or_else(|error| match replaced(body) {
        Some(body) => serde_json::from_slice(&body),
        None => Err(error),
    })
}

/// `None`: no surrogate stands alone.
fn replaced(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    let mut is_replaced = false;
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        let length = match (byte, escaped(body, at)) {
            (b'\\', Some(0xD800..=0xDBFF)) => match escaped(body, at + 6) {
                Some(0xDC00..=0xDFFF) => 12,
                _ => 0,
            },
            (b'\\', Some(0xDC00..=0xDFFF)) => 0,
            (b'\\', Some(_)) => 6,
            (b'\\', None) => 2,
            _ => 1,
        };
        if length == 0 {
            out.extend_from_slice(br"\ufffd");
            is_replaced = true;
            at += 6;
        } else {
            let end = body.len().min(at + length);
            out.extend_from_slice(&body[at..end]);
            at = end;
        }
    }
    is_replaced.then_some(out)
}

/// The code unit of the escape, such as `\ud83d`, that begins here.
fn escaped(body: &[u8], at: usize) -> Option<u16> {
    let escape = std::str::from_utf8(body.get(at..at + 6)?).ok()?;
    u16::from_str_radix(escape.strip_prefix(r"\u")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::read_json;

    #[test]
    fn half_a_surrogate_pair_is_replaced_and_all_else_stays() {
        for (body, text) in [
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude00\ud83d\ude00\ud83d""#, "\u{fffd}😀\u{fffd}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d \u00e9\n""#, "\\ud83d é\n"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
        ] {
            let read: Value = read_json(body.as_bytes()).unwrap();
            assert_eq!(read, Value::from(text), "{body}");
        }
        for body in [r#""\ud83d"#, r#""\ud8"#, "\"\\", r#"{"a":"\ud83d"#] {
            assert!(read_json::<Value>(body.as_bytes()).is_err(), "{body}");
        }
    }
}
