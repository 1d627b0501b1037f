//! What a plan says of refusals before anything is sent: compared with what strict targets then refuse.

use std::collections::BTreeSet;

use entrain::sandbox::{Quirk, Size};
use serde_json::{Value, json};

use crate::rig::Rig;

/// Objects with the action that was, or would be, refused.
type Refused = BTreeSet<(String, String)>;

fn key(one: &Value) -> (String, String) {
    (
        one["action"].to_string(),
        one["subject"]["label"].to_string(),
    )
}

/// What the plan predicts, and what the target then refuses of it.
async fn compared(rig: &Rig) -> (Refused, Refused) {
    let plan = rig.plan().await.job();
    let refusals = plan["refusals"].as_array().unwrap();
    for one in refusals {
        for field in ["text", "remedy", "reason"] {
            assert!(!one[field].as_str().unwrap().is_empty(), "{one:#}");
        }
    }
    let predicted = refusals.iter().map(key).collect();
    rig.sync().await;
    let report = rig
        .run(&["report", "--format", "json"])
        .await
        .expect(0)
        .job();
    let actions = report["actions"].as_array().unwrap().iter();
    let refused = actions.filter(|one| {
        let status = one["http_status"].as_u64();
        status.is_some_and(|status| (400..500).contains(&status))
    });
    (predicted, refused.map(key).collect())
}

/// A target with this habit or schema, and people who meet it.
async fn strict(name: &str) -> Rig {
    let rig = Rig::start(Size::new(8, 2, 8)).await;
    let target = &rig.sandbox.target;
    let match_by_id = |rig: &Rig, more: &str| {
        rig.configure(&format!(
            "[jobs.users]\nmappings = [\n\
             {{ target = \"userName\", source = \"userPrincipalName\" }},\n\
             {{ target = \"externalId\", source = \"objectId\", match = 1 }},\n{more}]\n"
        ));
    };
    match name {
        "read-only title" => {
            target.configure(|personality| {
                personality.read_only.insert("title".to_owned());
            });
        }
        "a list where one value belongs" => rig.configure(
            "[jobs.users]\nmappings = [\n\
             { target = \"nickName\", constant = [\"a\", \"b\"], multi_valued = true },\n]\n",
        ),
        "names that strangers hold" => {
            match_by_id(&rig, "");
            // The first cycle on a new state looks for old addresses, too.
            rig.sync().await.expect(0);
            for alias in ["ann", "ben", "cas"] {
                rig.joiner(alias);
                let name = format!("{alias}@Contoso.com");
                target.create_user(&json!({"userName": name})).unwrap();
            }
        }
        "one name for several" => {
            match_by_id(&rig, "");
            for alias in ["ann", "ben", "cas"] {
                rig.joiner(alias);
            }
            // One after the other: otherwise the target decides who comes first.
            rig.edit(|text| {
                text.replace("\"userPrincipalName\"", "\"department\"")
                    .replace("visibility_delay", "concurrency = 1\nvisibility_delay")
            });
        }
        other => panic!("{other}"),
    }
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_predict_what_strict_targets_refuse_and_raise_no_false_alarm() {
    let mut counts = Vec::new();
    let (mut all, mut hits) = (0, 0);
    for name in [
        "read-only title",
        "a list where one value belongs",
        "names that strangers hold",
        "one name for several",
    ] {
        let rig = strict(name).await;
        let (predicted, refused) = compared(&rig).await;
        let alarms: Vec<_> = predicted.difference(&refused).collect();
        assert!(alarms.is_empty(), "{name}: false alarms {alarms:#?}");
        let hit = predicted.intersection(&refused).count();
        counts.push(format!("{name}: {hit} of {}", refused.len()));
        assert!(!refused.is_empty(), "{name}: nothing was refused");
        all += refused.len();
        hits += hit;
    }
    assert!(all >= 15, "{counts:#?}");
    assert!(hits * 100 >= all * 95, "{counts:#?}");
}

/// What cannot be known before: which attributes a target holds unique without reporting it. Once it has said so, the
/// next plan knows.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_once_is_predicted_until_it_changes() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.sandbox.target.enable(Quirk::UniqueEmails);
    let (first, second) = (rig.joiner("ann"), rig.joiner("ben"));
    for user in [first, second] {
        rig.tenant()
            .set_property(user, "mail", json!("shared@contoso.com"));
    }
    let (predicted, refused) = compared(&rig).await;
    assert_eq!(
        (predicted.len(), refused.len()),
        (0, 1),
        "not known at first"
    );
    let (predicted, again) = compared(&rig).await;
    assert_eq!((&predicted, &again), (&refused, &refused));
    for user in [first, second] {
        let mail = format!("{user}@contoso.com");
        rig.tenant().set_property(user, "mail", json!(mail));
    }
    let (predicted, refused) = compared(&rig).await;
    assert_eq!((predicted.len(), refused.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_everything_raises_no_alarm() {
    let rig = Rig::start(Size::new(30, 5, 60)).await;
    let (predicted, refused) = compared(&rig).await;
    assert_eq!((predicted.len(), refused.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_stand_in_every_report_with_person_and_remedy() {
    let rig = strict("read-only title").await;
    rig.joiner("jane");
    let run = rig
        .run(&["plan", "--out", "a.html", "--out", "a.md", "--out", "a.csv"])
        .await;
    let run = run.expect(0);
    let read = |name: &str| std::fs::read_to_string(rig.path(name)).unwrap();
    for text in [&run.out, &read("a.html"), &read("a.md")] {
        for words in [
            "Likely to be refused",
            "reports title as read-only",
            "remove the mapping",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    assert!(read("a.csv").contains("refuse"), "{}", read("a.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_an_apply_has_what_was_predicted_next_to_what_happened() {
    let rig = strict("names that strangers hold").await;
    rig.run(&["plan", "--out", "p.json"]).await.expect(0);
    let plan = std::fs::read_to_string(rig.path("p.json")).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let digest = plan["jobs"][0]["digest"].as_str().unwrap();
    let apply = ["apply", "p.json", "--expect", digest];
    let files = [
        "--out", "a.md", "--out", "a.json", "--out", "a.html", "--out", "a.csv",
    ];
    rig.run(&[&apply[..], &files].concat()).await.expect(3);
    let read = |name: &str| std::fs::read_to_string(rig.path(name)).unwrap();
    for text in [read("a.md"), read("a.html")] {
        for words in [
            "The plan predicted 3 refusals, of which 3 happened; nothing else failed.",
            "as predicted: another object of the target",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let table = read("a.csv");
    let mut lines = table.lines();
    assert!(lines.next().unwrap().ends_with(",error,predicted"));
    let failed: Vec<&str> = lines.filter(|line| line.contains(",failed,")).collect();
    assert!(!failed.is_empty(), "{table}");
    let has_words = |line: &&str| line.contains("another object of the target");
    assert!(failed.iter().all(has_words), "{table}");
    let done: Value = serde_json::from_str(&read("a.json")).unwrap();
    let actions = done["jobs"][0]["actions"].as_array().unwrap();
    let failed = actions.iter().filter(|one| one["status"] == "failed");
    assert!(failed.clone().all(|one| one["predicted"].is_string()));
    assert_eq!(failed.count(), 3, "{done:#}");
    // A cycle that carries out no saved plan has nothing to compare with.
    let report = rig.run(&["report", "--format", "json"]).await.job();
    assert!(report["actions"][0].get("predicted").is_none());
}
