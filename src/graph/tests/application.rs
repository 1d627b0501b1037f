//! Assignments, the application, and the test of the connection.

use super::*;

// ---- assignments ----

#[tokio::test]
async fn assignments_are_read_to_the_last_page() {
    let world = World::new(|seen| {
        ok(if seen.number == 0 {
            sample("approleassignedto-page1")
        } else {
            sample("approleassignedto-page2")
        })
    })
    .await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    let read: Vec<_> = read
        .get()
        .iter()
        .map(|a| (a.kind, &a.principal.as_str()[..8], &a.role[..8]))
        .collect();
    assert_eq!(
        read,
        [
            (ObjectKind::User, "cdb555e3", &DEFAULT_ACCESS_ROLE[..8]),
            (ObjectKind::Group, "c2f798fd", "18d14569"),
            (ObjectKind::User, "25dcffff", "18d14569"),
            (ObjectKind::User, "25dcffff", "b9632174"),
        ]
    );
    let seen = world.seen();
    assert_eq!(
        seen[0].path,
        format!("/v1.0/servicePrincipals/{SERVICE_PRINCIPAL}/appRoleAssignedTo")
    );
    assert_eq!(
        seen[0].query,
        "$select=principalId,principalType,appRoleId&$top=999"
    );
    assert_eq!(seen[1].query, "$top=3&$skiptoken=RFNwdAIAAQAAAAAAAAAA");
}

#[tokio::test]
async fn the_documented_assignment_is_read() {
    let world = World::new(|_| ok(sample("approleassignedto-documented"))).await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    assert_eq!(read.get()[0].role, DEFAULT_ACCESS_ROLE);
}

#[tokio::test]
async fn assignments_cut_short_are_not_complete() {
    for second in [
        refusal(403, "Authorization_RequestDenied").body,
        "{}".to_owned(),
    ] {
        let status = if second == "{}" { 200 } else { 403 };
        let world = World::new(move |seen| match seen.number {
            0 => ok(sample("approleassignedto-page1")),
            _ => reply(status, second.clone()),
        })
        .await;
        let cut = world
            .client
            .fetch_assignments(SERVICE_PRINCIPAL)
            .await
            .unwrap_err();
        assert_eq!(cut.seen.len(), 2);
        assert!(cut.to_string().contains("(2 were)"));
        words(&cut.error);
    }
}

#[tokio::test]
async fn a_listing_whose_page_expired_begins_again() {
    let world = World::new(|seen| match seen.number {
        0 | 2 => ok(sample("approleassignedto-page1")),
        1 => refusal(400, "Directory_ExpiredPageToken"),
        _ => ok(sample("approleassignedto-page2")),
    })
    .await;
    let read = world
        .client
        .fetch_assignments(SERVICE_PRINCIPAL)
        .await
        .unwrap();
    assert_eq!(read.get().len(), 4);
    assert_eq!(world.client.requests(), 4);
}

#[tokio::test]
async fn the_application_is_found_by_each_of_its_names() {
    let world = tenant_with_an_application().await;
    for which in [
        Application::AppId(APP_ID.to_uppercase()),
        Application::ServicePrincipalId(OBJECT_ID.to_owned()),
        Application::DisplayName("AWS Contoso".to_owned()),
    ] {
        let found = world.client.find_application(&which).await.unwrap();
        assert_eq!(
            (found.id.as_str(), found.app_id.as_str()),
            (OBJECT_ID, APP_ID)
        );
        assert!(found.account_enabled);
        let roles: Vec<_> = found
            .roles
            .iter()
            .map(|r| r.display_name.as_str())
            .collect();
        assert_eq!(roles, ["User", "msiam_access"]);
    }
}

