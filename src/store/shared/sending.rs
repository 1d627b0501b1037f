//! A state that is copied to the database arrives part by part, and is put in place as a whole.

use std::collections::BTreeMap;
use std::path::Path;

use postgres::Client;

use super::link::LONG_PATIENCE;
use super::snapshot::{Parts, check_free, digest, enter, install, taken_by_another};
use super::{ARRIVING, Failed, Link};
use crate::config::Database;
use crate::store::error::Error;

/// Sends a copy of a state to the database before it is put there as one: part by part, so that what arrived
/// before the way broke is not sent again. `name` writes the state's name into the file.
pub(super) fn send(
    link: &Link,
    settings: &Database,
    path: &Path,
    name: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<String, Error> {
    let failed = |failed| Error::database(settings, failed);
    let schema = settings.schema.clone();
    let (state, there) = link
        .ask_within(LONG_PATIENCE, "begin the copy", move |client| {
            begin_sending(client, &schema)
        })
        .map_err(failed)?;
    name(&state)?;
    let mut count = 0_i32;
    for body in Parts::of(path).map_err(failed)? {
        let body = body.map_err(|_| failed(Failed::unreadable("the copy of the state")))?;
        if there.get(&count) != Some(&digest(&body)) {
            let (state, part) = (state.clone(), count);
            let schema = settings.schema.clone();
            link.ask("send the state", move |client| {
                copy_alone(client, &schema)?;
                client.execute(
                    "INSERT INTO arriving (part, state, body) VALUES ($1, $2, $3)
                     ON CONFLICT (part) DO UPDATE SET body = excluded.body",
                    &[&part, &state, &body],
                )?;
                Ok(())
            })
            .map_err(failed)?;
        }
        count += 1;
    }
    link.ask("send the state", move |client| {
        client.execute("DELETE FROM arriving WHERE part >= $1", &[&count])?;
        Ok(())
    })
    .map_err(failed)?;
    Ok(state)
}

/// Refuses a database to which a state is being copied, or was copied in part: an agent would begin with none.
pub(super) fn not_arriving(client: &mut Client) -> Result<(), Failed> {
    if is_arriving(client)? {
        return Err(Failed::unfit(
            "entrain state copy has not finished yet".to_owned(),
            "run it again, or drop the table arriving to begin without that state",
        ));
    }
    Ok(())
}

/// Whether there is a table of a copy under way; one of that name that is another program's is refused.
fn is_arriving(client: &mut Client) -> Result<bool, Failed> {
    let found = client.query_one(
        "SELECT count(*), count(*) FILTER (WHERE attname IN ('part', 'state', 'body')), current_schema()::text
         FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
         WHERE relnamespace = current_schema()::regnamespace AND relname = $1 AND attnum > 0 AND NOT attisdropped",
        &[&ARRIVING],
    )?;
    match (found.get::<_, i64>(0), found.get::<_, i64>(1)) {
        (0, _) => Ok(false),
        (3, 3) => Ok(true),
        _ => Err(taken_by_another(found.get(2), ARRIVING)),
    }
}

/// The name of the state, and digests of the parts that are there.
fn begin_sending(
    client: &mut Client,
    schema: &str,
) -> Result<(String, BTreeMap<i32, String>), Failed> {
    copy_alone(client, schema)?;
    check_free(client, schema)?;
    enter(client, schema)?;
    is_arriving(client)?;
    client.batch_execute(
        "CREATE TABLE IF NOT EXISTS arriving (part integer PRIMARY KEY, state text NOT NULL, body bytea NOT NULL)",
    )?;
    let rows = client.query(
        "SELECT part, state, encode(sha256(body), 'hex') FROM arriving",
        &[],
    )?;
    let state = rows.first().map(|row| row.get(1));
    let state = state.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let there = rows.into_iter().map(|row| (row.get(0), row.get(2)));
    Ok((state, there.collect()))
}

/// Refuses a second copy at the same time. It holds until the connection ends, which a part may begin anew.
fn copy_alone(client: &mut Client, schema: &str) -> Result<(), Failed> {
    let is_alone: bool = client
        .query_one(
            "SELECT pg_try_advisory_lock(hashtext('entrain.copy.' || $1))",
            &[&schema],
        )?
        .get(0);
    if !is_alone {
        let words = "another entrain state copy is under way";
        return Err(Failed::unfit(words.to_owned(), "wait until it has ended"));
    }
    Ok(())
}

/// Puts what was sent in the place of a state, where there is none yet.
pub(super) fn install_sent(
    link: &Link,
    settings: &Database,
    state: String,
) -> Result<bool, Failed> {
    install(link, settings, state, |transaction| {
        transaction.batch_execute(
            "INSERT INTO snapshots (position, part, body) SELECT 0, part, body FROM arriving;
             DROP TABLE arriving",
        )?;
        Ok(())
    })
}
