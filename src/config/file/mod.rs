//! What was typed, and where: every key of the file and of presets, with nothing filled in and
//! nothing understood yet. `resolve` makes what is meant of it.

mod credential;
mod read;
mod target;

use figment::value::Value;

use super::credential::Secret;
use super::document::Place;
use super::knobs::Knob;
use super::reader::Typed;
use crate::engine::job::Limit;

#[derive(Debug)]
pub(super) struct File {
    pub(super) state: State,
    /// One without a name, or those of `[[sources]]`.
    pub(super) sources: Vec<Source>,
    pub(super) schedule: Schedule,
    pub(super) web: Option<Web>,
    pub(super) reports: Option<Reports>,
    pub(super) notify: Option<Notify>,
    pub(super) jobs: Vec<Job>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) path: Option<Typed<String>>,
    pub(super) key: Option<Typed<Secret>>,
    pub(super) keep_log: Option<Typed<String>>,
    pub(super) keep_log_rows: Option<Typed<i64>>,
    pub(super) url: Option<Typed<String>>,
    pub(super) password: Option<Typed<Secret>>,
    pub(super) client_certificate: Option<Tls>,
    pub(super) ca_certificate: Option<Typed<String>>,
    pub(super) schema: Option<Typed<String>>,
    pub(super) lease: Option<Typed<String>>,
}

#[derive(Debug)]
pub(super) struct Web {
    pub(super) listen: Option<Typed<String>>,
    pub(super) token: Option<Typed<Secret>>,
    pub(super) open_on_loopback: Option<Typed<bool>>,
    pub(super) hosts: Option<Vec<Typed<String>>>,
    pub(super) tls: Option<Tls>,
    pub(super) client_ca: Option<Typed<String>>,
    pub(super) proxy: Option<Proxy>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) header: Option<Typed<String>>,
    pub(super) secret: Option<Typed<Secret>>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Reports {
    pub(super) folder: Option<Typed<String>>,
    pub(super) formats: Option<Vec<Typed<String>>>,
    pub(super) keep: Option<Typed<String>>,
}

#[derive(Debug)]
pub(super) struct Notify {
    pub(super) mail: Option<Mail>,
    pub(super) webhooks: Vec<Webhook>,
    pub(super) heartbeat: Option<Typed<Secret>>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Mail {
    pub(super) server: Option<Typed<String>>,
    pub(super) port: Option<Typed<i64>>,
    pub(super) encryption: Option<Typed<String>>,
    pub(super) user: Option<Typed<String>>,
    pub(super) password: Option<Typed<Secret>>,
    pub(super) from: Option<Typed<String>>,
    pub(super) to: Option<Vec<Typed<String>>>,
    pub(super) ca_certificate: Option<Typed<String>>,
    pub(super) place: Place,
}

#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) name: Option<Typed<String>>,
    pub(super) url: Option<Typed<Secret>>,
    pub(super) form: Option<Typed<String>>,
    pub(super) token: Option<Typed<Secret>>,
}

#[derive(Debug)]
pub(super) struct JobNotify {
    pub(super) to: Option<Vec<Typed<String>>>,
    pub(super) webhooks: Option<Vec<Typed<String>>>,
    pub(super) heartbeat: Option<Typed<Secret>>,
}

/// `None`: what is wrong with it is on the log.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) certificate: Option<Typed<Secret>>,
    pub(super) private_key: Option<Typed<Secret>>,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: Option<Typed<String>>,
    /// It is the only one, `[source]`, which has no name.
    pub(super) is_only: bool,
    pub(super) tenant_id: Option<Typed<String>>,
    pub(super) client_id: Option<Typed<String>>,
    /// Those that are given, in the order in which they are documented.
    pub(super) credentials: Vec<Credential>,
    pub(super) place: Place,
    /// There is no such section, which has been reported.
    pub(super) is_missing: bool,
    pub(super) token_scope: Option<Typed<String>>,
    pub(super) cloud: Option<Typed<String>>,
    pub(super) login_url: Option<Typed<String>>,
    pub(super) graph_url: Option<Typed<String>>,
    pub(super) proxy: Option<Typed<String>>,
    pub(super) read: Option<Typed<String>>,
}

