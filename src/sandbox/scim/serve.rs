//! The endpoints of the target: from a request to an answer.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::IntoResponse;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::super::line::Cut;
use super::super::read_call;
use super::super::reply::{Call, Reply};
use super::super::traffic::Side;
use super::authentication::TOKEN_PATH;
use super::error::{JSON, Refusal};
use super::listing::Query;
use super::schema::{ENTERPRISE, Kind};
use super::store::Handle;
use super::{Personality, Quirk, Target, TargetHandle, discovery, habits, patch};

pub(super) fn router(handle: TargetHandle) -> Router {
    Router::new().fallback(answer).with_state(handle)
}

async fn answer(
    State(handle): State<TargetHandle>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> impl IntoResponse {
    let call = read_call(request).await;
    let (latency, is_admitted) = {
        let mut target = handle.lock();
        (target.personality.latency, target.admit())
    };
    // What has arrived is carried out, also when the client has gone meanwhile.
    let carried_out = tokio::spawn(async move {
        let answer = |call: &Call| {
            if is_admitted && call.is_bulk() {
                return handle.bulk(call);
            }
            let mut target = handle.lock();
            let result = if is_admitted {
                target.answer(call, &handle.base)
            } else {
                Err(target.too_many())
            };
            result.unwrap_or_else(Refusal::into_reply)
        };
        let traffic = &handle.traffic;
        let reply = traffic.pass(Side::Scim, call, &cut, latency, answer).await;
        handle.lock().admitted -= usize::from(is_admitted);
        reply
    });
    let reply = carried_out.await.expect("no answer panics");
    reply.into_response()
}

impl Target {
    pub(super) fn answer(&mut self, call: &Call, base: &str) -> Result<Reply, Refusal> {
        if call.path == TOKEN_PATH {
            return Ok(self.grant(call));
        }
        self.check_request(call)?;
        if self.personality.has(Quirk::AnswersXml) {
            let list = "<?xml version=\"1.0\"?><ListResponse><totalResults>0</totalResults></ListResponse>";
            return Ok(Reply::new(200, "application/xml", list.to_owned()));
        }
        self.dispatch(call, base)
    }

    pub(super) fn check_request(&mut self, call: &Call) -> Result<(), Refusal> {
        self.check_rate()?;
        let has_agent = call.header("user-agent").is_some();
        if self.personality.has(Quirk::UserAgentRequired) && !has_agent {
            return Err(Refusal::new(403, None, "User-Agent is required."));
        }
        if self.knows(call) {
            return Ok(());
        }
        let words = "The bearer token is missing or wrong.";
        Err(Refusal::new(401, None, words))
    }

    /// Answers a request that is let in.
    pub(super) fn dispatch(&mut self, call: &Call, base: &str) -> Result<Reply, Refusal> {
        check_content_type(call, &self.personality)?;
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["scim", "v2", rest @ ..] = parts.as_slice() else {
            return Err(Refusal::not_found(&call.path));
        };
        let Some((first, rest)) = rest.split_first() else {
            return Err(Refusal::not_found(&call.path));
        };
        match *first {
            "Users" => self.resources(call, Kind::User, rest, base),
            "Groups" => match self.personality.groups_refused {
                Some(status) => Err(Refusal::new(status, None, "Groups are not supported.")),
                None => self.resources(call, Kind::Group, rest, base),
            },
            ".search" if call.method == "POST" && rest.is_empty() => {
                let kinds: &[Kind] = match self.personality.groups_refused {
                    Some(_) => &[Kind::User],
                    None => &[Kind::User, Kind::Group],
                };
                self.list(&Query::from_search(&body(call)?), kinds, base)
            }
            endpoint => self.discover(call, endpoint, rest, base),
        }
    }

    fn check_rate(&mut self) -> Result<(), Refusal> {
        let Some(most) = self.personality.requests_per_second else {
            return Ok(());
        };
        let now = Instant::now();
        let (began, count) = match self.window {
            Some((began, count)) if now - began < Duration::from_secs(1) => (began, count),
            _ => (now, 0),
        };
        self.window = Some((began, count + 1));
        if count < most {
            return Ok(());
        }
        Err(self.too_many())
    }

    /// Whether there is room for one more request.
    fn admit(&mut self) -> bool {
        let most = self.personality.in_flight;
        let has_room = most.is_none_or(|most| self.admitted < most);
        self.admitted += usize::from(has_room);
        has_room
    }

    fn too_many(&self) -> Refusal {
        let mut refusal = Refusal::new(429, None, "Too many requests.");
        refusal.retry_after = self.personality.retry_after;
        refusal
    }

    fn discover(
        &self,
        call: &Call,
        endpoint: &str,
        rest: &[&str],
        base: &str,
    ) -> Result<Reply, Refusal> {
        let personality = &self.personality;
        let known = matches!(
            endpoint,
            "ServiceProviderConfig" | "ResourceTypes" | "Schemas"
        );
        if !known || personality.has(Quirk::NoDiscovery) {
            return Err(Refusal::not_found(&call.path));
        }
        if call.method != "GET" {
            return Err(method_not_allowed(call));
        }
        // RFC 7644 section 4: filters are refused there.
        if call.parameter("filter").is_some() {
            return Err(Refusal::new(403, None, "Filters are not supported here."));
        }
        let value = match (endpoint, rest) {
            ("ServiceProviderConfig", []) => discovery::service_provider_config(base, personality),
            ("ResourceTypes", []) => {
                discovery::list(&discovery::resource_types(base, personality), personality)
            }
            ("ResourceTypes", [id]) => {
                discovery::one(discovery::resource_types(base, personality), id)?
            }
            ("Schemas", []) => discovery::list(&discovery::schemas(base, personality), personality),
            ("Schemas", [id]) => discovery::one(discovery::schemas(base, personality), id)?,
            _ => return Err(Refusal::not_found(&call.path)),
        };
        Ok(Reply::new(200, JSON, value.to_string()))
    }

    fn resources(
        &mut self,
        call: &Call,
        kind: Kind,
        rest: &[&str],
        base: &str,
    ) -> Result<Reply, Refusal> {
        match (call.method.as_str(), rest) {
            ("GET", []) => {
                let query = Query::from_parameters(&call.parameters())?;
                self.list(&query, &[kind], base)
            }
            ("POST", [".search"]) => self.list(&Query::from_search(&body(call)?), &[kind], base),
            ("POST", []) => self.create(call, kind, base),
            ("GET", [id]) => self.read(call, kind, id, base),
            ("OPTIONS", [_]) => Ok(Reply::empty(204).with("allow", self.methods())),
            ("PUT", [_]) if self.personality.has(Quirk::NoPut) => Err(not_implemented(call)),
            ("PATCH", [_]) if self.personality.has(Quirk::NoPatch) => Err(not_implemented(call)),
            ("PATCH", [_]) if self.personality.has(Quirk::PatchNotAllowed) => {
                Err(method_not_allowed(call))
            }
            ("DELETE", [_]) if self.personality.has(Quirk::NoDelete) => {
                Err(method_not_allowed(call))
            }
            ("PUT", [id]) => self.replace(call, kind, id, base),
            ("PATCH", [id]) => self.patch(call, kind, id, base),
            ("DELETE", [id]) => self.delete(call, kind, id),
            (_, [] | [_]) => Err(method_not_allowed(call)),
            _ => Err(Refusal::not_found(&call.path)),
        }
    }

    /// The methods of one resource.
    fn methods(&self) -> String {
        let has = |quirk| self.personality.has(quirk);
        let no_patch = has(Quirk::NoPatch) || has(Quirk::PatchNotAllowed);
        let methods = [
            ("GET", true),
            ("PUT", !has(Quirk::NoPut)),
            ("PATCH", !no_patch),
            ("DELETE", !has(Quirk::NoDelete)),
        ];
        let served = methods.iter().filter(|(_, served)| *served);
        served.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn list(&self, query: &Query, kinds: &[Kind], base: &str) -> Result<Reply, Refusal> {
        let mut list = query.list(&self.store, kinds, base, &self.personality)?;
        habits::list(&mut list, &self.personality);
        let finds_nothing = query.has_filter() && list["totalResults"] == 0;
        if finds_nothing && self.personality.has(Quirk::NobodyIsNoContent) {
            return Ok(Reply::empty(204));
        }
        if finds_nothing && self.personality.has(Quirk::NobodyIsNotFound) {
            return Err(Refusal::not_found("of the filter"));
        }
        Ok(Reply::new(200, JSON, list.to_string()))
    }

    fn create(&mut self, call: &Call, kind: Kind, base: &str) -> Result<Reply, Refusal> {
        let sent = object(body(call)?)?;
        check_schemas(&sent, kind)?;
        habits::check_body(&sent, &self.personality)?;
        self.check_attributes(kind, &sent.keys().map(String::as_str).collect())?;
        let created = self.store.create(kind, &sent, &self.personality);
        let has = |quirk| self.personality.has(quirk);
        let handle = created.map_err(|refusal| match refusal.status {
            409 if has(Quirk::ConflictsCrash) => {
                Refusal::new(500, None, "A record with this value already exists.")
            }
            409 if has(Quirk::ConflictsAreBad) => {
                Refusal::new(400, None, "Duplicate: it already exists.")
            }
            _ => refusal,
        })?;
        let status = if has(Quirk::CreateAnswersOk) {
            200
        } else {
            201
        };
        let (nothing, no_id) = (
            has(Quirk::CreateAnswersNothing),
            has(Quirk::CreateNamesNoId),
        );
        let reply = self.reply(status, call, kind, handle, base)?;
        if no_id {
            return Ok(Reply::empty(status));
        }
        if nothing {
            let id = self.store.id(handle);
            let location = format!("{base}/{}/{id}", kind.endpoint());
            return Ok(Reply::empty(status).with("location", location));
        }
        Ok(reply)
    }

    fn read(&self, call: &Call, kind: Kind, id: &str, base: &str) -> Result<Reply, Refusal> {
        let handle = self.find(kind, id)?;
        let resource = self.store.get(kind, handle);
        let etag = resource
            .map(super::store::Resource::etag)
            .unwrap_or_default();
        if let Some(known) = call.header("if-none-match")
            && mentions(known, &etag)
        {
            return Ok(Reply::empty(304).with("etag", etag));
        }
        self.reply(200, call, kind, handle, base)
    }

    fn replace(&mut self, call: &Call, kind: Kind, id: &str, base: &str) -> Result<Reply, Refusal> {
        let handle = self.find(kind, id)?;
        self.check_version(call, kind, handle)?;
        let mut sent = object(body(call)?)?;
        check_schemas(&sent, kind)?;
        habits::check_body(&sent, &self.personality)?;
        self.check_attributes(kind, &sent.keys().map(String::as_str).collect())?;
        if kind == Kind::User && self.personality.has(Quirk::ActiveIgnored) {
            let stored = self.store.render(kind, handle, base, false);
            sent.insert("active".to_owned(), stored["active"].clone());
        }
        if self.store.replace(kind, handle, &sent, &self.personality)? {
            self.store.touch(kind, handle);
        }
        self.drop_memberships(kind, handle);
        self.reply(200, call, kind, handle, base)
    }

    fn patch(&mut self, call: &Call, kind: Kind, id: &str, base: &str) -> Result<Reply, Refusal> {
        let handle = self.find(kind, id)?;
        self.check_version(call, kind, handle)?;
        let body = habits::patch(body(call)?, kind, &self.personality)?;
        self.check_attributes(kind, &attributes_of_patch(&body))?;
        if habits::has_operations(&body)
            && patch::apply(&mut self.store, kind, handle, &body, &self.personality)?
        {
            self.store.touch(kind, handle);
        }
        self.drop_memberships(kind, handle);
        let asked = call.parameter("attributes").is_some();
        if asked || self.personality.has(Quirk::PatchAnswersWhole) {
            return self.reply(200, call, kind, handle, base);
        }
        let resource = self.store.get(kind, handle);
        let etag = resource
            .map(super::store::Resource::etag)
            .unwrap_or_default();
        Ok(Reply::empty(204).with("etag", etag))
    }

    /// Takes an inactive user out of all groups, where that is the habit.
    fn drop_memberships(&mut self, kind: Kind, handle: Handle) {
        let user = self.store.get(kind, handle);
        let is_inactive = user.is_some_and(|user| user.map().get("active") == Some(&false.into()));
        if kind != Kind::User || !is_inactive || !self.personality.has(Quirk::MembershipsDropped) {
            return;
        }
        for group in self.store.groups_of(handle) {
            self.store.remove_member(group, handle);
        }
    }

    fn delete(&mut self, call: &Call, kind: Kind, id: &str) -> Result<Reply, Refusal> {
        let handle = self.find(kind, id)?;
        self.check_version(call, kind, handle)?;
        if kind == Kind::User && self.personality.has(Quirk::DeleteDeactivates) {
            let body = serde_json::json!({"Operations": [{"op": "replace", "path": "active", "value": false}]});
            patch::apply(&mut self.store, kind, handle, &body, &self.personality)?;
            self.store.touch(kind, handle);
        } else {
            self.store.delete(kind, handle, &self.personality);
        }
        Ok(Reply::empty(204))
    }

    fn find(&self, kind: Kind, id: &str) -> Result<Handle, Refusal> {
        let found = self.store.find(kind, id);
        let (handle, resource) = found.ok_or_else(|| Refusal::not_found(id))?;
        let hidden = kind == Kind::User
            && self.personality.has(Quirk::InactiveInvisible)
            && resource.map().get("active") == Some(&Value::Bool(false));
        if hidden {
            Err(Refusal::not_found(id))
        } else {
            Ok(handle)
        }
    }

    fn check_attributes(&self, kind: Kind, sent: &BTreeSet<&str>) -> Result<(), Refusal> {
        if kind != Kind::User {
            return Ok(());
        }
        let is_of_extension = |name: &&str| name.starts_with(ENTERPRISE);
        if self.personality.has(Quirk::ExtensionRefused) && sent.iter().any(is_of_extension) {
            let words = format!("Unknown schema or extension: {ENTERPRISE}");
            return Err(Refusal::new(400, None, words));
        }
        if let Some(name) = sent
            .iter()
            .find(|name| self.personality.read_only.contains(**name))
        {
            return Err(Refusal::mutability(name));
        }
        let refused = &self.personality.refused_attributes;
        if let Some((status, words)) = sent.iter().find_map(|name| refused.get(*name)) {
            return Err(Refusal::new(*status, None, words.as_str()));
        }
        let alone = &self.personality.taken_alone;
        if sent.len() > 1 && sent.iter().any(|name| alone.contains(*name)) {
            return Err(Refusal::new(400, None, "One change at a time."));
        }
        Ok(())
    }

    fn check_version(&self, call: &Call, kind: Kind, handle: Handle) -> Result<(), Refusal> {
        let Some(wanted) = call.header("if-match") else {
            if self.personality.has(Quirk::VersionRequired) {
                return Err(Refusal::new(428, None, "If-Match is required."));
            }
            return Ok(());
        };
        let etag = self
            .store
            .get(kind, handle)
            .map(super::store::Resource::etag);
        if etag.is_some_and(|etag| mentions(wanted, &etag)) {
            return Ok(());
        }
        Err(Refusal::new(412, None, "The resource has changed."))
    }

    fn reply(
        &self,
        status: u16,
        call: &Call,
        kind: Kind,
        handle: Handle,
        base: &str,
    ) -> Result<Reply, Refusal> {
        let query = Query::from_parameters(&call.parameters())?;
        query.check_excluded(&self.personality)?;
        let shown = self.show(&query, kind, handle, base);
        let id = self.store.id(handle);
        let etag = self
            .store
            .get(kind, handle)
            .map(super::store::Resource::etag);
        Ok(Reply::new(status, JSON, Value::Object(shown).to_string())
            .with("location", format!("{base}/{}/{id}", kind.endpoint()))
            .with("etag", etag.unwrap_or_default()))
    }
}

/// The attributes that the operations of a PATCH write.
fn attributes_of_patch(body: &Value) -> BTreeSet<&str> {
    let operations = body["Operations"].as_array();
    let paths = operations
        .into_iter()
        .flatten()
        .filter_map(|one| one["path"].as_str());
    paths
        .flat_map(|path| {
            let (urn, name) = path.rsplit_once(':').unwrap_or(("", path));
            let own = name.split(['.', '[']).next().unwrap_or(name);
            [(!urn.is_empty()).then_some(path), Some(own)]
        })
        .flatten()
        .collect()
}

fn mentions(header: &str, etag: &str) -> bool {
    let strong = etag.trim_start_matches("W/");
    header
        .split(',')
        .map(str::trim)
        .any(|own| own == "*" || own.trim_start_matches("W/") == strong)
}

pub(super) fn check_content_type(call: &Call, personality: &Personality) -> Result<(), Refusal> {
    let sent = call.header("content-type").unwrap_or_default();
    let kind = sent.split(';').next().unwrap_or_default().trim();
    let answers_406 = personality.has(Quirk::PlainJsonAccepted);
    let known: &[&str] = if answers_406 || personality.has(Quirk::PlainJsonOnly) {
        &["application/json"]
    } else {
        &["application/scim+json", "application/json"]
    };
    if call.body.is_empty() || known.iter().any(|name| name.eq_ignore_ascii_case(kind)) {
        return Ok(());
    }
    let status = if answers_406 { 406 } else { 415 };
    Err(Refusal::new(
        status,
        None,
        format!("The content type '{kind}' is not supported."),
    ))
}

pub(super) fn body(call: &Call) -> Result<Value, Refusal> {
    serde_json::from_str(&call.body)
        .map_err(|error| Refusal::bad("invalidSyntax", format!("The body is not JSON: {error}.")))
}

pub(super) fn object(value: Value) -> Result<Map<String, Value>, Refusal> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Refusal::bad("invalidSyntax", "The body must be an object.")),
    }
}

/// RFC 7643 section 3: `schemas` is required and names the core schema.
fn check_schemas(sent: &Map<String, Value>, kind: Kind) -> Result<(), Refusal> {
    let named = sent.get("schemas").and_then(Value::as_array);
    let core = kind.core().id;
    let found = named.is_some_and(|names| {
        let mut texts = names.iter().filter_map(Value::as_str);
        texts.any(|name| name.eq_ignore_ascii_case(core))
    });
    if found {
        return Ok(());
    }
    Err(Refusal::bad(
        "invalidSyntax",
        format!("'schemas' must name {core}."),
    ))
}

fn method_not_allowed(call: &Call) -> Refusal {
    Refusal::new(405, None, format!("{} is not allowed here.", call.method))
}

fn not_implemented(call: &Call) -> Refusal {
    Refusal::new(501, None, format!("{} is not implemented.", call.method))
}
