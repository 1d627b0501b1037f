//! Which agents there are, and which of them runs what. An agent's id is given once: when its lease ended, others
//! fence it before they take anything over, and from then on none of its transactions is accepted (safety.md, 6).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use postgres::Client;

use super::division::{divide, senders};
use super::error::Failed;
use super::link::Link;
use crate::config::{self, Database};
use crate::engine::model::{JobName, SourceNumber};
use crate::engine::record::Registered;
use crate::http::{self, Gate};
use crate::os;

/// The longest time between two renewals of a lease.
const RENEWAL: Duration = Duration::from_secs(10);

/// Between two looks whether a renewal is due.
const PAUSE: Duration = Duration::from_millis(250);

/// An agent that did not renew its lease for so long is no longer listed, once nothing is its any more.
const LISTED: &str = "1 hour";

/// After this it is forgotten.
const FORGOTTEN: &str = "1 day";

/// What agents say of themselves.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) host: String,
    pub(crate) pid: u32,
    pub(crate) command: String,
    /// Whether it takes jobs that are free.
    pub(crate) shares: bool,
}

/// This agent among the others, with a connection of its own: renewals wait for no transaction.
#[derive(Debug)]
pub(crate) struct Agents {
    link: Link,
    settings: Arc<Database>,
    id: String,
    gate: Gate,
    is_lost: AtomicBool,
}

/// Renews the lease until the agent leaves or has lost it.
fn keep(agents: &Weak<Agents>) {
    let mut renewed = Instant::now();
    while let Some(agents) = agents.upgrade() {
        if agents.is_lost() {
            return;
        }
        // After a failure sooner: it may have been the connection alone.
        if renewed.elapsed() >= agents.step() && agents.renew().is_ok() {
            renewed = Instant::now();
        }
        let pause = agents.step().min(PAUSE);
        drop(agents);
        thread::sleep(pause);
    }
}

/// Something that only one agent does at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lease {
    Job(JobName),
    /// Reading a tenant.
    Reading(SourceNumber),
    /// Sending notifications.
    Notices,
}

impl Lease {
    /// No job's name begins with `@`.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Job(job) => job.as_str().to_owned(),
            Self::Reading(SourceNumber::FIRST) => "@reading".to_owned(),
            Self::Reading(source) => format!("@reading-{}", source.get()),
            Self::Notices => "@notices".to_owned(),
        }
    }
}

/// What an agent runs, of what it asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) jobs: BTreeSet<JobName>,
    /// Those that it was given just now.
    pub(crate) taken: Vec<JobName>,
    pub(crate) notices: bool,
    /// Jobs that another agent loaded a newer configuration of.
    pub(crate) outdated: BTreeSet<JobName>,
}

/// A job that an agent could run.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(super) job: JobName,
    /// Digest of its configuration.
    pub(super) digest: String,
    /// The address of its target, as requests to it are paced.
    pub(super) server: Option<String>,
}

impl Offer {
    pub(crate) fn new(job: &config::Job) -> Self {
        let server = http::check_url(&job.target.base_url);
        Self {
            job: job.rules.name.clone(),
            digest: job.configuration().digest,
            server: server.ok().map(|url| url.as_str().to_owned()),
        }
    }
}

