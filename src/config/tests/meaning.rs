//! What a good configuration means.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::engine::job::{ScopeMode, WhenOutOfScope};
use crate::engine::mapping::{self as engine_mapping, Apply, OnEmpty};
use crate::engine::model::{ObjectKind, TargetType, Value};

#[test]
fn a_short_configuration_has_every_default() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load_in(folder.path(), &format!("{SOURCE}{JOB}"), &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.state.path, folder.path().join("entrain.db"));
    assert_eq!(
        config.sources[0].login_url,
        "https://login.microsoftonline.com"
    );
    assert_eq!(
        config.sources[0].token_scope,
        "https://graph.microsoft.com/.default"
    );

    let job = &config.jobs[0];
    assert!(job.enabled);
    assert_eq!(job.target.base_url, "https://acme.example/scim");
    assert_eq!(job.target.concurrency, 8);
    assert_eq!(job.target.timeout, Duration::from_mins(1));
    let form = job.target.dialect.knobs.form();
    assert_eq!(form.member_remove, MemberRemove::Filter);
    assert_eq!(job.target.dialect.member_chunk, 100);
    assert!(matches!(
        job.schedule,
        Schedule::Interval { every, jitter } if every.as_secs() == 2_400 && jitter.is_zero()
    ));
    assert_eq!(job.rules.scope.mode, ScopeMode::Assigned);
    assert_eq!(job.rules.users.when_out_of_scope, WhenOutOfScope::Disable);
    assert_eq!(job.rules.limits.max_deletions, None);
    assert_eq!(job.rules.limits.max_membership_removals, None);
    assert!(job.rules.groups.enabled);
    assert_eq!(job.rules.users.mappings.len(), 22);
}

#[test]
fn a_mapping_replaces_adds_or_removes() {
    let job = job_with(
        r#"
[[jobs.users.mappings]]
target = "USERNAME"
source = "mail"
match = 1
default = "x@example.com"
[[jobs.users.mappings]]
target = "title"
remove = true
[[jobs.users.mappings]]
target = "urn:acme:2.0:User:badge"
source = "extensionAttribute3"
type = "integer"
apply = "on-create"
on_empty = "fail"
[[jobs.users.mappings]]
target = "urn:acme:2.0:User:vip"
constant = "True"
type = "boolean"
"#,
    );
    let mappings = &job.rules.users.mappings;
    let find = |path: &str| {
        mappings
            .iter()
            .find(|mapping| mapping.target.to_string() == path)
    };
    assert_eq!(mappings[0].target.to_string(), "userName");
    assert_eq!(mappings[0].default, Some(Value::text("x@example.com")));
    assert_eq!(mappings[0].on_empty, OnEmpty::Default);
    assert!(find("title").is_none());
    let badge = find("urn:acme:2.0:User:badge").unwrap();
    assert_eq!(badge.target_type, TargetType::Integer);
    assert_eq!(
        (badge.apply, badge.on_empty),
        (Apply::OnCreate, OnEmpty::Fail)
    );
    assert!(matches!(
        &badge.source,
        engine_mapping::Source::Attribute(name) if name == "onPremisesExtensionAttributes.extensionAttribute3"
    ));
    let vip = find("urn:acme:2.0:User:vip").unwrap();
    assert!(matches!(
        vip.source,
        engine_mapping::Source::Constant(Value::Boolean(true))
    ));
}

#[test]
fn select_asks_for_what_mappings_and_filters_read() {
    let job = job_with(
        r#"
[jobs.users]
filters = [ { all = [ { attribute = "employeeOrgData.costCenter", operator = "EQUALS", value = "1" } ] } ]
mappings = [ { target = "nickName", expression = 'Coalesce([extensionAttribute1], [objectId])' } ]
"#,
    );
    let users = select(&job.rules, ObjectKind::User);
    for name in [
        "id",
        "displayName",
        "userPrincipalName",
        "accountEnabled",
        "manager",
        "businessPhones",
        "employeeOrgData",
        "onPremisesExtensionAttributes",
    ] {
        assert!(users.contains(name), "{name}");
    }
    assert!(!users.contains("IsSoftDeleted") && !users.contains("objectId"));
    let groups: Vec<_> = select(&job.rules, ObjectKind::Group).into_iter().collect();
    assert_eq!(groups, ["displayName", "id", "members", "securityEnabled"]);
}

