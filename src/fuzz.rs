//! What `benches/fuzz.rs` feeds with bytes: the places that read what people and other programs wrote.
//! None of them may panic or hang, whatever comes. Nothing in the product uses this.

use std::cell::Cell;
use std::collections::BTreeSet;

use chrono::DateTime;

use crate::config::entra;
use crate::engine::expr::{Error, Expression, Flow, Input, Write};
use crate::engine::filter::{Clause, ClauseGroup, Filter};
use crate::engine::model::{AppRole, Attributes, ObjectKind, TargetPath, Value, source};
use crate::scim;

/// Stands between the parts of an input that has several.
pub const PART: char = '\u{1f}';
/// Stands between the values of an attribute that has several.
pub const VALUE: char = '\u{1e}';

/// One place that takes any bytes.
#[derive(Debug)]
pub struct Target {
    pub name: &'static str,
    /// Says in a few words what came out, so that an input with news can be distinguished from others.
    pub run: fn(&[u8]) -> String,
}

pub const TARGETS: &[Target] = &[
    Target {
        name: "expression",
        run: expression,
    },
    Target {
        name: "evaluate",
        run: evaluate,
    },
    Target {
        name: "path",
        run: path,
    },
    Target {
        name: "filter",
        run: filter,
    },
    Target {
        name: "import",
        run: import,
    },
    Target {
        name: "reply",
        run: scim::outline,
    },
];

/// The text of an expression: read, printed, and read again.
fn expression(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let compiled = match Expression::compile(&text) {
        Ok(compiled) => compiled,
        Err(error) => return told(&error, &text),
    };
    let printed = compiled.to_string();
    // Printing adds blanks, so what just fits may not fit again.
    if printed.chars().count() <= text.chars().count() {
        let again = Expression::compile(&printed).expect("what was printed can be read");
        assert_eq!(again.to_string(), printed, "printed another way");
    }
    let unknown = compiled.unknown_attribute(|name| name == "mail", &["mail", "city"]);
    let shape: String = printed
        .split(|c: char| !c.is_ascii_alphabetic())
        .take(4)
        .collect();
    let facts = (
        compiled.is_volatile(),
        compiled.uses("Redact"),
        compiled.reads_roles(),
    );
    format!("{shape} {facts:?} {:?}", unknown.map(|one| one.to_string()))
}

