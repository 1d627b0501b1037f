//! Killed in the middle of an initial cycle, ten times at random moments: after a normal run there is
//! no duplicate and nothing is missing.

use std::time::Duration;

use entrain::sandbox::Size;

use crate::cycles::same;
use crate::foreign::Kind;
use crate::rig::Rig;
use crate::target::Expected;

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_over_the_sandbox() {
    let rig = Rig::start(Size::new(1000, 50, 5000)).await;
    // As slow as the foreign ones, or it is done before it can be killed.
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(25));
    survives(rig, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_over_scim2_server() {
    if let Some(rig) = Rig::against(Kind::Scim2Server, Size::new(1000, 50, 5000)).await {
        survives(rig, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_over_scimmy() {
    if let Some(rig) = Rig::against(Kind::Scimmy, Size::new(1000, 50, 5000)).await {
        survives(rig, 3).await;
    }
}

async fn survives(rig: Rig, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut killed_at_work = 0;
    let mut before = rig.target().await.size();
    for _ in 0..KILLS {
        let mut child = rig.command(&["sync"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.u64(200..3_500))).await;
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let after = rig.target().await.size();
        killed_at_work += usize::from(!ended && after > before);
        before = after;
    }
    assert!(
        killed_at_work >= 2,
        "the kills did not hit the cycle at work"
    );

    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["failed"], 0, "{summary:#}");
    let target = rig.target().await;
    assert_eq!(target.duplicates, Vec::<String>::new());
    same(&target, &Expected::default().after_cycle(rig.tenant()));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}
