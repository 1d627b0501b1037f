//! The whole state as a file in the database: where a new copy begins, and one that is too old begins again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use postgres::{Client, GenericClient};
use rusqlite::{OpenFlags, params};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::link::LONG_PATIENCE;
use super::sending::not_arriving;
use super::{Failed, Head, Link, TABLES, UPGRADES, VERSION, head, position_of, state_of};
use crate::config::Database;
use crate::store::backup;
use crate::store::error::Error;
use crate::store::migrations::{self, Format};
use crate::store::open::{check_format, connect, create, describe};

/// The database keeps a file in parts of this size.
const PART: u64 = 1024 * 1024;

/// A snapshot is made when the changes since the last one are larger than this, and than half of it.
const LEAST_BYTES: i64 = 16 * 1024 * 1024;

/// Changes before a snapshot that are kept, for agents that are a little behind.
const KEPT: i64 = 5_000;

/// What the file is.
enum Local {
    Empty,
    CopyOf { state: String, format: i64 },
}

/// Makes state and copy when they are new, the copy when it is missing, and brings an older state up to date.
pub(super) fn settle(link: &Link, settings: &Database, path: &Path) -> Result<(), Error> {
    let failed = |failed| Error::database(settings, failed);
    create(path)?;
    let known = link.ask("open the state", head).map_err(failed)?;
    let local = local(path)?;
    let Some(mut known) = known else {
        link.ask("open the state", not_arriving).map_err(failed)?;
        if let Local::CopyOf { .. } = local {
            return Err(Error::NoSharedState {
                path: path.to_owned(),
            });
        }
        // Where another agent was faster, its state is taken.
        make(link, settings, path)?;
        return Ok(());
    };
    match local {
        Local::CopyOf { state, .. } if state != known.state => {
            return Err(Error::OtherCopy {
                path: path.to_owned(),
            });
        }
        Local::CopyOf { format, .. } if format == known.format => {}
        Local::Empty | Local::CopyOf { .. } => reload(link, path)?,
    }
    if known.version < VERSION {
        link.ask("upgrade the tables", upgrade).map_err(failed)?;
    }
    if known.format < migrations::newest() {
        migrate(link, settings, path)?;
        known.format = migrations::newest();
    }
    Ok(())
}

/// Brings the copy to a state that can be followed; `false` where there is no state.
pub(super) fn settle_reader(link: &Link, settings: &Database, path: &Path) -> Result<bool, Error> {
    let failed = |failed| Error::database(settings, failed);
    let Some(known) = link.ask("open the state", head).map_err(failed)? else {
        link.ask("open the state", not_arriving).map_err(failed)?;
        return match path.exists().then(|| local(path)).transpose()? {
            Some(Local::CopyOf { .. }) => Err(Error::NoSharedState {
                path: path.to_owned(),
            }),
            Some(Local::Empty) | None => Ok(false),
        };
    };
    if known.version < VERSION || known.format < migrations::newest() {
        return Err(failed(Failed::unfit(
            format!(
                "the state was written by an older version of entrain (format {}; this version reads {})",
                known.format,
                migrations::newest()
            ),
            "the next cycle upgrades it",
        )));
    }
    create(path)?;
    match local(path)? {
        Local::CopyOf { state, .. } if state != known.state => Err(Error::OtherCopy {
            path: path.to_owned(),
        }),
        Local::CopyOf { format, .. } if format == known.format => Ok(true),
        Local::Empty | Local::CopyOf { .. } => {
            reload(link, path)?;
            Ok(true)
        }
    }
}

fn local(path: &Path) -> Result<Local, Error> {
    let _file = describe(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let Some(format) = check_format(&connection, path)? else {
        return Ok(Local::Empty);
    };
    let has_table: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'copied')",
            [],
            |row| row.get(0),
        )
        .map_err(|source| Error::opening(path, source))?;
    let state = if has_table {
        state_of(&connection).map_err(|source| Error::opening(path, source))?
    } else {
        None
    };
    match state {
        Some(state) => Ok(Local::CopyOf { state, format }),
        None => Err(Error::NotACopy {
            path: path.to_owned(),
        }),
    }
}

