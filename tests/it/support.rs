//! The support bundle: what helps is in it, and neither a secret nor a person.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;

use entrain::sandbox::{Size, Trouble};
use serde_json::{Value, json};

use crate::rig::Rig;

/// The files of a bundle by their names.
fn parts(rig: &Rig, name: &str) -> BTreeMap<String, String> {
    let mut zip = zip::ZipArchive::new(File::open(rig.path(name)).unwrap()).unwrap();
    let names = zip.file_names().map(|name| name.unwrap().into_owned());
    let names: Vec<String> = names.collect();
    let read = names.into_iter().map(|name| {
        let mut text = String::new();
        zip.by_name(&name)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        (name, text)
    });
    read.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_has_neither_a_secret_nor_a_person() {
    let rig = Rig::start(Size::new(8, 2, 10)).await;
    rig.edit(|text| {
        format!(
            "# comment-zebulonquax\n{text}\n[jobs.safety]\nnever_disable = [\"zebulonquax@contoso.com\"]\n\
             [[jobs.users.mappings]]\ntarget = 'phoneNumbers[type eq \"mobile\"].value'\nsource = \"mobilePhone\"\n\
             [[notify.webhooks]]\nname = \"ops\"\nurl = {{ file = \"hook\" }}\n"
        )
    });
    let hook = "https://hooks.example.com/planted-hook-secret";
    fs::write(rig.path("hook"), hook).unwrap();
    let user = rig.joiner("zebulonquax");
    let properties = [
        ("displayName", "Zebulon Quaxburg"),
        ("givenName", "Zebulon"),
        ("surname", "Quaxburg"),
        ("mobilePhone", "+49 555 0815471"),
        ("jobTitle", "Chiefbaker"),
    ];
    for (name, value) in properties {
        rig.tenant().set_property(user, name, json!(value));
    }
    // The target repeats whom it refuses.
    let words = "zebulonquax@contoso.com (Zebulon Quaxburg) is not welcome";
    let body = json!({ "status": "400", "detail": words }).to_string();
    let fault = entrain::sandbox::Fault::new("/Users", Trouble::body(400, &body));
    rig.sandbox
        .target
        .traffic()
        .inject(fault.method("POST").forever());
    rig.sync().await.expect(3);
    rig.sandbox.target.traffic().clear_faults();
    let (token, secret) = (rig.sandbox.scim_token(), rig.sandbox.client_secret());
    let log = format!(
        "2026-11-28T10:00:00Z WARN job=demo Zebulon Quaxburg could not be created\n\
         Authorization: Bearer {token}\nwith {secret} at {hook}\n\
         {{\"level\":\"WARN\",\"user\":\"zebulonquax@contoso.com\",\"phone\":\"+49 555 0815471\"}}\n\
         mail from stranger@fabrikam.com\n"
    );
    fs::write(rig.path("service.log"), log).unwrap();

    let bundle = ["support-bundle", "b.zip", "--log", "service.log"];
    let run = rig
        .run(&[&bundle[..], &["--list"]].concat())
        .await
        .expect(0);
    assert!(run.out.contains("configuration.json"), "{run:?}");
    assert!(!rig.path("b.zip").exists());
    let run = rig.run(&bundle).await.expect(0);
    assert!(
        run.err.contains("The support bundle is in b.zip"),
        "{run:?}"
    );
    let parts = parts(&rig, "b.zip");
    for name in [
        "versions.json",
        "configuration.json",
        "state.json",
        "status.json",
        "cycles.json",
        "log.jsonl",
        "targets.json",
        "log-1.txt",
    ] {
        assert!(
            parts.contains_key(name) && run.out.contains(name),
            "{name}: {run:?}"
        );
    }
    for (name, text) in &parts {
        let lower = text.to_lowercase();
        for planted in [
            "zebulon",
            "quaxburg",
            "chiefbaker",
            "0815471",
            "stranger",
            "planted-hook",
            &token.to_lowercase(),
            &secret.to_lowercase(),
        ] {
            assert!(!lower.contains(planted), "{name} has {planted}: {text}");
        }
    }
    // What helps is there.
    assert!(
        parts["log-1.txt"].contains("could not be created"),
        "{parts:#?}"
    );
    assert!(
        parts["status.json"].contains("is not welcome"),
        "{parts:#?}"
    );
    let configuration: Value = serde_json::from_str(&parts["configuration.json"]).unwrap();
    assert_eq!(configuration["jobs"][0]["target"]["token"]["file"], "token");
    let state: Value = serde_json::from_str(&parts["state.json"]).unwrap();
    assert!(state["rows of objects"].as_i64().unwrap() > 8, "{state:#}");
    // The same person is the same everywhere.
    let escrowed: Value = serde_json::from_str(&parts["status.json"]).unwrap();
    let escrow = escrowed["jobs"][0]["escrow"].to_string();
    let line = parts["log-1.txt"].lines().nth(3).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert!(escrow.contains(line["user"].as_str().unwrap()), "{escrow}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_used_is_bundled_with_what_is_wrong() {
    let rig = Rig::start(Size::new(2, 0, 0)).await;
    rig.edit(|text| text.replace("token = { file = \"token\" }", "token = \"planted-secret\""));
    rig.run(&["support-bundle", "b.zip"]).await.expect(0);
    let parts = parts(&rig, "b.zip");
    assert!(parts["problems.txt"].contains("target.token"), "{parts:#?}");
    assert!(
        !format!("{parts:?}").contains("planted-secret"),
        "{parts:#?}"
    );
}
