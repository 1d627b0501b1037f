//! `entrain import`: makes a job of the schema of an Entra provisioning job, from a file or from the tenant. The job goes to
//! standard output or into a new file, what could not be carried over to standard error.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::interrupt::Interrupt;
use super::load;
use super::new_file;
use super::output::{Output, is_standard_output};
use super::usage::Usage;
use crate::config::entra::{self, Error, Imported, Left, Settings};
use crate::cycle;
use crate::graph::{self, SyncJob};
use crate::report::clean_lines;
use crate::scheduler;

pub(super) async fn import(
    output: Output,
    config: Option<&Path>,
    arguments: &args::Import,
) -> anyhow::Result<Exit> {
    let target = arguments.output.as_deref();
    let target = target.filter(|path| !is_standard_output(path));
    // Reading first and refusing then would be rude.
    if let Some(target) = target.filter(|target| target.exists()) {
        return Err(new_file::exists(target).into());
    }
    let job = arguments.job.as_deref();
    let sync_job = arguments.sync_job.as_deref();
    let source = arguments.source.as_deref();
    let (imported, entra_job) = match (&arguments.file, &arguments.from_tenant) {
        (Some(file), _) => {
            let imported = entra::read(file).and_then(|bytes| entra::import(&bytes, job));
            let imported = imported.map_err(|error| refused(output, &file.display(), error))?;
            (imported, None)
        }
        (None, Some(application)) => {
            let found = Box::pin(fetch(output, config, source, (application, sync_job))).await?;
            let Found {
                schema,
                settings,
                job: entra_job,
            } = found;
            let imported = entra::import_with(&schema, job, settings);
            let imported = imported.map_err(|error| refused(output, application, error))?;
            (imported, Some(entra_job))
        }
        (None, None) => return Err(Usage("give a file, or --from-tenant".to_owned()).into()),
    };
    if let Some(target) = target {
        new_file::write_new(target, &imported.toml)?;
    }
    let mut out = output.results();
    if output.is_json() {
        let document = document(&imported, target, entra_job.as_ref());
        writeln!(out, "{document:#}")?;
    } else {
        match target {
            Some(target) => writeln!(
                out,
                "Wrote the job {} to {}. Next: add it to a configuration that has [source], fill in the \
                 marked keys,\nthen entrain check, entrain test and entrain plan.",
                imported.name,
                target.display()
            )?,
            None => out.write_all(imported.toml.as_bytes())?,
        }
    }
    out.flush()?;
    tell(output, &imported);
    if let Some(job) = entra_job.filter(|job| job.is_enabled) {
        output.message(&format!(
            "Microsoft's own job {} is enabled. Stop it on the application's page \"Provisioning\" before\n\
             entrain sync: two agents undo each other's changes.",
            job.id
        ));
    }
    Ok(Exit::Done)
}

/// What the tenant has of a provisioning job.
struct Found {
    schema: Vec<u8>,
    settings: Settings,
    job: SyncJob,
}

async fn fetch(
    output: Output,
    config: Option<&Path>,
    source: Option<&str>,
    (application, sync_job): (&str, Option<&str>),
) -> anyhow::Result<Found> {
    let source = load::source(output, config, source)?;
    let interrupt = Interrupt::listen(output)?;
    let graph = cycle::connect(&source, interrupt.stop.clone(), scheduler::now)?;
    let reading = async {
        let application = graph.find_any_application(application).await?;
        let jobs = graph.synchronization_jobs(&application.id).await?;
        let job = match chosen(jobs, sync_job) {
            Ok(job) => job,
            Err(why) => return Ok(Err(format!("{}: {why}", application.display_name))),
        };
        let schema = graph.synchronization_schema(&application.id, &job.id);
        let Some(schema) = schema.await? else {
            let why = format!("the job {} has no schema", job.id);
            return Ok(Err(why));
        };
        let settings = graph.synchronization_settings(&application.id).await?;
        Ok(Ok(Found {
            schema,
            settings: Settings::of(application.app_id, &settings),
            job,
        }))
    };
    let read: Result<Result<Found, String>, graph::Error> =
        interrupt.guard(Box::pin(reading)).await?;
    let found = read.map_err(|error| {
        let remedy = error.remedy(&source.section());
        let error = anyhow::Error::new(cycle::Error::from(error));
        match remedy {
            Some(remedy) => anyhow::anyhow!("{error:#}; {remedy}"),
            None => error,
        }
    })?;
    found.map_err(|why| Usage(why).into())
}

