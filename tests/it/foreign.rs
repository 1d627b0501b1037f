//! SCIM servers that we did not write, as targets for our tests. `tests/targets/README.md` says what
//! they are; here they are installed on first use, started on a port of their own, and stopped.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Set to 1, a program that is not there fails the test that needs it.
const REQUIRE: &str = "ENTRAIN_REQUIRE_FOREIGN";
/// Where the programs are installed, unless near the build output.
const FOLDER: &str = "ENTRAIN_FOREIGN_DIR";
/// How long a server may take until it listens, on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);
const TOKEN: &str = "foreign-target-token";
/// Each server allows at least this many resources in one page, or returns fewer.
const PAGE: usize = 100;

/// One installation at a time; the others would only wait for the lock of `install.sh`.
static INSTALLATION: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Strict and complete; written in Python.
    Scim2Server,
    /// Lax and with surprises; written in JavaScript.
    Scimmy,
    /// Drops what its models do not have, and changes only a part of it by PATCH; written in Python.
    DjangoScim2,
    /// A part of a library for sign-in; written in TypeScript.
    BetterAuth,
}

/// A running server with an empty store.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) base_url: String,
    pub(crate) token: String,
    http: reqwest::Client,
    program: Program,
}

/// A program that listens on a port. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) port: u16,
    child: Child,
    /// It ends with its standard input, so also when this process dies without a drop.
    _stdin: ChildStdin,
    folder: TempDir,
}

impl Program {
    /// Waits until it prints `port N`.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let (tx, rx) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            // Read to the end, or the server would one day wait for its reader.
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(port) = line.strip_prefix("port ") {
                    // The test may have given up waiting.
                    let _ = tx.send(port.parse::<u16>().unwrap());
                }
            }
        });
        let Ok(port) = rx.recv_timeout(START_LIMIT) else {
            // Its end is certain, and so is what it wrote.
            let _ = child.kill();
            let _ = child.wait();
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("{name} does not start; it said:\n{said}");
        };
        Self {
            port,
            child,
            _stdin: stdin,
            folder,
        }
    }

    /// What it said on standard error.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Foreign {
    /// `None`, and a loud message, where the server cannot be installed here.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        let (name, base_path) = match kind {
            Kind::Scim2Server => ("scim2-server", "/v2"),
            Kind::Scimmy => ("scimmy", "/scim/v2"),
            Kind::DjangoScim2 => ("django-scim2", "/scim/v2"),
            Kind::BetterAuth => ("better-auth", "/api/auth/scim/v2"),
        };
        let home = installed(name)?;
        let mut command = match kind {
            Kind::Scim2Server | Kind::DjangoScim2 => {
                let mut command = Command::new(home.join("venv/bin/python"));
                // Nothing is written next to it.
                command.arg("-B").arg(targets().join(name).join("serve.py"));
                command
            }
            Kind::Scimmy | Kind::BetterAuth => {
                let mut command = Command::new("node");
                command.arg(home.join("app.mjs"));
                command
            }
        };
        command.env("TOKEN", TOKEN);
        let program = Program::start(name, command);
        let port = program.port;
        Some(Self {
            base_url: format!("http://127.0.0.1:{port}{base_path}"),
            token: TOKEN.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            program,
        })
    }

    pub(crate) async fn users(&self) -> Vec<Value> {
        self.list("Users").await
    }

    pub(crate) async fn groups(&self) -> Vec<Value> {
        self.list("Groups").await
    }

    /// Everything of one kind, in the server's order. Scimmy answers a page past the end with its last
    /// page again, so the end is known from the total and never by an empty page.
    async fn list(&self, endpoint: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let start = all.len() + 1;
            let url = format!(
                "{}/{endpoint}?startIndex={start}&count={PAGE}",
                self.base_url
            );
            let answer = self.http.get(url).bearer_auth(&self.token).send().await;
            let answer = answer.unwrap().error_for_status().unwrap();
            let page: Value = answer.json().await.unwrap();
            let total = page["totalResults"].as_u64().unwrap();
            let resources = page["Resources"].as_array().cloned().unwrap_or_default();
            let is_last = resources.is_empty();
            all.extend(resources);
            if all.len() as u64 >= total {
                return all;
            }
            assert!(!is_last, "{endpoint} ended at {} of {total}", all.len());
        }
    }

    /// Creates a resource past entrain, as an administrator of the target would.
    pub(crate) async fn create(&self, endpoint: &str, resource: &Value) -> Value {
        let url = format!("{}/{endpoint}", self.base_url);
        let answer = self.send(self.http.post(url), resource).await;
        assert_eq!(answer.status(), 201, "{}", self.program.log());
        answer.json().await.unwrap()
    }

    /// Replaces a resource past entrain, likewise.
    pub(crate) async fn replace(&self, endpoint: &str, resource: &Value) {
        let id = resource["id"].as_str().unwrap();
        let url = format!("{}/{endpoint}/{id}", self.base_url);
        let answer = self.send(self.http.put(url), resource).await;
        assert!(answer.status().is_success(), "{}", self.program.log());
    }

    async fn send(&self, request: RequestBuilder, resource: &Value) -> Response {
        let request = request
            .bearer_auth(&self.token)
            .header("Content-Type", "application/scim+json");
        request.body(resource.to_string()).send().await.unwrap()
    }
}

