//! Makes what is meant of what was typed: presets merged, expressions compiled, durations and
//! addresses read, everything that contradicts itself told.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use url::{Host, Url};

use super::file::{self, File};
use super::mapping::{self, choose};
use super::problem::{Log, nearest};
use super::reader::Typed;
use super::settings::{
    Application, Config, Dialect, Job, MemberRemove, Schedule, Secret, Source, Target,
};
use super::{duration, fingerprint, preset};
use crate::engine::filter::{Clause, ClauseGroup, Filter};
use crate::engine::job::{
    self, Actions, GroupObjects, Limit, Limits, Rules, Scope, ScopeMode, WhenOutOfScope,
};
use crate::engine::model::source::{self, SourceType};
use crate::engine::model::{JobName, ObjectKind, TargetPath};

const STATE_PATH: &str = "entrain.db";
const INTERVAL: Duration = Duration::from_mins(40);
const CONCURRENCY: usize = 8;
const TIMEOUT: Duration = Duration::from_mins(1);
const MAX_DELETIONS: Limit = Limit::Count(500);
const MEMBER_CHUNK: usize = 100;
const PAGE_SIZE: usize = 100;

/// Most characters of a job's name.
const NAME_LENGTH: usize = 64;

/// The national clouds: token authority, Graph root and scope are three facts of each, and none
/// follows from another.
const CLOUDS: &[(&str, Cloud)] = &[
    (
        "global",
        Cloud {
            login_url: "https://login.microsoftonline.com",
            graph_url: "https://graph.microsoft.com",
            token_scope: "https://graph.microsoft.com/.default",
        },
    ),
    (
        "us-gov",
        Cloud {
            login_url: "https://login.microsoftonline.us",
            graph_url: "https://graph.microsoft.us",
            token_scope: "https://graph.microsoft.us/.default",
        },
    ),
    (
        "us-gov-dod",
        Cloud {
            login_url: "https://login.microsoftonline.us",
            graph_url: "https://dod-graph.microsoft.us",
            token_scope: "https://dod-graph.microsoft.us/.default",
        },
    ),
    (
        "china",
        Cloud {
            login_url: "https://login.chinacloudapi.cn",
            graph_url: "https://microsoftgraph.chinacloudapi.cn",
            token_scope: "https://microsoftgraph.chinacloudapi.cn/.default",
        },
    ),
];

#[derive(Clone, Copy)]
struct Cloud {
    login_url: &'static str,
    graph_url: &'static str,
    token_scope: &'static str,
}

/// The configuration, unless something is missing; then the log says what.
pub(super) fn resolve(file: &File, path: &Path, log: &mut Log) -> Option<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let state_path = match &file.state_path {
        Some(state) if state.value.trim().is_empty() => {
            let remedy = "name a file, such as path = \"entrain.db\"";
            log.problem(state.place.problem("empty", remedy));
            None
        }
        Some(state) => Some(folder.join(&state.value)),
        None => Some(folder.join(STATE_PATH)),
    };
    let source = resolve_source(&file.source, folder, log);
    check_names(&file.jobs, log);
    let jobs: Vec<_> = file
        .jobs
        .iter()
        .map(|job| resolve_job(job, &file.schedule, folder, log))
        .collect();
    if file.jobs.is_empty() {
        // A schedule that no job uses is checked all the same.
        resolve_schedule(&file.schedule, &file.schedule, log);
    }
    Some(Config {
        file: path.to_owned(),
        state_path: state_path?,
        source: source?,
        jobs: jobs.into_iter().collect::<Option<_>>()?,
    })
}

