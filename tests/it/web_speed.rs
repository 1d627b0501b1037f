//! How fast the pages are while a cycle runs.

use std::time::{Duration, Instant};

use entrain::sandbox::Size;

use crate::foreign::loudly;
use crate::rig::Rig;
use crate::service::until;
use crate::web::{Site, serve_page};

/// The slowest answer of a hundred may take so long.
const MOST: Duration = Duration::from_millis(50);

/// Not optimized, and while other tests run: a page that waits for the cycle takes longer.
const MOST_BESIDE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn pages_do_not_wait_for_a_cycle_of_ten_thousand_users() {
    let (took, figures) = pages_while_a_cycle_runs(900).await;
    let most = took[took.len() * 99 / 100];
    assert!(most < MOST_BESIDE, "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "10,000 users, with figures that need an idle machine: cargo test --release --test it -- \
            --ignored pages_are_fast"]
async fn pages_are_fast_while_a_cycle_of_ten_thousand_users_runs() {
    let (took, figures) = pages_while_a_cycle_runs(2_000).await;
    assert!(took.len() > 1_000, "the cycle was over too soon: {figures}");
    assert!(took[took.len() * 99 / 100] < MOST, "{figures}");
}

/// How long so many pages took, or as many as there were until the cycle ended: sorted, and in words.
async fn pages_while_a_cycle_runs(pages: usize) -> (Vec<Duration>, String) {
    let rig = Rig::start(Size::new(10_000, 100, 20_000)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(20));
    serve_page(&rig, "");
    let site = Site::start(&rig).await;
    let someone = rig.tenant().users_in_scope().into_iter().next().unwrap();
    let user = rig.tenant().user(someone).unwrap();
    let name = user.properties["userPrincipalName"].as_str().unwrap();
    let paths = [
        "/".to_owned(),
        "/jobs/demo".to_owned(),
        "/log".to_owned(),
        "/log?status=failed&action=create".to_owned(),
        format!("/log?object={name}"),
        format!("/people?q={name}"),
        "/cycles/1".to_owned(),
        format!("/people/{someone}"),
        "/metrics".to_owned(),
    ];
    until("users are created", || {
        rig.sandbox.target.user_count() > 100
    })
    .await;
    let mut took = Vec::new();
    while !site.service.log().contains("cycle ended") && took.len() < pages {
        for path in &paths {
            let begun = Instant::now();
            // Of one user that is found, the page is elsewhere.
            let status = site.see(path).await.status;
            assert!(status == 200 || status == 303, "{path}: {status}");
            took.push((begun.elapsed(), path));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    took.sort_unstable();
    let of = |share: usize| took[took.len() * share / 100].0;
    let by_path = paths.iter().map(|path| {
        let own: Vec<_> = took.iter().filter(|one| one.1 == path).collect();
        format!(
            "\n  {path} {:?}, {:?}",
            own[own.len() / 2].0,
            own[own.len() * 99 / 100].0
        )
    });
    let by_path: String = by_path.collect();
    let figures = format!(
        "\n{} pages, {} users so far: median {:?}, p95 {:?}, p99 {:?}, longest {:?}; by \
         page, median and p99:{by_path}\n",
        took.len(),
        rig.sandbox.target.user_count(),
        of(50),
        of(95),
        of(99),
        took[took.len() - 1].0
    );
    loudly(&figures);
    assert!(took.len() > 200, "the cycle was over too soon: {figures}");
    (took.into_iter().map(|(time, _)| time).collect(), figures)
}
