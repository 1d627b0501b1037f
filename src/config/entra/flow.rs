//! Where an attribute mapping's value comes from: the text of its source where that can be read, else
//! the tree.

use super::{names, tree, wire};
use crate::engine::expr::{self, Expression, OutlineKind};
use crate::engine::model::ObjectKind;

/// With names of Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Attribute(String),
    Expression(String),
    Constant(String),
    None,
}

/// A source that cannot be read: as it was written, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) text: String,
    pub(super) why: String,
}

pub(super) fn read(kind: ObjectKind, source: &wire::Source) -> Result<Flow, Unreadable> {
    let name = source.name.as_deref().unwrap_or_default();
    let text = source.expression.as_deref().unwrap_or_default().trim();
    let source_type = tree::word(source.kind.as_deref());
    if source_type == "constant" {
        return Ok(Flow::Constant(constant(name, text)));
    }
    if text.is_empty() {
        return match source_type.as_str() {
            "attribute" if !name.is_empty() => Ok(attribute(kind, name)),
            "" if name.is_empty() && source.parameters.is_empty() => Ok(Flow::None),
            _ => from_tree(kind, source),
        };
    }
    match Expression::compile(text) {
        Ok(expression) => Ok(from_expression(kind, &expression)),
        Err(_) if source_type == "attribute" && !name.is_empty() => Ok(attribute(kind, name)),
        Err(error) => match from_tree(kind, source) {
            Ok(flow) if source_type == "function" => Ok(flow),
            Ok(_) | Err(_) => Err(unreadable(text, &error)),
        },
    }
}

fn attribute(kind: ObjectKind, name: &str) -> Flow {
    Flow::Attribute(names::to_graph(kind, name))
}

/// The expression of a constant is its value in quotes, but not every user writes them.
fn constant(name: &str, text: &str) -> String {
    if let Ok(expression) = Expression::compile(text)
        && let OutlineKind::Text(value) = expression.outline().kind
    {
        return value;
    }
    let value = if name.is_empty() { text } else { name };
    value.to_owned()
}

fn from_tree(kind: ObjectKind, source: &wire::Source) -> Result<Flow, Unreadable> {
    let text = tree::text(source).map_err(|why| Unreadable {
        text: source.name.clone().unwrap_or_default(),
        why,
    })?;
    match Expression::compile(&text) {
        Ok(expression) => Ok(from_expression(kind, &expression)),
        Err(error) => Err(unreadable(&text, &error)),
    }
}

fn from_expression(kind: ObjectKind, expression: &Expression) -> Flow {
    match expression.outline().kind {
        OutlineKind::Attribute(name) => return attribute(kind, &name),
        OutlineKind::Text(value) => return Flow::Constant(value),
        OutlineKind::Bare | OutlineKind::Call { .. } | OutlineKind::Compare { .. } => {}
    }
    let renamed = expression.with_attributes_renamed(&|name| names::to_graph(kind, name));
    // Graph's names are longer, and an expression may be as long as it can be already. The
    // directory's names are understood, too.
    Flow::Expression(match Expression::compile(&renamed) {
        Ok(_) => renamed,
        Err(_) => expression.text().to_owned(),
    })
}

fn unreadable(text: &str, error: &expr::Error) -> Unreadable {
    let (line, column) = (error.line(text), error.column(text));
    let place = if line > 1 {
        format!("line {line}, column {column}")
    } else {
        format!("column {column}")
    };
    Unreadable {
        text: text.to_owned(),
        why: format!("{error} at {place}"),
    }
}
