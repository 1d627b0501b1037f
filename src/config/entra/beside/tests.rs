//! What an import leaves for the administrator to decide.

use std::path::Path;
use std::rc::Rc;

use serde_json::Value as Json;

use crate::config::document::Document;
use crate::config::entra::Left;
use crate::config::entra::export::{Exported, export};
use crate::config::file::File;
use crate::config::keys::SECTIONS;
use crate::config::problem::Log;
use crate::config::resolve;

const HEAD: &str = r#"
[source]
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "NAME" }
[[jobs]]
name = "x"
"#;
const SMALL: &str = r#"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://scim.example.com"
token = { env = "TOKEN" }
"#;
/// Everything that Entra has no word for.
const EVERYTHING: &str = r#"
enabled = false
application = { display_name = "Acme" }
[jobs.target]
base_url = "https://scim.example.com"
token = { env = "TOKEN" }
concurrency = 3
requests_per_second = 2.5
timeout = "90s"
visibility_delay = "20s"
ca_certificate = "ca.pem"
filterable = ["userName", "displayName"]
member_chunk = 7
group_create = "with-member"
member_add = "all"
member_remove = "filter"
update = "put"
update_groups = "put"
bulk = "on"
content_type = "application/json"
patch_path = "dotted"
patch_operations = "one"
op_case = "capital"
value_paths = "always"
sub_attributes = "whole"
extensions = "object"
clear = "empty"
booleans = "text"
manager = "text"
count = "omit"
schema = "trust"
page_size = 9
[jobs.scope]
mode = "groups"
groups = ["Staff"]
nested_groups = true
exclude = ["admin@contoso.com"]
[jobs.users]
when_out_of_scope = "delete"
create_blocked = true
filters = [
{ all = [
    { attribute = "department", operator = "EQUALS", value = "R&D" },
    { attribute = "memberOf", operator = "EQUALS", value = "Staff" },
] },
{ all = [ { attribute = "manager", operator = "IS NULL" } ] },
{ all = [ { attribute = "otherMails", operator = "IS NOT NULL" } ] },
{ all = [ { attribute = "employeeHireDate", operator = "GREATER_THAN", value = "2026-01-31" } ] },
]
[[jobs.users.mappings]]
target = "urn:example:2.0:User:badge"
source = "employeeOrgData"
type = "complex"
[jobs.groups]
when_out_of_scope = "keep"
exceptions = [ { group = "VPN", when_out_of_scope = "empty" } ]
provision = ["Sales"]
one_group_each = true
nested_members = false
[jobs.safety]
max_deletions = "10%"
max_membership_removals = "20%"
on_drift = "report"
max_creations = 1000
min_active = 20
min_members = { VPN = 3 }
never_disable = ["admin@contoso.com"]
only_created = true
[jobs.schedule]
cron = "0 30 6 * * Mon-Fri"
timezone = "Europe/Berlin"
jitter = "1m"
verify = "weekly"
[jobs.notify]
to = []
webhooks = []
"#;
/// What cannot stand next to that.
const UNITS: &str = r#"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://scim.example.com"
token = { env = "TOKEN" }
[jobs.scope]
mode = "administrative_unit"
administrative_units = ["Oslo"]
"#;

const OTHER: &str = r#"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://scim.example.com?aadOptscim062020"
token = { env = "TOKEN" }
member_remove = "value-list"
[jobs.scope]
exclude_default_access = true
[jobs.users]
delete_after = "30d"
filters = [ { all = [ { attribute = "appRoleAssignments", operator = "EQUALS", value = "Admin" } ] } ]
[jobs.groups]
filters = [ { all = [ { attribute = "memberOf", operator = "EQUALS", value = "Staff" } ] } ]
[jobs.safety]
deletes = "Mon-Fri 08:00-18:00"
[jobs.schedule]
interval = "5m"
"#;

#[track_caller]
fn exported(job: &str) -> Exported {
    let mut log = Log::default();
    let text = format!("{HEAD}{job}");
    let document = Document::parse(Path::new("entrain.toml"), &text).unwrap();
    let file = File::read(&Rc::new(document), &mut log);
    let config = resolve::resolve(&file, Path::new("entrain.toml"), &mut log);
    assert_eq!(log.problems, []);
    let config = config.unwrap();
    export(&config.jobs[0], &config.sources[0])
}

fn left(job: &str) -> Vec<String> {
    let line = |Left { place, what, why }| format!("{place}: {what}: {why}");
    exported(job).left.into_iter().map(line).collect()
}

