//! Saved plans: each row with a keyed digest of what it does, so that the same plan is recognised later
//! (safety.md §5). A saved plan is only ever compared with; no request is made from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agent, Context, Error, Judged, Planned, capabilities};
use crate::config;
use crate::engine::model::{Key, ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Action, Operation, Step};
use crate::engine::predict::Refusal;
use crate::engine::redact::{Redactions, Shown};
use crate::report::{self, Names};
use crate::scim::{Dialect, Request};
use crate::store::{Row, RowsOf, StateKey, Store};

/// Rows that are read at once.
const CHUNK: usize = 500;
/// The word of the action that makes an object.
const CREATE: &str = "create";
/// Differences that are named; the rest is counted.
const NAMED: usize = 20;

/// A row of a plan as it is saved.
pub(crate) struct SavedRow<'r> {
    pub(crate) action: Shown<'r, Action>,
    pub(crate) step: Step,
    /// A safety limit holds it.
    pub(crate) is_held: bool,
    pub(crate) digest: String,
    /// What is sent for it. `None`: nothing, or what is sent depends on what is read before.
    pub(crate) request: Option<Request>,
}

/// What a saved plan holds, as far as it is compared.
#[derive(Debug)]
pub(crate) struct Expected {
    /// Of the whole file.
    pub(crate) digest: String,
    pub(crate) key: StateKey,
    pub(crate) rows: Vec<ExpectedRow>,
    /// Only this part of it is carried out.
    pub(crate) only: Option<Portion>,
    /// What it holds is carried out, too.
    pub(crate) approved: Option<Approved>,
}

/// An approval of all removals that a plan holds, given with their number.
#[derive(Clone, Debug)]
pub(crate) struct Approved {
    pub(crate) removals: u64,
    pub(crate) who: String,
}

/// A part of a plan that is carried out before the rest.
#[derive(Clone, Debug)]
pub(crate) enum Portion {
    /// The first so many users.
    Users(u32),
    /// This group and its members, and whom these are created after.
    Group(String),
}

#[derive(Debug)]
pub(crate) struct ExpectedRow {
    pub(crate) digest: String,
    pub(crate) action: String,
    pub(crate) kind: ObjectKind,
    pub(crate) id: SourceId,
    /// For the person who reads what differs.
    pub(crate) label: String,
}

impl Agent {
    /// The key by whose digests a plan that is made now can be recognised; with its secret where no state
    /// keeps it.
    pub(crate) fn key(&self) -> &StateKey {
        &self.key
    }

