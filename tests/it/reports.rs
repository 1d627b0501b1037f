//! Reports that `plan` writes to files: a page, Markdown, a table.

use std::fs;

use entrain::sandbox::{ROLE_USER, Size};
use serde_json::{Value, json};

use crate::foreign::{in_browser, loudly};
use crate::rig::Rig;

const EVERY_FORM: [&str; 7] = ["plan", "--out", "a.html", "--out", "a.md", "--out", "a.csv"];

fn read(rig: &Rig, name: &str) -> String {
    fs::read_to_string(rig.path(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_folded_with_its_number_but_not_what_is_taken_away() {
    let rig = Rig::start(Size::new(450, 1, 0)).await;
    let plan = rig.plan().await.expect(0).job();
    let creates = plan["totals"]["create"].as_u64().unwrap();
    let lines =
        |text: &str, sign: &str| text.lines().filter(|line| line.starts_with(sign)).count() as u64;
    let text = rig.run(&["plan"]).await.expect(0).out;
    assert_eq!(lines(&text, "  + create user"), 200, "{text}");
    let rest = format!(
        "  … and {} more (-v lists all, with values)",
        creates - 200 - 1
    );
    assert!(text.contains(&rest), "{text}");
    let all = rig.run(&["plan", "-v"]).await.expect(0).out;
    assert_eq!(
        lines(&all, "  + create user"),
        creates - 1,
        "one is a group"
    );
    assert!(!all.contains(" more ("), "{all}");

    rig.configure("[jobs.safety]\nmax_deletions = \"100%\"\n");
    rig.sync().await.expect(0);
    for user in rig.tenant().users() {
        rig.tenant().disable_user(user.id);
    }
    let removed = rig.plan().await.expect(0).job()["totals"]["disable"].as_u64();
    let text = rig.run(&["plan"]).await.expect(0).out;
    assert_eq!(Some(lines(&text, "  - disable user")), removed);
    assert!(removed.unwrap() > 200, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_stands_in_the_page_in_markdown_and_in_the_table() {
    let rig = Rig::start(Size::new(12, 3, 20)).await;
    let plan = rig.plan().await.expect(0).job();
    let run = rig.run(&EVERY_FORM).await.expect(0);
    assert!(run.err.contains("The report is in a.html"), "{run:?}");
    let (page, markdown, table) = (
        read(&rig, "a.html"),
        read(&rig, "a.md"),
        read(&rig, "a.csv"),
    );
    let actions = plan["actions"].as_array().unwrap();
    assert!(actions.len() > 10, "{plan:#}");
    let rows: Vec<_> = csv::Reader::from_reader(table.as_bytes())
        .into_records()
        .map(Result::unwrap)
        .collect();
    for action in actions {
        let name = action["subject"]["label"].as_str().unwrap();
        let escaped = name.replace('&', "&amp;");
        assert!(page.contains(&escaped), "{name}");
        assert!(markdown.contains(name), "{name}");
        let of_it = rows.iter().filter(|row| {
            row[2] == *action["action"].as_str().unwrap()
                && row[4] == *action["subject"]["id"].as_str().unwrap()
        });
        let attributes: Vec<&str> = of_it.map(|row| &row[7]).collect();
        match &action["attributes"] {
            Value::Object(given) => {
                for path in given.keys() {
                    assert!(
                        attributes.contains(&path.as_str()),
                        "{path}: {attributes:?}"
                    );
                }
            }
            _ => assert!(!attributes.is_empty(), "{action:#}"),
        }
    }
    // One file: nothing is loaded, and no script but the page's own can run.
    for outside in [" src=", "<link", "@import", "url(", "style=\"", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_outside_are_harmless_in_every_report() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    let hostile = [
        ("markup", "</td><script>alert(1)</script>"),
        ("formula", "=HYPERLINK(\"http://evil.example\")"),
        ("marks", "a\u{202e}b\u{0}c"),
        ("links", "[x](http://evil.example) `code` @everyone"),
    ];
    for (alias, name) in hostile {
        let user = rig.tenant().add_user(
            json!({
                "userPrincipalName": format!("{alias}@contoso.com"),
                "displayName": name,
                "mailNickname": alias,
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        rig.tenant().assign(user, ROLE_USER);
    }
    rig.run(&EVERY_FORM).await.expect(0);
    let (page, markdown, table) = (
        read(&rig, "a.html"),
        read(&rig, "a.md"),
        read(&rig, "a.csv"),
    );
    assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    assert!(page.contains("&lt;/td&gt;&lt;script&gt;alert(1)"), "{page}");
    for text in [&page, &markdown, &table] {
        assert!(!text.contains(['\u{202e}', '\u{0}']), "{text}");
    }
    // As code, which is neither a link nor a mention.
    assert!(
        markdown.contains("``\"[x](http://evil.example) `code` @everyone\"``"),
        "{markdown}"
    );
    for row in csv::Reader::from_reader(table.as_bytes()).into_records() {
        let row = row.unwrap();
        assert!(
            !row.iter()
                .any(|cell| cell.starts_with(['=', '+', '-', '@'])),
            "{row:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_nothing_says_that_nothing_would_change() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.sync().await.expect(0);
    rig.run(&EVERY_FORM).await.expect(0);
    for name in ["a.html", "a.md"] {
        let text = read(&rig, name);
        assert!(text.contains("Nothing would change: "), "{text}");
    }
    let table = read(&rig, "a.csv");
    assert_eq!(table.lines().count(), 1);
    // Without the mark, Excel takes it for another encoding.
    assert!(table.starts_with("\u{feff}job,"), "{table}");
    assert!(table.ends_with(",planned\n"), "{table}");
    let text = rig.run(&["plan"]).await.expect(0).out;
    for text in [&text, &read(&rig, "a.md")] {
        assert!(text.contains("\nPlanned on 20"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_planned_stands_in_the_report_with_the_reason() {
    let rig = Rig::start(Size::new(3, 0, 0)).await;
    rig.edit(|text| {
        text.replace(
            "token = { file = \"token\" }",
            "token = { file = \"nowhere\" }",
        )
    });
    rig.run(&EVERY_FORM).await.expect(1);
    assert!(read(&rig, "a.html").contains("It could not be planned"));
    assert!(read(&rig, "a.md").contains("It could not be planned"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_an_unknown_kind_is_refused_before_any_request() {
    let rig = Rig::start(Size::new(1, 0, 0)).await;
    let run = rig.run(&["plan", "--out", "plan.pdf"]).await.expect(2);
    assert!(
        run.err
            .contains("plan.pdf: the file name must end with .html, .md or .csv"),
        "{run:?}"
    );
    let run = rig
        .run(&["plan", "--out", "no/such/folder/a.md"])
        .await
        .expect(1);
    assert!(run.err.contains("no/such/folder/a.md"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mapping_redacts_is_in_no_report() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.joiner("hidden");
    rig.configure(
        "[[jobs.users.mappings]]\ntarget = \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department\"\n\
         expression = 'Redact([department])'\n",
    );
    rig.run(&EVERY_FORM).await.expect(0);
    for name in ["a.html", "a.md", "a.csv"] {
        let text = read(&rig, name);
        assert!(text.contains("hidden@contoso.com"), "{name}");
        assert!(
            !text.contains("R&amp;D") && !text.contains("R&D"),
            "{name}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_accessible_searchable_and_readable_without_scripts() {
    let rig = Rig::start(Size::new(40, 4, 60)).await;
    rig.sync().await.expect(0);
    for user in rig.tenant().user_ids().into_iter().take(12) {
        rig.tenant().unassign(user);
    }
    rig.joiner("needle");
    rig.edit(|text| text + "[jobs.safety]\nmax_deletions = 1\n");
    rig.run(&EVERY_FORM).await;
    let page = rig.path("a.html").to_str().unwrap().to_owned();
    let arguments = [page, "NEEDLE engineer".to_owned()];
    let Some(seen) = in_browser("check.mjs", arguments).await else {
        return;
    };
    for view in ["light", "dark", "narrow"] {
        assert_eq!(seen["violations"][view], json!([]), "{seen:#}");
        assert_eq!(seen["overflow"][view], 0, "{view}");
    }
    assert_eq!(seen["requests"].as_array().unwrap().len(), 1, "{seen:#}");
    assert_eq!(seen["console"], json!([]));
    assert_eq!(seen["focusable"], true);
    assert_eq!(seen["found"], 1, "{seen:#}");
    assert_eq!(seen["byAction"]["create"], 1);
    let page = read(&rig, "a.html");
    assert!(seen["withoutScripts"]["text"].as_u64().unwrap() > 1_000);
    assert_eq!(seen["withoutScripts"]["filters"], false);
    assert!(page.contains("needle@contoso.com"));
}

/// The page of a plan that creates so many users, in a browser.
async fn of_many(users: usize) -> Option<Value> {
    let rig = Rig::start(Size::new(users, 0, 0)).await;
    rig.joiner("needle");
    rig.run(&["plan", "--out", "a.html"]).await.expect(0);
    let size = fs::metadata(rig.path("a.html")).unwrap().len();
    let mut arguments = vec![
        rig.path("a.html").to_str().unwrap().to_owned(),
        "needle".to_owned(),
    ];
    let folder = std::env::var_os("ENTRAIN_SCREENSHOTS");
    arguments.extend(folder.and_then(|folder| folder.into_string().ok()));
    let seen = in_browser("large.mjs", arguments).await?;
    loudly(&format!(
        "{} rows, {size} bytes, {} sheets: {} ms",
        seen["rows"], seen["sheets"], seen["took"]
    ));
    assert!(size < 60_000_000, "{size}");
    assert_eq!(seen["violations"], json!([]), "{seen:#}");
    for view in ["light", "dark", "narrow"] {
        assert_eq!(seen["overflow"][view], 0, "{view}");
    }
    assert!(seen["rows"].as_u64().unwrap() > users as u64 / 2);
    assert_eq!(seen["found"], 1, "{seen:#}");
    // A thousand entries are printed, and what a reader has searched for wherever it stands.
    let sheets = seen["sheets"].as_u64().unwrap();
    assert!((20..700).contains(&sheets), "{seen:#}");
    assert!(seen["sheetsFound"].as_u64().unwrap() < 6, "{seen:#}");
    Some(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_many_changes_is_accessible_and_prints_the_first_of_them() {
    of_many(1_100).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "100,000 users: minutes without optimization"]
async fn a_page_of_a_hundred_thousand_changes_is_accessible_and_prints() {
    let Some(seen) = of_many(100_000).await else {
        return;
    };
    let print = seen["took"]["print"].as_u64().unwrap();
    assert!(print < 60_000, "{seen:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_members_of_a_group_only_those_are_shown_that_differ() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    let fans = rig.tenant().add_group("Fans");
    rig.tenant().assign(fans, ROLE_USER);
    let first: Vec<_> = (0..4)
        .map(|number| rig.joiner(&format!("first{number}")))
        .collect();
    rig.tenant().add_members(fans, &first);
    rig.sync().await.expect(0);
    // Ten come, and one more in the change that is supposed.
    let more: Vec<_> = (0..10)
        .map(|number| rig.joiner(&format!("more{number}")))
        .collect();
    rig.tenant().add_members(fans, &more);
    rig.joiner("needle");
    let change = "add-member Fans needle@contoso.com";
    let as_json = ["plan", "--what-if", change, "--format", "json"];
    let plan = rig.run(&as_json).await.expect(0).job();
    let actions = plan["actions"].as_array().unwrap();
    let added = actions.iter().find(|one| one["action"] == "add-members");
    let added = added.unwrap();
    assert_eq!(
        added["differs"],
        json!([{ "path": "members", "there": null, "here": "needle@contoso.com" }]),
        "{plan:#}"
    );
    assert_eq!(plan["against"]["only_there"], json!([]), "{plan:#}");
    let out = ["--out", "a.html", "--out", "a.md", "--out", "a.csv"];
    let text = [&["plan", "--what-if", change], &out[..]].concat();
    let text = rig.run(&text).await.expect(0).out;
    assert!(
        text.contains("and 10 members as with the directory as it is"),
        "{text}"
    );
    for text in [
        &text,
        &read(&rig, "a.html"),
        &read(&rig, "a.md"),
        &read(&rig, "a.csv"),
    ] {
        assert!(text.contains("needle@contoso.com"), "{text}");
        assert!(!text.contains("more3@contoso.com"), "{text}");
    }
    // The other way round, what only the other plan does is named, too.
    let change = "remove-member Fans more3@contoso.com";
    let as_json = ["plan", "--what-if", change, "--format", "json"];
    let plan = rig.run(&as_json).await.expect(0).job();
    let only_there = plan["against"]["only_there"].to_string();
    assert!(
        only_there.contains("add members to group Fans: more3@contoso.com"),
        "{plan:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_against_another_configuration_shows_only_what_differs() {
    let rig = Rig::start(Size::new(14, 2, 20)).await;
    rig.sync().await.expect(0);
    let before = read(&rig, "entrain.toml");
    fs::write(rig.path("main.toml"), &before).unwrap();
    // Both would create her, and only the new mapping changes titles. Both skip him, though only a changed
    // configuration evaluates him again.
    let blocked = rig.joiner("fred");
    rig.tenant().disable_user(blocked);
    rig.sync().await.expect(0);
    rig.joiner("jane");
    let against = ["plan", "--against", "main.toml", "--format", "json"];
    let same = rig.run(&against).await.expect(0).job();
    assert_eq!(same["actions"], json!([]), "{same:#}");
    assert_eq!(same["against"]["only_there"], json!([]));
    rig.edit(|text| {
        text + "[[jobs.users.mappings]]\ntarget = \"nickName\"\nexpression = 'ToUpper([mailNickname])'\n"
    });
    let more = rig.run(&against).await.expect(0).job();
    let actions = more["actions"].as_array().unwrap();
    let updates = actions.iter().filter(|one| one["action"] == "update");
    assert!(updates.count() > 5, "{more:#}");
    assert_eq!(more["skipped"], json!([]), "{more:#}");
    // Her account would have another value, so her creation differs in it.
    assert_eq!(more["against"]["only_there"], json!([]));
    let create = actions
        .iter()
        .find(|one| one["action"] == "create")
        .unwrap();
    assert_eq!(
        create["differs"],
        json!([{ "path": "nickName", "there": null, "here": "\"JANE\"" }]),
        "{create:#}"
    );
    // The other way round, a reviewer sees that updates go away.
    let now = read(&rig, "entrain.toml");
    fs::write(rig.path("more.toml"), &now).unwrap();
    fs::write(rig.path("entrain.toml"), &before).unwrap();
    let less = ["plan", "--against", "more.toml", "--detailed-exitcode"];
    let less = rig.run(&[&less[..], &["--out", "less.md"]].concat()).await;
    assert!(!less.expect(5).out.contains("No changes"));
    let markdown = read(&rig, "less.md");
    assert!(
        markdown.contains("actions are done only with more.toml"),
        "{markdown}"
    );
    fs::write(rig.path("entrain.toml"), &now).unwrap();
    let text = rig.run(&against[..3]).await.expect(0).out;
    assert!(text.contains("Compared with main.toml"), "{text}");
    assert!(
        text.contains("create user jane@contoso.com, with other values than with main.toml\n"),
        "{text}"
    );
    assert!(
        rig.sandbox
            .target
            .find_user_by("userName", "jane@contoso.com")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_to_send_round_names_no_person_and_cannot_be_applied() {
    let rig = Rig::start(Size::new(6, 2, 8)).await;
    rig.sync().await.expect(0);
    let (jane, fred) = (rig.joiner("zebulonquax"), rig.joiner("wilhelmbrot"));
    rig.tenant().set_manager(jane, Some(fred));
    rig.tenant()
        .set_property(fred, "jobTitle", json!("Chiefbaker"));
    let group = rig.tenant().groups()[0].properties["displayName"].clone();
    let group = group.as_str().unwrap().to_owned();
    rig.tenant()
        .add_members(rig.tenant().groups()[0].id, &[jane]);
    // Its account is there already, under a name that an earlier client gave it.
    let there = json!({ "userName": "zebulonquax@contoso.com", "title": "Oldbaker" });
    rig.sandbox.target.create_user(&there);
    let files = ["p.json", "p.html", "p.md", "p.csv"];
    let out: Vec<&str> = files.iter().flat_map(|file| ["--out", file]).collect();
    let run = rig
        .run(&[&["plan", "--redact", "-v"], &out[..]].concat())
        .await
        .expect(0);
    assert!(run.err.contains("it cannot be applied"), "{run:?}");
    let json = rig
        .run(&["plan", "--redact", "--format", "json"])
        .await
        .expect(0);
    let mut told = vec![run.out, run.err, json.out, json.err];
    told.extend(files.map(|file| fs::read_to_string(rig.path(file)).unwrap()));
    let plain = rig.plan().await.expect(0).out;
    for text in &told {
        let lower = text.to_lowercase();
        for name in ["zebulonquax", "wilhelmbrot", "chiefbaker", "oldbaker"] {
            assert!(plain.to_lowercase().contains(name), "{name}");
            assert!(!lower.contains(name), "{name}: {text}");
        }
    }
    let all = told.concat();
    assert!(all.contains(&group), "{group}");
    assert!(all.contains("R&D"), "departments stay");
    // The same person has the same pseudonym in each of them.
    let document: Value = serde_json::from_str(&told[2]).unwrap();
    let actions = document["jobs"][0]["actions"].as_array().unwrap();
    let create = actions
        .iter()
        .find(|one| one["action"] == "create")
        .unwrap();
    let label = create["subject"]["label"].as_str().unwrap();
    assert!(label.ends_with("@contoso.com"), "{label}");
    for text in [&told[0], &told[4], &told[5], &told[6], &told[7]] {
        assert!(text.contains(label), "{label}: {text}");
    }
    let run = rig.run(&["apply", "p.json"]).await.expect(1);
    assert!(run.err.contains("it was saved with --redact"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_cycle_that_failed_shows_what_is_linked() {
    let rig = Rig::start(Size::new(12, 3, 20)).await;
    let first = rig.sync().await.expect(0).job();
    fs::write(rig.path("secret"), "another").unwrap();
    rig.run(&["sync"]).await.expect(1);
    let report = rig.run(&["report", "--format", "json"]).await.expect(0);
    let report = report.job();
    assert_eq!(report["state"], "failed", "{report:#}");
    assert_eq!(report["linked"], first["linked"], "{report:#}");
    let written = rig.run(&["report", "--out", "failed.md"]).await.expect(0);
    for text in [written.out, read(&rig, "failed.md")] {
        let linked = |kind: &str| first["linked"][kind].as_u64().unwrap();
        let (users, groups) = (linked("users"), linked("groups"));
        let linked = format!("{users} users and {groups} groups linked at its end");
        assert!(text.contains(&linked), "{text}");
        assert!(!text.contains("evaluated"), "{text}");
    }
}
