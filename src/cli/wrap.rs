//! Text that fits the reader's screen: lines are wrapped at words, and what follows is indented.

use std::io::{self, Write};

use textwrap::{Options, WordSeparator, WordSplitter};

use super::args;

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
    if lead > 0 && text.starts_with(PROGRAM) {
        return line.to_owned();
    }
    let text = &with_whole_commands(text);
    let sign = if starts_with_sign(text) { 2 } else { 0 };
    let indent = " ".repeat(lead + sign + 2);
    let options = Options::new(columns)
        .initial_indent(&line[..lead])
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options).replace(NO_BREAK, " ")
}

/// What a command begins with.
const PROGRAM: &str = "entrain ";

/// Stands for a space at which no line is broken. No text has it: it is for private use.
const NO_BREAK: char = '\u{f7e1}';

/// The same text, in which no command can be broken, so that each can be copied.
fn with_whole_commands(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(PROGRAM) {
        let (before, command) = rest.split_at(place);
        let word = command[PROGRAM.len()..].split(' ').next();
        let is_command = word.is_some_and(|word| args::is_command(word.trim_end_matches(ENDS)));
        let end = if is_command {
            command.find([';', ',', ')']).unwrap_or(command.len())
        } else {
            PROGRAM.len()
        };
        whole.push_str(before);
        let (command, after) = command.split_at(end);
        if is_command {
            whole.extend(command.chars().map(|c| if c == ' ' { NO_BREAK } else { c }));
        } else {
            whole.push_str(command);
        }
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// What may stand right behind a command in a sentence.
const ENDS: [char; 4] = [';', ',', ')', '.'];

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
    fn a_command_stays_whole_wherever_it_stands() {
        assert_eq!(
            wrap(
                "held; to approve them: entrain approve wizer --cycle 7 --config a.toml; or not",
                40
            ),
            "held; to approve them:\n  entrain approve wizer --cycle 7 --config a.toml;\n  or not"
        );
        assert_eq!(
            wrap("made with entrain and other programs", 20),
            "made with entrain\n  and other programs"
        );
    }

    #[test]
    fn nothing_is_changed_where_no_width_is_wanted() {
        let mut out = Wrapped::new(Vec::new(), None);
        out.write_all(b"a b c\nd").unwrap();
        assert_eq!(out.inner, b"a b c\nd");
    }
}
