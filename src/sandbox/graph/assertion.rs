//! Client assertions, checked as the token endpoint documents it: of a certificate that the app
//! registration knows, or of another identity provider that it trusts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use ring::digest;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey,
};
use serde_json::Value;
use x509_parser::parse_x509_certificate;

use super::super::tenant::{GraphQuirk, Tenant};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Clocks may differ by so much, in seconds.
const LEEWAY: i64 = 300;

/// The number of an AADSTS code, and its words.
type Refused = (u32, String);

pub(super) fn check(
    tenant: &Tenant,
    audience: &str,
    kind: &str,
    assertion: &str,
) -> Result<(), Refused> {
    if kind != TYPE {
        let text =
            "The request body must contain the following parameter: 'client_assertion_type'.";
        return Err((900_144, text.to_owned()));
    }
    let token = Token::read(assertion)
        .ok_or_else(|| (50027, "JWT token is invalid or malformed.".to_owned()))?;
    token.check_time()?;
    if token.header.get("x5t").is_some() || token.header.get("x5t#S256").is_some() {
        token.check_certificate(tenant, audience)
    } else {
        token.check_federated(tenant)
    }
}

struct Token<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
        };
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    fn claim(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the service that is simulated has a clock of its own"
    )]
    fn check_time(&self) -> Result<(), Refused> {
        let now = Utc::now().timestamp();
        let within = match (self.claims["nbf"].as_i64(), self.claims["exp"].as_i64()) {
            (Some(from), Some(until)) => from - LEEWAY <= now && now < until + LEEWAY,
            (None, Some(until)) => now < until + LEEWAY,
            (_, None) => false,
        };
        if within {
            return Ok(());
        }
        let text = "Client assertion is not within its valid time range.";
        Err((700_024, text.to_owned()))
    }

    fn check_certificate(&self, tenant: &Tenant, audience: &str) -> Result<(), Refused> {
        let refused = |why: &str| {
            let text = format!("Client assertion failed signature validation. [Reason - {why}]");
            (700_027, text)
        };
        let client = tenant.identity.client_id.to_string();
        if self.header["typ"] != "JWT" || self.claim("aud") != audience {
            return Err(refused("The audience or the type is wrong."));
        }
        if self.claim("iss") != client
            || self.claim("sub") != client
            || self.claim("jti").is_empty()
        {
            return Err(refused(
                "The issuer or the subject is wrong, or there is no id.",
            ));
        }
        let [by_sha1, by_sha256] = ["x5t", "x5t#S256"].map(|name| self.header[name].as_str());
        let found = tenant.settings.certificates.iter().find(|certificate| {
            let is = |algorithm: &'static digest::Algorithm, thumbprint: Option<&str>| {
                let own = URL_SAFE_NO_PAD.encode(digest::digest(algorithm, certificate));
                thumbprint == Some(own.as_str())
            };
            is(&digest::SHA256, by_sha256) || is(&digest::SHA1_FOR_LEGACY_USE_ONLY, by_sha1)
        });
        let certificate = found.ok_or_else(|| refused("The key was not found."))?;
        let is_old_only = tenant.settings.quirks.contains(&GraphQuirk::OldAssertions);
        let parameters: &'static RsaParameters = match self.header["alg"].as_str() {
            Some("PS256") if by_sha256.is_some() && !is_old_only => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(refused("The algorithm is not taken.")),
        };
        if self.is_signed_by(certificate, parameters) {
            Ok(())
        } else {
            Err(refused(
                "The key was found, but the signature is not of it.",
            ))
        }
    }

    fn check_federated(&self, tenant: &Tenant) -> Result<(), Refused> {
        let known = &tenant.settings.federated;
        let of_issuer: Vec<_> = known
            .iter()
            .filter(|one| one.issuer == self.claim("iss"))
            .collect();
        let no_match = |code, what: &str| {
            let found = self.claim(what);
            let text = format!(
                "No matching federated identity record found for presented assertion '{what}' {found}."
            );
            (code, text)
        };
        if of_issuer.is_empty() {
            return Err(no_match(700_211, "iss"));
        }
        let of_subject = of_issuer
            .iter()
            .find(|one| one.subject == self.claim("sub"));
        let credential = of_subject.ok_or_else(|| no_match(700_213, "sub"))?;
        if credential.audience != self.claim("aud") {
            return Err(no_match(700_212, "aud"));
        }
        if self.is_signed_by(&credential.certificate, &RSA_PKCS1_2048_8192_SHA256) {
            return Ok(());
        }
        Err((
            700_027,
            "Client assertion failed signature validation.".to_owned(),
        ))
    }

    fn is_signed_by(&self, certificate: &[u8], parameters: &'static RsaParameters) -> bool {
        let Ok((_, certificate)) = parse_x509_certificate(certificate) else {
            return false;
        };
        let key = &certificate.public_key().subject_public_key.data;
        UnparsedPublicKey::new(parameters, key)
            .verify(self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}