impl Agents {
    /// Joins them. `before`: the agent that used this copy last, which has ended.
    pub(super) fn join(
        settings: &Arc<Database>,
        about: &About,
        before: Option<String>,
    ) -> Result<Arc<Self>, Failed> {
        let link = Link::new(Arc::clone(settings));
        let id = uuid::Uuid::new_v4().to_string();
        let gate = Gate::closed();
        let (own, about) = (id.clone(), about.clone());
        let lease = i64::try_from(settings.lease.as_millis()).unwrap_or(i64::MAX);
        let confirmed = os::running();
        link.ask("join the agents", move |client| {
            let mut transaction = client.transaction()?;
            transaction.query_one("SELECT 1 FROM head FOR UPDATE", &[])?;
            if let Some(before) = before {
                transaction.execute("UPDATE agents SET fenced = true WHERE id = $1", &[&before])?;
                transaction.execute(FREE, &[&vec![before]])?;
            }
            transaction.execute(
                "INSERT INTO agents (id, host, pid, version, command, lease_ms, shares)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &[
                    &own,
                    &about.host,
                    &i64::from(about.pid),
                    &env!("CARGO_PKG_VERSION"),
                    &about.command,
                    &lease,
                    &about.shares,
                ],
            )?;
            transaction.commit()?;
            Ok(())
        })?;
        let agents = Arc::new(Self {
            link,
            settings: Arc::clone(settings),
            id,
            gate,
            is_lost: AtomicBool::new(false),
        });
        agents.confirm(confirmed);
        let renewed = Arc::downgrade(&agents);
        thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || keep(&renewed))
            .expect("the system gives us a thread");
        Ok(agents)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Open while the lease holds, less the time that a request may take.
    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    fn margin(&self) -> Duration {
        self.settings
            .timeout
            .mul_f64(1.2)
            .min(self.settings.lease / 2 + self.settings.lease / 4)
    }

    fn confirm(&self, at: Duration) {
        self.gate
            .open_until(at, self.settings.lease.saturating_sub(self.margin()));
    }

    /// Whether others may have taken over what it had. It never comes back; its process may join again.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
    }

    /// Between two renewals.
    fn step(&self) -> Duration {
        RENEWAL.min(self.settings.lease.saturating_sub(self.margin()) / 3)
    }

    /// Renews the lease. Where it is lost, nothing is sent any more.
    fn renew(&self) -> Result<(), Failed> {
        let (id, asked) = (self.id.clone(), os::running());
        let renewed = self.link.ask("renew the lease", move |client| {
            let renewed = client.execute(
                "UPDATE agents SET renewed = clock_timestamp() WHERE id = $1 AND NOT fenced",
                &[&id],
            )?;
            if renewed == 0 {
                return Err(Failed::lost());
            }
            Ok(())
        });
        match &renewed {
            Ok(()) => self.confirm(asked),
            Err(failed) if failed.is_lost() => self.lose(),
            Err(_) => {}
        }
        renewed
    }

    /// Gives up what it has: nothing more is sent, and when the lease ends others take over.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Release);
        self.gate.close();
    }

    /// Notes which configuration of its jobs this agent has just loaded.
    pub(crate) fn configure(&self, jobs: Vec<Offer>) -> Result<(), Failed> {
        let id = self.id.clone();
        self.link.ask("note the configuration", move |client| {
            for Offer { job, digest, .. } in jobs {
                client.execute(
                    "INSERT INTO leases (name, configuration, configured, configured_by)
                     VALUES ($1, $2, clock_timestamp(), $3)
                     ON CONFLICT (name) DO UPDATE SET
                         configuration = excluded.configuration, configured = excluded.configured,
                         configured_by = excluded.configured_by",
                    &[&job.as_str(), &digest, &id],
                )?;
            }
            Ok(())
        })
    }

    /// Takes a fair share of the jobs, and gives up one that another agent should have. `idle` keeps anything from
    /// working on a job for as long as what it returns lives; `None` while something does: the job is given up
    /// later, and no longer among those that are held.
    pub(crate) fn share<Guard: Send + 'static>(
        &self,
        jobs: Vec<Offer>,
        idle: impl Fn(&JobName) -> Option<Guard> + Send + 'static,
    ) -> Result<(Held, Option<Guard>), Failed> {
        let id = self.id.clone();
        let (held, given, senders) = self.link.ask("share the jobs", move |client| {
            let mut transaction = client.transaction()?;
            fence(&mut transaction)?;
            transaction.batch_execute("LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE")?;
            if super::is_fenced(&mut transaction, &id)? {
                return Err(Failed::lost());
            }
            let (held, given) = divide(&mut transaction, &id, &jobs, idle)?;
            let outdated: Vec<&str> = held.outdated.iter().map(JobName::as_str).collect();
            transaction.execute(
                "UPDATE agents SET outdated = $2 WHERE id = $1 AND outdated <> $2",
                &[&id, &outdated],
            )?;
            let senders = senders(&mut transaction, &jobs, true)?;
            transaction.commit()?;
            Ok((held, given, senders))
        })?;
        http::divide(&senders);
        Ok((held, given))
    }

    /// Keeps to this agent's part of what the targets of these jobs take; for who takes jobs one by one.
    pub(crate) fn keep_to_its_part(&self, jobs: Vec<Offer>) -> Result<(), Failed> {
        let counting = self
            .link
            .ask("look who sends to the targets", move |client| {
                senders(client, &jobs, false)
            });
        http::divide(&counting?);
        Ok(())
    }

    /// Takes one thing now; the agent that has it, where another one does.
    pub(crate) fn take(&self, lease: &Lease) -> Result<Result<(), Registered>, Failed> {
        let (id, name) = (self.id.clone(), lease.name());
        let limit = self.settings.lease;
        self.link.ask_again(limit, "take a lease", move |client| {
            let mut transaction = client.transaction()?;
            fence(&mut transaction)?;
            transaction.batch_execute("LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE")?;
            transaction.execute(
                "INSERT INTO leases (name) VALUES ($1) ON CONFLICT DO NOTHING",
                &[&name],
            )?;
            let row =
                transaction.query_one("SELECT agent FROM leases WHERE name = $1", &[&name])?;
            match row.get::<_, Option<String>>(0) {
                Some(other) if other != id => {
                    let found = list(&mut transaction)?;
                    if let Some(found) = found.into_iter().find(|agent| agent.id == other) {
                        return Ok(Err(found));
                    }
                }
                Some(_) | None => {}
            }
            transaction.execute(TAKE, &[&id, &name])?;
            transaction.commit()?;
            Ok(Ok(()))
        })
    }

    /// Gives back what it has and no longer works on.
    pub(crate) fn give(&self, leases: &[Lease]) -> Result<(), Failed> {
        let id = self.id.clone();
        let names: Vec<String> = leases.iter().map(Lease::name).collect();
        self.link.ask("give a lease back", move |client| {
            client.execute(
                "UPDATE leases SET agent = NULL, inherited = false, freed = clock_timestamp() WHERE agent = $1 AND name = ANY ($2)",
                &[&id, &names],
            )?;
            Ok(())
        })
    }

    /// How long the cycles of a job take, for the next division.
    pub(crate) fn weigh(&self, job: &JobName, took: Duration) -> Result<(), Failed> {
        let name = job.as_str().to_owned();
        let took = i64::try_from(took.as_millis()).unwrap_or(i64::MAX).max(1);
        self.link.ask("note how long a cycle took", move |client| {
            client.execute(
                "UPDATE leases SET weight = (weight + $2) / 2 WHERE name = $1",
                &[&name, &took],
            )?;
            Ok(())
        })
    }

    /// Gives back everything, in order: nothing that it sent is open.
    pub(crate) fn leave(&self) -> Result<(), Failed> {
        self.lose();
        let id = self.id.clone();
        self.link.ask("leave the agents", move |client| {
            let mut transaction = client.transaction()?;
            transaction.query_one("SELECT 1 FROM head FOR UPDATE", &[])?;
            transaction.execute(
                "UPDATE leases SET agent = NULL, inherited = false, freed = clock_timestamp() WHERE agent = $1",
                &[&id],
            )?;
            transaction.execute("DELETE FROM agents WHERE id = $1", &[&id])?;
            transaction.commit()?;
            Ok(())
        })
    }
}

