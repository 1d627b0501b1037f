//! The forms in which a schema is written, and what does not fit.

use super::*;

#[test]
fn importing_what_was_exported_gives_the_same_job() {
    for sample in [ASSEMBLED, TEMPLATE, OBJECT_MAPPING] {
        let first = imported(sample);
        let config = config_of(&first);
        let exported = export(&config.jobs[0], &config.sources[0]);
        // The connection and the limit stand next to every schema.
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
    # Not converted: user attribute shoeSize: there is no source attribute of this name; use the name of a Microsoft Graph property
    # { target = "title", source = "shoeSize" },
    # Not converted: unknown function Foo at column 1
    # { target = "nickName", expression = "Foo([mail])" },
    # Not converted: unknown attribute shoeSize (line 1, column 9); correct the expression; entrain eval tries it out
    # { target = "userType", expression = "ToLower([shoeSize])" },
    # Not converted: id must not be mapped: the target assigns ids itself; remove the mapping
    # { target = "id", source = "mail" },
    # Not converted: this is no target attribute: an attribute name expected at column 8
    # { target = "emails[", source = "[mail]" },
    # Not converted: userName is mapped twice, and the first counts
    # { target = "userName", source = "mail" },
    "#);
    assert_eq!(imported.left.len(), 6);
}

#[test]
fn unknown_flow_types_are_reported_and_never_overwrite() {
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
    users, mapping of urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: [manager]: flowType ValueAddOnly: entrain always synchronizes urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager, which would also remove what Entra keeps
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
    users: inputFilterGroups: entrain has one list of filters; without these, more objects would be in scope
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
    let Exported { schema, left } = export(&config.jobs[0], &config.sources[0]);
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
