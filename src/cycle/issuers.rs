//! Who grants tokens for targets: kept as long as the agent, so that cycles and looks between them share a token.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::sources::Times;
use crate::config::{self, Config, SignIn};
use crate::graph;
use crate::scim;

type Issuer = Arc<dyn scim::Issuer>;

/// Each with what it was made of. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Issuers(Arc<Mutex<Vec<(String, Issuer)>>>);

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuers")
    }
}

impl Issuers {
    /// The one of a job, where its target takes such tokens.
    pub(super) fn of(
        &self,
        job: &config::Job,
        config: &Config,
        times: Times,
    ) -> Result<Option<Issuer>, Error> {
        let target = &job.target;
        let made_of = match &target.access.sign_in {
            SignIn::Token(_) | SignIn::Basic { .. } | SignIn::Headers => return Ok(None),
            // Places of secrets, and no secret.
            SignIn::OAuth(oauth) => {
                format!("{oauth:?} {:?} {:?}", target.ca_certificate, target.proxy)
            }
            SignIn::Entra { scope } => format!("{scope:?} {:?}", config.sources_of(job).first()),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, issuer)) = all.iter().find(|(of, _)| *of == made_of) {
            return Ok(Some(Arc::clone(issuer)));
        }
        let (stop, _) = &times;
        let issuer: Issuer = match &target.access.sign_in {
            SignIn::Token(_) | SignIn::Basic { .. } | SignIn::Headers => return Ok(None),
            SignIn::OAuth(oauth) => Arc::new(of_server(target, oauth, stop.clone())?),
            SignIn::Entra { scope } => {
                let sources = config.sources_of(job);
                let source = sources.first().expect("a job has a source");
                Arc::new(OfEntra::new(source, scope, times)?)
            }
        };
        all.push((made_of, Arc::clone(&issuer)));
        Ok(Some(issuer))
    }
}

fn of_server(
    target: &config::Target,
    oauth: &config::OAuth,
    stop: CancellationToken,
) -> Result<scim::OAuth, Error> {
    let secrets = scim::OAuth::read(oauth).map_err(Error::from)?;
    Ok(scim::OAuth::new(target, oauth, secrets, stop)?)
}

/// Entra signs tokens for other applications, too, got with the credential of a source.
struct OfEntra {
    tokens: graph::TokensFor,
    identity: String,
    /// The place of the source in the configuration.
    section: String,
}

impl OfEntra {
    fn new(source: &config::Source, scope: &str, (stop, now): Times) -> Result<Self, Error> {
        let tokens = graph::TokensFor::new(source, scope, stop, now)?;
        let client = tokens.client_id().unwrap_or_default();
        let identity = format!("entra {:?} {client:?} {scope:?}", source.tenant_id);
        Ok(Self {
            tokens,
            identity,
            section: source.section(),
        })
    }
}

#[async_trait]
impl scim::Issuer for OfEntra {
    async fn token(&self) -> Result<Arc<str>, scim::NoToken> {
        self.tokens.token().await.map_err(|error| {
            let why = if matches!(error, graph::Error::Stopped) {
                scim::Why::Stopped
            } else if matches!(error, graph::Error::TokenRefused(_)) {
                scim::Why::Refused
            } else {
                scim::Why::Unavailable
            };
            let mut words = error.to_string();
            let mut cause = error.source();
            while let Some(one) = cause {
                words = format!("{words}: {one}");
                cause = one.source();
            }
            scim::NoToken {
                why,
                words,
                remedy: error.remedy_of_target(&self.section),
            }
        })
    }

    async fn reject(&self, token: &str) {
        self.tokens.reject(token).await;
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}
