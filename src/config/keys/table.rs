//! The top of the file, and the list of all sections.

use super::job::{
    APPLICATION, CLAUSE, EXCEPTION, FILTER, GROUPS, JOB, MAPPING, SAFETY, SCOPE, TARGET, USERS,
};
use super::notify::{JOB_NOTIFY, MAIL, NOTIFY, WEBHOOK};
use super::schedule::{JOB_SCHEDULE, SCHEDULE};
use super::source::{NAMED_SOURCE, SECRET, SOURCE};
use super::web::WEB;
use super::{Holds, Rule, Section, key, section};

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
        .remedy("add a section [source] with tenant_id, client_id and client_secret"),
        key(
            "sources",
            Holds::Tables(&NAMED_SOURCE),
            "Instead of [source]: several tenants, each with a name that jobs refer to.",
        ),
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
    rules: &[Rule::ExactlyOne(&["source", "sources"])],
    reserved: &[],
};

const STATE: Section = Section {
    name: "state",
    keys: &[
        key(
            "path",
            Holds::Text,
            "The state file, created when missing; with url, this machine's copy of the state. Default: entrain.db.",
        ),
        key(
            "url",
            Holds::Text,
            "A PostgreSQL database that holds the state, for several agents: postgres://user@host/database.",
        ),
        key(
            "password",
            Holds::Table(&SECRET),
            "Password of the database user.",
        ),
        key(
            "client_certificate",
            Holds::Table(&CLIENT_CERTIFICATE),
            "Certificate with which the agent signs in to the database.",
        ),
        key(
            "ca_certificate",
            Holds::Text,
            "A file with certificates of authorities in PEM form that the database's certificate may come from, in \
             addition to the public ones.",
        ),
        key(
            "schema",
            Holds::Text,
            "The schema in the database, created when missing. Default: entrain.",
        ),
        key(
            "lease",
            Holds::Duration,
            "How long an agent may be unreachable before others take its jobs over. Default: 30 seconds, or twice \
             the longest timeout of a target plus 15 seconds.",
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
    rules: &[
        Rule::Needs("password", &["url"]),
        Rule::Needs("client_certificate", &["url"]),
        Rule::Needs("ca_certificate", &["url"]),
        Rule::Needs("schema", &["url"]),
        Rule::Needs("lease", &["url"]),
        Rule::Needs("url", &["key"]),
    ],
    reserved: &[],
};

const CLIENT_CERTIFICATE: Section = section(
    "state.client_certificate",
    &[
        key(
            "certificate",
            Holds::Table(&SECRET),
            "The certificate in PEM form.",
        )
        .required("write client_certificate = { certificate = { file = \"…\" }, private_key = { file = \"…\" } }"),
        key("private_key", Holds::Table(&SECRET), "Its private key in PEM form.")
            .required("write client_certificate = { certificate = { file = \"…\" }, private_key = { file = \"…\" } }"),
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

/// Every section of the configuration.
pub(in crate::config) const SECTIONS: &[&Section] = &[
    &TOP,
    &STATE,
    &SOURCE,
    &NAMED_SOURCE,
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
