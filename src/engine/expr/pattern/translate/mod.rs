//! Translates the syntax of .NET's regular expressions into that of the engine. Every construct
//! is either rewritten here or refused; nothing of the engine's own syntax gets through.

mod class;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;

/// Groups deeper than this would make the engine's compiler recurse too far.
const MAX_DEPTH: usize = 30;
/// Larger repeat counts only make large programs.
const MAX_REPEAT: u32 = 1_000;

pub(super) struct Translation {
    pub(super) text: String,
    /// Another text for values with line feeds, where the end of the text is more than one place.
    pub(super) text_with_line_feeds: Option<String>,
    /// The engine's numbers of each group, by name and by .NET's number.
    pub(super) groups: BTreeMap<String, Vec<usize>>,
    /// Whether anything needs a search that may take exponential time.
    pub(super) backtracks: bool,
}

pub(super) fn translate(pattern: &str) -> Result<Translation, String> {
    let mut translator = Translator {
        characters: pattern.char_indices().peekable(),
        pattern,
        pieces: vec![Piece::Text(String::new())],
        options: Options::default(),
        open: Vec::new(),
        captures: Vec::new(),
        backtracks: false,
        repeatable: Repeatable::Nothing,
    };
    translator.all()?;
    translator.finish()
}

/// Parts of the translation; what refers to a group waits until all groups are known.
enum Piece {
    Text(String),
    /// `$` or `\Z`.
    End,
    Reference(String),
    /// The condition of `(?(name)yes|no)`.
    Condition(String),
}

/// The options `(?imnsx)`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are .NET's independent options"
)]
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    ignore_case: bool,
    multiline: bool,
    explicit_capture: bool,
    single_line: bool,
    ignore_white_space: bool,
}

/// What a quantifier would apply to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeatable {
    Nothing,
    Something,
    Quantifier,
}

struct Translator<'p> {
    characters: Peekable<CharIndices<'p>>,
    pattern: &'p str,
    pieces: Vec<Piece>,
    options: Options,
    /// The options to return to at each closing parenthesis.
    open: Vec<Options>,
    /// The name or number of each capturing group, in the order of their parentheses.
    captures: Vec<Option<String>>,
    backtracks: bool,
    repeatable: Repeatable,
}

