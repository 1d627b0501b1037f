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

const ASSEMBLED: &str = include_str!("samples/synchronization-schema-scim-assembled.json");
const TEMPLATE: &str = include_str!("samples/synchronization-template-aws.json");
const OBJECT_MAPPING: &str = include_str!("samples/synchronization-objectmapping-salesforce.json");
const DIRECTORY_ONLY: &str =
    include_str!("samples/synchronization-schema-update-customappsso.json");
const FILTER: &str = include_str!("samples/synchronization-filter.json");

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

/// The completed job without comments: some tell what only the first of two schemas could.
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

#[test]
fn the_sample_of_a_scim_application_is_carried_over_in_full() {
    let imported = imported(ASSEMBLED);
    assert_eq!(imported.left, []);
    assert_eq!(imported.name, "customappsso");
    let (config, log) = load(&completed(&imported.toml)).unwrap();
    assert_eq!(log.warnings, []);
    let job = &config.jobs[0];
    let users = &job.rules.users;
    assert_eq!((users.mappings.len(), users.filter.groups.len()), (24, 2));
    let of = |path: &str| {
        let mut mappings = users.mappings.iter();
        mappings.find(|one| one.target.to_string() == path).unwrap()
    };
    let phone = of("phoneNumbers[type eq \"work\"].value");
    assert!(matches!(&phone.source, Source::Attribute(name) if name == "businessPhones[0]"));
    let constant = of("userType");
    assert!(
        matches!(&constant.source, Source::Constant(value) if *value == Value::text("Employee"))
    );
    let custom =
        of("urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User:CustomAttribute");
    assert_eq!(
        (custom.apply, custom.on_empty, custom.default.clone()),
        (Apply::OnCreate, OnEmpty::Keep, Some(Value::text("none")))
    );
    assert_eq!(
        job.application,
        Application::ServicePrincipalId("8e881353-1735-45af-af21-ee1344582a4d".to_owned())
    );
}

#[test]
fn every_sample_with_a_mapping_imports_and_the_others_say_why_not() {
    for (sample, kind) in [
        (TEMPLATE, ObjectKind::Group),
        (OBJECT_MAPPING, ObjectKind::User),
    ] {
        let job = job_of(&imported(sample));
        assert!(!job.rules.rules(kind).mappings.is_empty());
    }
    let refused = |text: &str| import(text.as_bytes(), None).unwrap_err();
    assert_eq!(
        refused(DIRECTORY_ONLY).to_string(),
        "nothing in the schema makes a job: it has no synchronization rule. It only lists attributes \
         of the directory customappsso (1 of its attributes), and nothing says what flows into them; save \
         the whole schema of the job"
    );
    assert!(matches!(refused(FILTER), Error::Implausible(_)));
}

#[test]
fn metadata_and_mutability_that_mean_something_are_told() {
    let mut schema = users(&[mapping("title", "[jobTitle]")]);
    let before = left_of(&schema);
    let rule = &mut schema["synchronizationRules"][0];
    let target = rule["targetDirectoryName"].clone();
    rule["objectMappings"][0]["metadata"] = json!([
        { "key": "EscrowBehavior", "value": "\"Default\"" },
        { "key": "DisableMonitoringForChanges", "value": "true" },
    ]);
    let object = rule["objectMappings"][0]["targetObjectName"].clone();
    schema["directories"] = json!([{ "name": target, "objects": [{ "name": object, "attributes": [{
        "name": "title",
        "type": "String",
        "mutability": "Immutable",
        "metadata": [
            { "key": "IsCustomerDefined", "value": "true" },
            { "key": "MaximumLength", "value": "64" },
        ],
    }] }] }]);
    let after = left_of(&schema);
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert_eq!(
        new,
        [
            "users: DisableMonitoringForChanges true: entrain has no such setting of users or of groups",
            "users, mapping of title: mutability immutable of the target attribute: entrain writes what \
             is mapped whenever it changes; apply = \"on-create\" writes it once",
            "users, mapping of title: MaximumLength 64 of the target attribute: entrain has no such \
             setting of an attribute",
        ]
    );
}

