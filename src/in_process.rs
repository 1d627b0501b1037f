//! One cycle as a future that can be dropped at any moment, as a process can be killed. Nothing in the
//! product uses it.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::cycle::{Agent, Error, Options};
use crate::report::json;
use crate::scheduler;
use crate::store::{self, Lock, Store};

/// How often it is looked whether an earlier cycle has left the state.
const PAUSE: Duration = Duration::from_millis(1);

/// What `entrain sync` does for the first job of a configuration; the summary as JSON, or what failed.
pub async fn sync(file: &Path) -> Result<String, String> {
    let loaded = config::load_alone(file).map_err(|problems| problems.to_string())?;
    let config = Arc::new(loaded.config);
    let session = Session::begin(&config)
        .await
        .map_err(|error| Error::from(error).chain())?;
    let done = cycle(&config, &session.store).await;
    done.map_err(|error| error.chain())
}

async fn cycle(config: &Arc<Config>, store: &Arc<Store>) -> Result<String, Error> {
    let stop = CancellationToken::new();
    let agent = Agent::new(Arc::clone(config), Arc::clone(store), stop, scheduler::now)?;
    agent.same_tenant().await?;
    let job = config.jobs.first().expect("a configuration has a job");
    let (options, progress) = (Options::default(), watch::Sender::default());
    let summary = agent.run(job, &options, &progress, agent.due(job)).await?;
    Ok(json::summary(&summary, None))
}

/// The state, and the lock on it.
struct Session {
    store: Arc<Store>,
    lock: Option<Lock>,
}

impl Session {
    async fn begin(config: &Config) -> Result<Self, store::Error> {
        let lock = loop {
            match Lock::acquire(&config.state.path, "sync") {
                Err(store::Error::InUse { .. }) => tokio::time::sleep(PAUSE).await,
                lock => break lock?,
            }
        };
        let store = Store::open(&config.state)?;
        store.take_over(&lock, scheduler::now())?;
        let _joined = store.join(&scheduler::about("sync", false))?;
        Ok(Self {
            store: Arc::new(store),
            lock: Some(lock),
        })
    }
}

impl Drop for Session {
    /// Transactions under way on other threads come to their end before another cycle takes over, as they do
    /// or do not in a process that is killed.
    fn drop(&mut self) {
        let (store, lock) = (Arc::clone(&self.store), self.lock.take());
        thread::spawn(move || {
            // The one of the session itself goes right after this.
            while Arc::strong_count(&store) > 1 {
                thread::sleep(PAUSE);
            }
            drop(store);
            drop(lock);
        });
    }
}
