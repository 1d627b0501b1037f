//! What the machine can do without the agent: a client that only posts, and a database that only writes.
//! Both run in processes of their own, as the agent does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt as _;
use rusqlite::Connection;
use serde_json::Value;

use crate::agent::CONCURRENCY;
use crate::process::{Usage, Watched};
use crate::world::World;

/// By which the bench starts itself as a bare client.
pub(crate) const CLIENT_ROLE: &str = "role-client";
/// By which the bench starts itself as a writer of bytes.
pub(crate) const WRITER_ROLE: &str = "role-writer";

/// The most bodies that are posted: the rate no longer depends on their number.
const MOST_BODIES: usize = 20_000;
const PAGE: usize = 100;
const ROW: usize = 1_000;
const ROWS_PER_TRANSACTION: usize = 500;

/// Posts the users that the target holds to another, empty target, which takes so long for each answer.
/// Gives their number and what it took.
pub(crate) fn post_bodies(world: &mut World, folder: &Path, latency: Duration) -> (usize, Usage) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let bodies = runtime.block_on(read_bodies(
        world.fact("scim_url"),
        world.fact("scim_token"),
    ));
    let file = folder.join("bodies");
    fs::write(&file, bodies.join("\n")).expect("the folder can be written");
    let url = world.empty_target();
    world.set_latency(latency);
    let token = world.fact("scim_token").to_owned();
    let usage = run(&[CLIENT_ROLE, &url, &token, &file.to_string_lossy()]);
    (bodies.len(), usage)
}

/// Writes so many bytes into a new database, in the way that the agent writes its state.
pub(crate) fn write_bytes(bytes: u64, folder: &Path) -> Usage {
    let file = folder.join("bytes.db");
    run(&[WRITER_ROLE, &file.to_string_lossy(), &bytes.to_string()])
}

fn run(arguments: &[&str]) -> Usage {
    let mut command = Command::new(std::env::current_exe().expect("a program knows its file"));
    command.args(arguments).stdin(Stdio::null());
    let watched = Watched::start(&mut command).expect("the bench can be started again");
    let (usage, status) = watched.wait(|| false).expect("it is our child");
    assert!(status.success(), "{arguments:?} failed");
    usage
}

/// The users of the target as they were sent: without what the target adds.
async fn read_bodies(url: &str, token: &str) -> Vec<String> {
    let client = client();
    let mut bodies = Vec::new();
    while bodies.len() < MOST_BODIES {
        let page = format!(
            "{url}/Users?startIndex={}&count={PAGE}&excludedAttributes=groups",
            bodies.len() + 1
        );
        let request = client.get(page).bearer_auth(token).send();
        let answer = request.await.expect("the target answers");
        let page: Value = answer.json().await.expect("the target answers in JSON");
        let users = page["Resources"].as_array().cloned().unwrap_or_default();
        if users.is_empty() {
            break;
        }
        for mut user in users {
            if let Some(user) = user.as_object_mut() {
                user.remove("id");
                user.remove("meta");
            }
            bodies.push(user.to_string());
        }
    }
    bodies
}

/// The bare client's side.
pub(crate) async fn post_all(url: &str, token: &str, file: &str) {
    let text = fs::read_to_string(file).expect("the bench wrote the bodies");
    let client = client();
    let url = format!("{url}/Users");
    futures::stream::iter(text.lines())
        .for_each_concurrent(CONCURRENCY, |body| {
            let request = client
                .post(&url)
                .bearer_auth(token)
                .header("Content-Type", "application/scim+json")
                .body(body.to_owned());
            async move {
                let answer = request.send().await.expect("the target answers");
                assert_eq!(answer.status(), 201, "the body was accepted before");
                let _ = answer.bytes().await;
            }
        })
        .await;
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client can be built")
}

/// The writer's side: rows of one size, several hundred in a transaction, then one checkpoint.
pub(crate) fn write_rows(file: &str, bytes: usize) -> rusqlite::Result<()> {
    let mut connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute(
        "CREATE TABLE bytes (id INTEGER PRIMARY KEY, value BLOB)",
        [],
    )?;
    let row = vec![b'x'; ROW];
    let mut left = bytes / ROW;
    while left > 0 {
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO bytes (value) VALUES (?1)")?;
            for _ in 0..left.min(ROWS_PER_TRANSACTION) {
                insert.execute([&row])?;
            }
        }
        transaction.commit()?;
        left -= left.min(ROWS_PER_TRANSACTION);
    }
    connection.close().map_err(|(_, error)| error)
}
