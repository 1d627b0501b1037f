//! What is said, and when.

use super::*;
use crate::engine::guard::WhyHeld;
use crate::engine::model::{Key, ObjectKind, SourceId};
use crate::engine::plan::Subject;
use crate::engine::record::HeldRemoval;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes)
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn of(topic: Topic) -> Matter {
    Matter::of_job(topic, &JobName::new("demo"))
}

fn failing(objects: u64) -> Trouble {
    Trouble::Failing {
        objects,
        first: Vec::new(),
        has_retries: true,
    }
}

fn quarantine(cause: Cause) -> Trouble {
    Trouble::Quarantine(Quarantine {
        since: at(0),
        cause,
        reason: "the target says no".to_owned(),
        tried: at(0),
    })
}

fn held(removals: u32) -> Trouble {
    let removals = (0..removals).map(|number| HeldRemoval {
        subject: Subject {
            kind: ObjectKind::User,
            key: Key::new(number),
            id: SourceId::new(number.to_string()),
            label: String::new(),
        },
        member: None,
        action: "disable".to_owned(),
        cause: "not-assigned".to_owned(),
        reason: None,
    });
    Trouble::Held(HeldSet {
        why: vec![WhyHeld::Undecided],
        since: at(0),
        cycle: 1,
        removals: removals.collect(),
    })
}

/// What is said at each of these minutes, in a word each.
fn said(matter: &Matter, steps: &[(i64, Option<Trouble>)]) -> Vec<(i64, &'static str)> {
    let mut memory = Memory::new();
    let mut said = Vec::new();
    for (minute, trouble) in steps {
        let seen = Seen::from([(matter.clone(), trouble.clone())]);
        for event in review(seen, &mut memory, at(*minute)) {
            said.push((*minute, event.news.as_str()));
        }
    }
    said
}

#[test]
fn trouble_is_said_once_and_then_once_a_day_until_it_is_over() {
    let steps: Vec<_> = (0..=3 * DAY)
        .step_by(10)
        .map(|minute| {
            let lasts = minute < 2 * DAY + HOUR;
            (minute, lasts.then(|| quarantine(Cause::Refused)))
        })
        .collect();
    assert_eq!(
        said(&of(Topic::Quarantine), &steps),
        [
            (0, "began"),
            (DAY, "lasts"),
            (2 * DAY, "lasts"),
            (2 * DAY + HOUR, "ended")
        ]
    );
}

#[test]
fn objects_that_fail_now_and_then_are_said_once_a_day() {
    let steps: Vec<_> = (0..2 * DAY)
        .step_by(40)
        .map(|minute| (minute, (minute % 80 == 0).then(|| failing(7))))
        .collect();
    assert_eq!(
        said(&of(Topic::Failing), &steps),
        [
            (0, "began"),
            (40, "recovered"),
            (DAY, "began"),
            (DAY + 40, "recovered")
        ]
    );
}

#[test]
fn more_removals_are_said_after_an_hour_at_the_earliest_and_fewer_are_not() {
    let steps = [
        (0, Some(held(3))),
        (10, Some(held(4))),
        (HOUR, Some(held(5))),
        (2 * HOUR, Some(held(5))),
        (3 * HOUR, Some(held(2))),
        (4 * HOUR, None),
    ];
    assert_eq!(
        said(&of(Topic::Held), &steps),
        [(0, "began"), (HOUR, "changed")]
    );
}

#[test]
fn another_cause_of_a_quarantine_is_said() {
    let steps = [
        (0, Some(quarantine(Cause::Failures))),
        (HOUR, Some(quarantine(Cause::Refused))),
    ];
    assert_eq!(
        said(&of(Topic::Quarantine), &steps),
        [(0, "began"), (HOUR, "changed")]
    );
}

#[test]
fn a_job_recovers_when_nothing_of_its_trouble_is_left() {
    let mut memory = Memory::new();
    let mut review = |seen: &[(Topic, Option<Trouble>)], minute| {
        let seen = seen.iter();
        let seen = seen.map(|(topic, trouble)| (of(*topic), trouble.clone()));
        let events = review(seen.collect(), &mut memory, at(minute));
        let events = events.into_iter();
        events
            .map(|event| (event.matter.topic, event.news))
            .collect::<Vec<_>>()
    };
    let stuck = Some(Trouble::Stuck {
        since: None,
        error: None,
    });
    let both = [(Topic::Stuck, stuck), (Topic::Failing, Some(failing(1)))];
    assert_eq!(review(&both, 0).len(), 2);
    assert_eq!(review(&[(Topic::Stuck, None)], 10), []);
    // What is not known stays as it was.
    assert_eq!(review(&[], 20), []);
    assert_eq!(
        review(&[(Topic::Failing, None)], 30),
        [(Topic::Failing, News::Recovered)]
    );
}

#[test]
fn what_was_never_said_is_not_said_to_be_over() {
    let steps = [
        (0, Some(failing(1))),
        (10, None),
        (20, Some(failing(1))),
        (30, None),
        (40, None),
    ];
    assert_eq!(
        said(&of(Topic::Failing), &steps),
        [(0, "began"), (10, "recovered")]
    );
}

#[test]
fn crashes_one_after_the_other_are_one_message_an_hour_and_none_is_lost() {
    let mut memory = Memory::new();
    let mut said = Vec::new();
    for minute in 0..=3 * HOUR {
        let mut seen = Seen::new();
        if minute < 90 {
            let trouble = Some(Trouble::Crash { times: 1 });
            seen.insert(Matter::of_agent(Topic::Crash), trouble);
        }
        for event in review(seen, &mut memory, at(minute)) {
            let News::Began(Trouble::Crash { times }) = event.news else {
                panic!("{event:?}");
            };
            said.push((minute, times, event.since));
        }
    }
    assert_eq!(
        said,
        [
            (0, 1, at(0)),
            (HOUR, 60, at(1)),
            (2 * HOUR, 29, at(HOUR + 1))
        ]
    );
    assert!(memory.is_empty());
}

#[test]
fn what_expires_is_said_once_a_week_and_in_the_last_week_once_a_day() {
    let matter = Matter {
        topic: Topic::Expiring,
        of: "source.client_secret".to_owned(),
    };
    let day = at(25 * DAY).date_naive();
    let steps: Vec<_> = (0..=25)
        .map(|days| (days * DAY, Some(Trouble::Expiring { day })))
        .collect();
    let days: Vec<i64> = said(&matter, &steps)
        .into_iter()
        .map(|(minute, _)| minute / DAY)
        .collect();
    assert_eq!(days, [0, 7, 14, 18, 19, 20, 21, 22, 23, 24, 25]);
}

#[test]
fn the_time_without_a_service_makes_no_job_stuck_and_ends_no_trouble() {
    let hour = TimeDelta::hours(1);
    let stuck =
        |completed, started, known, now| is_stuck(completed, at(started), hour, known, at(now));
    assert!(!stuck(Some(at(0)), 0, false, 3 * HOUR));
    assert!(stuck(Some(at(0)), 0, false, 3 * HOUR + 1));
    assert!(!stuck(Some(at(0)), DAY, false, DAY + HOUR));
    assert!(stuck(Some(at(0)), DAY, true, DAY + HOUR));
    assert!(!stuck(Some(at(DAY)), DAY, true, DAY + HOUR));
    assert!(stuck(None, 0, false, DAY));
    assert!(stuck(None, DAY, true, DAY));
}
