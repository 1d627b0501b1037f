//! Cuts the text of an expression into tokens.

use super::ast::Operator;
use super::error::{Error, ErrorKind};
use super::number::Number;
use super::token::{Token, TokenKind};

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_white_space();
        let start = lexer.at;
        let kind = lexer.token()?;
        let is_end = kind == TokenKind::End;
        tokens.push(Token {
            kind,
            span: start..lexer.at,
        });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !belongs(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Published examples are pasted from web pages, so no-break spaces and a byte order mark count.
    fn skip_white_space(&mut self) {
        self.take_while(|c| c.is_whitespace() || c == '\u{feff}');
    }

    fn token(&mut self) -> Result<TokenKind, Error> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(TokenKind::End);
        };
        let next = self.rest().chars().nth(1);
        match first {
            '"' => self.quoted(),
            '[' => self.attribute(),
            '(' => Ok(self.single(TokenKind::Open)),
            ')' => Ok(self.single(TokenKind::Close)),
            ',' => Ok(self.single(TokenKind::Comma)),
            '=' | '<' | '>' => Ok(TokenKind::Operator(self.operator())),
            '0'..='9' => self.number(),
            '-' if next.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '&' if self.rest()[1..].starts_with(['H', 'h']) => self.hex(),
            c if c.is_alphabetic() || c == '_' => Ok(TokenKind::Word(
                self.take_while(|c| c.is_alphanumeric() || c == '_')
                    .to_owned(),
            )),
            c => Err(Error::new(
                ErrorKind::UnexpectedCharacter(c),
                self.at..self.at + c.len_utf8(),
            )),
        }
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    fn operator(&mut self) -> Operator {
        let (operator, length) = match self.rest().as_bytes() {
            [b'<', b'>', ..] => (Operator::NotEqual, 2),
            [b'<', b'=', ..] => (Operator::LessOrEqual, 2),
            [b'>', b'=', ..] => (Operator::GreaterOrEqual, 2),
            [b'<', ..] => (Operator::Less, 1),
            [b'>', ..] => (Operator::Greater, 1),
            _ => (Operator::Equal, 1),
        };
        self.at += length;
        operator
    }

    /// A backslash makes a quote or another backslash literal. Before any other character it
    /// stands for itself: published examples write `"\+(?<code>\d+)"` and are meant to work.
    fn quoted(&mut self) -> Result<TokenKind, Error> {
        let start = self.at;
        let mut value = String::new();
        let mut characters = self.rest()[1..].char_indices().peekable();
        while let Some((offset, c)) = characters.next() {
            match c {
                '"' => {
                    self.at += offset + 2;
                    return Ok(TokenKind::Text(value));
                }
                '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                    Some((_, escaped)) => value.push(escaped),
                    None => value.push('\\'),
                },
                c => value.push(c),
            }
        }
        Err(Error::new(ErrorKind::UnterminatedText, start..start + 1))
    }

    /// The name ends at the first closing bracket, except that an index belongs to the name, as
    /// in `[businessPhones[0]]`.
    fn attribute(&mut self) -> Result<TokenKind, Error> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let mut end = inner
            .find(']')
            .ok_or_else(|| Error::new(ErrorKind::UnterminatedAttribute, start..start + 1))?;
        if let Some((_, index)) = inner[..end].rsplit_once('[')
            && !index.is_empty()
            && index.bytes().all(|b| b.is_ascii_digit())
            && inner[end + 1..].starts_with(']')
        {
            end += 1;
        }
        self.at += end + 2;
        let name = &inner[..end];
        if name.trim().is_empty() {
            return Err(Error::new(ErrorKind::UnnamedAttribute, start..self.at));
        }
        Ok(TokenKind::Attribute(name.to_owned()))
    }

    fn number(&mut self) -> Result<TokenKind, Error> {
        let start = self.at;
        self.at += usize::from(self.rest().starts_with('-'));
        self.take_while(|c| c.is_ascii_digit());
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        Number::parse(&self.text[start..self.at])
            .map(TokenKind::Number)
            .ok_or_else(|| Error::new(ErrorKind::NumberTooLong, start..self.at))
    }

    fn hex(&mut self) -> Result<TokenKind, Error> {
        let start = self.at;
        self.at += 2;
        let digits = self.take_while(|c| c.is_ascii_hexdigit());
        if digits.is_empty() {
            return Err(Error::new(
                ErrorKind::Expected {
                    expected: "hexadecimal digits after &H",
                    found: "none".to_owned(),
                },
                start..self.at,
            ));
        }
        i64::from_str_radix(digits, 16)
            .map(TokenKind::Hex)
            .map_err(|_| Error::new(ErrorKind::HexTooLarge, start..self.at))
    }
}
