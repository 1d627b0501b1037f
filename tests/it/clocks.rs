//! Clocks that are ahead make nothing old, and what they noted for a time that is still to come holds nothing back.

use entrain::sandbox::{Fault, Size, Trouble};
use rusqlite::Connection;
use serde_json::json;

use crate::rig::Rig;
use crate::service::{Service, until};
use crate::unsettled::{clear, inject, is_active, nobody_knows_jane, path_of, start};

const YEAR: i64 = 365 * 86_400;
const AHEAD: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 year')";

/// Notes in the state, as a clock would have done that was a year ahead.
fn ahead(rig: &Rig, sql: &str) {
    let state = Connection::open(rig.path("entrain.db")).unwrap();
    assert!(state.execute(sql, []).unwrap() > 0, "{sql}");
}

fn unknown_ahead(rig: &Rig) {
    let sql = format!("UPDATE actions SET at = at + 1000 * {YEAR} WHERE state BETWEEN 1 AND 2");
    ahead(rig, &sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_end_is_not_known_is_settled_although_its_time_is_still_to_come() {
    let rig = start("").await;
    let jane = nobody_knows_jane(&rig).await;
    unknown_ahead(&rig);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);

    // A create that did nothing.
    rig.joiner("john");
    inject(&rig, Fault::new("/Users", Trouble::Refused).method("POST"));
    rig.sync().await.expect(3);
    clear(&rig);
    unknown_ahead(&rig);
    rig.sync().await.expect(0);
    assert!(is_active(&rig, "john"));

    // The disable of a leaver, of which nothing arrived, and that cannot be read back.
    let path = path_of(&rig, "jane");
    inject(
        &rig,
        Fault::new(&path, Trouble::Refused).method("PATCH").times(9),
    );
    rig.tenant().disable_user(jane);
    rig.sync().await;
    clear(&rig);
    unknown_ahead(&rig);
    rig.sync().await.expect(0);
    assert!(!is_active(&rig, "jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_at_a_time_that_is_still_to_come_is_retried() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let path = path_of(&rig, "jane");
    inject(
        &rig,
        Fault::new(&path, Trouble::status(403))
            .method("PATCH")
            .forever(),
    );
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Director"));
    rig.configure("[schedule]\ninterval = \"4h\"\nleavers = \"off\"\nretries = \"1h\"\n");
    let service = Service::start(&rig, &["run"]);
    until("the start", || service.log().contains("started")).await;
    service.signal("-USR1");
    until("a cycle", || service.log().contains("cycle ended")).await;
    service.signal("-TERM");
    service.end().await;
    clear(&rig);
    ahead(
        &rig,
        &format!("UPDATE escrow SET first_failed = {AHEAD}, last_failed = {AHEAD}"),
    );
    let service = Service::start(&rig, &["run"]);
    let has_arrived = || rig.user("jane@contoso.com")["title"] == "Director";
    until("it is retried", has_arrived).await;
    service.signal("-TERM");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_that_was_tried_at_a_time_that_is_still_to_come_ends() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sync().await.expect(0);
    inject(
        &rig,
        Fault::new("/Users", Trouble::status(500))
            .method("POST")
            .forever(),
    );
    for number in 0..6 {
        rig.joiner(&format!("joiner{number}"));
    }
    rig.sync().await;
    rig.sync().await.expect(4);
    clear(&rig);
    rig.sync().await.expect(4);
    assert_eq!(rig.sandbox.target.user_count(), 0);
    ahead(
        &rig,
        &format!("UPDATE jobs SET quarantine = {AHEAD}, quarantine_tried = {AHEAD}"),
    );
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 6);
}

/// As if the clock of this machine, which all cycles before agreed with, had been put forward by a year.
fn put_forward(rig: &Rig) {
    let earlier =
        |column: &str| format!("{column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-365 days')");
    ahead(
        rig,
        &format!(
            "UPDATE cycles SET {}, {}",
            earlier("started"),
            earlier("finished")
        ),
    );
    ahead(
        rig,
        &format!("UPDATE actions SET at = at - 1000 * {YEAR} WHERE at IS NOT NULL"),
    );
    let clock = now() - chrono::TimeDelta::days(365);
    rig.tenant()
        .configure(|settings| settings.clock = Some(clock));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of this machine is what is compared"
)]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

async fn in_log(rig: &Rig, alias: &str) -> bool {
    let log = rig.run(&["log", "demo"]).await.expect(0);
    log.out.contains(&format!("{alias}@contoso.com"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_year_ahead_deletes_nothing_from_the_log() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.joiner("john");
    rig.sync().await.expect(0);
    put_forward(&rig);
    for _ in 0..2 {
        let run = rig.run(&["sync"]).await.expect(0);
        let words = "the clock of this machine is 365 days ahead of that of Microsoft Graph";
        assert!(run.out.contains(words), "{run:?}");
        for alias in ["jane", "john"] {
            assert!(in_log(&rig, alias).await, "{alias}");
        }
        let status = rig.run(&["status"]).await.expect(0).out;
        assert!(status.contains("set the time of this machine"), "{status}");
    }
    // What is really that old goes.
    rig.tenant().configure(|settings| settings.clock = None);
    rig.sync().await.expect(0);
    assert!(!in_log(&rig, "jane").await);
    let status = rig.run(&["status"]).await.expect(0).out;
    assert!(!status.contains("set the time of this machine"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn removals_count_for_24_hours_also_where_the_clock_is_a_year_ahead() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 3\n");
    let ids: Vec<_> = (0..10)
        .map(|number| rig.joiner(&format!("user{number}")))
        .collect();
    rig.sync().await.expect(0);
    for id in &ids[..2] {
        rig.tenant().unassign(*id);
    }
    rig.sync().await.expect(0);
    put_forward(&rig);
    for id in &ids[2..4] {
        rig.tenant().unassign(*id);
    }
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["removals"], 2, "{held:#}");
    rig.tenant().assign(ids[3], entrain::sandbox::ROLE_USER);
    let run = rig.sync().await.expect(0).job();
    assert_eq!(run["done"]["disable"], 1, "{run:#}");
    // It was sent by a clock that was ahead, and counts as long as others do.
    rig.tenant().configure(|settings| settings.clock = None);
    ahead(
        &rig,
        &format!("UPDATE actions SET at = at + 1000 * {YEAR} WHERE at IS NOT NULL"),
    );
    rig.tenant().unassign(ids[4]);
    rig.sync().await.expect(4);
    let state = Connection::open(rig.path("entrain.db")).unwrap();
    let sql =
        "SELECT count(*) FROM actions WHERE class IS NOT NULL AND at > 1000 * (unixepoch() + 60)";
    let to_come: i64 = state.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(to_come, 0);
}
