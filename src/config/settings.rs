//! What is meant: the checked configuration that the rest of the program sees. Nothing in it needs
//! to be asked "was this set?"; secrets are still references.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::message::Mailbox;
use url::Url;

use super::access::Access;
use super::credential::{Certificate, Credential, Proof, Secret};
use super::knobs::Knobs;
use crate::engine::job;
use crate::engine::model::ObjectKind;
use crate::engine::record::Retention;
use crate::engine::strategy::Wish;

/// A whole configuration, free of problems.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    pub(crate) state: StateAt,
    /// For keyed digests; `None`: in a file next to the state.
    pub(crate) state_key: Option<Secret>,
    pub(crate) retention: Retention,
    /// The tenants, at least one.
    pub(crate) sources: Vec<Source>,
    /// `None`: there is no status page.
    pub(crate) web: Option<Web>,
    /// `None`: the service writes no reports.
    pub(crate) reports: Option<Reports>,
    pub(crate) notify: Notify,
    pub(crate) jobs: Vec<Job>,
    /// How often the service looks for leavers between two cycles; `None`: it does not.
    pub(crate) leavers: Option<Duration>,
    /// The first wait after which the service tries again what failed; `None`: it waits for the next cycle.
    pub(crate) retries: Option<Duration>,
}

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateAt {
    /// The file, or the copy of what the database holds.
    pub(crate) path: PathBuf,
    /// `None`: the file is all there is.
    pub(crate) database: Option<Database>,
}

impl StateAt {
    /// Why a running agent cannot go on with `other`; `None`: it can.
    pub(crate) fn why_restart(&self, other: &Self) -> Option<&'static str> {
        let without_lease = |at: &Self| {
            let database = at.database.clone();
            database.map(|database| Database {
                lease: Duration::ZERO,
                timeout: Duration::ZERO,
                ..database
            })
        };
        if self == other {
            None
        } else if self.path == other.path && without_lease(self) == without_lease(other) {
            Some(
                "the lease of this agent depends on the longest timeout of a target, and changes with a restart",
            )
        } else {
            Some("changes of [state] need a restart")
        }
    }
}

impl From<&Path> for StateAt {
    fn from(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            database: None,
        }
    }
}

impl From<&PathBuf> for StateAt {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&StateAt> for StateAt {
    fn from(at: &StateAt) -> Self {
        at.clone()
    }
}

/// A `PostgreSQL` database that several agents share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Database {
    /// With a user and the name of a database, without a password.
    pub(crate) url: Url,
    pub(crate) password: Option<Secret>,
    /// Certificate and private key.
    pub(crate) client_certificate: Option<(Secret, Secret)>,
    pub(crate) ca_certificate: Option<PathBuf>,
    pub(crate) schema: String,
    /// How long an agent may be unreachable before others take its jobs over.
    pub(crate) lease: Duration,
    /// The longest timeout of a target: how long a request may be on its way.
    pub(crate) timeout: Duration,
}

/// The reports that the service writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reports {
    pub(crate) folder: PathBuf,
    pub(crate) forms: Vec<ReportForm>,
    /// How long they are kept.
    pub(crate) keep: Duration,
}

/// The form of a report in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportForm {
    Html,
    Markdown,
    Csv,
}

impl ReportForm {
    /// With the endings of file names.
    pub(crate) const WORDS: [(&str, Self); 3] = [
        ("html", Self::Html),
        ("md", Self::Markdown),
        ("csv", Self::Csv),
    ];
}

/// The status page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Web {
    pub(crate) listen: Listen,
    /// `None`: in a file next to the state.
    pub(crate) token: Option<Secret>,
    /// Every user of this machine sees the pages.
    pub(crate) is_open: bool,
    /// Names of this host, in addition to localhost, in lower case.
    pub(crate) hosts: Vec<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy: Option<Proxy>,
}

/// A proxy that signs users in, and names them in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// In lower case.
    pub(crate) header: String,
    pub(crate) proof: ProxyProof,
}

