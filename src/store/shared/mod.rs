//! A state that several agents share. The database holds a snapshot and the changes since, in one order; each
//! agent has a copy in a file, in which everything is looked up by the same statements as in a state of its own.
//! A transaction locks the head, brings the copy up to date, runs in it, and is committed when the database has
//! confirmed its change: so that, of all agents together, one transaction runs at a time, each on what those
//! before it left, as on one file (design.md, 6).

mod agents;
mod changes;
mod contact;
mod copy;
mod division;
mod error;
mod face;
mod head;
mod link;
mod sending;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use rusqlite::{Connection, OpenFlags, params};

pub(super) use contact::last_contact;

pub(crate) use agents::{About, Agents, Held, Lease, Offer};
pub(crate) use error::Failed;

use super::error::Error;
use super::key::StateKey;
use super::lock;
use super::open::connect;
use super::state::State;
use crate::config::Database;
use changes::{Applier, Recorder};
use contact::Contact;
use head::{Change, Head, MOVED, Place, changes_after, head, place_of, position_of, state_of};
use link::Link;

/// Of the tables in the database.
const VERSION: i32 = 3;

/// What makes the tables of each version out of those before, from version 1 on.
const UPGRADES: [&str; 2] = [
    "ALTER TABLE head ADD COLUMN key text; ALTER TABLE leases ADD COLUMN configured_by text",
    "ALTER TABLE agents ADD COLUMN outdated text[] NOT NULL DEFAULT '{}'",
];

/// All that is made in the schema, and all that is ever touched there, but for what [`ARRIVING`] is.
pub(super) const TABLES: [&str; 5] = ["head", "changes", "snapshots", "agents", "leases"];

/// Where a state is, part by part, that is being copied.
const ARRIVING: &str = "arriving";

/// Changes that are fetched at once, at most about this many.
const FETCHED: i64 = 500;

/// Between two attempts while the database does not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// What an agent, or a command, has of the shared state.
pub(super) struct Shared {
    settings: Arc<Database>,
    path: PathBuf,
    link: Link,
    copy: Mutex<Copy>,
    recorder: Option<Recorder>,
    /// The change after which the numbers that the connection remembers are right.
    known: AtomicI64,
    agents: Mutex<Option<Arc<Agents>>>,
    contact: Contact,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The connection that writes to the copy what others changed.
struct Copy {
    connection: Connection,
    applier: Applier,
}

/// Why a transaction was not committed.
pub(super) enum NotWritten {
    Here(rusqlite::Error),
    There(Failed),
}

impl From<rusqlite::Error> for NotWritten {
    fn from(error: rusqlite::Error) -> Self {
        Self::Here(error)
    }
}

impl From<Failed> for NotWritten {
    fn from(failed: Failed) -> Self {
        Self::There(failed)
    }
}

impl Shared {
    /// Brings the file at `path` up to what the database holds; makes both when they are new, and brings an older
    /// state up to date.
    pub(super) fn prepare(database: &Database, path: &Path) -> Result<Self, Error> {
        let settings = Arc::new(database.clone());
        let link = Link::new(Arc::clone(&settings));
        snapshot::settle(&link, &settings, path)?;
        Self::on(settings, link, path)
    }

    /// The same for who only reads: nothing is made in the database. `None`: there is no state yet.
    pub(super) fn look(database: &Database, path: &Path) -> Result<Option<Self>, Error> {
        let settings = Arc::new(database.clone());
        let link = Link::new(Arc::clone(&settings));
        if !snapshot::settle_reader(&link, &settings, path)? {
            return Ok(None);
        }
        Self::on(settings, link, path).map(Some)
    }

    fn on(settings: Arc<Database>, link: Link, path: &Path) -> Result<Self, Error> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let applier = Applier::new(&connection).map_err(|source| Error::opening(path, source))?;
        let copy = Copy {
            connection,
            applier,
        };
        let shared = Self {
            settings,
            path: path.to_owned(),
            link,
            copy: Mutex::new(copy),
            recorder: None,
            known: AtomicI64::new(-1),
            agents: Mutex::new(None),
            contact: Contact::default(),
        };
        shared.follow(Duration::ZERO)?;
        Ok(shared)
    }

    /// From now on what `state` changes can be committed.
    pub(super) fn record(mut self, state: &State) -> rusqlite::Result<Self> {
        self.recorder = Some(Recorder::install(state)?);
        Ok(self)
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.recorder.is_some()
    }

