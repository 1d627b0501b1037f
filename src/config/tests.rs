//! Whole configurations, right and wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::engine::expr::functions;
use crate::engine::filter::Operator;
use crate::engine::job::{Limit, ScopeMode, WhenOutOfScope};
use crate::engine::mapping::{self as engine_mapping, Apply, OnEmpty};
use crate::engine::model::{ObjectKind, TargetType, Value};

const EXAMPLE: &str = include_str!("../../config.example.toml");

const SOURCE: &str = r#"
[source]
tenant_id = "00001111-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "ENTRAIN_CLIENT_SECRET" }
"#;

const JOB: &str = r#"
[[jobs]]
name = "acme"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://acme.example/scim"
token = { env = "ACME_TOKEN" }
"#;

/// A folder with the configuration, so that paths inside it can be tried.
fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    load_in(folder.path(), text, variables)
}

fn load_in(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let file = folder.join("entrain.toml");
    fs::write(&file, text).unwrap();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    load_with(&file, &variables).map_err(|problems| {
        // Snapshots do not know the folder.
        let shorten = |text: &str| text.replace(&format!("{}/", folder.display()), "");
        Problems(
            problems
                .0
                .into_iter()
                .map(|problem| Problem {
                    file: shorten(&problem.file.display().to_string()).into(),
                    message: shorten(&problem.message),
                    ..problem
                })
                .collect(),
        )
    })
}

/// What is told of a configuration made of a good source, a good job and more lines of that job.
fn told(more: &str) -> String {
    told_whole(&format!("{SOURCE}{JOB}{more}"))
}

fn told_whole(text: &str) -> String {
    told_with(text, &[])
}

fn told_with(text: &str, variables: &[(&str, &str)]) -> String {
    match load_text(text, variables) {
        Ok(loaded) if loaded.warnings.is_empty() => "no problem".to_owned(),
        Ok(loaded) => {
            let lines = loaded.warnings.iter().map(|warning| {
                // The folder is a temporary one.
                let text = warning.to_string();
                match text.find("entrain.toml") {
                    Some(at) => format!("warning: {}", &text[at..]),
                    None => format!("warning: {text}"),
                }
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        Err(problems) => problems.to_string(),
    }
}

fn load_ok(text: &str) -> Config {
    load_text(text, &[])
        .unwrap_or_else(|err| panic!("{err}"))
        .config
}

fn job_with(more: &str) -> Job {
    let mut config = load_ok(&format!("{SOURCE}{JOB}{more}"));
    config.jobs.remove(0)
}

#[test]
fn a_short_configuration_has_every_default() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load_in(folder.path(), &format!("{SOURCE}{JOB}"), &[]).unwrap();
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.state_path, folder.path().join("entrain.db"));
    assert_eq!(config.source.login_url, "https://login.microsoftonline.com");
    assert_eq!(
        config.source.token_scope,
        "https://graph.microsoft.com/.default"
    );

    let job = &config.jobs[0];
    assert!(job.enabled);
    assert_eq!(job.target.base_url, "https://acme.example/scim");
    assert_eq!(job.target.concurrency, 8);
    assert_eq!(job.target.timeout, Duration::from_mins(1));
    assert_eq!(job.target.dialect.member_remove, MemberRemove::Filter);
    assert_eq!(job.target.dialect.member_chunk, 100);
    assert!(matches!(
        job.schedule,
        Schedule::Interval { every, jitter } if every.as_secs() == 2_400 && jitter.is_zero()
    ));
    assert_eq!(job.rules.scope.mode, ScopeMode::Assigned);
    assert_eq!(job.rules.users.when_out_of_scope, WhenOutOfScope::Disable);
    assert_eq!(job.rules.limits.max_deletions, Limit::Count(500));
    assert!(job.rules.groups.enabled);
    assert_eq!(job.rules.users.mappings.len(), 22);
}

#[test]
fn the_example_loads_without_a_problem() {
    assert_eq!(told_whole(EXAMPLE), "no problem");
}

/// The keys of each section of the example, those in comments included.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let line_start = line.split_whitespace().next().unwrap_or_default();
        if line_start.starts_with('[') && line_start.ends_with(']') {
            section = line_start.trim_matches(['[', ']']).to_owned();
            if !section.contains('.') {
                keys.entry(String::new())
                    .or_default()
                    .insert(section.clone());
            }
            for (at, _) in section.match_indices('.') {
                let (outer, inner) = (&section[..at], &section[at + 1..]);
                let inner = inner.split('.').next().unwrap().to_owned();
                keys.entry(outer.to_owned()).or_default().insert(inner);
            }
            continue;
        }
        if let Some((key, _)) = line.split_once(" =").filter(|(key, _)| {
            key.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !key.is_empty()
        }) {
            keys.entry(section.clone())
                .or_default()
                .insert(key.to_owned());
        }
        // Inline tables of filters.
        for (part, inside) in [("name", "filters"), ("all", "filters")] {
            if section.starts_with("jobs.") && line.contains(&format!("{part} = ")) {
                keys.entry(format!("jobs.users.{inside}"))
                    .or_default()
                    .insert(part.to_owned());
            }
        }
        for part in ["attribute", "operator", "value", "full"] {
            if line.contains(&format!("{part} = ")) {
                let clauses = keys.entry("jobs.users.filters.all".to_owned()).or_default();
                clauses.insert(part.to_owned());
            }
        }
    }
    keys
}

#[test]
fn the_example_documents_every_key() {
    let documented = documented();
    for section in file::SECTIONS {
        for key in section.keys {
            let found = documented
                .get(section.name)
                .is_some_and(|keys| keys.contains(*key));
            assert!(
                found,
                "[{}] {key} is not in config.example.toml",
                section.name
            );
        }
        for (key, _) in section.later {
            assert!(EXAMPLE.contains(key), "{key} is not in config.example.toml");
        }
    }
    for key in reader::SECRET_KEYS {
        assert!(EXAMPLE.contains(&format!("{{ {key} = ")), "{key}");
    }
}

