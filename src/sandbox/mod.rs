//! A simulated tenant and a simulated target on loopback, for `entrain demo`, tests and benches.
//! Imports nothing of ours, or it would share our misunderstandings.

mod fault;
mod graph;
mod line;
mod reply;
mod scim;
mod tenant;
#[cfg(test)]
mod testing;
mod traffic;

use std::io;

use axum::body::to_bytes;
use axum::extract::Request;

pub use fault::{Fault, Trouble};
pub use scim::{
    Authentication, AuthorizationServer, Bulk, Personality, Quirk, TargetHandle, TargetOptions,
};
pub use tenant::{
    Assignment, FederatedCredential, GraphQuirk, GraphSettings, GroupView, Life, PrincipalType,
    ROLE_AUDITOR, ROLE_DEFAULT_ACCESS, ROLE_MSIAM_ACCESS, ROLE_USER, Size, SynchronizationJob,
    Tenant, TenantHandle, UserView,
};
pub use traffic::{Exchange, Traffic};
pub use uuid::Uuid;

use line::Server;
use reply::Call;

/// Larger requests are read as if they were empty.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// What a sandbox consists of.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The same seed and size always give the same tenant.
    pub seed: u64,
    pub size: Size,
    /// Zero lets the system choose.
    pub graph_port: u16,
    pub target: TargetOptions,
}

/// A tenant behind Graph and an empty target, both running on loopback until stopped or dropped.
#[derive(Debug)]
pub struct Sandbox {
    pub tenant: TenantHandle,
    pub target: TargetHandle,
    origin: String,
    server: Server,
}

impl Sandbox {
    pub async fn start(options: Options) -> io::Result<Self> {
        let Options {
            seed,
            size,
            graph_port,
            target,
        } = options;
        let tenant = TenantHandle::new(Tenant::generate(seed, &size));
        let (server, origin) = graph::serve(tenant.clone(), graph_port).await?;
        let target = TargetHandle::start(target).await?;
        Ok(Self {
            tenant,
            target,
            origin,
            server,
        })
    }

    /// Stops both servers. Other targets that were started are not touched.
    pub async fn stop(self) {
        self.target.stop().await;
        self.server.stop().await;
    }

    /// The Graph root, without a version.
    pub fn graph_url(&self) -> String {
        self.origin.clone()
    }

    /// The token authority, without tenant, version or trailing slash.
    pub fn login_url(&self) -> String {
        self.origin.clone()
    }

    pub fn tenant_id(&self) -> String {
        self.tenant.tenant_id().to_string()
    }

    pub fn client_id(&self) -> String {
        self.tenant.client_id().to_string()
    }

    pub fn client_secret(&self) -> String {
        self.tenant.client_secret()
    }

    pub fn app_id(&self) -> String {
        self.tenant.app_id().to_string()
    }

    pub fn service_principal_id(&self) -> String {
        self.tenant.service_principal_id().to_string()
    }

    pub fn application_name(&self) -> String {
        self.tenant.application_name()
    }

    pub fn scim_url(&self) -> String {
        self.target.scim_url()
    }

    pub fn scim_token(&self) -> String {
        self.target.token()
    }
}

/// Reads a request in full.
async fn read_call(request: Request) -> Call {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    Call {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}
