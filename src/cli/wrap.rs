//! Text that fits the reader's screen: lines are wrapped at words, and what follows is indented.

use std::io::{self, Write};

use textwrap::{Options, WordSeparator, WordSplitter};

/// The screen is taken to be this wide where it is not known.
pub(super) const COLUMNS: usize = 80;

/// Wraps each line that is written. A word that is longer than a line stays whole, so that it can be
/// copied.
pub(super) struct Wrapped<W> {
    inner: W,
    /// `None` wraps nothing.
    columns: Option<usize>,
    line: Vec<u8>,
}

impl<W: Write> Wrapped<W> {
    pub(super) fn new(inner: W, columns: Option<usize>) -> Self {
        Self {
            inner,
            columns,
            line: Vec::new(),
        }
    }

    pub(super) fn get_ref(&self) -> &W {
        &self.inner
    }

    fn end_line(&mut self, columns: usize) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.inner
            .write_all(wrap(&String::from_utf8_lossy(&line), columns).as_bytes())
    }
}

impl<W: Write> Write for Wrapped<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(columns) = self.columns else {
            return self.inner.write(bytes);
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.split_last() {
                Some((b'\n', text)) => {
                    self.line.extend_from_slice(text);
                    self.end_line(columns)?;
                    self.inner.write_all(b"\n")?;
                }
                _ => self.line.extend_from_slice(part),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        self.inner.write_all(&line)?;
        self.inner.flush()
    }
}

/// One line as several. What follows stands two columns further in than what it continues, a sign in
/// front of it aside.
pub(super) fn wrap(line: &str, columns: usize) -> String {
    if textwrap::core::display_width(line) <= columns {
        return line.to_owned();
    }
    let text = line.trim_start_matches(' ');
    let lead = line.len() - text.len();
    // A command on a line of its own is there to be copied.
    if lead > 0 && text.starts_with("entrain ") {
        return line.to_owned();
    }
    let sign = if starts_with_sign(text) { 2 } else { 0 };
    let indent = " ".repeat(lead + sign + 2);
    let options = Options::new(columns)
        .initial_indent(&line[..lead])
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// Whether a single character other than a letter or digit comes first, and then a space. Colours are
/// not looked at.
fn starts_with_sign(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest
        .strip_prefix("\x1b[")
        .and_then(|code| code.split_once('m'))
    {
        rest = after;
    }
    let mut characters = rest.chars();
    let sign = characters
        .next()
        .is_some_and(|first| !first.is_alphanumeric());
    sign && matches!(characters.next(), Some(' ' | '\x1b'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_at_words_and_indented() {
        let text = "Plan of wizer\n  ✗ create user kim@contoso.com: HTTP 400: the mailbox is full\n\
                    \u{20}\u{20}\u{20}\u{20}a-word-that-is-longer-than-the-line-stays-whole-to-be-copied yes\n";
        let mut out = Wrapped::new(Vec::new(), Some(30));
        for part in text.as_bytes().chunks(7) {
            out.write_all(part).unwrap();
        }
        out.flush().unwrap();
        insta::assert_snapshot!(String::from_utf8(out.inner).unwrap(), @r##"
        Plan of wizer
          ✗ create user
              kim@contoso.com: HTTP
              400: the mailbox is full
            a-word-that-is-longer-than-the-line-stays-whole-to-be-copied
              yes
        "##);
    }

    #[test]
    fn a_coloured_sign_is_one_too_and_a_colour_takes_no_room() {
        assert_eq!(
            wrap("\x1b[31m✗\x1b[0m one two three", 9),
            "\x1b[31m✗\x1b[0m one two\n    three"
        );
    }

    #[test]
    fn nothing_is_changed_where_no_width_is_wanted() {
        let mut out = Wrapped::new(Vec::new(), None);
        out.write_all(b"a b c\nd").unwrap();
        assert_eq!(out.inner, b"a b c\nd");
    }
}
