//! Summaries, problems, checks and the state of jobs.

use super::*;
use crate::engine::emptied::EmptiedBy;

#[test]
fn warnings_about_people_are_cut_short_in_text_alone() {
    let mut review = reviewed(Vec::new(), Vec::new(), 1);
    review.header.warnings = in_several_groups(7);
    let short = plan_text(&review, Style::default());
    let (_, tail) = short.split_once("\nWarnings\n").unwrap();
    insta::assert_snapshot!(tail, @r##"
      ! ann1@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ! ann2@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ! ann3@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ! ann4@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ! ann5@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ! and 2 more like this (-v lists them)

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete, 7 warnings.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
    let whole = plan_text(&review, DETAILS);
    assert_eq!(whole.matches("is in several groups").count(), 7);
    let document = json(|document| document.plan(&view(&review)).unwrap());
    let warnings = document["jobs"][0]["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 7);
    assert_eq!(warnings[0]["reason"], "several-groups");
    assert_eq!(warnings[0]["subject"]["label"], "ann1@contoso.com");
    assert_eq!(warnings[0]["groups"][0]["label"], "Berlin");
}

#[test]
fn a_name_of_the_scope_that_does_not_exist_is_reported_with_a_remedy() {
    let mut sales = misnamed(Naming::ScopeGroups, "Slaes", &[]);
    sales.nearest = vec!["Sales".to_owned(), "Sales DE".to_owned()];
    let provision = misnamed(Naming::Provision, "Nope\u{1b}", &[]);
    let several = misnamed(Naming::ScopeGroups, "Fans", &["g1", "g2"]);
    insta::assert_snapshot!(crate::report::doubts(&[sales, several.clone(), provision]).into_values().collect::<Vec<_>>().join("; "), @r##"scope.groups names "Slaes", but no group has this id or display name (did you mean "Sales" or "Sales DE"? correct it, or remove it from the list; an id stays valid when a group is renamed); groups.provision names "Nope\u{1b}", but no group has this id or display name (correct it, or remove it from the list; an id stays valid when a group is renamed)"##);
    assert!(crate::report::doubts(std::slice::from_ref(&several)).is_empty());
    insta::assert_snapshot!(crate::report::misnamed(&several), @r##"scope.groups names "Fans", which is the name of several groups; all of them are used: g1, g2"##);
}

#[test]
fn a_summary_says_what_was_done_what_failed_and_what_is_held() {
    let mut out = Vec::new();
    text::summary(&mut out, &summary(), Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    wizer: incremental cycle 7 completed in 1 min 5 s
      2,000 created, 1 membership added, 3 failed, 1 not tried
      12,345 users and 1 group linked
      1 user and 2 groups evaluated, 3 skipped
      1 request to the source, 2,010 to the target
      ✗ The scope is not certain; removals are postponed: page 2 of the groups: HTTP 500
      ! scope.exclude names "anna@contoso.con", but no user or group has this id or name, so nothing is excluded by it
      ✗ create user kim@contoso.com: POST /Users: userName is too long (refused, HTTP 400); it may have been carried out anyway; the next cycle checks
      and 2 more that failed
      ! ann1@contoso.com is in several groups: Berlin, Sales\u{1b}; the target expects each user in only one (one_group_each)
      ✗ 610 removals held: 600 disables and deletes of other users are planned in addition to 20 within the last 24 hours, and the job's limit is 500 in 24 hours (safety.max_deletions); 2 groups lost more than half of their members within 24 hours.
        To review them: entrain plan wizer
        To approve them: entrain approve wizer --cycle 7
    "##);
}

#[test]
fn a_summary_in_json_has_the_same_facts() {
    let document = json(|document| document.summary(&summary()).unwrap());
    let summary = &document["jobs"][0];
    assert_eq!(summary["done"]["create"], 2_000);
    assert_eq!(summary["held"]["removals"], 610);
    assert_eq!(summary["failures"][0]["http_status"], 400);
    assert_eq!(summary["warnings"][0]["reason"], "several-groups");
    assert_eq!(summary["started"], "2027-01-15T08:00:00.000Z");
}

#[test]
fn a_problem_is_reported_with_its_place_and_its_remedy() {
    let problem = Problem {
        file: "entrain.toml".into(),
        line: Some(12),
        column: Some(8),
        variable: None,
        key: "jobs.wizer.target".to_owned(),
        message: "unknown key\nbase_ulr".to_owned(),
        remedy: "did you mean base_url?".to_owned(),
    };
    let mut out = Vec::new();
    text::problem(&mut out, "error", &problem, Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    error: entrain.toml:12:8: jobs.wizer.target
        unknown key
        base_ulr
        help: did you mean base_url?
    "##);
}

#[test]
fn checks_are_a_table_with_remedies() {
    let checks = [
        Check {
            what: "access token".to_owned(),
            outcome: Ok("granted".to_owned()),
        },
        Check {
            what: "users".to_owned(),
            outcome: Err(Failed {
                words: "HTTP 403: Authorization_RequestDenied".to_owned(),
                remedy: Some("grant User.Read.All".to_owned()),
            }),
        },
    ];
    let mut out = Vec::new();
    text::checks(&mut out, "wizer", &checks, &[], Style::default()).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    wizer
      ✓ access token  granted
      ✗ users         HTTP 403: Authorization_RequestDenied
                      help: grant User.Read.All
    "##);
}

#[test]
fn a_status_is_a_table_and_what_needs_a_person() {
    let counted = |users, groups| Count { users, groups };
    let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
    let new = JobStatus {
        job: JobName::new("sosafe"),
        enabled: true,
        next: Some(at(0)),
        retries: Some(Duration::from_mins(1)),
        record: JobRecord::new(),
    };
    let removal = |key, action: &str| HeldRemoval {
        subject: Subject {
            key: Key::new(key),
            ..user("lee@contoso.com")
        },
        member: None,
        action: action.to_owned(),
        cause: "not-assigned".to_owned(),
        reason: None,
    };
    let mut removals: Vec<_> = (1..=9).map(|key| removal(key, "disable")).collect();
    removals.push(removal(10, "delete"));
    let old = JobStatus {
        job: JobName::new("wizer"),
        enabled: true,
        next: Some(at(1_800)),
        retries: Some(Duration::from_mins(1)),
        record: JobRecord {
            full_evaluation: false,
            linked: counted(12_345, 20),
            in_escrow: counted(2, 0),
            escrow: vec![Escrowed {
                subject: user("kim@contoso.com"),
                action: "create".to_owned(),
                attempts: 3,
                first_failed: at(-9_000),
                last_failed: at(-600),
                class: Some(Class::Refused),
                http_status: Some(400),
                message: "HTTP 400: no".to_owned(),
                changed: false,
            }],
            held: Some(HeldSet {
                why: vec![WhyHeld::EmptiedScope {
                    kind: ObjectKind::User,
                    linked: counted(9, 1),
                    by: EmptiedBy::Source,
                }],
                since: at(-600),
                cycle: 7,
                removals,
            }),
            cycles: vec![CycleRecord {
                number: 7,
                kind: CycleKind::Incremental,
                state: CycleState::Ended(Health::Held),
                started: at(-600),
                finished: Some(at(-599)),
                duration_ms: 1_000,
                evaluated: Count::default(),
                in_scope: Count::default(),
                linked: Count::default(),
                done: BTreeMap::from([("create".to_owned(), 2)]),
                skipped: BTreeMap::new(),
                failed: 2,
                not_tried: 0,
                held: 10,
                requests: Requests::default(),
                incomplete: None,
                error: None,
                clock_ahead: None,
            }],
            ..JobRecord::new()
        },
    };
    let jobs = [new, old];
    let mut out = Vec::new();
    text::status(&mut out, &jobs, None, None, &[], (at(0), Style::default())).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r##"
    JOB     STATE      LAST START  USERS   GROUPS  ESCROW  HELD  NEXT
    sosafe  never run  -           0       0       0       0     due
    wizer   held       10 min ago  12,345  20      2       10    in 30 min

    wizer
      Incremental cycle 7, started 2027-01-15 07:50:00 UTC: held after 1.0 s
      2 created, 2 failed
      0 users linked
      0 requests to the source, 0 to the target
      ✗ Held since 2027-01-15 07:50 UTC: 1 delete, 9 disables; no user is in scope any more, although 9 users and 1 group are linked: probably an empty response from Entra.
        To review them: entrain plan wizer
        To approve them: entrain approve wizer --cycle 7
      ✗ create user kim@contoso.com: HTTP 400: no (failed in 3 cycles since 2027-01-15 05:30 UTC)
        Next retry: 2027-01-16 05:40 UTC, or as soon as it changes.
        Remedy: correct the refused value in Entra or in the mapping; until then it is retried once a day.
      and 1 more in escrow

    No service runs. To start it: entrain run; to run one cycle now: entrain sync
    "##);
    let document = json(|document| document.status(&jobs[1]).unwrap());
    assert_eq!(document["jobs"][0]["held"]["removals"]["disable"], 9);
    assert_eq!(document["jobs"][0]["last_cycle"]["state"], "held");
}

#[test]
fn what_is_said_of_a_job_stands_under_its_name_also_before_its_first_cycle() {
    let never_run = |name: &str| JobStatus {
        job: JobName::new(name),
        enabled: true,
        next: None,
        retries: None,
        record: JobRecord {
            pending: Count {
                users: 56,
                groups: 6,
            },
            ..JobRecord::new()
        },
    };
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let jobs = [never_run("second"), never_run("third")];
    let mut out = Vec::new();
    text::status(&mut out, &jobs, None, None, &[], (now, Style::default())).unwrap();
    let out = String::from_utf8(out).unwrap();
    for job in ["second", "third"] {
        let words = format!("\n{job}\n  56 users and 6 groups to be evaluated.\n");
        assert!(out.contains(&words), "{out}");
    }
}
