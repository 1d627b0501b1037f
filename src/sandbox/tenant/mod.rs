//! The simulated Entra tenant: people, groups, an application and who is assigned to it.
//! Every change made through the handle is seen by readers of delta queries, as in the real directory.

mod application;
mod change;
mod custom_security;
mod delta;
mod directory;
mod generate;
mod names;
mod properties;
mod synchronization;
#[cfg(test)]
mod tests;
mod unit;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

pub use application::{
    Assignment, PrincipalType, ROLE_AUDITOR, ROLE_DEFAULT_ACCESS, ROLE_MSIAM_ACCESS, ROLE_USER,
};
pub use directory::Life;
pub use generate::Size;
pub use synchronization::SynchronizationJob;

pub(super) use custom_security::CUSTOM_SECURITY_ATTRIBUTES;
pub(super) use delta::{Page, PageRules, Position, Selection, Stream, Then};
pub(super) use directory::{Directory, Moment, Object, Principal};
pub(super) use generate::{DOMAIN, INITIAL_DOMAIN, Identity};
pub(super) use unit::Unit;

use super::traffic::Traffic;

/// A tenant that is not served yet.
#[derive(Debug)]
pub struct Tenant {
    pub(super) identity: Identity,
    pub(super) directory: Directory,
    pub(super) settings: GraphSettings,
    /// Access tokens with the instant they expire.
    pub(super) tokens: BTreeMap<String, Instant>,
    /// Those that were issued after a claims challenge.
    pub(super) proven_tokens: BTreeSet<String>,
    /// Delta and page tokens of earlier generations have expired.
    pub(super) delta_generation: u64,
    pub(super) page_generation: u64,
    pub(super) requests: u64,
    pub(super) default_domain: Option<String>,
}

impl Tenant {
    /// The same seed and size always give the same tenant.
    pub fn generate(seed: u64, size: &Size) -> Self {
        let (identity, directory) = generate::generate(seed, size);
        Self {
            identity,
            directory,
            settings: GraphSettings::default(),
            tokens: BTreeMap::new(),
            proven_tokens: BTreeSet::new(),
            delta_generation: 0,
            page_generation: 0,
            requests: 0,
            default_domain: Some(DOMAIN.to_owned()),
        }
    }
}

/// How the Graph side behaves; can be changed while it runs.
#[derive(Debug, Clone)]
pub struct GraphSettings {
    /// Granted application permissions.
    pub permissions: BTreeSet<String>,
    pub token_lifetime: Duration,
    /// Users per page of a delta round.
    pub users_per_page: usize,
    /// Groups per page of a delta round.
    pub groups_per_page: usize,
    /// Memberships per page of a delta round; a larger group is returned in slices.
    pub members_per_page: usize,
    /// Entries per page of a listing when the client does not ask for a number.
    pub entries_per_page: usize,
    /// How long every answer takes at least.
    pub latency: Duration,
    pub quirks: BTreeSet<GraphQuirk>,
    /// In DER form: those that the app registration knows.
    pub certificates: Vec<Vec<u8>>,
    pub federated: Vec<FederatedCredential>,
    /// What the answers say the time is; `None`: what it is.
    pub clock: Option<chrono::DateTime<chrono::Utc>>,
    /// When the client secret expires, such as `2027-01-31T00:00:00Z`.
    pub secret_expires: String,
}

/// Whose tokens the app registration takes in place of a secret.
#[derive(Debug, Clone)]
pub struct FederatedCredential {
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    /// Of the issuer, in DER form: its key signs the tokens.
    pub certificate: Vec<u8>,
}

impl Default for GraphSettings {
    fn default() -> Self {
        let permissions = [
            "Application.Read.All",
            "User.Read.All",
            "GroupMember.Read.All",
            "Organization.Read.All",
            "Domain.Read.All",
        ];
        Self {
            permissions: permissions.map(str::to_owned).into(),
            token_lifetime: Duration::from_secs(3599),
            users_per_page: 200,
            groups_per_page: 100,
            members_per_page: 2_000,
            entries_per_page: 100,
            latency: Duration::ZERO,
            quirks: BTreeSet::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            clock: None,
            secret_expires: "2099-12-31T00:00:00Z".to_owned(),
        }
    }
}

