//! Builds the tree of an expression. It knows the grammar and no function.

use super::ast::{Call, Comparison, Node, NodeKind, Operator};
use super::error::{Error, ErrorKind};
use super::lexer;
use super::token::{Token, TokenKind};

/// The documented limit, in characters.
pub(super) const MAX_LENGTH: usize = 10_000;
/// How deep calls may stand in each other, so that no expression exhausts the stack. A chain of
/// conditions for every country of the world still fits.
pub(super) const MAX_DEPTH: usize = 200;

pub(super) fn parse(text: &str) -> Result<Node, Error> {
    let length = text.chars().count();
    if length > MAX_LENGTH {
        let start = text.char_indices().nth(MAX_LENGTH).map_or(0, |(at, _)| at);
        return Err(Error::new(ErrorKind::TooLong { length }, start..text.len()));
    }
    let mut parser = Parser {
        tokens: lexer::tokens(text)?,
        at: 0,
    };
    if parser.peek() == &TokenKind::End {
        return Err(Error::new(ErrorKind::Empty, 0..text.len()));
    }
    let node = parser.expression(0)?;
    match parser.peek() {
        TokenKind::End => Ok(node),
        _ => Err(parser.unexpected("the end of the expression")),
    }
}

struct Parser {
    /// Never empty: the last token is `End`.
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &TokenKind {
        &self.tokens[self.at].kind
    }

    fn take(&mut self) {
        if self.peek() != &TokenKind::End {
            self.at += 1;
        }
    }

    fn unexpected(&self, expected: &'static str) -> Error {
        let Token { kind, span } = &self.tokens[self.at];
        Error::new(
            ErrorKind::Expected {
                expected,
                found: kind.to_string(),
            },
            span.clone(),
        )
    }

    fn expression(&mut self, depth: usize) -> Result<Node, Error> {
        let left = self.primary(depth)?;
        let TokenKind::Operator(operator) = *self.peek() else {
            return Ok(left);
        };
        self.take();
        let right = self.primary(depth)?;
        self.refuse_another_comparison()?;
        Ok(compared(operator, left, right))
    }

    fn refuse_another_comparison(&self) -> Result<(), Error> {
        let Token { kind, span } = &self.tokens[self.at];
        match kind {
            TokenKind::Operator(_) => Err(Error::new(ErrorKind::ChainedComparison, span.clone())),
            _ => Ok(()),
        }
    }

    /// Only calls lead deeper, so what they need on the stack is kept small.
    fn primary(&mut self, depth: usize) -> Result<Node, Error> {
        let is_call = matches!(self.peek(), TokenKind::Word(_))
            && self.tokens[self.at + 1].kind == TokenKind::Open;
        if is_call {
            self.call(depth)
        } else {
            self.leaf()
        }
    }

    fn leaf(&mut self) -> Result<Node, Error> {
        let Token { kind, span } = self.tokens[self.at].clone();
        let kind = match kind {
            TokenKind::Text(text) => NodeKind::Text(text),
            TokenKind::Attribute(name) => NodeKind::Attribute(name),
            TokenKind::Number(number) => NodeKind::Number(number),
            TokenKind::Hex(value) => NodeKind::Hex(value),
            TokenKind::Word(word) => NodeKind::Word(word),
            TokenKind::Operator(_)
            | TokenKind::Open
            | TokenKind::Close
            | TokenKind::Comma
            | TokenKind::End => {
                return Err(self.unexpected("a function, an attribute, text or a number"));
            }
        };
        self.take();
        Ok(Node { kind, span })
    }

    fn call(&mut self, depth: usize) -> Result<Node, Error> {
        let first = self.at;
        if depth == MAX_DEPTH {
            let span = self.tokens[first].span.clone();
            return Err(Error::new(ErrorKind::TooDeep { limit: MAX_DEPTH }, span));
        }
        self.take();
        let arguments = self.arguments(depth + 1)?;
        Ok(self.called(first, arguments))
    }

    /// The call whose name is the token at `first`, and whose last token was just taken.
    fn called(&self, first: usize, arguments: Vec<Option<Node>>) -> Node {
        let start = &self.tokens[first];
        let name = match &start.kind {
            TokenKind::Word(name) => name.clone(),
            other => other.to_string(),
        };
        Node {
            kind: NodeKind::Call(Call { name, arguments }),
            span: start.span.start..self.tokens[self.at - 1].span.end,
        }
    }

    /// The arguments of a call. Nothing between two commas, or between a comma and the closing
    /// parenthesis, is an empty argument; nothing at all is no argument.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Option<Node>>, Error> {
        self.take();
        let mut arguments = Vec::new();
        loop {
            arguments.push(match self.peek() {
                TokenKind::Comma | TokenKind::Close | TokenKind::End => None,
                _ => Some(self.expression(depth)?),
            });
            match self.peek() {
                TokenKind::Comma => self.take(),
                TokenKind::Close => {
                    self.take();
                    if let [None] = arguments[..] {
                        arguments.clear();
                    }
                    return Ok(arguments);
                }
                _ => return Err(self.unexpected("a comma or a closing parenthesis")),
            }
        }
    }
}

fn compared(operator: Operator, left: Node, right: Node) -> Node {
    let span = left.span.start..right.span.end;
    let comparison = Comparison {
        operator,
        left,
        right,
    };
    Node {
        kind: NodeKind::Compare(Box::new(comparison)),
        span,
    }
}
