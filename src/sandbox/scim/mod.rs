//! The simulated target: a SCIM 2.0 service provider written from RFC 7643 and RFC 7644,
//! with habits and troubles that can be switched on.

mod authentication;
mod bulk;
mod discovery;
mod error;
mod filter;
mod habits;
mod listing;
mod normal;
mod patch;
mod path;
mod personality;
mod schema;
mod serve;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tokio::time::Instant;

pub use authentication::{Authentication, AuthorizationServer};
pub(super) use bulk::changed;
pub use personality::{Bulk, Personality, Quirk};

use super::line::{Server, bind};
use super::reply::Call;
use super::traffic::Traffic;
use listing::Query;
use schema::Kind;
use store::{Handle, Index, Store};

/// How a target is started.
#[derive(Debug, Clone)]
pub struct TargetOptions {
    /// Zero lets the system choose.
    pub port: u16,
    pub token: String,
    pub personality: Personality,
    /// From which the ids of resources come.
    pub seed: u64,
}

impl Default for TargetOptions {
    fn default() -> Self {
        Self {
            port: 0,
            token: "sandbox-target-token".to_owned(),
            personality: Personality::default(),
            seed: 1,
        }
    }
}

/// A running target that many hold at once: tests, the demo and the server. Clones are cheap.
#[derive(Debug, Clone)]
pub struct TargetHandle {
    target: Arc<Mutex<Target>>,
    traffic: Traffic,
    /// The address of the service, up to and including `/scim/v2`.
    base: String,
    server: Arc<Mutex<Option<Server>>>,
}

#[derive(Debug)]
struct Target {
    store: Store,
    personality: Personality,
    token: String,
    authentication: Authentication,
    /// Tokens that its server granted, with when they expire; and how many there were.
    issued: BTreeMap<String, Instant>,
    grants: usize,
    /// The second in which requests are being counted, and how many came.
    window: Option<(Instant, u32)>,
    /// Requests under way that are not refused for being too many.
    admitted: usize,
}

impl TargetHandle {
    /// Serves an empty target on loopback.
    pub async fn start(options: TargetOptions) -> io::Result<Self> {
        let (listener, address) = bind(options.port).await?;
        let handle = Self {
            base: format!("http://{address}/scim/v2"),
            ..Self::unserved(options)
        };
        let server = Server::start(listener, serve::router(handle.for_server()));
        *handle.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
        Ok(handle)
    }

    /// An empty target without a network: [`Self::answer`] is its only way in.
    pub fn unserved(options: TargetOptions) -> Self {
        let TargetOptions {
            port: _,
            token,
            personality,
            seed,
        } = options;
        let target = Target {
            store: Store::new(seed),
            personality,
            token,
            authentication: Authentication::default(),
            issued: BTreeMap::new(),
            grants: 0,
            window: None,
            admitted: 0,
        };
        Self {
            target: Arc::new(Mutex::new(target)),
            traffic: Traffic::default(),
            base: "http://localhost/scim/v2".to_owned(),
            server: Arc::default(),
        }
    }

    /// The status and the body with which a request is answered, without a network and off the record.
    /// `path` is below the base.
    pub fn answer(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let call = Call::own(method, &format!("/scim/v2{path}"), &self.token(), body);
        let reply = if call.is_bulk() {
            self.bulk(&call)
        } else {
            let result = self.lock().answer(&call, &self.base);
            result.unwrap_or_else(error::Refusal::into_reply)
        };
        (
            reply.status,
            serde_json::from_str(&reply.body).unwrap_or_default(),
        )
    }

    /// The server's own handle must not keep the server alive.
    fn for_server(&self) -> Self {
        Self {
            server: Arc::default(),
            ..self.clone()
        }
    }

    /// Stops serving; what it holds can still be looked at.
    pub async fn stop(&self) {
        let server = self
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// The address to configure as base URL.
    pub fn scim_url(&self) -> String {
        self.base.clone()
    }

    pub fn token(&self) -> String {
        self.lock().token.clone()
    }

    /// Replaces the bearer token; the old one is refused from now on.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut self.lock().token);
    }

    /// What requests must show from now on.
    pub fn set_authentication(&self, authentication: Authentication) {
        self.lock().authentication = authentication;
    }

    /// Changes the authorization server, where it has one.
    pub fn configure_server(&self, change: impl FnOnce(&mut AuthorizationServer)) {
        if let Authentication::Server(server) = &mut self.lock().authentication {
            change(server);
        }
    }

    /// The token endpoint of the target's authorization server.
    pub fn token_url(&self) -> String {
        let origin = self.base.trim_end_matches("/scim/v2");
        format!("{origin}{}", authentication::TOKEN_PATH)
    }

    /// Every token that the server granted is refused.
    pub fn revoke_tokens(&self) {
        self.lock().issued.clear();
    }

    /// How many tokens it granted.
    pub fn grants(&self) -> usize {
        self.lock().grants
    }

