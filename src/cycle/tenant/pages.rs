//! Pages of the tenant on their way to the state.

use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

use crate::cycle::Error;
use crate::engine::model::SourceChange;
use crate::store::{self, PageLink, Store, Stream};

/// Pages that are read and not committed yet. Each commit writes to pages of the state that are far
/// apart, so that many small ones would write far more than they bring. Where few objects are known, so are few
/// such pages: commits begin small, which keeps memory small, and grow with what was read.
pub(super) struct Pages {
    store: Arc<Store>,
    stream: Stream,
    changes: Vec<SourceChange>,
    /// Objects that were committed before.
    passed: usize,
    members: usize,
    /// Behind the last page.
    link: Option<PageLink>,
    commit: Option<JoinHandle<Result<(), store::Error>>>,
}

impl Pages {
    const OBJECTS: RangeInclusive<usize> = 1_000..=4_000;
    const MEMBERS: usize = 20_000;

    pub(super) fn new(store: Arc<Store>, stream: Stream) -> Self {
        Self {
            store,
            stream,
            changes: Vec::new(),
            passed: 0,
            members: 0,
            link: None,
            commit: None,
        }
    }

    pub(super) fn add(&mut self, changes: Vec<SourceChange>, link: PageLink) {
        let members = changes.iter().map(|change| change.members.len());
        self.members += members.sum::<usize>();
        self.changes.extend(changes);
        self.link = Some(link);
    }

    pub(super) fn are_many(&self) -> bool {
        let objects = (self.passed / 10).clamp(*Self::OBJECTS.start(), *Self::OBJECTS.end());
        self.changes.len() >= objects || self.members >= Self::MEMBERS
    }

    /// Begins to commit what was read, after what was read before it.
    pub(super) async fn commit(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        self.committed().await?;
        let Some(link) = self.link.take() else {
            return Ok(());
        };
        let (store, stream) = (Arc::clone(&self.store), self.stream);
        let changes = mem::take(&mut self.changes);
        self.passed += changes.len();
        self.members = 0;
        self.commit = Some(tokio::spawn(async move {
            let commit = move |store: &Store| store.commit_page(stream, &changes, link, now);
            store.run(commit).await.map(drop)
        }));
        Ok(())
    }

    pub(super) async fn committed(&mut self) -> Result<(), Error> {
        if let Some(commit) = self.commit.take() {
            commit.await.map_err(|_| Error::RecorderLost)??;
        }
        Ok(())
    }
}
