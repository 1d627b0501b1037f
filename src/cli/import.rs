//! `entrain import`: makes a job of the schema exported from an Entra provisioning job. The job goes to
//! standard output or into a new file, what could not be carried over to standard error.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::args;
use super::exit::Exit;
use super::load::Usage;
use super::output::{Output, is_standard_output};
use crate::config::entra::{self, Error, Imported, Left};
use crate::report::clean_lines;

pub(super) fn import(output: Output, arguments: &args::Import) -> anyhow::Result<Exit> {
    let args::Import {
        file,
        job,
        output: target,
    } = arguments;
    let target = target.as_deref().filter(|path| !is_standard_output(path));
    // Reading first and refusing then would be rude.
    if let Some(target) = target.filter(|target| target.exists()) {
        return Err(Usage(exists(target)).into());
    }
    let imported = entra::read(file).and_then(|bytes| entra::import(&bytes, job.as_deref()));
    let imported = match imported {
        Ok(imported) => imported,
        Err(error) => return Err(refused(output, file, error)),
    };
    if let Some(target) = target {
        write_new(target, &imported.toml)?;
    }
    let mut out = output.results();
    if output.is_json() {
        writeln!(out, "{:#}", document(&imported, target))?;
    } else {
        match target {
            Some(target) => writeln!(
                out,
                "Wrote the job {} to {}. Next: add it to a configuration that has [source], fill in \
                 what is marked,\nthen entrain check, entrain test and entrain plan.",
                imported.name,
                target.display()
            )?,
            None => out.write_all(imported.toml.as_bytes())?,
        }
    }
    out.flush()?;
    tell(output, &imported);
    Ok(Exit::Done)
}

/// A file that cannot be read or is no schema is wrong usage; a schema without a job is a failure.
fn refused(output: Output, file: &Path, error: Error) -> anyhow::Error {
    let name = file.display();
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

fn document(imported: &Imported, written: Option<&Path>) -> serde_json::Value {
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
    })
}

fn tell(output: Output, imported: &Imported) {
    tell_left(output, &imported.left);
    for line in entra::EMPTIED {
        output.message(line);
    }
    output.message("To be filled in, because no schema has it:");
    for missing in &imported.to_fill_in {
        let need = if missing.required { "" } else { ", optional" };
        output.message(&format!("  {}  ({}{need})", missing.key, missing.hint));
    }
}

pub(super) fn tell_left(output: Output, left: &[Left]) {
    if left.is_empty() {
        output.message("Everything was carried over.");
        return;
    }
    output.message(&format!("Not carried over ({}):", left.len()));
    for Left { place, what, why } in left {
        let text = clean_lines(&format!("  {place}: {what}\n      {why}"));
        output.message(&text);
    }
}

fn exists(path: &Path) -> String {
    format!(
        "{} exists already and is not overwritten; name another file with --output",
        path.display()
    )
}

/// Creates the file or fails; two at once cannot overwrite each other.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Usage(exists(path)).into());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("could not create {}", path.display()));
        }
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("could not write {}", path.display()))
}
