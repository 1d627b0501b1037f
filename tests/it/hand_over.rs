//! Accounts of people who left and whose name a newcomer has: handed over, made again, or left alone.

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use serde_json::{Value, json};

use crate::rig::Rig;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Jane, who is in a group and manages John; her own manager is the boss.
struct Office {
    rig: Rig,
    jane: Uuid,
    account: String,
}

impl Office {
    async fn start(extra: &str) -> Self {
        let rig = Rig::start(Size::new(0, 0, 0)).await;
        rig.configure(extra);
        let [jane, john, boss] = ["jane", "john", "boss"].map(|name| rig.joiner(name));
        rig.tenant().set_manager(john, Some(jane));
        rig.tenant().set_manager(jane, Some(boss));
        rig.tenant().set_property(jane, "jobTitle", json!("Head"));
        let fans = rig.tenant().add_group("Fans");
        rig.tenant().add_members(fans, &[jane, john]);
        rig.tenant().assign(fans, ROLE_USER);
        rig.sync().await.expect(0);
        let account = id_of(&rig, "jane");
        assert_eq!(manager(&rig, "john"), json!(account));
        Self { rig, jane, account }
    }

    /// What the target holds when a newcomer has the account.
    fn is_handed_over(&self) {
        let rig = &self.rig;
        assert_eq!(id_of(rig, "jane"), self.account);
        let user = rig.user("jane@contoso.com");
        assert_eq!(
            (&user["active"], &user["title"]),
            (&json!(true), &json!("Engineer"))
        );
        assert_eq!(manager(rig, "jane"), Value::Null);
        assert_eq!(manager(rig, "john"), Value::Null);
        assert_eq!(members(rig), [id_of(rig, "john")]);
    }

    /// What the target holds when nothing was done to the account but that Jane left.
    fn is_left_alone(&self, active: bool) {
        let user = self.rig.sandbox.target.user(&self.account).unwrap();
        assert_eq!(user["active"], active);
        assert_eq!(user["title"], "Head");
    }
}

fn id_of(rig: &Rig, name: &str) -> String {
    let user = rig.user(&format!("{name}@contoso.com"));
    user["id"].as_str().unwrap().to_owned()
}

fn manager(rig: &Rig, name: &str) -> Value {
    rig.user(&format!("{name}@contoso.com"))[ENTERPRISE]["manager"]["value"].clone()
}

fn members(rig: &Rig) -> Vec<String> {
    let fans = rig
        .sandbox
        .target
        .find_group_by("displayName", "Fans")
        .unwrap();
    rig.sandbox.target.members(fans["id"].as_str().unwrap())
}

/// What was done with an account, step by step; each where it comes first.
fn order_of(rig: &Rig, account: &str) -> Vec<&'static str> {
    let exchanges = rig.sandbox.target.traffic().exchanges().into_iter();
    let steps = exchanges.filter_map(|one| {
        let body = one.body.unwrap_or_default();
        let is_account = one.path.contains(account);
        match one.method.as_str() {
            "GET" if is_account => Some("read"),
            "PATCH" if one.path.contains("/Groups/") => Some("leave"),
            "PATCH" if is_account && body.contains("\"active\"") => {
                Some(if body.contains("false") {
                    "disable"
                } else {
                    "enable"
                })
            }
            "PATCH" if is_account => Some("overwrite"),
            _ => None,
        }
    });
    let mut order = Vec::new();
    for step in steps {
        if !order.contains(&step) {
            order.push(step);
        }
    }
    order
}

