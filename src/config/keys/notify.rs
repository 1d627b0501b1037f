//! Notifications: by which ways, and which of them a job uses.

use super::source::SECRET;
use super::{Holds, Rule, Section, key, section};

pub(super) const NOTIFY: Section = section(
    "notify",
    &[
        key("mail", Holds::Table(&MAIL), "Notifications by e-mail."),
        key(
            "webhooks",
            Holds::Tables(&WEBHOOK),
            "Notifications by requests to addresses of your own.",
        ),
        key(
            "heartbeat",
            Holds::Table(&SECRET),
            "An address that is called after each good cycle of any job, so that its absence is noticed.",
        ),
    ],
);

pub(super) const MAIL: Section = Section {
    name: "notify.mail",
    keys: &[
        key("server", Holds::Text, "The host of the mail server.")
            .required("add server = \"smtp.example.com\""),
        key(
            "port",
            Holds::Integer(1),
            "Default: 587 with starttls, 465 with tls, 25 with none.",
        ),
        key(
            "encryption",
            Holds::Words(&["starttls", "tls", "none"]),
            "How the connection is encrypted. Default: starttls.",
        ),
        key("user", Holds::Text, "Of the account at the mail server."),
        key("password", Holds::Table(&SECRET), "Its password."),
        key("from", Holds::Text, "The sender's address.")
            .required("add from = \"entrain <entrain@example.com>\""),
        key("to", Holds::Texts, "The addresses of the recipients.")
            .required("add to = [\"it@example.com\"]"),
        key(
            "ca_certificate",
            Holds::Text,
            "A file in PEM form, trusted in addition to the built-in certificates.",
        ),
    ],
    rules: &[
        Rule::Needs("user", &["password"]),
        Rule::Needs("password", &["user"]),
    ],
    reserved: &[],
};

pub(super) const WEBHOOK: Section = section(
    "notify.webhooks",
    &[
        key("name", Holds::Text, "By which jobs and messages name it.")
            .required("add name = \"…\", by which jobs and messages name it"),
        key(
            "url",
            Holds::Table(&SECRET),
            "The address; most of them are secret, so it is given like a secret.",
        )
        .required("add url = { env = \"NAME\" } or { file = \"PATH\" }"),
        key(
            "form",
            Holds::Words(&["json", "slack", "teams"]),
            "What it is sent. Default: json.",
        ),
        key(
            "token",
            Holds::Table(&SECRET),
            "Sent as a bearer token in the header Authorization.",
        ),
    ],
);

pub(super) const JOB_NOTIFY: Section = section(
    "jobs.notify",
    &[
        key(
            "to",
            Holds::Texts,
            "Recipients of this job's notifications, instead of those of [notify.mail].",
        ),
        key(
            "webhooks",
            Holds::Texts,
            "Names of the webhooks for this job's notifications. Default: all.",
        ),
        key(
            "heartbeat",
            Holds::Table(&SECRET),
            "An address that is called after each good cycle of this job.",
        ),
    ],
);
