//! When cycles run: the schedule of all jobs, and that of one.

use super::{Holds, Key, Rule, Section, key};

pub(super) const SCHEDULE: Section = schedule(
    "schedule",
    &[
        INTERVAL,
        CRON,
        TIMEZONE,
        JITTER,
        VERIFY,
        key(
            "leavers",
            Holds::OneOf(&[Holds::Duration, Holds::Words(&["off"])]),
            "How often the service checks, also while a cycle runs, for users who must lose access. Default: 1m.",
        ),
        key(
            "retries",
            Holds::OneOf(&[Holds::Duration, Holds::Words(&["off"])]),
            "Delay after which the service retries a failed object; it doubles with each retry, up to a \
             day. A removal is retried after a sixth of it. Default: 1m.",
        ),
    ],
);

pub(super) const JOB_SCHEDULE: Section =
    schedule("jobs.schedule", &[INTERVAL, CRON, TIMEZONE, JITTER, VERIFY]);

const fn schedule(name: &'static str, keys: &'static [Key]) -> Section {
    Section {
        name,
        keys,
        rules: &[Rule::AtMostOne(&["interval", "cron"])],
        reserved: &[],
    }
}

const INTERVAL: Key = key(
    "interval",
    Holds::Duration,
    "From the start of one cycle to the start of the next. Default: 40m.",
);
const CRON: Key = key(
    "cron",
    Holds::Text,
    "Instead of interval: second, minute, hour, day, month, weekday.",
);
const TIMEZONE: Key = key(
    "timezone",
    Holds::Text,
    "Of cron, such as Europe/Berlin. Default: UTC.",
);
const JITTER: Key = key(
    "jitter",
    Holds::Duration,
    "Each start is delayed by a random time up to this.",
);

const VERIFY: Key = key(
    "verify",
    Holds::OneOf(&[Holds::Duration, Holds::Words(&["daily", "weekly", "off"])]),
    "How often a cycle compares linked objects with what the target holds. Default: off.",
);
