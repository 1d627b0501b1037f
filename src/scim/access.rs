//! How requests show who sends them: secrets that are read from where they are kept, sent, and never printed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::error::Error;
use super::issued::Issuer;
use crate::config::{self, SecretError, SignIn};
use crate::http::{self, pkcs12};

/// Whom a target takes the sender for. It is read again where it is refused, or the next of several is used.
pub(crate) struct Access {
    places: config::Access,
    held: Mutex<Held>,
    issuer: Option<Arc<dyn Issuer>>,
    /// What the issuer knew us by at first.
    began: Option<String>,
    /// What the links of a cycle were verified with.
    verified: Mutex<Option<String>>,
    /// The client certificate with its key in PEM form, or why it cannot be used.
    certificate: Option<Result<String, String>>,
    /// Why it cannot be used now.
    unusable: Option<String>,
}

struct Held {
    /// As they were read last, in the order in which they are tried.
    read: Vec<Proof>,
    /// The one in use, and those before it, which were refused.
    used: Vec<Proof>,
    /// The last tokens of the issuer, to be taken out of texts.
    issued: Vec<Arc<str>>,
}

/// So many tokens are remembered.
const MOST_ISSUED: usize = 8;

/// What one request shows.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    proof: Proof,
    /// Short-lived, from the issuer.
    token: Option<Arc<str>>,
}

/// Secrets that belong together.
#[derive(Clone, PartialEq, Eq)]
struct Proof {
    /// The token or the password.
    secret: Option<String>,
    /// The values of the configured headers.
    headers: Vec<String>,
}

/// A secret that cannot be read.
#[derive(Debug)]
pub(crate) struct Unread {
    /// As it stands in the configuration, below the job.
    pub(crate) key: String,
    pub(crate) source: SecretError,
}

impl Access {
    /// Reads every secret but those of the issuer, and says what is worth a word of them.
    pub(crate) fn read(
        places: &config::Access,
        issuer: Option<Arc<dyn Issuer>>,
    ) -> Result<(Self, Vec<String>), Unread> {
        let mut remarks = Vec::new();
        let read = read_all(places, &mut remarks)?;
        let access = Self {
            certificate: places
                .client_certificate
                .as_ref()
                .map(certificate)
                .transpose()?,
            began: issuer.as_ref().map(|issuer| issuer.identity()),
            issuer,
            ..Self::of(places.clone(), read)
        };
        Ok((access, remarks))
    }

    /// Shows nothing.
    pub(super) fn none() -> Self {
        let places = config::Access {
            sign_in: SignIn::Headers,
            headers: Vec::new(),
            client_certificate: None,
        };
        let nothing = Proof {
            secret: None,
            headers: Vec::new(),
        };
        Self::of(places, vec![nothing])
    }

    #[cfg(test)]
    pub(crate) fn of_token(text: &str) -> Self {
        let places = config::Access::of_token(config::Secret::Env("UNUSED".to_owned()));
        let proof = Proof {
            secret: Some(text.trim().to_owned()),
            headers: Vec::new(),
        };
        Self::of(places, vec![proof])
    }

    fn of(places: config::Access, read: Vec<Proof>) -> Self {
        let used = read.first().cloned().into_iter().collect();
        Self {
            places,
            held: Mutex::new(Held {
                read,
                used,
                issued: Vec::new(),
            }),
            issuer: None,
            began: None,
            verified: Mutex::default(),
            certificate: None,
            unusable: None,
        }
    }

    /// Looks into the client certificate before a connection is made with it.
    pub(crate) fn at(mut self, now: DateTime<Utc>) -> Self {
        if let Some(Ok(pem)) = &self.certificate {
            self.unusable = http::unusable_certificate(pem, now);
        }
        self
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key in `[jobs.target]` that says how to sign in.
    pub(super) fn key(&self) -> &'static str {
        self.places.sign_in.key()
    }

