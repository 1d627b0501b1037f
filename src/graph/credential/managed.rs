//! Managed identities: the machine vouches for the agent, and a local endpoint hands out the tokens.
//! Formats: Microsoft, "How to use managed identities ... to acquire an access token", for virtual
//! machines (IMDS), App Service and its relatives, and Azure Arc.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use url::{Host as UrlHost, Url};

use crate::config::{self, Identity, environment};
use crate::graph::error::{Error, MACHINE, TokenRefusal};
use crate::graph::wire;
use crate::http::{self, Answer, Channel, Expect, Idempotency, Record};
use crate::metrics::Side;

/// The Instance Metadata Service of every Azure virtual machine.
const IMDS: &str = "http://169.254.169.254";
const IMDS_PATH: &str = "metadata/identity/oauth2/token";
const IMDS_VERSION: &str = "2018-02-01";
const APP_SERVICE_VERSION: &str = "2019-08-01";
const ARC_VERSION: &str = "2020-06-01";
/// Where Arc's agent keeps its challenges, and nothing else: an endpoint that names another file is not
/// Arc's.
const ARC_FOLDER: &str = "/var/opt/azcmagent/tokens";
const ARC_KEY_LIMIT: usize = 4_096;

const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER: usize = 1024 * 1024;
/// As documented: five tries, 0, 2, 6, 14 and 30 seconds from the first.
const WAITS: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// How long IMDS may be updating itself (410).
const MAX_UPDATE: Duration = Duration::from_secs(70);

/// The endpoint of this machine.
pub(in crate::graph) struct Endpoint {
    host: Host,
    identity: Identity,
    channel: Channel,
    stop: CancellationToken,
}

enum Host {
    Imds(Url),
    AppService { url: Url, header: String },
    Arc { url: Url, folder: PathBuf },
}

impl Endpoint {
    /// Finds out from the environment which kind of machine this is, as Microsoft's libraries do.
    pub(in crate::graph) fn detect(
        identity: Identity,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let host = match (
            environment("IDENTITY_ENDPOINT"),
            environment("IDENTITY_HEADER"),
        ) {
            (Some(url), Some(header)) => Host::AppService {
                url: check(&url, "IDENTITY_ENDPOINT")?,
                header,
            },
            (Some(url), None) if environment("IMDS_ENDPOINT").is_some() => Host::Arc {
                url: check(&url, "IDENTITY_ENDPOINT")?,
                folder: PathBuf::from(ARC_FOLDER),
            },
            _ => {
                let name = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
                let root = environment(name).unwrap_or_else(|| IMDS.to_owned());
                Host::Imds(check(
                    &format!("{}/{IMDS_PATH}", root.trim_end_matches('/')),
                    name,
                )?)
            }
        };
        Self::new(host, identity, stop)
    }

    fn new(host: Host, identity: Identity, stop: CancellationToken) -> Result<Self, Error> {
        if let (Host::Arc { .. }, false) = (&host, identity == Identity::SystemAssigned) {
            return Err(Error::Credential {
                key: "source.managed_identity".to_owned(),
                why: "a machine of Azure Arc has only its system-assigned identity".to_owned(),
                remedy: "remove client_id, object_id and resource_id",
            });
        }
        // Never through a proxy: the endpoint is of this machine.
        let client = http::build(&http::Settings {
            connections: 1,
            timeout: TIMEOUT,
            extra_roots: None,
            identity: None,
            proxy: None,
            direct: true,
        })
        .map_err(Error::Setup)?;
        Ok(Self {
            host,
            identity,
            channel: Channel::new(Side::Source, client, None, stop.clone()),
            stop,
        })
    }

    /// The same where all requests go on record.
    pub(in crate::graph) fn recorded(mut self, record: &Record) -> Self {
        self.channel = self.channel.recorded(record);
        self
    }

    /// An answer with a token. `resource` is a scope without `/.default`.
    pub(in crate::graph) async fn ask(
        &self,
        resource: &str,
        repeat: Idempotency,
    ) -> Result<Answer, Error> {
        let answer = self.repeated(resource, repeat, None).await?;
        let Host::Arc { folder, .. } = &self.host else {
            return granted(answer);
        };
        if answer.status != 401 {
            return granted(answer);
        }
        let key = challenge(&answer, folder)?;
        granted(self.repeated(resource, repeat, Some(&key)).await?)
    }

