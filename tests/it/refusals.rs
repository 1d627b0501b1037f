//! What a target refuses: one attribute, one member or one address keeps nothing else out, and no refusal
//! becomes a storm.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start() -> Rig {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.sandbox.target.traffic().record_bodies(true);
    rig
}

fn inject(rig: &Rig, fault: Fault) {
    rig.sandbox.target.traffic().inject(fault);
}

/// A refusal in the target's own words.
fn words(status: u16, scim_type: &str, detail: &str) -> Trouble {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "scimType": scim_type,
        "detail": detail,
    });
    Trouble::body(status, &body.to_string())
}

/// A group with so many members, all of them in scope.
fn group_of(rig: &Rig, members: usize) {
    let group = rig.tenant().add_group("Fans");
    let members: Vec<_> = (0..members)
        .map(|number| rig.joiner(&format!("fan{number}")))
        .collect();
    rig.tenant().add_members(group, &members);
    rig.tenant().assign(group, ROLE_USER);
}

fn members_of_fans(rig: &Rig) -> Vec<String> {
    let fans = rig.sandbox.target.find_group_by("displayName", "Fans");
    let id = fans.unwrap()["id"].as_str().unwrap().to_owned();
    rig.sandbox.target.members(&id)
}

/// How many members each PATCH of a group carried, in order.
fn chunks(rig: &Rig) -> Vec<usize> {
    let sent = rig.sandbox.target.traffic().exchanges();
    sent.iter()
        .filter(|exchange| exchange.method == "PATCH" && exchange.path.contains("/Groups/"))
        .map(|exchange| {
            let body: Value = serde_json::from_str(exchange.body.as_ref().unwrap()).unwrap();
            let operations = body["Operations"].as_array().unwrap();
            let members = operations.iter().map(|operation| {
                let members = operation["value"].as_array();
                members.map_or(1, Vec::len)
            });
            members.sum()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_says_which_address_is_taken() {
    let rig = start().await;
    rig.joiner("jane");
    let taken = words(409, "uniqueness", "userName 'jane@contoso.com' is taken");
    inject(&rig, Fault::new("/Users", taken).method("POST"));
    let summary = rig.sync().await.expect(3).job();
    let message = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("userName 'jane@contoso.com' is taken"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_at_once_is_not_stormed() {
    let rig = start().await;
    rig.joiner("jane");
    let at_once = Fault::new("/Users", Trouble::throttled(0)).method("POST");
    inject(&rig, at_once.forever());
    let began = Instant::now();
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failures"][0]["class"], "throttled", "{summary:#}");
    assert_eq!(rig.sandbox.target.traffic().count_of("POST"), 5);
    // At least half of 0.5, 1, 2 and 4 seconds.
    assert!(began.elapsed() > Duration::from_millis(3_700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_route_is_not_about_the_members() {
    for status in [501, 405, 428] {
        let rig = start().await;
        group_of(&rig, 120);
        let route = |method| Fault::new("/Groups/", Trouble::status(status)).method(method);
        inject(&rig, route("PATCH").forever());
        inject(&rig, route("PUT").forever());
        rig.sync().await.expect(3);
        let traffic = rig.sandbox.target.traffic();
        let sent = traffic.count_of("PATCH") + traffic.count_of("PUT");
        assert!(sent <= 3, "{status}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_halved_and_never_sent_one_by_one() {
    let rig = start().await;
    group_of(&rig, 60);
    rig.sandbox
        .target
        .configure(|target| target.max_members_per_patch = Some(8));
    rig.sync().await.expect(0);
    assert_eq!(members_of_fans(&rig).len(), 60);
    let chunks = chunks(&rig);
    assert!(chunks.iter().all(|chunk| *chunk > 1), "{chunks:?}");
    assert!(chunks.len() <= 15, "{chunks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_update_nothing_is_sent_to_accounts_that_exist() {
    let rig = start().await;
    let boss = rig.joiner("boss");
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    rig.tenant().set_manager(jane, Some(boss));
    let there = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "jane@contoso.com",
        "active": true,
    });
    rig.sandbox.target.create_user(&there).unwrap();
    rig.configure("[jobs.users]\nactions = [\"create\"]\n[jobs.groups]\nactions = [\"create\"]");
    let adopted = rig.sync().await.expect(0).job();
    assert_eq!(adopted["done"], json!({"adopt": 1}), "{adopted:#}");
    rig.tenant().set_manager(boss, Some(jane));
    rig.tenant().set_property(jane, "jobTitle", json!("Boss"));
    rig.sync().await.expect(0);
    let writes = |exchange: &entrain::sandbox::Exchange| exchange.path.contains("/Users/");
    let traffic = rig.sandbox.target.traffic();
    let sent = traffic.count_where(|one| one.method != "GET" && writes(one));
    assert_eq!(sent, 0, "{:#?}", traffic.exchanges());

    // It is sent once it is allowed.
    rig.configure("");
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "Boss");
}
