//! What is read only when a mapping asks for it: custom security attributes and the default domain.

use std::collections::BTreeSet;

use super::*;
use crate::engine::model::CustomSecurityAttribute;

fn wanted(names: &[&str]) -> BTreeSet<CustomSecurityAttribute> {
    let parsed = names
        .iter()
        .map(|name| CustomSecurityAttribute::parse(name));
    parsed.map(Option::unwrap).collect()
}

const USERS_1: &str = r##"{"value":[
    {"id":"U1","customSecurityAttributes":null},
    {"id":"u2","customSecurityAttributes":{"engineering":{
        "@odata.type":"#microsoft.graph.customSecurityAttributeValue",
        "Project@odata.type":"#Collection(String)","Project":["Cascade","Baker"],
        "CostCenter@odata.type":"#Collection(Int32)","CostCenter":[1001],
        "Certification":true,"Secret":"never read"}}}],
    "@odata.nextLink":"ORIGIN/v1.0/users?$skiptoken=2"}"##;
const USERS_2: &str = r#"{"value":[
    {"id":"u3","customSecurityAttributes":{"Engineering":{"ProjectDate":"2026-04-23","Project":[]}}},
    {"id":"u4"}]}"#;

#[tokio::test]
async fn custom_security_attributes_are_read_to_the_last_page() {
    let world = World::new(|seen| {
        if seen.number == 0 {
            assert_eq!(seen.path, "/v1.0/users");
            assert_eq!(seen.query, "$select=id,customSecurityAttributes&$top=999");
            ok(USERS_1)
        } else {
            ok(USERS_2)
        }
    })
    .await;
    let names = [
        "customSecurityAttributes.Engineering.Certification",
        "customSecurityAttributes.Engineering.CostCenter",
        "customSecurityAttributes.Engineering.costcenter",
        "customSecurityAttributes.Engineering.Project",
    ];
    let wanted = wanted(&names);
    let read = world.client.fetch_custom_security_attributes(&wanted).await;
    let read: Vec<(String, Vec<String>)> = read
        .unwrap()
        .of(&wanted)
        .unwrap()
        .get()
        .iter()
        .map(|user| {
            let values = user.values.iter();
            let values = values.map(|(name, value)| format!("{name} {value:?}"));
            (user.user.as_str().to_owned(), values.collect())
        })
        .collect();
    let u2 = [
        r"Certification Boolean(true)",
        r"CostCenter List([Integer(1001)])",
        r#"Project List([Text("Baker"), Text("Cascade")])"#,
        r"costcenter List([Integer(1001)])",
    ];
    let u2 = u2.map(|value| format!("customSecurityAttributes.Engineering.{value}"));
    assert_eq!(
        read,
        [
            ("u1".to_owned(), vec![]),
            ("u2".to_owned(), u2.to_vec()),
            ("u3".to_owned(), vec![]),
            ("u4".to_owned(), vec![]),
        ]
    );
}

#[tokio::test]
async fn custom_security_attributes_that_are_not_read_to_the_end_are_not_read() {
    let wanted = wanted(&["customSecurityAttributes.Engineering.Project"]);
    let world = World::new(|seen| match seen.number {
        0 => ok(USERS_1),
        _ => refusal(403, "Authorization_RequestDenied"),
    })
    .await;
    let read = world.client.fetch_custom_security_attributes(&wanted).await;
    assert!(matches!(read, Err(Error::Refused(_))), "{read:?}");

    // Its page link has expired: everything is read again.
    let world = World::new(|seen| match seen.number {
        0 | 2 => ok(USERS_1),
        1 => refusal(400, "Directory_ExpiredPageToken"),
        _ => ok(USERS_2),
    })
    .await;
    let read = world.client.fetch_custom_security_attributes(&wanted).await;
    assert_eq!(read.unwrap().of(&wanted).unwrap().get().len(), 4);
}

#[tokio::test]
async fn a_set_of_which_no_user_has_a_value_is_not_used() {
    let world = World::new(|_| ok(USERS_2)).await;
    for (name, is_believed) in [
        ("customSecurityAttributes.Engineering.Project", true),
        ("customSecurityAttributes.Marketing.EmployeeId", false),
    ] {
        let wanted = wanted(&[name]);
        let read = world.client.fetch_custom_security_attributes(&wanted).await;
        let read = read.unwrap();
        assert_eq!(read.of(&wanted).is_ok(), is_believed, "{read:?}");
    }
    let world = World::new(|_| ok(r#"{"value":[]}"#)).await;
    let wanted = wanted(&["customSecurityAttributes.Engineering.Project"]);
    let read = world.client.fetch_custom_security_attributes(&wanted).await;
    let remedy = read
        .unwrap()
        .of(&wanted)
        .unwrap_err()
        .remedy("source")
        .unwrap();
    assert!(
        remedy.contains("CustomSecAttributeAssignment.Read.All"),
        "{remedy}"
    );
}

#[tokio::test]
async fn the_default_domain_is_found_on_any_page_and_is_verified() {
    let world = World::new(|seen| {
        assert_eq!(seen.path, "/v1.0/domains");
        ok(match seen.number {
            0 => {
                assert_eq!(seen.query, "$select=id,isDefault,isVerified");
                r#"{"value":[{"id":"a.com","isDefault":true,"isVerified":false},{"id":"b.com"}],
                    "@odata.nextLink":"ORIGIN/v1.0/domains?$skiptoken=2"}"#
            }
            1 => r#"{"value":[{"id":"c.com","isDefault":true,"isVerified":true}]}"#,
            _ => r#"{"value":[{"id":"c.com","isDefault":false,"isVerified":true}]}"#,
        })
    })
    .await;
    let found = world.client.fetch_default_domain().await.unwrap();
    assert_eq!(found, "c.com");
    let error = world.client.fetch_default_domain().await.unwrap_err();
    assert!(matches!(error, Error::NoDefaultDomain), "{error}");
    assert!(
        error
            .remedy("source")
            .unwrap()
            .contains("Custom domain names")
    );
}
