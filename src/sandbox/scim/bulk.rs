//! `/Bulk`: several requests in one (RFC 7644 section 3.7).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::fault::Trouble;
use super::super::reply::{Call, Reply};
use super::error::{JSON, Refusal};
use super::personality::Quirk;
use super::serve::{body, check_content_type, object};
use super::{Target, TargetHandle};

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// Before the identifier of a resource that the same request creates.
const REFERENCE: &str = "bulkId:";

/// One operation of a bulk request.
struct Operation {
    method: String,
    path: String,
    bulk_id: Option<String>,
    version: Option<String>,
    data: Value,
}

/// The resources that were created so far, by their identifiers; `None` for one that was refused.
type Created = BTreeMap<String, Option<String>>;

impl TargetHandle {
    pub(super) fn bulk(&self, call: &Call) -> Reply {
        let operations = self.lock().accepted(call);
        let answered = operations.map(|(operations, most)| self.each(call, operations, most));
        answered.unwrap_or_else(Refusal::into_reply)
    }

    fn each(&self, call: &Call, operations: Vec<Operation>, most_errors: Option<u64>) -> Reply {
        let has = |quirk| self.lock().personality.has(quirk);
        let mut created: Created = operations
            .iter()
            .filter_map(|one| Some((one.bulk_id.clone()?, None)))
            .collect();
        let mut unresolved: Vec<String> = created.keys().cloned().collect();
        let mut pending: Vec<(usize, Operation)> = operations.into_iter().enumerate().collect();
        let mut answers: BTreeMap<usize, Value> = BTreeMap::new();
        let mut errors = 0;
        while !pending.is_empty() {
            let waits = |one: &Operation| {
                let needed = references(&one.data).chain(one.path_reference());
                needed.into_iter().any(|id| unresolved.contains(&id))
            };
            // What refers to each other in a circle is refused (409), as the RFC permits.
            let next = pending.iter().position(|(_, one)| !waits(one));
            let (place, operation) = pending.remove(next.unwrap_or(0));
            let (reply, is_lost) = self.operation(call, &operation, &created, next.is_none());
            let id = reply.location().and_then(|one| one.rsplit('/').next());
            if let Some(bulk_id) = &operation.bulk_id {
                created.insert(bulk_id.clone(), id.map(str::to_owned));
                unresolved.retain(|one| one != bulk_id);
            }
            errors += u64::from(reply.status >= 400);
            if !is_lost {
                answers.insert(place, operation.answer(&reply, has(Quirk::BulkAnswersBare)));
            }
            let is_enough = most_errors.is_some_and(|most| most > 0 && errors >= most);
            if is_enough || (errors > 0 && has(Quirk::BulkStopsAtError)) {
                break;
            }
        }
        if has(Quirk::BulkAnswersNothing) {
            return Reply::empty(200);
        }
        let answers: Vec<Value> = answers.into_values().collect();
        let body = json!({"schemas": [RESPONSE], "Operations": answers});
        Reply::new(200, JSON, body.to_string())
    }

    /// How one operation is answered, and whether its answer gets lost.
    fn operation(
        &self,
        call: &Call,
        operation: &Operation,
        created: &Created,
        is_circular: bool,
    ) -> (Reply, bool) {
        let mut data = operation.data.clone();
        let is_resolved = resolve(&mut data, created);
        let path = operation.path.split('/').map(|segment| {
            let id = segment.strip_prefix(REFERENCE);
            id.and_then(|id| created.get(id)?.as_deref())
                .unwrap_or(segment)
        });
        let path = path.collect::<Vec<_>>().join("/");
        let text = if data.is_null() {
            String::new()
        } else {
            data.to_string()
        };
        let own = Call::own(&operation.method, &format!("/scim/v2{path}"), "", &text);
        let mut own = Call {
            headers: call.headers.clone(),
            ..own
        };
        if let Some(version) = operation.version.as_ref().and_then(|one| one.parse().ok()) {
            own.headers.insert("if-match", version);
        }
        let (ticket, trouble) = self.traffic.arrive(&own, true);
        let reply = match &trouble {
            Some(Trouble::Answer {
                status,
                body,
                headers: _,
            }) if body.is_empty() => {
                let words = "The sandbox was asked to answer so.";
                Refusal::new(*status, None, words).into_reply()
            }
            Some(Trouble::Answer {
                status,
                body,
                headers: _,
            }) => Reply::new(*status, JSON, body.clone()),
            _ if is_circular => {
                Refusal::new(409, None, "The references run in a circle.").into_reply()
            }
            _ if !is_resolved => {
                Refusal::invalid_value("What it refers to was not created.").into_reply()
            }
            _ => self.lock().operate(&own, &self.base),
        };
        self.traffic.answered(ticket, reply.status);
        (reply, matches!(trouble, Some(Trouble::AnswerLost)))
    }
}

