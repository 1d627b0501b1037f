//! Random changes of the directory against random faults of both sides, crashes and kills (product rules 1,
//! 2, 3, 8 and 12). After the faults stop, two cycles later, the target is as the tenant says.
//!
//! `ENTRAIN_STORMS` runs so many, `ENTRAIN_STORM_SEED` is the seed of the first: a failure names its seed. 300 in a row
//! from seed 8300: 5,683 cycles with 32,561 faults, 1,166 crashes, 156 kills and 39,567 changes of the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use entrain::sandbox::{GraphQuirk, Life, Quirk, Size, TenantHandle};
use fastrand::Rng;
use serde_json::Value;

use crate::foreign::loudly;
use crate::kept::{Holds, Kept};
use crate::rig::Rig;
use crate::target::{Person, View, desired, home_address};
use crate::weather::{Crash, Faults, Side, change, weather};

const STORMS: u64 = 6;
/// Storms at the same time: they mostly wait.
const AT_ONCE: u64 = 12;
/// One in so many runs the program itself, and kills it.
const KILLS_EVERY: u64 = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    storms: usize,
    cycles: usize,
    crashes: usize,
    kills: usize,
    faults: usize,
    changes: usize,
    requests: usize,
}

impl Figures {
    fn add(&mut self, other: &Self) {
        self.storms += other.storms;
        self.cycles += other.cycles;
        self.crashes += other.crashes;
        self.kills += other.kills;
        self.faults += other.faults;
        self.changes += other.changes;
        self.requests += other.requests;
    }
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var_os(name);
    value.map_or(default, |value| value.to_str().unwrap().parse().unwrap())
}

#[test]
fn storms_of_faults_lose_nothing_double_nothing_and_remove_no_user_by_mistake() {
    let (storms, first) = (
        number("ENTRAIN_STORMS", STORMS),
        number("ENTRAIN_STORM_SEED", 1),
    );
    let next = AtomicU64::new(first);
    let ended: Mutex<(Figures, Vec<String>)> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..number("ENTRAIN_STORMS_AT_ONCE", AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + storms {
                        return;
                    }
                    let done = panic::catch_unwind(|| pass(seed));
                    let (figures, failures) = &mut *ended.lock().unwrap();
                    match done {
                        Ok(Ok(of_one)) => figures.add(&of_one),
                        Ok(Err(words)) => failures.push(format!("seed {seed}: {words}")),
                        Err(_) => failures.push(format!("seed {seed}: panicked")),
                    }
                    if storms > STORMS && figures.storms % 50 == 0 {
                        loudly(&format!("{figures:?}, {} failed\n", failures.len()));
                    }
                }
            });
        }
    });
    let (figures, failures) = ended.into_inner().unwrap();
    loudly(&format!("storms from seed {first}: {figures:?}\n"));
    assert!(
        failures.is_empty(),
        "{} of {storms} storms failed; ENTRAIN_STORMS=1 ENTRAIN_STORM_SEED=n runs one alone\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}

/// One storm, on a thread of its own.
fn pass(seed: u64) -> Result<Figures, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(Storm::run(seed))
}

/// A tenant, a target and an agent, and what becomes of them.
struct Storm {
    rig: Rig,
    random: Rng,
    crash: Arc<Crash>,
    faults: Arc<Faults>,
    /// The program itself runs the cycles, and is killed.
    kills: bool,
    deletes: bool,
    /// Chooses what is read of the tenant.
    reads: Rng,
    figures: Figures,
    /// Whether the faults have not stopped yet.
    is_stormy: bool,
    /// Users that were blocked or deleted at some time since the last complete reading: it may not be known yet that
    /// they are neither any more.
    blocked: BTreeSet<String>,
    /// What happened, for the report of a failure.
    log: Vec<String>,
}

