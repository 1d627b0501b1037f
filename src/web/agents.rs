//! The agents that share the state, as the pages show them: read from the database at most every few seconds, however
//! many pages are open, and never waited for long.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::readers;
use crate::engine::record::Registered;
use crate::scheduler::View;

/// For so long what was read is shown.
const AGE: Duration = Duration::from_secs(3);
/// A page does not wait longer for the database.
const LONGEST: Duration = Duration::from_secs(2);

/// What was read, or why it could not be.
pub(super) type Known = Arc<Result<Vec<Registered>, String>>;

#[derive(Default)]
pub(super) struct Agents(Mutex<Option<(Instant, Known)>>);

impl Agents {
    /// `None`: the state is a file, and one agent runs all jobs.
    pub(super) async fn known(&self, view: &View) -> Option<Known> {
        view.config().state.database.as_ref()?;
        let mut last = self.0.lock().await;
        if let Some((at, known)) = &*last
            && at.elapsed() < AGE
        {
            return Some(Arc::clone(known));
        }
        let view = view.clone();
        let read = tokio::task::spawn_blocking(move || view.agents());
        let known = match timeout(LONGEST, read).await {
            Ok(Ok(Ok(agents))) => Ok(agents.unwrap_or_default()),
            Ok(Ok(Err(error))) => Err(readers::Error::from(error).to_string()),
            Ok(Err(broken)) => Err(broken.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        };
        let known = Arc::new(known);
        *last = Some((Instant::now(), Arc::clone(&known)));
        Some(known)
    }
}
