//! Whether a client certificate can be used, before a connection is made with it.

use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::parse_x509_certificate;

/// Why this certificate with its key, in PEM form, cannot be used now; `None`: nothing is wrong with it.
pub(crate) fn unusable(pem: &str, now: DateTime<Utc>) -> Option<String> {
    let certificate = CertificateDer::pem_slice_iter(pem.as_bytes())
        .flatten()
        .next();
    let Some(der) = certificate else {
        return Some("the file holds no certificate".to_owned());
    };
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        return Some("there is no private key with the certificate".to_owned());
    };
    let Ok((_, certificate)) = parse_x509_certificate(&der) else {
        return Some("the certificate cannot be read".to_owned());
    };
    let own = &*certificate.public_key().subject_public_key.data;
    if public_key(&key).is_some_and(|public_key| public_key != own) {
        return Some("the private key does not belong to the certificate".to_owned());
    }
    let validity = certificate.validity();
    if now.timestamp() > validity.not_after.timestamp() {
        let day = day(validity.not_after.timestamp());
        return Some(format!("the certificate expired on {day}"));
    }
    if now.timestamp() < validity.not_before.timestamp() {
        let day = day(validity.not_before.timestamp());
        return Some(format!("the certificate is valid only from {day} on"));
    }
    None
}

fn day(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    time.date_naive().to_string()
}

/// `None`: a key of a kind that is not looked into.
fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let rsa = |pair: RsaKeyPair| pair.public().as_ref().to_vec();
    match key {
        PrivateKeyDer::Pkcs1(key) => {
            let pair = RsaKeyPair::from_der(key.secret_pkcs1_der());
            pair.ok().map(rsa)
        }
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            let random = SystemRandom::new();
            let on_curve = |curve| EcdsaKeyPair::from_pkcs8(curve, der, &random).ok();
            let elliptic = on_curve(&ECDSA_P256_SHA256_ASN1_SIGNING)
                .or_else(|| on_curve(&ECDSA_P384_SHA384_ASN1_SIGNING));
            let edwards = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
            RsaKeyPair::from_pkcs8(der)
                .ok()
                .map(rsa)
                .or_else(|| Some(elliptic?.public_key().as_ref().to_vec()))
                .or_else(|| Some(edwards()?.public_key().as_ref().to_vec()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn sample(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/graph/credential/samples");
        fs::read_to_string(folder.join(name)).unwrap()
    }

    fn at(year: i32) -> DateTime<Utc> {
        format!("{year}-06-01T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let (certificate, key) = (sample("certificate.pem"), sample("key.pem"));
        let both = format!("{certificate}{key}");
        assert_eq!(unusable(&both, at(2026)), None);
        let other = format!("{}{key}", sample("other.pem"));
        for (pem, year, expected) in [
            (&both, 2126, "the certificate expired on "),
            (&both, 1996, "the certificate is valid only from "),
            (&other, 2026, "the private key does not belong"),
            (&certificate, 2026, "there is no private key"),
            (&key, 2026, "the file holds no certificate"),
        ] {
            let why = unusable(pem, at(year)).unwrap();
            assert!(why.starts_with(expected), "{why}");
        }
    }
}
