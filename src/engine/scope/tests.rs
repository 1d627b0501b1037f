//! Who is in scope, who is not, and whose scope cannot be decided.

use super::*;
use crate::engine::filter::{Clause, ClauseFailure, ClauseGroup, Filter};
use crate::engine::job::{Actions, Limit, Limits, Rules, Safety, Scope, WhenOutOfScope};
use crate::engine::mapping::Mappings;
use crate::engine::model::{Attributes, JobName, Key, SourceNumber};

fn job(mode: ScopeMode) -> Job {
    let rules = Rules {
        enabled: true,
        actions: Actions {
            create: true,
            update: true,
            delete: true,
        },
        when_out_of_scope: WhenOutOfScope::Disable,
        exceptions: Vec::new(),
        create_blocked: false,
        delete_after: None,
        filter: Filter::default(),
        mappings: Mappings::new(ObjectKind::User, Vec::new()),
    };
    Job {
        name: JobName::new("demo"),
        users: rules.clone(),
        groups: rules,
        scope: Scope {
            mode,
            nested_groups: true,
            exclude: Vec::new(),
            exclude_default_access: false,
            group_objects: GroupObjects::InScope,
        },
        one_group_each: false,
        nested_members: true,
        safety: Safety::default(),
        limits: Limits {
            max_deletions: Some(Limit::Count(500)),
            max_membership_removals: None,
            max_creations: None,
            min_active: None,
        },
    }
}

fn filtered(attribute: &str, operator: &str, value: Option<&str>) -> Job {
    let clause = Clause::new(attribute, operator, value).expect("a clause");
    let mut job = job(ScopeMode::Assigned);
    job.users.filter.groups = vec![ClauseGroup {
        name: None,
        clauses: vec![clause],
    }];
    job
}

fn id(name: &str) -> SourceId {
    SourceId::new(name)
}

/// A number for each name that a test uses as a group; 0 for all others.
fn key(name: &str) -> Key {
    let groups = ["berlin", "choir", "emea", "sales"];
    let place = groups.iter().position(|group| *group == name);
    Key::new(place.map_or(0, |place| u32::try_from(place + 1).unwrap()))
}

fn object(kind: ObjectKind, name: &str) -> SourceObject {
    let mut attributes = Attributes::default();
    attributes.set("displayName", Value::text(name));
    SourceObject {
        key: key(name),
        kind,
        source: SourceNumber::FIRST,
        id: id(name),
        presence: Presence::Present,
        attributes,
    }
}

fn held(value: Option<&str>, name: &str) -> Grant {
    Grant {
        via: Via::Direct,
        role: Some(AppRole {
            id: name.to_owned(),
            value: value.map(str::to_owned),
            display_name: name.to_owned(),
        }),
    }
}

#[test]
fn a_filter_sees_the_groups_around_by_name_and_by_id() {
    let around = ["Sales", "EMEA"].map(|name| GroupAround {
        id: id(&format!("id-of-{name}")),
        name: name.to_owned(),
    });
    let jane = object(ObjectKind::User, "jane");
    let grants = [held(None, "User")];
    let passes = |operator, value, around: &[GroupAround]| {
        let job = filtered("memberOf", operator, value);
        assert!(reads_groups(&job, ObjectKind::User));
        assert!(!reads_groups(&job, ObjectKind::Group));
        judge(&job, &jane, &grants, None, around).is_ok()
    };
    assert!(passes("EQUALS", Some("EMEA"), &around));
    assert!(passes("EQUALS", Some("id-of-Sales"), &around));
    assert!(!passes("EQUALS", Some("sales"), &around));
    assert!(!passes("NOT EQUALS", Some("EMEA"), &around));
    assert!(passes("NOT EQUALS", Some("APAC"), &around));
    assert!(passes("IS NULL", None, &[]));
    // Null is never unequal, as Entra has it: who is in no group needs IS NULL.
    assert!(!passes("NOT EQUALS", Some("APAC"), &[]));
}

#[test]
fn a_filter_sees_roles_by_their_value_else_by_their_name() {
    let jane = object(ObjectKind::User, "jane");
    let grants = [held(Some("admin.all"), "Admin"), held(None, "User")];
    let judge = |value| {
        judge(
            &filtered("appRoleAssignments", "EQUALS", Some(value)),
            &jane,
            &grants,
            None,
            &[],
        )
    };
    assert_eq!(judge("admin.all"), Ok(()));
    assert_eq!(judge("User"), Ok(()));
    assert_eq!(
        judge("Admin"),
        Err(WhyOut::Filter(vec![ClauseFailure {
            number: 1,
            name: None,
            attribute: "appRoleAssignments".to_owned(),
            clause: "appRoleAssignments EQUALS \"Admin\"".to_owned(),
            value: Some("admin.all, User".to_owned()),
        }]))
    );
}

