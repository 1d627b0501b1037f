//! A tenant of the sandbox, a target of any make, a config that joins them, and the program itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use entrain::sandbox::{Options, ROLE_USER, Sandbox, Size, TenantHandle, Uuid};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::database;
use crate::foreign::{Foreign, Kind};
use crate::target::View;

/// Everything a test needs; the target is the sandbox's own unless it is a foreign one.
pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) foreign: Option<Foreign>,
    folder: TempDir,
    /// The section of the state; empty: it is a file.
    state: String,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// The document's entry for its only job.
    #[track_caller]
    pub(crate) fn job(&self) -> Value {
        let document: Value = serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"));
        document["jobs"][0].clone()
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

impl Rig {
    pub(crate) async fn start(size: Size) -> Self {
        Self::of(7, size).await
    }

    /// A tenant that depends on the seed.
    pub(crate) async fn of(seed: u64, size: Size) -> Self {
        Self::with_target(seed, size, None).await
    }

    /// `None` where the foreign server cannot be had; it said so loudly.
    pub(crate) async fn against(kind: Kind, size: Size) -> Option<Self> {
        let foreign = Foreign::start(kind)?;
        Some(Self::with_target(7, size, Some(foreign)).await)
    }

    async fn with_target(seed: u64, size: Size, foreign: Option<Foreign>) -> Self {
        let sandbox = Sandbox::start(Options {
            seed,
            size,
            ..Options::default()
        })
        .await
        .unwrap();
        let rig = Self {
            sandbox,
            foreign,
            folder: tempfile::tempdir().unwrap(),
            state: database::everywhere()
                .map_or_else(String::new, |database| database.section("entrain.db", "")),
        };
        let key = (!rig.state.is_empty()).then(|| ("state-key", database::KEY.to_owned()));
        let secrets = [
            ("secret", rig.sandbox.client_secret()),
            ("token", rig.target_token()),
        ];
        for (name, secret) in secrets.into_iter().chain(key) {
            fs::write(rig.path(name), secret).unwrap();
            fs::set_permissions(rig.path(name), Permissions::from_mode(0o600)).unwrap();
        }
        rig.configure("");
        rig
    }

    /// Writes the config: the one job `demo`, with `extra` lines behind it.
    pub(crate) fn configure(&self, extra: &str) {
        let base_url = match &self.foreign {
            Some(foreign) => foreign.base_url.clone(),
            None => self.sandbox.scim_url(),
        };
        let text = format!(
            r#"{state}[source]
tenant_id = "{tenant}"
client_id = "{client}"
client_secret = {{ file = "secret" }}
login_url = "{login}"
graph_url = "{graph}"

[[jobs]]
name = "demo"
preset = "generic"
application = {{ app_id = "{app}" }}

[jobs.target]
base_url = "{base_url}"
token = {{ file = "token" }}
timeout = "{timeout}"
visibility_delay = "0s"

{extra}
"#,
            state = self.state,
            tenant = self.sandbox.tenant_id(),
            client = self.sandbox.client_id(),
            login = self.sandbox.login_url(),
            graph = self.sandbox.graph_url(),
            app = self.sandbox.app_id(),
            // What is not settled is waited for so long.
            timeout = if self.foreign.is_some() { "30s" } else { "5s" },
        );
        fs::write(self.path("entrain.toml"), text).unwrap();
    }

    /// Changes the text of the config.
    pub(crate) fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.path("entrain.toml")).unwrap();
        fs::write(self.path("entrain.toml"), change(text)).unwrap();
    }

    /// What is read of users and groups from now on.
    pub(crate) fn reads(&self, what: &str) {
        self.edit(|text| {
            let lines = text.lines().filter(|line| !line.starts_with("read = "));
            let text: Vec<&str> = lines.collect();
            let section = format!("[source]\nread = \"{what}\"");
            text.join("\n").replace("[source]", &section)
        });
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn tenant(&self) -> &TenantHandle {
        &self.sandbox.tenant
    }

    /// A new person who is assigned.
    pub(crate) fn joiner(&self, alias: &str) -> Uuid {
        let properties = json!({
            "userPrincipalName": format!("{alias}@contoso.com"),
            "displayName": alias,
            "givenName": "Jo",
            "surname": alias,
            "mailNickname": alias,
            "mail": format!("{alias}@mail.contoso.com"),
            "jobTitle": "Engineer",
            "department": "R&D",
        });
        let Value::Object(properties) = properties else {
            unreachable!("it is an object")
        };
        let id = self.tenant().add_user(properties);
        self.tenant().assign(id, ROLE_USER);
        id
    }

    /// The user of this name in the sandbox's target.
    #[track_caller]
    pub(crate) fn user(&self, name: &str) -> Value {
        let user = self.sandbox.target.find_user_by("userName", name);
        user.unwrap_or_else(|| panic!("{name} is not in the target"))
    }

    fn target_token(&self) -> String {
        match &self.foreign {
            Some(foreign) => foreign.token.clone(),
            None => self.sandbox.scim_token(),
        }
    }

    /// Everything that the target holds.
    pub(crate) async fn target(&self) -> View {
        match &self.foreign {
            Some(foreign) => View::new(&foreign.users().await, &foreign.groups().await),
            None => View::new(&self.sandbox.target.users(), &self.sandbox.target.groups()),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entrain"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("ENTRAIN_CONFIG")
            .env("NO_COLOR", "1")
            // Sentences stay on one line, so that tests find them.
            .env("COLUMNS", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        let child = self.command(arguments).spawn().unwrap();
        Self::finish(child).await
    }

    pub(crate) async fn finish(child: Child) -> Run {
        let output = tokio::task::spawn_blocking(|| child.wait_with_output());
        let output = output.await.unwrap().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) async fn sync(&self) -> Run {
        self.run(&["sync", "--format", "json"]).await
    }

    pub(crate) async fn plan(&self) -> Run {
        self.run(&["plan", "--format", "json"]).await
    }
}
