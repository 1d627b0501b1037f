//! Makes what is meant of what was typed: presets merged, expressions compiled, durations and
//! addresses read, all contradictions reported.

mod address;
mod credential;
mod filter;
mod job;
mod notify;
mod rules;
mod schedule;
mod scope;
mod source;
mod target;
mod web;

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

pub(super) use schedule::INTERVAL;
pub(super) use target::{CONCURRENCY, MEMBER_CHUNK, TIMEOUT, VISIBILITY_DELAY};

use chrono::TimeDelta;

use super::document::{Document, Place};
use super::duration;
use super::file::{self, File};
use super::mapping::choose;
use super::problem::Log;
use super::reader::Typed;
use super::secret::Purpose;
use super::settings::{Config, Notify, ReportForm, Reports, Secret, Source};
use crate::engine::record::Retention;
use crate::os;

const STATE_PATH: &str = "entrain.db";

/// How long the service keeps its reports, by default.
const KEEP_REPORTS: Duration = Duration::from_hours(24 * 90);

/// The configuration, unless something is missing; then the log says what.
pub(super) fn resolve(file: &File, path: &Path, log: &mut Log) -> Option<Config> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let state_path = match &file.state_path {
        Some(state) if state.value.trim().is_empty() => {
            let remedy = "name a file, such as path = \"entrain.db\"";
            log.problem(state.place.problem("empty", remedy));
            None
        }
        Some(state) => {
            let path = folder.join(&state.value);
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
                let name = parent.display();
                log.warning(state.place.problem(
                    format!("the folder {name} does not exist"),
                    format!("mkdir -p {name}"),
                ));
            }
            Some(path)
        }
        None => Some(folder.join(STATE_PATH)),
    };
    if let Some(path) = &state_path {
        warn_of_readers(path, file, log);
    }
    let state_key = secret(file.state_key.as_ref(), folder, log);
    let source = source::resolve_source(&file.source, folder, log);
    let web = file
        .web
        .as_ref()
        .map(|typed| web::resolve_web(typed, folder, log));
    let reports = file
        .reports
        .as_ref()
        .map(|typed| resolve_reports(typed, folder, log));
    let notify = file
        .notify
        .as_ref()
        .map(|typed| notify::resolve_notify(typed, folder, log));
    job::check_names(&file.jobs, log);
    let leavers = schedule::resolve_or_off(file.schedule.leavers.as_ref(), log);
    let retries = schedule::resolve_or_off(file.schedule.retries.as_ref(), log);
    let jobs: Vec<_> = file
        .jobs
        .iter()
        .map(|job| job::resolve_job(job, file, folder, log))
        .collect();
    if file.jobs.is_empty() {
        // A schedule that no job uses is checked all the same.
        schedule::resolve_schedule(&file.schedule, &file.schedule, log);
    }
    Some(Config {
        file: path.to_owned(),
        state_path: state_path?,
        state_key,
        retention: retention(file, log)?,
        source: source?,
        web: match web {
            Some(web) => Some(web?),
            None => None,
        },
        reports: match reports {
            Some(reports) => Some(reports?),
            None => None,
        },
        notify: match notify {
            Some(notify) => notify?,
            None => Notify::default(),
        },
        jobs: jobs.into_iter().collect::<Option<_>>()?,
        leavers,
        retries,
    })
}

fn retention(file: &File, log: &mut Log) -> Option<Retention> {
    let mut retention = Retention::default();
    if let Some(typed) = &file.keep_log {
        let age = TimeDelta::from_std(length(typed, log)?).unwrap_or(TimeDelta::MAX);
        if age < Retention::LEAST {
            let remedy =
                "write at least \"2d\": the limits of removals count what was done in 24 hours";
            log.problem(typed.place.problem("it is too short", remedy));
            return None;
        }
        retention.age = age;
    }
    if let Some(typed) = &file.keep_log_rows {
        retention.rows = typed.value;
    }
    Some(retention)
}

fn resolve_reports(typed: &file::Reports, folder: &Path, log: &mut Log) -> Option<Reports> {
    let keep = match &typed.keep {
        Some(typed) => length(typed, log),
        None => Some(KEEP_REPORTS),
    };
    let forms = typed.formats.iter().flatten();
    let forms: Vec<_> = forms
        .map(|form| choose(form, &ReportForm::WORDS, log))
        .collect();
    let mut forms = forms.into_iter().collect::<Option<Vec<_>>>()?;
    if forms.is_empty() {
        forms.push(ReportForm::Html);
    }
    Some(Reports {
        folder: folder.join(&typed.folder.as_ref()?.value),
        forms,
        keep: keep?,
    })
}

