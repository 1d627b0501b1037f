//! Users whose sign-in is blocked, where no mapping writes that to the target: their `active` is read-only there.

use entrain::sandbox::{Size, Uuid};

use crate::rig::Rig;

const WITHOUT_ACTIVE: &str = r#"
[[jobs.users.mappings]]
target = "active"
remove = true
[jobs.groups]
enabled = false
"#;

async fn start(users: &str) -> (Rig, Uuid) {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.configure(&format!("[jobs.users]\n{users}{WITHOUT_ACTIVE}"));
    let jane = rig.joiner("jane");
    rig.sync().await.expect(0);
    (rig, jane)
}

fn has(rig: &Rig, name: &str) -> bool {
    let found = rig.sandbox.target.find_user_by("userName", name);
    found.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_user_is_deleted_where_that_is_configured_and_active_is_not_mapped() {
    let (rig, jane) = start("when_out_of_scope = \"delete\"").await;
    rig.tenant().disable_user(jane);
    let done = rig.sync().await.expect(0).job();
    assert_eq!(done["done"]["delete"], 1, "{done:#}");
    assert!(!has(&rig, "jane@contoso.com"));
    let idle = rig.sync().await.expect(0).job();
    assert_eq!(idle["requests"]["target"], 0, "{idle:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_user_who_cannot_be_disabled_fails_with_what_to_configure() {
    for policy in ["disable", "keep"] {
        let (rig, jane) = start(&format!("when_out_of_scope = \"{policy}\"")).await;
        rig.tenant().disable_user(jane);
        rig.tenant()
            .set_property(jane, "displayName", "Jane Blocked".into());
        let failed = rig.sync().await.expect(3).job();
        let message = failed["failures"][0]["message"].to_string();
        assert!(
            message.contains("map IsSoftDeleted to active")
                && message.contains("when_out_of_scope"),
            "{failed:#}"
        );
        assert_eq!(rig.user("jane@contoso.com")["displayName"], "Jane Blocked");
        // It stays a failure, and is one no more once the user may sign in.
        rig.sync().await.expect(3);
        let check = rig.run(&["check"]).await.expect(0);
        let told = format!("{}{}", check.out, check.err);
        assert!(told.contains("IsSoftDeleted"), "{told}");
        rig.tenant().enable_user(jane);
        rig.sync().await.expect(0);
    }
}

/// The sibling: one who left the scope, and one in the recycle bin.
#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_who_cannot_be_disabled_fails_too() {
    let (rig, jane) = start("when_out_of_scope = \"disable\"").await;
    rig.tenant().unassign(jane);
    rig.sync().await.expect(3);
    rig.tenant().soft_delete_user(jane);
    rig.sync().await.expect(3);
    assert!(has(&rig, "jane@contoso.com"));
}
