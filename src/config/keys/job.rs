//! A job: its application, target, scope, rules and limits.

use super::notify::JOB_NOTIFY;
use super::source::SECRET;
use super::table::JOB_SCHEDULE;
use super::{Holds, Key, Rule, Section, key, knob, section};

pub(super) const JOB: Section = section(
    "jobs",
    &[
        key("name", Holds::Text, "By which commands address the job.")
            .required("add name = \"…\", by which commands address the job"),
        key(
            "enabled",
            Holds::Boolean,
            "Whether the job runs on its schedule. Default: true.",
        ),
        key(
            "mode",
            Holds::Words(&["provision", "observe"]),
            "observe: the job is planned on its schedule, and nothing is ever written. Default: provision.",
        ),
        key(
            "preset",
            Holds::Text,
            "What is known of a kind of target: generic, symantec-wss, wizer, sosafe, sonicwall-cse, none or \
             the path of a file.",
        ),
        key(
            "application",
            Holds::Table(&APPLICATION),
            "The enterprise application whose assignments are provisioned.",
        )
        .required(WHICH_APPLICATION),
        key("target", Holds::Table(&TARGET), "The SCIM service.")
            .required("add a section [jobs.target] with base_url and token"),
        key("scope", Holds::Table(&SCOPE), "Which objects belong."),
        key("users", Holds::Table(&USERS), "How users are provisioned."),
        key(
            "groups",
            Holds::Table(&GROUPS),
            "How groups are provisioned.",
        ),
        key("safety", Holds::Table(&SAFETY), "Limits of removals."),
        key(
            "schedule",
            Holds::Table(&JOB_SCHEDULE),
            "Instead of the schedule of all jobs.",
        ),
        key(
            "notify",
            Holds::Table(&JOB_NOTIFY),
            "Where this job's notifications go.",
        ),
    ],
);

pub(in crate::config) const WHICH_APPLICATION: &str = "write application = { app_id = \"…\" }, or one of service_principal_id and display_name instead";

pub(in crate::config) const APPLICATION: Section = Section {
    name: "jobs.application",
    keys: &[
        key("app_id", Holds::Id, "Application id.").remedy(WHICH_APPLICATION),
        key(
            "service_principal_id",
            Holds::Id,
            "Object id of the enterprise application.",
        )
        .remedy(WHICH_APPLICATION),
        key(
            "display_name",
            Holds::Text,
            "Its name, which no other application may have.",
        )
        .remedy(WHICH_APPLICATION),
    ],
    rules: &[Rule::ExactlyOne(&[
        "app_id",
        "service_principal_id",
        "display_name",
    ])],
    reserved: &[],
};

pub(in crate::config) const BASE_URL: Key = key(
    "base_url",
    Holds::Address,
    "The target's SCIM address (Entra: Tenant URL).",
)
.remedy("add base_url = \"https://…\", the target's SCIM address (Entra calls it Tenant URL)");
pub(super) const CONCURRENCY: Key = key(
    "concurrency",
    Holds::Integer(1),
    "Requests at the same time. Default: 8.",
);
pub(super) const REQUESTS_PER_SECOND: Key = key(
    "requests_per_second",
    Holds::Number,
    "At most so many. No limit when absent.",
);
pub(super) const FILTERABLE: Key = key(
    "filterable",
    Holds::OneOf(&[Holds::Texts, Holds::Table(&FILTERABLE_BY_KIND)]),
    "Attributes by which the target can be searched. Default: all.",
);
pub(super) const MEMBER_CHUNK: Key = key(
    "member_chunk",
    Holds::Integer(1),
    "Members in one request. Default: 100.",
);
pub(super) const PAGE_SIZE: Key = key(
    "page_size",
    Holds::Integer(1),
    "Resources in one page of a list. Default: 100.",
);

