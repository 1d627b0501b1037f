//! The state: its file, and the database that several agents share.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use url::Url;

use super::{certificates, length, secret};
use crate::config::file::{self, File};
use crate::config::problem::Log;
use crate::config::reader::Typed;
use crate::config::settings::{Database, Job, StateAt};
use crate::engine::record::Retention;
use crate::os;

const STATE_PATH: &str = "entrain.db";
const SCHEMA: &str = "entrain";
const SHORTEST_LEASE: Duration = Duration::from_secs(30);

/// Where the state is; the lease of its database is for jobs with these targets (safety.md, 6).
pub(super) fn resolve_state(
    file: &File,
    folder: &Path,
    jobs: &[Option<Job>],
    log: &mut Log,
) -> Option<StateAt> {
    let path = path(file, folder, log);
    if let Some(path) = &path {
        warn_of_readers(path, file, log);
    }
    let state = &file.state;
    let database = if let Some(url) = &state.url {
        if state.key.is_none() {
            log.problem(url.place.problem(
                "the agents that share a state need the same key, but key is not set",
                "add key = { file = \"…\" } with 32 random bytes, the same for all agents",
            ));
        }
        Some(database(state, url, folder, jobs, log))
    } else {
        report_without_url(state, log);
        None
    };
    Some(StateAt {
        path: path?,
        database: match database {
            Some(database) => Some(database?),
            None => None,
        },
    })
}

/// What only a state in a database has.
fn report_without_url(state: &file::State, log: &mut Log) {
    let certificate = state.client_certificate.as_ref();
    let certificate = certificate.and_then(|tls| tls.certificate.as_ref());
    let places = [
        state.password.as_ref().map(|typed| &typed.place),
        state.ca_certificate.as_ref().map(|typed| &typed.place),
        state.schema.as_ref().map(|typed| &typed.place),
        state.lease.as_ref().map(|typed| &typed.place),
        certificate.map(|typed| &typed.place),
    ];
    for place in places.into_iter().flatten() {
        log.problem(place.problem(
            "this key is for a state in a database, but url is not set",
            "add url = \"postgres://USER@HOST/DATABASE\", or remove it",
        ));
    }
}

fn path(file: &File, folder: &Path, log: &mut Log) -> Option<PathBuf> {
    let Some(typed) = &file.state.path else {
        return Some(folder.join(STATE_PATH));
    };
    if typed.value.trim().is_empty() {
        let remedy = "name a file, such as path = \"entrain.db\"";
        log.problem(typed.place.problem("empty", remedy));
        return None;
    }
    let path = folder.join(&typed.value);
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let name = parent.display();
        log.warning(typed.place.problem(
            format!("the folder {name} does not exist"),
            format!("mkdir -p {name}"),
        ));
    }
    Some(path)
}

fn database(
    state: &file::State,
    typed: &Typed<String>,
    folder: &Path,
    jobs: &[Option<Job>],
    log: &mut Log,
) -> Option<Database> {
    let url = address(typed, log);
    let schema = schema(state.schema.as_ref(), log);
    let client_certificate = state.client_certificate.as_ref().map(|tls| {
        let certificate = secret(tls.certificate.as_ref(), folder, log);
        let private_key = secret(tls.private_key.as_ref(), folder, log);
        Some((certificate?, private_key?))
    });
    let ca_certificate = state.ca_certificate.as_ref();
    let ca_certificate = ca_certificate.map(|typed| certificates(typed, folder, log));
    let password = secret(state.password.as_ref(), folder, log);
    let timeouts = jobs.iter().flatten().map(|job| job.target.timeout);
    let timeout = timeouts.max().unwrap_or(super::TIMEOUT);
    let lease = match &state.lease {
        Some(typed) => lease(typed, timeout, log),
        None => Some(SHORTEST_LEASE.max(timeout * 2 + Duration::from_secs(15))),
    };
    Some(Database {
        url: url?,
        password,
        client_certificate: match client_certificate {
            Some(pair) => Some(pair?),
            None => None,
        },
        ca_certificate,
        schema: schema?,
        lease: lease?,
        timeout,
    })
}

