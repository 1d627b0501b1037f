//! The brake: a pure function over what a plan would remove and what was removed within the last 24 hours,
//! whatever removed it. Only its verdict opens the rows of a plan. Classes are judged apart: a breach holds
//! its own class only (safety rules, "Removals").

use std::collections::BTreeMap;

use super::emptied::{self, Causes, EmptiedBy};
use super::job::{Limit, Limits};
use super::model::ObjectKind;
use super::plan::{Count, RemovalClass, WhyOut, WhyRemoved};

/// What there is to judge. Approved removals are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Objects, or memberships, that would be removed and were not counted before.
    pub(crate) planned: BTreeMap<RemovalClass, u64>,
    /// Those whose first request was sent within the last 24 hours.
    pub(crate) recent: BTreeMap<RemovalClass, u64>,
    /// What the planned removals of objects are for.
    pub(crate) causes: Causes,
    pub(crate) active: Active,
    /// Users who are linked and active now.
    pub(crate) active_now: u64,
    /// Objects that would be created and were not counted before, and those created within the last 24 hours.
    pub(crate) creations: u64,
    pub(crate) recent_creations: u64,
    /// Links, and how many of them are in scope before and after the plan.
    pub(crate) linked: Count,
    pub(crate) scope_before: Count,
    pub(crate) scope_after: Count,
    /// What the source held at the job's last complete reading, and what it holds now.
    pub(crate) sources: Vec<(Count, Count)>,
    /// The application is another than the one that the links were made for.
    pub(crate) application_changed: bool,
}

/// What was linked and active 24 hours ago; in a younger job after its first cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) users: u64,
    pub(crate) groups: u64,
    pub(crate) memberships: u64,
}

/// What may be carried out of a plan. Only [`review`] makes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    held: BTreeMap<RemovalClass, WhyHeld>,
    shrunk: Vec<WhyHeld>,
    /// Why nothing is created.
    creations: Option<WhyHeld>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    BlockedOrDeleted,
    OtherUsers,
    /// Both classes of users together.
    Users,
    Groups,
    Memberships,
}

