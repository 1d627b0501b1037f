//! Keys and values: missing, unknown, of a later version, of the wrong type.

use super::*;

#[test]
fn everything_that_is_missing_is_reported_at_once() {
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
    write client_secret = { env = "NAME" }, or one of client_certificate, federated_token_file, workload_identity and managed_identity
entrain.toml:2: jobs[0].name: missing
    add name = "…", the name of the job in commands and reports
entrain.toml:2: jobs[0].application: missing
    add application = { app_id = "…" }, or use service_principal_id or display_name
entrain.toml:3: jobs[0].target.token: missing
    add token = { env = "NAME" } (Entra calls it Secret Token), or one of oauth, entra, basic and headers
entrain.toml:3: jobs[0].target.base_url: missing
    add base_url = "https://…", the target's SCIM address (Entra calls it Tenant URL)
entrain.toml:4: jobs.b.target: missing
    add a section [jobs.target] with base_url and token
entrain.toml:6: jobs.b.application: the application is missing
    add application = { app_id = "…" }, or use service_principal_id or display_name
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
entrain.toml:14: jobs.acme.target.concurency: unknown key
    did you mean concurrency?
entrain.toml:15: jobs.acme.target.interval: unknown key
    the key belongs in [schedule]
entrain.toml:16: jobs.acme.scopes: unknown key
    did you mean scope?
entrain.toml:18: jobs.acme.users.zzz: unknown key
    valid keys are enabled, actions, when_out_of_scope, delete_after, create_blocked, filters, mappings
"##);
}

#[test]
fn wrong_types_and_values_are_reported() {
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
entrain.toml:4: source.tenant_id: common is not a tenant; an agent can sign in to exactly one tenant
    write the tenant's id, or a domain of it such as "contoso.onmicrosoft.com"
entrain.toml:5: source.client_id: this is not an id of the form 00000000-0000-0000-0000-000000000000
    copy the application (client) id of the app registration
entrain.toml:6: source.client_secret: a secret cannot be written in the configuration
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
entrain.toml:7: source.cloud: "german" is not one of the allowed values
    write one of: global, us-gov, us-gov-dod, china
entrain.toml:8: source.login_url: the address ends in oauth2
    remove tenant and version, as in "https://login.microsoftonline.com"
entrain.toml:9: source.graph_url: with http, the token would be sent unencrypted to graph.example
    write https://; plain http is for localhost only
entrain.toml:11: jobs.my job.name: "my job" is not a valid job name
    use at most 64 letters, digits, hyphens, dots and underscores
entrain.toml:12: jobs.my job.enabled: true or false expected, found text
    write true or false, without quotes
entrain.toml:13: jobs.my job.preset: there is no preset "wiser"
    did you mean wizer?
    for your own preset, give a path, such as "./wiser.toml"
entrain.toml:14: jobs.my job.application: only one of app_id, service_principal_id and display_name can be set
    keep one of them
entrain.toml:16: jobs.my job.target.base_url: this is not an address: relative URL without a base
    write the complete address, as in "https://example.com/scim"
entrain.toml:17: jobs.my job.target.token: only one place can be given for a secret
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
entrain.toml:18: jobs.my job.target.concurrency: 0 is too small
    write a whole number of at least 1, without quotes
entrain.toml:19: jobs.my job.target.requests_per_second: a number expected, found text
    write a number above 0, without quotes
entrain.toml:20: jobs.my job.target.timeout: "60" is not a duration
    write it like "90s", "40m" or "1h30m"
entrain.toml:21: jobs.my job.target.filterable: a list of texts expected, found text
    write a list such as ["one", "two"]
entrain.toml:22: jobs.my job.target.member_remove: "list" is not one of the allowed values
    write one of: filter, value-list
entrain.toml:23: jobs.my job.target.page_size: a whole number expected, found a date without quotes
    write a whole number of at least 1, without quotes
entrain.toml:25: jobs.my job.safety.max_deletions: "ten" is neither a number nor a percentage
    write a number such as 500, or a percentage such as "10%"
"##);
}

#[test]
fn a_mistyped_preset_hides_no_other_mistake() {
    let told = |preset: &str| {
        let job = JOB.replace(
            "[jobs.target]",
            &format!("preset = \"{preset}\"\n[jobs.target]"),
        );
        told_whole(&format!(
            r#"{SOURCE}{job}
[[jobs.users.mappings]]
target = "title"
source = "jobTitel"
[[jobs.users.mappings]]
target = "nickName"
expression = 'Join(".", [mail)'
[[jobs.users.mappings]]
target = "timezone"
remove = true
[jobs.groups]
when_out_of_scope = "dissolve"
"#
        ))
    };
    insta::assert_snapshot!(told("wiser"), @r##"
entrain.toml:10: jobs.acme.preset: there is no preset "wiser"
    did you mean wizer?
    for your own preset, give a path, such as "./wiser.toml"
entrain.toml:17: jobs.acme.users.mappings[0].source: user attribute jobTitel: there is no source attribute of this name
    did you mean jobTitle?
entrain.toml:20: jobs.acme.users.mappings[1].expression: the attribute has no closing bracket (line 1, column 11)
      |
    1 | Join(".", [mail)
      |           ^
    correct the expression; entrain eval tries it out
entrain.toml:21: jobs.acme.users.mappings[2]: the preset has no mapping of timezone, so there is nothing to remove
    leave the mapping out
entrain.toml:25: jobs.acme.groups.when_out_of_scope: "dissolve" is not one of the allowed values
    did you mean disable?
"##);
    // Nothing is near: what depends on the preset is not judged.
    insta::assert_snapshot!(told("./no-such-preset.toml"), @r##"
entrain.toml:10: jobs.acme.preset: the preset no-such-preset.toml cannot be read: No such file or directory (os error 2)
    correct the path, which is relative to the folder of the configuration
entrain.toml:17: jobs.acme.users.mappings[0].source: user attribute jobTitel: there is no source attribute of this name
    did you mean jobTitle?
entrain.toml:20: jobs.acme.users.mappings[1].expression: the attribute has no closing bracket (line 1, column 11)
      |
    1 | Join(".", [mail)
      |           ^
    correct the expression; entrain eval tries it out
entrain.toml:25: jobs.acme.groups.when_out_of_scope: "dissolve" is not one of the allowed values
    did you mean disable?
"##);
}
