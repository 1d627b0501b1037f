//! Notifications: which trouble an operator is notified of, and when. Trouble is said when it begins or gets
//! worse, once a day while it lasts, and when it is over; however often it comes and goes, it is said at most
//! once an hour, and objects that fail at most once a day.

mod outbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

pub(crate) use outbox::{LONGEST_WAIT, Message, Queued, Waiting, next_attempt};

use super::denial::{DeniedSource, Refuses};
use super::model::JobName;
use super::quarantine::{Cause, Quarantine};
use super::record::{Escrowed, HeldSet};

/// What lasts is said again after this time.
const REPEAT: TimeDelta = TimeDelta::days(1);
/// What expires in more than a week is said again after this time.
const REPEAT_FAR: TimeDelta = TimeDelta::weeks(1);
/// The least time between two messages about the same.
const SPACING: TimeDelta = TimeDelta::hours(1);
/// Intervals without a complete cycle, after which a job counts as stuck.
const INTERVALS: i32 = 3;

/// What trouble is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Topic {
    Crash,
    SourceRefused,
    PermissionMissing,
    Expiring,
    Quarantine,
    Stuck,
    Held,
    Failing,
}

impl Topic {
    pub(crate) const ALL: [Self; 8] = [
        Self::Crash,
        Self::SourceRefused,
        Self::PermissionMissing,
        Self::Expiring,
        Self::Quarantine,
        Self::Stuck,
        Self::Held,
        Self::Failing,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::SourceRefused => "source-refused",
            Self::PermissionMissing => "permission-missing",
            Self::Expiring => "credential-expires",
            Self::Quarantine => "quarantine",
            Self::Stuck => "no-complete-cycle",
            Self::Held => "held",
            Self::Failing => "objects-failing",
        }
    }

    fn spacing(self) -> TimeDelta {
        match self {
            Self::Failing => REPEAT,
            _ => SPACING,
        }
    }
}

/// One thing that there may be trouble with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Matter {
    pub(crate) topic: Topic,
    /// The name of a job or source, the key of a credential, or nothing.
    pub(crate) of: String,
}

impl Matter {
    pub(crate) fn of_job(topic: Topic, job: &JobName) -> Self {
        let of = job.as_str().to_owned();
        Self { topic, of }
    }

    /// `refuses` is what the source refuses.
    pub(crate) fn of_source(refuses: Refuses, source: &str) -> Self {
        let topic = match refuses {
            Refuses::SignIn => Topic::SourceRefused,
            Refuses::Permission => Topic::PermissionMissing,
        };
        let of = source.to_owned();
        Self { topic, of }
    }

    pub(crate) fn of_agent(topic: Topic) -> Self {
        let of = String::new();
        Self { topic, of }
    }

    /// The job that it concerns; `None`: all.
    pub(crate) fn job(&self) -> Option<&str> {
        match self.topic {
            Topic::Crash | Topic::SourceRefused | Topic::PermissionMissing | Topic::Expiring => {
                None
            }
            Topic::Quarantine | Topic::Stuck | Topic::Held | Topic::Failing => Some(&self.of),
        }
    }