impl Counted {
    pub(crate) const ALL: [Self; 5] = [
        Self::BlockedOrDeleted,
        Self::OtherUsers,
        Self::Users,
        Self::Groups,
        Self::Memberships,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BlockedOrDeleted => "blocked-or-deleted-users",
            Self::OtherUsers => "other-users",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Memberships => "memberships",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyHeld {
    /// More removals within 24 hours than the limit allows.
    TooMany {
        counted: Counted,
        planned: u64,
        recent: u64,
        limit: u64,
    },
    /// No user, or no group, is in scope any more, though some were.
    EmptiedScope {
        kind: ObjectKind,
        linked: Count,
        by: EmptiedBy,
    },
    /// Fewer active users than the job is to keep.
    TooFewActive {
        planned: u64,
        active: u64,
        least: u64,
    },
    /// Groups with fewer members than the job is to keep.
    TooFewMembers { groups: u64 },
    /// More creates within 24 hours than the limit allows.
    TooManyCreations {
        planned: u64,
        recent: u64,
        limit: u64,
    },
    /// Groups that lost more than half of their members within 24 hours.
    ShrunkGroups { groups: u64 },
    /// The source lost more than a fifth of its users or groups.
    ShrunkSource {
        kind: ObjectKind,
        before: u64,
        now: u64,
    },
    /// They were held after a sudden shrink, and wait for a decision.
    Undecided,
    /// The application is another than the one that the links were made for.
    ApplicationChanged,
    /// So many objects were gone from the target at once that they may not be, and would be created again.
    GoneAtOnce { objects: u64 },
    /// Accounts that others may have made are deleted only after a person confirmed it.
    Unproven { objects: u64 },
}

/// A scope of fewer objects than this is a trial; emptying it does not look like an empty answer.
const SCOPE_WORTH_GUARDING: u64 = 3;
/// The defaults of the limits: a share of what is linked and active, within these bounds.
const DELETIONS: DefaultLimit = DefaultLimit {
    percent: 10,
    at_least: 5,
    at_most: 500,
};
const MEMBERSHIPS: DefaultLimit = DefaultLimit {
    percent: 20,
    at_least: 50,
    at_most: u64::MAX,
};
/// So many objects may be gone from the target in one cycle, and so large a share, and are created again.
const FEW_GONE: u64 = 5;
const GONE_PERCENT: u64 = 1;
/// A source that loses more than this share shrinks suddenly.
const SOURCE_PERCENT: u64 = 20;
/// A group shrinks suddenly only when it loses more members than this.
const FEW_MEMBERS: u64 = 5;

struct DefaultLimit {
    percent: u64,
    at_least: u64,
    at_most: u64,
}

impl DefaultLimit {
    fn or(&self, limit: Option<Limit>, active: u64) -> u64 {
        match limit {
            Some(Limit::Count(count)) => count,
            // All may go, whatever has come since.
            Some(Limit::Percent(100..)) => u64::MAX,
            Some(Limit::Percent(percent)) => active * u64::from(percent) / 100,
            None => (active * self.percent / 100).clamp(self.at_least, self.at_most),
        }
    }
}

impl Verdict {
    /// Why a removal is held; `None`: it may be sent. Memberships have no `why` of their own.
    pub(crate) fn holds(
        &self,
        class: RemovalClass,
        kind: ObjectKind,
        why: Option<&WhyRemoved>,
    ) -> Option<WhyHeld> {
        let shrunk = self.shrunk.iter().copied().find(|shrunk| {
            let WhyHeld::ShrunkSource { kind: lost, .. } = shrunk else {
                return false;
            };
            why.is_some_and(|why| follows_from_loss(*lost, kind, why))
        });
        shrunk.or_else(|| self.held.get(&class).copied())
    }

    /// Why creates are held; `None`: they may be sent.
    pub(crate) fn holds_creations(&self) -> Option<WhyHeld> {
        self.creations
    }

    /// The classes that are held as a whole.
    #[cfg(test)]
    pub(crate) fn classes(&self) -> Vec<RemovalClass> {
        self.held.keys().copied().collect()
    }
}

/// Whether so many objects were gone in one cycle, of these that were linked, that creating them again needs
/// a decision.
pub(crate) fn is_much_gone(gone: u64, linked: u64) -> bool {
    gone > FEW_GONE && gone * 100 > linked * GONE_PERCENT
}

/// What the limits come to for a job of this size.
struct Allowed {
    users: u64,
    groups: u64,
    memberships: u64,
}

impl Allowed {
    fn by(limits: &Limits, active: Active) -> Self {
        Self {
            users: DELETIONS.or(limits.max_deletions, active.users),
            groups: DELETIONS.or(limits.max_deletions, active.groups),
            memberships: match (limits.max_membership_removals, limits.max_deletions) {
                // Every removal needs approval.
                (None, Some(Limit::Count(0) | Limit::Percent(0))) => 0,
                (limit, _) => MEMBERSHIPS.or(limit, active.memberships),
            },
        }
    }
}

/// How much of a limit a plan uses. `u64::MAX` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitUse {
    pub(crate) counted: Counted,
    pub(crate) planned: u64,
    pub(crate) recent: u64,
    pub(crate) limit: u64,
}

/// The removals of a plan next to the limits, whether they are exceeded or not.
pub(crate) fn uses(census: &Census, limits: &Limits) -> Vec<LimitUse> {
    let sum = |counts: &BTreeMap<RemovalClass, u64>, classes: &[RemovalClass]| -> u64 {
        let counts = classes.iter().filter_map(|class| counts.get(class));
        counts.sum()
    };
    let Allowed {
        users,
        groups,
        memberships,
    } = Allowed::by(limits, census.active);
    let classes: [(Counted, u64, &[RemovalClass]); 3] = [
        (
            Counted::Users,
            users,
            &[RemovalClass::Certain, RemovalClass::User],
        ),
        (Counted::Groups, groups, &[RemovalClass::Group]),
        (
            Counted::Memberships,
            memberships,
            &[RemovalClass::Membership],
        ),
    ];
    let uses = classes.map(|(counted, limit, classes)| LimitUse {
        counted,
        planned: sum(&census.planned, classes),
        recent: sum(&census.recent, classes),
        limit,
    });
    uses.to_vec()
}

/// Holds what would leave fewer active users than declared. Users who are blocked or deleted go as long as
/// enough stay without the others.
fn keep_active(census: &Census, limits: &Limits, held: &mut BTreeMap<RemovalClass, WhyHeld>) {
    let planned = |class| census.planned.get(&class).copied().unwrap_or(0);
    let Some(least) = limits.min_active else {
        return;
    };
    let active = census.active_now;
    let certain = planned(RemovalClass::Certain);
    let all = certain + planned(RemovalClass::User);
    for (class, going) in [(RemovalClass::User, all), (RemovalClass::Certain, certain)] {
        if planned(class) > 0 && active.saturating_sub(going) < least {
            held.entry(class).or_insert(WhyHeld::TooFewActive {
                planned: going,
                active,
                least,
            });
        }
    }
}

fn too_many_creations(census: &Census, limits: &Limits) -> Option<WhyHeld> {
    let limit = limits.max_creations?;
    let (planned, recent) = (census.creations, census.recent_creations);
    (planned > 0 && planned + recent > limit).then_some(WhyHeld::TooManyCreations {
        planned,
        recent,
        limit,
    })
}

/// Judges the whole plan before the first write.
pub(crate) fn review(census: &Census, limits: &Limits) -> Verdict {
    let planned = |class| census.planned.get(&class).copied().unwrap_or(0);
    let recent = |class| census.recent.get(&class).copied().unwrap_or(0);
    let Allowed {
        users,
        groups,
        memberships,
    } = Allowed::by(limits, census.active);
    let mut held = BTreeMap::new();
    if census.application_changed {
        let planned = RemovalClass::ALL
            .into_iter()
            .filter(|class| planned(*class) > 0);
        held.extend(planned.map(|class| (class, WhyHeld::ApplicationChanged)));
        return Verdict {
            held,
            shrunk: shrunk_source(census),
            creations: too_many_creations(census, limits),
        };
    }
    for (class, counted, limit) in [
        (RemovalClass::Certain, Counted::BlockedOrDeleted, users),
        (RemovalClass::User, Counted::OtherUsers, users),
        (RemovalClass::Group, Counted::Groups, groups),
        (RemovalClass::Membership, Counted::Memberships, memberships),
    ] {
        if planned(class) > 0 && planned(class) + recent(class) > limit {
            let (planned, recent) = (planned(class), recent(class));
            held.insert(
                class,
                WhyHeld::TooMany {
                    counted,
                    planned,
                    recent,
                    limit,
                },
            );
        }
    }
    let are_users_gone =
        census.scope_after.users == 0 && census.scope_before.users >= SCOPE_WORTH_GUARDING;
    for (class, kind, before, after) in [
        (
            RemovalClass::User,
            ObjectKind::User,
            census.scope_before.users,
            census.scope_after.users,
        ),
        (
            RemovalClass::Group,
            ObjectKind::Group,
            census.scope_before.groups,
            census.scope_after.groups,
        ),
    ] {
        // A few groups go with the users, or for a reason of their own.
        let is_worth_it = before >= SCOPE_WORTH_GUARDING || are_users_gone;
        if planned(class) > 0 && after == 0 && before > 0 && is_worth_it {
            let (linked, by) = (census.linked, emptied::most(&census.causes, class));
            held.insert(class, WhyHeld::EmptiedScope { kind, linked, by });
        }
    }
    let both = [RemovalClass::Certain, RemovalClass::User];
    let free = both.iter().filter(|class| !held.contains_key(class));
    let planned_users: u64 = free.map(|class| planned(*class)).sum();
    let recent_users: u64 = both.iter().map(|class| recent(*class)).sum();
    if !held.contains_key(&RemovalClass::User)
        && planned(RemovalClass::User) > 0
        && planned_users + recent_users > users
    {
        held.insert(
            RemovalClass::User,
            WhyHeld::TooMany {
                counted: Counted::Users,
                planned: planned_users,
                recent: recent_users,
                limit: users,
            },
        );
    }
    keep_active(census, limits, &mut held);
    Verdict {
        held,
        shrunk: shrunk_source(census),
        creations: too_many_creations(census, limits),
    }
}

fn shrunk_source(census: &Census) -> Vec<WhyHeld> {
    let sources = census.sources.iter().flat_map(|(before, now)| {
        let kinds = [
            (ObjectKind::User, before.users, now.users),
            (ObjectKind::Group, before.groups, now.groups),
        ];
        let is_shrunk = |before: u64, now: u64, least: u64| {
            let lost = before.saturating_sub(now);
            lost >= least && lost * 100 > before * SOURCE_PERCENT
        };
        // One object that goes is no shrink, however few there are, unless many of the other kind go with it.
        let is_sudden = kinds
            .iter()
            .any(|(_, before, now)| is_shrunk(*before, *now, 2));
        let least = if is_sudden { 1 } else { 2 };
        kinds
            .into_iter()
            .filter(move |(_, before, now)| is_shrunk(*before, *now, least))
    });
    sources
        .map(|(kind, before, now)| WhyHeld::ShrunkSource { kind, before, now })
        .collect()
}

/// Whether a group lost so many of its members that it looks like a mistake.
pub(crate) fn is_sudden_loss(lost: u64, before: u64) -> bool {
    lost > FEW_MEMBERS && lost * 2 > before
}

/// Whether a removal may follow from objects that the source lost.
fn follows_from_loss(lost: ObjectKind, kind: ObjectKind, why: &WhyRemoved) -> bool {
    match (why, lost, kind) {
        (WhyRemoved::SoftDeleted | WhyRemoved::Deleted | WhyRemoved::Missing, lost, kind) => {
            lost == kind
        }
        (WhyRemoved::OutOfScope(out), ObjectKind::Group, ObjectKind::User) => match out {
            WhyOut::NotAssigned
            | WhyOut::NotSecurityEnabled
            | WhyOut::SecurityNotRead
            | WhyOut::DefaultAccessOnly
            | WhyOut::Filter(_) => true,
            WhyOut::NotInUnit | WhyOut::NotNamed | WhyOut::Excluded | WhyOut::KindDisabled => false,
        },
        (WhyRemoved::Blocked | WhyRemoved::Mapping | WhyRemoved::OutOfScope(_), _, _) => false,
    }
}

#[cfg(test)]
impl Census {
    /// Of a plan in a job where nothing was removed before.
    pub(crate) fn of(header: &super::plan::Header, totals: &super::plan::Totals) -> Self {
        let removals = totals.removals.iter();
        Self {
            planned: removals
                .map(|(class, total)| (*class, total.planned))
                .collect(),
            linked: header.linked,
            scope_before: header.scope_before,
            scope_after: header.scope_after,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
