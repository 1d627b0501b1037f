//! What the cycles of a period did, on a page.

use std::io::{self, Write};

use maud::{Markup, html};

use super::{Page, moment};
use crate::engine::period::Period;
use crate::report::period::{PeriodReport, facts, failure_text, lost_text, people};
use crate::report::sentence::{capital, clean, deeds, duration, number};
use crate::report::view::Names;

impl<W: Write> Page<W> {
    pub(crate) fn period(&mut self, report: &PeriodReport<'_>, names: Names<'_>) -> io::Result<()> {
        let title = html! { h1 { (report.title()) } };
        write!(self.out, "{}", title.into_string())?;
        for period in report.jobs {
            self.jobs += 1;
            write!(self.out, "{}", one(period, names).into_string())?;
        }
        Ok(())
    }
}

fn one(period: &Period, names: Names<'_>) -> Markup {
    let failures = period.failures();
    html! {
        h2 { bdi { (clean(period.job.as_str())) } }
        ul.tiles aria-label="Users" {
            @for (times, title, who) in people(period) {
                li.zero[times == 0] title=(who) { b { (number(times)) } span { (title) } }
            }
            li.zero[failures.is_empty()] { b { (number(failures.len() as u64)) } span { "reasons to fail" } }
        }
        @for (_, title, who) in people(period) { p.small.dim { (capital(title)) ": " (who) "." } }
        @for words in facts(period) { p { (words) } }
        @if !period.lost.is_empty() {
            details.part open[period.lost.len() <= 400] {
                summary { h3 { "Who lost access, and why" } span.count { (number(period.lost.len() as u64)) } }
                table.plain {
                    thead { tr { th scope="col" { "time" } th scope="col" { "what" } th scope="col" { "why" } th scope="col" { "cycle" } } }
                    tbody {
                        @for lost in &period.lost {
                            @let (what, why) = lost_text(lost, names);
                            tr { td { (moment(lost.at)) } td { bdi { (what) } } td { (why) } td { (lost.cycle) } }
                        }
                    }
                }
            }
        }
        @if !failures.is_empty() {
            details.part open {
                summary { h3 { "Failures by reason" } span.count { (number(failures.len() as u64)) } }
                table.plain {
                    thead { tr { th scope="col" { "times" } th scope="col" { "failure" } th scope="col" { "objects" } } }
                    tbody {
                        @for (failed, failing) in &failures {
                            @let (what, whom) = failure_text(failed, failing);
                            tr { td { (number(failing.times)) } td { bdi { (what) } } td { bdi { (whom) } } }
                        }
                    }
                }
            }
        }
        @if !period.cycles.is_empty() {
            details.part {
                summary { h3 { "Cycles" } span.count { (number(period.cycles.len() as u64)) } }
                table.plain {
                    thead { tr { th scope="col" { "cycle" } th scope="col" { "started" } th scope="col" { "took" } th scope="col" { "ended" } th scope="col" { "did" } } }
                    tbody {
                        @for cycle in &period.cycles {
                            @let done = deeds(cycle.done.iter().map(|(word, times)| (word.as_str(), *times)));
                            tr {
                                th scope="row" { (cycle.number) }
                                td { (moment(cycle.started)) }
                                td { (duration(cycle.duration_ms)) }
                                td { (cycle.state.as_str()) }
                                td { (done.join(", ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
