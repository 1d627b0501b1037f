//! A simulated tenant and a simulated target on loopback, for `entrain demo`, tests and benches.
//! Imports nothing of ours, or it would share our misunderstandings.

mod fault;
mod graph;
mod line;
mod reply;
mod tenant;
mod traffic;

use axum::body::to_bytes;
use axum::extract::Request;

pub use fault::{Fault, Trouble};
pub use tenant::{
    Assignment, GraphQuirk, GraphSettings, GroupView, Life, PrincipalType, ROLE_AUDITOR,
    ROLE_DEFAULT_ACCESS, ROLE_MSIAM_ACCESS, ROLE_USER, Size, Tenant, TenantHandle, UserView,
};
pub use traffic::{Exchange, Traffic};
pub use uuid::Uuid;

use reply::Call;

/// Larger requests are read as if they were empty.
const MAX_BODY: usize = 64 * 1024 * 1024;

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
