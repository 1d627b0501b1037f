//! After a lost state: users who were renamed meanwhile are not created a second time unseen, and the accounts
//! of those who left are listed (safety.md, 3). An old address never links: an operator decides.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Error;
use super::lookup::{Account, Finder};
use super::plan::Driver;
use crate::engine::model::{Key, ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Found, Pending, Strangers};
use crate::engine::record::LinkState;

/// Accounts whose links are looked up at once.
const CHUNK: usize = 500;

impl Driver<'_> {
    /// Looks by old addresses for users whom no matching value found, in the first cycle on a new state; those
    /// who are found wait in this cycle and in every later one.
    pub(super) async fn look_by_old_addresses(
        &self,
        finder: &mut Finder<'_>,
        waiting: &[Pending],
        found: &mut [Found],
    ) -> Result<bool, Error> {
        let is_user = |pending: &Pending| pending.candidate().object.kind == ObjectKind::User;
        let mut places: Vec<(Key, usize)> = waiting
            .iter()
            .enumerate()
            .filter(|(place, pending)| is_user(pending) && found[*place] == Found::None)
            .map(|(place, pending)| (pending.candidate().object.key, place))
            .collect();
        if places.is_empty() {
            return Ok(true);
        }
        let job = self.context.job.rules.name.clone();
        let keys: Vec<Key> = places.iter().map(|(key, _)| *key).collect();
        let decided = self
            .context
            .state(move |store| store.old_accounts_of(&job, &keys))
            .await?;
        for record in decided {
            let known = places
                .iter()
                .position(|(key, _)| *key == record.subject.key);
            let Some((_, place)) = known.map(|known| places.swap_remove(known)) else {
                continue;
            };
            if let (LinkState::OldAddress(key), Some(target)) = (record.state, record.target) {
                found[place] = Found::OldAddress { key, target };
            }
        }
        if !self.context.is_first
            || !self.context.job.rules.users.actions.create
            || places.is_empty()
            || finder.is_list_empty()
        {
            return Ok(true);
        }
        let mut addresses = BTreeMap::new();
        for tenant in &self.context.sources.tenants {
            let of = places
                .iter()
                .map(|(_, place)| &waiting[*place].candidate().object);
            let ids: Vec<SourceId> = of
                .filter(|object| object.source == tenant.number)
                .map(|object| object.id.clone())
                .collect();
            let graph = &tenant.graph;
            let before = graph.requests();
            addresses.extend(graph.addresses_of(&ids).await?);
            let requests = graph.requests() - before;
            let counted = &self.context.source_requests;
            counted.fetch_add(requests, Ordering::Relaxed);
        }
        let mut is_complete = true;
        for (key, place) in places {
            let id = &waiting[place].candidate().object.id;
            let Some(addresses) = addresses.get(id) else {
                is_complete = false;
                found[place] = Found::Failed(
                    "its old addresses (proxyAddresses) could not be read from the tenant"
                        .to_owned(),
                );
                continue;
            };
            if addresses.is_empty() {
                continue;
            }
            let (by, target) = match finder.find_by_addresses(addresses).await? {
                Found::One { key, object, .. } => (key, object.id),
                Found::Several { key, mut targets } if !targets.is_empty() => {
                    (key, targets.swap_remove(0))
                }
                failed @ Found::Failed(_) => {
                    is_complete = false;
                    found[place] = failed;
                    continue;
                }
                Found::None | Found::Several { .. } | Found::OldAddress { .. } => continue,
            };
            if self.planner.adopted_by(ObjectKind::User, &target).is_some()
                || self.is_linked(&target).await?
            {
                continue;
            }
            let (job, by_key, account) = (
                self.context.job.rules.name.clone(),
                by.clone(),
                target.clone(),
            );
            self.context
                .state(move |store| store.note_old_account(&job, key, &account, &by_key))
                .await?;
            found[place] = Found::OldAddress { key: by, target };
        }
        Ok(is_complete)
    }

    async fn is_linked(&self, target: &TargetId) -> Result<bool, Error> {
        let (job, targets) = (self.context.job.rules.name.clone(), vec![target.clone()]);
        let holders = self
            .context
            .state(move |store| store.holders(&job, ObjectKind::User, &targets))
            .await?;
        Ok(!holders.is_empty())
    }

    /// The active accounts that no look-up found for anybody.
    pub(super) async fn list_strangers(&mut self, finder: &Finder<'_>) -> Result<(), Error> {
        let Some(accounts) = finder.accounts() else {
            return Ok(());
        };
        let accounts: Vec<(TargetId, String)> = accounts
            .filter(|account| {
                let is_strange =
                    |account: &Account| account.is_active && !self.claimed.contains(&account.id);
                account.as_ref().map_or(true, is_strange)
            })
            .map(|account| account.map(|account| (account.id, account.name)))
            .collect::<Result<_, _>>()?;
        let mut strangers = Strangers {
            count: 0,
            first: Vec::new(),
        };
        for accounts in accounts.chunks(CHUNK) {
            let job = self.context.job.rules.name.clone();
            let targets: Vec<TargetId> = accounts.iter().map(|(id, _)| id.clone()).collect();
            let holders = self
                .context
                .state(move |store| store.holders(&job, ObjectKind::User, &targets))
                .await?;
            for account in accounts.iter().filter(|(id, _)| !holders.contains_key(id)) {
                strangers.count += 1;
                if strangers.first.len() < Strangers::MAX_NAMED {
                    strangers.first.push(account.clone());
                }
            }
        }
        if strangers.count > 0 {
            self.strangers = Some(strangers);
        }
        Ok(())
    }
}

/// The accounts that a look-up found.
pub(super) fn targets_of(found: &Found) -> Vec<TargetId> {
    match found {
        Found::One { object, .. } => vec![object.id.clone()],
        Found::Several { targets, .. } => targets.clone(),
        Found::OldAddress { target, .. } => vec![target.clone()],
        Found::None | Found::Failed(_) => Vec::new(),
    }
}