    async fn repeated(
        &self,
        resource: &str,
        repeat: Idempotency,
        key: Option<&str>,
    ) -> Result<Answer, Error> {
        let begun = Instant::now();
        // A token that is still good is used on instead.
        let is_patient = repeat == Idempotency::Always;
        let mut waits = WAITS.into_iter().filter(|_| is_patient);
        loop {
            let sent = self.channel.send(
                Idempotency::Never,
                Expect::Body { limit: MAX_ANSWER },
                |client| self.request(client, resource, key),
            );
            let answer = sent.await;
            let wait = match &answer {
                Ok(answer) => match answer.status {
                    410 if is_patient && begun.elapsed() < MAX_UPDATE => Some(WAITS[1]),
                    404 | 429 | 500.. => waits.next(),
                    _ => None,
                }
                .map(|wait| answer.retry_after().unwrap_or(wait).min(MAX_UPDATE)),
                // Nothing listens there, and nothing will.
                Err(http::Error::NotConnected { .. } | http::Error::Stopped { .. }) => None,
                Err(_) => waits.next(),
            };
            let Some(wait) = wait else {
                return answer.map_err(|error| match error {
                    http::Error::Stopped { .. } => Error::Stopped,
                    error => Error::NoManagedIdentity(Box::new(error)),
                });
            };
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return Err(Error::Stopped);
            }
        }
    }

    fn request(
        &self,
        client: &reqwest::Client,
        resource: &str,
        key: Option<&str>,
    ) -> RequestBuilder {
        let (url, version) = match &self.host {
            Host::Imds(url) => (url, IMDS_VERSION),
            Host::AppService { url, .. } => (url, APP_SERVICE_VERSION),
            Host::Arc { url, .. } => (url, ARC_VERSION),
        };
        let mut query = vec![("api-version", version), ("resource", resource)];
        query.extend(match &self.identity {
            Identity::SystemAssigned => None,
            Identity::ClientId(id) => Some(("client_id", id.as_str())),
            Identity::ObjectId(id) => Some((
                match self.host {
                    Host::AppService { .. } => "principal_id",
                    Host::Imds(_) | Host::Arc { .. } => "object_id",
                },
                id.as_str(),
            )),
            Identity::ResourceId(id) => Some((
                match self.host {
                    Host::AppService { .. } => "mi_res_id",
                    Host::Imds(_) | Host::Arc { .. } => "msi_res_id",
                },
                id.as_str(),
            )),
        });
        let request = client.get(url.clone()).query(&query);
        match (&self.host, key) {
            (Host::AppService { header, .. }, _) => request.header("X-IDENTITY-HEADER", header),
            (Host::Imds(_) | Host::Arc { .. }, None) => request.header("Metadata", "true"),
            (Host::Imds(_) | Host::Arc { .. }, Some(key)) => request
                .header("Metadata", "true")
                .header("Authorization", format!("Basic {key}")),
        }
    }
}

/// Plain http is for this machine: loopback, or the link-local addresses of the platform.
fn check(text: &str, variable: &str) -> Result<Url, Error> {
    let fault = || Error::Credential {
        key: "source.managed_identity".to_owned(),
        why: format!("{variable} is not an endpoint on this machine"),
        remedy: "correct the variable, or remove it",
    };
    let url = Url::parse(text).map_err(|_| fault())?;
    let is_link_local = match url.host() {
        Some(UrlHost::Ipv4(address)) => address.is_link_local(),
        Some(UrlHost::Ipv6(address)) => match IpAddr::V6(address).to_canonical() {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        },
        Some(UrlHost::Domain(_)) | None => false,
    };
    if is_link_local && url.scheme() == "http" {
        return Ok(url);
    }
    http::check_url(text).map_err(|_| fault())
}

fn granted(answer: Answer) -> Result<Answer, Error> {
    if answer.status == 200 {
        return Ok(answer);
    }
    let wire::TokenFailure {
        error,
        error_description,
        ..
    } = wire::read(&answer.body).unwrap_or_default();
    let words = error_description.or(error);
    Err(Error::TokenRefused(Box::new(TokenRefusal {
        service: MACHINE,
        status: answer.status,
        code: None,
        words: words.map(|words| http::redact(&words)),
        trace_id: None,
        correlation_id: None,
        attempts: answer.exchange.attempts,
    })))
}

/// Arc proves by a file that only its group may read that who asks is on this machine.
fn challenge(answer: &Answer, folder: &Path) -> Result<String, Error> {
    let fault = |why: &str| Error::Credential {
        key: "source.managed_identity".to_owned(),
        why: why.to_owned(),
        remedy: "add the user that the agent runs as to the group himds",
    };
    let path = answer
        .header("www-authenticate")
        .and_then(|header| header.split_once("realm="))
        .map(|(_, path)| Path::new(path.trim().trim_matches('"')));
    let path = path.ok_or_else(|| fault("the endpoint of Azure Arc names no challenge file"))?;
    let is_key = path.extension().is_some_and(|extension| extension == "key");
    if path.parent() != Some(folder) || !is_key {
        return Err(fault(
            "the endpoint of Azure Arc names a file that is not one of its challenges",
        ));
    }
    match config::read_secret_file(path) {
        Ok(key) if key.len() <= ARC_KEY_LIMIT => Ok(key),
        Ok(_) => Err(fault("the challenge file of Azure Arc is too long")),
        Err(error) => Err(fault(&error.to_string())),
    }
}

#[cfg(test)]
impl Endpoint {
    pub(super) fn of_imds(root: &str, identity: Identity) -> Self {
        let url = check(&format!("{root}/{IMDS_PATH}"), "test").expect("a URL of this machine");
        Self::of(Host::Imds(url), identity)
    }

    pub(super) fn of_app_service(url: &str, header: &str, identity: Identity) -> Self {
        let url = check(url, "test").expect("a URL of this machine");
        let header = header.to_owned();
        Self::of(Host::AppService { url, header }, identity)
    }

    pub(super) fn of_arc(url: &str, folder: &Path) -> Self {
        let url = check(url, "test").expect("a URL of this machine");
        let folder = folder.to_owned();
        Self::of(Host::Arc { url, folder }, Identity::SystemAssigned)
    }

    fn of(host: Host, identity: Identity) -> Self {
        Self::new(host, identity, CancellationToken::new()).expect("a client")
    }
}
