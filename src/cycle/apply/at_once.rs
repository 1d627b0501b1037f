//! Rows of what is sent at once because of an answer to another row: members that a target took out beyond what
//! was meant are added again before anything else is sent to their group.

use std::collections::{BTreeMap, BTreeSet};

use super::{Applier, Started, lock};
use crate::cycle::Error;
use crate::cycle::send::OnRecord;
use crate::engine::model::{Key, ObjectKind, TargetId};
use crate::engine::outcome::{Outcome, Status};
use crate::engine::plan::{Action, Operation, Referenced};
use crate::scim::{self, Sent};
use crate::store::RowId;

/// A row that is being carried out.
pub(super) struct InHand<'r, 'a> {
    pub(super) applier: &'r Applier<'a>,
    pub(super) row: RowId,
    pub(super) action: &'r Action,
}

/// A row that was put on record for a request that is sent at once.
pub(super) struct Begun {
    row: RowId,
    started: Started,
    action: Action,
}

impl OnRecord for InHand<'_, '_> {
    type Begun = Begun;

    fn known_members(&self) -> BTreeSet<TargetId> {
        self.applier.known_members(self.action)
    }

    async fn begin(&self, action: &Action) -> Option<Begun> {
        match self.applier.begin_at_once(self.row, action).await {
            Ok(begun) => begun,
            Err(error) => {
                self.applier.health.abort(error.chain());
                None
            }
        }
    }

    async fn end(&self, begun: Begun, sent: &Result<Option<Sent>, scim::Error>) {
        let Begun {
            row,
            started,
            action,
        } = begun;
        let exchange = match sent {
            Ok(sent) => sent.as_ref().map(|sent| &sent.exchange),
            Err(error) => error.exchange(),
        };
        let status = match (sent, &action.target) {
            (Err(error), _) => Status::Failed(error.failure()),
            (Ok(_), Some(target)) => Status::Done {
                target: target.clone(),
            },
            (Ok(_), None) => Status::NotTried("there was nothing to send"),
        };
        let outcome = started.sent(exchange).end(action, status);
        lock(&self.applier.at_once).push((row, outcome));
    }
}

impl Applier<'_> {
    /// `None`: none of the members is provisioned here, so that no row can name them.
    async fn begin_at_once(&self, row: RowId, action: &Action) -> Result<Option<Begun>, Error> {
        let Operation::AddMembers { members } = &action.operation else {
            return Ok(None);
        };
        let job = self.context.job.rules.name.clone();
        let targets: Vec<TargetId> = members
            .iter()
            .filter_map(|one| one.target.clone())
            .collect();
        let holders = self
            .context
            .state(move |store| {
                let mut holders: BTreeMap<TargetId, Key> = BTreeMap::new();
                for kind in ObjectKind::ALL {
                    holders.extend(store.holders(&job, kind, &targets)?);
                }
                Ok(holders)
            })
            .await?;
        if holders.is_empty() {
            return Ok(None);
        }
        let members = holders.into_iter().map(|(target, key)| Referenced {
            key,
            target: Some(target),
        });
        let action = Action {
            operation: Operation::AddMembers {
                members: members.collect(),
            },
            ..action.clone()
        };
        let (cycle, of_row) = (self.cycle, action.clone());
        let (redactions, clocks) = (self.context.redactions.clone(), self.context.clocks());
        let row = self
            .context
            .state(move |store| store.send_at_once(cycle, (row, &of_row), &redactions, clocks))
            .await?;
        let started = Started::now(self);
        Ok(Some(Begun {
            row,
            started,
            action,
        }))
    }

    /// What came of rows that were sent at once, to be recorded with the others.
    pub(super) fn take_at_once(&self) -> Vec<(RowId, Outcome)> {
        std::mem::take(&mut *lock(&self.at_once))
    }
}
