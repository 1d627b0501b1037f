//! One user or group: what `explain` says for each job, and everything on record of it.

use maud::{Markup, html};

use super::log::{Shows, one};
use super::{Frame, Here, job_link, object, short_time};
use crate::engine::explain::{Explanation, Mapped, Membership, Next, State};
use crate::engine::filter::ClauseResult;
use crate::engine::model::Value;
use crate::engine::plan::Subject;
use crate::engine::record::{LogEntry, Operated};
use crate::engine::scope::Verdict;
use crate::report::entry::Entry;
use crate::report::explain::{
    access, clause_text, link_text, look_up_text, presence_text, remedies, trouble, verdict_text,
    ways,
};
use crate::report::html::row::{Labels, Lead, Length, Outside, row_with};
use crate::report::section::Section;
use crate::report::sentence::{capital, clean, key as key_text, number, optional, things};
use crate::report::view::{About, Names};

pub(crate) struct PersonView<'a> {
    pub(crate) subject: Subject,
    /// Of each job, with what went wrong where it cannot be explained.
    pub(crate) jobs: Vec<(String, Result<Explanation, String>)>,
    /// The newest first.
    pub(crate) entries: &'a [LogEntry],
    /// There is more on record than is shown.
    pub(crate) has_more: bool,
    pub(crate) operations: Vec<Operated>,
}

pub(crate) fn person(frame: Frame, view: &PersonView<'_>, names: Names<'_>) -> String {
    let subject = &view.subject;
    let name = if subject.label.is_empty() {
        subject.id.as_str()
    } else {
        &subject.label
    };
    let several = view.jobs.len() > 1;
    let main = html! {
        p.crumbs { a href="/people" { "People" } " / " }
        h1 { bdi { (clean(name)) } }
        p.dim { (capital(&subject.kind.to_string())) ", id " code { (clean(subject.id.as_str())) } }
        @for (job, explained) in &view.jobs {
            @match explained {
                Err(words) => {
                    h2 { a href=(job_link(job)) { bdi { (clean(job)) } } }
                    p.verdict.bad { (clean(words)) }
                }
                Ok(explanation) => {
                    @let is_of_interest = !several || explanation.link.is_some() || explanation.verdict == Verdict::In;
                    @if is_of_interest {
                        h2 { a href=(job_link(job)) { bdi { (clean(job)) } } }
                        (explained_one(explanation, names))
                    } @else {
                        details.part {
                            summary { h3 { bdi { (clean(job)) } } span.count { "out of scope, and not \
                                                                                linked" } }
                            (explained_one(explanation, names))
                        }
                    }
                }
            }
        }
        h2 id="history" { "Everything on record" }
        (history(view, names))
    };
    frame.page(name, Here::People, &main)
}

fn explained_one(explanation: &Explanation, names: Names<'_>) -> Markup {
    let is_in = explanation.verdict == Verdict::In;
    let headline = access(explanation).unwrap_or_else(|| verdict_text(explanation));
    let trouble = trouble(explanation);
    let class = match (is_in, trouble.is_empty()) {
        (_, false) => "change",
        (true, true) => "good",
        (false, true) => "idle",
    };
    let remedies = remedies(explanation);
    html! {
        p class={ "verdict " (class) } { (capital(&headline)) "." }
        @for (mark, words) in &trouble { p.verdict.change { span aria-hidden="true" { (mark.sign()) " " } (capital(words)) } }
        h3 { "Scope" }
        (scope(explanation))
        h3 { "Target" }
        ul.steps {
            @if !explanation.keys.is_empty() {
                @let keys: Vec<String> = explanation.keys.iter().map(|key| key_text(key, names)).collect();
                li { span.sign.s-none aria-hidden="true" { "·" } "looked up by " bdi { (keys.join(", then ")) } }
            }
            li {
                @let is_linked = explanation.link.is_some();
                span class={ "sign " (if is_linked { "s-good" } else { "s-none" }) } aria-hidden="true" { (if is_linked { "✓" } else { "·" }) }
                (link_text(explanation))
            }
            li { span.sign.s-none aria-hidden="true" { "·" } (presence_text(explanation)) }
        }
        (groups(&explanation.groups))
        @if !explanation.attributes.is_empty() { (attributes(&explanation.attributes, names)) }
        h3 { "Next cycle, if nothing changes" }
        (next(explanation, names))
        @if !remedies.is_empty() {
            h3 { "What would change it" }
            ul.notes { @for remedy in remedies { li { (remedy) } } }
        }
    }
}

/// What brings it in, and each clause of the filters.
fn scope(explanation: &Explanation) -> Markup {
    let (sign, class) = match &explanation.verdict {
        Verdict::In => ("✓", "sign s-good"),
        Verdict::Out(_) => ("✗", "sign s-bad"),
        Verdict::Unknown { .. } => ("!", "sign s-warn"),
    };
    html! {
        ul.steps {
            li { span class=(class) aria-hidden="true" { (sign) } (verdict_text(explanation)) }
            @for way in ways(&explanation.ways) {
                li { span.sign.s-none aria-hidden="true" { "↳" } bdi { (clean(&way)) } }
            }
            @for clause in &explanation.clauses {
                @let ClauseResult { holds, .. } = clause;
                li {
                    span class={ "sign " (if *holds { "s-good" } else { "s-bad" }) } aria-hidden="true" { (if *holds { "✓" } else { "✗" }) }
                    (clause_text(clause)) @if !*holds { " (does not hold)" }
                }
            }
            @if let Some(incomplete) = &explanation.incomplete {
                li { span.sign.s-warn aria-hidden="true" { "!" } "the last cycle: " (clean(incomplete)) }
            }
        }
    }
}