    /// The source that it concerns, where it concerns one; empty for the only one.
    pub(crate) fn source(&self) -> Option<&str> {
        match self.topic {
            Topic::SourceRefused | Topic::PermissionMissing => Some(&self.of),
            Topic::Crash
            | Topic::Expiring
            | Topic::Quarantine
            | Topic::Stuck
            | Topic::Held
            | Topic::Failing => None,
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The process before did not end by itself, so many times since that was last said.
    Crash {
        times: u32,
    },
    /// A tenant refuses the credential, or a permission is missing in it.
    Denied(DeniedSource),
    Expiring {
        day: NaiveDate,
    },
    Quarantine(Quarantine),
    /// Since when no cycle was complete, and how its last one ended, where it did not end well.
    Stuck {
        since: Option<DateTime<Utc>>,
        error: Option<String>,
    },
    Held(HeldSet),
    /// How many objects fail, the first of them, and whether they are tried between the cycles.
    Failing {
        objects: u64,
        first: Vec<Escrowed>,
        has_retries: bool,
    },
}

impl Trouble {
    fn mark(&self) -> Mark {
        let number = match self {
            Self::Held(held) => held.removals.len() as u64,
            Self::Quarantine(quarantine) => match quarantine.cause {
                Cause::Failures => 0,
                Cause::Refused => 1,
                Cause::Incompatible => 2,
            },
            Self::Crash { times } => u64::from(*times),
            Self::Denied(_) | Self::Expiring { .. } | Self::Stuck { .. } | Self::Failing { .. } => {
                0
            }
        };
        Mark(number)
    }

    /// After which time it is said again.
    fn repeat(&self, now: DateTime<Utc>) -> TimeDelta {
        match self {
            Self::Expiring { day } if (*day - now.date_naive()).num_days() > 7 => REPEAT_FAR,
            _ => REPEAT,
        }
    }
}

/// How bad it is; more of it is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(crate) u64);

/// What is remembered of a matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// When it began, the last time that it did.
    pub(crate) since: DateTime<Utc>,
    /// When it was last said.
    pub(crate) said: Option<DateTime<Utc>>,
    /// How bad it was then; of crashes, how many are still to be said.
    pub(crate) mark: Mark,
    /// It is remembered so that it is not said too soon when it comes back.
    pub(crate) is_over: bool,
}

impl Known {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            since: now,
            said: None,
            mark: Mark::default(),
            is_over: false,
        }
    }

    /// Whether it was said since it began.
    fn was_said(&self) -> bool {
        self.said.is_some_and(|said| said >= self.since)
    }
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) matter: Matter,
    pub(crate) news: News,
    /// When the trouble began.
    pub(crate) since: DateTime<Utc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Began(Trouble),
    /// More of it, or another reason.
    Changed(Trouble),
    Lasts(Trouble),
    /// Of a quarantine, and of a credential that was refused or a permission that was missing.
    Ended,
    /// The first success of a job after its trouble.
    Recovered,
}

impl News {
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Began(_) => "began",
            Self::Changed(_) => "changed",
            Self::Lasts(_) => "lasts",
            Self::Ended => "ended",
            Self::Recovered => "recovered",
        }
    }
}

/// What is so now: of each matter that is known its trouble, or `None` where there is none. A matter that is not
/// among them stays as it was.
pub(crate) type Seen = BTreeMap<Matter, Option<Trouble>>;

pub(crate) type Memory = BTreeMap<Matter, Known>;

/// What is to be said now. The memory becomes what is to be remembered.
pub(crate) fn review(seen: Seen, memory: &mut Memory, now: DateTime<Utc>) -> Vec<Event> {
    let mut events = Vec::new();
    // Something that was said of these jobs is over.
    let mut better: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for (matter, trouble) in seen {
        let known = memory.get(&matter).filter(|known| !known.is_over);
        match (trouble, known) {
            // Crashes are listed below: they do not last.
            (Some(Trouble::Crash { times }), _) => {
                let known = memory.entry(matter).or_insert_with(|| Known::new(now));
                if known.mark.0 == 0 {
                    known.since = now;
                }
                known.mark.0 += u64::from(times);
            }
            (Some(trouble), _) => events.extend(of_trouble(matter, trouble, memory, now)),
            (None, Some(known)) if !known.was_said() => {
                end(&matter, memory);
            }
            (None, Some(known)) => {
                let since = known.since;
                let topic = matter.topic;
                end(&matter, memory);
                match topic {
                    Topic::Quarantine | Topic::SourceRefused | Topic::PermissionMissing => events
                        .push(Event {
                            matter,
                            news: News::Ended,
                            since,
                        }),
                    Topic::Stuck | Topic::Failing => {
                        let first = better.entry(matter.of).or_insert(since);
                        *first = since.min(*first);
                    }
                    // An operator decided of what was held, or replaced what expires.
                    Topic::Held | Topic::Expiring | Topic::Crash => {}
                }
            }
            (None, None) => {}
        }
    }
    events.extend(of_crashes(memory, now));
    for (job, since) in better {
        let is_bad = |topic| {
            let of = job.clone();
            let known = memory.get(&Matter { topic, of });
            known.is_some_and(|known| !known.is_over)
        };
        let is_said = |event: &Event| event.news == News::Ended && event.matter.job() == Some(&job);
        if ![Topic::Quarantine, Topic::Stuck, Topic::Failing]
            .into_iter()
            .any(is_bad)
            && !events.iter().any(is_said)
        {
            events.push(Event {
                matter: Matter {
                    topic: Topic::Failing,
                    of: job,
                },
                news: News::Recovered,
                since,
            });
        }
    }
    memory.retain(|matter, known| {
        !known.is_over
            || known
                .said
                .is_some_and(|said| now - said < matter.topic.spacing())
    });
    events.sort_by(|one, other| one.matter.cmp(&other.matter));
    events
}

