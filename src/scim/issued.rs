//! Short-lived tokens for a target: who grants them, and why none was.

use std::sync::Arc;

use async_trait::async_trait;

/// Grants tokens that expire. Shared by all requests to a target, so that there is one token for all.
#[async_trait]
pub(crate) trait Issuer: Send + Sync {
    /// A token that is good for a while.
    async fn token(&self) -> Result<Arc<str>, NoToken>;

    /// This one was refused by the target.
    async fn reject(&self, token: &str);

    /// What it knows us by, for digests: it changes when the organisation may be another one.
    fn identity(&self) -> String;

    /// Begins with the one of several secrets of which this holds, as far as there is one.
    fn begin_with(&self, _is_known: &dyn Fn(&str) -> bool) {}

    /// What is taken out of the target's words.
    fn secrets(&self) -> Vec<String>;
}

/// Why there is no token to send a request with.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no token for the target: {words}")]
pub(crate) struct NoToken {
    pub(crate) why: Why,
    /// Without secrets, on one line.
    pub(crate) words: String,
    pub(crate) remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was refused.
    Refused,
    /// The service did not answer, or not as it should.
    Unavailable,
    /// The program stops.
    Stopped,
}
