//! What certain users and groups are now, read on themselves and not in a list: before something is
//! removed because a list did not hold it. What could not be read is left out of an answer, and is
//! never taken for absent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use graph_rs_sdk::ODataQuery;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::engine::model::{ObjectKind, SourceId};

use super::client::Client;
use super::delta::source_id;
use super::error::Error;
use super::list::PAGE_SIZE;
use super::wire;

/// The most that `getByIds` takes.
const MAX_IDS: usize = 1_000;
/// The most requests that a batch takes.
const MAX_BATCH: usize = 20;
/// The most users that a page of a list holds.
const MAX_LISTED: u64 = 999;
/// How often a request in batches is sent at most, where the answer is that Graph has no time for it.
const MAX_SENDINGS: u32 = 5;
/// Before such a request is sent again, where Graph names no time; it doubles.
const WAIT: Duration = Duration::from_millis(500);
/// The longest that is waited for one batch.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// An app role that a user holds in an application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// The object itself, or a group that it is in.
    pub(crate) principal: SourceId,
    pub(crate) role: String,
}

impl Client {
    /// Those of these objects that the tenant has now. One in the recycle bin is not among them.
    pub(crate) async fn present_among(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeSet<SourceId>, Error> {
        match self.present_by_ids(ids).await {
            // It takes Directory.Read.All, which reading each object does not.
            Err(Error::Refused(refusal)) if refusal.status == 403 => {
                let collection = collection(kind);
                let path = |id: &SourceId| format!("/{collection}/{id}?$select=id");
                let answers = self.batch(ids, path).await?;
                let unknown = answers.len() < ids.len();
                if unknown || answers.values().any(|one| !matches!(one.status, 200 | 404)) {
                    return Err(Error::Refused(refusal));
                }
                let present = answers.into_iter().filter(|(_, one)| one.status == 200);
                Ok(present.map(|(id, _)| id).collect())
            }
            answer => answer,
        }
    }

    async fn present_by_ids(&self, ids: &[SourceId]) -> Result<BTreeSet<SourceId>, Error> {
        let mut present = BTreeSet::new();
        for ids in ids.chunks(MAX_IDS) {
            let ids: Vec<&str> = ids.iter().map(SourceId::as_str).collect();
            let body = json!({"ids": ids, "types": ["user", "group"]});
            let mut page = self
                .page::<wire::Identified, _>(|sdk| {
                    sdk.directory_objects()
                        .get_by_ids(&body)
                        .select(&["id"])
                        .build()
                })
                .await?;
            loop {
                present.extend(page.values.iter().map(|found| source_id(&found.id)));
                let Some(link) = page.next_link else { break };
                page = self.page_at(&link).await?;
            }
        }
        Ok(present)
    }

    /// Of each of these users that the tenant has now, whether sign-in is allowed. What could not be read is left out.
    pub(crate) async fn sign_in_of(
        &self,
        users: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        let path = |id: &SourceId| format!("/users/{id}?$select=id,accountEnabled");
        let answers = self.batch(users, path).await?.into_iter();
        let read = answers.filter_map(|(id, answer)| {
            let enabled = answer.body.get("accountEnabled")?.as_bool()?;
            (answer.status == 200).then_some((id, enabled))
        });
        Ok(read.collect())
    }

    /// Of each of these, whether it is in the recycle bin.
    pub(crate) async fn in_recycle_bin(
        &self,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        let path = |id: &SourceId| format!("/directory/deletedItems/{id}?$select=id");
        self.exist(ids, path).await
    }

    /// Whether there is something at the path of each of these.
    pub(super) async fn exist(
        &self,
        ids: &[SourceId],
        path: impl Fn(&SourceId) -> String,
    ) -> Result<BTreeMap<SourceId, bool>, Error> {
        let answers = self.batch(ids, path).await?;
        let is_there = |(id, answer): (SourceId, Answer)| match answer.status {
            200 => Some((id, true)),
            404 => Some((id, false)),
            _ => None,
        };
        Ok(answers.into_iter().filter_map(is_there).collect())
    }

    /// The groups of which each of these is a direct member.
    pub(crate) async fn groups_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        let collection = collection(kind);
        let path = |id: &SourceId| {
            format!("/{collection}/{id}/memberOf/microsoft.graph.group?$select=id&$top=999")
        };
        let (lists, _) = self.lists::<wire::Identified>(ids, path).await?;
        let groups = lists.into_iter().map(|(id, groups)| {
            let groups = groups.iter().map(|group| source_id(&group.id));
            (id, groups.collect())
        });
        Ok(groups.collect())
    }

