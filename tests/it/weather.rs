//! What befalls an agent in a storm: random faults of either side, a crash at some request, and random
//! changes of the directory. All of it comes from a seed.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entrain::sandbox::{GroupView, Life, ROLE_USER, TenantHandle, Trouble, UserView, Uuid};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Longer than the timeout of a storm, and shorter than the time in which a write may still arrive.
const LATE: std::ops::Range<u64> = 1_100..1_700;

/// Which server a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Graph,
    Target,
}

/// Ends a cycle when as many requests have arrived.
#[derive(Debug, Default)]
pub(crate) struct Crash {
    left: AtomicI64,
    now: Notify,
}

impl Crash {
    /// `None`: not at all.
    pub(crate) fn arm(&self, after: Option<i64>) {
        self.left.store(after.unwrap_or(-1), Ordering::SeqCst);
    }

    pub(crate) async fn comes(&self) {
        self.now.notified().await;
    }

    fn count(&self) {
        if self.left.load(Ordering::SeqCst) >= 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            self.now.notify_one();
        }
    }
}

/// What went wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) count: AtomicUsize,
    /// The last ones, for the report of a failure.
    log: Mutex<Vec<String>>,
}

impl Faults {
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

/// Decides of each request: so many of a thousand go wrong.
pub(crate) fn weather(
    side: Side,
    per_mille: u32,
    mut random: Rng,
    faults: Arc<Faults>,
    crash: Arc<Crash>,
) -> impl FnMut(&str, &str) -> Option<Trouble> + Send + 'static {
    move |method, path| {
        crash.count();
        let trouble = (random.u32(0..1_000) < per_mille)
            .then(|| trouble(side, method, path, &mut random))
            .flatten();
        let mut line = format!("{method} {path}");
        if let Some(trouble) = &trouble {
            faults.count.fetch_add(1, Ordering::SeqCst);
            line = format!("{line}: {trouble:?}");
        }
        faults.log.lock().unwrap().push(line);
        trouble
    }
}

fn trouble(side: Side, method: &str, path: &str, random: &mut Rng) -> Option<Trouble> {
    const GRAPH: &[u16] = &[400, 401, 403, 404, 408, 410, 429, 500, 502, 503, 504];
    const TARGET: &[u16] = &[
        400, 401, 403, 404, 405, 408, 409, 413, 422, 428, 429, 500, 501, 502, 503, 504,
    ];
    let of = |random: &mut Rng, all: &[u16]| all[random.usize(0..all.len())];
    let status = match side {
        Side::Graph => of(random, GRAPH),
        // That it does not delete at all is learned, and groups are emptied from then on.
        Side::Target if method == "DELETE" => match of(random, TARGET) {
            405 | 501 => 500,
            status => status,
        },
        Side::Target => of(random, TARGET),
    };
    Some(match random.u32(0..100) {
        0..30 => Trouble::status(status),
        30..34 => Trouble::html(502),
        34..42 => Trouble::CutAnswer,
        42..50 => Trouble::TornBody,
        50..56 => Trouble::NoBody,
        56..66 => Trouble::Refused,
        66..78 => Trouble::AnswerLost,
        78..88 => Trouble::Twice,
        88..97 => Trouble::Delay(Duration::from_millis(random.u64(0..40))),
        97 if side == Side::Target => Trouble::Delay(Duration::from_millis(random.u64(LATE))),
        // What is missing there is read on the object itself before anything is removed. Where that lies
        // as well, nothing is left to go by.
        98 if side == Side::Graph && path.contains("appRoleAssignedTo") => Trouble::EmptyList,
        98 if side == Side::Target && method == "GET" => Trouble::EmptyList,
        _ => return None,
    })
}

