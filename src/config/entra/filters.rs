//! The scope of an object mapping becomes scoping filters, and the other way round. One clause that
//! cannot be carried over would change who belongs, so then the kind of object is switched off until
//! a user has looked.

use serde_json::{Value as Json, json};

use super::names::{self, to_graph};
use super::toml::{self, Clause, Group, SHOWN_LENGTH, Side, shown};
use super::written::directory_name;
use super::{Left, judge, wire};
use crate::engine::filter::{self, ClauseGroup, Filter, Operator, boolean};
use crate::engine::model::ObjectKind;
use crate::engine::model::source::{self, SourceType};

/// Clauses and groups of the filter that counts.
pub(super) fn count(filter: &wire::Filter) -> usize {
    let clauses = filter.groups.iter().map(|group| group.clauses.len());
    filter.groups.len().max(clauses.sum())
}

pub(super) fn read(filter: &wire::Filter, side: &mut Side, left: &mut Vec<Left>) {
    let mut leave = |place: &str, what: &str, why: &str| {
        left.push(Left {
            place: place.to_owned(),
            what: what.to_owned(),
            why: why.to_owned(),
        });
    };
    let kind = side.kind;
    let section = judge::section(kind);
    let mut problems = Vec::new();
    for (name, groups) in [
        ("inputFilterGroups", &filter.input_filter_groups),
        ("categoryFilterGroups", &filter.category_filter_groups),
    ] {
        if groups.iter().any(|group| !group.clauses.is_empty()) {
            let why =
                "entrain has one list of filters; without these, more objects would be in scope";
            leave(section, name, why);
            problems.push(format!("{name} would narrow the scope further"));
        }
    }
    for (number, group) in filter.groups.iter().enumerate() {
        let name = group.name.as_deref().map(str::trim);
        let name = name.filter(|name| !name.is_empty());
        let called = match name {
            Some(name) => format!("{:?}", shown(name)),
            None => (number + 1).to_string(),
        };
        let place = format!("{section}, filter {called}");
        let written = Group {
            name: name.map(str::to_owned),
            clauses: group.clauses.iter().map(|one| clause(kind, one)).collect(),
        };
        // No clause is no condition: everything passes, and so it does with all other groups.
        let fault = if written.clauses.is_empty() {
            Some("the group has no clause, so everything passes".to_owned())
        } else {
            group.clauses.iter().find_map(several).or_else(|| {
                judge::filters(kind, &toml::filter_list(std::slice::from_ref(&written)))
            })
        };
        if let Some(why) = fault {
            let texts: Vec<_> = group.clauses.iter().map(clause_text).collect();
            let what = match texts.as_slice() {
                [] => "a group of clauses".to_owned(),
                texts => shown(&texts.join(" and ")),
            };
            leave(&place, &what, &why);
            problems.push(format!("filter {called}: {why}"));
        }
        side.filters.push(written);
    }
    // A scope that is wider or narrower than it was would create or remove people.
    if let Some(problem) = problems.into_iter().next() {
        side.why_no_filters = Some(problem);
        if side.enabled {
            side.enabled = false;
            side.why_disabled = Some(format!(
                "Correct the filters first: without all of them, other {kind}s would be in scope."
            ));
        }
    }
}

fn clause(kind: ObjectKind, raw: &wire::Clause) -> Clause {
    let operator = raw.operator_name.as_deref().unwrap_or_default().trim();
    let known = operator_of(operator);
    let operator = match known {
        Some(known) => known.name(),
        None => operator,
    };
    let takes_value = known.is_none_or(Operator::takes_value);
    let values = raw.target_operand.as_ref();
    let values = values.map_or(&[][..], |operand| &operand.values);
    let attribute = raw.source_operand_name.as_deref().unwrap_or_default();
    let attribute = to_graph(kind, attribute.trim());
    if let [value] = values
        && let Some(operator) = truth(kind, &attribute, known, &value.0)
    {
        return Clause {
            attribute,
            operator: operator.name().to_owned(),
            values: Vec::new(),
        };
    }
    let values = values.iter().filter(|_| takes_value);
    Clause {
        attribute,
        operator: operator.chars().take(SHOWN_LENGTH).collect(),
        values: values.map(|value| value.0.clone()).collect(),
    }
}

