//! How requests to a target show who sends them.

use std::path::Path;

use super::address::web_address;
use super::credential::{certificate, day};
use super::secret_for;
use crate::config::access::{Access, Authentication, DatedSecret, OAuth, SignIn};
use crate::config::choice::choose;
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::secret::Purpose;

/// Headers that requests have of their own.
const OUR_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-match",
    "if-none-match",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
const AUTHORIZATION: &str = "authorization";

pub(super) fn resolve_access(typed: &file::Access, folder: &Path, log: &mut Log) -> Option<Access> {
    let file::Access {
        sign_in,
        headers,
        client_certificate,
    } = typed;
    check_headers(sign_in, headers, log);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, secret)| {
            let secret = dated(Purpose::Other, secret, folder, log)?;
            Some((name.value.clone(), secret))
        })
        .collect();
    let sign_in = match sign_in {
        file::SignIn::Token(tokens) => all(Purpose::Token, tokens, folder, log).map(SignIn::Token),
        file::SignIn::Basic { user, passwords } => {
            let is_sendable = check_user(user, log);
            let passwords = all(Purpose::Other, passwords, folder, log);
            passwords
                .filter(|_| is_sendable)
                .map(|passwords| SignIn::Basic {
                    user: user.value.clone(),
                    passwords,
                })
        }
        file::SignIn::OAuth(typed) => {
            let file::OAuth {
                token_url,
                client_id,
                secrets,
                scope,
                audience,
                authentication,
            } = &**typed;
            let token_url = web_address(token_url, log);
            let secrets = all(Purpose::Other, secrets, folder, log);
            let authentication = authentication.as_ref();
            let authentication =
                authentication.map(|word| choose(word, &Authentication::WORDS, log).ok_or(()));
            let authentication = authentication.transpose();
            match (token_url, secrets, authentication) {
                (Some(token_url), Some(secrets), Ok(authentication)) => {
                    Some(SignIn::OAuth(OAuth {
                        token_url,
                        client_id: client_id.value.trim().to_owned(),
                        secrets,
                        scope: scope.as_ref().map(|scope| scope.value.trim().to_owned()),
                        audience: audience.as_ref().map(|one| one.value.trim().to_owned()),
                        authentication,
                    }))
                }
                _ => None,
            }
        }
        file::SignIn::Entra { scope } => Some(SignIn::Entra {
            scope: scope.value.trim().to_owned(),
        }),
        file::SignIn::Headers => Some(SignIn::Headers),
    };
    let client_certificate = match client_certificate {
        Some(typed) => certificate(typed, folder, log).map(Some),
        None => Some(None),
    };
    Some(Access {
        sign_in: sign_in?,
        headers: headers.into_iter().collect::<Option<_>>()?,
        client_certificate: client_certificate?,
    })
}

/// RFC 7617: the first colon ends the name.
fn check_user(user: &Typed<String>, log: &mut Log) -> bool {
    let is_sendable = !user.value.chars().any(|c| c == ':' || c.is_control());
    if !is_sendable {
        log.problem(user.place.problem(
            "the name of a user cannot contain a colon or control characters",
            "write the name alone; the password is a key of its own",
        ));
    }
    is_sendable
}

fn check_headers(
    sign_in: &file::SignIn,
    headers: &[(Typed<String>, file::ExpiringSecret)],
    log: &mut Log,
) {
    let mut seen: Vec<String> = Vec::new();
    for (Typed { value, place }, _) in headers {
        let name = value.to_ascii_lowercase();
        if !is_header_name(&name) {
            log.problem(place.key_problem(
                "this is not the name of a header",
                "write a name such as \"X-Api-Key\"",
            ));
        } else if OUR_HEADERS.contains(&name.as_str()) {
            log.problem(place.key_problem(
                "entrain sets this header itself",
                "remove it; only headers that the target requires in addition can be set",
            ));
        } else if name == AUTHORIZATION && !matches!(sign_in, file::SignIn::Headers) {
            log.problem(place.key_problem(
                "the way to sign in sets this header itself",
                "remove it, or the key that says how to sign in",
            ));
        } else if seen.contains(&name) {
            log.problem(place.key_problem(
                "the header is set twice",
                "remove one of them; case is ignored",
            ));
        }
        seen.push(name);
    }
}

/// RFC 9110 section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

fn all(
    purpose: Purpose,
    secrets: &[file::ExpiringSecret],
    folder: &Path,
    log: &mut Log,
) -> Option<Vec<DatedSecret>> {
    let secrets = secrets.iter();
    let secrets: Vec<_> = secrets
        .map(|one| dated(purpose, one, folder, log))
        .collect();
    secrets.into_iter().collect()
}

fn dated(
    purpose: Purpose,
    one: &file::ExpiringSecret,
    folder: &Path,
    log: &mut Log,
) -> Option<DatedSecret> {
    let expires = one.expires.as_ref().map(|date| day(date, log).ok_or(()));
    Some(DatedSecret {
        secret: secret_for(purpose, Some(&one.secret), folder, log)?,
        expires: expires.transpose().ok()?,
    })
}
