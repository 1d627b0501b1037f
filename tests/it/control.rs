//! Commands while a service runs: they are handed to it, and look as when they run alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::Value;

use crate::rig::{Rig, Run};
use crate::service::{Service, until};

/// A service that takes commands.
async fn serving(rig: &Rig) -> Service<'_> {
    let service = Service::start(rig, &["run"]);
    let socket = rig.path("entrain.db.sock");
    until("it takes commands", || {
        socket.exists() && service.log().contains("started")
    })
    .await;
    service
}

async fn stop(service: Service<'_>) -> String {
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    log
}

/// Without what differs from one cycle to the next.
fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_digit() || c == '.', "")
        .replace(" ms", " s")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_by_hand_is_run_by_the_service_and_looks_as_alone() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    let alone = rig.run(&["sync"]).await.expect(0);
    let service = serving(&rig).await;
    let mode = fs::metadata(rig.path("entrain.db.sock"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let handed = rig.run(&["sync"]).await.expect(0);
    assert_eq!(plain(&handed.out), plain(&alone.out));
    assert_eq!(handed.err, alone.err);

    rig.joiner("jane");
    let json = rig.sync().await.expect(0).job();
    assert_eq!(json["done"]["create"], 1, "{json:#}");
    rig.user("jane@contoso.com");
    rig.joiner("joe");
    rig.joiner("kim");
    let one = rig
        .run(&["sync", "--user", "joe@contoso.com"])
        .await
        .expect(0);
    assert!(one.out.contains("1 created"), "{one:?}");
    let log = rig
        .run(&["log", "--object", "joe@contoso.com"])
        .await
        .expect(0);
    assert!(log.out.contains("create"), "{log:?}");
    let page = rig
        .run(&["sync", "--out", "done.json", "--initial"])
        .await
        .expect(0);
    assert!(rig.path("done.json").exists(), "{page:?}");
    rig.user("kim@contoso.com");
    let log = stop(service).await;
    assert_eq!(
        log.matches("a command requests a cycle").count(),
        4,
        "{log}"
    );
    assert!(!rig.path("entrain.db.sock").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_provisioned_on_demand_by_the_service() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    let service = serving(&rig).await;
    rig.joiner("jane");
    let run = rig
        .run(&["provision", "demo", "jane@contoso.com"])
        .await
        .expect(0);
    rig.user("jane@contoso.com");
    assert!(!run.out.contains("nothing was sent"), "{run:?}");
    assert!(run.out.contains("5 Result"), "{run:?}");
    let json = ["provision", "demo", "jane@contoso.com", "--format", "json"];
    let run = rig.run(&json).await.expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert!(document["cycle"].is_i64(), "{document:#}");
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_has_the_words_and_the_exit_code_as_alone() {
    let rig = Rig::start(Size::new(20, 0, 0)).await;
    rig.configure("[jobs.safety]\nmax_deletions = 0\n");
    rig.sync().await.expect(0);
    rig.run(&["pause", "demo"]).await.expect(0);
    let alone = rig.run(&["sync"]).await.expect(4);
    let service = serving(&rig).await;
    let handed = rig.run(&["sync"]).await.expect(4);
    assert_eq!(handed.err, alone.err);
    assert!(handed.err.contains("entrain resume demo"), "{handed:?}");
    rig.run(&["resume", "demo"]).await.expect(0);

    let leaver = rig.tenant().user_ids()[0];
    rig.tenant().disable_user(leaver);
    let held = rig.run(&["sync"]).await.expect(4);
    assert!(held.out.contains("entrain approve demo"), "{held:?}");
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users", Trouble::status(400))
            .method("POST")
            .forever(),
    );
    rig.joiner("jane");
    rig.run(&["sync"]).await.expect(3);
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_commands_at_once_and_one_without_a_socket_are_carried_out() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let service = serving(&rig).await;
    let children: Vec<_> = (0..3)
        .map(|_| rig.command(&["sync"]).spawn().unwrap())
        .collect();
    for child in children {
        Rig::finish(child).await.expect(0);
    }
    fs::remove_file(rig.path("entrain.db.sock")).unwrap();
    rig.joiner("jane");
    rig.run(&["sync"]).await.expect(0);
    rig.user("jane@contoso.com");
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_does_not_outlive_the_service_that_it_waits_for() {
    let rig = Rig::start(Size::new(100, 3, 40)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(200));
    let service = Service::start(&rig, &["run"]);
    until("the cycle is under way", || {
        rig.sandbox.target.user_count() > 5
    })
    .await;
    let child = rig.command(&["sync"]).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    service.signal("-KILL");
    let begun = Instant::now();
    let run: Run = Rig::finish(child).await.expect(1);
    assert!(
        run.err.contains("the service no longer responds"),
        "{run:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(25));
    drop(service);
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::ZERO);
    rig.sync().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_plan_is_applied_by_the_service_and_looks_as_alone() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    let saved = async |name: &str, joiners: [&str; 2]| {
        for one in joiners {
            rig.joiner(one);
        }
        rig.run(&["plan", "--out", name]).await.expect(0);
    };
    let apply = async |arguments: &[&str]| rig.run(&[&["apply"], arguments].concat()).await;
    saved("alone.json", ["ada", "bea"]).await;
    let part_alone = apply(&["alone.json", "--only", "1"]).await.expect(0);
    let alone = apply(&["alone.json"]).await.expect(0);
    let service = serving(&rig).await;

    saved("p.json", ["cleo", "dora"]).await;
    let part = apply(&["p.json", "--only", "1"]).await.expect(0);
    assert_eq!(plain(&part.out), plain(&part_alone.out));
    assert_eq!(part.err.replace("p.json", "alone.json"), part_alone.err);
    let one = ["cleo@contoso.com", "dora@contoso.com"];
    let created = one
        .iter()
        .filter(|name| rig.sandbox.target.find_user_by("userName", name).is_some());
    assert_eq!(created.count(), 1);
    let rest = apply(&["p.json", "--out", "done.json"]).await.expect(0);
    assert_eq!(plain(&rest.out), plain(&alone.out));
    assert!(rig.path("done.json").exists(), "{rest:?}");
    for name in one {
        rig.user(name);
    }

    // What is refused is refused in the same words, before anything is sent.
    saved("late.json", ["emma", "fay"]).await;
    rig.joiner("gina");
    let late = apply(&["late.json"]).await.expect(1);
    assert!(
        late.err
            .contains("create user gina@contoso.com is not in the file"),
        "{late:?}"
    );
    assert!(
        rig.sandbox
            .target
            .find_user_by("userName", "emma@contoso.com")
            .is_none()
    );
    rig.run(&["plan", "--out", "late.json"]).await.expect(0);
    let json = apply(&["late.json", "--only", "1", "--format", "json"])
        .await
        .expect(0);
    assert_eq!(json.job()["read_back"]["objects"], 1, "{json:?}");
    let nowhere = apply(&["late.json", "--only-group", "Nowhere"])
        .await
        .expect(2);
    assert!(nowhere.err.contains("Nowhere"), "{nowhere:?}");
    let text = fs::read_to_string(rig.path("late.json")).unwrap();
    fs::write(rig.path("late.json"), text.replace("Engineer", "Director")).unwrap();
    let changed = apply(&["late.json"]).await.expect(1);
    assert!(
        changed.err.contains("late.json cannot be applied"),
        "{changed:?}"
    );
    stop(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_another_configuration_than_the_service_is_refused_by_it() {
    let rig = Rig::start(Size::new(6, 0, 0)).await;
    rig.sync().await.expect(0);
    let service = serving(&rig).await;
    rig.joiner("jane");
    // The service has not read it yet.
    rig.configure("[[jobs.users.mappings]]\ntarget = \"title\"\nsource = \"displayName\"\n");
    let noted = || fs::read_to_string(rig.path("entrain.db.lock")).unwrap();
    let before = noted();
    let user = rig.tenant().users()[0].properties["userPrincipalName"].clone();
    let looks = [
        &["plan", "--out", "p.json"][..],
        &["explain", "demo", user.as_str().unwrap()],
    ];
    let words = "warning: the running service has another configuration of demo than this one";
    for look in looks {
        let run = rig.run(look).await.expect(0);
        assert!(run.err.contains(words), "{run:?}");
    }
    for command in [
        &["apply", "p.json"][..],
        &["sync"],
        &["provision", "demo", "jane@contoso.com"],
    ] {
        let run = rig.run(command).await.expect(1);
        let words = "the service that runs demo has another configuration of it than this command; reload it";
        assert!(run.err.contains(words), "{run:?}");
    }
    assert!(
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com")
            .is_none()
    );
    service.signal("-HUP");
    until("it is reloaded", || service.log().contains("reloaded")).await;
    until("it is noted", || noted() != before).await;
    for look in looks {
        let run = rig.run(look).await.expect(0);
        assert!(!run.err.contains("another configuration"), "{run:?}");
    }
    rig.run(&["apply", "p.json"]).await.expect(0);
    rig.user("jane@contoso.com");
    stop(service).await;
    // Without a service there is no other.
    rig.configure("");
    let run = rig.run(&["plan"]).await.expect(0);
    assert!(!run.err.contains("another configuration"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_writes_is_carried_out_by_the_service() {
    let rig = Rig::start(Size::new(6, 1, 5)).await;
    rig.sync().await.expect(0);
    let probe = ["probe", "demo", "--write", "--yes"];
    let alone = rig.run(&probe).await.expect(0);
    let users = rig.sandbox.target.user_count();
    let service = serving(&rig).await;
    let handed = rig.run(&probe).await.expect(0);
    // The ids are others each time, and so are the times.
    let words = |run: &Run| -> Vec<String> {
        let words = run.out.split_whitespace();
        let words = words.filter(|word| !word.starts_with("/scim"));
        words.map(plain).collect()
    };
    assert_eq!(words(&handed), words(&alone));
    assert_eq!(handed.err, alone.err);
    assert_eq!(rig.sandbox.target.user_count(), users);
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(
        Fault::new("/Users/", Trouble::status(403))
            .method("DELETE")
            .forever(),
    );
    let left = rig.run(&probe).await.expect(3);
    assert!(left.err.contains("still exists in the target"), "{left:?}");
    let log = stop(service).await;
    assert!(
        log.contains("a command requests a probe of the target"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_cannot_do_says_to_stop_it_first() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.sync().await.expect(0);
    rig.run(&["state", "backup", "copy.db"]).await.expect(0);
    let service = serving(&rig).await;
    for command in [
        &["state", "restore", "copy.db"][..],
        &["state", "accept-move"],
    ] {
        let run = rig.run(command).await.expect(1);
        assert!(
            run.err
                .contains("stop the service first: sudo systemctl stop entrain"),
            "{run:?}"
        );
    }
    stop(service).await;
    rig.run(&["state", "restore", "copy.db"]).await.expect(0);
}
