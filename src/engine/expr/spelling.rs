//! Names in another case. Published examples and exported schemas have `switch` and `[Mail]`, so names
//! are brought into their own spelling before anything else looks at them, and each place is noted.

use std::ops::Range;

use super::ast::{Call, Node, NodeKind};
use super::check::{Term, TermKind, WORDS};
use super::error::{Error, ErrorKind};
use super::functions::functions;
use super::{Expression, roles};

/// Corrects the names that the language itself has, and returns where they were written otherwise.
pub(super) fn language(tree: &mut Node) -> Vec<Error> {
    let mut places = Vec::new();
    correct(tree, &mut places);
    places
}

fn correct(node: &mut Node, places: &mut Vec<Error>) {
    let start = node.span.start;
    match &mut node.kind {
        NodeKind::Call(Call { name, arguments }) => {
            let span = start..start + name.len();
            let known = functions().iter().map(|function| function.name);
            respell(name, known, span, places);
            for argument in arguments.iter_mut().flatten() {
                correct(argument, places);
            }
        }
        NodeKind::Compare(comparison) => {
            correct(&mut comparison.left, places);
            correct(&mut comparison.right, places);
        }
        NodeKind::Word(word) => {
            respell(word, WORDS.iter().copied(), node.span.clone(), places);
        }
        NodeKind::Attribute(name) => {
            respell(name, [roles::ATTRIBUTE], node.span.clone(), places);
        }
        NodeKind::Text(_) | NodeKind::Number(_) | NodeKind::Hex(_) => {}
    }
}

fn respell(
    name: &mut String,
    known: impl IntoIterator<Item = &'static str>,
    span: Range<usize>,
    places: &mut Vec<Error>,
) {
    let mut known = known.into_iter();
    if let Some(spelled) = known.find(|known| known.eq_ignore_ascii_case(name))
        && *name != spelled
    {
        name.replace_range(.., spelled);
        places.push(other_case(spelled, span));
    }
}

fn other_case(spelled: &str, span: Range<usize>) -> Error {
    let spelled = spelled.to_owned();
    Error::new(ErrorKind::OtherCase { spelled }, span)
}

impl Expression {
    /// Where a name is written in another case than its own.
    pub(crate) fn respelled(&self) -> &[Error] {
        &self.respelled
    }

    /// Reads each attribute under the name that `spell` gives for it.
    pub(crate) fn spell_attributes(&mut self, spell: &dyn Fn(&str) -> Option<String>) {
        rename(&mut self.root, spell, &mut self.respelled);
    }
}

fn rename(term: &mut Term, spell: &dyn Fn(&str) -> Option<String>, places: &mut Vec<Error>) {
    match &mut term.kind {
        TermKind::Attribute(name) => {
            if let Some(spelled) = spell(name).filter(|spelled| spelled != name) {
                places.push(other_case(&spelled, term.span.clone()));
                *name = spelled;
            }
        }
        TermKind::Call { arguments, .. } => {
            for argument in arguments.iter_mut().flatten() {
                rename(argument, spell, places);
            }
        }
        TermKind::Compare { left, right, .. } => {
            rename(left, spell, places);
            rename(right, spell, places);
        }
        TermKind::Text(_)
        | TermKind::Number(_)
        | TermKind::Ignored(_)
        | TermKind::Pattern { .. }
        | TermKind::DateFormat { .. } => {}
    }
}