/// Behaviour of the live service that a reader must cope with; all off at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GraphQuirk {
    /// Initial rounds name deleted objects too.
    RemovedInInitialRound,
    /// Initial rounds name no managers.
    NoManagersInInitialRound,
    /// Initial rounds are empty, as a faulty service answers them.
    NoUsersInInitialRound,
    NoGroupsInInitialRound,
    /// Initial rounds name groups without members.
    NoMembersInInitialRound,
    /// Each page of a round repeats an object at its end.
    Replays,
    /// An empty page with a next link comes before each page of a round.
    EmptyPages,
    /// Expired delta tokens are answered 410 with `Location` rather than 400.
    GoneForExpired,
    /// The tenant has no delta, as external tenants.
    NoDelta,
    /// Tokens that do not prove what a claims challenge requires are refused with the challenge.
    ClaimsChallenge,
    /// The token endpoint takes assertions in the older form only: RS256 with `x5t`.
    OldAssertions,
}

/// A user as tests see it.
#[derive(Debug, Clone, PartialEq)]
pub struct UserView {
    pub id: Uuid,
    pub life: Life,
    pub properties: Map<String, Value>,
    pub manager: Option<Uuid>,
}

/// A group as tests see it.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupView {
    pub id: Uuid,
    pub life: Life,
    pub properties: Map<String, Value>,
    pub members: Vec<Uuid>,
}

/// A tenant that many hold at once: tests, the demo and the server. Clones are cheap.
///
/// Unknown ids change nothing, and the methods say so with `false`.
#[derive(Debug, Clone)]
pub struct TenantHandle {
    tenant: Arc<Mutex<Tenant>>,
    traffic: Traffic,
}

impl TenantHandle {
    pub fn new(tenant: Tenant) -> Self {
        Self {
            tenant: Arc::new(Mutex::new(tenant)),
            traffic: Traffic::default(),
        }
    }

    /// The record of requests to Graph and the token endpoint, and the faults in their way.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Changes how the Graph side behaves from the next request on.
    pub fn configure(&self, change: impl FnOnce(&mut GraphSettings)) {
        change(&mut self.lock().settings);
    }

    /// Switches one quirk on.
    pub fn enable(&self, quirk: GraphQuirk) {
        self.configure(|settings| {
            settings.quirks.insert(quirk);
        });
    }

    /// Withdraws an application permission.
    pub fn revoke_permission(&self, permission: &str) {
        self.configure(|settings| {
            settings.permissions.remove(permission);
        });
    }

    /// Grants an application permission.
    pub fn grant_permission(&self, permission: &str) {
        self.configure(|settings| {
            settings.permissions.insert(permission.to_owned());
        });
    }

    /// Every delta link handed out so far has expired.
    pub fn expire_delta_links(&self) {
        self.lock().delta_generation += 1;
    }

    /// Every next link handed out so far has expired.
    pub fn expire_next_links(&self) {
        self.lock().page_generation += 1;
    }

    /// Every access token handed out so far is refused.
    pub fn expire_access_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// Whether it granted this token, and it has not expired.
    pub(super) fn is_valid_token(&self, token: &str) -> bool {
        let expiry = self.lock().tokens.get(token).copied();
        expiry.is_some_and(|expiry| Instant::now() < expiry)
    }

    pub fn tenant_id(&self) -> Uuid {
        self.lock().identity.tenant_id
    }

    pub fn client_id(&self) -> Uuid {
        self.lock().identity.client_id
    }

    pub fn client_secret(&self) -> String {
        self.lock().identity.client_secret.clone()
    }

    /// Replaces the client secret, as an administrator does who rotates it.
    pub fn set_client_secret(&self, secret: &str) {
        secret.clone_into(&mut self.lock().identity.client_secret);
    }

    /// Makes another domain, verified with this, the default one. `None`: no domain is.
    pub fn set_default_domain(&self, name: Option<&str>) {
        self.lock().default_domain = name.map(str::to_owned);
    }

    /// The object id of the enterprise application.
    pub fn service_principal_id(&self) -> Uuid {
        self.lock().directory.application.id
    }

    pub fn app_id(&self) -> Uuid {
        self.lock().directory.application.app_id
    }

    pub fn application_name(&self) -> String {
        self.lock().directory.application.display_name.clone()
    }

    /// Every user that is not purged.
    pub fn users(&self) -> Vec<UserView> {
        let tenant = self.lock();
        let users = tenant.directory.users.iter();
        users
            .filter(|user| user.object.life != Life::Purged)
            .map(|user| tenant.view_user(user))
            .collect()
    }

    /// The ids of every user that is not purged, in a fixed order.
    pub fn user_ids(&self) -> Vec<Uuid> {
        let tenant = self.lock();
        let users = tenant.directory.users.iter();
        users
            .filter(|user| user.object.life != Life::Purged)
            .map(|user| user.object.id)
            .collect()
    }

