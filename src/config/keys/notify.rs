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
            "An address that is called after each completed cycle of any job, for a monitoring service.",
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
        key("user", Holds::Text, "User name at the mail server."),
        key("password", Holds::Table(&SECRET), "Its password."),
        key("from", Holds::Text, "The sender's address.")
            .required("add from = \"entrain <entrain@example.com>\""),
        key("to", Holds::Texts, "The addresses of the recipients.")
            .required("add to = [\"it@example.com\"]"),
        key(
            "ca_certificate",
            Holds::Text,
            "A PEM file with certificates to trust in addition to the built-in ones.",
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
        key(
            "name",
            Holds::Text,
            "The name of the webhook in jobs and messages.",
        )
        .required("add name = \"…\", the name of the webhook in jobs and messages"),
        key(
            "url",
            Holds::Table(&SECRET),
            "The address; given like a secret, because most webhook addresses are secret.",
        )
        .required("add url = { env = \"NAME\" } or { file = \"PATH\" }"),
        key(
            "form",
            Holds::Words(&["json", "slack", "teams"]),
            "Form of the payload. Default: json.",
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
            "An address that is called after each completed cycle of this job.",
        ),
    ],
);
