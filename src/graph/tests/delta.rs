//! The delta queries: pages, watermarks, and what ends a reading.

use super::*;

// ---- delta ----

#[tokio::test]
async fn a_round_of_two_pages_ends_with_the_watermark() {
    let world = World::new(|seen| match seen.number {
        0 => delta(
            r#"{"id":"A","displayName":"Anna"}"#,
            r#""@odata.nextLink":"ORIGIN/v1.0/users/delta?$skiptoken=a%2Fb=='x'""#,
        ),
        _ => delta(
            "",
            r#""@odata.deltaLink":"ORIGIN/v1.0/users/delta?$deltatoken=d""#,
        ),
    })
    .await;
    let first = world
        .begin(ObjectKind::User, &["displayName", "manager"])
        .await
        .unwrap();
    assert_eq!(first.changes.len(), 1);
    let Link::Next(next) = first.link else {
        panic!("{:?}", first.link);
    };
    let last = world
        .client
        .fetch_page(ObjectKind::User, At::Link(&next))
        .await
        .unwrap();
    let Link::Delta(watermark) = last.link else {
        panic!("{:?}", last.link);
    };
    assert_eq!(
        watermark.get(),
        &format!("{}/v1.0/users/delta?$deltatoken=d", world.url)
    );
    let seen = world.seen();
    assert_eq!(seen[0].path, "/v1.0/users/delta()");
    assert_eq!(seen[0].query, "$select=id,displayName,manager");
    assert_eq!(seen[1].path, "/v1.0/users/delta");
    assert_eq!(seen[1].query, "$skiptoken=a/b=='x'");
    assert_eq!(seen[1].token, "Bearer token-0");
    assert!(seen[0].id != seen[1].id && !seen[0].id.is_empty());
    assert_eq!(
        (world.client.requests(), world.client.token_requests()),
        (2, 1)
    );
}

#[tokio::test]
async fn the_documented_pages_of_users_are_read() {
    let user = ObjectKind::User;
    let page = read_sample(user, "users-delta-initial-page1").await;
    assert!(matches!(page.link, Link::Next(_)));
    assert_eq!(page.changes.len(), 4);
    assert_eq!(page.changes[2].presence, Presence::Deleted);
    assert_eq!(
        page.changes[0].attributes["surname"],
        Some(Value::text("White"))
    );
    assert!(!page.changes[3].attributes.contains_key("surname"));
    for (name, changes, is_last) in [
        ("users-delta-initial-page2", 2, false),
        ("users-delta-initial-final", 2, true),
        ("users-delta-nochange", 0, true),
        ("users-delta-latest", 0, true),
        ("users-delta-minimal", 2, true),
        ("users-delta-empty-page-with-nextlink", 0, false),
    ] {
        let page = read_sample(user, name).await;
        assert_eq!(page.changes.len(), changes, "{name}");
        assert_eq!(matches!(page.link, Link::Delta(_)), is_last, "{name}");
    }
}

#[tokio::test]
async fn the_documented_changes_of_users_are_read() {
    let page = read_sample(ObjectKind::User, "users-delta-incremental").await;
    let [lidia, grady, former, soft, hard, again] = page.changes.as_slice() else {
        panic!("{:?}", page.changes);
    };
    assert_eq!(lidia.attributes["department"], None);
    assert_eq!(
        lidia.attributes["accountEnabled"],
        Some(Value::Boolean(false))
    );
    let extension = [("extensionAttribute1".to_owned(), Value::text("CC-100"))];
    assert_eq!(
        lidia.attributes["onPremisesExtensionAttributes"],
        Some(Value::Object(extension.into()))
    );
    let manager = SourceId::new("99789584-a1e1-4232-90e5-866170e3d4e7");
    assert_eq!(grady.attributes["manager"], Some(Value::Reference(manager)));
    assert_eq!(former.attributes["manager"], None);
    assert_eq!(soft.presence, Presence::SoftDeleted);
    assert_eq!(hard.presence, Presence::Deleted);
    assert_eq!(again.id, lidia.id);
    assert!(!again.attributes.contains_key("department"));
}

