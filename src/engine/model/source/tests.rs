//! Values as the source gives them.

use super::*;
use crate::engine::model::{Attributes, Value};

fn user(name: &str) -> Result<SourceAttribute, Unusable> {
    attribute(ObjectKind::User, name)
}

#[test]
fn names_reach_inside_and_say_what_to_select() {
    let phone = user("businessPhones[0]").unwrap();
    assert!(!phone.multi_valued);
    assert_eq!(phone.selects, ["businessPhones"]);
    assert!(user("businessPhones").unwrap().multi_valued);

    let cost = user("employeeOrgData.costCenter").unwrap();
    assert_eq!(cost.selects, ["employeeOrgData"]);
    assert_eq!(
        user("extensionAttribute3").unwrap(),
        user("onPremisesExtensionAttributes.extensionAttribute3").unwrap()
    );
    assert_eq!(
        user("IsSoftDeleted").unwrap().selects,
        ["accountEnabled".to_owned()]
    );
    assert_eq!(user("objectId").unwrap().name, "id");
}

#[test]
fn a_portal_name_is_the_graph_property_behind_it() {
    for (portal, graph) in PORTAL_NAMES {
        assert_eq!(user(portal).unwrap().name, *graph);
        assert_eq!(portal_name(graph), *portal);
    }
    let long = "onPremisesExtensionAttributes.extensionAttribute3";
    assert_eq!(graph_name(portal_name(long)), long);
    let mut attributes = Attributes::default();
    attributes.set("businessPhones", Value::List(vec![Value::text("+49 30 1")]));
    let name = user("telephoneNumber").unwrap().name;
    assert_eq!(attributes.text(&name), Some("+49 30 1"));
}

#[test]
fn names_overlap_when_the_value_of_one_reveals_the_others() {
    for (one, other) in [
        ("mail", "mail"),
        ("telephoneNumber", "businessPhones"),
        ("telephoneNumber", "businessPhones[1]"),
        ("sipProxyAddress", "imAddresses[0]"),
        ("objectId", "id"),
        ("userPrincipalName", "originalUserPrincipalName"),
        ("employeeOrgData.division", "employeeOrgData"),
        ("extensionAttribute1", "onPremisesExtensionAttributes"),
        (
            "extensionAttribute1",
            "onPremisesExtensionAttributes.extensionAttribute1",
        ),
        (
            "customSecurityAttributes.Engineering.Projects[0]",
            "customSecurityAttributes.engineering.PROJECTS",
        ),
    ] {
        assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
    }
    for (one, other) in [
        ("mail", "mailNickname"),
        ("employeeOrgData.division", "employeeOrgData.costCenter"),
        ("extensionAttribute1", "extensionAttribute10"),
        (
            "customSecurityAttributes.Engineering.Project",
            "customSecurityAttributes.Engineering.Projects",
        ),
    ] {
        assert!(
            !(overlap(one, other) || overlap(other, one)),
            "{one} {other}"
        );
    }
}

#[test]
fn directory_extensions_are_known_by_their_pattern() {
    let name = "extension_9d98ed114b2849f1a4c6f0d6a4f4b7b1_costCentre";
    let found = user(name).unwrap();
    assert_eq!(found.source_type, Any);
    assert_eq!(found.selects, [name]);
    assert_eq!(user("extension_costCentre"), Err(Unusable::Unknown));
}

#[test]
fn custom_security_attributes_are_of_users_and_not_in_the_delta_query() {
    let name = "customSecurityAttributes.Engineering.Project";
    for (name, index) in [(name.to_owned(), false), (format!("{name}[1]"), true)] {
        let found = user(&name).unwrap();
        assert_eq!(found.name, name);
        assert_eq!(found.source_type, Any);
        assert!(found.selects.is_empty() && !found.multi_valued, "{index}");
        let read = custom_security_attribute(&name).unwrap();
        assert_eq!((&*read.set, &*read.attribute), ("Engineering", "Project"));
    }
    for name in [
        "customSecurityAttributes",
        "customSecurityAttributes.Engineering",
        "CustomSecurityAttributes.Engineering_Project",
    ] {
        assert_eq!(user(name), Err(Unusable::NotASetAndAttribute), "{name}");
    }
    assert!(matches!(
        attribute(ObjectKind::Group, name),
        Err(Unusable::NotReadable(_))
    ));
}

#[test]
fn what_cannot_be_read_says_why() {
    for (name, _) in NOT_READABLE_USER {
        assert!(
            matches!(user(name), Err(Unusable::NotReadable(_))),
            "{name}"
        );
    }
    assert!(matches!(
        attribute(ObjectKind::Group, "isArchived"),
        Err(Unusable::NotReadable(_))
    ));
    assert_eq!(
        user("mail[0]"),
        Err(Unusable::NotIndexed("mail".to_owned()))
    );
    assert!(matches!(
        user("extensionAttribute16"),
        Err(Unusable::Unknown)
    ));
    assert!(matches!(
        user("employeeOrgData.costCentre"),
        Err(Unusable::NotAMember { .. })
    ));
}

#[test]
fn a_name_in_another_case_is_the_same_name() {
    for kind in ObjectKind::ALL {
        for name in names(kind) {
            let expected = attribute(kind, name);
            assert_eq!(spelled(kind, &name.to_uppercase()), name);
            assert_eq!(attribute(kind, &name.to_uppercase()), expected);
            assert_eq!(attribute(kind, &name.to_lowercase()), expected);
        }
    }
    for (written, name) in [
        ("employeeorgdata.COSTCENTER", "employeeOrgData.costCenter"),
        ("BusinessPhones[0]", "businessPhones[0]"),
        (
            "OnPremisesExtensionAttributes.ExtensionAttribute3",
            "onPremisesExtensionAttributes.extensionAttribute3",
        ),
    ] {
        assert_eq!(spelled(ObjectKind::User, written), name);
        assert_eq!(user(written), user(name));
    }
    assert!(matches!(user("AboutMe"), Err(Unusable::NotReadable(_))));
    assert!(matches!(
        filter_attribute(ObjectKind::User, "memberof"),
        Ok(found) if found.name == MEMBER_OF
    ));
}

#[test]
fn every_name_that_is_hinted_at_is_usable() {
    for kind in ObjectKind::ALL {
        for name in names(kind) {
            assert!(attribute(kind, name).is_ok(), "{kind} {name}");
        }
    }
}
