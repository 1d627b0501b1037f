//! Test Connection: the source's half and the target's half, in the services' own words.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::Agent;
use super::Error;
use super::capabilities;
use super::expiry;
use super::names::misnamed_now;
use super::tenant::Tenant;
use crate::config::{self, Schema, Update};
use crate::engine::capabilities::{Capabilities, Remark};
use crate::engine::check::{Check, Failed};
use crate::engine::job::WhenOutOfScope;
use crate::engine::model::ObjectKind;
use crate::engine::names;
use crate::graph;
use crate::report;
use crate::scim;

pub(super) async fn test(agent: &Agent, job: &config::Job) -> (Vec<Check>, Vec<Failed>) {
    let wanted = wanted([job]);
    let mut checks = Vec::new();
    let mut remarks = Vec::new();
    for source in agent.config.sources_of(job) {
        let before = (checks.len(), remarks.len());
        match agent.sources.one(&source.name) {
            Some(Ok(tenant)) => {
                if let Some(graph) = tenant.graph.tenant() {
                    let of_all = self::wanted(tenant.jobs());
                    let (tried, more) = graph.test(&job.application, &wanted, &of_all).await;
                    checks.extend(tried);
                    remarks.extend(more);
                    let (valid, ending) = test_expiry(agent, tenant.source(), graph).await;
                    checks.extend(valid);
                    remarks.extend(ending);
                    checks.extend(test_names(tenant, graph, job).await);
                }
            }
            Some(Err(error)) => checks.push(unusable(source, error)),
            None => {}
        }
        if job.sources.len() > 1 {
            let name = format!("source {}:", source.name);
            for check in &mut checks[before.0..] {
                check.what = check.what.replacen("source:", &name, 1);
            }
            for remark in &mut remarks[before.1..] {
                remark.words = remark.words.replacen("source:", &name, 1);
            }
        }
    }
    let today = (agent.now)().date_naive();
    for (key, day) in expiry::of_target(job) {
        match of_expiry(format!("target: {key}"), day, today) {
            Ok(valid) => checks.push(valid),
            Err(ending) => remarks.push(ending),
        }
    }
    let look_up = test_target(agent, job).await;
    let answers = look_up.is_ok();
    checks.push(Check {
        what: "target: look-up of a random user".to_owned(),
        outcome: look_up,
    });
    // A target that does not answer is not asked more.
    if answers && let Ok(reader) = agent.reader(job) {
        let (more, misfits) = test_capabilities(job, &reader).await;
        checks.extend(more);
        checks.extend(taught(agent, job));
        remarks.extend(misfits);
        remarks.extend(learned(agent, job));
    }
    (checks, remarks)
}

/// The source's own secret or address is of no use: nothing of it can be checked.
pub(crate) fn unusable(source: &config::Source, error: &Error) -> Check {
    let section = if source.name.is_empty() {
        "[source]".to_owned()
    } else {
        format!("[[sources]] {:?}", source.name)
    };
    Check {
        what: "source: settings".to_owned(),
        outcome: Err(Failed {
            words: error.chain(),
            remedy: Some(format!(
                "correct it in {section} of the configuration, or in the file or variable that it refers to"
            )),
        }),
    }
}

/// What these jobs ask of the source together.
fn wanted<'j>(jobs: impl IntoIterator<Item = &'j config::Job>) -> graph::Wanted {
    let mut wanted = graph::Wanted::default();
    let mut users = BTreeSet::new();
    let mut groups = BTreeSet::new();
    for job in jobs {
        let rules = &job.rules;
        users.extend(config::select(rules, ObjectKind::User));
        groups.extend(config::select(rules, ObjectKind::Group));
        wanted.default_domain |= !config::calls_default_domain(rules).is_empty();
        wanted.administrative_units |= super::units::reads_units(rules);
        let attributes = config::custom_security_attributes(rules);
        wanted.custom_security_attributes.extend(attributes);
    }
    wanted.users = users.into_iter().collect();
    wanted.groups = groups.into_iter().collect();
    wanted
}

