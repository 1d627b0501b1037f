//! Handing over an account, step by step (safety.md §3): the row of the plan disables it; what follows are
//! rows that each wait for the one before, and the newcomer gets access with the last. Where one fails the
//! account stays disabled and with its old holder, and the next cycle begins again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Context, Error};
use crate::engine::mapping::{self, Mappings};
use crate::engine::model::{Held, Key, ObjectKind, TargetId, TargetPath, Value};
use crate::engine::outcome::{Class, Failure, Outcome, Status};
use crate::engine::plan::{Action, HandOver, Operation, Pointer, Referenced, Subject, WhyLeft};
use crate::engine::redact::Hidden;
use crate::store::{Queued, RowId};

/// How often an account that was disabled is read until it shows that; replicas lag.
const READS: u32 = 3;

/// Accounts that are being handed over.
#[derive(Debug, Default)]
pub(super) struct HandingOver(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    accounts: BTreeMap<RowId, Account>,
    /// The rows that follow, with the row of the plan.
    parts: BTreeMap<RowId, RowId>,
}

#[derive(Debug)]
struct Account {
    from: Subject,
    target: TargetId,
    hand: HandOver,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// So many groups and references are left.
    Leaving(usize),
    Overwriting,
    Enabling,
}

impl HandingOver {
    /// Whether a row was carried out that another is counted for.
    pub(super) fn is_part_done(&self, row: RowId, outcome: &Outcome) -> bool {
        matches!(outcome.status, Status::Done { .. }) && self.lock().parts.contains_key(&row)
    }

    /// Rows that were written because of others.
    pub(super) fn note_followers(&self, followed: &[RowId], followers: &[Queued]) {
        let mut running = self.lock();
        for (before, follower) in followed.iter().zip(followers) {
            let first = running.parts.get(before).copied().unwrap_or(*before);
            if running.accounts.contains_key(&first) {
                running.parts.insert(follower.place.id, first);
            }
        }
    }

    /// What follows from the end of a row.
    pub(super) async fn next(
        &self,
        context: &Context<'_>,
        row: RowId,
        outcome: &Outcome,
    ) -> Result<Vec<Action>, Error> {
        if !matches!(outcome.status, Status::Done { .. }) {
            return Ok(Vec::new());
        }
        let Outcome { action, .. } = outcome;
        if let (Operation::HandOver(hand), Some(target)) = (&action.operation, &action.target) {
            let leaving = leaving(context, &action.subject, target, hand).await?;
            let mut account = Account {
                from: action.subject.clone(),
                target: target.clone(),
                hand: HandOver::clone(hand),
                step: Step::Leaving(leaving.len()),
            };
            let next = if leaving.is_empty() {
                account.step()
            } else {
                leaving
            };
            self.lock().accounts.insert(row, account);
            return Ok(next);
        }
        let mut running = self.lock();
        let Some(first) = running.parts.get(&row).copied() else {
            return Ok(Vec::new());
        };
        let account = running.accounts.get_mut(&first);
        Ok(account.map(Account::step).unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// One more row was carried out: those that come next.
    fn step(&mut self) -> Vec<Action> {
        let HandOver {
            to,
            key,
            current,
            changes,
            enable,
            via,
            ..
        } = &self.hand;
        let operation = match self.step {
            Step::Leaving(left) if left > 1 => {
                self.step = Step::Leaving(left - 1);
                return Vec::new();
            }
            Step::Leaving(_) => {
                self.step = Step::Overwriting;
                Operation::Adopt {
                    key: key.clone(),
                    current: Held {
                        values: current.clone(),
                        ..Held::default()
                    },
                    changes: changes.clone(),
                    via: via.clone(),
                    from: Some(self.from.key),
                }
            }
            Step::Overwriting if !enable.is_empty() => {
                self.step = Step::Enabling;
                Operation::Enable {
                    changes: enable.clone(),
                }
            }
            Step::Overwriting | Step::Enabling => return Vec::new(),
        };
        vec![Action {
            subject: to.clone(),
            target: Some(self.target.clone()),
            operation,
        }]
    }
}

/// The rows by which an account leaves all groups, and all references from it and to it end.
async fn leaving(
    context: &Context<'_>,
    from: &Subject,
    target: &TargetId,
    hand: &HandOver,
) -> Result<Vec<Action>, Error> {
    let (job, key) = (context.job.rules.name.clone(), from.key);
    let (groups, referring, own, named) = context
        .state(move |store| {
            let groups = store.sent_groups(&job, key)?;
            let referring = store.references_to(&job, key)?;
            let own = store.load(&job, &[key])?.pop().and_then(|one| one.link);
            let mut keys: Vec<Key> = groups.clone();
            keys.extend(referring.iter().map(|(key, _)| *key));
            let named = store.named(&keys)?;
            Ok((groups, referring, own, named))
        })
        .await?;
    let subject = |key: Key| {
        let one = named.get(&key)?;
        Some(Subject {
            kind: one.kind,
            key,
            id: one.id.clone(),
            label: one.label.clone(),
        })
    };
    let proof = hand.proof;
    let mut actions = Vec::new();
    for group in groups.into_iter().filter_map(subject) {
        actions.push(Action {
            subject: group,
            target: None,
            operation: Operation::RemoveMembers {
                members: vec![Referenced {
                    key,
                    target: Some(target.clone()),
                }],
                why: WhyLeft::HandedOver,
                proof,
            },
        });
    }
    let clear = |subject: Subject, target, path: TargetPath, old| Action {
        subject,
        target,
        operation: Operation::SetReference {
            path,
            old,
            new: Pointer::Cleared(proof),
        },
    };
    for (path, held) in own.map(|link| link.references).unwrap_or_default() {
        actions.push(clear(from.clone(), Some(target.clone()), path, Some(held)));
    }
    for (holder, path) in referring.into_iter().filter(|(holder, _)| *holder != key) {
        if let Some(holder) = subject(holder) {
            let held = crate::engine::model::HeldReference {
                target: target.clone(),
                source: Some(from.id.clone()),
            };
            actions.push(clear(holder, None, path, Some(held)));
        }
    }
    Ok(actions)
}

/// Reads an account that was disabled, before anything else is done to it.
pub(super) async fn read_back(
    context: &Context<'_>,
    action: &Action,
    hand: &HandOver,
    hidden: &Hidden,
) -> Result<(), Failure> {
    let Some(target) = &action.target else {
        return Ok(());
    };
    let kind = ObjectKind::User;
    let reader = context.reader.hiding(hidden.clone());
    let mappings = &context.job.rules.rules(kind).mappings;
    for read in 1..=READS {
        let shown = reader.read(kind, target, &hand.state, false).await;
        let shown = shown.map_err(|error| error.failure())?;
        if shown.is_some_and(|shown| is_disabled(mappings, hand, &shown.attributes)) {
            return Ok(());
        }
        if read < READS {
            tokio::time::sleep(Duration::from_secs(u64::from(read))).await;
        }
    }
    Err(Failure {
        class: Class::Refused,
        http_status: None,
        message: format!(
            "the account is not shown as disabled, so it is not handed over to {}; check whether it was \
             enabled again in the target",
            hand.to.label
        ),
        unconfirmed: false,
    })
}

fn is_disabled(mappings: &Mappings, hand: &HandOver, shown: &BTreeMap<TargetPath, Value>) -> bool {
    let form = |values: &BTreeMap<TargetPath, Value>, path: &TargetPath| {
        let value = values.get(path)?;
        mapping::searched(mappings, path, value.clone())
    };
    hand.state
        .iter()
        .all(|path| form(shown, path) == form(&hand.current, path))
}