    /// Begins with the one of several of which this holds, as far as there is one.
    #[must_use]
    pub(crate) fn begin_with(self, is_known: impl Fn(&str) -> bool) -> Self {
        if let Some(issuer) = &self.issuer {
            let headers = self.header_text(&self.proof());
            issuer.begin_with(&|identity| is_known(&format!("{identity}{headers}")));
            return Self {
                began: Some(issuer.identity()),
                ..self
            };
        }
        let mut held = self.held();
        let Held { read, used, .. } = &mut *held;
        let known = read.iter().find(|proof| is_known(&self.text(proof)));
        if let ([first], Some(known)) = (used.as_mut_slice(), known) {
            first.clone_from(known);
        }
        drop(held);
        self
    }

    /// What the target knows the sender by, for digests: it changes when the organisation may be another one.
    pub(crate) fn identity(&self) -> String {
        self.text(&self.proof())
    }

    fn text(&self, proof: &Proof) -> String {
        let who = match (&self.issuer, &self.places.sign_in) {
            (Some(issuer), _) => issuer.identity(),
            (None, SignIn::Basic { user, .. }) => format!("basic {user:?} "),
            (None, _) => String::new(),
        };
        let secret = proof.secret.as_deref().unwrap_or_default();
        let headers = self.header_text(proof);
        format!("{who}{secret}{headers}")
    }

    /// The client certificate with its key, in PEM form.
    pub(super) fn certificate(&self) -> Result<Option<&str>, Error> {
        if let Some(why) = self.unusable.clone() {
            return Err(Error::ClientCertificate { why });
        }
        match &self.certificate {
            Some(Ok(pem)) => Ok(Some(pem)),
            Some(Err(why)) => Err(Error::ClientCertificate { why: why.clone() }),
            None => Ok(None),
        }
    }

    /// What is the same for every token or password.
    fn header_text(&self, proof: &Proof) -> String {
        let mut text = String::new();
        if let Some(Ok(pem)) = &self.certificate {
            text.extend(["\ncertificate ", pem]);
        }
        for ((name, _), value) in self.places.headers.iter().zip(&proof.headers) {
            text.extend(["\n", &name.to_ascii_lowercase(), ": ", value]);
        }
        text
    }

    /// What the next request shows.
    pub(super) async fn pass(&self) -> Result<Pass, Error> {
        let proof = self.proof();
        let Some(issuer) = &self.issuer else {
            return Ok(Pass { proof, token: None });
        };
        let token = issuer.token().await.map_err(Box::new)?;
        let mut held = self.held();
        if !held.issued.contains(&token) {
            held.issued.push(Arc::clone(&token));
            let excess = held.issued.len().saturating_sub(MOST_ISSUED);
            held.issued.drain(..excess);
        }
        Ok(Pass {
            proof,
            token: Some(token),
        })
    }

    /// Whether it can be sent at all.
    pub(super) fn check(&self) -> Result<(), Error> {
        let token = self.issuer.as_ref().map(|_| "token".into());
        let proof = self.proof();
        self.headers(&Pass { proof, token }).map(|_| ())
    }

    /// What is in use.
    fn proof(&self) -> Proof {
        let held = self.held();
        held.used
            .last()
            .cloned()
            .expect("there is always one in use")
    }

    /// Whether another is in use than at first, because that was refused.
    pub(super) fn is_renewed(&self) -> bool {
        let is_another = self
            .issuer
            .as_ref()
            .is_some_and(|issuer| self.began.as_ref() != Some(&issuer.identity()));
        is_another || self.held().used.len() > 1
    }

