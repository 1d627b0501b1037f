//! Plans as text and as JSON.

use super::*;

#[test]
fn a_plan_says_every_change_in_the_order_in_which_it_is_made() {
    let review = reviewed(actions(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.
    Planned on 1970-01-01 00:00 UTC.

    Disables
      - disable user lee@contoso.com, because it does not pass scoping filter 1: department EQUALS "Sales", but the value is "Support"
          active: true → false

    Users
      + create user jane@contoso.com
          in scope through: assigned directly; Sales > EMEA > Berlin
          title: ""
          userName: "jane@contoso.com"
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: bob@contoso.com
      ~ adopt user kim@contoso.com, found by userName "kim@contoso.com" (id t3); it is as it should be
      ~ update user bob@contoso.com
          title: "Clerk" → (none)
          active: (none) → true
      + enable user eve@contoso.com
          active: false → true

    Memberships to add
      group Sales: + 12 members (may@contoso.com, id-of-m2, id-of-m3, id-of-m4, id-of-m5, id-of-m6, id-of-m7, id-of-m8, id-of-m9, id-of-m10 and 2 more)

    References
      ~ update user eve@contoso.com
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: (none) → jane@contoso.com

    Memberships to remove
      group Support: - 1 member (bob@contoso.com)

    Deletes
      - delete user max@contoso.com, because it was deleted in the tenant

    Plan: 1 to create, 1 to update, 1 to disable, 1 to delete, 1 to adopt, 1 to enable, 12 memberships to add, 1 membership to remove, 1 reference to change.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn a_plan_in_detail_also_says_what_is_created_and_every_member() {
    let mut actions = actions();
    actions.retain(|action| {
        matches!(
            action,
            Action {
                operation: Operation::Create { .. },
                ..
            } | Action {
                operation: Operation::AddMembers { .. },
                ..
            }
        )
    });
    insta::assert_snapshot!(plan_text(&reviewed(actions, Vec::new(), 500), DETAILS), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.
    Planned on 1970-01-01 00:00 UTC.

    Users
      + create user jane@contoso.com
          in scope through: assigned directly; Sales > EMEA > Berlin
          title: ""
          userName: "jane@contoso.com"
          urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: bob@contoso.com

    Memberships to add
      group Sales: + 12 members (may@contoso.com, id-of-m2, id-of-m3, id-of-m4, id-of-m5, id-of-m6, id-of-m7, id-of-m8, id-of-m9, id-of-m10, id-of-m11, id-of-m12)

    Plan: 1 to create, 0 to update, 0 to disable, 0 to delete, 12 memberships to add.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn an_empty_plan_says_that_there_are_no_changes() {
    let review = reviewed(Vec::new(), Vec::new(), 500);
    insta::assert_snapshot!(plan_text(&review, Style::default()), @r##"
    Plan of wizer
    Initial cycle: 1,234 users and 2 groups evaluated, 5 users and 1 group in scope.
    6 users and 2 groups linked.
    Planned on 1970-01-01 00:00 UTC.

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn held_removals_are_shown_with_what_to_do_about_them() {
    let review = reviewed(actions(), Vec::new(), 0);
    let text = plan_text(&review, Style::default());
    let held = text.split_once("Held\n").unwrap().1;
    insta::assert_snapshot!(held, @r##"
      1 disable or delete of a blocked or deleted user is planned, and the job's limit is 0 in 24 hours (safety.max_deletions).
      1 disable or delete of another user is planned, and the job's limit is 0 in 24 hours (safety.max_deletions).
      1 removal of a member is planned, and the job's limit is 0 in 24 hours (safety.max_membership_removals).
      - disable user lee@contoso.com, because it does not pass scoping filter 1: department EQUALS "Sales", but the value is "Support"
          active: true → false
      group Support: - 1 member (bob@contoso.com)
      - delete user max@contoso.com, because it was deleted in the tenant
      None of these 3 removals is applied until approved: entrain approve wizer

    Plan: 1 to create, 1 to update, 0 to disable, 0 to delete, 1 to adopt, 1 to enable, 12 memberships to add, 1 reference to change, 3 removals held.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn every_reason_is_a_sentence() {
    let review = reviewed(Vec::new(), skipped(), 500);
    let text = plan_text(&review, Style::default());
    let skipped = text.split_once("Skipped").unwrap().1;
    insta::assert_snapshot!(skipped, @r##"
      · user u0: it is not assigned, neither directly nor through a group
      · user u1: it holds no role but Default Access
      · user u2: it is named in scope.exclude
      · user u3: the job does not provision users
      · user u4: it does not pass the scoping filter "Sellers": department EQUALS "Sales", but it has no value; it does not pass scoping filter 2: city EQUALS "Rome", but the value is "Oslo"
      · user u5: sign-in is blocked and it does not exist in the target, so it is not created
      · user u6: every matching attribute is empty in the source, so it cannot be looked up in the target
      · user u7: an expression skips it (IgnoreObjectFlow)
      ✗ user u8: 2 objects in the target have userName "kim@contoso.com": ids t1, t2; only one may
      ✗ user u9: the target object that has userName "kim@contoso.com" (id t1) is linked to may@contoso.com (id-of-may@contoso.com) already; if it is the account of this user, run: entrain links relink JOB USER t1
      ✗ user u10: bob@contoso.com (id-of-bob@contoso.com) has userName "kim@contoso.com" too, but it must be unique in the target: change one of them, or match by another attribute
      ✗ user u11: its mapping failed: title: the value is a list
      · user u12: the job's actions do not allow to create
      · user u13: it would be removed, because it is in the tenant's recycle bin, but when_out_of_scope is "keep"
      ✗ user u14: it should be disabled, because sign-in is blocked, but no mapping writes that to the target: map IsSoftDeleted to active, or set when_out_of_scope = "delete"
      · user u15: it would be removed, because it is no longer in the tenant, but the scope is not certain
      ✗ user u16: the look-up in the target failed: HTTP 500: \u{1b}[2J\u{202e}
      · user u17: the target does not accept groups without members (group_create), and none of its members is there yet

    No changes. Plan: 0 to create, 0 to update, 0 to disable, 0 to delete, 6 objects failing, 12 skipped.
    4 requests to the source, 1 to the target; nothing was changed.
    "##);
}

#[test]
fn the_rest_of_the_tenant_is_counted_unless_it_is_requested() {
    let everybody = (0..30)
        .map(|number| Skipped {
            subject: user(&format!("u{number}")),
            why: Why::OutOfScope(WhyOut::NotAssigned),
        })
        .collect();
    let review = reviewed(Vec::new(), everybody, 500);
    let short = plan_text(&review, Style::default());
    assert!(short.contains("30 objects that are not in scope (-v lists them)"));
    assert!(!short.contains("user u7"));
    assert!(plan_text(&review, DETAILS).contains("user u29: it is not assigned"));
}

#[test]
fn nothing_that_a_name_holds_reaches_the_terminal_unescaped() {
    let nasty = "\u{1b}[31mroot\u{7}\r\n\u{202e}\u{200b}\u{9b}2J";
    let actions = vec![
        Action {
            subject: user(nasty),
            target: None,
            operation: Operation::Create {
                attributes: BTreeMap::from([(path("userName"), Value::text(nasty))]),
                references: Vec::new(),
                keys: Vec::new(),
                via: vec![Via::Groups(vec![nasty.to_owned()])],
            },
        },
        Action {
            subject: group(nasty),
            target: Some(target(nasty)),
            operation: Operation::Delete {
                why: WhyRemoved::Deleted,
                proof: Proof::on_record(),
            },
        },
    ];
    let text = plan_text(&reviewed(actions, Vec::new(), 500), DETAILS);
    for character in text.chars().filter(|character| *character != '\n') {
        assert!(!character.is_control(), "{text:?}");
        assert!(!"\u{202e}\u{200b}".contains(character), "{text:?}");
    }
}

#[test]
fn json_holds_every_action_with_its_fields() {
    let review = reviewed(actions(), Vec::new(), 500);
    let document = json(|document| document.plan(&view(&review)).unwrap());
    assert_eq!(document["format"], 1);
    let plan = &document["jobs"][0];
    assert_eq!(plan["job"], "wizer");
    let words: Vec<_> = plan["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "disable",
            "create",
            "adopt",
            "update",
            "enable",
            "add-members",
            "set-reference",
            "remove-members",
            "delete"
        ]
    );
    let update = &plan["actions"][3];
    insta::assert_snapshot!(update, @r##"
    {"action":"update","changes":[{"new":null,"old":"Clerk","path":"title"},{"new":true,"old":null,"path":"active"}],"step":"users","subject":{"id":"id-of-bob@contoso.com","kind":"user","label":"bob@contoso.com"},"target":"t2"}
    "##);
    let members = &plan["actions"][5]["members"];
    assert_eq!(members.as_array().unwrap().len(), 12);
    insta::assert_snapshot!(members[0], @r##"{"id":"id-of-may@contoso.com","label":"may@contoso.com","target":null}"##);
    insta::assert_snapshot!(members[1], @r##"{"id":"id-of-m2","label":"id-of-m2","target":null}"##);
    assert_eq!(plan["actions"][7]["members"][0]["target"], "t2");
    assert_eq!(plan["actions"][0]["step"], "disables");
    assert_eq!(plan["actions"][0]["why"]["reason"], "filter");
    assert_eq!(plan["actions"][8]["step"], "deletes");
    assert_eq!(plan["totals"]["add-members"], 12);
    assert_eq!(plan["held"], Json::Null);
}

#[test]
fn a_reference_that_is_redacted_stays_redacted() {
    let hidden = vec![Action {
        subject: user("eve@contoso.com"),
        target: Some(target("t4")),
        operation: Operation::SetReference {
            path: path(MANAGER),
            old: Some(HeldReference {
                target: target(REDACTED),
                source: None,
            }),
            new: Pointer::To(Referenced::to(Key::default())),
        },
    }];
    let review = reviewed(hidden, Vec::new(), 500);
    let text = plan_text(&review, Style::default());
    assert!(text.contains("manager: [Redact] → [Redact]"), "{text}");
    let document = json(|document| document.plan(&view(&review)).unwrap());
    let new = &document["jobs"][0]["actions"][0]["new"];
    insta::assert_snapshot!(new, @r##"{"id":"[Redact]","label":"[Redact]","target":null}"##);
}

#[test]
fn a_plan_that_cannot_be_read_is_an_error_and_not_a_shorter_plan() {
    let review = reviewed(Vec::new(), Vec::new(), 500);
    let view = PlanView {
        rows: &Unreadable,
        ..view(&review)
    };
    let error = text::plan(&mut Vec::new(), &view, Style::default()).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
    let mut out = Vec::new();
    let mut document = Document::begin(&mut out).unwrap();
    let error = document.plan(&view).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
}

#[test]
fn json_holds_what_is_held_and_what_is_skipped() {
    let review = reviewed(actions(), skipped(), 0);
    let document = json(|document| {
        document.plan(&view(&review)).unwrap();
        document.error(&JobName::new("b"), "no").unwrap();
    });
    let plan = &document["jobs"][0];
    assert_eq!(plan["held"]["reason"], "too-many-deletions");
    assert_eq!(plan["held"]["actions"].as_array().unwrap().len(), 3);
    assert_eq!(plan["skipped"].as_array().unwrap().len(), skipped().len());
    assert_eq!(plan["skipped"][8]["failure"], true);
    assert_eq!(plan["skipped"][8]["targets"][1], "t2");
    assert_eq!(plan["skipped"][9]["by"], "id-of-may@contoso.com");
    assert_eq!(plan["skipped"][15]["detail"], "missing");
    assert_eq!(document["jobs"][1]["error"], "no");
}
