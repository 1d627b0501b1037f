//! URLs of the target's resources, built from the base URL. Pure.

use url::Url;

use super::filter::encode;
use super::request::Request;
use crate::engine::model::{ObjectKind, TargetId};

/// The base URL, from which every other is made. Its query stays part of every request
/// (`?aadOptscim062020`).
#[derive(Clone, Debug)]
pub(super) struct Routes {
    base: Url,
    /// The base's path without trailing slashes.
    path: String,
}

impl Routes {
    pub(super) fn new(base: Url) -> Self {
        let path = base.path().trim_end_matches('/').to_owned();
        Self { base, path }
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    pub(super) fn url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.path, request.path));
        let own = self.base.query().unwrap_or_default();
        let separator = if own.is_empty() || request.query.is_empty() {
            ""
        } else {
            "&"
        };
        let query = format!("{own}{separator}{}", request.query);
        url.set_query((!query.is_empty()).then_some(&query));
        url
    }
}

/// `/Users` or `/Groups`.
pub(super) fn collection(kind: ObjectKind) -> String {
    format!("/{}", endpoint(kind))
}

/// `/Users/{id}`; `None` for an id that no URL can name: empty, or a dot segment, which URL readers
/// take out (RFC 3986 section 5.2.4) so that the whole collection would be meant.
pub(super) fn resource(kind: ObjectKind, id: &TargetId) -> Option<String> {
    if matches!(id.as_str(), "" | "." | "..") {
        return None;
    }
    Some(format!("/{}/{}", endpoint(kind), encode(id.as_str())))
}

/// Parameters as they are after decoding.
pub(super) fn query(parameters: &[(&str, String)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn endpoint(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "Users",
        ObjectKind::Group => "Groups",
    }
}

/// The id in the `Location` of a created resource (RFC 7644 section 3.3). Only the id is taken: the
/// link itself is not followed, so it may name the server as it is known behind a proxy.
pub(super) fn id_in_location(base: &Url, kind: ObjectKind, location: &str) -> Option<TargetId> {
    let url = base.join(location).ok()?;
    let mut segments = url.path().trim_end_matches('/').rsplit('/');
    let id = segments.next()?;
    if !segments.next()?.eq_ignore_ascii_case(endpoint(kind)) {
        return None;
    }
    let id = percent_encoding::percent_decode_str(id)
        .decode_utf8()
        .ok()?;
    (!id.is_empty()).then(|| TargetId::new(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Idempotency;

    fn routes(base: &str) -> Routes {
        Routes::new(Url::parse(base).unwrap())
    }

    fn user(base: &str, id: &str) -> Option<String> {
        let request = Request::read(ObjectKind::User, &TargetId::new(id), &[]).ok()?;
        Some(routes(base).url(&request).to_string())
    }

    fn list(base: &str, kind: ObjectKind, parameters: &[(&str, String)]) -> String {
        let request = Request::list(kind, parameters, Idempotency::Always);
        routes(base).url(&request).to_string()
    }

    #[test]
    fn slashes_and_the_query_of_the_base_are_kept_in_order() {
        let parameters = [("filter", "userName eq \"a+b\"".to_owned())];
        for base in ["https://h/v2", "https://h/v2/", "https://h/v2//"] {
            assert_eq!(
                list(base, ObjectKind::User, &parameters),
                "https://h/v2/Users?filter=userName%20eq%20%22a%2Bb%22"
            );
        }
        let url = list("https://h/v2/?flag", ObjectKind::Group, &parameters);
        assert!(url.starts_with("https://h/v2/Groups?flag&filter="));
        assert_eq!(
            list("https://h", ObjectKind::Group, &[]),
            "https://h/Groups"
        );
        assert_eq!(user("https://h", "1").unwrap(), "https://h/Users/1");
        assert_eq!(
            user("https://h/?flag", "1").unwrap(),
            "https://h/Users/1?flag"
        );
    }

    #[test]
    fn an_id_is_one_segment_whatever_it_holds() {
        assert_eq!(
            user("https://h/v2", "a/b?c#d @e=%é").unwrap(),
            "https://h/v2/Users/a%2Fb%3Fc%23d%20%40e%3D%25%C3%A9"
        );
        for impossible in ["", ".", ".."] {
            assert_eq!(user("https://h/v2", impossible), None);
        }
    }

    #[test]
    fn the_id_is_taken_from_the_location() {
        let base = Url::parse("https://h/v2").unwrap();
        let id = |location| id_in_location(&base, ObjectKind::User, location);
        let expected = Some(TargetId::new("a/b"));
        assert_eq!(id("https://inside:81/v2/Users/a%2Fb"), expected);
        assert_eq!(id("/v2/Users/a%2Fb/"), expected);
        assert_eq!(id("Users/a%2Fb?x"), expected);
        assert_eq!(id("/v2/Users/"), None);
        assert_eq!(id("/login"), None);
        assert_eq!(id("/v2/Groups/1"), None);
    }
}
