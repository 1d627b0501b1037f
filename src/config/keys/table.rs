//! The top of the file, the schedule, and the list of all sections.

use super::job::{
    APPLICATION, CLAUSE, EXCEPTION, FILTER, GROUPS, JOB, MAPPING, SAFETY, SCOPE, TARGET, USERS,
};
use super::notify::{JOB_NOTIFY, MAIL, NOTIFY, WEBHOOK};
use super::source::{SECRET, SOURCE};
use super::web::WEB;
use super::{Holds, Key, Rule, Section, key, section};

pub(in crate::config) const TOP: Section = Section {
    name: "",
    keys: &[
        key(
            "state",
            Holds::Table(&STATE),
            "The state: what entrain has read and sent.",
        ),
        key(
            "source",
            Holds::Table(&SOURCE),
            "The Microsoft Entra tenant that is read.",
        )
        .required("add a section [source] with tenant_id, client_id and client_secret"),
        key("schedule", Holds::Table(&SCHEDULE), "When cycles start."),
        key(
            "web",
            Holds::Table(&WEB),
            "The status page of the service, with metrics and health checks.",
        ),
        key(
            "reports",
            Holds::Table(&REPORTS),
            "Reports that the service writes of its cycles.",
        ),
        key(
            "notify",
            Holds::Table(&NOTIFY),
            "Notifications by the service: e-mail, webhooks, and a heartbeat.",
        ),
        key(
            "jobs",
            Holds::Tables(&JOB),
            "The jobs: each provisions one application into one target.",
        )
        .required("add a section [[jobs]]"),
    ],
    rules: &[],
    reserved: &[],
};

const STATE: Section = section(
    "state",
    &[
        key(
            "path",
            Holds::Text,
            "The state file, created when missing. Default: entrain.db.",
        ),
        key(
            "key",
            Holds::Table(&SECRET),
            "Key of digests. Default: a file next to the state file.",
        ),
        key(
            "keep_log",
            Holds::Duration,
            "How long the log is kept, at least 2 days. Default: 90d.",
        ),
        key(
            "keep_log_rows",
            Holds::Integer(1),
            "About how many entries of the log are kept; those of the last 2 days always are. Default: 10000000.",
        ),
    ],
);

const REPORTS: Section = section(
    "reports",
    &[
        key(
            "folder",
            Holds::Text,
            "Where the service writes a report of each cycle that changed, failed or held something.",
        )
        .required("add folder = \"reports\""),
        key(
            "formats",
            Holds::Texts,
            "The forms of the reports: html, md, csv. Default: html.",
        ),
        key(
            "keep",
            Holds::Duration,
            "How long the reports are kept. Default: 90d.",
        ),
    ],
);

const SCHEDULE: Section = schedule(
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
            "How often the service checks, between cycles, for users who must lose access. Default: 1m.",
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

/// Every section of the configuration.
pub(in crate::config) const SECTIONS: &[&Section] = &[
    &TOP,
    &STATE,
    &SOURCE,
    &SCHEDULE,
    &WEB,
    &REPORTS,
    &NOTIFY,
    &MAIL,
    &WEBHOOK,
    &JOB,
    &JOB_SCHEDULE,
    &JOB_NOTIFY,
    &APPLICATION,
    &TARGET,
    &SCOPE,
    &USERS,
    &GROUPS,
    &EXCEPTION,
    &FILTER,
    &CLAUSE,
    &MAPPING,
    &SAFETY,
];