/// The tables, and an empty state in them, of which the file is a copy.
fn make(link: &Link, settings: &Database, path: &Path) -> Result<(), Error> {
    let failed = |failed| Error::database(settings, failed);
    let state = uuid::Uuid::new_v4().to_string();
    let file = temporary(path)?;
    {
        let mut connection = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrations::migrate(&mut connection)
            .and_then(|()| {
                connection.execute(
                    "INSERT INTO copied (state, position) VALUES (?1, 0)",
                    params![state],
                )
            })
            .map_err(|source| Error::opening(path, source))?;
    }
    let mut parts = Parts::of(file.path())?;
    install(link, settings, state, move |transaction| {
        put(transaction, 0, &mut parts)
    })
    .map_err(failed)?;
    reload(link, path)
}

/// Creates the schema where it is missing: for one that is there, the user needs no right to create any.
pub(super) fn enter(client: &mut impl GenericClient, schema: &str) -> Result<(), Failed> {
    let there = client.query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[&schema])?;
    if there.is_none() {
        client.batch_execute(&format!("CREATE SCHEMA {schema}"))?;
    }
    client.batch_execute(&format!("SET search_path TO {schema}"))?;
    Ok(())
}

/// Refuses a schema where another program has tables with the names of ours.
pub(super) fn check_free(client: &mut impl GenericClient, schema: &str) -> Result<(), Failed> {
    let taken = client.query_opt(
        "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE nspname = $1 AND relname = ANY ($2) ORDER BY 1 LIMIT 1",
        &[&schema, &TABLES.as_slice()],
    )?;
    match taken {
        Some(row) => Err(taken_by_another(schema, row.get(0))),
        None => Ok(()),
    }
}

/// A table of another program has the name of one of ours.
pub(super) fn taken_by_another(schema: &str, table: &str) -> Failed {
    Failed::unfit(
        format!("the schema {schema} holds tables of another program, such as {table}"),
        "set state.schema to a name of its own",
    )
}

/// Makes the tables, where there are none yet.
pub(super) fn install(
    link: &Link,
    settings: &Database,
    state: String,
    fill: impl FnOnce(&mut postgres::Transaction<'_>) -> Result<(), Failed> + Send + 'static,
) -> Result<bool, Failed> {
    let schema = settings.schema.clone();
    link.ask_within(LONG_PATIENCE, "create the state", move |client| {
        let mut transaction = client.transaction()?;
        // Two agents that begin at the same time.
        transaction.execute(
            "SELECT pg_advisory_xact_lock(hashtext('entrain.' || $1))",
            &[&schema],
        )?;
        // By name: what the search path leads to is remembered from before the wait.
        let there: bool = transaction
            .query_one(
                "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = 'head')",
                &[&schema],
            )?
            .get(0);
        if there {
            return Ok(false);
        }
        check_free(&mut transaction, &schema)?;
        enter(&mut transaction, &schema)?;
        transaction.batch_execute(include_str!("schema.sql"))?;
        fill(&mut transaction)?;
        transaction.execute(
            &format!(
                "INSERT INTO head (state, version, format, position, timeline)
                 VALUES ($1, $2, $3, 0, {TIMELINE})"
            ),
            &[&state, &VERSION, &migrations::newest()],
        )?;
        transaction.commit()?;
        Ok(true)
    })
}

/// Of the server: another one after a failover.
pub(super) const TIMELINE: &str = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";

/// Begins the copy again from the snapshot. What belongs to the file itself stays.
pub(super) fn reload(link: &Link, path: &Path) -> Result<(), Error> {
    let file = temporary(path)?;
    reload_whole(link, file.path())?;
    let failed = |source| Error::new("begin the copy again", path, source);
    let from = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut to = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The snapshot has the place of the copy that it was made of.
    let place: (Option<Vec<u8>>, i64, bool) = match migrations::format(&to) {
        Ok(Format::Ours(_)) => to
            .query_row("SELECT path, opened, closed FROM place", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(failed)?,
        Ok(Format::Empty | Format::Foreign) | Err(_) => (None, 0, true),
    };
    from.execute(
        "UPDATE place SET path = ?1, opened = ?2, closed = ?3",
        params![place.0, place.1, place.2],
    )
    .map_err(failed)?;
    backup::run(&from, &mut to).map_err(failed)
}

/// Writes the snapshot to a file. What an attempt before this one left in it is not fetched again.
pub(super) fn reload_whole(link: &Link, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File {
        attempt: "write",
        path: path.to_owned(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed)?;
    // From the beginning where another agent replaced the snapshot meanwhile.
    loop {
        let parts = link.ask_within(LONG_PATIENCE, "look at the snapshot of the state", listed)?;
        if let Some(length) = fetch(link, &mut file, parts, &failed)? {
            return file.set_len(length).map_err(failed);
        }
    }
}

/// A part of the snapshot: the position of the snapshot, the part's number, and its digest.
type Listed = (i64, i32, String);

fn listed(client: &mut Client) -> Result<Vec<Listed>, Failed> {
    let rows = client.query(
        "SELECT position, part, encode(sha256(body), 'hex') FROM snapshots ORDER BY part",
        &[],
    )?;
    if rows.is_empty() {
        return Err(Failed::unreadable("the snapshot of the state"));
    }
    let parts = rows
        .into_iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)));
    Ok(parts.collect())
}

