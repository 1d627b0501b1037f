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
