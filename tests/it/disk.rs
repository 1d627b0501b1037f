//! A disk that is full, and power that is lost: nothing is lost, nothing is there twice (product rules 1, 2).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use entrain::sandbox::{Size, Trouble};

use crate::cycles::{same, settled};
use crate::foreign::{loudly, skipped};
use crate::leavers::started_with;
use crate::leavers_soon::QUIET;
use crate::rig::Rig;
use crate::service::until;
use crate::target::Expected;

/// How often the power is lost; `ENTRAIN_LOSSES` changes it.
const LOSSES: usize = 6;

/// A volume of its own, as small as this, until it is dropped.
struct Volume(PathBuf);

impl Volume {
    /// `None` where it cannot be made: only root may.
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let size = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let mount = Command::new("mount").args(arguments).arg(&path).output();
        let error = match mount {
            Ok(done) if done.status.success() => return Some(Self(path)),
            Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        skipped("a volume of its own, which only root can mount", &error);
        None
    }

    /// Fills it until so many bytes are left.
    fn fill(&self, left: usize) {
        let ballast = self.0.join("ballast");
        let _ = fs::remove_file(&ballast);
        let mut df = Command::new("df");
        let df = df.args(["--output=avail", "-B1"]).arg(&self.0);
        let free = String::from_utf8(df.output().unwrap().stdout).unwrap();
        let free: usize = free.lines().last().unwrap().trim().parse().unwrap();
        fs::write(ballast, vec![0; free.saturating_sub(left)]).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_a_cycle_at_any_point_and_loses_nothing() {
    let rig = Rig::start(Size::new(150, 12, 400)).await;
    let Some(volume) = Volume::mount(rig.path("small"), "24m") else {
        return;
    };
    rig.edit(|text| format!("[state]\npath = \"small/entrain.db\"\n\n{text}"));
    let mut expected = Expected::default();
    let mut stopped = Vec::new();
    // From nothing at all to nearly enough, in bytes.
    for left in [0, 60_000, 250_000, 500_000, 800_000, 1_200_000, 2_000_000] {
        volume.fill(left);
        let run = rig.sync().await;
        if run.code == 1 {
            let words = ["full", "No space"];
            assert!(words.iter().any(|one| run.err.contains(one)), "{run:?}");
            stopped.push((left, rig.sandbox.target.writes()));
        }
        volume.empty();
    }
    assert!(stopped.len() >= 3, "{stopped:?}");
    rig.sync().await;
    rig.sync().await.expect(0);
    settled(&rig, &mut expected).await;
    loudly(&format!(
        "full disk: bytes left and writes until then: {stopped:?}\n"
    ));

    // The same in the middle of changes.
    for (round, left) in [0, 8_192, 40_000].into_iter().enumerate() {
        for user in rig.tenant().user_ids().into_iter().take(60) {
            let title = serde_json::json!(format!("Title {round}"));
            rig.tenant().set_property(user, "jobTitle", title);
        }
        volume.fill(left);
        rig.sync().await;
        volume.empty();
    }
    rig.sync().await;
    rig.sync().await.expect(0);
    settled(&rig, &mut expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_result_cannot_be_noted_is_carried_out_once() {
    let rig = Rig::start(Size::new(80, 0, 0)).await;
    let Some(volume) = Volume::mount(rig.path("small"), "24m") else {
        return;
    };
    let state = format!(
        "[state]\npath = \"{}\"\n",
        volume.0.join("entrain.db").display()
    );
    let (service, users) = started_with(&rig, &format!("{QUIET}{state}")).await;
    let traffic = rig.sandbox.target.traffic();
    for (id, _) in &users {
        let name = serde_json::json!("Renamed");
        rig.tenant().set_property(*id, "displayName", name);
    }
    traffic.befall(|method, _| {
        (method != "GET").then_some(Trouble::Delay(Duration::from_millis(700)))
    });
    let command = rig.command(&["sync"]).spawn().unwrap();
    until("the cycle writes", || traffic.writes() > 3).await;
    volume.fill(0);
    until("the disk is full", || {
        service.log().contains("could not be recorded")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    volume.empty();
    let run = Rig::finish(command).await.expect(1);
    assert!(run.err.contains("full"), "{run:?}");
    let log = service.log();
    let told = |words: &str| log.matches(words).count();
    assert_eq!(told("a command requests a cycle"), 1, "{log}");
    assert_eq!(told("could not be recorded"), 1, "{log}");
}

/// What keeps copies of synced files, to be loaded in front of the C library.
fn keeper(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/synced.c");
    let library = folder.join("synced.so");
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output();
    let error = match made {
        Ok(done) if done.status.success() => return Some(library),
        Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    skipped("a C compiler that makes a library to preload", &error);
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn power_that_is_lost_leaves_what_was_synced_and_that_is_enough() {
    let losses = std::env::var_os("ENTRAIN_LOSSES");
    let losses = losses.map_or(LOSSES, |losses| losses.to_str().unwrap().parse().unwrap());
    let rig = Rig::start(Size::new(300, 12, 900)).await;
    let Some(keeper) = keeper(&rig.path("")) else {
        return;
    };
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(10));
    let synced = rig.path("synced");
    fs::create_dir(&synced).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let users = rig.tenant().user_ids();
    let mut lost_at_work = 0;
    for loss in 0..losses {
        // The first half in the initial cycle; later there are changes to be lost.
        if loss >= losses / 2 {
            for _ in 0..100 {
                let user = users[random.usize(0..users.len())];
                let title = serde_json::json!(format!("Title {}", random.u32(..)));
                rig.tenant().set_property(user, "jobTitle", title);
            }
        }
        let before = rig.sandbox.target.writes();
        let until = before + random.usize(1..80);
        let mut child = rig
            .command(&["sync"])
            .env("LD_PRELOAD", &keeper)
            .env("ENTRAIN_SYNCED", &synced)
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() && rig.sandbox.target.writes() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        lost_at_work += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        // What was written and not synced is gone.
        for file in fs::read_dir(rig.path("")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("entrain.db") {
                fs::remove_file(&path).unwrap();
            }
        }
        for file in fs::read_dir(&synced).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "half")
            {
                continue;
            }
            fs::copy(&path, rig.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
    }
    assert!(lost_at_work >= losses / 2, "{lost_at_work} of {losses}");
    rig.sync().await.expect(0);
    let target = rig.target().await;
    assert_eq!(target.duplicates, Vec::<String>::new());
    same(&target, &Expected::default().after_cycle(rig.tenant()));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}
