//! Cycles against the sandbox, through the agent's own face.

use std::fs;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Agent, Options};
use crate::config;
use crate::engine::summary::Summary;
use crate::sandbox::{self, Sandbox, Size};
use crate::store::Store;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

struct Rig {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Rig {
    async fn start(size: Size) -> Self {
        let sandbox = Sandbox::start(sandbox::Options {
            size,
            ..sandbox::Options::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("secret"), sandbox.client_secret()).unwrap();
        fs::write(path("token"), sandbox.scim_token()).unwrap();
        let text = format!(
            r#"
[source]
tenant_id = "{}"
client_id = "{}"
client_secret = {{ file = "{}" }}
login_url = "{}"
graph_url = "{}"

[[jobs]]
name = "demo"
preset = "generic"
application = {{ app_id = "{}" }}

[jobs.target]
base_url = "{}"
token = {{ file = "{}" }}
"#,
            sandbox.tenant_id(),
            sandbox.client_id(),
            path("secret").display(),
            sandbox.login_url(),
            sandbox.graph_url(),
            sandbox.app_id(),
            sandbox.scim_url(),
            path("token").display(),
        );
        fs::write(path("entrain.toml"), text).unwrap();
        Self { sandbox, folder }
    }

    async fn sync(&self) -> Summary {
        let config = config::load(&self.folder.path().join("entrain.toml"));
        let config = config
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        let store = Store::open(&config.state_path).unwrap();
        let job = config.jobs[0].clone();
        let agent = Agent::new(
            Arc::new(config),
            Arc::new(store),
            CancellationToken::new(),
            now,
        )
        .unwrap();
        let progress = watch::Sender::default();
        let summary = agent.run(&job, &Options::default(), &progress).await;
        summary.unwrap_or_else(|error| panic!("{}", error.chain()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_second_cycle_sends_nothing() {
    let rig = Rig::start(Size::new(200, 20, 1000)).await;
    let first = rig.sync().await;
    assert_eq!(first.failed, 0, "{first:#?}");
    let second = rig.sync().await;
    assert_eq!(second.requests.target, 0, "{second:#?}");
    rig.sync().await;
    assert_eq!(rig.sandbox.target.traffic().overlaps().len(), 0);
}
