//! What the environment overrides.

use super::*;

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
        config.sources[0].graph_url,
        "https://microsoftgraph.chinacloudapi.cn"
    );
    assert!(config.state.path.ends_with("007"));
    let job = &config.jobs[0];
    assert_eq!(job.target.base_url, "http://localhost:1/scim");
    assert_eq!(job.target.concurrency, 3);
    assert_eq!(
        job.target.access,
        Access::of_token(Secret::Env("OTHER".to_owned()))
    );
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
    let secret = Proof::Secret {
        secret: Secret::File("/run/secret".into()),
        expires: None,
    };
    assert!(matches!(
        &config.sources[0].credential,
        Credential::App { proofs, .. } if *proofs == [secret]
    ));
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
ENTRAIN_JOBS__ACNE__TARGET__TIMEOUT: there is none named acne
    did you mean ACME?
ENTRAIN_JOBS__7__ENABLED: there is no element 7: the list has 1
    elements are counted from 0
ENTRAIN_JOBS__ACME__SCOPE__EXCLUDE__0: a list of plain values can only be overridden as a whole
    omit the index and write the whole list, as in ["one", "two"]
ENTRAIN_SAUCE__X: sauce: unknown key
    did you mean source?
ENTRAIN_SOURCE__CLIENT_SECRET: source.client_secret: a secret cannot be written in the configuration
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
ENTRAIN_JOBS__ACME__TARGET__TIMEOUT: jobs.acme.target.timeout: "soon" is not a duration
    write it like "90s", "40m" or "1h30m"
"##);
}
