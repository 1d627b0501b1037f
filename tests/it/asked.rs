//! What is asked of the source only when a mapping or a scoping filter names it: the tenant's default
//! domain.

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

async fn start() -> Rig {
    Rig::start(Size::new(12, 2, 12)).await
}

/// Requests to Graph for this path since the record was reset.
fn requests(rig: &Rig, path: &str) -> usize {
    let traffic = rig.tenant().traffic();
    traffic.count_where(|exchange| exchange.path.split('?').next() == Some(path))
}

/// A cycle that could not go on, told with these words; the target was not written to.
async fn ends_with(rig: &Rig, words: &[&str]) {
    let before = rig.sandbox.target.writes();
    let run = rig.sync().await.expect(1);
    for word in words {
        assert!(
            run.out.contains(word) || run.err.contains(word),
            "{word}: {run:?}"
        );
    }
    assert_eq!(rig.sandbox.target.writes(), before, "{run:?}");
}

/// The check of this name, as `entrain test` tells it.
async fn check(rig: &Rig, what: &str) -> Option<Value> {
    let run = rig.run(&["test", "--format", "json"]).await;
    let checks = run.job()["checks"].as_array().unwrap().clone();
    checks.into_iter().find(|check| check["check"] == what)
}

const NICKNAME: &str = r#"
[[jobs.users.mappings]]
target = "nickName"
expression = 'Join("@", [mailNickname], DefaultDomain())'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_default_domain_is_asked_for_only_where_an_expression_calls_it() {
    let rig = start().await;
    rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.run(&["test"]).await.expect(0);
    assert_eq!(requests(&rig, "/v1.0/domains"), 0);
    rig.configure(NICKNAME);
    rig.sync().await.expect(0);
    assert_eq!(requests(&rig, "/v1.0/domains"), 1);
    assert_eq!(rig.user("jane@contoso.com")["nickName"], "jane@contoso.com");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["kind"], "incremental");
    assert_eq!(idle["requests"]["target"], 0);
    assert_eq!(
        check(&rig, "source: default domain").await.unwrap()["ok"],
        true
    );

    let expression = ["eval", "DefaultDomain()", "--user", "jane@contoso.com"];
    let run = rig.run(&expression).await.expect(0);
    assert_eq!(run.out.trim(), "contoso.com");
    let with = [&expression[..], &["--default-domain", "fabrikam.com"]].concat();
    assert_eq!(rig.run(&with).await.expect(0).out.trim(), "fabrikam.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_default_domain_evaluates_everybody_and_breaks_no_link() {
    let rig = start().await;
    rig.configure(NICKNAME);
    rig.joiner("jane");
    rig.joiner("john");
    rig.sync().await.expect(0);
    let id = rig.user("jane@contoso.com")["id"].clone();
    rig.tenant().set_default_domain(Some("fabrikam.com"));
    let plan = rig.plan().await.expect(0).job();
    assert_eq!(plan["kind"], "initial", "{plan:#}");
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["kind"], "initial", "{summary:#}");
    let done = summary["done"].as_object().unwrap();
    assert_eq!(done.keys().collect::<Vec<_>>(), ["update"]);
    for alias in ["jane", "john"] {
        let user = rig.user(&format!("{alias}@contoso.com"));
        assert_eq!(user["nickName"], format!("{alias}@fabrikam.com"));
    }
    assert_eq!(rig.user("jane@contoso.com")["id"], id);
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["kind"], "incremental");
    assert_eq!(idle["requests"]["target"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_domain_that_is_not_told_ends_the_cycle_and_removes_nobody() {
    let rig = start().await;
    rig.configure(NICKNAME);
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    rig.tenant().unassign(jane);

    rig.tenant().revoke_permission("Domain.Read.All");
    ends_with(&rig, &["403", "Domain.Read.All", "nickName"]).await;
    let told = check(&rig, "source: default domain").await.unwrap();
    assert_eq!(told["ok"], false, "{told:#}");
    assert!(
        told["remedy"].as_str().unwrap().contains("Domain.Read.All"),
        "{told:#}"
    );
    rig.tenant().grant_permission("Domain.Read.All");

    rig.tenant().set_default_domain(None);
    ends_with(&rig, &["default one", "nickName"]).await;
    rig.tenant().set_default_domain(Some("contoso.com"));

    let traffic = rig.tenant().traffic();
    traffic.inject(Fault::new("/v1.0/domains", Trouble::status(404)));
    ends_with(&rig, &["404", "DefaultDomain"]).await;

    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], json!(false));
}
