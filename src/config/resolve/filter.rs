//! The clauses of a scoping filter.

use crate::config::problem::Log;
use crate::config::{file, mapping};
use crate::engine::filter::{Clause, ClauseGroup, Operator};
use crate::engine::model::source::{self, SourceAttribute, SourceType};
use crate::engine::model::{ObjectKind, nearest};

pub(super) fn resolve_filter(
    kind: ObjectKind,
    group: &file::FilterGroup,
    log: &mut Log,
) -> ClauseGroup {
    ClauseGroup {
        name: group.name.as_ref().map(|name| name.value.clone()),
        clauses: group
            .all
            .iter()
            .filter_map(|clause| resolve_clause(kind, clause, log))
            .collect(),
    }
}

fn resolve_clause(kind: ObjectKind, typed: &file::Clause, log: &mut Log) -> Option<Clause> {
    let (name, operator) = (typed.attribute.as_ref()?, typed.operator.as_ref()?);
    let attribute = mapping::read_filter_attribute(kind, name, log);
    if attribute
        .as_ref()
        .is_some_and(|attribute| attribute.name == "IsSoftDeleted")
    {
        log.problem(name.place.problem(
            "IsSoftDeleted is computed from the scope, so a scoping filter cannot read it",
            "use accountEnabled",
        ));
        return None;
    }
    let names_objects = attribute.as_ref().is_some_and(|attribute| {
        attribute.source_type == SourceType::Reference
            || ["id", source::MEMBER_OF].contains(&attribute.name.as_str())
    });
    let value = typed.value.as_ref().map(|value| &value.value);
    // Case counts, and Graph writes ids in lower case: an id typed otherwise would never be met.
    let value = value.map(|value| match uuid::Uuid::parse_str(value) {
        Ok(id) if names_objects => id.to_string(),
        Ok(_) | Err(_) => value.clone(),
    });
    let value = value.as_deref();
    let full = typed.full.as_ref().map(|full| full.value);
    let graph_name = attribute
        .as_ref()
        .map_or("", |attribute| attribute.name.as_str());
    let clause = Clause::with_full(graph_name, &operator.value, value, full).and_then(|clause| {
        if let Some(attribute) = &attribute {
            clause.check(attribute)?;
        }
        Ok(clause)
    });
    match clause {
        Ok(clause) => {
            if names_one_object(attribute.as_ref(), &clause)
                && let (Some(operand), Some(place)) = (value, &typed.value)
                && uuid::Uuid::parse_str(operand).is_err()
            {
                log.problem(place.place.problem(
                    format!(
                        "{graph_name} contains an object id, but {operand:?} is not an object id"
                    ),
                    "write the id, as the Entra admin center shows it: Object ID",
                ));
            }
            attribute.is_some().then_some(clause)
        }
        Err(err) => {
            let place = match (&err, &typed.value) {
                (crate::engine::filter::ClauseError::Pattern(_), Some(value)) => &value.place,
                _ => &operator.place,
            };
            let near = nearest(&operator.value, OPERATORS);
            let help = match (&err, near) {
                (crate::engine::filter::ClauseError::UnknownOperator(_), Some(near)) => {
                    format!("did you mean {near}?")
                }
                _ => err.help(),
            };
            log.problem(place.problem(err.to_string(), help));
            None
        }
    }
}

/// Whether the clause compares a whole object id, and not a part of it.
fn names_one_object(attribute: Option<&SourceAttribute>, clause: &Clause) -> bool {
    let is_id = attribute.is_some_and(|attribute| {
        attribute.source_type == SourceType::Reference || attribute.name == "id"
    });
    is_id && matches!(clause.operator(), Operator::Equals | Operator::NotEquals)
}

/// What a misspelt operator may have meant.
const OPERATORS: [&str; 12] = [
    "EQUALS",
    "NOT EQUALS",
    "IS TRUE",
    "IS FALSE",
    "IS NULL",
    "IS NOT NULL",
    "REGEX MATCH",
    "NOT REGEX MATCH",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUALS",
    "INCLUDES",
    "ENDS_WITH",
];
