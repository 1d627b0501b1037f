//! `entrain check`: every problem of the configuration at once, without any network.

use std::io::{self, Write};
use std::path::Path;

use super::exit::Exit;
use super::load::load;
use super::output::Output;
use crate::config::{self, Config, Job, Problems};
use crate::cycle;
use crate::engine::check::Problem;
use crate::engine::job::is_like;
use crate::engine::model::ObjectKind;
use crate::report::{self, json, text};
use crate::store::{self, Store};

/// The JSON Schema of the configuration, for editors.
pub(super) fn schema(output: Output) -> anyhow::Result<Exit> {
    let mut out = output.results();
    writeln!(out, "{:#}", config::schema())?;
    out.flush()?;
    Ok(Exit::Done)
}

pub(super) fn check(output: Output, file: Option<&Path>) -> anyhow::Result<Exit> {
    let loaded = load(file);
    let (problems, warnings) = match &loaded {
        Ok(loaded) => {
            let mut warnings = loaded.warnings.clone();
            warnings.extend(from_state(&loaded.config));
            (&[][..], warnings)
        }
        Err(Problems { problems, warnings }) => (&problems[..], warnings.clone()),
    };
    let warnings = &warnings[..];
    let mut out = output.text();
    if output.is_json() {
        json::problems(&mut out, problems, warnings)?;
    } else {
        print(&mut out, "error", problems, output)?;
        print(&mut out, "warning", warnings, output)?;
        let verdict = match &loaded {
            Ok(loaded) => {
                let jobs = loaded.config.jobs.iter();
                let names: Vec<_> = jobs.map(|job| job.rules.name.as_str()).collect();
                text::valid(&loaded.config.file.display().to_string(), &names, warnings)
            }
            Err(_) => text::invalid(problems),
        };
        writeln!(out, "{verdict}")?;
    }
    out.flush()?;
    Ok(if problems.is_empty() {
        Exit::Done
    } else {
        Exit::Usage
    })
}

/// Mappings that do not fit what the targets reported of themselves when they were last asked, and names that protect
/// most users.
fn from_state(config: &Config) -> Vec<Problem> {
    if !config.state.path.exists() {
        return Vec::new();
    }
    // Whether the state is usable is not the configuration's concern.
    let Ok(store) = Store::open_plan(&config.state) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for job in &config.jobs {
        let remarks = cycle::known_remarks(&store, job).unwrap_or_default();
        let problem = |key: String, message: String, remedy: &str| Problem {
            file: config.file.clone(),
            line: None,
            column: None,
            variable: None,
            key,
            message,
            remedy: remedy.to_owned(),
        };
        let key = format!("jobs.{}", job.rules.name);
        problems.extend(remarks.iter().map(|remark| {
            let remedy = report::remark_remedy(remark);
            problem(key.clone(), report::remark(remark), remedy)
        }));
        for (names, protected, all) in protecting_most(&store, job).unwrap_or_default() {
            let message = format!(
                "{} {} {protected} of {all} linked users, so they would keep their access when they leave",
                names.join(", "),
                if names.len() == 1 { "matches" } else { "match" }
            );
            let remedy = "give only the users that must never lose their access";
            problems.push(problem(
                format!("{key}.safety.never_disable"),
                message,
                remedy,
            ));
        }
    }
    problems
}

/// Links that are looked at.
const LINKS: u32 = 10_000;
/// Fewer users than this are a trial.
const WORTH_A_REMARK: usize = 5;

/// The entries of `never_disable` that match more than half of the linked users, with how many of how many; where no
/// single one does, all of them if they do so together.
fn protecting_most(
    store: &Store,
    job: &Job,
) -> Result<Vec<(Vec<String>, usize, usize)>, store::Error> {
    let patterns = &job.rules.safety.never_disable;
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let mut users = store.link_records(&job.rules.name, None, LINKS)?;
    users.retain(|one| one.subject.kind == ObjectKind::User && one.target.is_some());
    let all = users.len();
    let count = |names_it: &dyn Fn(&str) -> bool| {
        let matching = users.iter().filter(|one| names_it(&one.subject.label));
        matching.count()
    };
    let quoted = |pattern: &String| format!("{pattern:?}");
    let is_most = |count: usize| all >= WORTH_A_REMARK && count * 2 > all;
    let mut found = Vec::new();
    for pattern in patterns {
        let protected = count(&|name| is_like(pattern, name));
        if is_most(protected) {
            found.push((vec![quoted(pattern)], protected, all));
        }
    }
    let together = count(&|name| patterns.iter().any(|pattern| is_like(pattern, name)));
    if found.is_empty() && is_most(together) {
        found.push((patterns.iter().map(quoted).collect(), together, all));
    }
    Ok(found)
}

fn print(out: &mut dyn Write, word: &str, problems: &[Problem], output: Output) -> io::Result<()> {
    for problem in problems {
        text::problem(out, word, problem, output.style())?;
        writeln!(out)?;
    }
    Ok(())
}