    /// Notes what the links were verified with: only with that, writes leave from now on.
    pub(super) fn note_verified(&self, identity: String) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        *verified = Some(identity);
    }

    /// Whether what is in use is what the links were verified with, where that was noted.
    pub(super) fn is_verified(&self) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified
            .as_ref()
            .is_none_or(|known| *known == self.identity())
    }

    /// Whether a request that was refused may go once more with another credential or token.
    pub(super) fn may_go_again(&self) -> bool {
        self.issuer.is_some() || self.is_renewed()
    }

    /// After this was refused: a token is forgotten, so that another is requested, and of secrets the next is taken.
    /// `true`: it is another now.
    pub(super) async fn renew(&self, refused: &Pass) -> bool {
        let is_another = self.renew_proof(&refused.proof);
        if let (Some(issuer), Some(token)) = (&self.issuer, &refused.token) {
            issuer.reject(token).await;
            // Whether the next one is another client's is known before a write goes again. Why there is none is
            // said when it is needed.
            let _ = issuer.token().await.is_ok();
            return true;
        }
        is_another
    }

    /// Takes the next after this one was refused, or reads them again. `true`: it is another now.
    fn renew_proof(&self, refused: &Proof) -> bool {
        let mut held = self.held();
        if held.used.last() != Some(refused) {
            return true;
        }
        let key = self.key();
        let Held { read, used, .. } = &mut *held;
        let is_sendable = |proof: &Proof| {
            let token = self.issuer.as_ref().map(|_| "token".into());
            let proof = proof.clone();
            self.headers(&Pass { proof, token }).is_ok()
        };
        let is_new = |proof: &&Proof| !used.contains(proof) && is_sendable(proof);
        let mut next = read.iter().find(is_new).cloned();
        if next.is_some() {
            tracing::warn!(
                "the target refused the credential in use: the next one in {key} is used"
            );
        } else if let Some(fresh) = self.read_again() {
            next = fresh.iter().find(is_new).cloned();
            *read = fresh;
            if next.is_some() {
                tracing::info!(
                    "the target refused {}; a changed one was read from the configured place",
                    match key {
                        "token" => "the token",
                        _ => "the credential",
                    }
                );
            }
        }
        let is_another = next.is_some();
        used.extend(next);
        is_another
    }

    fn read_again(&self) -> Option<Vec<Proof>> {
        let mut places = self.places.secrets();
        let is_kept = places.all(config::Secret::is_kept);
        is_kept
            .then(|| read_all(&self.places, &mut Vec::new()).ok())
            .flatten()
    }

    /// The headers of a request that show this.
    pub(super) fn headers(&self, pass: &Pass) -> Result<HeaderMap, Error> {
        let Pass { proof, token } = pass;
        let mut headers = HeaderMap::new();
        let bearer = match &self.places.sign_in {
            SignIn::Token(_) => proof.secret.as_deref(),
            SignIn::OAuth(_) | SignIn::Entra { .. } => token.as_deref(),
            SignIn::Basic { .. } | SignIn::Headers => None,
        };
        let authorization = match (&self.places.sign_in, &proof.secret) {
            (SignIn::Token(_) | SignIn::OAuth(_) | SignIn::Entra { .. }, _) => match bearer {
                Some(bearer) if !bearer.is_empty() => Some(format!("Bearer {bearer}")),
                Some(_) | None => return Err(unusable(self.key())),
            },
            (SignIn::Basic { user, .. }, Some(password)) if !password.is_empty() => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{user}:{password}"))
            )),
            (SignIn::Basic { .. }, _) => return Err(unusable(self.key())),
            (SignIn::Headers, _) => None,
        };
        if let Some(text) = authorization {
            let mut value = HeaderValue::from_str(&text).map_err(|_| unusable(self.key()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        for ((name, _), value) in self.places.headers.iter().zip(&proof.headers) {
            let unusable = || unusable(&format!("headers.{name}"));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// What is taken out of the target's words.
    pub(super) fn secrets(&self) -> Vec<String> {
        let held = self.held();
        let mut secrets: Vec<String> = held.issued.iter().map(ToString::to_string).collect();
        if let Some(issuer) = &self.issuer {
            secrets.extend(issuer.secrets());
        }
        for proof in &held.used {
            secrets.extend(proof.secret.clone());
            secrets.extend(proof.headers.iter().cloned());
            if let (SignIn::Basic { user, .. }, Some(password)) =
                (&self.places.sign_in, &proof.secret)
            {
                secrets.push(STANDARD.encode(format!("{user}:{password}")));
            }
        }
        secrets
    }
}

fn unusable(key: &str) -> Error {
    let key = format!("target.{key}");
    Error::Credential { key }
}

/// The inner error: it was read, and cannot be used.
fn certificate(from: &config::Certificate) -> Result<Result<String, String>, Unread> {
    let unread = |source| Unread {
        key: "target.client_certificate".to_owned(),
        source,
    };
    Ok(match from {
        config::Certificate::Pem {
            certificate,
            private_key,
        } => {
            let mut text = certificate.read().map_err(unread)?;
            if let Some(key) = private_key {
                text.push('\n');
                text.push_str(&key.read().map_err(unread)?);
            }
            if text.contains("ENCRYPTED") {
                Err("the private key is encrypted with a password; decrypt it with openssl pkey, or \
                     use a PKCS#12 file with its password"
                    .to_owned())
            } else {
                Ok(text)
            }
        }
        config::Certificate::Pkcs12 { file, password } => {
            let bytes = file.read_bytes().map_err(unread)?;
            let password = match password {
                Some(password) => password.read().map_err(unread)?,
                None => String::new(),
            };
            pkcs12::open(&bytes, &password).and_then(pkcs12::Contents::into_pem)
        }
    })
}

fn read_all(places: &config::Access, remarks: &mut Vec<String>) -> Result<Vec<Proof>, Unread> {
    let (_, secrets) = places.sign_in.secrets();
    let is_token = matches!(places.sign_in, SignIn::Token(_));
    // Those of an issuer are its own.
    let skipped = match places.sign_in {
        SignIn::OAuth(_) => secrets.len(),
        SignIn::Token(_) | SignIn::Basic { .. } | SignIn::Entra { .. } | SignIn::Headers => 0,
    };
    let of_proofs = secrets.len() - skipped;
    let mut texts = Vec::new();
    for (key, one) in places.keyed().into_iter().skip(skipped) {
        let unread = |source| {
            let key = format!("target.{key}");
            Unread { key, source }
        };
        if is_token && texts.len() < of_proofs {
            let read = one.secret.read_token().map_err(unread)?;
            remarks.extend(read.had_scheme.then(|| config::with_scheme(&one.secret)));
            texts.push(read.token);
        } else {
            texts.push(one.secret.read().map_err(unread)?);
        }
    }
    let headers = texts.split_off(of_proofs);
    let of = |secret| Proof {
        secret,
        headers: headers.clone(),
    };
    if texts.is_empty() {
        return Ok(vec![of(None)]);
    }
    Ok(texts.into_iter().map(|text| of(Some(text))).collect())
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access([redacted])")
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_printed() {
        let access = Access::of_token("  s3cr3t-value\n");
        let (proof, token) = (access.proof(), None);
        let headers = access.headers(&Pass { proof, token }).unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer s3cr3t-value");
        let shown = format!("{access:?} {:?} {headers:?}", access.proof());
        assert!(!shown.contains("s3cr3t"));
        for bad in [" \n", "a\nb"] {
            let access = Access::of_token(bad);
            assert!(access.check().is_err());
        }
    }

    #[test]
    fn only_what_the_links_were_verified_with_is_verified() {
        let places = config::Access::of_token(config::Secret::Env("UNUSED".to_owned()));
        let proof = |secret: &str| Proof {
            secret: Some(secret.to_owned()),
            headers: Vec::new(),
        };
        let access = Access::of(places, ["one", "two", "three"].map(proof).to_vec());
        assert!(access.is_verified(), "nothing was noted");
        access.note_verified(access.identity());
        // Each time another takes its place, and not only at the first.
        for refused in ["one", "two"] {
            assert!(access.is_verified(), "{refused}");
            assert!(access.renew_proof(&proof(refused)));
            assert!(!access.is_verified(), "{refused}");
            access.note_verified(access.identity());
        }
        // One that was in use before is another, too.
        access.note_verified("one".to_owned());
        assert!(!access.is_verified());
    }
}
