//! Test Connection: the source's half and the target's half, in the services' own words.

use super::Agent;
use super::Error;
use super::names::misnamed_now;
use crate::config;
use crate::engine::check::{Check, Failed};
use crate::engine::model::ObjectKind;
use crate::engine::names;
use crate::graph;
use crate::report;
use crate::scim;

pub(super) async fn test(agent: &Agent, job: &config::Job) -> Vec<Check> {
    let select = |kind| -> Vec<String> {
        let names = config::select(&job.rules, kind);
        names.into_iter().collect()
    };
    let wanted = graph::Wanted {
        users: select(ObjectKind::User),
        groups: select(ObjectKind::Group),
        default_domain: !config::calls_default_domain(&job.rules).is_empty(),
        custom_security_attributes: config::custom_security_attributes(&job.rules),
    };
    let mut checks = agent.tenant.graph.test(&job.application, &wanted).await;
    checks.extend(test_expiry(agent).await);
    checks.extend(test_names(agent, job).await);
    checks.push(Check {
        what: "target: look-up of a random user".to_owned(),
        outcome: test_target(agent, job).await,
    });
    checks
}

/// When the secret or certificate of the source expires, as far as it is known.
async fn test_expiry(agent: &Agent) -> Vec<Check> {
    let today = (agent.now)().date_naive();
    let expiries = agent.tenant.graph.expiries(&agent.config.source).await;
    let expiries = expiries.into_iter();
    expiries
        .map(|graph::Expiry { key, day }| Check {
            what: key.replacen('.', ": ", 1),
            outcome: Ok(report::expires(day, today)),
        })
        .collect()
}

/// Whether each name in the job's scope means one object: a check for each that does not, and one for
/// all where nothing is wrong.
async fn test_names(agent: &Agent, job: &config::Job) -> Vec<Check> {
    let check = |outcome| Check {
        what: "source: names in the scope".to_owned(),
        outcome,
    };
    let named = names::entries(&job.rules).len();
    if named == 0 {
        return Vec::new();
    }
    match misnamed_now(&agent.tenant.graph, &agent.store, &job.rules).await {
        Ok(misnamed) if misnamed.is_empty() => {
            vec![check(Ok(format!(
                "{named} looked up, each means something"
            )))]
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
        Err(error) => vec![check(Err(Failed {
            words: error.chain(),
            remedy: match &error {
                Error::Graph(error)
                | Error::DefaultDomain { source: error, .. }
                | Error::CustomSecurityAttributes { source: error, .. } => error.remedy(),
                Error::Target(_)
                | Error::Secret { .. }
                | Error::Store(_)
                | Error::Tenant(_)
                | Error::AnotherTarget { .. }
                | Error::Stopped
                | Error::RecorderLost
                | Error::NoSuchObject { .. }
                | Error::AmbiguousObject { .. } => None,
            },
        }))],
    }
}

async fn test_target(agent: &Agent, job: &config::Job) -> Result<String, Failed> {
    let problem = |error: &Error| Failed {
        words: error.chain(),
        remedy: match error {
            Error::Target(error) => error.advice().map(str::to_owned),
            Error::Secret { key, .. } => Some(format!("correct {key}")),
            Error::Graph(_)
            | Error::DefaultDomain { .. }
            | Error::CustomSecurityAttributes { .. }
            | Error::Store(_)
            | Error::Tenant(_)
            | Error::AnotherTarget { .. }
            | Error::Stopped
            | Error::RecorderLost
            | Error::NoSuchObject { .. }
            | Error::AmbiguousObject { .. } => None,
        },
    };
    let reader = agent.reader(job).map_err(|error| problem(&error))?;
    let reader = reader.hiding(agent.redactions(job).hidden());
    match reader.test_connection().await {
        Ok(scim::Nobody::EmptyList) => Ok("answered with an empty list, as it should".to_owned()),
        Ok(scim::Nobody::NotFound) => Ok(
            "answered 404 for a user that does not exist, which counts as an empty list: a list \
             without a filter is answered"
                .to_owned(),
        ),
        Err(error) => Err(problem(&Error::Target(error))),
    }
}