impl Storm {
    async fn run(seed: u64) -> Result<Figures, String> {
        let mut storm = Self::start(seed).await;
        if let Err(words) = storm.pass().await {
            storm.log.extend(storm.faults.take_log());
            storm.log.push(words.clone());
            let on_record = storm.rig.run(&["log", "--limit", "60"]).await;
            storm.log.push(on_record.out);
            let log = storm.log.join("\n");
            let file = std::env::temp_dir().join(format!("storm-{seed}.log"));
            let _ = std::fs::write(&file, log);
            let _ = std::fs::copy(storm.rig.path("entrain.db"), file.with_extension("db"));
            let _ = std::fs::copy(
                storm.rig.path("entrain.db-wal"),
                file.with_extension("db-wal"),
            );
            return Err(format!("{words}\n(what happened is in {})", file.display()));
        }
        storm.figures.storms = 1;
        storm.figures.faults = storm.faults.count.load(Ordering::SeqCst);
        Ok(storm.figures)
    }

    async fn start(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let people = random.usize(4..16);
        let size = Size::new(people, random.usize(1..4), people * 2);
        let rig = Rig::of(seed, size).await;
        let deletes = random.u32(0..4) == 0;
        let leavers = if deletes {
            "[jobs.users]\nwhen_out_of_scope = \"delete\"\n"
        } else {
            ""
        };
        rig.configure(&format!(
            "{leavers}[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"\n"
        ));
        rig.edit(|text| {
            let text = text.replace("timeout = \"5s\"", "timeout = \"1s\"");
            text.replace("visibility_delay = \"0s\"", "visibility_delay = \"1s\"")
        });
        rig.tenant().configure(|graph| {
            graph.users_per_page = random.usize(1..9);
            graph.groups_per_page = random.usize(1..4);
            graph.members_per_page = random.usize(2..7);
            graph.entries_per_page = random.usize(2..7);
        });
        for quirk in [
            GraphQuirk::Replays,
            GraphQuirk::EmptyPages,
            GraphQuirk::RemovedInInitialRound,
        ] {
            if random.u32(0..4) == 0 {
                rig.tenant().enable(quirk);
            }
        }
        // Or a create that the network repeats makes two.
        rig.sandbox.target.enable(Quirk::UniqueGroupNames);
        for quirk in [
            Quirk::PatchAnswersWhole,
            Quirk::CreateAnswersNothing,
            Quirk::BareConflicts,
        ] {
            if random.u32(0..4) == 0 {
                rig.sandbox.target.enable(quirk);
            }
        }
        rig.sandbox.target.traffic().record_bodies(true);
        Self {
            rig,
            random,
            crash: Arc::default(),
            faults: Arc::default(),
            kills: seed.is_multiple_of(KILLS_EVERY),
            deletes,
            reads: Rng::with_seed(seed),
            figures: Figures::default(),
            is_stormy: false,
            blocked: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    /// Stormy cycles, then quiet ones.
    async fn pass(&mut self) -> Result<(), String> {
        // Some begin with a target that is filled, others have never seen a good day.
        if self.random.bool() {
            self.cycle(None).await?;
        }
        let stormy = self.random.usize(10..22);
        for _ in 0..stormy {
            self.change_some();
            if self.random.bool() {
                self.quiet().await;
            }
            self.blow();
            let crash = (self.random.u32(0..2) == 0).then(|| self.random.i64(0..40));
            self.cycle(crash).await?;
        }
        self.settle().await
    }

    fn change_some(&mut self) {
        for _ in 0..self.random.usize(1..16) {
            self.figures.changes += 1;
            let number = self.figures.changes;
            let what = change(self.rig.tenant(), &mut self.random, number);
            self.log.push(format!("change {number}: {what}"));
        }
    }

    /// The weather of the next cycle.
    fn blow(&mut self) {
        self.is_stormy = true;
        let per_mille = [100, 300, 500, 700][self.random.usize(0..4)];
        let of = |side, random: &mut Rng| {
            let (faults, crash) = (Arc::clone(&self.faults), Arc::clone(&self.crash));
            weather(side, per_mille, random.fork(), faults, crash)
        };
        let graph = of(Side::Graph, &mut self.random);
        let target = of(Side::Target, &mut self.random);
        self.rig.tenant().traffic().clear_faults();
        self.rig.sandbox.target.traffic().clear_faults();
        self.rig.tenant().traffic().befall(graph);
        self.rig.sandbox.target.traffic().befall(target);
    }

    /// Waits until what was sent has arrived.
    async fn quiet(&self) {
        let target = self.rig.sandbox.target.traffic();
        while target.under_way() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// One cycle, perhaps not to its end, and what it must not have done. Its summary, if there is one.
    async fn cycle(&mut self, crash: Option<i64>) -> Result<Value, String> {
        self.figures.cycles += 1;
        let target = self.rig.sandbox.target.clone();
        target.traffic().reset();
        self.rig.tenant().traffic().reset();
        let was_quiet = target.traffic().under_way() == 0;
        let before = Holds::of(&self.rig);
        let mut kept = Kept::of(self.rig.tenant(), self.deletes);
        self.read_another_way();
        self.crash.arm(crash);
        self.log.extend(self.faults.take_log());
        self.log.push(format!(
            "cycle {}, crash after {crash:?}",
            self.figures.cycles
        ));

        let summary = self.work(&mut kept).await;
        self.crash.arm(None);
        self.log.extend(self.faults.take_log());
        self.log.push(format!("ended: {summary}"));
        let exchanges = target.traffic().exchanges();
        self.figures.requests += exchanges.len() + self.rig.tenant().traffic().count();

        self.blocked.extend(kept.blocked.iter().cloned());
        kept.active.retain(|name| !self.blocked.contains(name));
        if self.deletes {
            kept.there.retain(|name| !self.blocked.contains(name));
        }
        if summary["incomplete"].is_null() && summary["cycle"].is_number() {
            self.blocked = Kept::of(self.rig.tenant(), self.deletes).blocked;
        }
        let after = Holds::of(&self.rig);
        let mut wrong = Vec::new();
        if !after.doubled.is_empty() {
            wrong.push(format!("twice in the target: {:?}", after.doubled));
        }
        let name = |id: &str| before.names.get(id).or_else(|| after.names.get(id));
        for one in &exchanges {
            let body = one.body.as_deref().unwrap_or_default();
            let Some((kind, id)) = one
                .path
                .strip_prefix("/scim/v2/")
                .and_then(|path| path.split_once('/'))
            else {
                continue;
            };
            let Some(name) = name(id.split('?').next().unwrap()) else {
                continue;
            };
            let body: Value = serde_json::from_str(body).unwrap_or_default();
            let is_mistake = match (one.method.as_str(), kind) {
                ("DELETE", "Users") => kept.there.contains(name),
                ("DELETE", "Groups") => kept.groups.contains(name),
                ("PATCH", "Users") => disables(&body) && kept.active.contains(name),
                // It carries all of the account, as it is.
                ("PUT", "Users") => {
                    let was_active = before.users.get(name) == Some(&true);
                    disables(&body) && kept.active.contains(name) && was_active
                }
                _ => false,
            };
            if is_mistake {
                wrong.push(format!("{name} was removed: {} {body}", one.method));
            }
        }
        if was_quiet {
            let users = before.users.iter().filter(|(name, is_active)| {
                **is_active && kept.active.contains(*name) && after.users.get(*name) != Some(&true)
            });
            wrong.extend(users.map(|(name, _)| format!("{name} is not active any more")));
            let members = before.members.difference(&after.members);
            let members = members.filter(|pair| kept.members.contains(pair));
            wrong.extend(members.map(|pair| format!("{pair:?} is no member any more")));
        }
        let overlaps = target.traffic().overlaps();
        if !overlaps.is_empty() {
            wrong.push(format!("written twice at once: {overlaps:?}"));
        }
        if wrong.is_empty() {
            Ok(summary)
        } else {
            Err(format!(
                "cycle {}: {}",
                self.figures.cycles,
                wrong.join("\n")
            ))
        }
    }

    /// The whole tenant, or what is in scope.
    fn read_another_way(&mut self) {
        if self.reads.u32(0..4) > 0 {
            return;
        }
        let read = self.reads.choice(["whole", "in_scope"]).unwrap();
        self.rig.reads(read);
        self.log.push(format!("reads {read}"));
    }

    /// Runs it, while the directory may change.
    async fn work(&mut self, kept: &mut Kept) -> Value {
        let config = self.rig.path("entrain.toml");
        let crash = Arc::clone(&self.crash);
        let changes_meanwhile = self.is_stormy && self.random.u32(0..3) == 0;
        let waits = [self.random.u64(20..400), self.random.u64(20..400)];
        let changing = async {
            for wait in waits.into_iter().filter(|_| changes_meanwhile) {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                self.figures.changes += 1;
                let number = self.figures.changes;
                let what = change(self.rig.tenant(), &mut self.random, number);
                self.log.push(format!("change {number} meanwhile: {what}"));
                kept.and(&Kept::of(self.rig.tenant(), self.deletes));
            }
            std::future::pending::<()>().await;
        };
        if self.kills {
            let mut child = self
                .rig
                .command(&["sync", "--format", "json"])
                .spawn()
                .unwrap();
            let ended = async {
                while child.try_wait().unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                false
            };
            let killed = tokio::select! {
                killed = ended => killed,
                () = crash.comes() => true,
                () = changing => unreachable!("it does not end"),
            };
            if killed {
                child.kill().unwrap();
                self.figures.kills += 1;
            }
            let run = Rig::finish(child).await;
            return serde_json::from_str(&run.out)
                .map_or(Value::from(run.err), |document: Value| {
                    document["jobs"][0].clone()
                });
        }
        let cycle = Box::pin(entrain::in_process::sync(&config));
        let ended = tokio::select! {
            ended = cycle => Some(ended),
            () = crash.comes() => None,
            () = changing => unreachable!("it does not end"),
        };
        match ended {
            Some(Ok(summary)) => serde_json::from_str(&summary).unwrap(),
            Some(Err(words)) => Value::from(words),
            None => {
                self.figures.crashes += 1;
                Value::from("crashed")
            }
        }
    }

    /// Two cycles without faults bring the target to where the tenant says; the third sends nothing.
    async fn settle(&mut self) -> Result<(), String> {
        self.is_stormy = false;
        self.rig.tenant().traffic().clear_faults();
        self.rig.sandbox.target.traffic().clear_faults();
        self.log.push("the faults stop".to_owned());
        self.quiet().await;
        self.rig
            .edit(|text| text.replace("timeout = \"1s\"", "timeout = \"10s\""));
        let mut summary = Value::Null;
        let mut left = 2;
        while left > 0 {
            left -= 1;
            summary = self.cycle(None).await?;
            // An operator who knows that the target is well again does not wait for a day.
            if summary.to_string().contains("\"reason\":\"quarantine\"") {
                self.rig.run(&["resume", "demo"]).await.expect(0);
                left = 2;
                continue;
            }
            // What is held is as the tenant says, and an operator says so.
            if summary["held"].is_object() {
                self.rig.run(&["approve", "demo"]).await.expect(0);
                left = left.max(1);
            }
        }
        if summary.is_string() || summary["failed"] != 0 || summary["not_tried"] != 0 {
            return Err(format!("after the faults: {summary:#}"));
        }
        let target = View::new(
            &self.rig.sandbox.target.users(),
            &self.rig.sandbox.target.groups(),
        );
        let differs = differences(self.rig.tenant(), &target);
        if !differs.is_empty() {
            return Err(format!(
                "after the faults: {}\n{summary:#}",
                differs.join("\n")
            ));
        }
        let idle = self.cycle(None).await?;
        if idle["requests"]["target"] != 0 {
            return Err(format!("nothing was to be done: {idle:#}"));
        }
        Ok(())
    }
}

/// Whether a request blocks an account.
fn disables(body: &Value) -> bool {
    let is_no = |value: &Value| *value == false || value == "False" || value == "false";
    let operations = body["Operations"].as_array().into_iter().flatten();
    let mut operations = operations.filter(|one| one["op"] != "remove");
    is_no(&body["active"])
        || operations.any(|one| {
            let value = &one["value"];
            (one["path"] == "active" && is_no(value)) || is_no(&value["active"])
        })
}

/// Where the target is not as the tenant says. Who never could sign in has no account; who left has one that
/// is not active, or none.
pub(crate) fn differences(tenant: &TenantHandle, target: &View) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(target.duplicates.iter().map(|one| format!("twice: {one}")));
    let in_scope = tenant.users_in_scope();
    let users = tenant.users();
    let name_of = |user: &entrain::sandbox::UserView| {
        home_address(user.properties["userPrincipalName"].as_str().unwrap())
    };
    let nickname = |properties: &serde_json::Map<String, Value>| {
        properties
            .get("mailNickname")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    // An account is found by its externalId, whatever its name was when its user left.
    let accounts: BTreeMap<&str, (&String, &Person)> = target
        .users
        .iter()
        .filter_map(|(name, person)| {
            Some((person.values.get("externalId")?.as_str(), (name, person)))
        })
        .collect();
    let account = |properties: &serde_json::Map<String, Value>| {
        accounts.get(nickname(properties)?.as_str()).copied()
    };
    let mut known = BTreeSet::new();
    for user in &users {
        let is_enabled = user.properties["accountEnabled"] == true;
        let belongs = in_scope.contains(&user.id);
        let found = account(&user.properties);
        known.extend(found.map(|(name, _)| name.clone()));
        let name = name_of(user);
        match found {
            None if belongs && is_enabled => wrong.push(format!("{name} is missing")),
            None => {}
            Some((_, person)) if !belongs && person.active => {
                wrong.push(format!("{name} is not in scope, and active"));
            }
            Some(_) if !belongs => {}
            Some((own, person)) => {
                let mut expected = desired(&user.properties, is_enabled);
                let manager = user
                    .manager
                    .and_then(|id| users.iter().find(|one| one.id == id));
                let manager = manager.and_then(|manager| account(&manager.properties));
                expected.manager = manager.map(|(name, _)| name.clone());
                // Who has no manager in a reading from the beginning lost him, or he is in the recycle bin, where he
                // stays the manager when he is restored: a reader cannot know that he was taken away before.
                let deleted = users.iter().filter(|one| one.life == Life::SoftDeleted);
                let mut deleted = deleted.filter_map(|one| account(&one.properties));
                if expected.manager.is_none()
                    && deleted.any(|(name, _)| person.manager.as_ref() == Some(name))
                {
                    expected.manager.clone_from(&person.manager);
                }
                if *own != name || *person != expected {
                    wrong.push(format!("{own}: {person:?}, but {name} is {expected:?}"));
                }
            }
        }
    }
    // Who was deleted for good while the source was read from the beginning has an account that is disabled.
    let others = target.users.iter();
    let others = others.filter(|(name, person)| !known.contains(*name) && person.active);
    wrong.extend(others.map(|(name, _)| format!("{name} is no user of the tenant, and active")));
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for id in tenant.groups_in_scope() {
        let group = tenant.group(id).unwrap();
        let members = group.members.iter().filter(|id| in_scope.contains(id));
        let members = members.filter_map(|id| users.iter().find(|user| user.id == *id));
        let members = members.filter_map(|user| account(&user.properties));
        let name = group.properties["displayName"].as_str().unwrap();
        let members = members.map(|(name, _)| name.clone()).collect();
        groups.insert(name.to_owned(), members);
    }
    // Groups inside groups are compared elsewhere.
    let people = |all: &BTreeSet<String>| -> BTreeSet<String> {
        let people = all.iter().filter(|one| !target.groups.contains_key(*one));
        people.cloned().collect()
    };
    for (name, members) in &groups {
        if target.groups.get(name).map(people).as_ref() != Some(members) {
            wrong.push(format!(
                "group {name}: {:?}, but {members:?}",
                target.groups.get(name)
            ));
        }
    }
    let others = target
        .groups
        .keys()
        .filter(|name| !groups.contains_key(*name));
    wrong.extend(others.map(|name| format!("group {name} is no group in scope")));
    wrong
}
