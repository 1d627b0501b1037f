//! Client assertions: a certificate with its private key, and the JSON Web Tokens that it signs.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{self, RsaEncoding, RsaKeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

use super::unread;
use crate::config;
use crate::graph::Error;
use crate::http::pkcs12::{self, PrivateKey};

/// Long enough for clocks that differ a little, short enough to be of no use to others.
const LIFETIME: TimeDelta = TimeDelta::minutes(8);
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";

/// The two forms of an assertion that the service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// Named by the SHA-256 of the certificate, as today's documentation has it.
    Ps256,
    /// Named by its SHA-1, as older services want it.
    Rs256,
}

/// A certificate whose private key is at hand. Cheap to clone.
#[derive(Clone)]
pub(super) struct Signer(Arc<Held>);

struct Held {
    key_pair: RsaKeyPair,
    /// In DER form.
    certificate: Vec<u8>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer([redacted])")
    }
}

const EXPORT_REMEDY: &str = "export it again, with its private key, as RSA of 2048 to 4096 bits";
const FIT_REMEDY: &str = "use the private key that belongs to the certificate";

impl Signer {
    pub(super) fn load(key: &str, from: &config::Certificate) -> Result<Self, Error> {
        let (certificates, private_key) = match from {
            config::Certificate::Pem {
                certificate,
                private_key,
            } => {
                let text = certificate.read().map_err(|source| unread(key, source))?;
                let key_text = match private_key {
                    Some(private_key) => {
                        private_key.read().map_err(|source| unread(key, source))?
                    }
                    None => text.clone(),
                };
                (certificates(&text), private_key_of(&key_text))
            }
            config::Certificate::Pkcs12 { file, password } => {
                let bytes = file.read_bytes().map_err(|source| unread(key, source))?;
                let password = match password {
                    Some(password) => password.read().map_err(|source| unread(key, source))?,
                    None => String::new(),
                };
                match pkcs12::open(&bytes, &password) {
                    Ok(pkcs12::Contents { certificates, key }) => (certificates, key),
                    Err(why) => return Err(fault(key, why, EXPORT_REMEDY)),
                }
            }
        };
        let private_key = private_key.map_err(|why| fault(key, why, EXPORT_REMEDY))?;
        Self::new(key, &certificates, &private_key)
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.certificate == other.0.certificate
    }

    /// Of a chain, the certificate is the one that the key belongs to.
    fn new(key: &str, certificates: &[Vec<u8>], private_key: &PrivateKey) -> Result<Self, Error> {
        if certificates.is_empty() {
            let why = "the file holds no certificate";
            return Err(fault(key, why, EXPORT_REMEDY));
        }
        let key_pair = match private_key {
            PrivateKey::Pkcs1(der) => RsaKeyPair::from_der(der),
            PrivateKey::Pkcs8(der) => RsaKeyPair::from_pkcs8(der),
        };
        let key_pair = key_pair.map_err(|_| {
            let why = "the private key is not an RSA key of 2048 to 4096 bits";
            fault(key, why, EXPORT_REMEDY)
        })?;
        for der in certificates {
            let Ok((_, certificate)) = parse_x509_certificate(der) else {
                return Err(fault(key, "the certificate cannot be read", EXPORT_REMEDY));
            };
            if !is_of(&certificate, key_pair.public().as_ref()) {
                continue;
            }
            let [not_before, not_after] = validity(&certificate);
            return Ok(Self(Arc::new(Held {
                key_pair,
                certificate: der.clone(),
                not_before,
                not_after,
            })));
        }
        let why = "the private key does not belong to the certificate";
        Err(fault(key, why, FIT_REMEDY))
    }

    pub(super) fn check_validity(&self, now: DateTime<Utc>) -> Result<(), String> {
        let Held {
            not_before,
            not_after,
            ..
        } = &*self.0;
        if now > *not_after {
            return Err(format!(
                "the certificate expired on {}",
                not_after.date_naive()
            ));
        }
        if now < *not_before {
            return Err(format!(
                "the certificate is valid only from {not_before} on"
            ));
        }
        Ok(())
    }