    /// Joins the agents that share the state: from now on only what this one changes is committed, while its
    /// lease holds. Only for the process that holds the lock of the copy.
    fn join(&self, about: &About) -> Result<Arc<Agents>, Error> {
        let failed = |failed| Error::database(&self.settings, failed);
        let broken = |source| Error::new("join the agents with", &self.path, source);
        let before: Option<String> = self
            .copy()
            .connection
            .query_row("SELECT agent FROM copied", [], |row| row.get(0))
            .map_err(broken)?;
        let agents = Agents::join(&self.settings, about, before).map_err(failed)?;
        self.copy()
            .connection
            .execute("UPDATE copied SET agent = ?1", params![agents.id()])
            .map_err(broken)?;
        let mut joined = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        *joined = Some(Arc::clone(&agents));
        Ok(agents)
    }

    /// Makes the next agent's start quick, where many changes were made since the last snapshot.
    fn compact(&self) -> Result<(), Error> {
        if snapshot::renew(&self.link, &self.path)? {
            tracing::debug!("the snapshot of the state was replaced");
        }
        Ok(())
    }

    fn copy(&self) -> MutexGuard<'_, Copy> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All agents need one key, or each would take every secret for another one. A new key counts where no other
    /// agent runs.
    pub(super) fn agree_on(&self, key: &StateKey, may_write: bool) -> Result<(), Error> {
        let (state, own): (String, Option<String>) = self
            .copy()
            .connection
            .query_row("SELECT state, agent FROM copied", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(|source| Error::new("read", &self.path, source))?;
        // Of another process it is not known that it has ended.
        let holder = lock::holder(&self.path);
        let own = own.filter(|_| holder.is_some_and(|holder| holder.pid == std::process::id()));
        let digest = key.digest("state", &state);
        let ask = move |client: &mut Client| agree(client, &digest, own.as_deref(), may_write);
        let agreed = self.link.ask("compare state.key", ask);
        let agreed = agreed.map_err(|failed| Error::database(&self.settings, failed))?;
        agreed.then_some(()).ok_or(Error::OtherKey)
    }

    fn agents(&self) -> Option<Arc<Agents>> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        agents.clone()
    }

    fn agent(&self) -> Option<String> {
        self.agents().map(|agents| agents.id().to_owned())
    }