#[test]
fn a_boolean_that_equals_true_is_carried_over() {
    let scope: Json = serde_json::from_str(FILTER).unwrap();
    let with = |operator: &str, value: &str| {
        let mut schema: Json = serde_json::from_str(ASSEMBLED).unwrap();
        let mut scope = scope.clone();
        let clause = &mut scope["groups"][0]["clauses"][0];
        clause["operatorName"] = json!(operator);
        clause["targetOperand"]["values"][0] = json!(value);
        schema["synchronizationRules"][0]["objectMappings"][1]["scope"] = scope;
        imported(&schema.to_string())
    };
    for (operator, value, written) in [
        ("EQUALS", "True", "onPremisesSyncEnabled IS TRUE"),
        ("EQUALS", "false", "onPremisesSyncEnabled IS FALSE"),
        ("NOT EQUALS", "TRUE", "onPremisesSyncEnabled IS FALSE"),
    ] {
        let imported = with(operator, value);
        assert_eq!(imported.left, []);
        let users = job_of(&imported).rules.users;
        assert!(users.enabled);
        let clause = &users.filter.groups[0].clauses[0];
        assert_eq!(clause.to_string(), written);
    }
    let odd = with("EQUALS", "yes");
    assert!(!job_of(&odd).rules.users.enabled);
    assert!(odd.left[0].why.contains("IS TRUE or IS FALSE"), "{odd:?}");
}

