//! The tokens of an expression.

use std::fmt;
use std::ops::Range;

use super::ast::Operator;
use super::number::Number;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Word(String),
    Text(String),
    Attribute(String),
    Number(Number),
    Hex(i64),
    Operator(Operator),
    Open,
    Close,
    Comma,
    End,
}

/// The token as an error message names it.
impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "the word {word}"),
            Self::Text(_) => f.write_str("text in quotes"),
            Self::Attribute(name) => write!(f, "the attribute [{name}]"),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Hex(value) => write!(f, "the number &H{value:X}"),
            Self::Operator(operator) => write!(f, "{operator}"),
            Self::Open => f.write_str("an opening parenthesis"),
            Self::Close => f.write_str("a closing parenthesis"),
            Self::Comma => f.write_str("a comma"),
            Self::End => f.write_str("the end of the expression"),
        }
    }
}
