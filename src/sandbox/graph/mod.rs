//! The Graph side of the sandbox: the token endpoint and the part of Graph v1.0 that provisioning reads.
//! Formats follow Microsoft's documentation; nothing here knows who is asking.

mod answer;
mod assertion;
mod batch;
mod delta;
mod principal;
mod query;
mod read;
mod render;
mod synchronization;
#[cfg(test)]
mod tests;
mod token;
mod unit;

use std::io;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::time::Instant;

use answer::Problem;
use query::Options;

use super::line::{Cut, Server, bind};
use super::reply::{Call, Reply};
use super::tenant::{GraphQuirk, Tenant, TenantHandle};
use super::traffic::Side;
use super::{read_call, tenant};

#[derive(Debug, Clone)]
struct Graph {
    tenant: TenantHandle,
    /// Own scheme and authority, with which every link begins.
    origin: String,
}

/// Serves a tenant on loopback and gives the server with its origin.
pub(super) async fn serve(tenant: TenantHandle, port: u16) -> io::Result<(Server, String)> {
    let (listener, address) = bind(port).await?;
    let origin = format!("http://{address}");
    let graph = Graph {
        tenant,
        origin: origin.clone(),
    };
    Ok((start(listener, graph), origin))
}

fn start(listener: TcpListener, graph: Graph) -> Server {
    let router = Router::new().fallback(handle).with_state(graph);
    Server::start(listener, router)
}

async fn handle(
    State(graph): State<Graph>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> impl IntoResponse {
    let call = read_call(request).await;
    let latency = graph.tenant.lock().settings.latency;
    let traffic = graph.tenant.traffic();
    let reply = traffic
        .pass(Side::Graph, call, &cut, latency, |call| graph.answer(call))
        .await;
    reply.into_response()
}

impl Graph {
    fn answer(&self, call: &Call) -> Reply {
        let mut tenant = self.tenant.lock();
        tenant.requests += 1;
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let [authority, "oauth2", "v2.0", "token"] = parts.as_slice() {
            return token::answer(&mut tenant, &self.origin, authority, call);
        }
        if let [authority, "v2.0", ".well-known", "openid-configuration"] = parts.as_slice() {
            return token::discovery(&tenant, &self.origin, authority);
        }
        let ids = answer::RequestIds::new(&tenant, call);
        let result = check_token(&tenant, call).and_then(|()| self.route(&tenant, call));
        ids.finish(result)
    }

    fn route(&self, tenant: &Tenant, call: &Call) -> Result<Reply, Problem> {
        let segments = resource(&call.segments())?;
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), parts.as_slice()) {
            ("POST", ["$batch"]) => return self.batch(tenant, call),
            ("POST", ["directoryObjects", "getByIds"]) | ("GET", _) => {}
            _ => return Err(Problem::method_not_allowed()),
        }
        let reader = read::Reader {
            tenant,
            origin: &self.origin,
            call,
            options: Options::parse(call)?,
        };
        match parts.as_slice() {
            ["applications", key] => reader.registered_app(key),
            ["servicePrincipals"] => reader.service_principals(),
            ["servicePrincipals", key] => reader.service_principal(key),
            ["servicePrincipals", key, "appRoleAssignedTo"] => reader.assigned_to(key),
            ["servicePrincipals", key, "synchronization", rest @ ..] => {
                reader.synchronization(key, rest)
            }
            ["users", "delta"] => reader.delta(tenant::Stream::Users),
            ["groups", "delta"] => reader.delta(tenant::Stream::Groups),
            ["users"] => reader.users(),
            ["users", id] => reader.user(id),
            ["users", id, "manager"] => reader.manager(id),
            ["users", id, "memberOf", "microsoft.graph.group"] => {
                reader.member_of(tenant::Stream::Users, id)
            }
            ["groups", id, "memberOf", "microsoft.graph.group"] => {
                reader.member_of(tenant::Stream::Groups, id)
            }
            ["users", id, "transitiveMemberOf"] => {
                reader.transitive_member_of(tenant::Stream::Users, id)
            }
            ["groups", id, "transitiveMemberOf"] => {
                reader.transitive_member_of(tenant::Stream::Groups, id)
            }
            ["users", id, "appRoleAssignments"] => {
                reader.role_assignments(tenant::Stream::Users, id)
            }
            ["groups", id, "appRoleAssignments"] => {
                reader.role_assignments(tenant::Stream::Groups, id)
            }
            ["groups"] => reader.groups(),
            ["groups", id] => reader.group(id),
            ["groups", id, "members"] => reader.members(id, None, false),
            ["groups", id, "members", cast] => reader.members(id, Some(cast), false),
            ["groups", id, "transitiveMembers"] => reader.members(id, None, true),
            ["groups", id, "transitiveMembers", cast] => reader.members(id, Some(cast), true),
            ["directory", "administrativeUnits", rest @ ..] => reader.units(rest),
            ["directory", "deletedItems", "microsoft.graph.user"] => reader.deleted_users(),
            ["directory", "deletedItems", "microsoft.graph.group"] => reader.deleted_groups(),
            ["directory", "deletedItems", id] => reader.deleted_item(id),
            ["directoryObjects", "getByIds"] => reader.by_ids(),
            ["organization"] => reader.organization(),
            ["domains"] => reader.domains(),
            [first, ..] => Err(Problem::no_segment(first)),
            [] => Err(Problem::no_segment("")),
        }
    }
}

fn check_token(tenant: &Tenant, call: &Call) -> Result<(), Problem> {
    let Some(token) = call.bearer() else {
        return Err(Problem::unauthenticated("Access token is empty."));
    };
    match tenant.tokens.get(token) {
        Some(expiry) if *expiry > Instant::now() => {
            let is_challenged = tenant
                .settings
                .quirks
                .contains(&GraphQuirk::ClaimsChallenge)
                && !tenant.proven_tokens.contains(token);
            if is_challenged {
                return Err(Problem::challenge(token::CLAIMS));
            }
            Ok(())
        }
        Some(_) => Err(Problem::unauthenticated(
            "Lifetime validation failed, the token is expired.",
        )),
        None => Err(Problem::unauthenticated(
            "IDX14100: JWT is not well formed, or it was not issued by this tenant.",
        )),
    }
}

/// The path behind the version, with keys and function calls in one spelling each:
/// `users('x')` is `users/x`, `delta()` and `microsoft.graph.delta()` are `delta`.
fn resource(segments: &[String]) -> Result<Vec<String>, Problem> {
    let Some((version, rest)) = segments.split_first() else {
        return Err(Problem::no_segment(""));
    };
    if version != "v1.0" && version != "beta" {
        return Err(Problem::no_version(version));
    }
    let mut parts = Vec::new();
    for segment in rest {
        let (name, key) = match segment.split_once('(') {
            Some((name, key)) => (name, key.strip_suffix(')').unwrap_or(key)),
            None => (segment.as_str(), ""),
        };
        let name = match name.strip_prefix("microsoft.graph.") {
            Some(function @ ("delta" | "getByIds")) => function,
            _ => name,
        };
        parts.push(name.to_owned());
        if !key.is_empty() {
            parts.push(key.trim_matches('\'').to_owned());
        }
    }
    // Only in keys do quotes belong: appId='x' lost its last one above.
    for part in &mut parts {
        if let Some(value) = part.strip_prefix("appId='") {
            *part = format!("appId={}", value.trim_end_matches('\''));
        }
    }
    Ok(parts)
}
