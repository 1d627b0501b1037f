//! What monitoring sees of the service: metrics, health checks, and progress as it happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::Value;

use crate::rig::Rig;
use crate::web::{Site, serve_page};
use crate::web_pages::after_trouble;

/// The samples of a scrape, by name and labels as they stand there.
fn samples(scrape: &str) -> BTreeMap<String, String> {
    let lines = scrape.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// The name of a sample without its labels.
fn family(sample: &str) -> &str {
    sample.split('{').next().unwrap()
}

/// A scrape of a service that has seen trouble of every kind.
async fn troubled(rig: &Rig) -> (Site<'_>, String) {
    rig.edit(|text| {
        text.replace(
            "client_secret = { file = \"secret\" }",
            "client_secret = { file = \"secret\", expires = \"2099-01-31\" }",
        )
    });
    let nowhere = "[notify.mail]\nserver = \"127.0.0.1\"\nport = 1\nencryption = \"none\"\n\
                   from = \"entrain@example.com\"\nto = [\"it@example.com\"]\n";
    rig.edit(|text| text + nowhere);
    let (site, ..) = after_trouble(rig).await;
    let begun = Instant::now();
    loop {
        let scrape = site.get("/metrics").await.expect(200).body;
        if scrape.contains("entrain_notifications_oldest_timestamp_seconds{channel=\"mail\"}") {
            return (site, scrape);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{scrape}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_follow_the_conventions_and_name_no_person() {
    let rig = Rig::start(Size::new(12, 2, 12)).await;
    let (site, scrape) = troubled(&rig).await;
    let samples = samples(&scrape);
    let text = |name: &str| {
        let value = samples.get(name);
        value.unwrap_or_else(|| panic!("{name}: {scrape}")).as_str()
    };
    let of = |name: &str| text(name).parse::<f64>().unwrap();
    let status = rig.run(&["status", "--format", "json"]).await.job();
    let linked = status["linked"]["users"].to_string();
    for (name, expected) in [
        (
            "entrain_cycles_total{job=\"demo\",outcome=\"succeeded\"}",
            "1",
        ),
        ("entrain_cycles_total{job=\"demo\",outcome=\"held\"}", "1"),
        ("entrain_cycle_duration_seconds_count{job=\"demo\"}", "2"),
        ("entrain_job_linked{job=\"demo\",kind=\"user\"}", &linked),
        (
            "entrain_objects_total{job=\"demo\",action=\"create\",outcome=\"succeeded\"}",
            "17",
        ),
        (
            "entrain_objects_total{job=\"demo\",action=\"update\",outcome=\"failed\"}",
            "1",
        ),
        ("entrain_job_held{job=\"demo\"}", "3"),
        ("entrain_notifications_waiting{channel=\"webhook\"}", "0"),
        ("entrain_job_escrow{job=\"demo\",kind=\"user\"}", "1"),
    ] {
        assert_eq!(text(name), expected, "{name}");
    }
    for name in [
        "entrain_job_escrow_oldest_timestamp_seconds{job=\"demo\"}",
        "entrain_job_last_completed_timestamp_seconds{job=\"demo\"}",
        "entrain_watermark_timestamp_seconds",
        "entrain_notifications_oldest_timestamp_seconds{channel=\"mail\"}",
        "entrain_credential_expiry_timestamp_seconds{credential=\"source.client_secret\"}",
        "process_start_time_seconds",
    ] {
        assert!(of(name) > 1.7e9, "{name}: {scrape}");
    }
    assert!(of("process_resident_memory_bytes") > 1e6);
    assert!(of("entrain_notifications_waiting{channel=\"mail\"}") >= 1.0);
    assert!(of("entrain_rate_limit_waits_total{side=\"target\"}") >= 1.0);
    assert!(of("entrain_rate_limit_wait_seconds_total{side=\"target\"}") >= 1.0);
    for side in ["source", "target"] {
        let name =
            format!("entrain_request_duration_seconds_count{{side=\"{side}\",status=\"2xx\"}}");
        assert!(of(&name) > 1.0, "{scrape}");
    }
    assert!(
        samples.keys().any(|name| name.contains("status=\"4xx\"")),
        "{scrape}"
    );
    assert!(
        samples
            .keys()
            .any(|name| name.starts_with("entrain_build_info{version=")),
        "{scrape}"
    );

    for line in scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
    {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{line}"
        );
        assert!(
            matches!(kind, "counter" | "gauge" | "histogram" | "info"),
            "{line}"
        );
        assert!(scrape.contains(&format!("# HELP {name} ")), "{line}");
    }
    assert!(scrape.ends_with("# EOF\n"), "{scrape}");
    for name in ["contoso", "bad", "jane", "@"] {
        assert!(!scrape.contains(name), "{name}: {scrape}");
    }
    for user in rig.tenant().user_ids() {
        assert!(!scrape.contains(&user.to_string()), "{scrape}");
    }
    // By which a browser shows it, and by which Prometheus asks for it.
    let plain = site.get("/metrics").await;
    assert!(
        plain.header("content-type").starts_with("text/plain"),
        "{plain:?}"
    );
}

/// Every metric that a file of ours names.
fn named(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    words
        .filter(|word| word.starts_with("entrain_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alert_rules_the_dashboard_and_the_page_name_metrics_that_there_are() {
    let rig = Rig::start(Size::new(12, 2, 12)).await;
    let (_site, scrape) = troubled(&rig).await;
    let samples = samples(&scrape);
    let known: BTreeSet<&str> = samples.keys().map(|name| family(name)).collect();
    for file in [
        "docs/monitoring/alerts.yml",
        "docs/monitoring/dashboard.json",
        "docs/status-page.md",
    ] {
        let named = named(file);
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in &named {
            let is_family = known.iter().any(|known| {
                let rest = known.strip_prefix(name.as_str());
                rest.is_some_and(|rest| {
                    matches!(
                        rest,
                        "" | "_count" | "_sum" | "_bucket" | "_total" | "_info"
                    )
                })
            });
            assert!(is_family, "{file}: {name}: {known:?}");
        }
    }
    let page = named("docs/status-page.md");
    for name in known {
        let name = name
            .trim_end_matches("_count")
            .trim_end_matches("_sum")
            .trim_end_matches("_bucket");
        assert!(page.contains(name), "{name} is not in docs/status-page.md");
    }
    let dashboard = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(dashboard).unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_alive_and_not_ready_while_a_job_is_stuck() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.edit(|text| format!("[schedule]\ninterval = \"1s\"\n{text}"));
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    assert_eq!(site.get("/readyz").await.expect(200).body, "ready\n");
    let slow = Trouble::Delay(Duration::from_secs(4));
    rig.sandbox
        .target
        .traffic()
        .inject(Fault::new("/Users", slow).forever());
    rig.joiner("jane");
    let begun = Instant::now();
    let words = loop {
        let answer = site.get("/readyz").await;
        if answer.status == 503 {
            break answer.body;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(
        words.starts_with("not ready\njob demo: no cycle has ended since "),
        "{words}"
    );
    assert_eq!(site.get("/healthz").await.expect(200).body, "alive\n");
    rig.run(&["pause", "demo"]).await.expect(0);
    site.get("/readyz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_followed_live_to_its_end() {
    let rig = Rig::start(Size::new(400, 0, 0)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(40));
    serve_page(&rig, "");
    let site = Site::start(&rig).await;
    let mut events = site.stream("/events").await;
    let mut seen: Vec<Value> = Vec::new();
    let mut text = String::new();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(30), "{seen:#?}");
        let chunk = events.chunk().await.unwrap().expect("the stream goes on");
        text += std::str::from_utf8(&chunk).unwrap();
        while let Some((event, rest)) = text.split_once("\n\n") {
            if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                seen.push(serde_json::from_str(data).unwrap());
            }
            text = rest.to_owned();
        }
        let ran = seen.iter().any(|one| one["jobs"][0]["running"] == true);
        if ran && seen.last().unwrap()["jobs"][0]["running"] == false {
            break;
        }
    }
    let running = seen.iter().filter(|one| one["jobs"][0]["running"] == true);
    let running: Vec<&Value> = running.map(|one| &one["jobs"][0]).collect();
    let words: Vec<&str> = running
        .iter()
        .map(|one| one["words"].as_str().unwrap())
        .collect();
    assert!(
        words.iter().any(|words| words.starts_with("Applying: ")),
        "{words:#?}"
    );
    assert!(
        words.iter().any(|words| words.contains(" left")),
        "{words:#?}"
    );
    let done = running
        .iter()
        .filter(|one| one["words"].as_str().unwrap().starts_with("Applying"));
    let done: Vec<u64> = done.map(|one| one["done"].as_u64().unwrap()).collect();
    assert!(done.len() > 3 && done.is_sorted(), "{done:?}");
    assert!(!text.contains("contoso"));
    let changes: BTreeSet<u64> = seen
        .iter()
        .map(|one| one["change"].as_u64().unwrap())
        .collect();
    assert!(changes.len() >= 2, "{changes:?}");

    // A page that is still open holds up no end, and leaves the state closed.
    site.service.signal("-TERM");
    assert_eq!(site.service.end().await.0, 0);
    assert!(events.chunk().await.map_or(true, |last| last.is_none()));
    assert!(!rig.path("entrain.db-wal").exists());
}
