//! Several creates and changes in one request (RFC 7644 section 3.7): what comes of each is as if it had been sent
//! alone, and a target that does not take such requests, or answers them wrongly, gets each alone.

use entrain::sandbox::{Bulk, Exchange, Fault, Personality, Quirk, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::{same, settles};
use crate::foreign::Kind;
use crate::forms::lives;
use crate::refusals::words;
use crate::rig::Rig;
use crate::target::Expected;

pub(crate) fn take_bulk(rig: &Rig) {
    let bulk = Some(Bulk::default());
    rig.sandbox.target.configure(|target| target.bulk = bulk);
}

async fn start(size: Size) -> Rig {
    let rig = Rig::start(size).await;
    take_bulk(&rig);
    rig
}

fn is_bulk(exchange: &Exchange) -> bool {
    exchange.path.ends_with("/Bulk")
}

/// The bulk requests since the last reset.
fn bulks(rig: &Rig) -> usize {
    rig.sandbox.target.traffic().count_where(is_bulk)
}

/// How many operations each bulk request held, in order.
fn sizes(rig: &Rig) -> Vec<usize> {
    let mut sizes = Vec::new();
    for exchange in rig.sandbox.target.traffic().exchanges() {
        if is_bulk(&exchange) {
            let body: Value = serde_json::from_str(&exchange.body.unwrap()).unwrap();
            sizes.push(body["Operations"].as_array().unwrap().len());
        }
    }
    sizes
}

/// Requests that the rows of the ledger were sent in.
fn attempts(rig: &Rig) -> usize {
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let sql = "SELECT coalesce(sum(attempts), 0) FROM actions WHERE state BETWEEN 10 AND 16";
    let sent: i64 = state.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(sent).unwrap()
}

fn joiners(rig: &Rig, count: usize) {
    for number in 0..count {
        rig.joiner(&format!("p{number}"));
    }
}

/// The word and the evidence of what was learned.
fn learned(rig: &Rig, knob: &str) -> Option<(String, String)> {
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let sql = "SELECT word, evidence FROM learned WHERE knob = ?1 AND at > '2020'";
    let found = state.query_row(sql, [knob], |row| Ok((row.get(0)?, row.get(1)?)));
    found.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_arrives_in_bulk_requests() {
    let rig = start(Size::new(300, 30, 900)).await;
    settles(&rig, &mut Expected::default()).await;
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.writes(), attempts(&rig));
    let alone = traffic.count_where(|one| {
        let is_write = matches!(one.method.as_str(), "POST" | "PATCH" | "PUT" | "DELETE");
        is_write && !one.in_bulk && !is_bulk(one)
    });
    assert!(alone < 20, "{alone} alone, {} in bulk", bulks(&rig));
    assert!(bulks(&rig) * 12 < traffic.writes(), "{}", bulks(&rig));
    // A life with each kind of change.
    lives(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_initial_cycle_needs_fewer_requests_with_bulk() {
    let mut counts = Vec::new();
    for bulk in [None, Some(Bulk::default())] {
        let rig = Rig::start(Size::new(1_000, 50, 2_000)).await;
        rig.sandbox.target.configure(|target| target.bulk = bulk);
        rig.sync().await.expect(0);
        let traffic = rig.sandbox.target.traffic();
        let objects = rig.sandbox.target.user_count() + rig.sandbox.target.group_count();
        let reads = traffic.count_of("GET");
        let requests = traffic.count() - reads;
        show(bulk.is_some(), objects, reads, requests);
        counts.push((objects, requests));
    }
    let [(objects, alone), (same, bulk)] = counts.try_into().unwrap();
    assert_eq!(objects, same);
    assert!(alone >= objects, "{alone}");
    assert!(bulk * 12 < alone, "{bulk} of {alone}");
}

#[expect(clippy::print_stdout, reason = "docs/performance.md has these figures")]
fn show(in_bulk: bool, objects: usize, reads: usize, writes: usize) {
    let how = if in_bulk { "in bulk" } else { "alone" };
    println!("{how}: {objects} objects, {reads} reads, {writes} other requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_removed_by_a_bulk_request() {
    let rig = start(Size::new(0, 0, 0)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 100\nmax_membership_removals = 100\n");
    rig.sandbox.target.traffic().record_bodies(true);
    let people: Vec<_> = (0..12)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    for name in ["Fans", "Sales", "Staff"] {
        let group = rig.tenant().add_group(name);
        rig.tenant().add_members(group, &people[..6]);
        rig.tenant().assign(group, ROLE_USER);
    }
    let mut expected = Expected::default();
    settles(&rig, &mut expected).await;
    for group in rig.tenant().groups() {
        rig.tenant().remove_members(group.id, &people[..2]);
    }
    for person in &people[6..9] {
        rig.tenant().disable_user(*person);
    }
    for person in &people[9..] {
        rig.tenant().set_property(*person, "jobTitle", json!(null));
    }
    settles(&rig, &mut expected).await;
    assert!(bulks(&rig) > 0);
    for one in rig.sandbox.target.traffic().exchanges() {
        let body = one.body.unwrap_or_default();
        let removes = body.contains("\"remove\"") || body.contains("\"active\",\"value\":false");
        assert!(
            !one.in_bulk || !(removes || one.method == "DELETE"),
            "{body}"
        );
    }
}

/// A cycle in which some creates and changes are refused, and what came of it, without times and ids.
async fn with_refusals(bulk: bool) -> (Value, Vec<String>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    if bulk {
        take_bulk(&rig);
    }
    joiners(&rig, 20);
    rig.sync().await.expect(0);
    let people = rig.tenant().user_ids();
    for person in &people {
        rig.tenant()
            .set_property(*person, "jobTitle", json!("Boss"));
        rig.tenant()
            .set_property(*person, "mobilePhone", json!("+49 1"));
    }
    joiners_named(&rig, "new", 20);
    rig.sandbox.target.configure(|target| {
        let refusal = (400, "phoneNumbers is not allowed".to_owned());
        target
            .refused_attributes
            .insert("phoneNumbers".to_owned(), refusal);
    });
    // Created by others between the look-up and the create.
    rig.sandbox
        .target
        .create_user(&json!({"userName": "new3@contoso.com"}));
    let nothing = Fault::new("\"new3@contoso.com\"", Trouble::EmptyList).method("GET");
    rig.sandbox.target.traffic().inject(nothing);
    let summary = rig.sync().await.expect(3).job();
    let mut failures: Vec<String> = Vec::new();
    for failure in summary["failures"].as_array().unwrap() {
        let message = failure["message"].as_str().unwrap();
        let (before, after) = message.split_once(" attempt, ").unwrap();
        let (_, after) = after.split_once(" s").unwrap();
        let id = rig.sandbox.target.users();
        let message = id.iter().fold(format!("{before}{after}"), |text, user| {
            text.replace(user["id"].as_str().unwrap(), "ID")
        });
        let label = &failure["subject"]["label"];
        failures.push(format!(
            "{label} {} {} {message}",
            failure["action"], failure["class"]
        ));
    }
    failures.sort();
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.count_where(is_bulk) > 0, bulk);
    (summary["done"].clone(), failures)
}

fn joiners_named(rig: &Rig, name: &str, count: usize) {
    for number in 0..count {
        rig.joiner(&format!("{name}{number}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_ends_as_if_it_had_been_sent_alone() {
    let (alone, bulk) = tokio::join!(with_refusals(false), with_refusals(true));
    assert!(!alone.1.is_empty());
    assert_eq!(alone, bulk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_bulk_requests_gets_each_alone_in_the_same_cycle() {
    for status in [400, 403, 404, 405, 501] {
        let rig = start(Size::new(20, 3, 40)).await;
        rig.sandbox
            .target
            .configure(|target| target.bulk_refused = Some(status));
        settles(&rig, &mut Expected::default()).await;
        assert_eq!(bulks(&rig), 1, "{status}");
        let (word, evidence) = learned(&rig, "bulk").unwrap();
        assert_eq!(word, "off");
        assert!(
            evidence.contains(&format!("/Bulk: status {status}")),
            "{evidence}"
        );
        // It is remembered, until what is known of the target is forgotten.
        joiners(&rig, 5);
        rig.sync().await.expect(0);
        assert_eq!(bulks(&rig), 1, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_bulk_requests_wrongly_gets_each_alone_in_the_same_cycle() {
    for quirk in [Quirk::BulkIgnored, Quirk::BulkAnswersNothing] {
        let rig = start(Size::new(20, 3, 40)).await;
        rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"2s\""));
        rig.sandbox.target.enable(quirk);
        rig.sandbox.target.traffic().record_bodies(true);
        let run = rig.sync().await;
        assert!(run.code == 0 || run.code == 3, "{run:?}");
        // Those that were to show whether it works are created once nothing of that can arrive any more.
        let left = sizes(&rig)[0];
        assert!(left <= 2, "{left}");
        let missing = Expected::default().after_cycle(rig.tenant()).users.len()
            - rig.sandbox.target.user_count();
        assert!(missing <= left, "{quirk:?}: {missing}");
        assert_eq!(learned(&rig, "bulk").unwrap().0, "off", "{quirk:?}");
        assert_eq!(bulks(&rig), 1, "{quirk:?}");
        settles(&rig, &mut Expected::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bulk_request_left_out_is_looked_up_before_it_is_sent_again() {
    let rig = start(Size::new(0, 0, 0)).await;
    rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"2s\""));
    rig.sandbox.target.enable(Quirk::BulkStopsAtError);
    joiners(&rig, 30);
    let taken = words(400, "invalidValue", "no such thing");
    let fault = Fault::new("/Users", taken).method("POST").after(10);
    rig.sandbox.target.traffic().inject(fault);
    rig.sync().await.expect(3);
    assert_eq!(learned(&rig, "bulk").unwrap().0, "off");
    let (mut target, mut expected) = (rig.target().await, Expected::default());
    assert_eq!(target.duplicates, Vec::<String>::new());
    rig.sync().await.expect(0);
    target = rig.target().await;
    assert_eq!(target.duplicates, Vec::<String>::new());
    same(&target, &expected.after_cycle(rig.tenant()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_names_is_read_in_order() {
    let rig = start(Size::new(30, 3, 60)).await;
    rig.sandbox.target.enable(Quirk::BulkAnswersBare);
    settles(&rig, &mut Expected::default()).await;
    assert!(bulks(&rig) > 1);
    assert_eq!(learned(&rig, "bulk"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_request_is_no_larger_than_the_target_takes() {
    let limits = [
        (
            Bulk {
                operations: 5,
                ..Bulk::default()
            },
            None,
        ),
        (
            Bulk {
                payload: 4_000,
                ..Bulk::default()
            },
            None,
        ),
        (
            Bulk {
                takes: 3,
                ..Bulk::default()
            },
            Some("2"),
        ),
    ];
    for (limit, halved) in limits {
        let rig = Rig::start(Size::new(40, 2, 40)).await;
        rig.sandbox
            .target
            .configure(|target| target.bulk = Some(limit));
        rig.sandbox.target.traffic().record_bodies(true);
        settles(&rig, &mut Expected::default()).await;
        let too_large = rig
            .sandbox
            .target
            .traffic()
            .count_where(|one| one.status == Some(413));
        let sizes = sizes(&rig);
        assert!(sizes.len() > 7, "{sizes:?}");
        assert_eq!(too_large > 0, halved.is_some(), "{sizes:?}");
        let learned = learned(&rig, "bulk_operations").map(|(most, _)| most);
        assert!(learned.is_some() == halved.is_some(), "{learned:?}");
        if halved.is_none() {
            assert!(
                sizes.iter().all(|size| *size <= limit.operations),
                "{sizes:?}"
            );
            continue;
        }
        // The next cycle knows it.
        rig.sandbox.target.traffic().reset();
        joiners(&rig, 20);
        rig.sync().await.expect(0);
        let again = rig
            .sandbox
            .target
            .traffic()
            .count_where(|one| one.status == Some(413));
        assert_eq!(again, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_bulk_request_without_an_answer_everything_in_it_is_looked_up() {
    for trouble in [
        Trouble::AnswerLost,
        Trouble::TornBody,
        Trouble::status(502),
        Trouble::html(200),
        Trouble::Twice,
    ] {
        let rig = start(Size::new(40, 3, 60)).await;
        rig.edit(|text| text.replace("timeout = \"5s\"", "timeout = \"2s\""));
        // The first ones are few, to see whether it works.
        let fault = Fault::new("/Bulk", trouble.clone()).after(1);
        rig.sandbox.target.traffic().inject(fault);
        let run = rig.sync().await;
        assert!(run.code == 0 || run.code == 3, "{trouble:?} {run:?}");
        assert!(!rig.sandbox.target.traffic().has_faults());
        assert_eq!(rig.target().await.duplicates, Vec::<String>::new());
        settles(&rig, &mut Expected::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_refused_row_of_a_bulk_request_is_always_tried() {
    // As many rows as there may be, most of which are followed by others.
    for _ in 0..5 {
        let rig = start(Size::new(0, 0, 0)).await;
        rig.sandbox.target.enable(Quirk::UnknownMembersCrash);
        joiners(&rig, 40);
        rig.sync().await.expect(0);
        let people = rig.tenant().user_ids();
        for number in 0..30 {
            let group = rig.tenant().add_group(&format!("Group {number}"));
            rig.tenant().add_members(group, &people);
            rig.tenant().assign(group, ROLE_USER);
        }
        let gone = rig.user("p7@contoso.com");
        rig.sandbox.target.delete(gone["id"].as_str().unwrap());
        for person in &people {
            rig.tenant()
                .set_property(*person, "jobTitle", json!("Boss"));
            rig.tenant()
                .set_property(*person, "mobilePhone", json!("+49 1"));
        }
        rig.sandbox.target.configure(|target| {
            let refusal = (400, "phoneNumbers is not allowed".to_owned());
            target
                .refused_attributes
                .insert("phoneNumbers".to_owned(), refusal);
        });
        let summary = rig.sync().await.expect(3).job();
        for group in rig.sandbox.target.groups() {
            let members = rig.sandbox.target.members(group["id"].as_str().unwrap());
            assert_eq!(members.len(), people.len() - 1, "{summary:#}");
        }
        for number in (0..40).filter(|number| *number != 7) {
            let user = rig.user(&format!("p{number}@contoso.com"));
            assert_eq!(user["title"], "Boss", "{summary:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_decides_about_bulk_requests() {
    let rig = start(Size::new(10, 2, 10)).await;
    rig.configure("bulk = \"off\"");
    settles(&rig, &mut Expected::default()).await;
    assert_eq!(bulks(&rig), 0);
    let rig = start(Size::new(10, 2, 10)).await;
    rig.sandbox.target.configure(|target| {
        *target = Personality::default().with(Quirk::NoDiscovery);
        target.bulk = Some(Bulk::default());
    });
    rig.configure("bulk = \"on\"");
    settles(&rig, &mut Expected::default()).await;
    assert!(bulks(&rig) > 0);
}

async fn takes_bulk_requests(kind: Kind) {
    let Some(rig) = Rig::against(kind, Size::new(60, 5, 100)).await else {
        return;
    };
    settles(&rig, &mut Expected::default()).await;
    for way in ["create user", "create group", "change group"] {
        let verified = learned(&rig, &format!("verified bulk {way}"));
        assert!(verified.is_some(), "{way}");
    }
    assert_eq!(learned(&rig, "bulk"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn scimmy_takes_bulk_requests() {
    takes_bulk_requests(Kind::Scimmy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scim2_server_takes_bulk_requests() {
    takes_bulk_requests(Kind::Scim2Server).await;
}