    /// Passes each row of a plan, as it would be saved with this key, in the form in which it may be shown.
    pub(crate) fn each_saved_row<E: From<crate::store::Error> + From<Error>>(
        &self,
        job: &config::Job,
        cycle: i64,
        key: &StateKey,
        redactions: &Redactions,
        each: &mut dyn FnMut(SavedRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        // As a cycle sends them: in the forms that the target was seen to take.
        let adapted = capabilities::adapted(&self.store, job)?;
        let dialect = Dialect::new(&adapted.job.target.dialect);
        let whole = Redactions::default();
        each_row(&self.store, cycle, &mut |row, is_held, names| {
            let digest = digest(key, &whole.action(&row.action), row.step, is_held, names);
            let action = redactions.action(&row.action);
            let request = request(&dialect, &action, names);
            each(SavedRow {
                action,
                step: row.step,
                is_held,
                digest,
                request,
            })
        })
    }
}

/// Rows of another plan by their digests: what each does, in words.
pub(crate) type OtherRows = BTreeMap<String, Vec<String>>;

impl Agent {
    /// Takes the rows out of a dry run that another plan has too. What is left in `known` are those that
    /// only the other has.
    pub(crate) fn leave_out(
        &self,
        planned: &mut Planned,
        key: &StateKey,
        known: &mut OtherRows,
    ) -> Result<(), crate::store::Error> {
        let whole = Redactions::default();
        let mut rows = Vec::new();
        let mut left = BTreeSet::new();
        each_row::<crate::store::Error>(&self.store, planned.cycle, &mut |row, is_held, names| {
            let digest = digest(key, &whole.action(&row.action), row.step, is_held, names);
            if known.get_mut(&digest).and_then(Vec::pop).is_some() {
                rows.push(row.id);
            } else {
                left.insert((row.action.subject.key, row.action.as_str()));
            }
            Ok(())
        })?;
        let is_left = |one: &Refusal| left.contains(&(one.subject.key, one.action));
        planned.refusals.retain(is_left);
        self.store.drop_rows(&rows)?;
        planned.totals = self.store.totals(planned.cycle)?;
        if planned.totals.held == 0 {
            planned.held.clear();
        }
        Ok(())
    }
}

/// Compares the rows of this cycle with those of the saved plan. Rows of the file that were carried out
/// by an earlier cycle of the same file are left out.
pub(super) async fn compare(
    context: &Context<'_>,
    cycle: i64,
    expected: &Expected,
) -> Result<(), Error> {
    let mut left: BTreeMap<&str, Vec<&ExpectedRow>> = BTreeMap::new();
    for row in &expected.rows {
        left.entry(&row.digest).or_default().push(row);
    }
    let file = expected.digest.clone();
    let mut done = context.state(move |store| store.applied(&file)).await?;
    let mut added: BTreeSet<String> = BTreeSet::new();
    let whole = Redactions::default();
    each_row::<Error>(&context.agent.store, cycle, &mut |row, is_held, names| {
        let mut digest_of = |action: &Action| {
            let shown = whole.action(action);
            let digest = digest(&expected.key, &shown, row.step, is_held, names);
            left.get_mut(digest.as_str()).and_then(Vec::pop)
        };
        let subject = &row.action.subject;
        let mut known = digest_of(&row.action);
        // It had no id yet when the file was made.
        let made = (subject.kind, subject.id.clone(), CREATE.to_owned());
        if known.is_none() && done.contains_key(&made) {
            known = digest_of(&Action {
                target: None,
                ..row.action.clone()
            });
        }
        if known.is_none() {
            added.insert(words(row.action.as_str(), subject.kind, &subject.label));
        }
        Ok(())
    })?;
    let mut removed: BTreeSet<String> = BTreeSet::new();
    for row in left.into_values().flatten() {
        let times = done.get_mut(&(row.kind, row.id.clone(), row.action.clone()));
        match times {
            Some(times @ 1..) => *times -= 1,
            Some(0) | None => {
                removed.insert(words(&row.action, row.kind, &row.label));
            }
        }
    }
    let of = |rows: &BTreeSet<String>, others: &BTreeSet<String>, what: &str| -> Vec<String> {
        let alone = rows.difference(others);
        alone.map(|row| format!("{row} {what}")).collect()
    };
    let mut differences = of(&added, &removed, "is not in the file");
    differences.extend(of(&removed, &added, "is no longer planned"));
    let both = added.intersection(&removed);
    differences
        .extend(both.map(|row| format!("{row} has other values, or is held in only one of them")));
    if differences.is_empty() {
        let digest = expected.digest.clone();
        return context
            .state(move |store| store.note_applied(cycle, &digest))
            .await;
    }
    let more = differences.len().saturating_sub(NAMED);
    differences.truncate(NAMED);
    if more > 0 {
        differences.push(format!("and {more} more"));
    }
    Err(Error::AnotherPlan { differences })
}

fn words(action: &str, kind: ObjectKind, label: &str) -> String {
    format!("{action} {kind} {label}")
}

/// Opens what the plan holds, if it is as much as was approved.
pub(super) async fn approve(
    context: &Context<'_>,
    cycle: i64,
    expected: &Expected,
    judged: &mut Judged,
) -> Result<(), Error> {
    let Some(Approved { removals, who }) = expected.approved.clone() else {
        return Ok(());
    };
    let now = (context.agent.now)();
    let (held, totals) = context
        .state(move |store| {
            let held = store.approve_planned(cycle, removals, &who, now)?;
            Ok((held, store.totals(cycle)?))
        })
        .await?;
    if held != removals {
        return Err(Error::OtherNumber {
            approved: removals,
            held,
        });
    }
    if totals.held == 0 {
        judged.held.clear();
    }
    judged.totals = totals;
    Ok(())
}

/// Takes all rows out but those of a part of the plan; whose rows were taken out.
pub(super) async fn keep_only(
    context: &Context<'_>,
    cycle: i64,
    portion: &Portion,
) -> Result<Vec<Key>, Error> {
    let kept = match portion {
        Portion::Users(users) => {
            let kept = first_users(context, cycle, *users)?;
            if kept.is_empty() {
                return Err(Error::NoUserInPlan);
            }
            kept
        }
        Portion::Group(name) => group(context, cycle, name).await?,
    };
    let mut others = Vec::new();
    let mut rows = Vec::new();
    each_row::<Error>(&context.agent.store, cycle, &mut |row, is_held, _| {
        if !is_held && !kept.contains(&row.action.subject.key) {
            others.push(row.action.subject.key);
            rows.push(row.id);
        }
        Ok(())
    })?;
    context.state(move |store| store.drop_rows(&rows)).await?;
    Ok(others)
}

fn first_users(context: &Context<'_>, cycle: i64, users: u32) -> Result<BTreeSet<Key>, Error> {
    let users = usize::try_from(users).unwrap_or(usize::MAX);
    let mut kept = BTreeSet::new();
    each_row::<Error>(&context.agent.store, cycle, &mut |row, is_held, _| {
        let subject = &row.action.subject;
        if !is_held && subject.kind == ObjectKind::User && kept.len() < users {
            kept.insert(subject.key);
        }
        Ok(())
    })?;
    Ok(kept)
}

/// A group with all that is in it, and what their creates refer to: without it, another request than the
/// saved one would be sent.
async fn group(context: &Context<'_>, cycle: i64, name: &str) -> Result<BTreeSet<Key>, Error> {
    let (_, group) = context
        .named(Some(ObjectKind::Group), name.to_owned())
        .await?;
    let job = context.job.rules.name.clone();
    let mut kept = context
        .state(move |store| {
            let mut kept = BTreeSet::from([group]);
            let mut groups = vec![group];
            while let Some(group) = groups.pop() {
                store.each_member(&job, &[group], |one| {
                    if kept.insert(one.key) && one.kind == ObjectKind::Group {
                        groups.push(one.key);
                    }
                })?;
            }
            Ok(kept)
        })
        .await?;
    let mut refers: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    each_row::<Error>(&context.agent.store, cycle, &mut |row, _, _| {
        if let Operation::Create { references, .. } = &row.action.operation {
            let keys = references.iter().map(|(_, referenced)| referenced.key);
            refers.insert(row.action.subject.key, keys.collect());
        }
        Ok(())
    })?;
    let mut left: Vec<Key> = kept.iter().copied().collect();
    while let Some(key) = left.pop() {
        let others = refers.get(&key).into_iter().flatten();
        left.extend(others.copied().filter(|other| kept.insert(*other)));
    }
    Ok(kept)
}

fn each_row<E: From<crate::store::Error>>(
    store: &Store,
    cycle: i64,
    each: &mut dyn FnMut(&Row, bool, Names<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for of in [RowsOf::Cleared, RowsOf::Held] {
        let mut after = None;
        loop {
            let rows = store.rows(cycle, of, after, CHUNK)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(*last);
            let referenced = rows.iter().flat_map(|(_, row)| {
                let referenced = row.action.operation.referenced();
                referenced.into_iter().map(|one| one.key)
            });
            let mut keys: Vec<Key> = referenced.collect();
            keys.sort_unstable();
            keys.dedup();
            let known = store.named(&keys)?;
            let names = |key| {
                let one = known.get(&key)?;
                Some((one.id.clone(), one.label.clone()))
            };
            for (_, row) in &rows {
                each(row, of == RowsOf::Held, Names::Numbered(&names))?;
            }
        }
    }
    Ok(())
}

fn digest(
    key: &StateKey,
    action: &Shown<'_, Action>,
    step: Step,
    is_held: bool,
    names: Names<'_>,
) -> String {
    let row = report::json::canonical(action, step, names);
    key.digest("row of a plan", &format!("{is_held} {row}"))
}

/// What would be sent. Ids that the target gives to what this plan creates are named by what they belong
/// to.
fn request(dialect: &Dialect, action: &Action, names: Names<'_>) -> Option<Request> {
    if dialect.needs_current(action) {
        return None;
    }
    let mut action = action.clone();
    if action.target.is_none() {
        let name = format!("id-of-{}", action.subject.id);
        action.target = Some(TargetId::new(name));
    }
    for referenced in action.operation.referenced_mut() {
        if referenced.target.is_none() {
            let (id, _) = names.referenced(referenced.key);
            referenced.target = Some(TargetId::new(format!("id-of-{id}")));
        }
    }
    dialect.requests(&action, None).ok()?.pop()
}