    /// What the token endpoint at `audience` takes as a proof (RFC 7523, and Microsoft, "certificate
    /// credentials").
    pub(super) fn assertion(
        &self,
        algorithm: Algorithm,
        audience: &str,
        client_id: &str,
        now: DateTime<Utc>,
    ) -> String {
        let held = &*self.0;
        let thumbprint = |digest: &'static digest::Algorithm| {
            URL_SAFE_NO_PAD.encode(digest::digest(digest, &held.certificate))
        };
        let (header, encoding): (_, &'static dyn RsaEncoding) = match algorithm {
            Algorithm::Ps256 => (
                json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint(&digest::SHA256) }),
                &signature::RSA_PSS_SHA256,
            ),
            Algorithm::Rs256 => (
                json!({
                    "alg": "RS256", "typ": "JWT",
                    "x5t": thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
                }),
                &signature::RSA_PKCS1_SHA256,
            ),
        };
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": Uuid::new_v4(),
            "iat": now.timestamp(),
            "nbf": now.timestamp(),
            "exp": (now + LIFETIME).timestamp(),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let mut token = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; held.key_pair.public().modulus_len()];
        held.key_pair
            .sign(
                encoding,
                &SystemRandom::new(),
                token.as_bytes(),
                &mut signature,
            )
            .expect("the buffer is as long as the modulus, and the system has random bytes");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }
}

/// When the certificate expires, as far as its file can be read.
pub(crate) fn expiry(from: &config::Certificate) -> Option<DateTime<Utc>> {
    let certificates = match from {
        config::Certificate::Pem { certificate, .. } => certificates(&certificate.read().ok()?),
        config::Certificate::Pkcs12 { file, password } => {
            let password = password
                .as_ref()
                .map_or(Some(String::new()), |one| one.read().ok());
            let contents = pkcs12::open(&file.read_bytes().ok()?, &password?);
            contents.ok()?.certificates
        }
    };
    // Of a chain, the certificate itself ends first.
    let ends = certificates.iter().filter_map(|der| {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let [_, not_after] = validity(&certificate);
        Some(not_after)
    });
    ends.min()
}

fn fault(key: &str, why: impl Into<String>, remedy: &'static str) -> Error {
    Error::Credential {
        key: key.to_owned(),
        why: why.into(),
        remedy,
    }
}

fn certificates(pem: &str) -> Vec<Vec<u8>> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes());
    found.flatten().map(|der| der.to_vec()).collect()
}

fn private_key_of(pem: &str) -> Result<PrivateKey, String> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(PrivateKeyDer::Pkcs1(key)) => Ok(PrivateKey::Pkcs1(key.secret_pkcs1_der().to_vec())),
        Ok(PrivateKeyDer::Pkcs8(key)) => Ok(PrivateKey::Pkcs8(key.secret_pkcs8_der().to_vec())),
        Ok(_) => Err("the private key is not an RSA key of 2048 to 4096 bits".to_owned()),
        Err(_) if pem.contains("ENCRYPTED") => Err(
            "the private key is encrypted with a password; decrypt it with openssl pkey, or use a \
             PKCS#12 file with its password"
                .to_owned(),
        ),
        Err(_) => Err("there is no private key with the certificate".to_owned()),
    }
}

fn is_of(certificate: &X509Certificate<'_>, public_key: &[u8]) -> bool {
    let own = certificate.public_key();
    own.algorithm.algorithm.to_id_string() == RSA_ENCRYPTION
        && *own.subject_public_key.data == *public_key
}

fn validity(certificate: &X509Certificate<'_>) -> [DateTime<Utc>; 2] {
    let validity = certificate.validity();
    [validity.not_before, validity.not_after].map(|time| {
        DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    })
}