/// By what it is known that a request comes from the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyProof {
    /// It comes by the Unix socket.
    Socket,
    /// It carries this.
    Secret(Secret),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Address(SocketAddr),
    /// A Unix socket.
    Socket(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) certificate: Secret,
    pub(crate) private_key: Secret,
    /// Who has a certificate of these authorities needs no token.
    pub(crate) client_ca: Option<PathBuf>,
}

/// How operators are notified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) mail: Option<Mail>,
    pub(crate) webhooks: Vec<Webhook>,
    /// An address that is called after each good cycle of any job.
    pub(crate) heartbeat: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) server: String,
    pub(crate) port: u16,
    pub(crate) encryption: Encryption,
    /// User and password.
    pub(crate) login: Option<(String, Secret)>,
    pub(crate) from: Mailbox,
    pub(crate) to: Vec<Mailbox>,
    pub(crate) ca_certificate: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    StartTls,
    Tls,
    None,
}

impl Encryption {
    /// The usual port (RFC 8314, RFC 6409, RFC 5321).
    pub(super) fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    pub(crate) name: String,
    pub(crate) url: Secret,
    pub(crate) form: WebhookForm,
    pub(crate) token: Option<Secret>,
}

/// What a webhook is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WebhookForm {
    Json,
    Slack,
    Teams,
}

/// Where the notifications of one job go; `None`: where all go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobNotify {
    pub(crate) to: Option<Vec<Mailbox>>,
    /// Their names.
    pub(crate) webhooks: Option<Vec<String>>,
    pub(crate) heartbeat: Option<Secret>,
}

impl Config {
    /// Every secret that is text, for what must not show one.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        let mut secrets: Vec<&Secret> = self.state_key.iter().collect();
        let database = self.state.database.iter();
        secrets.extend(database.filter_map(|database| database.password.as_ref()));
        for source in &self.sources {
            if let Credential::App { proofs, .. } = &source.credential {
                secrets.extend(proofs.iter().filter_map(|proof| match proof {
                    Proof::Secret { secret, .. } => Some(secret),
                    Proof::Certificate(Certificate::Pkcs12 { password, .. }) => password.as_ref(),
                    Proof::Certificate(Certificate::Pem { .. }) | Proof::FederatedToken(_) => None,
                }));
            }
        }
        secrets.extend(self.web.iter().filter_map(|web| web.token.as_ref()));
        let proxies = self.web.iter().filter_map(|web| web.proxy.as_ref());
        secrets.extend(proxies.filter_map(|proxy| match &proxy.proof {
            ProxyProof::Secret(secret) => Some(secret),
            ProxyProof::Socket => None,
        }));
        let mail = self.notify.mail.iter();
        secrets.extend(mail.filter_map(|mail| Some(&mail.login.as_ref()?.1)));
        secrets.extend(self.notify.webhooks.iter().flat_map(|webhook| {
            let token = webhook.token.as_ref();
            [Some(&webhook.url), token].into_iter().flatten()
        }));
        secrets.extend(&self.notify.heartbeat);
        for job in &self.jobs {
            secrets.extend(job.target.access.secrets());
            secrets.extend(&job.notify.heartbeat);
        }
        secrets
    }
}

/// A source with the jobs that read it.
#[derive(Clone, Debug)]
pub(crate) struct SourceJobs {
    pub(crate) source: Source,
    pub(crate) jobs: Vec<Job>,
}

impl Config {
    /// The sources of a job, in the order of their precedence.
    pub(crate) fn sources_of(&self, job: &Job) -> Vec<&Source> {
        let named = |name: &String| self.sources.iter().find(|source| source.name == *name);
        job.sources.iter().filter_map(named).collect()
    }

    /// The tenants of a job in words, for digests.
    pub(crate) fn tenants_of(&self, job: &Job) -> String {
        let sources = self.sources_of(job).into_iter();
        let tenants: Vec<&str> = sources.map(|source| source.tenant_id.as_str()).collect();
        tenants.join(", ")
    }

