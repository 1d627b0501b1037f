//! The agents that share a state.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::command::command;
use super::json::{FORMAT, time_json};
use super::sentence::{clean, things};
use super::text::Style;
use crate::engine::model::JobName;
use crate::engine::record::{Paused, Registered};

/// `None`: the state is a file, which one agent uses. `jobs`: those that are enabled.
pub(crate) fn text(
    out: &mut dyn Write,
    agents: Option<&[Registered]>,
    jobs: &[JobName],
    style: Style,
) -> io::Result<()> {
    let Some(agents) = agents else {
        return writeln!(
            out,
            "The state is a file, so one agent runs all jobs. Several share a state in PostgreSQL: state.url"
        );
    };
    if agents.is_empty() {
        writeln!(out, "No agent runs. To start one: entrain run")?;
    }
    for agent in agents {
        let Registered {
            id,
            host,
            pid,
            version,
            command,
            started,
            renewed,
            renewed_ago,
            is_alive,
            jobs,
            outdated,
        } = agent;
        let state = if *is_alive {
            format!("renewed its lease {} s ago", renewed_ago.num_seconds())
        } else {
            gone(*renewed)
        };
        writeln!(
            out,
            "{} {}: {state}",
            style.bold(&format!("{} (pid {pid})", clean(host))),
            clean(command),
        )?;
        writeln!(
            out,
            "  {id}, version {}, since {}",
            clean(version),
            started.format("%Y-%m-%d %H:%M:%S UTC")
        )?;
        for (job, since) in jobs {
            let job = clean(job.as_str());
            if *is_alive {
                writeln!(
                    out,
                    "  runs {job} since {}",
                    since.format("%Y-%m-%d %H:%M:%S UTC")
                )?;
            } else {
                writeln!(out, "  no other agent has taken {job} over yet")?;
            }
        }
        if *is_alive {
            for job in outdated {
                writeln!(out, "  {}", disagreement(job, "it"))?;
            }
        }
    }
    for job in without_agent(agents, jobs) {
        writeln!(out, "No agent runs {} yet.", clean(job.as_str()))?;
    }
    Ok(())
}

/// Which agent runs which of these jobs, for their status.
pub(super) fn of_jobs(
    out: &mut dyn Write,
    agents: &[Registered],
    jobs: &[JobName],
) -> io::Result<()> {
    for agent in agents.iter().filter(|agent| agent.is_alive) {
        for (job, since) in &agent.jobs {
            writeln!(
                out,
                "{} is run by {} (pid {}) since {}.",
                clean(job.as_str()),
                clean(&agent.host),
                agent.pid,
                since.format("%Y-%m-%d %H:%M UTC")
            )?;
        }
    }
    for agent in agents.iter().filter(|agent| agent.is_alive) {
        for job in &agent.outdated {
            let who = format!("{} (pid {})", clean(&agent.host), agent.pid);
            writeln!(out, "{}", disagreement(job, &who))?;
        }
    }
    if !agents.iter().any(Registered::is_service) {
        return writeln!(out, "No agent runs. To start one: entrain run");
    }
    for job in without_agent(agents, jobs) {
        writeln!(out, "No agent runs {} yet.", clean(job.as_str()))?;
    }
    Ok(())
}

/// An agent whose lease ended: `renewed` is when it did so last.
pub(super) fn gone(renewed: DateTime<Utc>) -> String {
    format!(
        "gone since {} (its lease ended)",
        renewed.format("%Y-%m-%d %H:%M:%S UTC")
    )
}

/// Two agents have different configurations of a job.
pub(crate) fn disagreement(job: &JobName, who: &str) -> String {
    format!(
        "{who} does not run {}: another agent loaded a newer configuration of it",
        clean(job.as_str())
    )
}

pub(crate) fn json(
    out: &mut dyn Write,
    agents: Option<&[Registered]>,
    jobs: &[JobName],
) -> io::Result<()> {
    let without = agents.map(|agents| {
        let without = without_agent(agents, jobs).into_iter();
        without.map(JobName::as_str).collect::<Vec<_>>()
    });
    let agents = agents.map(agents_json);
    let document = json!({ "format": FORMAT, "agents": agents, "without_agent": without });
    writeln!(out, "{document}")
}

pub(super) fn agents_json(agents: &[Registered]) -> Vec<Json> {
    agents.iter().map(agent_json).collect()
}