    /// Writes to the copy what others changed since; whether there was anything. A database that does not answer is
    /// waited for, for at most this long.
    pub(super) fn follow(&self, limit: Duration) -> Result<bool, Error> {
        let failed = |failed| Error::database(&self.settings, failed);
        let mut any = false;
        let mut is_anew = false;
        loop {
            let own = self.place()?;
            let position = own.position;
            let ask = move |client: &mut Client| changes_after(client, position);
            let (head, there, changes) = self
                .link
                .ask_again(limit, "read the state", ask)
                .map_err(failed)?;
            let is_behind = changes
                .first()
                .map_or(head.position, |first| first.position)
                > position + 1
                || (changes.is_empty() && head.position > position);
            // A database that was restored goes on from its backup.
            let is_other = head.position < position || !(is_anew || own.is_at(&there));
            if is_other {
                tracing::warn!(
                    "the database does not hold the changes that this copy has: it was restored from a backup; the \
                     copy is made anew"
                );
            }
            if is_behind || is_other {
                snapshot::reload(&self.link, &self.path)?;
                self.known.store(-1, Ordering::Relaxed);
                (any, is_anew) = (true, true);
                continue;
            }
            if changes.is_empty() {
                self.contact.note(&self.path);
                return Ok(any);
            }
            any = true;
            self.apply(&changes)?;
        }
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Error> {
        let Copy {
            connection,
            applier,
        } = &*self.copy();
        let broken = |source| Error::new("follow the other agents", &self.path, source);
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(broken)?;
        let open = Rollback(connection);
        let done = position_of(connection).map_err(broken)?;
        for change in changes.iter().filter(|change| change.position > done) {
            applier
                .apply(connection, &change.body)
                .map_err(|cut| Error::database(&self.settings, cut.into()))?;
        }
        if let Some(last) = changes.last().filter(|last| last.position > done) {
            connection
                .execute(MOVED, params![last.position, last.token])
                .map_err(broken)?;
        }
        connection.execute_batch("COMMIT").map_err(broken)?;
        std::mem::forget(open);
        Ok(())
    }

    /// The last change that the copy has.
    fn place(&self) -> Result<Place, Error> {
        place_of(&self.copy().connection)
            .map_err(|source| Error::new("look up the last change in", &self.path, source))
    }

    /// Runs `work` in a transaction of all agents.
    pub(super) fn write<T>(
        &self,
        attempt: &'static str,
        state: &State,
        work: impl FnOnce(&State) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let failed = |failed: Failed| Error::database(&self.settings, failed);
        let recorder = self.recorder.as_ref().expect("it was opened to be written");
        let (there, transaction, open) = self.begin_where_all_are()?;
        let position = there.position;
        if self.known.swap(position, Ordering::Relaxed) != position {
            state.forget_numbers();
        }
        let mut is_committed = false;
        let done = state.transaction_until(work, |state| {
            let parts = recorder.take(state)?;
            if parts.is_empty() {
                return Ok(());
            }
            let token = uuid::Uuid::new_v4().to_string();
            self.commit(transaction, &there, &token, parts)?;
            is_committed = true;
            state.run(MOVED, params![position + 1, token])?;
            Ok::<_, NotWritten>(())
        });
        if is_committed {
            std::mem::forget(open);
            self.known.store(position + 1, Ordering::Relaxed);
        }
        done.map_err(|error| match error {
            NotWritten::Here(source) => Error::new(attempt, &self.path, source),
            NotWritten::There(error) => {
                // What is in the database is not known to be what this process believes.
                if error.is_lost()
                    && let Some(agents) = self.agents()
                {
                    agents.lose();
                }
                failed(error.at(attempt))
            }
        })
    }

    /// Locks the head, and brings the copy to it. A connection that breaks in between takes the lock with it: then
    /// both are done again.
    fn begin_where_all_are(&self) -> Result<(Place, String, Transaction<'_>), Error> {
        let begun = Instant::now();
        loop {
            let head = self.begin();
            let (there, transaction) =
                head.map_err(|failed| Error::database(&self.settings, failed))?;
            let open = Transaction { shared: self };
            if self.place()?.is_at(&there) {
                return Ok((there, transaction, open));
            }
            let has_time = begun.elapsed() < self.settings.lease;
            match self.follow(Duration::ZERO) {
                // Elsewhere only where it followed by another connection, and others went on.
                Ok(_) if self.place()?.is_at(&there) || !has_time => {
                    return Ok((there, transaction, open));
                }
                Ok(_) => {}
                Err(error) if error.may_pass() && has_time => {
                    tracing::debug!(%error, "the transaction is begun again");
                    thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Locks the head; the last change of all agents, and the number of the transaction.
    fn begin(&self) -> Result<(Place, String), Failed> {
        let agent = self.agent();
        let limit = self.settings.lease;
        self.link
            .ask_again(limit, "begin a transaction", move |client| {
                let begun = begin(client, agent.as_deref());
                or_roll_back(client, begun)
            })
    }

    /// The change is part of the state when this returns. Where the confirmation does not arrive, it is looked
    /// whether the change did; where it did not, and no other came after `before`, it is sent again.
    fn commit(
        &self,
        mut transaction: String,
        before: &Place,
        token: &str,
        parts: Vec<Vec<u8>>,
    ) -> Result<(), Failed> {
        let begun = Instant::now();
        let parts = Arc::new(parts);
        let position = before.position + 1;
        loop {
            let done = self.try_to_commit(transaction, position, token, Arc::clone(&parts));
            let failed = match done {
                Err(failed) if failed.breaks_connection() => failed,
                done => return done,
            };
            if self.has_arrived(position, token)? {
                return Ok(());
            }
            if begun.elapsed() > self.settings.lease {
                return Err(failed);
            }
            let (there, next) = self.begin()?;
            if there != *before {
                return Err(failed);
            }
            transaction = next;
        }
    }

    fn try_to_commit(
        &self,
        transaction: String,
        position: i64,
        token: &str,
        parts: Arc<Vec<Vec<u8>>>,
    ) -> Result<(), Failed> {
        let agent = self.agent();
        let own = token.to_owned();
        // About a second for each MiB, in addition to what a small change may take.
        let size: usize = parts.iter().map(Vec::len).sum();
        let limit = Duration::from_secs(15 + u64::try_from(size >> 20).unwrap_or(u64::MAX));
        self.link.ask_within(limit, "commit", move |client| {
            // A connection that was made anew meanwhile holds no lock, and is in no transaction.
            let open = client.query_one("SELECT pg_current_xact_id()::text", &[])?;
            if open.get::<_, String>(0) != transaction {
                return Err(Failed::interrupted());
            }
            let bytes: usize = parts.iter().map(Vec::len).sum();
            let insert = client.prepare(
                "INSERT INTO changes (position, part, agent, token, body) VALUES ($1, $2, $3, $4, $5)",
            )?;
            for (part, body) in (0_i32..).zip(&*parts) {
                client.execute(&insert, &[&position, &part, &agent, &own, body])?;
            }
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            client.execute(
                "UPDATE head SET position = $1, bytes = bytes + $2",
                &[&position, &bytes],
            )?;
            client.batch_execute("COMMIT")?;
            Ok(())
        })
    }

    fn has_arrived(&self, position: i64, token: &str) -> Result<bool, Failed> {
        let begun = Instant::now();
        loop {
            thread::sleep(PAUSE);
            let looked = self.link.ask("look for a change", move |client| {
                // Locked, so that the transaction of the connection that broke has ended.
                let mut transaction = client.transaction()?;
                let head = transaction.query_one("SELECT position FROM head FOR UPDATE", &[])?;
                let change = transaction.query_opt(
                    "SELECT token FROM changes WHERE position = $1 AND part = 0",
                    &[&position],
                )?;
                transaction.commit()?;
                let token: Option<String> = change.map(|change| change.get(0));
                Ok((head.get::<_, i64>(0), token))
            });
            match looked {
                Ok((_, Some(found))) => return Ok(found == token),
                Ok((head, None)) if head < position => return Ok(false),
                Err(_) if begun.elapsed() < self.settings.lease => {}
                // It is part of a snapshot already, its own or another's; or it cannot be known.
                Ok((_, None)) | Err(_) => return Err(Failed::lost()),
            }
        }
    }
}

/// Refuses a file that is only a copy where no database is configured.
pub(super) fn check_alone(connection: &Connection, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::opening(path, source);
    let has_table: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'copied')",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if has_table && state_of(connection).map_err(failed)?.is_some() {
        return Err(Error::CopyAlone {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// A transaction in the database that is rolled back.
struct Transaction<'s> {
    shared: &'s Shared,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // Where this fails, the connection broke, which ends it as well.
        let _ = self.shared.link.ask("roll back", |client| {
            client.batch_execute("ROLLBACK")?;
            Ok(())
        });
    }
}

/// A transaction in the copy that is rolled back.
struct Rollback<'c>(&'c Connection);

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        let _already_done = self.0.execute_batch("ROLLBACK");
    }
}

/// Whether the key is the one that the agents have. `own`: the agent that used this copy last, and has ended or is
/// this one.
fn agree(
    client: &mut Client,
    digest: &str,
    own: Option<&str>,
    may_write: bool,
) -> Result<bool, Failed> {
    let mut transaction = client.transaction()?;
    let known: Option<String> = transaction
        .query_one("SELECT key FROM head FOR UPDATE", &[])?
        .get(0);
    if known.as_deref() == Some(digest) {
        return Ok(true);
    }
    if known.is_some() {
        let others = agents::list(&mut transaction)?.into_iter();
        if others
            .filter(|agent| agent.is_alive)
            .any(|agent| own != Some(agent.id.as_str()))
        {
            return Ok(false);
        }
        tracing::warn!(
            "state.key is not the key that this state had: give it to the other agents, too"
        );
    }
    if may_write {
        transaction.execute("UPDATE head SET key = $1", &[&digest])?;
    }
    transaction.commit()?;
    Ok(true)
}

fn begin(client: &mut Client, agent: Option<&str>) -> Result<(Place, String), Failed> {
    client.batch_execute("BEGIN")?;
    let head = client.query_one(
        "SELECT position, pg_current_xact_id()::text, (
             SELECT token FROM changes WHERE changes.position = head.position AND part = 0)
         FROM head FOR UPDATE",
        &[],
    )?;
    if let Some(agent) = agent
        && is_fenced(client, agent)?
    {
        return Err(Failed::lost());
    }
    let place = Place {
        position: head.get(0),
        token: head.get(2),
    };
    Ok((place, head.get(1)))
}

/// Leaves no transaction behind that failed.
fn or_roll_back<T>(client: &mut Client, done: Result<T, Failed>) -> Result<T, Failed> {
    if done.is_err() {
        // Where this fails, the connection broke, which ends it as well.
        let _ = client.batch_execute("ROLLBACK");
    }
    done
}

fn is_fenced(client: &mut impl postgres::GenericClient, agent: &str) -> Result<bool, Failed> {
    let found = client.query_opt("SELECT fenced FROM agents WHERE id = $1", &[&agent])?;
    Ok(found.is_none_or(|row| row.get(0)))
}