async fn settled(rig: &Rig) {
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_a_user_in_the_recycle_bin_is_handed_over() {
    for first in [false, true] {
        let office = Office::start("").await;
        let rig = &office.rig;
        rig.tenant().soft_delete_user(office.jane);
        if first {
            rig.sync().await.expect(0);
            office.is_left_alone(false);
        }
        let newcomer = rig.joiner("jane");
        let plan = rig.plan().await.expect(0).job();
        let actions = plan["actions"].as_array().unwrap();
        assert_eq!(actions.len(), 1, "{plan:#}");
        assert_eq!(actions[0]["action"], "hand-over", "{plan:#}");
        assert_eq!(actions[0]["subject"]["id"], office.jane.to_string());
        assert_eq!(actions[0]["to"]["id"], newcomer.to_string());
        let text = rig.run(&["plan"]).await.expect(0).out;
        assert!(
            text.contains(&office.jane.to_string()) && text.contains(&newcomer.to_string()),
            "{text}"
        );
        assert!(text.contains("1 to hand over"), "{text}");
        rig.sandbox.target.traffic().reset();
        rig.sandbox.target.traffic().record_bodies(true);
        let summary = rig.sync().await.expect(0).job();
        assert_eq!(summary["done"], json!({"hand-over": 1}), "{summary:#}");
        let writes = rig.sandbox.target.traffic().exchanges();
        let writes = writes.iter().filter(|one| one.method == "PATCH");
        let bodies: Vec<String> = writes.filter_map(|one| one.body.clone()).collect();
        let (last, before) = bodies.split_last().unwrap();
        assert!(
            last.contains("\"active\"") && last.contains("true"),
            "{bodies:#?}"
        );
        let order = order_of(rig, &office.account);
        // The first cycle took Jane out of her group.
        let expected: &[&str] = if first {
            &["read", "overwrite", "enable"]
        } else {
            &["disable", "read", "leave", "overwrite", "enable"]
        };
        assert_eq!(order, expected, "{bodies:#?}");
        let activates = |body: &&String| body.contains("\"active\"");
        assert_eq!(
            before.iter().filter(activates).count(),
            usize::from(!first),
            "{bodies:#?}"
        );
        office.is_handed_over();
        settled(rig).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_a_renamed_and_unassigned_user_is_handed_over() {
    let office = Office::start("").await;
    let rig = &office.rig;
    let name = json!("jane.doe@contoso.com");
    rig.tenant()
        .set_property(office.jane, "userPrincipalName", name);
    let fans = rig.tenant().groups()[0].id;
    rig.tenant().remove_members(fans, &[office.jane]);
    rig.tenant().unassign(office.jane);
    rig.sync().await.expect(0);
    office.is_left_alone(false);
    rig.joiner("jane");
    rig.sync().await.expect(0);
    office.is_handed_over();
    settled(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_accounts_are_deleted_the_newcomer_gets_a_new_one() {
    let office = Office::start("[jobs.users]\nwhen_out_of_scope = \"delete\"").await;
    let rig = &office.rig;
    rig.tenant().soft_delete_user(office.jane);
    rig.joiner("jane");
    rig.sync().await.expect(0);
    assert_ne!(id_of(rig, "jane"), office.account);
    assert_eq!(rig.user("jane@contoso.com")["active"], true);
    assert!(rig.sandbox.target.user(&office.account).is_none());
    settled(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_accounts_are_kept_none_is_handed_over() {
    let office = Office::start("[jobs.users]\nwhen_out_of_scope = \"keep\"").await;
    let rig = &office.rig;
    rig.tenant().soft_delete_user(office.jane);
    let newcomer = rig.joiner("jane");
    let summary = rig.sync().await.expect(3).job();
    let failure = &summary["failures"][0];
    assert_eq!(
        failure["subject"]["id"],
        newcomer.to_string(),
        "{summary:#}"
    );
    let words = failure["message"].as_str().unwrap();
    assert!(
        words.contains("links relink") && words.contains(&office.account),
        "{words}"
    );
    assert!(words.contains(&office.jane.to_string()), "{words}");
    office.is_left_alone(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handing_over_is_held_like_any_removal() {
    let office = Office::start("[jobs.safety]\nmax_deletions = 0").await;
    let rig = &office.rig;
    rig.tenant().soft_delete_user(office.jane);
    rig.joiner("jane");
    rig.sync().await.expect(4);
    office.is_left_alone(true);
    assert_eq!(members(rig).len(), 2);
    rig.run(&["approve", "demo"]).await.expect(0);
    rig.sync().await.expect(0);
    office.is_handed_over();
    settled(rig).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_gets_access_by_an_account_that_could_not_be_cleared() {
    let office = Office::start("").await;
    let rig = &office.rig;
    let traffic = rig.sandbox.target.traffic();
    rig.tenant().soft_delete_user(office.jane);
    rig.joiner("jane");
    // Not even disabled.
    let path = format!("/Users/{}", office.account);
    let refused = |path: &str| {
        Fault::new(path, Trouble::status(400))
            .method("PATCH")
            .forever()
    };
    traffic.inject(refused(&path));
    rig.sync().await.expect(3);
    office.is_left_alone(true);
    traffic.clear_faults();
    // Disabled, and still in its group.
    traffic.inject(refused("/Groups/"));
    rig.sync().await.expect(3);
    office.is_left_alone(false);
    traffic.clear_faults();
    rig.sync().await.expect(0);
    office.is_handed_over();
    settled(rig).await;
}