#[tokio::test]
async fn the_documented_pages_of_groups_are_read() {
    for (name, members, presence) in [
        ("groups-delta-initial-page1", &[2, 0][..], Presence::Present),
        ("groups-delta-initial-final", &[0, 0], Presence::Present),
        ("groups-delta-incremental", &[2], Presence::Present),
        ("groups-delta-large-group-page1", &[2], Presence::Present),
        ("groups-delta-large-group-page2", &[2], Presence::Present),
        (
            "groups-delta-group-softdeleted",
            &[0],
            Presence::SoftDeleted,
        ),
        ("groups-delta-group-harddeleted", &[0], Presence::Deleted),
    ] {
        let page = read_sample(ObjectKind::Group, name).await;
        let counts: Vec<usize> = page.changes.iter().map(|c| c.members.len()).collect();
        assert_eq!(counts, members, "{name}");
        assert!(
            page.changes.iter().all(|c| c.presence == presence),
            "{name}"
        );
    }
    let page = read_sample(ObjectKind::Group, "groups-delta-incremental").await;
    let removed: Vec<bool> = page.changes[0].members.iter().map(|m| m.removed).collect();
    assert_eq!(removed, [true, false]);
}

#[tokio::test]
async fn a_throttled_page_is_requested_again() {
    let world = World::new(|seen| match seen.number {
        0 => Reply {
            headers: vec![("retry-after".into(), "0".into())],
            ..refusal(429, "TooManyRequests")
        },
        _ => delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    })
    .await;
    world.users().await.unwrap();
    assert_eq!(world.client.requests(), 2);
    assert_ne!(world.seen()[0].id, world.seen()[1].id);
}

