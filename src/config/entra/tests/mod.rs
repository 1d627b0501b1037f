//! Samples both ways, odd schemas, and jobs made up by chance.

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::export::Exported;
use super::*;
use crate::config::document::Document;
use crate::config::file::File;
use crate::config::problem::Log;
use crate::config::settings::{Application, Config, Job};
use crate::config::{fingerprint, resolve};
use crate::engine::mapping::{Apply, OnEmpty, Source};
use crate::engine::model::{ObjectKind, TargetType, Value};

const ASSEMBLED: &str = include_str!("../samples/synchronization-schema-scim-assembled.json");
const TEMPLATE: &str = include_str!("../samples/synchronization-template-aws.json");
const OBJECT_MAPPING: &str =
    include_str!("../samples/synchronization-objectmapping-salesforce.json");
const DIRECTORY_ONLY: &str =
    include_str!("../samples/synchronization-schema-update-customappsso.json");
const FILTER: &str = include_str!("../samples/synchronization-filter.json");

const SOURCE: &str = r#"
[source]
tenant_id = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "NAME" }
"#;
const APPLICATION: &str = r#"application = { app_id = "22223333-cccc-4444-dddd-5555eeee6666" }"#;

/// The job with its placeholders filled in, in a configuration with a source.
fn completed(toml: &str) -> String {
    let lines = toml.lines().map(|line| match line {
        line if line.starts_with("# application =") => APPLICATION,
        line if line.starts_with("# base_url =") => "base_url = \"https://scim.example.com\"",
        line if line.starts_with("# token =") => "token = { env = \"TOKEN\" }",
        other => other,
    });
    lines.fold(SOURCE.to_owned(), |text, line| text + line + "\n")
}

fn load(text: &str) -> Result<(Config, Log), String> {
    let mut log = Log::default();
    let document = Document::parse(Path::new(""), text).map_err(|err| format!("{err}\n{text}"))?;
    let file = File::read(&Rc::new(document), &mut log);
    let config = resolve::resolve(&file, Path::new(""), &mut log);
    match config {
        Some(config) if log.problems.is_empty() => Ok((config, log)),
        _ => Err(format!("{:#?}\n{text}", log.problems)),
    }
}

#[track_caller]
fn config_of(imported: &Imported) -> Config {
    let loaded = load(&completed(&imported.toml));
    loaded.unwrap_or_else(|problems| panic!("{problems}")).0
}

#[track_caller]
fn job_of(imported: &Imported) -> Job {
    config_of(imported).jobs.remove(0)
}

#[track_caller]
fn imported(text: &str) -> Imported {
    import(text.as_bytes(), None).unwrap_or_else(|err| panic!("{err}"))
}