fn resolve_source(source: &file::Source, folder: &Path, log: &mut Log) -> Option<Source> {
    let tenant_id = source.tenant_id.as_ref().and_then(|id| tenant(id, log));
    let remedy = "copy the application (client) id of the app registration";
    let client_id = source
        .client_id
        .as_ref()
        .and_then(|id| guid(id, remedy, log));
    let client_secret = secret(source.client_secret.as_ref(), folder, log);
    let cloud = match &source.cloud {
        Some(cloud) => choose(cloud, CLOUDS, log),
        None => Some(CLOUDS[0].1),
    };
    let mut address = |typed: &Option<Typed<String>>, versions: &[&str], default: &str| match typed
    {
        Some(typed) => {
            let url = web_address(typed, log)?;
            if url.contains('?') {
                let remedy = "remove everything from the question mark on";
                log.problem(typed.place.problem("the address carries a query", remedy));
                return None;
            }
            let last = url.rsplit('/').next().unwrap_or_default().to_lowercase();
            if versions.contains(&last.as_str()) || uuid::Uuid::parse_str(&last).is_ok() {
                log.problem(typed.place.problem(
                    format!("the address ends in {last}"),
                    format!("leave tenant and version out, as in {default:?}"),
                ));
                return None;
            }
            Some(url)
        }
        None => Some(default.to_owned()),
    };
    let defaults = cloud.unwrap_or(CLOUDS[0].1);
    let login_url = address(
        &source.login_url,
        &["oauth2", "v2.0", "token"],
        defaults.login_url,
    );
    let graph_url = address(&source.graph_url, &["v1.0", "beta"], defaults.graph_url);
    Some(Source {
        tenant_id: tenant_id?,
        client_id: client_id?,
        client_secret: client_secret?,
        login_url: login_url?,
        graph_url: graph_url?,
        token_scope: cloud?.token_scope.to_owned(),
    })
}

fn tenant(id: &Typed<String>, log: &mut Log) -> Option<String> {
    let text = id.value.trim();
    if uuid::Uuid::parse_str(text).is_ok() {
        return Some(text.to_lowercase());
    }
    let remedy = "write the tenant's id, or a domain of it such as \"contoso.onmicrosoft.com\"";
    if ["common", "organizations", "consumers"].contains(&text) {
        let message = format!("{text} is no tenant: an agent signs in to one tenant of its own");
        log.problem(id.place.problem(message, remedy));
        return None;
    }
    let is_domain = text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        });
    if !is_domain {
        log.problem(
            id.place
                .problem("this is neither an id nor a domain name", remedy),
        );
        return None;
    }
    Some(text.to_lowercase())
}

fn guid(id: &Typed<String>, remedy: &str, log: &mut Log) -> Option<String> {
    if let Ok(guid) = uuid::Uuid::parse_str(id.value.trim()) {
        return Some(guid.to_string());
    }
    // What was pasted here may well be the secret: it is not repeated.
    let message = "this is not an id of the form 00000000-0000-0000-0000-000000000000";
    log.problem(id.place.problem(message, remedy));
    None
}

