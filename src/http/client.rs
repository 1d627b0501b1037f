//! The one place where HTTP clients are built: time limits, TLS, no redirects, our name. And which
//! URLs may be talked to at all.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Proxy, redirect};
use url::{Host, Url};

/// For TCP and TLS together; a host that does not answer by then is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Below the five seconds after which Node closes idle connections: a request on a connection that
/// the server is closing is lost without an answer, and a lost write costs a look-up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const USER_AGENT: &str = concat!("entrain/", env!("CARGO_PKG_VERSION"));

/// What differs from one client to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// Requests in flight at once; as many idle connections are kept.
    pub(crate) connections: usize,
    /// For one request, from sending to the end of the answer.
    pub(crate) timeout: Duration,
    /// Further trusted roots, in PEM form, in addition to the built-in ones.
    pub(crate) extra_roots: Option<&'a [u8]>,
    /// A certificate with its private key that the server is shown, in PEM form.
    pub(crate) identity: Option<&'a [u8]>,
    /// A proxy for all requests, instead of that of the environment.
    pub(crate) proxy: Option<&'a str>,
    /// Never through a proxy of the environment; right for [`is_loopback`] addresses.
    pub(crate) direct: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("the certificate file holds no certificate in PEM form")]
    NoCertificate,
    #[error("the certificate file cannot be read as PEM")]
    Certificate(#[source] reqwest::Error),
    #[error("the client certificate cannot be used")]
    Identity(#[source] reqwest::Error),
    #[error("the address of the proxy cannot be used")]
    Proxy(#[source] reqwest::Error),
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A client with our time limits and manners. It follows no redirect, so that a token never reaches
/// a host that is not configured.
pub(crate) fn build(settings: &Settings<'_>) -> Result<Client, BuildError> {
    let Settings {
        connections,
        timeout,
        extra_roots,
        identity,
        proxy,
        direct,
    } = *settings;
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .use_rustls_tls()
        .min_tls_version(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(connections)
        .redirect(redirect::Policy::none())
        .referer(false);
    if direct || proxy.is_some() {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(BuildError::Proxy)?);
    }
    if let Some(pem) = identity {
        builder = builder.identity(Identity::from_pem(pem).map_err(BuildError::Identity)?);
    }
    if let Some(pem) = extra_roots {
        let roots = Certificate::from_pem_bundle(pem).map_err(BuildError::Certificate)?;
        if roots.is_empty() {
            return Err(BuildError::NoCertificate);
        }
        for root in roots {
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build().map_err(BuildError::Client)
}

/// Why a URL is not talked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("not a URL such as https://host/path")]
    NotAUrl,
    #[error("the scheme must be https")]
    Scheme,
    #[error("plain http is only allowed to this machine (localhost, 127.0.0.1, ::1); use https")]
    PlainHttp,
    #[error("the URL must not contain a user name or password")]
    Credentials,
    #[error("the URL must not contain a fragment (#)")]
    Fragment,
}

/// Reads a URL that a token may be sent to: https, or plain http towards this machine.
pub(crate) fn check_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(UrlError::PlainHttp),
        _ => return Err(UrlError::Scheme),
    }
    if url.host().is_none() {
        return Err(UrlError::NotAUrl);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    Ok(url)
}

/// Whether the URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://graph.microsoft.com",
            "https://api.example.com/scim/v2?aadOptscim062020",
            "http://localhost:9000/v2",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("api.example.com/scim", UrlError::NotAUrl),
            ("http://api.example.com", UrlError::PlainHttp),
            ("http://localhost.example.com", UrlError::PlainHttp),
            ("http://10.0.0.1", UrlError::PlainHttp),
            ("ftp://localhost", UrlError::Scheme),
            ("https://a:b@example.com", UrlError::Credentials),
            ("https://example.com/#x", UrlError::Fragment),
        ] {
            assert_eq!(check_url(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let settings = Settings {
            connections: 1,
            timeout: Duration::from_secs(1),
            extra_roots: Some(b"not a certificate"),
            identity: None,
            proxy: None,
            direct: true,
        };
        assert!(build(&settings).is_err());
    }
}
