//! The parts of an expression for code that writes it in another form, and the expression with
//! other names for its attributes. Nothing here evaluates.

use std::ops::Range;

use super::Expression;
use super::ast::{self, Node, NodeKind};

/// A part of an expression, with the canonical printing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outline {
    pub(crate) text: String,
    pub(crate) kind: OutlineKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutlineKind {
    Attribute(String),
    /// Text in quotes, without them.
    Text(String),
    /// A number, or a bare word such as `vbTextCompare`.
    Bare,
    Call {
        name: String,
        /// `None` is an argument left empty between commas.
        arguments: Vec<Option<Outline>>,
    },
    Compare {
        operator: String,
        left: Box<Outline>,
        right: Box<Outline>,
    },
}

impl Expression {
    pub(crate) fn outline(&self) -> Outline {
        outline(&self.tree)
    }

    /// The text with every attribute in brackets renamed, the language's own names as they are spelled,
    /// and everything else as it was written.
    pub(crate) fn with_attributes_renamed(&self, rename: &dyn Fn(&str) -> String) -> String {
        let mut names = Vec::new();
        collect(&self.tree, &mut names);
        let mut text = String::new();
        let mut done = 0;
        for (span, name) in names {
            text.push_str(&self.text[done..span.start]);
            match name {
                Name::Attribute(name) => text.extend(["[", &rename(name), "]"]),
                Name::Language(name) => text.push_str(name),
            }
            done = span.end;
        }
        text.push_str(&self.text[done..]);
        text
    }
}

fn outline(node: &Node) -> Outline {
    let kind = match &node.kind {
        NodeKind::Attribute(name) => OutlineKind::Attribute(name.clone()),
        NodeKind::Text(text) => OutlineKind::Text(text.clone()),
        NodeKind::Number(_) | NodeKind::Hex(_) | NodeKind::Word(_) => OutlineKind::Bare,
        NodeKind::Call(ast::Call { name, arguments }) => OutlineKind::Call {
            name: name.clone(),
            arguments: arguments
                .iter()
                .map(|argument| argument.as_ref().map(outline))
                .collect(),
        },
        NodeKind::Compare(comparison) => OutlineKind::Compare {
            operator: comparison.operator.to_string(),
            left: Box::new(outline(&comparison.left)),
            right: Box::new(outline(&comparison.right)),
        },
    };
    Outline {
        text: node.to_string(),
        kind,
    }
}

enum Name<'n> {
    Attribute(&'n str),
    /// A function or a bare word.
    Language(&'n str),
}

/// Every name in the order of the text.
fn collect<'n>(node: &'n Node, into: &mut Vec<(Range<usize>, Name<'n>)>) {
    match &node.kind {
        NodeKind::Attribute(name) => into.push((node.span.clone(), Name::Attribute(name))),
        NodeKind::Word(word) => into.push((node.span.clone(), Name::Language(word))),
        NodeKind::Call(ast::Call { name, arguments }) => {
            let start = node.span.start;
            into.push((start..start + name.len(), Name::Language(name)));
            for argument in arguments.iter().flatten() {
                collect(argument, into);
            }
        }
        NodeKind::Compare(comparison) => {
            collect(&comparison.left, into);
            collect(&comparison.right, into);
        }
        NodeKind::Text(_) | NodeKind::Number(_) | NodeKind::Hex(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_language_are_written_as_they_are_spelled() {
        let text = r#"switch( [a], , iif(1=1, "IIF", ignoreattributeflow), "switch")"#;
        let expression = Expression::compile(text).expect("an expression");
        assert_eq!(
            expression.with_attributes_renamed(&str::to_owned),
            r#"Switch( [a], , IIF(1=1, "IIF", IgnoreAttributeFlow), "switch")"#
        );
    }

    #[test]
    fn attributes_are_renamed_and_text_that_looks_like_them_is_not() {
        let text = r#"Join( "[mobile]", [mobile],IIF([mobile]="\"[mobile]", [mail] , ))"#;
        let expression =
            Expression::compile(&text.replace(" , )", " , \"\")")).expect("an expression");
        let renamed = expression.with_attributes_renamed(&|name| match name {
            "mobile" => "mobilePhone".to_owned(),
            other => other.to_owned(),
        });
        assert_eq!(
            renamed,
            r#"Join( "[mobile]", [mobilePhone],IIF([mobilePhone]="\"[mobile]", [mail] , ""))"#
        );
    }
}