    /// Each source with its jobs.
    pub(crate) fn by_source(&self) -> Vec<SourceJobs> {
        let of = |source: &Source| SourceJobs {
            source: source.clone(),
            jobs: self
                .jobs
                .iter()
                .filter(|job| job.sources.contains(&source.name))
                .cloned()
                .collect(),
        };
        self.sources.iter().map(of).collect()
    }
}

/// How an Entra tenant is reached.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Empty for the only one, `[source]`.
    pub(crate) name: String,
    pub(crate) tenant_id: String,
    pub(crate) credential: Credential,
    /// Without tenant, version or trailing slash; from `cloud` unless overridden.
    pub(crate) login_url: String,
    /// Likewise, such as `https://graph.microsoft.com`.
    pub(crate) graph_url: String,
    /// The `scope` of the token request, such as `https://graph.microsoft.com/.default`.
    pub(crate) token_scope: String,
    /// Instead of that of the environment.
    pub(crate) proxy: Option<String>,
    pub(crate) read: Wish,
}

impl Source {
    /// Its place in the configuration, as errors name it.
    pub(crate) fn section(&self) -> String {
        if self.name.is_empty() {
            "source".to_owned()
        } else {
            format!("sources.{}", self.name)
        }
    }

    /// A key of it, as errors name it.
    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.section())
    }
}

/// One application provisioned into one target.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The part that decides.
    pub(crate) rules: job::Job,
    pub(crate) enabled: bool,
    /// It is planned, and nothing is written.
    pub(crate) observes: bool,
    /// The names of its sources, in the order of their precedence; `[source]` has an empty one.
    pub(crate) sources: Vec<String>,
    pub(crate) application: Application,
    pub(crate) target: Target,
    pub(crate) schedule: Schedule,
    /// How often linked objects are compared with what the target holds.
    pub(crate) verify: Option<Duration>,
    pub(crate) notify: JobNotify,
    /// A digest of everything above that the result of an evaluation depends on: when it changes,
    /// everything is evaluated again (product rule 11). Secrets, concurrency and schedule are not in it.
    pub(crate) fingerprint: String,
}

/// How the application is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Application {
    AppId(String),
    ServicePrincipalId(String),
    DisplayName(String),
}

/// How a job's target is reached and spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Without trailing slash; may carry a query, which stays part of every request.
    pub(crate) base_url: String,
    pub(crate) access: Access,
    /// Instead of that of the environment.
    pub(crate) proxy: Option<String>,
    /// Writes in flight at once.
    pub(crate) concurrency: usize,
    pub(crate) requests_per_second: Option<f64>,
    /// For one request, from sending to the end of the answer.
    pub(crate) timeout: Duration,
    /// After so long at most, what was written shows in look-ups.
    pub(crate) visibility_delay: Duration,
    pub(crate) ca_certificate: Option<PathBuf>,
    pub(crate) dialect: DialectSettings,
}

/// How one target wants its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DialectSettings {
    pub(crate) filterable: Filterable,
    /// Members in one PATCH at most.
    pub(crate) member_chunk: usize,
    /// Resources requested in one page of a list, where that is set.
    pub(crate) page_size: Option<usize>,
    /// What is set of the knobs.
    pub(crate) knobs: Knobs,
}

impl DialectSettings {
    pub(crate) fn page_size(&self) -> usize {
        self.page_size.unwrap_or(PAGE_SIZE)
    }
}

/// Resources requested in one page of a list.
const PAGE_SIZE: usize = 100;

/// Target paths by which look-ups may filter; `None`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filterable {
    pub(crate) users: Option<Vec<String>>,
    pub(crate) groups: Option<Vec<String>>,
}

impl Filterable {
    pub(crate) fn of(&self, kind: ObjectKind) -> Option<&[String]> {
        match kind {
            ObjectKind::User => self.users.as_deref(),
            ObjectKind::Group => self.groups.as_deref(),
        }
    }
}

/// When a job's cycles start.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// From the start of one cycle to the start of the next.
    Interval { every: Duration, jitter: Duration },
    Cron {
        expression: Box<cron::Schedule>,
        timezone: chrono_tz::Tz,
        jitter: Duration,
    },
}
