//! What a job says that has no place in a schema: it stands beside the schema in Entra, or Entra has
//! nothing like it. Every setting is named here, so that a new one does not compile until somebody
//! has decided what becomes of it.

use super::{Left, judge};
use crate::config::knobs::{KNOBS, MemberRemove};
use crate::config::resolve::{CONCURRENCY, INTERVAL, MEMBER_CHUNK, TIMEOUT, VISIBILITY_DELAY};
use crate::config::settings::{Application, DialectSettings, Job, JobNotify, Schedule, Target};
use crate::engine::job::{
    self, GroupObjects, Limit, Limits, OnDrift, Rules, Safety, Scope, ScopeMode, WhenOutOfScope,
};
use crate::engine::model::ObjectKind;

/// By this parameter of the Tenant URL, Entra writes PATCH requests as the RFC has them.
const STANDARD_PATCH: &str = "aadoptscim062020";

pub(super) fn list(job: &Job) -> Vec<Left> {
    let Job {
        rules,
        enabled,
        observes,
        application,
        target,
        schedule,
        notify,
        fingerprint: _, // Made of the others.
    } = job;
    let job::Job {
        name: _, // A name of ours: Entra's jobs have none.
        users,
        groups,
        scope,
        one_group_each,
        nested_members,
        limits,
        safety,
    } = rules;
    let mut list = List(Vec::new());
    if !enabled {
        let why = "Entra starts and stops a job outside its schema";
        list.leave("job", "enabled = false", why);
    }
    if *observes {
        let why = "Entra's job writes whenever it runs";
        list.leave("job", "mode = \"observe\"", why);
    }
    match application {
        // They are parts of the id and of the context that are written.
        Application::AppId(_) | Application::ServicePrincipalId(_) => {}
        Application::DisplayName(name) => list.leave(
            "job",
            format!("application = {{ display_name = {name:?} }}"),
            "Entra's job belongs to an application by its id",
        ),
    }
    list.target(target, writes_members(groups));
    list.scope(scope);
    list.rules(ObjectKind::User, users);
    list.rules(ObjectKind::Group, groups);
    if *one_group_each {
        let why = "Entra does not warn of people in several groups";
        list.leave("groups", "one_group_each = true", why);
    }
    if !nested_members {
        let why = "Entra sends groups as members where they are provisioned themselves";
        list.leave("groups", "nested_members = false", why);
    }
    list.limits(*limits);
    let Safety {
        on_drift,
        never_disable,
        only_created,
        min_members,
    } = safety;
    if *only_created {
        let why = "Entra removes what it adopted, too";
        list.leave("safety", "only_created = true", why);
    }
    if !never_disable.is_empty() {
        let why = "Entra removes users that leave";
        list.leave("safety", format!("never_disable = {never_disable:?}"), why);
    }
    if !min_members.is_empty() {
        let why = "Entra does not look at how many members stay";
        list.leave(
            "safety",
            format!("min_members of {} groups", min_members.len()),
            why,
        );
    }
    if *on_drift == OnDrift::Report {
        let why = "Entra does not compare what the target holds";
        list.leave("safety", "on_drift = \"report\"", why);
    }
    list.schedule(schedule);
    if *notify != JobNotify::default() {
        let why = "Entra's job has one address for notifications, outside its schema";
        list.leave("notify", "to, webhooks, heartbeat", why);
    }
    list.0
}

fn writes_members(groups: &Rules) -> bool {
    let mut mappings = groups.mappings.iter();
    groups.enabled && mappings.any(|mapping| mapping.target.is_members())
}

struct List(Vec<Left>);

impl List {
    fn leave(&mut self, place: &str, what: impl Into<String>, why: &str) {
        self.0.push(Left {
            place: place.to_owned(),
            what: what.into(),
            why: why.to_owned(),
        });
    }