#[test]
fn a_job_of_the_preset_leaves_out_what_no_schema_holds() {
    insta::assert_snapshot!(left(SMALL).join("\n"), @r#"
    target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
    target: member_remove = "filter": Entra does so only if its Tenant URL has the parameter aadOptscim062020
    safety: max_deletions: it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold is not part of the schema
    "#);
}

#[test]
fn what_entra_has_no_word_for_is_named_with_the_reason() {
    insta::assert_snapshot!(left(EVERYTHING).join("\n"), @r#"
    users, mapping of urn:example:2.0:User:badge: type = "complex": Entra has no type for objects; it is written as a string
    users, filter: memberOf EQUALS "Staff": Entra's filters cannot read references, groups and app roles; without it other objects would be in scope, so users are not enabled
    users, filter: manager IS NULL: Entra's filters cannot read references, groups and app roles; without it other objects would be in scope, so users are not enabled
    users, filter: otherMails IS NOT NULL: Entra's filters cannot read an attribute with several values; without it other objects would be in scope, so users are not enabled
    users, filter: employeeHireDate GREATER_THAN "2026-01-31": Entra's filters compare whole numbers only; without it other objects would be in scope, so users are not enabled
    job: enabled = false: Entra starts and stops a job outside its schema
    job: application = { display_name = "Acme" }: Entra's job belongs to an application by its id
    target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
    target: concurrency = 3: Entra decides by itself how fast it asks, and how long it waits
    target: requests_per_second = 2.5: Entra decides by itself how fast it asks, and how long it waits
    target: timeout = "90s": Entra decides by itself how fast it asks, and how long it waits
    target: visibility_delay = "20s": Entra decides by itself how fast it asks, and how long it waits
    target: ca_certificate = "ca.pem": Entra trusts public authorities only
    target: filterable = ["userName", "displayName"] for users: Entra filters by whichever attribute matches
    target: filterable = ["userName", "displayName"] for groups: Entra filters by whichever attribute matches
    target: member_chunk = 7: Entra decides by itself how large its requests are
    target: page_size = 9: Entra decides by itself how large its requests are
    target: update = "put": Entra has one form of requests for all targets
    target: update_groups = "put": Entra has one form of requests for all targets
    target: bulk = "on": Entra has one form of requests for all targets
    target: content_type = "application/json": Entra has one form of requests for all targets
    target: patch_path = "dotted": Entra has one form of requests for all targets
    target: patch_operations = "one": Entra has one form of requests for all targets
    target: op_case = "capital": Entra has one form of requests for all targets
    target: value_paths = "always": Entra has one form of requests for all targets
    target: sub_attributes = "whole": Entra has one form of requests for all targets
    target: extensions = "object": Entra has one form of requests for all targets
    target: clear = "empty": Entra has one form of requests for all targets
    target: booleans = "text": Entra has one form of requests for all targets
    target: manager = "text": Entra has one form of requests for all targets
    target: count = "omit": Entra has one form of requests for all targets
    target: schema = "trust": Entra has one form of requests for all targets
    target: group_create = "with-member": Entra has one form of requests for all targets
    target: member_add = "all": Entra has one form of requests for all targets
    target: member_remove = "filter": Entra does so only if its Tenant URL has the parameter aadOptscim062020
    scope: mode = "groups", groups = ["Staff"]: Entra has no such scope: assign these groups to the application
    scope: nested_groups = true: Entra provisions only the direct members of groups
    scope: exclude = ["admin@contoso.com"]: Entra cannot leave out an object by name: write a scoping filter there
    groups: provision = ["Sales"]: Entra provisions the groups that are in scope, and no others
    users: create_blocked = true: Entra creates no user whose sign-in is blocked
    users: when_out_of_scope = "delete": Entra disables who leaves scope, and deletes who is deleted for good
    groups: exceptions = [{ group = "VPN", when_out_of_scope = "empty" }]: Entra does the same with every group that leaves
    groups: when_out_of_scope = "keep": in Entra it is the setting SkipOutOfScopeDeletions of the whole application, which is not part of the schema
    groups: one_group_each = true: Entra does not warn of people in several groups
    groups: nested_members = false: Entra sends groups as members where they are provisioned themselves
    safety: max_creations = 1000: Entra has no such limit
    safety: min_active = 20: Entra has no such limit
    safety: max_membership_removals = "20%": Entra has no limit of memberships
    safety: max_deletions = "10%": Entra's accidental deletion threshold is a number, and not part of the schema
    safety: only_created = true: Entra removes what it adopted, too
    safety: never_disable = ["admin@contoso.com"]: Entra removes users that leave
    safety: min_members of 1 groups: Entra does not look at how many members stay
    safety: on_drift = "report": Entra does not compare what the target holds
    schedule: interval or cron, timezone, jitter: Entra runs its jobs about every 40 minutes
    schedule: verify: Entra does not compare what the target holds
    notify: to, webhooks, heartbeat: Entra's job has one address for notifications, outside its schema
    "#);
    insta::assert_snapshot!(left(OTHER).join("\n"), @r#"
    groups, filter: memberOf EQUALS "Staff": Entra's filters cannot read references, groups and app roles; without it other objects would be in scope, so groups are not enabled
    users, filter: appRoleAssignments EQUALS "Admin": Entra's filters cannot read references, groups and app roles; without it other objects would be in scope, so users are not enabled
    target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
    target: member_remove = "value-list": Entra does so only if its Tenant URL has no parameter aadOptscim062020
    scope: exclude_default_access = true: Entra has no such switch for who holds the Default Access role alone
    users: delete_after = "30d": Entra deletes who is deleted for good, and no user who was disabled
    safety: max_deletions: it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold is not part of the schema
    safety: deletes = "Mon-Fri 08:00-18:00": Entra deletes at any time
    schedule: interval or cron, timezone, jitter: Entra runs its jobs about every 40 minutes
    "#);
}

#[test]
fn a_scope_that_entra_cannot_express_completely_is_written_as_not_enabled() {
    let mappings = |job| {
        let schema: Json = serde_json::from_str(&exported(job).schema).unwrap();
        schema["synchronizationRules"][0]["objectMappings"].clone()
    };
    let enabled = |mappings: &Json| {
        let flag = |place: usize| mappings[place]["enabled"].as_bool().unwrap();
        (flag(0), flag(1))
    };
    let whole = mappings(SMALL);
    assert_eq!(enabled(&whole), (true, true));
    assert!(whole[1]["scope"].is_null());
    let partial = mappings(EVERYTHING);
    assert_eq!(enabled(&partial), (true, false));
    let groups = partial[1]["scope"]["groups"].as_array().unwrap();
    let [group] = groups.as_slice() else {
        panic!("{groups:?}");
    };
    let clauses = group["clauses"].as_array().unwrap();
    assert_eq!(clauses.len(), 1, "{clauses:?}");
    assert_eq!(clauses[0]["sourceOperandName"], "department");
    assert_eq!(enabled(&mappings(OTHER)), (false, false));
}

/// Keys that the schema itself carries, or as whose part they are named.
const CARRIED: &[(&str, &[&str])] = &[
    (
        "jobs",
        &[
            "name", "preset", "sources", "target", "scope", "users", "groups", "safety", "schedule",
        ],
    ),
    ("jobs.application", &["app_id", "service_principal_id"]),
    ("jobs.users", &["enabled", "actions", "filters", "mappings"]),
    (
        "jobs.groups",
        &["enabled", "actions", "filters", "mappings"],
    ),
    ("jobs.users.filters", &["name", "all"]),
    (
        "jobs.users.filters.all",
        &["attribute", "operator", "value", "full"],
    ),
    (
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
            "multi_valued",
            "required",
            "case_exact",
            "remove",
        ],
    ),
];

/// What reaches the tenant, keeps the state and shows it is no part of a job.
const NO_PART: &[&str] = &[
    "",
    "state",
    "source",
    "sources",
    "schedule",
    "web",
    "reports",
    "notify",
    "notify.mail",
    "notify.webhooks",
];

#[test]
fn every_key_of_a_job_is_exported_or_reported() {
    let signing_in = |line: &str| left(&UNITS.replace("token = { env = \"TOKEN\" }", line));
    let named = [
        left(EVERYTHING),
        left(OTHER),
        left(UNITS),
        signing_in(
            "oauth = { token_url = \"https://a.example/t\", client_id = \"c\", client_secret = { env = \"S\" }, audience = \"a\" }",
        ),
        signing_in(
            "proxy = \"http://p:1\"\nclient_certificate = { certificate = { file = \"c\" } }\nentra = { scope = \"api://a/.default\" }\nheaders = { X-Key = { env = \"K\" } }",
        ),
        signing_in("basic = { user = \"u\", password = { env = \"P\" } }"),
    ]
    .concat()
    .join("\n");
    let sections = SECTIONS.iter();
    for section in sections.filter(|section| !NO_PART.contains(&section.name)) {
        let carried = CARRIED.iter().find(|(name, _)| *name == section.name);
        let carried = carried.map_or(&[][..], |(_, keys)| keys);
        for key in section.names().filter(|key| !carried.contains(key)) {
            let is_named = named
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| word == key);
            assert!(
                is_named,
                "{}.{key} is neither exported nor named",
                section.name
            );
        }
    }
}