fn agent_json(agent: &Registered) -> Json {
    let jobs = agent.jobs.iter();
    let jobs = jobs.map(|(job, since)| json!({ "job": job.as_str(), "since": time_json(*since) }));
    json!({
        "id": agent.id,
        "host": agent.host,
        "pid": agent.pid,
        "version": agent.version,
        "command": agent.command,
        "started": time_json(agent.started),
        "renewed_seconds_ago": agent.renewed_ago.num_seconds(),
        "alive": agent.is_alive,
        "gone_since": (!agent.is_alive).then(|| time_json(agent.renewed)),
        "jobs": jobs.collect::<Vec<_>>(),
        "outdated": agent.outdated.iter().map(JobName::as_str).collect::<Vec<_>>(),
    })
}

fn without_agent<'j>(agents: &[Registered], jobs: &'j [JobName]) -> Vec<&'j JobName> {
    let alive = agents.iter().filter(|agent| agent.is_alive);
    let held: Vec<&JobName> = alive
        .flat_map(|agent| agent.jobs.iter().map(|(job, _)| job))
        .collect();
    jobs.iter().filter(|job| !held.contains(job)).collect()
}

/// The state was copied; `rows` of all its tables.
pub(crate) fn copied(
    out: &mut dyn Write,
    to: &str,
    tables: usize,
    rows: u64,
    needs_key: bool,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let document = json!({ "format": FORMAT, "copied_to": to, "tables": tables, "rows": rows });
        return writeln!(out, "{document}");
    }
    writeln!(
        out,
        "The state was copied to {}: {} in {tables} tables, each compared with the original.",
        clean(to),
        things(rows, "row")
    )?;
    if needs_key {
        writeln!(
            out,
            "It needs the same key as the database: keep state.key in the configuration."
        )?;
    }
    Ok(())
}

/// A damaged state was set aside. `paused`: the jobs that stay paused, as far as that could be read.
pub(crate) fn rebuilt(
    out: &mut dyn Write,
    path: &str,
    kept: &str,
    paused: Option<&[(JobName, Paused)]>,
    as_json: bool,
) -> io::Result<()> {
    if as_json {
        let paused = paused.map(|paused| {
            let paused = paused.iter().map(|(job, Paused { since, by })| {
                json!({ "job": job.as_str(), "since": time_json(*since), "by": by })
            });
            paused.collect::<Json>()
        });
        let document = json!({ "format": FORMAT, "state": path, "kept": kept, "paused": paused });
        return writeln!(out, "{document}");
    }
    writeln!(
        out,
        "The damaged state is kept as {}, and {} is new. The next cycle of each job reads all objects, finds their \
         accounts by matching, and creates none twice; until it completes, removals are postponed. To see what it \
         would do: {}",
        clean(kept),
        clean(path),
        command("plan")
    )?;
    for (job, _) in paused.into_iter().flatten() {
        let job = clean(job.as_str());
        writeln!(
            out,
            "{job} stays paused, until {}",
            command(&format!("resume {job}"))
        )?;
    }
    if paused.is_none() {
        writeln!(
            out,
            "Which jobs were paused cannot be read any more: pause them again before the service starts: {}",
            command("pause JOB")
        )?;
    }
    Ok(())
}

/// What a check of the state found.
pub(crate) struct Checked<'c> {
    pub(crate) tables: usize,
    pub(crate) rows: u64,
    pub(crate) faults: &'c [String],
    /// Where the state is, in a database.
    pub(crate) schema: &'c str,
    /// Tables of other programs there.
    pub(crate) others: &'c [String],
}

pub(crate) fn checked(out: &mut dyn Write, checked: &Checked<'_>, as_json: bool) -> io::Result<()> {
    let Checked {
        tables,
        rows,
        faults,
        schema,
        others,
    } = *checked;
    if as_json {
        let document = json!({
            "format": FORMAT, "tables": tables, "rows": rows, "faults": faults, "other_tables": others
        });
        return writeln!(out, "{document}");
    }
    if let Some(first) = others.first() {
        writeln!(
            out,
            "The schema {} also holds {}, such as {}. entrain leaves them as they are.",
            clean(schema),
            match others.len() {
                1 => "a table of another program".to_owned(),
                many => format!("{many} tables of other programs"),
            },
            clean(first)
        )?;
    }
    for fault in faults {
        writeln!(out, "\u{2717} {}", clean(fault))?;
    }
    if faults.is_empty() {
        writeln!(
            out,
            "The state is intact: {} in {tables} tables.",
            things(rows, "row")
        )
    } else {
        writeln!(
            out,
            "Restore a backup, or run entrain restart JOB --reset links: the next cycle matches all objects again."
        )
    }
}
