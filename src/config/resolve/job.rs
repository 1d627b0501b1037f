//! A job: its name, its application, and what only shows when its parts are looked at together.

use std::path::Path;

use super::guid;
use super::name::check_name;
use super::notify::resolve_job_notify;
use super::rules::resolve_rules;
use super::schedule::{resolve_schedule, resolve_verify, zone_of};
use super::scope::{resolve_provision, resolve_scope};
use super::source::sources_of;
use super::target::resolve_target;
use crate::config::choice::choose;
use crate::config::mapping::Base;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::settings::{Application, Job};
use crate::config::{file, fingerprint, mapping, preset};
use crate::engine::job::{self, Limit, Limits, Rules, Safety, ScopeMode, WhenOutOfScope};
use crate::engine::mapping::{OnDrift, Source};
use crate::engine::model::{JobName, ObjectKind, source};
use crate::engine::window::Window;

pub(super) fn check_names(jobs: &[file::Job], log: &mut Log) {
    let names: Vec<_> = jobs.iter().filter_map(|job| job.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        let text = &name.value;
        check_name(name, "job", log);
        let first = names[..index]
            .iter()
            .find(|first| first.value.to_lowercase() == text.to_lowercase());
        if let Some(first) = first {
            log.problem(name.place.problem(
                format!("another job has this name: {}", first.place.line()),
                "give each job a unique name; case is ignored",
            ));
        }
    }
}

pub(super) fn resolve_job(
    job: &file::Job,
    file: &file::File,
    folder: &Path,
    log: &mut Log,
) -> Option<Job> {
    let before = log.problems.len();
    let preset = preset::load(job.preset.as_ref(), folder, log);
    let preset = preset.or_else(|| preset::load_nearest(job.preset.as_ref()));
    // Without its preset a job is full of gaps that are no mistakes of their own.
    let has_preset = preset.is_some();
    let preset = preset.or_else(|| preset::load(None, folder, &mut Log::default()))?;

    let application = job
        .application
        .as_ref()
        .and_then(|application| resolve_application(application, log));
    let sources = sources_of(job, &file.sources, log);
    if let Some(file::Application::ServicePrincipalId(id)) = &job.application
        && sources.as_ref().is_some_and(|sources| sources.len() > 1)
    {
        log.problem(id.place.problem(
            "a service principal is of one tenant, and the job has several sources",
            "write app_id, which is the same in all tenants, or display_name",
        ));
    }
    let target = resolve_target(&job.target, &preset.target, folder, log);
    let filterable = target.dialect.filterable.clone();
    let mut scope = resolve_scope(&job.scope, &preset.scope, log);
    scope.group_objects = resolve_provision(&job.groups, log);

    let mut rules = |kind, own, preset| {
        let base = Base {
            preset,
            filterable: filterable.of(kind),
            is_known: has_preset,
        };
        resolve_rules(kind, own, &base, log)
    };
    let users = rules(ObjectKind::User, &job.users, &preset.users);
    let groups = rules(ObjectKind::Group, &job.groups, &preset.groups);
    let one_group_each = job.groups.one_group_each.as_ref();
    let one_group_each = one_group_each.or(preset.groups.one_group_each.as_ref());
    let nested_members = job.groups.nested_members.as_ref();
    let nested_members = nested_members.or(preset.groups.nested_members.as_ref());
    let schedule = resolve_schedule(&job.schedule, &file.schedule, log);
    let verify = resolve_verify(&job.schedule, &file.schedule, log);
    let notify = resolve_job_notify(&job.notify, file.notify.as_ref(), folder, log);

    let name = job.name.as_ref();
    let rules = job::Job {
        name: JobName::new(name.map_or("", |name| name.value.as_str())),
        users,
        groups,
        scope,
        one_group_each: one_group_each.is_some_and(|typed| typed.value),
        nested_members: nested_members.is_none_or(|typed| typed.value),
        limits: resolve_limits(&job.safety),
        safety: resolve_safety(job, &file.schedule, log),
    };
    check_job(job, &rules, log);
    preset::warn(&preset.users, rules.users.enabled, &job.users.place, log);
    preset::warn(&preset.groups, rules.groups.enabled, &job.groups.place, log);

    let modes = [("provision", false), ("observe", true)];
    let observes = job
        .mode
        .as_ref()
        .and_then(|typed| choose(typed, &modes, log))
        .unwrap_or_default();

    let (application, target, notify) = (application?, target.complete()?, notify?);
    let sources = sources?;
    if log.problems.len() > before {
        return None;
    }
    Some(Job {
        fingerprint: fingerprint::of(&rules, &application, &target.base_url),
        enabled: job.enabled.as_ref().is_none_or(|enabled| enabled.value),
        observes,
        sources,
        application,
        target,
        schedule: schedule?,
        verify,
        notify,
        rules,
    })
}

