//! Several tenants in one configuration: each job reads its own, and what is wrong with one keeps no job of another
//! from its cycle.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use entrain::sandbox::{
    Fault, GraphQuirk, Options, ROLE_USER, Sandbox, Size, TenantHandle, Trouble, Uuid,
};
use serde_json::{Value, json};

use crate::rig::{Rig, Run};
use crate::service::{Service, until};

const NORTH: &str = "north";
const SOUTH: &str = "south";

/// The tenants `south`, of the rig, and `north`; each with a job of the same name, for a target of its own.
pub(crate) struct Two {
    pub(crate) rig: Rig,
    pub(crate) north: Sandbox,
}

impl Two {
    async fn start() -> Self {
        Self::of(Size::new(30, 3, 30), Size::new(20, 2, 20)).await
    }

    /// With tenants of these sizes, the southern one first.
    pub(crate) async fn of(south: Size, north: Size) -> Self {
        let rig = Rig::start(south).await;
        let options = Options {
            seed: 8,
            size: north,
            ..Options::default()
        };
        let north = Sandbox::start(options).await.unwrap();
        let two = Self { rig, north };
        let secrets = [
            ("north-secret", two.north.client_secret()),
            ("north-token", two.north.scim_token()),
        ];
        for (name, secret) in secrets {
            fs::write(two.rig.path(name), secret).unwrap();
            fs::set_permissions(two.rig.path(name), Permissions::from_mode(0o600)).unwrap();
        }
        two
    }

    async fn configured() -> Self {
        let two = Self::start().await;
        two.configure();
        two
    }

    /// Makes the only source one of two, and gives the new one a job.
    pub(crate) fn configure(&self) {
        let north = &self.north;
        self.rig.edit(|text| {
            let (head, job) = text.split_once("[[jobs]]").unwrap();
            let head = head.replace("[source]", "[[sources]]\nname = \"south\"");
            let (before, section) = head.split_at(head.find("[[sources]]").unwrap());
            let source = section
                .replace(SOUTH, NORTH)
                .replace("file = \"secret\"", "file = \"north-secret\"")
                .replace(
                    &self.rig.tenant().tenant_id().to_string(),
                    &north.tenant_id(),
                )
                .replace(&self.rig.sandbox.client_id(), &north.client_id())
                .replace(&self.rig.sandbox.login_url(), &north.login_url())
                .replace(&self.rig.sandbox.graph_url(), &north.graph_url());
            let job = job.replace("\"demo\"", "\"south\"\nsources = [\"south\"]");
            let other = job
                .replace(SOUTH, NORTH)
                .replace("file = \"token\"", "file = \"north-token\"")
                .replace(&self.rig.sandbox.app_id(), &north.app_id())
                .replace(&self.rig.sandbox.scim_url(), &north.scim_url());
            format!("{before}{section}\n{source}\n[[jobs]]{job}\n[[jobs]]{other}")
        });
    }

    pub(crate) fn northern(&self) -> &TenantHandle {
        &self.north.tenant
    }

    /// A new person of the northern tenant who is assigned.
    pub(crate) fn northerner(&self, alias: &str) -> Uuid {
        let properties = json!({
            "userPrincipalName": format!("{alias}@contoso.com"),
            "displayName": alias,
            "givenName": "Nils",
            "surname": alias,
            "mailNickname": alias,
            "mail": format!("{alias}@mail.contoso.com"),
        });
        let id = self
            .northern()
            .add_user(properties.as_object().unwrap().clone());
        self.northern().assign(id, ROLE_USER);
        id
    }

    fn southern_user(&self, name: &str) -> Option<Value> {
        let name = format!("{name}@contoso.com");
        self.rig.sandbox.target.find_user_by("userName", &name)
    }

    fn northern_user(&self, name: &str) -> Option<Value> {
        let name = format!("{name}@contoso.com");
        self.north.target.find_user_by("userName", &name)
    }

