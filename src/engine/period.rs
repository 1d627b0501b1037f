//! What the cycles of a period did for people: who came, changed and went, who lost access and why, how long a
//! change took, and what failed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::model::{JobName, ObjectKind, SourceId, Value};
use super::plan::{Subject, WhyRemoved};
use super::record::{CycleRecord, LogEntry, LogStatus, Reason};

/// One job in a period.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) job: JobName,
    /// The oldest first.
    pub(crate) cycles: Vec<CycleRecord>,
    /// Users who were created or enabled.
    pub(crate) joiners: BTreeMap<SourceId, Subject>,
    /// Users whose account was found in the target, and linked.
    adopted: BTreeMap<SourceId, Subject>,
    /// Users who were disabled, deleted, or whose account was handed over.
    pub(crate) leavers: BTreeMap<SourceId, Subject>,
    /// In which cycles users came or went; the last counts.
    came: BTreeMap<SourceId, i64>,
    went: BTreeMap<SourceId, i64>,
    /// In which cycles values or groups of users changed; of groups that are members until
    /// [`Period::leave_out`] is called, because a member is logged without its kind.
    changed: BTreeSet<(SourceId, i64)>,
    /// In the order of time.
    pub(crate) lost: Vec<Lost>,
    failures: BTreeMap<Failed, Failing>,
    /// From the start of the cycle that first tried it to the answer, in milliseconds.
    took: Vec<u64>,
    longest: Option<(u64, Subject)>,
    /// Actions that failed and have not been done since, with the start of the cycle that tried them first.
    waiting: BTreeMap<(SourceId, String), DateTime<Utc>>,
}

/// A user, or members of a group, lost access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) at: DateTime<Utc>,
    pub(crate) cycle: i64,
    pub(crate) action: String,
    pub(crate) subject: Subject,
    /// Who left the group, where the subject is one that lost members.
    pub(crate) members: Vec<SourceId>,
    pub(crate) why: Option<WhyRemoved>,
}

/// What failures have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failed {
    pub(crate) action: String,
    pub(crate) http_status: Option<u16>,
    /// The words, without what differs from object to object.
    pub(crate) words: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) times: u64,
    pub(crate) objects: BTreeSet<SourceId>,
    /// Objects of which the action was not done since.
    pub(crate) still: u64,
    /// The last of them.
    pub(crate) example: Option<Subject>,
    pub(crate) last: DateTime<Utc>,
}

/// How long changes took, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) changes: u64,
    pub(crate) half: u64,
    /// 19 of 20.
    pub(crate) most: u64,
    pub(crate) longest: u64,
    pub(crate) slowest: Subject,
}

impl Period {
    pub(crate) fn new(job: JobName) -> Self {
        Self {
            job,
            cycles: Vec::new(),
            joiners: BTreeMap::new(),
            adopted: BTreeMap::new(),
            leavers: BTreeMap::new(),
            came: BTreeMap::new(),
            went: BTreeMap::new(),
            changed: BTreeSet::new(),
            lost: Vec::new(),
            failures: BTreeMap::new(),
            took: Vec::new(),
            longest: None,
            waiting: BTreeMap::new(),
        }
    }

    /// Takes in an entry of a cycle. Cycles come in the order of time.
    pub(crate) fn add(&mut self, started: DateTime<Utc>, logged: &LogEntry) {
        match logged.status {
            LogStatus::Failed => return self.failed(started, logged),
            LogStatus::Skipped | LogStatus::InParts | LogStatus::NotTried | LogStatus::Gone => {
                return;
            }
            LogStatus::Succeeded | LogStatus::AlreadyExists => {}
        }
        let Some(subject) = &logged.subject else {
            return;
        };
        self.done(started, logged, subject);
        let id = subject.id.clone();
        let is_user = subject.kind == ObjectKind::User;
        let cycle = logged.cycle;
        match logged.action.as_str() {
            "create" | "enable" if is_user => {
                self.came.insert(id.clone(), cycle);
                self.joiners.insert(id, subject.clone());
            }
            "adopt" if is_user => {
                self.came.insert(id.clone(), cycle);
                self.adopted.insert(id, subject.clone());
            }
            "disable" | "delete" | "hand-over" => {
                if is_user {
                    self.went.insert(id.clone(), cycle);
                    self.leavers.insert(id, subject.clone());
                }
                self.lost(logged, subject, Vec::new());
            }
            "update" | "set-reference" if is_user => {
                self.changed.insert((id, cycle));
            }
            "add-members" => {
                let came = members(logged).map(|id| (id, cycle));
                self.changed.extend(came);
            }
            "remove-members" => {
                let gone: Vec<SourceId> = members(logged).collect();
                self.changed
                    .extend(gone.iter().map(|id| (id.clone(), cycle)));
                self.lost(logged, subject, gone);
            }
            _ => {}
        }
    }