pub(super) const TARGET: Section = Section {
    name: "jobs.target",
    keys: &[
        BASE_URL,
        key(
            "token",
            Holds::Table(&SECRET),
            "The bearer token (Entra: Secret Token).",
        )
        .required("add token = { env = \"NAME\" } (Entra calls it Secret Token)"),
        CONCURRENCY,
        REQUESTS_PER_SECOND,
        key("timeout", Holds::Duration, "Of one request. Default: 60s."),
        key(
            "visibility_delay",
            Holds::Duration,
            "What was written is found by look-ups after this time. Default: 10s.",
        ),
        key(
            "ca_certificate",
            Holds::Text,
            "A file in PEM form, trusted in addition to the system's certificates.",
        ),
        FILTERABLE,
        MEMBER_CHUNK,
        PAGE_SIZE,
        knob("update"),
        knob("update_groups"),
        knob("content_type"),
        knob("patch_path"),
        knob("patch_operations"),
        knob("op_case"),
        knob("value_paths"),
        knob("sub_attributes"),
        knob("extensions"),
        knob("clear"),
        knob("booleans"),
        knob("manager"),
        knob("count"),
        knob("schema"),
        knob("member_remove"),
    ],
    rules: &[],
    reserved: &[("oauth", "use token = { env = \"NAME\" }")],
};

const FILTERABLE_BY_KIND: Section = section(
    "jobs.target.filterable",
    &[
        key("users", Holds::Texts, "Attributes of users."),
        key("groups", Holds::Texts, "Attributes of groups."),
    ],
);

pub(super) const MODE: Key = key(
    "mode",
    Holds::Words(&["assigned", "all", "groups", "administrative_unit"]),
    "Which objects belong. Default: assigned.",
);
pub(super) const NESTED_GROUPS: Key = key(
    "nested_groups",
    Holds::Boolean,
    "Members of members belong, too. Default: false.",
);
pub(super) const EXCLUDE_DEFAULT_ACCESS: Key = key(
    "exclude_default_access",
    Holds::Boolean,
    "Leave out users who hold only the Default Access role.",
);

pub(super) const SCOPE: Section = section(
    "jobs.scope",
    &[
        MODE,
        NESTED_GROUPS,
        key(
            "groups",
            Holds::Texts,
            "For the mode groups: ids or display names.",
        ),
        key(
            "administrative_units",
            Holds::Texts,
            "For the mode administrative_unit: ids or display names.",
        ),
        key(
            "exclude",
            Holds::Texts,
            "Ids or principal names that are never provisioned.",
        ),
        EXCLUDE_DEFAULT_ACCESS,
    ],
);

pub(super) const ENABLED: Key = key(
    "enabled",
    Holds::Boolean,
    "Whether they are provisioned. Default: true.",
);
pub(super) const ACTIONS: Key = key(
    "actions",
    Holds::Texts,
    "What may be done: create, update, delete. Default: all.",
);
pub(super) const WHEN_OUT_OF_SCOPE: Key = key(
    "when_out_of_scope",
    Holds::Words(&["disable", "delete", "keep"]),
    "What becomes of an object that leaves scope.",
);
const DELETE_AFTER: Key = key(
    "delete_after",
    Holds::Duration,
    "What was disabled so long ago is deleted. Never when absent.",
);
pub(super) const FILTERS: Key = key(
    "filters",
    Holds::Tables(&FILTER),
    "Scoping filters: an object passes when all clauses of any one hold.",
);
pub(super) const MAPPINGS: Key = key(
    "mappings",
    Holds::Tables(&MAPPING),
    "Each replaces the preset's mapping of the same target attribute, or adds one.",
);
const PROVISION: Key = key(
    "provision",
    Holds::OneOf(&[Holds::Words(&["in-scope"]), Holds::Texts]),
    "Which groups exist in the target. Default: in-scope.",
);
pub(super) const ONE_GROUP_EACH: Key = key(
    "one_group_each",
    Holds::Boolean,
    "Warn of people in several groups. Default: false.",
);
pub(super) const NESTED_MEMBERS: Key = key(
    "nested_members",
    Holds::Boolean,
    "Groups are sent as members of groups. Default: true.",
);
pub(super) const USERS: Section = section(
    "jobs.users",
    &[
        ENABLED,
        ACTIONS,
        WHEN_OUT_OF_SCOPE,
        DELETE_AFTER,
        FILTERS,
        MAPPINGS,
    ],
);
pub(super) const GROUPS: Section = section(
    "jobs.groups",
    &[
        ENABLED,
        ACTIONS,
        WHEN_OUT_OF_SCOPE,
        PROVISION,
        ONE_GROUP_EACH,
        NESTED_MEMBERS,
        FILTERS,
        MAPPINGS,
    ],
);

