//! A job: its application, target, scope, rules and limits.

use super::access::{BASIC, CLIENT_CERTIFICATE, ENTRA, HEADERS, OAUTH, PROXY, RULES, TOKEN};
use super::notify::JOB_NOTIFY;
use super::schedule::JOB_SCHEDULE;
use super::{Holds, Key, Rule, Section, key, knob, section};

pub(super) const JOB: Section = section(
    "jobs",
    &[
        key(
            "name",
            Holds::Text,
            "The name of the job in commands and reports.",
        )
        .required("add name = \"…\", the name of the job in commands and reports"),
        key(
            "enabled",
            Holds::Boolean,
            "Whether the job runs on its schedule. Default: true.",
        ),
        key(
            "mode",
            Holds::Words(&["provision", "observe"]),
            "observe: plan on the schedule, and never write. Default: provision.",
        ),
        key(
            "preset",
            Holds::Text,
            "Mappings and settings for a kind of target: generic, symantec-wss, wizer, sosafe, \
             sonicwall-cse, none or the path of a file.",
        ),
        key(
            "sources",
            Holds::Texts,
            "The names of its sources, of [[sources]]; the first wins where two have the same person. Not needed with one.",
        ),
        key(
            "application",
            Holds::Table(&APPLICATION),
            "The enterprise application whose assignments are provisioned.",
        )
        .required(WHICH_APPLICATION),
        key("target", Holds::Table(&TARGET), "The SCIM service.")
            .required("add a section [jobs.target] with base_url and token"),
        key("scope", Holds::Table(&SCOPE), "Which objects are in scope."),
        key("users", Holds::Table(&USERS), "How users are provisioned."),
        key(
            "groups",
            Holds::Table(&GROUPS),
            "How groups are provisioned.",
        ),
        key(
            "safety",
            Holds::Table(&SAFETY),
            "Limits for removals and creates.",
        ),
        key(
            "schedule",
            Holds::Table(&JOB_SCHEDULE),
            "Replaces the schedule of all jobs.",
        ),
        key(
            "notify",
            Holds::Table(&JOB_NOTIFY),
            "Recipients of this job's notifications.",
        ),
    ],
);

