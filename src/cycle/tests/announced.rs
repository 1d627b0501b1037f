//! Every request that changes the target is a row that a plan announced, and after a cycle no row is left
//! (product rules 1 and 8): random worlds, the real state and the sandbox's record of what it got.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Rig, now};
use crate::config;
use crate::cycle::{Agent, Options};
use crate::engine::guard::WhyHeld;
use crate::engine::model::{Key, ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Action, Referenced};
use crate::sandbox::{Sandbox, Size, Uuid};
use crate::scim::Dialect;
use crate::store::testing::state_in;
use crate::store::{Deciding, RowsOf, Store};

/// Rows that a plan may carry out, and what the objects are that they refer to.
struct Announced {
    store: Arc<Store>,
    actions: Vec<Action>,
}

/// Method, path below the base URL, and body.
type Sent = (String, String, Json);

impl Rig {
    async fn announced(&self) -> Announced {
        let announced = self.announced_unless_held().await;
        announced.unwrap_or_else(|held| panic!("{held:?}"))
    }

    /// In a world that is so small a group soon loses more than half of its members at once.
    async fn approve_what_is_held(&self) {
        if self.announced_unless_held().await.is_ok() {
            return;
        }
        self.sync().await;
        let (agent, job) = self.agent(&CancellationToken::new());
        let all = Deciding {
            approve: true,
            cycle: None,
            objects: &[],
            cause: None,
            reason: None,
            now: now(),
        };
        agent.store.decide(&job.rules.name, &all).unwrap();
    }

    async fn announced_unless_held(&self) -> Result<Announced, Vec<WhyHeld>> {
        let config = config::load(&self.folder.path().join("entrain.toml"));
        let mut config = config
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        config.state = state_in(self.folder.path());
        let store = Arc::new(Store::open_plan(&config.state).unwrap());
        let job = config.jobs[0].clone();
        let stop = CancellationToken::new();
        let agent = Agent::new(Arc::new(config), Arc::clone(&store), stop, now).unwrap();
        let progress = watch::Sender::default();
        let planned = agent
            .plan(&job, &Options::default(), &progress, agent.due(&job))
            .await;
        let planned = planned.unwrap_or_else(|error| panic!("{}", error.chain()));
        if !planned.held.is_empty() {
            return Err(planned.held);
        }
        let mut actions = Vec::new();
        let mut after = None;
        loop {
            let rows = store
                .rows(planned.cycle, RowsOf::Cleared, after, 7)
                .unwrap();
            let Some((last, _)) = rows.last() else { break };
            after = Some(*last);
            actions.extend(rows.into_iter().map(|(_, row)| row.action));
        }
        Ok(Announced { store, actions })
    }

    /// The requests of these rows, once the objects have target ids.
    fn requests(&self, announced: Announced) -> Vec<Sent> {
        let (agent, job) = self.agent(&CancellationToken::new());
        let Announced { store, actions } = announced;
        let target = |kind: ObjectKind, id: &SourceId| -> Option<TargetId> {
            let key = agent.store.key_of(kind, id).unwrap()?;
            let loaded = agent.store.load(&job.rules.name, &[key]).unwrap().pop()?;
            loaded.link.map(|link| link.target)
        };
        let resolve = |referenced: &mut Referenced| {
            let key: Key = referenced.key;
            let named = store.named(&[key]).unwrap().remove(&key).unwrap();
            let made = referenced.target.take();
            referenced.target = made.or_else(|| target(named.kind, &named.id));
        };
        let dialect = Dialect::new(&job.target.dialect);
        let requests = actions.into_iter().filter_map(|mut action| {
            if action.target.is_none() {
                action.target = target(action.subject.kind, &action.subject.id);
            }
            action
                .operation
                .referenced_mut()
                .into_iter()
                .for_each(resolve);
            let request = dialect.requests(&action, None).unwrap().pop()?;
            let body = request.body.as_deref().map(serde_json::from_slice);
            Some((
                request.method.to_string(),
                request.path,
                body.transpose().unwrap().unwrap_or(Json::Null),
            ))
        });
        sorted(requests.collect())
    }

    /// The requests that changed something, as the target got them.
    fn written(&self) -> Vec<Sent> {
        let exchanges = self.sandbox.target.traffic().exchanges();
        let writes = exchanges.into_iter().filter(|one| one.method != "GET");
        let sent = writes.map(|one| {
            let body = one.body.unwrap_or_default();
            let body = if body.is_empty() {
                Json::Null
            } else {
                serde_json::from_str(&body).unwrap()
            };
            let path = one.path.strip_prefix("/scim/v2").unwrap().to_owned();
            (one.method, path, body)
        });
        sorted(sent.collect())
    }
}

fn sorted(mut sent: Vec<Sent>) -> Vec<Sent> {
    sent.sort_by_key(|(method, path, body)| (method.clone(), path.clone(), body.to_string()));
    sent
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
fn change(sandbox: &Sandbox, chance: &mut Chance, round: usize) {
    let tenant = &sandbox.tenant;
    let users: Vec<Uuid> = tenant.user_ids();
    let groups: Vec<Uuid> = tenant.groups().into_iter().map(|group| group.id).collect();
    let (user, group) = (chance.of(&users), chance.of(&groups));
    let _may_be_as_before: bool = match chance.below(12) {
        0 => tenant.set_property(user, "jobTitle", json!(format!("Title {round}"))),
        1 => tenant.set_property(user, "department", Json::Null),
        2 => tenant.disable_user(user),
        3 => tenant.enable_user(user),
        4 => tenant.soft_delete_user(user),
        5 => tenant.restore_user(user),
        6 => tenant.hard_delete_user(user),
        7 => tenant.set_manager(user, (chance.below(3) > 0).then(|| chance.of(&users))),
        8 => tenant.add_members(group, &[user, chance.of(&users)]),
        9 => {
            let members = tenant.members(group);
            tenant.remove_members(group, &members[..members.len().min(2)])
        }
        10 => tenant.rename_group(group, &format!("Group {round} {}", chance.below(1_000))),
        _ => tenant.unassign(user),
    };
}

/// How many random worlds are tried; more where there is time for them.
#[expect(clippy::disallowed_methods, reason = "it is no setting of the program")]
fn worlds() -> u64 {
    let worlds = std::env::var("ENTRAIN_WORLDS");
    worlds.map_or(6, |worlds| worlds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_what_was_announced_and_then_nothing_is_left() {
    for seed in 1..=worlds() {
        let rig = Rig::start_with(Size::new(40, 6, 120), seed).await;
        let traffic = rig.sandbox.target.traffic();
        traffic.record_bodies(true);
        let mut chance = Chance(seed);
        for round in 0..5 {
            if round > 0 {
                for _ in 0..chance.below(12) {
                    change(&rig.sandbox, &mut chance, round);
                }
            }
            Box::pin(rig.approve_what_is_held()).await;
            let announced = Box::pin(rig.announced()).await;
            traffic.reset();
            let summary = Box::pin(rig.sync()).await;
            assert_eq!(
                summary.failed, 0,
                "seed {seed}, round {round}: {summary:#?}"
            );
            let written = rig.written();
            assert!(round > 0 || written.len() > 40, "{written:?}");
            assert_eq!(
                rig.requests(announced),
                written,
                "seed {seed}, round {round}"
            );
            let left = rig.announced().await.actions;
            assert_eq!(left, [], "seed {seed}, round {round}");
        }
    }
}
