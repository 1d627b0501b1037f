//! `entrain erase`: names and values of a person who left go from the log and the state.

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::args;
use super::exit::Exit;
use super::find;
use super::load;
use super::operator::note;
use super::output::Output;
use super::usage::Usage;
use crate::engine::model::JobName;
use crate::engine::plan::Subject;
use crate::report::operator as report;
use crate::store::{Erasing, Store};

pub(super) fn erase(
    output: Output,
    file: Option<&Path>,
    arguments: &args::Erase,
) -> anyhow::Result<Exit> {
    let config = load::config(output, file)?;
    drop(Store::open_read_only(&config.state)?);
    let store = Store::open(&config.state)?;
    let subject = user(&store, &arguments.user)?;
    let jobs: Vec<&JobName> = config.jobs.iter().map(|job| &job.rules.name).collect();
    for job in &jobs {
        if store.is_running(job)? {
            bail!("a cycle of {job} runs: erase the user when it has ended");
        }
    }
    let label = &subject.label;
    let erased = match store.erase(&subject)? {
        Erasing::Done(erased) => erased,
        Erasing::InSource => bail!(
            "{label} is in Entra, so the next cycle would read everything again: delete the user there first, and \
             run a cycle"
        ),
        Erasing::UnderWay => bail!(
            "a change of {label} is not finished: run entrain sync, decide on what is held (entrain status), then erase the user"
        ),
    };
    for job in jobs {
        note(&store, job, Some(subject.key), "erase", "")?;
    }
    let mut out = output.text();
    report::erased(&mut out, &subject, &erased, output.is_json())?;
    out.flush()?;
    Ok(Exit::Done)
}

fn user(store: &Store, text: &str) -> anyhow::Result<Subject> {
    let mut found = store.users_on_record(text)?;
    if found.is_empty() {
        // By another of the names, of one whose values are still there.
        let object = find::object(store, text)?;
        found.push(Subject::of(&object));
    }
    match <[Subject; 1]>::try_from(found) {
        Ok([subject]) => Ok(subject),
        Err(found) => {
            let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
            let ids = ids.join(", ");
            Err(Usage(format!(
                "several users are called {text:?}: name one by its id: {ids}"
            ))
            .into())
        }
    }
}