    pub fn user(&self, id: Uuid) -> Option<UserView> {
        let tenant = self.lock();
        tenant.directory.user(id).map(|user| tenant.view_user(user))
    }

    /// The user whose property is this text, compared without case.
    pub fn find_user_by(&self, property: &str, text: &str) -> Option<UserView> {
        let wanted = text.to_lowercase();
        let tenant = self.lock();
        let key = tenant.directory.names.known(property)?;
        let mut users = tenant.directory.users.iter();
        users
            .find(|user| {
                let value = user.object.properties.value(key);
                value.is_some_and(|value| {
                    value
                        .as_str()
                        .is_some_and(|own| own.to_lowercase() == wanted)
                })
            })
            .map(|user| tenant.view_user(user))
    }

    /// Every group that is not purged.
    pub fn groups(&self) -> Vec<GroupView> {
        let tenant = self.lock();
        let groups = tenant.directory.groups.iter();
        groups
            .filter(|group| group.object.life != Life::Purged)
            .map(|group| tenant.view_group(group))
            .collect()
    }

    pub fn group(&self, id: Uuid) -> Option<GroupView> {
        let tenant = self.lock();
        let group = tenant.directory.group(id)?;
        Some(tenant.view_group(group))
    }

    /// Direct members of a group, whatever their state.
    pub fn members(&self, group: Uuid) -> Vec<Uuid> {
        self.group(group)
            .map(|group| group.members)
            .unwrap_or_default()
    }

    pub fn manager(&self, user: Uuid) -> Option<Uuid> {
        self.user(user)?.manager
    }

    pub fn assignments(&self) -> Vec<Assignment> {
        let tenant = self.lock();
        tenant
            .directory
            .application
            .assignments()
            .cloned()
            .collect()
    }

    /// Active users who are assigned directly or as direct members of an assigned, active group that
    /// is security-enabled.
    /// A user who holds only Default Access counts as assigned.
    pub fn users_in_scope(&self) -> BTreeSet<Uuid> {
        let tenant = self.lock();
        let directory = &tenant.directory;
        let mut found = BTreeSet::new();
        for assignment in directory.application.assignments() {
            match directory.principal(assignment.principal) {
                Some(user @ Principal::User(_)) => {
                    found.insert(user);
                }
                Some(Principal::Group(place)) => {
                    let group = &directory.groups[place as usize];
                    if tenant.can_be_assigned(group) {
                        found.extend(group.members.keys());
                    }
                }
                None => {}
            }
        }
        found
            .into_iter()
            .filter(|principal| matches!(principal, Principal::User(_)))
            .map(|principal| directory.object(principal))
            .filter(|object| object.is_active())
            .map(|object| object.id)
            .collect()
    }

    /// Active groups that are assigned and security-enabled.
    pub fn groups_in_scope(&self) -> BTreeSet<Uuid> {
        let tenant = self.lock();
        let directory = &tenant.directory;
        let assigned = directory.application.assignments();
        assigned
            .filter(|assignment| {
                directory
                    .group(assignment.principal)
                    .is_some_and(|group| tenant.can_be_assigned(group))
            })
            .map(|assignment| assignment.principal)
            .collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tenant> {
        self.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenant {
    /// Every verified domain, and whether it is the default one.
    pub(super) fn domains(&self) -> Vec<(&str, bool)> {
        let default = self.default_domain.as_deref();
        let mut names = vec![DOMAIN, INITIAL_DOMAIN];
        if let Some(name) = default.filter(|name| !names.contains(name)) {
            names.push(name);
        }
        names
            .into_iter()
            .map(|name| (name, Some(name) == default))
            .collect()
    }

    /// Entra supports assignment of groups that are security-enabled.
    fn can_be_assigned(&self, group: &directory::Group) -> bool {
        let names = &self.directory.names;
        let security = names
            .known("securityEnabled")
            .and_then(|key| group.object.properties.value(key));
        group.object.is_active() && security.is_some_and(|is| is == json!(true))
    }

    fn view_user(&self, user: &directory::User) -> UserView {
        let manager = user.manager.map(Principal::User);
        UserView {
            id: user.object.id,
            life: user.object.life,
            properties: user.object.properties.to_map(&self.directory.names),
            manager: manager.map(|manager| self.directory.object(manager).id),
        }
    }

    fn view_group(&self, group: &directory::Group) -> GroupView {
        let members = group.members.keys();
        GroupView {
            id: group.object.id,
            life: group.object.life,
            properties: group.object.properties.to_map(&self.directory.names),
            members: members
                .map(|member| self.directory.object(*member).id)
                .collect(),
        }
    }
}
