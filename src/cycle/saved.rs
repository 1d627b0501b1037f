//! Saved plans: each row with a keyed digest of what it does, so that the same plan is recognised later
//! (safety.md §5). A saved plan is only ever compared with; no request is made from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agent, Context, Error, Judged, Planned, capabilities};
use crate::config;
use crate::engine::model::{Key, ObjectKind, SourceId, TargetId};
use crate::engine::plan::{Action, Operation, Skipped, Step, Subject};
use crate::engine::predict::Refusal;
use crate::engine::redact::{Redactions, Shown};
use crate::report::{self, Names};
use crate::scim::{Dialect, Request};
use crate::store::{Named, Row, RowId, RowsOf, StateKey, Store};

/// Rows that are read at once.
const CHUNK: usize = 500;
/// The word of the action that makes an object.
const CREATE: &str = "create";
/// The word of what is not done.
const SKIP: &str = "skip";
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

/// Rows of a plan by their digests: actions, and objects that are skipped.
pub(crate) type OtherRows = BTreeMap<String, Vec<RowId>>;

/// An action and its object, as it is found again in another plan.
pub(crate) type Deed = (ObjectKind, SourceId, &'static str);

/// A row that only one of two plans has.
pub(crate) enum Alone<'r> {
    Action(RowId, &'r Action),
    Skipped(&'r Skipped, Names<'r>),
}

pub(crate) fn deed(subject: &Subject, action: &'static str) -> Deed {
    (subject.kind, subject.id.clone(), action)
}

impl Agent {
    /// The rows of a dry run, to compare another one with.
    pub(crate) fn rows_of(
        &self,
        cycle: i64,
        key: &StateKey,
    ) -> Result<OtherRows, crate::store::Error> {
        let mut rows = OtherRows::new();
        self.each_digest(cycle, key, &mut |id, digest, _| {
            rows.entry(digest).or_default().push(id);
        })?;
        Ok(rows)
    }

    /// Takes the rows out of a dry run that another plan has too. What is left in `known` are those that
    /// only the other has. What is left of this one.
    pub(crate) fn leave_out(
        &self,
        planned: &mut Planned,
        key: &StateKey,
        known: &mut OtherRows,
    ) -> Result<BTreeSet<Deed>, crate::store::Error> {
        let mut rows = Vec::new();
        let mut left = BTreeSet::new();
        self.each_digest(planned.cycle, key, &mut |id, digest, deed| {
            if known.get_mut(&digest).and_then(Vec::pop).is_some() {
                rows.push(id);
            } else {
                left.insert(deed);
            }
        })?;
        let is_left = |one: &Refusal| left.contains(&deed(&one.subject, one.action));
        planned.refusals.retain(is_left);
        self.store.drop_rows(&rows)?;
        planned.totals = self.store.totals(planned.cycle)?;
        if planned.totals.held == 0 {
            planned.held.clear();
        }
        Ok(left)
    }

    /// Passes the actions of a dry run that change the members of groups: the key of each member.
    pub(crate) fn each_membership(
        &self,
        cycle: i64,
        each: &mut dyn FnMut(Deed, Vec<Key>),
    ) -> Result<(), crate::store::Error> {
        each_row::<crate::store::Error>(&self.store, cycle, &mut |row, _, _| {
            let action = &row.action;
            if let Operation::AddMembers { members } | Operation::RemoveMembers { members, .. } =
                &action.operation
            {
                let keys = members.iter().map(|member| member.key).collect();
                each(deed(&action.subject, action.as_str()), keys);
            }
            Ok(())
        })
    }

    /// What the objects with these numbers are called.
    pub(crate) fn named(&self, keys: &[Key]) -> Result<BTreeMap<Key, Named>, crate::store::Error> {
        self.store.named(keys)
    }

    /// Passes these rows of a dry run.
    pub(crate) fn each_alone(
        &self,
        cycle: i64,
        rows: &BTreeSet<RowId>,
        each: &mut dyn FnMut(Alone<'_>),
    ) -> Result<(), crate::store::Error> {
        each_row::<crate::store::Error>(&self.store, cycle, &mut |row, _, _| {
            if rows.contains(&row.id) {
                each(Alone::Action(row.id, &row.action));
            }
            Ok(())
        })?;
        each_skipped(&self.store, cycle, &mut |id, skipped, names| {
            if rows.contains(&id) {
                each(Alone::Skipped(skipped, names));
            }
        })
    }

    fn each_digest(
        &self,
        cycle: i64,
        key: &StateKey,
        each: &mut dyn FnMut(RowId, String, Deed),
    ) -> Result<(), crate::store::Error> {
        let whole = Redactions::default();
        each_row::<crate::store::Error>(&self.store, cycle, &mut |row, is_held, names| {
            let digest = digest(key, &whole.action(&row.action), row.step, is_held, names);
            let deed = deed(&row.action.subject, row.action.as_str());
            each(row.id, digest, deed);
            Ok(())
        })?;
        each_skipped(&self.store, cycle, &mut |id, skipped, names| {
            let words = report::json::canonical_skip(&whole.skipped(skipped), names);
            let digest = key.digest("skipped object of a plan", &words);
            each(id, digest, deed(&skipped.subject, SKIP));
        })
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
    let approved = context
        .state(move |store| store.approved_rows(cycle))
        .await?;
    let mut added: BTreeSet<String> = BTreeSet::new();
    // Rows that are held in only one of the two.
    let mut differences: Vec<String> = Vec::new();
    let whole = Redactions::default();
    each_row::<Error>(&context.agent.store, cycle, &mut |row, is_held, names| {
        let subject = &row.action.subject;
        // It had no id yet when the file was made.
        let made = (subject.kind, subject.id.clone(), CREATE.to_owned());
        let without_id = done.contains_key(&made).then(|| Action {
            target: None,
            ..row.action.clone()
        });
        let mut find = |is_held: bool| {
            let actions = [Some(&row.action), without_id.as_ref()];
            actions.into_iter().flatten().any(|action| {
                let shown = whole.action(action);
                let digest = digest(&expected.key, &shown, row.step, is_held, names);
                left.get_mut(digest.as_str()).and_then(Vec::pop).is_some()
            })
        };
        let words = || words(row.action.as_str(), subject.kind, &subject.label);
        if find(is_held) {
            return Ok(());
        }
        if !find(!is_held) {
            added.insert(words());
        } else if is_held {
            differences.push(format!("{} is held by a safety limit now", words()));
        } else if !approved.contains(&row.id) {
            // An approval is a decision about the row that was reviewed. Without one, a limit held it.
            let why = "is held in the file, and is now permitted without an approval";
            differences.push(format!("{} {why}", words()));
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
    differences.extend(of(&added, &removed, "is not in the file"));
    differences.extend(of(&removed, &added, "is no longer planned"));
    let both = added.intersection(&removed);
    differences.extend(both.map(|row| format!("{row} has other values")));
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
    format!("{} {kind} {label}", report::phrase(action))
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

fn each_skipped(
    store: &Store,
    cycle: i64,
    each: &mut dyn FnMut(RowId, &Skipped, Names<'_>),
) -> Result<(), crate::store::Error> {
    let mut after = None;
    loop {
        let skipped = store.skipped(cycle, after, CHUNK)?;
        let Some((last, _)) = skipped.last() else {
            return Ok(());
        };
        after = Some(*last);
        let others = skipped.iter().filter_map(|(_, one)| one.why.other());
        let known = store.named(&others.collect::<Vec<Key>>())?;
        let names = |key| {
            let one = known.get(&key)?;
            Some((one.id.clone(), one.label.clone()))
        };
        for (id, one) in &skipped {
            each(*id, one, Names::Numbered(&names));
        }
    }
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
