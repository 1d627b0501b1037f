//! Which removals are held.

use super::*;

const NO_LIMITS: Limits = Limits {
    max_deletions: None,
    max_membership_removals: None,
    max_creations: None,
    min_active: None,
};

fn census(planned: &[(RemovalClass, u64)], active: u64) -> Census {
    Census {
        planned: planned.iter().copied().collect(),
        active: Active {
            users: active,
            groups: active,
            memberships: active,
        },
        ..Census::default()
    }
}

#[test]
fn the_default_is_the_smaller_of_500_and_a_tenth_but_at_least_5() {
    for (active, limit) in [(0, 5), (24, 5), (60, 6), (4_999, 499), (100_000, 500)] {
        let fits = census(&[(RemovalClass::User, limit)], active);
        assert_eq!(review(&fits, &NO_LIMITS).classes(), []);
        let breach = census(&[(RemovalClass::User, limit + 1)], active);
        assert_eq!(
            review(&breach, &NO_LIMITS).classes(),
            [RemovalClass::User],
            "{active}"
        );
    }
}

#[test]
fn a_fifth_of_the_memberships_may_go_but_at_least_50() {
    for (active, limit) in [(0, 50), (250, 50), (1_000, 200)] {
        let fits = census(&[(RemovalClass::Membership, limit)], active);
        assert_eq!(review(&fits, &NO_LIMITS).classes(), []);
        let breach = census(&[(RemovalClass::Membership, limit + 1)], active);
        let held = review(&breach, &NO_LIMITS).classes();
        assert_eq!(held, [RemovalClass::Membership], "{active}");
    }
}

#[test]
fn a_breach_holds_its_own_class_only() {
    let many = census(
        &[
            (RemovalClass::Certain, 6),
            (RemovalClass::User, 2),
            (RemovalClass::Group, 6),
            (RemovalClass::Membership, 10),
        ],
        24,
    );
    let held = review(&many, &NO_LIMITS).classes();
    assert_eq!(held, [RemovalClass::Certain, RemovalClass::Group]);
}

#[test]
fn when_only_the_total_is_exceeded_the_blocked_and_deleted_go() {
    let both = census(&[(RemovalClass::Certain, 4), (RemovalClass::User, 4)], 24);
    let verdict = review(&both, &NO_LIMITS);
    assert_eq!(verdict.classes(), [RemovalClass::User]);
    let why = verdict.holds(RemovalClass::User, ObjectKind::User, None);
    let counted = Counted::Users;
    assert_eq!(
        why,
        Some(WhyHeld::TooMany {
            counted,
            planned: 8,
            recent: 0,
            limit: 5
        })
    );
}

#[test]
fn what_went_within_a_day_counts_and_a_plan_without_removals_is_never_held() {
    let mut day = census(&[(RemovalClass::User, 1)], 24);
    day.recent.insert(RemovalClass::User, 5);
    assert_eq!(review(&day, &NO_LIMITS).classes(), [RemovalClass::User]);
    day.planned.clear();
    assert_eq!(review(&day, &NO_LIMITS).classes(), []);
}

#[test]
fn another_application_holds_removals_and_leaves_the_limit_of_creates() {
    let limits = Limits {
        max_creations: Some(3),
        ..NO_LIMITS
    };
    let another = Census {
        application_changed: true,
        creations: 4,
        ..census(&[(RemovalClass::User, 1)], 24)
    };
    let verdict = review(&another, &limits);
    assert_eq!(verdict.classes(), [RemovalClass::User]);
    assert!(matches!(
        verdict.holds_creations(),
        Some(WhyHeld::TooManyCreations { planned: 4, .. })
    ));
}

#[test]
fn a_limit_of_zero_holds_every_removal() {
    let limits = Limits {
        max_deletions: Some(Limit::Count(0)),
        max_membership_removals: None,
        max_creations: None,
        min_active: None,
    };
    let each = RemovalClass::ALL.map(|class| (class, 1));
    assert_eq!(review(&census(&each, 24), &limits).classes().len(), 4);
}

#[test]
fn a_source_that_loses_more_than_a_fifth_holds_what_follows_from_it() {
    let mut lost = census(&[(RemovalClass::Certain, 3)], 100);
    lost.sources = vec![(Count::default(), Count::default())];
    lost.sources[0].0.users = 10;
    lost.sources[0].1.users = 8;
    let deleted = |verdict: &Verdict| {
        let why = Some(&WhyRemoved::SoftDeleted);
        verdict.holds(RemovalClass::Certain, ObjectKind::User, why)
    };
    assert_eq!(deleted(&review(&lost, &NO_LIMITS)), None);
    lost.sources[0].1.users = 7;
    let verdict = review(&lost, &NO_LIMITS);
    assert!(matches!(
        deleted(&verdict),
        Some(WhyHeld::ShrunkSource { .. })
    ));
    let blocked = verdict.holds(
        RemovalClass::Certain,
        ObjectKind::User,
        Some(&WhyRemoved::Blocked),
    );
    assert_eq!(blocked, None);
}

#[test]
fn the_only_group_of_a_source_that_loses_its_users_is_held_too() {
    let mut lost = census(&[(RemovalClass::Group, 1)], 100);
    lost.sources = vec![(Count::default(), Count::default())];
    lost.sources[0].0 = Count {
        users: 12,
        groups: 1,
    };
    lost.sources[0].1.users = 12;
    let group = |verdict: &Verdict| {
        let why = Some(&WhyRemoved::SoftDeleted);
        verdict.holds(RemovalClass::Group, ObjectKind::Group, why)
    };
    assert_eq!(group(&review(&lost, &NO_LIMITS)), None);
    lost.sources[0].1.users = 0;
    let held = group(&review(&lost, &NO_LIMITS));
    assert!(matches!(held, Some(WhyHeld::ShrunkSource { .. })));
}

#[test]
fn a_group_that_loses_more_than_half_and_more_than_five_lost_suddenly() {
    assert!(is_sudden_loss(6, 11));
    assert!(!is_sudden_loss(6, 12));
    assert!(!is_sudden_loss(5, 5));
}