#[test]
fn every_way_is_listed_with_its_groups_and_cycles_end() {
    let (sales, emea, berlin) = (key("sales"), key("emea"), key("berlin"));
    let edges = [
        (sales, emea, "EMEA".to_owned()),
        (emea, berlin, "Berlin".to_owned()),
        (berlin, sales, "Sales".to_owned()),
    ];
    let seeds = [(sales, "Sales".to_owned()), (emea, "EMEA".to_owned())];
    let granting = GrantingGroups::new(seeds, &edges);
    let roles = BTreeMap::new();
    let ways = Ways {
        assigned: &[],
        member_of: &[berlin],
        assigned_to_group: &|_| Vec::new(),
        granting: &granting,
        roles: &roles,
    };
    let job = job(ScopeMode::Groups(Vec::new()));
    let path = |names: &[&str]| Via::Groups(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(
        ways_of(&grants(&job, &object(ObjectKind::User, "jane"), &ways)),
        [
            path(&["EMEA", "Berlin"]),
            path(&["Sales", "EMEA", "Berlin"])
        ]
    );
    let of_group = |name| ways_of(&grants(&job, &object(ObjectKind::Group, name), &ways));
    assert_eq!(of_group("sales"), [Via::Named]);
    assert_eq!(of_group("other"), []);
}

#[test]
fn an_assignment_of_a_group_counts_only_where_the_group_is_security_enabled() {
    let choir = |security: Option<bool>| {
        let mut choir = object(ObjectKind::Group, "choir");
        if let Some(enabled) = security {
            choir
                .attributes
                .set("securityEnabled", Value::Boolean(enabled));
        }
        choir
    };
    let assigned = [DEFAULT_ACCESS_ROLE.to_owned()];
    let jane = object(ObjectKind::User, "jane");
    let judged = |mode: ScopeMode, security| {
        let choir = choir(security);
        let seeds = [(key("choir"), "Choir".to_owned())];
        let mut granting = GrantingGroups::new(seeds, &[]);
        if mode == ScopeMode::Assigned {
            granting = granting.with_effects_of([&choir]);
        }
        let job = job(mode);
        let judged = |object: &SourceObject, own: &[String], member_of: &[Key]| {
            let ways = Ways {
                assigned: own,
                member_of,
                assigned_to_group: &|_| assigned.to_vec(),
                granting: &granting,
                roles: &BTreeMap::new(),
            };
            let why = without_effect(&job, object, &ways);
            judge(
                &job,
                object,
                &grants(&job, object, &ways),
                why.as_ref(),
                &[],
            )
        };
        (
            judged(&choir, &assigned, &[]),
            judged(&jane, &[], &[key("choir")]),
        )
    };
    let no = |why: WhyOut| (Err(why.clone()), Err(why));
    assert_eq!(judged(ScopeMode::Assigned, Some(true)), (Ok(()), Ok(())));
    assert_eq!(
        judged(ScopeMode::Assigned, Some(false)),
        no(WhyOut::NotSecurityEnabled)
    );
    assert_eq!(
        judged(ScopeMode::Assigned, None),
        no(WhyOut::SecurityNotRead)
    );
    let named = || ScopeMode::Groups(vec!["choir".to_owned()]);
    for security in [Some(true), Some(false), None] {
        assert_eq!(judged(named(), security), (Ok(()), Ok(())));
    }
}

#[test]
fn named_groups_are_objects_whatever_brings_people_in() {
    let mut job = job(ScopeMode::Assigned);
    job.scope.group_objects = GroupObjects::Named(vec!["sales".to_owned(), "ID-2".to_owned()]);
    let granting = GrantingGroups::default();
    let roles = BTreeMap::new();
    let ways = Ways {
        assigned: &[],
        member_of: &[],
        assigned_to_group: &|_| Vec::new(),
        granting: &granting,
        roles: &roles,
    };
    let judged = |name: &str, more: Option<Grant>| {
        let group = object(ObjectKind::Group, name);
        let mut grants = grants(&job, &group, &ways);
        grants.extend(more);
        judge(&job, &group, &grants, None, &[])
    };
    assert_eq!(judged("Sales", None), Ok(()));
    assert_eq!(judged("id-2", None), Ok(()));
    assert_eq!(judged("Fans", None), Err(WhyOut::NotAssigned));
    assert_eq!(
        judged("Fans", Some(held(None, "User"))),
        Err(WhyOut::NotNamed)
    );
    let jane = object(ObjectKind::User, "Sales");
    assert_eq!(grants(&job, &jane, &ways), []);
}

#[test]
fn a_filter_sees_the_manager_by_its_id() {
    let mut jane = object(ObjectKind::User, "jane");
    let grants = [held(None, "User")];
    let passes = |jane: &SourceObject, operator, value| {
        judge(
            &filtered("manager", operator, value),
            jane,
            &grants,
            None,
            &[],
        )
        .is_ok()
    };
    assert!(passes(&jane, "IS NULL", None));
    jane.attributes.set("manager", Value::Reference(id("boss")));
    assert!(passes(&jane, "IS NOT NULL", None));
    assert!(passes(&jane, "EQUALS", Some("boss")));
    assert!(!passes(&jane, "EQUALS", Some("other")));
}