#[test]
fn the_fingerprint_changes_with_the_rules_and_with_nothing_else() {
    let base = job_with("").fingerprint;
    assert_eq!(base.len(), 64);
    let same = [
        "concurrency = 2\nrequests_per_second = 3\ntimeout = \"5s\"",
        "[jobs.safety]\nmax_deletions = \"10%\"",
        "[jobs.schedule]\ninterval = \"5m\"",
        "[jobs.users]\nactions = [\"delete\", \"update\", \"create\"]",
        "[jobs.groups]\nprovision = \"in-scope\"",
        "[jobs.users]\nmappings = [ { target = \"active\", expression = 'Switch([IsSoftDeleted],,\"False\",\"True\",\"True\",\"False\")' } ]",
    ];
    for more in same {
        assert_eq!(job_with(more).fingerprint, base, "{more}");
    }
    let other = [
        "[jobs.scope]\nmode = \"all\"",
        "[jobs.scope]\nexclude = [\"x\"]",
        "[jobs.users]\nactions = [\"create\"]\nwhen_out_of_scope = \"keep\"",
        "[jobs.groups]\nenabled = false",
        "[jobs.groups]\nprovision = [\"Sales\"]",
        "[jobs.users]\nmappings = [ { target = \"title\", source = \"department\" } ]",
        "[jobs.users]\nfilters = [ { all = [ { attribute = \"mail\", operator = \"IS NULL\" } ] } ]",
    ];
    let mut seen = BTreeSet::from([base]);
    for more in other {
        assert!(seen.insert(job_with(more).fingerprint), "{more}");
    }
}

#[test]
fn a_schedule_comes_from_the_job_else_from_all_jobs() {
    let of = |global: &str, own: &str| job_with_global(global, own).schedule;
    assert!(matches!(
        of("cron = \"0 0 6 * * *\"\ntimezone = \"Europe/Berlin\"", "jitter = \"1m\""),
        Schedule::Cron { timezone, jitter, .. }
            if timezone == chrono_tz::Europe::Berlin && jitter.as_secs() == 60
    ));
    assert!(matches!(
        of("cron = \"0 0 6 * * *\"\njitter = \"1m\"", "interval = \"10m\""),
        Schedule::Interval { every, jitter } if every.as_secs() == 600 && jitter.as_secs() == 60
    ));
}

fn job_with_global(global: &str, own: &str) -> Job {
    let text = format!("{SOURCE}[schedule]\n{global}\n{JOB}[jobs.schedule]\n{own}\n");
    load_ok(&text).jobs.remove(0)
}

#[test]
fn clouds_and_overrides_of_addresses() {
    let source = |more: &str| load_ok(&format!("{SOURCE}{more}{JOB}")).sources.remove(0);
    let dod = source("cloud = \"us-gov-dod\"\n");
    assert_eq!(dod.login_url, "https://login.microsoftonline.us");
    assert_eq!(dod.graph_url, "https://dod-graph.microsoft.us");
    let local = source(
        "login_url = \"http://127.0.0.1:8080/\"\ngraph_url = \"http://[::1]:8080/graph/\"\n",
    );
    assert_eq!(local.login_url, "http://127.0.0.1:8080");
    assert_eq!(local.graph_url, "http://[::1]:8080/graph");
    assert_eq!(local.token_scope, "https://graph.microsoft.com/.default");
}

#[test]
fn a_base_url_keeps_its_query() {
    let text = JOB.replace("example/scim", "example/scim/?aadOptscim062020");
    let config = load_ok(&format!("{SOURCE}{text}"));
    assert_eq!(
        config.jobs[0].target.base_url,
        "https://acme.example/scim?aadOptscim062020"
    );
}
