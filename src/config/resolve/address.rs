//! Addresses: https, or http towards this machine.

use url::{Host, Url};

use crate::config::problem::Log;
use crate::config::reader::Typed;

/// An address without trailing slash: https, or http towards this machine.
pub(super) fn web_address(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let Typed { value, place } = typed;
    let fail = |message: &str, remedy: &str, log: &mut Log| {
        log.problem(place.problem(message, remedy));
        None
    };
    let url = match Url::parse(value.trim()) {
        Ok(url) => url,
        Err(err) => {
            let message = format!("this is not an address: {err}");
            return fail(
                &message,
                "write the complete address, as in \"https://example.com/scim\"",
                log,
            );
        }
    };
    let Some(host) = url.host() else {
        return fail(
            "the address has no host",
            "write the complete address, as in \"https://example.com/scim\"",
            log,
        );
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&host) => {}
        "http" => {
            let message = format!("with http, the token would be sent unencrypted to {host}");
            return fail(
                &message,
                "write https://; plain http is for localhost only",
                log,
            );
        }
        other => {
            let message = format!("{other} is not a supported protocol here");
            return fail(&message, "write https://", log);
        }
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fail(
            "the address contains a user name or password",
            "remove the part before the @; the token has its own key",
            log,
        );
    }
    if url.fragment().is_some() {
        return fail(
            "the address contains a fragment",
            "remove the # and everything after it",
            log,
        );
    }
    let text = url.as_str();
    Some(match text.split_once('?') {
        Some((path, query)) => format!("{}?{query}", path.trim_end_matches('/')),
        None => text.trim_end_matches('/').to_owned(),
    })
}

/// The address of a proxy: a host with a port, and nothing else.
pub(super) fn proxy_address(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let Typed { value, place } = typed;
    let url = Url::parse(value.trim()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let is_bare = |url: &Url| {
        let has_user = !url.username().is_empty() || url.password().is_some();
        !has_user && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
    };
    match url {
        Some(url) if is_bare(&url) => Some(url.as_str().trim_end_matches('/').to_owned()),
        Some(_) | None => {
            // What was typed may hold a password.
            log.problem(place.problem(
                "this is not the address of a proxy",
                "write it like \"http://proxy.example.com:3128\"; for a proxy with a user and a password, set \
                 the environment variable HTTPS_PROXY instead",
            ));
            None
        }
    }
}

pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