/// The length of the whole; `None` where a part is there no more.
fn fetch(
    link: &Link,
    file: &mut File,
    parts: Vec<Listed>,
    failed: &dyn Fn(io::Error) -> Error,
) -> Result<Option<u64>, Error> {
    let mut length = 0;
    for (position, part, expected) in parts {
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        let here = part_of(file).map_err(failed)?;
        if digest(&here) == expected {
            length += here.len() as u64;
            continue;
        }
        let body = link.ask("read the snapshot of the state", move |client| {
            let row = client.query_opt(
                "SELECT body FROM snapshots WHERE position = $1 AND part = $2",
                &[&position, &part],
            )?;
            Ok(row.map(|row| row.get::<_, Vec<u8>>(0)))
        })?;
        let Some(body) = body else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        file.write_all(&body).map_err(failed)?;
        length += body.len() as u64;
    }
    Ok(Some(length))
}

/// Brings the tables up to date, while no agent writes.
fn upgrade(client: &mut Client) -> Result<(), Failed> {
    let mut transaction = client.transaction()?;
    let version: i32 = transaction
        .query_one("SELECT version FROM head FOR UPDATE", &[])?
        .get(0);
    for (before, sql) in (1..).zip(UPGRADES) {
        if version <= before {
            transaction.batch_execute(sql)?;
        }
    }
    transaction.execute("UPDATE head SET version = $1", &[&VERSION])?;
    transaction.commit()?;
    Ok(())
}

/// Brings the state to the newest format, while no agent writes.
fn migrate(link: &Link, settings: &Database, path: &Path) -> Result<(), Error> {
    let failed = |failed| Error::database(settings, failed);
    let fetched = link
        .ask("upgrade the state", |client| {
            client.batch_execute("BEGIN; SELECT 1 FROM head FOR UPDATE")?;
            head(client)
        })
        .map_err(failed)?;
    let Some(Head { format, .. }) = fetched else {
        return Err(failed(Failed::unreadable("the head of the state")));
    };
    let upgraded = if format < migrations::newest() {
        follow_and_migrate(link, path, format).and_then(|file| {
            let mut parts = Parts::of(file.path())?;
            let position = position_in(file.path())?;
            let done = link.ask_within(LONG_PATIENCE, "upgrade the state", move |client| {
                put(client, position, &mut parts)?;
                client.execute("DELETE FROM changes", &[])?;
                client.execute(
                    "UPDATE head SET format = $1, bytes = 0",
                    &[&migrations::newest()],
                )?;
                Ok(())
            });
            done.map_err(failed)
        })
    } else {
        // Another agent did it.
        Ok(())
    };
    let end = if upgraded.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = link.ask("upgrade the state", move |client| {
        Ok(client.batch_execute(end)?)
    });
    upgraded?;
    ended.map_err(failed)?;
    reload(link, path)
}