/// A commented key, taken out of its comment, contradicts a neighbour at worst.
#[test]
fn every_commented_key_of_the_example_is_a_key() {
    let lines: Vec<_> = EXAMPLE.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(key_line) = line.strip_prefix("# ").filter(|line| {
            line.split_once(" =")
                .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        }) else {
            continue;
        };
        tried += 1;
        let mut lines = lines.clone();
        lines[index] = key_line;
        for line in &mut lines {
            if line.starts_with("# [jobs.schedule]") {
                *line = "[jobs.schedule]";
            }
        }
        let told = told_whole(&lines.join("\n"));
        let harmless = [
            "no problem",
            "interval and cron are both set",
            "a time zone means nothing to an interval",
            "named in several ways",
            "the mode is not \"groups\"",
            "there is no file",
        ];
        assert!(
            harmless.iter().any(|harmless| told.contains(harmless)),
            "{key_line}\n{told}"
        );
    }
    assert!(tried > 25, "{tried}");
}

/// That each row is proven is checked where the tests can be seen, in `tests/it/eval.rs`.
#[test]
fn the_parity_page_has_every_function_operator_and_option() {
    let page = include_str!("../../docs/entra-parity.md");
    let section = |title: &str| {
        let (_, section) = page.split_once(&format!("\n## {title}\n")).unwrap();
        section.split("\n## ").next().unwrap()
    };
    let table = section("Functions");
    let rows = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, functions().len());
    for function in functions() {
        assert!(
            table.contains(&format!("\n| `{}` |", function.name)),
            "{}",
            function.name
        );
    }
    let table = section("The language");
    for operator in ["=", "<>", "<", "<=", ">", ">="] {
        assert!(table.contains(&format!("\n| `{operator}` |")), "{operator}");
    }
    let table = section("Operators of scoping filters");
    for operator in Operator::ALL {
        assert!(table.contains(&format!("\n| `{operator}` |")), "{operator}");
    }
    let table = section("Options of a mapping");
    let sections = file::SECTIONS.iter();
    let mapping =
        sections.filter(|section| matches!(section.name, "jobs.users" | "jobs.users.mappings"));
    for key in mapping
        .flat_map(|section| section.keys)
        .filter(|key| **key != "mappings")
    {
        assert!(table.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn a_preset_is_outlined() {
    let wizer = preset::outline("wizer").unwrap();
    assert_eq!(wizer.users.matching.len(), 3);
    assert_eq!(wizer.users.matching[0], "externalId");
    assert!(wizer.users.enabled && !wizer.groups.enabled);
    assert_eq!(preset::names().filter_map(preset::outline).count(), 5);
}

#[test]
fn every_preset_loads_and_knows_its_target() {
    let warnings = |name: &str, more: &str| {
        let text = format!(
            "{SOURCE}{}{more}",
            JOB.replace(
                "[jobs.target]",
                &format!("preset = \"{name}\"\n[jobs.target]")
            )
        );
        let loaded = load_text(&text, &[]).unwrap_or_else(|err| panic!("{name}: {err}"));
        (
            loaded.config.jobs.into_iter().next().unwrap(),
            loaded.warnings,
        )
    };
    for name in preset::names() {
        warnings(name, "");
        assert!(
            preset::text(name).unwrap().starts_with("# "),
            "{name} names its source"
        );
        assert!(preset::title(name).is_some());
    }
    let matching = |job: &Job| {
        let mut matching: Vec<_> = job
            .rules
            .users
            .mappings
            .iter()
            .filter_map(|mapping| Some((mapping.matching?, mapping.target.to_string())))
            .collect();
        matching.sort();
        matching
    };
    let (wizer, told) = warnings("wizer", "");
    assert_eq!(told, []);
    assert!(!wizer.rules.groups.enabled);
    assert_eq!(
        matching(&wizer),
        [
            (1, "externalId".to_owned()),
            (2, "emails[type eq \"work\"].value".to_owned()),
            (3, "userName".to_owned()),
        ]
    );
    let (sosafe, told) = warnings("sosafe", "");
    assert_eq!(matching(&sosafe), [(1, "userName".to_owned())]);
    assert_eq!(told.len(), 1);
    assert!(told[0].message.contains("one group only"));
    assert_eq!(
        sosafe.target.dialect.filterable.as_deref(),
        Some(&["userName".to_owned(), "displayName".to_owned()][..])
    );
    let (wss, _) = warnings("symantec-wss", "");
    assert!(wss.rules.scope.exclude_default_access && wss.rules.groups.enabled);
    let (cse, _) = warnings("sonicwall-cse", "");
    assert!(cse.rules.users.enabled && !cse.rules.groups.enabled);
}

#[test]
fn the_generic_preset_is_the_documented_table() {
    let job = job_with("");
    let table = |kind| {
        let rules = job.rules.rules(kind);
        let lines = rules.mappings.iter().map(|mapping| {
            let source = match &mapping.source {
                engine_mapping::Source::Attribute(name) => name.clone(),
                engine_mapping::Source::Expression(expression) => expression.to_string(),
                engine_mapping::Source::Constant(_) | engine_mapping::Source::None => panic!(),
            };
            let target = mapping.target.to_string();
            let target = target.replace(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                "enterprise",
            );
            format!("{target} <- {source}\n")
        });
        lines.collect::<String>()
    };
    insta::assert_snapshot!(table(ObjectKind::User), @r##"
userName <- userPrincipalName
active <- Switch([IsSoftDeleted], , "False", "True", "True", "False")
displayName <- displayName
title <- jobTitle
emails[type eq "work"].value <- mail
preferredLanguage <- preferredLanguage
name.givenName <- givenName
name.familyName <- surname
name.formatted <- Join(" ", [givenName], [surname])
addresses[type eq "work"].formatted <- officeLocation
addresses[type eq "work"].streetAddress <- streetAddress
addresses[type eq "work"].locality <- city
addresses[type eq "work"].region <- state
addresses[type eq "work"].postalCode <- postalCode
addresses[type eq "work"].country <- country
phoneNumbers[type eq "work"].value <- businessPhones[0]
phoneNumbers[type eq "mobile"].value <- mobilePhone
phoneNumbers[type eq "fax"].value <- faxNumber
externalId <- mailNickname
enterprise:employeeNumber <- employeeId
enterprise:department <- department
enterprise:manager <- manager
"##);
    insta::assert_snapshot!(table(ObjectKind::Group), @r##"
displayName <- displayName
externalId <- id
members <- members
"##);
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
    let source = |more: &str| load_ok(&format!("{SOURCE}{more}{JOB}")).source;
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

#[test]
fn the_environment_overrides_by_index_and_by_name() {
    let text = format!("{SOURCE}{}", JOB.replace("\"acme\"", "\"acme-eu\""));
    let loaded = load_text(
        &text,
        &[
            ("ENTRAIN_CONFIG", "elsewhere.toml"),
            ("ENTRAIN_CLIENT_SECRET", "hunter2"),
            ("ENTRAIN_SOURCE__CLOUD", "china"),
            (
                "ENTRAIN_JOBS__ACME_EU__TARGET__BASE_URL",
                "http://localhost:1/scim",
            ),
            ("ENTRAIN_JOBS__0__TARGET__CONCURRENCY", "3"),
            ("ENTRAIN_JOBS__0__SCOPE__EXCLUDE", "[\"a\", \"b\"]"),
            ("ENTRAIN_JOBS__0__TARGET__TOKEN__ENV", "OTHER"),
            ("ENTRAIN_STATE__PATH", "007"),
        ],
    );
    let config = loaded.unwrap_or_else(|err| panic!("{err}")).config;
    assert_eq!(
        config.source.graph_url,
        "https://microsoftgraph.chinacloudapi.cn"
    );
    assert!(config.state_path.ends_with("007"));
    let job = &config.jobs[0];
    assert_eq!(job.target.base_url, "http://localhost:1/scim");
    assert_eq!(job.target.concurrency, 3);
    assert_eq!(job.target.token, Secret::Env("OTHER".to_owned()));
    assert_eq!(job.rules.scope.exclude, ["a", "b"]);
}

#[test]
fn an_override_drives_out_what_excludes_it() {
    let text = format!("{SOURCE}[schedule]\ninterval = \"5m\"\n{JOB}");
    let loaded = load_text(
        &text,
        &[
            ("ENTRAIN_SOURCE__CLIENT_SECRET__FILE", "/run/secret"),
            ("ENTRAIN_SCHEDULE__CRON", "0 0 6 * * *"),
            ("ENTRAIN_JOBS__0__APPLICATION", "{display_name=\"123\"}"),
        ],
    );
    let config = loaded.unwrap_or_else(|err| panic!("{err}")).config;
    assert_eq!(
        config.source.client_secret,
        Secret::File("/run/secret".into())
    );
    let job = &config.jobs[0];
    assert_eq!(job.application, Application::DisplayName("123".to_owned()));
    assert!(matches!(job.schedule, Schedule::Cron { .. }));
}

#[test]
fn a_wrong_override_names_the_variable() {
    let text = format!("{SOURCE}{JOB}[jobs.scope]\nexclude = [\"a\"]\n");
    insta::assert_snapshot!(told_with(&text, &[
        ("ENTRAIN_JOBS__ACME__TARGET__TIMEOUT", "soon"),
        ("ENTRAIN_JOBS__ACNE__TARGET__TIMEOUT", "5s"),
        ("ENTRAIN_JOBS__7__ENABLED", "false"),
        ("ENTRAIN_SOURCE__CLIENT_SECRET", "hunter2"),
        ("ENTRAIN_SAUCE__X", "1"),
        ("ENTRAIN_JOBS__ACME__SCOPE__EXCLUDE__0", "x"),
    ]), @r##"
ENTRAIN_JOBS__ACNE__TARGET__TIMEOUT: there is no job named acne
    did you mean ACME?
ENTRAIN_JOBS__7__ENABLED: there is no element 7: the list has 1
    elements are counted from 0
ENTRAIN_JOBS__ACME__SCOPE__EXCLUDE__0: a list of plain values is overridden as a whole
    leave the index out and write all of it, as in ["one", "two"]
ENTRAIN_SAUCE__X: sauce: there is no such key
    did you mean source?
ENTRAIN_SOURCE__CLIENT_SECRET: source.client_secret: a secret is never written in the configuration
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
ENTRAIN_JOBS__ACME__TARGET__TIMEOUT: jobs.acme.target.timeout: "soon" is no length of time
    write it like "90s", "40m" or "1h30m"
"##);
}

#[test]
fn syntax_errors_tell_the_place() {
    insta::assert_snapshot!(told_whole("[source]\ntenant_id = abc\n"), @r##"
entrain.toml:2: not valid TOML at column 13: invalid string; expected `"`, `'`
    correct the line; text stands in quotes, and a key occurs once
"##);
    insta::assert_snapshot!(told_whole("[source]\na = 1\na = 2\n"), @r##"
entrain.toml:3: not valid TOML at column 1: duplicate key `a` in table `source`
    correct the line; text stands in quotes, and a key occurs once
"##);
    insta::assert_snapshot!(told_whole("[source\n"), @r##"
entrain.toml:1: not valid TOML at column 8: invalid table header; expected `.`, `]`
    correct the line; text stands in quotes, and a key occurs once
"##);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let missing = load_with(Path::new("/nonexistent/entrain.toml"), &[]).unwrap_err();
    insta::assert_snapshot!(missing, @r##"
/nonexistent/entrain.toml: the configuration cannot be read: No such file or directory (os error 2)
    correct the path or the file's permissions
"##);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entrain.toml");
    fs::write(&path, b"[state]\n\xff\n").unwrap();
    let problems = load_with(&path, &[]).unwrap_err();
    assert_eq!(problems.0[0].line, Some(2));
    assert_eq!(problems.0[0].message, "the file is not UTF-8 from here on");
}

#[test]
fn the_file_is_searched_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let existing = folder.path().join("entrain.toml");
    fs::write(&existing, "").unwrap();
    let existing = existing.to_str().unwrap();
    let find = |explicit: Option<&str>, variable: Option<&str>, places: &[&str]| {
        find_among(explicit.map(Path::new), variable.map(str::to_owned), places)
            .map(|path| path.display().to_string())
    };
    assert_eq!(
        find(Some("a.toml"), Some("b.toml"), &[existing]).unwrap(),
        "a.toml"
    );
    assert_eq!(find(None, Some("b.toml"), &[existing]).unwrap(), "b.toml");
    assert_eq!(
        find(None, None, &["/nonexistent/x", existing]).unwrap(),
        existing
    );
    insta::assert_snapshot!(find(None, None, &["/nonexistent/x"]).unwrap_err(), @r##"
/nonexistent/x: no configuration was found; looked for /nonexistent/x
    name it with --config or ENTRAIN_CONFIG; entrain init writes one
"##);
}

#[test]
fn what_is_missing_is_told_at_once() {
    insta::assert_snapshot!(told_whole(""), @r##"
entrain.toml: jobs: no job is configured
    add a section [[jobs]]
entrain.toml: source: missing
    add a section [source] with tenant_id, client_id and client_secret
"##);
    insta::assert_snapshot!(told_whole("[source]\n[[jobs]]\n[jobs.target]\n[[jobs]]\nname = \"b\"\napplication = {}\n"), @r##"
entrain.toml:1: source.tenant_id: missing
    write the tenant's id, as the overview page of Microsoft Entra shows it
entrain.toml:1: source.client_id: missing
    write the application (client) id of the app registration that reads the tenant
entrain.toml:1: source.client_secret: missing
    use client_secret = { env = "NAME" }
entrain.toml:2: jobs[0].name: missing
    add name = "…", by which commands address the job
entrain.toml:2: jobs[0].application: missing
    write application = { app_id = "…" }, or one of service_principal_id and display_name instead
entrain.toml:3: jobs[0].target.base_url: missing
    add base_url = "https://…", the target's SCIM address (Entra calls it Tenant URL)
entrain.toml:3: jobs[0].target.token: missing
    add token = { env = "NAME" } (Entra calls it Secret Token)
entrain.toml:4: jobs.b.target: missing
    add a section [jobs.target] with base_url and token
entrain.toml:6: jobs.b.application: nothing says which application is meant
    write application = { app_id = "…" }, or one of service_principal_id and display_name instead
"##);
}

#[test]
fn unknown_keys_name_the_nearest_or_their_home() {
    insta::assert_snapshot!(told(r#"
concurency = 4
interval = "5m"
[jobs.scopes]
[jobs.users]
zzz = 1
"#), @r##"
entrain.toml:14: jobs.acme.target.concurency: there is no such key
    did you mean concurrency?
entrain.toml:15: jobs.acme.target.interval: there is no such key
    the key belongs in [schedule]
entrain.toml:16: jobs.acme.scopes: there is no such key
    did you mean scope?
entrain.toml:18: jobs.acme.users.zzz: there is no such key
    the keys here are enabled, actions, when_out_of_scope, filters, mappings
"##);
}

#[test]
fn what_comes_later_is_refused_as_such() {
    insta::assert_snapshot!(told_whole(r#"
[source]
tenant_id = "contoso.onmicrosoft.com"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
managed_identity = true
federated_token_file = "x"
client_certificate = { certificate = { file = "x" } }
[[jobs]]
name = "a"
application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }
[jobs.target]
base_url = "https://acme.example/scim"
oauth = {}
"#), @r##"
entrain.toml:5: source.managed_identity: not available in this version
    use client_secret = { env = "NAME" }
entrain.toml:6: source.federated_token_file: not available in this version
    use client_secret = { env = "NAME" }
entrain.toml:7: source.client_certificate: not available in this version
    use client_secret = { env = "NAME" }
entrain.toml:13: jobs.a.target.oauth: not available in this version
    use token = { env = "NAME" }
"##);
}

#[test]
fn sections_of_later_versions_are_told_to_be_without_effect() {
    insta::assert_snapshot!(told("[web]\nlisten = \"127.0.0.1:8740\"\n[notify]\n"), @r##"
warning: entrain.toml:13: web: without effect in this version
    there is no status page yet: use the command status
warning: entrain.toml:15: notify: without effect in this version
    nobody is notified yet: watch exit codes and the log
"##);
}

#[test]
fn wrong_types_and_values_are_told() {
    insta::assert_snapshot!(told_whole(r#"
state = "entrain.db"
[source]
tenant_id = "common"
client_id = "My App"
client_secret = "hunter2"
cloud = "german"
login_url = "https://login.microsoftonline.com/common/oauth2"
graph_url = "http://graph.example/v1.0"
[[jobs]]
name = "my job"
enabled = "yes"
preset = "wiser"
application = { app_id = "x", display_name = "y" }
[jobs.target]
base_url = "acme.example/scim"
token = { file = "a", env = "b" }
concurrency = 0
requests_per_second = "ten"
timeout = "60"
filterable = "userName"
member_remove = "list"
page_size = 2026-01-01
[jobs.safety]
max_deletions = "ten"
"#), @r##"
entrain.toml:2: state: a table expected, found text
    write a section [state] or state = { … }
entrain.toml:4: source.tenant_id: common is no tenant: an agent signs in to one tenant of its own
    write the tenant's id, or a domain of it such as "contoso.onmicrosoft.com"
entrain.toml:5: source.client_id: this is not an id of the form 00000000-0000-0000-0000-000000000000
    copy the application (client) id of the app registration
entrain.toml:6: source.client_secret: a secret is never written in the configuration
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
entrain.toml:7: source.cloud: "german" is none of the words that can stand here
    write one of: global, us-gov, us-gov-dod, china
entrain.toml:8: source.login_url: the address ends in oauth2
    leave tenant and version out, as in "https://login.microsoftonline.com"
entrain.toml:9: source.graph_url: plain http would send the token in the clear to graph.example
    write https://; plain http is for localhost only
entrain.toml:11: jobs.my job.name: "my job" cannot be typed as a job's name
    use at most 64 letters, digits, hyphens, dots and underscores
entrain.toml:12: jobs.my job.enabled: true or false expected, found text
    write true or false, without quotes
entrain.toml:13: jobs.my job.preset: there is no preset "wiser"
    did you mean wizer?
    a preset of your own is a path, such as "./wiser.toml"
entrain.toml:14: jobs.my job.application: the application is named in several ways
    keep one of app_id, service_principal_id and display_name
entrain.toml:16: jobs.my job.target.base_url: this is not an address: relative URL without a base
    write it in full, as in "https://example.com/scim"
entrain.toml:17: jobs.my job.target.token: several places are given for one secret
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
entrain.toml:18: jobs.my job.target.concurrency: 0 is too small
    write a whole number of at least 1, without quotes
entrain.toml:19: jobs.my job.target.requests_per_second: a number expected, found text
    write a number above 0, without quotes
entrain.toml:20: jobs.my job.target.timeout: "60" is no length of time
    write it like "90s", "40m" or "1h30m"
entrain.toml:21: jobs.my job.target.filterable: a list of texts expected, found text
    write a list such as ["one", "two"]
entrain.toml:22: jobs.my job.target.member_remove: "list" is none of the words that can stand here
    write one of: filter, value-list
entrain.toml:23: jobs.my job.target.page_size: a whole number expected, found a date without quotes
    write a whole number of at least 1, without quotes
entrain.toml:25: jobs.my job.safety.max_deletions: "ten" is neither a number nor a share
    write a number such as 500, or a share such as "10%"
"##);
}

#[test]
fn addresses_must_be_safe() {
    let with = |url: &str| {
        let told = told_whole(&format!(
            "{SOURCE}{}",
            JOB.replace("https://acme.example/scim", url)
        ));
        assert!(!told.contains("hunter2"), "{told}");
        told.lines().next().unwrap().to_owned()
    };
    insta::assert_snapshot!([
        "http://acme.example/scim",
        "http://127.0.0.2:80",
        "ftp://acme.example",
        "https://",
        "https://me:hunter2@acme.example/scim",
        "https://acme.example/scim#x",
        "https://acme.example/scim/Users",
    ].map(with).join("\n"), @r##"
entrain.toml:11: jobs.acme.target.base_url: plain http would send the token in the clear to acme.example
no problem
entrain.toml:11: jobs.acme.target.base_url: ftp is no protocol for this
entrain.toml:11: jobs.acme.target.base_url: this is not an address: empty host
entrain.toml:11: jobs.acme.target.base_url: the address carries a user name or password
entrain.toml:11: jobs.acme.target.base_url: the address carries a fragment
entrain.toml:11: jobs.acme.target.base_url: the address is that of one list, not of the SCIM service
"##);
}

#[test]
fn contradictions_are_told() {
    insta::assert_snapshot!(told_whole(&format!(r#"{SOURCE}
[schedule]
interval = "40m"
cron = "0 * * * *"
{JOB}
[jobs.schedule]
interval = "5m"
timezone = "UTC"
[jobs.scope]
mode = "all"
groups = ["x"]
exclude_default_access = true
[jobs.users]
actions = ["create", "update"]
when_out_of_scope = "delete"
[jobs.groups]
actions = []
{}
[jobs.scope]
mode = "groups"
"#, JOB.replace("acme\"", "ACME\""))), @r##"
entrain.toml:9: schedule.cron: interval and cron are both set
    remove one of them
entrain.toml:9: schedule.cron: not a cron expression:
    0 * * * *
             ^
    seconds come first here: "0 0 * * * *"
entrain.toml:20: jobs.acme.schedule.timezone: a time zone means nothing to an interval
    use cron instead of interval, or remove timezone
entrain.toml:23: jobs.acme.scope.groups: groups are named, but the mode is not "groups"
    write mode = "groups", or remove groups
entrain.toml:24: jobs.acme.scope.exclude_default_access: the Default Access role comes from assignments, which this mode does not look at
    write mode = "assigned", or remove exclude_default_access
entrain.toml:27: jobs.acme.users.when_out_of_scope: who leaves scope is to be deleted, but the actions do not allow it
    add "delete" to actions, or write when_out_of_scope = "disable" or "keep"
entrain.toml:29: jobs.acme.groups.actions: no action is allowed
    name create, update or delete; or write enabled = false
entrain.toml:32: jobs.ACME.name: another job has this name, at line 12
    give each job a name of its own; upper and lower case do not count
entrain.toml:38: jobs.ACME.scope.groups: mode = "groups" needs to know which
    add groups = ["id or display name"]
"##);
}

#[test]
fn schedules_must_make_sense() {
    let with = |schedule: &str| told_whole(&format!("{SOURCE}[schedule]\n{schedule}\n{JOB}"));
    insta::assert_snapshot!([
        with("cron = \"0 * * * *\""),
        with("cron = \"0 61 * * * *\""),
        with("cron = \"0 0 * * * *\"\ntimezone = \"Europe/Berlim\""),
        with("interval = \"0s\""),
        with("interval = \"5m\"\njitter = \"5m\""),
        with("jitter = \"a while\""),
    ].join("\n"), @r##"
entrain.toml:7: schedule.cron: not a cron expression:
    0 * * * *
             ^
    seconds come first here: "0 0 * * * *"
entrain.toml:7: schedule.cron: not a cron expression:
    0 61 * * * *
      ^
    Minutes must be less than 59. ('61' specified.)
    write second, minute, hour, day, month and weekday, as in "0 0 * * * *"
entrain.toml:8: schedule.timezone: there is no time zone "Europe/Berlim"
    did you mean Europe/Berlin?
entrain.toml:7: schedule.interval: it must be longer than nothing
    write it like "90s", "40m" or "1h30m"
entrain.toml:8: schedule.jitter: the jitter is as long as the interval itself
    make it shorter than the interval
entrain.toml:7: schedule.jitter: "a while" is no length of time
    write it like "90s", "40m" or "1h30m"
"##);
}

#[test]
fn mappings_are_checked_against_source_and_target() {
    insta::assert_snapshot!(told(r#"
[jobs.users]
mappings = [
    { target = 'title', source = "jobtitle" },
    { target = 'title', source = "jobTitle" },
    { target = 'name.familyName', source = "signInActivity" },
    { target = 'id', source = "objectId" },
    { target = 'emials[type eq "work"].value', source = "mail" },
    { target = 'emails[type = "home"].value', source = "mail" },
    { target = 'emails', source = "mail" },
    { target = 'nickName', source = "otherMails" },
    { target = 'displayName', source = "manager" },
    { target = 'name.givenName', source = "employeeOrgData" },
    { target = 'userType', source = "appRoleAssignments" },
    { target = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager', source = "mail" },
    { target = 'urn:acme:User:vip', constant = "abc", type = "boolean" },
    { target = 'urn:acme:User:level', constant = 1.5, type = "integer" },
    { target = 'urn:acme:User:since', default = "soon", source = "createdDateTime", type = "date" },
    { target = 'profileUrl', constant = "x", source = "mail" },
    { target = 'locale' },
    { target = 'timezone', remove = true },
    { target = 'externalId', source = "mailNickname", match = 1 },
    { target = 'preferredLanguage', source = "preferredLanguage", on_empty = "default", apply = "never" },
]
"#), @r##"
entrain.toml:16: jobs.acme.users.mappings[0].source: user attribute jobtitle: there is no source attribute of this name
    did you mean jobTitle?
entrain.toml:17: jobs.acme.users.mappings[1].target: title is mapped twice, first at line 16
    keep one of the two
entrain.toml:18: jobs.acme.users.mappings[2].source: user attribute signInActivity: this attribute cannot be read: delta queries refuse it
    map another attribute
entrain.toml:19: jobs.acme.users.mappings[3].target: id must not be mapped: the target makes ids itself
    remove the mapping
entrain.toml:20: jobs.acme.users.mappings[4].target: SCIM knows no attribute emials[type eq "work"].value of users
    did you mean emails? If the target has this attribute, say its type, as in type = "string"
entrain.toml:21: jobs.acme.users.mappings[5].target: "emails[type = \"home\"].value" is not a target attribute: the operator eq expected at column 13
    write it like userName, name.givenName or emails[type eq "work"].value
entrain.toml:22: jobs.acme.users.mappings[6].source: mail is text, emails takes an object with sub-attributes
    name the sub-attribute, as in emails[type eq "work"].value
entrain.toml:23: jobs.acme.users.mappings[7].source: otherMails is a list, nickName takes one value
    write otherMails[0], or choose in an expression with Item or Join
entrain.toml:24: jobs.acme.users.mappings[8].source: manager is a reference to another object, displayName takes text
    say type = "reference" if the target keeps an id there
entrain.toml:25: jobs.acme.users.mappings[9].source: employeeOrgData is an object with members, name.givenName takes text
    name one of its members, such as employeeOrgData.division
entrain.toml:26: jobs.acme.users.mappings[10].source: appRoleAssignments is a list of roles, userType takes text
    write expression = 'AssertiveAppRoleAssignmentsComplex([appRoleAssignments])' or 'SingleAppRoleAssignment([appRoleAssignments])'
entrain.toml:27: jobs.acme.users.mappings[11].source: mail is text, urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager takes a reference
    map manager or members, or say type = "string" if the target keeps text there
entrain.toml:28: jobs.acme.users.mappings[12].constant: the target takes a Boolean, not "abc"
    write true or false
entrain.toml:29: jobs.acme.users.mappings[13].constant: the target takes a whole number, not a fraction
    write a whole number without quotes
entrain.toml:30: jobs.acme.users.mappings[14].type: "date" is none of the words that can stand here
    write one of: string, boolean, integer, datetime, reference, binary, complex
entrain.toml:31: jobs.acme.users.mappings[15].source: source and constant are set together
    keep one of them
entrain.toml:32: jobs.acme.users.mappings[16]: nothing says where the value comes from
    add one of source, expression, constant and none = true; or remove = true to drop the preset's mapping
entrain.toml:33: jobs.acme.users.mappings[17]: the preset has no mapping of timezone to remove
    leave the mapping out
entrain.toml:34: jobs.acme.users.mappings[18].match: userName and externalId have the same matching precedence 1
    give each a precedence of its own, or drop match from one of them
entrain.toml:35: jobs.acme.users.mappings[19].on_empty: there is no default to fall back to
    add default = "…", or write keep, clear or fail
entrain.toml:35: jobs.acme.users.mappings[19].apply: "never" is none of the words that can stand here
    write one of: always, on-create
"##);
}

#[test]
fn an_expression_error_has_a_caret_and_its_own_line() {
    insta::assert_snapshot!(told(r#"
[[jobs.users.mappings]]
target = "title"
expression = 'Joyn(" ", [givenName])'
[[jobs.users.mappings]]
target = "nickName"
expression = '''
Join(" ",
  [givenName],
  [surnam])
'''
[[jobs.users.mappings]]
target = "displayName"
expression = '[aboutMe]'
[[jobs.groups.mappings]]
target = "members"
expression = '[members]'
"#), @r##"
entrain.toml:16: jobs.acme.users.mappings[0].expression: unknown function Joyn (line 1, column 1)
      |
    1 | Joyn(" ", [givenName])
      | ^^^^ did you mean Join?
    correct the expression; entrain eval tries it out
entrain.toml:22: jobs.acme.users.mappings[1].expression: unknown attribute surnam (line 3, column 3)
      |
    3 |   [surnam])
      |   ^^^^^^^^ did you mean [surname]?
    correct the expression; entrain eval tries it out
entrain.toml:26: jobs.acme.users.mappings[2].expression: user attribute aboutMe: this attribute cannot be read: it is kept in SharePoint, and delta queries do not tell it
    map another attribute
entrain.toml:29: jobs.acme.groups.mappings[0].expression: members is a reference, which an expression cannot make
    write source = "members"
"##);
}

#[test]
fn matching_must_be_possible() {
    insta::assert_snapshot!([
        told("[jobs.users]\nmappings = [ { target = \"userName\", source = \"mail\" } ]"),
        told("filterable = [\"externalId\", \"displayName\"]"),
        told("[jobs.users]\nmappings = [ { target = \"userName\", constant = \"x\", match = 1 } ]"),
        told("[jobs.users]\nmappings = [ { target = \"externalId\", expression = 'Guid()', match = 2 } ]"),
    ].join("\n"), @r##"
entrain.toml:14: jobs.acme.users.mappings: no mapping of users matches: existing ones would be created again
    add match = 1 to the mapping of userName or of another unique attribute
entrain.toml:7: jobs.acme.users.mappings: userName cannot match: the target does not filter by it
    match one of externalId, displayName, or add it to target.filterable
entrain.toml:14: jobs.acme.users.mappings[0].match: an attribute with the same value for everyone cannot match
    drop match, or map a source attribute
entrain.toml:14: jobs.acme.users.mappings[0].match: a value that differs each time cannot match
    drop match, or leave Now, Guid and RandomString out of the expression
"##);
}

#[test]
fn of_two_equal_precedences_the_one_in_the_configuration_is_told() {
    let text = JOB.replace("[jobs.target]", "preset = \"wizer\"\n[jobs.target]");
    insta::assert_snapshot!(told_whole(&format!(r#"{SOURCE}{text}
[[jobs.users.mappings]]
target = "externalId"
source = "employeeId"
match = 3
[[jobs.users.mappings]]
target = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
source = "manager"
match = 4
"#)), @r##"
entrain.toml:18: jobs.acme.users.mappings[0].match: externalId and userName have the same matching precedence 3
    give each a precedence of its own, or drop match from one of them
entrain.toml:22: jobs.acme.users.mappings[1].match: urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager cannot match: only a single plain value can be searched for
    drop match, or map a sub-attribute such as emails[type eq "work"].value
"##);
}

#[cfg(unix)]
#[test]
fn a_secret_that_everyone_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "hunter2").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let text = JOB.replace("env = \"ACME_TOKEN\"", "file = \"token\"");
    let loaded = load_in(folder.path(), &format!("{SOURCE}{text}"), &[]).unwrap();
    assert_eq!(loaded.config.jobs[0].target.token, Secret::File(token));
    assert_eq!(loaded.warnings.len(), 1);
    assert!(
        loaded.warnings[0]
            .message
            .starts_with("everyone on this machine may read")
    );
    assert_eq!(loaded.warnings[0].line, Some(12));
}

#[test]
fn filters_are_checked() {
    insta::assert_snapshot!(told(r#"
[jobs.users]
filters = [
    { all = [] },
    { name = "x", all = [
        { attribute = "departmnt", operator = "EQUALS", value = "Sales" },
        { attribute = "department", operator = "EQUAL", value = "Sales" },
        { attribute = "department", operator = "IsMemberOf", value = "Sales" },
        { attribute = "department", operator = "IS NULL", value = "Sales" },
        { attribute = "department", operator = "EQUALS" },
        { attribute = "department", operator = "REGEX MATCH", value = "(" },
        { attribute = "accountEnabled", operator = "EQUALS", value = true },
        { attribute = "manager", operator = "IS TRUE" },
        { attribute = "IsSoftDeleted", operator = "IS TRUE" },
        { attribute = "employeeId", operator = "GREATER_THAN", value = "ten" },
        { attribute = "department", operator = "EQUALS", value = "x", full = true, case = false },
        { attribute = "employeeId", operator = "greater than", value = 10 },
    ] },
]
"#), @r##"
entrain.toml:16: jobs.acme.users.filters[0]: the group has no clause, so everything passes
    add all = [ { attribute = "…", operator = "…", value = "…" } ], or remove the group
entrain.toml:18: jobs.acme.users.filters[1].all[0].attribute: user attribute departmnt: there is no source attribute of this name
    did you mean department?
entrain.toml:19: jobs.acme.users.filters[1].all[1].operator: there is no operator EQUAL
    did you mean EQUALS?
entrain.toml:20: jobs.acme.users.filters[1].all[2].operator: there is no operator IsMemberOf
    the operators are EQUALS, NOT EQUALS, IS TRUE, IS FALSE, IS NULL, IS NOT NULL, REGEX MATCH, NOT REGEX MATCH, GREATER_THAN, GREATER_THAN_OR_EQUALS, INCLUDES, ENDS_WITH, &, !&
entrain.toml:21: jobs.acme.users.filters[1].all[3].operator: IS NULL takes no value
    remove the value
entrain.toml:22: jobs.acme.users.filters[1].all[4].operator: EQUALS needs a value to compare with
    add value = "…"
entrain.toml:23: jobs.acme.users.filters[1].all[5].value: the pattern cannot be read: Parsing error at position 1: Opening parenthesis without closing parenthesis
    correct the regular expression
entrain.toml:24: jobs.acme.users.filters[1].all[6].operator: EQUALS cannot be used on a Boolean
    use IS TRUE or IS FALSE
entrain.toml:25: jobs.acme.users.filters[1].all[7].operator: IS TRUE cannot be used on a reference to another object
    use EQUALS with an object id, or IS NULL
entrain.toml:26: jobs.acme.users.filters[1].all[8].attribute: IsSoftDeleted follows from the scope, so the scope cannot follow from it
    use accountEnabled
entrain.toml:27: jobs.acme.users.filters[1].all[9].operator: GREATER_THAN compares whole numbers or dates
    write a number such as "42" or a date such as "2026-01-31"
entrain.toml:28: jobs.acme.users.filters[1].all[10].operator: EQUALS takes no full match: it has no pattern
    remove full, or use REGEX MATCH
entrain.toml:28: jobs.acme.users.filters[1].all[10].case: there is no such key
    the keys here are attribute, operator, value, full
"##);
}

#[test]
fn what_is_odd_is_warned_of() {
    insta::assert_snapshot!([
        told("[jobs.users]\nmappings = [ { target = \"active\", source = \"accountEnabled\" } ]"),
        told("[jobs.users]\nactions = [\"create\"]"),
        told("[jobs.users]\nmappings = [ { target = \"nickName\", expression = 'Guid()' } ]"),
        told("[jobs.scope]\nmode = \"all\"\nnested_groups = true\n[jobs.users]\nmappings = [ { target = \"roles\", expression = 'AppRoleAssignmentsComplex([appRoleAssignments])' } ]"),
        told("[jobs.users]\nenabled = false\n[jobs.groups]\nenabled = false"),
    ].join("\n"), @r##"
warning: entrain.toml:13: jobs.acme.users.when_out_of_scope: nobody would be disabled: no mapping that always applies reads IsSoftDeleted
    map active from 'Switch([IsSoftDeleted], , "False", "True", "True", "False")', or write when_out_of_scope = "delete" or "keep"
warning: entrain.toml:14: jobs.acme.users.actions: nobody would be disabled: that is an update, which the actions do not allow
    add "update" to actions, or write when_out_of_scope = "keep"
warning: entrain.toml:14: jobs.acme.users.mappings[0]: the expression may give another value in each cycle, and then everyone is updated
    write apply = "on-create" if the value is meant to stay
warning: entrain.toml:14: jobs.acme.scope.mode: a mapping sends roles, which come from assignments that this mode does not look at
    write mode = "assigned", or remove the mapping
warning: entrain.toml:15: jobs.acme.scope.nested_groups: everyone is in scope already, so nested groups add nobody
    remove nested_groups
warning: entrain.toml:7: jobs.acme: neither users nor groups are enabled, so the job does nothing
    enable one of them, or write enabled = false for the job
"##);
}

#[test]
fn a_preset_of_ones_own_is_a_file_and_its_problems_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let preset = folder.path().join("mine.toml");
    let text = format!(
        "{SOURCE}{}",
        JOB.replace("[jobs.target]", "preset = \"./mine.toml\"\n[jobs.target]")
    );
    fs::write(&preset, "[users]\nmappings = [ { target = \"userName\", source = \"mail\", match = 1 } ]\n[groups]\nenabled = false\n").unwrap();
    let loaded = load_in(folder.path(), &text, &[]).unwrap();
    assert_eq!(loaded.config.jobs[0].rules.users.mappings.len(), 1);

    fs::write(&preset, "[users]\nmappings = [\n  { target = \"userName\", source = \"mial\", match = 1 } ]\n[groups]\nenabeld = false\n").unwrap();
    insta::assert_snapshot!(load_in(folder.path(), &text, &[]).unwrap_err(), @r##"
entrain.toml:7: jobs.acme.groups.mappings: no mapping of groups matches: existing ones would be created again
    add match = 1 to the mapping of displayName or of another unique attribute
mine.toml:3: users.mappings[0].source: user attribute mial: there is no source attribute of this name
    did you mean mail?
mine.toml:5: groups.enabeld: there is no such key
    did you mean enabled?
"##);
    fs::remove_file(&preset).unwrap();
    insta::assert_snapshot!(load_in(folder.path(), &text, &[]).unwrap_err(), @r##"
entrain.toml:10: jobs.acme.preset: the preset mine.toml cannot be read: No such file or directory (os error 2)
    correct the path, which is relative to the folder of the configuration
"##);
}

#[test]
fn no_secret_is_ever_repeated() {
    for line in [
        "client_secret = \"hunter2\"",
        "client_secret = { value = \"hunter2\" }",
        "client_secret = { env = \"hunter2 x\" }",
        "client_secret = hunter2",
    ] {
        let text = SOURCE.replace("client_secret = { env = \"ENTRAIN_CLIENT_SECRET\" }", line);
        let told = told_whole(&format!("{text}{JOB}"));
        assert!(told.contains("entrain.toml:5"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_configuration_or_a_list_of_problems(text in "\\PC{0,200}") {
        let path = Path::new("entrain.toml");
        if let Ok(document) = Document::parse(path, &text) {
            let mut log = Log::default();
            let typed = file::File::read(&Rc::new(document), &mut log);
            let config = resolve::resolve(&typed, path, &mut log);
            proptest::prop_assert!(config.is_none() && !log.problems.is_empty());
        }
    }
}
