//! The samples of Microsoft, and what is left of them.

use super::*;

#[test]
fn the_sample_of_a_scim_application_is_carried_over_completely() {
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
fn metadata_and_mutability_that_have_a_meaning_are_reported() {
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
fn what_is_not_carried_over_blocks_nothing() {
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