/// The completed job without comments: some contain what only the first of two schemas could.
fn settings_of(imported: &Imported) -> String {
    let text = completed(body(&imported.toml));
    let lines = text.lines().filter(|line| !line.trim().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

fn body(toml: &str) -> &str {
    &toml[toml.find("[[jobs]]").unwrap()..]
}

/// A schema with these attribute mappings of users, and a matching one before them.
fn users(mappings: &[Json]) -> Json {
    let mut all = vec![json!({
        "targetAttributeName": "userName", "matchingPriority": 1,
        "source": { "type": "Attribute", "name": "userPrincipalName" },
    })];
    all.extend(mappings.iter().cloned());
    json!({ "synchronizationRules": [{
        "sourceDirectoryName": "Microsoft Entra ID",
        "targetDirectoryName": "acme",
        "objectMappings": [{
            "enabled": true, "sourceObjectName": "User", "targetObjectName": "User",
            "attributeMappings": all,
        }],
    }] })
}

fn mapping(target: &str, expression: &str) -> Json {
    json!({ "targetAttributeName": target, "source": { "expression": expression } })
}

/// The lines below `mappings = [` of users.
fn lines(imported: &Imported) -> Vec<&str> {
    let (_, users) = imported.toml.split_once("[jobs.users]").unwrap();
    let (_, list) = users.split_once("mappings = [\n").unwrap();
    let (list, _) = list.split_once("\n]").unwrap();
    list.lines().map(str::trim).skip(1).collect()
}

#[track_caller]
fn line_of(mapping: Json) -> String {
    let imported = imported(&users(&[mapping]).to_string());
    assert_eq!(imported.left, []);
    config_of(&imported);
    lines(&imported).join("\n")
}

fn left_of(schema: &Json) -> Vec<String> {
    let imported = imported(&schema.to_string());
    config_of(&imported);
    let left = imported.left.iter();
    left.map(|Left { place, what, why }| format!("{place}: {what}: {why}"))
        .collect()
}

/// The words of a job that decide, whatever its name.
fn meaning(job: &Job) -> String {
    let application = Application::DisplayName(String::new());
    let mut text = fingerprint::of(&job.rules, &application, "");
    for kind in ObjectKind::ALL {
        let rules = job.rules.rules(kind);
        for mapping in &rules.mappings {
            let _ = write!(text, "\n{mapping:?}");
        }
        for group in &rules.filter.groups {
            let clauses: Vec<_> = group.clauses.iter().map(ToString::to_string).collect();
            let _ = write!(text, "\n{:?} {clauses:?}", group.name);
        }
    }
    text
}

fn any_mapping() -> impl Strategy<Value = String> {
    let targets = [
        "displayName",
        "title",
        "name.givenName",
        "nickName",
        "locale",
        "externalId",
        "userType",
        "emails[type eq \"work\"].value",
        "emails[type eq \"home\"].value",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:badge",
        "shoeSize",
    ];
    let sources = [
        "mail",
        "mobilePhone",
        "businessPhones[0]",
        "faxNumber",
        "id",
        "imAddresses[0]",
        "onPremisesExtensionAttributes.extensionAttribute3",
        "employeeOrgData.division",
        "onPremisesImmutableId",
        "onPremisesLastSyncDateTime",
        "proxyAddresses[1]",
    ];
    let expressions = [
        "Join( \"[mobile]\", [mobilePhone],[surname] )",
        "Switch([IsSoftDeleted], , \"False\", \"True\", \"True\", \"False\")",
        "IIF([country]=\"USA\", [businessPhones[0]], \"\\\\ \\\" #\")",
        "Replace([mail], \"@\", , , \"_\", , )",
        "Mid([onPremisesExtensionAttributes.extensionAttribute1], 1, \"3\")",
        "Coalesce([id], [onPremisesSyncEnabled], IgnoreAttributeFlow)",
        "SingleAppRoleAssignment([appRoleAssignments])",
    ];
    let text = "[ -~äß\\n\\t😀]{1,12}";
    let flow = prop_oneof![
        3 => prop::sample::select(sources.to_vec())
            .prop_map(|name| format!("source = {}", toml::quoted(name))),
        3 => prop::sample::select(expressions.to_vec())
            .prop_map(|text| format!("expression = {}", toml::quoted(text))),
    ];
    let default = prop::option::of(text)
        .prop_map(|text| text.map(|text| format!("default = {}", toml::quoted(&text))));
    let flow = prop_oneof![
        4 => (flow, default.clone()).prop_map(|(flow, default)| match default {
            Some(default) => format!("{flow}, {default}, on_empty = \"keep\""),
            None => flow,
        }),
        1 => text.prop_map(|text| format!("constant = {}", toml::quoted(&text))),
        1 => default.prop_map(|default| match default {
            Some(default) => format!("none = true, {default}"),
            None => "none = true".to_owned(),
        }),
    ];
    let types = prop::sample::select(vec![
        "",
        "",
        "type = \"string\"",
        "type = \"string\", multi_valued = true",
        "type = \"string\", case_exact = true",
        "type = \"string\", required = true",
    ]);
    (
        prop::sample::select(targets.to_vec()),
        flow,
        types,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(target, flow, types, on_create, matches)| {
            let mut line = format!("{{ target = {}, {flow}", toml::quoted(target));
            if !types.is_empty() {
                let _ = write!(line, ", {types}");
            }
            if on_create && !flow.starts_with("none") {
                line.push_str(", apply = \"on-create\"");
            }
            if matches {
                line.push_str(", match = MATCH");
            }
            line + " }"
        })
}

fn any_clause() -> impl Strategy<Value = String> {
    (
        prop::sample::select(vec![
            "department",
            "mobilePhone",
            "accountEnabled",
            "employeeId",
        ]),
        prop::sample::select(crate::engine::filter::Operator::ALL.to_vec()),
        "[ -~ä]{0,8}",
    )
        .prop_map(|(attribute, operator, value)| {
            let operand = if operator.takes_value() {
                format!(", value = {}", toml::quoted(&value))
            } else {
                String::new()
            };
            format!("{{ attribute = \"{attribute}\", operator = \"{operator}\"{operand} }}")
        })
}

/// A configuration in which every line stands that the checks let pass.
fn any_job() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(any_mapping(), 0..8),
        prop::collection::vec(prop::collection::vec(any_clause(), 1..3), 0..3),
        prop::sample::subsequence(vec!["\"create\"", "\"update\"", "\"delete\""], 1..=3),
        any::<bool>(),
    )
        .prop_map(|(mappings, groups, actions, groups_enabled)| {
            let mut lines = Vec::new();
            for (number, line) in mappings.into_iter().enumerate() {
                let line = line.replace("MATCH", &(number + 2).to_string());
                let target = line.split(", ").next().unwrap_or_default().to_owned();
                let is_new = !lines
                    .iter()
                    .any(|known: &String| known.starts_with(&target));
                if is_new && judge::mapping(ObjectKind::User, &line).is_none() {
                    lines.push(line);
                }
            }
            let groups: Vec<_> = groups
                .into_iter()
                .map(|clauses| format!("{{ all = [ {} ] }}", clauses.join(", ")))
                .filter(|group| judge::filters(ObjectKind::User, &format!("[ {group} ]")).is_none())
                .collect();
            format!(
                "{SOURCE}[[jobs]]\nname = \"x\"\npreset = \"none\"\n{APPLICATION}\n[jobs.target]\n\
                 base_url = \"https://scim.example.com\"\ntoken = {{ env = \"TOKEN\" }}\n\
                 [jobs.users]\nactions = [{}]\nfilters = [ {} ]\nmappings = [\n\
                 {{ target = \"userName\", source = \"userPrincipalName\", match = 1 }},\n{}\n]\n\
                 [jobs.groups]\nenabled = {groups_enabled}\nmappings = [\n\
                 {{ target = \"displayName\", source = \"displayName\", match = 1 }},\n\
                 {{ target = \"members\", source = \"members\" }} ]\n",
                actions.join(", "),
                groups.join(", "),
                lines.join(",\n"),
            )
        })
}

/// JSON of the format's own names, with anything in it.
fn any_schema() -> impl Strategy<Value = Json> {
    let keys = vec![
        "synchronizationRules",
        "objectMappings",
        "attributeMappings",
        "source",
        "parameters",
        "value",
        "key",
        "schema",
        "scope",
        "groups",
        "clauses",
        "targetOperand",
        "values",
        "directories",
        "objects",
        "attributes",
        "metadata",
        "name",
        "type",
        "expression",
        "defaultValue",
        "flowType",
        "flowTypes",
        "matchingPriority",
        "enabled",
        "sourceObjectName",
        "targetAttributeName",
        "sourceDirectoryName",
        "operatorName",
    ];
    let words = vec![
        "User",
        "Group",
        "userName",
        "[mail]",
        "Function",
        "Attribute",
        "Constant",
        "Switch",
        "Join(\"\", [mail], [mobile])",
        "EQUALS",
        "",
        "Microsoft Entra ID",
        "Reference",
        "members",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::sample::select(words).prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(8, 60, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            3 => prop::collection::btree_map(prop::sample::select(keys.clone()), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

mod forms;
mod properties;
mod samples;
