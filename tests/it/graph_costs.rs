//! What cycles cost at Graph: requests, and the resource units that Microsoft documents for them. The table in
//! `docs/performance.md` is printed by `--ignored --nocapture graph_costs`.

use entrain::sandbox::{Exchange, ROLE_USER, Size, TargetHandle, TargetOptions, Uuid};
use serde_json::Value;

use crate::rig::Rig;

/// A tenant of this size, all of whose users are in one group.
#[derive(Clone, Copy)]
struct Scale {
    users: usize,
    groups: usize,
    /// Users that are assigned, one by one.
    assigned: usize,
}

const SMALL: Scale = Scale {
    users: 1_200,
    groups: 120,
    assigned: 1_005,
};
const LARGE: Scale = Scale {
    users: 100_000,
    groups: 1_000,
    assigned: 5_000,
};

/// Only this user is provisioned, which changes nothing at Graph.
const ONE_USER: &str = r#"
[[jobs.users.filters]]
all = [ { attribute = "mailNickname", operator = "EQUALS", value = "jane" } ]
"#;

/// What a cycle took at Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    requests: usize,
    units: usize,
}

impl Cost {
    fn of(exchanges: &[Exchange]) -> Self {
        let to_graph = exchanges.iter().filter(|one| one.path.contains("/v1.0/"));
        let mut cost = Self {
            requests: 0,
            units: 0,
        };
        for exchange in to_graph {
            cost.requests += 1;
            cost.units += if exchange.path.ends_with("/$batch") {
                units_of_batch(exchange.body.as_deref().unwrap())
            } else {
                units(&exchange.path)
            };
        }
        cost
    }

    #[track_caller]
    fn is_at_most(self, most: Self) {
        let is_less = self.requests <= most.requests && self.units <= most.units;
        assert!(is_less, "{self:?}, at most {most:?}");
    }

    /// So many requests for pages, of one unit each.
    fn pages(requests: usize) -> Self {
        Self {
            requests,
            units: requests,
        }
    }
}

/// Each request of a batch counts by itself.
fn units_of_batch(body: &str) -> usize {
    let batch: Value = serde_json::from_str(body).unwrap();
    let requests = batch["requests"].as_array().unwrap().iter();
    requests
        .map(|request| units(request["url"].as_str().unwrap()))
        .sum()
}

/// Microsoft's table "Identity and access service limits": a base cost, one less with `$select`, one more with
/// `$expand`, and one at least.
fn units(address: &str) -> usize {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let base = match path.trim_start_matches("/v1.0") {
        "/users" => 2,
        "/directoryObjects/getByIds" => 5,
        path if path.ends_with("/members") => 3,
        path if path.ends_with("/memberOf") || path.ends_with("/appRoleAssignments") => 2,
        _ => 1,
    };
    let more = usize::from(query.contains("$expand"));
    let less = usize::from(query.contains("$select"));
    (base + more).saturating_sub(less).max(1)
}

/// A tenant with a group of all its users, and so many users assigned, to three jobs.
async fn start(scale: Scale, assigned: usize) -> (Rig, Vec<TargetHandle>, Uuid, Vec<Uuid>) {
    let rig = Rig::start(Size {
        assigned_groups_percent: 0,
        unassigned_users: scale.users,
        ..Size::new(scale.users, scale.groups, scale.users)
    })
    .await;
    let users = rig.tenant().user_ids();
    let everyone = rig.tenant().add_group("Everyone");
    rig.tenant().add_members(everyone, &users);
    rig.joiner("jane");
    for user in &users[1..assigned] {
        rig.tenant().assign(*user, ROLE_USER);
    }
    rig.configure(ONE_USER);
    let mut targets = Vec::new();
    for name in ["second", "third"] {
        let target = TargetHandle::start(TargetOptions::default()).await.unwrap();
        rig.edit(|text| {
            let (_, job) = text.split_once("[[jobs]]").unwrap();
            let (job, _) = job.split_once("[[jobs]]").unwrap_or((job, ""));
            let job = job
                .replace("\"demo\"", &format!("\"{name}\""))
                .replace(&rig.sandbox.scim_url(), &target.scim_url());
            format!("{text}\n[[jobs]]{job}")
        });
        targets.push(target);
    }
    rig.tenant().traffic().record_bodies(true);
    (rig, targets, everyone, users)
}

async fn cycle(rig: &Rig) -> Cost {
    rig.tenant().traffic().reset();
    rig.sync().await.expect(0);
    Cost::of(&rig.tenant().traffic().exchanges())
}

#[expect(clippy::print_stdout, reason = "docs/performance.md has these figures")]
fn print(what: &str, cost: Cost) {
    let Cost { requests, units } = cost;
    println!("{what}: {requests} requests, {units} resource units");
}

/// The most that the first read of a tenant may take: the application, how large the tenant is, pages of 200 users, of 100
/// groups and of 2,000 members, the list of managers, since delta queries do not report each, and the assignments.
fn first_read(scale: Scale, assigned: usize) -> Cost {
    let users = scale.users + 1;
    let managers = users.div_ceil(999);
    let members = (2 * scale.users).div_ceil(2_000);
    let groups = (scale.groups + 1).div_ceil(100) + members;
    let requests = 1 + 1 + users.div_ceil(200) + groups + managers + assigned.div_ceil(999);
    Cost {
        requests,
        units: requests + 1 + managers,
    }
}

async fn costs(scale: Scale) {
    let assignments = scale.assigned.div_ceil(999);
    let (rig, _targets, everyone, users) = start(scale, scale.assigned).await;
    let first = cycle(&rig).await;
    print("first read", first);
    first.is_at_most(first_read(scale, scale.assigned));
    let unchanged = cycle(&rig).await;
    print("nothing changed, three jobs", unchanged);
    assert_eq!(unchanged, Cost::pages(2 + assignments));
    rig.tenant().remove_members(everyone, &users[..1]);
    let membership = cycle(&rig).await;
    print("one membership of the largest group changed", membership);
    assert_eq!(membership, Cost::pages(2 + assignments));

    let (rig, _targets, ..) = start(scale, 50).await;
    let first = cycle(&rig).await;
    print("50 users assigned, first", first);
    // A tenant of a few pages is read whole, and one of many only where that is worth it.
    let is_large = scale.users > 10_000;
    first.is_at_most(if is_large {
        Cost {
            requests: 5,
            units: 9,
        }
    } else {
        first_read(scale, 50)
    });
    let later = cycle(&rig).await;
    print("50 users assigned, later", later);
    assert_eq!(later, Cost::pages(if is_large { 2 } else { 3 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_cycle_takes_as_many_requests_to_graph_as_are_documented() {
    costs(SMALL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it prints the figures of a tenant with 100,000 users"]
async fn graph_costs_of_a_large_tenant() {
    costs(LARGE).await;
}
