//! Builds the tree of an expression. It knows the grammar and no function.

use super::ast::{Call, Comparison, Node, NodeKind};
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

    fn take(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        if token.kind != TokenKind::End {
            self.at += 1;
        }
        token
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
        if let Token {
            kind: TokenKind::Operator(_),
            span,
        } = &self.tokens[self.at]
        {
            return Err(Error::new(ErrorKind::ChainedComparison, span.clone()));
        }
        let span = left.span.start..right.span.end;
        let comparison = Comparison {
            operator,
            left,
            right,
        };
        Ok(Node {
            kind: NodeKind::Compare(Box::new(comparison)),
            span,
        })
    }

    fn primary(&mut self, depth: usize) -> Result<Node, Error> {
        let Token { kind, span } = self.tokens[self.at].clone();
        let kind = match kind {
            TokenKind::Text(text) => NodeKind::Text(text),
            TokenKind::Attribute(name) => NodeKind::Attribute(name),
            TokenKind::Number(number) => NodeKind::Number(number),
            TokenKind::Hex(value) => NodeKind::Hex(value),
            TokenKind::Word(name) => {
                self.take();
                if self.peek() != &TokenKind::Open {
                    let kind = NodeKind::Word(name);
                    return Ok(Node { kind, span });
                }
                if depth == MAX_DEPTH {
                    return Err(Error::new(ErrorKind::TooDeep { limit: MAX_DEPTH }, span));
                }
                let (arguments, end) = self.arguments(depth + 1)?;
                return Ok(Node {
                    kind: NodeKind::Call(Call { name, arguments }),
                    span: span.start..end,
                });
            }
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

    /// The arguments of a call and where it ends. Nothing between two commas, or between a comma
    /// and the closing parenthesis, is an empty argument; nothing at all is no argument.
    fn arguments(&mut self, depth: usize) -> Result<(Vec<Option<Node>>, usize), Error> {
        self.take();
        let mut arguments = Vec::new();
        loop {
            let argument = match self.peek() {
                TokenKind::Comma | TokenKind::Close => None,
                _ => Some(self.expression(depth)?),
            };
            let was_empty = argument.is_none();
            arguments.push(argument);
            match self.peek() {
                TokenKind::Comma => {
                    self.take();
                }
                TokenKind::Close => {
                    let end = self.take().span.end;
                    if was_empty && arguments.len() == 1 {
                        arguments.clear();
                    }
                    return Ok((arguments, end));
                }
                _ => return Err(self.unexpected("a comma or a closing parenthesis")),
            }
        }
    }
}
