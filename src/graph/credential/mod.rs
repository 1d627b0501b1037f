//! How the agent proves to the sign-in service who it is. Everything that can be wrong with a secret, a
//! certificate or a token file is found here, before the first request.

mod certificate;
mod managed;
mod personal;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::config::{self, SecretError, Source};
use crate::http;

use super::error::Error;
pub(crate) use certificate::expiry as certificate_expiry;
use certificate::{Algorithm, Signer};

pub(super) use managed::Endpoint;
pub(super) use personal::{DeviceCode, azure_cli};

/// How the agent signs in, with everything read that can be read beforehand.
pub(crate) struct Credential {
    pub(super) kind: Kind,
    /// Its place in the configuration: `source`, or `sources` with the name of the source.
    pub(super) section: String,
    pub(super) now: fn() -> DateTime<Utc>,
}

pub(super) enum Kind {
    App {
        client_id: String,
        /// In the order in which they are tried; never empty.
        proofs: Arc<[Proof]>,
        /// Where they come from.
        places: Vec<config::Proof>,
    },
    ManagedIdentity(config::Identity),
    AzureCli,
    DeviceCode {
        client_id: String,
    },
}

/// One way for an application to prove who it is.
pub(super) struct Proof {
    /// As it stands in the configuration: `source.client_secret`.
    pub(super) key: String,
    means: Means,
}

enum Means {
    Secret(ClientSecret),
    Assertion {
        signer: Signer,
        algorithm: Algorithm,
    },
    FederatedToken(PathBuf),
}

/// The secret of the app registration. Never printed.
#[derive(Clone)]
struct ClientSecret(String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// When a secret or a certificate expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// As it stands in the configuration.
    pub(crate) key: String,
    pub(crate) day: NaiveDate,
}

impl Credential {
    /// Reads what the configuration names. Of several certificates, one that cannot be used now is left
    /// out as long as another can.
    pub(crate) fn load(source: &Source, now: fn() -> DateTime<Utc>) -> Result<Self, Error> {
        let kind = match &source.credential {
            config::Credential::App { client_id, proofs } => Kind::App {
                client_id: client_id.clone(),
                proofs: load_proofs(&source.section(), proofs, now())?.into(),
                places: proofs.clone(),
            },
            config::Credential::ManagedIdentity(identity) => {
                Kind::ManagedIdentity(identity.clone())
            }
            config::Credential::AzureCli => Kind::AzureCli,
            config::Credential::DeviceCode { client_id } => Kind::DeviceCode {
                client_id: client_id
                    .clone()
                    .unwrap_or_else(|| personal::PUBLIC_CLIENT.to_owned()),
            },
        };
        Ok(Self {
            kind,
            section: source.section(),
            now,
        })
    }

    #[cfg(test)]
    pub(crate) fn of_secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            kind: Kind::App {
                client_id: client_id.into(),
                proofs: Arc::new([Proof {
                    key: "source.client_secret".to_owned(),
                    means: Means::Secret(ClientSecret(secret.into())),
                }]),
                places: Vec::new(),
            },
            section: "source".to_owned(),
            now: || DateTime::UNIX_EPOCH,
        }
    }

    /// Reads everything once more, after these were refused. `None`: it is as it was, or cannot be read.
    pub(super) fn read_again(&self, refused: &[Proof]) -> Option<Arc<[Proof]>> {
        let Kind::App { places, .. } = &self.kind else {
            return None;
        };
        if !places.iter().all(is_kept) {
            return None;
        }
        let fresh = load_proofs(&self.section, places, (self.now)()).ok()?;
        let is_known = |proof: &Proof| refused.iter().any(|other| other.means.is(&proof.means));
        let is_another = !fresh.iter().all(is_known);
        is_another.then(|| fresh.into())
    }
}

/// Whether it can be read more than once.
fn is_kept(proof: &config::Proof) -> bool {
    match proof {
        config::Proof::Secret { secret, .. } => secret.is_kept(),
        config::Proof::Certificate(config::Certificate::Pem {
            certificate,
            private_key,
        }) => certificate.is_kept() && private_key.iter().all(config::Secret::is_kept),
        config::Proof::Certificate(config::Certificate::Pkcs12 { file, password }) => {
            file.is_kept() && password.iter().all(config::Secret::is_kept)
        }
        config::Proof::FederatedToken(_) => true,
    }
}

impl Means {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Secret(ClientSecret(one)), Self::Secret(ClientSecret(other))) => one == other,
            (
                Self::Assertion { signer, algorithm },
                Self::Assertion {
                    signer: other,
                    algorithm: form,
                },
            ) => algorithm == form && signer.is(other),
            (Self::FederatedToken(one), Self::FederatedToken(other)) => one == other,
            (Self::Secret(_) | Self::Assertion { .. } | Self::FederatedToken(_), _) => false,
        }
    }
}

