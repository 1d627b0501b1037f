//! How answers are classed, and what their words are.

use super::*;
use crate::engine::redact::Hidden;

fn refused(status: u16, about: About, body: &str) -> Error {
    Error::Refused {
        exchange: Exchange {
            method: reqwest::Method::PATCH,
            path: "/v2/Users/1".to_owned(),
            status: Some(status),
            attempts: 1,
            elapsed: Duration::from_millis(1_234),
        },
        message: Box::new(ServerMessage::read(
            body.as_bytes(),
            &["s3cr3t"],
            &Hidden::default(),
        )),
        about,
        retry_after: None,
        sign_in: "token",
    }
}

#[test]
fn an_error_speaks_in_the_targets_own_words() {
    let body = r#"{"detail":"anna@example.com is taken, token s3cr3t","scimType":"uniqueness"}"#;
    assert_eq!(
        refused(400, About::Object, body).to_string(),
        "PATCH /v2/Users/1: status 400, 1 attempt, 1.2 s: anna@example.com is taken, token \
         [redacted] (uniqueness)"
    );
    let page = "<html><style>p{}</style><title>Sign in</title><p>Please</p></html>";
    assert_eq!(
        refused(404, About::Object, page).to_string(),
        "PATCH /v2/Users/1: status 404, 1 attempt, 1.2 s: an HTML page: Sign in Please"
    );
    assert_eq!(
        refused(500, About::Object, "").to_string(),
        "PATCH /v2/Users/1: status 500, 1 attempt, 1.2 s"
    );
    let long = refused(500, About::Object, &"word ".repeat(100)).to_string();
    assert!(long.ends_with('…') && long.len() < 300, "{long}");
}

#[test]
fn only_a_refusal_of_what_was_sent_names_an_attribute() {
    let title = TargetPath::parse("title").unwrap();
    let names = |status| refused(status, About::Object, r#"{"detail":"title"}"#).names(&title);
    assert!([400, 403, 409, 422].into_iter().all(names));
    assert!(![401, 404, 429, 500].into_iter().any(names));
}

#[test]
fn no_status_is_invented() {
    let inside = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no"}"#;
    let error = refused(200, About::Object, inside);
    assert_eq!(
        (error.class(), error.http_status()),
        (Class::Refused, Some(200))
    );
    let own = Error::NotRead;
    assert_eq!((own.class(), own.http_status()), (Class::Invalid, None));
}

#[test]
fn a_failure_is_classed_by_what_it_says_of_the_object() {
    let class = |status, about, body| refused(status, about, body).class();
    assert_eq!(class(401, About::Object, ""), Class::Unauthorized);
    assert_eq!(class(403, About::Object, ""), Class::Forbidden);
    assert_eq!(class(404, About::Object, ""), Class::Gone);
    assert_eq!(class(404, About::Object, "<html>"), Class::Transient);
    assert_eq!(class(404, About::Collection, "{}"), Class::Transient);
    assert_eq!(class(409, About::Collection, ""), Class::Conflict);
    assert_eq!(
        class(400, About::Object, r#"{"scimType":"Uniqueness"}"#),
        Class::Conflict
    );
    assert_eq!(class(413, About::Object, ""), Class::Refused);
    assert_eq!(class(429, About::Object, ""), Class::Throttled);
    assert_eq!(class(501, About::Object, ""), Class::Refused);
    assert_eq!(class(503, About::Object, ""), Class::Transient);
    assert_eq!(class(302, About::Object, ""), Class::Malformed);
    let inside = r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"409"}"#;
    assert_eq!(class(200, About::Object, inside), Class::Conflict);
    assert!(refused(500, About::Object, "").unconfirmed());
    assert!(!refused(400, About::Object, "").unconfirmed());
    assert!(refused(400, About::Collection, "").is_filter_unsupported());

    let members = |status| refused(status, About::AddedMembers, "");
    assert_eq!(members(500).class(), Class::Refused);
    assert!(!members(500).unconfirmed() && members(502).unconfirmed());
    assert_eq!(members(503).class(), Class::Transient);
    assert_eq!(members(404).class(), Class::Gone);
}
