//! Which agent runs which job: a fair share for each, and as few moves as possible.

use std::collections::{BTreeMap, BTreeSet};

use super::Failed;
use super::agents::{Held, Lease, Offer, TAKE};
use crate::engine::model::JobName;

/// Where one agent has at least this much more to do than another, in parts of the other's and its own together,
/// a job moves.
const UNEVEN: f64 = 0.2;

/// One lease, as the division sees it.
struct Part {
    name: String,
    agent: Option<String>,
    weight: f64,
}

/// How many agents have a job with each of these targets. `expects_another`: a job that is free is about to be taken
/// by another agent, which sends before this one looks again.
pub(super) fn senders(
    client: &mut impl postgres::GenericClient,
    jobs: &[Offer],
    expects_another: bool,
) -> Result<BTreeMap<String, u32>, Failed> {
    let rows = client.query(
        "SELECT name, coalesce(agents.id, '') FROM leases LEFT JOIN agents ON agents.id = agent
         WHERE NOT coalesce(fenced, NOT $1)",
        &[&expects_another],
    )?;
    let held: BTreeMap<String, String> = rows
        .into_iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut agents: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
    for Offer { job, server, .. } in jobs {
        if let (Some(server), Some(agent)) = (server, held.get(job.as_str())) {
            agents.entry(server).or_default().insert(agent);
        }
    }
    let count = |agents: BTreeSet<_>| u32::try_from(agents.len()).unwrap_or(u32::MAX);
    let senders = agents.into_iter();
    Ok(senders
        .map(|(server, agents)| (server.clone(), count(agents)))
        .collect())
}

/// Each of these jobs has a row that can be taken, and so has sending notifications.
fn insert(transaction: &mut postgres::Transaction<'_>, jobs: &[Offer]) -> Result<(), Failed> {
    let jobs = jobs.iter().map(|offer| offer.job.as_str().to_owned());
    let names: Vec<String> = jobs.chain([Lease::Notices.name()]).collect();
    transaction.execute(
        "INSERT INTO leases (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
        &[&names],
    )?;
    Ok(())
}

pub(super) fn divide<Guard>(
    transaction: &mut postgres::Transaction<'_>,
    id: &str,
    jobs: &[Offer],
    idle: impl Fn(&JobName) -> Option<Guard>,
) -> Result<(Held, Option<Guard>), Failed> {
    insert(transaction, jobs)?;
    let sharing = transaction.query("SELECT id FROM agents WHERE NOT fenced AND shares", &[])?;
    let rows = transaction.query(
        // A configuration counts as long as the agent that loaded it runs: no other one may have it.
        "SELECT name, agent, weight, CASE WHEN EXISTS (
                 SELECT 1 FROM agents WHERE id = configured_by AND NOT fenced) THEN configuration END,
             freed < clock_timestamp() - interval '30 seconds'
         FROM leases ORDER BY weight DESC, name",
        &[],
    )?;
    let digests: BTreeMap<&str, &str> = jobs
        .iter()
        .map(|offer| (offer.job.as_str(), offer.digest.as_str()))
        .collect();
    let mut held = Held::default();
    let mut loads: BTreeMap<String, f64> = sharing.iter().map(|row| (row.get(0), 0.0)).collect();
    let mut own = Vec::new();
    let mut free = Vec::new();
    let mut total = 0.0;
    let mut notices = None;
    for row in rows {
        let part = Part {
            name: row.get(0),
            agent: row.get(1),
            weight: bounded(row.get(2)),
        };
        if part.name == Lease::Notices.name() {
            notices = part.agent;
            continue;
        }
        let Some(digest) = digests.get(part.name.as_str()) else {
            continue;
        };
        total += part.weight;
        if let Some(load) = part.agent.as_ref().and_then(|agent| loads.get_mut(agent)) {
            *load += part.weight;
        }
        let configured: Option<String> = row.get(3);
        let is_outdated = configured.is_some_and(|configured| configured != *digest);
        if is_outdated {
            held.outdated.insert(JobName::new(&part.name));
        }
        if part.agent.as_deref() == Some(id) {
            own.push((part, is_outdated));
        } else if part.agent.is_none() && !is_outdated {
            free.push((part, row.get::<_, bool>(4)));
        }
    }
    let others = loads.len().max(1);
    let fair = total / f64::from(u32::try_from(others).unwrap_or(u32::MAX));
    let mut load = loads.get(id).copied().unwrap_or_default();
    if notices.as_deref() == Some(id) {
        held.notices = true;
    } else if notices.is_none() && loads.contains_key(id) {
        transaction.execute(TAKE, &[&id, &Lease::Notices.name()])?;
        held.notices = true;
    }
    // One at a time: what an agent has, its caches of the target included, is worth keeping.
    let least = loads.iter().filter(|(agent, _)| *agent != id);
    let least = least.map(|(_, load)| *load).fold(f64::INFINITY, f64::min);
    let leaving: Vec<usize> = (0..own.len())
        .filter(|place| {
            let (part, is_outdated) = &own[*place];
            let evens = load - least > UNEVEN * (load + least) && least + part.weight < load;
            *is_outdated || evens
        })
        .collect();
    let given = leaving.iter().find_map(|place| {
        let guard = idle(&JobName::new(&own[*place].0.name))?;
        Some((*place, guard))
    });
    // Where none is idle, no cycle of the first one starts any more.
    let ending = leaving.first().filter(|_| given.is_none());
    let ending = ending.map(|place| own[*place].0.name.clone());
    if let Some((place, _)) = given {
        let (part, _) = own.remove(place);
        transaction.execute(
            "UPDATE leases SET agent = NULL, inherited = false, freed = clock_timestamp() WHERE name = $1",
            &[&part.name],
        )?;
    } else if loads.contains_key(id) {
        for (part, has_waited) in free {
            // Perhaps no other agent has it in its configuration.
            if load >= fair && !has_waited {
                continue;
            }
            load += part.weight;
            transaction.execute(TAKE, &[&id, &part.name])?;
            held.taken.push(JobName::new(&part.name));
            own.push((part, false));
        }
    }
    held.jobs = own
        .iter()
        .filter(|(part, is_outdated)| !is_outdated && ending.as_ref() != Some(&part.name))
        .map(|(part, _)| JobName::new(&part.name))
        .collect();
    Ok((held, given.map(|(_, guard)| guard)))
}

/// A weight as a number; hardly any cycle takes weeks.
fn bounded(weight: i64) -> f64 {
    f64::from(i32::try_from(weight).unwrap_or(i32::MAX))
}