impl Translator<'_> {
    fn all(&mut self) -> Result<(), String> {
        while let Some(c) = self.next() {
            self.construct(c)?;
        }
        if self.open.is_empty() {
            Ok(())
        } else {
            Err("a parenthesis is not closed".to_owned())
        }
    }

    fn next(&mut self) -> Option<char> {
        self.characters.next().map(|(_, c)| c)
    }

    fn peek(&mut self) -> Option<char> {
        self.characters.peek().map(|(_, c)| *c)
    }

    fn take(&mut self, c: char) -> bool {
        self.characters.next_if(|(_, next)| *next == c).is_some()
    }

    fn rest(&mut self) -> &str {
        let at = self
            .characters
            .peek()
            .map_or(self.pattern.len(), |(at, _)| *at);
        &self.pattern[at..]
    }

    /// Takes everything up to a character, and that character.
    fn until(&mut self, end: char) -> Option<String> {
        let taken = self.rest().split_once(end)?.0.to_owned();
        for _ in 0..=taken.chars().count() {
            self.next();
        }
        Some(taken)
    }

    fn push(&mut self, text: &str) {
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Text(text.to_owned()));
        }
    }

    fn push_atom(&mut self, text: &str) {
        self.push(text);
        self.repeatable = Repeatable::Something;
    }

    fn push_piece(&mut self, piece: Piece) {
        self.pieces.push(piece);
        self.repeatable = Repeatable::Something;
    }

    fn construct(&mut self, c: char) -> Result<(), String> {
        if self.options.ignore_white_space {
            if c.is_whitespace() {
                return Ok(());
            }
            if c == '#' {
                while self.next().is_some_and(|c| c != '\n') {}
                return Ok(());
            }
        }
        match c {
            '(' => self.group(),
            ')' => {
                self.options = self
                    .open
                    .pop()
                    .ok_or_else(|| "there are too many closing parentheses".to_owned())?;
                self.push_atom(")");
                Ok(())
            }
            '|' => {
                self.push("|");
                self.repeatable = Repeatable::Nothing;
                Ok(())
            }
            '[' => {
                let class = self.class(0)?;
                self.push_atom(&class);
                Ok(())
            }
            '\\' => self.escape(),
            '.' => {
                self.push_atom(if self.options.single_line {
                    "(?s:.)"
                } else {
                    "[^\\n]"
                });
                Ok(())
            }
            '^' => {
                self.push_atom(if self.options.multiline {
                    "(?m:^)"
                } else {
                    "\\A"
                });
                Ok(())
            }
            '$' => {
                if self.options.multiline {
                    self.push_atom("(?m:$)");
                } else {
                    self.push_piece(Piece::End);
                }
                Ok(())
            }
            '*' | '+' | '?' => self.quantifier(&c.to_string()),
            '{' => {
                if let Some(count) = self.repeat_count()? {
                    return self.quantifier(&count);
                }
                self.literal('{');
                Ok(())
            }
            c => {
                self.literal(c);
                Ok(())
            }
        }
    }

    fn literal(&mut self, c: char) {
        let literal = literal(c);
        self.push_atom(&literal);
    }

    fn quantifier(&mut self, quantifier: &str) -> Result<(), String> {
        match self.repeatable {
            Repeatable::Nothing => return Err(format!("there is nothing before {quantifier}")),
            Repeatable::Quantifier => {
                return Err(format!("{quantifier} follows another quantifier"));
            }
            Repeatable::Something => {}
        }
        self.push(quantifier);
        if self.take('?') {
            self.push("?");
        }
        self.repeatable = Repeatable::Quantifier;
        Ok(())
    }

    /// Reads `{n}`, `{n,}` or `{n,m}` after the brace; anything else is a literal brace.
    fn repeat_count(&mut self) -> Result<Option<String>, String> {
        let Some((inner, _)) = self.rest().split_once('}') else {
            return Ok(None);
        };
        let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(least) || !(most.is_empty() || is_number(most)) {
            return Ok(None);
        }
        let count = |text: &str| match text.parse::<u32>() {
            Ok(count) if count <= MAX_REPEAT => Ok(count),
            _ => Err(format!("a repeat count is above {MAX_REPEAT}")),
        };
        let least_count = count(least)?;
        if !most.is_empty() && count(most)? < least_count {
            return Err("a repeat count ends before it starts".to_owned());
        }
        let translated = format!("{{{inner}}}");
        self.until('}');
        Ok(Some(translated))
    }

    fn group(&mut self) -> Result<(), String> {
        if self.open.len() == MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        let outer = self.options;
        self.repeatable = Repeatable::Nothing;
        if !self.take('?') {
            if self.options.explicit_capture {
                self.push("(?:");
            } else {
                self.captures.push(None);
                self.push("(");
            }
            self.open.push(outer);
            return Ok(());
        }
        match self.next() {
            Some('#') => {
                self.until(')')
                    .ok_or_else(|| "a comment is not closed".to_owned())?;
                return Ok(());
            }
            Some(':') => self.push("(?:"),
            Some('=') => self.look_around("(?="),
            Some('!') => self.look_around("(?!"),
            Some('>') => self.look_around("(?>"),
            Some('<') if self.take('=') => self.look_around("(?<="),
            Some('<') if self.take('!') => self.look_around("(?<!"),
            Some('<') => self.named_group('>')?,
            Some('\'') => self.named_group('\'')?,
            Some('(') => {
                let name = self.until(')').unwrap_or_default();
                if !is_group_name(&name) {
                    return Err("only a group can be a condition".to_owned());
                }
                self.backtracks = true;
                self.pieces.push(Piece::Condition(name));
            }
            Some(c) => {
                if !self.inline_options(c)? {
                    return Ok(());
                }
            }
            None => return Err("a parenthesis is not closed".to_owned()),
        }
        self.open.push(outer);
        Ok(())
    }

    fn look_around(&mut self, opening: &str) {
        self.backtracks = true;
        self.push(opening);
    }

    fn named_group(&mut self, end: char) -> Result<(), String> {
        let name = self.until(end).unwrap_or_default();
        if name.contains('-') {
            return Err("balancing groups are not supported".to_owned());
        }
        if !is_group_name(&name) || name == "0" {
            return Err("a group has no valid name".to_owned());
        }
        self.captures.push(Some(name));
        self.push("(");
        Ok(())
    }

    /// Reads `(?i)` or `(?i:`; the answer is whether a group opens.
    fn inline_options(&mut self, first: char) -> Result<bool, String> {
        let mut on = true;
        let mut options = self.options;
        let mut c = first;
        let opens = loop {
            match c {
                '-' => on = false,
                'i' => options.ignore_case = on,
                'm' => options.multiline = on,
                'n' => options.explicit_capture = on,
                's' => options.single_line = on,
                'x' => options.ignore_white_space = on,
                ':' => break true,
                ')' => break false,
                _ => return Err(format!("(?{c} has no meaning")),
            }
            c = self
                .next()
                .ok_or_else(|| "a parenthesis is not closed".to_owned())?;
        };
        let flag = if options.ignore_case { "i" } else { "-i" };
        if opens {
            self.push(&format!("(?{flag}:"));
            // The caller saves the outer options; they return at the closing parenthesis.
        } else {
            self.push(&format!("(?{flag})"));
        }
        self.options = options;
        Ok(opens)
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self
            .next()
            .ok_or_else(|| "it ends with a backslash".to_owned())?;
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' | 'b' | 'B' => {
                self.push_atom(&format!("\\{c}"));
            }
            'A' => self.push_atom("\\A"),
            'z' => self.push_atom("\\z"),
            'Z' => self.push_piece(Piece::End),
            'G' => {
                self.backtracks = true;
                self.push_atom("\\G");
            }
            'p' | 'P' => {
                let category = self.category(c)?;
                self.push_atom(&category);
            }
            'k' => {
                let end = match self.next() {
                    Some('<') => '>',
                    Some('\'') => '\'',
                    _ => return Err("\\k has no name of a group".to_owned()),
                };
                let name = self.until(end).unwrap_or_default();
                self.reference(name);
            }
            '1'..='9' => {
                let mut number = c.to_string();
                while let Some((_, digit)) = self.characters.next_if(|(_, c)| c.is_ascii_digit()) {
                    number.push(digit);
                }
                self.reference(number);
            }
            c => {
                let c = self.character_escape(c)?;
                self.literal(c);
            }
        }
        Ok(())
    }

    fn reference(&mut self, name: String) {
        self.backtracks = true;
        self.push_piece(Piece::Reference(name));
    }

    /// An escape that stands for one character, in or outside a class.
    fn character_escape(&mut self, c: char) -> Result<char, String> {
        Ok(match c {
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            'c' => match self.next().map(|c| c.to_ascii_uppercase()) {
                Some(c @ '@'..='_') => char::from((c as u8) ^ 0x40),
                _ => return Err("\\c is not followed by a letter".to_owned()),
            },
            'x' => self.hex_digits(2)?,
            'u' => self.hex_digits(4)?,
            '0' => {
                let mut value = 0;
                for _ in 0..2 {
                    if let Some((_, c)) = self.characters.next_if(|(_, c)| c.is_digit(8)) {
                        value = value * 8 + c.to_digit(8).unwrap_or_default();
                    }
                }
                char::from_u32(value).ok_or_else(|| "\\0 is no character".to_owned())?
            }
            c if c.is_alphanumeric() || c == '_' => {
                return Err(format!("\\{c} has no meaning"));
            }
            c => c,
        })
    }

    /// A character by its UTF-16 code unit, or by two of them.
    fn hex_digits(&mut self, count: usize) -> Result<char, String> {
        let first = self.code_unit(count)?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.next();
            self.next();
            units.push(self.code_unit(4)?);
        }
        match char::decode_utf16(units).collect::<Result<Vec<_>, _>>() {
            Ok(characters) if characters.len() == 1 => Ok(characters[0]),
            _ => Err("\\u names half a character".to_owned()),
        }
    }

    fn code_unit(&mut self, count: usize) -> Result<u16, String> {
        let digits = self.rest().get(..count).unwrap_or_default().to_owned();
        if digits.len() != count || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("{count} hexadecimal digits are missing"));
        }
        for _ in 0..count {
            self.next();
        }
        u16::from_str_radix(&digits, 16).map_err(|_| "it names no character".to_owned())
    }

    /// .NET numbers the groups without a name first and those with one after them.
    fn finish(self) -> Result<Translation, String> {
        let mut groups = BTreeMap::from([("0".to_owned(), vec![0])]);
        let taken: Vec<&String> = self.captures.iter().flatten().collect();
        let mut numbers = (1_usize..)
            .map(|number| number.to_string())
            .filter(|number| !taken.contains(&number));
        for (index, name) in self.captures.iter().enumerate() {
            let key = match name {
                Some(name) => Some(name.clone()),
                None => numbers.next(),
            };
            groups
                .entry(key.unwrap_or_default())
                .or_insert_with(Vec::new)
                .push(index + 1);
        }
        let mut named: Vec<&String> = Vec::new();
        for name in &taken {
            let is_number = name.bytes().all(|b| b.is_ascii_digit());
            if !is_number && !named.contains(name) {
                named.push(name);
            }
        }
        for name in named {
            if let (Some(number), Some(places)) = (numbers.next(), groups.get(name).cloned()) {
                groups.insert(number, places);
            }
        }

        let place = |name: &String| {
            let places: Option<&Vec<usize>> = groups.get(name);
            places
                .and_then(|places| places.last())
                .ok_or_else(|| format!("there is no group {name}"))
        };
        let mut text = String::new();
        let mut text_with_line_feeds = String::new();
        let mut differs = false;
        for piece in &self.pieces {
            let (plain, with_line_feeds) = match piece {
                Piece::Text(piece) => (piece.clone(), None),
                Piece::End => ("\\z".to_owned(), Some("(?=\\n?\\z)")),
                Piece::Reference(name) => (format!("(?:\\{})", place(name)?), None),
                Piece::Condition(name) => (format!("(?({})", place(name)?), None),
            };
            text.push_str(&plain);
            differs |= with_line_feeds.is_some();
            text_with_line_feeds.push_str(with_line_feeds.unwrap_or(&plain));
        }
        Ok(Translation {
            text,
            text_with_line_feeds: differs.then_some(text_with_line_feeds),
            groups,
            backtracks: self.backtracks,
        })
    }
}

/// The character itself, in a form that has no meaning to the engine.
fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || !c.is_ascii() {
        return c.to_string();
    }
    let mut literal = String::new();
    // Writing to a string cannot fail.
    let _ = write!(literal, "\\x{{{:X}}}", u32::from(c));
    literal
}

fn is_group_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}
