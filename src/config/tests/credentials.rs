//! How the agent signs in, as it is written in the section `source`.

use super::*;

const SECRET_LINE: &str = "client_secret = { env = \"ENTRAIN_CLIENT_SECRET\" }";

/// The credential that these lines of the section mean, in place of the usual secret.
fn credential(lines: &str) -> Credential {
    let source = SOURCE.replace(SECRET_LINE, lines);
    load_ok(&format!("{source}{JOB}"))
        .sources
        .remove(0)
        .credential
}

fn told_of(lines: &str) -> String {
    let source = SOURCE.replace(SECRET_LINE, lines);
    told_whole(&format!("{source}{JOB}"))
}

fn env(name: &str) -> Secret {
    Secret::Env(name.to_owned())
}

#[test]
fn every_way_to_sign_in_can_be_written() {
    let app = |proofs: Vec<Proof>| Credential::App {
        client_id: "11112222-bbbb-3333-cccc-4444dddd5555".to_owned(),
        proofs,
    };
    let secret = |name, expires: Option<&str>| Proof::Secret {
        secret: env(name),
        expires: expires.map(|day| day.parse().unwrap()),
    };
    assert_eq!(
        credential(
            r#"client_secret = [ { env = "OLD", expires = "2027-01-31" }, { env = "NEW" } ]"#
        ),
        app(vec![secret("OLD", Some("2027-01-31")), secret("NEW", None)])
    );
    assert_eq!(
        credential(
            r#"client_certificate = [
                { certificate = { env = "CERT" }, private_key = { env = "KEY" } },
                { pkcs12 = { env = "PFX" }, password = { env = "PASSWORD" } },
            ]"#
        ),
        app(vec![
            Proof::Certificate(Certificate::Pem {
                certificate: env("CERT"),
                private_key: Some(env("KEY")),
            }),
            Proof::Certificate(Certificate::Pkcs12 {
                file: env("PFX"),
                password: Some(env("PASSWORD")),
            }),
        ])
    );
    assert_eq!(
        credential(r#"federated_token_file = "/var/run/token""#),
        app(vec![Proof::FederatedToken("/var/run/token".into())])
    );
    assert_eq!(
        credential("managed_identity = true"),
        Credential::ManagedIdentity(Identity::ClientId(
            "11112222-bbbb-3333-cccc-4444dddd5555".to_owned()
        ))
    );
    assert_eq!(credential("azure_cli = true"), Credential::AzureCli);
    assert_eq!(Credential::AzureCli.personal(), Some("azure_cli"));
}

#[test]
fn a_managed_identity_needs_no_client() {
    let source = "[source]\ntenant_id = \"contoso.onmicrosoft.com\"\n";
    let credential = |line: &str| {
        let config = load_ok(&format!("{source}{line}\n{JOB}"));
        config.sources[0].credential.clone()
    };
    assert_eq!(
        credential("managed_identity = true"),
        Credential::ManagedIdentity(Identity::SystemAssigned)
    );
    let id = "33334444-dddd-5555-eeee-6666ffff7777";
    assert_eq!(
        credential(&format!("managed_identity = {{ object_id = \"{id}\" }}")),
        Credential::ManagedIdentity(Identity::ObjectId(id.to_owned()))
    );
}