    fn lost(&mut self, logged: &LogEntry, subject: &Subject, members: Vec<SourceId>) {
        let why = match &logged.reason {
            Some(Reason::Removed(why)) => Some(why.clone()),
            Some(Reason::Skipped(_) | Reason::Left(_) | Reason::LeftEach | Reason::Member)
            | None => None,
        };
        self.lost.push(Lost {
            at: logged.at,
            cycle: logged.cycle,
            action: logged.action.clone(),
            subject: subject.clone(),
            members,
            why,
        });
    }

    fn done(&mut self, started: DateTime<Utc>, logged: &LogEntry, subject: &Subject) {
        let key = (subject.id.clone(), logged.action.clone());
        let tried = self.waiting.remove(&key).unwrap_or(started);
        // What failed to be planned is planned now.
        self.waiting.remove(&(key.0, PLAN.to_owned()));
        if logged.requests == 0 {
            return;
        }
        let answered = i64::try_from(logged.duration_ms).unwrap_or(i64::MAX);
        let took = (logged.at - tried)
            .num_milliseconds()
            .saturating_add(answered);
        let took = u64::try_from(took).unwrap_or(0);
        self.took.push(took);
        if self.longest.as_ref().is_none_or(|(most, _)| took > *most) {
            self.longest = Some((took, subject.clone()));
        }
    }

    fn failed(&mut self, started: DateTime<Utc>, logged: &LogEntry) {
        let id = logged.subject.as_ref().map(|subject| subject.id.clone());
        let failed = Failed {
            action: logged.action.clone(),
            http_status: logged.http_status,
            words: in_common(logged.error.as_deref().unwrap_or_default()),
        };
        let failing = self.failures.entry(failed).or_insert_with(|| Failing {
            times: 0,
            objects: BTreeSet::new(),
            still: 0,
            example: None,
            last: logged.at,
        });
        failing.times += 1;
        failing.last = failing.last.max(logged.at);
        failing.example.clone_from(&logged.subject);
        if let Some(id) = id {
            failing.objects.insert(id.clone());
            let key = (id, logged.action.clone());
            self.waiting.entry(key).or_insert(started);
        }
    }

    /// Users whose account was found in the target, and who did not get access otherwise.
    pub(crate) fn adopted(&self) -> impl Iterator<Item = &Subject> {
        let adopted = self.adopted.iter();
        let other = adopted.filter(|(id, _)| !self.joiners.contains_key(*id));
        other.map(|(_, subject)| subject)
    }

    /// Members that came into groups or left them, and users whose values changed.
    pub(crate) fn changed(&self) -> Vec<SourceId> {
        let ids: BTreeSet<&SourceId> = self.changed.iter().map(|(id, _)| id).collect();
        ids.into_iter().cloned().collect()
    }

    /// Groups are no movers, though they may be members.
    pub(crate) fn leave_out(&mut self, groups: &BTreeSet<SourceId>) {
        self.changed.retain(|(id, _)| !groups.contains(id));
    }

    /// Users whose values or groups changed, other than in the cycle in which they came, or when or after they went.
    pub(crate) fn movers(&self) -> BTreeSet<&SourceId> {
        let moved = |(id, cycle): &&(SourceId, i64)| {
            let (came, went) = (self.came.get(id), self.went.get(id));
            came != Some(cycle) && went.is_none_or(|went| cycle < went || came > Some(went))
        };
        let changed = self.changed.iter().filter(moved);
        changed.map(|(id, _)| id).collect()
    }

    /// What failed, the most frequent first.
    pub(crate) fn failures(&self) -> Vec<(&Failed, Failing)> {
        let mut failures: Vec<(&Failed, Failing)> = self
            .failures
            .iter()
            .map(|(failed, failing)| {
                let is_waiting = |id: &&SourceId| {
                    self.waiting
                        .contains_key(&((*id).clone(), failed.action.clone()))
                };
                let still = failing.objects.iter().filter(is_waiting).count() as u64;
                (
                    failed,
                    Failing {
                        still,
                        ..failing.clone()
                    },
                )
            })
            .collect();
        failures.sort_by_key(|(_, failing)| std::cmp::Reverse(failing.times));
        failures
    }

    pub(crate) fn took(&self) -> Option<Took> {
        let (longest, slowest) = self.longest.clone()?;
        let mut took = self.took.clone();
        took.sort_unstable();
        let of = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
        Some(Took {
            changes: took.len() as u64,
            half: of(50),
            most: of(95),
            longest,
            slowest,
        })
    }

    /// The usual time from the start of a cycle to that of the next, in milliseconds.
    pub(crate) fn interval(&self) -> Option<u64> {
        let starts = self.cycles.windows(2);
        let mut between: Vec<TimeDelta> =
            starts.map(|two| two[1].started - two[0].started).collect();
        between.sort_unstable();
        let middle = between.get(between.len() / 2)?;
        u64::try_from(middle.num_milliseconds()).ok()
    }