    fn targets(&self) -> [(Vec<Value>, Vec<Value>); 2] {
        [&self.rig.sandbox.target, &self.north.target]
            .map(|target| (target.users(), target.groups()))
    }

    /// Each target has the users of its own tenant.
    #[track_caller]
    fn holds_its_own(&self) {
        for sandbox in [&self.rig.sandbox, &self.north] {
            let own = sandbox.tenant.users();
            let users = sandbox.target.users();
            assert!(users.len() > 10);
            for user in users {
                let name = &user["externalId"];
                let is_own = own
                    .iter()
                    .any(|own| own.properties["mailNickname"] == *name);
                assert!(is_own, "{user}");
            }
        }
    }

    pub(crate) fn reset_traffic(&self) {
        for sandbox in [&self.rig.sandbox, &self.north] {
            sandbox.tenant.traffic().reset();
            sandbox.target.traffic().reset();
        }
    }

    /// How often each list of each tenant was read since the last reset.
    pub(crate) fn reads(&self) -> [[usize; 3]; 2] {
        [self.rig.tenant(), self.northern()].map(|tenant| {
            ["users/delta", "groups/delta", "appRoleAssignedTo"].map(|list| {
                tenant
                    .traffic()
                    .count_where(|exchange| exchange.path.contains(list))
            })
        })
    }
}

