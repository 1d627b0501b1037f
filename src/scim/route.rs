//! URLs of the target's resources, built from the base URL. Pure.

use url::Url;

use super::filter::encode;
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

    /// `/Users` or `/Groups`, with parameters as they are to be after decoding.
    pub(super) fn collection(&self, kind: ObjectKind, parameters: &[(&str, String)]) -> Url {
        self.url(&format!("{}/{}", self.path, endpoint(kind)), parameters)
    }

    /// `/Users/{id}`; `None` for an id that no URL can name: empty, or a dot segment, which URL
    /// readers take out (RFC 3986 section 5.2.4) so that the whole collection would be meant.
    pub(super) fn resource(
        &self,
        kind: ObjectKind,
        id: &TargetId,
        parameters: &[(&str, String)],
    ) -> Option<Url> {
        if matches!(id.as_str(), "" | "." | "..") {
            return None;
        }
        let path = format!("{}/{}/{}", self.path, endpoint(kind), encode(id.as_str()));
        Some(self.url(&path, parameters))
    }

    fn url(&self, path: &str, parameters: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        let own = self.base.query().filter(|query| !query.is_empty());
        let query: Vec<String> = own
            .map(str::to_owned)
            .into_iter()
            .chain(
                parameters
                    .iter()
                    .map(|(name, value)| format!("{name}={}", encode(value))),
            )
            .collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        url
    }
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

    fn routes(base: &str) -> Routes {
        Routes::new(Url::parse(base).unwrap())
    }

    fn user(base: &str, id: &str) -> Option<String> {
        let url = routes(base).resource(ObjectKind::User, &TargetId::new(id), &[]);
        url.map(|url| url.to_string())
    }

    #[test]
    fn slashes_and_the_query_of_the_base_are_kept_in_order() {
        let parameters = [("filter", "userName eq \"a+b\"".to_owned())];
        for base in ["https://h/v2", "https://h/v2/", "https://h/v2//"] {
            let url = routes(base).collection(ObjectKind::User, &parameters);
            assert_eq!(
                url.as_str(),
                "https://h/v2/Users?filter=userName%20eq%20%22a%2Bb%22"
            );
        }
        let url = routes("https://h/v2/?flag").collection(ObjectKind::Group, &parameters);
        assert!(url.as_str().starts_with("https://h/v2/Groups?flag&filter="));
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
