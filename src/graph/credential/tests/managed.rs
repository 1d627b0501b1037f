//! Managed identities: every endpoint that vouches for a machine, as documented.

use super::*;
use crate::config::Identity;
use crate::http::Idempotency;

const RESOURCE: &str = "https://graph.microsoft.com";

/// As IMDS writes it: numbers are text.
fn machine_token() -> Answered {
    let body = json!({
        "access_token": "machine-token", "client_id": CLIENT, "expires_in": "86399",
        "expires_on": "1780400000", "ext_expires_in": "86399", "not_before": "1780300000",
        "refresh_token": "", "resource": RESOURCE, "token_type": "Bearer",
    });
    (200, Vec::new(), body.to_string())
}

fn at_once() -> Vec<(&'static str, String)> {
    vec![("retry-after", "0".to_owned())]
}

#[tokio::test]
async fn a_virtual_machine_vouches_for_the_agent() {
    let service = Service::start(|_, _| machine_token()).await;
    for (identity, selected) in [
        (Identity::SystemAssigned, None),
        (Identity::ClientId("c".to_owned()), Some(("client_id", "c"))),
        (Identity::ObjectId("o".to_owned()), Some(("object_id", "o"))),
        (
            Identity::ResourceId("/r/i".to_owned()),
            Some(("msi_res_id", "/r/i")),
        ),
    ] {
        let endpoint = Endpoint::of_imds(&service.url, identity);
        let answer = endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
        assert!(
            String::from_utf8(answer.body)
                .unwrap()
                .contains("machine-token")
        );
        let seen = service.seen().pop().unwrap();
        assert_eq!(seen.path, "/metadata/identity/oauth2/token");
        assert_eq!(seen.header("metadata"), Some("true"));
        let mut query = vec![("api-version", "2018-02-01"), ("resource", RESOURCE)];
        query.extend(selected);
        let sent: Vec<_> = seen
            .query
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(sent, query);
    }
}

#[tokio::test]
async fn a_machine_that_is_busy_or_updates_itself_is_waited_for() {
    let service = Service::start(|number, _| match number {
        0 => (410, at_once(), String::new()),
        1 => (404, at_once(), String::new()),
        2 => (429, at_once(), String::new()),
        3 => (500, at_once(), String::new()),
        _ => machine_token(),
    })
    .await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::SystemAssigned);
    endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
    assert_eq!(service.seen().len(), 5);

    let service = Service::start(|_, _| (503, at_once(), String::new())).await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::SystemAssigned);
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TokenRefused(_)), "{error}");
    assert_eq!(service.seen().len(), 5);
}

#[tokio::test]
async fn a_machine_without_the_identity_says_so_once() {
    let service = Service::start(|_, _| {
        let body = json!({ "error": "invalid_request", "error_description": "Identity not found" });
        (400, Vec::new(), body.to_string())
    })
    .await;
    let endpoint = Endpoint::of_imds(&service.url, Identity::ClientId("c".to_owned()));
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("Identity not found"), "{error}");
    assert!(error.remedy("source").unwrap().contains("client_id"));
    assert_eq!(service.seen().len(), 1);

    let endpoint = Endpoint::of_imds("http://127.0.0.1:1", Identity::SystemAssigned);
    let error = endpoint
        .ask(RESOURCE, Idempotency::Always)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoManagedIdentity(_)), "{error}");
}

#[tokio::test]
async fn app_service_vouches_by_its_own_header() {
    let service = Service::start(|_, _| machine_token()).await;
    let identity = Identity::ClientId("c".to_owned());
    let url = format!("{}/msi/token", service.url);
    let endpoint = Endpoint::of_app_service(&url, "853b9a84", identity);
    endpoint.ask(RESOURCE, Idempotency::Always).await.unwrap();
    let seen = service.seen().pop().unwrap();
    assert_eq!(seen.path, "/msi/token");
    assert_eq!(seen.header("x-identity-header"), Some("853b9a84"));
    assert_eq!(seen.header("metadata"), None);
    let sent: Vec<_> = seen
        .query
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        sent,
        [
            ("api-version", "2019-08-01"),
            ("resource", RESOURCE),
            ("client_id", "c")
        ]
    );
}

#[tokio::test]
async fn arc_wants_the_content_of_its_challenge_file_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.key"), "challenge").unwrap();
    fs::write(folder.path().join("secret"), "not for Arc").unwrap();
    for (name, is_own) in [("a.key", true), ("secret", false), ("../etc.key", false)] {
        let path = folder.path().join(name).display().to_string();
        let service = Service::start(move |_, seen| match seen.header("authorization") {
            None => (
                401,
                vec![("www-authenticate", format!("Basic realm={path}"))],
                String::new(),
            ),
            Some("Basic challenge") => machine_token(),
            Some(other) => panic!("{other}"),
        })
        .await;
        let url = format!("{}/metadata/identity/oauth2/token", service.url);
        let answer = Endpoint::of_arc(&url, folder.path())
            .ask(RESOURCE, Idempotency::Always)
            .await;
        assert_eq!(answer.is_ok(), is_own, "{name}");
        let seen = service.seen();
        assert_eq!(seen.len(), if is_own { 2 } else { 1 });
        assert_eq!(seen[0].header("metadata"), Some("true"));
        assert!(
            seen[0]
                .query
                .contains(&("api-version".to_owned(), "2020-06-01".to_owned()))
        );
    }
}