fn groups(groups: &[Membership]) -> Markup {
    html! {
        @if !groups.is_empty() {
            h3 { "Groups" }
            ul.steps {
                @for one in groups {
                    @let (sign, class, words) = match (one.sent, one.in_source) {
                        (true, true) => ("=", "s-none", ""),
                        (false, true) => ("+", "s-good", ": not in the target yet"),
                        (true, false) => ("−", "s-bad", ": in the target, and no longer in the tenant"),
                        (false, false) => ("·", "s-none", ": not in it"),
                    };
                    li { span class={ "sign " (class) } aria-hidden="true" { (sign) } (object(&one.group)) (words) }
                }
            }
        }
    }
}

/// Each mapped attribute: what it should be, what was last written, and where it comes from. Those that have
/// no value, and should have none, are folded.
fn attributes(attributes: &[Mapped], names: Names<'_>) -> Markup {
    let is_empty = |one: &&Mapped| {
        let is_usual = !matches!(one.state, State::Failed(_) | State::Refused);
        one.wanted.is_none() && one.sent.is_none() && is_usual
    };
    let (empty, filled): (Vec<&Mapped>, Vec<&Mapped>) = attributes.iter().partition(is_empty);
    html! {
        h3 { "Attributes" }
        @if !filled.is_empty() { (table(&filled, names)) }
        @if !empty.is_empty() {
            details {
                summary { (things(empty.len() as u64, "attribute")) " without a value" }
                (table(&empty, names))
            }
        }
    }
}

fn table(attributes: &[&Mapped], names: Names<'_>) -> Markup {
    let one =
        |side: &Option<Value>| html! { span.value { bdi { (optional(side.as_ref(), names)) } } };
    html! {
        table.mapped {
            caption.visually-hidden { "Mapped attributes" }
            thead { tr { th scope="col" { "attribute" } th scope="col" { "value" } th scope="col" { "from" } } }
            tbody {
                @for mapped in attributes {
                    @let Mapped { path, source, state, wanted, sent, parts: _ } = mapped;
                    tr {
                        th scope="row" { (path.to_string()) }
                        td {
                            @match state {
                                State::Failed(message) => { span.sign.s-bad aria-hidden="true" { "✗" } (clean(message)) }
                                State::Kept if wanted == sent => { (one(wanted)) }
                                State::Kept => {
                                    del.value { bdi { (optional(sent.as_ref(), names)) } } " "
                                    ins.value { bdi { (optional(wanted.as_ref(), names)) } }
                                }
                                State::OnCreate => { (one(wanted)) span.dim { " on create only" } }
                                State::Refused => { (one(wanted)) span.s-warn { " the target refuses it" } }
                                State::LeftAlone => { (one(sent)) span.dim { " left as it is" } }
                            }
                        }
                        td { code { (clean(source)) } }
                    }
                }
            }
        }
    }
}

fn next(explanation: &Explanation, names: Names<'_>) -> Markup {
    let outside = Outside {
        lead: Lead::Action,
        ..Outside::default()
    };
    let mut labels = Labels::default();
    match &explanation.next {
        Next::LookUp => html! {
            p { (look_up_text(explanation)) }
        },
        Next::Planned { actions, skipped } if actions.is_empty() && skipped.is_empty() => html! {
            p { "Nothing is sent for it." }
        },
        Next::Planned { actions, skipped } => {
            let actions = actions.iter().map(|action| Entry::of_action(action, names));
            let skipped = skipped.iter().map(|one| Entry::of_skipped(one, names));
            let entries: Vec<Entry<'_>> = actions.chain(skipped).collect();
            html! {
                div.rows {
                    @for entry in &entries {
                        @let section = Section::of(entry);
                        (row_with(entry, section, Length::Full, &About::default(), &mut labels, &outside))
                    }
                }
            }
        }
    }
}

/// What was done to it and what operators did, the newest first.
fn history(view: &PersonView<'_>, names: Names<'_>) -> Markup {
    let mut labels = Labels::default();
    let mut all: Vec<(chrono::DateTime<chrono::Utc>, Markup)> = Vec::new();
    for logged in view.entries {
        all.push((logged.at, one(logged, names, Shows::NoLink, &mut labels)));
    }
    for operated in &view.operations {
        let row = html! {
            div.row.m-change {
                span.sign aria-hidden="true" { "›" } " "
                span.who { (clean(&operated.verb)) } " by " (clean(&operated.who))
                span.meta { " " (short_time(operated.at)) " · " bdi { (clean(operated.job.as_str())) } }
                @if !operated.detail.is_empty() { span.why { (clean(&operated.detail)) } }
            }
        };
        all.push((operated.at, row));
    }
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let link = format!("/log?object={}", view.subject.id.as_str());
    html! {
        @if all.is_empty() {
            p.dim { "Nothing was done to it in the period that the log covers." }
        } @else {
            div.rows { @for (_, row) in &all { (row) } }
        }
        @if super::person_link(&view.subject.id).is_some() {
            p {
                @if view.has_more { "Only the newest " (number(view.entries.len() as u64)) " entries are shown. " }
                a href=(link) { "All of it in the log" }
            }
        }
    }
}