/// An expression, then the values of the attributes it reads, by name: evaluated in every way.
fn evaluate(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split(PART);
    let expression = parts.next().unwrap_or_default();
    let compiled = match Expression::compile(expression) {
        Ok(compiled) => compiled,
        Err(error) => return told(&error, expression),
    };
    let mut attributes = Attributes::default();
    for (name, text) in compiled.attributes().into_iter().zip(parts) {
        if let Some(value) = value(text) {
            attributes.set(name, value);
        }
    }
    let roles = [("1", Some("Admin")), ("2", None)].map(|(id, value)| AppRole {
        id: id.to_owned(),
        value: value.map(str::to_owned),
        display_name: format!("Role {id} \"x\""),
    });
    let seed = Cell::new(0_u64);
    let random = || {
        seed.set(seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let bits = seed.get();
        (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    };
    let input = Input {
        attributes: &attributes,
        roles: &roles,
        write: Write::Update,
        now: DateTime::UNIX_EPOCH,
        random: &random,
        default_domain: Some("contoso.com"),
        taken: &|value| value.len() % 2 == 1,
    };
    let steps = compiled.explain(&input).len();
    seed.set(0);
    let first = compiled.evaluate(&input);
    seed.set(0);
    assert_eq!(first, compiled.evaluate(&input), "evaluated another way");
    let end = match &first {
        Ok(flow) => {
            let printed = flow.canonical_text().unwrap_or_default().len();
            format!("{} {}", flow_word(flow), printed.min(40))
        }
        Err(error) => told(error, expression),
    };
    let shape: String = expression
        .split(|c: char| !c.is_ascii_alphabetic())
        .take(2)
        .collect();
    format!("{shape} {end} {}", steps.min(8))
}

/// The path of a SCIM attribute: read, printed, and read again.
fn path(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match TargetPath::parse(&text) {
        Ok(path) => {
            let printed = path.to_string();
            // A value grows by its escapes.
            if printed.len() <= text.len() {
                let again = TargetPath::parse(&printed).expect("what was printed can be read");
                assert_eq!(again, path, "printed as {printed:?}");
            }
            let parts = [
                path.schema().is_some(),
                path.selector().is_some(),
                path.sub_attribute().is_some(),
                path.element().is_some(),
                path.is_members() || path.is_active(),
            ];
            format!("{parts:?} {}", path.attribute().len().min(30))
        }
        Err(error) => {
            assert!(error.offset <= text.len(), "beyond the end");
            assert!(text.is_char_boundary(error.offset), "inside a character");
            format!("{} {}", error.expected, error.offset.min(40))
        }
    }
}

/// An operator, its operand and the value that is looked at.
fn filter(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, PART);
    let operator = parts.next().unwrap_or_default();
    let operand = parts.next();
    let value = parts.next().and_then(value);
    let mut said = String::new();
    for full in [None, Some(false)] {
        let clause = match Clause::with_full("employeeHireDate", operator, operand, full) {
            Ok(clause) => clause,
            Err(error) => {
                said.push_str(error.help().get(..12).unwrap_or_default());
                continue;
            }
        };
        for name in ["employeeHireDate", "department", "accountEnabled"] {
            let attribute = source::attribute(ObjectKind::User, name);
            let attribute = attribute.expect("an attribute that there is");
            let fits = clause.check(&attribute).is_ok();
            said.push(if fits { '1' } else { '0' });
        }
        let group = ClauseGroup {
            name: None,
            clauses: vec![clause],
        };
        let filter = Filter {
            groups: vec![group],
        };
        let passes = filter.judge(&|_| value.clone()).is_ok();
        said.push(if passes { '+' } else { '-' });
    }
    let length = operand.map_or(0, str::len).min(20);
    format!("{} {said} {length}", operator.get(..6).unwrap_or(operator))
}

/// The file of a schema that Entra exported. What comes out must be TOML.
fn import(bytes: &[u8]) -> String {
    match entra::import(bytes, None) {
        Ok(imported) => {
            let toml: Result<toml_edit::DocumentMut, _> = imported.toml.parse();
            if let Err(error) = toml {
                panic!("not TOML: {error}\n{}", imported.toml);
            }
            let whys = imported.left.iter();
            let whys: BTreeSet<&str> = whys.filter_map(|left| left.why.get(..20)).collect();
            format!("{whys:?} {}", imported.to_fill_in.len())
        }
        Err(error) => {
            let mut text = error.to_string();
            text.retain(|c| !c.is_ascii_digit());
            text.chars().take(40).collect()
        }
    }
}

/// The kind of an error and where it stands; its rendering is tried as well.
fn told(error: &Error, expression: &str) -> String {
    assert!(error.span.start <= error.span.end, "a place inside out");
    assert!(error.span.end <= expression.len(), "a place beyond the end");
    let rendered = error.render(expression);
    assert!(rendered.contains('^'), "no caret");
    let (line, column) = (error.line(expression), error.column(expression));
    let help = error.kind.help().is_some();
    let kind = format!("{:?}", error.kind);
    let end = kind.find(|c: char| !c.is_alphanumeric());
    let kind = &kind[..end.unwrap_or(kind.len())];
    format!("{kind} {} {} {help}", line.min(3), column.min(20))
}

fn flow_word(flow: &Flow) -> &'static str {
    match flow {
        Flow::Value(Value::Text(_)) => "text",
        Flow::Value(Value::List(_)) => "list",
        Flow::Value(_) => "value",
        Flow::Null => "null",
        Flow::IgnoreAttribute | Flow::IgnoreObject => "ignored",
    }
}

/// The value that a text stands for; an empty one is none.
fn value(text: &str) -> Option<Value> {
    if text.contains(VALUE) {
        return Some(Value::List(text.split(VALUE).filter_map(value).collect()));
    }
    match text {
        "" => None,
        "true" => Some(Value::Boolean(true)),
        "false" => Some(Value::Boolean(false)),
        number => Some(match number.parse() {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::text(text),
        }),
    }
}
