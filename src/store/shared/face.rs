//! What others ask of a state that agents share; where none share it, each of these does nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{About, Agents, Failed, Lease, PAUSE, Shared, TABLES, agents, snapshot};
use crate::engine::model::{JobName, SourceNumber};
use crate::engine::record::Registered;
use crate::http::Gate;
use crate::store::{Error, Store};

/// How far back a failover may have lost something.
const LOST: TimeDelta = TimeDelta::minutes(10);

impl Store {
    /// Joins the agents that share the state; `None` where none do. Only for the process that holds the lock of
    /// the copy, and for a second time only when nothing is under way any more.
    pub(crate) fn join(&self, about: &About) -> Result<Option<Arc<Agents>>, Error> {
        self.shared
            .as_ref()
            .map(|shared| shared.join(about))
            .transpose()
    }

    /// This agent among the others, once it has joined.
    pub(crate) fn joined(&self) -> Option<Arc<Agents>> {
        self.shared.as_ref().and_then(Shared::agents)
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Open while requests may be sent.
    pub(crate) fn gate(&self) -> Gate {
        let agents = self.joined();
        agents.map_or_else(Gate::default, |agents| agents.gate())
    }

    /// Brings this machine's copy up to what other agents did. A database that restarts is waited for.
    pub(crate) fn follow(&self) -> Result<(), Error> {
        self.follow_within(
            self.shared
                .as_ref()
                .map_or(Duration::ZERO, |shared| shared.settings.lease),
        )
    }

    /// The same for who looks often, and must not be kept waiting.
    pub(crate) fn follow_now(&self) -> Result<(), Error> {
        self.follow_within(Duration::ZERO)
    }

    fn follow_within(&self, limit: Duration) -> Result<(), Error> {
        if let Some(shared) = &self.shared {
            self.check_identity()?;
            shared.follow(limit).map_err(Error::of_copy)?;
        }
        Ok(())
    }

    /// Now and then, so that a new copy need not follow many changes.
    pub(crate) fn compact(&self) -> Result<(), Error> {
        self.shared.as_ref().map_or(Ok(()), Shared::compact)
    }

    /// After a failover of the database, what was written last is not believed: perhaps its record was lost.
    pub(crate) fn heed_failover(&self, now: DateTime<Utc>) -> Result<(), Error> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        let failed = |failed| Error::database(&shared.settings, failed);
        let timeline = shared.link.ask("look for a failover", |client| {
            let sql = format!(
                "SELECT {0} FROM head WHERE timeline <> {0}",
                snapshot::TIMELINE
            );
            let other = client.query_opt(&sql, &[])?;
            Ok(other.map(|row| row.get::<_, String>(0)))
        });
        let Some(timeline) = timeline.map_err(failed)? else {
            return Ok(());
        };
        tracing::warn!(
            "the database failed over to another server: what was written last is read in the targets"
        );
        self.read_recent(now - LOST)?;
        let noted = shared.link.ask("note the failover", move |client| {
            client.execute("UPDATE head SET timeline = $1", &[&timeline])?;
            Ok(())
        });
        noted.map_err(failed)
    }

    /// Waits until no other agent reads this source. At once where none shares the state.
    pub(crate) async fn begin_reading(&self, source: SourceNumber) -> Result<Reading, Error> {
        let Some(agents) = self.joined() else {
            return Ok(Reading {
                agents: None,
                source,
            });
        };
        loop {
            let taking = Arc::clone(&agents);
            let taken =
                tokio::task::spawn_blocking(move || taking.take(&Lease::Reading(source))).await;
            if taken.unwrap_or_else(|_| Err(Failed::crashed()))?.is_ok() {
                self.follow()?;
                return Ok(Reading {
                    agents: Some(agents),
                    source,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tables of other programs in the schema of a state that agents share; they are left alone.
    pub(crate) fn foreign_tables(&self) -> Result<(String, Vec<String>), Error> {
        let Some(shared) = &self.shared else {
            return Ok((String::new(), Vec::new()));
        };
        let schema = shared.settings.schema.clone();
        let found = shared.link.ask("look for other tables", |client| {
            let rows = client.query(
                "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                 WHERE nspname = current_schema() AND relkind IN ('r', 'p', 'v', 'm', 'f')
                     AND relname <> ALL ($1) ORDER BY 1",
                &[&TABLES.as_slice()],
            )?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        });
        let found = found.map_err(|failed| Error::database(&shared.settings, failed))?;
        Ok((schema, found))
    }

    /// All agents on record; `None` where no agents share the state.
    pub(crate) fn agents(&self) -> Result<Option<Vec<Registered>>, Error> {
        let Some(shared) = &self.shared else {
            return Ok(None);
        };
        let found = agents::registered(&shared.link);
        found
            .map(Some)
            .map_err(|failed| Error::database(&shared.settings, failed))
    }
}

impl Shared {
    /// The configuration of each job that was loaded last, where the agent that loaded it runs.
    pub(in crate::store) fn configurations(&self) -> Result<BTreeMap<JobName, String>, Error> {
        let found = self.link.ask("look up the configurations", |client| {
            let rows = client.query(
                "SELECT name, configuration FROM leases
                 WHERE configuration IS NOT NULL AND EXISTS (
                     SELECT 1 FROM agents WHERE id = configured_by AND NOT fenced
                         AND renewed + lease_ms * interval '1 millisecond' >= clock_timestamp())",
                &[],
            )?;
            let named = rows
                .iter()
                .map(|row| (JobName::new(row.get::<_, &str>(0)), row.get(1)));
            Ok(named.collect())
        });
        found.map_err(|failed| Error::database(&self.settings, failed))
    }
}

/// No other agent reads the source while it lives.
pub(crate) struct Reading {
    agents: Option<Arc<Agents>>,
    source: SourceNumber,
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(agents) = &self.agents {
            // Where this fails, it ends with the lease of the agent.
            let _ = agents.give(&[Lease::Reading(self.source)]);
        }
    }
}
