//! Several requests in one (RFC 7644 section 3.7): how they are written, and which answer belongs to which.
//! Pure.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use serde_json::Value as Json;

use super::error::Error;
use super::request::Request;
use super::route::Routes;
use super::wire::{self, Resource, member, whole_number};
use super::writer::Sent;
use crate::engine::redact::Hidden;
use crate::http::{Answer, Exchange};

/// One of several requests that are sent in one.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) request: Request,
    /// What its answer may not repeat.
    pub(crate) hidden: Hidden,
    /// By which the answer names a create.
    pub(crate) id: String,
}

/// What came of several requests that were sent in one.
#[derive(Debug)]
pub(crate) enum InBulk {
    /// What was answered to each, as if it had been sent alone.
    Each {
        results: Vec<Result<Sent, Error>>,
        /// Some of them are not in the answer.
        incomplete: Option<String>,
    },
    /// Nothing is known of any, or all of them were refused alike.
    Lost {
        results: Vec<Result<Sent, Error>>,
        /// What was answered is no answer to a bulk request.
        lied: Option<String>,
    },
    /// They are too many or too large: none was carried out.
    TooLarge(String),
    /// The target takes no such requests: none was carried out.
    NotTaken(String),
}

impl Part {
    /// Bytes that it adds to a bulk request.
    pub(crate) fn size(&self) -> usize {
        let body = self.request.body.as_ref().map_or(0, Vec::len);
        // The names around it.
        body + self.request.path.len() + self.id.len() + 64
    }

    /// The facts of the request that all were sent in, as those of this one.
    pub(super) fn exchange(&self, routes: &Routes, exchange: &mut Exchange) {
        exchange.method = self.request.method.clone();
        routes
            .url(&self.request)
            .path()
            .clone_into(&mut exchange.path);
    }
}