fn end(matter: &Matter, memory: &mut Memory) {
    if let Some(known) = memory.get_mut(matter) {
        known.is_over = true;
    }
}

fn of_trouble(
    matter: Matter,
    trouble: Trouble,
    memory: &mut Memory,
    now: DateTime<Utc>,
) -> Option<Event> {
    let known = memory
        .entry(matter.clone())
        .or_insert_with(|| Known::new(now));
    if known.is_over {
        known.since = now;
        known.is_over = false;
    }
    let mark = trouble.mark();
    let age = known.said.map(|said| now - said);
    let is_spaced = age.is_none_or(|age| age >= matter.topic.spacing());
    let is_worse = match trouble {
        Trouble::Held(_) => mark > known.mark,
        _ => mark != known.mark,
    };
    // A clock that was set back must not silence anything for long.
    let is_late = age.is_none_or(|age| age >= trouble.repeat(now) || age < -SPACING);
    let news = match (known.was_said(), is_worse) {
        (false, _) if is_spaced || is_late => News::Began(trouble),
        (true, true) if is_spaced || is_late => News::Changed(trouble),
        (true, _) if is_late => News::Lasts(trouble),
        (false | true, _) => return None,
    };
    known.said = Some(now);
    known.mark = mark;
    let since = known.since;
    Some(Event {
        matter,
        news,
        since,
    })
}

/// Crashes that are still to be said.
fn of_crashes(memory: &mut Memory, now: DateTime<Utc>) -> Option<Event> {
    let matter = Matter::of_agent(Topic::Crash);
    let known = memory.get_mut(&matter)?;
    let age = known.said.map(|said| now - said);
    if known.mark.0 == 0 {
        known.is_over = true;
        return None;
    }
    known.is_over = false;
    if age.is_some_and(|age| age < SPACING && age >= -SPACING) {
        return None;
    }
    let times = u32::try_from(known.mark.0).unwrap_or(u32::MAX);
    let since = known.since;
    known.mark = Mark::default();
    known.said = Some(now);
    known.is_over = true;
    Some(Event {
        matter,
        news: News::Began(Trouble::Crash { times }),
        since,
    })
}

/// Whether a job does not complete its cycles. The time before the service was started does not count, except
/// where the trouble was known before it.
pub(crate) fn is_stuck(
    completed: Option<DateTime<Utc>>,
    started: DateTime<Utc>,
    interval: TimeDelta,
    was_known: bool,
    now: DateTime<Utc>,
) -> bool {
    let since = match completed {
        Some(completed) if was_known => completed,
        Some(completed) => completed.max(started),
        None if was_known => return true,
        None => started,
    };
    now - since > interval * INTERVALS
}