/// Entra's samples say `EQUALS "True"` of Booleans; here it is `IS TRUE`, which is false for null, too.
fn truth(
    kind: ObjectKind,
    attribute: &str,
    operator: Option<Operator>,
    value: &str,
) -> Option<Operator> {
    let known = source::filter_attribute(kind, attribute).ok()?;
    if known.source_type != SourceType::Boolean {
        return None;
    }
    let is_true = match operator? {
        Operator::Equals => boolean(value)?,
        Operator::NotEquals => !boolean(value)?,
        Operator::IsTrue
        | Operator::IsFalse
        | Operator::IsNull
        | Operator::IsNotNull
        | Operator::RegexMatch
        | Operator::NotRegexMatch
        | Operator::GreaterThan
        | Operator::GreaterThanOrEquals
        | Operator::Includes
        | Operator::EndsWith
        | Operator::Within
        | Operator::NotWithin => return None,
    };
    Some(if is_true {
        Operator::IsTrue
    } else {
        Operator::IsFalse
    })
}

/// The operator of that name, also where its words are run together: `IsNotNull`.
fn operator_of(name: &str) -> Option<Operator> {
    let letters = |text: &str| {
        let text = text.chars().filter(|c| !c.is_whitespace() && *c != '_');
        text.collect::<String>().to_ascii_uppercase()
    };
    let wanted = letters(name);
    let mut all = Operator::ALL.into_iter();
    all.find(|operator| letters(operator.name()) == wanted)
}

/// What is wrong with a clause that has several values or an unreadable name.
fn several(raw: &wire::Clause) -> Option<String> {
    let name = raw.source_operand_name.as_deref().unwrap_or_default();
    if name.len() > names::MAX_LENGTH {
        return Some("the name is too long for an attribute".to_owned());
    }
    let operator = operator_of(raw.operator_name.as_deref().unwrap_or_default());
    let takes_value = operator.is_none_or(Operator::takes_value);
    let count = raw
        .target_operand
        .as_ref()
        .map_or(0, |one| one.values.len());
    (takes_value && count > 1)
        .then(|| format!("it compares with {count} values; write a clause or a group for each"))
}

fn clause_text(raw: &wire::Clause) -> String {
    let values = raw.target_operand.iter().flat_map(|one| &one.values);
    let values: Vec<_> = values.map(|value| format!("{:?}", value.0)).collect();
    let attribute = raw.source_operand_name.as_deref().unwrap_or_default();
    let operator = raw.operator_name.as_deref().unwrap_or_default();
    let text = format!("{attribute} {operator} {}", values.join(", "));
    text.trim().to_owned()
}

/// The scoping filter, and whether it is the whole of it.
pub(super) fn write(kind: ObjectKind, filter: &Filter, left: &mut Vec<Left>) -> (Json, bool) {
    let section = judge::section(kind);
    let mut is_whole = true;
    let mut groups = Vec::new();
    for ClauseGroup { name, clauses } in &filter.groups {
        let mut written = Vec::new();
        for clause in clauses {
            if let Some(why) = unknown_to_entra(kind, clause) {
                left.push(Left {
                    place: format!("{section}, filter"),
                    what: clause.to_string(),
                    why: format!("{why}; without it other objects would be in scope, so {section} are not enabled"),
                });
                is_whole = false;
                continue;
            }
            let attribute = directory_name(kind, clause.attribute(), "filter", left);
            // Entra has no switch for it, but patterns can say it themselves.
            let operand = clause.operand().map(|operand| {
                if clause.is_anywhere() {
                    format!(r"[\s\S]*(?:{operand})[\s\S]*")
                } else {
                    operand.to_owned()
                }
            });
            written.push(json!({
                "operatorName": clause.operator().name(),
                "sourceOperandName": attribute,
                "targetOperand": { "values": operand.into_iter().collect::<Vec<_>>() },
            }));
        }
        if !written.is_empty() {
            groups.push(json!({ "name": name, "clauses": written }));
        }
    }
    if groups.is_empty() {
        return (Json::Null, is_whole);
    }
    let scope = json!({ "groups": groups, "inputFilterGroups": [], "categoryFilterGroups": [] });
    (scope, is_whole)
}

/// Why Entra has no such clause.
fn unknown_to_entra(kind: ObjectKind, clause: &filter::Clause) -> Option<&'static str> {
    let around = "Entra's filters cannot read references, groups and app roles";
    if [source::APP_ROLE_ASSIGNMENTS, source::MEMBER_OF].contains(&clause.attribute()) {
        return Some(around);
    }
    let attribute = source::attribute(kind, clause.attribute()).ok()?;
    match attribute.source_type {
        SourceType::Reference | SourceType::Roles => return Some(around),
        SourceType::Boolean
        | SourceType::DateTime
        | SourceType::Text
        | SourceType::Object
        | SourceType::Any => {}
    }
    if attribute.multi_valued {
        return Some("Entra's filters cannot read an attribute with several values");
    }
    if clause.compares_times() {
        return Some("Entra's filters compare whole numbers only");
    }
    None
}
