//! The agents that share a state, and what each of them runs.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::{Frame, job_link};
use crate::engine::model::JobName;
use crate::engine::record::Registered;
use crate::report::page::JobView;
use crate::report::sentence::clean;

/// Who runs the jobs.
#[derive(Clone, Copy)]
pub(crate) enum Agents<'a> {
    /// The state is a file: this service runs all.
    One,
    Several(&'a [Registered]),
    /// They cannot be read, for this reason.
    Unknown(&'a str),
}

impl<'a> Agents<'a> {
    /// The agent that runs a job, and since when.
    fn of(self, job: &JobName) -> Option<(&'a Registered, DateTime<Utc>)> {
        let Self::Several(agents) = self else {
            return None;
        };
        let mut alive = agents.iter().filter(|agent| agent.is_alive);
        alive.find_map(|agent| {
            let (_, since) = agent.jobs.iter().find(|(name, _)| name == job)?;
            Some((agent, *since))
        })
    }
}

fn name(agent: &Registered) -> String {
    format!("{} (pid {})", clean(&agent.host), agent.pid)
}

/// Who runs a job, as facts about it.
pub(super) fn runner(frame: Frame, agents: Agents<'_>, job: &JobName) -> Markup {
    html! {
        @match (agents, agents.of(job)) {
            (Agents::One | Agents::Unknown(_), _) => {}
            (Agents::Several(_), Some((agent, since))) => {
                dt { "Run by" }
                dd { bdi { (name(agent)) } ", since " (frame.time(since)) }
            }
            (Agents::Several(_), None) => {
                dt { "Run by" }
                dd { "no agent yet" }
            }
        }
    }
}

pub(super) fn table(frame: Frame, agents: Agents<'_>, jobs: &[JobView]) -> Markup {
    let all = match agents {
        Agents::One => return html! {},
        Agents::Unknown(words) => {
            return html! {
                h2 id="agents" { "Agents" }
                p.verdict.bad { "The agents are not known: " bdi { (clean(words)) } }
            };
        }
        Agents::Several(all) => all,
    };
    html! {
        h2 id="agents" { "Agents" }
        table.list {
            caption.visually-hidden { "Agents that share the state" }
            thead { tr {
                th scope="col" { "Agent" } th scope="col" { "Jobs" } th scope="col" { "Lease" }
                th scope="col" { "Started" } th scope="col" { "Version" }
            } }
            tbody {
                @for agent in all {
                    tr {
                        th scope="row" { bdi { (name(agent)) } " " (clean(&agent.command)) }
                        td {
                            @if agent.jobs.is_empty() { "none" }
                            @for (place, (job, since)) in agent.jobs.iter().enumerate() {
                                @if place > 0 { br; }
                                @if jobs.iter().any(|one| one.name() == job.as_str()) {
                                    a href=(job_link(job.as_str())) { bdi { (clean(job.as_str())) } }
                                } @else {
                                    bdi { (clean(job.as_str())) }
                                }
                                " since " (frame.time(*since))
                            }
                        }
                        td {
                            @if agent.is_alive {
                                "renewed " (agent.renewed_ago.num_seconds()) " s ago"
                            } @else {
                                "gone since " (frame.time(agent.renewed))
                            }
                        }
                        td { (frame.time(agent.started)) }
                        td { (clean(&agent.version)) }
                    }
                }
            }
        }
    }
}
