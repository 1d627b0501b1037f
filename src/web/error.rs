//! Why the status page cannot be shown.

use crate::store;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot listen on {at} ([web] listen)")]
    Listen {
        at: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the {what} cannot be used")]
    Secret {
        what: &'static str,
        #[source]
        source: crate::config::SecretError,
    },
    #[error("the certificate of the status page cannot be used ([web] tls): {0}")]
    Tls(String),
    #[error("the state cannot be read for the status page")]
    State(#[source] store::Error),
}
