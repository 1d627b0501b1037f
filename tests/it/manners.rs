//! How much a target takes is found out from its refusals: how many requests at a time and how many a second,
//! for all cycles and whatever it says of coming back.

use std::time::{Duration, Instant};

use entrain::sandbox::Size;

use crate::rig::Rig;

/// What such a target took.
struct Taken {
    time: Duration,
    requests: u32,
    refused: usize,
}

/// Creates so many people in a target that takes 2 requests at a time and 20 a second.
async fn create(people: usize, retry_after: Option<u64>) -> Taken {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    for number in 0..people {
        rig.joiner(&format!("p{number}"));
    }
    rig.sandbox.target.configure(|target| {
        target.in_flight = Some(2);
        target.requests_per_second = Some(20);
        target.retry_after = retry_after;
        target.latency = Duration::from_millis(10);
    });
    let began = Instant::now();
    rig.sync().await.expect(0);
    let time = began.elapsed();
    assert_eq!(rig.sandbox.target.user_count(), people);
    let traffic = rig.sandbox.target.traffic();
    let refused = traffic.count_where(|one| one.status == Some(429));
    let taken = Taken {
        time,
        requests: u32::try_from(traffic.count() - refused).unwrap(),
        refused,
    };
    print(retry_after, &taken);
    taken
}

#[expect(
    clippy::print_stdout,
    reason = "the figures show what a change of the pace costs"
)]
fn print(retry_after: Option<u64>, taken: &Taken) {
    let Taken {
        time,
        requests,
        refused,
    } = taken;
    println!(
        "Retry-After {retry_after:?}: {requests} requests in {:.1} s, {refused} more refused",
        time.as_secs_f64()
    );
}

/// What the target needs for so many requests.
fn needed(taken: &Taken) -> Duration {
    Duration::from_secs(1) / 20 * taken.requests
}

async fn create_each_way(people: usize) -> [Taken; 3] {
    let (one, zero, none) = tokio::join!(
        create(people, Some(1)),
        create(people, Some(0)),
        create(people, None)
    );
    [one, zero, none]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_at_a_time_and_a_second_is_found_out_by_few_refusals() {
    for taken in create_each_way(80).await {
        // What it takes to find it out, at its most.
        let limit = needed(&taken) * 2 + Duration::from_secs(6);
        assert!(taken.time < limit, "{:?}", taken.time);
        assert!(taken.refused < 30, "{}", taken.refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute on a quiet machine; the same with few creates runs above"]
async fn a_thousand_creates_take_hardly_longer_than_the_target_permits() {
    for taken in create_each_way(1_000).await {
        let limit = needed(&taken) * 11 / 10;
        assert!(taken.time < limit, "{:?}", taken.time);
        assert!(taken.refused < 30, "{}", taken.refused);
    }
}
