//! JSON in which no character is raw that a terminal or an editor obeys or hides: they are written as `\u202e`. Outside
//! of strings JSON has none of them, so that what is written need not be parsed.

use std::io::{self, Write};

use crate::report::sentence::is_harmful;

/// Longest character, in bytes.
const LONGEST: usize = 4;

/// Escapes what is written through it. A character may come in pieces.
pub(crate) struct Harmless<W> {
    inner: W,
    is_json: bool,
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self::only_if(true, inner)
    }

    /// Changes nothing where it is not JSON.
    pub(crate) fn only_if(is_json: bool, inner: W) -> Self {
        Self {
            inner,
            is_json,
            begun: Vec::with_capacity(LONGEST),
        }
    }

    pub(crate) fn into_inner(self) -> W {
        self.inner
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let mut plain = 0;
        for (place, character) in text.char_indices() {
            if is_harmful(character) && !matches!(character, '\n' | '\r' | '\t') {
                self.inner.write_all(&text.as_bytes()[plain..place])?;
                write!(self.inner, "\\u{:04x}", u32::from(character))?;
                plain = place + character.len_utf8();
            }
        }
        self.inner.write_all(&text.as_bytes()[plain..])
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_json {
            return self.inner.write(bytes);
        }
        // Most of what is written, in many small pieces.
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        if self.begun.is_empty() && bytes.iter().all(is_plain) {
            self.inner.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&all) {
            Ok(_) => all.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        self.begun = all.split_off(whole);
        self.text(&String::from_utf8_lossy(&all))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_controls_are_escaped_wherever_the_text_is_cut() {
        let json = "{\"a\":\"é \u{202e}b\u{85} \u{1f600}\"}\n";
        for size in 1..=json.len() {
            let mut out = Harmless::new(Vec::new());
            for part in json.as_bytes().chunks(size) {
                out.write_all(part).unwrap();
            }
            let written = String::from_utf8(out.into_inner()).unwrap();
            assert_eq!(written, "{\"a\":\"é \\u202eb\\u0085 \u{1f600}\"}\n");
        }
    }
}