pub(super) const FILTER: Section = section(
    "jobs.users.filters",
    &[
        key("name", Holds::Text, "By which reports name it."),
        key(
            "all",
            Holds::Tables(&CLAUSE),
            "The clauses, which must all hold.",
        )
        .required(
            "add all = [ { attribute = \"…\", operator = \"…\", value = \"…\" } ], or remove the group",
        ),
    ],
);

pub(super) const CLAUSE: Section = section(
    "jobs.users.filters.all",
    &[
        key("attribute", Holds::Text, "The source attribute.")
            .required("name the source attribute to look at"),
        key("operator", Holds::Text, "Such as EQUALS or REGEX MATCH.")
            .required("add operator = \"EQUALS\" or another"),
        key(
            "value",
            Holds::OneOf(&[Holds::Text, Holds::Boolean, Holds::Integer(i64::MIN)]),
            "What the attribute is compared with.",
        ),
        key(
            "full",
            Holds::Boolean,
            "Whether a pattern must match the whole value. Default: true.",
        ),
    ],
);

/// Of these, one says where the value of a mapping comes from.
pub(in crate::config) const FLOWS: &[&str] =
    &["source", "expression", "constant", "none", "remove"];

pub(in crate::config) const MAPPING: Section = Section {
    name: "jobs.users.mappings",
    keys: &[
        key("target", Holds::Text, "The target attribute.")
            .required("name the target attribute, such as target = \"userName\""),
        key("source", Holds::Text, "A property of Microsoft Graph.")
            .remedy("name a source attribute, or write none = true"),
        key(
            "expression",
            Holds::Text,
            "An expression of Entra's language.",
        )
        .remedy("write an expression such as '[mail]'"),
        key("constant", Holds::Value, "The same value for everyone."),
        key(
            "none",
            Holds::Boolean,
            "Nothing flows; the default is set on create.",
        ),
        key("default", Holds::Value, "Used when the source is empty."),
        key(
            "match",
            Holds::Integer(1),
            "Matching precedence: the lowest is tried first.",
        ),
        key(
            "apply",
            Holds::Words(&["always", "on-create"]),
            "When it is written. Default: always.",
        ),
        key(
            "on_empty",
            Holds::Words(&["clear", "keep", "default", "fail"]),
            "When the source is empty. Default: clear.",
        ),
        key(
            "type",
            Holds::Words(&[
                "string",
                "boolean",
                "integer",
                "dateTime",
                "reference",
                "binary",
                "complex",
            ]),
            "Of the target attribute, where the standard does not know it.",
        ),
        key(
            "multi_valued",
            Holds::Boolean,
            "Whether the target attribute holds a list.",
        ),
        key(
            "required",
            Holds::Boolean,
            "Without a value the object is not provisioned.",
        ),
        key(
            "case_exact",
            Holds::Boolean,
            "A difference in case alone is a change.",
        ),
        key(
            "remove",
            Holds::Boolean,
            "Drops the preset's mapping of the target attribute.",
        ),
    ],
    rules: &[Rule::ExactlyOne(FLOWS)],
    reserved: &[],
};

/// Its keys are names of groups.
const COUNTS: Section = section("jobs.safety.min_members", &[]);

pub(super) const SAFETY: Section = section(
    "jobs.safety",
    &[
        key(
            "max_deletions",
            Holds::Limit,
            "Disables and deletes in 24 hours, above which they are held.",
        ),
        key(
            "max_membership_removals",
            Holds::Limit,
            "Members taken out of groups in 24 hours, above which they are held.",
        ),
        key(
            "max_creations",
            Holds::Integer(0),
            "Creates in 24 hours, above which they are held. No limit when absent.",
        ),
        key(
            "min_active",
            Holds::Integer(0),
            "Never fewer active accounts in the target.",
        ),
        key(
            "min_members",
            Holds::Counts(&COUNTS),
            "Never fewer members in these groups.",
        ),
        key(
            "only_created",
            Holds::Boolean,
            "Only objects that entrain created are disabled, deleted or handed over.",
        ),
        key(
            "never_disable",
            Holds::Texts,
            "Users that are never disabled, deleted or taken out of a group.",
        ),
        key(
            "deletes",
            Holds::Text,
            "When deletes may be sent, such as Mon-Fri 08:00-18:00. Default: at any time.",
        ),
        key(
            "on_drift",
            Holds::Words(&["repair", "report"]),
            "What is done where the target holds something else than was sent.",
        ),
    ],
);
