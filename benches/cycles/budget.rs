//! The budgets that are counts and sizes. They do not depend on how busy the machine is, so a run can
//! fail when one of them is exceeded. Budgets of time are printed only.

use crate::scenario::{Figures, Scenario};
use crate::world::Scale;

/// A limit for a figure at one size of the tenant.
struct Budget {
    name: &'static str,
    applies: fn(Scale) -> bool,
    figure: fn(&Figures) -> Option<f64>,
    limit: Limit,
    /// Whether a run fails when it is exceeded, or only prints it.
    assert: bool,
}

enum Limit {
    Fixed(f64),
    /// It follows from the sizes of the tenant.
    Of(fn(&Figures) -> f64),
}

const MIB: f64 = 1024.0 * 1024.0;

const BUDGETS: &[Budget] = &[
    Budget {
        name: "requests to the target, initial cycle",
        applies: always,
        figure: |figures| figures.to_target(Scenario::Initial),
        // 1.01 for each object, and one for each chunk of members.
        limit: Limit::Of(|figures| 1.01 * figures.created() + figures.size("member_chunks")),
        assert: true,
    },
    Budget {
        name: "requests to the target, nothing changed",
        applies: always,
        figure: |figures| figures.to_target(Scenario::Unchanged),
        limit: Limit::Fixed(0.0),
        assert: true,
    },
    Budget {
        name: "requests to the target, plan of nothing changed",
        applies: always,
        figure: |figures| figures.to_target(Scenario::Plan),
        limit: Limit::Fixed(0.0),
        assert: true,
    },
    Budget {
        name: "requests to Graph, nothing changed",
        applies: always,
        figure: |figures| figures.to_source(Scenario::Unchanged),
        // A token, the application, two deltas, and the pages of assignments.
        limit: Limit::Of(|figures| 4.0 + (figures.size("assignments") / 999.0).ceil().max(1.0)),
        assert: true,
    },
    Budget {
        name: "requests to the target, one member of a large group",
        applies: always,
        figure: |figures| figures.to_target(Scenario::OneMember),
        limit: Limit::Fixed(1.0),
        assert: true,
    },
    Budget {
        name: "users in the target after kill -9 and a restart, compared with one cycle",
        applies: always,
        figure: |figures| Some((figures.users_after_restart()? - figures.users()).abs()),
        limit: Limit::Fixed(0.0),
        assert: true,
    },
    Budget {
        name: "missing of 8 requests under way at once",
        applies: always,
        // Counted from below, so what is missing is compared.
        figure: |figures| figures.most_under_way().map(|most| 8.0 - most),
        limit: Limit::Fixed(0.0),
        assert: false,
    },
    Budget {
        name: "state per user with 10 memberships, KB",
        applies: |scale| scale.memberships == 10,
        figure: |figures| figures.state_per_user().map(|bytes| bytes / 1000.0),
        limit: Limit::Fixed(3.5),
        assert: true,
    },
    Budget {
        name: "bytes to disk per byte of state, initial read",
        applies: always,
        figure: |figures| figures.to_disk_per_byte(Scenario::Read),
        limit: Limit::Fixed(4.0),
        assert: false,
    },
    Budget {
        name: "peak memory at 10,000 users, MiB",
        applies: |scale| scale.users == 10_000,
        figure: |figures| figures.peak().map(|bytes| bytes / MIB),
        limit: Limit::Fixed(80.0),
        assert: false,
    },
    Budget {
        name: "peak memory at 100,000 users, MiB",
        applies: |scale| scale.users == 100_000,
        figure: |figures| figures.peak().map(|bytes| bytes / MIB),
        limit: Limit::Fixed(150.0),
        assert: false,
    },
    Budget {
        name: "peak memory at 1,000,000 users, MiB",
        applies: |scale| scale.users == 1_000_000,
        figure: |figures| figures.peak().map(|bytes| bytes / MIB),
        limit: Limit::Fixed(400.0),
        assert: false,
    },
];

fn always(_: Scale) -> bool {
    true
}

/// Prints each budget of one size next to what was measured. Whether all that count were kept.
pub(crate) fn review(figures: &Figures) -> bool {
    println!("\n| budget | measured | limit | |");
    println!("|---|---:|---:|---|");
    let mut kept = true;
    for budget in BUDGETS {
        let Budget {
            name,
            applies,
            figure,
            limit,
            assert,
        } = budget;
        if !applies(figures.scale) {
            continue;
        }
        let Some(measured) = figure(figures) else {
            continue;
        };
        let limit = match limit {
            Limit::Fixed(limit) => *limit,
            Limit::Of(limit) => limit(figures),
        };
        let verdict = match (measured <= limit, *assert) {
            (true, _) => "kept",
            (false, false) => "over, reported only",
            (false, true) => {
                kept = false;
                "OVER"
            }
        };
        println!("| {name} | {measured:.1} | {limit:.1} | {verdict} |");
    }
    kept
}
