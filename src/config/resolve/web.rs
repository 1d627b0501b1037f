//! The status page: where it listens, who sees it, and what would be careless.

use std::net::SocketAddr;
use std::path::Path;

use super::{certificates, secret, secret_for};
use crate::config::file;
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::secret::Purpose;
use crate::config::settings::{Listen, Proxy, ProxyProof, Tls, Web};

/// The configuration of the page, unless something of it is wrong; then the log says what.
pub(super) fn resolve_web(web: &file::Web, folder: &Path, log: &mut Log) -> Option<Web> {
    let typed = web.listen.as_ref();
    let listen = typed.and_then(|typed| listen(typed, folder, log));
    let token = secret_for(Purpose::Page, web.token.as_ref(), folder, log);
    let is_open = web.open_on_loopback.as_ref();
    let is_open = is_open.filter(|open| open.value);
    let hosts = web.hosts.iter().flatten();
    let hosts = hosts.map(|host| name(host, log)).collect::<Vec<_>>();
    let tls = web.tls.as_ref().map(|tls| {
        let certificate = secret_for(Purpose::Public, tls.certificate.as_ref(), folder, log);
        let private_key = secret(tls.private_key.as_ref(), folder, log);
        Some((certificate?, private_key?))
    });
    let client_ca = web.client_ca.as_ref();
    if let (Some(typed), None) = (client_ca, &tls) {
        log.problem(typed.place.problem(
            "certificates of browsers are only seen with HTTPS, but tls is not set",
            "add tls = { certificate = …, private_key = … }, or remove client_ca",
        ));
    }
    let client_ca = client_ca.map(|typed| certificates(typed, folder, log));
    let listen = listen?;
    let proxy = match &web.proxy {
        Some(typed) => Some(proxy(typed, &listen, folder, log)?),
        None => None,
    };
    if let (Listen::Address(address), Some(typed)) = (&listen, typed)
        && !address.ip().is_loopback()
    {
        if web.token.is_none() && client_ca.is_none() && proxy.is_none() {
            log.problem(typed.place.problem(
                format!("{address} can be reached from other machines, but token is not set"),
                "add token = { credential = \"web-token\" }, client_ca or proxy, or listen on 127.0.0.1",
            ));
        }
        if let Some(open) = is_open {
            log.problem(open.place.problem(
                format!("{address} can be reached from other machines"),
                "remove open_on_loopback, or listen on 127.0.0.1",
            ));
        }
        if web.tls.is_none() {
            log.warning(web.place.name("listen").problem(
                "the token and names of users would be sent unencrypted over the network",
                "add tls = { certificate = …, private_key = … }, or listen on 127.0.0.1 behind a proxy \
                 with HTTPS",
            ));
        }
    }
    Some(Web {
        listen,
        token,
        is_open: is_open.is_some(),
        hosts: hosts.into_iter().collect::<Option<_>>()?,
        tls: match tls {
            Some(tls) => tls.map(|(certificate, private_key)| {
                Some(Tls {
                    certificate,
                    private_key,
                    client_ca,
                })
            })?,
            None => None,
        },
        proxy,
    })
}

fn proxy(typed: &file::Proxy, listen: &Listen, folder: &Path, log: &mut Log) -> Option<Proxy> {
    let header = typed.header.as_ref()?;
    let name = header.value.trim();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_name) {
        let message = format!("{name:?} is not the name of a header");
        let remedy = "write only the name, as in \"X-Forwarded-User\"";
        log.problem(header.place.problem(message, remedy));
        return None;
    }
    let secret = typed.secret.is_some();
    let proof = match (secret, listen) {
        (true, _) => ProxyProof::Secret(secret_for(
            Purpose::Page,
            typed.secret.as_ref(),
            folder,
            log,
        )?),
        (false, Listen::Socket(_)) => ProxyProof::Socket,
        (false, Listen::Address(_)) => {
            log.problem(typed.place.name("secret").problem(
                "every program that reaches the page could send the header",
                "add secret = { file = \"…\" } and let the proxy send it in X-Proxy-Secret, or listen on a \
                 Unix socket",
            ));
            return None;
        }
    };
    Some(Proxy {
        header: name.to_ascii_lowercase(),
        proof,
    })
}

fn listen(typed: &Typed<String>, folder: &Path, log: &mut Log) -> Option<Listen> {
    let text = typed.value.trim();
    let remedy =
        "write an address with a port, as in \"127.0.0.1:8740\" or \"[::1]:8740\", or unix:/path";
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.trim_start_matches("//");
        if path.is_empty() || path.ends_with('/') {
            let problem = typed.place.problem("the socket has no name", remedy);
            log.problem(problem);
            return None;
        }
        return Some(Listen::Socket(folder.join(path)));
    }
    let numeric = text.strip_prefix("localhost:");
    let numeric = numeric.map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    if let Ok(address) = numeric.parse::<SocketAddr>() {
        return Some(Listen::Address(address));
    }
    let message = format!("{text:?} is not an address to listen on");
    log.problem(typed.place.problem(message, remedy));
    None
}

/// A host name in the form in which browsers send it.
fn name(typed: &Typed<String>, log: &mut Log) -> Option<String> {
    let text = typed.value.trim();
    match url::Host::parse(text) {
        Ok(url::Host::Domain(name)) if !text.contains([':', '/']) => Some(name),
        Ok(_) | Err(_) => {
            let message = format!("{text:?} is not a host name");
            let remedy = "write only the name, as in \"entrain.example.com\"";
            log.problem(typed.place.problem(message, remedy));
            None
        }
    }
}
