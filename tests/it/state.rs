//! The state file: one process at a time, at whatever path, and what is said when it cannot be used.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use entrain::sandbox::{Fault, Size, Trouble, Uuid};

use crate::foreign::skipped;
use crate::rig::{Rig, Run};
use crate::service::{Service, until};

async fn filled() -> Rig {
    let rig = Rig::start(Size::new(20, 2, 20)).await;
    rig.sync().await.expect(0);
    rig
}

/// Every command that reads the state.
const READERS: [&[&str]; 4] = [&["status"], &["log"], &["plan"], &["approve", "demo"]];

/// The commands that read the state, and what they say.
async fn each_reader(rig: &Rig, check: impl Fn(&[&str], &Run)) {
    for arguments in READERS.into_iter().chain([&["sync"][..]]) {
        check(arguments, &rig.run(arguments).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_as_the_state_is_called_a_folder() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    fs::create_dir(rig.path("entrain.db")).unwrap();
    each_reader(&rig, |arguments, run| {
        assert_eq!(run.code, 1, "{arguments:?}: {run:?}");
        assert!(
            run.err.contains("is a folder; set state.path to a file"),
            "{arguments:?}: {run:?}"
        );
        assert!(!run.err.contains("hard link"), "{arguments:?}: {run:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_is_reported_in_one_line_with_what_to_do() {
    let rig = filled().await;
    let sound = fs::read(rig.path("entrain.db")).unwrap();
    let page = 4096;
    let mut schema = sound.clone();
    schema[200..page].fill(0xa5);
    let mut tables = sound.clone();
    tables[page..].fill(0xa5);
    for damaged in [schema, tables] {
        fs::write(rig.path("entrain.db"), damaged).unwrap();
        each_reader(&rig, |arguments, run| {
            assert_eq!(run.code, 1, "{arguments:?}: {run:?}");
            for words in ["is damaged", "-wal", "-shm", "state rebuild", "old address"] {
                assert!(run.err.contains(words), "{arguments:?}: {words}: {run:?}");
            }
            assert!(!run.err.contains("twice"), "{arguments:?}: {run:?}");
            assert_eq!(
                run.err.trim_end().lines().count(),
                1,
                "{arguments:?}: {run:?}"
            );
        })
        .await;
    }
}

/// Overwrites the pages of a table with other bytes, as a failing disk does, and returns what the file holds then.
fn damage(rig: &Rig, table: &str) -> Vec<u8> {
    let path = rig.path("entrain.db");
    let state = rusqlite::Connection::open(&path).unwrap();
    let pages = "SELECT pageno FROM dbstat WHERE name = ?1";
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let mut pages: Vec<i64> = match state.prepare(pages) {
        Ok(mut found) => found
            .query_map([table], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
        Err(_) => Vec::new(),
    };
    pages.push(state.query_row(root, [table], |row| row.get(0)).unwrap());
    state
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(state);
    let mut bytes = fs::read(&path).unwrap();
    for page in pages {
        let page = usize::try_from(page).unwrap();
        bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
    }
    fs::write(&path, &bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_is_set_aside_and_rebuilt_by_matching_without_duplicates() {
    let rig = filled().await;
    let leaver = rig.joiner("leaver");
    rig.sync().await.expect(0);
    let users = rig.sandbox.target.user_count();
    let sound = rig.run(&["state", "rebuild"]).await.expect(1);
    assert!(sound.err.contains("is not damaged"), "{sound:?}");
    rig.run(&["pause", "demo"]).await.expect(0);
    // Someone leaves, and another one comes, while nothing can be read.
    rig.tenant().unassign(leaver);
    rig.joiner("newcomer");
    let damaged = damage(&rig, "actions");
    let refused = rig.sync().await.expect(1);
    assert!(refused.err.contains("is damaged"), "{refused:?}");
    assert!(
        fs::read(rig.path("entrain.db")).unwrap() == damaged,
        "left as it is"
    );

    let rebuilt = rig.run(&["state", "rebuild", "--format", "json"]).await;
    let rebuilt: serde_json::Value = serde_json::from_str(&rebuilt.expect(0).out).unwrap();
    let kept = rebuilt["kept"].as_str().unwrap();
    assert!(kept.contains("entrain.db.damaged-"), "{rebuilt:#}");
    assert!(
        fs::read(rig.path(kept)).unwrap() == damaged,
        "kept byte for byte"
    );
    // Nothing runs that an operator had stopped.
    assert_eq!(rebuilt["paused"][0]["job"], "demo", "{rebuilt:#}");
    let status = rig.run(&["status"]).await;
    assert!(status.out.contains("Paused since"), "{status:?}");
    rig.run(&["resume", "demo"]).await.expect(0);

    // As a first cycle: nobody is disabled, and who left is listed.
    let cycle = rig.sync().await.expect(3).job();
    let left = &cycle["strangers"]["accounts"][0]["name"];
    assert_eq!(left, "leaver@contoso.com", "{cycle:#}");
    assert_eq!(rig.user("leaver@contoso.com")["active"], true);
    assert_eq!(
        rig.sandbox.target.user_count(),
        users + 1,
        "only the newcomer"
    );
    assert_eq!(rig.target().await.duplicates, Vec::<String>::new());
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_put_in_the_place_of_a_damaged_state() {
    let rig = filled().await;
    rig.run(&["state", "backup", "copy.db"]).await.expect(0);
    let damaged = damage(&rig, "jobs");
    rig.run(&["plan"]).await.expect(1);
    let restored = rig
        .run(&["state", "restore", "copy.db", "--format", "json"])
        .await;
    let restored: serde_json::Value = serde_json::from_str(&restored.expect(0).out).unwrap();
    let kept = restored["kept"].as_str().unwrap();
    assert!(
        fs::read(rig.path(kept)).unwrap() == damaged,
        "kept byte for byte"
    );
    let writes = rig.sandbox.target.writes();
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), writes);
    // Where the record of jobs is lost, a rebuilt state says that pauses are.
    damage(&rig, "jobs");
    let rebuilt = rig.run(&["state", "rebuild"]).await.expect(0);
    assert!(
        rebuilt.out.contains("cannot be read any more"),
        "{rebuilt:?}"
    );
    rig.sync().await.expect(0);
    assert_eq!(rig.sandbox.target.writes(), writes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_in_a_folder_that_cannot_be_written_to_can_be_read() {
    let rig = filled().await;
    // As if the folder were read-only, also for root: the file next to it cannot be made.
    fs::create_dir(rig.path("entrain.db-shm")).unwrap();
    for arguments in &READERS[..3] {
        rig.run(arguments).await.expect(0);
    }
    let run = rig.sync().await.expect(1);
    assert!(run.err.contains("could not open the state file"), "{run:?}");
    assert!(!run.err.contains("in the state file"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_removed_during_a_sync_lets_no_second_one_start() {
    let rig = Rig::start(Size::new(40, 0, 0)).await;
    let slow = Fault::new("/Users", Trouble::Delay(Duration::from_secs(2))).method("POST");
    rig.sandbox.target.traffic().inject(slow.times(8));
    let first = rig.command(&["sync"]).spawn().unwrap();
    let pause = || tokio::time::sleep(Duration::from_millis(100));
    for _ in 0..300 {
        if rig.sandbox.target.writes() > 0 {
            break;
        }
        pause().await;
    }
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(rig.path(&format!("entrain.db{suffix}")));
    }
    let second = rig.sync().await.expect(1);
    assert!(second.err.contains("another entrain (pid "), "{second:?}");
    assert!(!rig.path("entrain.db").exists());
    let first = Rig::finish(first).await.expect(1);
    assert!(first.err.contains("was removed or replaced"), "{first:?}");
    // What was created is found by matching.
    rig.sync().await.expect(0);
    assert_eq!(rig.target().await.duplicates, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_on_one_state_by_different_paths_do_not_run_side_by_side() {
    let rig = Rig::start(Size::new(40, 4, 40)).await;
    let slow = Fault::new("/Users", Trouble::Delay(Duration::from_secs(3))).method("POST");
    rig.sandbox.target.traffic().inject(slow.times(16));
    let first = rig.command(&["sync"]).spawn().unwrap();
    while rig.sandbox.target.writes() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let config = fs::read_to_string(rig.path("entrain.toml")).unwrap();
    let with_state = |name: &str| {
        let text = format!("[state]\npath = \"{name}\"\n\n{config}");
        fs::write(rig.path("other.toml"), text).unwrap();
    };
    let other = ["sync", "--config", "other.toml"];

    std::os::unix::fs::symlink(rig.path("entrain.db"), rig.path("symbolic.db")).unwrap();
    with_state("symbolic.db");
    let second = rig.run(&other).await.expect(1);
    assert!(second.err.contains("another entrain (pid "), "{second:?}");

    fs::hard_link(rig.path("entrain.db"), rig.path("hard.db")).unwrap();
    with_state("hard.db");
    let second = rig.run(&other).await.expect(1);
    assert!(second.err.contains("hard link"), "{second:?}");
    fs::remove_file(rig.path("hard.db")).unwrap();

    // The same folder at another path.
    let mounted = rig.path("mounted");
    fs::create_dir(&mounted).unwrap();
    let mount = "mount --bind . mounted && cd mounted && exec \"$0\" sync";
    let mut command = Command::new("unshare");
    let second = command
        .args(["-rm", "sh", "-c", mount, env!("CARGO_BIN_EXE_entrain")])
        .current_dir(rig.path(""))
        .stdin(Stdio::null())
        .output();
    let said = match second {
        Ok(second) => {
            let words = String::from_utf8_lossy(&second.stderr).into_owned();
            let is_mounted = !words.contains("unshare:") && !words.contains("mount:");
            if is_mounted {
                assert_eq!(second.status.code(), Some(1), "{words}");
                assert!(words.contains("another entrain (pid "), "{words}");
            }
            (!is_mounted).then_some(words)
        }
        Err(error) => Some(error.to_string()),
    };
    if let Some(said) = said {
        skipped("a folder at two paths, which cannot be mounted here", &said);
    }
    Rig::finish(first).await.expect(0);
    let found = rig.target().await;
    assert_eq!(found.duplicates, Vec::<String>::new());
    assert_eq!(rig.sandbox.target.group_count(), found.groups.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_moved_without_its_log_is_refused_until_that_is_accepted() {
    let rig = filled().await;
    let files = ["entrain.db", "entrain.db.key"];
    let elsewhere = rig.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    // Closed in good order, it may be anywhere.
    for file in files {
        fs::copy(rig.path(file), elsewhere.join(file)).unwrap();
    }
    rig.edit(|text| format!("[state]\npath = \"elsewhere/entrain.db\"\n\n{text}"));
    rig.sync().await.expect(0);

    rig.joiner("jane");
    let slow = Fault::new("/Users", Trouble::Delay(Duration::from_secs(30))).method("POST");
    rig.sandbox.target.traffic().inject(slow);
    let writes = rig.sandbox.target.writes();
    let mut killed = rig.command(&["sync"]).spawn().unwrap();
    for _ in 0..300 {
        if rig.sandbox.target.writes() > writes {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    rig.sandbox.target.traffic().clear_faults();
    let third = rig.path("third");
    fs::create_dir(&third).unwrap();
    for file in files {
        fs::copy(elsewhere.join(file), third.join(file)).unwrap();
    }
    rig.edit(|text| text.replace("elsewhere/", "third/"));
    let old = fs::canonicalize(&elsewhere).unwrap().join("entrain.db");
    each_reader(&rig, |arguments, run| {
        assert_eq!(run.code, 1, "{arguments:?}: {run:?}");
        for words in [old.to_str().unwrap(), "-wal", "entrain state accept-move"] {
            assert!(run.err.contains(words), "{arguments:?}: {words}: {run:?}");
        }
    })
    .await;
    // With its log it is the same state.
    fs::copy(
        elsewhere.join("entrain.db-wal"),
        third.join("entrain.db-wal"),
    )
    .unwrap();
    rig.run(&["status"]).await.expect(0);
    fs::remove_file(third.join("entrain.db-wal")).unwrap();
    let _ = fs::remove_file(third.join("entrain.db-shm"));
    for file in files {
        fs::copy(elsewhere.join(file), third.join(file)).unwrap();
    }
    rig.run(&["status"]).await.expect(1);

    rig.run(&["state", "accept-move"]).await.expect(0);
    let status = rig
        .run(&["status", "--format", "json"])
        .await
        .expect(0)
        .job();
    assert_eq!(status["full_evaluation"], true, "{status:#}");
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_knows_its_tenant() {
    let rig = filled().await;
    let known = rig.sandbox.tenant_id();
    let other = Uuid::from_u128(0x1234).to_string();
    rig.edit(|text| text.replace(&known, &other));
    let writes = rig.sandbox.target.writes();
    for command in ["plan", "sync"] {
        let run = rig.run(&[command]).await.expect(2);
        for words in [&*known, &*other, "restore the old id", "state.path"] {
            assert!(run.err.contains(words), "{command}: {words}: {run:?}");
        }
    }
    assert_eq!(rig.sandbox.target.writes(), writes);
    rig.edit(|text| text.replace(&other, &known.to_uppercase()));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_the_same_by_its_domain_and_by_its_id() {
    let rig = filled().await;
    let id = rig.sandbox.tenant_id();
    let domain = "contoso.onmicrosoft.com";
    let name = |from: &str, to: &str| {
        let (from, to) = (
            format!("tenant_id = \"{from}\""),
            format!("tenant_id = \"{to}\""),
        );
        rig.edit(|text| {
            assert!(text.contains(&from), "{text}");
            text.replace(&from, &to)
        });
    };
    for (from, to) in [
        (&*id, domain),
        (domain, "contoso.com"),
        ("contoso.com", &*id),
    ] {
        name(from, to);
        rig.plan().await.expect(0);
        let idle = rig.sync().await.expect(0).job();
        assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    }
    // Another one, and one of which nothing is known.
    name(&id, domain);
    rig.sync().await.expect(0);
    let other = Uuid::from_u128(0x1234).to_string();
    name(domain, &other);
    let run = rig.run(&["sync"]).await.expect(2);
    assert!(run.err.contains("restore the old id"), "{run:?}");
    name(&other, "nobody.example");
    let run = rig.run(&["sync"]).await.expect(2);
    for words in [
        "could not be determined",
        "Tenant 'nobody.example' not found",
        domain,
    ] {
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    // The service reads nothing of it either, for a cycle or for leavers.
    rig.edit(|text| format!("[schedule]\ninterval = \"4h\"\nleavers = \"1s\"\n\n{text}"));
    rig.tenant().traffic().reset();
    let service = Service::start(&rig, &["run"]);
    until("the first cycle", || {
        service.log().contains("could not be determined")
    })
    .await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    service.signal("-TERM");
    service.end().await;
    let traffic = rig.tenant().traffic();
    assert_eq!(traffic.count_where(|one| one.path.contains("/delta")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_killed_leaves_nothing() {
    let rig = filled().await;
    let temporary = rig.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let left = temporary.join("entrain-a1b2c3");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("scratch.db"), "people").unwrap();
    let long_ago = std::time::UNIX_EPOCH + Duration::from_hours(24);
    fs::File::open(&left)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    let before = fs::read(rig.path("entrain.db")).unwrap();
    rig.joiner("jane");
    let slow = Fault::new("/users/delta", Trouble::Delay(Duration::from_secs(30)));
    rig.tenant().traffic().inject(slow);
    let mut plan = rig.command(&["plan"]);
    let mut plan = plan.env("TMPDIR", &temporary).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    plan.kill().unwrap();
    plan.wait().unwrap();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert_eq!(fs::read(rig.path("entrain.db")).unwrap(), before);
    rig.tenant().traffic().clear_faults();
    rig.sync().await.expect(0);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
}
