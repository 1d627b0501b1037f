//! Every preset against a target with the habits that the preset was written for: two cycles end
//! exactly where its own mapping says, a third has nothing to send.

use std::collections::{BTreeMap, BTreeSet};

use entrain::sandbox::{Personality, Quirk, ROLE_DEFAULT_ACCESS, ROLE_USER, Size, Uuid};
use serde_json::{Map, Value, json};

use crate::cycles::same;
use crate::rig::Rig;
use crate::target::{Expected, View, home_address};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a preset is expected to do, written down apart from its file.
struct Preset {
    name: &'static str,
    /// What a `View` holds of a person.
    mapped: &'static [&'static str],
    has_manager: bool,
    groups: Groups,
    takes_default_access: bool,
    habits: fn(&mut Personality),
}

/// Which groups the target is sent.
#[derive(PartialEq)]
enum Groups {
    None,
    /// Not as members of others.
    Flat,
    Nested,
}

const GENERIC: Preset = Preset {
    name: "generic",
    mapped: &[
        "displayName",
        "title",
        "preferredLanguage",
        "givenName",
        "familyName",
        "externalId",
        "employeeNumber",
        "department",
        "work mail",
        "mobile",
        "locality",
        "postalCode",
    ],
    has_manager: true,
    groups: Groups::Nested,
    takes_default_access: true,
    habits: |_| {},
};

const SYMANTEC: Preset = Preset {
    name: "symantec-wss",
    mapped: &[
        "displayName",
        "title",
        "preferredLanguage",
        "givenName",
        "familyName",
        "externalId",
        "employeeNumber",
        "department",
        "work mail",
        "mobile",
    ],
    has_manager: false,
    groups: Groups::Flat,
    takes_default_access: false,
    habits: |target| target.page_cap = 100,
};

const WIZER: Preset = Preset {
    name: "wizer",
    mapped: &[
        "displayName",
        "givenName",
        "familyName",
        "externalId",
        "department",
        "work mail",
    ],
    has_manager: false,
    groups: Groups::None,
    takes_default_access: true,
    habits: |target| {
        target.filterable = Some(only(&[
            "externalId",
            "emails.type",
            "emails.value",
            "userName",
        ]));
        target.groups_refused = Some(404);
    },
};

const SOSAFE: Preset = Preset {
    name: "sosafe",
    mapped: &[
        "displayName",
        "title",
        "preferredLanguage",
        "givenName",
        "familyName",
        "externalId",
        "employeeNumber",
        "department",
        "work mail",
        "locality",
        "postalCode",
    ],
    has_manager: false,
    groups: Groups::Flat,
    takes_default_access: true,
    habits: |target| {
        target.filterable = Some(only(&["userName"]));
        target.filterable_of_groups = Some(only(&["displayName"]));
    },
};

const SONICWALL: Preset = Preset {
    name: "sonicwall-cse",
    mapped: SYMANTEC.mapped,
    has_manager: false,
    groups: Groups::None,
    takes_default_access: true,
    habits: |target| target.groups_refused = Some(501),
};

fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn start(preset: &Preset, size: Size) -> Rig {
    let rig = Rig::start(size).await;
    let line = format!("preset = \"{}\"", preset.name);
    rig.edit(|text| text.replace("preset = \"generic\"", &line));
    let target = &rig.sandbox.target;
    target.configure(|personality| {
        (preset.habits)(personality);
        // What a preset sends that a target does not know would show here.
        personality.quirks.insert(Quirk::StrictAttributes);
    });
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn generic_arrives_and_follows() {
    arrives_and_follows(&GENERIC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn symantec_wss_arrives_and_follows() {
    arrives_and_follows(&SYMANTEC).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wizer_arrives_and_follows() {
    arrives_and_follows(&WIZER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sosafe_arrives_and_follows() {
    arrives_and_follows(&SOSAFE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sonicwall_cse_arrives_and_follows() {
    arrives_and_follows(&SONICWALL).await;
}

/// An initial cycle into a target where some people are already, an incremental one after a joiner, a
/// rename, two leavers and changes of groups, and one without changes.
async fn arrives_and_follows(preset: &Preset) {
    // More people than the largest page holds.
    let rig = start(preset, Size::new(260, 12, 500)).await;
    let people = People::move_in(&rig);
    // A blocked user is neither created nor found.
    let enabled = |id: &Uuid| rig.tenant().user(*id).unwrap().properties["accountEnabled"] == true;
    let in_scope = rig.tenant().users_in_scope();
    let some = in_scope.into_iter().filter(enabled).step_by(3);
    for id in some.filter(|id| !people.visitors.contains(id)) {
        put_account(&rig, &name_of(&rig, id));
    }
    let mut expected = Expected::default();

    let initial = rig.sync().await.expect(0).job();
    assert_eq!(initial["kind"], "initial", "{initial:#}");
    check(&rig, preset, &mut expected, &people);
    assert_eq!(whole(&rig, "jane"), resource(preset, people.jane));
    if !preset.takes_default_access {
        for name in ["visitor@contoso.com", "guest@contoso.com"] {
            let found = rig.sandbox.target.find_user_by("userName", name);
            assert_eq!(found, None, "{name} holds nothing but Default Access");
        }
        assert_eq!(rig.user("both@contoso.com")["active"], true);
    }

    let tenant = rig.tenant();
    rig.joiner("late");
    let name = json!("janet@contoso.com");
    tenant.set_property(people.jane, "userPrincipalName", name);
    tenant.set_property(people.jane, "surname", json!("Miller"));
    tenant.set_property(people.jane, "department", Value::Null);
    tenant.disable_user(people.john);
    tenant.unassign(people.mary);
    tenant.remove_members(people.fans, &[people.mary]);
    tenant.add_members(people.fans, &[people.jane]);
    tenant.rename_group(people.fans, "Great fans");
    let incremental = rig.sync().await.expect(0).job();
    assert_eq!(incremental["kind"], "incremental", "{incremental:#}");
    check(&rig, preset, &mut expected, &people);
    assert_eq!(
        rig.user("janet@contoso.com")["name"]["familyName"],
        "Miller"
    );
    assert_eq!(rig.user("john@contoso.com")["active"], false);
    assert_eq!(rig.user("mary@contoso.com")["active"], false);

    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
    let traffic = rig.sandbox.target.traffic();
    assert_eq!(traffic.overlaps(), Vec::<String>::new());
    if preset.groups == Groups::None {
        let asked = traffic.count_where(|exchange| exchange.path.contains("/Groups"));
        assert_eq!(asked, 0, "the target was asked about groups");
    }
}

struct People {
    jane: Uuid,
    john: Uuid,
    mary: Uuid,
    fans: Uuid,
    /// Who hold only the Default Access role; so does the group Lobby.
    visitors: Vec<Uuid>,
}

impl People {
    fn move_in(rig: &Rig) -> Self {
        let tenant = rig.tenant();
        for assignment in tenant.assignments() {
            if assignment.role == ROLE_DEFAULT_ACCESS {
                tenant.unassign_role(assignment.principal, ROLE_DEFAULT_ACCESS);
                tenant.assign(assignment.principal, ROLE_USER);
            }
        }
        let [jane, john, mary] = ["jane", "john", "mary"].map(|alias| rig.joiner(alias));
        tenant.update_user(jane, |properties| properties.extend(full()));
        tenant.set_manager(jane, Some(mary));
        let fans = tenant.add_group("Fans");
        tenant.add_members(fans, &[john, mary]);
        tenant.assign(fans, ROLE_USER);

        let visitor = rig.joiner("visitor");
        tenant.unassign(visitor);
        tenant.assign(visitor, ROLE_DEFAULT_ACCESS);
        let guest = rig.joiner("guest");
        tenant.unassign(guest);
        let both = rig.joiner("both");
        tenant.assign(both, ROLE_DEFAULT_ACCESS);
        let lobby = tenant.add_group("Lobby");
        tenant.add_members(lobby, &[guest, both]);
        tenant.assign(lobby, ROLE_DEFAULT_ACCESS);
        Self {
            jane,
            john,
            mary,
            fans,
            visitors: vec![visitor, guest],
        }
    }
}

/// The target holds what the tenant and the preset's mapping say, no more and no less.
#[track_caller]
fn check(rig: &Rig, preset: &Preset, expected: &mut Expected, people: &People) {
    let tenant = rig.tenant();
    let mut expected: View = expected.after_cycle(tenant);
    if !preset.takes_default_access {
        expected.groups.remove("Lobby");
        for id in &people.visitors {
            let name = name_of(rig, *id);
            expected.users.remove(&name);
            for members in expected.groups.values_mut() {
                members.remove(&name);
            }
        }
    }
    if preset.groups == Groups::Flat {
        let names: BTreeSet<String> = expected.groups.keys().cloned().collect();
        for members in expected.groups.values_mut() {
            members.retain(|name| !names.contains(name));
        }
    }
    if preset.groups == Groups::None {
        expected.groups.clear();
    }
    let users = tenant.users();
    let ids: BTreeMap<String, Uuid> = users
        .iter()
        .map(|user| (name_of(rig, user.id), user.id))
        .collect();
    for (name, person) in &mut expected.users {
        person.values.retain(|path, _| preset.mapped.contains(path));
        if preset.name == "wizer" {
            person.values.insert("externalId", ids[name].to_string());
        }
        if !preset.has_manager {
            person.manager = None;
        }
    }
    let target = &rig.sandbox.target;
    let actual = View::new(&target.users(), &target.groups());
    assert_eq!(actual.duplicates, Vec::<String>::new());
    same(&actual, &expected);
}

fn name_of(rig: &Rig, id: Uuid) -> String {
    let user = rig.tenant().user(id).unwrap();
    home_address(user.properties["userPrincipalName"].as_str().unwrap())
}

fn put_account(rig: &Rig, name: &str) {
    let user = json!({"schemas": [USER], "userName": name, "active": false});
    rig.sandbox.target.create_user(&user).unwrap();
}

/// Everything that any preset reads of a person.
fn full() -> Map<String, Value> {
    let properties = json!({
        "preferredLanguage": "de-DE",
        "officeLocation": "Building 7",
        "streetAddress": "Main Street 1",
        "city": "Berlin",
        "state": "BE",
        "postalCode": "10115",
        "country": "Germany",
        "businessPhones": ["+49 30 1"],
        "mobilePhone": "+49 171 2",
        "faxNumber": "+49 30 3",
        "employeeId": "0042",
        "companyName": "Contoso",
        "employeeOrgData": {"costCenter": "CC 1", "division": "North"},
    });
    let Value::Object(properties) = properties else {
        unreachable!("it is an object")
    };
    properties
}

/// A person of the target without what the target itself puts there.
fn whole(rig: &Rig, alias: &str) -> Value {
    let mut user = rig.user(&format!("{alias}@contoso.com"));
    let attributes = user.as_object_mut().unwrap();
    for own in ["id", "meta", "schemas", "groups"] {
        attributes.remove(own);
    }
    if let Some(extension) = attributes.get_mut(ENTERPRISE) {
        // By the target's id, and compared by name elsewhere.
        extension.as_object_mut().unwrap().remove("manager");
    }
    user
}

/// Jane as the preset's page of the maker's manual has her.
fn resource(preset: &Preset, jane: Uuid) -> Value {
    let has = |names: &[&str]| names.contains(&preset.name);
    // In the order of their types.
    let mut phones = vec![json!({"type": "work", "value": "+49 30 1"})];
    if !has(&["sosafe"]) {
        phones.insert(0, json!({"type": "mobile", "value": "+49 171 2"}));
    }
    if has(&["generic"]) {
        phones.insert(0, json!({"type": "fax", "value": "+49 30 3"}));
    }
    let mut user = json!({
        "userName": "jane@contoso.com",
        "active": true,
        "displayName": "jane",
        "externalId": if has(&["wizer"]) { jane.to_string() } else { "jane".to_owned() },
        "name": {"givenName": "Jo", "familyName": "jane"},
        "emails": [{"type": "work", "value": "jane@mail.contoso.com", "primary": true}],
        ENTERPRISE: {"department": "R&D"},
    });
    if !has(&["wizer"]) {
        user["name"]["formatted"] = json!("Jo jane");
        user["title"] = json!("Engineer");
        user["preferredLanguage"] = json!("de-DE");
        user["phoneNumbers"] = json!(phones);
        user[ENTERPRISE]["employeeNumber"] = json!("0042");
    }
    if has(&["generic", "sosafe"]) {
        user["addresses"] = json!([{
            "type": "work",
            "formatted": "Building 7",
            "streetAddress": "Main Street 1",
            "locality": "Berlin",
            "region": "BE",
            "postalCode": "10115",
            "country": "Germany",
        }]);
    }
    if has(&["sosafe"]) {
        user["userType"] = json!("Member");
        user[ENTERPRISE]["costCenter"] = json!("CC 1");
        user[ENTERPRISE]["organization"] = json!("Contoso");
        user[ENTERPRISE]["division"] = json!("North");
    }
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn wizer_finds_people_by_external_id_then_by_mail_then_by_name() {
    let rig = start(&WIZER, Size::new(10, 1, 5)).await;
    rig.sync().await.expect(0);
    let jane = rig.joiner("jane");
    let put = |user: Value| rig.sandbox.target.create_user(&user).unwrap();
    // The worst key first: the order in which they are there must not decide.
    let by_name = put(json!({"schemas": [USER], "userName": "JANE@contoso.com"}));
    let by_mail = put(json!({
        "schemas": [USER],
        "userName": "j.doe",
        "emails": [{"type": "work", "value": "jane@mail.contoso.com"}],
    }));
    let by_id = put(json!({
        "schemas": [USER],
        "userName": "jd",
        "externalId": jane.to_string(),
    }));
    let ways = [
        ("externalId", by_id),
        ("emails[type eq \"work\"].value", by_mail),
        ("userName", by_name.clone()),
    ];
    for (path, id) in ways {
        let plan = rig.plan().await.expect(0).job();
        let actions = plan["actions"].as_array().unwrap();
        assert_eq!(actions.len(), 1, "{plan:#}");
        assert_eq!(actions[0]["action"], "adopt", "{plan:#}");
        assert_eq!(actions[0]["target"], json!(id), "{plan:#}");
        assert_eq!(actions[0]["key"]["path"], path, "{plan:#}");
        if path != "userName" {
            assert!(rig.sandbox.target.delete(&id));
        }
    }
    rig.sync().await.expect(0);
    let adopted = rig.sandbox.target.user(&by_name).unwrap();
    assert_eq!(adopted["externalId"], json!(jane.to_string()));
    assert_eq!(adopted["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn wizer_adopts_by_each_key_and_no_user_is_there_twice() {
    let rig = start(&WIZER, Size::new(10, 1, 5)).await;
    let [jane, john, mary] = ["jane", "john", "mary"].map(|alias| rig.joiner(alias));
    let put = |user: Value| rig.sandbox.target.create_user(&user).unwrap();
    let accounts = [
        put(json!({"schemas": [USER], "userName": "x", "externalId": jane.to_string()})),
        put(json!({
            "schemas": [USER],
            "userName": "y",
            "emails": [{"type": "work", "value": "john@mail.contoso.com"}],
        })),
        put(json!({"schemas": [USER], "userName": "mary@contoso.com"})),
    ];
    let summary = rig.sync().await.expect(0).job();
    assert_eq!(summary["done"]["adopt"], 3, "{summary:#}");
    let people = [("jane", jane), ("john", john), ("mary", mary)];
    for ((alias, source), account) in people.into_iter().zip(accounts) {
        let user = rig.sandbox.target.user(&account).unwrap();
        assert_eq!(user["userName"], json!(format!("{alias}@contoso.com")));
        assert_eq!(user["externalId"], json!(source.to_string()));
        assert_eq!(user["active"], true, "{alias}");
    }
    let there = rig.sandbox.target.user_count();
    assert_eq!(there, rig.target().await.users.len());
    assert_eq!(there, rig.tenant().users_in_scope().len());
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

/// What a plan or a cycle warns of: who, and which groups.
fn warned(job: &Value) -> Vec<(String, Vec<String>)> {
    let label = |subject: &Value| subject["label"].as_str().unwrap().to_owned();
    let warnings = job["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| {
            assert_eq!(warning["reason"], "several-groups");
            let groups = warning["groups"].as_array().unwrap();
            (
                label(&warning["subject"]),
                groups.iter().map(label).collect(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sosafe_warns_of_users_in_several_groups_and_provisions_them_anyway() {
    let rig = start(&SOSAFE, Size::new(10, 1, 1)).await;
    let (jane, john) = (rig.joiner("jane"), rig.joiner("john"));
    let [sales, berlin, rome] = ["Sales", "Berlin", "Rome"].map(|name| {
        let group = rig.tenant().add_group(name);
        rig.tenant().assign(group, ROLE_USER);
        group
    });
    rig.tenant().add_members(sales, &[jane, john]);
    rig.tenant().add_members(berlin, &[jane]);
    let in_both = |name: &str, groups: &[&str]| {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        vec![(format!("{name}@contoso.com"), groups)]
    };
    rig.run(&["check"]).await.expect(0);
    let of_jane = in_both("jane", &["Berlin", "Sales"]);
    assert_eq!(warned(&rig.plan().await.expect(0).job()), of_jane);
    let text = rig.run(&["plan"]).await.expect(0).out;
    let line = "  ! jane@contoso.com is in several groups: Berlin, Sales; ";
    assert!(text.contains(line), "{text}");
    assert!(text.contains(", 1 warning."), "{text}");
    let initial = rig.sync().await.expect(0).job();
    assert_eq!(warned(&initial), of_jane);
    assert_eq!(initial["failed"], 0);

    // A cycle that evaluates nothing warns of nothing.
    let plan = ["plan", "--detailed-exitcode", "--format", "json"];
    assert_eq!(warned(&rig.run(&plan).await.expect(0).job()), []);
    assert_eq!(warned(&rig.sync().await.expect(0).job()), []);

    // Sales alone is evaluated; that John is in Rome is known from a cycle before.
    rig.tenant().add_members(rome, &[john]);
    rig.tenant().remove_members(sales, &[john]);
    assert_eq!(warned(&rig.sync().await.expect(0).job()), of_jane);
    rig.tenant().add_members(sales, &[john]);
    let both = [of_jane.clone(), in_both("john", &["Rome", "Sales"])].concat();
    assert_eq!(warned(&rig.sync().await.expect(0).job()), both);

    // A job that enables warnings later gets them for every user.
    rig.edit(|text| format!("{text}\n[jobs.groups]\none_group_each = false\n"));
    assert_eq!(warned(&rig.sync().await.expect(0).job()), []);
    rig.edit(|text| text.replace("one_group_each = false", ""));
    assert_eq!(warned(&rig.sync().await.expect(0).job()), both);
}
