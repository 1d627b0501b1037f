//! The service: its first cycle, its schedule, signals, and a second process on the same state.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::cycles::settles;
use crate::rig::{Rig, Run};
use crate::target::Expected;

/// Longer than anything here takes, also where the whole suite runs on few processors.
const DEADLINE: Duration = Duration::from_mins(2);

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running service; killed when dropped, should a test fail.
pub(crate) struct Service<'r> {
    rig: &'r Rig,
    child: Option<Child>,
}

impl<'r> Service<'r> {
    pub(crate) fn start(rig: &'r Rig, arguments: &[&str]) -> Self {
        let child = rig
            .command(arguments)
            .stderr(File::create(rig.path("log")).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            rig,
            child: Some(child),
        }
    }

    /// One that a test starts in its own way.
    pub(crate) fn of(rig: &'r Rig, mut command: Command) -> Self {
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self {
            rig,
            child: Some(child),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it without a chance to close anything.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.rig.path("log")).unwrap()
    }

    /// Waits for its end, which must come within ten seconds.
    pub(crate) async fn end(mut self) -> (i32, String) {
        let begun = Instant::now();
        let run = Rig::finish(self.child.take().unwrap()).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", self.log());
        (run.code, self.log())
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

const OFTEN: &str = "[schedule]\ninterval = \"1s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_service_runs_a_cycle_at_once_and_then_on_schedule() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(OFTEN);
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    assert!(rig.sandbox.target.user_count() > 10);

    rig.joiner("jane");
    let is_there = |name: &str| rig.sandbox.target.find_user_by("userName", name).is_some();
    until("the second cycle", || is_there("jane@contoso.com")).await;

    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    assert!(status.job()["linked"]["users"].as_u64().unwrap() > 10);
    let begun = Instant::now();
    let second = rig.run(&["run"]).await.expect(1);
    assert!(begun.elapsed() < Duration::from_secs(2));
    let words = format!("another entrain (pid {}", service.id());
    assert!(second.err.contains(&words), "{second:?}");
    rig.plan().await.expect(0);
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_starts_a_cycle_with_a_signal() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    rig.joiner("jane");
    service.signal("-USR1");
    let is_there = || {
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com")
            .is_some()
    };
    until("the second cycle", is_there).await;
    service.signal("-INT");
    assert_eq!(service.end().await.0, 0);
}

/// Stops a command in the middle of a big initial cycle; the next start goes on where it was.
async fn stopped_in_the_middle(arguments: &[&str], signal: &str, code: i32) {
    let rig = Rig::start(Size::new(300, 10, 600)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(30));
    let service = Service::start(&rig, arguments);
    until("the cycle is under way", || {
        rig.sandbox.target.user_count() > 40
    })
    .await;
    service.signal(signal);
    let (ended, log) = service.end().await;
    assert_eq!(ended, code, "{log}");
    let made = rig.sandbox.target.user_count();
    assert!(made < 250, "{made}: it was to be in the middle");
    // Requests in flight were finished: each has its answer.
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.count_where(|exchange| exchange.status.is_none()), 0);

    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::ZERO);
    let status = rig
        .run(&["status", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(status["last_cycle"]["state"], "stopped", "{status:#}");
    assert_eq!(status["linked"]["users"], made, "{status:#}");
    settles(&rig, &mut Expected::default()).await;
    let posts = |exchange: &entrain::sandbox::Exchange| {
        exchange.method == "POST" && exchange.path.contains("/Users")
    };
    assert_eq!(traffic.count_where(posts), rig.sandbox.target.user_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_stops_in_the_middle_of_a_cycle_and_resumes() {
    stopped_in_the_middle(&["run"], "-TERM", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_stops_at_an_interrupt_too() {
    stopped_in_the_middle(&["run"], "-INT", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_by_hand_stops_at_an_interrupt_and_resumes() {
    stopped_in_the_middle(&["sync"], "-INT", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_target_that_asks_for_patience() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sandbox
        .target
        .traffic()
        .inject(Fault::new("/Users", Trouble::throttled(60)).forever());
    let service = Service::start(&rig, &["run"]);
    until("it waits", || rig.sandbox.target.traffic().count() > 0).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    rig.sandbox.target.traffic().clear_faults();
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_source_that_does_not_answer() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let slow = Trouble::Delay(Duration::from_secs(20));
    rig.tenant()
        .traffic()
        .inject(Fault::new("/users/delta", slow));
    let service = Service::start(&rig, &["run"]);
    let asked = || {
        let traffic = rig.tenant().traffic();
        traffic.count_where(|exchange| exchange.path.contains("/users/delta")) > 0
    };
    until("it waits", asked).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_refused_while_a_cycle_runs() {
    let rig = Rig::start(Size::new(100, 3, 40)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(120));
    let first = Service::start(&rig, &["sync"]);
    until("the cycle is under way", || {
        rig.sandbox.target.user_count() > 5
    })
    .await;
    for command in ["run", "sync"] {
        let second: Run = rig.run(&[command]).await.expect(1);
        assert!(second.err.contains("another entrain (pid "), "{second:?}");
        assert!(second.err.contains("sync) is using"), "{second:?}");
    }
    let status = rig
        .run(&["status", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(status["last_cycle"]["state"], "running", "{status:#}");
    let plan = rig.plan().await.expect(0).job();
    assert!(!plan["actions"].as_array().unwrap().is_empty());
    let (code, log) = first.end().await;
    assert_eq!(code, 0, "{log}");
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_a_good_config_and_keeps_the_old_one_from_a_wrong_one() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(OFTEN);
    let jane = rig.joiner("jane");
    rig.tenant()
        .set_property(jane, "employeeType", serde_json::json!("Contractor"));
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;

    rig.configure(&format!("{OFTEN}\n[stat]\npath = 3\n[jbos]\nx = 1"));
    // `systemctl reload` runs `check` first, so that it fails.
    let unit = include_str!("../../systemd/entrain.service");
    let reload = unit
        .lines()
        .filter_map(|line| line.strip_prefix("ExecReload="));
    let [check, signal] = reload.collect::<Vec<_>>()[..] else {
        panic!("{unit}")
    };
    assert!(check.ends_with(" check") && signal.ends_with(" -HUP $MAINPID"));
    rig.run(&["check"]).await.expect(2);
    service.signal("-HUP");
    until("the refusal", || service.log().contains("not reloaded")).await;
    let log = service.log();
    assert!(log.contains("stat") && log.contains("jbos"), "{log}");
    rig.joiner("john");
    let is_there = || {
        rig.sandbox
            .target
            .find_user_by("userName", "john@contoso.com")
            .is_some()
    };
    until("the old configuration works on", is_there).await;

    let mapping = "[[jobs.users.mappings]]\ntarget = \"userType\"\nsource = \"employeeType\"\n";
    rig.configure(&format!("{mapping}{OFTEN}"));
    service.signal("-HUP");
    until("the new mapping is in force", || {
        rig.user("jane@contoso.com")["userType"] == "Contractor"
    })
    .await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_outlives_a_source_and_a_target_that_are_down() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(OFTEN);
    let token = Fault::new("/oauth2/", Trouble::status(400));
    rig.tenant().traffic().inject(token.times(2));
    let target = Fault::new("/scim/", Trouble::status(401));
    rig.sandbox.target.traffic().inject(target.times(2));
    let service = Service::start(&rig, &["run"]);
    until("a good cycle", || {
        rig.sandbox.target.user_count() > 10 && service.log().contains("cycle ended")
    })
    .await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("the cycle failed"), "{log}");
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_where_configured_and_shows_no_secret() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(OFTEN);
    let secrets = [rig.sandbox.client_secret(), rig.sandbox.scim_token()];
    let echo = |secret: &str| Trouble::body(400, &format!("what is {secret} supposed to mean?"));
    let source = rig.tenant().traffic();
    source.inject(Fault::new("/oauth2/", echo(&secrets[0])));
    let target = rig.sandbox.target.traffic();
    target.inject(
        Fault::new("/Users", echo(&secrets[1]))
            .method("POST")
            .times(3),
    );
    target.inject(Fault::new("/Groups", Trouble::AnswerLost).method("POST"));
    let service = Service::start(&rig, &["run", "-vvv", "--format", "json"]);
    until("a whole cycle", || service.log().contains("cycle ended")).await;
    service.signal("-HUP");
    until("the reload", || service.log().contains("reloaded")).await;
    service.signal("-TERM");
    let (code, log) = service.end().await;
    assert_eq!(code, 0, "{log}");
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
    for word in secrets
        .iter()
        .map(String::as_str)
        .chain(["eyJ0eXAi", "eyJhbGci"])
    {
        assert!(!log.contains(word), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_reported_and_sent_once_approved_while_the_service_runs() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(&format!("[jobs.safety]\nmax_deletions = 0\n{OFTEN}"));
    let jane = rig.joiner("jane");
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || service.log().contains("cycle ended")).await;
    rig.tenant().soft_delete_user(jane);
    until("the hold", || service.log().contains("removals are held")).await;
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    rig.run(&["approve", "demo"]).await.expect(0);
    until("the removal", || {
        rig.user("jane@contoso.com")["active"] == false
    })
    .await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_hangs_does_not_hold_up_a_stop() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    let stuck = Trouble::Delay(Duration::from_secs(30));
    rig.sandbox
        .target
        .traffic()
        .inject(Fault::new("/Users", stuck).method("POST").after(3));
    let service = Service::start(&rig, &["run"]);
    until("it is stuck", || rig.sandbox.target.user_count() > 5).await;
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
    settles(&rig, &mut Expected::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_priorities_and_failed_objects_are_a_warning_that_names_some() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sandbox.target.traffic().inject(
        Fault::new("/Users", Trouble::body(400, "no such person"))
            .method("POST")
            .times(1),
    );
    let log = File::create(rig.path("log")).unwrap();
    let mut command = rig.command(&["run"]);
    command.env("JOURNAL_STREAM", "8:1").stderr(log);
    let service = Service::of(&rig, command);
    until("the warning", || {
        service.log().contains("some objects failed")
    })
    .await;
    let log = service.log();
    let warning = log.lines().find(|line| line.contains("failed;")).unwrap();
    assert!(warning.starts_with("<4>"), "{log}");
    assert!(warning.contains("failed=1 first=\"create "), "{log}");
    let every = log.lines().all(|line| line.starts_with('<'));
    assert!(every && log.contains("<6>started"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_its_token_fails_every_time_on_record() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.sync().await.expect(0);
    rig.configure(OFTEN);
    rig.edit(|text| {
        text.replace(
            r#"token = { file = "token" }"#,
            r#"token = { env = "NO_SUCH_TOKEN" }"#,
        )
    });
    let service = Service::start(&rig, &["run"]);
    let failures = || service.log().matches("the cycle failed").count();
    until("two attempts", || failures() >= 2).await;
    service.signal("-TERM");
    service.end().await;

    let status = rig.run(&["status", "--exit-code"]).await.expect(1);
    let row = status.out.lines().nth(1).unwrap();
    assert!(row.contains(" failed "), "{}", status.out);
    assert!(status.out.contains("NO_SUCH_TOKEN"), "{}", status.out);
    let log = rig.run(&["log", "--status", "failed"]).await.expect(0);
    assert!(log.out.matches("cycle ").count() >= 2, "{}", log.out);
    assert!(log.out.contains("NO_SUCH_TOKEN"), "{}", log.out);
    let arguments = ["log", "--action", "cycle", "--format", "json"];
    let log = rig.run(&arguments).await.expect(0);
    let document: Value = serde_json::from_str(&log.out).unwrap();
    let entry = &document["entries"][0];
    assert_eq!(
        (&entry["status"], &entry["subject"]),
        (&json!("failed"), &Value::Null)
    );
    // A command by hand is an attempt, too.
    let cycle = |status: Run| status.job()["last_cycle"]["cycle"].as_i64().unwrap();
    let before = cycle(rig.run(&["status", "--format", "json"]).await);
    rig.sync().await.expect(1);
    let after = rig.run(&["status", "--format", "json"]).await;
    assert_eq!(cycle(after), before + 1);
    // A plan leaves no trace.
    rig.plan().await.expect(1);
    let after = rig.run(&["status", "--format", "json"]).await;
    assert_eq!(cycle(after), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_whether_a_service_runs_and_what_was_approved() {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(&format!("[jobs.safety]\nmax_deletions = 0\n{OFTEN}"));
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    let status = rig.run(&["status", "--exit-code"]).await.expect(0);
    assert!(status.out.contains("No service runs."), "{}", status.out);
    assert!(!status.out.contains("to be evaluated"), "{}", status.out);
    let next = |status: &Run| {
        status
            .out
            .lines()
            .nth(1)
            .unwrap()
            .rsplit("  ")
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(next(&status), "-");

    rig.tenant().soft_delete_user(jane);
    rig.sync().await.expect(4);
    let held = rig.run(&["status", "--exit-code"]).await.expect(4);
    assert!(held.out.contains("Held since"), "{}", held.out);
    rig.run(&["status"]).await.expect(0);
    rig.run(&["approve", "demo"]).await.expect(0);
    let approved = rig.run(&["status", "--exit-code"]).await.expect(0);
    let row = approved.out.lines().nth(1).unwrap();
    assert!(row.contains(" approved "), "{}", approved.out);
    assert!(
        approved.out.contains("Approved: 1 disable;"),
        "{}",
        approved.out
    );
    let status = rig.run(&["status", "--format", "json"]).await.expect(0);
    assert_eq!(status.job()["approved"][0]["action"], "disable");
    assert_eq!(status.job()["next"], Value::Null);

    let service = Service::start(&rig, &["run"]);
    until("the removal", || {
        rig.user("jane@contoso.com")["active"] == false
    })
    .await;
    let status = rig.run(&["status"]).await.expect(0);
    assert!(status.out.contains("A service (pid "), "{}", status.out);
    assert_ne!(next(&status), "-", "{}", status.out);
    service.signal("-TERM");
    assert_eq!(service.end().await.0, 0);
}
