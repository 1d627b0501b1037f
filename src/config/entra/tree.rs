//! The tree that stands next to the text of an expression. It leaves out empty arguments, so each
//! argument is placed by its key.

use serde_json::{Value as Json, json};

use super::wire;
use crate::engine::expr::{Function, Outline, OutlineKind, functions};

/// Keys that documented exports have for parameters that we call otherwise.
const OTHER_KEYS: &[(&str, &str, usize)] = &[("Replace", "find", 1), ("Replace", "replacement", 4)];

/// The most arguments that a tree may count up to.
const MAX_ARGUMENTS: usize = 1_000;

/// The text that a tree stands for, or why it cannot be written.
pub(super) fn text(source: &wire::Source) -> Result<String, String> {
    let name = source.name.as_deref().unwrap_or_default();
    match word(source.kind.as_deref()).as_str() {
        "attribute" => Ok(format!("[{name}]")),
        "constant" => Ok(constant(source)),
        "function" => {
            let mut arguments = Vec::new();
            for parameter in &source.parameters {
                let Some(value) = &parameter.value else {
                    continue;
                };
                let written = value.expression.as_deref().map(str::trim);
                let text = match written.filter(|text| !text.is_empty()) {
                    Some(text) => text.to_owned(),
                    None => text(value)?,
                };
                arguments.push((parameter.key.as_deref().unwrap_or_default(), text));
            }
            let arguments = placed(name, arguments)?;
            Ok(format!("{name}({})", arguments.join(", ")))
        }
        "" => Err("its type is missing".to_owned()),
        other => Err(format!("there is no type {other:?}")),
    }
}

/// A word of the format without regard to case and blanks.
pub(super) fn word(text: Option<&str>) -> String {
    text.unwrap_or_default().trim().to_ascii_lowercase()
}

fn constant(source: &wire::Source) -> String {
    let name = source.name.as_deref().unwrap_or_default();
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The arguments in the order of the function's parameters, with empty ones between them.
fn placed(name: &str, arguments: Vec<(&str, String)>) -> Result<Vec<String>, String> {
    let in_order = |arguments: Vec<(&str, String)>| {
        let texts = arguments.into_iter().map(|(_, text)| text);
        Ok(texts.collect())
    };
    let mut known = functions().iter();
    let Some(function) = known.find(|function| function.name.eq_ignore_ascii_case(name)) else {
        // The compiler will say that there is no such function.
        return in_order(arguments);
    };
    let indices: Option<Vec<_>> = arguments
        .iter()
        .map(|(key, _)| index(function, key))
        .collect();
    let Some(indices) = indices else {
        return if order_is_enough(function, arguments.len()) {
            in_order(arguments)
        } else {
            Err(format!(
                "the tree does not say which argument of {name} is which"
            ))
        };
    };
    let count = indices.iter().max().map_or(0, |last| last + 1);
    let mut slots = vec![None; count];
    for (index, (key, text)) in indices.into_iter().zip(arguments) {
        if slots[index].replace(text).is_some() {
            return Err(format!("the tree gives {key} of {name} twice"));
        }
    }
    Ok(slots.into_iter().map(Option::unwrap_or_default).collect())
}

/// Whether arguments without known keys can only be meant one way.
fn order_is_enough(function: &Function, given: usize) -> bool {
    let parameters = function.parameters;
    let required = parameters.iter().take_while(|one| one.required).count();
    let needed = parameters.iter().filter(|one| one.required).count();
    let repeats_only = function.repeating == 1 && parameters.len() == required + 1;
    required == needed && (given == required || given == parameters.len() || repeats_only)
}

/// The place of the argument that a key names: `source`, `key2`, `Replacement`.
fn index(function: &Function, key: &str) -> Option<usize> {
    let is = |name: &str| name.eq_ignore_ascii_case(key);
    let other = OTHER_KEYS
        .iter()
        .find(|(of, other, _)| *of == function.name && is(other));
    if let Some((_, _, index)) = other {
        return Some(*index);
    }
    let parameters = function.parameters;
    let fixed = parameters.len() - function.repeating;
    if let Some(index) = parameters[..fixed].iter().position(|one| is(one.name)) {
        return Some(index);
    }
    let base = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: usize = match &key[base.len()..] {
        "" => 1,
        digits => digits.parse().ok()?,
    };
    let repeated = parameters[fixed..].iter();
    let offset = repeated
        .clone()
        .position(|one| one.name.eq_ignore_ascii_case(base))?;
    let first = first_of(function, fixed + offset);
    let index = first + number.checked_sub(1)?.checked_mul(function.repeating)?;
    (index < MAX_ARGUMENTS).then_some(index)
}

/// Where the counting of a repeated parameter begins: `source1` may be a parameter of its own.
fn first_of(function: &Function, repeated: usize) -> usize {
    let first = format!("{}1", function.parameters[repeated].name);
    let fixed = &function.parameters[..function.parameters.len() - function.repeating];
    fixed
        .iter()
        .position(|one| one.name == first)
        .unwrap_or(repeated)
}

/// The key of an argument: the reverse of [`index`].
fn key(function: Option<&Function>, index: usize) -> String {
    let Some(function) = function else {
        return format!("argument{}", index + 1);
    };
    let parameters = function.parameters;
    let fixed = parameters.len() - function.repeating;
    if index < fixed {
        return parameters[index].name.to_owned();
    }
    if function.repeating == 0 {
        return format!("argument{}", index + 1);
    }
    let repeated = fixed + (index - fixed) % function.repeating;
    let number = (index - first_of(function, repeated)) / function.repeating + 1;
    format!("{}{number}", parameters[repeated].name)
}

/// The tree of a compiled expression, as the format has it.
pub(super) fn json(outline: &Outline) -> Json {
    let node = |kind: &str, name: &str, expression: &str, parameters: Vec<Json>| {
        json!({
            "expression": expression,
            "name": name,
            "type": kind,
            "parameters": parameters,
        })
    };
    let text = &outline.text;
    match &outline.kind {
        OutlineKind::Attribute(name) => node("Attribute", name, text, Vec::new()),
        OutlineKind::Text(value) => node("Constant", value, text, Vec::new()),
        // Numbers are quoted in the tree, unlike in the text.
        OutlineKind::Bare if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            node("Constant", text, &format!("\"{text}\""), Vec::new())
        }
        OutlineKind::Bare => node("Constant", text, text, Vec::new()),
        OutlineKind::Call { name, arguments } => {
            let function = functions().iter().find(|function| function.name == name);
            let given = arguments.iter().enumerate();
            let parameters = given
                .filter_map(|(index, argument)| Some((index, argument.as_ref()?)))
                .map(|(index, argument)| {
                    json!({ "key": key(function, index), "value": json(argument) })
                });
            node("Function", name, text, parameters.collect())
        }
        // No published tree shows a comparison; this form keeps both sides.
        OutlineKind::Compare {
            operator,
            left,
            right,
        } => {
            let side = |key: &str, side| json!({ "key": key, "value": json(side) });
            let parameters = vec![side("left", left), side("right", right)];
            node("Function", operator, text, parameters)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_has_a_key_that_leads_back_to_it() {
        for function in functions() {
            let count = function.parameters.len() + 3 * function.repeating;
            for place in 0..count {
                let key = key(Some(function), place);
                assert_eq!(
                    index(function, &key),
                    Some(place),
                    "{} {key}",
                    function.name
                );
            }
        }
    }
}
