//! The source: which tenant, how to sign in to it, and where secrets are.

use super::{Holds, Key, Rule, Section, key};

const KEYS: [Key; 15] = [
    key(
        "tenant_id",
        Holds::Text,
        "The tenant's id, or a domain of it.",
    ),
    key(
        "client_id",
        Holds::Id,
        "Application (client) id of the app registration.",
    ),
    key(
        "client_secret",
        Holds::OneOf(&[
            Holds::Table(&SECRET_WITH_DATE),
            Holds::Tables(&SECRET_WITH_DATE),
        ]),
        "A client secret, or a list of two while one is replaced.",
    ),
    key(
        "client_certificate",
        Holds::OneOf(&[Holds::Table(&CERTIFICATE), Holds::Tables(&CERTIFICATE)]),
        "A certificate with its private key, or a list of them.",
    ),
    key(
        "federated_token_file",
        Holds::Text,
        "The file of the token of workload identity federation.",
    )
    .remedy("name the file with the token"),
    key(
        "workload_identity",
        Holds::Boolean,
        "Use the environment variables of the Azure workload identity webhook.",
    ),
    key(
        "managed_identity",
        Holds::OneOf(&[Holds::Boolean, Holds::Table(&IDENTITY)]),
        "The managed identity of this Azure machine.",
    ),
    key(
        "azure_cli",
        Holds::Boolean,
        "The token of the user of az: only for plan, test and import.",
    ),
    key(
        "device_code",
        Holds::Boolean,
        "Sign in with a browser: only for plan, test and import.",
    ),
    key(
        "cloud",
        Holds::Words(&["global", "us-gov", "us-gov-dod", "china"]),
        "The Microsoft cloud. Default: global.",
    ),
    key(
        "login_url",
        Holds::Address,
        "Replaces the cloud's sign-in address.",
    ),
    key(
        "graph_url",
        Holds::Address,
        "Replaces the cloud's address of Microsoft Graph.",
    ),
    key(
        "token_scope",
        Holds::Text,
        "Replaces the scope of tokens for Microsoft Graph.",
    ),
    key(
        "proxy",
        Holds::Text,
        "The proxy for requests to Microsoft: http://host:port. Default: that of the environment (HTTPS_PROXY).",
    ),
    key(
        "read",
        Holds::Words(&["auto", "whole", "in_scope"]),
        "Read all users and groups of the tenant, or only those in scope. Default: auto, which takes what needs fewer requests.",
    ),
];

const RULES: &[Rule] = &[
    Rule::ExactlyOne(CREDENTIALS),
    Rule::Needs("client_secret", &["tenant_id", "client_id"]),
    Rule::Needs("client_certificate", &["tenant_id", "client_id"]),
    Rule::Needs("federated_token_file", &["tenant_id", "client_id"]),
];

pub(super) const SOURCE: Section = Section {
    name: "source",
    keys: &KEYS,
    rules: RULES,
    reserved: &[],
};

const NAMED_KEYS: [Key; 16] = {
    let name = key(
        "name",
        Holds::Text,
        "Name of the source, which jobs refer to.",
    );
    let mut keys = [name.required("add name = \"…\", which jobs refer to"); 16];
    let mut index = 0;
    while index < KEYS.len() {
        keys[index + 1] = KEYS[index];
        index += 1;
    }
    keys
};

/// One of several sources.
pub(super) const NAMED_SOURCE: Section = Section {
    name: "sources",
    keys: &NAMED_KEYS,
    rules: RULES,
    reserved: &[],
};

/// The keys of the source of which one says how to sign in.
pub(in crate::config) const CREDENTIALS: &[&str] = &[
    "client_secret",
    "client_certificate",
    "federated_token_file",
    "workload_identity",
    "managed_identity",
    "azure_cli",
    "device_code",
];

pub(in crate::config) const WHERE_SECRETS_ARE: &str =
    "write { env = \"NAME\" }, { file = \"PATH\" } or { credential = \"NAME\" }";

const ENV: Key = key("env", Holds::Text, "An environment variable.").remedy(WHERE_SECRETS_ARE);
const FILE: Key = key(
    "file",
    Holds::Text,
    "A file that only its owner can read; relative to this file.",
)
.remedy(WHERE_SECRETS_ARE);
const CREDENTIAL: Key = key(
    "credential",
    Holds::Text,
    "A file in systemd's credentials directory (LoadCredential=).",
)
.remedy(WHERE_SECRETS_ARE);

const ONE_PLACE: &[Rule] = &[Rule::ExactlyOne(&["env", "file", "credential"])];

/// Where a secret is. It is never written in the configuration.
pub(in crate::config) const SECRET: Section = Section {
    name: "secret",
    keys: &[ENV, FILE, CREDENTIAL],
    rules: ONE_PLACE,
    reserved: &[],
};

pub(in crate::config) const SECRET_WITH_DATE: Section = Section {
    name: "secret",
    keys: &[
        ENV,
        FILE,
        CREDENTIAL,
        key(
            "expires",
            Holds::Text,
            "The day on which it expires, for warnings: 2027-01-31.",
        ),
    ],
    rules: ONE_PLACE,
    reserved: &[],
};

pub(in crate::config) const CERTIFICATE: Section = Section {
    name: "source.client_certificate",
    keys: &[
        key(
            "certificate",
            Holds::Table(&SECRET),
            "The certificate in PEM form.",
        ),
        key(
            "private_key",
            Holds::Table(&SECRET),
            "Its private key in PEM form.",
        ),
        key("pkcs12", Holds::Table(&SECRET), "Both in a PKCS#12 file."),
        key("password", Holds::Table(&SECRET), "Of the PKCS#12 file."),
    ],
    rules: &[
        Rule::ExactlyOne(&["certificate", "pkcs12"]),
        Rule::Needs("private_key", &["certificate"]),
        Rule::Needs("password", &["pkcs12"]),
    ],
    reserved: &[],
};

pub(super) const IDENTITY: Section = Section {
    name: "source.managed_identity",
    keys: &[
        key("object_id", Holds::Id, "Object (principal) id."),
        key("resource_id", Holds::Text, "Azure resource id."),
    ],
    rules: &[Rule::ExactlyOne(&["object_id", "resource_id"])],
    reserved: &[],
};
