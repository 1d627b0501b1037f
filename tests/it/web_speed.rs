//! How fast the pages are while a cycle runs.

use std::time::{Duration, Instant};

use entrain::sandbox::Size;

use crate::foreign::loudly;
use crate::rig::Rig;
use crate::service::until;
use crate::web::{Site, serve_page};

/// The slowest answer of a hundred may take so long.
const MOST: Duration = Duration::from_millis(50);

const PATHS: [&str; 5] = ["/", "/jobs/demo", "/log", "/cycles/1", "/metrics"];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "10,000 users, with figures that need an idle machine: cargo test --release --test it -- \
            --ignored pages_are_fast"]
async fn pages_are_fast_while_a_cycle_of_ten_thousand_users_runs() {
    let rig = Rig::start(Size::new(10_000, 100, 20_000)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(20));
    serve_page(&rig, "");
    let site = Site::start(&rig).await;
    until("users are created", || {
        rig.sandbox.target.user_count() > 100
    })
    .await;
    let mut took = Vec::new();
    while !site.service.log().contains("cycle ended") && took.len() < 2_000 {
        for path in PATHS {
            let begun = Instant::now();
            site.see(path).await.expect(200);
            took.push((begun.elapsed(), path));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let is_running = !site.service.log().contains("cycle ended");
    took.sort_unstable();
    let of = |share: usize| took[took.len() * share / 100].0;
    let by_path = PATHS.map(|path| {
        let own: Vec<_> = took.iter().filter(|one| one.1 == path).collect();
        format!("{path} {:?}", own[own.len() * 99 / 100].0)
    });
    let figures = format!(
        "\n{} pages, {} users so far: median {:?}, p95 {:?}, p99 {:?}, longest {:?}; p99 \
         by page: {}\n",
        took.len(),
        rig.sandbox.target.user_count(),
        of(50),
        of(95),
        of(99),
        took[took.len() - 1].0,
        by_path.join(", ")
    );
    loudly(&figures);
    assert!(took.len() > 200, "the cycle was over too soon: {figures}");
    assert!(of(99) < MOST, "{figures}");
    assert!(is_running || took.len() > 1_000, "{figures}");
}