/// The state holds people's names: it is made for its owner alone.
fn warn_of_readers(path: &Path, file: &File, log: &mut Log) {
    let found = std::fs::metadata(path).ok().filter(Metadata::is_file);
    let Some(mode) = found.and_then(|found| os::mode_for_others(&found)) else {
        return;
    };
    let place = match &file.state_path {
        Some(typed) => typed.place.clone(),
        None => file.source.place.clone(),
    };
    log.warning(place.problem(
        format!("the state file can be read by other users of this machine (mode {mode:o})"),
        format!("chmod 600 {}", path.display()),
    ));
}

/// The source alone, unless something of it is missing.
pub(super) fn resolve_source(source: &file::Source, path: &Path, log: &mut Log) -> Option<Source> {
    let folder = path.parent().unwrap_or(Path::new(""));
    source::resolve_source(source, folder, log)
}

/// What a person is asked for, to write a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    JobName,
    Tenant,
    Id,
    Address,
}

/// What is wrong with an answer, by the rules of the configuration, and what to do about it.
pub(crate) fn fault(answer: Answer, text: &str) -> Option<String> {
    let document = Document::parse(Path::new(""), "").ok()?;
    let typed = Typed {
        value: text.to_owned(),
        place: Place::root(Rc::new(document)),
    };
    let mut log = Log::default();
    let log_of = &mut log;
    match answer {
        Answer::JobName => job::check_name(&typed, log_of),
        Answer::Tenant => drop(source::tenant(&typed, log_of)),
        Answer::Id => drop(guid(&typed, "copy it from the Entra admin center", log_of)),
        Answer::Address => drop(target::scim_address(&typed, log_of)),
    }
    let problem = log.problems.first()?;
    Some(format!("{}; {}", problem.message, problem.remedy))
}

fn guid(id: &Typed<String>, remedy: &str, log: &mut Log) -> Option<String> {
    if let Ok(guid) = uuid::Uuid::parse_str(id.value.trim()) {
        return Some(guid.to_string());
    }
    // What was pasted here may well be the secret: it is not repeated.
    let message = "this is not an id of the form 00000000-0000-0000-0000-000000000000";
    log.problem(id.place.problem(message, remedy));
    None
}

/// A file of certificates that are trusted in addition; a warning where it does not exist.
fn certificates(typed: &Typed<String>, folder: &Path, log: &mut Log) -> PathBuf {
    let path = folder.join(&typed.value);
    if !path.is_file() {
        log.warning(typed.place.problem(
            format!("the file {} does not exist", path.display()),
            "create it, with the certificate in PEM form, before the job runs",
        ));
    }
    path
}

/// The secret with its path relative to the configuration, with a warning where its file is missing,
/// empty or readable by others.
fn secret(typed: Option<&Typed<Secret>>, folder: &Path, log: &mut Log) -> Option<Secret> {
    secret_for(Purpose::Other, typed, folder, log)
}

fn secret_for(
    purpose: Purpose,
    typed: Option<&Typed<Secret>>,
    folder: &Path,
    log: &mut Log,
) -> Option<Secret> {
    let Typed { value, place } = typed?;
    let secret = value.in_folder(folder);
    if let Some((message, remedy)) = secret.file_fault(purpose) {
        log.warning(place.problem(message, remedy));
    }
    Some(secret)
}

/// A length of time above zero.
fn length(typed: &Typed<String>, log: &mut Log) -> Option<Duration> {
    let length = length_or_none(typed, log)?;
    if length.is_zero() {
        let problem = typed
            .place
            .problem("it must be greater than zero", duration::REMEDY);
        log.problem(problem);
        return None;
    }
    Some(length)
}

/// The same where nothing is a length too.
fn length_or_none(typed: &Typed<String>, log: &mut Log) -> Option<Duration> {
    let length = duration::parse(&typed.value);
    if length.is_none() {
        let message = format!("{:?} is not a duration", typed.value);
        log.problem(typed.place.problem(message, duration::REMEDY));
    }
    length
}
