//! Importing the schema of an Entra provisioning job, and exporting it again, through the commands.

use std::fmt::Write as _;
use std::fs;

use entrain::sandbox::Size;
use serde_json::{Value, json};

use crate::rig::Rig;

const SAMPLE: &str =
    include_str!("../../src/config/entra/samples/synchronization-schema-scim-assembled.json");

/// The sample with nothing in it that the preset `generic` does not have.
fn sample_like_the_preset() -> String {
    let mut schema: Value = serde_json::from_str(SAMPLE).unwrap();
    // The application is that of the sandbox, which is filled in.
    schema.as_object_mut().unwrap().remove("@odata.context");
    schema["id"] = json!("scim");
    let users = &mut schema["synchronizationRules"][0]["objectMappings"][1];
    users["scope"] = Value::Null;
    users["attributeMappings"]
        .as_array_mut()
        .unwrap()
        .retain(|mapping| {
            let target = mapping["targetAttributeName"].as_str().unwrap();
            target != "userType" && !target.contains("CustomExtensionName")
        });
    schema.to_string()
}

impl Rig {
    /// A configuration of the sandbox with this job in place of its own, placeholders filled in.
    fn configure_imported(&self, job: &str) {
        self.edit(|text| {
            let (source, _) = text.split_once("[[jobs]]").unwrap();
            let mut config = source.to_owned();
            let app_id = self.sandbox.app_id();
            let base_url = self.sandbox.scim_url();
            for line in job.lines() {
                let _ = if line.starts_with("# application =") {
                    writeln!(config, "application = {{ app_id = \"{app_id}\" }}")
                } else if line.starts_with("# base_url =") {
                    writeln!(config, "base_url = \"{base_url}\"")
                } else if line.starts_with("# token =") {
                    writeln!(config, "token = {{ file = \"token\" }}")
                } else {
                    writeln!(config, "{line}")
                };
            }
            config
        });
    }

    /// The plan's entry for its only job, without the count of requests.
    async fn planned(&self) -> Value {
        let mut plan = self.plan().await.expect(0).job();
        assert!(plan["incomplete"].is_null(), "{plan:#}");
        plan.as_object_mut().unwrap().remove("requests");
        plan
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_job_plans_what_the_preset_plans() {
    let rig = Rig::start(Size::new(60, 6, 200)).await;
    let preset = rig.planned().await;
    assert!(preset["actions"].as_array().unwrap().len() > 30);

    fs::write(rig.path("schema.json"), sample_like_the_preset()).unwrap();
    let run = rig.run(&["import", "schema.json", "--job", "demo"]).await;
    let run = run.expect(0);
    assert!(run.err.contains("Everything was converted."), "{run:?}");
    assert!(
        run.err
            .contains("entrain clears the target's and Entra leaves it"),
        "{run:?}"
    );
    rig.configure_imported(&run.out);
    rig.run(&["check"]).await.expect(0);
    assert_eq!(rig.planned().await, preset);

    // What is exported of it, imported again, is the same job.
    let exported = rig.run(&["export", "demo", "--entra-schema"]).await;
    fs::write(rig.path("again.json"), exported.expect(0).out).unwrap();
    let again = rig.run(&["import", "again.json", "--job", "demo"]).await;
    rig.configure_imported(&again.expect(0).out);
    assert_eq!(rig.planned().await, preset);
    let sync = rig.sync().await.expect(0).job();
    assert_eq!(sync["failed"], 0, "{sync:#}");

    // Over one state, too: what is emptied, renamed or blocked, and nothing besides.
    let people: Vec<_> = rig.tenant().users_in_scope().into_iter().take(12).collect();
    for (number, person) in people.into_iter().enumerate() {
        let tenant = rig.tenant();
        let done = match number % 3 {
            0 => tenant.set_property(person, "mobilePhone", Value::Null),
            1 => tenant.set_property(person, "surname", json!("Renamed")),
            _ => tenant.disable_user(person),
        };
        assert!(done);
    }
    let imported = rig.planned().await["actions"].clone();
    rig.configure("");
    let preset = rig.planned().await["actions"].clone();
    assert_eq!(imported, preset);
    assert!(preset.as_array().unwrap().len() > 4, "{preset:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_ends_with_the_code_that_says_what_happened() {
    let rig = Rig::start(Size::new(10, 1, 1)).await;
    let mut schema: Value = serde_json::from_str(SAMPLE).unwrap();
    let users = &mut schema["synchronizationRules"][0]["objectMappings"][1];
    users["attributeMappings"][3]["source"] = json!({ "expression": "[shoeSize]" });
    fs::write(rig.path("odd.json"), schema.to_string()).unwrap();
    fs::write(rig.path("empty.json"), r#"{"synchronizationRules":[]}"#).unwrap();
    fs::write(rig.path("broken.json"), "{\n  \"id\": ]").unwrap();

    let run = rig.run(&["import", "odd.json", "--format", "json"]).await;
    let run = run.expect(0);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["format"], 1);
    let toml = document["job_toml"].as_str().unwrap();
    assert!(toml.contains("# { target = \"title\", source = \"shoeSize\" }"));
    assert_eq!(
        document["not_carried_over"][0]["where"],
        "users, mapping of title"
    );
    assert_eq!(document["not_carried_over"][0]["what"], "[shoeSize]");
    assert!(run.err.contains("Not converted (1):"), "{}", run.err);
    let differs = document["differs"][0].as_str().unwrap();
    assert!(differs.contains("on_empty"), "{differs}");

    let to_file = ["import", "odd.json", "--output", "job.toml"];
    let written = rig.run(&to_file).await.expect(0);
    assert!(
        written
            .out
            .contains("Wrote the job customappsso to job.toml")
    );
    assert_eq!(fs::read_to_string(rig.path("job.toml")).unwrap(), toml);
    let refused = rig.run(&to_file).await.expect(2);
    assert!(refused.err.contains("not overwritten"), "{}", refused.err);

    let to_dash = ["import", "odd.json", "--output", "-"];
    assert_eq!(rig.run(&to_dash).await.expect(0).out, toml);
    assert!(!rig.path("-").exists());

    let rules = r#"{"synchronizationRules":[
  {"name":"USER","objectMappings":"#;
    for (file, cut) in [
        ("names.json", r#""System.Object[]""#),
        (
            "members.json",
            r#"["@{attributeMappings=System.Object[]; enabled=True}"]"#,
        ),
        (
            "graph.json",
            r#"["Microsoft.Graph.PowerShell.Models.MicrosoftGraphObjectMapping"]"#,
        ),
    ] {
        fs::write(rig.path(file), format!("{rules}{cut}}}]}}")).unwrap();
        let run = rig.run(&["import", file]).await.expect(2);
        assert!(
            run.err.contains("cut off at line 2") && run.err.contains("-Depth"),
            "{run:?}"
        );
    }
    for (file, code, word) in [
        ("empty.json", 1, "no synchronization rule"),
        ("broken.json", 2, "at line 2, column 9"),
        ("missing.json", 2, "cannot be read"),
        (".", 2, "cannot be read"),
    ] {
        let run = rig.run(&["import", file]).await.expect(code);
        assert!(run.err.contains(word) && run.out.is_empty(), "{run:?}");
    }
    let name = rig.run(&["import", "odd.json", "--job", "my job"]).await;
    assert!(name.expect(2).err.contains("cannot be a job's name"));
    rig.run(&["export", "demo"]).await.expect(2);
    rig.run(&["export", "nobody", "--entra-schema"])
        .await
        .expect(2);
}