fn resolve_limits(safety: &file::Safety) -> Limits {
    let limit = |typed: &Option<Typed<Limit>>| typed.as_ref().map(|limit| limit.value);
    let number = |typed: &Option<Typed<i64>>| typed.as_ref().map(|one| one.value.unsigned_abs());
    Limits {
        max_deletions: limit(&safety.max_deletions),
        max_membership_removals: limit(&safety.max_membership_removals),
        max_creations: number(&safety.max_creations),
        min_active: number(&safety.min_active),
    }
}

fn resolve_safety(job: &file::Job, global: &file::Schedule, log: &mut Log) -> Safety {
    let safety = &job.safety;
    let on_drift = safety.on_drift.as_ref();
    Safety {
        on_drift: on_drift
            .and_then(|typed| choose(typed, &OnDrift::WORDS, log))
            .unwrap_or_default(),
        never_disable: never_disable(safety, log),
        only_created: safety
            .only_created
            .as_ref()
            .is_some_and(|typed| typed.value),
        min_members: safety
            .min_members
            .iter()
            .map(|(group, least)| (group.clone(), least.value.unsigned_abs()))
            .collect(),
        deletes: resolve_deletes(job, global, log),
    }
}

/// When deletes may be sent, in the time zone of the schedule unless another is named.
fn resolve_deletes(job: &file::Job, global: &file::Schedule, log: &mut Log) -> Option<Window> {
    let typed = job.safety.deletes.as_ref()?;
    // What is wrong with the zone is on the log of the schedule.
    let zone = zone_of(&job.schedule, global, &mut Log::default());
    let window = Window::parse(&typed.value, zone.unwrap_or(chrono_tz::UTC));
    if window.is_none() {
        log.problem(typed.place.problem(
            format!("{:?} is not a time of the week", typed.value),
            "write it like \"Mon-Fri 08:00-18:00\", \"22:00-06:00\" or \"Sat 09:00-12:00 Europe/Berlin\"",
        ));
    }
    window
}

/// The entries, trimmed; one that means every user is a remark.
fn never_disable(safety: &file::Safety, log: &mut Log) -> Vec<String> {
    let mut entries = Vec::new();
    for typed in safety.never_disable.iter().flatten() {
        let text = typed.value.trim();
        if text.is_empty() {
            let remedy =
                "give the id or address of an object, or a pattern with * for several objects";
            log.problem(typed.place.problem("this is empty", remedy));
            continue;
        }
        if text.chars().all(|letter| "*@.".contains(letter)) {
            log.warning(typed.place.problem(
                format!("{text:?} matches every object, so no user would ever be removed"),
                "give only the users that must never lose their access",
            ));
        }
        entries.push(text.to_owned());
    }
    entries
}

fn resolve_application(application: &file::Application, log: &mut Log) -> Option<Application> {
    match application {
        file::Application::AppId(id) => {
            let remedy = "copy the application id of the enterprise application";
            guid(id, remedy, log).map(Application::AppId)
        }
        file::Application::ServicePrincipalId(id) => {
            let remedy = "copy the object id of the enterprise application";
            guid(id, remedy, log).map(Application::ServicePrincipalId)
        }
        file::Application::DisplayName(name) => {
            Some(Application::DisplayName(name.value.trim().to_owned()))
        }
    }
}

/// A group is emptied by the members that were sent, in updates of the group.
fn check_emptied(typed: &file::Job, groups: &Rules, log: &mut Log) {
    let mut policies = groups.exceptions.iter().map(|one| one.when_out_of_scope);
    let is_on = groups.when_out_of_scope == WhenOutOfScope::Empty
        || policies.any(|policy| policy == WhenOutOfScope::Empty);
    if !groups.enabled || !is_on {
        return;
    }
    let place = |key: &str| typed.groups.place.name(key);
    if !groups.actions.update {
        log.warning(place("actions").problem(
            "no group would be emptied: that is an update, which the actions do not allow",
            "add \"update\" to actions, or write when_out_of_scope = \"keep\"",
        ));
    } else if !groups.mappings.iter().any(|one| one.target.is_members()) {
        log.warning(place("mappings").problem(
            "no group would be emptied: members is not mapped, so no member is ever sent",
            "map members, or write when_out_of_scope = \"keep\"",
        ));
    }
}

