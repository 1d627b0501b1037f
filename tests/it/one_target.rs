//! Two tenants into one target: a job with two sources.

use entrain::sandbox::{Fault, GraphQuirk, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::notify::{OFTEN, mail_to, more_cycles, stop, subjects};
use crate::post::Post;
use crate::rig::Run;
use crate::service::{Service, until};
use crate::sources::{Two, of};
use crate::web::{Site, serve_page};

/// The job `both` reads `south` first, then `north`; what else it has is given.
async fn start(extra: &str) -> Two {
    let two = Two::of(Size::new(0, 0, 0), Size::new(0, 0, 0)).await;
    configure(&two, "\"south\", \"north\"");
    two.rig.edit(|text| format!("{text}\n{extra}"));
    two
}

/// Makes the southern job the only one, with these sources.
fn configure(two: &Two, sources: &str) {
    two.configure();
    let name = two.rig.sandbox.application_name();
    assert_eq!(name, two.north.application_name());
    two.rig.edit(|text| {
        let north = text.rfind("[[jobs]]").unwrap();
        let text = text[..north]
            .replace("sources = [\"south\"]", &format!("sources = [{sources}]"))
            .replace("name = \"south\"\nsources", "name = \"both\"\nsources");
        let application = format!("app_id = \"{}\"", two.rig.sandbox.app_id());
        text.replace(&application, &format!("display_name = \"{name}\""))
    });
}

async fn sync(two: &Two) -> Run {
    two.rig.sync().await
}

fn user(two: &Two, name: &str) -> Option<Value> {
    let name = format!("{name}@contoso.com");
    two.rig.sandbox.target.find_user_by("userName", &name)
}

#[track_caller]
fn is_active(two: &Two, name: &str) -> bool {
    user(two, name).unwrap()["active"] == true
}

fn writes(two: &Two) -> usize {
    let traffic = two.rig.sandbox.target.traffic();
    traffic.count_where(|exchange| exchange.method != "GET")
}

/// Why the object of this name is skipped, and because of which other.
fn skipped(run: &Run, name: &str) -> Option<(String, String)> {
    let job = of(run, "both");
    let skipped = job["skipped"].as_array().unwrap().iter();
    let label = format!("{name}@contoso.com");
    let one = skipped
        .clone()
        .find(|one| one["subject"]["label"] == label.as_str())?
        .clone();
    Some((
        one["subject"]["id"].as_str().unwrap().to_owned(),
        one["reason"].as_str().unwrap().to_owned(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_come_into_one_target_each_with_its_own_facts() {
    let mapping = "[[jobs.users.mappings]]
target = \"nickName\"
expression = 'Join(\"@\", [mailNickname], DefaultDomain())'";
    let two = start(mapping).await;
    two.northern().set_default_domain(Some("north.example"));
    let (jane, boss) = (two.rig.joiner("jane"), two.rig.joiner("boss"));
    two.rig.tenant().set_manager(jane, Some(boss));
    let (nora, nils) = (two.northerner("nora"), two.northerner("nils"));
    two.northern().set_manager(nora, Some(nils));
    for (tenant, member, name) in [
        (two.rig.tenant(), jane, "Sales"),
        (two.northern(), nora, "Marketing"),
    ] {
        let group = tenant.add_group(name);
        tenant.add_members(group, &[member]);
        tenant.assign(group, ROLE_USER);
    }
    sync(&two).await.expect(0);
    let target = &two.rig.sandbox.target;
    assert_eq!((target.user_count(), target.group_count()), (4, 2));
    let nick = |name| user(&two, name).unwrap()["nickName"].clone();
    assert_eq!(
        [nick("jane"), nick("nora")],
        ["jane@contoso.com", "nora@north.example"]
    );

    two.reset_traffic();
    let run = sync(&two).await;
    assert_eq!(two.reads(), [[1, 1, 1]; 2]);
    assert_eq!(target.traffic().count(), 0, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_in_one_tenant_keeps_only_its_own_removals() {
    let two = start("").await;
    let (jane, other) = (two.rig.joiner("jane"), two.rig.joiner("june"));
    let (nora, nils) = (two.northerner("nora"), two.northerner("nils"));
    sync(&two).await.expect(0);
    // The sign-in is refused.
    let secret = two.north.client_secret();
    two.northern().set_client_secret("another one");
    two.rig.tenant().unassign(jane);
    two.northern().unassign(nora);
    two.rig.joiner("jack");
    let run = sync(&two).await;
    let incomplete = of(&run, "both")["incomplete"].to_string();
    assert!(incomplete.contains("source north: "), "{run:?}");
    assert!(
        is_active(&two, "jack") && is_active(&two, "nora"),
        "{run:?}"
    );
    assert!(!is_active(&two, "jane"), "{run:?}");
    // It is back.
    two.northern().set_client_secret(&secret);
    sync(&two).await.expect(0);
    assert!(!is_active(&two, "nora"));

    // A part of it cannot be read: what it has in addition arrives nevertheless.
    let fault = Fault::new("groups/delta", Trouble::status(400)).forever();
    two.northern().traffic().inject(fault);
    two.northerner("nick");
    two.northern().unassign(nils);
    two.rig.tenant().unassign(other);
    let run = sync(&two).await;
    assert!(
        is_active(&two, "nick") && is_active(&two, "nils"),
        "{run:?}"
    );
    assert!(!is_active(&two, "june"), "{run:?}");
    two.northern().traffic().clear_faults();
    sync(&two).await.expect(0);
    assert!(!is_active(&two, "nils"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_answer_of_one_tenant_removes_nothing_of_it() {
    let two = start("").await;
    two.rig.joiner("jane");
    two.northerner("nora");
    sync(&two).await.expect(0);
    for quirk in [
        GraphQuirk::NoUsersInInitialRound,
        GraphQuirk::NoGroupsInInitialRound,
    ] {
        two.northern().enable(quirk);
    }
    two.northern().expire_delta_links();
    two.rig.joiner("jack");
    for _ in 0..2 {
        let run = sync(&two).await;
        assert!(
            is_active(&two, "nora") && is_active(&two, "jane"),
            "{run:?}"
        );
    }
    assert!(is_active(&two, "jack"));
    two.northern().configure(|settings| settings.quirks.clear());
    sync(&two).await.expect(0);
    assert!(is_active(&two, "nora"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_person_in_two_tenants_the_first_source_wins_and_the_other_is_reported() {
    let two = start("").await;
    let north = two.northerner("kim");
    let south = two.rig.joiner("kim");
    let plan = two.rig.plan().await;
    let expected = (north.to_string(), "duplicate-source".to_owned());
    assert_eq!(skipped(&plan, "kim"), Some(expected), "{plan:?}");
    sync(&two).await.expect(3);
    assert_eq!(user(&two, "kim").unwrap()["name"]["givenName"], "Jo");
    let run = two.rig.plan().await;
    let expected = (north.to_string(), "taken".to_owned());
    assert_eq!(skipped(&run, "kim"), Some(expected), "{run:?}");
    let status = two.rig.run(&["status"]).await;
    assert!(status.out.contains("kim@contoso.com"), "{status:?}");
    let explained = two
        .rig
        .run(&["explain", "both", &north.to_string()])
        .await
        .expect(0);
    assert!(explained.out.contains(&south.to_string()), "{explained:?}");

    // Who has the account keeps it until it is handed over by the usual rules.
    two.rig.tenant().unassign(south);
    sync(&two).await.expect(0);
    let account = user(&two, "kim").unwrap();
    assert_eq!(
        (&account["active"], &account["name"]["givenName"]),
        (&json!(true), &json!("Nils"))
    );
    assert_eq!(two.rig.sandbox.target.user_count(), 1);
    two.rig.tenant().assign(south, ROLE_USER);
    let run = sync(&two).await.expect(3);
    assert_eq!(
        user(&two, "kim").unwrap()["name"]["givenName"],
        "Nils",
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn leavers_of_either_tenant_are_disabled_between_cycles_also_after_a_kill() {
    let two = start("").await;
    let (jane, nora, nils) = (
        two.rig.joiner("jane"),
        two.northerner("nora"),
        two.northerner("nils"),
    );
    sync(&two).await.expect(0);
    two.rig
        .edit(|text| format!("{text}\n[schedule]\ninterval = \"1h\"\nleavers = \"1s\"\n"));
    let mut service = Service::start(&two.rig, &["run"]);
    two.northern().disable_user(nora);
    until("nora is disabled", || !is_active(&two, "nora")).await;
    service.kill();
    drop(service);
    two.northern().disable_user(nils);
    two.rig.tenant().disable_user(jane);
    let _service = Service::start(&two.rig, &["run"]);
    until("nils is disabled", || !is_active(&two, "nils")).await;
    until("jane is disabled", || !is_active(&two, "jane")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_comes_changes_nothing_of_the_other_and_none_is_taken_away() {
    let two = Two::of(Size::new(0, 0, 0), Size::new(0, 0, 0)).await;
    configure(&two, "\"south\"");
    let jane = two.rig.joiner("jane");
    two.northerner("nora");
    sync(&two).await.expect(0);
    assert_eq!(user(&two, "nora"), None);
    two.rig
        .edit(|text| text.replace("sources = [\"south\"]", "sources = [\"south\", \"north\"]"));
    two.reset_traffic();
    sync(&two).await.expect(0);
    assert!(is_active(&two, "nora"));
    assert_eq!(writes(&two), 1);

    // Another tenant under a known name: nothing of it is decided.
    let (north, other) = (two.north.tenant_id(), Uuid::from_u128(9).to_string());
    two.rig.edit(|text| text.replace(&north, &other));
    two.rig.tenant().unassign(jane);
    let run = sync(&two).await;
    let incomplete = of(&run, "both")["incomplete"].to_string();
    assert!(
        incomplete.contains("source north: ") && incomplete.contains("this state belongs to"),
        "{run:?}"
    );
    assert!(
        !is_active(&two, "jane") && is_active(&two, "nora"),
        "{run:?}"
    );
    two.rig.edit(|text| text.replace(&other, &north));
    sync(&two).await.expect(0);

    two.rig
        .edit(|text| text.replace("sources = [\"south\", \"north\"]", "sources = [\"south\"]"));
    let run = sync(&two).await.expect(1);
    let error = of(&run, "both")["error"].to_string();
    assert!(
        error.contains("which is not among its sources any more"),
        "{error}"
    );
    assert!(is_active(&two, "nora"));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_scope_are_named_in_each_tenant() {
    let two = start("[jobs.scope]\nmode = \"groups\"\ngroups = [\"Staff\"]").await;
    let (jane, nora) = (two.rig.joiner("jane"), two.northerner("nora"));
    let southern = two.rig.tenant().add_group("Staff");
    two.rig.tenant().add_members(southern, &[jane]);
    let northern = two.northern().add_group("Staff");
    two.northern().add_members(northern, &[nora]);
    sync(&two).await;
    assert!(is_active(&two, "jane") && is_active(&two, "nora"));
    // A name that one of them does not have any more removes no user.
    two.northern().rename_group(northern, "Crew");
    let run = sync(&two).await;
    assert!(
        is_active(&two, "jane") && is_active(&two, "nora"),
        "{run:?}"
    );
    assert!(of(&run, "both")["incomplete"].is_string(), "{run:?}");
    // By ids each names its own.
    let ids = format!("groups = [\"{southern}\", \"{northern}\"]");
    two.rig
        .edit(|text| text.replace("groups = [\"Staff\"]", &ids));
    let run = sync(&two).await;
    assert_eq!(of(&run, "both")["incomplete"], Value::Null, "{run:?}");
    assert!(is_active(&two, "jane") && is_active(&two, "nora"));
    two.northern().remove_members(northern, &[nora]);
    sync(&two).await;
    assert!(is_active(&two, "jane") && !is_active(&two, "nora"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_each_tenant_only_what_is_in_scope_can_be_read() {
    let two = start("[jobs.scope]\nmode = \"groups\"\ngroups = [\"SOUTH\", \"NORTH\"]").await;
    let (jane, nora) = (two.rig.joiner("jane"), two.northerner("nora"));
    let southern = two.rig.tenant().add_group("Staff");
    two.rig.tenant().add_members(southern, &[jane]);
    let northern = two.northern().add_group("Crew");
    two.northern().add_members(northern, &[nora]);
    two.rig.edit(|text| {
        text.replace("[[sources]]", "[[sources]]\nread = \"in_scope\"")
            .replace("SOUTH", &southern.to_string())
            .replace("NORTH", &northern.to_string())
    });
    sync(&two).await.expect(0);
    assert!(is_active(&two, "jane") && is_active(&two, "nora"));
    two.reset_traffic();
    let run = sync(&two).await.expect(0);
    assert_eq!(two.rig.sandbox.target.traffic().count(), 0, "{run:?}");
    // The whole of one tenant, and what is in scope of the other.
    two.rig
        .edit(|text| text.replacen("read = \"in_scope\"", "read = \"whole\"", 1));
    sync(&two).await.expect(0);
    assert!(is_active(&two, "jane") && is_active(&two, "nora"));
    two.northern().remove_members(northern, &[nora]);
    sync(&two).await.expect(0);
    assert!(is_active(&two, "jane") && !is_active(&two, "nora"));
}

/// What `status` says of each source that refuses something.
async fn refused(two: &Two) -> Vec<Value> {
    let run = two.rig.run(&["status", "--format", "json"]).await.expect(0);
    let status: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(status["refused"], Value::Null, "{run:?}");
    let sources = status["sources"].as_array().unwrap().iter();
    let refused = sources.filter(|one| !one["refused"].is_null());
    refused.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_refuses_the_sign_in_is_notified_by_its_name_and_so_is_the_end() {
    let two = start("").await;
    two.rig.joiner("jane");
    two.northerner("nora");
    sync(&two).await.expect(0);
    assert_eq!(refused(&two).await, [] as [Value; 0]);
    let post = Post::start().await;
    let (secret, tenant) = (two.north.client_secret(), two.north.tenant_id());
    two.northern().set_client_secret("another one");
    two.rig
        .edit(|text| format!("{text}\n{OFTEN}{}", mail_to(post.port)));
    let service = Service::start(&two.rig, &["run"]);
    until("the refusal", || !post.mails().is_empty()).await;
    more_cycles(&service, 3).await;
    let mails = post.mails();
    assert_eq!(
        subjects(&mails),
        ["entrain: Microsoft Entra refuses the credential of source north"]
    );
    for words in [
        "AADSTS7000215",
        "The client secret is wrong",
        "other tenants are not affected",
        &format!("Tenant {tenant}; jobs: both."),
    ] {
        let text = mails[0]
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(text.contains(words), "{words}: {text}");
    }
    let known = refused(&two).await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0]["name"], "north");
    assert_eq!(known[0]["refused"]["what"], "sign-in");
    assert_eq!(known[0]["refused"]["jobs"], json!(["both"]));
    let shown = two.rig.run(&["status"]).await.expect(0);
    let words = "Microsoft Entra refuses the credential of source north since ";
    assert!(shown.out.contains(words), "{shown:?}");
    assert!(shown.out.contains("copy the secret's value"), "{shown:?}");

    // It does not depend on what the service remembers.
    stop(service).await;
    let service = Service::start(&two.rig, &["run"]);
    more_cycles(&service, 2).await;
    assert_eq!(post.mails().len(), 1);
    two.northern().set_client_secret(&secret);
    until("its end", || post.mails().len() >= 2).await;
    more_cycles(&service, 2).await;
    let mails = post.mails();
    let subjects = subjects(&mails);
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    let words = "entrain: Microsoft Entra accepts the credential of source north";
    assert!(subjects[1].starts_with(words), "{subjects:?}");
    assert_eq!(refused(&two).await, [] as [Value; 0]);
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_one_tenant_takes_away_is_reported_until_it_is_granted_again() {
    let two = start("").await;
    two.rig.joiner("jane");
    two.northerner("nora");
    sync(&two).await.expect(0);
    two.northern().revoke_permission("User.Read.All");
    sync(&two).await;
    let known = refused(&two).await;
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0]["refused"]["what"], "permission");
    let since = known[0]["refused"]["since"].clone();
    let remedy = known[0]["refused"]["remedy"].to_string();
    assert!(remedy.contains("User.Read.All"), "{remedy}");
    let shown = two.rig.run(&["status"]).await.expect(0);
    let words = "A permission is missing in the tenant of source north since ";
    assert!(shown.out.contains(words), "{shown:?}");

    // A plan leaves nothing behind, and an answer that proves nothing changes nothing.
    let fault = Fault::new("users/delta", Trouble::status(400)).forever();
    two.northern().traffic().inject(fault);
    sync(&two).await;
    two.northern().traffic().clear_faults();
    two.northern().grant_permission("User.Read.All");
    two.rig.run(&["plan"]).await.expect(0);
    assert_eq!(refused(&two).await[0]["refused"]["since"], since);
    sync(&two).await.expect(0);
    assert_eq!(refused(&two).await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_one_tenant_that_is_gone_is_reported_like_one_that_is_refused() {
    let two = start("").await;
    two.rig.joiner("jane");
    std::fs::remove_file(two.rig.path("north-secret")).unwrap();
    sync(&two).await;
    assert!(is_active(&two, "jane"));
    let known = refused(&two).await;
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0]["refused"]["what"], "sign-in");
    let message = known[0]["refused"]["message"].to_string();
    assert!(message.contains("north-secret"), "{message}");

    // The page of the service says so, too.
    serve_page(&two.rig, "");
    let site = Site::start(&two.rig).await;
    for path in ["/", "/jobs/both"] {
        let page = site.see(path).await.expect(200).body;
        let words = "Microsoft Entra refuses the credential of source north since ";
        assert!(page.contains(words), "{path}: {page}");
    }
}

/// The actions of a plan of the job, each with the object's name.
fn actions(run: &Run) -> Vec<String> {
    let job = of(run, "both");
    let actions = job["actions"].as_array().unwrap().iter();
    let words = actions.map(|one| {
        let label = one["subject"]["label"].as_str().unwrap();
        let name = label.split('@').next().unwrap();
        format!("{} {name}", one["action"].as_str().unwrap())
    });
    words.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_both_tenants_stands_in_for_them_and_changes_of_either_are_supposed() {
    let two = start("").await;
    two.rig.joiner("jane");
    two.rig.joiner("twin");
    two.northerner("nora");
    let twin = two.northerner("twin");
    two.northern().unassign(twin);
    let group = two.northern().add_group("Marketing");
    two.northern().assign(group, ROLE_USER);
    sync(&two).await.expect(0);
    let plan = async |more: &[&str]| {
        let arguments = [&["plan", "--format", "json"][..], more].concat();
        two.rig.run(&arguments).await
    };
    two.rig
        .run(&["source", "snapshot", "all.json", "--redact"])
        .await
        .expect(0);
    let run = plan(&["--source", "all.json"]).await.expect(0);
    assert_eq!(of(&run, "both")["snapshot"]["redacted"], true);
    two.rig
        .run(&["source", "snapshot", "all.json"])
        .await
        .expect(0);
    let run = plan(&["--source", "all.json"]).await.expect(0);
    assert_eq!(actions(&run), [] as [&str; 0], "{run:?}");

    two.reset_traffic();
    for (change, expected) in [
        ("block nora@contoso.com", "disable nora"),
        ("unassign jane@contoso.com", "disable jane"),
        (
            "add-member Marketing nora@contoso.com",
            "add-members Marketing",
        ),
    ] {
        let run = plan(&["--source", "all.json", "--what-if", change]).await;
        assert_eq!(actions(&run.expect(0)), [expected], "{change}");
    }
    assert_eq!(two.reads(), [[0; 3]; 2]);
    // The same without a file.
    let run = plan(&["--what-if", "block nora@contoso.com"]).await;
    assert_eq!(actions(&run.expect(0)), ["disable nora"]);
    assert_eq!(writes(&two), 0);

    // Of two of the same name it must be said which is meant.
    let run = plan(&["--what-if", "block twin@contoso.com"]).await;
    let words = "several tenants have objects of these names: give the ids";
    assert!(run.expect(2).err.contains(words));
    // The southern one has the account.
    let run = plan(&["--what-if", &format!("block {twin}")]).await;
    assert_eq!(actions(&run.expect(0)), [] as [&str; 0]);
    let run = plan(&["--what-if", "block nroa@contoso.com"]).await;
    let words = "did you mean \"nora@contoso.com\"?";
    assert!(run.expect(2).err.contains(words));

    // A snapshot of one of them is not enough for the job.
    let arguments = ["source", "snapshot", "north.json", "--source", "north"];
    two.rig.run(&arguments).await.expect(0);
    let run = plan(&["--source", "north.json"]).await.expect(1);
    let words = "does not contain the source south of job both";
    assert!(
        run.err.contains(words) || run.out.contains(words),
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_name_the_table_of_the_source_that_they_are_about() {
    let two = start("").await;
    two.rig.joiner("jane");
    two.northerner("nora");
    sync(&two).await.expect(0);
    let (id, other) = (two.north.client_id(), Uuid::from_u128(5).to_string());
    two.rig.edit(|text| text.replace(&id, &other));
    sync(&two).await;
    let remedy = refused(&two).await[0]["refused"]["remedy"].to_string();
    assert!(remedy.contains("sources.north.client_id"), "{remedy}");
    assert!(!remedy.contains(" source."), "{remedy}");
    let run = two.rig.run(&["test"]).await;
    assert!(run.out.contains("sources.north.client_id"), "{run:?}");
}