/// One change in the directory, of any kind; `number` makes names that nothing else has.
#[expect(clippy::too_many_lines, reason = "it is a list of changes")]
pub(crate) fn change(tenant: &TenantHandle, random: &mut Rng, number: usize) -> String {
    let is_active = |life: &Life| *life == Life::Active;
    let (users, deleted): (Vec<UserView>, Vec<UserView>) = tenant
        .users()
        .into_iter()
        .partition(|user| is_active(&user.life));
    let users: Vec<Uuid> = users.into_iter().map(|user| user.id).collect();
    let deleted: Vec<Uuid> = deleted.into_iter().map(|user| user.id).collect();
    let (groups, gone): (Vec<GroupView>, Vec<GroupView>) = tenant
        .groups()
        .into_iter()
        .partition(|group| is_active(&group.life));
    let groups: Vec<Uuid> = groups.into_iter().map(|group| group.id).collect();
    let gone: Vec<Uuid> = gone.into_iter().map(|group| group.id).collect();
    if users.len() < 5 {
        joiner(tenant, random, &groups, number);
        return "a user joins".to_owned();
    }
    if groups.is_empty() {
        let group = tenant.add_group(&format!("Group {number}"));
        tenant.add_members(group, &[any(random, &users)]);
        tenant.assign(group, ROLE_USER);
        return format!("a group is assigned: {group}");
    }
    let (user, group) = (any(random, &users), any(random, &groups));
    let (what, _may_be_as_before) = match random.u32(0..20) {
        0 | 1 => {
            let title = json!(format!("Title {number}"));
            (
                "a title changes",
                tenant.set_property(user, "jobTitle", title),
            )
        }
        2 => (
            "a department is emptied",
            tenant.set_property(user, "department", Value::Null),
        ),
        3 => {
            let name = json!(format!("renamed{number}@contoso.com"));
            (
                "a user is renamed",
                tenant.set_property(user, "userPrincipalName", name),
            )
        }
        4 => ("a user is blocked", tenant.disable_user(user)),
        5 | 6 => ("a user is not blocked", tenant.enable_user(user)),
        7 => ("a user is deleted", tenant.soft_delete_user(user)),
        8 if !deleted.is_empty() => {
            let user = any(random, &deleted);
            tenant.restore_user(user);
            return format!("a user is restored: {user}");
        }
        9 if !deleted.is_empty() => {
            let user = any(random, &deleted);
            tenant.hard_delete_user(user);
            return format!("a user is purged: {user}");
        }
        10 => {
            let manager = (random.u32(0..3) > 0).then(|| any(random, &users));
            ("a manager changes", tenant.set_manager(user, manager))
        }
        11 | 12 => {
            let members = [user, any(random, &users)];
            tenant.add_members(group, &members);
            return format!("members are added to {group}: {members:?}");
        }
        13 => {
            let mut members = tenant.members(group);
            members.retain(|member| users.contains(member));
            let leaving = &members[..members.len().min(2)];
            tenant.remove_members(group, leaving);
            return format!("members leave {group}: {leaving:?}");
        }
        14 => {
            let name = format!("Group {number}");
            ("a group is renamed", tenant.rename_group(group, &name))
        }
        15 => ("a user is unassigned", tenant.unassign(user)),
        16 => (
            "a user is assigned",
            tenant.assign(user, ROLE_USER).is_some(),
        ),
        17 => {
            let is_assigned = tenant
                .assignments()
                .iter()
                .any(|one| one.principal == group);
            if is_assigned && random.bool() {
                ("a group is unassigned", tenant.unassign(group))
            } else {
                (
                    "a group is assigned",
                    tenant.assign(group, ROLE_USER).is_some(),
                )
            }
        }
        18 if gone.is_empty() || random.bool() => {
            ("a group is deleted", tenant.soft_delete_group(group))
        }
        18 => {
            let group = any(random, &gone);
            tenant.restore_group(group);
            return format!("a group is restored: {group}");
        }
        _ => {
            joiner(tenant, random, &groups, number);
            ("a user joins", true)
        }
    };
    format!("{what}: {user} or {group}")
}

fn any(random: &mut Rng, of: &[Uuid]) -> Uuid {
    of[random.usize(0..of.len())]
}

/// A new user, assigned or in a group.
fn joiner(tenant: &TenantHandle, random: &mut Rng, groups: &[Uuid], number: usize) {
    let alias = format!("new{number}");
    let properties = json!({
        "userPrincipalName": format!("{alias}@contoso.com"),
        "displayName": format!("New {number}"),
        "givenName": "New",
        "surname": number.to_string(),
        "mailNickname": alias,
        "mail": format!("{alias}@mail.contoso.com"),
    });
    let id = tenant.add_user(properties.as_object().unwrap().clone());
    if groups.is_empty() || random.bool() {
        tenant.assign(id, ROLE_USER);
    } else {
        tenant.add_members(any(random, groups), &[id]);
    }
}