#[test]
fn a_configuration_without_exactly_one_way_to_sign_in_is_reported() {
    insta::assert_snapshot!([
        "",
        "client_secret = { env = \"A\" }\nmanaged_identity = true",
        "client_secret = [ { env = \"A\", expires = \"soon\" } ]",
        "client_secret = []",
        "client_certificate = { certificate = { env = \"A\" }, password = { env = \"B\" } }",
        "client_certificate = { private_key = { env = \"A\" } }",
        "managed_identity = { object_id = \"33334444-dddd-5555-eeee-6666ffff7777\" }",
        "managed_identity = { }",
        "managed_identity = \"yes\"",
        "managed_identity = false",
        "workload_identity = true",
        "device_code = true",
        "client_secret = { env = \"A\" }\ntoken_scope = \"User.Read.All\"",
    ].map(told_of).join("\n--\n"), @r#"
entrain.toml:2: source.client_secret: missing
    write client_secret = { env = "NAME" }, or one of client_certificate, federated_token_file, workload_identity and managed_identity
--
entrain.toml:6: source.managed_identity: managed_identity and client_secret are both set
    keep one of them: only one way to sign in is possible; to replace a secret or certificate, write the old and the new one as a list
--
entrain.toml:5: source.client_secret[0].expires: this is not a date
    write it like "2027-01-31"
--
entrain.toml:5: source.client_secret: a secret cannot be written in the configuration
    write { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }
--
entrain.toml:5: source.client_certificate: this is neither a PEM certificate nor a PKCS#12 file
    write { certificate = { file = "PATH" }, private_key = { file = "PATH" } }, or { pkcs12 = { file = "PATH" }, password = { file = "PATH" } }
--
entrain.toml:5: source.client_certificate: this is neither a PEM certificate nor a PKCS#12 file
    write { certificate = { file = "PATH" }, private_key = { file = "PATH" } }, or { pkcs12 = { file = "PATH" }, password = { file = "PATH" } }
--
entrain.toml:4: source.client_id: the managed identity is given twice
    keep one of client_id, object_id and resource_id
--
entrain.toml:5: source.managed_identity: object_id and resource_id cannot both be set
    keep one of them; or write managed_identity = true, and client_id for a user-assigned identity
--
entrain.toml:5: source.managed_identity: true or false expected, found text
    write true or false, without quotes
--
entrain.toml:2: source.client_secret: missing
    write client_secret = { env = "NAME" }, or one of client_certificate, federated_token_file, workload_identity and managed_identity
--
entrain.toml:5: source.workload_identity: the environment variable AZURE_FEDERATED_TOKEN_FILE is not set
    start the agent in a pod that the Azure workload identity webhook prepares, or write federated_token_file = "PATH"
--
warning: entrain.toml:5: source.device_code: this signs in a user, and works only for the commands plan, test and import
    use client_secret, client_certificate, federated_token_file or managed_identity for sync and run
--
entrain.toml:6: source.token_scope: this is not the scope of one resource
    write it like "https://graph.microsoft.com/.default"
"#);
}

#[test]
fn clouds_and_overrides_are_facts_of_their_own() {
    let source = |lines: &str| {
        load_ok(&format!("{SOURCE}{lines}\n{JOB}"))
            .sources
            .remove(0)
    };
    let urls = |source: Source| [source.login_url, source.graph_url, source.token_scope];
    for (cloud, expected) in [
        (
            "global",
            [
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
                "https://graph.microsoft.com/.default",
            ],
        ),
        (
            "us-gov",
            [
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
                "https://graph.microsoft.us/.default",
            ],
        ),
        (
            "us-gov-dod",
            [
                "https://login.microsoftonline.us",
                "https://dod-graph.microsoft.us",
                "https://dod-graph.microsoft.us/.default",
            ],
        ),
        (
            "china",
            [
                "https://login.chinacloudapi.cn",
                "https://microsoftgraph.chinacloudapi.cn",
                "https://microsoftgraph.chinacloudapi.cn/.default",
            ],
        ),
    ] {
        assert_eq!(urls(source(&format!("cloud = \"{cloud}\""))), expected);
    }
    assert_eq!(
        urls(source(
            "cloud = \"china\"\nlogin_url = \"https://login.partner.microsoftonline.cn\"\n\
             token_scope = \"https://example.cn/.default\""
        )),
        [
            "https://login.partner.microsoftonline.cn",
            "https://microsoftgraph.chinacloudapi.cn",
            "https://example.cn/.default",
        ]
    );
}
