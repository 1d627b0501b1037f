//! Reading by shards: what a round of few objects finds missing, and the change to and from whole rounds.

use rusqlite::params;

use super::*;
use crate::engine::plan::Count;
use crate::engine::strategy::{Choice, Recent, Strategy};
use crate::store::{ScopeOf, Shard};

impl World {
    fn reads(&self, strategy: Strategy) {
        let choice = Choice {
            strategy,
            why: "a test".to_owned(),
            tenant: None,
            scope: None,
            counted: None,
            recent: Recent::default(),
        };
        let select = |_| SELECT.to_owned();
        self.store
            .note_strategy(SourceNumber::FIRST, &choice, select)
            .unwrap();
    }

    fn shards(&self, kind: ObjectKind, keys: &[&str]) -> Vec<Shard> {
        let keys = keys.iter().map(|name| key(name)).collect();
        self.store.shards_of(kind, &keys, 2, SELECT).unwrap()
    }

    fn commit(&self, kind: ObjectKind, shard: &Shard, changes: &[SourceChange]) {
        let link = Complete::after_last_page("link".to_owned());
        self.store
            .commit_shard(kind, shard, SELECT, changes, &link, at(0))
            .unwrap();
    }

    fn presence(&self, kind: ObjectKind, name: &str) -> Option<Presence> {
        let object = self.store.object(kind, &id(name)).unwrap();
        object.map(|object| object.presence)
    }
}

#[test]
fn a_round_of_few_objects_finds_only_those_missing() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2"), user("u3")]);
    world.round(Group, &[group("g1", &["u1", "u2"])]);
    world.reads(Strategy::InScope);
    let shards = world.shards(User, &["u1", "u2", "u3"]);
    assert_eq!(shards.len(), 2);
    assert!(shards.iter().all(|shard| shard.link.is_none()));
    world.commit(User, &shards[0], &[user("u1")]);
    assert_eq!(world.presence(User, "u1"), Some(Presence::Present));
    assert_eq!(world.presence(User, "u2"), Some(Presence::Missing));
    assert_eq!(world.presence(User, "u3"), Some(Presence::Present));
    // A later round reports what changed and nothing else, and others than its own objects do not count.
    let shards = world.shards(User, &["u1", "u2", "u3"]);
    assert_eq!(shards[0].link.as_deref(), Some("link"));
    world.commit(
        User,
        &shards[0],
        &[user("u2"), gone(User, "u3", Presence::Deleted)],
    );
    assert_eq!(world.presence(User, "u2"), Some(Presence::Present));
    assert_eq!(world.presence(User, "u3"), Some(Presence::Present));

    let shards = world.shards(Group, &["g1"]);
    world.commit(Group, &shards[0], &[group("g1", &["u2"])]);
    let around = world.store.groups_around(&[key("u1")]).unwrap();
    assert_eq!(around, []);
    assert_eq!(
        world.store.groups_around(&[key("u2")]).unwrap(),
        [key("g1")]
    );
}

#[test]
fn what_is_read_no_more_is_forgotten_and_counts_no_more() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.round(Group, &[group("g1", &["u1"])]);
    world.reads(Strategy::InScope);
    world.shards(User, &["u1"]);
    for kind in ObjectKind::ALL {
        world.store.forget_unread(kind).unwrap();
    }
    assert_eq!(world.presence(User, "u1"), Some(Presence::Present));
    assert_eq!(world.presence(User, "u2"), None);
    assert_eq!(world.presence(Group, "g1"), None);
    let count = Count {
        users: 1,
        groups: 0,
    };
    assert_eq!(world.store.present(SourceNumber::FIRST).unwrap(), count);
    assert_eq!(world.store.groups_around(&[key("u1")]).unwrap(), []);
}

#[test]
fn a_whole_round_after_shards_finds_what_went_meanwhile() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.reads(Strategy::InScope);
    let shards = world.shards(User, &["u1", "u2"]);
    world.store.forget_watermark(User).unwrap();
    world.commit(User, &shards[0], &[user("u1"), user("u2")]);
    world.store.forget_watermark(User).unwrap();
    let shards = world.shards(User, &["u1", "u2"]);
    assert_eq!(shards[0].link, None);
    world.commit(User, &shards[0], &[user("u1"), user("u2")]);
    world.reads(Strategy::Whole);
    world.round(User, &[user("u1")]);
    assert_eq!(world.presence(User, "u2"), Some(Presence::Missing));
}

#[test]
fn what_jobs_have_linked_assigned_or_named_is_read() {
    let world = World::new();
    let read = [("u1", User), ("g1", Group)].map(|(name, kind)| crate::engine::model::Assignment {
        kind,
        principal: id(name),
        role: "r".to_owned(),
    });
    let read = Complete::after_last_page(read.to_vec());
    world
        .store
        .replace_assignments(&world.job, SourceNumber::FIRST, &read)
        .unwrap();
    world.round(
        Group,
        &[
            group("g1", &["u2", "g2"]),
            group("g2", &["u3"]),
            group("g3", &["u4"]),
        ],
    );
    let needed = |nested, kind, at_most| {
        let scope = ScopeOf {
            job: world.job.clone(),
            through_assigned: true,
            through: Vec::new(),
            groups: vec!["G3".to_owned()],
            nested,
        };
        world.store.needed(kind, &[scope], at_most).unwrap()
    };
    let keys = |names: &[&str]| names.iter().map(|name| key(name)).collect::<BTreeSet<_>>();
    assert_eq!(needed(false, Group, 9), keys(&["g1", "g3"]));
    assert_eq!(needed(false, User, 9), keys(&["u1", "u2"]));
    assert_eq!(needed(true, Group, 9), keys(&["g1", "g2", "g3"]));
    assert_eq!(needed(true, User, 9), keys(&["u1", "u2", "u3"]));
    assert!(!needed(true, User, 0).is_empty());
}

impl World {
    /// A create whose end is not known.
    fn unknown_create(&self, name: &str) {
        self.store
            .write("put a row", |tx| {
                tx.run("DELETE FROM actions", [])?;
                tx.run(
                    "INSERT INTO actions (cycle, job, source, step, rank, operation, weight, state, body)
                     SELECT 1, key, ?1, 2, 0, 0, 1, 2, x'' FROM jobs",
                    params![key(name)],
                )
            })
            .unwrap();
    }
}

#[test]
fn who_may_get_an_account_is_read_until_that_is_settled() {
    let world = World::new();
    world.round(User, &[user("u1"), user("u2")]);
    world.reads(Strategy::InScope);
    world.store.begin_evaluation(&world.job).unwrap();
    // It left the scope when its create was planned and not sent, and is not in the tenant any more.
    world.shards(User, &["u1"]);
    world.store.forget_unread(User).unwrap();
    assert_eq!(world.presence(User, "u2"), None);
    world.unknown_create("u2");
    let needed = world.store.needed(User, &[], 9).unwrap();
    assert_eq!(needed, BTreeSet::from([key("u2")]));
    let shards = world.shards(User, &["u2"]);
    world.commit(User, &shards[0], &[]);
    assert_eq!(world.presence(User, "u2"), Some(Presence::Missing));
    let candidates = world.store.candidates(&world.job, User).unwrap();
    assert!(candidates.contains(&key("u2")), "{candidates:?}");
}