    /// The record of requests, and the faults in their way.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The number of requests that asked for a change since the last reset.
    pub fn writes(&self) -> usize {
        self.traffic.writes()
    }

    /// Changes the habits of the target from the next request on.
    pub fn configure(&self, change: impl FnOnce(&mut Personality)) {
        change(&mut self.lock().personality);
    }

    /// Switches one quirk on.
    pub fn enable(&self, quirk: Quirk) {
        self.configure(|personality| {
            personality.quirks.insert(quirk);
        });
    }

    pub fn user_count(&self) -> usize {
        self.lock().store.all(Kind::User).len()
    }

    pub fn group_count(&self) -> usize {
        self.lock().store.all(Kind::Group).len()
    }

    /// Every user as a client would read it in full.
    pub fn users(&self) -> Vec<Value> {
        self.all(Kind::User, true)
    }

    /// Every group as a client would read it in full.
    pub fn groups(&self) -> Vec<Value> {
        self.all(Kind::Group, true)
    }

    fn all(&self, kind: Kind, relations: bool) -> Vec<Value> {
        let target = self.lock();
        let handles = target.store.all(kind).keys();
        handles
            .map(|handle| target.store.render(kind, *handle, &self.base, relations))
            .collect()
    }

    pub fn user(&self, id: &str) -> Option<Value> {
        self.one(Kind::User, id)
    }

    pub fn group(&self, id: &str) -> Option<Value> {
        self.one(Kind::Group, id)
    }

    fn one(&self, kind: Kind, id: &str) -> Option<Value> {
        let target = self.lock();
        let (handle, _) = target.store.find(kind, id)?;
        Some(target.store.render(kind, handle, &self.base, true))
    }

    /// The user with this `userName`, `externalId`, `displayName` or `emails.value`.
    pub fn find_user_by(&self, attribute: &str, value: &str) -> Option<Value> {
        self.find_by(Kind::User, attribute, value)
    }

    /// The group with this `displayName` or `externalId`.
    pub fn find_group_by(&self, attribute: &str, value: &str) -> Option<Value> {
        self.find_by(Kind::Group, attribute, value)
    }

    fn find_by(&self, kind: Kind, attribute: &str, value: &str) -> Option<Value> {
        let target = self.lock();
        let index = Index::of(attribute)?;
        let handle = *target.store.indexed(kind, index, value).first()?;
        Some(target.store.render(kind, handle, &self.base, true))
    }

    /// The ids of the members of a group.
    pub fn members(&self, group: &str) -> Vec<String> {
        let target = self.lock();
        let Some((_, group)) = target.store.find(Kind::Group, group) else {
            return Vec::new();
        };
        let members = group.members.iter();
        members
            .map(|member| target.store.id(*member).to_owned())
            .collect()
    }

    /// Puts a user there behind the back of every client, and gives its id.
    ///
    /// `None` when the target would refuse it.
    pub fn create_user(&self, user: &Value) -> Option<String> {
        self.create(Kind::User, user)
    }

    /// Puts a group there behind the back of every client, and gives its id.
    pub fn create_group(&self, group: &Value) -> Option<String> {
        self.create(Kind::Group, group)
    }

    fn create(&self, kind: Kind, sent: &Value) -> Option<String> {
        let mut target = self.lock();
        let Target {
            store, personality, ..
        } = &mut *target;
        let handle = store.create(kind, sent.as_object()?, personality).ok()?;
        Some(store.id(handle).to_owned())
    }

    /// Changes a user behind the back of every client: drift. A name with null is taken away.
    pub fn change_user(&self, id: &str, attributes: &Value) -> bool {
        self.change(Kind::User, id, attributes)
    }

    /// Changes attributes of a group behind the back of every client; `members` replaces them all.
    pub fn change_group(&self, id: &str, attributes: &Value) -> bool {
        self.change(Kind::Group, id, attributes)
    }

    fn change(&self, kind: Kind, id: &str, attributes: &Value) -> bool {
        let mut target = self.lock();
        let Some((handle, _)) = target.store.find(kind, id) else {
            return false;
        };
        let body = serde_json::json!({"Operations": [{"op": "replace", "value": attributes}]});
        let Target {
            store, personality, ..
        } = &mut *target;
        let changed = patch::apply(store, kind, handle, &body, personality).unwrap_or(false);
        if changed {
            store.touch(kind, handle);
        }
        changed
    }

    /// Deletes a user or group behind the back of every client.
    pub fn delete(&self, id: &str) -> bool {
        let mut target = self.lock();
        let Target {
            store, personality, ..
        } = &mut *target;
        for kind in [Kind::User, Kind::Group] {
            if let Some((handle, _)) = store.find(kind, id) {
                store.delete(kind, handle, personality);
                return true;
            }
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Target> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn show(&self, query: &Query, kind: Kind, handle: Handle, base: &str) -> Map<String, Value> {
        let shown = query.show(&self.store, kind, handle, base, &self.personality);
        match shown {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}
