//! What the status page shows, compared with what the commands print.

use std::time::{Duration, Instant};

use entrain::sandbox::{Fault, ROLE_USER, Size, Trouble, Uuid};
use reqwest::header::LOCATION;
use serde_json::json;

use crate::post::{Manner, Post};
use crate::rig::Rig;
use crate::web::{Site, serve_page};

/// A service after a cycle in which all went well and one with trouble: a user whom the target refuses, and
/// removals that are held. With it come a user without trouble and the one that fails.
pub(crate) async fn after_trouble(rig: &Rig) -> (Site<'_>, Uuid, Uuid) {
    serve_page(rig, "");
    rig.edit(|text| text + "[jobs.safety]\nmax_deletions = 1\n");
    let (jane, bad) = (rig.joiner("jane"), rig.joiner("bad"));
    let leavers = ["one", "two", "three"].map(|name| rig.joiner(name));
    let site = Site::after_a_cycle(rig).await;
    let id = rig.user("bad@contoso.com")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let words = json!({ "status": "400", "detail": "Titles are no longer taken" });
    let path = format!("/Users/{id}");
    let traffic = rig.sandbox.target.traffic();
    traffic.inject(Fault::new(&path, Trouble::throttled(1)));
    traffic.inject(Fault::new(&path, Trouble::body(400, &words.to_string())).forever());
    rig.tenant()
        .set_property(bad, "jobTitle", json!("Director"));
    for user in leavers {
        rig.tenant().unassign(user);
    }
    site.cycle(2).await;
    (site, jane, bad)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_takes_little_room_in_the_log() {
    let rig = Rig::start(Size::new(0, 0, 0)).await;
    serve_page(&rig, "");
    let name = |number: usize| format!("singer{number:02}");
    let singers: Vec<Uuid> = (0..14).map(|number| rig.joiner(&name(number))).collect();
    let choir = rig.tenant().add_group("Choir");
    rig.tenant().add_members(choir, &singers);
    rig.tenant().assign(choir, ROLE_USER);
    let site = Site::after_a_cycle(&rig).await;
    let path = "/log?action=add-members";
    let log = site.see(path).await.expect(200).body;
    for words in ["group, 14 members", "and 4 more", "add members to"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let is_named = |number: &usize| log.contains(&name(*number));
    assert_eq!((0..14).filter(is_named).count(), 10, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_jobs_and_cycles_show_what_status_shows() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    let (site, _, bad) = after_trouble(&rig).await;
    let overview = site.see("/").await.expect(200).body;
    let status = rig.run(&["status", "--format", "json"]).await.job();
    let linked = status["linked"]["users"].as_u64().unwrap();
    let tile = format!("<b class=\"\">{linked}</b><span>users linked</span>");
    assert!(overview.contains(&tile), "{tile} {overview}");
    for words in [
        "demo needs attention.",
        "held for approval",
        "1 user fails; they are retried automatically.",
    ] {
        assert!(overview.contains(words), "{words}: {overview}");
    }

    let job = site.see("/jobs/demo").await.expect(200).body;
    for words in [
        "entrain approve demo --cycle",
        "Held until approved",
        "Objects that fail",
        "bad@contoso.com",
        "status 400",
        "Titles are no longer taken",
        "Next retry",
        "<svg class=\"bars\"",
        "href=\"/cycles/2\"",
    ] {
        assert!(job.contains(words), "{words}: {job}");
    }
    assert!(job.contains(&format!("href=\"/people/{bad}\"")), "{job}");

    let cycle = site.see("/cycles/1").await.expect(200).body;
    for words in ["jane@contoso.com", "It succeeded: ", "Create"] {
        assert!(cycle.contains(words), "{words}: {cycle}");
    }
    let cycle = site.see("/cycles/2").await.expect(200).body;
    for words in [
        "bad@contoso.com",
        "3 changes were held",
        "Titles are no longer taken",
    ] {
        assert!(cycle.contains(words), "{words}: {cycle}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_pages_of_people_show_what_log_and_explain_show() {
    let rig = Rig::start(Size::new(20, 3, 30)).await;
    let (site, jane, bad) = after_trouble(&rig).await;
    let log = site.see("/log").await.expect(200).body;
    assert!(
        log.contains("jane@contoso.com") && log.contains("bad@contoso.com"),
        "{log}"
    );
    for (query, has_jane, has_bad) in [
        ("action=create", true, true),
        ("status=failed", false, true),
        ("action=update&job=demo", false, true),
        ("object=JANE@contoso.com", true, false),
        ("cycle=1&action=create", true, true),
        ("cycle=2", false, true),
        ("job=other", false, false),
        ("before=1", false, false),
    ] {
        let log = site.see(&format!("/log?{query}")).await.expect(200).body;
        let rows = log.split("<main").nth(1).unwrap();
        let rows = rows.split("</form>").nth(1).unwrap();
        assert_eq!(
            rows.contains("jane@contoso.com"),
            has_jane,
            "{query}: {rows}"
        );
        assert_eq!(rows.contains("bad@contoso.com"), has_bad, "{query}: {rows}");
    }

    let found = site.see("/people?q=jane@contoso.com").await.expect(303);
    assert_eq!(found.header(LOCATION), format!("/people/{jane}"));
    let none = site
        .see("/people?q=jame@contoso.com")
        .await
        .expect(200)
        .body;
    assert!(
        none.contains("Did you mean") && none.contains("jane@contoso.com"),
        "{none}"
    );
    let person = site.see(&format!("/people/{jane}")).await.expect(200).body;
    for words in [
        "Has access to the application: in scope.",
        "assigned directly",
        "Engineer",
        "Nothing is sent for it.",
        "Everything on record",
        "create",
    ] {
        assert!(person.contains(words), "{words}: {person}");
    }
    let person = site.see(&format!("/people/{bad}")).await.expect(200).body;
    assert!(person.contains("Update has failed since"), "{person}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_paged_and_no_entry_is_left_out() {
    let rig = Rig::start(Size::new(230, 0, 0)).await;
    serve_page(&rig, "");
    let site = Site::after_a_cycle(&rig).await;
    let mut path = "/log?status=succeeded".to_owned();
    let mut names = std::collections::BTreeSet::new();
    let mut pages = 0;
    loop {
        let page = site.see(&path).await.expect(200).body;
        let before = names.len();
        names.extend(
            page.split("href=\"/people/")
                .skip(1)
                .map(|rest| rest.split('"').next().unwrap().to_owned()),
        );
        assert!(names.len() > before, "{path}");
        pages += 1;
        let Some((_, next)) = page.split_once("rel=\"next\" href=\"") else {
            break;
        };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    assert!(pages >= 2, "{pages}");
    assert_eq!(names.len(), rig.sandbox.target.user_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn names_from_outside_are_harmless_on_every_page() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    serve_page(&rig, "");
    let name = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}";
    let user = json!({
        "userPrincipalName": "markup@contoso.com",
        "displayName": name,
        "mailNickname": "\"><svg onload=alert(3)>",
    });
    let user = rig.tenant().add_user(user.as_object().unwrap().clone());
    rig.tenant().assign(user, ROLE_USER);
    let site = Site::after_a_cycle(&rig).await;
    let mut shown = 0;
    for path in [
        "/".to_owned(),
        "/jobs/demo".to_owned(),
        "/log".to_owned(),
        "/cycles/1".to_owned(),
        format!("/people/{user}"),
        "/people?q=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "/log?object=%22%3E%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "/sign-in?to=%22%3E%3Cscript%3E".to_owned(),
    ] {
        let page = site.see(&path).await.body;
        assert!(page.matches("<script").count() <= 1, "{path}: {page}");
        for bad in ["<img", "<svg on", "\u{202e}", "onerror=alert(2)>"] {
            assert!(!page.contains(bad), "{path} {bad}: {page}");
        }
        shown += page.matches("&lt;script&gt;alert(1)").count();
    }
    assert!(shown > 3, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_that_wait_are_on_the_page_with_the_servers_words() {
    let post = Post::start().await;
    post.behave(Manner::Refuses);
    let rig = Rig::start(Size::new(12, 2, 12)).await;
    rig.edit(|text| {
        text + &format!(
            "[notify.mail]\nserver = \"127.0.0.1\"\nport = {}\nencryption = \"none\"\n\
             from = \"entrain@example.com\"\nto = [\"it@example.com\"]\n",
            post.port
        )
    });
    let (site, ..) = after_trouble(&rig).await;
    let begun = Instant::now();
    let page = loop {
        let page = site.see("/").await.expect(200).body;
        if page.contains("550 5.1.1 no such user here") {
            break page;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for words in [
        "1 notification not delivered yet",
        "it@example.com",
        "entrain test --notify",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    post.behave(Manner::Takes);
    let status = rig.run(&["status"]).await.expect(0);
    assert!(
        status.err.contains("550 5.1.1 no such user here"),
        "{status:?}"
    );
}