/// When each secret and certificate of the source expires, as far as the configuration or the
/// certificate says it.
pub(crate) fn expiries(source: &Source) -> Vec<Expiry> {
    let config::Credential::App { proofs, .. } = &source.credential else {
        return Vec::new();
    };
    let keyed = keyed(&source.section(), proofs).into_iter();
    keyed
        .filter_map(|(key, proof)| {
            let day = match proof {
                config::Proof::Secret { expires, .. } => (*expires)?,
                config::Proof::Certificate(certificate) => {
                    certificate::expiry(certificate)?.date_naive()
                }
                config::Proof::FederatedToken(_) => return None,
            };
            Some(Expiry { key, day })
        })
        .collect()
}

/// Each with its key, which has an index where there are several.
fn keyed<'p>(section: &str, proofs: &'p [config::Proof]) -> Vec<(String, &'p config::Proof)> {
    let of = |proof: &config::Proof| match proof {
        config::Proof::Secret { .. } => "client_secret",
        config::Proof::Certificate(_) => "client_certificate",
        config::Proof::FederatedToken(_) => "federated_token_file",
    };
    let several = proofs.len() > 1;
    let proofs = proofs.iter().enumerate();
    proofs
        .map(|(index, proof)| {
            let key = of(proof);
            let key = if several {
                format!("{section}.{key}[{index}]")
            } else {
                format!("{section}.{key}")
            };
            (key, proof)
        })
        .collect()
}

fn load_proofs(
    section: &str,
    proofs: &[config::Proof],
    now: DateTime<Utc>,
) -> Result<Vec<Proof>, Error> {
    let mut loaded = Vec::new();
    let mut first_fault = None;
    for (key, proof) in keyed(section, proofs) {
        match proof {
            config::Proof::Secret { secret, .. } => {
                let secret = secret.read().map_err(|source| unread(&key, source))?;
                let means = Means::Secret(ClientSecret(secret));
                loaded.push(Proof { key, means });
            }
            config::Proof::FederatedToken(path) => {
                federated_token(&key, path)?;
                let means = Means::FederatedToken(path.clone());
                loaded.push(Proof { key, means });
            }
            config::Proof::Certificate(certificate) => {
                let signer = Signer::load(&key, certificate)?;
                if let Err(why) = signer.check_validity(now) {
                    tracing::warn!(key, %why, "a certificate cannot be used");
                    first_fault.get_or_insert(Error::Credential {
                        key,
                        why,
                        remedy: "make a new certificate, and upload it to the app registration",
                    });
                    continue;
                }
                // The current form first; a service that does not take it gets the older one.
                for algorithm in [Algorithm::Ps256, Algorithm::Rs256] {
                    let means = Means::Assertion {
                        signer: signer.clone(),
                        algorithm,
                    };
                    let key = key.clone();
                    loaded.push(Proof { key, means });
                }
            }
        }
    }
    match first_fault {
        Some(fault) if loaded.is_empty() => Err(fault),
        Some(_) | None => Ok(loaded),
    }
}

fn unread(key: &str, source: SecretError) -> Error {
    let key = key.to_owned();
    Error::Secret { key, source }
}

fn federated_token(key: &str, path: &std::path::Path) -> Result<String, Error> {
    let token = config::read_secret_file(path).map_err(|source| unread(key, source))?;
    let token = token.trim();
    if token.is_empty() {
        return Err(unread(key, SecretError::FileEmpty(path.to_owned())));
    }
    Ok(token.to_owned())
}

/// What a token request carries in addition to the client and the scope.
pub(super) struct Fields(Vec<(&'static str, String)>);

impl Proof {
    /// The first characters of a secret, by which Entra's lists name it.
    pub(super) fn hint(&self) -> Option<String> {
        match &self.means {
            Means::Secret(ClientSecret(secret)) => Some(secret.chars().take(3).collect()),
            Means::Assertion { .. } | Means::FederatedToken(_) => None,
        }
    }

    /// Made again for each request: an assertion has an id of its own, and the platform rewrites a file.
    pub(super) fn fields(
        &self,
        audience: &str,
        client_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Fields, Error> {
        let assertion = match &self.means {
            Means::Secret(ClientSecret(secret)) => {
                return Ok(Fields(vec![("client_secret", secret.clone())]));
            }
            Means::Assertion { signer, algorithm } => {
                signer.assertion(*algorithm, audience, client_id, now)
            }
            Means::FederatedToken(path) => federated_token(&self.key, path)?,
        };
        Ok(Fields(vec![
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", assertion),
        ]))
    }
}

impl Fields {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The server's words without what was sent.
    pub(super) fn redact(&self, words: &str) -> String {
        let values = self
            .0
            .iter()
            .filter(|(name, _)| *name != "client_assertion_type");
        let mut words = words.to_owned();
        for (_, value) in values {
            words = http::redact_secret(&words, value);
        }
        words
    }
}

#[cfg(test)]
mod tests;