/// The body is put together from those of the parts as they are: the same part is always the same bytes.
pub(super) fn request(parts: &[&Part]) -> Request {
    let mut body = Vec::from(
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":"#,
    );
    // As many as there are: an error ends none of the others.
    body.extend(parts.len().to_string().bytes());
    body.extend(br#","Operations":["#);
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend(br#"{"method":"#);
        body.extend(wire::bytes(&part.request.method.as_str()));
        body.extend(br#","path":"#);
        body.extend(wire::bytes(&part.request.path));
        if part.request.method == Method::POST {
            body.extend(br#","bulkId":"#);
            body.extend(wire::bytes(&part.id));
        }
        if let Some(data) = &part.request.body {
            body.extend(br#","data":"#);
            body.extend(data);
        }
        body.push(b'}');
    }
    body.extend(b"]}");
    Request::bulk(
        body,
        parts.first().map_or("", |part| part.request.media_type),
    )
}

/// What the answer says of one operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    method: String,
    id: Option<String>,
    location: Option<String>,
    status: u16,
    response: Option<Json>,
}

/// `None`: it is no answer to a bulk request.
pub(super) fn operations(body: &[u8]) -> Option<Vec<Operation>> {
    let body = wire::resource(body)?;
    let operations = member(&body, "Operations")?.as_array()?;
    let read = operations.iter().filter_map(Json::as_object);
    Some(read.filter_map(Operation::read).collect())
}

impl Operation {
    /// One that does not say how it ended says nothing.
    fn read(operation: &Resource) -> Option<Self> {
        let text = |name| member(operation, name).and_then(Json::as_str);
        let status = member(operation, "status")?;
        let (code, words) = match status {
            // As in SCIM 1.1.
            Json::Object(status) => (
                member(status, "code")?,
                member(status, "description").cloned(),
            ),
            code => (code, None),
        };
        let code = match code {
            Json::String(text) => text.split_whitespace().next()?.parse().ok()?,
            number => whole_number(number)?,
        };
        let response = member(operation, "response").filter(|one| !one.is_null());
        let described = || Some(serde_json::json!({ "detail": words? }));
        Some(Self {
            method: text("method").unwrap_or_default().to_ascii_uppercase(),
            id: text("bulkId").map(str::to_owned),
            location: text("location")
                .filter(|one| !one.is_empty())
                .map(str::to_owned),
            status: u16::try_from(code).ok()?,
            response: response.cloned().or_else(described),
        })
    }

    fn is_of_method(&self, part: &Part) -> bool {
        self.method.is_empty() || self.method == part.request.method.as_str()
    }

    fn is_of(&self, part: &Part) -> bool {
        if !self.is_of_method(part) {
            return false;
        }
        if part.request.method == Method::POST {
            return self.id.as_ref() == Some(&part.id);
        }
        let location = self.location.as_deref().unwrap_or_default();
        let location = location.split(['?', '#']).next().unwrap_or_default();
        location.trim_end_matches('/').ends_with(&part.request.path)
    }

    /// As it would have been alone.
    pub(super) fn answer(self, mut exchange: Exchange) -> Answer {
        exchange.status = Some(self.status);
        let mut headers = HeaderMap::new();
        let location = self
            .location
            .and_then(|one| HeaderValue::try_from(one).ok());
        if let Some(location) = location {
            headers.insert(LOCATION, location);
        }
        let body = match self.response {
            None => Vec::new(),
            Some(Json::String(words)) => words.into_bytes(),
            Some(response) => wire::bytes(&response),
        };
        Answer {
            exchange,
            status: self.status,
            headers,
            body,
        }
    }
}

/// What the answer says of each part, `None` where it says nothing: by its name or its address, and by its
/// place where the answer has neither and as many operations as there are parts.
pub(super) fn answers(parts: &[&Part], operations: &[Operation]) -> Vec<Option<Operation>> {
    let is_whole = parts.len() == operations.len();
    let one = |(place, part): (usize, &&Part)| {
        let mut found = operations.iter().filter(|one| one.is_of(part));
        if let Some(first) = found.next() {
            // Two answers to one request are none.
            return found.next().is_none().then(|| first.clone());
        }
        let at = operations.get(place).filter(|_| is_whole)?;
        let is_named = if part.request.method == Method::POST {
            at.id.is_some()
        } else {
            at.location.is_some()
        };
        (!is_named && at.is_of_method(part)).then(|| at.clone())
    };
    parts.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::model::{ObjectKind, TargetId};
    use crate::scim::error::About;

    fn create(id: &str) -> Part {
        part(
            Request::create(ObjectKind::User, br#"{"userName":"a"}"#.to_vec()),
            id,
        )
    }

    fn change(id: &str) -> Part {
        let id = TargetId::new(id);
        let request = Request::patch(ObjectKind::User, &id, b"{}".to_vec(), About::Object);
        part(request.unwrap(), "9")
    }

    fn part(request: Request, id: &str) -> Part {
        Part {
            request,
            hidden: Hidden::default(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn a_bulk_request_holds_each_request_as_it_is() {
        let (one, two) = (create("k1"), change("a/b"));
        let request = request(&[&one, &two]);
        assert_eq!(
            (request.method, request.path),
            (Method::POST, "/Bulk".to_owned())
        );
        let body = String::from_utf8(request.body.unwrap()).unwrap();
        assert_eq!(
            body,
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":2,"Operations":["#
                .to_owned()
                + r#"{"method":"POST","path":"/Users","bulkId":"k1","data":{"userName":"a"}},"#
                + r#"{"method":"PATCH","path":"/Users/a%2Fb","data":{}}]}"#
        );
        let sizes = one.size() + two.size();
        assert!(body.len() < sizes + 100, "{sizes}");
    }

    /// The status of each part, as an answer says it.
    fn statuses(parts: &[&Part], body: &str) -> Option<Vec<Option<u16>>> {
        let operations = operations(body.as_bytes())?;
        let answers = answers(parts, &operations).into_iter();
        Some(answers.map(|one| one.map(|one| one.status)).collect())
    }

    #[test]
    fn answers_are_found_by_name_address_or_place() {
        let parts = [&create("k1"), &create("k2"), &change("7")];
        let read = |body: &str| statuses(&parts, body);
        let shuffled = r#"{"operations":[
            {"method":"patch","location":"https://h/v2/Users/7","status":204},
            {"method":"POST","bulkId":"k2","status":"409","response":{"detail":"taken"}},
            {"method":"POST","bulkId":"k1","status":{"code":"201"}}]}"#;
        assert_eq!(read(shuffled), Some(vec![Some(201), Some(409), Some(204)]));
        let bare = r#"{"Operations":[{"status":"201 Created"},{"status":400},{"status":"200"}]}"#;
        assert_eq!(read(bare), Some(vec![Some(201), Some(400), Some(200)]));
        let cut = r#"{"Operations":[{"method":"POST","bulkId":"k1","status":"400"}]}"#;
        assert_eq!(read(cut), Some(vec![Some(400), None, None]));
        let twice = r#"{"Operations":[{"bulkId":"k1","status":201},{"bulkId":"k1","status":409},
            {"status":"none"}]}"#;
        assert_eq!(read(twice), Some(vec![None, None, None]));
        for none in [
            "",
            "[]",
            "<html>",
            r#"{"Resources":[]}"#,
            r#"{"Operations":{}}"#,
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