impl Target {
    /// The operations of a bulk request that is taken, and how many errors end it.
    fn accepted(&mut self, call: &Call) -> Result<(Vec<Operation>, Option<u64>), Refusal> {
        self.check_request(call)?;
        if let Some(status) = self.personality.bulk_refused {
            return Err(Refusal::new(
                status,
                None,
                "Bulk requests are not supported.",
            ));
        }
        let Some(limits) = self.personality.bulk else {
            return Err(Refusal::not_found(&call.path));
        };
        check_content_type(call, &self.personality)?;
        let too_large = |what: &str| Err(Refusal::new(413, None, what));
        if call.body.len() > limits.payload {
            return too_large("The size of the bulk operation exceeds the maxPayloadSize.");
        }
        let request = object(body(call)?)?;
        let names_schema = request.get("schemas") == Some(&json!([REQUEST]));
        let operations = request.get("Operations").and_then(Value::as_array);
        let (Some(operations), true) = (operations, names_schema) else {
            return Err(Refusal::bad("invalidSyntax", "It is no bulk request."));
        };
        if operations.len() > limits.operations.min(limits.takes) {
            return too_large("The number of operations exceeds the maxOperations.");
        }
        let operations = operations.iter().map(Operation::read);
        let operations = operations.collect::<Result<_, _>>()?;
        Ok((
            operations,
            request.get("failOnErrors").and_then(Value::as_u64),
        ))
    }

    fn operate(&mut self, call: &Call, base: &str) -> Reply {
        if !self.personality.has(Quirk::BulkIgnored) {
            return self
                .dispatch(call, base)
                .unwrap_or_else(Refusal::into_reply);
        }
        match call.method.as_str() {
            "POST" => {
                let id = uuid::Uuid::from_u128(call.body.len() as u128);
                Reply::empty(201).with("location", format!("{base}/Users/{id}"))
            }
            _ => Reply::empty(204),
        }
    }
}

impl Operation {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let method = text("method").unwrap_or_default().to_ascii_uppercase();
        let is_known = matches!(method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE");
        let path = text("path").filter(|path| path.starts_with('/'));
        let (Some(path), true) = (path, is_known) else {
            let words = "Each operation needs a method and a path.";
            return Err(Refusal::bad("invalidSyntax", words));
        };
        let bulk_id = text("bulkId");
        if method == "POST" && bulk_id.is_none() {
            let words = "bulkId is required for POST.";
            return Err(Refusal::bad("invalidSyntax", words));
        }
        Ok(Self {
            method,
            path,
            bulk_id,
            version: text("version"),
            data: value["data"].clone(),
        })
    }

    fn path_reference(&self) -> Option<String> {
        let mut segments = self.path.split('/');
        segments.find_map(|segment| Some(segment.strip_prefix(REFERENCE)?.to_owned()))
    }

