//! Mappings and filters that cannot be.

use super::*;

#[test]
fn mappings_are_checked_against_source_and_target() {
    insta::assert_snapshot!(told(r#"
[jobs.users]
mappings = [
    { target = 'title', source = "jobTitel" },
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
entrain.toml:16: jobs.acme.users.mappings[0].source: user attribute jobTitel: there is no source attribute of this name
    did you mean jobTitle?
entrain.toml:17: jobs.acme.users.mappings[1].target: title is mapped twice; the first mapping is at line 16
    keep one of the two
entrain.toml:18: jobs.acme.users.mappings[2].source: user attribute signInActivity: this attribute cannot be read: delta queries refuse it
    map another attribute
entrain.toml:19: jobs.acme.users.mappings[3].target: id must not be mapped: the target assigns ids itself
    remove the mapping
entrain.toml:20: jobs.acme.users.mappings[4].target: SCIM defines no attribute emials[type eq "work"].value for users
    did you mean emails? If the target has this attribute, set its type, as in type = "string"
entrain.toml:21: jobs.acme.users.mappings[5].target: "emails[type = \"home\"].value" is not a target attribute: the operator eq expected at column 13
    write it like userName, name.givenName or emails[type eq "work"].value
entrain.toml:22: jobs.acme.users.mappings[6].target: emails is mapped as a whole, and in parts as well: emails[type eq "work"].value
    map only the parts, or remove each of them with remove = true
entrain.toml:22: jobs.acme.users.mappings[6].source: mail is text, but emails takes an object with sub-attributes
    name the sub-attribute, as in emails[type eq "work"].value
entrain.toml:23: jobs.acme.users.mappings[7].source: otherMails is a list, but nickName takes one value
    write otherMails[0], or choose in an expression with Item or Join
entrain.toml:24: jobs.acme.users.mappings[8].source: manager is a reference to another object, but displayName takes text
    set type = "reference" if the target keeps an id there
entrain.toml:25: jobs.acme.users.mappings[9].source: employeeOrgData is an object with members, but name.givenName takes text
    name one of its members, such as employeeOrgData.division
entrain.toml:26: jobs.acme.users.mappings[10].source: appRoleAssignments is a list of roles, but userType takes text
    write expression = 'AssertiveAppRoleAssignmentsComplex([appRoleAssignments])' or 'SingleAppRoleAssignment([appRoleAssignments])'
entrain.toml:27: jobs.acme.users.mappings[11].source: mail is text, but urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager takes a reference
    map manager or members, or set type = "string" if the target keeps text there
entrain.toml:28: jobs.acme.users.mappings[12].constant: the target takes a Boolean, not "abc"
    write true or false
entrain.toml:29: jobs.acme.users.mappings[13].constant: the target takes a whole number, not a fraction
    write a whole number without quotes
entrain.toml:30: jobs.acme.users.mappings[14].type: "date" is not one of the allowed values
    write one of: string, boolean, integer, dateTime, reference, binary, complex
entrain.toml:31: jobs.acme.users.mappings[15].source: source and constant are set together
    keep one of them
entrain.toml:32: jobs.acme.users.mappings[16]: the mapping has no source
    add one of source, expression, constant and none = true; or remove = true to remove the preset's mapping
entrain.toml:33: jobs.acme.users.mappings[17]: the preset has no mapping of timezone, so there is nothing to remove
    leave the mapping out
entrain.toml:34: jobs.acme.users.mappings[18].match: userName and externalId have the same matching precedence 1
    give each a different precedence, or remove match from one of them
entrain.toml:35: jobs.acme.users.mappings[19].on_empty: there is no default
    add default = "…", or write keep, clear or fail
entrain.toml:35: jobs.acme.users.mappings[19].apply: "never" is not one of the allowed values
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
entrain.toml:26: jobs.acme.users.mappings[2].expression: user attribute aboutMe: this attribute cannot be read: it is kept in SharePoint, and delta queries do not return it
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
entrain.toml:14: jobs.acme.users.mappings: no mapping of users has match, so existing users would be created again
    add match = 1 to the mapping of userName or of another unique attribute
entrain.toml:7: jobs.acme.users.mappings: userName cannot match: the target does not filter users by it
    match one of externalId, displayName, or add it to target.filterable
entrain.toml:14: jobs.acme.users.mappings[0].match: an attribute with the same value for every object cannot be used for matching
    drop match, or map a source attribute
entrain.toml:14: jobs.acme.users.mappings[0].match: a value that differs each time cannot be used for matching
    remove match, or do not use Now, Guid and RandomString in the expression
"##);
}

#[test]
fn a_unique_value_is_chosen_once_and_can_be_queried() {
    insta::assert_snapshot!([
        told("[jobs.users]\nmappings = [ { target = \"nickName\", expression = \
              'SelectUniqueValue([mail], [surname])', match = 2, apply = \"always\" } ]"),
        told("[jobs.users]\nmappings = [ { target = \"entitlements\", expression = \
              'SelectUniqueValue([mail], [surname])' } ]"),
    ].join("\n"), @r##"
entrain.toml:14: jobs.acme.users.mappings[0].match: SelectUniqueValue returns a value that no object has, so it cannot be used for matching
    drop match
entrain.toml:14: jobs.acme.users.mappings[0].apply: SelectUniqueValue chooses a value once, when the object is created
    write apply = "on-create"
entrain.toml:14: jobs.acme.users.mappings[0].expression: entitlements cannot take SelectUniqueValue: only a single plain value can be searched for
    map a sub-attribute such as emails[type eq "work"].value
"##);
}

#[test]
fn of_two_equal_precedences_the_one_in_the_configuration_is_reported() {
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
    give each a different precedence, or remove match from one of them
entrain.toml:22: jobs.acme.users.mappings[1].match: urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager cannot match: only a single plain value can be searched for
    drop match, or map a sub-attribute such as emails[type eq "work"].value
"##);
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
        { attribute = "accountEnabled", operator = "EQUALS", value = "yes" },
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
entrain.toml:26: jobs.acme.users.filters[1].all[8].attribute: IsSoftDeleted is computed from the scope, so a scoping filter cannot read it
    use accountEnabled
entrain.toml:27: jobs.acme.users.filters[1].all[9].operator: GREATER_THAN compares whole numbers or dates
    write a number such as "42" or a date such as "2026-01-31"
entrain.toml:28: jobs.acme.users.filters[1].all[10].operator: EQUALS has no pattern, so full has no effect
    remove full, or use REGEX MATCH
entrain.toml:28: jobs.acme.users.filters[1].all[10].case: unknown key
    valid keys are attribute, operator, value, full
"##);
}

/// What is reported of a mapping of users, on one line without its place.
fn told_of(mapping: &str) -> String {
    let told = told(&format!("[jobs.users]\nmappings = [ {mapping} ]"));
    let lines = told.lines().filter(|line| !line.contains(" |"));
    let text = lines.map(str::trim).collect::<Vec<_>>().join("; ");
    match text.split_once("mappings[0]") {
        Some((_, text)) => text.to_owned(),
        None => text,
    }
}

#[test]
fn what_an_expression_gives_must_be_able_to_fit() {
    let told = |target: &str, expression: &str| {
        told_of(&format!(
            "{{ target = '{target}', expression = '{expression}' }}"
        ))
    };
    let typed = |target_type: &str, expression: &str| {
        told_of(&format!(
            "{{ target = 'urn:acme:User:x', type = \"{target_type}\", expression = '{expression}', \
             apply = 'on-create' }}"
        ))
    };
    insta::assert_snapshot!([
        told("nickName", r#"Split([city], ",")"#),
        told(r#"emails[type eq "work"].value"#, "RemoveDuplicates([proxyAddresses])"),
        told("active", r#"Append("a", "b")"#),
        typed("boolean", "Count([otherMails])"),
        typed("integer", "Now()"),
        typed("integer", r#""abc""#),
        typed("dateTime", r#"IIF([city] = "x", "y", "z")"#),
        told("nickName", "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])"),
        told("nickName", "ToUpper([proxyAddresses])"),
        told("nickName", r#"Append([city], CDate("garbage"))"#),
        typed("reference", r#"IIF([manager] = "x", "a", "b")"#),
    ].join("\n"), @r##"
.expression: the expression returns a list, but nickName takes one value; choose one with Item, or combine all with Join
.expression: the expression returns a list, but emails[type eq "work"].value takes one value; choose one with Item, or combine all with Join
.expression: the expression returns "ab", but active takes a Boolean; return "True" or "False", as with IIF or CBool
.expression: the expression returns a number, but urn:acme:User:x takes a Boolean; return "True" or "False", as with IIF or CBool
.expression: the expression returns a date, but urn:acme:User:x takes a whole number; return a whole number, or set type = "string" if the target keeps text
.expression: the expression returns "abc", but urn:acme:User:x takes a whole number; return a whole number, or set type = "string" if the target keeps text
.expression: the expression returns "y", but urn:acme:User:x takes a date; return a date, or set type = "string" if the target keeps text
.expression: the expression returns a list of objects, but nickName takes one value; map an attribute that holds objects, such as roles
.expression: a multi-valued attribute is used where one value is required (line 1, column 9); correct the expression; entrain eval tries it out
.expression: expression of CDate is not a date that can be read (line 1, column 22); correct the expression; entrain eval tries it out
.expression: the expression returns "a", but urn:acme:User:x takes a reference; return the reference itself, such as [manager]
"##);
    for (target, expression) in [
        (
            "active",
            r#"Switch([IsSoftDeleted], [city], "False", "True", "True", "False")"#,
        ),
        (
            r#"emails[type eq "home"].primary"#,
            r#"IIF([IsSoftDeleted], Append([city], "b"), 1)"#,
        ),
        ("nickName", r#"IIF([city] = "x", [otherMails], [mail])"#),
        ("nickName", r#"Join(";", [proxyAddresses])"#),
        ("nickName", "Count([otherMails])"),
        ("nickName", "Item([otherMails], 1)"),
        ("nickName", "[extension_00001111aaaa2222bbbb3333cccc4444_x]"),
        ("nickName", "[accountEnabled]"),
        (
            "roles",
            "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])",
        ),
        ("roles", "AppRoleAssignmentsComplex([appRoleAssignments])"),
        ("entitlements", r#"Split("a,b", ",")"#),
        (
            "active",
            r#"Switch([IsSoftDeleted], , "False", "True", "True", "False")"#,
        ),
        ("nickName", "IgnoreFlowIfNullOrEmpty([city])"),
    ] {
        assert_eq!(told(target, expression), "no problem", "{expression}");
    }
}

#[test]
fn a_whole_and_its_parts_are_not_mapped_together() {
    let removed = ["givenName", "familyName", "formatted"]
        .map(|part| format!("{{ target = 'name.{part}', remove = true }}"))
        .join(", ");
    insta::assert_snapshot!([
        told_of("{ target = 'name', constant = { givenName = 'CONST' } }"),
        told_of("{ target = 'emails', constant = { value = 'a@b.example' } }"),
        told_of(&format!("{{ target = 'name', constant = {{ givenName = 'CONST' }} }}, {removed}")),
        told_of("{ target = 'name', none = true }"),
    ].join("\n"), @r#"
.target: name is mapped as a whole, and in parts as well: name.givenName, name.familyName, name.formatted; map only the parts, or remove each of them with remove = true
.target: emails is mapped as a whole, and in parts as well: emails[type eq "work"].value; map only the parts, or remove each of them with remove = true
no problem
no problem
"#);
}

#[test]
fn every_type_of_the_rfc_is_known_by_its_own_name() {
    for (target_type, constant) in [
        ("string", "'x'"),
        ("boolean", "true"),
        ("integer", "1"),
        ("dateTime", "'2026-01-31T00:00:00Z'"),
        ("datetime", "'2026-01-31T00:00:00Z'"),
        ("binary", "'AAEC'"),
        ("complex", "{ value = 'x' }"),
    ] {
        let mapping = format!(
            "{{ target = 'urn:acme:User:x', type = '{target_type}', constant = {constant} }}"
        );
        assert_eq!(told_of(&mapping), "no problem", "{target_type}");
    }
    let reference = "{ target = 'urn:acme:User:x', type = 'reference', source = 'manager' }";
    assert_eq!(told_of(reference), "no problem");
}

#[test]
fn constants_have_no_unknown_sub_attributes() {
    let roles = |constant: &str| told_of(&format!("{{ target = 'roles', constant = {constant} }}"));
    insta::assert_snapshot!([
        roles("[ { value = 'x', primary = true }, { valu = 'y' } ]"),
        told_of("{ target = 'addresses[type eq \"x\"]', constant = { strasse = 'x' } }"),
        told_of("{ target = 'roles', source = 'extension_00001111aaaa2222bbbb3333cccc4444_x', default = \
                 { display_name = 'x' } }"),
    ].join("\n"), @r##"
.constant: roles has no sub-attribute valu; did you mean value?; if the target has it, set type = "complex"
.constant: addresses[type eq "x"] has no sub-attribute strasse; write one of: $ref, country, display, formatted, locality, postalCode, primary, region, streetAddress, type, value; if the target has it, set type = "complex"
.default: roles has no sub-attribute display_name; write one of: $ref, display, primary, type, value; if the target has it, set type = "complex"
"##);
    assert_eq!(
        roles("[ { Value = 'x', '$ref' = 'y', display = 'z', type = 't' } ]"),
        "no problem"
    );
    let said = "{ target = 'roles', type = 'complex', constant = { level = 1 } }";
    assert_eq!(told_of(said), "no problem");
}

#[test]
fn lists_are_called_lists() {
    insta::assert_snapshot!([
        told_of("{ target = 'entitlements', constant = ['a', 'b'] }"),
        told_of("{ target = 'entitlements', constant = [ { value = 'a' }, 7 ] }"),
        told_of("{ target = 'nickName', constant = ['a', 'b'] }"),
        told_of("{ target = 'ims', source = 'imAddresses' }"),
        told_of("{ target = 'nickName', source = 'businessPhones' }"),
    ].join("\n"), @r##"
.constant: each value of the target is an object with sub-attributes, not "a"; write a table such as { type = "work", value = "…" }
.constant: each value of the target is an object with sub-attributes, not 7; write a table such as { type = "work", value = "…" }
.constant: the target takes text, not a list; write it in quotes
.source: imAddresses is a list of texts, but ims takes an object with sub-attributes; name the sub-attribute and one value, as in ims[type eq "work"].value and imAddresses[0]
.source: businessPhones is a list, but nickName takes one value; write businessPhones[0], or choose in an expression with Item or Join
"##);
}

#[test]
fn binary_data_is_base64() {
    let told = |source: &str| {
        told_of(&format!(
            "{{ target = 'urn:acme:User:x', type = 'binary', {source} }}"
        ))
    };
    insta::assert_snapshot!([
        told("constant = 'jane!'"),
        told("expression = 'Append(\"jane\", \"@contoso.com\")'"),
        told("source = 'accountEnabled'"),
        told("source = 'createdDateTime'"),
    ].join("\n"), @r##"
.constant: the target takes binary data, not "jane!"; write it in base64, in quotes
.expression: the expression returns "jane@contoso.com", but urn:acme:User:x takes binary data; return base64, as with ConvertToBase64
.source: accountEnabled is a Boolean, but urn:acme:User:x takes binary data; map another attribute, or convert it in an expression
.source: createdDateTime is a date, but urn:acme:User:x takes binary data; map another attribute, or convert it in an expression
"##);
    for source in [
        "constant = 'AAEC'",
        "source = 'mail'",
        "expression = 'ConvertToBase64([mail])'",
    ] {
        assert_eq!(told(source), "no problem", "{source}");
    }
}

#[test]
fn a_target_may_filter_users_and_groups_by_different_attributes() {
    let job = JOB.replace("[jobs.target]", "preset = \"sosafe\"\n[jobs.target]");
    let mapping = "[jobs.users]\nmappings = [ { target = 'displayName', source = 'displayName', match = 2 } ]";
    insta::assert_snapshot!([
        told_whole(&format!("{SOURCE}{job}{mapping}")),
        told("filterable = { users = ['externalId'] }"),
        told("filterable = { users = ['userName'], group = ['displayName'] }"),
    ].join("\n"), @r##"
entrain.toml:15: jobs.acme.users.mappings[0].match: displayName cannot match: the target does not filter users by it
    match one of userName, or add it to target.filterable
entrain.toml:7: jobs.acme.users.mappings: userName cannot match: the target does not filter users by it
    match one of externalId, or add it to target.filterable
entrain.toml:13: jobs.acme.target.filterable.group: unknown key
    did you mean groups?
"##);
    assert_eq!(told("filterable = { users = ['userName'] }"), "no problem");
}

#[test]
fn clauses_that_are_never_or_always_true_are_reported() {
    let told = |clause: &str| {
        let told = told(&format!(
            "[jobs.users]\nfilters = [ {{ all = [ {{ {clause} }} ] }} ]"
        ));
        told.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    };
    insta::assert_snapshot!([
        told("attribute = 'department', operator = 'INCLUDES', value = ''"),
        told("attribute = 'manager', operator = 'EQUALS', value = 'x@y.example'"),
        told("attribute = 'objectId', operator = 'NOT EQUALS', value = 'x@y.example'"),
        told("attribute = 'manager', operator = 'EQUALS', value = '00001111-AAAA-2222-bbbb-3333cccc4444'"),
        told("attribute = 'id', operator = 'ENDS_WITH', value = 'f'"),
        told("attribute = 'memberOf', operator = 'EQUALS', value = 'Sales'"),
    ].join("\n"), @r##"
entrain.toml:14: jobs.acme.users.filters[0].all[0].operator: INCLUDES compares with an empty value, but a clause on an empty attribute is always false; add a value, or use IS NULL or IS NOT NULL
entrain.toml:14: jobs.acme.users.filters[0].all[0].value: manager contains an object id, but "x@y.example" is not an object id; write the id, as the Entra admin center shows it: Object ID
entrain.toml:14: jobs.acme.users.filters[0].all[0].value: id contains an object id, but "x@y.example" is not an object id; write the id, as the Entra admin center shows it: Object ID
no problem
no problem
no problem
"##);
}