    /// How the cycles ended.
    pub(crate) fn endings(&self) -> BTreeMap<&'static str, u64> {
        let mut endings = BTreeMap::new();
        for cycle in &self.cycles {
            *endings.entry(cycle.state.as_str()).or_default() += 1;
        }
        endings
    }
}

/// The action of what could not be planned.
const PLAN: &str = "plan";

/// Who came into a group or left it.
fn members(logged: &LogEntry) -> impl Iterator<Item = SourceId> {
    let changes = logged.changes.iter();
    let sides = changes.flat_map(|change| [&change.before, &change.after]);
    let values = sides.filter_map(|side| match side {
        Some(Value::List(values)) => Some(values),
        _ => None,
    });
    values.flatten().filter_map(|value| match value {
        Value::Reference(id) => Some(id.clone()),
        _ => None,
    })
}

/// The words of a failure without what differs from object to object: what is quoted, ids and addresses.
fn in_common(words: &str) -> String {
    let mut common = String::with_capacity(words.len());
    for (place, part) in words.split('"').enumerate() {
        if place % 2 == 1 {
            common.push('…');
            continue;
        }
        for (place, word) in part.split(' ').enumerate() {
            if place > 0 {
                common.push(' ');
            }
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            if word.contains('@') || (digits > 0 && word.len() > 6) || digits > 3 {
                common.push('…');
            } else {
                common.push_str(word);
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::Key;
    use crate::engine::record::LoggedChange;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn logged(minute: i64, action: &str, who: &str, status: LogStatus) -> LogEntry {
        LogEntry {
            id: minute,
            cycle: minute,
            job: JobName::new("wizer"),
            at: at(minute),
            subject: Some(Subject {
                kind: if who.starts_with('g') {
                    ObjectKind::Group
                } else {
                    ObjectKind::User
                },
                key: Key::new(1),
                id: SourceId::new(who),
                label: who.to_owned(),
            }),
            target: None,
            action: action.to_owned(),
            status,
            reason: None,
            changes: Vec::new(),
            http_status: None,
            error: None,
            requests: 1,
            method: None,
            duration_ms: 10,
            next_try: None,
        }
    }

    #[test]
    fn joiners_movers_and_leavers_are_counted_once() {
        let mut period = Period::new(JobName::new("wizer"));
        for (minute, action, who) in [
            (1, "create", "ada"),
            (1, "set-reference", "ada"),
            (2, "create", "sue"),
            (3, "update", "sue"),
            (3, "update", "bob"),
            (4, "set-reference", "bob"),
            (5, "disable", "eve"),
            (6, "update", "eve"),
            (6, "adopt", "tom"),
        ] {
            period.add(
                at(minute),
                &logged(minute, action, who, LogStatus::Succeeded),
            );
        }
        let mut members = logged(7, "remove-members", "g1", LogStatus::Succeeded);
        members.changes = vec![LoggedChange {
            attribute: "members".to_owned(),
            before: Some(Value::List(vec![Value::Reference(SourceId::new("may"))])),
            after: None,
            why: None,
            more: 0,
        }];
        period.add(at(7), &members);
        let names = |of: &BTreeMap<SourceId, Subject>| of.keys().map(ToString::to_string).collect();
        let joiners: Vec<String> = names(&period.joiners);
        let leavers: Vec<String> = names(&period.leavers);
        let movers: Vec<String> = period
            .movers()
            .into_iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            (joiners, leavers),
            (
                vec!["ada".to_owned(), "sue".to_owned()],
                vec!["eve".to_owned()]
            )
        );
        assert_eq!(movers, ["bob", "may", "sue"]);
        let adopted: Vec<&str> = period.adopted().map(|one| one.label.as_str()).collect();
        assert_eq!(adopted, ["tom"]);
        let lost: Vec<&str> = period.lost.iter().map(|one| one.action.as_str()).collect();
        assert_eq!(lost, ["disable", "remove-members"]);
    }

    #[test]
    fn a_change_that_failed_first_took_all_the_time_since() {
        let mut period = Period::new(JobName::new("wizer"));
        let mut failed = logged(10, "create", "ada", LogStatus::Failed);
        failed.error = Some("userName \"ada@contoso.com\" is taken by 0a1b2c3d".to_owned());
        period.add(at(10), &failed);
        failed.subject.as_mut().unwrap().id = SourceId::new("bob");
        failed.error = Some("userName \"bob@contoso.com\" is taken by 0e1f2a3b".to_owned());
        period.add(at(10), &failed);
        period.add(at(50), &logged(51, "create", "ada", LogStatus::Succeeded));
        let took = period.took().unwrap();
        assert_eq!((took.changes, took.longest), (1, 41 * 60_000 + 10));
        let failures = period.failures();
        let [(what, failing)] = failures.as_slice() else {
            panic!("{failures:?}");
        };
        assert_eq!(what.words, "userName … is taken by …");
        assert_eq!(
            (failing.times, failing.objects.len(), failing.still),
            (2, 2, 1)
        );
    }
}