/// What the document says of the job of this name.
#[track_caller]
pub(crate) fn of(run: &Run, name: &str) -> Value {
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let jobs = document["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["job"] == name);
    job.unwrap_or_else(|| panic!("{name}: {run:?}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_reads_its_own_tenant_and_nothing_of_the_other() {
    let two = Two::configured().await;
    two.rig.sync().await.expect(0);
    two.holds_its_own();

    let before = two.targets();
    two.reset_traffic();
    let run = two.rig.sync().await.expect(0);
    assert_eq!(two.targets(), before);
    assert_eq!(two.reads(), [[1, 1, 1]; 2]);
    for sandbox in [&two.rig.sandbox, &two.north] {
        assert_eq!(sandbox.target.traffic().count(), 0, "{run:?}");
    }
    for name in [SOUTH, NORTH] {
        assert_eq!(of(&run, name)["evaluated"]["users"], 0, "{run:?}");
    }

    // Who comes in one tenant is evaluated by the job of that tenant alone.
    two.northerner("nora");
    let run = two.rig.sync().await.expect(0);
    assert!(two.northern_user("nora").is_some());
    assert_eq!(two.southern_user("nora"), None);
    assert_eq!(of(&run, SOUTH)["evaluated"]["users"], 0, "{run:?}");
    // One job reads one tenant.
    two.reset_traffic();
    two.rig.run(&["sync", "south", "--initial"]).await.expect(0);
    assert_eq!(two.reads(), [[1, 1, 1], [0, 0, 0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_refuses_the_sign_in_or_is_down_keeps_the_other_job_from_nothing() {
    let two = Two::configured().await;
    two.rig.sync().await.expect(0);
    let before = two.targets();
    let secret = two.north.client_secret();
    two.northern().set_client_secret("another one");
    two.northern().soft_delete_user(two.northerner("nils"));
    two.rig.joiner("jane");
    let run = two.rig.sync().await.expect(1);
    assert!(two.southern_user("jane").is_some(), "{run:?}");
    assert_eq!(two.targets()[1], before[1]);
    let error = of(&run, NORTH)["error"].to_string();
    assert!(error.contains("7000215"), "{error}");

    // What could not be read of one tenant keeps only its own removals.
    two.northern().set_client_secret(&secret);
    two.rig.sync().await.expect(0);
    let fault = Fault::new("groups/delta", Trouble::status(400)).forever();
    two.northern().traffic().inject(fault);
    let (nora, june) = (two.northerner("nora"), two.rig.joiner("june"));
    let leaver = two
        .rig
        .tenant()
        .find_user_by("userPrincipalName", "jane@contoso.com");
    two.rig.tenant().unassign(leaver.unwrap().id);
    let run = two.rig.sync().await;
    assert!(of(&run, NORTH)["incomplete"].is_string(), "{run:?}");
    assert_eq!(of(&run, SOUTH)["incomplete"], Value::Null, "{run:?}");
    assert!(two.northern_user("nora").is_some(), "{nora} {run:?}");
    assert!(two.southern_user("june").is_some(), "{june} {run:?}");
    assert_eq!(
        two.southern_user("jane").unwrap()["active"],
        false,
        "{run:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_answer_of_one_tenant_takes_nothing_from_either() {
    let two = Two::configured().await;
    two.rig.sync().await.expect(0);
    let before = two.targets();
    for quirk in [
        GraphQuirk::NoUsersInInitialRound,
        GraphQuirk::NoGroupsInInitialRound,
    ] {
        two.northern().enable(quirk);
    }
    two.northern().expire_delta_links();
    for _ in 0..2 {
        two.rig.sync().await;
        assert_eq!(two.targets(), before);
    }
    two.northern().configure(|settings| settings.quirks.clear());
    two.rig.joiner("jane");
    two.northerner("nora");
    two.rig.sync().await.expect(0);
    assert!(two.southern_user("jane").is_some());
    assert!(two.northern_user("nora").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_only_source_that_gets_a_name_is_the_same_source() {
    let two = Two::start().await;
    two.rig.edit(|text| text.replace("\"demo\"", "\"south\""));
    two.rig.sync().await.expect(0);
    let before = two.targets();
    two.rig.edit(|text| text.replace("\"south\"", "\"demo\""));
    two.configure();
    two.reset_traffic();
    let run = two
        .rig
        .run(&["sync", "south", "--format", "json"])
        .await
        .expect(0);
    assert_eq!(two.targets()[0], before[0]);
    assert_eq!(two.rig.sandbox.target.traffic().count(), 0, "{run:?}");
    let evaluated = &of(&run, SOUTH)["evaluated"];
    assert_eq!(evaluated, &json!({ "users": 0, "groups": 0 }), "{run:?}");
    assert_eq!(two.reads()[0], [1, 1, 1]);
    two.rig.sync().await.expect(0);
    assert!(two.north.target.user_count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_under_the_name_of_one_is_refused_and_the_other_job_goes_on() {
    let two = Two::configured().await;
    two.rig.sync().await.expect(0);
    let before = two.targets();
    let (north, other) = (two.north.tenant_id(), Uuid::from_u128(9).to_string());
    two.rig.edit(|text| text.replace(&north, &other));
    two.rig.joiner("jane");
    let run = two.rig.sync().await.expect(1);
    let error = of(&run, NORTH)["error"].to_string();
    let words =
        format!("this state belongs to the tenant {north}, but sources.north.tenant_id is {other}");
    assert!(error.contains(&words), "{error}");
    assert!(two.southern_user("jane").is_some());
    assert_eq!(two.targets()[1], before[1]);
    two.rig.edit(|text| text.replace(&other, &north));
    two.rig.sync().await.expect(0);

    // A job does not move to another tenant.
    two.rig
        .edit(|text| text.replace("sources = [\"north\"]", "sources = [\"south\"]"));
    let run = two.rig.sync().await.expect(1);
    let error = of(&run, NORTH)["error"].to_string();
    let words = format!("objects from the tenant {north}, which is not among its sources any more");
    assert!(error.contains(&words), "{error}");
    assert_eq!(two.targets()[1], before[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_of_the_second_tenant_is_disabled_between_cycles_also_after_a_kill() {
    let two = Two::configured().await;
    let nora = two.northerner("nora");
    let nils = two.northerner("nils");
    two.rig.sync().await.expect(0);
    two.rig
        .edit(|text| format!("{text}\n[schedule]\ninterval = \"1h\"\nleavers = \"1s\"\n"));
    let mut service = Service::start(&two.rig, &["run"]);
    let is_disabled = |name| {
        two.northern_user(name)
            .is_some_and(|user| user["active"] == false)
    };
    two.northern().disable_user(nora);
    until("nora is disabled", || is_disabled("nora")).await;
    service.kill();
    drop(service);
    two.northern().disable_user(nils);
    let _service = Service::start(&two.rig, &["run"]);
    until("nils is disabled", || is_disabled("nils")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_in_scope_of_each_tenant_is_read() {
    let two = Two::configured().await;
    two.rig
        .edit(|text| text.replace("[[sources]]", "[[sources]]\nread = \"in_scope\""));
    two.rig.sync().await.expect(0);
    two.holds_its_own();
    let before = two.targets();
    two.northerner("nora");
    two.reset_traffic();
    two.rig.sync().await.expect(0);
    assert!(two.northern_user("nora").is_some());
    assert_eq!(two.targets()[0], before[0]);
    // Back to the whole of one of them.
    two.rig
        .edit(|text| text.replacen("read = \"in_scope\"", "read = \"whole\"", 1));
    two.rig.sync().await.expect(0);
    assert_eq!(two.targets()[0], before[0]);
    let run = two.rig.run(&["status", "--format", "json"]).await.expect(0);
    let status: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(status["reading"], Value::Null);
    let strategies = status["sources"].as_array().unwrap().iter();
    let strategies: Vec<_> = strategies
        .map(|one| (&one["name"], &one["reading"]["strategy"]))
        .collect();
    let expected = [
        (&json!(SOUTH), &json!("whole")),
        (&json!(NORTH), &json!("in_scope")),
    ];
    assert_eq!(strategies, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_look_at_the_source_that_is_meant() {
    let two = Two::configured().await;
    let nora = two.northerner("nora");
    two.rig.sync().await.expect(0);
    two.rig.run(&["test"]).await.expect(0);
    for more in [&[][..], &["--source", "north"]] {
        let arguments = [&["source", "show", "nora", "--format", "json"], more].concat();
        let run = two.rig.run(&arguments).await.expect(0);
        let seen: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(seen["id"], nora.to_string());
    }
    let run = two
        .rig
        .run(&["source", "show", "nora", "--source", "south"])
        .await
        .expect(2);
    assert!(run.err.contains("has no user or group"), "{run:?}");
    let run = two
        .rig
        .run(&["source", "show", "nora", "--source", "norht"])
        .await
        .expect(2);
    assert!(run.err.contains("did you mean \"north\"?"), "{run:?}");
    // A snapshot of all of them stands in for each.
    let arguments = ["source", "snapshot", "all.json", "--format", "json"];
    let run = two.rig.run(&arguments).await.expect(0);
    let written: Value = serde_json::from_str(&run.out).unwrap();
    let tenants = [
        two.rig.tenant().tenant_id().to_string(),
        two.north.tenant_id(),
    ];
    assert_eq!(written["tenants"], json!(tenants));
    let plan = ["plan", "--source", "all.json", "--format", "json"];
    let run = two.rig.run(&plan).await.expect(0);
    for name in [SOUTH, NORTH] {
        assert_eq!(of(&run, name)["actions"], json!([]), "{run:?}");
    }

    // A snapshot stands in for its own tenant.
    let arguments = ["source", "snapshot", "north.json", "--source", "north"];
    two.rig.run(&arguments).await.expect(0);
    let arguments = [
        "plan",
        "north",
        "--source",
        "north.json",
        "--format",
        "json",
    ];
    let run = two.rig.run(&arguments).await.expect(0);
    assert_eq!(run.job()["actions"], json!([]), "{run:?}");
    let run = two
        .rig
        .run(&["plan", "south", "--source", "north.json"])
        .await
        .expect(1);
    assert!(
        run.err
            .contains("does not contain the source south of job south"),
        "{run:?}"
    );

    // A user of one tenant is none of the other's.
    two.rig.run(&["explain", "north", "nora"]).await.expect(0);
    let run = two.rig.run(&["provision", "south", "nora"]).await.expect(2);
    assert!(run.err.contains("nora"), "{run:?}");
}