/// A file with the state in the newest format.
fn follow_and_migrate(link: &Link, path: &Path, found: i64) -> Result<NamedTempFile, Error> {
    loop {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let failed = |source| Error::new("upgrade", path, source);
        let position = position_of(&connection).map_err(failed)?;
        let ask = move |client: &mut Client| super::changes_after(client, position);
        let (_, _, changes) = link.ask("read the state", ask)?;
        if changes.is_empty() {
            backup::before_migration(&connection, path, found)?;
            let file = temporary(path)?;
            let mut copy = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            backup::run(&connection, &mut copy)
                .and_then(|()| migrations::migrate(&mut copy))
                // The changes up to here are deleted, and so none has a token to compare with.
                .and_then(|()| copy.execute("UPDATE copied SET token = NULL", []))
                // One that is only read afterwards would leave its log behind.
                .and_then(|_| copy.pragma_update(None, "journal_mode", "DELETE"))
                .map_err(failed)?;
            return Ok(file);
        }
        let applier = super::Applier::new(&connection).map_err(failed)?;
        let transaction = connection.unchecked_transaction().map_err(failed)?;
        for change in &changes {
            applier
                .apply(&transaction, &change.body)
                .map_err(Failed::from)?;
            transaction
                .execute("UPDATE copied SET position = ?1", params![change.position])
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
    }
}

/// Replaces the snapshot where the changes since the last one have become many.
pub(super) fn renew(link: &Link, path: &Path) -> Result<bool, Error> {
    let is_due = link.ask("look at the snapshot", |client| {
        let row = client.query_one(
            "SELECT bytes, (SELECT coalesce(sum(octet_length(body)), 0)::bigint FROM snapshots) FROM head",
            &[],
        )?;
        let (changes, snapshot): (i64, i64) = (row.get(0), row.get(1));
        Ok(changes > LEAST_BYTES.max(snapshot / 2))
    })?;
    if !is_due {
        return Ok(false);
    }
    let file = temporary(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let name = file.path().display().to_string();
    connection
        .execute("VACUUM INTO ?1", params![name])
        .map_err(|source| Error::new("copy", path, source))?;
    drop(connection);
    let mut parts = Parts::of(file.path())?;
    let position = position_in(file.path())?;
    Ok(
        link.ask_within(LONG_PATIENCE, "replace the snapshot", move |client| {
            let mut transaction = client.transaction()?;
            let is_ours: bool = transaction
                .query_one(
                    "SELECT pg_try_advisory_xact_lock(hashtext(current_schema()))",
                    &[],
                )?
                .get(0);
            let old: Option<i64> = transaction
                .query_one("SELECT max(position) FROM snapshots", &[])?
                .get(0);
            if !is_ours || old.is_none_or(|old| old >= position) {
                return Ok(false);
            }
            put(&mut transaction, position, &mut parts)?;
            transaction.execute(
                "DELETE FROM changes WHERE position <= $1",
                &[&(position - KEPT)],
            )?;
            transaction.execute(
                "UPDATE head SET bytes = (
                 SELECT coalesce(sum(octet_length(body)), 0) FROM changes WHERE position > $1)",
                &[&position],
            )?;
            transaction.commit()?;
            Ok(true)
        })?,
    )
}

fn put(client: &mut impl GenericClient, position: i64, parts: &mut Parts) -> Result<(), Failed> {
    client.execute("DELETE FROM snapshots", &[])?;
    let insert =
        client.prepare("INSERT INTO snapshots (position, part, body) VALUES ($1, $2, $3)")?;
    for (part, body) in (0_i32..).zip(parts) {
        let body = body.map_err(|_| Failed::unreadable("the file for the snapshot"))?;
        client.execute(&insert, &[&position, &part, &body])?;
    }
    Ok(())
}

fn position_in(path: &Path) -> Result<i64, Error> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    position_of(&connection).map_err(|source| Error::opening(path, source))
}

/// A file next to the state, which may be as large, for its owner alone.
pub(super) fn temporary(path: &Path) -> Result<NamedTempFile, Error> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let made = NamedTempFile::with_prefix_in(".entrain-", folder.unwrap_or(Path::new(".")));
    made.map_err(|source| Error::File {
        attempt: "create a file next to",
        path: path.to_owned(),
        source,
    })
}

/// A file, part by part: it may be larger than what an agent should hold in memory.
pub(super) struct Parts(File);

impl Parts {
    pub(super) fn of(path: &Path) -> Result<Self, Failed> {
        let file = File::open(path);
        file.map(Self)
            .map_err(|_| Failed::unreadable("the file for the snapshot"))
    }
}

impl Iterator for Parts {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = part_of(&mut self.0);
        part.map(|part| (!part.is_empty()).then_some(part))
            .transpose()
    }
}

/// The next part; an empty one at the end.
fn part_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::new();
    Read::by_ref(file).take(PART).read_to_end(&mut part)?;
    Ok(part)
}

pub(super) fn digest(part: &[u8]) -> String {
    format!("{:x}", Sha256::digest(part))
}
