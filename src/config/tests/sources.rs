//! Several sources, and which job reads which.

use super::*;

const SOURCES: &str = r#"
[[sources]]
name = "north"
tenant_id = "00001111-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "NORTH_SECRET" }
[[sources]]
name = "South"
tenant_id = "00002222-aaaa-2222-bbbb-3333cccc4444"
client_id = "11112222-bbbb-3333-cccc-4444dddd5555"
client_secret = { env = "SOUTH_SECRET" }
"#;

/// The job with this line.
fn job(line: &str) -> String {
    JOB.replace("\n[jobs.target]", &format!("\n{line}\n[jobs.target]"))
}

fn with(line: &str) -> String {
    format!("{SOURCES}{}", job(line))
}

#[test]
fn a_job_reads_the_source_that_it_names() {
    let config = load_ok(&with("sources = [\"south\"]"));
    assert_eq!(config.jobs[0].sources, ["South"]);
    let source = config.sources_of(&config.jobs[0])[0];
    assert_eq!(source.tenant_id, "00002222-aaaa-2222-bbbb-3333cccc4444");
    assert_eq!(source.key("client_secret"), "sources.South.client_secret");
    // One is the only one that can be meant.
    let (_, second) = SOURCES.split_at(SOURCES.rfind("[[sources]]").unwrap());
    let config = load_ok(&format!("{second}{JOB}"));
    assert_eq!(config.jobs[0].sources, ["South"]);
}

#[test]
fn a_job_of_several_sources_names_its_application_as_all_of_them_do() {
    let text = with("sources = [\"south\", \"north\"]");
    let config = load_ok(&text);
    assert_eq!(config.jobs[0].sources, ["South", "north"]);
    insta::assert_snapshot!(told_whole(&text.replace("app_id", "service_principal_id")), @r#"
entrain.toml:15: jobs.acme.application.service_principal_id: a service principal is of one tenant, and the job has several sources
    write app_id, which is the same in all tenants, or display_name
"#);
}

#[test]
fn the_fingerprint_of_a_job_does_not_depend_on_the_name_of_its_source() {
    let fingerprint = |text: &str| load_ok(text).jobs.remove(0).fingerprint;
    let alone = fingerprint(&format!("{SOURCE}{JOB}"));
    assert_eq!(fingerprint(&with("sources = [\"north\"]")), alone);
}

#[test]
fn names_that_mean_no_source_are_reported_with_the_nearest() {
    insta::assert_snapshot!(told_whole(&with("sources = [\"nort\"]")), @r#"
entrain.toml:16: jobs.acme.sources[0]: there is no source named "nort"
    did you mean "north"?
"#);
    insta::assert_snapshot!(told_whole(&with("sources = [\"east\"]")), @r#"
entrain.toml:16: jobs.acme.sources[0]: there is no source named "east"
    use one of north, South
"#);
    insta::assert_snapshot!(told_whole(&with("")), @r#"
entrain.toml:13: jobs.acme.sources: missing: there are several sources
    write sources = ["…"], with one or several of north, South
"#);
    insta::assert_snapshot!(told_whole(&with("sources = []")), @r#"
entrain.toml:16: jobs.acme.sources: it names no source
    name one of north, South
"#);
    insta::assert_snapshot!(told_whole(&with("sources = [\"north\", \"North\"]")), @r#"
entrain.toml:16: jobs.acme.sources[1]: north is named twice
    remove one of them
"#);
    let text = format!("{SOURCE}{}", job("sources = [\"north\"]"));
    insta::assert_snapshot!(told_whole(&text), @r#"
entrain.toml:10: jobs.acme.sources: there are no [[sources]] that it could name
    remove the key, or make [source] one of [[sources]], with a name
"#);
}

#[test]
fn one_source_and_several_exclude_each_other() {
    let text = format!("{SOURCE}{}", with("sources = [\"north\"]"));
    insta::assert_snapshot!(told_whole(&text), @r#"
entrain.toml:2: source: [source] and [[sources]] are both set
    keep [[sources]], and make [source] one of them, with a name
"#);
    let variables = [("ENTRAIN_SOURCE__READ", "whole")];
    insta::assert_snapshot!(told_with(&with("sources = [\"north\"]"), &variables), @r#"
ENTRAIN_SOURCE__READ: source: [source] and [[sources]] are both set
    keep [[sources]], and make [source] one of them, with a name
"#);
    insta::assert_snapshot!(told_whole(JOB), @r#"
entrain.toml: source: missing
    add a section [source] with tenant_id, client_id and client_secret
"#);
    let named = SOURCE.replace("[source]", "[source]\nname = \"north\"");
    insta::assert_snapshot!(told_whole(&format!("{named}{JOB}")), @r#"
entrain.toml:3: source.name: unknown key
    the key belongs in [sources]
"#);
}

#[test]
fn sources_have_names_and_tenants_of_their_own() {
    let text = with("sources = [\"north\"]");
    let same_name = text.replace("\"South\"", "\"North\"");
    insta::assert_snapshot!(told_whole(&same_name), @r#"
entrain.toml:8: sources.North.name: another source has this name: line 3
    give each source a unique name; case is ignored
"#);
    let same_tenant = text.replace("00002222", "00001111");
    insta::assert_snapshot!(told_whole(&same_tenant), @r#"
entrain.toml:9: sources.South.tenant_id: another source has this tenant: line 4
    remove one of them: several jobs can name the same source
"#);
    let domain = text.replace("00002222-aaaa-2222-bbbb-3333cccc4444", "contoso.com");
    insta::assert_snapshot!(told_whole(&domain), @r#"
entrain.toml:9: sources.South.tenant_id: this is a domain, but with several sources each tenant is given by its id, so that all are certainly different
    write the tenant's id, as the overview page of Microsoft Entra shows it
"#);
    let nameless = text.replace("name = \"South\"", "name = \"\"");
    insta::assert_snapshot!(told_whole(&nameless), @r#"
entrain.toml:8: sources[1].name: empty
    add name = "…", which jobs refer to
"#);
    let wrong = text.replace("SOUTH_SECRET\" }", "SOUTH_SECRET\" }\ncolour = 1");
    insta::assert_snapshot!(told_whole(&wrong), @r#"
entrain.toml:12: sources.South.colour: unknown key
    did you mean cloud?
"#);
}

#[test]
fn variables_override_a_source_by_its_name() {
    let text = with("sources = [\"south\"]");
    let id = "00003333-aaaa-2222-bbbb-3333cccc4444";
    let loaded = load_text(&text, &[("ENTRAIN_SOURCES__SOUTH__TENANT_ID", id)]).unwrap();
    assert_eq!(loaded.config.sources[1].tenant_id, id);
    let variables = [("ENTRAIN_SOURCES__SOUTH__TENANT_ID", "south")];
    insta::assert_snapshot!(told_with(&text, &variables), @r#"
ENTRAIN_SOURCES__SOUTH__TENANT_ID: sources.South.tenant_id: this is neither an id nor a domain name
    write the tenant's id, or a domain of it such as "contoso.onmicrosoft.com"
"#);
}