    /// What the answer says of it.
    fn answer(&self, reply: &Reply, is_bare: bool) -> Value {
        let mut answer = Map::new();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("method", json!(self.method));
        if is_bare {
            put("status", json!(reply.status));
        } else {
            put("status", json!(reply.status.to_string()));
            if let Some(bulk_id) = &self.bulk_id {
                put("bulkId", json!(bulk_id));
            }
            if let Some(location) = reply.location() {
                put("location", json!(location));
            } else if self.method != "POST" {
                put(
                    "location",
                    json!(format!("http://localhost/scim/v2{}", self.path)),
                );
            }
            if let Some(etag) = reply.header("etag") {
                put("version", json!(etag));
            }
        }
        // Required of a failure; of a success only where nothing else names the resource.
        let response = serde_json::from_str(&reply.body).unwrap_or(Value::Null);
        if !response.is_null() && (reply.status >= 300 || is_bare || reply.location().is_none()) {
            put("response", response);
        }
        Value::Object(answer)
    }
}

/// The identifiers that a value refers to.
fn references(value: &Value) -> Box<dyn Iterator<Item = String> + '_> {
    match value {
        Value::String(text) => {
            Box::new(text.strip_prefix(REFERENCE).map(str::to_owned).into_iter())
        }
        Value::Array(values) => Box::new(values.iter().flat_map(references)),
        Value::Object(members) => Box::new(members.values().flat_map(references)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}

/// Puts the ids of what was created in place of references. `false`: one of them was not created.
fn resolve(value: &mut Value, created: &Created) -> bool {
    match value {
        Value::String(text) => {
            let Some(id) = text.strip_prefix(REFERENCE) else {
                return true;
            };
            let Some(Some(id)) = created.get(id) else {
                return false;
            };
            *text = id.clone();
            true
        }
        Value::Array(values) => values.iter_mut().all(|one| resolve(one, created)),
        Value::Object(members) => members.values_mut().all(|one| resolve(one, created)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The resources that the operations of a bulk request change.
pub(in crate::sandbox) fn changed(call: &Call) -> Vec<String> {
    let request: Value = serde_json::from_str(&call.body).unwrap_or_default();
    let operations = request["Operations"].as_array().into_iter().flatten();
    let read = operations.filter_map(|one| Operation::read(one).ok());
    let changes = read.filter(|one| one.method != "POST");
    changes.map(|one| format!("/scim/v2{}", one.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Bulk, Personality, TargetOptions};

    fn target() -> TargetHandle {
        let personality = Personality {
            bulk: Some(Bulk {
                operations: 4,
                ..Bulk::default()
            }),
            ..Personality::default()
        };
        TargetHandle::unserved(TargetOptions {
            personality,
            ..TargetOptions::default()
        })
    }

    fn user(name: &str, bulk_id: &str) -> Value {
        json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}})
    }

    fn send(target: &TargetHandle, operations: &[Value], most_errors: u64) -> (u16, Vec<String>) {
        let body = json!({"schemas": [REQUEST], "Operations": operations,
            "failOnErrors": most_errors});
        let (status, answer) = target.answer("POST", "/Bulk", &body.to_string());
        let operations = answer["Operations"].as_array().into_iter().flatten();
        let statuses = operations.map(|one| one["status"].as_str().unwrap().to_owned());
        (status, statuses.collect())
    }

    #[test]
    fn what_refers_to_another_operation_waits_for_it() {
        let target = target();
        let group = json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Fans",
            "members": [{"value": "bulkId:a"}]}});
        let sent = send(&target, &[group, user("ann", "a")], 0);
        assert_eq!(sent, (200, vec!["201".to_owned(), "201".to_owned()]));
        let group = target.find_group_by("displayName", "Fans").unwrap();
        let ann = target.find_user_by("userName", "ann").unwrap();
        let members = target.members(group["id"].as_str().unwrap());
        assert_eq!(json!(members), json!([ann["id"]]));
    }

    #[test]
    fn errors_end_it_once_there_are_as_many_as_the_client_permits() {
        let taken = [
            user("ann", "a"),
            user("ann", "b"),
            user("ann", "c"),
            user("bob", "d"),
        ];
        let (_, all) = send(&target(), &taken, 0);
        assert_eq!(all, ["201", "409", "409", "201"]);
        let (_, some) = send(&target(), &taken, 1);
        assert_eq!(some, ["201", "409"]);
        let many = [&taken[..], &taken[..1]].concat();
        assert_eq!(send(&target(), &many, 0), (413, Vec::new()));
    }
}
