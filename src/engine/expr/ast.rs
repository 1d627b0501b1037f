//! The tree of an expression as it was written, and its canonical printing.

use std::fmt;
use std::ops::Range;

use super::number::Number;

/// A part of the expression and its place in the text. Two nodes are equal when they mean the
/// same, wherever they stand.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Range<usize>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum NodeKind {
    Text(String),
    Number(Number),
    Hex(i64),
    Attribute(String),
    /// A bare word, such as `vbTextCompare`.
    Word(String),
    Call(Call),
    Compare(Box<Comparison>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    /// `None` is an argument left empty between commas.
    pub(super) arguments: Vec<Option<Node>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) operator: Operator,
    pub(super) left: Node,
    pub(super) right: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            NodeKind::Text(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{escaped}\"")
            }
            NodeKind::Number(number) => write!(f, "{number}"),
            NodeKind::Hex(value) => write!(f, "&H{value:X}"),
            NodeKind::Attribute(name) => write!(f, "[{name}]"),
            NodeKind::Word(word) => f.write_str(word),
            NodeKind::Compare(comparison) => {
                let Comparison {
                    operator,
                    left,
                    right,
                } = &**comparison;
                write!(f, "{left} {operator} {right}")
            }
            NodeKind::Call(Call { name, arguments }) => {
                write!(f, "{name}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    if let Some(argument) = argument {
                        write!(f, "{argument}")?;
                    }
                }
                f.write_str(")")
            }
        }
    }
}