/// What the target can do, as far as it can be found out without a write.
async fn test_capabilities(job: &config::Job, reader: &scim::Reader) -> (Vec<Check>, Vec<Failed>) {
    let check = |what: &str, outcome| Check {
        what: format!("target: {what}"),
        outcome,
    };
    let failed = |words: &str, remedy: &str| {
        Err(Failed {
            words: words.to_owned(),
            remedy: Some(remedy.to_owned()),
        })
    };
    let capabilities = match reader.discover().await {
        Ok(text) => scim::capabilities(&text),
        Err(_) => Capabilities::default(),
    };
    let mut checks = vec![check("reports", Ok(report::capabilities(&capabilities)))];
    if let Some(outcome) = test_list_of_users(job, reader).await {
        checks.push(check("list of users", outcome));
    }
    let rules = &job.rules;
    let updates = job.target.dialect.knobs.update;
    for kind in ObjectKind::ALL {
        if !rules.rules(kind).enabled {
            continue;
        }
        if kind == ObjectKind::Group {
            let outcome = test_list_of_groups(reader).await;
            let is_missing = outcome.is_err();
            checks.push(check("groups", outcome));
            if is_missing {
                continue;
            }
        }
        let methods = reader.methods(kind).await;
        let can = |method: &str| {
            methods
                .as_ref()
                .map(|all| all.iter().any(|one| one == method))
        };
        let patches = capabilities.patch.or(can("PATCH"));
        let what = format!("changes of {kind}s");
        let outcome = match (updates, patches, can("PUT")) {
            (None, Some(false), Some(false)) => failed(
                "it supports neither PATCH nor PUT, so nothing can be updated or disabled",
                "write actions = [\"create\"], also with \"delete\" if accounts can be deleted",
            ),
            (Some(Update::Put), _, _) => Ok("by PUT, as configured".to_owned()),
            (Some(Update::Patch), _, _) => Ok("by PATCH, as configured".to_owned()),
            (None, Some(false), _) => Ok("by PUT, because it does not support PATCH".to_owned()),
            (None, Some(true), _) => Ok("by PATCH".to_owned()),
            (None, None, _) => Ok("by PATCH, or by PUT if PATCH is refused".to_owned()),
        };
        checks.push(check(&what, outcome));
        let of_kind = rules.rules(kind);
        let exceptions = of_kind.exceptions.iter().map(|one| one.when_out_of_scope);
        let mut policies = exceptions.chain([of_kind.when_out_of_scope]);
        let deletes = of_kind.actions.delete
            && policies.any(|policy| match (kind, policy) {
                (_, WhenOutOfScope::Keep | WhenOutOfScope::Empty)
                | (ObjectKind::User, WhenOutOfScope::Disable) => false,
                (_, WhenOutOfScope::Delete) | (ObjectKind::Group, WhenOutOfScope::Disable) => true,
            });
        if deletes && can("DELETE") == Some(false) {
            let can_update = patches != Some(false) || can("PUT") != Some(false);
            let falls_back = can_update
                && match kind {
                    ObjectKind::User => rules.users.can_disable(),
                    ObjectKind::Group => of_kind.actions.update,
                };
            let outcome = match (kind, falls_back) {
                (ObjectKind::User, true) => {
                    Ok("it does not support DELETE: users are disabled instead".to_owned())
                }
                (ObjectKind::Group, true) => {
                    Ok("it does not support DELETE: groups are emptied instead".to_owned())
                }
                (ObjectKind::User, false) => failed(
                    "it does not support DELETE, and users cannot be disabled",
                    "map the attribute that disables users, or write when_out_of_scope = \"keep\"",
                ),
                (ObjectKind::Group, false) => failed(
                    "it does not support DELETE, and groups cannot be emptied",
                    "write when_out_of_scope = \"keep\"",
                ),
            };
            checks.push(check(&format!("deletion of {kind}s"), outcome));
        }
    }
    if let Some(words) = left_out(&reader.refused_parameters()) {
        checks.push(check("lists", Ok(words)));
    }
    let remarks = match job.target.dialect.knobs.form().schema {
        Schema::Ignore => Vec::new(),
        Schema::Remark | Schema::Trust => capabilities.remarks(rules),
    };
    (checks, remarks.iter().map(as_shown).collect())
}

/// Only what is wrong: the look-up of a random user came before.
async fn test_list_of_users(
    job: &config::Job,
    reader: &scim::Reader,
) -> Option<Result<String, Failed>> {
    if !job.rules.users.enabled {
        return None;
    }
    let error = reader.first_page(ObjectKind::User, &[]).await.err()?;
    Some(Err(Failed {
        remedy: error.remedy(),
        words: error.failure().message,
    }))
}

async fn test_list_of_groups(reader: &scim::Reader) -> Result<String, Failed> {
    match reader.first_page(ObjectKind::Group, &[]).await {
        Ok(_) => Ok("are answered".to_owned()),
        Err(error) => Err(Failed {
            words: error.failure().message,
            remedy: error
                .has_no_route()
                .then(|| "write enabled = false in [jobs.groups]".to_owned()),
        }),
    }
}

/// What cycles leave out of reads, because the target refuses it.
fn left_out(parameters: &[&str]) -> Option<String> {
    if parameters.is_empty() {
        return None;
    }
    let names = parameters.join(", ");
    let mut words = format!("are read without {names}, because the target refuses it");
    if parameters.contains(&"startIndex") {
        words.push_str(
            "; where one page does not hold as many objects as it announces, the list is not complete and does \
             not prove that an object is missing",
        );
    }
    Some(words)
}