/// The secret with its path relative to the configuration; a file that everyone may read is told.
fn secret(typed: Option<&Typed<Secret>>, folder: &Path, log: &mut Log) -> Option<Secret> {
    let Typed { value, place } = typed?;
    let secret = match value {
        Secret::File(path) => Secret::File(folder.join(path)),
        Secret::Env(_) | Secret::Credential(_) => value.clone(),
    };
    if let Some(path) = secret.exposed_file() {
        log.warning(place.problem(
            format!("everyone on this machine may read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
    Some(secret)
}

/// An address without trailing slash: https, or http towards this machine.
fn web_address(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let Typed { value, place } = typed;
    let fail = |message: &str, remedy: &str, log: &mut Log| {
        log.problem(place.problem(message, remedy));
        None
    };
    let url = match Url::parse(value.trim()) {
        Ok(url) => url,
        Err(err) => {
            let message = format!("this is not an address: {err}");
            return fail(
                &message,
                "write it in full, as in \"https://example.com/scim\"",
                log,
            );
        }
    };
    let Some(host) = url.host() else {
        return fail(
            "the address names no host",
            "write it in full, as in \"https://example.com/scim\"",
            log,
        );
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => {
            let message = format!("plain http would send the token in the clear to {host}");
            return fail(
                &message,
                "write https://; plain http is for localhost only",
                log,
            );
        }
        other => {
            let message = format!("{other} is no protocol for this");
            return fail(&message, "write https://", log);
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fail(
            "the address carries a user name or password",
            "remove what stands before the @; the token is given apart",
            log,
        );
    }
    if url.fragment().is_some() {
        return fail(
            "the address carries a fragment",
            "remove everything from the # on",
            log,
        );
    }
    let text = url.as_str();
    Some(match text.split_once('?') {
        Some((path, query)) => format!("{}?{query}", path.trim_end_matches('/')),
        None => text.trim_end_matches('/').to_owned(),
    })
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn check_names(jobs: &[file::Job], log: &mut Log) {
    let names: Vec<_> = jobs.iter().filter_map(|job| job.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        let text = &name.value;
        let is_plain = text
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c));
        if !is_plain || text.starts_with('-') || text.chars().count() > NAME_LENGTH {
            log.problem(name.place.problem(
                format!("{text:?} cannot be typed as a job's name"),
                format!("use at most {NAME_LENGTH} letters, digits, hyphens, dots and underscores"),
            ));
        }
        let first = names[..index]
            .iter()
            .find(|first| first.value.to_lowercase() == text.to_lowercase());
        if let Some(first) = first {
            log.problem(name.place.problem(
                format!("another job has this name, at {}", first.place.line()),
                "give each job a name of its own; upper and lower case do not count",
            ));
        }
    }
}

fn resolve_job(
    job: &file::Job,
    schedule: &file::Schedule,
    folder: &Path,
    log: &mut Log,
) -> Option<Job> {
    let before = log.problems.len();
    let preset = preset::load(job.preset.as_ref(), folder, log);
    let has_preset = preset.is_some();
    // Without its preset a job is full of gaps that are no mistakes of their own.
    let (mut unheard, silent) = (Log::default(), !has_preset);
    let preset = preset.or_else(|| preset::load(None, folder, &mut unheard))?;

    let application = job
        .application
        .as_ref()
        .and_then(|application| resolve_application(application, log));
    let target = resolve_target(&job.target, &preset.target, folder, log);
    let filterable = target.dialect.filterable.clone();
    let mut scope = resolve_scope(&job.scope, &preset.scope, log);
    scope.group_objects = resolve_provision(&job.groups, log);

    let mut rules = |kind, own, preset| {
        let log = if silent { &mut unheard } else { &mut *log };
        resolve_rules(kind, own, preset, filterable.as_deref(), log)
    };
    let users = rules(ObjectKind::User, &job.users, &preset.users);
    let groups = rules(ObjectKind::Group, &job.groups, &preset.groups);
    let schedule = resolve_schedule(&job.schedule, schedule, log);

    let name = job.name.as_ref();
    let rules = job::Job {
        name: JobName::new(name.map_or("", |name| name.value.as_str())),
        users,
        groups,
        scope,
        limits: Limits {
            max_deletions: job
                .max_deletions
                .as_ref()
                .map_or(MAX_DELETIONS, |limit| limit.value),
        },
    };
    check_job(job, &rules, log);
    preset::warn(&preset.users, rules.users.enabled, &job.users.place, log);
    preset::warn(&preset.groups, rules.groups.enabled, &job.groups.place, log);

    let (application, target) = (application?, target.complete()?);
    if log.problems.len() > before {
        return None;
    }
    Some(Job {
        fingerprint: fingerprint::of(&rules, &application, &target.base_url),
        enabled: job.enabled.as_ref().is_none_or(|enabled| enabled.value),
        application,
        target,
        schedule: schedule?,
        rules,
    })
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

/// A target that may still lack what has no default.
struct PartialTarget {
    base_url: Option<String>,
    token: Option<Secret>,
    concurrency: usize,
    requests_per_second: Option<f64>,
    timeout: Option<Duration>,
    ca_certificate: Option<PathBuf>,
    dialect: Dialect,
}

impl PartialTarget {
    fn complete(self) -> Option<Target> {
        Some(Target {
            base_url: self.base_url?,
            token: self.token?,
            concurrency: self.concurrency,
            requests_per_second: self.requests_per_second,
            timeout: self.timeout?,
            ca_certificate: self.ca_certificate,
            dialect: self.dialect,
        })
    }
}

fn resolve_target(
    own: &file::Target,
    preset: &file::Target,
    folder: &Path,
    log: &mut Log,
) -> PartialTarget {
    let base_url = own.base_url.as_ref().and_then(|typed| {
        let url = web_address(typed, log)?;
        let path = url.split('?').next().unwrap_or_default().to_lowercase();
        if path.ends_with("/users") || path.ends_with("/groups") {
            log.problem(typed.place.problem(
                "the address is that of one list, not of the SCIM service",
                "leave the last part out; entrain adds /Users and /Groups itself",
            ));
            return None;
        }
        Some(url)
    });
    let timeout = match &own.timeout {
        Some(timeout) => length(timeout, log),
        None => Some(TIMEOUT),
    };
    let ca_certificate = own.ca_certificate.as_ref().map(|typed| {
        let path = folder.join(&typed.value);
        if !path.is_file() {
            log.warning(typed.place.problem(
                format!("there is no file {}", path.display()),
                "put the certificate there in PEM form before the job runs",
            ));
        }
        path
    });
    let number = |own: &Option<Typed<i64>>, preset: &Option<Typed<i64>>, default: usize| {
        let typed = own.as_ref().or(preset.as_ref());
        typed.map_or(default, |typed| {
            usize::try_from(typed.value).unwrap_or(usize::MAX)
        })
    };
    let words = [
        ("filter", MemberRemove::Filter),
        ("value-list", MemberRemove::ValueList),
    ];
    let member_remove = own.member_remove.as_ref().or(preset.member_remove.as_ref());
    PartialTarget {
        base_url,
        token: secret(own.token.as_ref(), folder, log),
        concurrency: number(&own.concurrency, &preset.concurrency, CONCURRENCY),
        requests_per_second: own
            .requests_per_second
            .as_ref()
            .or(preset.requests_per_second.as_ref())
            .map(|typed| typed.value),
        timeout,
        ca_certificate,
        dialect: Dialect {
            filterable: own
                .filterable
                .as_ref()
                .or(preset.filterable.as_ref())
                .map(|paths| paths.iter().filter_map(|path| spelled(path, log)).collect()),
            member_chunk: number(&own.member_chunk, &preset.member_chunk, MEMBER_CHUNK),
            member_remove: member_remove
                .and_then(|typed| choose(typed, &words, log))
                .unwrap_or(MemberRemove::Filter),
            page_size: number(&own.page_size, &preset.page_size, PAGE_SIZE),
        },
    }
}

/// A target path in the spelling that mappings have too.
fn spelled(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    match TargetPath::parse(&typed.value) {
        Ok(path) => Some(path.to_string()),
        Err(err) => {
            log.problem(typed.place.problem(
                format!("{:?} is not a target attribute: {err}", typed.value),
                "write it like userName or emails[type eq \"work\"].value",
            ));
            None
        }
    }
}

/// A length of time above zero.
fn length(typed: &Typed<String>, log: &mut Log) -> Option<Duration> {
    match duration::parse(&typed.value) {
        Some(length) if !length.is_zero() => Some(length),
        Some(_) => {
            log.problem(
                typed
                    .place
                    .problem("it must be longer than nothing", duration::REMEDY),
            );
            None
        }
        None => {
            let message = format!("{:?} is no length of time", typed.value);
            log.problem(typed.place.problem(message, duration::REMEDY));
            None
        }
    }
}

fn resolve_scope(own: &file::Scope, preset: &file::Scope, log: &mut Log) -> Scope {
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        Assigned,
        All,
        Groups,
    }
    let words = [
        ("assigned", Mode::Assigned),
        ("all", Mode::All),
        ("groups", Mode::Groups),
    ];
    let mode = own.mode.as_ref().or(preset.mode.as_ref());
    let mode = mode.and_then(|mode| choose(mode, &words, log));
    // A mode that cannot be read contradicts nothing.
    let is_known = mode.is_some() || own.mode.is_none();
    let mode = mode.unwrap_or(Mode::Assigned);
    let names = |list: &Option<Vec<Typed<String>>>, log: &mut Log| {
        names(list.as_deref().unwrap_or_default(), log)
    };
    let groups = names(&own.groups, log);
    if is_known && mode == Mode::Groups && groups.is_empty() {
        log.problem(own.place.name("groups").problem(
            "mode = \"groups\" needs to know which",
            "add groups = [\"id or display name\"]",
        ));
    }
    if is_known && mode != Mode::Groups && own.groups.is_some() {
        log.problem(own.place.name("groups").key_problem(
            "groups are named, but the mode is not \"groups\"",
            "write mode = \"groups\", or remove groups",
        ));
    }
    let nested = own.nested_groups.as_ref().or(preset.nested_groups.as_ref());
    let nested_groups = nested.is_some_and(|nested| nested.value);
    if let Some(nested) = own.nested_groups.as_ref().filter(|nested| nested.value)
        && is_known
        && mode == Mode::All
    {
        log.warning(nested.place.key_problem(
            "everyone is in scope already, so nested groups add nobody",
            "remove nested_groups",
        ));
    }
    let default_access = own.exclude_default_access.as_ref();
    if let Some(typed) = default_access.filter(|typed| typed.value)
        && is_known
        && mode != Mode::Assigned
    {
        log.problem(typed.place.key_problem(
            "the Default Access role comes from assignments, which this mode does not look at",
            "write mode = \"assigned\", or remove exclude_default_access",
        ));
    }
    let default_access = default_access.or(preset.exclude_default_access.as_ref());
    Scope {
        nested_groups,
        exclude: names(&own.exclude, log),
        group_objects: GroupObjects::InScope,
        exclude_default_access: mode == Mode::Assigned
            && default_access.is_some_and(|typed| typed.value),
        mode: match mode {
            Mode::Assigned => ScopeMode::Assigned,
            Mode::All => ScopeMode::All,
            Mode::Groups => ScopeMode::Groups(groups),
        },
    }
}

/// Ids and names as they were meant.
fn names(list: &[Typed<String>], log: &mut Log) -> Vec<String> {
    let mut names = Vec::new();
    for name in list {
        if name.value.trim().is_empty() {
            log.problem(
                name.place
                    .problem("empty", "remove it, or write an id or a name"),
            );
        }
        names.push(name.value.trim().to_owned());
    }
    names
}

fn resolve_provision(own: &file::Rules, log: &mut Log) -> GroupObjects {
    match &own.provision {
        None => GroupObjects::InScope,
        Some(file::Provision::Word(word)) => {
            // The one word there is; any other is told.
            choose(word, &[("in-scope", ())], log);
            GroupObjects::InScope
        }
        Some(file::Provision::Named(list)) => {
            if list.is_empty() {
                log.problem(own.place.name("provision").problem(
                    "no group is named",
                    "name groups by id or display name; or write enabled = false",
                ));
            }
            GroupObjects::Named(names(list, log))
        }
    }
}

fn resolve_rules(
    kind: ObjectKind,
    own: &file::Rules,
    preset: &file::Rules,
    filterable: Option<&[String]>,
    log: &mut Log,
) -> Rules {
    let enabled = own.enabled.as_ref().or(preset.enabled.as_ref());
    let enabled = enabled.is_none_or(|enabled| enabled.value);
    let when = own
        .when_out_of_scope
        .as_ref()
        .or(preset.when_out_of_scope.as_ref());
    let words = [
        ("disable", WhenOutOfScope::Disable),
        ("delete", WhenOutOfScope::Delete),
        ("keep", WhenOutOfScope::Keep),
    ];
    let when_out_of_scope = when
        .and_then(|when| choose(when, &words, log))
        .unwrap_or(WhenOutOfScope::Disable);
    let actions = resolve_actions(own, preset, log);
    if let Some(when) = when.filter(|_| enabled)
        && when_out_of_scope == WhenOutOfScope::Delete
        && !actions.delete
    {
        log.problem(when.place.problem(
            "who leaves scope is to be deleted, but the actions do not allow it",
            "add \"delete\" to actions, or write when_out_of_scope = \"disable\" or \"keep\"",
        ));
    }
    let filters = own.filters.as_ref().or(preset.filters.as_ref());
    let groups = filters.into_iter().flatten();
    let groups = groups
        .map(|group| resolve_filter(kind, group, log))
        .collect();
    let mappings = mapping::resolve(kind, own, preset, filterable, enabled, log);
    Rules {
        enabled,
        actions,
        when_out_of_scope,
        filter: Filter { groups },
        mappings,
    }
}

fn resolve_actions(own: &file::Rules, preset: &file::Rules, log: &mut Log) -> Actions {
    #[derive(Clone, Copy)]
    enum Action {
        Create,
        Update,
        Delete,
    }
    let words = [
        ("create", Action::Create),
        ("update", Action::Update),
        ("delete", Action::Delete),
    ];
    let Some(list) = own.actions.as_ref().or(preset.actions.as_ref()) else {
        return Actions {
            create: true,
            update: true,
            delete: true,
        };
    };
    if list.is_empty() {
        log.problem(own.place.name("actions").problem(
            "no action is allowed",
            "name create, update or delete; or write enabled = false",
        ));
    }
    let mut actions = Actions {
        create: false,
        update: false,
        delete: false,
    };
    for word in list {
        match choose(word, &words, log) {
            Some(Action::Create) => actions.create = true,
            Some(Action::Update) => actions.update = true,
            Some(Action::Delete) => actions.delete = true,
            None => {}
        }
    }
    actions
}

fn resolve_filter(kind: ObjectKind, group: &file::FilterGroup, log: &mut Log) -> ClauseGroup {
    ClauseGroup {
        name: group.name.as_ref().map(|name| name.value.clone()),
        clauses: group
            .all
            .iter()
            .filter_map(|clause| resolve_clause(kind, clause, log))
            .collect(),
    }
}

fn resolve_clause(kind: ObjectKind, typed: &file::Clause, log: &mut Log) -> Option<Clause> {
    let (name, operator) = (typed.attribute.as_ref()?, typed.operator.as_ref()?);
    let attribute = mapping::read_filter_attribute(kind, name, log);
    if attribute
        .as_ref()
        .is_some_and(|attribute| attribute.name == "IsSoftDeleted")
    {
        log.problem(name.place.problem(
            "IsSoftDeleted follows from the scope, so the scope cannot follow from it",
            "use accountEnabled",
        ));
        return None;
    }
    let names_objects = attribute.as_ref().is_some_and(|attribute| {
        attribute.source_type == SourceType::Reference
            || ["id", source::MEMBER_OF].contains(&attribute.name.as_str())
    });
    let value = typed.value.as_ref().map(|value| &value.value);
    // Case counts, and Graph writes ids in lower case: an id typed otherwise would never be met.
    let value = value.map(|value| match uuid::Uuid::parse_str(value) {
        Ok(id) if names_objects => id.to_string(),
        Ok(_) | Err(_) => value.clone(),
    });
    let value = value.as_deref();
    let build = if typed.full.as_ref().is_some_and(|full| full.value) {
        Clause::new_full
    } else {
        Clause::new
    };
    let graph_name = attribute
        .as_ref()
        .map_or("", |attribute| attribute.name.as_str());
    let clause = build(graph_name, &operator.value, value).and_then(|clause| {
        if let Some(attribute) = &attribute {
            clause.check(attribute)?;
        }
        Ok(clause)
    });
    match clause {
        Ok(clause) => attribute.is_some().then_some(clause),
        Err(err) => {
            let place = match (&err, &typed.value) {
                (crate::engine::filter::ClauseError::Pattern(_), Some(value)) => &value.place,
                _ => &operator.place,
            };
            let near = nearest(&operator.value, OPERATORS);
            let help = match (&err, near) {
                (crate::engine::filter::ClauseError::UnknownOperator(_), Some(near)) => {
                    format!("did you mean {near}?")
                }
                _ => err.help(),
            };
            log.problem(place.problem(err.to_string(), help));
            None
        }
    }
}

/// What a misspelt operator may have meant.
const OPERATORS: [&str; 12] = [
    "EQUALS",
    "NOT EQUALS",
    "IS TRUE",
    "IS FALSE",
    "IS NULL",
    "IS NOT NULL",
    "REGEX MATCH",
    "NOT REGEX MATCH",
    "GREATER_THAN",
    "GREATER_THAN_OR_EQUALS",
    "INCLUDES",
    "ENDS_WITH",
];

/// A job's own rhythm, else that of all jobs; jitter and time zone each from the job where it has
/// them.
fn resolve_schedule(
    own: &file::Schedule,
    global: &file::Schedule,
    log: &mut Log,
) -> Option<Schedule> {
    let rhythm = if own.interval.is_some() || own.cron.is_some() {
        own
    } else {
        global
    };
    let jitter = own.jitter.as_ref().or(global.jitter.as_ref());
    let jitter_length = match jitter {
        Some(typed) => match duration::parse(&typed.value) {
            Some(length) => length,
            None => return length(typed, log).and(None),
        },
        None => Duration::ZERO,
    };
    let timezone = own.timezone.as_ref().or(global.timezone.as_ref());
    let zone = match timezone {
        Some(typed) => time_zone(typed, log)?,
        None => chrono_tz::UTC,
    };
    if let Some(cron) = &rhythm.cron {
        return match cron::Schedule::from_str(cron.value.trim()) {
            Ok(expression) => Some(Schedule::Cron {
                expression: Box::new(expression),
                timezone: zone,
                jitter: jitter_length,
            }),
            Err(err) => {
                let fields = cron.value.split_whitespace().count();
                let remedy = if fields == 5 {
                    format!("seconds come first here: \"0 {}\"", cron.value.trim())
                } else {
                    "write second, minute, hour, day, month and weekday, as in \"0 0 * * * *\""
                        .to_owned()
                };
                log.problem(
                    cron.place
                        .problem(format!("not a cron expression:\n{err}"), remedy),
                );
                None
            }
        };
    }
    let every = match &rhythm.interval {
        Some(interval) => length(interval, log)?,
        None => INTERVAL,
    };
    if let Some(zone) = own.timezone.as_ref() {
        log.problem(zone.place.key_problem(
            "a time zone means nothing to an interval",
            "use cron instead of interval, or remove timezone",
        ));
        return None;
    }
    if let Some(jitter) = jitter.filter(|_| jitter_length >= every) {
        log.problem(jitter.place.problem(
            "the jitter is as long as the interval itself",
            "make it shorter than the interval",
        ));
        return None;
    }
    Some(Schedule::Interval {
        every,
        jitter: jitter_length,
    })
}

fn time_zone(typed: &Typed<String>, log: &mut Log) -> Option<chrono_tz::Tz> {
    let zone = chrono_tz::Tz::from_str(typed.value.trim()).ok();
    if zone.is_none() {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let remedy = match nearest(&typed.value, names) {
            Some(near) => format!("did you mean {near}?"),
            None => "write a name of the IANA list, such as Europe/Berlin".to_owned(),
        };
        let message = format!("there is no time zone {:?}", typed.value);
        log.problem(typed.place.problem(message, remedy));
    }
    zone
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
                "nobody would be disabled: no mapping that always applies reads IsSoftDeleted",
                "map active from 'Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \
                 \"False\")', or write when_out_of_scope = \"delete\" or \"keep\"",
            ));
        } else if !users.actions.update {
            log.warning(place("actions").problem(
                "nobody would be disabled: that is an update, which the actions do not allow",
                "add \"update\" to actions, or write when_out_of_scope = \"keep\"",
            ));
        }
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
        crate::engine::mapping::Source::Expression(expression) => expression.reads_roles(),
        crate::engine::mapping::Source::Attribute(_)
        | crate::engine::mapping::Source::Constant(_)
        | crate::engine::mapping::Source::None => false,
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
                "a clause reads appRoleAssignments, which come from assignments that this mode does \
                 not look at",
                "write mode = \"assigned\", or remove the clause",
            ));
        }
    }
    if users.enabled && reads_roles && job.scope.mode != ScopeMode::Assigned {
        log.warning(typed.scope.place.name("mode").problem(
            "a mapping sends roles, which come from assignments that this mode does not look at",
            "write mode = \"assigned\", or remove the mapping",
        ));
    }
}