    fn target(&mut self, target: &Target, writes_members: bool) {
        let Target {
            base_url,
            token: _, // Told with the address.
            concurrency,
            requests_per_second,
            timeout,
            visibility_delay,
            ca_certificate,
            dialect:
                DialectSettings {
                    filterable,
                    member_chunk,
                    page_size,
                    knobs,
                },
        } = target;
        let place = "target";
        let why = "in Entra they are the Tenant URL and the Secret Token, which are not part of the schema";
        self.leave(place, "base_url, token", why);
        let by_itself = "Entra decides by itself how fast it asks, and how long it waits";
        if *concurrency != CONCURRENCY {
            self.leave(place, format!("concurrency = {concurrency}"), by_itself);
        }
        if let Some(rate) = requests_per_second {
            self.leave(place, format!("requests_per_second = {rate}"), by_itself);
        }
        if *timeout != TIMEOUT {
            self.leave(
                place,
                format!("timeout = \"{}s\"", timeout.as_secs()),
                by_itself,
            );
        }
        if *visibility_delay != VISIBILITY_DELAY {
            self.leave(
                place,
                format!("visibility_delay = \"{}s\"", visibility_delay.as_secs()),
                by_itself,
            );
        }
        if let Some(file) = ca_certificate {
            let what = format!("ca_certificate = {:?}", file.display().to_string());
            let why = "Entra trusts public authorities only";
            self.leave(place, what, why);
        }
        for kind in ObjectKind::ALL {
            if let Some(paths) = filterable.of(kind) {
                let what = format!("filterable = {paths:?} for {kind}s");
                let why = "Entra filters by whichever attribute matches";
                self.leave(place, what, why);
            }
        }
        let requests = "Entra decides by itself how large its requests are";
        if *member_chunk != MEMBER_CHUNK {
            self.leave(place, format!("member_chunk = {member_chunk}"), requests);
        }
        if let Some(page_size) = page_size {
            self.leave(place, format!("page_size = {page_size}"), requests);
        }
        for (name, word) in knobs.words() {
            let mut defaults = KNOBS.iter().map(|knob| (knob.name, knob.words[0].0));
            if name != "member_remove" && !defaults.any(|one| one == (name, word)) {
                let why = "Entra has one form of requests for all targets";
                self.leave(place, format!("{name} = {word:?}"), why);
            }
        }
        let by_the_standard = base_url.to_ascii_lowercase().contains(STANDARD_PATCH);
        match knobs.form().member_remove {
            MemberRemove::Filter if writes_members && !by_the_standard => self.leave(
                place,
                "member_remove = \"filter\"",
                "Entra does so only if its Tenant URL has the parameter aadOptscim062020",
            ),
            MemberRemove::ValueList if writes_members && by_the_standard => self.leave(
                place,
                "member_remove = \"value-list\"",
                "Entra does so only if its Tenant URL has no parameter aadOptscim062020",
            ),
            MemberRemove::Filter | MemberRemove::ValueList => {}
        }
    }

    fn scope(&mut self, scope: &Scope) {
        let Scope {
            mode,
            nested_groups,
            exclude,
            exclude_default_access,
            group_objects,
        } = scope;
        let place = "scope";
        match mode {
            ScopeMode::Assigned => {}
            ScopeMode::All => self.leave(
                place,
                "mode = \"all\"",
                "in Entra it is the setting Scope, which is not part of the schema: Sync all users and groups",
            ),
            ScopeMode::AdministrativeUnits(units) => self.leave(
                place,
                format!("mode = \"administrative_unit\", administrative_units = {units:?}"),
                "Entra has no such scope: assign a group of the same users to the application",
            ),
            ScopeMode::Groups(groups) => self.leave(
                place,
                format!("mode = \"groups\", groups = {groups:?}"),
                "Entra has no such scope: assign these groups to the application",
            ),
        }
        if *nested_groups {
            let why = "Entra provisions only the direct members of groups";
            self.leave(place, "nested_groups = true", why);
        }
        if !exclude.is_empty() {
            let what = format!("exclude = {exclude:?}");
            let why = "Entra cannot leave out an object by name: write a scoping filter there";
            self.leave(place, what, why);
        }
        if *exclude_default_access {
            let why = "Entra has no such switch for who holds the Default Access role alone";
            self.leave(place, "exclude_default_access = true", why);
        }
        match group_objects {
            GroupObjects::InScope => {}
            GroupObjects::Named(groups) => self.leave(
                "groups",
                format!("provision = {groups:?}"),
                "Entra provisions the groups that are in scope, and no others",
            ),
        }
    }