/// The one job, or the one that is named.
fn chosen(jobs: Vec<SyncJob>, id: Option<&str>) -> Result<SyncJob, String> {
    let ids: Vec<String> = jobs.iter().map(|job| job.id.clone()).collect();
    let ids = ids.join(", ");
    if jobs.is_empty() {
        return Err("it has no provisioning job, so there is nothing to import".to_owned());
    }
    let mut named: Vec<SyncJob> = jobs
        .into_iter()
        .filter(|job| id.is_none_or(|id| job.id.eq_ignore_ascii_case(id)))
        .collect();
    match (named.len(), id) {
        (1, _) => Ok(named.remove(0)),
        (0, _) => Err(format!("it has no such provisioning job; it has {ids}")),
        (_, _) => Err(format!(
            "it has several provisioning jobs; choose one with --sync-job: {ids}"
        )),
    }
}

/// A file that cannot be read or is no schema is wrong usage; a schema without a job is a failure.
fn refused(output: Output, name: &dyn Display, error: Error) -> anyhow::Error {
    match error {
        Error::NothingUsable { ref left, .. } => {
            if !left.is_empty() {
                tell_left(output, left);
            }
            anyhow::Error::new(error).context(name.to_string())
        }
        Error::Name { .. } => Usage(error.to_string()).into(),
        Error::Read(_)
        | Error::NotText(_)
        | Error::Malformed { .. }
        | Error::CutOff { .. }
        | Error::Implausible(_) => Usage(format!("{name}: {:#}", anyhow::Error::new(error))).into(),
    }
}

fn document(
    imported: &Imported,
    written: Option<&Path>,
    entra_job: Option<&SyncJob>,
) -> serde_json::Value {
    let Imported {
        name,
        toml,
        left,
        to_fill_in,
    } = imported;
    let left: Vec<_> = left
        .iter()
        .map(|Left { place, what, why }| json!({ "where": place, "what": what, "why": why }))
        .collect();
    let to_fill_in: Vec<_> = to_fill_in
        .iter()
        .map(|one| json!({ "key": one.key, "hint": one.hint, "required": one.required }))
        .collect();
    json!({
        "format": 1,
        "job": name,
        "job_toml": toml,
        "written": written.map(|path| path.display().to_string()),
        "not_carried_over": left,
        "differs": [entra::EMPTIED.join(" ")],
        "to_fill_in": to_fill_in,
        "entra_job": entra_job.map(|job| json!({ "id": job.id, "enabled": job.is_enabled })),
    })
}

fn tell(output: Output, imported: &Imported) {
    tell_left(output, &imported.left);
    for line in entra::EMPTIED {
        output.message(line);
    }
    output.message("To fill in, because it is not part of a schema:");
    for missing in &imported.to_fill_in {
        let need = if missing.required { "" } else { ", optional" };
        output.message(&format!("  {}  ({}{need})", missing.key, missing.hint));
    }
}

pub(super) fn tell_left(output: Output, left: &[Left]) {
    if left.is_empty() {
        output.message("Everything was converted.");
        return;
    }
    output.message(&format!("Not converted ({}):", left.len()));
    for Left { place, what, why } in left {
        let text = clean_lines(&format!("  {place}: {what}\n      {why}"));
        output.message(&text);
    }
}