fn address(typed: &Typed<String>, log: &mut Log) -> Option<Url> {
    const REMEDY: &str = "write it like postgres://entrain@db.example.com/entrain";
    let mut fail = |message: String, remedy: &str| {
        log.problem(typed.place.problem(message, remedy));
        None
    };
    let url = match Url::parse(typed.value.trim()) {
        Ok(url) => url,
        Err(error) => return fail(format!("this is not an address: {error}"), REMEDY),
    };
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return fail(
            "this is not the address of a PostgreSQL database".to_owned(),
            REMEDY,
        );
    }
    if url.password().is_some() {
        return fail(
            "the address holds a password".to_owned(),
            "remove it, and write password = { file = \"…\" } or { env = \"…\" }",
        );
    }
    if url.username().is_empty() {
        return fail("the address names no user".to_owned(), REMEDY);
    }
    if url.path().trim_matches('/').is_empty() {
        return fail("the address names no database".to_owned(), REMEDY);
    }
    if let Some((key, _)) = url.query_pairs().find(|(key, _)| key != "host") {
        return fail(
            format!("the parameter {key} is not supported"),
            "remove it: certificates are always verified, and host is the only parameter, for the folder of a \
             Unix socket",
        );
    }
    Some(url)
}

/// Names that need no quotation marks in any tool.
fn schema(typed: Option<&Typed<String>>, log: &mut Log) -> Option<String> {
    let Some(typed) = typed else {
        return Some(SCHEMA.to_owned());
    };
    let name = &typed.value;
    let is_plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if is_plain && begins_well && name.len() <= 48 && !name.starts_with("pg_") {
        return Some(name.clone());
    }
    log.problem(typed.place.problem(
        format!("{name:?} cannot be the name of the schema"),
        "use at most 48 lower-case letters, digits and underscores, and begin with a letter",
    ));
    None
}

/// A successor waits for the lease and for the requests that may still be on their way (safety.md, 6).
fn lease(typed: &Typed<String>, timeout: Duration, log: &mut Log) -> Option<Duration> {
    let lease = length(typed, log)?;
    if lease.as_secs_f64() < 1.8 * timeout.as_secs_f64() {
        log.problem(typed.place.problem(
            format!(
                "it is shorter than 1.8 times the longest timeout of a target, which is {} seconds",
                timeout.as_secs()
            ),
            "make the lease longer, or the timeout shorter",
        ));
        return None;
    }
    Some(lease)
}

/// How long the log is kept.
pub(super) fn retention(file: &File, log: &mut Log) -> Option<Retention> {
    let mut retention = Retention::default();
    if let Some(typed) = &file.state.keep_log {
        let age = TimeDelta::from_std(length(typed, log)?).unwrap_or(TimeDelta::MAX);
        if age < Retention::LEAST {
            let remedy =
                "write at least \"2d\": the limits of removals count what was done in 24 hours";
            log.problem(typed.place.problem("it is too short", remedy));
            return None;
        }
        retention.age = age;
    }
    if let Some(typed) = &file.state.keep_log_rows {
        retention.rows = typed.value;
    }
    Some(retention)
}

/// The state holds people's names: it is made for its owner alone.
fn warn_of_readers(path: &Path, file: &File, log: &mut Log) {
    let found = std::fs::metadata(path).ok().filter(Metadata::is_file);
    let Some(mode) = found.and_then(|found| os::mode_for_others(&found)) else {
        return;
    };
    let place = match (&file.state.path, file.sources.first()) {
        (Some(typed), _) => typed.place.clone(),
        (None, Some(source)) => source.place.clone(),
        (None, None) => return,
    };
    log.warning(place.problem(
        format!("the state file can be read by other users of this machine (mode {mode:o})"),
        format!("chmod 600 {}", path.display()),
    ));
}
