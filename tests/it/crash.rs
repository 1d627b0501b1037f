//! Killed in the middle of cycles, again and again at random moments: after a normal run there is no
//! duplicate and nothing is missing, and nothing was sent that was not on record before.

use std::time::Duration;

use entrain::sandbox::Size;

use crate::bulk::take_bulk;
use crate::cycles::same;
use crate::foreign::Kind;
use crate::rig::Rig;
use crate::target::Expected;

const KILLS: usize = 10;
/// How often the long run kills over initial and incremental cycles; `ENTRAIN_KILLS` changes it.
const MORE_KILLS: usize = 20;

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
async fn killed_again_and_again_in_bulk_requests() {
    let rig = Rig::start(Size::new(1000, 50, 5000)).await;
    take_bulk(&rig);
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(100));
    survives(rig, 5).await;
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
    for _ in 0..KILLS {
        let begun_at = recorded(&rig);
        let until = begun_at + random.i64(1..150);
        let mut child = rig.command(&["sync"]).spawn().unwrap();
        let killed = loop {
            if child.try_wait().unwrap().is_some() {
                break false;
            }
            if recorded(&rig) >= until {
                // Somewhere between this outcome and one of the next.
                tokio::time::sleep(Duration::from_millis(random.u64(0..50))).await;
                break child.try_wait().unwrap().is_none();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let _ = child.kill();
        child.wait().unwrap();
        killed_at_work += usize::from(killed);
    }
    assert!(
        killed_at_work >= 5,
        "only {killed_at_work} kills hit the cycle at work"
    );

    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["failed"], 0, "{summary:#}");
    let target = rig.target().await;
    assert_eq!(target.duplicates, Vec::<String>::new());
    same(&target, &Expected::default().after_cycle(rig.tenant()));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_over_initial_and_incremental_cycles() {
    let kills = std::env::var_os("ENTRAIN_KILLS");
    let kills = kills.map_or(MORE_KILLS, |kills| kills.to_str().unwrap().parse().unwrap());
    let rig = Rig::start(Size::new(2000, 40, 6000)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(10));
    let mut random = fastrand::Rng::with_seed(4);
    let users = rig.tenant().user_ids();
    let mut killed_at_work = 0;
    for kill in 0..kills {
        // The first half kills the initial cycle; later there are changes for cycles to be killed in.
        if kill >= kills / 2 {
            if kill == kills / 2 {
                rig.sync().await.expect(0);
            }
            for _ in 0..200 {
                let user = users[random.usize(0..users.len())];
                let title = serde_json::json!(format!("Title {}", random.u32(..)));
                rig.tenant().set_property(user, "jobTitle", title);
            }
        }
        let wait = Duration::from_millis(random.u64(100..1500));
        let mut child = rig.command(&["sync"]).spawn().unwrap();
        let before = rig.sandbox.target.writes();
        let begun = std::time::Instant::now();
        while child.try_wait().unwrap().is_none()
            && (rig.sandbox.target.writes() == before || begun.elapsed() < wait)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        killed_at_work += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        assert!(
            rig.sandbox.target.writes() <= sent(&rig),
            "after kill {kill}"
        );
    }
    assert!(
        killed_at_work >= kills / 4,
        "only {killed_at_work} of {kills} kills hit a cycle at work"
    );

    rig.sync().await.expect(0);
    let target = rig.target().await;
    assert_eq!(target.duplicates, Vec::<String>::new());
    same(&target, &Expected::default().after_cycle(rig.tenant()));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    assert!(rig.sandbox.target.writes() <= sent(&rig));
}

/// Rows of the ledger whose request may have left.
fn sent(rig: &Rig) -> usize {
    let state = rusqlite::Connection::open(rig.path("entrain.db")).unwrap();
    let sql = "SELECT count(*) FROM actions WHERE state IN (1, 2, 10, 11, 12, 13, 14, 16)";
    let rows: i64 = state.query_row(sql, [], |row| row.get(0)).unwrap();
    usize::try_from(rows).unwrap()
}

/// How far the cycles got, as their own record says: objects and memberships.
fn recorded(rig: &Rig) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(state) = rusqlite::Connection::open_with_flags(rig.path("entrain.db"), flags) else {
        return 0;
    };
    let sql = "SELECT (SELECT count(*) FROM links) + (SELECT count(*) FROM sent_members)";
    state.query_row(sql, [], |row| row.get(0)).unwrap_or(0)
}
