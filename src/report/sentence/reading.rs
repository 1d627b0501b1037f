//! How the source is read, where that is of interest.

use super::amount::{count, number, things};
use super::clean;
use crate::engine::strategy::{Choice, SourceReading, Strategy};

/// The same with the name of the source, where there are several.
pub(crate) fn reading_of(source: &SourceReading) -> Option<String> {
    let words = reading(source.choice.as_ref()?)?;
    Some(if source.name.is_empty() {
        words
    } else {
        format!("Source {}: {words}", clean(&source.name))
    })
}

/// `None`: the whole tenant is read, and nothing else comes into question.
fn reading(choice: &Choice) -> Option<String> {
    let scope = choice.scope?;
    let cost = |strategy| choice.cost(strategy);
    let requests = |number: u64| things(number, "request");
    let in_scope = requests(cost(Strategy::InScope)?.later);
    let whole = cost(Strategy::Whole);
    Some(match choice.strategy {
        Strategy::InScope => {
            let of = match (choice.tenant, whole) {
                (Some(tenant), Some(whole)) => format!(
                    "\nThe whole tenant, {}, takes {}, then {} a cycle.",
                    count(tenant),
                    requests(whole.first),
                    number(whole.later)
                ),
                _ => String::new(),
            };
            format!(
                "Only what is in scope is read: {}, by {in_scope} a cycle.{of}",
                count(scope)
            )
        }
        Strategy::Whole => format!(
            "The whole tenant is read, by {} a cycle.\nOnly what is in scope, {}, takes {in_scope} a cycle.",
            requests(whole?.later),
            count(scope)
        ),
    })
}
