//! The status page in a real browser: accessible in light, dark and narrow, live with scripts and readable
//! without.

use std::env;
use std::ffi::OsString;
use std::time::Duration;

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::foreign;
use crate::rig::Rig;
use crate::web::{Site, serve_page};
use crate::web_pages::after_trouble;

/// Where screenshots are put, where someone wants to see them.
const SCREENSHOTS: &str = "ENTRAIN_SCREENSHOTS";

/// What a browser makes of the pages.
async fn in_browser(site: &Site<'_>, paths: &[String]) -> Option<Value> {
    let folder = env::var_os(SCREENSHOTS).unwrap_or_else(|| "-".into());
    let address = format!("http://{}", site.address);
    let mut arguments: Vec<OsString> = vec![address.into(), site.token.clone().into(), folder];
    arguments.extend(paths.iter().map(OsString::from));
    foreign::in_browser("site.mjs", arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_readable_without_scripts() {
    let rig = Rig::start(Size::new(60, 6, 120)).await;
    let (site, jane, bad) = after_trouble(&rig).await;
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Director"));
    for cycle in 3..6 {
        rig.joiner(&format!("more{cycle}"));
        site.cycle(cycle).await;
    }
    let paths = [
        "/".to_owned(),
        "/jobs/demo".to_owned(),
        "/log".to_owned(),
        "/log?object=none".to_owned(),
        "/cycles/1".to_owned(),
        "/cycles/2".to_owned(),
        "/people".to_owned(),
        format!("/people/{jane}"),
        format!("/people/{bad}"),
        "/jobs/none".to_owned(),
    ];
    let Some(seen) = in_browser(&site, &paths).await else {
        return;
    };
    assert_eq!(seen["violations"], json!([]), "{seen:#}");
    assert_eq!(seen["overflow"], json!([]), "{seen:#}");
    assert_eq!(seen["elsewhere"], json!([]), "{seen:#}");
    let console = seen["console"].as_array().unwrap();
    let console: Vec<&Value> = console
        .iter()
        .filter(|line| !line.as_str().unwrap().contains("status of 404"))
        .collect();
    assert!(console.is_empty(), "{seen:#}");
    for path in &paths {
        assert_eq!(seen["focusable"][path], "skip", "{path}");
        let readable = seen["withoutScripts"][path].as_u64().unwrap();
        assert!(readable > 40, "{path}: {readable}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_is_watched_in_a_browser_to_its_end() {
    let rig = Rig::start(Size::new(2_000, 0, 0)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(50));
    serve_page(&rig, "");
    let site = Site::start(&rig).await;
    let Some(seen) = in_browser(&site, &["/".to_owned(), "watch".to_owned()]).await else {
        return;
    };
    let words = seen["watched"]["seen"].as_array().unwrap();
    let words: Vec<&str> = words.iter().map(|one| one.as_str().unwrap()).collect();
    assert!(
        words.iter().any(|one| one.starts_with("Applying: ")),
        "{seen:#}"
    );
    let after = seen["watched"]["after"].as_str().unwrap();
    assert!(after.contains("The job is healthy."), "{seen:#}");
    let linked = rig.sandbox.target.user_count().to_string();
    let linked = format!("{},{}", &linked[..1], &linked[1..]);
    assert!(after.contains(&linked), "{linked}: {seen:#}");
}
