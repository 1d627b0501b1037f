//! `SelectUniqueValue` in a job: the target is asked what it has, and no user gets what another has.

use std::collections::BTreeMap;

use entrain::sandbox::{Fault, Quirk, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The nickname is the first of title, title and department, and title with a 2 that is not taken.
const NICKNAME: &str = r#"[[jobs.users.mappings]]
target = "nickName"
expression = 'SelectUniqueValue([jobTitle], Join(".", [jobTitle], [department]), Append([jobTitle], "2"))'
"#;

/// A job whose people are in the target already; joiners come after that.
async fn start(extra: &str) -> Rig {
    let rig = Rig::start(Size::new(30, 4, 60)).await;
    rig.sync().await.expect(0);
    rig.configure(extra);
    rig.sync().await.expect(0);
    rig.sandbox.target.traffic().reset();
    rig
}

fn joiner(rig: &Rig, alias: &str, title: &str) -> Uuid {
    let id = rig.joiner(alias);
    rig.tenant().set_property(id, "jobTitle", json!(title));
    rig.tenant().set_property(id, "department", json!("it"));
    id
}

fn stranger(rig: &Rig, name: &str, nickname: &str) -> String {
    let user = json!({"schemas": [USER], "userName": name, "nickName": nickname});
    rig.sandbox.target.create_user(&user).unwrap()
}

/// The nicknames that a plan announces, by alias.
fn announced(plan: &Value) -> BTreeMap<String, String> {
    let actions = plan["actions"].as_array().unwrap().iter();
    let creates = actions.filter(|action| action["action"] == "create");
    let named = creates.map(|create| {
        let name = create["subject"]["label"].as_str().unwrap();
        let alias = name.trim_end_matches("@contoso.com").to_owned();
        let nickname = create["attributes"]["nickName"].as_str();
        (alias, nickname.unwrap_or_default().to_owned())
    });
    named.collect()
}

fn there(rig: &Rig, aliases: &[&str]) -> BTreeMap<String, String> {
    let nicknames = aliases.iter().map(|alias| {
        let user = rig.user(&format!("{alias}@contoso.com"));
        let nickname = user["nickName"].as_str().unwrap_or_default().to_owned();
        ((*alias).to_owned(), nickname)
    });
    nicknames.collect()
}

fn pairs(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = expected.iter();
    pairs
        .map(|(alias, nickname)| ((*alias).to_owned(), (*nickname).to_owned()))
        .collect()
}

async fn is_at_rest(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_another_user_has_is_passed_over() {
    let rig = start(NICKNAME).await;
    stranger(&rig, "stranger@elsewhere.example", "SMITH");
    joiner(&rig, "jane", "smith");
    let expected = pairs(&[("jane", "smith.it")]);
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(announced(&plan), expected, "{plan:#}");
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane"]), expected);
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_another_user_has_as_a_number_is_passed_over() {
    const ACME: &str = "urn:acme:params:scim:schemas:2.0:User";
    let rig = start(&format!(
        "[[jobs.users.mappings]]\ntarget = '{ACME}:badge'\n\
         expression = 'SelectUniqueValue([jobTitle], Append([jobTitle], \"2\"))'\n"
    ))
    .await;
    rig.sandbox.target.enable(Quirk::NumbersInOtherSchemas);
    let stranger = json!({
        "schemas": [USER, ACME], "userName": "stranger@elsewhere.example", ACME: {"badge": 47},
    });
    rig.sandbox.target.create_user(&stranger).unwrap();
    joiner(&rig, "jane", "47");
    joiner(&rig, "john", "48");
    rig.sync().await.expect(0);
    let badge = |name: &str| rig.user(name)[ACME]["badge"].clone();
    assert_eq!(badge("jane@contoso.com"), 472);
    assert_eq!(badge("john@contoso.com"), 48);
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_joiners_of_one_name_get_two_values() {
    let rig = start(NICKNAME).await;
    stranger(&rig, "stranger@elsewhere.example", "smith");
    joiner(&rig, "jane", "smith");
    joiner(&rig, "john", "smith");
    let plan = announced(&rig.plan().await.expect(0).job());
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane", "john"]), plan);
    let nicknames: Vec<&String> = plan.values().collect();
    assert!(nicknames.contains(&&"smith.it".to_owned()), "{plan:?}");
    assert!(nicknames.contains(&&"smith2".to_owned()), "{plan:?}");
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_for_whom_every_value_is_taken_fails_and_the_others_do_not() {
    let rig = start(NICKNAME).await;
    stranger(&rig, "0@elsewhere.example", "smith");
    stranger(&rig, "1@elsewhere.example", "smith.it");
    let leaver = stranger(&rig, "2@elsewhere.example", "smith2");
    joiner(&rig, "jane", "smith");
    joiner(&rig, "john", "jones");
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    assert_eq!(summary["done"]["create"], 1, "{summary:#}");
    let words = summary["failures"][0]["message"].as_str().unwrap();
    assert!(
        words.contains("nickName: every value") && words.contains("already taken"),
        "{words}"
    );
    assert_eq!(there(&rig, &["john"]), pairs(&[("john", "jones")]));

    // She is tried again in the next cycle, and gets what has become free.
    rig.sync().await.expect(3);
    assert!(rig.sandbox.target.delete(&leaver));
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane"]), pairs(&[("jane", "smith2")]));
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_user_keeps_the_value_whatever_changes() {
    let rig = start(NICKNAME).await;
    let jane = joiner(&rig, "jane", "smith");
    rig.sync().await.expect(0);
    for (number, nickname) in ["jones", "jones.it", "jones2"].into_iter().enumerate() {
        stranger(&rig, &format!("{number}@elsewhere.example"), nickname);
    }
    rig.tenant().set_property(jane, "jobTitle", json!("jones"));
    rig.sandbox.target.traffic().reset();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["title"], "jones");
    assert_eq!(there(&rig, &["jane"]), pairs(&[("jane", "smith")]));
    // The first change of this form is read back; nothing asks for the value again.
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.writes(), 1);
    assert_eq!(
        traffic.count_where(|exchange| exchange.path.contains("nickName")),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_once_and_only_where_a_mapping_chooses() {
    let plain = "[[jobs.users.mappings]]\ntarget = \"nickName\"\nsource = \"jobTitle\"\n";
    // A look-up and a create for the joiner, and one question for each value.
    for (extra, questions) in [(plain, 0), (NICKNAME, 3)] {
        let rig = start(extra).await;
        joiner(&rig, "jane", "smith");
        rig.sync().await.expect(0);
        let traffic = rig.sandbox.target.traffic();
        assert_eq!(traffic.count(), 2 + questions, "{:#?}", traffic.exchanges());
        let asked = traffic.count_where(|exchange| exchange.path.contains("nickName"));
        assert_eq!(asked, questions);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_people_choose_from_is_asked_by_one_list() {
    let rig = start(NICKNAME).await;
    let team = ["ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal"];
    let mut expected = BTreeMap::new();
    for alias in team {
        joiner(&rig, alias, alias);
        expected.insert(alias.to_owned(), alias.to_owned());
    }
    stranger(&rig, "stranger@elsewhere.example", "Dan");
    expected.insert("dan".to_owned(), "dan.it".to_owned());
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &team), expected);
    let traffic = rig.sandbox.target.traffic();
    // One pass finds the people and the 24 values; it ends where the target has no more.
    assert_eq!(traffic.count_of("GET"), 2, "{:#?}", traffic.exchanges());
    assert_eq!(traffic.count_of("POST"), team.len());
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_conflict_the_next_cycle_chooses_again() {
    let rig = start(NICKNAME).await;
    joiner(&rig, "jane", "smith");
    let conflict = Fault::new("/Users", Trouble::status(409)).method("POST");
    rig.sandbox.target.traffic().inject(conflict);
    rig.sync().await.expect(3);
    stranger(&rig, "stranger@elsewhere.example", "smith");
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane"]), pairs(&[("jane", "smith.it")]));
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_answer_had_created_is_kept() {
    let rig = start(NICKNAME).await;
    joiner(&rig, "jane", "smith");
    let lost = Fault::new("/Users", Trouble::AnswerLost).method("POST");
    rig.sandbox.target.traffic().inject(lost);
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane"]), pairs(&[("jane", "smith")]));
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_an_answer_holds_back_only_its_own_user() {
    let rig = start(&NICKNAME.replace(r#"Join(".", [jobTitle], [department]), "#, "")).await;
    let john = joiner(&rig, "john", "jones");
    rig.sync().await.expect(0);
    joiner(&rig, "jane", "smith");
    rig.tenant().set_property(john, "jobTitle", json!("chief"));
    let refused = Fault::new("smith2", Trouble::status(413)).method("GET");
    rig.sandbox.target.traffic().inject(refused);
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], 1, "{summary:#}");
    assert_eq!(rig.user("john@contoso.com")["title"], "chief");
    assert_eq!(there(&rig, &["john"]), pairs(&[("john", "jones")]));
    rig.sandbox.target.traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["jane"]), pairs(&[("jane", "smith")]));
    is_at_rest(&rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_an_answer_holds_back_no_user_that_is_there() {
    let rig = start(NICKNAME).await;
    let boss = joiner(&rig, "boss", "boss");
    rig.sync().await.expect(0);
    let team = ["ann", "bob", "cid", "dan"];
    for alias in team {
        joiner(&rig, alias, alias);
    }
    rig.tenant().set_property(boss, "jobTitle", json!("chief"));
    let refused = Fault::new("/Users", Trouble::status(413)).method("GET");
    // Four requests look for the people, one by one; a list is to say which of the 12 values are taken.
    rig.sandbox.target.traffic().inject(refused.after(4));
    let summary = rig.sync().await.expect(3).job();
    assert_eq!(summary["failed"], team.len(), "{summary:#}");
    assert_eq!(rig.user("boss@contoso.com")["title"], "chief");
    rig.sync().await.expect(0);
    assert_eq!(there(&rig, &["ann"]), pairs(&[("ann", "ann")]));
    is_at_rest(&rig).await;
}
