//! What a job says that has no place in a schema: it stands next to the schema in Entra, or Entra has
//! nothing like it. Every setting is named here, so that a new one does not compile until a person
//! has decided what becomes of it.

#[cfg(test)]
mod tests;

use super::{Left, judge};
use crate::config::access::SignIn;
use crate::config::knobs::{KNOBS, MemberRemove};
use crate::config::resolve::{CONCURRENCY, INTERVAL, MEMBER_CHUNK, TIMEOUT, VISIBILITY_DELAY};
use crate::config::settings::{Application, DialectSettings, Job, JobNotify, Schedule, Target};
use crate::engine::job::{
    self, GroupObjects, Limit, Limits, Rules, Safety, Scope, ScopeMode, WhenOutOfScope,
};
use crate::engine::mapping::OnDrift;
use crate::engine::model::ObjectKind;

/// By this parameter of the Tenant URL, Entra writes PATCH requests as the RFC has them.
const STANDARD_PATCH: &str = "aadoptscim062020";

pub(super) fn list(job: &Job) -> Vec<Left> {
    let Job {
        rules,
        enabled,
        observes,
        sources: _, // Entra's job is in the tenant itself.
        application,
        target,
        schedule,
        verify,
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
        deletes,
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
    if let Some(window) = deletes {
        let why = "Entra deletes at any time";
        list.leave("safety", format!("deletes = \"{window}\""), why);
    }
    if *on_drift == OnDrift::Report {
        let why = "Entra does not compare what the target holds";
        list.leave("safety", "on_drift = \"report\"", why);
    }
    list.schedule(schedule);
    if verify.is_some() {
        let why = "Entra does not compare what the target holds";
        list.leave("schedule", "verify", why);
    }
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
            access,
            proxy,
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
        let mut keys = format!("base_url, {}", access.sign_in.key());
        if !access.headers.is_empty() && access.sign_in != SignIn::Headers {
            keys.push_str(", headers");
        }
        self.leave(place, keys, why);
        if access.client_certificate.is_some() {
            let why = "Entra shows no client certificate";
            self.leave(place, "client_certificate", why);
        }
        if let Some(proxy) = proxy {
            let why = "Entra reaches the target from the internet";
            self.leave(place, format!("proxy = {proxy:?}"), why);
        }
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
            exceptions,
            create_blocked,
            delete_after,
        } = rules;
        if !enabled {
            return;
        }
        let place = judge::section(kind);
        if let Some(after) = delete_after {
            let what = format!("delete_after = \"{}d\"", after.as_secs().div_ceil(86_400));
            let why = "Entra deletes who is deleted for good, and no user who was disabled";
            self.leave(place, what, why);
        }
        if *create_blocked {
            let why = "Entra creates no user whose sign-in is blocked";
            self.leave(place, "create_blocked = true", why);
        }
        if !exceptions.is_empty() {
            let all = exceptions.iter().map(|one| {
                let when = one.when_out_of_scope.as_str();
                format!(
                    "{{ group = {:?}, when_out_of_scope = {when:?} }}",
                    one.group
                )
            });
            let what = format!("exceptions = [{}]", all.collect::<Vec<_>>().join(", "));
            let why = "Entra does the same with every group that leaves";
            self.leave(place, what, why);
        }
        match (kind, when_out_of_scope) {
            (ObjectKind::User, WhenOutOfScope::Disable)
            | (ObjectKind::Group, WhenOutOfScope::Disable | WhenOutOfScope::Delete) => {}
            (ObjectKind::User, WhenOutOfScope::Delete) => self.leave(
                place,
                "when_out_of_scope = \"delete\"",
                "Entra disables who leaves scope, and deletes who is deleted for good",
            ),
            (_, WhenOutOfScope::Empty) => self.leave(
                place,
                "when_out_of_scope = \"empty\"",
                "Entra deletes the group, or keeps it with its members",
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
