//! A job that only observes: it is planned, and nothing is ever written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use entrain::sandbox::Size;
use serde_json::json;

use crate::rig::Rig;
use crate::service::{Service, until};

fn observing(rig: &Rig) {
    rig.edit(|text| {
        text.replacen(
            "preset = \"generic\"",
            "preset = \"generic\"\nmode = \"observe\"",
            1,
        )
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_plans_on_schedule_and_reads_only_what_changed() {
    let rig = Rig::start(Size::new(20, 2, 10)).await;
    rig.configure("[schedule]\ninterval = \"1s\"\nleavers = \"1s\"\n");
    observing(&rig);
    let service = Service::start(&rig, &["run"]);
    let planned = |log: &str| log.matches("planned; nothing is written").count();
    until("two plans", || planned(&service.log()) > 1).await;
    assert!(service.log().contains("create "), "{}", service.log());
    // Later plans read the tenant from where the last one came to.
    let traffic = rig.tenant().traffic();
    traffic.reset();
    let before = planned(&service.log());
    until("another plan", || planned(&service.log()) > before + 1).await;
    let whole = traffic.count_where(|one| one.path.contains("$select"));
    assert_eq!(whole, 0);
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_compares_with_the_target_as_often_as_verify_says() {
    let rig = Rig::start(Size::new(20, 2, 10)).await;
    rig.configure("[schedule]\ninterval = \"1s\"\nleavers = \"1s\"\nverify = \"1h\"\n");
    rig.sync().await.expect(0);
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let long_ago = "UPDATE jobs SET compared = '2020-01-01T00:00:00.000Z'";
    assert_eq!(state.execute(long_ago, []).unwrap(), 1);
    state.close().unwrap();
    let user = rig.sandbox.target.users()[0]["id"].clone();
    let other = json!({"title": "Changed there"});
    assert!(
        rig.sandbox
            .target
            .change_user(user.as_str().unwrap(), &other)
    );
    observing(&rig);
    rig.sandbox.target.traffic().reset();
    let service = Service::start(&rig, &["run"]);
    let planned = |log: &str| log.matches("planned; nothing is written").count();
    until("a plan", || planned(&service.log()) > 0).await;
    assert!(service.log().contains("update"), "{}", service.log());
    // Later plans do not compare again.
    let traffic = rig.sandbox.target.traffic();
    let reads = traffic.count();
    assert!(reads > 0);
    until("two more plans", || planned(&service.log()) > 2).await;
    assert_eq!(traffic.count(), reads, "{}", service.log());
    assert_eq!(traffic.writes(), 0);
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_writes_reports_of_what_it_did_and_of_what_a_job_would_do() {
    let rig = Rig::start(Size::new(20, 2, 10)).await;
    rig.configure(
        "[schedule]\ninterval = \"1s\"\n[reports]\nfolder = \"reports\"\nformats = [\"html\", \"csv\"]\n",
    );
    let folder = rig.path("reports");
    let files = || -> Vec<String> {
        let files = fs::read_dir(&folder).into_iter().flatten();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    };
    observing(&rig);
    let service = Service::start(&rig, &["run"]);
    until("a plan", || files().len() == 2).await;
    assert_eq!(files(), ["demo-plan.csv", "demo-plan.html"]);
    let plan = fs::read_to_string(folder.join("demo-plan.html")).unwrap();
    assert!(plan.contains("what would change") && plan.contains("@contoso.com"));
    service.signal("-TERM");
    service.end().await;
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    // An old one goes, and what is not ours stays.
    for name in [
        "2020-01-31T093000Z-demo-7.html",
        "2020-01-31T093000Z-notes.txt",
    ] {
        fs::write(folder.join(name), "old").unwrap();
    }
    rig.edit(|text| text.replace("mode = \"observe\"", "mode = \"provision\""));
    let service = Service::start(&rig, &["run"]);
    until("the report of a cycle", || files().len() == 5).await;
    // Cycles in which nothing changes leave no report.
    let idle = || service.log().matches("cycle ended").count() > 2;
    until("idle cycles", idle).await;
    service.signal("-TERM");
    service.end().await;
    let names = files();
    assert_eq!(names[0], "2020-01-31T093000Z-notes.txt");
    assert_eq!(names.len(), 5, "{names:?}");
    let done = names.iter().filter(|name| name.contains("Z-demo-"));
    let done: Vec<_> = done
        .map(|name| fs::read_to_string(folder.join(name)).unwrap())
        .collect();
    assert_eq!(done.len(), 2, "{names:?}");
    assert!(done.iter().all(|text| text.contains("@contoso.com")));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_writes_anything_for_it() {
    let rig = Rig::start(Size::new(20, 2, 10)).await;
    observing(&rig);
    let plan = rig.plan().await.expect(0).job();
    assert!(plan["totals"]["create"].as_u64().unwrap() > 5, "{plan:#}");
    let all = rig.sync().await.expect(0);
    assert!(all.err.contains("demo only observes"), "{all:?}");
    for command in [
        &["sync", "demo"][..],
        &["sync", "--initial", "demo"],
        &["provision", "demo", "nobody@contoso.com"],
    ] {
        let run = rig.run(command).await.expect(1);
        assert!(
            run.err.contains("mode = \"observe\""),
            "{command:?}: {run:?}"
        );
    }
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
    // Switched on, the job does what the plan said.
    rig.edit(|text| text.replace("mode = \"observe\"", "mode = \"provision\""));
    let done = rig.sync().await.expect(0).job();
    assert_eq!(done["done"]["create"], plan["totals"]["create"], "{done:#}");
    assert_ne!(done["done"]["create"], json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_probed_by_writing_and_its_plan_is_not_to_be_applied() {
    let rig = Rig::start(Size::new(5, 1, 2)).await;
    observing(&rig);
    let run = rig.run(&["probe", "demo", "--write", "--yes"]).await;
    let run = run.expect(2);
    for words in ["mode = \"observe\"", "entrain probe demo"] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    rig.run(&["probe", "demo"]).await.expect(0);
    let run = rig.run(&["plan", "--out", "p.json"]).await.expect(0);
    assert!(!run.err.contains("To apply it"), "{run:?}");
    assert!(run.err.contains("demo only observes"), "{run:?}");
    assert_eq!(rig.sandbox.target.traffic().writes(), 0);
}
