//! What is asked of the source only when a mapping or a scoping filter names it: the tenant's default
//! domain, and custom security attributes.

use entrain::sandbox::{Fault, Size, Trouble, Uuid};
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

/// A cycle that could not continue, with this message; the target was not written to.
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

/// The check of this name, as `entrain test` shows it.
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
async fn the_default_domain_is_read_only_where_an_expression_calls_it() {
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
async fn another_default_domain_evaluates_every_user_and_breaks_no_link() {
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
async fn a_default_domain_that_cannot_be_read_ends_the_cycle_and_removes_no_user() {
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
    ends_with(&rig, &["no verified default domain", "nickName"]).await;
    rig.tenant().set_default_domain(Some("contoso.com"));

    let traffic = rig.tenant().traffic();
    traffic.inject(Fault::new("/v1.0/domains", Trouble::status(404)));
    ends_with(&rig, &["404", "DefaultDomain"]).await;

    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], json!(false));
}

const SECURITY: &str = "CustomSecAttributeAssignment.Read.All";

const SECURE: &str = r#"
[[jobs.users.mappings]]
target = "title"
source = "customSecurityAttributes.Engineering.Level"
[[jobs.users.mappings]]
target = "userType"
source = "customSecurityAttributes.Engineering.Certified"
[[jobs.users.mappings]]
target = "nickName"
expression = 'Join("|", [customSecurityAttributes.Engineering.Project])'
[[jobs.users.mappings]]
target = "locale"
source = "customSecurityAttributes.Engineering.CostCenter[0]"
"#;

fn assign(rig: &Rig, user: Uuid, attribute: &str, value: Value) {
    let tenant = rig.tenant();
    let set = "Engineering";
    let value = (!value.is_null()).then_some(value);
    assert!(tenant.set_custom_security_attribute(user, set, attribute, value.as_ref()));
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_security_attributes_flow_follow_and_are_cleared() {
    let rig = start().await;
    rig.tenant().grant_permission(SECURITY);
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    assign(&rig, jane, "Level", json!("Senior"));
    assign(&rig, jane, "Certified", json!(true));
    assign(&rig, jane, "Project", json!(["Baker", "Alpine"]));
    assign(&rig, jane, "CostCenter", json!([1001, 1003]));
    assign(&rig, john, "Level", json!(7));
    rig.configure(SECURE);
    rig.sync().await.expect(0);
    let shown = |alias: &str| {
        let user = rig.user(&format!("{alias}@contoso.com"));
        ["title", "userType", "nickName", "locale"].map(|name| user[name].clone())
    };
    assert_eq!(
        shown("jane"),
        ["Senior", "True", "Alpine|Baker", "1001"].map(|text| json!(text))
    );
    assert_eq!(shown("john")[0], "7");
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    assert_eq!(idle["evaluated"]["users"], 0, "{idle:#}");

    // The delta query returns none of this.
    assign(&rig, jane, "Project", json!(["Cascade"]));
    assign(&rig, jane, "Level", Value::Null);
    assign(&rig, jane, "Certified", Value::Null);
    assign(&rig, jane, "CostCenter", Value::Null);
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["evaluated"]["users"], 1, "{summary:#}");
    assert_eq!(
        shown("jane"),
        [Value::Null, Value::Null, json!("Cascade"), Value::Null]
    );
    assert_eq!(shown("john")[0], "7");

    let name = "[customSecurityAttributes.Engineering.Project[0]]";
    let run = rig.run(&["eval", name, "--user", "jane@contoso.com"]).await;
    assert_eq!(run.expect(0).out.trim(), "Cascade");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_security_attributes_are_read_only_where_something_names_one() {
    let rig = start().await;
    let jane = rig.joiner("jane");
    assign(&rig, jane, "Level", json!("Senior"));
    rig.sync().await.expect(0);
    rig.sync().await.expect(0);
    rig.run(&["test"]).await.expect(0);
    assert_eq!(requests(&rig, "/v1.0/users"), 0);
    assert_eq!(
        check(&rig, "source: custom security attributes").await,
        None
    );
}

const FILTER: &str = r#"
[jobs.users]
filters = [ { all = [ { attribute = "customSecurityAttributes.Engineering.Project", operator = "EQUALS", value = "Alpine" } ] } ]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_follows_custom_security_attributes_and_trusts_no_empty_answer() {
    let rig = start().await;
    rig.tenant().grant_permission(SECURITY);
    let jane = rig.joiner("jane");
    let john = rig.joiner("john");
    for user in [jane, john] {
        assign(&rig, user, "Project", json!(["Baker", "Alpine"]));
    }
    rig.configure(FILTER);
    rig.sync().await.expect(0);
    let active = |alias: &str| rig.user(&format!("{alias}@contoso.com"))["active"].clone();
    assert_eq!((active("jane"), active("john")), (json!(true), json!(true)));
    assert_eq!(rig.sandbox.target.users().len(), 2);

    assign(&rig, john, "Project", json!(["Baker"]));
    let check_name = "source: custom security attributes";
    assert_eq!(check(&rig, check_name).await.unwrap()["ok"], true);
    let words = [SECURITY, "customSecurityAttributes.Engineering.Project"];

    // Without the permission Graph says that no user has any.
    rig.tenant().revoke_permission(SECURITY);
    ends_with(&rig, &words).await;
    let told = check(&rig, check_name).await.unwrap();
    assert_eq!(told["ok"], false, "{told:#}");
    assert!(told["remedy"].as_str().unwrap().contains(SECURITY));
    rig.tenant().grant_permission(SECURITY);

    let listing = "customSecurityAttributes&";
    for status in [403, 404] {
        let traffic = rig.tenant().traffic();
        traffic.inject(Fault::new(listing, Trouble::status(status)));
        ends_with(&rig, &[SECURITY, &status.to_string()]).await;
        assert!(!traffic.has_faults(), "the listing was asked for");
        traffic.inject(Fault::new(listing, Trouble::status(status)));
        assert_eq!(check(&rig, check_name).await.unwrap()["ok"], false);
    }
    assert_eq!((active("jane"), active("john")), (json!(true), json!(true)));

    rig.sync().await.expect(0);
    assert_eq!(
        (active("jane"), active("john")),
        (json!(true), json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_takes_the_name_of_a_custom_security_attribute_and_no_half_of_it() {
    let rig = start().await;
    rig.configure(SECURE);
    rig.run(&["check"]).await.expect(0);
    for (kind, name, words) in [
        ("users", "customSecurityAttributes", "Set.Attribute"),
        (
            "users",
            "customSecurityAttributes.Engineering",
            "Set.Attribute",
        ),
        (
            "users",
            "CustomSecurityAttributes.Engineering_Level",
            "Set.Attribute",
        ),
        (
            "groups",
            "customSecurityAttributes.Engineering.Level",
            "groups do not",
        ),
    ] {
        let target = match kind {
            "users" => "title",
            _ => "externalId",
        };
        for source in [
            format!("source = \"{name}\""),
            format!("expression = 'ToLower([{name}])'"),
        ] {
            rig.configure(&format!(
                "[[jobs.{kind}.mappings]]\ntarget = \"{target}\"\n{source}"
            ));
            let run = rig.run(&["check"]).await.expect(2);
            let told = format!("{}{}", run.out, run.err);
            assert!(told.contains(name) && told.contains(words), "{told}");
        }
    }
}