    /// What the schema's object mapping does not have of users or of groups.
    fn rules(&mut self, kind: ObjectKind, rules: &Rules) {
        let Rules {
            enabled,
            actions: _, // These three the schema has, as far as it can say them.
            filter: _,
            mappings: _,
            when_out_of_scope,
        } = rules;
        if !enabled {
            return;
        }
        let place = judge::section(kind);
        match (kind, when_out_of_scope) {
            (ObjectKind::User, WhenOutOfScope::Disable)
            | (ObjectKind::Group, WhenOutOfScope::Disable | WhenOutOfScope::Delete) => {}
            (ObjectKind::User, WhenOutOfScope::Delete) => self.leave(
                place,
                "when_out_of_scope = \"delete\"",
                "Entra disables who leaves scope, and deletes who is deleted for good",
            ),
            (ObjectKind::User | ObjectKind::Group, WhenOutOfScope::Keep) => self.leave(
                place,
                "when_out_of_scope = \"keep\"",
                "in Entra it is the setting SkipOutOfScopeDeletions of the whole application, which is \
                 not part of the schema",
            ),
        }
    }

    fn limits(&mut self, limits: Limits) {
        let Limits {
            max_deletions,
            max_membership_removals,
            max_creations,
            min_active,
        } = limits;
        for (key, number) in [("max_creations", max_creations), ("min_active", min_active)] {
            if let Some(number) = number {
                self.leave(
                    "safety",
                    format!("{key} = {number}"),
                    "Entra has no such limit",
                );
            }
        }
        if let Some(limit) = max_membership_removals {
            let what = match limit {
                Limit::Count(count) => format!("max_membership_removals = {count}"),
                Limit::Percent(percent) => format!("max_membership_removals = \"{percent}%\""),
            };
            self.leave("safety", what, "Entra has no limit of memberships");
        }
        let (what, why) = match max_deletions {
            None => (
                "max_deletions".to_owned(),
                "it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold \
                 is not part of the schema",
            ),
            Some(Limit::Count(count)) => (
                format!("max_deletions = {count}"),
                "in Entra it is the accidental deletion threshold, which is not part of the schema",
            ),
            Some(Limit::Percent(percent)) => (
                format!("max_deletions = \"{percent}%\""),
                "Entra's accidental deletion threshold is a number, and not part of the schema",
            ),
        };
        self.leave("safety", what, why);
    }

    fn schedule(&mut self, schedule: &Schedule) {
        let is_usual = match schedule {
            Schedule::Interval { every, jitter } => *every == INTERVAL && jitter.is_zero(),
            Schedule::Cron {
                expression: _,
                timezone: _,
                jitter: _,
            } => false,
        };
        if !is_usual {
            let what = "interval or cron, timezone, jitter";
            let why = "Entra runs its jobs about every 40 minutes";
            self.leave("schedule", what, why);
        }
    }
}