    /// The groups that each of these is in, however deep. Other things that it is in may be among them.
    pub(crate) async fn all_groups_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        let collection = collection(kind);
        let path =
            |id: &SourceId| format!("/{collection}/{id}/transitiveMemberOf?$select=id&$top=999");
        let (lists, _) = self.lists::<wire::Identified>(ids, path).await?;
        let groups = lists.into_iter().map(|(id, groups)| {
            let groups = groups.iter().map(|group| source_id(&group.id));
            (id, groups.collect())
        });
        Ok(groups.collect())
    }

    /// The direct members of each of these groups.
    pub(crate) async fn members_of(
        &self,
        groups: &[SourceId],
    ) -> Result<BTreeMap<SourceId, BTreeSet<SourceId>>, Error> {
        let path = |id: &SourceId| format!("/groups/{id}/members?$select=id&$top=999");
        let (lists, _) = self.lists::<wire::Identified>(groups, path).await?;
        let members = lists.into_iter().map(|(id, members)| {
            let members = members.iter().map(|member| source_id(&member.id));
            (id, members.collect())
        });
        Ok(members.collect())
    }

    /// The same with what each member is.
    pub(super) async fn typed_members_of(
        &self,
        groups: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Vec<wire::Reference>>, Error> {
        let path = |id: &SourceId| format!("/groups/{id}/members?$select=id&$top=999");
        let (lists, _) = self.lists(groups, path).await?;
        Ok(lists)
    }

    /// The app roles that each of these holds in an application, by itself or by a group. `None`: the
    /// permission is missing, which is Directory.Read.All.
    pub(crate) async fn roles_of(
        &self,
        kind: ObjectKind,
        ids: &[SourceId],
        service_principal: &SourceId,
    ) -> Result<Option<BTreeMap<SourceId, BTreeSet<Held>>>, Error> {
        let collection = collection(kind);
        let path = |id: &SourceId| format!("/{collection}/{id}/appRoleAssignments?$top=999");
        let (lists, is_refused) = self.lists::<wire::HeldRole>(ids, path).await?;
        if is_refused && lists.is_empty() {
            return Ok(None);
        }
        let roles = lists.into_iter().map(|(id, roles)| {
            let held = roles
                .into_iter()
                .filter(|role| source_id(&role.resource) == *service_principal)
                .map(|role| Held {
                    principal: source_id(&role.principal),
                    role: role.app_role.to_ascii_lowercase(),
                });
            (id, held.collect())
        });
        Ok(Some(roles.collect()))
    }

    /// The addresses that each of these users has or had. What could not be read is left out.
    pub(crate) async fn addresses_of(
        &self,
        ids: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Vec<String>>, Error> {
        let path = |id: &SourceId| format!("/users/{id}?$select=id,proxyAddresses");
        let answers = self.batch(ids, path).await?.into_iter();
        let read = answers.filter_map(|(id, answer)| {
            let user: wire::Addressed = serde_json::from_value(answer.body).ok()?;
            let addresses = user.proxy_addresses.unwrap_or_default().into_iter();
            let addresses = addresses.filter_map(|address| smtp(&address));
            (answer.status == 200).then(|| (id, addresses.collect()))
        });
        Ok(read.collect())
    }

    /// The managers of these users, read where that takes the fewest requests: on each user, or in a list of all,
    /// which has `all` users. A manager who is no user, such as a contact, is none. What could not be read is left
    /// out.
    pub(crate) async fn managers_of(
        &self,
        users: &[SourceId],
        all: u64,
    ) -> Result<BTreeMap<SourceId, Option<SourceId>>, Error> {
        if users.len().div_ceil(MAX_BATCH) as u64 > all.div_ceil(MAX_LISTED) {
            return self.managers_in_list(users).await;
        }
        let path = |id: &SourceId| format!("/users/{id}/manager?$select=id");
        let answers = self.batch(users, path).await?.into_iter();
        let read = answers.filter_map(|(user, answer)| match answer.status {
            200 => {
                let found: wire::Named = serde_json::from_value(answer.body).ok()?;
                Some((user, manager(&found)))
            }
            404 => Some((user, None)),
            _ => None,
        });
        Ok(read.collect())
    }

    async fn managers_in_list(
        &self,
        users: &[SourceId],
    ) -> Result<BTreeMap<SourceId, Option<SourceId>>, Error> {
        let wanted: BTreeSet<&SourceId> = users.iter().collect();
        let query = [
            ("$select", "id"),
            ("$expand", "manager($select=id)"),
            ("$top", PAGE_SIZE),
        ];
        let mut managers = BTreeMap::new();
        let mut next = Some(self.address(&["users"], &query).to_string());
        while let Some(link) = next {
            let page = self.page_at::<wire::Managed>(&link).await?;
            next = page.next_link;
            for user in page.values {
                let id = source_id(&user.id);
                if wanted.contains(&id) {
                    managers.insert(id, user.manager.as_ref().and_then(manager));
                }
            }
        }
        Ok(managers)
    }

    /// A whole list of each object, and whether any was refused. One that the tenant does not have is left
    /// out, too.
    async fn lists<T: serde::de::DeserializeOwned>(
        &self,
        ids: &[SourceId],
        path: impl Fn(&SourceId) -> String,
    ) -> Result<(BTreeMap<SourceId, Vec<T>>, bool), Error> {
        let mut lists = BTreeMap::new();
        let mut is_refused = false;
        for (id, answer) in self.batch(ids, path).await? {
            is_refused |= answer.status == 403;
            if answer.status != 200 {
                continue;
            }
            let Ok(page) = serde_json::from_value::<wire::Page<T>>(answer.body) else {
                continue;
            };
            let Some(mut values) = page.value else {
                continue;
            };
            let mut next = page.next_link;
            while let Some(link) = next {
                let page = self.page_at(&link).await?;
                values.extend(page.values);
                next = page.next_link;
            }
            lists.insert(id, values);
        }
        Ok((lists, is_refused))
    }

    /// Reads one path of each object, twenty at a time. Those without an answer are left out.
    async fn batch(
        &self,
        ids: &[SourceId],
        path: impl Fn(&SourceId) -> String,
    ) -> Result<BTreeMap<SourceId, Answer>, Error> {
        let mut answers = BTreeMap::new();
        for ids in ids.chunks(MAX_BATCH) {
            let mut left: Vec<&SourceId> = ids.iter().collect();
            let mut sendings = 1;
            while !left.is_empty() {
                let requests: Vec<Json> = left
                    .iter()
                    .map(|id| json!({"id": id.as_str(), "method": "GET", "url": path(id)}))
                    .collect();
                let body = json!({ "requests": requests });
                let answer: wire::Batch = self.one(|sdk| sdk.batch(&body).build()).await?;
                let mut asked = None;
                for answer in answer.responses {
                    let id = source_id(&answer.id);
                    let Some(place) = left.iter().position(|one| **one == id) else {
                        continue;
                    };
                    if is_transient(answer.status) {
                        asked = asked.max(answer.retry_after());
                        continue;
                    }
                    left.swap_remove(place);
                    let (status, body) = (answer.status, answer.body.unwrap_or_default());
                    answers.insert(id, Answer { status, body });
                }
                if left.is_empty() || sendings >= MAX_SENDINGS {
                    break;
                }
                let wait = asked.unwrap_or(WAIT * 2_u32.pow(sendings - 1));
                sendings += 1;
                let wait = wait.min(MAX_WAIT);
                if !self.may_wait(wait) {
                    break;
                }
                let wait = sleep(wait);
                if self.stop().run_until_cancelled(wait).await.is_none() {
                    return Err(Error::Stopped);
                }
            }
        }
        Ok(answers)
    }
}

pub(super) fn manager(found: &wire::Named) -> Option<SourceId> {
    (found.kind() == Some(ObjectKind::User)).then(|| source_id(&found.id))
}

/// The address of an entry such as `smtp:old@contoso.com`.
pub(super) fn smtp(entry: &str) -> Option<String> {
    let (protocol, address) = entry.split_once(':')?;
    protocol
        .eq_ignore_ascii_case("smtp")
        .then(|| address.to_owned())
}

/// What a batch gave for one object.
struct Answer {
    status: u16,
    body: Json,
}

pub(super) fn collection(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "users",
        ObjectKind::Group => "groups",
    }
}

/// Each request of a batch is throttled by itself, inside an answer of status 200.
fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 424 | 429 | 500 | 502 | 503 | 504)
}