/// What the target's answers taught of the mappings.
fn learned(agent: &Agent, job: &config::Job) -> Vec<Failed> {
    let known = capabilities::known_remarks(&agent.store, job).unwrap_or_default();
    let learned = known.iter().filter(|remark| match remark {
        Remark::Rewritten { .. } => true,
        Remark::ReadOnly { .. } | Remark::Unknown { .. } | Remark::Missing { .. } => false,
    });
    learned.map(as_shown).collect()
}

/// What the target's answers taught of the target.
fn taught(agent: &Agent, job: &config::Job) -> Vec<Check> {
    let learned = capabilities::learned(&agent.store, &job.rules.name).unwrap_or_default();
    let shown = learned.iter().map(report::learned);
    shown
        .map(|(what, seen)| Check {
            what: format!("target: learned: {what}"),
            outcome: Ok(seen),
        })
        .collect()
}

fn as_shown(remark: &Remark) -> Failed {
    Failed {
        words: report::remark(remark),
        remedy: Some(report::remark_remedy(remark).to_owned()),
    }
}

/// When the secret or certificate of the source expires, as far as it is known; those that do so soon apart.
async fn test_expiry(
    agent: &Agent,
    source: &config::Source,
    graph: &graph::Client,
) -> (Vec<Check>, Vec<Failed>) {
    let today = (agent.now)().date_naive();
    let (mut valid, mut ending) = (Vec::new(), Vec::new());
    let section = source.key("");
    for graph::Expiry { key, day } in graph.expiries(source).await {
        let what = format!("source: {}", key.strip_prefix(&section).unwrap_or(&key));
        match of_expiry(what, day, today) {
            Ok(check) => valid.push(check),
            Err(failed) => ending.push(failed),
        }
    }
    (valid, ending)
}

/// A check, or a remark where a secret or certificate expired or expires soon.
fn of_expiry(what: String, day: NaiveDate, today: NaiveDate) -> Result<Check, Failed> {
    let when = report::expiry(day, today);
    if report::expires_soon(day, today) {
        return Err(Failed {
            words: format!("{what} {when}"),
            remedy: Some(report::EXPIRY_REMEDY.to_owned()),
        });
    }
    Ok(Check {
        what,
        outcome: Ok(when),
    })
}

/// Whether each name in the job's scope means one object: a check for each that does not, and one for
/// all where nothing is wrong.
async fn test_names(tenant: &Tenant, graph: &graph::Client, job: &config::Job) -> Vec<Check> {
    let check = |outcome| Check {
        what: "source: names in the scope".to_owned(),
        outcome,
    };
    let named = names::entries(&job.rules).len();
    if named == 0 {
        return Vec::new();
    }
    match misnamed_now(graph, tenant, &job.rules).await {
        Ok(misnamed) if misnamed.is_empty() => {
            vec![check(Ok(format!("{named} looked up, all found")))]
        }
        Ok(misnamed) => misnamed
            .iter()
            .map(|one| {
                check(Err(Failed {
                    words: report::misnamed(one),
                    remedy: Some(report::misnamed_remedy(one)),
                }))
            })
            .collect(),
        Err(error) => vec![check(Err(failed(&error, &tenant.source().section())))],
    }
}

fn failed(error: &Error, section: &str) -> Failed {
    Failed {
        words: error.chain(),
        remedy: match error {
            Error::Graph(error)
            | Error::DefaultDomain { source: error, .. }
            | Error::CustomSecurityAttributes { source: error, .. } => error.remedy(section),
            Error::Target(error) => error.remedy(),
            Error::Secret { key, .. } => Some(format!("correct {key}")),
            Error::Store(_)
            | Error::List { .. }
            | Error::Tenant(_)
            | Error::AnotherTarget { .. }
            | Error::AnotherPlan { .. }
            | Error::OtherNumber { .. }
            | Error::NoUserInPlan
            | Error::Stopped
            | Error::RecorderLost
            | Error::Paused { .. }
            | Error::Quarantine { .. }
            | Error::Observes { .. }
            | Error::NoSuchObject { .. }
            | Error::AmbiguousObject { .. } => None,
        },
    }
}

async fn test_target(agent: &Agent, job: &config::Job) -> Result<String, Failed> {
    let reader = agent
        .reader(job)
        .map_err(|error| failed(&error, "source"))?;
    let reader = reader.hiding(agent.redactions(job).hidden());
    match reader.test_connection().await {
        Ok(scim::Nobody::EmptyList) => Ok("answered with an empty list, as expected".to_owned()),
        Ok(scim::Nobody::NotFound) => Ok(
            "answered 404 for a user that does not exist, which counts as an empty list, because a list \
             without a filter works"
                .to_owned(),
        ),
        Err(error)
            if (error.is_filter_unsupported() || error.http_status() == Some(404))
                && reader.answers(ObjectKind::User).await.is_ok() =>
        {
            let words = error.failure().message;
            Ok(format!(
                "answers lists, and objects are matched by these, because a look-up by a filter fails: {words}"
            ))
        }
        Err(error) => Err(failed(&Error::Target(error), "source")),
    }
}
