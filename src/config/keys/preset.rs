//! A preset: what it may say of a kind of target.

use super::job::{
    ACTIONS, BASE_URL, CONCURRENCY, ENABLED, EXCLUDE_DEFAULT_ACCESS, FILTERABLE, FILTERS, MAPPINGS,
    MEMBER_CHUNK, MODE, NESTED_GROUPS, NESTED_MEMBERS, ONE_GROUP_EACH, PAGE_SIZE,
    REQUESTS_PER_SECOND, WHEN_GROUP_OUT_OF_SCOPE, WHEN_OUT_OF_SCOPE,
};
use super::{Holds, Key, Section, key, knob, section};

pub(in crate::config) const PRESET_TOP: Section = section(
    "",
    &[
        key("title", Holds::Text, "The product."),
        key("target", Holds::Table(&PRESET_TARGET), "The SCIM service."),
        key(
            "scope",
            Holds::Table(&PRESET_SCOPE),
            "Which objects are in scope.",
        ),
        key(
            "users",
            Holds::Table(&PRESET_USERS),
            "How users are provisioned.",
        ),
        key(
            "groups",
            Holds::Table(&PRESET_GROUPS),
            "How groups are provisioned.",
        ),
    ],
);
const PRESET_TARGET: Section = section(
    "target",
    &[
        BASE_URL,
        CONCURRENCY,
        REQUESTS_PER_SECOND,
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
);
const PRESET_SCOPE: Section = section("scope", &[MODE, NESTED_GROUPS, EXCLUDE_DEFAULT_ACCESS]);
const PRESET_USERS: Section = section(
    "users",
    &[
        ENABLED,
        ACTIONS,
        WHEN_OUT_OF_SCOPE,
        FILTERS,
        MAPPINGS,
        WARNING,
    ],
);
const PRESET_GROUPS: Section = section(
    "groups",
    &[
        ENABLED,
        ACTIONS,
        WHEN_GROUP_OUT_OF_SCOPE,
        ONE_GROUP_EACH,
        NESTED_MEMBERS,
        FILTERS,
        MAPPINGS,
        WARNING,
    ],
);
pub(in crate::config) const PRESET_SECTIONS: &[&Section] = &[
    &PRESET_TOP,
    &PRESET_TARGET,
    &PRESET_SCOPE,
    &PRESET_USERS,
    &PRESET_GROUPS,
];

const WARNING: Key = key(
    "warning",
    Holds::Text,
    "A warning for jobs that provision them.",
);