pub(in crate::config) const WHICH_APPLICATION: &str = "add application = { app_id = \"…\" }, or use \
                                                       service_principal_id or display_name";

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
            "Its display name, which must be unique.",
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
    "Maximum. Default: no limit.",
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
        TOKEN,
        OAUTH,
        ENTRA,
        BASIC,
        HEADERS,
        CLIENT_CERTIFICATE,
        PROXY,
        CONCURRENCY,
        REQUESTS_PER_SECOND,
        key(
            "timeout",
            Holds::Duration,
            "Timeout of one request. Default: 60s.",
        ),
        key(
            "visibility_delay",
            Holds::Duration,
            "How long until look-ups find what was written. Default: 10s.",
        ),
        key(
            "ca_certificate",
            Holds::Text,
            "A PEM file with certificates to trust in addition to the system's.",
        ),
        FILTERABLE,
        MEMBER_CHUNK,
        PAGE_SIZE,
        knob("update"),
        knob("update_groups"),
        knob("bulk"),
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
        knob("group_create"),
        knob("member_add"),
        knob("member_remove"),
    ],
    rules: RULES,
    reserved: &[],
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
    "Which objects are in scope. Default: assigned.",
);
pub(super) const NESTED_GROUPS: Key = key(
    "nested_groups",
    Holds::Boolean,
    "Include members of nested groups. Default: false.",
);
pub(super) const EXCLUDE_DEFAULT_ACCESS: Key = key(
    "exclude_default_access",
    Holds::Boolean,
    "Exclude users that hold only the Default Access role.",
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
    "Whether objects of this kind are provisioned. Default: true.",
);
pub(super) const ACTIONS: Key = key(
    "actions",
    Holds::Texts,
    "Allowed actions: create, update, delete. Default: all.",
);
pub(super) const WHEN_OUT_OF_SCOPE: Key = key(
    "when_out_of_scope",
    Holds::Words(&["disable", "delete", "keep"]),
    "What to do with a user that leaves the scope.",
);
pub(super) const WHEN_GROUP_OUT_OF_SCOPE: Key = key(
    "when_out_of_scope",
    Holds::Words(&["disable", "delete", "empty", "keep"]),
    "What to do with a group that leaves the scope. Default: delete, as with disable.",
);
const EXCEPTIONS: Key = key(
    "exceptions",
    Holds::Tables(&EXCEPTION),
    "Groups with a when_out_of_scope of their own.",
);
pub(super) const EXCEPTION: Section = section(
    "jobs.groups.exceptions",
    &[
        key("group", Holds::Text, "The id or display name of the group.")
            .required("add the id or display name of the group"),
        key(
            "when_out_of_scope",
            Holds::Words(&["delete", "empty", "keep"]),
            "What to do with this group when it leaves the scope.",
        )
        .required("add when_out_of_scope = \"delete\", \"empty\" or \"keep\""),
    ],
);
const CREATE_BLOCKED: Key = key(
    "create_blocked",
    Holds::Boolean,
    "Create users whose sign-in is blocked, as inactive. Default: false.",
);
const DELETE_AFTER: Key = key(
    "delete_after",
    Holds::Duration,
    "Delete accounts that were disabled this long ago. Default: never.",
);
pub(super) const FILTERS: Key = key(
    "filters",
    Holds::Tables(&FILTER),
    "Scoping filters: an object passes if all clauses of at least one filter are true.",
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
    "Warn about users in several groups. Default: false.",
);
pub(super) const NESTED_MEMBERS: Key = key(
    "nested_members",
    Holds::Boolean,
    "Send groups as members of groups. Default: true.",
);
pub(super) const USERS: Section = section(
    "jobs.users",
    &[
        ENABLED,
        ACTIONS,
        WHEN_OUT_OF_SCOPE,
        DELETE_AFTER,
        CREATE_BLOCKED,
        FILTERS,
        MAPPINGS,
    ],
);
pub(super) const GROUPS: Section = section(
    "jobs.groups",
    &[
        ENABLED,
        ACTIONS,
        WHEN_GROUP_OUT_OF_SCOPE,
        EXCEPTIONS,
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
        key("name", Holds::Text, "The name of the filter in reports."),
        key(
            "all",
            Holds::Tables(&CLAUSE),
            "The clauses; all of them must be true.",
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
            .required("add the source attribute to compare"),
        key("operator", Holds::Text, "Such as EQUALS or REGEX MATCH.")
            .required("add operator = \"EQUALS\" or another"),
        key(
            "value",
            Holds::OneOf(&[Holds::Text, Holds::Boolean, Holds::Integer(i64::MIN)]),
            "The value to compare with.",
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
            .required("add the target attribute, such as target = \"userName\""),
        key("source", Holds::Text, "A property of Microsoft Graph.")
            .remedy("give a source attribute, or write none = true"),
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
            "No source: the default is set on create.",
        ),
        key("default", Holds::Value, "Used if the source is empty."),
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
            "What to do if the source is empty. Default: clear.",
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
            "Type of the target attribute; only for attributes that are not in the SCIM standard.",
        ),
        key(
            "multi_valued",
            Holds::Boolean,
            "Whether the target attribute holds a list.",
        ),
        key(
            "required",
            Holds::Boolean,
            "Do not provision objects without a value.",
        ),
        key(
            "case_exact",
            Holds::Boolean,
            "A value that differs only in case is a change.",
        ),
        key(
            "on_drift",
            Holds::Words(&["repair", "report"]),
            "What to do if the target differs from what was last sent. Default: that of the job.",
        ),
        key(
            "remove",
            Holds::Boolean,
            "Removes the preset's mapping of the target attribute.",
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
            "Members removed from groups in 24 hours, above which removals are held.",
        ),
        key(
            "max_creations",
            Holds::Integer(0),
            "Creates in 24 hours, above which they are held. No limit when absent.",
        ),
        key(
            "min_active",
            Holds::Integer(0),
            "Minimum number of active accounts in the target.",
        ),
        key(
            "min_members",
            Holds::Counts(&COUNTS),
            "Minimum number of members of these groups.",
        ),
        key(
            "only_created",
            Holds::Boolean,
            "Only objects that entrain created are disabled, deleted or handed over.",
        ),
        key(
            "never_disable",
            Holds::Texts,
            "Users that are never disabled, deleted or removed from a group.",
        ),
        key(
            "deletes",
            Holds::Text,
            "When deletes may be sent, such as Mon-Fri 08:00-18:00. Default: at any time.",
        ),
        key(
            "on_drift",
            Holds::Words(&["repair", "report"]),
            "What to do if the target differs from what was last sent.",
        ),
    ],
);