#[test]
fn every_attribute_and_every_value_that_is_left_is_named() {
    let sample = imported(OBJECT_MAPPING);
    let types = sample
        .left
        .iter()
        .find(|left| left.what.starts_with("the types of "));
    let types = &types.expect("guessed types").what;
    assert!(
        types.contains("TimeZoneSid") && !types.contains('…'),
        "{types}"
    );
    let mapped = sample.toml.matches("{ target = ").count();
    assert!(types.matches(", ").count() + 1 > mapped / 2, "{types}");

    let mut schema = users(&[]);
    schema["synchronizationRules"][0]["objectMappings"][0]["scope"] = json!({ "groups": [
        { "name": "x", "clauses": [{ "operatorName": "EQUALS", "sourceOperandName": "city",
          "targetOperand": { "values": ["Bonn", "Berlin"] } }] },
    ] });
    let several = imported(&schema.to_string());
    assert!(!job_of(&several).rules.users.enabled);
    assert!(
        several.toml.contains(r#"value = ["Bonn", "Berlin"]"#),
        "{}",
        several.toml
    );
}

#[test]
fn of_a_whole_and_its_parts_the_first_counts() {
    let left = left_of(&users(&[
        mapping("name.givenName", "[givenName]"),
        mapping("name", "[employeeOrgData]"),
    ]));
    assert_eq!(
        left,
        [
            "users, mapping of name: [employeeOrgData]: name is mapped as a whole and in parts as \
          well, and the first counts"
        ]
    );
}

#[test]
fn what_is_not_carried_over_stands_in_no_ones_way() {
    let imported = imported(
        &users(&[
            mapping("name", "[displayName]"),
            mapping("name.givenName", "[givenName]"),
        ])
        .to_string(),
    );
    assert_eq!(imported.left.len(), 1, "{:?}", imported.left);
    let users = job_of(&imported).rules.users;
    let mut paths = users.mappings.iter().map(|one| one.target.to_string());
    assert!(paths.any(|path| path == "name.givenName"));
}

#[test]
fn importing_what_was_exported_gives_the_same_job() {
    for sample in [ASSEMBLED, TEMPLATE, OBJECT_MAPPING] {
        let first = imported(sample);
        let config = config_of(&first);
        let exported = export(&config.jobs[0], &config.source);
        // The connection and the limit stand beside every schema.
        let left: Vec<_> = exported.left.iter().map(|left| &*left.what).collect();
        let always = [
            "base_url, token",
            "member_remove = \"filter\"",
            "max_deletions",
        ];
        let mut always = always.iter();
        assert!(
            left.iter().all(|what| always.any(|one| one == what)),
            "{left:?}"
        );
        let second = import(exported.schema.as_bytes(), Some(&first.name)).unwrap();
        assert_eq!(settings_of(&first), settings_of(&second));
    }
}

#[test]
fn names_in_expressions_are_translated_and_text_is_not() {
    assert_eq!(
        line_of(mapping(
            "title",
            r#"Join("[mobile]", [mobile], [extensionAttribute1])"#
        )),
        r#"{ target = "title", expression = 'Join("[mobile]", [mobilePhone], [onPremisesExtensionAttributes.extensionAttribute1])' },"#
    );
    assert_eq!(
        line_of(mapping("title", " [objectId] ")),
        r#"{ target = "title", source = "id" },"#
    );
}

#[test]
fn a_value_may_be_written_in_every_form_of_the_format() {
    for (raw, written) in [
        (
            json!({ "source": null, "defaultValue": "x" }),
            r#"constant = "x""#,
        ),
        (
            json!({ "source": { "type": "Constant", "name": "en-US", "expression": "\"en-US\"" } }),
            r#"constant = "en-US""#,
        ),
        (
            json!({ "source": { "type": "constant", "name": "en-US" } }),
            r#"constant = "en-US""#,
        ),
        (
            json!({ "source": { "type": "CONSTANT", "expression": "en-US" } }),
            r#"constant = "en-US""#,
        ),
        (json!({ "source": {}, "defaultValue": "" }), "none = true"),
        (
            json!({ "defaultValue": "x", "flowType": "objectAddOnly" }),
            r#"none = true, default = "x""#,
        ),
        (
            json!({ "source": { "type": "Attribute", "name": "mail" } }),
            r#"source = "mail""#,
        ),
        (
            json!({ "source": { "type": "Attribute", "name": "mail", "expression": "mail" } }),
            r#"source = "mail""#,
        ),
        (
            json!({ "source": { "expression": "[mail]" }, "defaultValue": "x" }),
            r#"source = "mail", default = "x", on_empty = "keep""#,
        ),
    ] {
        let mut raw = raw;
        raw["targetAttributeName"] = json!("title");
        assert_eq!(
            line_of(raw),
            format!("{{ target = \"title\", {written} }},")
        );
    }
}

#[test]
fn a_tree_without_text_is_put_back_by_its_keys() {
    let mut sample: Json = serde_json::from_str(OBJECT_MAPPING).unwrap();
    let replace = sample["attributeMappings"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|one| one["targetAttributeName"] == "LocaleSidKey")
        .unwrap();
    replace["source"]
        .as_object_mut()
        .unwrap()
        .remove("expression");
    replace["targetAttributeName"] = json!("locale");
    replace["defaultValue"] = Json::Null;
    assert_eq!(
        line_of(replace.clone()),
        r#"{ target = "locale", expression = 'Replace([preferredLanguage], "-", , , "_")' },"#
    );
    // An older function without keys, and one whose order says nothing.
    let tree = |name: &str, count: usize| {
        let constant = json!({ "value": { "type": "Constant", "name": "a" } });
        json!({ "targetAttributeName": "title", "source": {
            "type": "Function", "name": name, "parameters": vec![constant; count],
        } })
    };
    assert_eq!(
        line_of(tree("Append", 2)),
        r#"{ target = "title", expression = 'Append("a", "a")' },"#
    );
    assert_eq!(
        left_of(&users(&[tree("Switch", 3)])),
        ["users, mapping of title: Switch: the tree does \
          not say which argument of Switch is which"]
    );
}

#[test]
fn what_cannot_be_carried_over_stands_in_the_file_and_in_the_list() {
    let imported = imported(
        &users(&[
            mapping("title", "[shoeSize]"),
            mapping("nickName", "Foo([mail])"),
            mapping("userType", "ToLower([shoeSize])"),
            mapping("id", "[mail]"),
            mapping("emails[", "[mail]"),
            mapping("userName", "[mail]"),
        ])
        .to_string(),
    );
    let job = job_of(&imported);
    assert_eq!(job.rules.users.mappings.len(), 1);
    let comments = lines(&imported);
    assert!(
        comments.iter().all(|line| line.starts_with('#')),
        "{comments:#?}"
    );
    insta::assert_snapshot!(comments.join("\n"), @r#"
    # Not carried over: user attribute shoeSize: there is no source attribute of this name; use the name of a Microsoft Graph property
    # { target = "title", source = "shoeSize" },
    # Not carried over: unknown function Foo at column 1
    # { target = "nickName", expression = "Foo([mail])" },
    # Not carried over: unknown attribute shoeSize (line 1, column 9); correct the expression; entrain eval tries it out
    # { target = "userType", expression = "ToLower([shoeSize])" },
    # Not carried over: id must not be mapped: the target makes ids itself; remove the mapping
    # { target = "id", source = "mail" },
    # Not carried over: this is no target attribute: an attribute name expected at column 8
    # { target = "emails[", source = "[mail]" },
    # Not carried over: userName is mapped twice, and the first counts
    # { target = "userName", source = "mail" },
    "#);
    assert_eq!(imported.left.len(), 6);
}

#[test]
fn flow_types_that_are_unknown_here_are_told_and_never_overwrite() {
    let with = |target: &str, expression: &str, flow_type: &str| {
        let mut mapping = mapping(target, expression);
        mapping["flowType"] = json!(flow_type);
        mapping
    };
    let schema = users(&[
        with("title", "[jobTitle]", "AttributeAddOnly"),
        with("nickName", "[mailNickname]", "ObjectAddOnly"),
        with(
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            "[manager]",
            "ValueAddOnly",
        ),
    ]);
    insta::assert_snapshot!(left_of(&schema).join("\n"), @r#"
    users, mapping of title: flowType AttributeAddOnly: entrain applies a mapping always or on create; it is written as on create, which overwrites nothing
    users, mapping of urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: [manager]: flowType ValueAddOnly: entrain keeps urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager in step always, which would also take away what Entra leaves
    "#);
    let job = job_of(&imported(&schema.to_string()));
    let applies: Vec<_> = job
        .rules
        .users
        .mappings
        .iter()
        .map(|one| one.apply)
        .collect();
    assert_eq!(applies, [Apply::Always, Apply::OnCreate, Apply::OnCreate]);
}

#[test]
fn a_scope_that_cannot_be_carried_over_switches_the_kind_off() {
    let scoped = |scope: Json| {
        let mut schema = users(&[]);
        schema["synchronizationRules"][0]["objectMappings"][0]["scope"] = scope;
        schema
    };
    let clause = |name: &str, operator: &str, values: Json| {
        json!({ "operatorName": operator, "sourceOperandName": name,
                "targetOperand": { "values": values } })
    };
    let good = scoped(json!({ "groups": [{ "name": "", "clauses": [
        clause("dirSyncEnabled", "IsTrue", json!([""])),
        clause("telephoneNumber", "not_equals", json!([42])),
    ] }], "inputFilterGroups": null }));
    let job = job_of(&imported(&good.to_string()));
    let clauses = &job.rules.users.filter.groups[0].clauses;
    assert_eq!(clauses[0].to_string(), "onPremisesSyncEnabled IS TRUE");
    assert_eq!(
        clauses[1].to_string(),
        "businessPhones[0] NOT EQUALS \"42\""
    );
    assert!(job.rules.users.enabled);

    let mut told = String::new();
    for bad in [
        json!({ "groups": [{ "clauses": [clause("department", "EQUALS", json!(["a", "b"]))] }] }),
        json!({ "groups": [{ "clauses": [clause("shoeSize", "EQUALS", json!(["a"]))] }] }),
        json!({ "groups": [{ "name": "x", "clauses": [clause("mail", "IsMemberOf", json!(["a"]))] }] }),
        json!({ "groups": [{ "clauses": [] }] }),
        json!({ "inputFilterGroups": [{ "clauses": [clause("mail", "IS NULL", json!([]))] }] }),
    ] {
        let schema = scoped(bad);
        let _ = writeln!(told, "{}", left_of(&schema).join("\n"));
        let job = job_of(&imported(&schema.to_string()));
        assert!(!job.rules.users.enabled && job.rules.users.filter.groups.is_empty());
    }
    insta::assert_snapshot!(told, @r#"
    users, filter 1: department EQUALS "a", "b": it compares with 2 values; write a clause or a group for each
    users, filter 1: shoeSize EQUALS "a": user attribute shoeSize: there is no source attribute of this name; use the name of a Microsoft Graph property
    users, filter "x": mail IsMemberOf "a": there is no operator IsMemberOf; the operators are EQUALS, NOT EQUALS, IS TRUE, IS FALSE, IS NULL, IS NOT NULL, REGEX MATCH, NOT REGEX MATCH, GREATER_THAN, GREATER_THAN_OR_EQUALS, INCLUDES, ENDS_WITH, &, !&
    users, filter 1: a group of clauses: the group has no clause, so everything passes
    users: inputFilterGroups: entrain has one list of filters; without these, more objects belong
    "#);
}

#[test]
fn actions_matching_and_directories_are_carried_over() {
    let mut schema = users(&[
        mapping("externalId", "[employeeId]"),
        mapping("urn:acme:User:badge", "[employeeId]"),
    ]);
    let rule = &mut schema["synchronizationRules"][0];
    rule["objectMappings"][0]["flowTypes"] = json!("add,UPDATE");
    rule["objectMappings"][0]["attributeMappings"][1]["matchingPriority"] = json!("1");
    schema["directories"] = json!([{ "name": "ACME", "objects": [{ "name": "user", "attributes": [
        { "name": "username", "type": "string", "caseExact": true, "required": true },
        { "name": "urn:acme:User:badge", "type": "Integer", "multivalued": true, "required": true },
    ] }] }]);
    let imported = imported(&schema.to_string());
    assert_eq!(imported.left.len(), 1, "{:#?}", imported.left);
    let job = job_of(&imported);
    let users = &job.rules.users;
    let actions = users.actions;
    assert!(actions.create && actions.update && !actions.delete);
    let matching: Vec<_> = users.mappings.iter().map(|one| one.matching).collect();
    assert_eq!(matching, [Some(1), Some(2), None]);
    assert!(users.mappings[0].case_exact);
    let badge = &users.mappings[2];
    assert_eq!(badge.target_type, TargetType::Integer);
    assert!(badge.multi_valued && badge.required);
    assert!(!job.rules.groups.enabled);
}

#[test]
fn rules_are_chosen_by_what_they_read() {
    let mut schema = users(&[]);
    let mut inbound = schema["synchronizationRules"][0].clone();
    inbound["sourceDirectoryName"] = json!("Workday");
    inbound["name"] = json!("USER_OUTBOUND_USER");
    let mut second = schema["synchronizationRules"][0].clone();
    second["sourceDirectoryName"] = json!("azure active directory");
    second["objectMappings"][0]["sourceObjectName"] = json!("Device");
    let rules = schema["synchronizationRules"].as_array_mut().unwrap();
    rules.insert(0, inbound);
    rules.push(second);
    rules.push(Json::Null);
    insta::assert_snapshot!(left_of(&schema).join("\n"), @r#"
    rule USER_OUTBOUND_USER: the rule that reads Workday: entrain reads Microsoft Entra ID only
    object mapping without a name: objects of type "Device": entrain provisions users and groups
    "#);
    schema["synchronizationRules"]
        .as_array_mut()
        .unwrap()
        .drain(1..);
    let err = import(schema.to_string().as_bytes(), None).unwrap_err();
    assert!(matches!(err, Error::NothingUsable { .. }), "{err}");
}

#[test]
fn wrappings_and_spellings_are_understood() {
    let plain = users(&[]).to_string();
    let expected = body(&imported(&plain).toml).to_owned();
    let pascal = plain
        .replace("\"synchronizationRules\"", "\"SynchronizationRules\"")
        .replace("\"objectMappings\"", "\"ObjectMappings\"")
        .replace("\"matchingPriority\"", "\"MatchingPriority\"")
        .replace("\"attributeMappings\"", "\"AttributeMappings\"");
    let value = format!("{{\"value\":[{{\"schema\":{plain}}}]}}");
    let marked = format!("\u{feff}{plain}");
    for text in [pascal, value, marked] {
        assert_eq!(body(&imported(&text).toml), expected, "{text}");
    }
    let wide: Vec<u8> = "\u{feff}"
        .chars()
        .chain(plain.chars())
        .flat_map(|c| u16::try_from(u32::from(c)).unwrap().to_le_bytes())
        .collect();
    assert_eq!(body(&import(&wide, None).unwrap().toml), expected);
}

#[test]
fn bad_input_is_refused_with_its_place() {
    let told = |text: &str| import(text.as_bytes(), None).unwrap_err().to_string();
    let cases = [
        "",
        "nothing",
        "[]",
        "null",
        "{}",
        "{\"synchronizationRules\": 3}",
        "{\"synchronizationRules\": [\n  {\"objectMappings\": [{\"enabled\": \"perhaps\"}]}]}",
        "{\"synchronizationRules\": []}",
        "{\"value\": []}",
    ];
    let all: Vec<_> = cases.iter().map(|text| told(text)).collect();
    insta::assert_snapshot!(all.join("\n"), @r#"
    not a schema: EOF while parsing a value at line 1, column 0
    not a schema: expected ident at line 1, column 2
    not a schema: there are neither synchronizationRules nor directories in it
    not a schema: invalid type: null, expected the schema of a provisioning job at line 1, column 4
    not a schema: there are neither synchronizationRules nor directories in it
    not a schema: invalid type: integer `3`, expected a list at line 1, column 26
    not a schema: true or false expected at line 2, column 44
    nothing in the schema makes a job: it has no synchronization rule
    not a schema: there are neither synchronizationRules nor directories in it
    "#);
    let deep = format!(
        "{{\"schema\":{}{}",
        "{\"schema\":".repeat(10_000),
        "}".repeat(10_001)
    );
    assert!(told(&deep).contains("recursion limit"), "{}", told(&deep));
    let many = format!("{{\"directories\":[{}{{}}]}}", "{},".repeat(200_000));
    assert!(told(&many).contains("200000 objects"));
    assert!(matches!(
        import(b"\xff\xfe\x00\xd8", None),
        Err(Error::NotText(_))
    ));
    assert!(matches!(
        import(b"{\"\xff\"}", None),
        Err(Error::NotText(_))
    ));
    let lines = vec![mapping("title", "[mail]"); 1_001];
    assert!(told(&users(&lines).to_string()).contains("1000 attribute mappings"));
    let name = import(users(&[]).to_string().as_bytes(), Some("my job")).unwrap_err();
    assert!(matches!(name, Error::Name { .. }));
}

#[test]
fn odd_texts_cannot_break_out_of_the_file() {
    let odd = "x\n[[jobs]]\nname = \"y\" # '\u{1}\u{7f}\u{202e}\"\"\" '''";
    let mut schema = users(&[
        json!({ "targetAttributeName": "title", "defaultValue": odd }),
        mapping(odd, odd),
        mapping("nickName", odd),
    ]);
    schema["id"] = json!(odd);
    schema["version"] = json!(odd);
    let rule = &mut schema["synchronizationRules"][0];
    rule["targetDirectoryName"] = json!(odd);
    rule["objectMappings"][0]["scope"] = json!({ "groups": [{ "name": odd, "clauses": [
        { "operatorName": odd, "sourceOperandName": odd, "targetOperand": { "values": [odd] } },
    ] }] });
    let imported = imported(&schema.to_string());
    let job = job_of(&imported);
    assert_eq!(job.rules.users.mappings.len(), 2);
    assert!(matches!(&job.rules.users.mappings[1].source,
        Source::Constant(value) if *value == Value::text(odd)));
}

#[test]
fn the_export_says_what_entra_cannot() {
    let text = format!(
        r#"{SOURCE}
[[jobs]]
name = "x"
{APPLICATION}
[jobs.target]
base_url = "https://scim.example.com"
token = {{ env = "TOKEN" }}
[jobs.users]
filters = [ {{ all = [ {{ attribute = "mail", operator = "REGEX MATCH", value = "a|b", full = false }} ] }} ]
mappings = [
    {{ target = "title", source = "jobTitle", on_empty = "fail" }},
    {{ target = "nickName", source = "otherMails[0]" }},
    {{ target = "userType", source = "userType", default = "x" }},
    {{ target = 'emails[type eq "work"].value', remove = true }},
    {{ target = "emails", constant = [ {{ value = "a@b.example" }}, {{ value = "c@d.example" }} ] }},
]
"#
    );
    let (config, _) = load(&text).unwrap();
    let Exported { schema, left } = export(&config.jobs[0], &config.source);
    let schema: Json = serde_json::from_str(&schema).unwrap();
    assert_eq!(
        schema["id"],
        "scim.aaaabbbb0000cccc1111dddd2222eeee.22223333-cccc-4444-dddd-5555eeee6666"
    );
    let users = &schema["synchronizationRules"][0]["objectMappings"][1];
    let clause = &users["scope"]["groups"][0]["clauses"][0];
    assert_eq!(
        clause["targetOperand"]["values"][0],
        r"[\s\S]*(?:a|b)[\s\S]*"
    );
    let active = &users["attributeMappings"][1]["source"];
    assert_eq!(active["parameters"][1]["key"], "key1");
    let left: Vec<_> = left
        .iter()
        .map(|Left { place, what, why }| format!("{place}: {what}: {why}"))
        .collect();
    insta::assert_snapshot!(left.join("\n"), @r#"
    users, mapping of title: on_empty = "fail": Entra provisions such an object anyway
    users, mapping of nickName: otherMails[0]: Entra's directory has no name for a part of an attribute; it is written as it is
    users, mapping of userType: on_empty: Entra uses a default when it creates an object, and never afterwards
    users, mapping of emails: the mapping: Entra's constants are plain text
    target: base_url, token: in Entra they are the Tenant URL and the Secret Token, which are not part of the schema
    target: member_remove = "filter": Entra does so only if its Tenant URL has the parameter aadOptscim062020
    safety: max_deletions: it has the default, the smaller of 500 and 10%; in Entra the accidental deletion threshold is not part of the schema
    "#);
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_job_comes_back_from_its_export(text in any_job()) {
        let (config, _) = load(&text).map_err(TestCaseError::fail)?;
        let exported = export(&config.jobs[0], &config.source);
        let imported = import(exported.schema.as_bytes(), Some("x")).unwrap();
        prop_assert_eq!(&imported.left, &[]);
        let again = job_of(&imported);
        prop_assert_eq!(meaning(&config.jobs[0]), meaning(&again));
    }

    #[test]
    fn any_json_is_a_job_or_an_error(schema in any_schema(), mapping in any_schema()) {
        let _ = import(schema.to_string().as_bytes(), None);
        let rules = json!({ "synchronizationRules": [schema] });
        let _ = import(rules.to_string().as_bytes(), None);
        if let Ok(imported) = import(users(&[mapping]).to_string().as_bytes(), None) {
            job_of(&imported);
        }
    }

    #[test]
    fn a_damaged_schema_is_a_job_or_an_error(at in 0..ASSEMBLED.len(), length in 0_usize..40, byte in any::<u8>()) {
        let mut bytes = ASSEMBLED.as_bytes().to_vec();
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, [byte]);
        if let Ok(imported) = import(&bytes, None) {
            job_of(&imported);
        }
        let _ = import(&ASSEMBLED.as_bytes()[..at], None);
    }
}