/// What only shows when the parts of a job are looked at together.
fn check_job(typed: &file::Job, job: &job::Job, log: &mut Log) {
    let users = &job.users;
    let place = |key: &str| typed.users.place.name(key);
    if !users.enabled && !job.groups.enabled {
        log.warning(typed.place.problem(
            "neither users nor groups are enabled, so the job does nothing",
            "enable one of them, or write enabled = false for the job",
        ));
    }
    if users.enabled && users.when_out_of_scope == WhenOutOfScope::Disable {
        if !users.mappings.iter().any(mapping::carries_removal) {
            log.warning(place("when_out_of_scope").problem(
                "no user would be disabled: no mapping that always applies reads IsSoftDeleted",
                "map active from 'Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \
                 \"False\")', or write when_out_of_scope = \"delete\" or \"keep\"",
            ));
        } else if !users.actions.update {
            log.warning(place("actions").problem(
                "no user would be disabled: that is an update, which the actions do not allow",
                "add \"update\" to actions, or write when_out_of_scope = \"keep\"",
            ));
        }
    }
    let carries_block = users.mappings.iter().any(|mapping| {
        let is_constant = matches!(mapping.source, Source::Constant(_) | Source::None);
        mapping::carries_removal(mapping) || mapping.target.is_active() && !is_constant
    });
    if users.enabled && users.when_out_of_scope == WhenOutOfScope::Keep && !carries_block {
        log.warning(place("mappings").problem(
            "users whose sign-in is blocked would keep their access, because no mapping reads IsSoftDeleted",
            "map active from 'Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \
             \"False\")', or write when_out_of_scope = \"delete\"",
        ));
    }
    if users.enabled
        && let Some(is_on) = &typed.users.create_blocked
        && is_on.value
        && !carries_block
    {
        log.warning(is_on.place.problem(
            "no blocked user would be created, because no mapping reads IsSoftDeleted",
            "map active from 'Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \
             \"False\")', or remove create_blocked",
        ));
    }
    check_emptied(typed, &job.groups, log);
    if users.enabled
        && let Some(after) = &typed.users.delete_after
        && !users.mappings.carry_state()
    {
        log.warning(after.place.problem(
            "no user would be deleted: none is disabled first, because no mapping reads IsSoftDeleted",
            "map active from 'Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \
             \"False\")'",
        ));
    }
    for (kind, rules, needed) in [
        (ObjectKind::User, users, "userName"),
        (ObjectKind::Group, &job.groups, "displayName"),
    ] {
        let is_mapped = rules
            .mappings
            .iter()
            .any(|mapping| mapping.target.to_string() == needed);
        if rules.enabled && rules.actions.create && !is_mapped {
            let own = match kind {
                ObjectKind::User => &typed.users.place,
                ObjectKind::Group => &typed.groups.place,
            };
            log.warning(own.name("mappings").problem(
                format!("{needed} is not mapped, and SCIM requires it of every {kind}"),
                format!("add a mapping of {needed}"),
            ));
        }
    }
    let reads_roles = users.mappings.iter().any(|mapping| match &mapping.source {
        Source::Expression(expression) => expression.reads_roles(),
        Source::Attribute(_) | Source::Constant(_) | Source::None => false,
    });
    for (rules, own) in [
        (users, &typed.users.place),
        (&job.groups, &typed.groups.place),
    ] {
        let reads = rules.filter.attributes();
        if rules.enabled
            && job.scope.mode != ScopeMode::Assigned
            && reads.contains(source::APP_ROLE_ASSIGNMENTS)
        {
            log.problem(own.name("filters").problem(
                "a clause reads appRoleAssignments, but this mode does not read assignments",
                "write mode = \"assigned\", or remove the clause",
            ));
        }
    }
    if users.enabled && reads_roles && job.scope.mode != ScopeMode::Assigned {
        log.warning(typed.scope.place.name("mode").problem(
            "a mapping sends roles, but this mode does not read assignments, which contain them",
            "write mode = \"assigned\", or remove the mapping",
        ));
    }
}