/// What one of the keys that say how to sign in holds.
#[derive(Debug)]
pub(super) enum Credential {
    Secrets(Vec<ExpiringSecret>),
    Certificates(Vec<Certificate>),
    FederatedTokenFile(Typed<String>),
    WorkloadIdentity(Place),
    ManagedIdentity(Identity),
    AzureCli,
    DeviceCode,
    /// What is wrong with it is on the log.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct ExpiringSecret {
    pub(super) secret: Typed<Secret>,
    pub(super) expires: Option<Typed<String>>,
}

#[derive(Debug)]
pub(super) enum Certificate {
    Pem {
        certificate: Typed<Secret>,
        private_key: Option<Typed<Secret>>,
    },
    Pkcs12 {
        file: Typed<Secret>,
        password: Option<Typed<Secret>>,
    },
}

#[derive(Debug)]
pub(super) enum Identity {
    /// The one of `client_id`, else the machine's own.
    Usual,
    ObjectId(Typed<String>),
    ResourceId(Typed<String>),
}

#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) interval: Option<Typed<String>>,
    pub(super) cron: Option<Typed<String>>,
    pub(super) timezone: Option<Typed<String>>,
    pub(super) jitter: Option<Typed<String>>,
    pub(super) verify: Option<Typed<String>>,
    /// Of all jobs together.
    pub(super) leavers: Option<Typed<String>>,
    /// Likewise.
    pub(super) retries: Option<Typed<String>>,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) name: Option<Typed<String>>,
    pub(super) enabled: Option<Typed<bool>>,
    pub(super) mode: Option<Typed<String>>,
    pub(super) preset: Option<Typed<String>>,
    pub(super) sources: Option<Vec<Typed<String>>>,
    pub(super) application: Option<Application>,
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) users: Rules,
    pub(super) groups: Rules,
    pub(super) safety: Safety,
    pub(super) schedule: Schedule,
    pub(super) notify: JobNotify,
}

#[derive(Debug)]
pub(super) struct Safety {
    pub(super) max_deletions: Option<Typed<Limit>>,
    pub(super) max_membership_removals: Option<Typed<Limit>>,
    pub(super) on_drift: Option<Typed<String>>,
    pub(super) deletes: Option<Typed<String>>,
    pub(super) max_creations: Option<Typed<i64>>,
    pub(super) min_active: Option<Typed<i64>>,
    pub(super) min_members: Vec<(String, Typed<i64>)>,
    pub(super) never_disable: Option<Vec<Typed<String>>>,
    pub(super) only_created: Option<Typed<bool>>,
}

#[derive(Debug)]
pub(super) enum Application {
    AppId(Typed<String>),
    ServicePrincipalId(Typed<String>),
    DisplayName(Typed<String>),
}

#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: Place,
    /// There is no such section, which has been reported.
    pub(super) is_missing: bool,
    /// In a preset: where the address is the same for every user.
    pub(super) base_url: Option<Typed<String>>,
    /// `None`: it is missing or wrong, which has been reported; or this is a preset.
    pub(super) access: Option<Access>,
    pub(super) proxy: Option<Typed<String>>,
    pub(super) concurrency: Option<Typed<i64>>,
    pub(super) requests_per_second: Option<Typed<f64>>,
    pub(super) timeout: Option<Typed<String>>,
    pub(super) visibility_delay: Option<Typed<String>>,
    pub(super) ca_certificate: Option<Typed<String>>,
    pub(super) filterable: Option<Filterable>,
    pub(super) member_chunk: Option<Typed<i64>>,
    pub(super) page_size: Option<Typed<i64>>,
    /// By their names.
    pub(super) knobs: Vec<(&'static Knob, Typed<String>)>,
}

/// How requests show who sends them.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) sign_in: SignIn,
    pub(super) headers: Vec<(Typed<String>, ExpiringSecret)>,
    pub(super) client_certificate: Option<Certificate>,
}

#[derive(Debug)]
pub(super) enum SignIn {
    Token(Vec<ExpiringSecret>),
    Basic {
        user: Typed<String>,
        passwords: Vec<ExpiringSecret>,
    },
    OAuth(Box<OAuth>),
    Entra {
        scope: Typed<String>,
    },
    Headers,
}