#[tokio::test]
async fn an_application_that_is_not_found_says_what_to_check() {
    let world = tenant_with_an_application().await;
    let registered = "11111111-1000-46bf-a940-f5ea3ecc39e7".to_owned();
    for (which, expected) in [
        (Application::ServicePrincipalId(registered.clone()), APP_ID),
        (
            Application::AppId(registered),
            "app registration \"AWS Contoso\"",
        ),
        (
            Application::ServicePrincipalId(APP_ID.to_owned()),
            "write app_id",
        ),
        (
            Application::AppId(OBJECT_ID.to_owned()),
            "write service_principal_id",
        ),
        (
            Application::AppId(SERVICE_PRINCIPAL.to_owned()),
            "\"Enterprise applications\"",
        ),
        (
            Application::DisplayName("Wizer".to_owned()),
            "check its spelling",
        ),
        (
            Application::DisplayName("O'Twins".to_owned()),
            "22222222-1000-46bf-a940-f5ea3ecc39e7",
        ),
        (Application::AppId("../users".to_owned()), "is not an id"),
    ] {
        let error = world.client.find_application(&which).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

// ---- Test Connection ----

#[tokio::test]
async fn a_connection_test_says_which_permission_is_missing() {
    let world = World::new(|seen| match seen.path.as_str() {
        "/v1.0/users/delta()" => {
            assert_eq!(seen.query, "$select=id,mail&$deltatoken=latest");
            delta("", r#""@odata.deltaLink":"ORIGIN/d""#)
        }
        "/v1.0/groups/delta()" => refusal(403, "Authorization_RequestDenied"),
        "/v1.0/servicePrincipals" => {
            let found = sample("serviceprincipal");
            ok(format!(r#"{{"value":[{found}]}}"#))
        }
        path if path.ends_with("/synchronization/jobs") => {
            refusal(403, "Authorization_RequestDenied")
        }
        _ => ok(sample("approleassignedto-page1")),
    })
    .await;
    let select = |name: &str| vec![name.to_owned()];
    let which = Application::AppId(APP_ID.to_owned());
    let wanted = Wanted {
        users: select("mail"),
        groups: select("members"),
        ..Wanted::default()
    };
    let (checks, remarks) = world.client.test(&which, &wanted, &wanted).await;
    assert_eq!(remarks, []);
    let good: Vec<_> = checks
        .iter()
        .map(|check| (check.what.as_str(), check.outcome.is_ok()))
        .collect();
    assert_eq!(
        good,
        [
            ("source: access token", true),
            ("source: application", true),
            ("source: assignments", true),
            ("source: users", true),
            ("source: groups", false),
            ("source: permissions", false),
        ]
    );
    let missing = checks[5].outcome.as_ref().unwrap_err();
    assert_eq!(
        missing.words,
        "missing: GroupMember.Read.All (groups and their members)"
    );
    let failed = checks[4].outcome.as_ref().unwrap_err();
    assert!(
        failed
            .words
            .contains("Authorization_RequestDenied: Words of Graph. (request-id r-1")
    );
    assert!(
        failed
            .remedy
            .as_ref()
            .unwrap()
            .contains("GroupMember.Read.All")
    );
}

#[tokio::test]
async fn a_connection_test_without_a_token_goes_no_further() {
    let case = cases("token-errors").remove(1);
    let world = World::with_tokens(move |_| reply_of(&case), |_| panic!("no token, no read")).await;
    let which = Application::AppId(APP_ID.to_owned());
    let none = Wanted::default();
    let (checks, _) = world.client.test(&which, &none, &none).await;
    assert_eq!(checks.len(), 1);
    let failed = checks[0].outcome.as_ref().unwrap_err();
    assert!(failed.words.contains("AADSTS7000215"), "{}", failed.words);
    assert!(failed.remedy.as_ref().unwrap().contains("not its id"));
}

/// Cycles run in tasks of their own.
#[test]
fn readings_may_be_spawned() {
    fn is_send<T: Send>(_: &T) {}
    let client = Client::new(
        &source(
            "https://login.microsoftonline.com",
            "https://graph.microsoft.com",
        ),
        Credential::of_secret("client", SECRET),
        CancellationToken::new(),
    )
    .unwrap();
    let which = Application::DisplayName("x".to_owned());
    let select = [];
    is_send(&client.fetch_page(ObjectKind::User, At::Beginning { select: &select }));
    is_send(&client.fetch_page(ObjectKind::User, At::Link("x")));
    is_send(&client.fetch_assignments("x"));
    is_send(&client.find_application(&which));
    let none = Wanted::default();
    is_send(&client.test(&which, &none, &none));
}
