//! Objects that are gone from the target: few are created again, many only once a person approved it; and
//! the first of a cycle is a reason to look at others.

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start(people: usize) -> (Rig, Vec<Uuid>) {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.edit(|text| text.replace("timeout = ", "concurrency = 1\ntimeout = "));
    let people = (0..people)
        .map(|number| rig.joiner(&format!("p{number}")))
        .collect();
    rig.sync().await.expect(0);
    (rig, people)
}

fn id_of(rig: &Rig, number: usize) -> String {
    let user = rig.user(&format!("p{number}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

fn title(rig: &Rig, number: usize) -> Value {
    rig.user(&format!("p{number}@contoso.com"))["title"].clone()
}

/// Deleted in the target behind our back.
fn lose(rig: &Rig, number: usize) {
    assert!(rig.sandbox.target.delete(&id_of(rig, number)));
}

fn promote(rig: &Rig, user: Uuid) {
    rig.tenant().set_property(user, "jobTitle", json!("Boss"));
}

async fn is_settled(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_gone_at_once_are_created_again_only_once_that_is_approved() {
    let (rig, people) = start(24).await;
    for (number, user) in people[..7].iter().enumerate() {
        lose(&rig, number);
        promote(&rig, *user);
    }
    rig.sync().await.expect(3);
    // All else goes on.
    rig.joiner("new");
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["reason"], "gone-at-once", "{held:#}");
    assert_eq!(held["held"]["objects"], 7, "{held:#}");
    assert_eq!(held["done"], json!({"create": 1}), "{held:#}");
    assert_eq!(rig.sandbox.target.user_count(), 18);
    let status = rig.run(&["status", "--format", "json"]).await.job();
    assert_eq!(
        status["held"]["removals"],
        json!({"create": 7}),
        "{status:#}"
    );

    let plan = rig.run(&["plan"]).await.expect(4).out;
    assert!(
        plan.contains("7 objects at once were gone from the target"),
        "{plan}"
    );
    let explained = rig
        .run(&["explain", "demo", "p0@contoso.com"])
        .await
        .expect(0)
        .out;
    for words in [
        "otherwise created, once that is approved",
        "approve what is held",
    ] {
        assert!(explained.contains(words), "{words}: {explained}");
    }

    // One is approved, and one rejected; the others wait on, few as they are.
    let one = |word| [word, "demo", "--user", "p0@contoso.com"];
    rig.run(&one("approve")).await.expect(0);
    let reject = ["reject", "demo", "--user", "p1@contoso.com"];
    rig.run(&reject).await.expect(0);
    let held = rig.sync().await.expect(4).job();
    assert_eq!(held["held"]["objects"], 5, "{held:#}");
    assert_eq!(rig.sandbox.target.user_count(), 19);
    assert_eq!(title(&rig, 0), "Boss");
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 24);
    assert_eq!(
        rig.sandbox
            .target
            .find_user_by("userName", "p1@contoso.com"),
        None
    );
    // It is planned again in each cycle, and stays rejected.
    let writes = rig.sandbox.target.writes();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_who_were_gone_in_great_number_are_created_again_when_they_come_back() {
    let (rig, people) = start(24).await;
    rig.configure("[jobs.safety]\nmax_deletions = 1000");
    for (number, user) in people[..7].iter().enumerate() {
        lose(&rig, number);
        rig.tenant().unassign(*user);
    }
    rig.sync().await.expect(3);
    rig.sync().await.expect(0);
    for user in &people[..7] {
        rig.tenant().assign(*user, ROLE_USER);
    }
    let back = rig.sync().await.expect(0).job();
    assert_eq!(back["done"], json!({"create": 7}), "{back:#}");
    assert_eq!(rig.sandbox.target.user_count(), 24);
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_that_are_gone_are_created_again() {
    let (rig, people) = start(24).await;
    for (number, user) in people[..5].iter().enumerate() {
        lose(&rig, number);
        promote(&rig, *user);
    }
    rig.sync().await.expect(3);
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 24);
    assert_eq!(title(&rig, 4), "Boss");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_there_after_all_are_linked_again_whatever_is_held() {
    let (rig, people) = start(24).await;
    let users: Vec<Value> = (0..7)
        .map(|number| rig.user(&format!("p{number}@contoso.com")))
        .collect();
    for (number, user) in people[..7].iter().enumerate() {
        lose(&rig, number);
        promote(&rig, *user);
    }
    rig.sync().await.expect(3);
    rig.sync().await.expect(4);
    for mut user in users {
        user.as_object_mut().unwrap().remove("id");
        rig.sandbox.target.create_user(&user).unwrap();
    }
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 24);
    assert_eq!(title(&rig, 6), "Boss");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_that_is_gone_makes_the_others_that_are_wrong_be_matched_again() {
    let (rig, people) = start(15).await;
    let another = id_of(&rig, 14);
    lose(&rig, 0);
    lose(&rig, 13);
    let renamed =
        json!({"userName": "somebody@else.example", "externalId": "4711", "title": "Own"});
    assert!(rig.sandbox.target.change_user(&another, &renamed));
    // There is no reason to evaluate the one but last.
    for number in (0..13).chain([14]) {
        promote(&rig, people[number]);
    }
    rig.sync().await.expect(3);
    let stays = rig.sandbox.target.user(&another).unwrap();
    assert_eq!(stays["title"], "Own", "it is somebody else's now");
    rig.sync().await.expect(0);
    for number in 0..15 {
        let boss = if number == 13 { "Engineer" } else { "Boss" };
        assert_eq!(title(&rig, number), boss, "{number}");
    }
    assert_eq!(rig.sandbox.target.user(&another).unwrap()["title"], "Own");
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_too_few_can_be_read_nothing_is_written_after_the_first_that_is_gone() {
    let (rig, people) = start(15).await;
    lose(&rig, 0);
    promote(&rig, people[0]);
    promote(&rig, people[1]);
    let traffic = rig.sandbox.target.traffic();
    for number in 2..15 {
        let path = format!("/Users/{}", id_of(&rig, number));
        let broken = Fault::new(&path, Trouble::status(500));
        traffic.inject(broken.method("GET").forever());
    }
    traffic.reset();
    let cycle = rig.sync().await.expect(3).job();
    assert_eq!(title(&rig, 1), "Engineer", "{cycle:#}");
    assert_eq!(traffic.writes(), 1, "{cycle:#}");
    traffic.clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(
        (title(&rig, 0), title(&rig, 1)),
        (json!("Boss"), json!("Boss"))
    );
    is_settled(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn own_deletes_whose_answers_were_lost_are_no_sign_of_another_target() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    rig.configure(
        "[jobs.users]\nwhen_out_of_scope = \"delete\"\n[jobs.safety]\nmax_deletions = \"100%\"",
    );
    let people: Vec<_> = (0..12)
        .map(|one| rig.joiner(&format!("user{one}")))
        .collect();
    rig.sync().await.expect(0);
    for one in &people[..8] {
        rig.tenant().unassign(*one);
    }
    let traffic = rig.sandbox.target.traffic();
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    traffic.befall(move |method, _| {
        let is_delete = method == "DELETE";
        if is_delete {
            sent.send(()).unwrap();
        }
        is_delete.then_some(Trouble::AnswerLost)
    });
    let file = rig.path("entrain.toml");
    let all_sent = async {
        for _ in 0..8 {
            seen.recv().await.unwrap();
        }
    };
    // The process ends before it learns what came of them.
    tokio::select! {
        ended = entrain::in_process::sync(&file) => panic!("{ended:?}"),
        () = all_sent => {}
    }
    while traffic.under_way() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    traffic.clear_faults();
    assert_eq!(rig.sandbox.target.user_count(), 4);
    // Two thirds of what is linked is gone, by requests that are on record.
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    // Those who come back are created at once.
    for one in &people[..8] {
        rig.tenant().assign(*one, ROLE_USER);
    }
    let back = rig.sync().await.expect(0).job();
    assert_eq!(back["done"]["create"], 8, "{back:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_gone_when_the_answer_to_its_delete_was_lost() {
    let (rig, people) = start(2).await;
    rig.configure(
        "[jobs.users]\nwhen_out_of_scope = \"delete\"\n[jobs.safety]\nmax_deletions = 1000\n",
    );
    let jane = people[0];
    rig.sync().await.expect(0);
    rig.tenant().disable_user(jane);
    rig.sync().await.expect(0);
    assert_eq!(rig.user("p0@contoso.com")["active"], false);
    let path = format!("/Users/{}", id_of(&rig, 0));
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new(&path, Trouble::AnswerLost).method("DELETE"));
    let unread = Fault::new(&path, Trouble::status(400)).method("GET");
    traffic.inject(unread.after(1).forever());
    rig.tenant().unassign(jane);
    rig.sync().await;
    assert_eq!(rig.sandbox.target.user_count(), 1);
    traffic.clear_faults();
    // There is no other disabled account to tell by whether the target hides them.
    rig.sync().await.expect(0);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_is_answered_404_proves_nothing_where_searches_give_empty_lists() {
    let (rig, people) = start(2).await;
    let path = format!("/Users/{}", id_of(&rig, 0));
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new(&path, Trouble::status(404)).times(3));
    traffic.inject(Fault::new("filter=", Trouble::status(404)));
    rig.tenant()
        .set_property(people[0], "userPrincipalName", json!("janet@contoso.com"));
    rig.sync().await;
    traffic.clear_faults();
    rig.run(&["resume", "demo"]).await;
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.user_count(), 2);
    rig.user("janet@contoso.com");
}
