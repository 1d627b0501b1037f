//! The status page: where it listens, and who may see it.

use super::source::SECRET;
use super::{Holds, Rule, Section, key};

pub(super) const WEB: Section = Section {
    name: "web",
    keys: &[
        key(
            "listen",
            Holds::Text,
            "Where the service serves the status page, /metrics, /healthz and /readyz: an address with a port, or \
             unix:/path.",
        )
        .required("add listen = \"127.0.0.1:8740\""),
        key(
            "token",
            Holds::Table(&SECRET),
            "The token to sign in with. Default: a file next to the state file.",
        ),
        key(
            "open_on_loopback",
            Holds::Boolean,
            "Every user of this machine sees the pages without a token.",
        ),
        key(
            "hosts",
            Holds::Texts,
            "Host names of the page, in addition to localhost and IP addresses.",
        ),
        key(
            "tls",
            Holds::Table(&TLS),
            "Serves the page over HTTPS.",
        ),
        key(
            "client_ca",
            Holds::Text,
            "A file with certificates of authorities in PEM form. Browsers with a certificate of one of them need \
             no token. Only with tls.",
        ),
        key(
            "proxy",
            Holds::Table(&PROXY),
            "A proxy that signs users in. Its requests need no token.",
        ),
    ],
    rules: &[],
    reserved: &[],
};

const PROXY: Section = Section {
    name: "web.proxy",
    keys: &[
        key(
            "header",
            Holds::Text,
            "The header in which the proxy names the user. The proxy must remove it from what browsers send.",
        )
        .required("write proxy = { header = \"X-Forwarded-User\", secret = { file = \"…\" } }"),
        key(
            "secret",
            Holds::Table(&SECRET),
            "What the proxy sends in the header X-Proxy-Secret. Required unless the page listens on a Unix socket.",
        ),
    ],
    rules: &[] as &[Rule],
    reserved: &[],
};

/// Written inline, as that of the source is.
const TLS: Section = Section {
    name: "web.tls",
    keys: &[
        key(
            "certificate",
            Holds::Table(&SECRET),
            "The certificate, with those that lead to its root, in PEM form.",
        )
        .required("write tls = { certificate = { file = \"…\" }, private_key = { file = \"…\" } }"),
        key(
            "private_key",
            Holds::Table(&SECRET),
            "Its private key in PEM form.",
        )
        .required("write tls = { certificate = { file = \"…\" }, private_key = { file = \"…\" } }"),
    ],
    rules: &[] as &[Rule],
    reserved: &[],
};
