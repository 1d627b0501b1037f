//! `entrain approve JOB` and `entrain reject JOB`: what a person decides of the removals that are held.
//! That nothing is held is no failure: what was requested is so already.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use super::args;
use super::exit::Exit;
use super::find;
use super::load;
use super::operator;
use super::output::Output;
use super::usage::Usage;
use crate::engine::model::{JobName, Key, ObjectKind, nearest};
use crate::report::{json, text};
use crate::scheduler;
use crate::store::{self, Deciding, Store};

pub(super) fn decide(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Decide,
    approve: bool,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    let job = &load::job(&config, &arguments.job)?.rules.name;
    // Looked at first, so that no state file is made where there is none. No lock: the service may
    // run, and its next cycle finds the decision.
    let objects = match Store::open_read_only(&config.state) {
        Ok(store) => Some(objects(&store, arguments)?),
        Err(store::Error::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let (Some(cycle), Some(_)) = (arguments.cycle, &objects) {
        check_cycle(&Store::open_read_only(&config.state)?, job, cycle)?;
    }
    if let (Some(cause), Some(_)) = (&arguments.cause, &objects) {
        check_cause(&Store::open_read_only(&config.state)?, job, cause)?;
    }
    let decided = match &objects {
        Some(objects) => {
            let store = Store::open(&config.state)?;
            let deciding = Deciding {
                approve,
                cycle: arguments.cycle,
                objects,
                cause: arguments.cause.as_deref(),
                reason: arguments.reason.as_deref(),
                now: scheduler::now(),
            };
            let decided = store.decide(job, &deciding)?;
            let verb = if approve { "approve" } else { "reject" };
            for removal in decided.iter().flat_map(|decided| &decided.removals) {
                let detail = match &arguments.reason {
                    Some(reason) => format!("{} ({reason})", removal.action),
                    None => removal.action.clone(),
                };
                let member = removal.member.as_ref().unwrap_or(&removal.subject);
                operator::note(&store, job, Some(member.key), verb, &detail)?;
            }
            decided
        }
        None => None,
    };
    let mut out = output.text();
    if output.is_json() {
        json::decided(&mut out, job, decided.as_ref(), approve)?;
    } else {
        let text = match &decided {
            Some(decided) => text::decided(job, decided, approve),
            None => text::nothing_held(job, approve),
        };
        writeln!(out, "{text}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// What was held in a cycle was reviewed. A number that no cycle has would decide what was never reviewed.
fn check_cycle(store: &Store, job: &JobName, cycle: i64) -> anyhow::Result<()> {
    let known = store.cycle(cycle)?;
    if known.is_some_and(|(of, _)| of == *job) {
        return Ok(());
    }
    let newest = match store.newest_cycle(job)? {
        Some(newest) => format!("the newest is {newest}"),
        None => "it had none yet".to_owned(),
    };
    let words = format!(
        "there is no cycle {cycle} of {job} on record; {newest}: entrain status shows what is held"
    );
    Err(Usage(words).into())
}

/// A cause that nothing has is a mistyped one.
fn check_cause(store: &Store, job: &JobName, cause: &str) -> anyhow::Result<()> {
    let record = store.status(job, 1)?;
    let held = record.held.into_iter().flat_map(|held| held.removals);
    let decided = record.approved.into_iter().chain(record.rejected);
    let causes: BTreeSet<String> = held.chain(decided).map(|one| one.cause).collect();
    if causes.is_empty() || causes.contains(cause) {
        return Ok(());
    }
    let words = if let Some(nearest) = nearest(cause, causes.iter().map(String::as_str)) {
        format!("did you mean {nearest}?")
    } else {
        let causes: Vec<&str> = causes.iter().map(String::as_str).collect();
        format!("the causes are {}", causes.join(", "))
    };
    let words = format!("no removal of {job} is held because of {cause:?}: {words}");
    Err(Usage(words).into())
}

/// The objects that are named.
fn objects(store: &Store, arguments: &args::Decide) -> anyhow::Result<Vec<Key>> {
    let users = arguments.users.iter().map(|name| (ObjectKind::User, name));
    let groups = arguments
        .groups
        .iter()
        .map(|name| (ObjectKind::Group, name));
    let mut keys = Vec::new();
    for (kind, name) in users.chain(groups) {
        let found = store.find(kind, name)?;
        match found.as_slice() {
            [] => {
                let words = find::unknown(store, name)?;
                return Err(Usage(words).into());
            }
            [one] => keys.push(one.key),
            [_, _, ..] => {
                let words = format!("several {kind}s are named {name:?}; give the id");
                return Err(Usage(words).into());
            }
        }
    }
    Ok(keys)
}
