//! Why removals and creates are held, in words.

use super::sentence::{count, number, things};
use crate::engine::emptied::EmptiedBy;
use crate::engine::guard::{Counted, WhyHeld};

/// Why removals are held: a sentence without a full stop.
pub(crate) fn why_held(why: WhyHeld) -> String {
    match why {
        WhyHeld::TooMany {
            counted,
            planned,
            recent,
            limit,
        } => {
            let (one, many, key) = removals_of(counted);
            format!(
                "{} {} planned{}, and the job's limit is {} in 24 hours (safety.{key})",
                number(planned),
                if planned == 1 { one } else { many },
                before(recent),
                number(limit)
            )
        }
        WhyHeld::ApplicationChanged => {
            "the job's application has changed, so every removal needs approval once".to_owned()
        }
        WhyHeld::EmptiedScope { kind, linked, by } => {
            let linked = count(linked);
            match by {
                EmptiedBy::Source => format!(
                    "no {kind} is in scope any more, although {linked} are linked: probably an empty response from \
                     Entra"
                ),
                EmptiedBy::Filters => format!(
                    "no {kind} passes the scoping filters any more, although {linked} are linked: check \
                     {kind}s.filters, and the attributes that they read"
                ),
                EmptiedBy::Configuration => format!(
                    "the configuration leaves no {kind} in scope, although {linked} are linked: check jobs.scope and \
                     jobs.{kind}s"
                ),
            }
        }
        WhyHeld::ShrunkGroups { groups } => format!(
            "{} lost more than half of {} members within 24 hours",
            things(groups, "group"),
            if groups == 1 { "its" } else { "their" }
        ),
        WhyHeld::ShrunkSource { kind, before, now } => format!(
            "the tenant has {} now and had {} when last read: more than a fifth is gone",
            things(now, &kind.to_string()),
            number(before)
        ),
        WhyHeld::TooFewActive {
            planned,
            active,
            least,
        } => format!(
            "{} of {} active users would be removed, but the job must keep {} (safety.min_active)",
            number(planned),
            number(active),
            number(least)
        ),
        WhyHeld::TooFewMembers { groups } => format!(
            "{} would have fewer members than the job must keep (safety.min_members)",
            things(groups, "group")
        ),
        WhyHeld::TooManyCreations {
            planned,
            recent,
            limit,
        } => {
            let creates = if planned == 1 {
                "1 create is".to_owned()
            } else {
                format!("{} creates are", number(planned))
            };
            format!(
                "{creates} planned{}, and the job's limit is {} in 24 hours (safety.max_creations)",
                before(recent),
                number(limit)
            )
        }
        WhyHeld::GoneAtOnce { objects } => format!(
            "{} at once {} gone from the target, more than 1 % of those linked, and {} created again only \
             once that is approved",
            things(objects, "object"),
            if objects == 1 { "was" } else { "were" },
            if objects == 1 { "is" } else { "are" }
        ),
        WhyHeld::Unproven { objects } => format!(
            "{} {} found after a create without an answer, and without the externalId that was sent: others \
             may have made {}, so that the delete needs approval",
            things(objects, "account"),
            if objects == 1 { "was" } else { "were" },
            if objects == 1 { "it" } else { "them" }
        ),
        WhyHeld::Undecided => {
            "they were held after a sudden shrink, and a decision is still required".to_owned()
        }
    }
}

/// How many are held: removals, or creates among them.
pub(super) fn held_count(count: u64, why: &[WhyHeld]) -> String {
    let creates = |why: &WhyHeld| {
        matches!(
            why,
            WhyHeld::TooManyCreations { .. } | WhyHeld::GoneAtOnce { .. }
        )
    };
    let what = if why.iter().any(creates) {
        "action"
    } else {
        "removal"
    };
    things(count, what)
}

/// Removals that a limit counts, one and many, and the key of the limit.
fn removals_of(counted: Counted) -> (&'static str, &'static str, &'static str) {
    match counted {
        Counted::BlockedOrDeleted => (
            "disable or delete of a blocked or deleted user is",
            "disables and deletes of blocked or deleted users are",
            "max_deletions",
        ),
        Counted::OtherUsers => (
            "disable or delete of another user is",
            "disables and deletes of other users are",
            "max_deletions",
        ),
        Counted::Users => (
            "disable or delete of a user is",
            "disables and deletes of users are",
            "max_deletions",
        ),
        Counted::Groups => (
            "delete of a group is",
            "deletes of groups are",
            "max_deletions",
        ),
        Counted::Memberships => (
            "removal of a member is",
            "removals of members are",
            "max_membership_removals",
        ),
    }
}

/// What went before, within the time that the limit counts.
fn before(recent: u64) -> String {
    if recent > 0 {
        format!(
            " in addition to {} within the last 24 hours",
            number(recent)
        )
    } else {
        String::new()
    }
}
