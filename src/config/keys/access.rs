//! How requests to a target show who sends them.

use super::source::{CERTIFICATE, SECRET_WITH_DATE};
use super::{Holds, Key, Rule, Section, key, section};

const WHICH: &str = "add token = { env = \"NAME\" } (Entra calls it Secret Token), or one of oauth, entra, basic and headers";

pub(super) const TOKEN: Key = key(
    "token",
    Holds::OneOf(&[
        Holds::Table(&SECRET_WITH_DATE),
        Holds::Tables(&SECRET_WITH_DATE),
    ]),
    "The bearer token (Entra: Secret Token), or a list of two while one is replaced.",
)
.remedy(WHICH);
pub(super) const BASIC: Key = key(
    "basic",
    Holds::Table(&USER),
    "Instead of a token: a user with a password (basic authentication).",
);
pub(super) const OAUTH: Key = key(
    "oauth",
    Holds::Table(&CLIENT),
    "Instead of a token: tokens of an authorization server (OAuth 2.0 client credentials).",
);
pub(super) const ENTRA: Key = key(
    "entra",
    Holds::Table(&APPLICATION),
    "Instead of a token: tokens that Entra signs for the target's own application.",
);
pub(super) const HEADERS: Key = key(
    "headers",
    Holds::Secrets(&SECRET_WITH_DATE),
    "More headers of each request, such as an API key.",
);

pub(super) const CLIENT_CERTIFICATE: Key = key(
    "client_certificate",
    Holds::Table(&CERTIFICATE),
    "A certificate with its private key that the target is shown (TLS client authentication).",
);
pub(super) const PROXY: Key = key(
    "proxy",
    Holds::Text,
    "The proxy for requests to the target: http://host:port. Default: that of the environment (HTTPS_PROXY).",
);

/// One of them says who sends a request.
pub(in crate::config) const SIGN_IN: &[&str] = &["token", "oauth", "entra", "basic"];
/// One of them at least is there.
pub(in crate::config) const ACCESS: &[&str] = &[
    "token",
    "oauth",
    "entra",
    "basic",
    "headers",
    "client_certificate",
];

pub(super) const RULES: &[Rule] = &[Rule::AtMostOne(SIGN_IN), Rule::AtLeastOne(ACCESS)];

const WRITE_BASIC: &str = "write basic = { user = \"NAME\", password = { env = \"NAME\" } }";

const USER: Section = section(
    "jobs.target.basic",
    &[
        key("user", Holds::Text, "The name of the user.").required(WRITE_BASIC),
        key(
            "password",
            Holds::OneOf(&[
                Holds::Table(&SECRET_WITH_DATE),
                Holds::Tables(&SECRET_WITH_DATE),
            ]),
            "The password, or a list of two while one is replaced.",
        )
        .required(WRITE_BASIC),
    ],
);

const WRITE_OAUTH: &str = "write oauth = { token_url = \"https://…\", client_id = \"…\", client_secret = { env = \"NAME\" } }";

const CLIENT: Section = section(
    "jobs.target.oauth",
    &[
        key(
            "token_url",
            Holds::Address,
            "The address of the authorization server's token endpoint.",
        )
        .required(WRITE_OAUTH),
        key("client_id", Holds::Text, "The id of the client.").required(WRITE_OAUTH),
        key(
            "client_secret",
            Holds::OneOf(&[
                Holds::Table(&SECRET_WITH_DATE),
                Holds::Tables(&SECRET_WITH_DATE),
            ]),
            "The secret of the client, or a list of two while one is replaced.",
        )
        .required(WRITE_OAUTH),
        key(
            "scope",
            Holds::Text,
            "The scope of the tokens, if one is needed.",
        ),
        key(
            "audience",
            Holds::Text,
            "The audience of the tokens, if the server needs one.",
        ),
        key(
            "authentication",
            Holds::Words(&["basic", "post"]),
            "Send the secret in a header or in the body. Default: in a header, and in the body if that is refused.",
        ),
    ],
);

const APPLICATION: Section = section(
    "jobs.target.entra",
    &[key(
        "scope",
        Holds::Text,
        "The target's application in Entra: api://…/.default.",
    )
    .required("write entra = { scope = \"api://…/.default\" }")],
);
