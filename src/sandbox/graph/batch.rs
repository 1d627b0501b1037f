//! `$batch`: up to twenty reads in one request, each answered as if it had come alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::super::reply::{Call, Reply};
use super::super::tenant::Tenant;
use super::Graph;
use super::answer::{Problem, RequestIds, object};

const MAX_REQUESTS: usize = 20;

impl Graph {
    pub(super) fn batch(&self, tenant: &Tenant, call: &Call) -> Result<Reply, Problem> {
        let body: Value = serde_json::from_str(&call.body)
            .map_err(|_| Problem::new(400, "BadRequest", "Invalid batch payload format."))?;
        let requests = body["requests"].as_array().cloned().unwrap_or_default();
        if requests.is_empty() || requests.len() > MAX_REQUESTS {
            return Err(Problem::new(
                400,
                "BadRequest",
                format!("Number of batch request steps must be between 1 and {MAX_REQUESTS}."),
            ));
        }
        let answers: Vec<Value> = requests
            .iter()
            .map(|request| self.one_of_batch(tenant, request))
            .collect();
        Ok(object(&json!({"responses": answers})))
    }

    fn one_of_batch(&self, tenant: &Tenant, request: &Value) -> Value {
        let url = request["url"].as_str().unwrap_or_default();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let inner = Call {
            method: request["method"].as_str().unwrap_or("GET").to_uppercase(),
            path: format!("/v1.0/{}", path.trim_start_matches('/')),
            query: query.to_owned(),
            headers: headers(&request["headers"]),
            body: request["body"].to_string(),
        };
        // A batch inside a batch is refused by its method.
        let result = if inner.path.contains("$batch") {
            Err(Problem::method_not_allowed())
        } else {
            self.route(tenant, &inner)
        };
        let reply = RequestIds::new(tenant, &inner).finish(result);
        let headers: Map<String, Value> = reply
            .headers
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        json!({"id": request["id"], "status": reply.status, "headers": headers, "body": body})
    }
}

/// Each request has its own: those of the batch do not count.
fn headers(given: &Value) -> HeaderMap {
    let given = given.as_object().into_iter().flatten();
    let headers = given.filter_map(|(name, value)| {
        let name = HeaderName::try_from(name.as_str()).ok()?;
        Some((name, HeaderValue::try_from(value.as_str()?).ok()?))
    });
    headers.collect()
}