#[derive(Debug)]
pub(super) struct OAuth {
    pub(super) token_url: Typed<String>,
    pub(super) client_id: Typed<String>,
    pub(super) secrets: Vec<ExpiringSecret>,
    pub(super) scope: Option<Typed<String>>,
    pub(super) audience: Option<Typed<String>>,
    pub(super) authentication: Option<Typed<String>>,
}

/// What look-ups may filter by: one list for users and groups, or one for each.
#[derive(Debug)]
pub(super) enum Filterable {
    Both(Vec<Typed<String>>),
    Each {
        users: Option<Vec<Typed<String>>>,
        groups: Option<Vec<Typed<String>>>,
    },
}

#[derive(Debug)]
pub(super) struct Scope {
    pub(super) place: Place,
    pub(super) mode: Option<Typed<String>>,
    pub(super) nested_groups: Option<Typed<bool>>,
    pub(super) groups: Option<Vec<Typed<String>>>,
    pub(super) administrative_units: Option<Vec<Typed<String>>>,
    pub(super) exclude: Option<Vec<Typed<String>>>,
    pub(super) exclude_default_access: Option<Typed<bool>>,
}

/// What is said of users or of groups.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) place: Place,
    pub(super) enabled: Option<Typed<bool>>,
    pub(super) actions: Option<Vec<Typed<String>>>,
    pub(super) when_out_of_scope: Option<Typed<String>>,
    /// Groups only.
    pub(super) exceptions: Vec<Exception>,
    /// Users only.
    pub(super) create_blocked: Option<Typed<bool>>,
    /// Users only.
    pub(super) delete_after: Option<Typed<String>>,
    pub(super) filters: Option<Vec<FilterGroup>>,
    pub(super) mappings: Vec<Mapping>,
    /// Groups only.
    pub(super) provision: Option<Provision>,
    /// Groups only.
    pub(super) one_group_each: Option<Typed<bool>>,
    /// Groups only.
    pub(super) nested_members: Option<Typed<bool>>,
    /// Presets only: what to warn of when a job provisions this kind of object into such a target.
    pub(super) warning: Option<Typed<String>>,
}

/// A group for which something else is done when it leaves the scope.
#[derive(Debug)]
pub(super) struct Exception {
    pub(super) group: Option<Typed<String>>,
    pub(super) when_out_of_scope: Option<Typed<String>>,
}

/// Which groups are provisioned as objects.
#[derive(Debug)]
pub(super) enum Provision {
    Word(Typed<String>),
    Named(Vec<Typed<String>>),
}

#[derive(Debug)]
pub(super) struct FilterGroup {
    pub(super) name: Option<Typed<String>>,
    pub(super) all: Vec<Clause>,
}

#[derive(Debug)]
pub(super) struct Clause {
    pub(super) attribute: Option<Typed<String>>,
    pub(super) operator: Option<Typed<String>>,
    pub(super) value: Option<Typed<String>>,
    pub(super) full: Option<Typed<bool>>,
}

#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) place: Place,
    pub(super) target: Option<Typed<String>>,
    pub(super) flow: Option<Flow>,
    pub(super) default: Option<Typed<Value>>,
    pub(super) matching: Option<Typed<i64>>,
    pub(super) apply: Option<Typed<String>>,
    pub(super) on_empty: Option<Typed<String>>,
    pub(super) target_type: Option<Typed<String>>,
    pub(super) multi_valued: Option<Typed<bool>>,
    pub(super) required: Option<Typed<bool>>,
    pub(super) case_exact: Option<Typed<bool>>,
    pub(super) on_drift: Option<Typed<String>>,
}

/// Where a mapping's value comes from.
#[derive(Clone, Debug)]
pub(super) enum Flow {
    Attribute(Typed<String>),
    Expression(Typed<String>),
    Constant(Typed<Value>),
    /// `none = true`.
    None,
    /// `remove = true`: the preset's mapping is dropped.
    Removed,
}

/// A preset, as typed.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) title: Option<Typed<String>>,
    pub(super) target: Target,
    pub(super) scope: Scope,
    pub(super) users: Rules,
    pub(super) groups: Rules,
}
