//! Certificates of every form and fault.

use ring::digest;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use uuid::Uuid;
use x509_parser::parse_x509_certificate;

use super::*;
use crate::http::pkcs12;

/// A file with this password.
fn p12(folder: &Path, name: &str, password: &str) -> Certificate {
    let path = folder.join(format!("password of {name} {password}"));
    fs::write(&path, password).unwrap();
    Certificate::Pkcs12 {
        file: file(name),
        password: (!password.is_empty()).then_some(Secret::File(path)),
    }
}

fn load(certificate: Certificate) -> Result<Credential, Error> {
    Credential::load(
        &of_proofs(vec![config::Proof::Certificate(certificate)]),
        now,
    )
}

fn assertion(credential: &Credential, proof: usize) -> String {
    let Kind::App {
        client_id, proofs, ..
    } = &credential.kind
    else {
        panic!("not an application")
    };
    let fields = proofs[proof]
        .fields("https://login/token", client_id, now())
        .unwrap();
    let found = fields.iter().find(|(name, _)| *name == "client_assertion");
    found.unwrap().1.to_owned()
}

#[test]
fn a_certificate_in_any_form_signs_assertions_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.pem");
    let text = |name| fs::read_to_string(sample(name)).unwrap();
    fs::write(
        &both,
        text("other.pem") + &text("key.pem") + &text("certificate.pem"),
    )
    .unwrap();
    let der = CertificateDer::from_pem_slice(text("certificate.pem").as_bytes()).unwrap();
    let (_, certificate) = parse_x509_certificate(&der).unwrap();
    let key = &certificate.public_key().subject_public_key.data;
    for form in [
        pem("certificate.pem", Some("key.pem")),
        pem("certificate.pem", Some("key-pkcs1.pem")),
        Certificate::Pem {
            certificate: Secret::File(both),
            private_key: None,
        },
        p12(folder.path(), "aes.p12", "sécret"),
        p12(folder.path(), "legacy.p12", "sécret"),
        p12(folder.path(), "3des.p12", ""),
    ] {
        let credential = load(form.clone()).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        for (proof, name, digest, parameters) in [
            (
                0,
                ("PS256", "x5t#S256"),
                &digest::SHA256,
                &RSA_PSS_2048_8192_SHA256,
            ),
            (
                1,
                ("RS256", "x5t"),
                &digest::SHA1_FOR_LEGACY_USE_ONLY,
                &RSA_PKCS1_2048_8192_SHA256,
            ),
        ] {
            let token = assertion(&credential, proof);
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let verified =
                UnparsedPublicKey::new(parameters, key).verify(signed.as_bytes(), &signature);
            assert!(verified.is_ok(), "{form:?} {name:?}");
            let parts: Vec<Json> = signed
                .split('.')
                .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
                .collect();
            let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(digest, &der));
            assert_eq!(
                parts[0],
                json!({ "alg": name.0, "typ": "JWT", name.1: thumbprint })
            );
            let mut claims = parts[1].clone();
            assert!(Uuid::parse_str(claims["jti"].take().as_str().unwrap()).is_ok());
            let begin = now().timestamp();
            assert_eq!(
                claims,
                json!({
                    "aud": "https://login/token", "iss": CLIENT, "sub": CLIENT, "jti": null,
                    "iat": begin, "nbf": begin, "exp": begin + 480,
                })
            );
            assert_ne!(
                token,
                assertion(&credential, proof),
                "its id is new each time"
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_named_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage");
    fs::write(&garbage, "\u{30}\u{5}none").unwrap();
    for (certificate, expected) in [
        (
            pem("certificate.pem", None),
            "there is no private key with the certificate",
        ),
        (
            pem("certificate.pem", Some("other-key.pem")),
            "the private key does not belong to the certificate",
        ),
        (
            pem("ec.pem", Some("ec-key.pem")),
            "the private key is not an RSA key of 2048 to 4096 bits",
        ),
        (
            pem("key.pem", Some("key.pem")),
            "the file holds no certificate",
        ),
        (
            pem("certificate.pem", Some("key-encrypted.pem")),
            "the private key is encrypted with a password",
        ),
        (
            pem("expired.pem", Some("key.pem")),
            "the certificate expired on 2021-01-01",
        ),
        (
            pem("future.pem", Some("key.pem")),
            "the certificate is valid only from 2100-01-01",
        ),
        (pem("no-such.pem", Some("key.pem")), "cannot be read"),
        (
            p12(folder.path(), "aes.p12", "secret"),
            "the password of the PKCS#12 file is wrong",
        ),
        (
            Certificate::Pkcs12 {
                file: file("legacy.p12"),
                password: None,
            },
            "the password of the PKCS#12 file is wrong",
        ),
        (
            p12(folder.path(), "no-key.p12", "sécret"),
            "the PKCS#12 file holds no private key",
        ),
        (
            Certificate::Pkcs12 {
                file: Secret::File(garbage),
                password: None,
            },
            "this is not a PKCS#12 file that can be read",
        ),
    ] {
        let error = load(certificate.clone()).err().unwrap();
        let text = error.to_string();
        assert!(text.starts_with("source.client_certificate"), "{text}");
        assert!(text.contains(expected), "{certificate:?}: {text}");
        assert!(error.remedy("source").is_some());
    }
}

#[test]
fn no_cut_or_changed_pkcs12_file_makes_trouble() {
    let whole = fs::read(sample("aes.p12")).unwrap();
    for length in 0..whole.len() {
        assert!(
            pkcs12::open(&whole[..length], "sécret").is_err(),
            "{length}"
        );
    }
    for place in 0..120 {
        let mut changed = whole.clone();
        changed[place] ^= 0x41;
        // It must end, whatever it says.
        let _ = pkcs12::open(&changed, "sécret").is_ok();
    }
}

#[test]
fn an_expired_certificate_is_left_out_while_another_is_valid() {
    let proofs = |names: &[&str]| {
        let proofs = names.iter().map(|name| pem(name, Some("key.pem")));
        of_proofs(proofs.map(config::Proof::Certificate).collect())
    };
    let source = proofs(&["expired.pem", "certificate.pem", "future.pem"]);
    let credential = Credential::load(&source, now).unwrap();
    let Kind::App { proofs: loaded, .. } = &credential.kind else {
        panic!("not an application")
    };
    let keys: Vec<_> = loaded.iter().map(|proof| proof.key.as_str()).collect();
    assert_eq!(keys, ["source.client_certificate[1]"; 2]);
    let days: Vec<_> = expiries(&source)
        .into_iter()
        .map(|expiry| (expiry.key, expiry.day.to_string()))
        .collect();
    let key = |index| format!("source.client_certificate[{index}]");
    assert_eq!(
        days,
        [
            (key(0), "2021-01-01".to_owned()),
            (key(1), "2120-01-01".to_owned()),
            (key(2), "2120-01-01".to_owned()),
        ]
    );
    assert!(Credential::load(&proofs(&["expired.pem", "future.pem"]), now).is_err());
}
