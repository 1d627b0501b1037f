//! What `Redact` marks reaches the target, and nothing else: no plan, summary, status or log.

use entrain::sandbox::{Fault, Size, Trouble};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};

const HIDDEN: &str = "[Redact]";
/// The sandbox distinguishes them from every other word.
const FIRST: &str = "E-0815-alpha";
const SECOND: &str = "E-4711-omega";
const MAPPINGS: &str = r#"[[jobs.users.mappings]]
target = "title"
expression = 'Redact([jobTitle])'

[[jobs.users.mappings]]
target = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber"
expression = 'IgnoreFlowIfNullOrEmpty(Redact([employeeId]))'
match = 2
"#;

async fn start() -> Rig {
    let rig = Rig::start(Size::new(20, 3, 40)).await;
    rig.configure(MAPPINGS);
    rig
}

/// Everything that the program said, and everything on record but what diffs are computed from.
struct Told(Vec<String>);

impl Told {
    fn hear(&mut self, run: Run) -> Run {
        self.0.push(run.out.clone());
        self.0.push(run.err.clone());
        run
    }

    async fn run(&mut self, rig: &Rig, arguments: &[&str], code: i32) -> Run {
        self.hear(rig.run(arguments).await.expect(code))
    }

    /// The log in every format, the status and the tables of the record.
    async fn everything(&mut self, rig: &Rig) {
        for format in ["text", "json", "csv"] {
            self.run(
                rig,
                &["log", "-v", "--format", format, "--limit", "1000"],
                0,
            )
            .await;
        }
        for format in ["text", "json"] {
            self.run(rig, &["status", "-v", "--format", format], 0)
                .await;
        }
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let state = rusqlite::Connection::open_with_flags(rig.path("entrain.db"), flags).unwrap();
        for table in ["actions", "requests", "escrow", "cycles", "holds"] {
            let mut statement = state.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let row: Vec<_> = (0..columns)
                    .map(|column| match row.get(column).unwrap() {
                        // Packed, with texts as they are.
                        rusqlite::types::Value::Blob(bytes) => {
                            String::from_utf8_lossy(&bytes).into_owned()
                        }
                        value => format!("{value:?}"),
                    })
                    .collect();
                self.0.push(format!("{table}: {}", row.join(", ")));
            }
        }
    }

    #[track_caller]
    fn assert_silent(&self, values: &[&str]) {
        assert!(self.0.iter().any(|text| text.contains(HIDDEN)));
        for text in &self.0 {
            for value in values {
                let lower = text.to_lowercase();
                assert!(!lower.contains(&value.to_lowercase()), "{value} in: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_value_reaches_the_target_and_no_plan_and_no_log() {
    let rig = start().await;
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "jobTitle", json!(FIRST));
    let is_jane = |one: &&Value| one["subject"]["label"] == "jane@contoso.com";

    let plan = told.run(&rig, &["plan", "--format", "json"], 0).await.job();
    let create = plan["actions"].as_array().unwrap().iter().find(is_jane);
    assert_eq!(create.unwrap()["attributes"]["title"], HIDDEN);
    let text = told.run(&rig, &["plan", "-v"], 0).await.out;
    assert!(text.contains("      title: [Redact]\n"), "{text}");
    told.run(&rig, &["sync", "-v"], 0).await;
    assert_eq!(rig.user("jane@contoso.com")["title"], FIRST);

    rig.tenant().set_property(jane, "jobTitle", json!(SECOND));
    let plan = told.run(&rig, &["plan", "--format", "json"], 0).await.job();
    assert_eq!(
        plan["actions"][0]["changes"],
        json!([{ "path": "title", "old": HIDDEN, "new": HIDDEN }])
    );
    let text = told.run(&rig, &["plan"], 0).await.out;
    assert!(text.contains("title: [Redact] → [Redact]\n"), "{text}");
    told.run(&rig, &["sync", "--format", "json"], 0).await;
    assert_eq!(rig.user("jane@contoso.com")["title"], SECOND);

    rig.tenant().set_property(jane, "jobTitle", Value::Null);
    let text = told.run(&rig, &["plan"], 0).await.out;
    assert!(text.contains("title: [Redact] → (none)\n"), "{text}");
    told.run(&rig, &["sync"], 0).await;

    let log = told.run(&rig, &["log", "--limit", "2"], 0).await.out;
    assert!(log.contains("title: [Redact] → [Redact]\n"), "{log}");
    told.everything(&rig).await;
    told.assert_silent(&[FIRST, SECOND]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_the_target_lose_redacted_values_wherever_they_go() {
    let rig = start().await;
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "jobTitle", json!(FIRST));
    let error = |status: u16| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(),
            "detail": format!("'{}' is already in use", FIRST.to_lowercase()),
        });
        Trouble::body(status, &body.to_string())
    };
    let inject = |fault: Fault| rig.sandbox.target.traffic().inject(fault);
    rig.configure(&format!("{MAPPINGS}\n[jobs.groups]\nenabled = false"));
    told.run(&rig, &["sync"], 0).await;

    // What was sent with the request, what the target has of before, and what quotes no error.
    rig.tenant().set_property(jane, "jobTitle", json!(SECOND));
    for trouble in [
        error(409),
        error(500),
        Trouble::body(400, &format!("{} bad {FIRST}", "x".repeat(187))),
        Trouble::body(200, &format!("<p>{FIRST}</p>")),
    ] {
        inject(Fault::new("/Users", trouble).method("PATCH"));
        let run = told.run(&rig, &["sync", "-v", "--format", "json"], 3).await;
        assert_eq!(run.job()["failed"], 1, "{run:?}");
    }
    let status = told.run(&rig, &["status"], 0).await.out;
    assert!(status.contains("jane@contoso.com"), "{status}");
    inject(Fault::new("/Users", error(409)).method("PATCH"));
    let text = told.run(&rig, &["sync"], 3).await;
    assert!(
        format!("{}{}", text.out, text.err).contains("'[Redact]' is already in use"),
        "{text:?}"
    );
    told.run(&rig, &["sync"], 0).await;
    rig.tenant().set_property(jane, "jobTitle", json!(FIRST));
    told.run(&rig, &["sync"], 0).await;

    // A change of something else, and a removal, of a user who has such a value.
    rig.tenant().set_property(jane, "surname", json!("Miller"));
    inject(Fault::new("/Users", error(409)).method("PATCH"));
    told.run(&rig, &["sync"], 3).await;
    rig.tenant().unassign(jane);
    // A look-up works, so that the refusal concerns this object alone.
    inject(Fault::new("/Users", error(401)).method("PATCH"));
    told.run(&rig, &["sync", "--format", "json"], 3).await;
    told.everything(&rig).await;
    told.assert_silent(&[FIRST, SECOND, &FIRST[..8]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_escapes_a_redacted_value_is_not_quoted() {
    let rig = start().await;
    rig.configure(&format!("{MAPPINGS}\n[jobs.groups]\nenabled = false"));
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    told.run(&rig, &["sync"], 0).await;
    rig.tenant()
        .set_property(jane, "jobTitle", json!("Ö \"zebra\"/z"));
    let detail = |words: &str| json!({ "detail": words }).to_string();
    for body in [
        detail("bad query title%20eq%20%22%C3%96%20%22zebra%22%2Fz%22"),
        detail(r#"got {"title":"\u00d6 \"zebra\"\/z"}"#),
        detail("&#xD6; &quot;zebra&quot;&#x2F;z is taken"),
        r#"{"message":"\u00d6 \"zebra\"\/z is taken"}"#.to_owned(),
        "title=%C3%96+%22zebra%22%2Fz".to_owned(),
        "<p>&Ouml; &quot;zebra&quot;&#x2F;z</p>".to_owned(),
    ] {
        let fault = Fault::new("/Users", Trouble::body(400, &body)).method("PATCH");
        rig.sandbox.target.traffic().inject(fault);
        let run = told.run(&rig, &["sync"], 3).await;
        let words = "its message is not shown, because the job redacts values";
        assert!(format!("{}{}", run.out, run.err).contains(words), "{run:?}");
    }
    told.run(&rig, &["sync"], 0).await;
    told.everything(&rig).await;
    told.assert_silent(&["zebra"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn redacted_matching_values_are_not_shown_by_look_ups_adoptions_and_skips() {
    let rig = start().await;
    let mut told = Told(Vec::new());
    let path = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let put = |name: &str, number: &str| {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", path],
            "userName": name,
            "title": "Old",
            path: { "employeeNumber": number },
        });
        rig.sandbox.target.create_user(&user).unwrap();
    };
    told.run(&rig, &["sync"], 0).await;
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "employeeId", json!(FIRST));
    put("one@elsewhere.example", FIRST);
    // The look-up is refused in words that repeat it.
    let words = json!({ "detail": format!("{FIRST} is locked"), "status": "500" });
    let trouble = Trouble::body(500, &words.to_string());
    let fault = Fault::new(FIRST, trouble).method("GET").forever();
    rig.sandbox.target.traffic().inject(fault);
    for format in ["text", "json"] {
        let plan = told.run(&rig, &["plan", "--format", format], 3).await.out;
        assert!(plan.contains("[Redact] is locked"), "{plan}");
    }
    told.run(&rig, &["sync"], 3).await;
    rig.sandbox.target.traffic().clear_faults();

    // It finds one, which is adopted by it.
    let plan = told.run(&rig, &["plan", "--format", "json"], 0).await.job();
    let adopt = &plan["actions"][0];
    assert_eq!(adopt["action"], "adopt", "{plan:#}");
    assert_eq!(adopt["key"]["value"], HIDDEN);
    told.run(&rig, &["plan", "-v"], 0).await;

    // It finds several.
    put("two@elsewhere.example", FIRST);
    for format in ["text", "json"] {
        let plan = told.run(&rig, &["plan", "--format", format], 3).await.out;
        assert!(plan.contains("employeeNumber [Redact]"), "{plan}");
    }
    told.run(&rig, &["sync"], 3).await;
    told.everything(&rig).await;
    told.assert_silent(&[FIRST]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_does_not_reveal_what_is_redacted_under_another_name() {
    let rig = start().await;
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    let phones = json!([FIRST, SECOND]);
    rig.tenant().set_property(jane, "businessPhones", phones);
    rig.configure(
        "[jobs.users]\nfilters = [ { all = [ { attribute = \"businessPhones\", \
         operator = \"EQUALS\", value = \"1\" } ] } ]\n[jobs.groups]\nenabled = false\n\
         [[jobs.users.mappings]]\ntarget = \"title\"\nexpression = 'Redact([telephoneNumber])'\n",
    );
    let text = told.run(&rig, &["plan"], 0).await.out;
    assert!(text.contains("but the value is [Redact]"), "{text}");
    told.run(&rig, &["plan", "--format", "json"], 0).await;
    told.assert_silent(&[FIRST, SECOND]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_does_not_reveal_what_a_mapping_redacts() {
    let rig = start().await;
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "jobTitle", json!(FIRST));
    let filter = |operator: &str, limit: &str| {
        rig.configure(&format!(
            "[jobs.users]\nfilters = [ {{ all = [ {{ attribute = \"jobTitle\", \
             operator = \"{operator}\", value = \"E-.*\" }} ] }} ]\n\
             [jobs.safety]\nmax_deletions = {limit}\n[jobs.groups]\nenabled = false\n{MAPPINGS}"
        ));
    };
    let all = "\"100%\"";
    // Who is skipped, in both forms.
    filter("NOT REGEX MATCH", all);
    let text = told.run(&rig, &["plan"], 0).await.out;
    assert!(text.contains("but the value is [Redact]"), "{text}");
    told.run(&rig, &["plan", "--format", "json"], 0).await;

    // Who is taken out.
    filter("REGEX MATCH", all);
    told.run(&rig, &["sync"], 0).await;
    assert_eq!(rig.user("jane@contoso.com")["title"], FIRST);
    filter("NOT REGEX MATCH", "0");
    let plan = told.run(&rig, &["plan", "--format", "json"], 4).await.job();
    let held = &plan["held"]["actions"][0];
    assert_eq!(held["why"]["filters"][0]["value"], HIDDEN, "{plan:#}");
    let text = told.run(&rig, &["plan"], 4).await.out;
    assert!(text.contains("\nHeld\n"), "{text}");
    told.run(&rig, &["sync"], 4).await;
    told.run(&rig, &["status", "-v"], 0).await;
    filter("NOT REGEX MATCH", all);
    let plan = told.run(&rig, &["plan", "--format", "json"], 0).await.job();
    let mut actions = plan["actions"].as_array().unwrap().iter();
    let disable = actions.find(|one| one["action"] == "disable").unwrap();
    assert_eq!(disable["why"]["filters"][0]["value"], HIDDEN, "{plan:#}");
    let text = told.run(&rig, &["plan"], 0).await.out;
    assert!(text.contains("but the value is [Redact]"), "{text}");
    told.run(&rig, &["sync"], 0).await;
    told.everything(&rig).await;
    told.assert_silent(&[FIRST]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_another_user_is_taken_out_of_the_targets_words_everywhere() {
    let rig = start().await;
    rig.configure(&format!("{MAPPINGS}\n[jobs.groups]\nenabled = false"));
    let mut told = Told(Vec::new());
    let jane = rig.joiner("jane");
    rig.tenant().set_property(jane, "jobTitle", json!(FIRST));
    told.run(&rig, &["sync"], 0).await;

    // One that was sent before, and one that is sent in the same cycle, of others each.
    let words = |value: &str| {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": "422",
            "detail": format!("not as long as somebody has '{value}'"),
        });
        Trouble::body(422, &body.to_string())
    };
    let john = rig.joiner("john");
    rig.tenant().set_property(john, "jobTitle", json!(SECOND));
    let jill = rig.joiner("jill");
    rig.tenant().set_property(jill, "jobTitle", json!("plain"));
    let inject = |fault: Fault| rig.sandbox.target.traffic().inject(fault);
    for value in [FIRST, SECOND] {
        inject(
            Fault::new("/Users", words(&value.to_uppercase()))
                .method("POST")
                .times(2),
        );
        let run = told.run(&rig, &["sync", "-v", "--format", "json"], 3).await;
        let message = run.job()["failures"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains("somebody has '[Redact]'"), "{message}");
    }
    inject(Fault::new("/Users", words(FIRST)).method("GET").forever());
    // No look-up is answered, so that the target is not usable.
    let sync = told.run(&rig, &["sync"], 1).await;
    assert!(sync.err.contains("somebody has '[Redact]'"), "{sync:?}");
    rig.sandbox.target.traffic().clear_faults();
    inject(Fault::new("/Users", words(FIRST)).method("GET").forever());
    let test = told.run(&rig, &["test"], 1).await;
    assert!(test.out.contains("somebody has '[Redact]'"), "{test:?}");
    told.everything(&rig).await;
    told.assert_silent(&[FIRST, SECOND]);
}