#[cfg(test)]
mod tests {
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
member_remove = "filter"
update = "put"
update_groups = "put"
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
[jobs.notify]
to = []
webhooks = []
"#;
    /// What cannot stand beside that.
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
filters = [ { all = [ { attribute = "appRoleAssignments", operator = "EQUALS", value = "Admin" } ] } ]
[jobs.groups]
filters = [ { all = [ { attribute = "memberOf", operator = "EQUALS", value = "Staff" } ] } ]
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
        export(&config.jobs[0], &config.source)
    }

    fn left(job: &str) -> Vec<String> {
        let line = |Left { place, what, why }| format!("{place}: {what}: {why}");
        exported(job).left.into_iter().map(line).collect()
    }

    #[test]
    fn a_job_of_the_preset_leaves_what_stands_beside_every_schema() {
        insta::assert_snapshot!(left(SMALL).join("\n"), @r#"
        target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
        target: member_remove = "filter": Entra does so only if its Tenant URL has the parameter aadOptscim062020
        safety: max_deletions: it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold is not part of the schema
        "#);
    }

    #[test]
    fn what_entra_has_no_word_for_is_told_with_the_reason() {
        insta::assert_snapshot!(left(EVERYTHING).join("\n"), @r#"
        users, mapping of urn:example:2.0:User:badge: type = "complex": Entra has no word for objects; it is written as a string
        users, filter: memberOf EQUALS "Staff": Entra's filters cannot read references, groups and app roles; without it others belong, so users are not enabled
        users, filter: manager IS NULL: Entra's filters cannot read references, groups and app roles; without it others belong, so users are not enabled
        users, filter: otherMails IS NOT NULL: Entra's filters cannot read an attribute with several values; without it others belong, so users are not enabled
        users, filter: employeeHireDate GREATER_THAN "2026-01-31": Entra's filters compare whole numbers only; without it others belong, so users are not enabled
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
        target: member_remove = "filter": Entra does so only if its Tenant URL has the parameter aadOptscim062020
        scope: mode = "groups", groups = ["Staff"]: Entra has no such scope: assign these groups to the application
        scope: nested_groups = true: Entra provisions only the direct members of groups
        scope: exclude = ["admin@contoso.com"]: Entra cannot leave out an object by name: write a scoping filter there
        groups: provision = ["Sales"]: Entra provisions the groups that are in scope, and no others
        users: when_out_of_scope = "delete": Entra disables who leaves scope, and deletes who is deleted for good
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
        notify: to, webhooks, heartbeat: Entra's job has one address for notifications, outside its schema
        "#);
        insta::assert_snapshot!(left(OTHER).join("\n"), @r#"
        groups, filter: memberOf EQUALS "Staff": Entra's filters cannot read references, groups and app roles; without it others belong, so groups are not enabled
        users, filter: appRoleAssignments EQUALS "Admin": Entra's filters cannot read references, groups and app roles; without it others belong, so users are not enabled
        target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
        target: member_remove = "value-list": Entra does so only if its Tenant URL has no parameter aadOptscim062020
        scope: exclude_default_access = true: Entra has no such switch for who holds the Default Access role alone
        safety: max_deletions: it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold is not part of the schema
        schedule: interval or cron, timezone, jitter: Entra runs its jobs about every 40 minutes
        "#);
    }

    #[test]
    fn a_scope_that_entra_cannot_say_in_full_is_written_as_not_enabled() {
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

    /// Keys that the schema itself carries, or as whose part they are told.
    const CARRIED: &[(&str, &[&str])] = &[
        (
            "jobs",
            &[
                "name", "preset", "target", "scope", "users", "groups", "safety", "schedule",
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
        "schedule",
        "web",
        "notify",
        "notify.mail",
        "notify.webhooks",
    ];

    #[test]
    fn every_key_of_a_job_is_exported_or_told() {
        let told = [left(EVERYTHING), left(OTHER), left(UNITS)]
            .concat()
            .join("\n");
        let sections = SECTIONS.iter();
        for section in sections.filter(|section| !NO_PART.contains(&section.name)) {
            let carried = CARRIED.iter().find(|(name, _)| *name == section.name);
            let carried = carried.map_or(&[][..], |(_, keys)| keys);
            for key in section.names().filter(|key| !carried.contains(key)) {
                let is_told = told
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .any(|word| word == key);
                assert!(
                    is_told,
                    "{}.{key} is neither exported nor told",
                    section.name
                );
            }
        }
    }
}