const FREE: &str = "UPDATE leases SET agent = NULL, inherited = true, freed = clock_timestamp() WHERE agent = ANY ($1)";
pub(super) const TAKE: &str =
    "UPDATE leases SET agent = $1, epoch = epoch + 1, since = clock_timestamp() WHERE name = $2";

/// Agents whose lease ended lose what they have. The head is locked: no transaction of theirs is under way.
fn fence(transaction: &mut postgres::Transaction<'_>) -> Result<(), Failed> {
    const ENDED: &str =
        "NOT fenced AND renewed + lease_ms * interval '1 millisecond' < clock_timestamp()";
    let any: bool = transaction
        .query_one(
            &format!("SELECT EXISTS (SELECT 1 FROM agents WHERE {ENDED})"),
            &[],
        )?
        .get(0);
    if !any {
        return Ok(());
    }
    transaction.query_one("SELECT 1 FROM head FOR UPDATE", &[])?;
    let ended = transaction.query(
        &format!("UPDATE agents SET fenced = true WHERE {ENDED} RETURNING id"),
        &[],
    )?;
    let ended: Vec<String> = ended.iter().map(|row| row.get(0)).collect();
    transaction.execute(FREE, &[&ended])?;
    transaction.execute(
        &format!("DELETE FROM agents WHERE fenced AND renewed < clock_timestamp() - interval '{FORGOTTEN}'"),
        &[],
    )?;
    Ok(())
}

/// The agents that run, and those that failed not long ago or whose jobs no other has taken over yet; those that
/// run first.
pub(super) fn list(client: &mut impl postgres::GenericClient) -> Result<Vec<Registered>, Failed> {
    let rows = client.query(
        &format!(
            "SELECT id, host, pid, version, command, to_char(started, $1),
                 (extract(epoch FROM clock_timestamp() - renewed) * 1000)::bigint,
                 NOT fenced AND renewed + lease_ms * interval '1 millisecond' >= clock_timestamp() AS is_alive,
                 ARRAY (SELECT name FROM leases WHERE agent = agents.id ORDER BY name),
                 ARRAY (SELECT to_char(since, $1) FROM leases WHERE agent = agents.id ORDER BY name),
                 outdated, to_char(renewed, $1)
             FROM agents
             WHERE renewed >= clock_timestamp() - interval '{LISTED}'
                 OR EXISTS (SELECT 1 FROM leases WHERE agent = agents.id)
             ORDER BY is_alive DESC, started, id"
        ),
        &[&RFC3339],
    )?;
    let registered = rows.into_iter().map(|row| {
        let (names, since): (Vec<String>, Vec<Option<String>>) = (row.get(8), row.get(9));
        let jobs = names.into_iter().zip(since);
        Registered {
            id: row.get(0),
            host: row.get(1),
            pid: row.get(2),
            version: row.get(3),
            command: row.get(4),
            started: time(Some(row.get(5))),
            renewed: time(Some(row.get(11))),
            renewed_ago: TimeDelta::milliseconds(row.get(6)),
            is_alive: row.get(7),
            jobs: jobs
                .filter(|(name, _)| !name.starts_with('@'))
                .map(|(name, since)| (JobName::new(&name), time(since)))
                .collect(),
            outdated: row
                .get::<_, Vec<String>>(10)
                .iter()
                .map(JobName::new)
                .collect(),
        }
    });
    Ok(registered.collect())
}

/// The session's time zone is UTC.
const RFC3339: &str = "YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"";

fn time(text: Option<String>) -> DateTime<Utc> {
    let read = text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok());
    read.map(|time| time.to_utc()).unwrap_or_default()
}

/// All agents that are on record.
pub(super) fn registered(link: &Link) -> Result<Vec<Registered>, Failed> {
    link.ask("list the agents", |client: &mut Client| list(client))
}
