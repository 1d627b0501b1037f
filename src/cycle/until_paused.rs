//! What works on a job stops when an operator pauses it, as it does when the service stops.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Agent;
use crate::engine::model::JobName;

/// How often it is looked up whether the job is paused.
const LOOK: Duration = Duration::from_secs(1);

/// An agent for one thing to do.
pub(super) struct UntilPaused {
    pub(super) agent: Agent,
    watch: JoinHandle<()>,
}

impl Agent {
    pub(super) fn until_paused(&self, job: &JobName) -> UntilPaused {
        let stop = self.stop.child_token();
        let agent = Self {
            stop: stop.clone(),
            ..self.clone()
        };
        let (store, job) = (self.store.clone(), job.clone());
        let watch = tokio::spawn(async move {
            loop {
                sleep(LOOK).await;
                let job = job.clone();
                // What is wrong with the state is an error of what runs.
                if let Ok(Some(paused)) = store.run(move |store| store.paused(&job)).await {
                    tracing::info!(
                        by = paused.by,
                        "paused: stopping after the requests in flight"
                    );
                    return stop.cancel();
                }
            }
        });
        UntilPaused { agent, watch }
    }
}

impl Drop for UntilPaused {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
