//! The charts of a page: what happens to the whole population, and removals next to the limits. Each has
//! its figures in words next to it.

use maud::{Markup, html};

use crate::engine::guard::{Counted, LimitUse};
use crate::engine::record::CycleRecord;
use crate::report::overview::{Population, Share};
use crate::report::sentence::{duration, number, things};

/// Width of a chart in its own units.
const WIDE: u64 = 1_000;

/// Height of one with bars.
const TALL: u64 = 100;

impl Share {
    /// In the order of the bar.
    const ALL: [Self; 7] = [
        Self::Create,
        Self::Update,
        Self::Disable,
        Self::Held,
        Self::Unchanged,
        Self::Failing,
        Self::Skip,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Disable => "disabled or deleted",
            Self::Create => "created",
            Self::Update => "updated",
            Self::Unchanged => "unchanged",
            Self::Failing => "failing",
            Self::Skip => "skipped",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Held => "f-held",
            Self::Disable => "f-disable",
            Self::Create => "f-create",
            Self::Update => "f-update",
            Self::Unchanged => "f-unchanged",
            Self::Failing => "f-fail",
            Self::Skip => "f-skip",
        }
    }
}

pub(super) fn population(population: &Population) -> Markup {
    let all = number(population.total());
    let caption =
        format!("What happens to all {all} users and groups that were evaluated or are linked");
    shares(&caption, population, Share::title)
}

/// One bar of parts, and below it the figures; nothing where there are none.
pub(super) fn shares(
    caption: &str,
    population: &Population,
    title: impl Fn(Share) -> &'static str,
) -> Markup {
    let all = population.total();
    if all == 0 {
        return html! {};
    }
    let shares: Vec<Share> = Share::ALL
        .into_iter()
        .filter(|share| population.of(*share) > 0)
        .collect();
    let words: Vec<String> = shares
        .iter()
        .map(|share| format!("{} {}", number(population.of(*share)), title(*share)))
        .collect();
    let mut before = 0;
    let mut bars = Vec::new();
    for share in &shares {
        let from = before * WIDE / all;
        before += population.of(*share);
        // A share that is there can be seen.
        let wide = (before * WIDE / all).saturating_sub(from).max(2);
        bars.push((from, wide, share.class()));
    }
    html! {
        figure {
            figcaption { (caption) }
            svg viewBox={ "0 0 " (WIDE) " 20" } preserveAspectRatio="none" role="img" aria-label=(words.join(", ")) {
                @for (from, wide, class) in bars { rect x=(from) y="0" width=(wide) height="20" class=(class) {} }
            }
            ul.legend {
                @for share in shares {
                    li {
                        i class=(share.class()) {} (number(population.of(share))) " " (title(share))
                        " " span.dim { "(" (percent(population.of(share), all)) ")" }
                    }
                }
            }
        }
    }
}

/// What the last cycles changed and how long they took, the oldest first.
pub(super) fn cycles(newest_first: &[CycleRecord]) -> Markup {
    let cycles: Vec<&CycleRecord> = newest_first.iter().rev().collect();
    let count = cycles.len() as u64;
    let changes = |cycle: &CycleRecord| cycle.done.values().sum::<u64>();
    let most = cycles
        .iter()
        .map(|cycle| changes(cycle) + cycle.failed)
        .max();
    let longest = cycles.iter().map(|cycle| cycle.duration_ms).max();
    let (most, longest) = (most.unwrap_or(0), longest.unwrap_or(0));
    let in_last = format!("in the last {}", things(count, "cycle"));
    let caption = format!("Changes {in_last}: at most {} in one", number(most));
    let took = format!("Duration {in_last}: at most {}", duration(longest));
    // Few cycles do not become broad bars.
    let step = WIDE / count.max(24);
    let wide = (step * 4 / 5).max(1);
    let high = |part: u64, all: u64| {
        let high = part * TALL / all.max(1);
        if part > 0 { high.max(2) } else { 0 }
    };
    html! {
        div.charts {
            figure {
                figcaption { (caption) }
                svg.bars viewBox={ "0 0 " (WIDE) " " (TALL) } preserveAspectRatio="none" role="img" aria-label=(caption) {
                    @for (place, cycle) in (0_u64..).zip(&cycles) {
                        @let done = high(changes(cycle), most);
                        @let failed = high(cycle.failed, most).min(TALL - done);
                        rect x=(place * step) y=(TALL - done) width=(wide) height=(done) class="f-create" {}
                        rect x=(place * step) y=(TALL - done - failed) width=(wide) height=(failed) class="f-fail" {}
                    }
                }
                ul.legend { li { i.f-create {} "done" } li { i.f-fail {} "failed" } }
            }
            figure {
                figcaption { (took) }
                svg.bars viewBox={ "0 0 " (WIDE) " " (TALL) } preserveAspectRatio="none" role="img" aria-label=(took) {
                    @for (place, cycle) in (0_u64..).zip(&cycles) {
                        @let tall = high(cycle.duration_ms, longest);
                        rect x=(place * step) y=(TALL - tall) width=(wide) height=(tall) class="f-time" {}
                    }
                }
                ul.legend { li { i.f-time {} "from the start to the end" } }
            }
        }
    }
}

/// Removals within 24 hours next to what may go without approval.
pub(super) fn limits(limits: &[LimitUse]) -> Markup {
    let used: Vec<&LimitUse> = limits
        .iter()
        .filter(|one| one.planned + one.recent > 0)
        .collect();
    html! {
        @for one in used {
            @let LimitUse { counted, planned, recent, limit } = *one;
            @let all = planned + recent;
            @let scale = if limit == u64::MAX { all } else { all.max(limit) }.max(1);
            @let may = if limit == u64::MAX { "no limit".to_owned() } else { format!("{} are allowed without approval", number(limit)) };
            figure {
                figcaption {
                    (what(counted)) " in 24 hours: " (number(planned)) " planned"
                    @if recent > 0 { " and " (number(recent)) " done before" }
                    "; " (may)
                }
                svg viewBox={ "0 0 " (WIDE) " 20" } preserveAspectRatio="none" role="img"
                    aria-label={ (number(all)) " of " (may) } {
                    rect x="0" y="0" width=(recent * WIDE / scale) height="20" class="f-unchanged" {}
                    rect x=(recent * WIDE / scale) y="0" width=((planned * WIDE / scale).max(planned.min(2))) height="20"
                        class=(if all > limit { "f-held" } else { "f-disable" }) {}
                    @if limit < all { line x1=(limit * WIDE / scale) x2=(limit * WIDE / scale) y1="0" y2="20" class="mark" {} }
                }
            }
        }
    }
}

fn what(counted: Counted) -> &'static str {
    match counted {
        Counted::BlockedOrDeleted => "Disables and deletes of blocked or deleted users",
        Counted::OtherUsers => "Disables and deletes of other users",
        Counted::Users => "Disables and deletes of users",
        Counted::Groups => "Deletes of groups",
        Counted::Memberships => "Members removed from groups",
    }
}

/// `12.5 %`.
fn percent(part: u64, all: u64) -> String {
    let tenths = part * 1_000 / all.max(1);
    if tenths == 0 && part > 0 {
        return "below 0.1 %".to_owned();
    }
    format!("{}.{} %", tenths / 10, tenths % 10)
}