/// Runs a script of `tests/targets/browser`, whose result is what a real browser made of a page. `None`: it cannot be
/// installed.
pub(crate) async fn in_browser(
    script: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Option<Value> {
    let home = installed("browser")?;
    let mut check = Command::new("node");
    check
        .arg(home.join(script))
        .args(arguments)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || check.output()).await;
    let output = output.unwrap().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The folder that `tests/targets/install.sh` made for `name`, made now if need be. `None`, and a loud
/// message, where that fails.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let folder = env::var_os(FOLDER).map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("foreign"),
        PathBuf::from,
    );
    let outcome = {
        let _one_at_a_time = INSTALLATION.lock();
        Command::new("bash")
            .arg(targets().join("install.sh"))
            .arg(name)
            .env(FOLDER, &folder)
            .stdin(Stdio::null())
            .output()
    };
    let said = match outcome {
        Ok(output) if output.status.success() => return Some(folder.join(name)),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(err) => format!("bash cannot be started: {err}"),
    };
    assert!(
        env::var_os(REQUIRE).is_none_or(|value| value != "1"),
        "{name} cannot be installed, and {REQUIRE} is set:\n{said}"
    );
    skipped(&format!("{name}, which cannot be installed here"), &said);
    None
}

/// Says loudly that a test did not try something: not by `eprintln!`, which is swallowed when it passes.
pub(crate) fn skipped(needed: &str, why: &str) {
    let message = format!("\n##########  SKIPPED: a test needs {needed}  ##########\n{why}\n");
    loudly(&message);
}

/// On standard error, whatever becomes of the test.
pub(crate) fn loudly(message: &str) {
    std::io::stderr().write_all(message.as_bytes()).unwrap();
}

pub(crate) fn targets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets")
}

/// The helper is worth as much as what it lists: every resource, once.
async fn lists_everything_once(kind: Kind) {
    let Some(foreign) = Foreign::start(kind) else {
        return;
    };
    assert!(foreign.users().await.is_empty());
    assert!(foreign.groups().await.is_empty());
    let mut created = Vec::new();
    for number in 0..PAGE + 5 {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("person{number}@example.com"),
        });
        created.push(foreign.create("Users", &user).await["id"].clone());
    }
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Sales",
        "members": [{ "value": created[0] }],
    });
    foreign.create("Groups", &group).await;
    let mut listed: Vec<Value> = foreign
        .users()
        .await
        .iter()
        .map(|u| u["id"].clone())
        .collect();
    listed.sort_by_key(Value::to_string);
    created.sort_by_key(Value::to_string);
    assert_eq!(listed, created);
    let groups = foreign.groups().await;
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["displayName"], "Sales");
}

#[tokio::test]
async fn scim2_server_lists_everything_once() {
    lists_everything_once(Kind::Scim2Server).await;
}

#[tokio::test]
async fn scimmy_lists_everything_once() {
    lists_everything_once(Kind::Scimmy).await;
}

#[tokio::test]
async fn django_scim2_lists_everything_once() {
    lists_everything_once(Kind::DjangoScim2).await;
}

#[tokio::test]
async fn better_auth_lists_everything_once() {
    lists_everything_once(Kind::BetterAuth).await;
}
