//! Cycles against the sandbox, through the agent's own face.

mod announced;
mod renewal;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Agent, Options};
use crate::config;
use crate::engine::summary::Summary;
use crate::sandbox::{self, Sandbox, Size};
use crate::store::Store;
use crate::store::testing::state_in;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

struct Rig {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Rig {
    async fn start(size: Size) -> Self {
        Self::start_with(size, sandbox::Options::default().seed).await
    }

    async fn start_with(size: Size, seed: u64) -> Self {
        let sandbox = Sandbox::start(sandbox::Options {
            seed,
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

[jobs.safety]
max_deletions = "100%"
max_membership_removals = "100%"
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

    fn agent(&self, stop: &CancellationToken) -> (Agent, config::Job) {
        let config = config::load(&self.folder.path().join("entrain.toml"));
        let mut config = config
            .unwrap_or_else(|problems| panic!("{problems}"))
            .config;
        config.state = state_in(self.folder.path());
        let store = Store::open(&config.state).unwrap();
        let job = config.jobs[0].clone();
        let agent = Agent::new(Arc::new(config), Arc::new(store), stop.clone(), now);
        (agent.unwrap(), job)
    }

    async fn sync(&self) -> Summary {
        let (agent, job) = self.agent(&CancellationToken::new());
        let progress = watch::Sender::default();
        let summary = agent
            .run(&job, &Options::default(), &progress, agent.due(&job))
            .await;
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
    assert_eq!(rig.sandbox.target.traffic().overlaps().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_written_is_no_clean_stop() {
    let rig = Rig::start(Size::new(200, 0, 0)).await;
    rig.sandbox
        .target
        .configure(|target| target.latency = Duration::from_millis(20));
    let stop = CancellationToken::new();
    let (agent, job) = rig.agent(&stop);
    let progress = watch::Sender::default();
    let options = Options::default();
    let breaking = async {
        while rig.sandbox.target.user_count() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let state = rusqlite::Connection::open(rig.folder.path().join("entrain.db")).unwrap();
        state.busy_timeout(Duration::from_secs(5)).unwrap();
        state.execute_batch("DROP TABLE actions").unwrap();
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(
        agent.run(&job, &options, &progress, agent.due(&job)),
        breaking
    );
    let error = ran.expect_err("outcomes are missing from the state");
    assert!(error.concerns_state(), "{}", error.chain());
}
