//! Which sections there are, and which keys each of them may have.

use crate::config::reader::Section;

pub(super) const TOP: Section = Section {
    name: "",
    keys: &["state", "source", "schedule", "jobs"],
    later: &[
        ("web", "there is no status page yet: use the command status"),
        (
            "notify",
            "nobody is notified yet: watch exit codes and the log",
        ),
    ],
};
pub(super) const STATE: Section = section("state", &["path", "key"]);
pub(super) const SOURCE: Section = Section {
    name: "source",
    keys: &[
        "tenant_id",
        "client_id",
        "client_secret",
        "client_certificate",
        "federated_token_file",
        "workload_identity",
        "managed_identity",
        "azure_cli",
        "device_code",
        "cloud",
        "login_url",
        "graph_url",
        "token_scope",
    ],
    later: &[],
};
/// The keys of [`SOURCE`] of which one says how to sign in.
pub(super) const CREDENTIALS: &[&str] = &[
    "client_secret",
    "client_certificate",
    "federated_token_file",
    "workload_identity",
    "managed_identity",
    "azure_cli",
    "device_code",
];
pub(super) const CERTIFICATE: Section = section(
    "source.client_certificate",
    &["certificate", "private_key", "pkcs12", "password"],
);
pub(super) const IDENTITY: Section =
    section("source.managed_identity", &["object_id", "resource_id"]);
pub(super) const SCHEDULE: Section = section("schedule", SCHEDULE_KEYS);
const SCHEDULE_KEYS: &[&str] = &["interval", "cron", "timezone", "jitter"];
pub(super) const JOB: Section = section(
    "jobs",
    &[
        "name",
        "enabled",
        "preset",
        "application",
        "target",
        "scope",
        "users",
        "groups",
        "safety",
        "schedule",
    ],
);
pub(super) const JOB_SCHEDULE: Section = section("jobs.schedule", SCHEDULE_KEYS);
pub(super) const APPLICATION: Section = section(
    "jobs.application",
    &["app_id", "service_principal_id", "display_name"],
);
pub(super) const TARGET: Section = Section {
    name: "jobs.target",
    keys: &[
        "base_url",
        "token",
        "concurrency",
        "requests_per_second",
        "timeout",
        "visibility_delay",
        "ca_certificate",
        "filterable",
        "member_chunk",
        "page_size",
        "update",
        "update_groups",
        "content_type",
        "schema",
        "member_remove",
    ],
    later: &[("oauth", "use token = { env = \"NAME\" }")],
};
pub(super) const FILTERABLE: Section = section("jobs.target.filterable", &["users", "groups"]);
pub(super) const SCOPE: Section = section(
    "jobs.scope",
    &[
        "mode",
        "nested_groups",
        "groups",
        "exclude",
        "exclude_default_access",
    ],
);
const RULES_KEYS: &[&str] = &[
    "enabled",
    "actions",
    "when_out_of_scope",
    "filters",
    "mappings",
];
pub(super) const USERS: Section = section("jobs.users", RULES_KEYS);
pub(super) const GROUPS: Section = section(
    "jobs.groups",
    &[
        "enabled",
        "actions",
        "when_out_of_scope",
        "provision",
        "one_group_each",
        "nested_members",
        "filters",
        "mappings",
    ],
);
pub(super) const FILTER: Section = section("jobs.users.filters", &["name", "all"]);
pub(super) const CLAUSE: Section = section(
    "jobs.users.filters.all",
    &["attribute", "operator", "value", "full"],
);
pub(super) const MAPPING: Section = section(
    "jobs.users.mappings",
    &[
        "target",
        "source",
        "expression",
        "constant",
        "none",
        "default",
        "match",
        "apply",
        "on_empty",
        "type",
        "multi_valued",
        "required",
        "case_exact",
        "remove",
    ],
);
pub(super) const SAFETY: Section = section(
    "jobs.safety",
    &[
        "max_deletions",
        "max_membership_removals",
        "max_creations",
        "min_active",
        "min_members",
        "never_disable",
        "on_drift",
    ],
);

/// Every section of the configuration.
pub(in crate::config) const SECTIONS: &[&Section] = &[
    &TOP,
    &STATE,
    &SOURCE,
    &SCHEDULE,
    &JOB,
    &JOB_SCHEDULE,
    &APPLICATION,
    &TARGET,
    &SCOPE,
    &USERS,
    &GROUPS,
    &FILTER,
    &CLAUSE,
    &MAPPING,
    &SAFETY,
];

pub(super) const PRESET_TOP: Section =
    section("", &["title", "target", "scope", "users", "groups"]);
pub(super) const PRESET_TARGET: Section = section(
    "target",
    &[
        "base_url",
        "concurrency",
        "requests_per_second",
        "filterable",
        "member_chunk",
        "page_size",
        "update",
        "update_groups",
        "content_type",
        "schema",
        "member_remove",
    ],
);
pub(super) const PRESET_SCOPE: Section = section(
    "scope",
    &["mode", "nested_groups", "exclude_default_access"],
);
pub(super) const PRESET_USERS: Section = section(
    "users",
    &[
        "enabled",
        "actions",
        "when_out_of_scope",
        "filters",
        "mappings",
        "warning",
    ],
);
pub(super) const PRESET_GROUPS: Section = section(
    "groups",
    &[
        "enabled",
        "actions",
        "when_out_of_scope",
        "one_group_each",
        "nested_members",
        "filters",
        "mappings",
        "warning",
    ],
);
pub(super) const PRESET_SECTIONS: &[&Section] = &[
    &PRESET_TOP,
    &PRESET_TARGET,
    &PRESET_SCOPE,
    &PRESET_USERS,
    &PRESET_GROUPS,
];

const fn section(name: &'static str, keys: &'static [&'static str]) -> Section {
    Section {
        name,
        keys,
        later: &[],
    }
}