#[tokio::test]
async fn a_torn_answer_is_requested_again() {
    let world = World::new(|seen| match seen.number {
        0 => ok(r#"{"value":[{"id":"1""#),
        1 => ok(""),
        _ => delta("", r#""@odata.deltaLink":"ORIGIN/d""#),
    })
    .await;
    world.users().await.unwrap();
    assert_eq!(world.client.requests(), 3);
}

#[tokio::test]
async fn an_answer_that_is_no_page_is_never_the_end() {
    for (body, why) in [
        (
            r#"{"error":{"code":"UnknownError","message":"Oops"}}"#,
            "it has no value, UnknownError, Oops",
        ),
        (
            r#"{"value":null,"@odata.deltaLink":"ORIGIN/d"}"#,
            "it has no value",
        ),
        ("{}", "it has no value"),
        (r#"{"value":[]}"#, "neither"),
    ] {
        let world = World::new(move |_| ok(body)).await;
        let error = world.users().await.unwrap_err();
        assert!(matches!(error, Error::NotAPage { .. }), "{error}");
        assert!(words(&error).contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_page_with_a_broken_entry_is_an_error_that_quotes_nothing() {
    let world = World::new(|_| {
        delta(
            r#"{"id":["anna@contoso.com"]}"#,
            r#""@odata.deltaLink":"ORIGIN/d""#,
        )
    })
    .await;
    let error = world.users().await.unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert!(!words(&error).contains("anna"));
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_is_an_error() {
    let world =
        World::new(|_| delta("", r#""@odata.nextLink":"ORIGIN/v1.0/x?$skiptoken=1""#)).await;
    let link = format!("{}/v1.0/x?$skiptoken=1", world.url);
    let page = world.client.fetch_page(ObjectKind::User, At::Link(&link));
    assert!(matches!(page.await.unwrap_err(), Error::NotAPage { .. }));
}

#[tokio::test]
async fn a_link_to_another_origin_is_refused_before_anything_is_sent() {
    let world = World::new(|_| panic!("nothing may be sent")).await;
    for link in [
        "http://127.0.0.1:1/v1.0/users/delta?$skiptoken=x",
        "https://graph.microsoft.com/v1.0/users/delta?$skiptoken=x",
        "//evil.example.com/",
    ] {
        let at = At::Link(link);
        let error = world
            .client
            .fetch_page(ObjectKind::User, at)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Link(_)), "{}", words(&error));
    }
    assert_eq!(world.client.requests(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new(|_| Reply {
        headers: vec![("location".into(), "http://127.0.0.1:1/".into())],
        ..reply(302, "")
    })
    .await;
    let error = world.users().await.unwrap_err();
    assert!(words(&error).contains("status 302"), "{error}");
    assert_eq!(world.client.requests(), 1);
}

// ---- errors of Graph ----

#[tokio::test]
async fn every_documented_error_is_distinguished() {
    let mut seen = Vec::new();
    for case in cases("http-errors") {
        // Repeating is tested elsewhere, and takes its time.
        if case["status"].as_u64().unwrap() >= 500 {
            continue;
        }
        let code = case["body"]["error"]["code"].as_str().unwrap().to_owned();
        let world = World::new(move |_| reply_of(&case)).await;
        let error = world.users().await.unwrap_err();
        assert!(words(&error).contains(&code), "{error}");
        assert!(words(&error).contains("93b6f17e-c05d-4f45-ad2a-6665c708d8a0"));
        seen.push((code, error.expired()));
    }
    let seen: Vec<_> = seen.iter().map(|(c, e)| (c.as_str(), *e)).collect();
    assert_eq!(
        seen,
        [
            ("Request_UnsupportedQuery", None),
            ("Request_BadRequest", None),
            ("Directory_ExpiredPageToken", Some(Expired::Page)),
            ("syncStateNotFound", Some(Expired::Watermark)),
            ("InvalidAuthenticationToken", None),
            ("Authorization_IdentityNotFound", None),
            ("Authorization_RequestDenied", None),
            ("Request_ResourceNotFound", None),
            ("syncStateNotFound", Some(Expired::Watermark)),
            ("TooManyRequests", None),
            ("Request_ThrottledTemporarily", None),
        ]
    );
}

#[tokio::test]
async fn an_expired_watermark_is_known_by_status_or_by_any_code() {
    let nested = r#"{"error":{"code":"BadRequest","innererror":{"code":"resyncRequired"}}}"#;
    for (status, body, is_expired) in [
        (410, "", true),
        (410, "<html>gone</html>", true),
        (400, nested, true),
        (404, r#"{"error":{"code":"SyncStateNotFound"}}"#, true),
        (400, r#"{"error":{"code":"BadRequest"}}"#, false),
        (
            400,
            r#"{"error":{"code":"Directory_ExpiredPageToken"}}"#,
            false,
        ),
    ] {
        let world = World::new(move |_| reply(status, body)).await;
        let link = format!("{}/v1.0/users/delta?$deltatoken=old", world.url);
        let page = world.client.fetch_page(ObjectKind::User, At::Link(&link));
        let error = page.await.unwrap_err();
        let is_lost = error.expired() == Some(Expired::Watermark);
        assert_eq!(is_lost, is_expired, "{status} {body}");
    }
}

#[tokio::test]
async fn a_property_that_delta_does_not_know_is_named() {
    let body = sample("users-delta-unsupported-select-400");
    let world = World::new(move |_| reply(400, body.clone())).await;
    let error = world.users().await.unwrap_err();
    assert!(words_with_select(&error).contains("properties: signInActivity"));
}

#[tokio::test]
async fn a_stop_ends_the_reading() {
    let world = World::new(|_| panic!("nothing may be sent")).await;
    world.stop.cancel();
    let error = world.users().await.unwrap_err();
    assert!(matches!(error, Error::Stopped), "{error}");
}

#[tokio::test]
async fn a_stop_ends_a_long_wait() {
    let world = World::new(|_| Reply {
        headers: vec![("retry-after".into(), "250".into())],
        ..refusal(429, "TooManyRequests")
    })
    .await;
    let stop = world.stop.clone();
    let (page, ()) = tokio::join!(world.users(), async {
        while world.client.requests() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    });
    assert!(matches!(page.unwrap_err(), Error::Stopped));
}
