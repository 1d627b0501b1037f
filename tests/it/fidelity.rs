//! What a saved plan lists is what is sent, request for request: random tenants, random changes and targets of
//! many habits, carried out by `sync` and by `apply` in turn.

use std::fs;
use std::io::{self, Write as _};

use entrain::sandbox::{Bulk, Personality, Size, Uuid};
use serde_json::{Value, json};

use crate::requests::{announced, written};
use crate::rig::Rig;

/// Plans of one tenant: the first, and those after changes.
const ROUNDS: usize = 4;
/// How many writes of a tenant may be in another form than listed, because the target refused the listed one
/// first: what it takes is found out once for each kind of write.
const TRIALS: usize = 30;

/// How many tenants are tried; more where there is time for them.
#[expect(clippy::disallowed_methods, reason = "it is no setting of the program")]
fn worlds() -> u64 {
    let worlds = std::env::var("ENTRAIN_WORLDS");
    worlds.map_or(3, |worlds| worlds.parse().unwrap())
}

/// Numbers that depend on the seed alone (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// One change in the tenant, of any kind.
fn change(rig: &Rig, chance: &mut Chance, round: usize) {
    let tenant = rig.tenant();
    let users: Vec<Uuid> = tenant.user_ids();
    let groups: Vec<Uuid> = tenant.groups().into_iter().map(|group| group.id).collect();
    let (user, group) = (chance.of(&users), chance.of(&groups));
    let number = chance.below(100_000);
    let _may_be_as_before: bool = match chance.below(12) {
        0 => tenant.set_property(user, "jobTitle", json!(format!("Title {number}"))),
        1 => tenant.set_property(user, "department", Value::Null),
        2 => tenant.disable_user(user),
        3 => tenant.enable_user(user),
        4 => tenant.soft_delete_user(user),
        5 => tenant.restore_user(user),
        6 => {
            rig.joiner(&format!("joiner{round}x{number}"));
            true
        }
        7 => tenant.set_manager(user, (chance.below(3) > 0).then(|| chance.of(&users))),
        8 => tenant.add_members(group, &[user, chance.of(&users)]),
        9 => {
            let members = tenant.members(group);
            tenant.remove_members(group, &members[..members.len().min(2)])
        }
        10 => tenant.rename_group(group, &format!("Group {round} {number}")),
        _ => tenant.unassign(user),
    };
}

#[derive(Debug, Default)]
struct Counts {
    plans: usize,
    requests: usize,
    /// Writes whose body depends on what is read before, so that the plan lists the row alone.
    open: usize,
    /// Writes that a target took only in another form.
    trials: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_saved_plan_lists_is_what_sync_and_apply_send() {
    let personalities = Personality::named();
    let mut counts = Counts::default();
    for seed in 1..=worlds() {
        let mut chance = Chance(seed);
        let size = Size::new(
            8 + chance.below(25),
            2 + chance.below(5),
            10 + chance.below(80),
        );
        let rig = Rig::of(seed, size).await;
        let (name, personality, settings) = &personalities[chance.below(personalities.len())];
        rig.sandbox.target.configure(|own| {
            *own = personality.clone();
            own.bulk = (seed % 2 == 0).then(Bulk::default);
        });
        rig.configure(&format!(
            "{settings}\n[jobs.safety]\nmax_deletions = \"100%\"\nmax_membership_removals = \"100%\"\n"
        ));
        let mut trials = 0;
        for round in 0..ROUNDS {
            if round > 0 {
                for _ in 0..=chance.below(12) {
                    change(&rig, &mut chance, round);
                }
            }
            let world = format!("seed {seed}, {name}, round {round}");
            trials += one_plan(&rig, &mut counts, round % 2 == 1, &world).await;
        }
        assert!(trials <= TRIALS, "seed {seed}, {name}: {trials}");
        counts.trials += trials;
    }
    // For a person who reads the output of a long run.
    let _ = writeln!(io::stderr(), "{} tenants: {counts:?}", worlds());
}

/// Saves a plan, carries it out, and compares; how many writes had to be sent in another form.
async fn one_plan(rig: &Rig, counts: &mut Counts, by_apply: bool, world: &str) -> usize {
    let traffic = rig.sandbox.target.traffic();
    traffic.record_bodies(true);
    let run = rig.run(&["plan", "--out", "p.json"]).await;
    assert!([0, 4].contains(&run.code), "{world}: {run:?}");
    let file = fs::read_to_string(rig.path("p.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let digest = file["jobs"][0]["digest"].as_str().unwrap();
    traffic.reset();
    let run = if by_apply {
        rig.run(&["apply", "p.json", "--expect", digest]).await
    } else {
        rig.run(&["sync"]).await
    };
    assert!([0, 4].contains(&run.code), "{world}: {run:?}");
    let (mut sent, refused) = written(rig);
    let (listed, mut open) = announced(rig, &file);
    counts.plans += 1;
    counts.requests += listed.len();
    let mut trials = refused.len();
    for request in &listed {
        let place = sent.iter().position(|one| one == request);
        // A target that has just shown that it takes another form gets that one.
        let place = place.or_else(|| {
            let path = &request.1;
            let other = sent.iter().position(|one| one.0 == "PUT" && one.1 == *path);
            trials += usize::from(other.is_some());
            other.filter(|_| !refused.is_empty())
        });
        let place = place.unwrap_or_else(|| panic!("{world}: not sent: {request:?}\n{sent:#?}"));
        sent.remove(place);
    }
    // Those that depend on what was read are recognised by their object.
    for (method, path, body) in sent {
        let is_listed = open.get_mut(&path).is_some_and(|left| {
            let any = *left > 0;
            *left = left.saturating_sub(1);
            any
        });
        assert!(is_listed, "{world}: not listed: {method} {path} {body}");
        counts.open += 1;
    }
    open.retain(|_, left| *left > 0);
    assert!(open.is_empty(), "{world}: not sent: {open:?}");
    trials
}
